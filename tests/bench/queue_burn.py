"""Burn-downs: how fast no-ops that wait are begun and ended, and what a backlog or a held snapshot costs.

What is compared must have settled: until the worker's lazy checkpoint tells all of what was loaded
(else it is written, or spared, within the measured time, as chance has it), nothing is vacuumed, and
the pages are on the disk. The peers' bench does the same: it analyses and checkpoints between enqueue
and work.
"""
import contextlib
import os
import statistics
import subprocess
import time

import proc
from queue_rig import Caller, Queue
from tasks import until

BURN_TASKS = int(os.environ.get("BENCH_TASKS", "20000"))
BACKLOG = 500_000
# A burn-down of the standing systems: when it ends, the runner holds a thousand of the backlog, too.
STANDING_TASKS = int(os.environ.get("BENCH_TASKS", "100000"))
STANDING_ROUNDS = int(os.environ.get("BENCH_BURNS", "9"))


def settle(queue):
    end = queue.changes(Caller(queue.port, "GATEWAY_TOKEN"))
    until("the checkpoint tells all changes",
          lambda: int(queue.sql("SELECT max(ckpt_seq) FROM worker.shard")) >= end)
    queue.sql("ANALYZE")
    until("nothing is vacuumed", lambda: queue.sql(
        "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'autovacuum worker'") == "0")
    queue.sql("CHECKPOINT")
    time.sleep(0.3)


def burn(queue, server, tasks):
    """They wait behind their type's pause; from its resume until as many have ended. It is paused again
    then. There is a runner."""
    queue.set_type("noop", is_paused=True)
    enqueue_s = queue.enqueue(tasks)
    settle(queue)
    cpu, wal = cpu_of(queue, server), queue.wal()
    caller = Caller(queue.port, "GATEWAY_TOKEN")
    goal = queue.completed(caller) + tasks
    last = queue.changes(caller) + 2 * tasks  # each begins and ends; the peers, too, are asked then
    began = time.monotonic()
    queue.set_type("noop", is_paused=False)
    while (left := last - queue.changes(caller)) > 0 or queue.completed(caller) < goal:
        time.sleep(0.03 if left > tasks / 4 else 0.003)  # a question takes as long as ten tasks
    seconds = time.monotonic() - began
    queue.set_type("noop", is_paused=True)
    used = cpu_of(queue, server)
    return {"tasks_per_s": tasks / seconds, "enqueue_per_s": tasks / enqueue_s,
            "wal_bytes_per_task": (queue.wal() - wal) / tasks,
            **{f"{name}_cpu_us": 1e6 * (used[name] - cpu[name]) / tasks for name in cpu}}


def cpu_of(queue, server):
    return {**queue.cpu(), "postgres": proc.cpu_seconds(server.pid())}


def add_backlog(queue):
    queue.set_type("noop", is_paused=True)
    queue.enqueue(BACKLOG, priority="low")
    queue.sql("VACUUM")


@contextlib.contextmanager
def held_snapshot(queue):
    holder = subprocess.Popen(["psql", "-XAtq", queue.url()], stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE, text=True)
    try:
        holder.stdin.write("BEGIN ISOLATION LEVEL REPEATABLE READ;\n"
                           "SELECT pg_current_xact_id(), count(*) FROM pg_class;\n")
        holder.stdin.flush()
        holder.stdout.readline()
        yield
    finally:
        holder.stdin.close()
        holder.wait()


def t1(program, server):
    with Queue(program, server) as queue:
        queue.start_runner()
        return burn(queue, server, BURN_TASKS)


def t4a(program, server):
    with Queue(program, server) as queue:
        add_backlog(queue)
        queue.start_runner()
        return burn(queue, server, BURN_TASKS)


def t4b(program, server):
    with Queue(program, server) as queue, held_snapshot(queue):
        queue.start_runner()
        return burn(queue, server, BURN_TASKS)


def standing(program, server):
    """Four systems stand at once and burn in turn, again and again: a drift of the machine meets all of
    them. A loss is the median of the rounds' ratios. `again` is a second system like the first: what
    it "loses" is how far these figures can be trusted."""
    kinds = ("plain", "again", "backlog", "snapshot")
    found = {kind: [] for kind in kinds}
    with contextlib.ExitStack() as stack:
        queues = {kind: stack.enter_context(Queue(program, server)) for kind in kinds}
        for queue in queues.values():
            queue.start_runner()
        add_backlog(queues["backlog"])
        for i in range(STANDING_ROUNDS):
            first = i % len(kinds)
            for kind in kinds[first:] + kinds[:first]:
                with held_snapshot(queues[kind]) if kind == "snapshot" else contextlib.nullcontext():
                    found[kind].append(burn(queues[kind], server, STANDING_TASKS))
    row = {}
    for kind, rows in found.items():
        for figure in ("tasks_per_s", "wal_bytes_per_task", "worker_cpu_us", "runner_cpu_us", "postgres_cpu_us"):
            row[f"{kind}.{figure}"] = statistics.median(burnt[figure] for burnt in rows)
        if kind != "plain":
            row[f"{kind}.loss_percent"] = 100 * (1 - statistics.median(
                burnt["tasks_per_s"] / plain["tasks_per_s"] for burnt, plain in zip(rows, found["plain"])))
    return row
