"""One lease while its handler runs: what is still to be told of it, and how it ended."""

import asyncio
import json
import re
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any, Literal, Protocol

from .errors import FatalError, RetryError, Snooze, StopReason

_STREAM = re.compile(r"[a-z0-9_.-]{1,20}")
_LOG_CHARS_MAX, _LINE_CHARS_MAX, _ERROR_CHARS_MAX = 64 * 1024, 8 * 1024, 4 * 1024


@dataclass(frozen=True)
class Task:
    id: str
    type: str
    payload: Any
    #: 1 at the first.
    attempt: int
    max_attempts: int
    #: What an earlier attempt left by `context.checkpoint`; None where there is none.
    checkpoint: Any
    #: When the attempt is told to stop.
    deadline: datetime
    idempotency_key: str | None
    job_id: str | None
    scheduled_for: datetime | None


class Context(Protocol):
    """What a handler may say while it runs. When it shall stop, it is cancelled, as asyncio does it."""

    @property
    def stop_reason(self) -> StopReason | None:
        """Why it was cancelled; None while it may run."""

    def progress(self, value: float) -> None:
        """0 to 1; told within about a second."""

    async def checkpoint(self, value: Any) -> None:
        """Returns when the service has it: the next attempt begins with it."""

    def log(self, text: str, stream: str = "stdout") -> None:
        """A line of the task's log. `stream`: at most 20 of a-z, 0-9, "_", "-" and "."."""

    def spawn(self, type: str, payload: Any = None, *,  # pylint: disable=redefined-builtin
              priority: Literal["LOW", "NORMAL", "HIGH"] | None = None, queue: str | None = None,
              run_at: datetime | None = None, max_attempts: int | None = None,
              timeout_seconds: int | None = None) -> None:
        """A new task, made in the commit that completes this one; none where it does not complete."""


Handler = Callable[[Task, Context], Awaitable[Any]]
Ack = dict[str, Any]


@dataclass(frozen=True)
class News:
    beat: Ack
    #: It came.
    told: Callable[[], None]
    #: It did not: it is news as before.
    untold: Callable[[], None]
    #: It never will be taken.
    refused: Callable[[Exception], None]


def _well_formed(text: str) -> str:
    """What JSON texts of the service may hold: no half of a character, no U+0000."""
    return text.replace("\0", "\ufffd").encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _time_of(us: int) -> datetime:
    return datetime.fromtimestamp(us / 1e6, timezone.utc)


class _Checkpoint:
    def __init__(self, value: Any, waiting: list["asyncio.Future[None]"]) -> None:
        self.value, self.waiting = value, waiting

    def told(self) -> None:
        for future in self.waiting:
            if not future.done():
                future.set_result(None)

    def refused(self, error: Exception) -> None:
        for future in self.waiting:
            if not future.done():
                future.set_exception(error)


class Attempt:
    def __init__(self, lease: dict[str, Any], wake_teller: Callable[[], None]) -> None:
        self.lease, self._wake_teller = lease, wake_teller
        self.key = (lease["task"], lease["fence"])
        self.runner: asyncio.Task[None] | None = None
        self.handler: asyncio.Task[Any] | None = None
        self._reason: StopReason | None = None
        self._progress: float | None = None
        self._checkpoint: _Checkpoint | None = None
        self._logs: list[dict[str, Any]] = []
        self._log_chars = 0
        self._spawned: list[dict[str, Any]] = []
        self._landed = asyncio.Event()  # unset: a heartbeat is on its way with lines or a checkpoint of it
        self._landed.set()
        due = lease["scheduled_for_us"]
        self.task = Task(lease["task"], lease["type"], lease["payload"], lease["attempt"], lease["max_attempts"],
                         lease["checkpoint"], _time_of(lease["deadline_us"]), lease["idempotency_key"],
                         lease["job_id"], None if due is None else _time_of(due))

    @property
    def name(self) -> Ack:
        return {"task": self.key[0], "fence": self.key[1]}

    @property
    def stop_reason(self) -> StopReason | None:
        return self._reason

    def stop(self, reason: StopReason) -> None:
        """The first reason counts, but that the lease was lost, which says that no end is wanted."""
        is_first = self._reason is None
        if is_first or reason == "lost":
            self._reason = reason
        if reason == "lost" and self._checkpoint is not None:
            self._checkpoint.told()
            self._checkpoint = None
        if is_first and self.handler is not None:
            self.handler.cancel(reason)

    # ── what the handler says ──

    def progress(self, value: float) -> None:
        if not 0 <= value <= 1:
            raise ValueError("progress: is not within 0 and 1")
        self._progress = value
        self._wake_teller()

    async def checkpoint(self, value: Any) -> None:
        copy = json.loads(json.dumps(value))
        if self._reason == "lost":
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        earlier = self._checkpoint.waiting if self._checkpoint is not None else []
        self._checkpoint = _Checkpoint(copy, [*earlier, future])
        self._wake_teller()
        await future

    def log(self, text: str, stream: str = "stdout") -> None:
        if not _STREAM.fullmatch(stream):
            raise ValueError(f"log: {stream!r} is no name of a stream")
        line: dict[str, Any] = {"stream": stream, "text": _well_formed(str(text)[:_LINE_CHARS_MAX]),
                                "at_us": time.time_ns() // 1000}
        self._logs.append(line)
        self._log_chars += len(line["text"])
        while self._log_chars > _LOG_CHARS_MAX:
            self._log_chars -= len(self._logs.pop(0)["text"])
        self._wake_teller()

    def spawn(self, type: str, payload: Any = None, *,  # pylint: disable=redefined-builtin
              priority: Literal["LOW", "NORMAL", "HIGH"] | None = None, queue: str | None = None,
              run_at: datetime | None = None, max_attempts: int | None = None,
              timeout_seconds: int | None = None) -> None:
        self._spawned.append({
            "type": type, "payload": json.loads(json.dumps(payload)), "queue": queue, "max_attempts": max_attempts,
            "priority": None if priority is None else priority.lower(), "timeout_s": timeout_seconds,
            "run_at_us": None if run_at is None else round(run_at.timestamp() * 1e6)})

    # ── what is told of it ──

    @property
    def has_news(self) -> bool:
        return self._progress is not None or self._checkpoint is not None or bool(self._logs)

    @property
    def is_checkpoint_untold(self) -> bool:
        return self._checkpoint is not None

    async def flushed(self) -> None:
        """The last checkpoint has been told, or never will be, and no line is on its way."""
        if self._checkpoint is not None:
            future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._checkpoint.waiting.append(future)
            await asyncio.wait([future])
            future.exception()  # it was told to who waited for it
        await self._landed.wait()

    def take_news(self) -> News:
        """For a heartbeat."""
        progress, checkpoint, logs = self._progress, self._checkpoint, self._logs
        beat = self.name
        if progress is not None:
            beat["progress"] = progress
        if checkpoint is not None:
            beat["checkpoint"] = checkpoint.value
        if logs:
            beat["logs"] = logs
        if checkpoint is not None or logs:
            self._landed.clear()
        self._progress, self._logs, self._log_chars = None, [], 0

        def told() -> None:
            if checkpoint is not None:
                if self._checkpoint is checkpoint:
                    self._checkpoint = None
                checkpoint.told()
            self._landed.set()

        def untold() -> None:
            if self._progress is None:
                self._progress = progress
            self._logs = [*logs, *self._logs]
            self._log_chars = sum(len(line["text"]) for line in self._logs)
            self._landed.set()

        def refused(error: Exception) -> None:
            if checkpoint is not None:
                if self._checkpoint is checkpoint:
                    self._checkpoint = None
                checkpoint.refused(error)
            self._landed.set()
        return News(beat, told, untold, refused)

    def take_logs(self) -> Ack:
        """The log lines that no heartbeat told go with the acknowledgement."""
        logs, self._logs = self._logs, []
        return {"logs": logs} if logs else {}

    # ── its end ──

    async def run(self, handler: Handler) -> Ack:
        """Runs the handler and says how it ended."""
        async def call() -> Any:
            return await handler(self.task, self)
        self.handler = asyncio.get_running_loop().create_task(call())
        if self._reason is not None:
            self.handler.cancel(self._reason)
        await asyncio.wait([self.handler])
        if not self.handler.cancelled() and self.handler.exception() is None:
            return self._completed(self.handler.result())
        error = None if self.handler.cancelled() else self.handler.exception()
        return {**self.name, **self._outcome_of(error)}

    def _completed(self, result: Any) -> Ack:
        try:
            json.dumps(result)
        except (TypeError, ValueError, RecursionError) as error:
            return {**self.name, "outcome": "fatal", "error": f"the result is no JSON: {error}"[:_ERROR_CHARS_MAX]}
        return {**self.name, "outcome": "complete", **({} if result is None else {"result": result}),
                **({"spawn": self._spawned} if self._spawned else {})}

    def _outcome_of(self, error: BaseException | None) -> Ack:
        said = (str(error) or type(error).__name__) if error else "the handler cancelled itself"
        text = _well_formed(said[:_ERROR_CHARS_MAX])
        if self._reason == "cancelled":
            return {"outcome": "cancelled"}
        if self._reason == "shutdown":
            return {"outcome": "release"}
        if self._reason == "timeout":
            return {"outcome": "fail", "error": "timed out"}
        if isinstance(error, Snooze):
            return {"outcome": "snooze", "retry_in_ms": round(error.in_s * 1000)}
        if isinstance(error, FatalError):
            return {"outcome": "fatal", "error": text}
        if isinstance(error, RetryError):
            return {"outcome": "fail", "error": text, "retry_in_ms": round(error.retry_in_s * 1000)}
        return {"outcome": "fail", "error": text}
