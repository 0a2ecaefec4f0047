import { FatalError, RetryError, Snooze, Stopped, type StopReason } from "./errors.js";
import type { Json } from "./http.js";
import type { Ack, Beat, Lease, LogLine, Spawn } from "./protocol.js";

export interface Task {
  readonly id: string;
  readonly type: string;
  readonly payload: Json;
  /** 1 at the first. */
  readonly attempt: number;
  readonly maxAttempts: number;
  /** What an earlier attempt left by `context.checkpoint`; null where there is none. */
  readonly checkpoint: Json;
  /** When the attempt is told to stop. */
  readonly deadline: Date;
  readonly idempotencyKey: string | null;
  readonly jobId: string | null;
  readonly scheduledFor: Date | null;
}

export interface Context {
  /** Aborted when the handler shall stop; its reason is a `Stopped`. */
  readonly signal: AbortSignal;
  /** 0 to 1; told within about a second. */
  progress(value: number): void;
  /** Resolves when the service has it: the next attempt begins with it. */
  checkpoint(value: Json): Promise<void>;
  /** A line of the task's log. `stream`: at most 20 of a-z, 0-9, "_", "-" and "."; stdout otherwise. */
  log(text: string, stream?: string): void;
  /** A new task, made in the commit that completes this one; none where it does not complete. */
  spawn(task: SpawnedTask): void;
}

export interface SpawnedTask {
  type: string;
  payload?: Json;
  priority?: "LOW" | "NORMAL" | "HIGH";
  queue?: string;
  runAt?: Date;
  maxAttempts?: number;
  timeoutSeconds?: number;
}

export type Handler = (task: Task, context: Context) => unknown;

const LOG_BYTES_MAX = 64 * 1024, LINE_CHARS_MAX = 8 * 1024, ERROR_CHARS_MAX = 4 * 1024;

interface Waiting {
  told: () => void;
  refused: (error: unknown) => void;
}

export interface News {
  beat: Beat;
  /** It came. */
  told: () => void;
  /** It did not: it is news as before. */
  untold: () => void;
  /** It never will be taken. */
  refused: (error: unknown) => void;
}

/** What JSON texts of the service may hold: no half of a character, no U+0000. */
function wellFormed(text: string): string {
  return text.replace(/[\uD800-\uDBFF](?![\uDC00-\uDFFF])|(?<![\uD800-\uDBFF])[\uDC00-\uDFFF]|\0/g, "\uFFFD");
}

/** One lease while its handler runs: what is still to be told of it, and how it ended. */
export class Attempt implements Context {
  readonly task: Task;
  readonly #abort = new AbortController();
  #progress: number | undefined;
  #checkpoint: { value: Json; waiting: Waiting[] } | undefined;
  #spawned: Spawn[] = [];
  #logs: LogLine[] = [];
  #logBytes = 0;
  #landed: Promise<void> | undefined; // of a heartbeat on its way with lines or a checkpoint of it

  constructor(readonly lease: Lease, readonly wakeTeller: () => void) {
    this.task = {
      id: lease.task,
      type: lease.type,
      payload: lease.payload,
      attempt: lease.attempt,
      maxAttempts: lease.max_attempts,
      checkpoint: lease.checkpoint,
      deadline: new Date(lease.deadline_us / 1000),
      idempotencyKey: lease.idempotency_key,
      jobId: lease.job_id,
      scheduledFor: lease.scheduled_for_us === null ? null : new Date(lease.scheduled_for_us / 1000),
    };
  }

  get name() {
    return { task: this.lease.task, fence: this.lease.fence };
  }

  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  get stopReason(): StopReason | undefined {
    return this.signal.aborted ? (this.signal.reason as Stopped).reason : undefined;
  }

  stop(reason: StopReason): void {
    if (!this.signal.aborted) this.#abort.abort(new Stopped(reason));
    if (reason === "lost") this.forget();
  }

  /** What it waits for will not come any more. */
  forget(): void {
    for (const { told } of this.#checkpoint?.waiting ?? []) told();
    this.#checkpoint = undefined;
  }

  progress(value: number): void {
    if (!(value >= 0 && value <= 1)) throw new RangeError("progress: is not within 0 and 1");
    this.#progress = value;
    this.wakeTeller();
  }

  checkpoint(value: Json): Promise<void> {
    const copy = JSON.parse(JSON.stringify(value ?? null)) as Json;
    const kept = new Promise<void>((told, refused) => {
      if (this.stopReason === "lost") return told();
      this.#checkpoint = { value: copy, waiting: [...this.#checkpoint?.waiting ?? [], { told, refused }] };
      this.wakeTeller();
    });
    kept.catch(() => {}); // who does not await it does not want to know
    return kept;
  }

  /** The last checkpoint has been told, or never will be, and no line is on its way. */
  async flushed(): Promise<void> {
    const checkpoint = this.#checkpoint;
    if (checkpoint) await new Promise<void>((told) => checkpoint.waiting.push({ told, refused: () => told() }));
    await this.#landed;
  }

  log(text: string, stream = "stdout"): void {
    if (!/^[a-z0-9_.-]{1,20}$/.test(stream)) throw new RangeError(`log: ${stream} is no name of a stream`);
    const line = { stream, text: wellFormed(String(text).slice(0, LINE_CHARS_MAX)), at_us: Date.now() * 1000 };
    this.#logs.push(line);
    this.#logBytes += line.text.length;
    while (this.#logBytes > LOG_BYTES_MAX) this.#logBytes -= this.#logs.shift()!.text.length;
    this.wakeTeller();
  }

  spawn(task: SpawnedTask): void {
    this.#spawned.push({
      type: task.type,
      payload: task.payload ?? null,
      priority: task.priority?.toLowerCase() ?? null,
      queue: task.queue ?? null,
      run_at_us: task.runAt ? task.runAt.getTime() * 1000 : null,
      max_attempts: task.maxAttempts ?? null,
      timeout_s: task.timeoutSeconds ?? null,
    });
  }

  get hasNews(): boolean {
    return this.#progress !== undefined || this.#checkpoint !== undefined || this.#logs.length > 0;
  }

  get isCheckpointUntold(): boolean {
    return this.#checkpoint !== undefined;
  }

  /** For a heartbeat. */
  takeNews(): News {
    const progress = this.#progress, checkpoint = this.#checkpoint, logs = this.#logs;
    const beat: Beat = { ...this.name };
    if (progress !== undefined) beat.progress = progress;
    if (checkpoint) beat.checkpoint = checkpoint.value;
    if (logs.length > 0) beat.logs = logs;
    let land = () => {};
    if (checkpoint || logs.length > 0) this.#landed = new Promise((landed) => land = landed);
    this.#progress = undefined;
    this.#logs = [];
    this.#logBytes = 0;
    return {
      beat,
      told: () => {
        if (this.#checkpoint === checkpoint) this.#checkpoint = undefined;
        for (const { told } of checkpoint?.waiting ?? []) told();
        land();
      },
      refused: (error) => {
        if (this.#checkpoint === checkpoint) this.#checkpoint = undefined;
        for (const { refused } of checkpoint?.waiting ?? []) refused(error);
        land();
      },
      untold: () => {
        this.#progress ??= progress;
        this.#logs = [...logs, ...this.#logs];
        this.#logBytes = this.#logs.reduce((sum, line) => sum + line.text.length, 0);
        land();
      },
    };
  }

  /** Runs the handler and says how it ended. */
  async run(handler: Handler): Promise<Ack> {
    try {
      const result = await handler(this.task, this);
      const spawn = this.#spawned.length > 0 ? { spawn: this.#spawned } : {};
      return { ...this.name, outcome: "complete", ...(result === undefined ? {} : { result }), ...spawn };
    } catch (error) {
      return { ...this.name, ...this.#outcomeOf(error) };
    }
  }

  #outcomeOf(error: unknown): Omit<Ack, "task" | "fence"> {
    const said = error instanceof Error ? error.message || error.name : String(error);
    const text = wellFormed(said.slice(0, ERROR_CHARS_MAX));
    if (this.stopReason === "cancelled") return { outcome: "cancelled" };
    if (this.stopReason === "shutdown") return { outcome: "release" };
    if (this.stopReason === "timeout") return { outcome: "fail", error: "timed out" };
    if (error instanceof Snooze) return { outcome: "snooze", retry_in_ms: Math.round(error.inMs) };
    if (error instanceof FatalError) return { outcome: "fatal", error: text };
    if (error instanceof RetryError) return { outcome: "fail", error: text, retry_in_ms: Math.round(error.retryInMs) };
    return { outcome: "fail", error: text };
  }

  /** The log lines that no heartbeat told go with the acknowledgement. */
  takeLogs(): { logs?: LogLine[] } {
    const logs = this.#logs;
    this.#logs = [];
    return logs.length > 0 ? { logs } : {};
  }
}
