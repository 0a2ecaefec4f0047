#!/usr/bin/env python3
"""What the worker does a second, over HTTP and with fsync on: creates by 64 producers, one at a time
and in batches, and the burn-down of a backlog by two executors. Needs wrk.
Usage: worker_bench.py PROGRAM"""

import os
import re
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../support"))
from gateway_rig import Postgres  # noqa: E402
from worker_rig import Caller, Executor, Worker, sql  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
SECONDS = int(os.environ.get("BENCH_SECONDS", "5"))


def cpu_s(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
        words = stat.read().rsplit(")", 1)[1].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


def wrk(worker, script, connections, threads=2, **environment):
    done = subprocess.run(
        ["wrk", f"-t{threads}", f"-c{connections}", f"-d{SECONDS}s", "--latency", "-s",
         os.path.join(HERE, script), f"http://127.0.0.1:{worker.port}"],
        env={**os.environ, **environment}, capture_output=True, text=True, check=True).stdout
    rate = float(re.search(r"Requests/sec:\s+(\S+)", done).group(1))
    p50 = re.search(r"50%\s+(\S+)", done).group(1)
    p99 = re.search(r"99%\s+(\S+)", done).group(1)
    bad = re.search(r"Non-2xx[^\n]*", done)
    return rate, p50, p99, bad.group(0) if bad else ""


class Meter:
    """CPU of the worker and of PostgreSQL, and what was done meanwhile."""

    def __init__(self, worker, url, done):
        self.worker, self.url, self.done = worker, url, done
        self.before, self.done_before, self.at = self.now(), done(), time.monotonic()

    def now(self):
        pids = sql(self.url, "SELECT pid FROM pg_stat_activity WHERE pid <> pg_backend_pid()").split()
        return cpu_s(self.worker.process.pid), sum(cpu_s(pid) for pid in pids)

    def text(self):
        took, count = time.monotonic() - self.at, self.done() - self.done_before
        ours, theirs = (b - a for a, b in zip(self.before, self.now()))
        return (f"{count / took:,.0f} tasks/s, worker {1e6 * ours / count:.0f} and PostgreSQL "
                f"{1e6 * theirs / count:.0f} us of CPU a task")


def main():
    with Postgres("-c fsync=on -c synchronous_commit=on -c shared_buffers=256MB "
                  "-c max_wal_size=4GB") as postgres:
        url = postgres.tell("database")
        with Worker(url, ENV="development") as worker:
            caller = Caller(worker)

            def created():
                return sum(caller.counts().values())
            for batch in (1, 100):
                meter = Meter(worker, url, created)
                sums = [worker.metric(f"windlass_worker_batch{n}") for n in ("_changes_sum", "es_total")]
                _, p50, p99, bad = wrk(worker, "worker_create.lua", 64, BATCH=str(batch))
                now = [worker.metric(f"windlass_worker_batch{n}") for n in ("_changes_sum", "es_total")]
                print(f"create, {batch} a call, 64 producers: {meter.text()}, p50 {p50}, p99 {p99}, "
                      f"{(now[0] - sums[0]) / (now[1] - sums[1]):.0f} changes a commit {bad}")
            sessions = [Executor(worker, {"bench": 5000}) for _ in range(2)]
            who = {f"SESSION{i}": f'"session":"{s.who["session"]}","secret":"{s.who["secret"]}"'
                   for i, s in enumerate(sessions)}
            meter = Meter(worker, url, lambda: caller.counts().get(("bench", "completed"), 0))
            _, p50, p99, bad = wrk(worker, "worker_burn.lua", 2, **who)
            print(f"burn-down by 2 executors, 100 a call: {meter.text()}, p50 {p50}, p99 {p99} {bad}")


if __name__ == "__main__":
    main()
