#!/usr/bin/env python3
"""A worker of one shard among several: its numbers, its queues, its database. Usage: worker_shards_test.py PROGRAM"""

import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../support"))
from gateway_rig import PROGRAM, WAIT_S, eventually  # noqa: E402
from worker_rig import Caller, Executor, Worker, new_id, run_with_worker, sql  # noqa: E402

QUEUES = "1:email,bulk;2:reports"
OTHERS = "\"email\" is of shard 1, this is shard 2"
BAD_SETTINGS = 78
FAR_US = 4_102_444_800_000_000


def job(**members):
    return {"job": {"id": new_id(), "name": "j", "schedule": "0 0 1 1 *", "task_type": "work", **members}, "actor": "me"}


def assert_misdirected(answer, detail):
    assert answer.status == 421 and answer.code == "BAD_USER_INPUT" and answer.detail == detail, answer.text


def fences_and_cursors_carry_the_shard(worker, _):
    caller, executor = Caller(worker), Executor(worker)
    answer = caller.create({"id": new_id(), "type": "work", "queue": "reports"})
    assert answer.status == 200 and answer.json["cursor"].startswith("2:"), answer.text
    lease = executor.one()
    assert lease["fence"].startswith("2:"), lease
    other = {**lease, "fence": lease["fence"].replace("2:", "0:", 1)}
    refused = executor.post("/v1/acks", {**executor.who, "results": [
        {"task": lease["task"], "fence": other["fence"], "outcome": "complete"}]})
    assert refused.status == 400 and "fence: is none" in refused.detail, refused.text
    lost = executor.heartbeat({"task": lease["task"], "fence": other["fence"]}).json["lost"]
    assert lost == [{"task": lease["task"], "fence": other["fence"]}], lost
    assert executor.ack(lease) == "applied"
    refused = caller.feed("0:1")
    assert refused.status == 400 and refused.detail == "cursor: is none", refused.text
    page = caller.feed("2:1").json
    assert page["cursor"].startswith("2:") and page["head"].startswith("2:"), page
    assert caller.get("/v1/snapshot?limit=1").json["cursor"].startswith("2:")
    assert caller.get("/v1/sums?day=0").json["cursor"].startswith("2:")


def a_task_of_another_shard_is_refused_and_its_neighbours_are_not(worker, _):
    caller = Caller(worker)
    mine, theirs, nobodys = ({"id": new_id(), "type": "work", **queue, "run_at_us": FAR_US}
                             for queue in ({"queue": "reports"}, {"queue": "email"}, {}))
    results = caller.create(mine, theirs, nobodys).json["results"]
    assert "task" in results[0], results
    assert results[1]["error"] == {"code": "BAD_USER_INPUT", "message": f"tasks[1].queue: {OTHERS}", "status": 421}, results
    assert results[2]["error"]["message"] == "tasks[2].queue: \"default\" is of shard 0, this is shard 2", results
    assert caller.get(f"/v1/tasks/{theirs['id']}").status == 404


def an_all_or_none_call_is_misdirected_as_a_whole(worker, _):
    caller = Caller(worker)
    mine, theirs = ({"id": new_id(), "type": "work", "queue": queue, "run_at_us": FAR_US} for queue in ("reports", "email"))
    answer = caller.create(mine, theirs, is_atomic=True)
    assert_misdirected(answer, f"tasks[1].queue: {OTHERS}")
    assert answer.json["index"] == 1 and caller.get(f"/v1/tasks/{mine['id']}").status == 404


def a_job_of_another_shard_is_refused(worker, _):
    caller = Caller(worker)
    assert_misdirected(caller.post("/v1/jobs", job(queue="email")), f"job.queue: {OTHERS}")
    assert_misdirected(caller.post("/v1/jobs", job()), "job.queue: \"default\" is of shard 0, this is shard 2")
    made = caller.post("/v1/jobs", job(queue="reports"))
    assert made.status == 200, made.text
    path = f"/v1/jobs/{made.json['job']['id']}"
    assert_misdirected(caller.post(path + ":update", {"job": {"queue": "email"}}), f"job.queue: {OTHERS}")
    assert caller.post(path + ":update", {"job": {"name": "other"}}).json["job"]["name"] == "other"
    assert caller.get(path).json["job"]["queue"] == "reports"


def a_spawned_task_of_another_shard_is_refused_and_its_parent_goes_on(worker, _):
    caller, executor = Caller(worker), Executor(worker)
    caller.create_one(queue="reports")
    lease = executor.one()
    result = {"task": lease["task"], "fence": lease["fence"], "outcome": "complete", "spawn": [{"type": "work", "queue": "email"}]}
    answer = executor.post("/v1/acks", {**executor.who, "results": [result]})
    assert answer.status == 400 and answer.detail == f"acks[0].spawn[0].queue: {OTHERS}", answer.text
    assert executor.ack(lease, spawn=[{"type": "work", "queue": "reports"}, {"type": "work"}]) == "applied"
    assert executor.ack(lease, spawn=[{"type": "work"}]) == "duplicate"
    for child in executor.one(), executor.one():
        assert caller.task(child["task"])["queue"] == "reports"  # "default" is another shard's
        assert executor.ack(child) == "applied"


def a_group_lies_in_one_shard(worker, _):
    caller = Caller(worker)
    group = {"id": new_id(), "type": "task.group", "queue": "reports",
             "payload": {"tasks": [{"type": "work", "payload": {}}, {"type": "work", "payload": {}, "queue": "email"}]}}
    error = caller.create(group).json["results"][0]["error"]
    assert error == {"code": "BAD_USER_INPUT", "message": f"tasks[0].payload: $.tasks[1].queue: {OTHERS}", "status": 400}, error


def an_entry_of_the_inbox_for_another_shard_is_put_aside(_, url):
    entry = sql(url, "SELECT windlass.enqueue('work', '{}', queue => 'email')")
    reason = eventually(lambda: sql(url, f"SELECT error FROM worker.inbox_refused WHERE entry = '{entry}'"))
    assert reason == f"queue: {OTHERS}", reason
    entry = sql(url, f"SELECT windlass.enqueue('work', '{{}}', queue => 'x{'ä' * 40}')")  # of 81 bytes, 64 are shown
    reason = eventually(lambda: sql(url, f"SELECT error FROM worker.inbox_refused WHERE entry = '{entry}'"))
    assert reason == f"queue: \"x{'ä' * 31}\" is of shard 0, this is shard 2", reason


def a_task_stays_where_it_is_when_its_queue_moves(worker, _):
    url = worker.new_database()
    task = {"id": new_id(), "type": "work", "queue": "email"}
    with Worker(url, SHARD="1", SHARD_QUEUES=QUEUES) as before:
        assert "task" in Caller(before).create(task).json["results"][0]
    with Worker(url, SHARD="1", SHARD_QUEUES="1:bulk;2:reports,email") as after:
        caller, executor = Caller(after), Executor(after)
        assert caller.create(task).json["results"][0]["task"]["id"] == task["id"], "a repeat is answered as ever"
        error = caller.create({**task, "id": new_id()}).json["results"][0]["error"]
        assert error["message"] == "tasks[0].queue: \"email\" is of shard 2, this is shard 1", error
        assert executor.ack(executor.one()) == "applied"


def a_database_of_another_shard_is_refused(worker, url):
    with Worker(url, wait=False, may_end=BAD_SETTINGS, SHARD="1", SHARD_QUEUES=QUEUES) as stranger:
        code = stranger.process.wait(WAIT_S)
        assert code == BAD_SETTINGS, code
        assert "event=lead.refused" in stranger.log and "holds the log of shard 2" in stranger.log, stranger.log
    assert sql(url, "SELECT string_agg(id::text, ',') FROM worker.shard") == "2"
    assert Caller(worker).get("/v1/feed").status == 200


def two_shards_that_begin_on_one_database_do_not_both_stay(worker, _):
    url = worker.new_database()
    with Worker(url, wait=False, may_end=BAD_SETTINGS, SHARD="1", SHARD_QUEUES=QUEUES) as one, \
            Worker(url, wait=False, may_end=BAD_SETTINGS, SHARD="2", SHARD_QUEUES=QUEUES) as two:
        ended = eventually(lambda: [w for w in (one, two) if w.process.poll() is not None])
        assert len(ended) == 1 and "event=lead.refused" in ended[0].log, ended[0].log
        eventually(lambda: "event=shard.leads" in (two if ended[0] is one else one).log)
    assert sql(url, "SELECT count(*) FROM worker.shard") == "1"


def a_shard_that_the_map_does_not_name_does_not_start(worker, _):
    for queues, shard in (("", 1), (QUEUES, 3)):
        done = subprocess.run([PROGRAM, "worker", "--worker-port=0", f"--shard={shard}", f"--shard-queues={queues}",
                               f"--database-url={worker.new_database()}"], capture_output=True, text=True, timeout=WAIT_S,
                              check=False, env={"PATH": os.environ["PATH"]})
        assert done.returncode == BAD_SETTINGS and f"shard-queues does not name shard {shard}" in done.stderr, done


def without_a_map_shard_0_takes_every_queue(worker, _):
    with Worker(worker.new_database()) as alone:
        answer = Caller(alone).create({"id": new_id(), "type": "work", "queue": "email"})
        assert answer.json["cursor"].startswith("0:") and "task" in answer.json["results"][0], answer.text


if __name__ == "__main__":
    run_with_worker([
        fences_and_cursors_carry_the_shard,
        a_task_of_another_shard_is_refused_and_its_neighbours_are_not,
        an_all_or_none_call_is_misdirected_as_a_whole,
        a_job_of_another_shard_is_refused,
        a_spawned_task_of_another_shard_is_refused_and_its_parent_goes_on,
        a_group_lies_in_one_shard,
        an_entry_of_the_inbox_for_another_shard_is_put_aside,
        a_task_stays_where_it_is_when_its_queue_moves,
        a_database_of_another_shard_is_refused,
        two_shards_that_begin_on_one_database_do_not_both_stay,
        a_shard_that_the_map_does_not_name_does_not_start,
        without_a_map_shard_0_takes_every_queue,
    ], SHARD="2", SHARD_QUEUES=QUEUES)
