import type { Handler } from "./attempt.js";
import { ProblemError } from "./errors.js";
import { Executor } from "./executor.js";
import { Backoff, Http, sleep, type Options } from "./http.js";

export interface WorkerOptions extends Options {
  /** For people, in lists of workers; the host and process otherwise. */
  name?: string;
  /** Of the caller's own program. */
  version?: string;
  /** Silence after which the service takes the tasks back; the service's setting otherwise. */
  ttlMs?: number;
  /** How long a drain lets handlers run before they are told to stop; 30 s. */
  drainMs?: number;
  /** Drain at SIGTERM and SIGINT; true unless said otherwise. */
  signals?: boolean;
  logger?: Logger;
}

export interface Logger {
  info(message: string): void;
  warn(message: string): void;
}

const SILENT: Logger = { info: () => {}, warn: () => {} };

/** Runs tasks of the types that it has handlers for, in a session with each shard of the service. */
export class Worker {
  readonly #options: WorkerOptions;
  readonly #http: Http;
  readonly #log: Logger;
  readonly #handlers = new Map<string, { slots: number; handler: Handler }>();
  readonly #end = new AbortController(); // aborted: no new tasks
  #executors: Executor[] = [];
  #isRunning = false;

  constructor(options: WorkerOptions) {
    this.#options = options;
    this.#http = new Http(options);
    this.#log = options.logger ?? SILENT;
  }

  /**
   * Before run. `slots`: how many of them may run at once here; where the service has several shards, so
   * many of each.
   */
  handle(type: string, slots: number, handler: Handler): this {
    if (this.#isRunning) throw new Error("handle: the worker runs already");
    if (!Number.isInteger(slots) || slots < 1) throw new RangeError("slots: is no positive integer");
    this.#handlers.set(type, { slots, handler });
    return this;
  }

  /** Takes no more tasks; what runs may finish. `run` then returns. */
  stop(): void {
    this.#end.abort();
    for (const executor of this.#executors) executor.stop();
  }

  /**
   * Until `stop` or a signal. Throws where no repeat helps: the token is no longer valid, or may not
   * take these types.
   */
  async run(): Promise<void> {
    if (this.#isRunning) throw new Error("run: the worker runs already");
    if (this.#handlers.size === 0) throw new Error("run: there is no handler");
    this.#isRunning = true;
    const stop = () => this.stop();
    const signals: NodeJS.Signals[] = this.#options.signals === false ? [] : ["SIGTERM", "SIGINT"];
    for (const signal of signals) process.once(signal, stop);
    try {
      const manner = { http: this.#http, options: this.#options, log: this.#log, handlers: this.#handlers };
      const shards = await this.#findShards();
      if (!this.#end.signal.aborted) this.#executors = shards.map((shard) => new Executor(manner, shard));
      await this.#runAll();
    } finally {
      for (const signal of signals) process.off(signal, stop);
    }
  }

  /** As there are now. A service that knows of no shards is one. */
  async #findShards(): Promise<number[]> {
    const backoff = new Backoff();
    while (!this.#end.signal.aborted) {
      try {
        const { shards } = await this.#http.call("GET", "/v1/shards") as { shards: { shard: number }[] };
        return shards.map(({ shard }) => shard);
      } catch (error) {
        if (error instanceof ProblemError && !error.isTemporary) {
          if (error.status === 404) return [0];
          throw error;
        }
        this.#log.warn(`windlass: cannot ask for the shards: ${String(error)}`);
        await sleep(backoff.next(error), this.#end.signal);
      }
    }
    return [];
  }

  /** The first that ends, told to or for good, ends all. */
  async #runAll(): Promise<void> {
    const ends = await Promise.allSettled(this.#executors.map((executor) => executor.run().finally(() => this.stop())));
    const failed = ends.find((end) => end.status === "rejected");
    if (failed) throw failed.reason;
  }
}
