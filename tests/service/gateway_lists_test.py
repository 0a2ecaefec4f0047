#!/usr/bin/env python3
"""How lists are read from large tables: which filters and orders an index serves, as PostgreSQL itself tells, what the
rest gets of the slow lane, counts and groups, and what no page can be asked for by.
Usage: gateway_lists_test.py PROGRAM"""

import json
import os
import re
import sys
import threading
import time
import uuid
from datetime import datetime, timezone
from urllib.parse import parse_qs, urlsplit

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../support"))
import recount  # noqa: E402
from gateway_rig import Gateway, Postgres, create_user, eventually, psql, run_tests  # noqa: E402

T0_MS = 1_764_000_000_000
TASKS = 220_000
STEP_MS = 1_000  # between two tasks
ORDERS = ("CREATED_DESC", "CREATED_ASC", "UPDATED_DESC", "RUN_AT_ASC", "PRIORITY_DESC")
SETTINGS = ("-c session_preload_libraries=auto_explain -c auto_explain.log_min_duration=0 -c auto_explain.log_analyze=on "
            "-c auto_explain.log_timing=off -c auto_explain.log_format=json")
LIST = ("query($filter: TaskFilter, $orderBy: TaskOrder, $first: Int, $after: String, $last: Int, $before: String) "
        "{ tasks(filter: $filter, orderBy: $orderBy, first: $first, after: $after, last: $last, before: $before) { "
        "edges { cursor node { id type priority updatedAt runAt } } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }")
COUNTS = "query($filter: TaskFilter) { taskCounts(filter: $filter) { total pending inProgress completed failed exact } }"
GROUPS = ("query($window: String, $type: String, $limit: Int) { errorGroups(window: $window, taskType: $type, limit: $limit) "
          "{ type template count firstAt lastAt sample { id error job { name } } } }")


def uuid_at(ms, n=0):
    return str(uuid.UUID(int=(ms << 80) | (7 << 76) | (2 << 62) | n))


def rfc3339(ms):
    return datetime.fromtimestamp(ms / 1000, timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


# One in a hundred is open, one in fifty has failed, one in a thousand is of the rare type, one in 500 of the job.
MANY = f"""INSERT INTO tasks (id, type, status, state, priority, payload, job_id, error, error_template, created_at,
    updated_at, run_at, finished_at)
  SELECT (lpad(to_hex({T0_MS} + n::bigint * {STEP_MS}), 12, '0') || '7000' || '8' || left(md5(n::text), 15))::uuid,
    CASE WHEN n % 1000 = 7 THEN 'rare' ELSE 'type' || n % 20 END,
    (ARRAY['completed', 'pending', 'in-progress', 'failed'])[s + 1]::task_status,
    (ARRAY['succeeded', 'ready', 'running', 'dead'])[s + 1]::task_state,
    (ARRAY['low', 'normal', 'high'])[n % 3 + 1]::task_priority, jsonb_build_object('n', n, 'to', 'user' || n),
    CASE WHEN n % 500 = 3 THEN '01a20a5b-5f81-77cf-a575-000000000001'::uuid END,
    CASE WHEN s = 3 THEN 'no route to host' || n END, CASE WHEN s = 3 THEN 'no route to host*' END, t,
    t + (n % 977) * interval '1 second', t + (n % 331) * interval '1 second', CASE WHEN s IN (0, 3) THEN t END
  FROM (SELECT n, CASE WHEN n % 100 = 1 THEN 1 + n / 100 % 2 WHEN n % 50 = 2 THEN 3 ELSE 0 END AS s,
          to_timestamp(({T0_MS} + n::bigint * {STEP_MS}) / 1000.0) AS t FROM generate_series(1, {TASKS}) AS n) AS g;
  INSERT INTO jobs (id, name, schedule, task_type) VALUES ('01a20a5b-5f81-77cf-a575-000000000001', 'a job', '0 0 * * *', 'x');
  INSERT INTO task_counts (type, status, count) SELECT type, status, count(*) FROM tasks GROUP BY 1, 2;
  VACUUM ANALYZE tasks;"""
JOB = "01a20a5b-5f81-77cf-a575-000000000001"


class World:
    def __init__(self, postgres, gateway):
        self.postgres, self.gateway, self.url = postgres, gateway, postgres.url
        self.admin = gateway.set_up()
        self.me = self.ask("{ me { id } }")["me"]["id"]
        psql(self.url, MANY)
        self.server_log = parse_qs(urlsplit(self.url).query)["host"][0] + "/log"

    def graphql(self, query, variables=None):
        return self.gateway.graphql(query, variables, self.admin)

    def ask(self, query, variables=None):
        return self.graphql(query, variables).data

    def list(self, filter=None, **variables):  # pylint: disable=redefined-builtin
        return self.graphql(LIST, {"filter": filter, **variables})

    def plans_of(self, call):
        """What PostgreSQL did for the statements on tasks that the call sent, and the call's answer."""
        start = os.path.getsize(self.server_log)
        answer = call()

        def look():  # the server writes what it did before it answers, but the file may lag
            with open(self.server_log, encoding="utf-8") as log:
                log.seek(start)
                text = log.read()
            found = [json.loads(plan) for plan in re.findall(r"plan:\n(\t\{\n.*?\n\t\})", text, re.S)]
            return [plan for plan in found if 'FROM "tasks" AS t' in plan["Query Text"]]
        return eventually(look), answer


def nodes_of(plan):
    yield plan
    for child in plan.get("Plans", []):
        yield from nodes_of(child)


def scans_of(plan):
    return [node for node in nodes_of(plan["Plan"]) if node.get("Relation Name") == "tasks"]


def rows_looked_at(plan):
    """Rows of the table that were read, whether they matched or not."""
    return sum((node["Actual Rows"] + node.get("Rows Removed by Filter", 0) + node.get("Rows Removed by Index Recheck", 0))
               * node["Actual Loops"] for node in scans_of(plan))


def tail_of(world, n):
    return psql(world.url, f"SELECT id FROM tasks ORDER BY id LIMIT 1 OFFSET {n}")[0][0][-9:]


# ── indexes ──

def indexed_filters(world):
    """Name, filter, and how many rows of the table a page of 20 may look at; None: an index bounds it, but what it
    does not know of may be between."""
    ids = [row[0] for row in psql(world.url, "SELECT id FROM tasks ORDER BY id LIMIT 3")]
    late, early = rfc3339(T0_MS + (TASKS - 5_000) * STEP_MS), rfc3339(T0_MS + 5_000 * STEP_MS)
    return [
        ("none", None, 21), ("ids", {"ids": ids}, 3), ("idEndsWith", {"idEndsWith": tail_of(world, 1234)}, 3),
        ("pending", {"status": "PENDING"}, 100), ("failed", {"status": "FAILED"}, 100),
        ("open", {"status": ["PENDING", "IN_PROGRESS"]}, 100), ("in progress", {"status": "IN_PROGRESS"}, None),
        ("completed", {"status": "COMPLETED"}, None), ("finished", {"status": ["COMPLETED", "FAILED"]}, None),
        ("type", {"type": "type3"}, 2_000), ("rare type", {"type": "rare"}, 21), ("types", {"type": ["type3", "rare"]}, None),
        ("job", {"jobId": JOB}, 21), ("created after", {"createdAfter": late}, None),
        ("created before", {"createdBefore": early}, None),
        ("created between", {"createdAfter": early, "createdBefore": late}, None),
        ("state of a status", {"state": "DEAD"}, None),
        ("type and status", {"type": "type1", "status": "PENDING"}, None),
        ("rare type and status", {"type": "rare", "status": "FAILED"}, None),
        ("type and created", {"type": "type3", "createdAfter": late}, None),
        ("status and created", {"status": "FAILED", "createdBefore": early}, None),
        ("job and status", {"jobId": JOB, "status": "COMPLETED"}, None),
        ("job and created", {"jobId": JOB, "createdAfter": late}, None),
        ("type, status and created", {"type": "type2", "status": "FAILED", "createdAfter": early}, None),
        ("ids and all else", {"ids": ids, "type": "type1", "status": "COMPLETED", "createdAfter": early, "jobId": JOB}, 3),
        ("idEndsWith and type", {"idEndsWith": tail_of(world, 99), "type": "type5"}, 3),
    ]


def filters_that_an_index_serves_scan_no_table(world):
    for name, filter_, looked_max in indexed_filters(world):
        for order in ORDERS[:2]:
            cursor = None
            for page in ({"first": 20}, {"last": 20}, {"first": 20, "after": True}, {"last": 20, "before": True}):
                page = {key: cursor if value is True else value for key, value in page.items()}
                plans, answer = world.plans_of(lambda: world.list(filter_, orderBy=order, **page))  # pylint: disable=cell-var-from-loop
                edges = answer.data["tasks"]["edges"]
                cursor = cursor or (edges[len(edges) // 2]["cursor"] if edges else None)
                assert len(plans) == 1, (name, order, page, plans)
                kinds = {node["Node Type"] for node in scans_of(plans[0])}
                assert kinds and "Seq Scan" not in kinds, (name, order, page, json.dumps(plans[0], indent=1))
                looked = rows_looked_at(plans[0])
                assert looked_max is None or looked <= looked_max, (name, order, page, looked, json.dumps(plans[0], indent=1))


def few_rows_are_read_by_their_index_in_every_order(world):
    few = [f for f in indexed_filters(world) if f[0] in ("ids", "idEndsWith", "ids and all else", "idEndsWith and type")]
    assert len(few) == 4
    for name, filter_, looked_max in few:
        for order in ORDERS:
            plans, _ = world.plans_of(lambda: world.list(filter_, orderBy=order, first=20))  # pylint: disable=cell-var-from-loop
            assert rows_looked_at(plans[0]) <= looked_max, (name, order, plans)
        plans, _ = world.plans_of(lambda: world.ask(COUNTS, {"filter": filter_}))  # pylint: disable=cell-var-from-loop
        assert rows_looked_at(plans[0]) <= 4 * looked_max, (name, plans)


# ── orders ──

def every_order_pages_through_the_same_rows_both_ways(world):
    keys = {"CREATED_DESC": lambda n: n["id"], "CREATED_ASC": lambda n: n["id"],
            "UPDATED_DESC": lambda n: (n["updatedAt"], n["id"]), "RUN_AT_ASC": lambda n: (n["runAt"], n["id"]),
            "PRIORITY_DESC": lambda n: (["LOW", "NORMAL", "HIGH"].index(n["priority"]), n["id"])}
    filter_ = {"type": ["rare"]}
    psql(world.url, "UPDATE tasks SET updated_at = date_trunc('day', updated_at), run_at = date_trunc('day', run_at) "
         "WHERE type = 'rare'")  # many are equal
    rows = None
    for order in ORDERS:
        everything = [e["node"] for e in world.list(filter_, orderBy=order, first=500).data["tasks"]["edges"]]
        assert everything == sorted(everything, key=keys[order], reverse=order.endswith("DESC")), order
        rows = rows or sorted(n["id"] for n in everything)
        assert sorted(n["id"] for n in everything) == rows and len(rows) == TASKS // 1000, order
        forward, after = [], None
        while True:
            page = world.list(filter_, orderBy=order, first=37, after=after).data["tasks"]
            forward += [e["node"] for e in page["edges"]]
            assert page["pageInfo"]["hasPreviousPage"] == (after is not None)
            after = page["pageInfo"]["endCursor"]
            assert (page["pageInfo"]["startCursor"], after) == (page["edges"][0]["cursor"], page["edges"][-1]["cursor"])
            if not page["pageInfo"]["hasNextPage"]:
                break
        assert forward == everything, order
        backward, before = [], None
        while True:
            page = world.list(filter_, orderBy=order, last=37, before=before).data["tasks"]
            backward = [e["node"] for e in page["edges"]] + backward
            assert page["pageInfo"]["hasNextPage"] == (before is not None)
            before = page["pageInfo"]["startCursor"]
            if not page["pageInfo"]["hasPreviousPage"]:
                break
        assert backward == everything, order
        ends = [e["cursor"] for e in world.list(filter_, orderBy=order, first=500).data["tasks"]["edges"]]
        for size in ({"first": 500}, {"last": 500}, {"first": 9}, {"last": 9}):
            between = [e["node"] for e in world.list(filter_, orderBy=order, after=ends[1], before=ends[-2], **size)
                       .data["tasks"]["edges"]]
            expected = everything[2:-2]
            expected = expected[:9] if size == {"first": 9} else expected[-9:] if size == {"last": 9} else expected
            assert between == expected, (order, size)


def a_row_that_moves_does_not_shift_the_others(world):
    """A cursor is a place, not a count: what changes order behind or before it does not double or hide the rest."""
    filter_, order = {"type": ["rare"]}, "UPDATED_DESC"
    everything = [e["node"]["id"] for e in world.list(filter_, orderBy=order, first=500).data["tasks"]["edges"]]
    first = world.list(filter_, orderBy=order, first=10).data["tasks"]
    moved = everything[15]
    psql(world.url, f"UPDATE tasks SET updated_at = now() WHERE id IN ('{moved}', '{everything[2]}')")
    rest = world.list(filter_, orderBy=order, first=500, after=first["pageInfo"]["endCursor"]).data["tasks"]["edges"]
    assert [e["node"]["id"] for e in rest] == [i for i in everything[10:] if i != moved]


# ── cursors ──

def a_cursor_of_another_list_order_or_filter_is_refused(world):
    cursor = world.list({"type": "rare"}, first=1).data["tasks"]["pageInfo"]["endCursor"]
    wrong = [({"filter": {"type": "rare"}, "orderBy": "UPDATED_DESC"}, "order"), ({"filter": None}, "filter"),
             ({"filter": {"type": "type3"}}, "filter"), ({"filter": {"type": "rare", "status": "FAILED"}}, "filter")]
    for variables, what in wrong:
        for bound in ({"after": cursor}, {"before": cursor, "last": 3}):
            answer = world.list(**{**variables, **bound})
            assert answer.code == "BAD_USER_INPUT" and f"another {what}" in answer.error["message"], answer.text
            assert answer.error["message"].startswith(("after:", "before:")), answer.text
    assert world.list({"type": "rare"}, first=1, after=cursor).code == "ok"
    users = world.ask("{ users { edges { cursor } } }")["users"]["edges"][0]["cursor"]
    runs = world.ask("{ jobs { runs(first: 1) { edges { cursor } } } }")["jobs"][0]["runs"]["edges"][0]["cursor"]
    for other in (users, runs):
        answer = world.list(after=other)
        assert answer.code == "BAD_USER_INPUT" and "another list" in answer.error["message"], answer.text
    answer = world.graphql("query($after: String) { users(search: \"admin\", after: $after) { nodes { id } } }", {"after": users})
    assert answer.code == "BAD_USER_INPUT" and "another filter" in answer.error["message"], answer.text


def a_cursor_with_any_byte_changed_is_refused(world):
    cursor = world.list(orderBy="RUN_AT_ASC", first=1).data["tasks"]["pageInfo"]["endCursor"]
    assert world.list(orderBy="RUN_AT_ASC", first=1, after=cursor).code == "ok"
    for i, old in enumerate(cursor):
        for new in {"A", "B", "_", chr(ord(old) ^ 1), "é", "\u0000"} - {old}:
            answer = world.list(orderBy="RUN_AT_ASC", first=1, after=cursor[:i] + new + cursor[i + 1:])
            assert answer.code == "BAD_USER_INPUT" and answer.error["message"].startswith("after:"), (i, new, answer.text)


def every_list_refuses_the_same_sizes(world):
    lists = ["tasks({}) {{ nodes {{ id }} }}", "users({}) {{ nodes {{ id }} }}", "jobs {{ runs({}) {{ nodes {{ id }} }} }}",
             f'chatHistory(userId: "{world.me}", {{}}) {{{{ nodes {{{{ id }}}} }}}}',
             "me {{ chatMessages({}) {{ nodes {{ id }} }} }}", "auditLog({}) {{ nodes {{ id }} }}"]
    cases = [("first: -1", "first:"), ("last: -1", "last:"), ("first: 501", "first"), ("last: 501", "last"),
             ("first: 1, last: 1", "first:"), ('after: ""', "after:"), ('before: "x"', "before:"),
             ('first: 1, after: "AAAA", before: "AAAA"', "after:"), ("first: 99999999999", None), ("first: 1.5", None)]
    for list_ in lists:
        for arguments, message in cases:
            answer = world.graphql("{ " + list_.format(arguments) + " }")
            assert answer.code in ("BAD_USER_INPUT", "QUERY_TOO_COMPLEX", "GRAPHQL_VALIDATION_FAILED"), (list_, answer.text)
            named = message in answer.error["message"] if message else True
            assert answer.status in (200, 400) and (named or answer.code == "QUERY_TOO_COMPLEX"), answer.text
        for arguments in ("first: 0", "last: 0", "first: null", "first: null, last: null", "first: 500", "last: 500"):
            answer = world.graphql("{ " + list_.format(arguments) + " }")
            assert answer.code == "ok", (list_, arguments, answer.text)
    empty = world.list(first=0).data["tasks"]
    assert empty == {"edges": [], "pageInfo": {"hasNextPage": True, "hasPreviousPage": False, "startCursor": None,
                                               "endCursor": None}}, empty


def wrong_searches_and_windows_are_named(world):
    for query, message in [
            ('{ users(search: "%s") { nodes { id } } }' % ("x" * 501), "search:"),
            ('{ jobs(search: "%s") { id } }' % ("x" * 501), "search:"),
            ('{ jobs(search: "a\\u0000") { id } }', "search:"), ('{ users(search: "a\\u0000") { nodes { id } } }', "search:"),
            ('{ conversations(userId: "%s", search: "%s") { id } }' % (world.me, "x" * 501), "search:"),
            ('{ conversations(userId: "%s", search: "a\\u0000") { id } }' % world.me, "search:"),
            ('{ errorGroups(window: "1y") { count } }', "window:"), ("{ errorGroups(limit: 101) { count } }", "limit:"),
            ("{ errorGroups(limit: -1) { count } }", "limit:"), ('{ errorGroups(taskType: "") { count } }', "taskType:"),
            ('{ taskCounts(filter: { idEndsWith: "1234567" }) { total } }', "filter.idEndsWith:"),
            ('{ taskCounts(filter: { ids: ["x"] }) { total } }', "filter.ids[0]:")]:
        answer = world.graphql(query)
        assert answer.code == "BAD_USER_INPUT" and answer.error["message"].startswith(message), (query[:80], answer.text)


# ── counts and groups ──

def counts_of_types_and_statuses_come_from_the_counters(world):
    expected = {tuple(r[:2]): int(r[2]) for r in psql(world.url, "SELECT type, status, count(*) FROM tasks GROUP BY 1, 2")}
    names = {"pending": "pending", "inProgress": "in-progress", "completed": "completed", "failed": "failed"}
    for filter_ in (None, {}, {"type": ["rare"]}, {"type": ["type3", "rare", "nobody's"]}, {"status": ["PENDING", "FAILED"]},
                    {"type": ["type2"], "status": ["COMPLETED"]}, {"type": []}, {"status": []}):
        given = filter_ or {}
        counts = world.ask(COUNTS, {"filter": filter_})["taskCounts"]
        want = {name: sum(n for (type_, status), n in expected.items() if status == text
                          and type_ in given.get("type", [type_])
                          and name.replace("P", "_P").upper() in given.get("status", [name.replace("P", "_P").upper()]))
                for name, text in names.items()}
        assert counts == {**want, "total": sum(want.values()), "exact": True}, (filter_, counts, want)


def other_counts_are_exact_to_ten_thousand(world):
    late = rfc3339(T0_MS + (TASKS - 5_000) * STEP_MS)
    some = world.ask(COUNTS, {"filter": {"createdAfter": late}})["taskCounts"]
    row = psql(world.url, "SELECT " + ", ".join(f"count(*) FILTER (WHERE status = '{s}')" for s in (
        "pending", "in-progress", "completed", "failed")) + f" FROM tasks WHERE created_at > '{late}'")[0]
    assert [some[k] for k in ("pending", "inProgress", "completed", "failed")] == [int(n) for n in row], (some, row)
    assert some["exact"] and some["total"] == 5_000
    many = world.ask(COUNTS, {"filter": {"priority": ["LOW", "NORMAL", "HIGH"]}})["taskCounts"]
    assert many["completed"] == 10_001 and not many["exact"] and many["pending"] == TASKS // 200, many
    none = world.ask(COUNTS, {"filter": {"search": "user17", "status": "FAILED", "type": "rare"}})["taskCounts"]
    assert none == {"total": 0, "pending": 0, "inProgress": 0, "completed": 0, "failed": 0, "exact": True}, none


def failures_are_grouped_by_what_their_errors_share(world):
    values = []
    for n, (type_, template, ago, state) in enumerate([
            ("grouped", "a*", "1 hour", "dead"), ("grouped", "a*", "2 hours", "dead"), ("grouped", "a*", "3 hours", "dead"),
            ("grouped", "b*", "1 hour", "dead"), ("other", "a*", "10 minutes", "dead"), ("other", "a*", "25 hours", "dead"),
            ("grouped", None, "1 hour", "cancelled")]):
        values.append(f"('{uuid_at(T0_MS - 1_000_000, n)}', '{type_}', 'failed', '{state}', "
                      + (f"'error {n}', '{template}'" if template else "NULL, NULL") + f", now() - interval '{ago}', '{JOB}')")
    psql(world.url, "INSERT INTO tasks (id, type, status, state, error, error_template, finished_at, job_id) VALUES "
         + ",".join(values) + ";" + recount.PUT_ERROR_GROUPS)
    groups = world.ask(GROUPS, {"window": "24h"})["errorGroups"]
    short = [(g["type"], g["template"], g["count"], g["sample"]["error"], g["sample"]["job"]["name"]) for g in groups]
    assert short == [("grouped", "a*", 3, "error 0", "a job"), ("other", "a*", 1, "error 4", "a job"),
                     ("grouped", "b*", 1, "error 3", "a job")], groups
    first, last = psql(world.url, "SELECT min(finished_at), max(finished_at) FROM tasks WHERE type = 'grouped' "
                       "AND error_template = 'a*'")[0]
    parse = datetime.fromisoformat
    assert parse(groups[0]["firstAt"]) == parse(first) and parse(groups[0]["lastAt"]) == parse(last), groups[0]
    assert [g["count"] for g in world.ask(GROUPS, {"window": "2d", "type": "other"})["errorGroups"]] == [2]
    assert len(world.ask(GROUPS, {"window": "24h", "limit": 1})["errorGroups"]) == 1
    assert world.ask(GROUPS, {"window": "24h", "limit": 0})["errorGroups"] == []
    assert world.ask(GROUPS, {"window": "5m"})["errorGroups"] == []
    listed = world.ask(LIST, {"filter": {"errorTemplate": "a*", "type": "grouped"}})["tasks"]["edges"]
    assert len(listed) == 3
    # No task is looked at for its error: the counts of spans are, and of each group what is noted of the first and the last.
    for window, looked_up in (("24h", 1), ("90d", 0)):  # the first of those in the window, where there is one before
        start = os.path.getsize(world.server_log)
        world.ask(GROUPS, {"window": window})
        with open(world.server_log, encoding="utf-8") as log:
            log.seek(start)
            plans = [json.loads(p) for p in re.findall(r"plan:\n(\t\{\n.*?\n\t\})", log.read(), re.S)]
        grouped = [p for p in plans if "error_rollups" in p["Query Text"]]
        assert grouped and '"Relation Name": "tasks"' not in json.dumps(grouped), grouped
        loops = [n["Actual Loops"] for p in grouped for n in nodes_of(p["Plan"]) if n.get("Relation Name") == "task_failures"]
        assert loops and sum(loops) == looked_up, (window, grouped)
    psql(world.url, "DELETE FROM tasks WHERE type IN ('grouped', 'other');" + recount.PUT_ERROR_GROUPS)


def check_groups(world, window, grain_s):
    """Against a count of the rows from the last full span before the window on."""
    while True:
        span = time.time() // 60
        since = (f"to_timestamp(floor((extract(epoch FROM now() - interval '{window}')) / {grain_s}) * {grain_s})")
        rows = psql(world.url, "SELECT type, error_template, count(*), min(finished_at), max(finished_at), (array_agg(id ORDER BY "
                    f"finished_at DESC))[1] FROM tasks WHERE finished_at >= {since} AND type LIKE 'random%' GROUP BY 1, 2")
        groups = world.ask(GROUPS, {"window": window, "limit": 100})["errorGroups"]
        if time.time() // 60 == span:  # else the one was asked for in another span than the other
            break
    parse = datetime.fromisoformat
    want = {(r[0], r[1]): (int(r[2]), parse(r[3]), parse(r[4]), r[5]) for r in rows}
    told = {(g["type"], g["template"]): (g["count"], parse(g["firstAt"]), parse(g["lastAt"]), g["sample"]["id"])
            for g in groups if g["type"].startswith("random")}
    assert told == want, (window, told, want)
    assert groups == sorted(groups, key=lambda g: -g["count"])


def groups_of_any_window_equal_a_recount(world):
    """Of 110 days, more of them late ones; where the first and the last of a group are noted, and where they are not, or the
    last is one before those that a gateway has counted which does not know to note it."""
    psql(world.url, f"""INSERT INTO tasks (id, type, status, state, error, error_template, finished_at)
        SELECT ('019a8b4d-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, 'random' || n % 3, 'failed', 'dead', 'no', 'no ' || n % 7,
               now() - power(random(), 4) * interval '110 days' FROM generate_series(1, 2000) AS n; {recount.PUT_ERROR_GROUPS}""")
    for noted in ("", "last_at = now() - interval '22 days', last_id = gen_random_uuid()", "first_at = NULL",
                  "first_at = NULL, last_at = NULL, last_id = NULL"):
        if noted:
            psql(world.url, f"UPDATE error_groups SET {noted}")
        for window, grain_s in (("5m", 60), ("29m", 60), ("45m", 300), ("11h", 300), ("12h", 3600), ("7d", 3600), ("239h", 3600),
                                ("10d", 86400), ("33d", 86400), ("88d", 86400), ("89d", 86400), ("90d", 86400)):
            check_groups(world, window, grain_s)
    psql(world.url, "DELETE FROM tasks WHERE type LIKE 'random%';" + recount.PUT_ERROR_GROUPS)


# ── one statement a level ──

def lists_below_users_take_one_statement_a_level(world):
    users = [create_user(world.gateway, world.admin, f"user{i}@example.org") for i in range(12)]
    values = ",".join(f"('{uuid_at(T0_MS, 100 * u + n)}', 'user', 'text', '{user}')" for u, user in enumerate(users)
                      for n in range(3))
    psql(world.url, f"INSERT INTO chat_messages (id, role, content, user_id) VALUES {values}")
    query = "{ users(first: %d) { nodes { name chatMessages(first: 2) { totalCount nodes { content user { name } } } } } }"
    with Gateway(world.url, LOG_SQL="on") as chatty:
        token = chatty.login("admin@example.org")
        statements = lambda: len(re.findall(r"event=db\.statement name=(?!session)\S+ lane=(?:read|slow)", chatty.log))  # noqa: E731
        for count in (2, 13):
            chatty.graphql(query % count, None, token)
            before = statements()
            nodes = chatty.graphql(query % count, None, token).data["users"]["nodes"]
            assert sum(len(n["chatMessages"]["nodes"]) for n in nodes) == 2 * (count - 1), nodes
            assert statements() - before == 4, chatty.log[-3000:]  # users, messages, their totals, user
        # Tasks that wait for others, however many: tasks, dependsOn, blockedBy, duplicateOf, createdBy, job, its runs.
        ids = [row[0] for row in psql(world.url, "SELECT id FROM tasks WHERE status = 'pending' ORDER BY id LIMIT 42")]
        psql(world.url, f"UPDATE tasks SET state = 'blocked', depends_on = '{{{ids[40]},{ids[41]}}}', duplicate_of = '{ids[41]}', "
             f"created_by = '{world.me}', job_id = '{JOB}' WHERE id IN ('" + "','".join(ids[:40]) + "')")
        blocked = ("query($ids: [ID!]) { tasks(filter: { ids: $ids }) { nodes { dependsOn { id } why { blockedBy { id } } "
                   "duplicateOf { id } createdBy { name } job { runs(first: 3) { nodes { id } } } } } }")
        for count in (1, 40):
            chatty.graphql(blocked, {"ids": ids[:count]}, token)
            before = statements()
            nodes = chatty.graphql(blocked, {"ids": ids[:count]}, token).data["tasks"]["nodes"]
            assert [sorted(b["id"] for b in n["why"]["blockedBy"]) for n in nodes] == [ids[40:]] * count, nodes[0]
            assert statements() - before == 7, chatty.log[-4000:]
        groups = "{ errorGroups(window: \"90d\") { sample { id job { name } createdBy { name } } } }"
        psql(world.url, f"UPDATE tasks SET finished_at = now(), created_by = '{world.me}', job_id = '{JOB}' WHERE status = 'failed';"
             + recount.PUT_ERROR_GROUPS)
        chatty.graphql(groups, None, token)
        before = statements()
        found = chatty.graphql(groups, None, token).data["errorGroups"]
        assert len(found) == 2 and found[0]["sample"]["createdBy"]["name"] == "Admin", found
        assert statements() - before == 4, chatty.log[-3000:]  # groups, samples, job, createdBy


# ── the audit log ──

def the_audit_log_tells_what_was_done_the_newest_first(world):
    other = create_user(world.gateway, world.admin, "audited@example.org", name="Audited")
    values = ",".join(f"('{uuid_at(T0_MS + n * 60_000)}', '{world.me if n % 2 else other}', 'Somebody', 'test.{'even' if n % 2 == 0 else 'odd'}', "
                      f"'thing:{n % 7}', '{{\"n\": {n}, \"note\": \"100%_\"}}', to_timestamp({T0_MS // 1000 + n * 60}))" for n in range(300))
    psql(world.url, f"INSERT INTO audit_log (id, actor_id, actor_label, action, subject, detail, at) VALUES {values}")
    query = ("query($first: Int, $after: String, $last: Int, $before: String, $subject: String, $actorId: ID, $search: String, "
             "$from: DateTime, $to: DateTime) { auditLog(first: $first, after: $after, last: $last, before: $before, subject: $subject, "
             "actorId: $actorId, search: $search, from: $from, to: $to) { totalCount pageInfo { hasNextPage hasPreviousPage startCursor "
             "endCursor } edges { cursor node { id actor { id name } actorLabel action subject detail at } } } }")
    ask = lambda **v: world.ask(query, v)["auditLog"]  # noqa: E731
    newest = ask(first=1)["edges"][0]["node"]
    assert (newest["action"], newest["subject"], newest["actor"]["name"]) == ("user.create", f"user:{other}", "Admin"), newest
    assert newest["detail"]["email"] == "audited@example.org" and newest["actorLabel"], newest
    at = lambda n: rfc3339(T0_MS + n * 60_000)  # noqa: E731
    cases = [({"search": "TEST.ODD"}, lambda n: n % 2), ({"search": "100%_"}, lambda n: True), ({"search": "0%0"}, lambda n: False),
             ({"subject": "thing:3"}, lambda n: n % 7 == 3), ({"subject": "thing"}, lambda n: False),
             ({"subject": "thing:3", "actorId": world.me}, lambda n: n % 7 == 3 and n % 2),
             ({"from": at(10), "to": at(20), "search": "test."}, lambda n: 10 <= n < 20),
             ({"from": at(290), "to": at(400)}, lambda n: n >= 290), ({"to": at(3), "from": at(-60)}, lambda n: n < 3),
             ({"search": "test.", "actorId": other}, lambda n: n % 2 == 0)]
    for variables, test in cases:
        expected = [n for n in range(299, -1, -1) if test(n)]
        found = ask(first=500, **variables)
        assert [e["node"]["detail"]["n"] for e in found["edges"]] == expected, (variables, found["edges"][:3])
        assert found["totalCount"] == len(expected), variables
        forward, after, backward, before = [], None, [], None
        while expected and (after is None or page["pageInfo"]["hasNextPage"]):
            page = ask(first=17, after=after, **variables)
            forward += [e["node"]["detail"]["n"] for e in page["edges"]]
            after = page["pageInfo"]["endCursor"]
        while expected and (before is None or page["pageInfo"]["hasPreviousPage"]):
            page = ask(last=17, before=before, **variables)
            backward = [e["node"]["detail"]["n"] for e in page["edges"]] + backward
            before = page["pageInfo"]["startCursor"]
        assert forward == backward == expected, variables
    for variables, message in [({"actorId": "x"}, "actorId:"), ({"subject": ""}, "subject:"), ({"search": "x" * 501}, "search:"),
                               ({"after": "x"}, "after:"), ({"first": -1}, "first:"), ({"first": 1, "last": 1}, "first:")]:
        answer = world.graphql(query, variables)
        assert answer.code == "BAD_USER_INPUT" and answer.error["message"].startswith(message), answer.text
    cursor = ask(first=1, subject="thing:3")["pageInfo"]["endCursor"]
    assert "another filter" in world.graphql(query, {"after": cursor}).error["message"]
    # Who is gone is known by his label.
    assert world.ask(f'mutation {{ deleteUser(id: "{other}") }}')["deleteUser"]
    gone = ask(first=1, search="test.even")["edges"][0]["node"]
    assert (gone["actor"], gone["actorLabel"]) == (None, "Somebody"), gone
    psql(world.url, "DELETE FROM audit_log WHERE action LIKE 'test.%'")


# ── the slow lane ──

def what_no_index_serves_ends_in_time_and_hurts_no_other(world):
    """Payloads that take far longer to look through than there is time."""
    psql(world.url, "UPDATE tasks SET payload = payload || jsonb_build_object('text', repeat('0123456789 ', 1200)) "
         "WHERE status = 'completed'")
    with Gateway(world.url, REQUEST_TIMEOUT="2s") as impatient:
        token = impatient.login("admin@example.org")
        ask = lambda query: impatient.graphql(query, None, token)  # noqa: E731
        slow = ['{ tasks(filter: { search: "nowhere" }) { nodes { id } } }',
                '{ tasks(filter: { search: "nowhere" }, orderBy: UPDATED_DESC) { nodes { id } } }',
                '{ tasks(filter: { search: "nowhere" }) { totalCount } }',
                '{ taskCounts(filter: { search: "nowhere" }) { total } }']
        answers = [None] * len(slow)

        def run(i):
            answers[i] = ask(slow[i])
        threads = [threading.Thread(target=run, args=(i,)) for i in range(len(slow))]
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            fast = ask('{ me { name } tasks(first: 5, filter: { status: PENDING }) { nodes { id } } taskCounts { total } }')
            assert fast.code == "ok" and len(fast.data["tasks"]["nodes"]) == 5, fast.text
        for answer in answers:
            assert answer.code == "TIMEOUT" and answer.error["message"].startswith("filter.search:"), answer.text
            assert "createdAfter" in answer.error["message"], answer.text
        # Nothing of it goes on in the server.
        eventually(lambda: psql(world.url, "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' "
                                "AND query LIKE '%FROM \"tasks\" AS t%' AND pid <> pg_backend_pid()") == [["0"]])
        near = rfc3339(T0_MS + (TASKS - 50) * STEP_MS)
        assert ask('{ tasks(filter: { search: "nowhere", createdAfter: "%s", idEndsWith: "00000000" }) { nodes { id } } }'
                   % near).data["tasks"]["nodes"] == []


def main():
    with Postgres(SETTINGS) as postgres, Gateway(postgres.url) as gateway:
        run_tests([
            filters_that_an_index_serves_scan_no_table,
            few_rows_are_read_by_their_index_in_every_order,
            every_order_pages_through_the_same_rows_both_ways,
            a_row_that_moves_does_not_shift_the_others,
            a_cursor_of_another_list_order_or_filter_is_refused,
            a_cursor_with_any_byte_changed_is_refused,
            every_list_refuses_the_same_sizes,
            wrong_searches_and_windows_are_named,
            counts_of_types_and_statuses_come_from_the_counters,
            other_counts_are_exact_to_ten_thousand,
            failures_are_grouped_by_what_their_errors_share,
            groups_of_any_window_equal_a_recount,
            lists_below_users_take_one_statement_a_level,
            the_audit_log_tells_what_was_done_the_newest_first,
            what_no_index_serves_ends_in_time_and_hurts_no_other,
        ], World(postgres, gateway))


if __name__ == "__main__":
    main()
