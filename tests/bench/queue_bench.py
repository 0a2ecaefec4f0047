"""The queue beside its peers: the tests T1 to T5 of the peers' bench, on the same PostgreSQL server; BullMQ on a
Redis that flushes each command, where there is one.

Worker and runner alone, without a gateway: that is what the peers are. History and feed are kept. A
figure of a peer is of the same run, a test of all contestants in turn.

    T1    20,000 no-ops wait; from the moment at which they may run until the last end is durable
          (queue_burn.py, as T4)
    T2    from before a single create to the lease in an executor's hands, on an idle system, after a few
          that do not count (the peers have as many); beside one fdatasync of the same disk at the same
          pace, one waking of a process and an empty request
    T3    32 producers, a task a call
    T4    T1 with 500,000 tasks of lower priority behind (a), and with a snapshot held open (b); rounds
          of T1, T4a and T4b take turns. T4 itself is ours alone: it tells the losses more exactly
    T5    5,000 tasks of 5 ms; the runner is killed at two fifths and started anew at once
    life  a task's whole life over HTTP: created, leased and ended, a hundred a call; and its WAL, all
          of which is the worker's (what the mirror's rows take is told by the part `mirror`)
    scale a million waiting tasks with ten thousand keys and every limit in use: memory and restart
"""
import os
import re
import statistics
import subprocess
import time
from pathlib import Path

import proc
from idle import fdatasync_ms, pace, wake_ms
from peers import PEER_SOURCE, PeerRedis, PeerServer, build_peers, run_peer
from queue_burn import BURN_TASKS, standing, t1, t4a, t4b
from queue_rig import CHUNK, TOKENS, Caller, Queue
from tasks import percentile, until, uuid7
from wire import Executor, Wire, echo_ms

HERE = Path(__file__).resolve().parent
IDLE_TASKS, IDLE_WARM = 300, 20
PRODUCERS, PRODUCE_SECONDS = 32, 10
CRASH_TASKS, CRASH_NAP_S, CRASH_SLOTS = 5_000, 0.005, 24
LIFE_SECONDS = 8
WAITING, SETTLE_S = 1_000_000, 10  # longer than feed-memory-age: then what the flood took is given back
PEERS = ("river", "graphile", "pgboss")
REDIS_PEER, REDIS_TESTS = "bullmq-always", ("T1", "T2", "T3", "T5")  # no snapshot holds it up
PEER_FIGURES = {"T1": "tasks_per_s", "T2": "p50_ms", "T3": "enqueue_per_s", "T4a": "tasks_per_s",
                "T4b": "tasks_per_s", "T5": "rescue_last_s"}


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

def t2(program, server):
    """As the peers are asked, over TCP, and as `windlass up` connects its parts."""
    sockets = idle_starts(program, server, on_sockets=True)
    return {**idle_starts(program, server),
            **{f"sockets_{name}": sockets[name] for name in ("p50_ms", "over_fdatasync_ms", "echo_ms")}}


def idle_starts(program, server, on_sockets=False):
    with Queue(program, server, on_sockets) as queue:
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
        caller, cpu, wal = Caller(queue.port, "GATEWAY_TOKEN"), queue.cpu(), queue.wal()
        began = time.monotonic()
        wrk(queue, "worker_create.lua", 2, LIFE_SECONDS, BATCH="100", TOKEN=TOKENS["GATEWAY_TOKEN"])
        made = queue.stored()
        create_per_s = made / (time.monotonic() - began)
        create_cpu, create_wal = queue.cpu()["worker"] - cpu["worker"], (queue.wal() - wal) / made
        environment, before, began = executors(queue), queue.completed(caller), time.monotonic()
        cpu, wal = queue.cpu(), queue.wal()
        wrk(queue, "worker_burn.lua", 2, LIFE_SECONDS // 2, **environment)
        done, took = queue.completed(caller) - before, time.monotonic() - began
        burn_cpu, burn_wal = queue.cpu()["worker"] - cpu["worker"], (queue.wal() - wal) / done
        if done == made:
            raise RuntimeError("all were done before the time was over; the rate would be too low")
        return {"tasks_per_s": 1 / (1 / create_per_s + took / done), "create_per_s": create_per_s,
                "burn_per_s": done / took, "wal_bytes_per_task": create_wal + burn_wal,
                "create_wal_bytes": create_wal, "burn_wal_bytes": burn_wal,
                "create_worker_cpu_us": 1e6 * create_cpu / made, "burn_worker_cpu_us": 1e6 * burn_cpu / done}


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
        time.sleep(SETTLE_S)
        grown = proc.memory_bytes(queue.worker.pid)[0] - before
        most = proc.peak_bytes(queue.worker.pid) - before
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
        return {"bytes_per_task": grown / WAITING, "peak_bytes_per_task": most / WAITING, "enqueue_per_s": WAITING / enqueue_s,
                "restart_to_leading_s": leads_s, "restart_to_lease_s": time.monotonic() - began}


TESTS = {"T1": t1, "T2": t2, "T3": t3, "T4a": t4a, "T4b": t4b, "T4": standing, "T5": t5, "life": life,
         "scale": scale}
ROUNDS = {name: int(os.environ.get("BENCH_ROUNDS", default)) for name, default in
          {"T1": "5", "T4a": "5", "T4b": "5", "T2": "3", "T3": "3"}.items()}
BURNS = ("T1", "T4a", "T4b")  # the losses are ratios to T1


# ── beside the peers ──

def run_round(name, program, server, peers, home, env, found):
    """Of each contestant in turn; the figures go to {contestant: [figures of each round]}."""
    found.setdefault("windlass", []).append(TESTS[name](program, server))
    arguments = [f"n={BURN_TASKS}"] if name in BURNS else []
    for peer in peers if name in PEER_FIGURES else ():
        if peer == REDIS_PEER and name not in REDIS_TESTS:
            continue
        row = run_peer(home, env, peer, name, *arguments)
        found.setdefault(peer, []).append({} if "error" in row else row)  # a round each, to be paired by its number


def contest(names, *contestants):
    """{test: {contestant: [figures of each round]}}: a round of each test in turn, then the next."""
    found = {name: {} for name in names}
    for _ in range(max(ROUNDS.get(name, 1) for name in names)):
        for name in names:
            run_round(name, *contestants, found[name])
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


def tell_loss(report, name, found, plain):
    """Of each contestant: the median of the rounds' ratios to T1."""
    for contestant, rows in found.items():
        ratios = [row["tasks_per_s"] / other["tasks_per_s"] for row, other in
                  zip(rows, plain.get(contestant, ())) if row.get("tasks_per_s") and other.get("tasks_per_s")]
        if ratios:
            report.add(f"{name}.loss.{contestant}", 100 * (1 - statistics.median(ratios)), "%")


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
    with PeerServer() as server, PeerRedis() as redis:
        env["QB_PGPORT"] = str(server.port)
        if peers and redis.port:
            env["QB_REDIS_ALWAYS"], peers = str(redis.port), (*peers, REDIS_PEER)
        burns = [name for name in BURNS if name in tests]
        groups = [[name] for name in tests if name not in burns]
        for names in ([burns] if burns else []) + groups:
            found = contest(names, program, server, peers, home, env)
            for name in names:
                if name != "T1" and "T1" in names:
                    tell_loss(report, name, found[name], found["T1"])
            for name in names:
                tell(report, name, found[name])
