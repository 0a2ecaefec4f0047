#!/usr/bin/env python3
"""Mutations of tasks and jobs: what is sent to the worker, what is refused before, and what can be read at once.
Usage: gateway_tasks_test.py PROGRAM"""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../support"))
from fake_worker import FakeWorker, now_us  # noqa: E402
from gateway_rig import Gateway, Postgres, at_once, create_user, eventually, run_tests  # noqa: E402
from ids import new_id  # noqa: E402

TASK = "id type status state priority payload queue attempt maxAttempts runAt timeoutSeconds idempotencyKey accepted source error"
JOB = "id name schedule timeZone status taskType payload priority misfirePolicy overlapPolicy maxAttempts failAfter queue timeoutSeconds jitterSeconds accepted nextRun"
CREATE = "mutation($input: CreateTaskInput!) { createTask(input: $input) { %s createdBy { email } } }" % TASK
CREATE_ALL = "mutation($inputs: [CreateTaskInput!]!) { createTasks(inputs: $inputs) { %s } }" % TASK
READ = "query($id: ID!) { task(id: $id) { %s } }" % TASK
CREATE_JOB = "mutation($input: CreateJobInput!) { createJob(input: $input) { %s } }" % JOB
READ_JOB = "query($id: ID!) { job(id: $id) { %s } }" % JOB


def act(name, fields=TASK):
    return "mutation($id: ID!) { %s(id: $id)%s }" % (name, " { %s }" % fields if fields else "")


class World:
    def __init__(self, postgres, worker, gateway, other):
        self.postgres, self.worker, self.gateway, self.other = postgres, worker, gateway, other
        self.admin = gateway.set_up()
        create_user(gateway, self.admin, "operator@example.org", "OPERATOR")
        create_user(gateway, self.admin, "viewer@example.org")
        self.operator, self.viewer = gateway.login("operator@example.org"), gateway.login("viewer@example.org")

    def ask(self, query, variables=None, token=None, gateway=None):
        return (gateway or self.gateway).graphql(query, variables, token or self.operator)

    def settle(self):
        """Until nothing is kept for the worker: ten thousand tasks may be too many for the scripted
        one on a busy machine, and then what follows is kept, too."""
        def is_settled(gateway):
            health = self.ask("{ systemHealth { status outboxWaiting } }", gateway=gateway).data["systemHealth"]
            return health["status"] == "UP" and health["outboxWaiting"] == 0
        eventually(lambda: is_settled(self.gateway) and is_settled(self.other))


# ── tasks ──

def a_created_task_can_be_read_at_once_through_any_gateway(world):
    payload = {"to": "a\"b\\c", "n": 12345678901234567890, "deep": [[{}], None, True]}
    made = world.ask(CREATE, {"input": {"type": "email", "payload": payload, "priority": "HIGH", "queue": "bulk",
                                        "maxAttempts": 7, "timeoutSeconds": 60, "idempotencyKey": "k1"}}).data["createTask"]
    assert made["accepted"] is True and made["source"] == "LIVE" and made["status"] == "PENDING", made
    assert made["createdBy"]["email"] == "operator@example.org"
    for gateway in (world.gateway, world.other):
        read = world.ask(READ, {"id": made["id"]}, gateway=gateway).data["task"]
        for name in ("type", "payload", "priority", "queue", "maxAttempts", "timeoutSeconds", "runAt", "idempotencyKey"):
            assert read[name] == made[name], (name, read, made)
    sent = world.worker.seen("/v1/tasks")[-1]["tasks"][-1]
    assert sent["is_fresh"] is True and sent["actor"] == "operator@example.org" and sent["payload"] == payload, sent


def a_viewer_may_not_change_anything(world):
    some = new_id()
    for query, variables in ((CREATE, {"input": {"type": "x"}}), (CREATE_ALL, {"inputs": []}), (act("cancelTask"), {"id": some}),
                             (act("retryTask"), {"id": some}), (act("pauseJob", JOB), {"id": some}),
                             (act("triggerJob"), {"id": some}), (act("deleteJob", ""), {"id": some})):
        assert world.ask(query, variables, world.viewer).code == "FORBIDDEN", query


def what_is_wrong_with_a_task_is_named_before_it_is_sent(world):
    before = len(world.worker.seen("/v1/tasks"))
    day_us = 86_400_000_000
    cases = [("type", ""), ("type", "x" * 201), ("type", "a\tb"), ("queue", ""), ("queue", "q" * 201),
             ("type", "\u00e9" * 200), ("idempotencyKey", "\u00e9" * 251),
             ("maxAttempts", 0), ("maxAttempts", 1001), ("timeoutSeconds", 0), ("timeoutSeconds", 2_592_001),
             ("idempotencyKey", ""), ("idempotencyKey", "k" * 501), ("id", "0192f1f3"), ("id", str(new_id())[:14] + "4" + str(new_id())[15:]),
             ("id", new_id((now_us() - 8 * day_us) / 1e6)), ("id", new_id((now_us() + 2 * 3_600_000_000) / 1e6))]
    for field, value in cases:
        answer = world.ask(CREATE, {"input": {"type": "email", field: value}})
        assert answer.code == "BAD_USER_INPUT" and answer.error["message"].startswith(f"input.{field}:"), (field, value, answer.text)
        many = world.ask(CREATE_ALL, {"inputs": [{"type": "email"}, {"type": "email", field: value}]})
        assert many.code == "BAD_USER_INPUT" and many.error["message"].startswith(f"inputs[1].{field}:"), many.text
    assert "Z" in world.ask(CREATE, {"input": {"type": "x", "id": new_id((now_us() - 8 * day_us) / 1e6)}}).error["message"]
    for payload in ({"a": "\u0000"}, {"a": "\ud800"}):
        answer = world.ask(CREATE, {"input": {"type": "email", "payload": payload}})
        assert answer.code == "BAD_USER_INPUT" and "a" in answer.error["message"], answer.text
    deep = current = []
    for _ in range(140):
        current.append([])
        current = current[0]
    assert world.ask(CREATE, {"input": {"type": "email", "payload": deep}}).code == "BAD_USER_INPUT"
    assert len(world.worker.seen("/v1/tasks")) == before


def a_task_waits_for_those_that_it_depends_on(world):
    make = "mutation($input: CreateTaskInput!) { createTask(input: $input) { id state accepted dependsOn { id } why { code blockedBy { id } } } }"
    first, second = (world.ask(CREATE, {"input": {"type": "email"}}).data["createTask"]["id"] for _ in range(2))
    made = world.ask(make, {"input": {"type": "email", "dependsOn": [second, first]}}).data["createTask"]
    assert made["state"] == "BLOCKED" and made["accepted"] and {t["id"] for t in made["dependsOn"]} == {first, second}, made
    assert made["why"]["code"] == "DEPENDENCY" and {t["id"] for t in made["why"]["blockedBy"]} == {first, second}, made
    assert world.worker.seen("/v1/tasks")[-1]["tasks"][-1]["depends_on"] == [second, first]
    assert world.ask(make, {"input": {"type": "email", "dependsOn": []}}).data["createTask"]["dependsOn"] == []
    one, two = new_id(), new_id()
    chain = world.ask(CREATE_ALL, {"inputs": [{"type": "email", "id": one}, {"type": "email", "id": two, "dependsOn": [one]}]})
    assert [t["state"] for t in chain.data["createTasks"]] == ["READY", "BLOCKED"], chain.text
    own, unknown = new_id(), new_id()
    for ids, place in ((["x"], "[0]"), ([first, "1"], "[1]"), ([first, first], "[1]"), ([own], "[0]"),
                       ([new_id() for _ in range(101)], ""), ([unknown], "[0]"), ([first, unknown], "[1]")):
        answer = world.ask(make, {"input": {"type": "email", "id": own, "dependsOn": ids}})
        assert answer.code == "BAD_USER_INPUT" and answer.error["message"].startswith(f"input.dependsOn{place}:"), answer.text
        many = world.ask(CREATE_ALL, {"inputs": [{"type": "email"}, {"type": "email", "id": own, "dependsOn": ids}]})
        assert many.error["message"].startswith(f"inputs[1].dependsOn{place}:"), many.text


def a_repeat_gives_the_same_task_and_a_held_key_the_other_one(world):
    own = new_id()
    first = world.ask(CREATE, {"input": {"id": own, "type": "email"}}).data["createTask"]
    again = world.ask(CREATE, {"input": {"id": own, "type": "email"}}).data["createTask"]
    assert first["id"] == again["id"] == own
    assert all("is_fresh" not in t for t in world.worker.seen("/v1/tasks")[-1]["tasks"])
    holder = world.ask(CREATE, {"input": {"type": "email", "idempotencyKey": "held", "payload": {"first": 1}}}).data["createTask"]
    other = world.ask(CREATE, {"input": {"type": "email", "idempotencyKey": "held", "payload": {"second": 2}}}).data["createTask"]
    assert other["id"] == holder["id"] and other["payload"] == {"first": 1}, other


def what_the_worker_refuses_is_told_as_it_said_it(world):
    world.worker.refuse["nobody"] = "type: nobody runs it"
    answer = world.ask(CREATE, {"input": {"type": "nobody"}})
    assert answer.code == "BAD_USER_INPUT" and answer.error["message"] == "type: nobody runs it", answer.text
    many = world.ask(CREATE_ALL, {"inputs": [{"type": "email"}, {"type": "nobody"}]})
    assert many.code == "BAD_USER_INPUT" and many.error["message"].startswith("inputs[1]:"), many.text
    world.worker.refuse["placed"] = "tasks[0].payload: is longer than 10 bytes"
    answer = world.ask(CREATE, {"input": {"type": "placed"}})
    assert answer.error["message"] == "input.payload: is longer than 10 bytes", answer.text
    many = world.ask(CREATE_ALL, {"inputs": [{"type": "email"}, {"type": "placed"}]})
    assert many.error["message"] == "inputs[1].payload: is longer than 10 bytes", many.text


def many_at_once_share_requests_and_each_gets_its_own(world):
    before = len(world.worker.seen("/v1/tasks"))
    made = at_once(40, lambda i: world.ask(CREATE, {"input": {"type": "email", "payload": {"n": i}}}).data["createTask"])
    assert [m["payload"] for m in made] == [{"n": i} for i in range(40)]
    assert len({m["id"] for m in made}) == 40
    assert len(world.worker.seen("/v1/tasks")) - before <= 40


def what_the_worker_cannot_take_is_refused_alone(world):
    world.worker.refuse_whole["poison"] = "tasks[3].payload: nested too deep"

    def create(i):
        return world.ask(CREATE, {"input": {"type": "poison" if i % 10 == 0 else "email", "payload": {"n": i}}})
    for i, answer in enumerate(at_once(40, create)):
        if i % 10 == 0:
            assert answer.code == "BAD_USER_INPUT", answer.text
            assert answer.error["message"].startswith("input.payload: nested"), answer.text
        else:
            assert answer.data["createTask"]["payload"] == {"n": i}, answer.text


def ten_thousand_at_once_are_all_or_none(world):
    inputs = [{"type": "bulk", "payload": {"n": i, "text": "x" * 100}} for i in range(10_000)]
    answer = world.ask("mutation($inputs: [CreateTaskInput!]!) { createTasks(inputs: $inputs) { id } }", {"inputs": inputs})
    made = answer.data["createTasks"]
    assert len({m["id"] for m in made}) == 10_000
    asked = [body for body in world.worker.seen("/v1/tasks") if len(body["tasks"]) == 10_000]
    assert asked[0]["is_atomic"] is True  # what follows it, where it took too long, comes from the outbox
    last = world.ask(READ, {"id": made[-1]["id"]}).data["task"]
    assert last["payload"]["n"] == 9_999
    short = world.ask("mutation($inputs: [CreateTaskInput!]!) { createTasks(inputs: $inputs) { id type state queue } }",
                      {"inputs": [{"type": "bulk", "runAt": "2999-01-01T00:00:00Z"}] * 10_000})  # its body is no large one
    assert len(short.data["createTasks"]) == 10_000
    more = world.ask("mutation($inputs: [CreateTaskInput!]!) { createTasks(inputs: $inputs) { id } }",
                     {"inputs": [{"type": "bulk"}] * 10_001})
    assert more.code == "BAD_USER_INPUT" and "10000" in more.error["message"], more.text
    assert world.ask(CREATE_ALL, {"inputs": []}).data["createTasks"] == []


def only_creating_tasks_may_be_longer_than_the_body_limit(world):
    pad = "x" * 1_200_000
    answer = world.ask(CREATE, {"input": {"type": "email", "payload": pad}})
    assert answer.status in (200, 400, 413) and answer.code == "BAD_USER_INPUT", answer.text[:200]
    assert world.gateway.graphql(CREATE_ALL, {"inputs": [{"type": "email", "payload": pad}]}).status in (401, 413, 400)
    many = world.ask(CREATE_ALL, {"inputs": [{"type": "big", "payload": "x" * 100_000}] * 12})
    assert len(many.data["createTasks"]) == 12


def cancel_and_retry_show_what_the_worker_made_of_it(world):
    world.settle()
    task = world.ask(CREATE, {"input": {"type": "email", "payload": {"keep": 1}}}).data["createTask"]["id"]
    cancelled = world.ask(act("cancelTask"), {"id": task}).data["cancelTask"]
    assert (cancelled["status"], cancelled["state"], cancelled["payload"]) == ("FAILED", "CANCELLED", {"keep": 1}), cancelled
    assert world.ask(READ, {"id": task}, gateway=world.other).data["task"]["state"] == "CANCELLED"
    retried = world.ask(act("retryTask"), {"id": task}).data["retryTask"]
    assert retried["state"] == "READY" and retried["maxAttempts"] == 6, retried
    assert world.ask(act("retryTask"), {"id": task}).code == "CONFLICT"
    assert world.ask(act("cancelTask"), {"id": new_id()}).code == "NOT_FOUND"
    assert world.ask(act("cancelTask"), {"id": "x"}).code == "BAD_USER_INPUT"


# ── jobs ──

def a_job_is_made_changed_paused_triggered_and_deleted(world):
    world.settle()
    job = world.ask(CREATE_JOB, {"input": {"name": " Nightly ", "schedule": "0 3 * * *", "taskType": "email",
                                           "timeZone": "Europe/Berlin", "misfirePolicy": "SKIP", "payload": {"a": [1]},
                                           "overlapPolicy": "CANCEL_RUNNING", "jitterSeconds": 5}}).data["createJob"]
    assert job["name"] == "Nightly" and job["status"] == "ACTIVE" and job["accepted"] is True, job
    read = world.ask(READ_JOB, {"id": job["id"]}, gateway=world.other).data["job"]
    assert read == job, (read, job)
    update = "mutation($id: ID!, $input: UpdateJobInput!) { updateJob(id: $id, input: $input) { %s } }" % JOB
    changed = world.ask(update, {"id": job["id"], "input": {"schedule": "5 4 * * *", "failAfter": 3}}).data["updateJob"]
    assert changed == {**job, "schedule": "5 4 * * *", "failAfter": 3}, changed
    assert world.worker.seen(f"/v1/jobs/{job['id']}:update")[-1]["job"] == {"schedule": "5 4 * * *", "fail_after": 3}
    for field in ("name", "schedule", "priority", "maxAttempts"):
        answer = world.ask(update, {"id": job["id"], "input": {field: None}})
        assert answer.code == "BAD_USER_INPUT" and f"input.{field}" in answer.error["message"], answer.text
    assert world.ask(act("pauseJob", JOB), {"id": job["id"]}).data["pauseJob"]["status"] == "PAUSED"
    assert world.ask(READ_JOB, {"id": job["id"]}).data["job"]["status"] == "PAUSED"
    assert world.ask(act("resumeJob", JOB), {"id": job["id"]}).data["resumeJob"]["status"] == "ACTIVE"
    task = world.ask(act("triggerJob", "id type job { id }"), {"id": job["id"]}).data["triggerJob"]
    assert task["type"] == "email" and task["job"]["id"] == job["id"], task
    assert world.ask(act("deleteJob", ""), {"id": job["id"]}).data["deleteJob"] is True
    assert world.ask(READ_JOB, {"id": job["id"]}).data["job"] is None
    assert world.ask(act("deleteJob", ""), {"id": job["id"]}).code == "NOT_FOUND"
    bad = world.ask(CREATE_JOB, {"input": {"name": "x", "schedule": "bad", "taskType": "email"}})
    assert bad.code == "BAD_USER_INPUT" and bad.error["message"].startswith("schedule:"), bad.text
    paused = world.ask(CREATE_JOB, {"input": {"name": "p", "schedule": "@daily", "taskType": "email", "paused": True}})
    assert paused.data["createJob"]["status"] == "PAUSED", paused.text


TESTS = [a_created_task_can_be_read_at_once_through_any_gateway, a_viewer_may_not_change_anything,
         what_is_wrong_with_a_task_is_named_before_it_is_sent, a_task_waits_for_those_that_it_depends_on,
         a_repeat_gives_the_same_task_and_a_held_key_the_other_one,
         what_the_worker_refuses_is_told_as_it_said_it, many_at_once_share_requests_and_each_gets_its_own,
         what_the_worker_cannot_take_is_refused_alone, ten_thousand_at_once_are_all_or_none, only_creating_tasks_may_be_longer_than_the_body_limit,
         cancel_and_retry_show_what_the_worker_made_of_it, a_job_is_made_changed_paused_triggered_and_deleted]

if __name__ == "__main__":
    with Postgres() as the_postgres, FakeWorker() as the_worker:
        with Gateway(the_postgres.url, WORKER_URL=the_worker.url) as the_gateway, \
             Gateway(the_postgres.url, WORKER_URL=the_worker.url) as the_other:
            run_tests(TESTS, World(the_postgres, the_worker, the_gateway, the_other))
