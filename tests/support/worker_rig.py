"""Real `windlass worker` processes on a real PostgreSQL, for tests in Python: callers, executors,
and a proxy that loses connections at the worst moments."""

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import threading
import time
from urllib.parse import parse_qs, urlsplit

from gateway_rig import PROGRAM, WAIT_S, Postgres, Process, eventually, run_tests
from ids import new_id

GATEWAY_TOKEN, RUNNER_TOKEN = "gateway-secret", "runner-secret"


def sql(url, text):
    """The rows' lines, cells apart by |."""
    done = subprocess.run(["psql", "-XqAt", "-v", "ON_ERROR_STOP=1", "-c", text, url], text=True,
                          capture_output=True, timeout=WAIT_S, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def put_in_log(url, *ops, epoch=1, extra="NULL"):
    """A row behind the log's end with a change of each of the ops; the first one's number. `extra`: SQL, in which
    max(seq + n) is that number."""
    runs = "".join(f"{op:02x}000001" for op in ops)
    return int(sql(url, f"INSERT INTO worker.change_log SELECT 0, max(seq + n), {len(ops)}, {epoch}, now(), "
                        f"'\\x{runs}', decode(repeat('00', 16 * {len(ops)}), 'hex'), '', {extra} "
                        "FROM worker.change_log RETURNING seq"))


class Answer:
    def __init__(self, status, text):
        self.status, self.text = status, text

    @property
    def json(self):
        return json.loads(self.text)

    @property
    def code(self):
        return self.json["code"]

    @property
    def detail(self):
        return self.json["detail"]


class Caller:
    """One keep-alive connection with one of the tokens; it is opened again when it breaks."""

    def __init__(self, worker, token=GATEWAY_TOKEN):
        self.worker, self.token, self.connection = worker, token, None

    def request(self, method, path, body=None, headers=()):
        try:
            if self.connection is None:
                self.connection = http.client.HTTPConnection("127.0.0.1", self.worker.port,
                                                             timeout=WAIT_S)
            self.connection.request(method, path, None if body is None else json.dumps(body),
                                    {"Authorization": f"Bearer {self.token}", **dict(headers)})
            response = self.connection.getresponse()
            return Answer(response.status, response.read().decode())
        except (OSError, http.client.HTTPException):
            self.close()
            raise

    def get(self, path):
        return self.request("GET", path)

    def post(self, path, body):
        return self.request("POST", path, body)

    def close(self):
        if self.connection is not None:
            self.connection.close()
        self.connection = None

    # ── tasks ──

    def create(self, *tasks, is_atomic=False):
        return self.post("/v1/tasks", {"tasks": list(tasks), "is_atomic": is_atomic})

    def create_one(self, **members):
        """The id of a new task."""
        members.setdefault("id", new_id())
        members.setdefault("type", "work")
        members.setdefault("is_fresh", True)
        answer = self.create(members)
        assert answer.status == 200 and "task" in answer.json["results"][0], answer.text
        return members["id"]

    def task(self, task_id):
        answer = self.get(f"/v1/tasks/{task_id}")
        assert answer.status == 200, answer.text
        return answer.json["task"]

    def attempts(self, task_id):
        return self.get(f"/v1/tasks/{task_id}").json["attempts"]

    def feed(self, cursor, **query):
        words = "".join(f"&{name}={value}" for name, value in query.items())
        return self.get(f"/v1/feed?cursor={cursor}{words}")

    def whole_feed(self, cursor="0:1", **query):
        """All events from the cursor to the head."""
        events = []
        while True:
            answer = self.feed(cursor, **query)
            assert answer.status == 200, answer.text
            page = answer.json
            events += page["events"]
            if page["cursor"] == page["head"]:
                return events
            assert page["events"], "a page without events does not lead to the head"
            cursor = page["cursor"]

    def counts(self):
        """{(type, status): count} of the snapshot's first page."""
        page = self.get("/v1/snapshot?limit=1").json
        return {(c["type"], c["status"]): c["count"] for c in page["counts"]}


class Executor(Caller):
    """A runner's session."""

    def __init__(self, worker, types=None, ttl_ms=60_000, name="executor"):
        """`types`: the slots of each, or all that is said of it."""
        super().__init__(worker, RUNNER_TOKEN)
        answer = self.post("/v1/sessions", {
            "worker": name, "host": "here", "version": "1", "ttl_ms": ttl_ms,
            "types": {t: n if isinstance(n, dict) else {"slots": n} for t, n in (types or {"work": 10}).items()}})
        assert answer.status == 200, answer.text
        self.who = {name: answer.json[name] for name in ("session", "secret")}
        self.answer = answer.json

    def lease(self, most=1, wait_ms=0, acks=()):
        answer = self.post("/v1/leases", {**self.who, "max": most, "wait_ms": wait_ms,
                                          "acks": list(acks)})
        assert answer.status == 200, answer.text
        return answer.json

    def leases(self, most=1, wait_ms=0):
        return self.lease(most, wait_ms)["leases"]

    def one(self, wait_ms=20_000):
        leases = self.leases(1, wait_ms)
        assert len(leases) == 1, leases
        return leases[0]

    def ack(self, lease, outcome="complete", **members):
        """How the acknowledgement was taken."""
        answer = self.post("/v1/acks", {**self.who, "results": [
            {"task": lease["task"], "fence": lease["fence"], "outcome": outcome, **members}]})
        assert answer.status == 200, answer.text
        return answer.json["acks"][0]["outcome"]

    def heartbeat(self, *tasks):
        return self.post("/v1/heartbeats", {**self.who, "tasks": list(tasks)})

    def end(self, release=False):
        return self.request("DELETE", f"/v1/sessions/{self.who['session']}"
                            + ("?release=true" if release else ""),
                            headers={"Windlass-Session-Secret": self.who["secret"]})


class Busy:
    """Acts that go on in threads of their own until told to stop, through whatever the worker suffers. An act
    runs while `is_over` is not set and returns, or fails, to be begun anew."""

    def __init__(self, worker, *acts):
        self.worker, self.is_over = worker, threading.Event()
        self.threads = [threading.Thread(target=self.run, args=(act,)) for act in acts]
        for thread in self.threads:
            thread.start()

    def run(self, act):
        while not self.is_over.is_set():
            try:
                act()
            except (OSError, AssertionError, KeyError, ValueError, IndexError):
                time.sleep(0.01)

    def stop(self):
        self.is_over.set()
        for thread in self.threads:
            thread.join()


class Worker(Process):
    """One process. `settings` are WINDLASS_ variables without the prefix, `more` whole ones; `may_end` is the code
    with which it may end, too."""

    def __init__(self, url, wait=True, more=(), may_end=0, **settings):
        self.good_codes = (0, -signal.SIGKILL, may_end)
        environment = {"ENV": "development", "LOG_SQL": "off", "WORKER_PORT": "0",
                       "GATEWAY_TOKEN": GATEWAY_TOKEN, "RUNNER_TOKEN": RUNNER_TOKEN, **settings}
        super().__init__("worker", [PROGRAM, "worker"],
                         {"PATH": os.environ["PATH"], "DATABASE_URL": url, **dict(more),
                          **{"WINDLASS_" + name: value for name, value in environment.items()}})
        with self.starting():
            started = self.wait_for_log(r"event=service\.started name=worker address=\S+:(\d+)")
            self.port = int(started.group(1))
            if wait:
                self.wait_leading()

    def wait_leading(self):
        caller = Caller(self)

        def look():
            assert self.process.poll() is None, f"the worker ended: {self.log}"
            return caller.get("/v1/feed").status == 200
        eventually(look)
        caller.close()

    def metric(self, name):
        caller = Caller(self)
        text = caller.get("/metrics").text
        caller.close()
        return float(re.search(rf"^{re.escape(name)} (\S+)$", text, re.M).group(1))

    def __exit__(self, kind, *_, good_codes=None):
        super().__exit__(kind, good_codes=good_codes or self.good_codes)


class OpenTransaction:
    """Somebody with a database session who has done something in a transaction and does not end it."""

    def __init__(self, url, *statements):
        self.process = subprocess.Popen(["psql", "-qAtX", "-v", "ON_ERROR_STOP=1", url], text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.DEVNULL)
        self.say(f"BEGIN; {'; '.join(statements)}; SELECT 'done';")
        while (line := self.process.stdout.readline()) != "done\n":
            assert line, "the transaction could not be begun"

    def say(self, text):
        self.process.stdin.write(text + "\n")
        self.process.stdin.flush()

    def end(self):
        """Rolls it back; whether the session was still there."""
        try:
            self.say("ROLLBACK; SELECT 'still here';")
            self.process.stdin.close()
        except BrokenPipeError:
            pass
        is_there = self.process.stdout.readline() == "still here\n"
        self.process.stdout.close()
        self.process.wait(WAIT_S)
        return is_there


class Proxy:
    """
    Stands between a worker and PostgreSQL. `plan` tells what becomes of the next transactions that
    write to the log, one word each: "pass"; "lose" sends it, waits until it has ended, and loses
    its answer and the connection; "cut" loses the connection before its end was sent; "fall" is that,
    and from then on nobody gets through; "stall" sends all but its end, sets `is_stalled`, and sends
    that when `go_on` is set. While `is_closed`, new connections are refused. The answer to the next request
    that has the bytes `withheld` in it is kept back: `is_withheld` tells that it is there, and it goes
    on when `tell` is set.
    """

    SYNC, READY = b"S\x00\x00\x00\x04", b"Z\x00\x00\x00\x05"

    def __init__(self, url):
        parts = urlsplit(url)
        folder = parse_qs(parts.query)["host"][0]
        self.target = os.path.join(folder, ".s.PGSQL.5432")
        self.path = os.path.join(folder, ".s.PGSQL.5433")
        self.url = url + "&port=5433"
        self.plan, self.is_closed, self.done = [], False, []
        self.pairs, self.lock = [], threading.Lock()
        self.is_stalled, self.go_on = threading.Event(), threading.Event()
        self.withheld, self.is_withheld, self.tell = None, threading.Event(), threading.Event()
        if os.path.exists(self.path):
            os.unlink(self.path)
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.path)
        os.chmod(self.path, 0o777)
        self.listener.listen(32)
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            if self.is_closed:
                client.close()
                continue
            server = socket.socket(socket.AF_UNIX)
            try:
                server.connect(self.target)
            except OSError:
                client.close()
                continue
            pair = {"client": client, "server": server, "is_mute": False}
            with self.lock:
                self.pairs.append(pair)
                came_too_late = self.is_closed
            if came_too_late:  # closed since it was looked at: it must not outlive the cut
                self.close(pair)
                continue
            threading.Thread(target=self.to_server, args=(pair,), daemon=True).start()
            threading.Thread(target=self.to_client, args=(pair,), daemon=True).start()

    def next_word(self, data):
        if b"batch_log" not in data or not self.plan:
            return "pass"
        word = self.plan.pop(0)
        self.done.append(word)
        return word

    def to_server(self, pair):
        try:
            pending = b""
            while data := pair["client"].recv(1 << 20):
                pending += data
                if b"batch_log" in pending and not pending.endswith(self.SYNC) and self.plan:
                    continue  # until its end is here
                word = self.next_word(pending)
                if self.withheld and self.withheld in pending:
                    self.withheld, pair["is_withheld"] = None, True
                if word in ("cut", "fall"):
                    pair["server"].sendall(pending[:-len(self.SYNC)])
                    if word == "fall":
                        with self.lock:
                            self.is_closed = True
                        self.cut_all()
                    break
                if word == "lose":
                    pair["is_mute"] = True
                    pair["server"].sendall(pending)
                    pair["server"].settimeout(WAIT_S)
                    self.await_end(pair)
                    break
                if pair.get("is_cut"):
                    break
                if word == "stall":
                    pair["server"].sendall(pending[:-len(self.SYNC)])
                    self.is_stalled.set()
                    self.go_on.wait()
                    pending = self.SYNC
                pair["server"].sendall(pending)
                pending = b""
        except OSError:
            pass
        self.close(pair)

    def await_end(self, pair):
        """ReadyForQuery: the transaction has ended, one way or the other."""
        eventually(lambda: pair.get("is_ended"))

    def to_client(self, pair):
        try:
            while data := pair["server"].recv(1 << 20):
                if pair["is_mute"]:
                    pair["is_ended"] = self.READY in data or pair.get("is_ended")
                    continue
                if pair.get("is_withheld"):
                    while self.READY not in data:
                        data += pair["server"].recv(1 << 20)
                    pair["is_withheld"] = False
                    self.is_withheld.set()
                    self.tell.wait()
                pair["client"].sendall(data)
        except OSError:
            pass
        if not pair["is_mute"]:
            self.close(pair)

    def close(self, pair):
        for side in ("client", "server"):
            try:
                pair[side].shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            pair[side].close()
        with self.lock:
            if pair in self.pairs:
                self.pairs.remove(pair)

    def cut_all(self):
        """All at once: what the worker says because the first is cut does not get through the last."""
        with self.lock:
            pairs = list(self.pairs)
        for pair in pairs:
            pair["is_cut"] = True
        for pair in pairs:
            self.close(pair)

    def end(self):
        self.listener.close()
        self.cut_all()
        if os.path.exists(self.path):
            os.unlink(self.path)


def run_with_worker(tests, **settings):
    """Each test gets one worker for all and its database's URL."""
    with Postgres() as postgres:
        url = postgres.tell("database")
        with Worker(url, **settings) as worker:
            worker.url, worker.new_database = url, lambda: postgres.tell("database")
            run_tests(tests, worker, url)
