"""The clients of T2: as little as can be between a socket and the clock."""
import json
import multiprocessing
import re
import statistics
import time

from idle import pace
from queue_rig import connect

WAIT_S = 60


class Wire:
    """A connection to the worker without a client library, whose own time is as long as the worker's."""

    def __init__(self, place, token):
        self.socket = connect(place)
        self.head = f"Host: bench\r\nAuthorization: Bearer {token}\r\nContent-Length: "

    def request(self, path, body=None):
        text = "" if body is None else json.dumps(body)
        method = "GET" if body is None else "POST"
        return f"{method} {path} HTTP/1.1\r\n{self.head}{len(text)}\r\n\r\n{text}".encode()

    def answer(self):
        """When the last byte was there, and the body."""
        got = b""
        while not (head := got.partition(b"\r\n\r\n"))[1] or \
                len(head[2]) < int(re.search(rb"(?i)\ncontent-length: *(\d+)", head[0])[1]):
            got += self.socket.recv(1 << 16)
            at = time.perf_counter()
        if not got.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(got.decode(errors="replace"))
        return at, json.loads(head[2])


class Executor:
    """A process that leases one task after the other and notes when each was in its hands. As a thread it
    would wait for the interpreter, which is busy with the caller's own answer at that moment."""

    def __init__(self, wire, session, tasks):
        self.told, told = multiprocessing.Pipe(False)
        self.process = multiprocessing.get_context("fork").Process(
            target=self.run, args=(told, wire, session, tasks), daemon=True)
        self.process.start()

    @staticmethod
    def run(told, wire, session, tasks):
        acks, at = [], {}
        while len(at) < tasks:
            wire.socket.send(wire.request("/v1/leases", {
                "session": session["session"], "secret": session["secret"], "max": 1, "wait_ms": 5000,
                "acks": acks}))
            now, answer = wire.answer()
            acks = [{"task": x["task"], "fence": x["fence"], "outcome": "complete"} for x in answer["leases"]]
            at.update((lease["task"], now) for lease in answer["leases"])
        told.send(at)

    def leased(self):
        """{task: when it was there}, once all are."""
        if not self.told.poll(WAIT_S):
            raise RuntimeError("not all tasks were leased")
        return self.told.recv()


def echo_ms(wire):
    """The median of a request that the worker answers out of memory, at T2's pace: what client and HTTP
    take of it."""
    took = []
    for _ in range(100):
        pace()
        began = time.perf_counter()
        wire.socket.send(wire.request("/v1/feed"))
        took.append(wire.answer()[0] - began)
    return 1000 * statistics.median(took)
