"""A worker on a database of its own beside the peers', and a runner when one is wanted."""
import http.client
import json
import os
import random
import re
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

import proc
from tasks import until, uuid7

CHUNK = 1_000              # tasks of one call
SLOTS = 1_000              # of the runner: as many as River has workers
TOKENS = {"GATEWAY_TOKEN": "bench-gateway", "RUNNER_TOKEN": "bench-runner"}


def connect(place):
    """To a port of this machine, or to a socket's path."""
    if isinstance(place, str):
        made = socket.socket(socket.AF_UNIX)
        made.connect(place)
    else:
        made = socket.create_connection(("127.0.0.1", place))
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return made


class Caller:
    """One connection to the worker."""

    def __init__(self, place, token):
        self.http = http.client.HTTPConnection("127.0.0.1")
        self.http.sock = connect(place)
        self.http.sock.settimeout(120)
        self.headers = {"Authorization": f"Bearer {TOKENS[token]}"}

    def call(self, method, path, body=None):
        self.http.request(method, path, None if body is None else json.dumps(body), self.headers)
        answer = self.http.getresponse()
        text = answer.read()
        if answer.status != 200:
            raise RuntimeError(f"{method} {path}: {answer.status} {text[:300]}")
        return json.loads(text)


class Queue:
    """A worker on a database of its own, and a runner when one is wanted. `on_sockets`: as `windlass up` does
    it, worker and PostgreSQL on Unix sockets; `port` is the worker's path then."""

    def __init__(self, program, server, on_sockets=False, **settings):
        self.program, self.server, self.on_sockets, self.settings = str(program), server, on_sockets, settings
        self.database = f"windlass_{random.getrandbits(32):08x}"
        self.sql(f"CREATE DATABASE {self.database}", "postgres")
        self.folder = tempfile.TemporaryDirectory(prefix="windlass-queue-")
        self.worker = self.runner = None
        self.port = 0
        self.start_worker()

    def url(self, database=None):
        host = f"/?host={self.server.folder}&port={self.server.port}&dbname=" if self.on_sockets \
            else f"127.0.0.1:{self.server.port}/"
        return f"postgres://bench@{host}{database or self.database}"

    def sql(self, text, database=None):
        return subprocess.run(["psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-c", text, self.url(database)],
                              check=True, stdout=subprocess.PIPE, text=True).stdout.strip()

    def start(self, service, **settings):
        log = open(Path(self.folder.name) / service, "wb")
        child = subprocess.Popen(
            [self.program, service], stdout=subprocess.DEVNULL, stderr=log,
            env={"PATH": os.environ["PATH"], "DATABASE_URL": self.url(),
                 **{"WINDLASS_" + name: value for name, value in
                    {"ENV": "production", "SCHEMA": "synchronise", "RUNNER_PORT": "0", **TOKENS, **self.settings,
                     **settings}.items()}})
        log.close()
        return child

    def log(self, service):
        return (Path(self.folder.name) / service).read_text(errors="replace")

    def start_worker(self):
        listen = {"WORKER_LISTEN": f"unix:{self.folder.name}/socket"} if self.on_sockets else \
            {"WORKER_PORT": str(self.port)}
        self.worker = self.start("worker", **listen)
        until("the worker listens", self.listens)
        until("the worker leads", self.leads)

    def listens(self):
        if self.worker.poll() is not None:
            raise RuntimeError("the worker ended:\n" + self.log("worker")[-3000:])
        found = re.search(r"event=service\.started name=worker address=\S+:(\S+)", self.log("worker"))
        if found:
            self.port = found.group(1) if self.on_sockets else int(found.group(1))
        return found is not None

    def leads(self):
        try:
            self.gateway("GET", "/v1/feed")
        except (RuntimeError, OSError):
            return False
        return True

    def start_runner(self, slots=SLOTS):
        known = self.gateway("GET", "/v1/workers")["count"]
        self.runner = self.start("runner", WORKER_URL=f"http://127.0.0.1:{self.port}",
                                 RUNNER_SLOTS=str(slots))
        until("the runner has a session", lambda: self.gateway("GET", "/v1/workers")["count"] > known)

    def gateway(self, method, path, body=None):
        return Caller(self.port, "GATEWAY_TOKEN").call(method, path, body)

    def set_type(self, name, **settings):
        self.gateway("POST", "/v1/types:update", {"type": name, "settings": settings, "actor": "bench"})

    def enqueue(self, count, **members):
        """Seconds that it took; ids are in order."""
        caller = Caller(self.port, "GATEWAY_TOKEN")
        began = time.monotonic()
        for first in range(0, count, CHUNK):
            caller.call("POST", "/v1/tasks", {"tasks": [
                {"id": str(uuid7()), "is_fresh": True, "payload": {"i": first + i}, "type": "noop",
                 **members} for i in range(min(CHUNK, count - first))]})
        return time.monotonic() - began

    def completed(self, caller):
        page = caller.call("GET", "/v1/snapshot?limit=1")
        return sum(c["count"] for c in page["counts"] if c["status"] == "completed")

    def changes(self, caller):
        """The number of the last change that is durable. It comes from memory: asked often, it costs the
        worker next to nothing."""
        return int(caller.call("GET", "/v1/feed")["cursor"].partition(":")[2])

    def stored(self):
        return sum(c["count"] for c in self.gateway("GET", "/v1/snapshot?limit=1")["counts"])

    def wal(self):
        return int(self.sql("SELECT pg_current_wal_lsn() - '0/0'::pg_lsn"))

    def cpu(self):
        return {name: proc.cpu_seconds(child.pid)
                for name, child in (("worker", self.worker), ("runner", self.runner)) if child}

    def kill(self, child):
        child.send_signal(signal.SIGKILL)
        child.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for child in (self.runner, self.worker):
            if child and child.poll() is None:
                self.kill(child)
        self.sql(f"DROP DATABASE {self.database} WITH (FORCE)", "postgres")
        self.folder.cleanup()
