/** What is said on the wire: docs/openapi/lease.json. */
import type { Json } from "./http.js";

export interface Lease {
  task: string;
  type: string;
  payload: Json;
  attempt: number;
  max_attempts: number;
  fence: string;
  deadline_us: number;
  scheduled_for_us: number | null;
  idempotency_key: string | null;
  job_id: string | null;
  checkpoint: Json;
}
export interface Named {
  task: string;
  fence: string;
}
export interface LogLine {
  stream: string;
  text: string;
  at_us: number;
}
export interface Ack extends Named {
  outcome: "complete" | "fail" | "fatal" | "release" | "snooze" | "cancelled";
  result?: unknown;
  error?: string;
  retry_in_ms?: number;
  logs?: LogLine[];
  spawn?: Spawn[];
}
export interface Spawn {
  type: string;
  payload: Json;
  priority: string | null;
  queue: string | null;
  run_at_us: number | null;
  max_attempts: number | null;
  timeout_s: number | null;
}
export interface Beat extends Named {
  progress?: number;
  checkpoint?: Json;
  logs?: LogLine[];
}
export interface Command extends Named {
  kind: "cancel";
  reason: "cancelled" | "timeout";
}
export interface Answer {
  leases?: Lease[];
  acks?: { task: string; outcome: "applied" | "duplicate" | "stale" | "unknown" }[];
  lost?: Named[];
  held?: number; // of a heartbeat: so many leases the session has
  commands: Command[];
  mode: "run" | "quiet" | "stop";
}
export interface Opened {
  session: string;
  secret: string;
  ttl_ms: number;
  heartbeat_ms: number;
}
