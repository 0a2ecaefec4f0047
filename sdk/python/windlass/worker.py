"""Runs tasks of the types that it has handlers for."""

import asyncio
import logging
import os
import signal
import socket
from collections.abc import Callable

from .attempt import Handler
from .errors import ProblemError
from .executor import Executor, Manner
from .http import Backoff, Http, NoAnswer, wait_at_most


class Worker:
    """
    Runs tasks of the types that it has handlers for, in a session with each shard of the service.

    `name` is for people, in lists of workers. `ttl_s`: silence after which the service takes the tasks
    back; the service's setting otherwise. `drain_s`: how long a drain lets handlers run before they are
    told to stop. `signals`: drain at SIGTERM and SIGINT.
    """

    def __init__(self, url: str, token: str, *, name: str | None = None, version: str | None = None,
                 ttl_s: float | None = None, drain_s: float = 30, signals: bool = True,
                 logger: logging.Logger | None = None) -> None:
        self._http = Http(url, token)
        self._log = logger or logging.getLogger("windlass")
        self._handlers: dict[str, tuple[int, Handler]] = {}
        self._manner = Manner(self._http, name or f"{socket.gethostname()}:{os.getpid()}", version, ttl_s, drain_s,
                              self._log, self._handlers)
        self._signals = (signal.SIGTERM, signal.SIGINT) if signals else ()
        self._executors: list[Executor] = []
        self._end = asyncio.Event()
        self._is_running = False

    def handle(self, type: str, slots: int = 1) -> Callable[[Handler], Handler]:  # pylint: disable=redefined-builtin
        """
        A decorator, before run. `slots`: how many of them may run at once here; where the service has
        several shards, so many of each.
        """
        if self._is_running:
            raise RuntimeError("handle: the worker runs already")
        if slots < 1:
            raise ValueError("slots: is no positive integer")

        def add(handler: Handler) -> Handler:
            self._handlers[type] = (slots, handler)
            return handler
        return add

    def stop(self) -> None:
        """Takes no more tasks; what runs may finish. `run` then returns."""
        self._end.set()
        for executor in self._executors:
            executor.stop()

    async def run(self) -> None:
        """
        Until `stop` or a signal. Raises where no repeat helps: the token is no longer valid, or may not
        take these types.
        """
        if self._is_running:
            raise RuntimeError("run: the worker runs already")
        if not self._handlers:
            raise RuntimeError("run: there is no handler")
        self._is_running = True
        loop = asyncio.get_running_loop()
        for signum in self._signals:
            loop.add_signal_handler(signum, self.stop)
        try:
            shards = await self._find_shards()
            self._executors = [Executor(self._manner, shard) for shard in shards if not self._end.is_set()]
            await self._run_all()
        finally:
            for signum in self._signals:
                loop.remove_signal_handler(signum)
            self._http.close()

    async def _find_shards(self) -> list[int]:
        """As there are now. A service that knows of no shards is one."""
        backoff = Backoff()
        while not self._end.is_set():
            try:
                return [one["shard"] for one in (await self._http.call("GET", "/v1/shards"))["shards"]]
            except (ProblemError, *NoAnswer) as error:
                if isinstance(error, ProblemError) and not error.is_temporary:
                    if error.status == 404:
                        return [0]
                    raise
                self._log.warning("cannot ask for the shards: %r", error)
                await wait_at_most(self._end, backoff.next(error))
        return []

    async def _run_all(self) -> None:
        """The first that ends, told to or for good, ends all."""
        runs = [asyncio.get_running_loop().create_task(executor.run()) for executor in self._executors]
        if not runs:
            return
        try:
            await asyncio.wait(runs, return_when=asyncio.FIRST_COMPLETED)
            self.stop()
            await asyncio.wait(runs)
        except asyncio.CancelledError:
            for run in runs:
                run.cancel()
            await asyncio.gather(*runs, return_exceptions=True)
            raise
        for run in runs:
            run.result()
