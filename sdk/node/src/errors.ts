/** Thrown by a handler: the task is not tried again, whatever attempts are left. */
export class FatalError extends Error {
  override name = "FatalError";
}

/** Thrown by a handler: try again after this time instead of the usual back-off. It costs the attempt. */
export class RetryError extends Error {
  override name = "RetryError";
  constructor(message: string, readonly retryInMs: number, options?: ErrorOptions) {
    super(message, options);
  }
}

/** Thrown by a handler: not now. The task waits this long, without the cost of an attempt. */
export class Snooze extends Error {
  override name = "Snooze";
  constructor(readonly inMs: number) {
    super(`snoozed for ${inMs} ms`);
  }
}

/** Why `context.signal` was aborted; it is the signal's reason. */
export class Stopped extends Error {
  override name = "Stopped";
  constructor(readonly reason: StopReason) {
    super(STOP_TEXTS[reason]);
  }
}

/**
 * cancelled: a user cancelled the task; timeout: its time is over; lost: its lease is another's, or
 * its session has ended: whatever the handler does now is not applied; shutdown: the worker ends.
 */
export type StopReason = "cancelled" | "timeout" | "lost" | "shutdown";

const STOP_TEXTS: Record<StopReason, string> = {
  cancelled: "the task was cancelled",
  timeout: "timed out",
  lost: "the lease was lost",
  shutdown: "the worker is stopping",
};

/** The service refused a request (RFC 9457). */
export class ProblemError extends Error {
  override name = "ProblemError";
  constructor(
    readonly status: number,
    readonly code: string,
    readonly detail: string,
    readonly retryAfterMs: number | undefined,
  ) {
    super(`${status} ${code}: ${detail}`);
  }
  /** The same request may work later. */
  get isTemporary(): boolean {
    return this.status === 408 || this.status === 429 || this.status >= 500;
  }
}

/** An operation of the GraphQL API was refused. */
export class GraphQLError extends Error {
  override name = "GraphQLError";
  constructor(readonly code: string, message: string) {
    super(message);
  }
}
