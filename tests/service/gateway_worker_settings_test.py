#!/usr/bin/env python3
"""The gateway and the real worker: settings of task types, queues, why tasks wait, who changed what of a job. Usage:
gateway_worker_settings_test.py PROGRAM"""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../support"))
from gateway_rig import Gateway, Postgres, create_user, eventually, run_tests  # noqa: E402
from worker_rig import GATEWAY_TOKEN, Caller, Executor, Worker, new_id, sql  # noqa: E402

CREATE_JOB = "mutation($input: CreateJobInput!) { createJob(input: $input) { id } }"
UPDATE_JOB = "mutation($id: ID!, $input: UpdateJobInput!) { updateJob(id: $id, input: $input) { id } }"
ACT = "mutation($id: ID!) { %s(id: $id) { id } }"
CHANGES = "query($id: ID!, $first: Int) { job(id: $id) { changes(first: $first) { at actorLabel before after } } }"


class World:
    def __init__(self, url, worker, gateway):
        self.url, self.worker, self.gateway = url, worker, gateway
        self.caller = Caller(worker)
        self.admin = gateway.set_up()
        create_user(gateway, self.admin, "op@example.org", "OPERATOR")
        self.operator = gateway.login("op@example.org")

    def do(self, query, token=None, **variables):
        answer = self.gateway.graphql(query, variables, token or self.operator)
        assert answer.code == "ok", answer.text
        return answer.data

    def make_job(self, **fields):
        return self.do(CREATE_JOB, input={"name": "nightly", "schedule": "0 0 1 1 *", "taskType": "report", **fields})["createJob"]["id"]

    def changes(self, job, first=20):
        return self.do(CHANGES, id=job, first=first)["job"]["changes"]


TYPE = ("type paused pausedBy { email } pausedReason maxRunning maxRunningPerKey keyPath ratePerSecond burst "
        "ratePerKeyPerSecond burstPerKey maxAttempts timeoutSeconds retentionDays running waiting source")
UPDATE = "mutation($type: String!, $settings: TaskTypeSettingsInput!) { updateTaskType(type: $type, settings: $settings) { %s } }" % TYPE
TYPES = "query($type: String) { taskTypeSettings(type: $type) { %s } }" % TYPE
CREATE = "mutation($input: CreateTaskInput!) { createTask(input: $input) { id state maxAttempts timeoutSeconds } }"
QUEUE = "name paused pausedBy { email } pausedReason waiting running oldestWaitingSeconds"
HEALTH = "{ systemHealth { services { name detail } } }"


def settings_of_a_type_are_kept_and_apply(world):
    settings = {"maxRunning": 1, "maxRunningPerKey": 1, "keyPath": "customer.id", "ratePerSecond": 0.5, "burst": 3,
                "ratePerKeyPerSecond": 0.25, "burstPerKey": 4, "maxAttempts": 9, "timeoutSeconds": 60, "retentionDays": 2}
    got = world.do(UPDATE, type="mail", settings=settings)["updateTaskType"]
    assert got == {"type": "mail", "paused": False, "pausedBy": None, "pausedReason": None, "running": 0, "waiting": 0,
                   "source": "LIVE", **settings}, got
    assert world.do(TYPES, type="mail")["taskTypeSettings"] == [got]
    task = world.do(CREATE, input={"type": "mail"})["createTask"]
    assert (task["maxAttempts"], task["timeoutSeconds"]) == (9, 60), task
    task = world.do(CREATE, input={"type": "mail", "maxAttempts": 2, "timeoutSeconds": 7})["createTask"]
    assert (task["maxAttempts"], task["timeoutSeconds"]) == (2, 7), task
    cleared = world.do(UPDATE, type="mail", settings={"ratePerSecond": None, "burst": None, "maxRunning": None})["updateTaskType"]
    assert (cleared["ratePerSecond"], cleared["burst"], cleared["maxRunning"], cleared["waiting"]) == (None, None, None, 2), cleared
    world.do(UPDATE, type="mail", settings={"maxRunningPerKey": None, "keyPath": None, "ratePerKeyPerSecond": None, "burstPerKey": None})
    for wrong, message in (({"maxRunningPerKey": 2}, "settings.maxRunningPerKey: needs a keyPath"),
                           ({"burst": 2}, "settings.burst: needs a ratePerSecond"),
                           ({"ratePerKeyPerSecond": 2}, "settings.ratePerKeyPerSecond: needs a keyPath"),
                           ({"burstPerKey": 2}, "settings.burstPerKey: needs a ratePerKeyPerSecond"),
                           ({"pausedReason": "why"}, "settings.pausedReason: the type is not paused")):
        answer = world.gateway.graphql(UPDATE, {"type": "mail", "settings": wrong}, world.operator)
        assert answer.code == "BAD_USER_INPUT" and answer.error["message"] == message, answer.text
    default = world.do(UPDATE, type="plain", settings={"maxRunning": None})["updateTaskType"]
    assert (default["maxAttempts"], default["timeoutSeconds"], default["retentionDays"]) == (5, 300, 30), default
    job = world.make_job(taskType="mail", name="of mail")
    run = world.do("mutation($id: ID!) { triggerJob(id: $id) { maxAttempts timeoutSeconds } }", id=job)["triggerJob"]
    assert run == {"maxAttempts": 9, "timeoutSeconds": 60}, run


def what_is_paused_waits_and_says_by_whom(world):
    executor = Executor(world.worker, {"held": 1})
    why = "query($id: ID!) { task(id: $id) { state why { code text } } }"
    paused = world.do(UPDATE, type="held", settings={"paused": True, "pausedReason": "a leak"})["updateTaskType"]
    assert paused["paused"] and paused["pausedReason"] == "a leak" and paused["pausedBy"] == {"email": "op@example.org"}, paused
    task = world.do(CREATE, input={"type": "held", "queue": "slow"})["createTask"]["id"]
    told = world.do(why, id=task)["task"]["why"]
    assert told["code"] == "PAUSED" and "a leak" in told["text"], told
    queue = world.do('mutation { pauseQueue(name: "slow", reason: "moving") { %s } }' % QUEUE)["pauseQueue"]
    assert queue["paused"] and queue["pausedReason"] == "moving" and queue["waiting"] == 1, queue
    assert world.do("{ queues { name paused } }")["queues"].count({"name": "slow", "paused": True}) == 1
    eventually(lambda: {"name": "worker", "detail": "paused: task type held; queue slow"}
               in world.do(HEALTH)["systemHealth"]["services"])
    assert world.worker.metric('windlass_worker_paused{what="types"}') == 1
    assert world.worker.metric('windlass_worker_paused{what="queues"}') == 1
    world.do(UPDATE, type="held", settings={"paused": False})
    assert world.do(why, id=task)["task"]["why"]["code"] == "PAUSED"  # its queue
    (brief,) = world.caller.post("/v1/tasks:get", {"ids": [task], "is_brief": True}).json["tasks"]
    assert "payload" not in brief and brief["why"]["code"] == "PAUSED", brief
    (whole,) = world.caller.post("/v1/tasks:get", {"ids": [task]}).json["tasks"]
    assert whole["payload"] == {}, whole
    assert world.caller.post("/v1/tasks:get", {"ids": [task], "is_brief": 1}).detail.startswith("is_brief:")
    assert not executor.leases(1, 100)
    assert not world.do('mutation { resumeQueue(name: "slow") { paused } }')["resumeQueue"]["paused"]
    assert executor.ack(executor.one()) == "applied"
    eventually(lambda: world.do(why, id=task)["task"] == {"state": "SUCCEEDED", "why": None})
    eventually(lambda: {"name": "worker", "detail": None} in world.do(HEALTH)["systemHealth"]["services"])


def who_changed_what_of_a_job_is_told(world):
    job = world.make_job(payload={"n": 1.50})
    (made,) = world.changes(job)
    assert made["actorLabel"] == "op@example.org" and made["before"] is None and made["at"].endswith("Z"), made
    assert made["after"] == {
        "name": "nightly", "schedule": "0 0 1 1 *", "timeZone": "UTC", "status": "ACTIVE", "taskType": "report",
        "payload": {"n": 1.5}, "priority": "NORMAL", "misfirePolicy": "RUN_ONCE", "overlapPolicy": "SKIP", "maxAttempts": 3,
        "failAfter": 0, "queue": "default", "timeoutSeconds": 300, "jitterSeconds": 0}, made
    world.do(UPDATE_JOB, world.admin, id=job, input={"schedule": "0 0 2 1 *", "overlapPolicy": "CANCEL_RUNNING", "priority": "HIGH",
                                                     "maxAttempts": 3})
    world.do(UPDATE_JOB, id=job, input={"maxAttempts": 3})  # changes nothing
    world.do(ACT % "pauseJob", id=job)
    world.do(ACT % "pauseJob", id=job)
    world.do(ACT % "resumeJob", id=job)
    world.do("mutation($id: ID!) { triggerJob(id: $id) { id } }", id=job)
    told = [(c["actorLabel"], c["before"], c["after"]) for c in world.changes(job)]
    assert told[:3] == [
        ("op@example.org", {"status": "PAUSED"}, {"status": "ACTIVE"}),
        ("op@example.org", {"status": "ACTIVE"}, {"status": "PAUSED"}),
        ("admin@example.org", {"schedule": "0 0 1 1 *", "priority": "NORMAL", "overlapPolicy": "SKIP"},
         {"schedule": "0 0 2 1 *", "priority": "HIGH", "overlapPolicy": "CANCEL_RUNNING"})], told
    assert len(told) == 4 and len(world.changes(job, 2)) == 2 and world.changes(job, 0) == []


def changes_of_many_jobs_are_told_each(world):
    jobs = {world.make_job(name=f"many {i}"): f"many {i}" for i in range(30)}
    eventually(lambda: len(world.do('{ jobs(search: "many") { id } }')["jobs"]) == 30)
    shown = world.do('{ jobs(search: "many") { id changes(first: 1) { after } } }')["jobs"]
    assert {j["id"]: j["changes"][0]["after"]["name"] for j in shown} == jobs
    for first in (-1, 101):
        answer = world.gateway.graphql(CHANGES, {"id": next(iter(jobs)), "first": first}, world.operator)
        assert answer.code == "BAD_USER_INPUT", answer.text


def a_job_that_fails_too_often_was_changed_by_the_scheduler(world):
    job = world.make_job(taskType="doomed", failAfter=1, maxAttempts=1)
    executor = Executor(world.worker, {"doomed": 1})
    world.do("mutation($id: ID!) { triggerJob(id: $id) { id } }", id=job)
    assert executor.ack(executor.one(), "fatal", error="no") == "applied"
    newest = world.changes(job)[0]
    assert (newest["actorLabel"], newest["before"], newest["after"]) == ("scheduler", {"status": "ACTIVE"}, {"status": "FAILED"}), newest


def the_worker_keeps_who_deleted_a_job(world):
    job = world.make_job()
    world.do("mutation($id: ID!) { deleteJob(id: $id) }", id=job)
    told = world.caller.get(f"/v1/jobs/{job}/changes?limit=1").json["changes"]
    assert [(c["actor"], c["before"], c["after"]) for c in told] == [("op@example.org", None, {"deleted": True})], told


def what_is_no_job_and_no_limit_is_refused(world):
    job = world.make_job()
    assert world.caller.get(f"/v1/jobs/{new_id()}/changes").status == 404
    assert world.caller.get("/v1/jobs/x/changes").status == 404
    for limit in ("0", "501", "x", "-1", ""):
        answer = world.caller.get(f"/v1/jobs/{job}/changes?limit={limit}")
        assert answer.status == 400 and answer.detail.startswith("limit:"), (limit, answer.text)
    assert len(world.caller.get(f"/v1/jobs/{job}/changes?limit=500").json["changes"]) == 1


def changes_are_kept_for_their_time(world):
    job = world.make_job()
    sql(world.url, "INSERT INTO worker.job_change (job_id, version, at, actor, after) SELECT "
        f"'{job}', -n, now() - n * interval '200 days', 'old', '{{}}' FROM generate_series(1, 3) AS n")
    assert len(world.changes(job)) == 4
    world.worker.stop()
    with Worker(world.url) as next_worker:  # which looks for what is too old as it begins
        caller = Caller(next_worker)
        try:
            eventually(lambda: len(caller.get(f"/v1/jobs/{job}/changes").json["changes"]) == 2)
        finally:
            caller.close()


def main():
    with Postgres() as postgres, Worker(postgres.url) as worker, \
            Gateway(postgres.url, WORKER_URL=f"http://127.0.0.1:{worker.port}", GATEWAY_TOKEN=GATEWAY_TOKEN) as gateway:
        run_tests([
            settings_of_a_type_are_kept_and_apply,
            what_is_paused_waits_and_says_by_whom,
            who_changed_what_of_a_job_is_told,
            changes_of_many_jobs_are_told_each,
            a_job_that_fails_too_often_was_changed_by_the_scheduler,
            the_worker_keeps_who_deleted_a_job,
            what_is_no_job_and_no_limit_is_refused,
            changes_are_kept_for_their_time,
        ], World(postgres.url, worker, gateway))


if __name__ == "__main__":
    main()
