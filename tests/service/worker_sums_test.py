#!/usr/bin/env python3
"""The sums that a mirror is audited by, against a recount that knows nothing of them: the feed from its first
number on, and the snapshot. Usage: worker_sums_test.py PROGRAM"""

import hashlib
import os
import signal
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../support"))
from gateway_rig import Postgres, eventually, run_tests  # noqa: E402
from worker_rig import Busy, Caller, Executor, Worker, new_id, sql  # noqa: E402

LEASE = {"WORKER_LEASE": "1s"}
STATUS = {"scheduled": "pending", "ready": "pending", "blocked": "pending", "retrying": "pending",
          "running": "in-progress", "succeeded": "completed", "cancelled": "failed", "dead": "failed"}
DAY_MS = 86_400_000


def day_of(task_id):
    return int(task_id[:8] + task_id[9:13], 16) // DAY_MS


def summed(tasks, day):
    """{bucket: (count, sum, newest version)} of {id: (version, status)}, of that day."""
    out = {}
    for task_id, (version, status) in tasks.items():
        if day_of(task_id) != day:
            continue
        key = int(task_id[-1], 16)
        digest = hashlib.sha256(f"{task_id}:{version}:{status}".encode()).digest()
        count, total, newest = out.get(key, (0, 0, 0))
        out[key] = (count + 1, total + int.from_bytes(digest[:4], "big"), max(newest, version))
    return out


class Reader:
    """Follows the feed from its first number, and knows each task as of any number it came to."""

    def __init__(self, caller):
        self.caller, self.next, self.tasks, self.pending = caller, 1, {}, []

    def go_to(self, number):
        while self.next < number:
            if not self.pending:
                self.pending = self.caller.feed(f"0:{self.next}", wait_ms=20_000).json["events"]
            event = self.pending.pop(0)
            assert int(event["seq"]) == self.next
            self.take(event)
            self.next += 1
        return self.tasks

    def take(self, event):
        op, task = event["op"], event.get("task", {})
        if op == "drop" and "ids" in event:
            for task_id in event["ids"]:
                self.tasks.pop(task_id, None)
        elif op == "drop":
            low, high = event["range"]["from"], event["range"]["to"]
            self.tasks = {i: t for i, t in self.tasks.items() if not low <= i < high}
        elif op == "note":
            self.tasks[task["id"]] = (self.next, self.tasks[task["id"]][1])
        elif op in ("add", "wait", "reopen"):
            self.tasks[task["id"]] = (self.next, "pending")
        elif op == "start":
            self.tasks[task["id"]] = (self.next, "in-progress")
        elif op == "finish":
            self.tasks[task["id"]] = (self.next, STATUS[task["state"]])


def asked(caller, day):
    """The cursor's number, and the buckets as `summed` has them."""
    told = eventually(lambda: (a := caller.get(f"/v1/sums?day={day}")).status != 503 and a).json  # it leads, or will again
    assert told["day"] == day and all(b["count"] > 0 for b in told["buckets"])
    return int(told["cursor"].split(":")[1]), {
        b["bucket"]: (b["count"], int(b["sum"]), int(b["version"])) for b in told["buckets"]}


def compare(caller, reader):
    """Every day, each at its own cursor. How many buckets there were."""
    days, count = caller.get("/v1/sums").json["days"], 0
    for day in days:
        cursor, told = asked(caller, day)
        expected = summed(reader.go_to(cursor), day)
        assert told == expected, (day, cursor, told, expected)
        count += len(told)
    assert {day_of(task) for task in reader.tasks} <= set(days)
    return count


def snapshot(caller):
    tasks, after = {}, ""
    while True:
        page = caller.get(f"/v1/snapshot?limit=1000&after={after}").json
        tasks.update({t["id"]: (int(t["version"]), STATUS[t["state"]]) for t in page["tasks"]})
        after = page["next"]
        if after is None:
            return tasks


class Everything(Busy):
    """Tasks of several days, and all that can become of them, until told to stop."""

    def __init__(self, worker):
        self.ids = []
        super().__init__(worker, self.create, self.execute, self.touch)

    def create(self):
        caller = Caller(self.worker)
        while not self.is_over.is_set():
            tasks = [{"id": new_id(time.time() - 86_400 * (i % 3)), "type": "work"} for i in range(30)]
            tasks[1]["depends_on"] = [tasks[0]["id"]]
            answer = caller.create(*tasks)
            assert answer.status == 200, answer.text
            self.ids += [t["id"] for t in tasks]
            time.sleep(0.05)

    def execute(self):
        executor, acks = Executor(self.worker, {"work": 100}, ttl_ms=5_000), []
        while not self.is_over.is_set():
            leases = executor.lease(20, 100, acks)["leases"]
            executor.heartbeat(*({"task": le["task"], "fence": le["fence"], "progress": 0.5}
                                 for le in leases[::3]))
            acks = [{"task": le["task"], "fence": le["fence"], "retry_in_ms": 20,
                     "outcome": ("complete", "complete", "fail", "release", "fatal")[i % 5]}
                    for i, le in enumerate(leases) if i != 7]

    def touch(self):
        caller = Caller(self.worker)
        while not self.is_over.is_set():
            task = self.ids[-1 - len(self.ids) // 3]
            caller.post(f"/v1/tasks/{task}:cancel", {})
            caller.post(f"/v1/tasks/{task}:retry", {})
            time.sleep(0.02)


def sums_are_those_of_the_feed_while_everything_changes(postgres):
    url = postgres.tell("database")
    worker = Worker(url, **LEASE)
    reader = Reader(Caller(worker))
    for _ in range(2):
        busy, caller = Everything(worker), Caller(worker)
        eventually(lambda: len(busy.ids) > 600)
        for _ in range(3):
            assert compare(caller, reader) > 16
        worker.stop(signal.SIGKILL)
        busy.stop()
        worker.log_file.close()
        worker = Worker(url, **LEASE)
        reader.caller = Caller(worker)
        compare(Caller(worker), reader)
    with worker:
        caller = Caller(worker)
        truth = snapshot(caller)
        for day in caller.get("/v1/sums").json["days"]:
            assert asked(caller, day)[1] == summed(truth, day)


def what_retention_takes_is_in_no_sum(postgres):
    url = postgres.tell("database")
    with Worker(url, RETENTION="30d", ID_PAST="30d") as worker:
        caller, executor = Caller(worker), Executor(worker)
        reader = Reader(caller)
        old = [new_id(time.time() - 86_400 * 20) for _ in range(20)]
        caller.create(*({"id": task, "type": "work"} for task in old))
        for _ in old[:15]:
            executor.ack(executor.one())
        assert compare(caller, reader) > 0
        sql(url, "UPDATE worker.task_done SET finished_at = now() - interval '2 h'")
    with Worker(url, RETENTION="1h", ID_PAST="1h") as worker:
        caller = Caller(worker)
        reader.caller = caller
        eventually(lambda: sql(url, "SELECT count(*) FROM worker.task_done") == "0")
        compare(caller, reader)
        assert len(reader.tasks) == 5


def a_wrong_day_is_named_and_an_empty_one_is_empty(postgres):
    with Worker(postgres.tell("database")) as worker:
        caller = Caller(worker)
        for day in ("x", "-1", "100001", "2026-01-01", ""):
            refused = caller.get(f"/v1/sums?day={day}")
            assert refused.status == 400 and "day" in refused.text, (day, refused.text)
        assert asked(caller, 1)[1] == {}
        assert Executor(worker).get("/v1/sums").status == 403


TESTS = [
    sums_are_those_of_the_feed_while_everything_changes,
    what_retention_takes_is_in_no_sum,
    a_wrong_day_is_named_and_an_empty_one_is_empty,
]

if __name__ == "__main__":
    with Postgres() as server:
        run_tests(TESTS, server)
