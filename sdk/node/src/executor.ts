import { hostname } from "node:os";
import { Attempt, type Handler, type News } from "./attempt.js";
import { ProblemError, type StopReason } from "./errors.js";
import { Backoff, Http, sleep } from "./http.js";
import type { Ack, Answer, Beat, Lease, Named, Opened } from "./protocol.js";
import type { Logger, WorkerOptions } from "./worker.js";

/** What all sessions of a worker have in common. */
export interface Manner {
  http: Http;
  options: WorkerOptions;
  log: Logger;
  handlers: ReadonlyMap<string, { slots: number; handler: Handler }>;
}

const WAIT_MS = 20_000, POLL_TIMEOUT_MS = 40_000; // of a long poll
const LEASES_MAX = 500, ACKS_MAX = 500; // in one request
const BEAT_LEAST_MS = 500; // a heartbeat waits so long for its answer, even where they are more frequent
const NEWS_MS = 1_000; // progress and logs are told so often
const STOP_GRACE_MS = 5_000; // after the drain: handlers that were told to stop

/** A session, and what runs in it. When it has ended, all of it is lost. */
interface Session extends Opened {
  running: Map<string, Attempt>; // by task and fence
  owed: Ack[]; // acknowledgements that the service has not answered
  flying: Set<Ack>; // of those, what is on its way
  mayHoldMore: boolean; // an answer was lost: there may be leases that nobody here knows of
  holdsMore: boolean; // a heartbeat heard so: a request may have been carried out twice
}

/**
 * Runs the tasks of one shard, in one session at a time.
 *
 *   poll ──▶ leases ──▶ handlers ──▶ acknowledgements: with the next poll, or at once while one waits
 *   beat ──▶ keeps all leases, tells progress, checkpoints, logs; hears what is lost or cancelled
 */
export class Executor {
  readonly #options: WorkerOptions;
  readonly #shard: number;
  readonly #http: Http;
  readonly #log: Logger;
  readonly #handlers: Manner["handlers"];
  readonly #end = new AbortController(); // aborted: no new tasks
  #session: Session | undefined;
  #failure: unknown; // what ended it for good
  #poll: AbortController | undefined; // while a poll is out
  #wakePoll = () => {};
  #wakeAcks = () => {};
  #wakeBeat = () => {};
  #isUrgent = false; // a checkpoint waits to be told
  #isOver = false;

  constructor({ http, options, log, handlers }: Manner, shard: number) {
    this.#http = http;
    this.#options = options;
    this.#log = log;
    this.#handlers = handlers;
    this.#shard = shard;
  }

  /** Takes no more tasks; what runs may finish. `run` then returns. */
  stop(): void {
    this.#end.abort();
    this.#poll?.abort();
    this.#wakePoll();
  }

  /** Until `stop`. Throws where no repeat helps. */
  async run(): Promise<void> {
    const others = [this.#tellAcks(), this.#beat()];
    try {
      await this.#take();
      await this.#drain();
    } finally {
      this.#isOver = true;
      this.#wakeAcks();
      this.#wakeBeat();
      await Promise.all(others);
    }
    if (this.#failure !== undefined) throw this.#failure;
  }

  // ── the session ──

  async #open(): Promise<Session | undefined> {
    const { name, version, ttlMs } = this.#options;
    const types = Object.fromEntries([...this.#handlers].map(([type, { slots }]) => [type, { slots }]));
    const backoff = new Backoff();
    while (!this.#end.signal.aborted) {
      try {
        const opened = await this.#http.call("POST", "/v1/sessions", {
          worker: name ?? `${hostname()}:${process.pid}`, host: hostname(), version: version ?? null,
          types, ttl_ms: ttlMs ?? null, ...(this.#shard > 0 ? { shard: this.#shard } : {}),
        }) as Opened;
        this.#log.info("windlass: a session began");
        this.#session = { ...opened, running: new Map(), owed: [], flying: new Set(), mayHoldMore: false,
          holdsMore: false };
        this.#wakeBeat();
        return this.#session;
      } catch (error) {
        if (this.#isFinal(error)) return undefined;
        this.#log.warn(`windlass: cannot begin a session: ${String(error)}`);
        await sleep(backoff.next(error), this.#end.signal);
      }
    }
    return undefined;
  }

  /** No repeat helps. 404 is a session that has ended, which is begun anew. */
  #isFinal(error: unknown): boolean {
    if (!(error instanceof ProblemError) || error.isTemporary || error.status === 404) return false;
    this.#failure ??= error;
    this.stop();
    for (const attempt of this.#session?.running.values() ?? []) attempt.stop("lost");
    return true;
  }

  /** The service does not know the session any more, so its tasks are others' now. */
  #lose(session: Session): void {
    if (this.#session !== session) return;
    this.#log.warn(`windlass: the session has ended, and ${session.running.size} tasks with it`);
    this.#session = undefined;
    for (const attempt of session.running.values()) attempt.stop("lost");
    this.#poll?.abort();
    this.#wakePoll();
  }

  async #ask(session: Session, path: string, body: object, init = {}): Promise<Answer | undefined> {
    const { session: id, secret } = session;
    try {
      const answer = await this.#http.call("POST", path, { session: id, secret, ...body }, init) as Answer;
      for (const command of answer.commands) session.running.get(keyOf(command))?.stop(command.reason);
      if (answer.mode === "stop") {
        this.stop();
        this.#stopAll(session, "shutdown");
      }
      return answer;
    } catch (error) {
      if (!(error instanceof ProblemError) || error.status !== 404) throw error;
      this.#lose(session);
      return undefined;
    }
  }

  // ── taking tasks ──

  async #take(): Promise<void> {
    const backoff = new Backoff();
    while (!this.#end.signal.aborted) {
      const session = this.#session ?? await this.#open();
      if (!session) return;
      const free = this.#free(session);
      if (free === 0 && unsent(session).length === 0) {
        await new Promise<void>((wake) => this.#wakePoll = wake);
        continue;
      }
      try {
        const answer = await this.#askForLeases(session, free);
        backoff.reset();
        for (const lease of answer?.leases ?? []) this.#start(session, lease);
        if (answer?.mode === "quiet") await sleep(1_000, this.#end.signal);
      } catch (error) {
        if (this.#end.signal.aborted || this.#session !== session) continue;
        const left = isRefused(error) && session.owed.length > 0 ? await this.#tellEach(session) : error;
        if (left === undefined) continue;
        if (this.#isFinal(left)) return;
        this.#log.warn(`windlass: cannot ask for tasks: ${String(left)}`);
        await sleep(backoff.next(left), this.#end.signal);
      }
    }
  }

  #free(session: Session): number {
    let free = 0;
    for (const { slots } of this.#handlers.values()) free += slots;
    return Math.max(Math.min(free - session.running.size, LEASES_MAX), 0);
  }

  async #askForLeases(session: Session, max: number): Promise<Answer | undefined> {
    const acks = unsent(session);
    const poll = this.#poll = new AbortController();
    const held = session.mayHoldMore || session.holdsMore ? { held: heldBy(session) } : {};
    session.mayHoldMore = true; // until its answer is here
    session.holdsMore = false;
    for (const ack of acks) session.flying.add(ack);
    try {
      const answer = await this.#ask(session, "/v1/leases", { max, wait_ms: WAIT_MS, acks, ...held },
        { signal: poll.signal, timeoutMs: POLL_TIMEOUT_MS });
      session.mayHoldMore = false;
      this.#settle(session, acks, answer);
      return answer;
    } finally {
      for (const ack of acks) session.flying.delete(ack);
      this.#poll = undefined;
      this.#wakeAcks();
    }
  }

  #start(session: Session, lease: Lease): void {
    const attempt = new Attempt(lease, () => {
      this.#isUrgent ||= attempt.isCheckpointUntold;
      this.#wakeBeat();
    });
    session.running.set(keyOf(lease), attempt);
    void this.#runOne(session, attempt);
  }

  async #runOne(session: Session, attempt: Attempt): Promise<void> {
    const { handler } = this.#handlers.get(attempt.lease.type)!;
    let ack = await attempt.run(handler);
    ack = withJsonResult(ack);
    await attempt.flushed();
    session.running.delete(keyOf(attempt.lease));
    if (this.#session === session && attempt.stopReason !== "lost") session.owed.push({ ...ack, ...attempt.takeLogs() });
    this.#wakePoll();
    this.#wakeAcks();
  }

  // ── acknowledging ──

  /** While a poll is out, which may be for long, acknowledgements go by themselves. */
  async #tellAcks(): Promise<void> {
    const backoff = new Backoff();
    while (!this.#isOver) {
      const session = this.#session;
      if (!session || unsent(session).length === 0 || (!this.#poll && !this.#end.signal.aborted)) {
        await new Promise<void>((wake) => this.#wakeAcks = wake);
        continue;
      }
      try {
        await this.#tell(session, unsent(session));
        backoff.reset();
      } catch (error) {
        const left = isRefused(error) ? await this.#tellEach(session) : error;
        if (left === undefined) continue;
        if (this.#isFinal(left)) return;
        await sleep(backoff.next(left));
      }
    }
  }

  async #tell(session: Session, acks: Ack[]): Promise<void> {
    for (const ack of acks) session.flying.add(ack);
    try {
      this.#settle(session, acks, await this.#ask(session, "/v1/acks", { results: acks }));
    } finally {
      for (const ack of acks) session.flying.delete(ack);
    }
  }

  /**
   * One of them is refused, such as a result that is too long: that one fails, with the reason. Returns
   * the first other error, after which some are left: those that the service can take only later do not
   * keep it from the rest, but where it does not answer at all, it will not answer the rest either.
   */
  async #tellEach(session: Session): Promise<unknown> {
    let later: ProblemError | undefined;
    for (const ack of unsent(session)) {
      if (this.#session !== session || this.#isOver) break;
      try {
        await this.#tell(session, [ack]);
      } catch (error) {
        if (!isRefused(error)) {
          if (!(error instanceof ProblemError && error.isTemporary)) return error;
          later ??= error;
          continue;
        }
        const place = session.owed.indexOf(ack);
        const detail = `the acknowledgement was refused: ${(error as ProblemError).detail}`;
        this.#log.warn(`windlass: task ${ack.task}: ${detail}`);
        const instead: Ack[] = ack.outcome === "fatal" ? [] :
          [{ task: ack.task, fence: ack.fence, outcome: "fatal", error: detail }];
        if (place >= 0) session.owed.splice(place, 1, ...instead);
      }
    }
    return later;
  }

  #settle(session: Session, acks: Ack[], answer: Answer | undefined): void {
    if (!answer) return;
    const told = new Set(acks);
    session.owed = session.owed.filter((ack) => !told.has(ack));
    answer.acks?.forEach(({ task, outcome }) => {
      if (outcome === "stale" || outcome === "unknown")
        this.#log.warn(`windlass: task ${task}: its end came too late (${outcome}) and changed nothing`);
    });
  }

  // ── heartbeats ──

  async #beat(): Promise<void> {
    let next = 0, last = 0, of: Session | undefined;
    while (!this.#isOver) {
      const session = this.#session;
      if (session !== of) next = Date.now() + (session?.heartbeat_ms ?? 0);
      of = session;
      const hasNews = [...session?.running.values() ?? []].some((attempt) => attempt.hasNews);
      const due = !session ? Infinity : this.#isUrgent ? 0 : hasNews ? Math.min(last + NEWS_MS, next) : next;
      if (due > Date.now()) {
        const wait = new AbortController();
        this.#wakeBeat = () => wait.abort();
        await sleep(Math.min(due - Date.now(), session?.heartbeat_ms ?? 60_000), wait.signal);
        continue;
      }
      this.#isUrgent = false;
      last = Date.now();
      next = last + session!.heartbeat_ms;
      if (!await this.#beatOnce(session!)) next = last + Math.min(NEWS_MS, session!.heartbeat_ms);
    }
  }

  #beatOnce(session: Session): Promise<boolean> {
    return this.#tellNews(session, [...session.running.values()].map((attempt) => attempt.takeNews()));
  }

  async #tellNews(session: Session, news: News[]): Promise<boolean> {
    try {
      const tasks: Beat[] = news.map(({ beat }) => beat);
      const answer = await this.#ask(session, "/v1/heartbeats", { tasks }, { timeoutMs: Math.max(session.heartbeat_ms, BEAT_LEAST_MS) });
      session.holdsMore ||= (answer?.held ?? 0) > heldBy(session).length;
      for (const name of answer?.lost ?? []) session.running.get(keyOf(name))?.stop("lost");
      for (const { told } of news) told();
      return true;
    } catch (error) {
      if (isRefused(error) && news.length > 0) { // such as a checkpoint that is too long
        if (news.length > 1) for (const one of news) await this.#tellNews(session, [one]);
        else {
          this.#log.warn(`windlass: task ${news[0]!.beat.task}: ${(error as ProblemError).detail}`);
          news[0]!.refused(error);
        }
        return true;
      }
      for (const { untold } of news) untold();
      if (!this.#isFinal(error)) this.#log.warn(`windlass: no heartbeat: ${String(error)}`);
      return false;
    }
  }

  // ── the end ──

  #stopAll(session: Session, reason: StopReason): void {
    for (const attempt of session.running.values()) attempt.stop(reason);
  }

  async #drain(): Promise<void> {
    const session = this.#session;
    if (!session || this.#failure !== undefined) return;
    this.#log.info(`windlass: draining, ${session.running.size} tasks run`);
    await this.#returnUnknown(session);
    await this.#until(() => session.running.size === 0, this.#options.drainMs ?? 30_000);
    this.#stopAll(session, "shutdown");
    await this.#until(() => session.running.size === 0, STOP_GRACE_MS);
    await this.#until(() => session.owed.length === 0, STOP_GRACE_MS);
    if (this.#session !== session) return;
    await this.#http.call("DELETE", `/v1/sessions/${session.session}?release=true`, undefined, {
      headers: { "Windlass-Session-Secret": session.secret }, timeoutMs: STOP_GRACE_MS,
    }).catch((error) => this.#log.warn(`windlass: the session was not ended: ${String(error)}`));
  }

  /** The poll that was broken off may have been answered with leases: they go back at once. */
  async #returnUnknown(session: Session): Promise<void> {
    if (!session.mayHoldMore) return;
    await this.#ask(session, "/v1/leases", { max: 0, held: heldBy(session) }).catch(
      (error) => this.#log.warn(`windlass: ${String(error)}`));
  }

  async #until(isTrue: () => boolean, ms: number): Promise<void> {
    const end = Date.now() + ms;
    this.#wakeAcks();
    while (!isTrue() && Date.now() < end) await sleep(20);
  }
}

function keyOf({ task, fence }: Named): string {
  return `${task} ${fence}`;
}

function unsent(session: Session): Ack[] {
  return session.owed.filter((ack) => !session.flying.has(ack)).slice(0, ACKS_MAX);
}

function heldBy(session: Session): Named[] {
  return [...session.running.values()].map(({ name }) => name)
    .concat(session.owed.map(({ task, fence }) => ({ task, fence })));
}

function isRefused(error: unknown): boolean {
  return error instanceof ProblemError && (error.status === 400 || error.status === 413);
}

/** A result that is no JSON would break the whole request. */
function withJsonResult(ack: Ack): Ack {
  try {
    JSON.stringify(ack.result);
    return ack;
  } catch (error) {
    return { task: ack.task, fence: ack.fence, outcome: "fatal", error: `the result is no JSON: ${String(error)}` };
  }
}
