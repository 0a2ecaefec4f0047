export { Worker, type Logger, type WorkerOptions } from "./worker.js";
export type { Context, Handler, SpawnedTask, Task } from "./attempt.js";
export { Client, newId, type CreatedTask, type FoundTask, type NewTask } from "./client.js";
export {
  FatalError, GraphQLError, ProblemError, RetryError, Snooze, Stopped, type StopReason,
} from "./errors.js";
export type { Json, Options } from "./http.js";
