"""How a handler says what shall become of its task, and what the service refuses."""

from typing import Literal

#: cancelled: a user cancelled the task; timeout: its time is over; lost: its lease is another's, or its
#: session has ended: whatever the handler does now is not applied; shutdown: the worker ends.
StopReason = Literal["cancelled", "timeout", "lost", "shutdown"]


class FatalError(Exception):
    """Raised by a handler: the task is not tried again, whatever attempts are left."""


class RetryError(Exception):
    """Raised by a handler: try again after this time instead of the usual back-off. It costs the attempt."""

    def __init__(self, message: str, retry_in_s: float) -> None:
        super().__init__(message)
        self.retry_in_s = retry_in_s


class Snooze(Exception):
    """Raised by a handler: not now. The task waits this long, without the cost of an attempt."""

    def __init__(self, in_s: float) -> None:
        super().__init__(f"snoozed for {in_s} s")
        self.in_s = in_s


class ProblemError(Exception):
    """The service refused a request (RFC 9457)."""

    def __init__(self, status: int, code: str, detail: str, retry_after_s: float | None) -> None:
        super().__init__(f"{status} {code}: {detail}")
        self.status = status
        self.code = code
        self.detail = detail
        self.retry_after_s = retry_after_s

    @property
    def is_temporary(self) -> bool:
        """The same request may work later."""
        return self.status in (408, 429) or self.status >= 500


class GraphQLError(Exception):
    """An operation of the GraphQL API was refused."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
