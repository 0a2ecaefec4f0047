#!/usr/bin/env python3
"""What a worker that takes over finds, and how soon. Usage: worker_standby_test.py PROGRAM"""

import os
import signal
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../support"))
from gateway_rig import Postgres, eventually, run_tests  # noqa: E402
from worker_rig import Caller, Worker, sql  # noqa: E402

LEASE = {"WORKER_LEASE": "1s"}


def wait_checkpoint(url):
    """The tables hold all that is in the log."""
    eventually(lambda: sql(url, "SELECT ckpt_seq = (SELECT max(seq + n) FROM worker.change_log) "
                                "FROM worker.shard") == "t")


def one_that_was_cancelled_and_tried_again_between_two_ticks_is_kept(postgres):
    url = postgres.tell("database")
    with Worker(url, **LEASE) as worker:
        caller = Caller(worker)
        task = caller.create_one()
        wait_checkpoint(url)
        assert caller.post(f"/v1/tasks/{task}:cancel", {}).status == 200
        assert caller.post(f"/v1/tasks/{task}:retry", {}).status == 200
        wait_checkpoint(url)
        worker.stop(signal.SIGKILL)
    with Worker(url, **LEASE) as worker:
        assert worker.metric('windlass_worker_tasks{state="unfinished"}') == 1
        assert Caller(worker).task(task)["state"] == "ready"


TESTS = [
    one_that_was_cancelled_and_tried_again_between_two_ticks_is_kept,
]

if __name__ == "__main__":
    with Postgres() as server:
        run_tests(TESTS, server)
