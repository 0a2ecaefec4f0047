"""The queue beside its peers: the tests T1 to T5 of the peers' bench, on the same PostgreSQL server.

Worker and runner alone, without a gateway: that is what the peers are. History and feed are kept. A
figure of a peer is of the same run, a test of all contestants in turn.

    T1    20,000 no-ops wait; from the moment at which they may run until the last end is durable
    T2    from before a single create to the lease in an executor's hands, on an idle system, after a few
          that do not count (the peers have as many); beside one fdatasync of the same disk at the same
          pace, one waking of a process and an empty request
    T3    32 producers, a task a call
    T4    T1 with 500,000 tasks of lower priority behind (a), and with a snapshot held open (b)
    T5    5,000 tasks of 5 ms; the runner is killed at two fifths and started anew at once
    life  a task's whole life over HTTP: created, leased and ended, a hundred a call
    scale a million waiting tasks with ten thousand keys and every limit in use: memory and restart
"""
import http.client
import json
import os
import random
import re
import signal
import socket
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

import proc
from idle import fdatasync_ms, pace, wake_ms
from peers import PEER_SOURCE, PeerServer, build_peers, run_peer
from tasks import percentile, until, uuid7
from wire import Executor, Wire, echo_ms

HERE = Path(__file__).resolve().parent
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "3"))
BURN_TASKS = int(os.environ.get("BENCH_TASKS", "20000"))
BACKLOG = 500_000
CHUNK = 1_000              # tasks of one call
SLOTS = 1_000              # of the runner: as many as River has workers
IDLE_TASKS, IDLE_WARM = 300, 20
PRODUCERS, PRODUCE_SECONDS = 32, 10
CRASH_TASKS, CRASH_NAP_S, CRASH_SLOTS = 5_000, 0.005, 24
LIFE_SECONDS = 8
WAITING = 1_000_000
TOKENS = {"GATEWAY_TOKEN": "bench-gateway", "RUNNER_TOKEN": "bench-runner"}
PEERS = ("river", "graphile", "pgboss")
PEER_FIGURES = {"T1": "tasks_per_s", "T2": "p50_ms", "T3": "enqueue_per_s", "T4a": "tasks_per_s",
                "T4b": "tasks_per_s", "T5": "rescue_last_s"}


class Caller:
    """One connection to the worker."""

    def __init__(self, port, token):
        self.http = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
        self.http.connect()
        self.http.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.headers = {"Authorization": f"Bearer {TOKENS[token]}"}

    def call(self, method, path, body=None):
        self.http.request(method, path, None if body is None else json.dumps(body), self.headers)
        answer = self.http.getresponse()
        text = answer.read()
        if answer.status != 200:
            raise RuntimeError(f"{method} {path}: {answer.status} {text[:300]}")
        return json.loads(text)


class Queue:
    """A worker on a database of its own, and a runner when one is wanted."""

    def __init__(self, program, server, **settings):
        self.program, self.server, self.settings = str(program), server, settings
        self.database = f"windlass_{random.getrandbits(32):08x}"
        self.sql(f"CREATE DATABASE {self.database}", "postgres")
        self.folder = tempfile.TemporaryDirectory(prefix="windlass-queue-")
        self.worker = self.runner = None
        self.port = 0
        self.start_worker()

    def url(self, database=None):
        return f"postgres://bench@127.0.0.1:{self.server.port}/{database or self.database}"

    def sql(self, text, database=None):
        return subprocess.run(["psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-c", text, self.url(database)],
                              check=True, stdout=subprocess.PIPE, text=True).stdout.strip()

    def start(self, service, **settings):
        log = open(Path(self.folder.name) / service, "wb")
        child = subprocess.Popen(
            [self.program, service], stdout=subprocess.DEVNULL, stderr=log,
            env={"PATH": os.environ["PATH"], "DATABASE_URL": self.url(),
                 **{"WINDLASS_" + name: value for name, value in
                    {"ENV": "production", "SCHEMA": "synchronise", **TOKENS, **self.settings,
                     **settings}.items()}})
        log.close()
        return child

    def log(self, service):
        return (Path(self.folder.name) / service).read_text(errors="replace")

    def start_worker(self):
        self.worker = self.start("worker", WORKER_PORT=str(self.port))
        until("the worker listens", self.listens)
        until("the worker leads", self.leads)

    def listens(self):
        if self.worker.poll() is not None:
            raise RuntimeError("the worker ended:\n" + self.log("worker")[-3000:])
        found = re.search(r"event=service\.started name=worker address=\S+:(\d+)", self.log("worker"))
        self.port = int(found.group(1)) if found else self.port
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


def wrk(queue, script, connections, seconds, **environment):
    """Requests a second."""
    done = subprocess.run(
        ["wrk", "-t2", f"-c{connections}", f"-d{seconds}s", "-s", str(HERE / script),
         f"http://127.0.0.1:{queue.port}"],
        env={**os.environ, **environment}, check=True, stdout=subprocess.PIPE, text=True).stdout
    if "Non-2xx" in done:
        raise RuntimeError(done)
    return float(re.search(r"Requests/sec:\s+(\S+)", done).group(1))


# ── the tests; each returns its figures ──

def burn(queue, tasks):
    """They wait behind their type's pause; from its resume until all have ended."""
    queue.start_runner()
    queue.set_type("noop", is_paused=True)
    enqueue_s = queue.enqueue(tasks)
    queue.sql("ANALYZE")
    queue.sql("CHECKPOINT")
    time.sleep(0.3)
    cpu, wal = queue.cpu(), queue.wal()
    caller = Caller(queue.port, "GATEWAY_TOKEN")
    goal = queue.completed(caller) + tasks
    last = queue.changes(caller) + 2 * tasks  # each begins and ends; the peers, too, are asked then
    began = time.monotonic()
    queue.set_type("noop", is_paused=False)
    while (left := last - queue.changes(caller)) > 0 or queue.completed(caller) < goal:
        time.sleep(0.03 if left > tasks / 4 else 0.003)  # a question takes as long as ten tasks
    seconds = time.monotonic() - began
    used = queue.cpu()
    return {"tasks_per_s": tasks / seconds, "enqueue_per_s": tasks / enqueue_s,
            "wal_bytes_per_task": (queue.wal() - wal) / tasks,
            **{f"{name}_cpu_us": 1e6 * (used[name] - cpu[name]) / tasks for name in cpu}}


def t1(program, server):
    with Queue(program, server) as queue:
        return burn(queue, BURN_TASKS)


def t4a(program, server):
    with Queue(program, server) as queue:
        queue.enqueue(BACKLOG, priority="low")
        queue.sql("VACUUM")
        return burn(queue, BURN_TASKS)


def t4b(program, server):
    with Queue(program, server) as queue:
        holder = subprocess.Popen(["psql", "-XAtq", queue.url()], stdin=subprocess.PIPE,
                                  stdout=subprocess.PIPE, text=True)
        try:
            holder.stdin.write("BEGIN ISOLATION LEVEL REPEATABLE READ;\n"
                               "SELECT pg_current_xact_id(), count(*) FROM pg_class;\n")
            holder.stdin.flush()
            holder.stdout.readline()
            return burn(queue, BURN_TASKS)
        finally:
            holder.stdin.close()
            holder.wait()


def t2(program, server):
    with Queue(program, server) as queue:
        answer = Caller(queue.port, "RUNNER_TOKEN").call("POST", "/v1/sessions", {
            "worker": "bench", "host": "here", "version": "1", "ttl_ms": 60_000,
            "types": {"idle": {"slots": 1}}})
        executor = Executor(Wire(queue.port, TOKENS["RUNNER_TOKEN"]), answer, IDLE_WARM + IDLE_TASKS)
        wire = Wire(queue.port, TOKENS["GATEWAY_TOKEN"])
        made, enqueue, machine = {}, [], []

        def look_at_machine():
            machine.append((fdatasync_ms(server.folder), fdatasync_ms(server.folder, 100, pace), wake_ms(),
                            echo_ms(wire)))

        time.sleep(1)
        look_at_machine()
        for _ in range(IDLE_WARM + IDLE_TASKS):
            task = str(uuid7())
            request = wire.request("/v1/tasks", {"tasks": [{"id": task, "type": "idle", "is_fresh": True,
                                                            "payload": {}}]})
            made[task] = time.perf_counter()
            wire.socket.send(request)
            enqueue.append(1000 * (wire.answer()[0] - made[task]))
            pace()
        leased = executor.leased()
        look_at_machine()
        waits = [1000 * (leased[task] - at) for task, at in made.items()][IDLE_WARM:]
        disk, slept, wake, echo = (statistics.mean(figures) for figures in zip(*machine))
        p50 = percentile(waits, 0.5)
        return {"p50_ms": p50, "over_fdatasync_ms": p50 - slept, "p99_ms": percentile(waits, 0.99),
                "enqueue_p50_ms": percentile(enqueue[IDLE_WARM:], 0.5), "fdatasync_ms": disk,
                "fdatasync_idle_ms": slept, "wake_ms": wake, "echo_ms": echo}


def t3(program, server):
    with Queue(program, server) as queue:
        cpu = queue.cpu()
        rate = wrk(queue, "worker_create.lua", PRODUCERS, PRODUCE_SECONDS, BATCH="1",
                   TOKEN=TOKENS["GATEWAY_TOKEN"])
        return {"enqueue_per_s": rate,
                "worker_cpu_us": 1e6 * (queue.cpu()["worker"] - cpu["worker"]) / queue.stored()}


def t5(program, server):
    with Queue(program, server) as queue:
        queue.start_runner(CRASH_SLOTS)
        queue.set_type("sleep", is_paused=True)
        queue.enqueue(CRASH_TASKS, type="sleep", payload={"seconds": CRASH_NAP_S})
        queue.set_type("sleep", is_paused=False)
        caller = Caller(queue.port, "GATEWAY_TOKEN")
        while queue.completed(caller) < CRASH_TASKS * 0.4:
            time.sleep(0.002)
        queue.kill(queue.runner)
        killed = time.time()
        queue.start_runner(CRASH_SLOTS)
        until("all have ended", lambda: queue.completed(caller) == CRASH_TASKS)
        again = [float(at) - killed for at in queue.sql(
            "SELECT extract(epoch FROM d.started_at) FROM worker.attempt AS a"
            " JOIN worker.task_done AS d ON d.id = a.task_id").split()]
        lost = int(queue.sql("SELECT count(*) FROM worker.task AS t WHERE NOT EXISTS"
                             " (SELECT FROM worker.task_done AS d WHERE d.id = t.id)"))
        return {"orphans": len(again), "rescue_last_s": max(again, default=0.0), "lost": lost}


def executors(queue):
    """The environment of worker_burn.lua: two sessions, one a thread."""
    runner, found = Caller(queue.port, "RUNNER_TOKEN"), {"TOKEN": TOKENS["RUNNER_TOKEN"]}
    for i in range(2):
        who = runner.call("POST", "/v1/sessions", {"worker": f"bench-{i}", "host": "here", "version": "1",
                                                   "types": {"bench": {"slots": 5000}}})
        found[f"SESSION{i}"] = f'"session":"{who["session"]}","secret":"{who["secret"]}"'
    return found


def life(program, server):
    with Queue(program, server) as queue:
        caller, cpu = Caller(queue.port, "GATEWAY_TOKEN"), queue.cpu()
        began = time.monotonic()
        wrk(queue, "worker_create.lua", 2, LIFE_SECONDS, BATCH="100", TOKEN=TOKENS["GATEWAY_TOKEN"])
        made = queue.stored()
        create_per_s = made / (time.monotonic() - began)
        create_cpu = queue.cpu()["worker"] - cpu["worker"]
        environment, before, began = executors(queue), queue.completed(caller), time.monotonic()
        cpu = queue.cpu()
        wrk(queue, "worker_burn.lua", 2, LIFE_SECONDS // 2, **environment)
        done, took = queue.completed(caller) - before, time.monotonic() - began
        burn_cpu = queue.cpu()["worker"] - cpu["worker"]
        if done == made:
            raise RuntimeError("all were done before the time was over; the rate would be too low")
        return {"tasks_per_s": 1 / (1 / create_per_s + took / done), "create_per_s": create_per_s,
                "burn_per_s": done / took, "create_worker_cpu_us": 1e6 * create_cpu / made,
                "burn_worker_cpu_us": 1e6 * burn_cpu / done}


def scale(program, server):
    with Queue(program, server) as queue:
        queue.set_type("waiting", key_path="customer", max_running_per_key=5, max_running=1000,
                       rate_per_s=100_000, burst=1000)
        queue.enqueue(CHUNK, type="waiting", payload={"customer": 0})
        before = proc.memory_bytes(queue.worker.pid)[0]
        caller, began = Caller(queue.port, "GATEWAY_TOKEN"), time.monotonic()
        for first in range(0, WAITING, CHUNK):
            caller.call("POST", "/v1/tasks", {"tasks": [
                {"id": str(uuid7()), "is_fresh": True, "type": "waiting",
                 "payload": {"customer": (first + i) % 10_000}} for i in range(CHUNK)]})
        enqueue_s = time.monotonic() - began
        time.sleep(3)
        grown = proc.memory_bytes(queue.worker.pid)[0] - before
        queue.kill(queue.worker)
        began = time.monotonic()
        queue.start_worker()
        leads_s = time.monotonic() - began
        runner = Caller(queue.port, "RUNNER_TOKEN")
        who = runner.call("POST", "/v1/sessions", {"worker": "bench", "host": "here", "version": "1",
                                                   "types": {"waiting": {"slots": 10}}})
        answer = runner.call("POST", "/v1/leases", {"session": who["session"], "secret": who["secret"],
                                                    "acks": [], "max": 1, "wait_ms": 60_000})
        if not answer["leases"]:
            raise RuntimeError("no lease after the restart")
        return {"bytes_per_task": grown / WAITING, "enqueue_per_s": WAITING / enqueue_s,
                "restart_to_leading_s": leads_s, "restart_to_lease_s": time.monotonic() - began}


TESTS = {"T1": t1, "T2": t2, "T3": t3, "T4a": t4a, "T4b": t4b, "T5": t5, "life": life, "scale": scale}


# ── beside the peers ──

def contest(name, program, server, peers, home, env):
    """{contestant: [figures of each round]}, a round of each in turn."""
    arguments = [f"n={BURN_TASKS}"] if name in ("T1", "T4a", "T4b") else []
    found = {"windlass": []}
    for _ in range(ROUNDS if name in ("T1", "T2", "T3", "T4b") else 1):
        found["windlass"].append(TESTS[name](program, server))
        for peer in peers if name in PEER_FIGURES else ():
            row = run_peer(home, env, peer, name, *arguments)
            if "error" not in row:
                found.setdefault(peer, []).append(row)
    return found


def median_of(rows, figure):
    return statistics.median(row[figure] for row in rows if row.get(figure) is not None)


def tell(report, name, found):
    """The figure that the peers have too, beside each of them, then the others."""
    ours, shared = found.pop("windlass"), PEER_FIGURES.get(name)
    beside = {peer: rows for peer, rows in found.items() if any(row.get(shared) is not None for row in rows)}
    for peer, rows in beside.items():
        report.add(f"{name}.{shared}", median_of(ours, shared), "", peer, median_of(rows, shared))
    for figure in ours[0]:
        if figure != shared or not beside:
            report.add(f"{name}.{figure}", median_of(ours, figure), "")


def bench(report, program, build, tests):
    """Runs the tests named, beside the peers where their folder is at hand, and reports."""
    unknown = set(tests) - set(TESTS)
    if unknown:
        raise SystemExit(f"no queue test {', '.join(unknown)}; there are {', '.join(TESTS)}")
    home, peers = build / "peers-queue", ()
    env = {**os.environ, "npm_config_cache": str(build / "npm-cache")}
    if (PEER_SOURCE / "bench.mjs").exists():
        build_peers(home, env)
        peers = PEERS
    else:
        print("  no peers: their folder is not at hand; WINDLASS_PEERS names it")
    with PeerServer() as server:
        env["QB_PGPORT"] = str(server.port)
        for name in tests:
            tell(report, name, contest(name, program, server, peers, home, env))
