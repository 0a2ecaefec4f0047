#!/usr/bin/env python3
"""Bad input at every endpoint of the worker that services call: malformed JSON, wrong types, unknown
members, lengths, ids of others; each answered with a problem (RFC 9457) that names its place. What the
lease protocol's endpoints refuse is in gateway_lease_test.py."""

import http.client
import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "support"))
# pylint: disable=wrong-import-position
from gateway_rig import WAIT_S, Postgres, run_tests
from worker_rig import GATEWAY_TOKEN, RUNNER_TOKEN, Caller, Worker, new_id

OLD = "018f0000-0000-7000-8000-000000000000"
ABSENT = new_id()
TASK = {"id": new_id(), "type": "work"}
JOB, OTHER_JOB = ({"id": new_id(), "name": "n", "schedule": "0 3 * * *", "task_type": "work"} for _ in range(2))
#: Each that takes a body, and a body that is right but for the ids in it.
BODIES = {
    "/v1/tasks": {"tasks": [], "is_atomic": False},
    "/v1/tasks:get": {"ids": []},
    "/v1/tasks:bulk": {"action": "cancel", "tasks": [], "actor": "a", "dry_run": True},
    f"/v1/tasks/{ABSENT}:cancel": {"actor": "a"},
    f"/v1/tasks/{ABSENT}:retry": {"actor": "a"},
    f"/v1/tasks/{ABSENT}:promote": {"actor": "a"},
    "/v1/jobs": {"job": JOB, "actor": "a"},
    f"/v1/jobs/{ABSENT}:update": {"job": {"name": "m"}, "actor": "a"},
    f"/v1/jobs/{ABSENT}:pause": {"actor": "a"},
    f"/v1/jobs/{ABSENT}:resume": {"actor": "a"},
    f"/v1/jobs/{ABSENT}:trigger": {"actor": "a", "task_id": new_id()},
    "/v1/types:update": {"type": "work", "settings": {}, "actor": "a", "user": None},
    "/v1/queues:pause": {"queue": "q", "reason": "r", "actor": "a", "user": None},
    "/v1/queues:resume": {"queue": "q", "actor": "a", "user": None},
}
#: (path, body, what the detail names): one thing is wrong with each.
WRONG = [
    *(("/v1/tasks", {"tasks": tasks}, what) for tasks, what in (
        (None, "tasks: "), ({}, "tasks: "), ([{}] * 10_001, "tasks: are more than 10000"))),
    ("/v1/tasks", {"tasks": [], "is_atomic": 1}, "is_atomic: "), ("/v1/tasks", {"tasks": [], "is_brief": True}, "is_brief: "),
    *(("/v1/tasks", {"tasks": [TASK, task], "is_atomic": True}, f"tasks[1]{what}") for task, what in (
        (1, ": is no object"), ({"type": "a"}, ".id: is missing"), ({**TASK, "id": "x"}, ".id: is no UUID"),
        ({**TASK, "id": OLD}, ".id: is older"), ({**TASK, "id": "00000000-0000-4000-8000-000000000000"}, ".id: is no UUIDv7"),
        ({"id": ABSENT}, ".type: is missing"), ({**TASK, "type": 1}, ".type: "), ({**TASK, "type": ""}, ".type: is empty"),
        ({**TASK, "type": "t" * 201}, ".type: is longer"), ({**TASK, "payload": "p" * (1 << 20)}, ".payload: is longer"),
        ({**TASK, "priority": "urgent"}, ".priority: "), ({**TASK, "queue": []}, ".queue: "),
        ({**TASK, "run_at_us": "now"}, ".run_at_us: "), ({**TASK, "run_at_us": -1}, ".run_at_us: "),
        ({**TASK, "max_attempts": 0}, ".max_attempts: "), ({**TASK, "max_attempts": 1.5}, ".max_attempts: "),
        ({**TASK, "timeout_s": 0}, ".timeout_s: "), ({**TASK, "idempotency_key": {}}, ".idempotency_key: "),
        ({**TASK, "depends_on": "x"}, ".depends_on"), ({**TASK, "depends_on": [1]}, ".depends_on[0]"),
        ({**TASK, "created_by": "ada"}, ".created_by: "), ({**TASK, "is_fresh": "yes"}, ".is_fresh: "),
        ({**TASK, "colour": 1}, ".colour: is not known here"))),
    ("/v1/tasks:get", {}, "ids: "), ("/v1/tasks:get", {"ids": {}}, "ids: "), ("/v1/tasks:get", {"ids": [1]}, "ids[0]: "),
    ("/v1/tasks:get", {"ids": [ABSENT] * 501}, "ids: "),
    *(("/v1/tasks:bulk", {**BODIES["/v1/tasks:bulk"], **more}, what) for more, what in (
        ({"action": None}, "action: is missing"), ({"action": "burn"}, "action: "), ({"tasks": 1}, "tasks: "),
        ({"tasks": [1]}, "tasks[0]: is no object"), ({"tasks": [{}]}, "tasks[0].id: is missing"),
        ({"tasks": [{"id": ABSENT, "version": 7}]}, "tasks[0].version: "),
        ({"tasks": [{"id": ABSENT, "why": 7}]}, "tasks[0].why: is not known here"), ({"dry_run": "yes"}, "dry_run: "))),
    *(("/v1/jobs", {"job": job}, what) for job, what in (
        (None, "job: is no object"), ([], "job: is no object"), ({**OTHER_JOB, "id": None}, "job.id: is missing"),
        ({**OTHER_JOB, "id": "x"}, "job.id: is no UUID"), ({**OTHER_JOB, "id": OLD}, "job.id: is older"), ({**OTHER_JOB, "name": ""}, "job.name: "),
        ({**OTHER_JOB, "name": None}, "job.name: is missing"), ({**OTHER_JOB, "schedule": "61 * * * *"}, "schedule"),
        ({**OTHER_JOB, "schedule": 5}, "job.schedule: "), ({**OTHER_JOB, "time_zone": "Mars/Base"}, "time_zone"),
        ({**OTHER_JOB, "misfire_policy": "never"}, "job.misfire_policy: "), ({**OTHER_JOB, "overlap_policy": 1}, "job.overlap_policy: "),
        ({**OTHER_JOB, "max_attempts": "3"}, "job.max_attempts: "), ({**OTHER_JOB, "jitter_s": -1}, "job.jitter_s: "),
        ({**OTHER_JOB, "is_paused": 0}, "job.is_paused: "), ({**OTHER_JOB, "cron": "x"}, "job.cron: is not known here"))),
    (f"/v1/jobs/{ABSENT}:trigger", {"task_id": "x"}, "task_id: "),
    ("/v1/types:update", {"settings": {}}, "type: is missing"), ("/v1/types:update", {"type": "a", "settings": {"colour": 1}}, "colour"),
    ("/v1/types:update", {"type": "a", "settings": {"max_running": "x"}}, "max_running"),
    ("/v1/queues:pause", {}, "queue: is missing"), ("/v1/queues:resume", {"queue": 1}, "queue: "),
]
#: Where there is nothing of that id, or the query is wrong: the status that it is.
READS = [
    (f"/v1/tasks/{ABSENT}", 404), ("/v1/tasks/x", 404), (f"/v1/jobs/{ABSENT}", 404), ("/v1/jobs/x", 404),
    (f"/v1/tasks/{ABSENT}/log", 404), ("/v1/feed?cursor=x", 400), ("/v1/feed?cursor=0:999999999", 410),
    ("/v1/feed?cursor=0:1&max=x", 400), ("/v1/feed?cursor=0:1&wait_ms=x", 400), ("/v1/snapshot?after=x", 400),
    ("/v1/snapshot?limit=0", 400), ("/v1/workers?limit=0", 400), ("/v1/workers?limit=x", 400), ("/v1/sums?day=x", 400),
    (f"/v1/jobs/{ABSENT}/changes?limit=0", 400), (f"/v1/tasks/{ABSENT}/log?after=x", 400), ("/v1/none", 404),
]
MALFORMED = ["{", "[]", "null", "7", '"x"', '{"a":1}}', "{'a': 1}", '{"a": "\\ud800"}', '{"a": "\\u0000"}',
             '{"a": ' + "[" * 200 + "]" * 200 + "}", '{"a": 1' + "0" * 500 + "}"]


class Raw:
    def __init__(self, worker, token=GATEWAY_TOKEN):
        self.worker, self.token = worker, token

    def ask(self, method, path, text=None, **fields):
        """The status and the problem."""
        connection = http.client.HTTPConnection("127.0.0.1", self.worker.port, timeout=WAIT_S)
        try:
            connection.request(method, path, text, {**({"Authorization": f"Bearer {self.token}"} if self.token else {}), **fields})
            response = connection.getresponse()
            body = response.read()
        finally:
            connection.close()
        if response.status == 200:
            return 200, json.loads(body)
        assert response.headers["Content-Type"] == "application/problem+json", (method, path, text, response.status, body)
        problem = json.loads(body)
        assert problem["type"] == "about:blank" and problem["status"] == response.status and problem["title"], problem
        assert problem["code"] and isinstance(problem["detail"], str) and problem["server_time_us"] > 0, problem
        return response.status, problem


def what_is_no_body_is_refused(worker):
    raw = Raw(worker)
    for path in BODIES:
        for text in MALFORMED:
            status, problem = raw.ask("POST", path, text)
            assert (status, problem.get("code")) == (400, "BAD_USER_INPUT"), (path, text[:100], status, problem)


def unknown_members_are_refused_by_name(worker):
    raw = Raw(worker)
    for path, body in BODIES.items():
        status, problem = raw.ask("POST", path, json.dumps({**body, "colour": 1}))
        assert status == 400 and problem["detail"].startswith("colour: is not known here"), (path, status, problem)
        status, problem = raw.ask("POST", path, json.dumps(body))
        assert status in (200, 404), (path, problem)  # it was the only thing that was wrong


def wrong_members_are_refused_with_their_place(worker):
    raw = Raw(worker)
    for path, body, what in WRONG:
        status, problem = raw.ask("POST", path, json.dumps(body))
        assert status == 400 and what in problem["detail"], (path, str(body)[:200], what, status, problem)


def what_is_not_there_is_a_problem_too(worker):
    raw = Raw(worker)
    for path, expected in READS:
        status, problem = raw.ask("GET", path)
        assert status == expected, (path, status, problem)
    for method, path, expected in (("DELETE", f"/v1/jobs/{ABSENT}", 404), ("DELETE", "/v1/jobs/x", 404), ("PUT", "/v1/tasks", 405),
                                   ("POST", f"/v1/tasks/{ABSENT}:burn", 404), ("POST", f"/v1/jobs/{ABSENT}:burn", 404)):
        status, problem = raw.ask(method, path, "{}" if method == "POST" else None)
        assert status == expected, (path, status, problem)


def each_endpoint_names_who_may_call_it(worker):
    for token, expected in ((None, 401), ("x", 401), (RUNNER_TOKEN, 403)):
        raw = Raw(worker, token)
        for path, body in BODIES.items():
            status, problem = raw.ask("POST", path, json.dumps(body))
            assert status == expected, (path, token, status, problem)
        for path in ("/v1/feed", "/v1/snapshot", "/v1/sums", "/v1/workers", "/v1/types", "/v1/queues", f"/v1/tasks/{ABSENT}",
                     f"/v1/tasks/{ABSENT}/log", f"/v1/jobs/{ABSENT}", f"/v1/jobs/{ABSENT}/changes"):
            status, problem = raw.ask("GET", path)
            assert status == expected, (path, token, status, problem)
        status, problem = raw.ask("DELETE", f"/v1/jobs/{ABSENT}")
        assert status == expected, (token, status, problem)


def bodies_that_are_too_long_are_refused(worker):
    raw = Raw(worker)
    for path in BODIES:
        status, problem = raw.ask("POST", path, **{"Content-Length": str((32 << 20) + 1)})
        assert status == 413, (path, status, problem)
    caller = Caller(worker)
    assert caller.create(TASK).status == 200  # it serves on
    caller.close()


if __name__ == "__main__":
    with Postgres() as postgres, Worker(postgres.url) as the_worker:
        run_tests([what_is_no_body_is_refused, unknown_members_are_refused_by_name,
                   wrong_members_are_refused_with_their_place, what_is_not_there_is_a_problem_too,
                   each_endpoint_names_who_may_call_it, bodies_that_are_too_long_are_refused], the_worker)
