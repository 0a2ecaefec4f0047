"""HTTP/1.1 over asyncio, as much as the service needs: one peer, JSON both ways, connections kept."""

import asyncio
import json
import random
import ssl
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from .errors import ProblemError

_HEAD_BYTES_MAX = 64 * 1024
_IDLE_MAX = 8
#: What means that no answer came: the same may be sent again.
NoAnswer = (OSError, EOFError, TimeoutError, asyncio.LimitOverrunError, ValueError)


class _Connection:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def exchange(self, head: bytes, body: bytes) -> tuple[int, dict[str, str], bytes]:
        self.writer.write(head + body)
        await self.writer.drain()
        while True:
            lines = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            status = int(lines[0].split(" ", 2)[1])
            if status >= 200:  # else an interim answer
                break
        headers = {name.strip().lower(): value.strip() for name, _, value in
                   (line.partition(":") for line in lines[1:] if line)}
        return status, headers, await self._read_body(status, headers)

    async def _read_body(self, status: int, headers: Mapping[str, str]) -> bytes:
        if status in (204, 304):
            return b""
        if "chunked" in headers.get("transfer-encoding", ""):
            pieces = []
            while size := int((await self.reader.readline()).split(b";")[0], 16):
                pieces.append(await self.reader.readexactly(size))
                await self.reader.readexactly(2)
            while (await self.reader.readline()).strip():
                pass
            return b"".join(pieces)
        if "content-length" in headers:
            return await self.reader.readexactly(int(headers["content-length"]))
        return await self.reader.read()

    def close(self) -> None:
        self.writer.close()


class Http:
    """One peer, with its token."""

    def __init__(self, url: str, token: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"url: {url!r} is no http or https URL")
        if not token or not token.isascii() or not token.isprintable():
            raise ValueError("token: is missing, or has characters that none has")
        self._tls = ssl.create_default_context() if parts.scheme == "https" else None
        self._host = parts.hostname
        self._port = parts.port or (443 if self._tls else 80)
        self._path = parts.path.rstrip("/")
        self._common = f"Host: {parts.netloc.rpartition('@')[2]}\r\nAuthorization: Bearer {token}\r\n"
        self._idle: list[_Connection] = []

    async def call(self, method: str, path: str, body: object = None, *, timeout_s: float = 30,
                   headers: Mapping[str, str] | None = None) -> Any:
        """The answer's body. Raises ProblemError, or one of NoAnswer. Cancelling it breaks the connection."""
        async with asyncio.timeout(timeout_s):
            status, told, text = await self._exchange(method, path, body, headers or {})
        if 200 <= status < 300:
            return json.loads(text)
        raise _problem_of(status, told, text)

    async def _exchange(self, method: str, path: str, body: object,
                        headers: Mapping[str, str]) -> tuple[int, dict[str, str], bytes]:
        content = b"" if body is None else json.dumps(body).encode()
        own = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        head = (f"{method} {self._path}{path} HTTP/1.1\r\n{self._common}{own}Content-Type: application/json\r\n"
                f"Content-Length: {len(content)}\r\n\r\n").encode()
        connection = self._take() or await self._connect()
        is_whole = False
        try:
            status, told, text = await connection.exchange(head, content)
            is_whole = told.get("connection", "").lower() != "close" and (
                "content-length" in told or "transfer-encoding" in told)
            return status, told, text
        finally:
            if is_whole and len(self._idle) < _IDLE_MAX:
                self._idle.append(connection)
            else:
                connection.close()

    def _take(self) -> _Connection | None:
        while self._idle:
            connection = self._idle.pop()
            if not connection.reader.at_eof():
                return connection
            connection.close()
        return None

    async def _connect(self) -> _Connection:
        return _Connection(*await asyncio.open_connection(self._host, self._port, ssl=self._tls,
                                                          limit=_HEAD_BYTES_MAX))

    def close(self) -> None:
        while self._idle:
            self._idle.pop().close()


def _problem_of(status: int, headers: Mapping[str, str], text: bytes) -> ProblemError:
    code, detail = "UNAVAILABLE", text[:200].decode(errors="replace")
    try:
        body = json.loads(text)
        first = (body.get("errors") or [{}])[0]
        code = body.get("code") or first.get("extensions", {}).get("code") or code
        detail = body.get("detail") or first.get("message") or detail
    except (ValueError, AttributeError):
        pass  # something before the service answered, in its own words
    after = headers.get("retry-after", "")
    return ProblemError(status, code, detail, float(after) if after.isdigit() else None)


async def wait_at_most(event: asyncio.Event, seconds: float) -> None:
    """Until it is set, or the time is over."""
    try:
        await asyncio.wait_for(event.wait(), seconds)
    except TimeoutError:
        pass


class Backoff:
    """Doubles from 100 ms to 5 s, each with chance; what the service says counts where it says more."""

    def __init__(self) -> None:
        self._s = 0.0

    def next(self, error: BaseException | None = None) -> float:
        self._s = min(max(self._s * 2, 0.1), 5)
        said = (error.retry_after_s or 0) if isinstance(error, ProblemError) else 0
        return max(said, self._s) * random.uniform(0.5, 1)

    def reset(self) -> None:
        self._s = 0.0
