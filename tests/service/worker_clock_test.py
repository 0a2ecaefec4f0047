#!/usr/bin/env python3
"""Wall clocks that jump by hours: of the worker, of PostgreSQL's server, of the runner; each process has a shim
before its clock (tests/support/shim.py). Usage: worker_clock_test.py PROGRAM"""

import os
import signal
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../support"))
from gateway_rig import Postgres, eventually, run_tests  # noqa: E402
from runner_rig import Runner  # noqa: E402
from shim import Shim  # noqa: E402
from worker_rig import RUNNER_TOKEN, Caller, Executor, OpenTransaction, Worker, new_id, sql  # noqa: E402

HOUR_S = 3600
LEASE = {"WORKER_LEASE": "1s", "ID_FUTURE": "24h"}


def worker_time_s(caller):
    """Its wall clock."""
    answer = caller.get("/v1/feed")
    return answer.json["now_us"] / 1e6 if answer.status == 200 else None


def log_time_s(caller):
    """That of a task that was just made."""
    return caller.task(caller.create_one())["created_at_us"] / 1e6


def database_time_s(url):
    return float(sql(url, "SELECT extract(epoch FROM clock_timestamp())"))


def each_process_has_the_clock_that_it_is_given(database, worker):
    caller = Caller(worker)
    for clock, ahead_s, other_s in ((database.shim, HOUR_S, 0), (worker.shim, -HOUR_S, HOUR_S)):
        clock.ahead_s = ahead_s
        here_s, there_s = worker_time_s(caller) - time.time(), database_time_s(database.url) - time.time()
        seen = (there_s, here_s) if clock is database.shim else (here_s, there_s)
        assert abs(seen[0] - ahead_s) < 60 and abs(seen[1] - other_s) < 60, (seen, ahead_s, other_s)


def one_that_failed_after_a_clock_went_back_is_tried_again_in_its_time(_, worker):
    """The log's times never go back: for an hour they are ahead of the clock."""
    caller, executor = Caller(worker), Executor(worker)
    worker.shim.ahead_s = HOUR_S
    assert executor.ack({**executor_lease(caller, executor)}) == "applied"
    worker.shim.ahead_s = 0
    lease = executor_lease(caller, executor)
    assert executor.ack(lease, "fail", error="once", retry_in_ms=20) == "applied"
    again = executor.one()
    assert again["task"] == lease["task"] and again["attempt"] == 2, again
    assert executor.ack(again) == "applied"
    executor.end()


def executor_lease(caller, executor):
    """Of a new task."""
    task = caller.create_one()
    lease = executor.one()
    assert lease["task"] == task
    return lease


def what_runs_too_long_after_a_clock_went_back_is_told_to_stop(_, worker):
    caller, executor = Caller(worker), Executor(worker)
    worker.shim.ahead_s = HOUR_S
    assert executor.ack(executor_lease(caller, executor)) == "applied"
    worker.shim.ahead_s = 0
    task = caller.create_one(timeout_s=1)
    lease = executor.one()
    commands = eventually(lambda: executor.heartbeat({"task": task, "fence": lease["fence"]}).json["commands"])
    assert [(c["task"], c["reason"]) for c in commands] == [(task, "timeout")], commands
    executor.ack(lease)
    executor.end()


def a_job_fires_no_instant_twice_when_the_clock_goes_back(_, worker):
    caller = Caller(worker)
    answer = caller.post("/v1/jobs", {"actor": "test", "job": {
        "id": new_id(), "name": "job", "schedule": "* * * * * *", "task_type": "tick", "misfire_policy": "run-all",
        "overlap_policy": "allow"}})
    assert answer.status == 200, answer.text
    job = answer.json["job"]["id"]

    def fired():
        return [e["task"]["scheduled_for_us"] for e in caller.whole_feed()
                if e["op"] == "add" and e["task"].get("job_id") == job]
    eventually(lambda: len(fired()) >= 2)
    worker.shim.ahead_s = 60
    eventually(lambda: len(fired()) >= 60)
    worker.shim.ahead_s = 0
    eventually(lambda: worker_time_s(caller) < time.time() + 30)
    caller.create_one()  # the clock was read, and what was read is stored
    worker.shim.ahead_s = 70
    eventually(lambda: len(fired()) >= 75)
    caller.request("DELETE", f"/v1/jobs/{job}", {"actor": "test"})
    instants = fired()
    assert instants == list(range(instants[0], instants[-1] + 1, 1_000_000)), instants


def a_job_of_after_the_clock_went_back_fires_in_its_time(_, worker):
    """Made, changed, resumed and triggered while the log's times are ahead of the clock."""
    caller = Caller(worker)
    worker.shim.ahead_s = HOUR_S
    caller.create_one()
    worker.shim.ahead_s = 0

    def make(schedule="* * * * * *", **members):
        answer = caller.post("/v1/jobs", {"actor": "test", "job": {
            "id": new_id(), "name": "job", "schedule": schedule, "task_type": "tick", "overlap_policy": "allow", **members}})
        assert answer.status == 200, answer.text
        return answer.json["job"]["id"]

    def act(of, verb, **members):
        answer = caller.post(f"/v1/jobs/{of}:{verb}", {"actor": "test", **members})
        assert answer.status == 200, answer.text
    jobs = {"made": make(), "made every": make("@every 1s"), "updated": make("0 0 1 1 *"), "resumed": make(is_paused=True),
            "triggered": make()}
    act(jobs["updated"], "update", job={"schedule": "* * * * * *"})
    act(jobs["resumed"], "resume")
    act(jobs["triggered"], "trigger")
    for what, job in jobs.items():
        due_us = caller.get(f"/v1/jobs/{job}").json["job"]["next_run_us"]
        assert due_us < (time.time() + 60) * 1e6, (what, due_us)
        eventually(lambda job=job, due_us=due_us: caller.get(f"/v1/jobs/{job}").json["job"]["next_run_us"] > due_us)


def a_transaction_that_the_leader_left_open_holds_up_nobody_when_the_clock_went_back(database, worker):
    database.shim.ahead_s = HOUR_S
    eventually(lambda: sql(database.url, "SELECT lease_until > clock_timestamp() FROM worker.shard") == "t")
    with Worker(database.url, wait=False, **LEASE) as standby:
        standby.wait_for_log(r"event=lead\.warm")
        worker.process.send_signal(signal.SIGSTOP)
        try:
            left = OpenTransaction(database.url, "UPDATE worker.shard SET is_leaving = is_leaving")
            database.shim.ahead_s = 0
            standby.wait_leading()
            assert not left.end() and "event=lead.writers_ended" in standby.log, standby.log
        finally:
            worker.stop(signal.SIGKILL)


def a_standby_takes_over_when_the_clock_went_back_and_the_leader_is_gone(database, worker):
    """The lease then seems to last for an hour more."""
    database.shim.ahead_s = HOUR_S
    eventually(lambda: sql(database.url, "SELECT lease_until > clock_timestamp() FROM worker.shard") == "t")
    with Worker(database.url, wait=False, **LEASE) as standby:
        standby.wait_for_log(r"event=lead\.warm")
        worker.process.send_signal(signal.SIGSTOP)  # no renewal any more
        try:
            database.shim.ahead_s = 0
            standby.wait_leading()
            assert Caller(standby).create_one()
        finally:
            worker.stop(signal.SIGKILL)


def a_runners_clock_that_jumps_ends_no_task(_, worker):
    shim, caller = Shim(), Caller(worker)
    with Runner(f"http://127.0.0.1:{worker.port}", more=shim.environment, RUNNER_TOKEN=RUNNER_TOKEN):
        for ahead_s in (HOUR_S, -HOUR_S):
            shim.ahead_s = ahead_s
            task = caller.create_one(type="sleep", payload={"seconds": 0.01}, timeout_s=60, max_attempts=1)
            ended = eventually(lambda task=task: next(
                (t for t in [caller.task(task)] if t["finished_at_us"] is not None), None))
            assert ended["state"] == "succeeded", ended
    shim.end()


def a_runner_has_time_for_its_tasks_after_the_workers_clock_went_back(_, worker):
    """Its session began when that clock was ahead; the log's times then go on at half their pace."""
    caller = Caller(worker)
    worker.shim.ahead_s = HOUR_S
    eventually(lambda: worker_time_s(caller) > time.time() + HOUR_S / 2)
    with Runner(f"http://127.0.0.1:{worker.port}", RUNNER_TOKEN=RUNNER_TOKEN) as runner:
        runner.wait_for_log(r"event=session\.opened")
        caller.create_one()  # the log has that hour
        worker.shim.ahead_s = 0
        eventually(lambda: worker_time_s(caller) < time.time() + HOUR_S / 2)
        timeout_s, since_s, logged_s = 2, time.monotonic(), log_time_s(caller)
        eventually(lambda: time.monotonic() - since_s > log_time_s(caller) - logged_s + timeout_s)  # it is behind by that
        task = caller.create_one(type="sleep", payload={"seconds": 0.01}, timeout_s=timeout_s, max_attempts=5)
        eventually(lambda: caller.task(task)["state"] == "succeeded")


class Server:
    """A PostgreSQL with a clock of its own."""

    def __init__(self, postgres, shim):
        self.postgres, self.shim, self.url = postgres, shim, None


def run_each(tests):
    """Each with a new database and a new worker, and clocks that are right."""
    clocks = Shim(), Shim()
    try:
        with Postgres(more=clocks[0].environment) as postgres:
            server = Server(postgres, clocks[0])

            def with_worker(test):
                def run():
                    for clock in clocks:
                        clock.ahead_s = 0
                    server.url = postgres.tell("database")
                    with Worker(server.url, more=clocks[1].environment, **LEASE) as worker:
                        worker.shim = clocks[1]
                        test(server, worker)
                run.__name__ = test.__name__
                return run
            run_tests([with_worker(test) for test in tests])
    finally:
        for clock in clocks:
            clock.end()


if __name__ == "__main__":
    run_each([
        each_process_has_the_clock_that_it_is_given,
        one_that_failed_after_a_clock_went_back_is_tried_again_in_its_time,
        what_runs_too_long_after_a_clock_went_back_is_told_to_stop,
        a_job_fires_no_instant_twice_when_the_clock_goes_back,
        a_job_of_after_the_clock_went_back_fires_in_its_time,
        a_transaction_that_the_leader_left_open_holds_up_nobody_when_the_clock_went_back,
        a_standby_takes_over_when_the_clock_went_back_and_the_leader_is_gone,
        a_runners_clock_that_jumps_ends_no_task,
        a_runner_has_time_for_its_tasks_after_the_workers_clock_went_back,
    ])
