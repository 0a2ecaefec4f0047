#!/usr/bin/env python3
"""The mirror: the gateway's tables follow a worker that the test scripts.
Usage: gateway_mirror_test.py PROGRAM"""

import json
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../support"))
from fake_worker import STATUS, FakeWorker, now_us, uuid7  # noqa: E402
from gateway_rig import Gateway, Postgres, eventually, run_tests  # noqa: E402


def sql(url, text):
    """The rows as lists of text; null is None."""
    done = subprocess.run(["psql", "-XqAt", "-F", "\x1f", "-P", "null=\x1e", "-v", "ON_ERROR_STOP=1", "-c", text, url],
                          capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return [[None if cell == "\x1e" else cell for cell in line.split("\x1f")] for line in done.stdout.splitlines()]


class World:
    """One database, one scripted worker, one gateway."""

    def __init__(self, postgres, **settings):
        self.url = postgres.tell("database")
        self.worker = FakeWorker().__enter__()
        self.settings = {"WORKER_URL": self.worker.url, **settings}
        self.gateway = None

    def start(self, **settings):
        return Gateway(self.url, **{**self.settings, **settings})

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.worker.__exit__()

    def cursor(self):
        rows = sql(self.url, "SELECT cursor FROM mirror")
        return int(rows[0][0].split(":")[1]) if rows and rows[0][0] else -1

    def caught_up(self):
        eventually(lambda: self.cursor() == self.worker.head)

    def stored(self):
        """id: what the table holds, as the worker would tell it."""
        rows = sql(self.url, "SELECT id, to_jsonb(t) FROM tasks t WHERE accepted")
        return {row[0]: json.loads(row[1]) for row in rows}

    def check_equal(self):
        """Every task and job of the worker, and none else, in every column; and the counters."""
        stored = self.stored()
        assert stored.keys() == self.worker.tasks.keys(), (len(stored), len(self.worker.tasks))
        for task_id, task in self.worker.tasks.items():
            check_task(stored[task_id], task)
        jobs = {row[0]: row for row in sql(self.url, "SELECT id, name, status, version FROM jobs WHERE accepted")}
        assert jobs.keys() == self.worker.jobs.keys(), (jobs, self.worker.jobs.keys())
        for job_id, job in self.worker.jobs.items():
            assert jobs[job_id][1:] == [job["name"], job["status"], job["version"]], (jobs[job_id], job)
        counts = {(c["type"], c["status"]): c["count"] for c in self.worker.counts()}
        kept = {(r[0], r[1]): int(r[2]) for r in
                sql(self.url, "SELECT type, status, count FROM task_counts WHERE count <> 0")}
        assert kept == counts, (kept, counts)


SAME = {"type": "type", "state": "state", "priority": "priority", "queue": "queue", "payload": "payload",
        "attempt": "attempt", "max_attempts": "max_attempts", "timeout_seconds": "timeout_s", "result": "result",
        "error": "error", "progress": "progress", "idempotency_key": "idempotency_key", "job_id": "job_id",
        "created_by": "created_by", "why": "why"}
TIMES = {"run_at": "run_at_us", "created_at": "created_at_us", "started_at": "started_at_us",
         "finished_at": "finished_at_us", "updated_at": "updated_at_us"}


def time_us(text):
    """Of PostgreSQL's JSON: 2026-11-23T08:30:00.25+00:00."""
    if text is None:
        return None
    import datetime  # pylint: disable=import-outside-toplevel
    then = datetime.datetime.fromisoformat(text)
    delta = then - datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
    return (delta.days * 86400 + delta.seconds) * 1_000_000 + delta.microseconds


def check_task(row, task):
    for column, name in SAME.items():
        assert row[column] == task[name], (column, row[column], task[name])
    for column, name in TIMES.items():
        assert time_us(row[column]) == task[name], (column, row[column], task[name])
    assert row["status"] == STATUS[task["state"]], row
    assert str(row["version"]) == task["version"], (row["version"], task["version"])


def live_a_little(worker, count=20):
    """Tasks in every state, and two jobs."""
    made = [worker.add(("email", "report")[i % 2], payload={"n": i, "text": "naïve \"quoted\" \\ {a,b}"},
                       priority=("low", "normal", "high")[i % 3], idempotency_key=f"key-{i}" if i % 5 == 0 else None)
            for i in range(count)]
    for i, task in enumerate(made):
        if i % 10 == 9:
            continue
        worker.start(task, now_us() + i * 1000)
        if i % 4 == 0:
            worker.finish(task, result={"sum": i, "list": [1, None, "x"]}, at_us=now_us() + i * 2000)
        elif i % 4 == 1:
            worker.finish(task, "dead", error=f"cannot: {i}", why={"code": "QUARANTINED", "text": "thrice"})
        elif i % 4 == 2:
            worker.wait(task, "no luck")
            if i % 8 == 2:
                worker.start(task)
    worker.note(made[3], progress=0.5)
    worker.reopen(made[1])
    worker.skip(3)
    job = worker.put_job(name="nightly")
    worker.put_job(id=job, status="paused")
    return made


# ── the first run ──

def a_first_run_takes_the_snapshot_and_then_follows(postgres):
    with World(postgres) as world:
        live_a_little(world.worker, 30)
        world.worker.page_max = 7
        with world.start():
            world.caught_up()
            world.check_equal()
            assert world.worker.pages >= 5
            live_a_little(world.worker)
            world.caught_up()
            world.check_equal()
            pages = world.worker.pages
            dropped = [i for i, t in world.worker.tasks.items() if t["state"] == "succeeded"][:2]
            world.worker.drop(*dropped)
            gone = world.worker.put_job(name="gone")
            world.worker.drop_job(gone)
            first = min(world.worker.tasks)
            world.worker.drop_range(first, first[:-1] + "\x66")
            world.caught_up()
            world.check_equal()
            assert world.worker.pages == pages


TESTS = [a_first_run_takes_the_snapshot_and_then_follows]

if __name__ == "__main__":
    with Postgres() as the_postgres:
        run_tests(TESTS, the_postgres)
