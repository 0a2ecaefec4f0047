#!/usr/bin/env python3
"""What Query.tasks, task, jobs and job show of the tables: filters, pages, orders, totals, the objects below, and
how many statements that takes. The rows are put there by SQL.
Usage: gateway_tasks_read_test.py PROGRAM"""

import json
import os
import re
import sys
import threading
import uuid
from datetime import datetime, timezone

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../support"))
from gateway_rig import Gateway, Postgres, create_user, eventually, psql, run_tests  # noqa: E402

T0_MS = 1_764_000_000_000  # of the first task
TASKS = 60
LIST = ("query($filter: TaskFilter, $orderBy: TaskOrder, $first: Int, $after: String, $last: Int, $before: String) "
        "{ tasks(filter: $filter, orderBy: $orderBy, first: $first, after: $after, last: $last, before: $before) { "
        "nodes { id } edges { cursor node { id } } totalCount totalCountIsExact source "
        "pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }")


def uuid_at(ms, n=0):
    return str(uuid.UUID(int=(ms << 80) | (7 << 76) | (2 << 62) | n))


def time_text(us):
    return f"to_timestamp({us}::numeric / 1000000)"


def literal(value):
    return "NULL" if value is None else "'" + str(value).replace("'", "''") + "'"


STATES = [("pending", "ready"), ("in-progress", "running"), ("completed", "succeeded"), ("failed", "dead"),
          ("pending", "retrying"), ("failed", "cancelled")]


def task_of(i):
    """The i-th task, as a row."""
    status, state = STATES[i % len(STATES)]
    ms = T0_MS + i * 60_000
    return {"id": uuid_at(ms, i), "type": ["email", "report", "sync"][i % 3], "status": status, "state": state,
            "priority": ["low", "normal", "high"][i // 3 % 3], "queue": "bulk" if i % 10 == 0 else "default",
            "payload": json.dumps({"n": i, "to": f"user{i}@example.org", "tags": ["a", f"t{i % 4}"]}),
            "error": f"no route to host{i}" if status == "failed" else None,
            "error_template": "no route to host*" if status == "failed" else None,
            "attempt": i % 4, "max_attempts": 5, "created_ms": ms}


class World:
    def __init__(self, postgres, gateway):
        self.postgres, self.gateway, self.url = postgres, gateway, postgres.url
        self.admin = gateway.set_up()
        create_user(gateway, self.admin, "viewer@example.org")
        self.viewer = gateway.login("viewer@example.org")
        self.me = self.ask("{ me { id } }")["me"]["id"]
        self.rows = [task_of(i) for i in range(TASKS)]
        self.jobs = [uuid_at(T0_MS, 1000 + i) for i in range(3)]
        self.insert()

    def insert(self):
        values = ",".join("(" + ",".join([literal(t[c]) for c in (
            "id", "type", "status", "state", "priority", "queue", "payload", "error", "error_template", "attempt",
            "max_attempts")] + [time_text(t["created_ms"] * 1000)] * 3) + ")" for t in self.rows)
        psql(self.url, "INSERT INTO tasks (id, type, status, state, priority, queue, payload, error, error_template, "
             f"attempt, max_attempts, created_at, updated_at, run_at) VALUES {values};")
        psql(self.url, ";".join(
            "INSERT INTO jobs (id, name, schedule, task_type, status) VALUES "
            f"('{job}', 'job {i}', '0 {i} * * *', 'email', '{status}')"
            for i, (job, status) in enumerate(zip(self.jobs, ("active", "paused", "failed")))))

    def graphql(self, query, variables=None, token=None):
        return self.gateway.graphql(query, variables, token or self.admin)

    def ask(self, query, variables=None):
        return self.graphql(query, variables).data

    def list(self, filter=None, **variables):  # pylint: disable=redefined-builtin
        return self.graphql(LIST, {"filter": filter, **variables})

    def ids(self, filter=None, **variables):  # pylint: disable=redefined-builtin
        return [n["id"] for n in self.list(filter, **variables).data["tasks"]["nodes"]]

    def expected(self, test):
        """The newest first."""
        return [t["id"] for t in reversed(self.rows) if test(t)]


# ── fields ──

def a_task_shows_what_its_row_holds(world):
    row = world.rows[3]
    psql(world.url, f"""UPDATE tasks SET result = '{{"sum": 1.50, "big": 12345678901234567890}}', progress = 0.25,
        started_at = '2025-11-24 16:01:00.5+00', finished_at = '2025-11-24 16:02:00+00', idempotency_key = 'k"1',
        timeout_seconds = 77, payload = payload || '{{"text": "ü \\" \\n"}}' WHERE id = '{row["id"]}'""")
    task = world.ask("query($id: ID!) { task(id: $id) { id type status state priority payload result error queue attempt "
                     "maxAttempts progress runAt startedAt finishedAt timeoutSeconds idempotencyKey createdAt updatedAt "
                     "accepted source dependsOn { id } job { id } createdBy { id } duplicateOf { id } why { code } } }",
                     {"id": row["id"].upper()})["task"]
    created = "2025-11-24T16:03:00.000000Z"
    assert task == {
        "id": row["id"], "type": "email", "status": "FAILED", "state": "DEAD", "priority": "NORMAL",
        "payload": {**json.loads(row["payload"]), "text": 'ü " \n'}, "result": {"sum": 1.5, "big": 12345678901234567890},
        "error": "no route to host3", "queue": "default", "attempt": 3, "maxAttempts": 5, "progress": 0.25,
        "runAt": created, "startedAt": "2025-11-24T16:01:00.500000Z", "finishedAt": "2025-11-24T16:02:00.000000Z",
        "timeoutSeconds": 77, "idempotencyKey": 'k"1', "createdAt": created, "updatedAt": created, "accepted": True,
        "source": "CACHE", "dependsOn": [], "job": None, "createdBy": None, "duplicateOf": None, "why": None}, task
    raw = world.graphql("query($id: ID!) { task(id: $id) { result } }", {"id": row["id"]}).text
    assert "1.50" in raw and "12345678901234567890" in raw, raw  # digits are kept


def what_is_no_task_is_null_and_what_is_no_id_is_refused(world):
    assert world.ask(f'{{ task(id: "{uuid_at(T0_MS, 99)}") {{ id }} }}')["task"] is None
    for bad in ("", "x", "01a20a5b"):
        answer = world.graphql(f'{{ task(id: "{bad}") {{ id }} }}')
        assert answer.code == "BAD_USER_INPUT" and answer.error["message"].startswith("id:"), answer.text


def a_waiting_task_says_why_as_far_as_its_row_can_tell(world):
    cases = [  # of a task that is due the worker alone could tell, and there is none
        ("pending", "scheduled", "now() + interval '1 day'", "true", None, "NOT_DUE", True),
        ("pending", "retrying", "now() + interval '1 day'", "true", None, "RETRY_BACKOFF", True),
        ("pending", "scheduled", "now() - interval '1 minute'", "true", None, None, False),
        ("pending", "ready", "now()", "true", None, None, False),
        ("pending", "ready", "now()", "false", None, "NOT_ACCEPTED", False),
        ("pending", "ready", "now()", "true", '{"code": "PAUSED", "text": "Ada paused it"}', None, False),
        ("failed", "dead", "now()", "true", '{"code": "FROM_THE_FUTURE", "text": "x"}', None, False),
        ("failed", "dead", "now()", "true", '{"code": "QUARANTINED", "text": "3 crashes"}', "QUARANTINED", False),
        ("failed", "dead", "now()", "true", None, None, False),
        ("in-progress", "running", "now()", "true", '{"code": "PAUSED", "text": "x"}', None, False),
    ]
    for n, (status, state, run_at, accepted, why, code, is_expected) in enumerate(cases):
        task = uuid_at(T0_MS - 60_000, n)
        psql(world.url, "INSERT INTO tasks (id, type, status, state, run_at, accepted, why, attempt) VALUES "
             f"('{task}', 'why', '{status}', '{state}', {run_at}, {accepted}, {literal(why)}, 2)")
        got = world.ask(f'{{ task(id: "{task}") {{ accepted runAt why {{ code text expectedAt blockedBy {{ id }} }} }} }}')
        got = got["task"]
        assert (got["why"] and got["why"]["code"]) == code, (n, got)
        if code:
            assert got["why"]["text"] and got["why"]["blockedBy"] == [], (n, got)
            assert got["why"]["expectedAt"] == (got["runAt"] if is_expected else None), (n, got)
        assert got["accepted"] == (accepted == "true")
    psql(world.url, "DELETE FROM tasks WHERE type = 'why'")


def a_blocked_task_names_what_blocks_it(world):
    done, open_, gone = world.rows[2]["id"], world.rows[0]["id"], uuid_at(T0_MS, 77)
    task = uuid_at(T0_MS - 60_000, 50)
    psql(world.url, "INSERT INTO tasks (id, type, state, depends_on) VALUES "
         f"('{task}', 'why', 'blocked', '{{{open_},{done},{gone}}}')")
    got = world.ask(f'{{ task(id: "{task}") {{ dependsOn {{ id status }} why {{ code blockedBy {{ id type }} }} }} }}')["task"]
    assert got["dependsOn"] == [{"id": open_, "status": "PENDING"}, {"id": done, "status": "COMPLETED"}], got
    assert got["why"] == {"code": "DEPENDENCY", "blockedBy": [{"id": open_, "type": "email"}]}, got
    psql(world.url, "DELETE FROM tasks WHERE type = 'why'")


# ── filters ──

def every_filter_finds_exactly_what_it_says(world):
    rows = world.rows
    at = lambda i: f"2025-11-24T{16 + i // 60:02}:{i % 60:02}:00Z"  # noqa: E731
    cases = [
        (None, lambda t: True),
        ({}, lambda t: True),
        ({"ids": [rows[5]["id"], rows[9]["id"], uuid_at(T0_MS, 98)]}, lambda t: t in (rows[5], rows[9])),
        ({"ids": []}, lambda t: False),
        ({"idEndsWith": rows[7]["id"][-9:].upper()}, lambda t: t is rows[7]),
        ({"idEndsWith": "0000000000"}, lambda t: t["id"].endswith("0000000000")),
        ({"status": ["PENDING"]}, lambda t: t["status"] == "pending"),
        ({"status": ["IN_PROGRESS"]}, lambda t: t["status"] == "in-progress"),
        ({"status": ["FAILED"]}, lambda t: t["status"] == "failed"),
        ({"status": ["COMPLETED", "FAILED"]}, lambda t: t["status"] in ("completed", "failed")),
        ({"status": ["PENDING", "IN_PROGRESS"]}, lambda t: t["status"] in ("pending", "in-progress")),
        ({"status": []}, lambda t: False),
        ({"state": ["RETRYING"]}, lambda t: t["state"] == "retrying"),
        ({"state": ["CANCELLED", "READY"]}, lambda t: t["state"] in ("cancelled", "ready")),
        ({"state": ["READY"], "status": ["FAILED"]}, lambda t: False),
        ({"type": "email"}, lambda t: t["type"] == "email"),
        ({"type": ["email", "sync"]}, lambda t: t["type"] in ("email", "sync")),
        ({"type": ["nobody's"]}, lambda t: False),
        ({"priority": ["HIGH", "LOW"]}, lambda t: t["priority"] in ("high", "low")),
        ({"queue": ["bulk"]}, lambda t: t["queue"] == "bulk"),
        ({"errorTemplate": "no route to host*"}, lambda t: t["status"] == "failed"),
        ({"createdAfter": at(10)}, lambda t: t["created_ms"] > T0_MS + 10 * 60_000),
        ({"createdBefore": at(10)}, lambda t: t["created_ms"] < T0_MS + 10 * 60_000),
        ({"createdAfter": at(10), "createdBefore": at(12)}, lambda t: t is rows[11]),
        ({"search": "USER17@"}, lambda t: t is rows[17]),
        ({"search": "host33"}, lambda t: t is rows[33]),
        ({"search": "mail"}, lambda t: t["type"] == "email"),
        ({"search": " % "}, lambda t: False),
        ({"search": "   "}, lambda t: True),
        ({"payloadContains": {"tags": ["t3"]}}, lambda t: "t3" in t["payload"]),
        ({"payloadContains": {"n": 12}}, lambda t: t is rows[12]),
        ({"type": "report", "status": "PENDING", "priority": "LOW", "queue": "default", "search": "user"},
         lambda t: (t["type"], t["status"], t["priority"], t["queue"]) == ("report", "pending", "low", "default")),
    ]
    for filter_, test in cases:
        answer = world.list(filter_, first=500)
        assert answer.code == "ok", (filter_, answer.text)
        tasks, expected = answer.data["tasks"], world.expected(test)
        assert [n["id"] for n in tasks["nodes"]] == expected, (filter_, len(tasks["nodes"]), len(expected))
        assert [e["node"]["id"] for e in tasks["edges"]] == expected, filter_
        assert tasks["totalCount"] == len(expected) and tasks["totalCountIsExact"], filter_
        assert world.ids(filter_, first=500, orderBy="CREATED_ASC") == expected[::-1], filter_


def the_job_of_a_task_is_a_filter_too(world):
    psql(world.url, f"UPDATE tasks SET job_id = '{world.jobs[1]}' WHERE id = '{world.rows[4]['id']}'")
    assert world.ids({"jobId": world.jobs[1]}) == [world.rows[4]["id"]]
    assert world.ids({"jobId": world.jobs[0]}) == []
    psql(world.url, "UPDATE tasks SET job_id = NULL")


def creation_counts_by_its_time_not_by_the_id(world):
    """An id made two days before its task was accepted, and one from a clock that is ahead."""
    day = 86_400_000
    early, ahead = uuid_at(T0_MS - 2 * day, 1), uuid_at(T0_MS + 3_000_000, 2)
    psql(world.url, "INSERT INTO tasks (id, type, created_at) VALUES "
         f"('{early}', 'clock', {time_text(T0_MS * 1000)}), ('{ahead}', 'clock', {time_text(T0_MS * 1000 + 1)})")
    find = lambda **times: world.ids({"type": "clock", **times})  # noqa: E731
    assert find(createdAfter="2025-11-24T15:59:59.999999Z") == [ahead, early]
    assert find(createdAfter="2025-11-24T16:00:00Z") == [ahead]
    assert find(createdBefore="2025-11-24T16:00:00.000001Z") == [early]
    assert find(createdBefore="2025-11-24T16:00:00.000002Z") == [ahead, early]
    for extreme in ("0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"):
        assert len(find(createdAfter=extreme)) + len(find(createdBefore=extreme)) == 2, extreme
    psql(world.url, "DELETE FROM tasks WHERE type = 'clock'")


def a_wrong_filter_is_named(world):
    cases = [
        ("filter.ids:", {"ids": [world.rows[0]["id"]] * 501}), ("filter.ids[1]:", {"ids": [world.rows[0]["id"], "x"]}),
        ("filter.idEndsWith:", {"idEndsWith": "1234567"}), ("filter.idEndsWith:", {"idEndsWith": "zzzzzzzzzz"}),
        ("filter.idEndsWith:", {"idEndsWith": "0" * 37}), ("filter.jobId:", {"jobId": "x"}),
        ("filter.search:", {"search": "x" * 501}), ("filter.search:", {"search": "a\u0000b"}),
        ("filter.type:", {"type": ["t"] * 101}), ("filter.type[0]:", {"type": ["t" * 801]}),
        ("filter.queue:", {"queue": ["q"] * 101}), ("filter.errorTemplate:", {"errorTemplate": "x" * 8193}),
    ]
    for message, filter_ in cases:
        answer = world.list(filter_)
        assert answer.code == "BAD_USER_INPUT", (filter_, answer.text)
        assert answer.error["message"].startswith(message), (message, answer.text)
    for filter_ in ({"status": ["DONE"]}, {"nickname": 1}, {"createdAfter": "yesterday"}):
        answer = world.list(filter_)
        assert answer.status == 400 and answer.code == "BAD_USER_INPUT", (filter_, answer.text)


# ── pages ──

def pages_show_every_task_once_in_both_directions_and_orders(world):
    for order in ("CREATED_DESC", "CREATED_ASC"):
        for filter_ in (None, {"type": ["report"]}, {"status": ["FAILED"]}, {"priority": ["LOW"]}):
            everything = world.ids(filter_, first=500, orderBy=order)
            forward, after = [], None
            while True:
                page = world.list(filter_, first=7, after=after, orderBy=order).data["tasks"]
                forward += [n["id"] for n in page["nodes"]]
                after = page["pageInfo"]["endCursor"]
                assert page["totalCount"] == len(everything)
                assert page["edges"][-1]["cursor"] == after and page["edges"][0]["cursor"] == page["pageInfo"]["startCursor"]
                if not page["pageInfo"]["hasNextPage"]:
                    break
            assert forward == everything, (order, filter_)
            backward, before = [], None
            while True:
                page = world.list(filter_, last=7, before=before, orderBy=order).data["tasks"]
                backward = [n["id"] for n in page["nodes"]] + backward
                before = page["pageInfo"]["startCursor"]
                if not page["pageInfo"]["hasPreviousPage"]:
                    break
            assert backward == everything, (order, filter_)
            ends = [e["cursor"] for e in world.list(filter_, first=500, orderBy=order).data["tasks"]["edges"]]
            between = world.ids(filter_, first=500, after=ends[1], before=ends[-2], orderBy=order)
            assert between == everything[2:-2], (order, filter_)


def a_page_is_fifty_and_at_most_five_hundred(world):
    assert len(world.ids()) == 50
    assert world.ids(first=0) == []
    assert world.list(first=501).code in ("BAD_USER_INPUT", "QUERY_TOO_COMPLEX")
    users = world.ask("{ users { edges { cursor } } }")["users"]["edges"][0]["cursor"]
    for bad in ("x", users, "A" * 35):
        answer = world.list(after=bad)
        assert answer.code == "BAD_USER_INPUT" and answer.error["message"].startswith("after:"), answer.text


def a_total_beyond_ten_thousand_is_at_least_that(world):
    psql(world.url, "INSERT INTO tasks (id, type) SELECT ('00000000-0000-7000-8000-' || lpad(n::text, 12, '0'))::uuid, "
         "'many' FROM generate_series(1, 10001) AS n")
    page = world.list({"type": ["many"]}, first=1).data["tasks"]
    assert (page["totalCount"], page["totalCountIsExact"]) == (10001, False), page
    psql(world.url, "DELETE FROM tasks WHERE id = '00000000-0000-7000-8000-000000000001'")
    page = world.list({"type": ["many"]}, first=1).data["tasks"]
    assert (page["totalCount"], page["totalCountIsExact"]) == (10000, True), page
    only = world.ask('{ tasks(filter: { type: "many" }) { totalCount } }')["tasks"]
    assert only == {"totalCount": 10000}
    psql(world.url, "DELETE FROM tasks WHERE type = 'many'")


def a_filter_that_takes_too_long_is_named(world):
    """The table is held, so that the statement waits until its own limit ends it."""
    with Gateway(world.url, REQUEST_TIMEOUT="1s") as impatient:
        token = impatient.login("admin@example.org")
        lock = "BEGIN; LOCK TABLE tasks IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep(4); COMMIT"
        holder = threading.Thread(target=psql, args=(world.url, lock))
        holder.start()
        eventually(lambda: psql(world.url, "SELECT 1 FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND granted "
                                "AND relation = 'tasks'::regclass"))
        answer = impatient.graphql('{ tasks(filter: { search: "x", status: [PENDING] }) { nodes { id } } }', None, token)
        holder.join()
        assert answer.code == "TIMEOUT", answer.text
        assert answer.error["message"].startswith("filter.search:"), answer.text


# ── jobs ──

def jobs_are_listed_by_name_and_filtered(world):
    names = lambda **v: [j["name"] for j in world.ask(  # noqa: E731
        "query($s: [JobStatus!], $q: String) { jobs(status: $s, search: $q) { name } }", v)["jobs"]]
    assert names() == ["job 0", "job 1", "job 2"]
    assert names(s=["PAUSED", "FAILED"]) == ["job 1", "job 2"]
    assert names(s=[]) == []
    assert names(q="OB 1") == ["job 1"]
    assert names(q="0 2 *") == ["job 2"]
    assert names(s=["ACTIVE"], q="email") == ["job 0"]
    assert names(q="%") == []
    job = world.ask(f'{{ job(id: "{world.jobs[1]}") {{ id name schedule timeZone status lastRun nextRun taskType payload '
                    "priority misfirePolicy overlapPolicy maxAttempts failAfter consecutiveFailures queue timeoutSeconds "
                    "jitterSeconds accepted source scheduleText nextRuns } }")["job"]
    assert job == {"id": world.jobs[1], "name": "job 1", "schedule": "0 1 * * *", "timeZone": "UTC", "status": "PAUSED",
                   "lastRun": None, "nextRun": None, "taskType": "email", "payload": {}, "priority": "NORMAL",
                   "misfirePolicy": "RUN_ONCE", "overlapPolicy": "SKIP", "maxAttempts": 3, "failAfter": 0,
                   "consecutiveFailures": 0, "queue": "default", "timeoutSeconds": 300, "jitterSeconds": 0,
                   "accepted": True, "source": "CACHE", "scheduleText": "every day at 01:00", "nextRuns": []}, job
    assert world.ask(f'{{ job(id: "{uuid_at(T0_MS, 99)}") {{ id }} }}')["job"] is None


def the_next_runs_begin_with_the_workers_own(world):
    ask = lambda count="": world.graphql(f'{{ job(id: "{world.jobs[0]}") {{ nextRun nextRuns{count} }} }}')  # noqa: E731
    psql(world.url, "UPDATE jobs SET next_run = '2050-03-26 23:07:00+00', time_zone = 'Europe/Berlin', "
         f"schedule = '30 2 * * *' WHERE id = '{world.jobs[0]}'")
    job = ask("(count: 4)").data["job"]
    # The clock goes from 02:00 to 03:00 on the 27th.
    assert job == {"nextRun": "2050-03-26T23:07:00.000000Z", "nextRuns": [
        "2050-03-26T23:07:00.000000Z", "2050-03-27T01:00:00.000000Z", "2050-03-28T00:30:00.000000Z",
        "2050-03-29T00:30:00.000000Z"]}, job
    assert len(ask().data["job"]["nextRuns"]) == 5 and ask("(count: 0)").data["job"]["nextRuns"] == []
    for count in ("-1", "101", "null"):
        assert ask(f"(count: {count})").code == "BAD_USER_INPUT", count
    # A run that is overdue comes first, and then those from now on.
    psql(world.url, f"UPDATE jobs SET next_run = '2026-01-01 00:30:00+00', schedule = '30 2 * * *' WHERE id = '{world.jobs[0]}'")
    first, second = ask("(count: 2)").data["job"]["nextRuns"]
    assert first == "2026-01-01T00:30:00.000000Z" and datetime.fromisoformat(second) > datetime.now(timezone.utc), second
    # What this program cannot read is shown as it is.
    psql(world.url, f"UPDATE jobs SET schedule = 'every blue moon', time_zone = 'Moon/Sea' WHERE id = '{world.jobs[0]}'")
    odd = world.ask(f'{{ job(id: "{world.jobs[0]}") {{ scheduleText nextRuns }} }}')["job"]
    assert odd == {"scheduleText": "every blue moon", "nextRuns": ["2026-01-01T00:30:00.000000Z"]}, odd
    psql(world.url, "UPDATE jobs SET next_run = NULL, time_zone = 'UTC', schedule = '0 0 * * *' "
         f"WHERE id = '{world.jobs[0]}'")


def each_job_has_its_own_page_of_runs(world):
    ids = [t["id"] for t in world.rows]
    for n, job in enumerate(world.jobs[:2]):
        mine = "','".join(ids[n::3])
        psql(world.url, f"UPDATE tasks SET job_id = '{job}' WHERE id IN ('{mine}')")
    query = ("query($first: Int, $after: String, $last: Int, $before: String) { jobs { name runs(first: $first, "
             "after: $after, last: $last, before: $before) { nodes { id job { id } } totalCount totalCountIsExact "
             "pageInfo { hasNextPage hasPreviousPage endCursor } } recentRuns(count: 3) { taskId status scheduledFor } } }")
    jobs = world.ask(query, {"first": 4})["jobs"]
    for n, job in enumerate(jobs[:2]):
        newest = ids[n::3][::-1]
        assert [t["id"] for t in job["runs"]["nodes"]] == newest[:4], job
        assert {t["job"]["id"] for t in job["runs"]["nodes"]} == {world.jobs[n]}
        assert job["runs"]["totalCount"] == 20 and job["runs"]["totalCountIsExact"], job
        assert job["runs"]["pageInfo"]["hasNextPage"] and not job["runs"]["pageInfo"]["hasPreviousPage"]
        assert [r["taskId"] for r in job["recentRuns"]] == newest[:3][::-1], job["recentRuns"]
    assert jobs[2]["runs"]["nodes"] == [] == jobs[2]["recentRuns"] and jobs[2]["runs"]["totalCount"] == 0
    last = world.ask(query, {"last": 4})["jobs"]
    assert [t["id"] for t in last[0]["runs"]["nodes"]] == ids[0::3][::-1][-4:]
    after = jobs[0]["runs"]["pageInfo"]["endCursor"]
    second = world.ask(query, {"first": 4, "after": after})["jobs"]
    assert [t["id"] for t in second[0]["runs"]["nodes"]] == ids[0::3][::-1][4:8]
    assert [t["id"] for t in second[1]["runs"]["nodes"]] == [i for i in ids[1::3][::-1] if i < jobs[0]["runs"]["nodes"][3]["id"]][:4]
    for count in ("-1", "101"):
        assert world.graphql(f"{{ jobs {{ recentRuns(count: {count}) {{ taskId }} }} }}").code == "BAD_USER_INPUT"
    psql(world.url, "UPDATE tasks SET job_id = NULL")


# ── statements ──

def objects_below_a_list_take_one_statement_a_level(world):
    ids = [t["id"] for t in world.rows]
    psql(world.url, f"UPDATE tasks SET job_id = '{world.jobs[0]}', created_by = '{world.me}', "
         f"depends_on = '{{{ids[1]},{ids[2]}}}', duplicate_of = '{ids[3]}'")
    query = ("query { tasks(first: 40) { nodes { id job { name runs(first: 2) { nodes { id createdBy { name } } } "
             "recentRuns(count: 2) { taskId } } createdBy { email } dependsOn { id type job { name } } "
             "duplicateOf { id } why { blockedBy { id } } } } }")
    with Gateway(world.url, LOG_SQL="on") as chatty:
        token = chatty.login("admin@example.org")
        # Not those that ask who it is.
        statements = lambda: len(re.findall(r"event=db\.statement name=(?!session)\S+ lane=(?:read|slow)", chatty.log))  # noqa: E731
        assert chatty.graphql(query, None, token).code == "ok"
        before = statements()
        answer = chatty.graphql(query, None, token).data["tasks"]["nodes"]
        assert len(answer) == 40
        assert all(t["job"]["name"] == "job 0" and t["createdBy"]["email"] == "admin@example.org" and
                   [d["id"] for d in t["dependsOn"]] == ids[1:3] and t["duplicateOf"]["id"] == ids[3] for t in answer)
        # tasks, job, createdBy, dependsOn, duplicateOf; runs, recentRuns, dependsOn.job; runs.createdBy
        assert statements() - before == 9, chatty.log[-6000:]
    psql(world.url, "UPDATE tasks SET job_id = NULL, created_by = NULL, depends_on = '{}', duplicate_of = NULL")


def a_plan_reads_no_column_that_is_not_asked_for(world):
    with Gateway(world.url) as gateway:
        token = gateway.login("admin@example.org")
        psql(world.url, "ALTER TABLE tasks RENAME payload TO hidden")
        try:
            assert gateway.graphql("{ tasks(first: 2) { nodes { id type } } }", None, token).code == "ok"
            assert gateway.graphql("{ tasks(first: 2) { nodes { payload } } }", None, token).code == "INTERNAL"
        finally:
            psql(world.url, "ALTER TABLE tasks RENAME hidden TO payload")


def main():
    with Postgres() as postgres, Gateway(postgres.url) as gateway:
        run_tests([
            a_task_shows_what_its_row_holds,
            what_is_no_task_is_null_and_what_is_no_id_is_refused,
            a_waiting_task_says_why_as_far_as_its_row_can_tell,
            a_blocked_task_names_what_blocks_it,
            every_filter_finds_exactly_what_it_says,
            the_job_of_a_task_is_a_filter_too,
            creation_counts_by_its_time_not_by_the_id,
            a_wrong_filter_is_named,
            pages_show_every_task_once_in_both_directions_and_orders,
            a_page_is_fifty_and_at_most_five_hundred,
            a_total_beyond_ten_thousand_is_at_least_that,
            a_filter_that_takes_too_long_is_named,
            jobs_are_listed_by_name_and_filtered,
            the_next_runs_begin_with_the_workers_own,
            each_job_has_its_own_page_of_runs,
            objects_below_a_list_take_one_statement_a_level,
            a_plan_reads_no_column_that_is_not_asked_for,
        ], World(postgres, gateway))


if __name__ == "__main__":
    main()
