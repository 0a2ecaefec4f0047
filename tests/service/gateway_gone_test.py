#!/usr/bin/env python3
"""A gateway that was away for longer than the worker keeps its log: the real worker says 410, and the mirror is made
anew from the snapshot, while it can be read. Usage: gateway_gone_test.py PROGRAM"""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../support"))
from gateway_rig import Gateway, Postgres, eventually, psql, run_tests  # noqa: E402
from worker_rig import GATEWAY_TOKEN, Caller, Executor, Worker, new_id, sql  # noqa: E402

SPAN = 1 << 20  # numbers in one partition of the log, which is dropped whole
STATUS = {"scheduled": "PENDING", "ready": "PENDING", "blocked": "PENDING", "retrying": "PENDING",
          "running": "IN_PROGRESS", "succeeded": "COMPLETED", "cancelled": "FAILED", "dead": "FAILED"}


def let_the_log_grow_old(url):
    """As if a million changes that concern nobody had come, and all of it were two minutes old."""
    sql(url, f"INSERT INTO worker.change_log SELECT 0, max(seq + n), {SPAN}, max(epoch), now(), "
             f"'\\x000000808040', decode(repeat('00', {16 * SPAN}), 'hex'), '' FROM worker.change_log")
    sql(url, "UPDATE worker.change_log SET at = at - interval '2 min'")


def truth(caller):
    page = caller.get("/v1/snapshot?limit=5000").json
    assert page["next"] is None
    return {t["id"]: (t["version"], STATUS[t["state"]]) for t in page["tasks"]}


def mirrored(url):
    return {row[0]: (row[1], row[2].upper().replace("-", "_")) for row in
            psql(url, "SELECT id, version::text, status::text FROM tasks")}


def who_was_away_for_too_long_takes_a_snapshot(postgres):
    url = postgres.tell("database")
    with Worker(url) as worker:
        caller, executor = Caller(worker), Executor(worker, {"work": 50})
        tasks = [caller.create_one() for _ in range(20)]
        with Gateway(url, WORKER_URL=f"http://127.0.0.1:{worker.port}", GATEWAY_TOKEN=GATEWAY_TOKEN) as gateway:
            gateway.set_up()
            eventually(lambda: mirrored(url) == truth(caller))
        # The gateway is away: of what was there some ends, something new comes, one thing is gone.
        leases = executor.leases(10)
        for i, lease in enumerate(leases):
            executor.ack(lease, ("complete", "fatal")[i % 2])
        tasks += [caller.create_one() for _ in range(5)]
    gone = leases[0]["task"]
    sql(url, f"DELETE FROM worker.task_done WHERE id = '{gone}'; DELETE FROM worker.task WHERE id = '{gone}'")
    let_the_log_grow_old(url)
    with Worker(url, FEED_RETENTION="60s") as worker:
        caller = Caller(worker)
        eventually(lambda: "event=retain.log_dropped part=0" in worker.log)
        refused = eventually(lambda: (a := caller.feed("0:1")).status == 410 and a)
        assert refused.code == "GONE", refused.text
        cursor = caller.get("/v1/feed").json["cursor"]
        assert caller.feed(cursor).status == 200
        with Gateway(url, WORKER_URL=f"http://127.0.0.1:{worker.port}", GATEWAY_TOKEN=GATEWAY_TOKEN) as gateway:
            eventually(lambda: mirrored(url) == truth(caller))
            assert gone not in mirrored(url) and len(mirrored(url)) == len(tasks) - 1
            task = caller.create_one(id=new_id())  # and goes on from there
            eventually(lambda: task in mirrored(url))
            assert "event=mirror.snapshot-read" in gateway.log, gateway.log


TESTS = [who_was_away_for_too_long_takes_a_snapshot]

if __name__ == "__main__":
    with Postgres() as server:
        run_tests(TESTS, server)
