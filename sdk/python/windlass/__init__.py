"""Workers and a client for Windlass. See README.md."""

from .attempt import Context, Handler, Task
from .client import Client, CreatedTask, FoundTask, new_id
from .errors import FatalError, GraphQLError, ProblemError, RetryError, Snooze, StopReason
from .worker import Worker

__all__ = ["Client", "Context", "CreatedTask", "FatalError", "FoundTask", "GraphQLError", "Handler",
           "ProblemError", "RetryError", "Snooze", "StopReason", "Task", "Worker", "new_id"]
