import { ProblemError } from "./errors.js";

export type Json = null | boolean | number | string | Json[] | { [member: string]: Json };

export interface Options {
  /** Of the gateway: "https://windlass.example.org". */
  url: string;
  /** An API token; for a worker of the scope LEASE, for a client of the scope API. */
  token: string;
}

/** One peer, with its token. Connections are kept by fetch itself. */
export class Http {
  readonly #base: string;
  readonly #token: string;

  constructor({ url, token }: Options) {
    if (!token) throw new TypeError("token: is missing");
    this.#base = new URL(url).href.replace(/\/+$/, "");
    this.#token = token;
  }

  /** The answer's body. Throws ProblemError, or whatever fetch throws where no answer came. */
  async call(method: string, path: string, body?: unknown, init: {
    timeoutMs?: number; signal?: AbortSignal; headers?: Record<string, string>;
  } = {}): Promise<unknown> {
    const end = new AbortController();
    const abort = () => end.abort(init.signal?.reason);
    const timer = setTimeout(() => end.abort(new Error("no answer came in time")), init.timeoutMs ?? 30_000);
    init.signal?.addEventListener("abort", abort);
    if (init.signal?.aborted) abort();
    try {
      const response = await fetch(this.#base + path, {
        method,
        headers: { "Content-Type": "application/json", Authorization: `Bearer ${this.#token}`, ...init.headers },
        signal: end.signal,
        redirect: "error",
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      const text = await response.text();
      if (response.ok) return JSON.parse(text);
      throw problemOf(response, text);
    } finally {
      clearTimeout(timer);
      init.signal?.removeEventListener("abort", abort);
    }
  }
}

function problemOf(response: Response, text: string): ProblemError {
  let code = "UNAVAILABLE", detail = text.slice(0, 200);
  try {
    const body = JSON.parse(text);
    code = body.code ?? body.errors?.[0]?.extensions?.code ?? code;
    detail = body.detail ?? body.errors?.[0]?.message ?? detail;
  } catch {
    // something before the service answered, in its own words
  }
  const after = Number(response.headers.get("Retry-After") ?? NaN);
  return new ProblemError(response.status, code, detail, Number.isFinite(after) ? after * 1000 : undefined);
}

/** Waits, or ends early with the signal. */
export function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted) return resolve();
    const done = () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal?.addEventListener("abort", done);
  });
}

/** Doubles from 100 ms to 5 s, each with chance; what the service says counts where it says more. */
export class Backoff {
  #ms = 0;
  next(error?: unknown): number {
    this.#ms = Math.min(Math.max(this.#ms * 2, 100), 5_000);
    const said = error instanceof ProblemError ? error.retryAfterMs ?? 0 : 0;
    return Math.max(said, this.#ms) * (0.5 + Math.random() / 2);
  }
  reset(): void {
    this.#ms = 0;
  }
}
