import { FatalError, RetryError, Snooze, Stopped, type StopReason } from "./errors.js";
import type { Json } from "./http.js";
import type { Ack, Beat, Lease, LogLine } from "./protocol.js";

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
  /** A line of the task's log. */
  log(text: string, stream?: string): void;
}

export type Handler = (task: Task, context: Context) => unknown;

const LOG_BYTES_MAX = 64 * 1024, LINE_CHARS_MAX = 8 * 1024, ERROR_CHARS_MAX = 4 * 1024;

/** One lease while its handler runs: what is still to be told of it, and how it ended. */
export class Attempt implements Context {
  readonly task: Task;
  readonly #abort = new AbortController();
  #progress: number | undefined;
  #checkpoint: { value: Json; told: (() => void)[] } | undefined;
  #logs: LogLine[] = [];
  #logBytes = 0;

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
    for (const told of this.#checkpoint?.told ?? []) told();
    this.#checkpoint = undefined;
  }

  progress(value: number): void {
    if (!(value >= 0 && value <= 1)) throw new RangeError("progress: is not within 0 and 1");
    this.#progress = value;
    this.wakeTeller();
  }

  checkpoint(value: Json): Promise<void> {
    const copy = JSON.parse(JSON.stringify(value ?? null)) as Json;
    return new Promise((told) => {
      if (this.stopReason === "lost") return told();
      this.#checkpoint = { value: copy, told: [...this.#checkpoint?.told ?? [], told] };
      this.wakeTeller();
    });
  }

  /** The last checkpoint has been told, or never will be. */
  flushed(): Promise<void> {
    return new Promise((told) => {
      if (this.#checkpoint) this.#checkpoint.told.push(told);
      else told();
    });
  }

  log(text: string, stream = "stdout"): void {
    const line = { stream, text: String(text).slice(0, LINE_CHARS_MAX), at_us: Date.now() * 1000 };
    this.#logs.push(line);
    this.#logBytes += line.text.length;
    while (this.#logBytes > LOG_BYTES_MAX) this.#logBytes -= this.#logs.shift()!.text.length;
    this.wakeTeller();
  }

  get hasNews(): boolean {
    return this.#progress !== undefined || this.#checkpoint !== undefined || this.#logs.length > 0;
  }

  get isCheckpointUntold(): boolean {
    return this.#checkpoint !== undefined;
  }

  /** For a heartbeat. `untold` takes it back when the heartbeat failed, `told` when it came. */
  takeNews(): { beat: Beat; told: () => void; untold: () => void } {
    const progress = this.#progress, checkpoint = this.#checkpoint, logs = this.#logs;
    const beat: Beat = { ...this.name };
    if (progress !== undefined) beat.progress = progress;
    if (checkpoint) beat.checkpoint = checkpoint.value;
    if (logs.length > 0) beat.logs = logs;
    this.#progress = undefined;
    this.#logs = [];
    this.#logBytes = 0;
    return {
      beat,
      told: () => {
        if (this.#checkpoint === checkpoint) this.#checkpoint = undefined;
        for (const told of checkpoint?.told ?? []) told();
      },
      untold: () => {
        this.#progress ??= progress;
        this.#logs = [...logs, ...this.#logs];
        this.#logBytes = this.#logs.reduce((sum, line) => sum + line.text.length, 0);
      },
    };
  }

  /** Runs the handler and says how it ended. */
  async run(handler: Handler): Promise<Ack> {
    try {
      const result = await handler(this.task, this);
      return { ...this.name, outcome: "complete", ...(result === undefined ? {} : { result }) };
    } catch (error) {
      return { ...this.name, ...this.#outcomeOf(error) };
    }
  }

  #outcomeOf(error: unknown): Omit<Ack, "task" | "fence"> {
    const text = (error instanceof Error ? error.message || error.name : String(error)).slice(0, ERROR_CHARS_MAX);
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
