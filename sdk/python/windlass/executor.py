"""One shard's session: its leases, acknowledgements and heartbeats."""

import asyncio
import logging
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from .attempt import Ack, Attempt, Handler, News
from .errors import ProblemError, StopReason
from .http import Backoff, Http, NoAnswer, wait_at_most

_WAIT_MS, _POLL_TIMEOUT_S = 20_000, 40.0  # of a long poll
_LEASES_MAX, _ACKS_MAX = 500, 500  # in one request
_BEAT_LEAST_S = 0.5  # a heartbeat waits so long for its answer, even where they are more frequent
_NEWS_S = 1.0  # progress and logs are told so often
_STOP_GRACE_S = 5.0  # after the drain: handlers that were told to stop
_Failure = (ProblemError, *NoAnswer)


class _Session:
    """A session, and what runs in it. When it has ended, all of it is lost."""

    def __init__(self, opened: dict[str, Any]) -> None:
        self.who = {"session": opened["session"], "secret": opened["secret"]}
        self.ttl_s = opened["ttl_ms"] / 1000
        self.heartbeat_s = opened["heartbeat_ms"] / 1000
        self.running: dict[tuple[str, str], Attempt] = {}
        self.owed: list[Ack] = []  # acknowledgements that the service has not answered
        self.flying: list[Ack] = []  # of those, what is on its way
        self.may_hold_more = False  # an answer was lost: there may be leases that nobody here knows of
        self.holds_more = False  # a heartbeat heard so: a request may have been carried out twice

    def unsent(self) -> list[Ack]:
        flying = {id(ack) for ack in self.flying}
        return [ack for ack in self.owed if id(ack) not in flying][:_ACKS_MAX]

    def land(self, acks: list[Ack]) -> None:
        landed = {id(ack) for ack in acks}
        self.flying = [ack for ack in self.flying if id(ack) not in landed]

    def held(self) -> list[Ack]:
        return [attempt.name for attempt in self.running.values()] + [
            {"task": ack["task"], "fence": ack["fence"]} for ack in self.owed]


@dataclass(frozen=True)
class Manner:
    """What all sessions of a worker have in common."""
    http: Http
    name: str
    version: str | None
    ttl_s: float | None
    drain_s: float
    log: logging.Logger
    handlers: Mapping[str, tuple[int, Handler]]


class Executor:
    """
    Runs the tasks of one shard, in one session at a time.

      poll ──▶ leases ──▶ handlers ──▶ acknowledgements: with the next poll, or at once while one waits
      beat ──▶ keeps all leases, tells progress, checkpoints, logs; hears what is lost or cancelled
    """

    def __init__(self, manner: Manner, shard: int) -> None:
        self._manner, self._shard = manner, shard
        self._http, self._log, self._handlers = manner.http, manner.log, manner.handlers
        self._session: _Session | None = None
        self._failure: BaseException | None = None  # what ended it for good
        self._poll: asyncio.Task[Any] | None = None  # while a poll is out
        self._end, self._wake_poll, self._wake_acks, self._wake_beat = (asyncio.Event() for _ in range(4))
        self._is_urgent = False  # a checkpoint waits to be told
        self._is_over = False

    def stop(self) -> None:
        """Takes no more tasks; what runs may finish. `run` then returns."""
        self._end.set()
        self._break_poll()

    async def run(self) -> None:
        """Until `stop`. Raises where no repeat helps."""
        loop = asyncio.get_running_loop()
        others = [loop.create_task(self._tell_acks()), loop.create_task(self._beat())]
        try:
            await self._take()
            await self._drain()
        finally:
            self._is_over = True
            self._wake_acks.set()
            self._wake_beat.set()
            await asyncio.gather(*others)
        if self._failure is not None:
            raise self._failure

    # ── the session ──

    async def _open(self) -> _Session | None:
        backoff = Backoff()
        while not self._end.is_set():
            try:
                opened = await self._http.call("POST", "/v1/sessions", {
                    "worker": self._manner.name, "host": socket.gethostname(), "version": self._manner.version,
                    "types": {type: {"slots": slots} for type, (slots, _) in self._handlers.items()},
                    "ttl_ms": None if self._manner.ttl_s is None else round(self._manner.ttl_s * 1000),
                    **({"shard": self._shard} if self._shard else {})})
                self._log.info("a session began")
                self._session = _Session(opened)
                self._wake_beat.set()
                return self._session
            except _Failure as error:
                if self._is_final(error):
                    return None
                self._log.warning("cannot begin a session: %r", error)
                await wait_at_most(self._end, backoff.next(error))
        return None

    def _is_final(self, error: BaseException) -> bool:
        """No repeat helps. 404 is a session that has ended, which is begun anew."""
        if not isinstance(error, ProblemError) or error.is_temporary or error.status == 404:
            return False
        self._failure = self._failure or error
        self.stop()
        if self._session is not None:
            self._stop_all(self._session, "lost")
        return True

    def _lose(self, session: _Session) -> None:
        """The service does not know the session any more, so its tasks are others' now."""
        if self._session is not session:
            return
        self._log.warning("the session has ended, and %d tasks with it", len(session.running))
        self._session = None
        self._stop_all(session, "lost")
        self._break_poll()

    def _break_poll(self) -> None:
        if self._poll is not None:
            self._poll.cancel()
        self._wake_poll.set()

    async def _ask(self, session: _Session, path: str, body: dict[str, Any],
                   timeout_s: float = 30) -> dict[str, Any] | None:
        try:
            answer: dict[str, Any] = await self._http.call("POST", path, {**session.who, **body}, timeout_s=timeout_s)
        except ProblemError as error:
            if error.status != 404:
                raise
            self._lose(session)
            return None
        for command in answer["commands"]:
            if attempt := session.running.get((command["task"], command["fence"])):
                attempt.stop(command["reason"])
        if answer["mode"] == "stop":
            self.stop()
            self._stop_all(session, "shutdown")
        return answer

    # ── taking tasks ──

    async def _take(self) -> None:
        backoff = Backoff()
        while not self._end.is_set():
            session = self._session or await self._open()
            if session is None:
                return
            self._wake_poll.clear()
            free = self._free(session)
            if free == 0 and not session.unsent():
                await self._wake_poll.wait()
                continue
            try:
                answer = await self._ask_for_leases(session, free)
                backoff.reset()
                for lease in answer["leases"] if answer else ():
                    self._start(session, lease)
                if answer and answer["mode"] == "quiet":
                    await wait_at_most(self._end, 1)
            except _Failure as error:
                if self._end.is_set() or self._session is not session:
                    continue
                left = await self._tell_each(session) if _is_refused(error) and session.owed else error
                if left is None:
                    continue
                if self._is_final(left):
                    return
                self._log.warning("cannot ask for tasks: %r", left)
                await wait_at_most(self._end, backoff.next(left))

    def _free(self, session: _Session) -> int:
        slots = sum(slots for slots, _ in self._handlers.values())
        return max(min(slots - len(session.running), _LEASES_MAX), 0)

    async def _ask_for_leases(self, session: _Session, most: int) -> dict[str, Any] | None:
        acks = session.unsent()
        body: dict[str, Any] = {"max": most, "wait_ms": _WAIT_MS, "acks": acks}
        if session.may_hold_more or session.holds_more:
            body["held"] = session.held()
        session.may_hold_more = True  # until its answer is here
        session.holds_more = False
        session.flying += acks
        poll = self._poll = asyncio.get_running_loop().create_task(
            self._ask(session, "/v1/leases", body, _POLL_TIMEOUT_S))
        self._wake_acks.set()
        try:
            await asyncio.wait([poll])
            if poll.cancelled():
                raise TimeoutError("the poll was broken off")
            answer: dict[str, Any] | None = poll.result()
            session.may_hold_more = False
            self._settle(session, acks, answer)
            return answer
        finally:
            poll.cancel()
            session.land(acks)
            self._poll = None
            self._wake_acks.set()

    def _start(self, session: _Session, lease: dict[str, Any]) -> None:
        def wake() -> None:
            self._is_urgent = self._is_urgent or attempt.is_checkpoint_untold
            self._wake_beat.set()
        attempt = Attempt(lease, wake)
        session.running[attempt.key] = attempt
        attempt.runner = asyncio.get_running_loop().create_task(self._run_one(session, attempt))

    async def _run_one(self, session: _Session, attempt: Attempt) -> None:
        ack = await attempt.run(self._handlers[attempt.task.type][1])
        await attempt.flushed()
        del session.running[attempt.key]
        if self._session is session and attempt.stop_reason != "lost":
            session.owed.append({**ack, **attempt.take_logs()})
        self._wake_poll.set()
        self._wake_acks.set()

    # ── acknowledging ──

    async def _tell_acks(self) -> None:
        """While a poll is out, which may be for long, acknowledgements go by themselves."""
        backoff = Backoff()
        while not self._is_over:
            session = self._session
            self._wake_acks.clear()
            if session is None or not session.unsent() or (self._poll is None and not self._end.is_set()):
                await self._wake_acks.wait()
                continue
            try:
                await self._tell(session, session.unsent())
                backoff.reset()
            except _Failure as error:
                left = await self._tell_each(session) if _is_refused(error) else error
                if left is None:
                    continue
                if self._is_final(left):
                    return
                await asyncio.sleep(backoff.next(left))

    async def _tell(self, session: _Session, acks: list[Ack]) -> None:
        session.flying += acks
        try:
            self._settle(session, acks, await self._ask(session, "/v1/acks", {"results": acks}))
        finally:
            session.land(acks)

    async def _tell_each(self, session: _Session) -> BaseException | None:
        """
        One of them is refused, such as a result that is too long: that one fails, with the reason. Returns
        the first other error, after which some are left: those that the service can take only later do not
        keep it from the rest, but where it does not answer at all, it will not answer the rest either.
        """
        later: ProblemError | None = None
        for ack in session.unsent():
            if self._session is not session or self._is_over:
                break
            try:
                await self._tell(session, [ack])
            except _Failure as error:
                if not isinstance(error, ProblemError) or not (_is_refused(error) or error.is_temporary):
                    return error
                if error.is_temporary:
                    later = later or error
                    continue
                detail = f"the acknowledgement was refused: {error.detail}"
                self._log.warning("task %s: %s", ack["task"], detail)
                instead = [] if ack["outcome"] == "fatal" else [
                    {"task": ack["task"], "fence": ack["fence"], "outcome": "fatal", "error": detail}]
                session.owed = [one for owed in session.owed for one in (instead if owed is ack else [owed])]
        return later

    def _settle(self, session: _Session, acks: list[Ack], answer: dict[str, Any] | None) -> None:
        if answer is None:
            return
        told = {id(ack) for ack in acks}
        session.owed = [ack for ack in session.owed if id(ack) not in told]
        for taken in answer["acks"]:
            if taken["outcome"] in ("stale", "unknown"):
                self._log.warning("task %s: its end came too late (%s) and changed nothing", taken["task"],
                                  taken["outcome"])

    # ── heartbeats ──

    async def _beat(self) -> None:
        due = last = 0.0
        of: _Session | None = None
        while not self._is_over:
            session, now = self._session, time.monotonic()
            self._wake_beat.clear()
            if session is None:
                await self._wake_beat.wait()
                continue
            if session is not of:
                of, due = session, now + session.heartbeat_s
            has_news = any(attempt.has_news for attempt in session.running.values())
            at = 0.0 if self._is_urgent else min(last + _NEWS_S, due) if has_news else due
            if at > now:
                await wait_at_most(self._wake_beat, at - now)
                continue
            self._is_urgent, last = False, now
            is_told = await self._beat_once(session)
            due = last + (session.heartbeat_s if is_told else min(_NEWS_S, session.heartbeat_s))

    async def _beat_once(self, session: _Session) -> bool:
        return await self._tell_news(session, [attempt.take_news() for attempt in session.running.values()])

    async def _tell_news(self, session: _Session, news: list[News]) -> bool:
        try:
            answer = await self._ask(session, "/v1/heartbeats", {"tasks": [one.beat for one in news]},
                                     max(session.heartbeat_s, _BEAT_LEAST_S))
        except _Failure as error:
            if news and isinstance(error, ProblemError) and _is_refused(error):  # such as a checkpoint that is too long
                if len(news) == 1:
                    self._log.warning("task %s: %s", news[0].beat["task"], error.detail)
                    news[0].refused(error)
                else:
                    for one in news:
                        await self._tell_news(session, [one])
                return True
            for one in news:
                one.untold()
            if not self._is_final(error):
                self._log.warning("no heartbeat: %r", error)
            return False
        session.holds_more |= bool(answer) and answer.get("held", 0) > len(session.held())
        for name in answer["lost"] if answer else ():
            if attempt := session.running.get((name["task"], name["fence"])):
                attempt.stop("lost")
        for one in news:
            one.told()
        return True

    # ── the end ──

    def _stop_all(self, session: _Session, reason: StopReason) -> None:
        for attempt in list(session.running.values()):
            attempt.stop(reason)

    async def _drain(self) -> None:
        session = self._session
        if session is None or self._failure is not None:
            return
        self._log.info("draining, %d tasks run", len(session.running))
        await self._return_unknown(session)
        await self._until(lambda: not session.running, self._manner.drain_s)
        self._stop_all(session, "shutdown")
        await self._until(lambda: not session.running, _STOP_GRACE_S)
        await self._until(lambda: not session.owed, _STOP_GRACE_S)
        if self._session is not session:
            return
        try:
            await self._http.call("DELETE", f"/v1/sessions/{session.who['session']}?release=true",
                                  headers={"Windlass-Session-Secret": session.who["secret"]}, timeout_s=_STOP_GRACE_S)
        except _Failure as error:
            self._log.warning("the session was not ended: %r", error)

    async def _return_unknown(self, session: _Session) -> None:
        """The poll that was broken off may have been answered with leases: they go back at once."""
        if not session.may_hold_more:
            return
        try:
            await self._ask(session, "/v1/leases", {"max": 0, "held": session.held()})
        except _Failure as error:
            self._log.warning("%r", error)

    async def _until(self, is_true: Callable[[], bool], seconds: float) -> None:
        end = time.monotonic() + seconds
        self._wake_acks.set()
        while not is_true() and time.monotonic() < end:
            await asyncio.sleep(0.02)


def _is_refused(error: BaseException) -> bool:
    return isinstance(error, ProblemError) and error.status in (400, 413)
