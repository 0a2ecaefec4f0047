import { randomBytes } from "node:crypto";
import { GraphQLError, ProblemError } from "./errors.js";
import { Backoff, Http, sleep, type Json, type Options } from "./http.js";

export interface NewTask {
  type: string;
  payload?: Json;
  /** A UUIDv7 of the caller's own, which makes a repeat of the call harmless; made here otherwise. */
  id?: string;
  priority?: "LOW" | "NORMAL" | "HIGH";
  queue?: string;
  runAt?: Date;
  maxAttempts?: number;
  timeoutSeconds?: number;
  idempotencyKey?: string;
  dependsOn?: string[];
}

export interface CreatedTask {
  id: string;
  /** False while the Worker Service is away: it is kept, and handed over later. */
  accepted: boolean;
}

export interface FoundTask {
  id: string;
  type: string;
  status: "PENDING" | "IN_PROGRESS" | "COMPLETED" | "FAILED";
  state: string;
  attempt: number;
  progress: number | null;
  result: Json;
  error: string | null;
}

/** A UUIDv7 of now. */
export function newId(): string {
  const bytes = randomBytes(16);
  bytes.writeUIntBE(Date.now(), 0, 6);
  bytes[6] = 0x70 | (bytes[6]! & 0x0f);
  bytes[8] = 0x80 | (bytes[8]! & 0x3f);
  const hex = bytes.toString("hex");
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
}

const CREATE = "mutation($input: CreateTaskInput!) { createTask(input: $input) { id accepted } }";
const FIND = "query($id: ID!) { task(id: $id) { id type status state attempt progress result error } }";
const CANCEL = "mutation($id: ID!) { cancelTask(id: $id) { id } }";

/** Creates tasks and looks at them, by the GraphQL API; its token has the scope API. */
export class Client {
  readonly #http: Http;
  readonly #timeoutMs: number;

  /** `timeoutMs`: how long a call may take in all, its repeats included. */
  constructor(options: Options & { timeoutMs?: number }) {
    this.#http = new Http(options);
    this.#timeoutMs = options.timeoutMs ?? 30_000;
  }

  /**
   * Repeated, with the same id, until an answer tells what became of it: stored once, whatever was
   * lost on the way.
   */
  async createTask(task: NewTask): Promise<CreatedTask> {
    const input = { ...task, id: task.id ?? newId(), ...(task.runAt ? { runAt: task.runAt.toISOString() } : {}) };
    return (await this.#repeated(CREATE, { input })).createTask as CreatedTask;
  }

  /** Null where there is none. */
  async task(id: string): Promise<FoundTask | null> {
    return (await this.#repeated(FIND, { id })).task as FoundTask | null;
  }

  async cancelTask(id: string): Promise<void> {
    await this.graphql(CANCEL, { id });
  }

  /** Any operation, once. */
  async graphql(query: string, variables: object = {}, timeoutMs = this.#timeoutMs): Promise<Record<string, unknown>> {
    const answer = await this.#http.call("POST", "/graphql", { query, variables }, { timeoutMs }) as {
      data?: Record<string, unknown>; errors?: { message: string; extensions?: { code?: string } }[];
    };
    const error = answer.errors?.[0];
    if (error) throw new GraphQLError(error.extensions?.code ?? "INTERNAL", error.message);
    return answer.data!;
  }

  async #repeated(query: string, variables: object): Promise<Record<string, unknown>> {
    const until = Date.now() + this.#timeoutMs, backoff = new Backoff();
    for (;;) {
      try {
        return await this.graphql(query, variables, Math.max(until - Date.now(), 1));
      } catch (error) {
        const waitMs = backoff.next(error);
        if (!isTemporary(error) || Date.now() + waitMs > until) throw error;
        await sleep(waitMs);
      }
    }
  }
}

const TEMPORARY = new Set(["RATE_LIMITED", "WORKER_UNAVAILABLE", "DATABASE_UNAVAILABLE", "TIMEOUT"]);

function isTemporary(error: unknown): boolean {
  if (error instanceof GraphQLError) return TEMPORARY.has(error.code);
  return !(error instanceof ProblemError) || error.isTemporary;
}
