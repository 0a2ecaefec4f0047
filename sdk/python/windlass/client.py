"""Creates tasks and looks at them, by the GraphQL API."""

import asyncio
import secrets
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from .errors import GraphQLError, ProblemError
from .http import Backoff, Http, NoAnswer

_CREATE = "mutation($input: CreateTaskInput!) { createTask(input: $input) { id accepted } }"
_FIND = "query($id: ID!) { task(id: $id) { id type status state attempt progress result error } }"
_CANCEL = "mutation($id: ID!) { cancelTask(id: $id) { id } }"
_TEMPORARY = {"RATE_LIMITED", "WORKER_UNAVAILABLE", "DATABASE_UNAVAILABLE", "TIMEOUT"}


def new_id() -> str:
    """A UUIDv7 of now."""
    b = bytearray((time.time_ns() // 1_000_000).to_bytes(6, "big") + secrets.token_bytes(10))
    b[6], b[8] = 0x70 | b[6] & 0x0F, 0x80 | b[8] & 0x3F
    return str(uuid.UUID(bytes=bytes(b)))


@dataclass(frozen=True)
class CreatedTask:
    id: str
    #: False while the Worker Service is away: it is kept, and handed over later.
    accepted: bool


@dataclass(frozen=True)
class FoundTask:
    id: str
    type: str
    status: Literal["PENDING", "IN_PROGRESS", "COMPLETED", "FAILED"]
    state: str
    attempt: int
    progress: float | None
    result: Any
    error: str | None


class Client:
    """Its token has the scope API. `timeout_s`: how long a call may take in all, its repeats included."""

    def __init__(self, url: str, token: str, *, timeout_s: float = 30) -> None:
        self._http = Http(url, token)
        self._timeout_s = timeout_s

    async def create_task(self, type: str, payload: Any = None, *,  # pylint: disable=redefined-builtin
                          id: str | None = None,  # pylint: disable=redefined-builtin
                          priority: Literal["LOW", "NORMAL", "HIGH"] | None = None, queue: str | None = None,
                          run_at: datetime | None = None, max_attempts: int | None = None,
                          timeout_seconds: int | None = None, idempotency_key: str | None = None,
                          depends_on: Sequence[str] | None = None) -> CreatedTask:
        """
        Repeated, with the same id, until an answer tells what became of it: stored once, whatever was
        lost on the way. `id` is a UUIDv7 of the caller's own, which makes a repeat of this call
        harmless too.
        """
        given = {"payload": payload, "priority": priority, "queue": queue, "maxAttempts": max_attempts,
                 "runAt": None if run_at is None else run_at.astimezone().isoformat(),
                 "timeoutSeconds": timeout_seconds, "idempotencyKey": idempotency_key,
                 "dependsOn": None if depends_on is None else list(depends_on)}
        wanted = {"id": id or new_id(), "type": type,
                  **{name: value for name, value in given.items() if value is not None}}
        return CreatedTask(**(await self._repeated(_CREATE, {"input": wanted}))["createTask"])

    async def task(self, task_id: str) -> FoundTask | None:
        found = (await self._repeated(_FIND, {"id": task_id}))["task"]
        return None if found is None else FoundTask(**found)

    async def cancel_task(self, task_id: str) -> None:
        await self.graphql(_CANCEL, {"id": task_id})

    async def graphql(self, query: str, variables: Mapping[str, Any] | None = None, *,
                      timeout_s: float | None = None) -> dict[str, Any]:
        """Any operation, once."""
        answer = await self._http.call("POST", "/graphql", {"query": query, "variables": dict(variables or {})},
                                       timeout_s=timeout_s or self._timeout_s)
        if errors := answer.get("errors"):
            raise GraphQLError(errors[0].get("extensions", {}).get("code", "INTERNAL"), errors[0]["message"])
        data: dict[str, Any] = answer["data"]
        return data

    async def _repeated(self, query: str, variables: Mapping[str, Any]) -> dict[str, Any]:
        until, backoff = time.monotonic() + self._timeout_s, Backoff()
        while True:
            try:
                return await self.graphql(query, variables, timeout_s=max(until - time.monotonic(), 0.001))
            except (GraphQLError, ProblemError, *NoAnswer) as error:
                wait_s = backoff.next(error)
                if not _is_temporary(error) or time.monotonic() + wait_s > until:
                    raise
            await asyncio.sleep(wait_s)

    def close(self) -> None:
        self._http.close()


def _is_temporary(error: BaseException) -> bool:
    if isinstance(error, GraphQLError):
        return error.code in _TEMPORARY
    return not isinstance(error, ProblemError) or error.is_temporary
