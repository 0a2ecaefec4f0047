#!/usr/bin/env python3
"""Payloads of built-in types, checked by the worker when a task or job is made. Usage: worker_schemas_test.py PROGRAM"""

import os
import signal
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../support"))
from gateway_rig import Postgres, eventually, run_tests  # noqa: E402
from worker_rig import RUNNER_TOKEN, Caller, Executor, Worker, new_id  # noqa: E402


def stating(name, slots=1):
    return {"slots": slots, "schema": "windlass:" + name}


def result_of(caller, **task):
    """The result of one new task: a task, or the error's message."""
    answer = caller.create({"id": new_id(), "is_fresh": True, **task})
    assert answer.status == 200, answer.text
    result = answer.json["results"][0]
    return result["task"] if "task" in result else result["error"]["message"]


def is_bound(caller, type_name):
    """Whether a payload that is wrong for `sleep` is refused."""
    result = result_of(caller, type=type_name, payload={"seconds": "x"})
    assert isinstance(result, dict) or "$.seconds" in result, result
    return isinstance(result, str)


def a_stated_schema_binds_new_tasks_of_its_type(worker, _):
    caller, executor = Caller(worker), Executor(worker, {"nap": stating("sleep"), "free": 1})
    good = result_of(caller, type="nap", payload={"seconds": 1.5})
    assert isinstance(good, dict), good
    for payload, message in [
            ({"seconds": -1}, "tasks[0].payload: $.seconds: number from 0 to 86400 expected"),
            ({"seconds": 1, "minutes": 2}, "tasks[0].payload: $.minutes: unknown member; known: seconds"),
            (None, "tasks[0].payload: $.seconds: missing; number of seconds expected"),
            ([1], "tasks[0].payload: $: object expected, got array")]:
        found = result_of(caller, type="nap", payload=payload)
        assert found == message, found
    assert isinstance(result_of(caller, type="free", payload={"seconds": -1}), dict)
    assert isinstance(result_of(caller, type="other", payload={"seconds": -1}), dict)
    executor.end()


def one_wrong_payload_refuses_an_all_or_none_call(worker, _):
    caller, executor = Caller(worker), Executor(worker, {"whole": stating("sleep")})
    tasks = [{"id": new_id(), "type": "whole", "payload": {"seconds": n}} for n in (1, "x")]
    answer = caller.create(*tasks, is_atomic=True)
    assert answer.status == 400 and answer.code == "BAD_USER_INPUT", answer.text
    assert answer.json["index"] == 1, answer.text
    assert answer.json["detail"].startswith("tasks[1].payload: $.seconds: "), answer.text
    assert caller.get(f"/v1/tasks/{tasks[0]['id']}").status == 404
    executor.end()


def a_repeat_of_a_stored_task_is_answered_whatever_it_holds(worker, _):
    caller = Caller(worker)
    task = {"id": new_id(), "type": "again", "payload": {"seconds": "x"}}
    assert "task" in caller.create(task).json["results"][0]
    executor = Executor(worker, {"again": stating("sleep")})
    assert is_bound(caller, "again")
    for is_atomic in (False, True):
        answer = caller.create(task, is_atomic=is_atomic)
        assert answer.status == 200 and answer.json["results"][0]["task"]["id"] == task["id"], answer.text
    executor.end()


def a_session_without_a_schema_frees_its_type(worker, _):
    caller, runner = Caller(worker), Executor(worker, {"both": stating("sleep")})
    assert is_bound(caller, "both")
    outside = Executor(worker, {"both": 1})
    assert not is_bound(caller, "both")
    outside.end()  # it is answered before it is carried out
    eventually(lambda: is_bound(caller, "both"))
    runner.end()
    eventually(lambda: "both" not in caller.get("/v1/workers").json["task_types"])
    assert is_bound(caller, "both"), "the last session that was known stated it"
    Executor(worker, {"both": 1}).end()
    eventually(lambda: "both" not in caller.get("/v1/workers").json["task_types"])
    assert not is_bound(caller, "both")


def a_session_that_has_ended_leaves_its_schema(worker, _):
    caller, runner = Caller(worker), Executor(worker, {"quiet": stating("sleep")})
    assert runner.end(release=True).status == 200
    eventually(lambda: "quiet" not in caller.get("/v1/workers").json["task_types"])
    assert is_bound(caller, "quiet")


def a_schema_that_is_not_known_binds_nothing_and_one_of_no_form_is_refused(worker, _):
    caller = Caller(worker)
    executor = Executor(worker, {"new": stating("of-a-later-version")})
    assert not is_bound(caller, "new")
    executor.end()
    for schema in ("sleep", "", 5, ["windlass:sleep"], "windlass:" + "x" * 100):
        answer = Caller(worker, RUNNER_TOKEN).post("/v1/sessions", {"types": {"odd": {"schema": schema}}})
        assert answer.status == 400, answer.text
        assert answer.json["detail"] == 'types.odd.schema: is no text "windlass:NAME"', answer.text


def a_job_is_checked_when_it_is_made_and_changed(worker, _):
    caller, executor = Caller(worker), Executor(worker, {"cron.nap": stating("sleep")})

    def make(payload, name):
        return caller.post("/v1/jobs", {"actor": "ada", "job": {
            "id": new_id(), "name": name, "schedule": "0 3 1 1 *", "task_type": "cron.nap", "payload": payload}})
    wrong = make({"seconds": True}, "wrong")
    assert wrong.status == 400, wrong.text
    assert wrong.json["detail"] == "job.payload: $.seconds: number from 0 to 86400 expected", wrong.text
    job = make({"seconds": 1}, "right").json["job"]

    def change(**members):
        return caller.post(f"/v1/jobs/{job['id']}:update", {"actor": "ada", "job": members})
    assert change(payload={"seconds": 2}).status == 200
    answer = change(payload={"second": 2})
    assert answer.status == 400 and "$.second: unknown member" in answer.text, answer.text
    assert change(task_type="cron.free", payload={"second": 2}).status == 200
    assert change(task_type="cron.nap").status == 400, "what it runs then has this payload"
    assert caller.get(f"/v1/jobs/{job['id']}").json["job"]["task_type"] == "cron.free"
    executor.end()


def a_job_of_before_the_schema_can_still_be_changed_otherwise(worker, _):
    caller = Caller(worker)
    job = caller.post("/v1/jobs", {"actor": "ada", "job": {
        "id": new_id(), "name": "old", "schedule": "0 3 1 1 *", "task_type": "old.nap",
        "payload": {"second": 1}}}).json["job"]
    executor = Executor(worker, {"old.nap": stating("sleep")})
    answer = caller.post(f"/v1/jobs/{job['id']}:update", {"actor": "ada", "job": {"name": "older"}})
    assert answer.status == 200, answer.text
    executor.end()


def schemas_outlive_the_worker(_, tell):
    database = tell("database")
    with Worker(database, WORKER_LEASE="500ms") as worker:
        caller = Caller(worker)
        Executor(worker, {"kept": stating("sleep"), "kept.free": 1})
        assert is_bound(caller, "kept")
        worker.stop(signal.SIGKILL)
        caller.close()
        with Worker(database, WORKER_LEASE="500ms") as second:
            assert is_bound(Caller(second), "kept")
            assert not is_bound(Caller(second), "kept.free")


def main():
    with Postgres() as postgres:
        with Worker(postgres.tell("database")) as worker:
            run_tests(TESTS, worker, postgres.tell)


TESTS = [
    a_stated_schema_binds_new_tasks_of_its_type,
    one_wrong_payload_refuses_an_all_or_none_call,
    a_repeat_of_a_stored_task_is_answered_whatever_it_holds,
    a_session_without_a_schema_frees_its_type,
    a_session_that_has_ended_leaves_its_schema,
    a_schema_that_is_not_known_binds_nothing_and_one_of_no_form_is_refused,
    a_job_is_checked_when_it_is_made_and_changed,
    a_job_of_before_the_schema_can_still_be_changed_otherwise,
    schemas_outlive_the_worker,
]

if __name__ == "__main__":
    main()
