#!/usr/bin/env python3
"""dashboardStats and historicalTrends, from counters and roll-ups that are put there by SQL.
Usage: gateway_stats_test.py PROGRAM"""

import itertools
import math
import os
import random
import subprocess
import sys
import threading
import time
from datetime import datetime, timezone

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../support"))
from gateway_rig import Gateway, Postgres, at_once, eventually, psql, run_tests  # noqa: E402
from recount import SPANS  # noqa: E402

MINUTE, HOUR, DAY, WEEK = 60, 3600, 86400, 604800
STATS = ("query($window: String) { dashboardStats(window: $window) { users chatMessages jobs { total active paused failed } "
         "tasks { total pending inProgress completed failed exact } window throughputPerMinute successRate "
         "waitSeconds { p50 p90 p99 max } runSeconds { p50 p90 p99 max } oldestPendingSeconds "
         "byType { type counts { total pending failed } runSeconds { p50 max } failureRate } "
         "previous { created completed failed throughputPerMinute successRate waitSeconds { p50 max } runSeconds { p99 } } "
         "generatedAt source } }")
TRENDS = ("query($metrics: [TrendMetric!]!, $bucket: TrendBucket, $from: DateTime, $to: DateTime, $type: String, "
          "$forecast: Int) { historicalTrends(metrics: $metrics, bucket: $bucket, from: $from, to: $to, taskType: $type, "
          "forecast: $forecast) { metric bucket points { at value } changePercent slopePerBucket "
          "forecast { at value low high } anomalies { at value } } }")


def bucket_of(seconds):
    """As src/analyst/histogram.h says."""
    return 0 if seconds <= 0.001 else min(63, math.ceil(2 * math.log2(seconds / 0.001) - 1e-9))


def rfc3339(at_s):
    return datetime.fromtimestamp(at_s, timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.000000Z")


# The rows of all types together, of those of each.
ALL_TYPES = """INSERT INTO task_rollups (span_s, at, type, created, completed, failed, wait, run, wait_max, run_max)
    SELECT r.span_s, r.at, '', sum(r.created), sum(r.completed), sum(r.failed), {wait}, {run}, max(r.wait_max), max(r.run_max)
    FROM task_rollups AS r WHERE r.type <> '' GROUP BY 1, 2
    ON CONFLICT (span_s, at, type, shard) DO UPDATE SET created = excluded.created, completed = excluded.completed,
    failed = excluded.failed""".format(**{name: f"""coalesce((SELECT array_agg(n ORDER BY b)::text FROM (
        SELECT u.b, sum(u.n) AS n FROM task_rollups AS x, unnest(x.{name}::int8[]) WITH ORDINALITY AS u (n, b)
        WHERE x.span_s = r.span_s AND x.at = r.at AND x.type <> '' GROUP BY u.b) AS s), '{{}}')""" for name in ("wait", "run")})


def put_rollups(url, columns, values):
    psql(url, f"TRUNCATE task_rollups; INSERT INTO task_rollups (span_s, at, type, {columns}) VALUES {values}; {ALL_TYPES}")


class World:
    def __init__(self, postgres, gateway):
        self.url, self.gateway = postgres.url, gateway
        self.admin = gateway.set_up()
        self.now = int(time.time())

    def graphql(self, query, variables=None):
        return self.gateway.graphql(query, variables, self.admin)

    def stats(self, window=None):
        return self.graphql(STATS, {"window": window} if window else {}).data["dashboardStats"]

    def trends(self, metrics, **variables):
        return self.graphql(TRENDS, {"metrics": metrics, **variables}).data["historicalTrends"]

    def put(self, events):
        """(seconds ago, type, what, wait, run) into the roll-ups of all spans."""
        rollups = {}
        for ago, kind, what, wait, run in events:
            for span in SPANS:
                at = (self.now - ago) // span * span
                r = rollups.setdefault((span, at, kind), {"created": 0, "completed": 0, "failed": 0, "wait": [0] * 64,
                                                          "run": [0] * 64, "wait_max": -1, "run_max": -1})
                r[what] += 1
                for name, seconds in (("wait", wait), ("run", run)):
                    if seconds is not None:
                        r[name][bucket_of(seconds)] += 1
                        r[name + "_max"] = max(r[name + "_max"], seconds)
        array = lambda counts: "'{" + ",".join(map(str, counts)) + "}'" if any(counts) else "'{}'"  # noqa: E731
        values = ",".join(
            f"({span}, to_timestamp({at}), '{kind}', {r['created']}, {r['completed']}, {r['failed']}, {array(r['wait'])}, "
            f"{array(r['run'])}, nullif({r['wait_max']}, -1), nullif({r['run_max']}, -1))"
            for (span, at, kind), r in rollups.items())
        put_rollups(self.url, "created, completed, failed, wait, run, wait_max, run_max", values)

    def fresh(self, window):
        """The figures once nothing read before now is shown any more."""
        since = datetime.now(timezone.utc)
        return eventually(lambda: (lambda s: s if datetime.fromisoformat(s["generatedAt"]) >= since else None)(
            self.stats(window)))


# ── dashboardStats ──

def an_empty_installation_has_figures_too(world):
    stats = world.fresh("24h")
    assert stats["tasks"] == {"total": 0, "pending": 0, "inProgress": 0, "completed": 0, "failed": 0, "exact": True}
    assert stats["users"] == 1 and stats["chatMessages"] == 0 and stats["jobs"]["total"] == 0
    assert stats["successRate"] is None and stats["throughputPerMinute"] == 0 and stats["oldestPendingSeconds"] is None
    assert stats["waitSeconds"] == {"p50": None, "p90": None, "p99": None, "max": None}
    assert stats["byType"] == [] and stats["window"] == "24h" and stats["source"] == "CACHE"
    assert stats["previous"]["created"] == 0 and stats["previous"]["successRate"] is None


def counts_come_from_the_counters(world):
    psql(world.url, "INSERT INTO task_counts (type, status, count) VALUES ('email', 'pending', 3), ('email', 'failed', 2), "
         "('sync', 'completed', 3000000000), ('sync', 'in-progress', 1);"
         "INSERT INTO jobs (id, name, schedule, task_type, status) SELECT gen_random_uuid(), 'j', '@daily', 't', s "
         "FROM unnest('{active,active,paused,failed}'::job_status[]) AS s;"
         "INSERT INTO chat_messages (id, role, content) SELECT gen_random_uuid(), 'user', 'x' FROM generate_series(1, 7)")
    stats = world.fresh("1h")
    # 2^31 - 1 is the greatest Int.
    assert stats["tasks"] == {"total": 2147483647, "pending": 3, "inProgress": 1, "completed": 2147483647, "failed": 2,
                              "exact": True}, stats["tasks"]
    assert stats["jobs"] == {"total": 4, "active": 2, "paused": 1, "failed": 1}
    assert stats["chatMessages"] == 7
    assert [(t["type"], t["counts"]) for t in stats["byType"]] == [
        ("email", {"total": 5, "pending": 3, "failed": 2}),
        ("sync", {"total": 2147483647, "pending": 0, "failed": 0})], stats["byType"]


def the_oldest_task_that_is_due_is_what_waits(world):
    psql(world.url, "INSERT INTO tasks (id, type, state, status, run_at, created_at) VALUES "
         "('01000000-0000-7000-8000-000000000001', 't', 'scheduled', 'pending', now() + interval '1 h', now() - interval '3 h'),"
         "('01000000-0000-7000-8000-000000000002', 't', 'running', 'in-progress', now(), now() - interval '2 h'),"
         "('01000000-0000-7000-8000-000000000003', 't', 'ready', 'pending', now() - interval '1 h', now() - interval '1 h'),"
         "('01000000-0000-7000-8000-000000000004', 't', 'ready', 'pending', now() - interval '1 m', now() - interval '5 h')")
    oldest = world.fresh("2h")["oldestPendingSeconds"]
    assert 3600 <= oldest < 3600 + 600, oldest
    psql(world.url, "DELETE FROM tasks")


def each_window_adds_up_its_own_spans(world):
    events = []
    for ago in (5 * MINUTE, 10 * MINUTE, 20 * MINUTE, 45 * MINUTE, 5 * HOUR, 20 * HOUR, 30 * HOUR, 3 * DAY, 10 * DAY,
                40 * DAY, 80 * DAY, 100 * DAY):
        events += [(ago, "email", "created", None, None), (ago, "email", "completed", 0.5, 2.0),
                   (ago, "sync", "failed", 8.0, 0.01)]
    world.put(events)
    # window: how many of the moments above it holds, and how many the period before
    for window, now, before in (("30m", 3, 1), ("2h", 4, 0), ("8h", 5, 0), ("24h", 6, 1), ("7d", 8, 1), ("30d", 9, 1),
                                ("90d", 11, 1)):
        stats = world.fresh(window)
        assert stats["window"] == window
        types = {t["type"]: t for t in stats["byType"]}
        previous = stats["previous"]
        assert (previous["created"], previous["completed"], previous["failed"]) == (before,) * 3, (window, previous)
        assert previous["successRate"] == (0.5 if before else None)
        assert stats["successRate"] == 0.5, (window, stats)
        assert types["email"]["failureRate"] == 0 and types["sync"]["failureRate"] == 1
        # The period is the window, and a grain at most.
        unit = {"m": MINUTE, "h": HOUR, "d": DAY}[window[-1]]
        length = int(window[:-1]) * unit
        grain = DAY if length >= 30 * DAY else HOUR if length >= 12 * HOUR else MINUTE
        minutes = now / stats["throughputPerMinute"]
        assert length / 60 - 0.01 <= minutes <= (length + grain) / 60 + 0.2, (window, minutes)


def percentiles_come_from_the_histograms(world):
    world.put([(5 * MINUTE, "email", "completed", n / 10, 2.0) for n in range(1, 101)])
    stats = world.fresh("30m")
    for name, q in (("p50", 5.0), ("p90", 9.0), ("p99", 9.9)):
        assert q / 1.25 < stats["waitSeconds"][name] < q * 1.25, (name, stats["waitSeconds"])
    assert stats["waitSeconds"]["max"] == 10.0
    assert stats["runSeconds"]["max"] == 2.0 and stats["runSeconds"]["p99"] <= 2.0, stats["runSeconds"]
    assert stats["byType"][0]["runSeconds"]["max"] == 2.0


def a_part_that_is_asked_for_alone_is_that_of_the_whole(world):
    fields = {name: name for name in ("users", "chatMessages", "successRate", "window", "source", "__typename")}
    fields |= {"jobs": "jobs { total }", "tasks": "tasks { total failed }", "waitSeconds": "waitSeconds { p50 max }",
               "runSeconds": "runSeconds { p99 }", "previous": "previous { created failed successRate }",
               "byType": "byType { type counts { total } runSeconds { p50 } failureRate }"}
    for minutes, (name, text) in enumerate(fields.items(), 61):  # each of a window that nobody has asked for
        query = "{ dashboardStats(window: \"%dm\") { %s } }"
        for _ in range(2):  # once more when the minute changed between
            minute = time.time() // MINUTE
            alone = world.graphql(query % (minutes, text)).data["dashboardStats"]
            whole = world.graphql(query % (minutes, " ".join(fields.values()))).data["dashboardStats"]
            again = world.graphql(query % (minutes, text)).data["dashboardStats"]  # of the whole, which is held
            if time.time() // MINUTE == minute:
                break
        assert alone[name] == whole[name] and whole["tasks"]["total"] > 0 and whole["byType"], (alone, whole)
        assert again == alone, (again, alone)


def hold(url, table):
    """A psql that keeps everybody from the table until its input ends."""
    holder = subprocess.Popen(["psql", "-XqAt", url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    holder.stdin.write(f"BEGIN; LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE; SELECT 'held';\n")
    holder.stdin.flush()
    assert holder.stdout.readline().strip() == "held"
    return holder


def what_is_fresh_waits_for_no_reading_that_is_under_way(world):
    with Gateway(world.url, GATEWAY_LOOPS="1", REQUEST_TIMEOUT="2s") as gateway:
        token = gateway.login("admin@example.org")
        ask = "query($w: String) { dashboardStats(window: $w) { %s } }"

        def is_answered(window):
            """False also where the reading was not fresh any more."""
            with hold(world.url, "jobs") as holder:
                whole = threading.Thread(target=lambda: gateway.graphql(ask % "users tasks { total }", window, token))
                assert gateway.graphql(ask % "tasks { total }", window, token).code == "ok"
                whole.start()
                eventually(lambda: psql(world.url, "SELECT 1 FROM pg_locks WHERE NOT granted"))
                answer = gateway.graphql(ask % "tasks { total }", window, token)
                holder.stdin.close()
                whole.join()
            return answer.code == "ok"
        assert any(is_answered({"w": f"{minutes}m"}) for minutes in range(300, 310))


def messages_are_estimated_only_where_there_is_something_to_go_by(world):
    psql(world.url, "ALTER TABLE chat_messages SET (autovacuum_enabled = false)")
    add = ("INSERT INTO chat_messages (id, role, content) SELECT gen_random_uuid(), 'user', 'more' FROM generate_series(1, 21000)")
    count = lambda window: world.graphql("query($w: String) { dashboardStats(window: $w) { chatMessages } }",  # noqa: E731
                                         {"w": window}).data["dashboardStats"]["chatMessages"]
    try:
        psql(world.url, add)
        many = int(psql(world.url, "SELECT count(*) FROM chat_messages")[0][0])
        assert many >= 21000 and count("401m") == many
        psql(world.url, f"ANALYZE chat_messages; {add}")
        assert abs(count("402m") - many - 21000) < many / 10, count("402m")
    finally:
        psql(world.url, "DELETE FROM chat_messages WHERE content = 'more'; VACUUM ANALYZE chat_messages; "
                        "ALTER TABLE chat_messages RESET (autovacuum_enabled)")


def nothing_is_read_that_is_not_asked_for(world):
    with Gateway(world.url, LOG_SQL="on", GATEWAY_LOOPS="1") as chatty:
        token = chatty.login("admin@example.org")
        for text, statements in (("users", 1), ("oldestPendingSeconds", 1), ("tasks { total }", 1), ("successRate", 1), ("byType { type }", 2), ("generatedAt", 1),
                                 ("users tasks { total } previous { created }", 3)):
            before = chatty.log.count("name=stats_")
            chatty.graphql("query($w: String) { dashboardStats(window: $w) { %s } }" % text, {"w": f"{70 + len(text)}m"}, token)
            assert chatty.log.count("name=stats_") - before == statements, text


def a_wrong_window_is_refused_and_told_what_is_allowed(world):
    for bad in ("", "h", "0h", "91d", "2161h", "129601m", "-1h", "1w", "24", "1.5h", "24H", "24h ", "9999999h", "24h\u0000"):
        answer = world.graphql(STATS, {"window": bad})
        assert answer.code == "BAD_USER_INPUT", (bad, answer.text)
        assert answer.error["message"] == ("window: must be 1m to 90d: a number and m, h or d, such as 30m, 24h or 7d"), answer.text
    for good in ("1m", "90d", "2160h", "129600m"):
        assert world.stats(good)["window"] == good
    assert world.graphql(STATS, {"window": None}).data["dashboardStats"]["window"] == "24h"


def one_reading_serves_all_who_ask_together(world):
    with Gateway(world.url, LOG_SQL="on", GATEWAY_LOOPS="1") as chatty:
        token = chatty.login("admin@example.org")
        windows = ["7d"] * 20 + [f"{n}m" for n in range(10, 29)]  # more windows than are kept
        answers = at_once(len(windows), lambda i: chatty.graphql(STATS, {"window": windows[i]}, token))
        assert [a.data["dashboardStats"]["window"] for a in answers] == windows
        readings = chatty.log.count("name=stats_rollups")
        assert 20 <= readings < len(windows), readings
        assert "count(*) FROM tasks" not in chatty.log


def figures_fail_together_with_the_database(world):
    with Gateway(world.url, GATEWAY_LOOPS="1", REQUEST_TIMEOUT="1s") as gateway:
        token = gateway.login("admin@example.org")
        psql(world.url, "ALTER TABLE task_rollups RENAME TO hidden")
        try:
            answers = at_once(5, lambda _: gateway.graphql(STATS, {"window": "3h"}, token))
            assert {a.code for a in answers} == {"INTERNAL"}, [a.text for a in answers]
        finally:
            psql(world.url, "ALTER TABLE hidden RENAME TO task_rollups")
        assert gateway.graphql(STATS, {"window": "3h"}, token).code == "ok"


# ── historicalTrends ──

def put_hours(world, values, what="created"):
    """The last hour that is over comes last."""
    hour = int(time.time()) // HOUR * HOUR
    rows = ",".join(f"(3600, to_timestamp({hour - (len(values) - i) * HOUR}), '{kind}', {n})"
                    for i, n in enumerate(values) for kind in ("email", "sync"))
    put_rollups(world.url, what, rows)
    return hour


def points_have_no_holes_and_begin_at_whole_buckets(world):
    day = int(time.time()) // DAY * DAY
    put_rollups(world.url, "created, completed, failed", f"(86400, to_timestamp({day - 2 * DAY}), 'email', 5, 3, 1), "
                f"(86400, to_timestamp({day - 2 * DAY}), 'sync', 1, 0, 0)")
    metrics = ["TASKS_CREATED", "TASKS_COMPLETED", "TASKS_FAILED", "FAILURE_RATE", "WAIT_P50", "USERS_CREATED"]
    trends = world.trends(metrics, bucket="DAY", **{"from": rfc3339(day - 4 * DAY + 100)})
    assert [t["metric"] for t in trends] == metrics and {t["bucket"] for t in trends} == {"DAY"}
    for trend in trends:
        assert [p["at"] for p in trend["points"]] == [rfc3339(day - n * DAY) for n in (4, 3, 2, 1, 0)]
    values = {t["metric"]: [p["value"] for p in t["points"]] for t in trends}
    assert values["TASKS_CREATED"] == [0, 0, 6, 0, 0] and values["TASKS_COMPLETED"] == [0, 0, 3, 0, 0]
    assert values["FAILURE_RATE"] == [None, None, 0.25, None, None]
    assert values["WAIT_P50"] == [None] * 5 and values["USERS_CREATED"] == [0, 0, 0, 0, 1]
    one = world.trends(["TASKS_CREATED"], bucket="DAY", type="sync", **{"from": rfc3339(day - 2 * DAY)})
    assert [p["value"] for p in one[0]["points"]] == [1, 0, 0]
    # A gap is not zero.
    psql(world.url, f"INSERT INTO task_rollups (span_s, at, type, is_gap) VALUES (86400, to_timestamp({day - DAY}), '', true)")
    gap = world.trends(["TASKS_CREATED", "FAILURE_RATE"], bucket="DAY", type="sync", **{"from": rfc3339(day - 2 * DAY)})
    assert [p["value"] for p in gap[0]["points"]] == [1, None, 0], gap


def weeks_begin_on_monday_and_add_up_days(world):
    monday = (int(time.time()) - 4 * DAY) // WEEK * WEEK + 4 * DAY
    assert datetime.fromtimestamp(monday, timezone.utc).weekday() == 0
    put_rollups(world.url, "created", ",".join(
        f"(86400, to_timestamp({monday - 2 * WEEK + n * DAY}), 'email', {10 ** n})" for n in range(8)))
    trend = world.trends(["TASKS_CREATED"], bucket="WEEK", **{"from": rfc3339(monday - 2 * WEEK + 3 * DAY)})[0]
    assert [(p["at"], p["value"]) for p in trend["points"]] == [
        (rfc3339(monday - 2 * WEEK), 1111111), (rfc3339(monday - WEEK), 10000000), (rfc3339(monday), 0)], trend
    assert len(world.trends(["TASKS_CREATED"], bucket="WEEK")[0]["points"]) == 12


def quantiles_come_from_the_histograms_of_all_types(world):
    hour = int(time.time()) // HOUR * HOUR
    counts = [0] * 64
    counts[bucket_of(2.0)] = 99
    counts[bucket_of(60.0)] = 3
    array = "{" + ",".join(map(str, counts)) + "}"
    put_rollups(world.url, "run, wait", ",".join(f"(3600, to_timestamp({hour - HOUR}), '{kind}', '{array}', '{{}}')"
                                                 for kind in ("email", "sync")))
    trends = world.trends(["RUN_P50", "RUN_P99", "WAIT_P99"], **{"from": rfc3339(hour - HOUR)})
    p50, p99, wait = (t["points"][0]["value"] for t in trends)
    assert 2.0 / 1.42 < p50 < 2.0 * 1.42 and 60 / 1.42 < p99 < 60 * 1.42 and wait is None, trends
    database = psql(world.url, "SELECT current_database()")[0][0]
    psql(world.url, f'ALTER DATABASE "{database}" SET bytea_output = escape')
    try:
        with Gateway(world.url) as other:  # how the server writes bytes must not matter
            again = other.graphql(TRENDS, {"metrics": ["RUN_P50"], "from": rfc3339(hour - HOUR)}, other.login("admin@example.org"))
            assert again.data["historicalTrends"][0]["points"][0] == trends[0]["points"][0], again.text
    finally:
        psql(world.url, f'ALTER DATABASE "{database}" RESET bytea_output')


def users_and_messages_are_counted_by_their_own_time(world):
    day = int(time.time()) // DAY * DAY
    psql(world.url, "DELETE FROM chat_messages; INSERT INTO chat_messages (id, role, content, timestamp) SELECT "
         f"(lpad(to_hex((extract(epoch FROM at) * 1000)::int8), 12, '0') || '70008000000000000' || lpad(n::text, 3, '0'))::uuid, "
         f"'user', 'x', at FROM (SELECT n, to_timestamp({day}) - (n % 3) * interval '1 day' AS at FROM generate_series(1, 9) AS n) AS m")
    trend = world.trends(["CHAT_MESSAGES"], bucket="DAY", **{"from": rfc3339(day - 3 * DAY)})[0]
    assert [p["value"] for p in trend["points"]] == [0, 3, 3, 3], trend
    assert [p["value"] for p in world.trends(["USERS_CREATED"], bucket="DAY")[0]["points"]] == [0] * 29 + [1]


def a_rise_a_spike_and_what_comes_next_are_told(world):
    values = [100 + 2 * n for n in range(60)]
    values[40] = 5000
    hour = put_hours(world, values)
    trend = world.trends(["TASKS_CREATED"], type="email", forecast=5, **{"from": rfc3339(hour - 60 * HOUR)})[0]
    assert len(trend["points"]) == (61 if int(time.time()) // HOUR * HOUR == hour else 62)
    assert abs(trend["slopePerBucket"] - 2) < 0.2, trend["slopePerBucket"]
    assert trend["changePercent"] > 30, trend["changePercent"]
    assert [p for p in trend["anomalies"]] == [{"at": rfc3339(hour - 20 * HOUR), "value": 5000}], trend["anomalies"]
    ahead = trend["forecast"]
    assert [p["at"] for p in ahead] == [rfc3339(hour + n * HOUR) for n in range(5)], ahead
    assert all(p["low"] <= p["value"] <= p["high"] and 180 < p["value"] < 280 for p in ahead), ahead
    # The hour that has just begun is no fall.
    steady = put_hours(world, [50] * 48) and world.trends(["TASKS_CREATED"], type="email")[0]
    assert steady["anomalies"] == [] and steady["changePercent"] == 0 and steady["forecast"] == [], steady


def too_little_says_nothing(world):
    hour = put_hours(world, [1, 2])
    trend = world.trends(["TASKS_CREATED"], forecast=5, **{"from": rfc3339(hour - 2 * HOUR)})[0]
    assert trend["forecast"] == [] == trend["anomalies"] and trend["slopePerBucket"] is None, trend
    now = world.trends(["TASKS_CREATED"], bucket="DAY", **{"from": rfc3339(int(time.time()) - 1)})[0]
    assert now["changePercent"] is None and len(now["points"]) in (1, 2), now


def wrong_arguments_are_named(world):
    now = int(time.time())
    cases = [
        ("metrics:", {"metrics": []}), ("metrics:", {"metrics": ["RUN_P50"] * 11}),
        ("forecast:", {"forecast": -1}), ("forecast:", {"forecast": 501}),
        ("taskType:", {"type": "x" * 801}), ("taskType:", {"type": "a\u0000b"}),
        ("from: must be before now", {"from": rfc3339(now + 100)}),
        ("from: must be before to", {"from": rfc3339(now - 50), "to": rfc3339(now - 100)}),
        ("from: must be before to", {"from": rfc3339(now - 100), "to": rfc3339(now - 100)}),
        ("from: at most 1500 points", {"bucket": "MINUTE", "from": rfc3339(now - 1501 * MINUTE)}),
        ("from: at most 1500 points", {"from": "0001-01-01T00:00:00Z"}),
    ]
    for message, variables in cases:
        answer = world.graphql(TRENDS, {"metrics": ["TASKS_CREATED"], **variables})
        assert answer.code == "BAD_USER_INPUT" and answer.error["message"].startswith(message), (message, answer.text)
    longest = world.trends(["TASKS_CREATED"] * 10, bucket="MINUTE", forecast=500, **{"from": rfc3339(now - 1440 * MINUTE)})
    assert len(longest) == 10 and all(1440 <= len(t["points"]) <= 1442 for t in longest)
    future = world.trends(["TASKS_CREATED"], **{"from": rfc3339(now - HOUR), "to": "9999-12-31T00:00:00Z"})[0]
    assert len(future["points"]) in (2, 3)


# ── against a recount ──

BUCKETS = {"MINUTE": MINUTE, "HOUR": HOUR, "DAY": DAY, "WEEK": WEEK}
COUNTED = {"TASKS_CREATED": "created", "TASKS_COMPLETED": "completed", "TASKS_FAILED": "failed"}
ENDED = ("completed", "failed")


def begin_of(at_us, span_s):
    """The first second of the span; weeks begin on Monday, and 1970 on a Thursday."""
    shift = 4 * DAY if span_s == WEEK else 0
    return (at_us // 1_000_000 - shift) // span_s * span_s + shift


def events_at_edges(now):
    """(microseconds, type, what, seconds): at random, and around the ends of minutes, hours, days and weeks."""
    dice, events = random.Random(7), []
    moments = [dice.randrange((now - 20 * DAY) * 1_000_000, now * 1_000_000) for _ in range(400)]
    for span in BUCKETS.values():
        edge = begin_of(now * 1_000_000, span) * 1_000_000
        moments += [edge - n * span * 1_000_000 + off for n in range(3) for off in (-1, 0, 1)]
    for at_us in moments:
        if at_us <= now * 1_000_000:
            kind, took = dice.choice(("email", "sync", "naïve 'type'")), round(2 ** dice.uniform(-12, 12), 6)
            events += [(at_us, kind, what, took) for what in ("created", "wait", dice.choice(("completed", *ENDED)))]
    return events


def put_events(url, events):
    rows = {}
    for at_us, kind, what, took in events:
        for span in SPANS:
            row = rows.setdefault((span, begin_of(at_us, span), kind),
                                  {"created": 0, "completed": 0, "failed": 0, "wait": [0] * 64, "run": [0] * 64})
            if what != "wait":
                row[what] += 1
            if what != "created":
                row["wait" if what == "wait" else "run"][bucket_of(took)] += 1
    values = []
    for (span, at, kind), row in rows.items():
        arrays = ["'{" + ",".join(map(str, row[name])) + "}'" for name in ("wait", "run")]
        values.append(f"({span}, to_timestamp({at}), $t${kind}$t$, {row['created']}, {row['completed']}, {row['failed']}, "
                      + ", ".join(arrays) + ")")
    put_rollups(url, "created, completed, failed, wait, run", ",".join(values))


def took_of(metric, events):
    """The durations that a metric is about, in order."""
    kinds = ("wait",) if metric.startswith("WAIT") else ENDED
    return sorted(e[3] for e in events if e[2] in kinds)


def check_point(metric, value, events):
    """One bucket's value, against its events."""
    told = (metric, value, events)
    if metric in COUNTED:
        assert value == sum(e[2] == COUNTED[metric] for e in events), told
        return
    took = took_of(metric, events)
    if not took:
        assert value is None, told
    elif metric == "FAILURE_RATE":
        assert value == sum(e[2] == "failed" for e in events) / len(took), told
    else:  # as exact as the histogram's buckets are, and a rank beside
        place = int(len(took) * int(metric[-2:]) / 100)
        low, high = took[max(0, min(place, len(took) - 1) - 1)], took[min(len(took) - 1, place + 1)]
        assert low / 1.42 - 0.001 <= value <= high * 1.42 + 0.001, told


def check_trends(gateway, token, events, now):
    metrics = [*COUNTED, "FAILURE_RATE", "WAIT_P50", "WAIT_P99", "RUN_P50", "RUN_P99"]
    for (bucket, span), kind in itertools.product(BUCKETS.items(), (None, "email", "naïve 'type'", "unknown")):
        since = now - min(20 * DAY, 1400 * span)
        trends = gateway.graphql(TRENDS, {"metrics": metrics, "bucket": bucket, "type": kind, "from": rfc3339(since)},
                                 token).data["historicalTrends"]
        by_bucket = {}
        for event in events:
            if kind in (None, event[1]):
                by_bucket.setdefault(begin_of(event[0], span), []).append(event)
        for trend in trends:
            points = {int(datetime.fromisoformat(p["at"]).timestamp()): p["value"] for p in trend["points"]}
            assert min(points) == begin_of(since * 1_000_000, span) and max(points) >= begin_of(now * 1_000_000, span)
            assert len(points) == (max(points) - min(points)) // span + 1
            for at, value in points.items():
                check_point(trend["metric"], value, by_bucket.get(at, []))


def check_windows(gateway, token, events):
    for window, grain in (("45m", MINUTE), ("11h", MINUTE), ("12h", HOUR), ("3d", HOUR), ("29d", HOUR)):
        stats = gateway.graphql(STATS, {"window": window}, token).data["dashboardStats"]
        unit = {"m": MINUTE, "h": HOUR, "d": DAY}[window[-1]]
        generated = datetime.fromisoformat(stats["generatedAt"]).timestamp()
        since = begin_of(int((generated - int(window[:-1]) * unit) * 1_000_000), grain)
        inside = [e for e in events if e[0] >= since * 1_000_000]
        ended = [e[2] for e in inside if e[2] in ENDED]
        assert stats["successRate"] == (ended.count("completed") / len(ended) if ended else None), (window, stats)
        for entry in stats["byType"]:
            ended = [e[2] for e in inside if e[2] in ENDED and e[1] == entry["type"]]
            assert entry["failureRate"] == (ended.count("failed") / len(ended) if ended else None), (window, entry)


def every_metric_in_every_bucket_equals_a_recount(world):
    """In a database and a process of other time zones: the API's days are UTC's."""
    database = psql(world.url, "SELECT quote_ident(current_database())")[0][0]
    psql(world.url, f"ALTER DATABASE {database} SET timezone = 'Asia/Kathmandu'")
    now = int(time.time())
    events = events_at_edges(now)
    put_events(world.url, events)
    with Gateway(world.url, TZ="America/St_Johns", MINUTES_RETENTION="30d") as gateway:
        token = gateway.login("admin@example.org")
        check_trends(gateway, token, events, now)
        check_windows(gateway, token, events)
    psql(world.url, f"ALTER DATABASE {database} RESET timezone")


# ── what is kept ──

def old_figures_go_and_trends_show_no_points_there(world):
    now = int(time.time())
    minute, hour, day = now // MINUTE * MINUTE, now // HOUR * HOUR, now // DAY * DAY
    psql(world.url, f"""TRUNCATE task_rollups, error_rollups, error_groups, task_failures;
        INSERT INTO task_rollups (span_s, at, type, created)
        SELECT 60, to_timestamp({minute} - n * 60), t, 1 FROM generate_series(0, {3 * 1440}) AS n, unnest('{{email,""}}'::text[]) AS t;
        INSERT INTO task_rollups (span_s, at, type, created)
        SELECT 3600, to_timestamp({hour} - n * 3600), '', 1 FROM generate_series(0, {70 * 24}) AS n;
        INSERT INTO task_rollups (span_s, at, type, created)
        SELECT 86400, to_timestamp({day} - n * 86400), '', 1 FROM generate_series(0, 1000) AS n;
        INSERT INTO error_groups (id, type, template) VALUES (1, 't', 'kept'), (2, 't', 'gone');
        INSERT INTO task_failures (id, group_id, at) VALUES ('01000000-0000-7000-8000-000000000001', 1, now());
        INSERT INTO error_rollups (span_s, at, group_id, count)
        SELECT s, to_timestamp({minute} - 30 - n * 86400), 1, 1 FROM generate_series(0, 120) AS n, unnest('{{60,300,3600,86400}}'::int[]) AS s""")
    count = lambda table, span: int(psql(world.url, f"SELECT count(*) FROM {table} WHERE span_s = {span}")[0][0])  # noqa: E731
    with Gateway(world.url, MINUTES_RETENTION="2d", HOURS_RETENTION="62d") as gateway:
        token = gateway.login("admin@example.org")
        # Kind by kind, one a second; and the world's own gateway may come to the groups before.
        eventually(lambda: psql(world.url, "SELECT template FROM error_groups") == [["kept"]])
        # As of a version that did not note it.
        eventually(lambda: psql(world.url, "SELECT last_id, first_at = last_at FROM error_groups")
                   == [["01000000-0000-7000-8000-000000000001", "t"]])
        eventually(lambda: count("task_rollups", 60) <= 2 * (2 * 1440 + 1))
        assert count("task_rollups", 60) >= 2 * (2 * 1440 - 10), count("task_rollups", 60)
        eventually(lambda: count("task_rollups", 3600) <= 62 * 24 + 1)
        assert count("task_rollups", 3600) >= 62 * 24 - 1, count("task_rollups", 3600)
        assert count("task_rollups", 86400) == 1001
        eventually(lambda: [count("error_rollups", span) for span in (60, 300, 3600, 86400)] == [2, 2, 12, 110])
        trend = gateway.graphql(TRENDS, {"metrics": ["TASKS_CREATED"], "bucket": "MINUTE", "from": rfc3339(minute - 2 * DAY - HOUR),
                                         "to": rfc3339(minute - 2 * DAY + HOUR)}, token).data["historicalTrends"][0]
        values = [p["value"] for p in trend["points"]]
        assert set(values[:50]) == {None} and set(values[-50:]) == {1}, values


def main():
    with Postgres() as postgres, Gateway(postgres.url) as gateway:
        run_tests([
            an_empty_installation_has_figures_too,
            counts_come_from_the_counters,
            the_oldest_task_that_is_due_is_what_waits,
            each_window_adds_up_its_own_spans,
            percentiles_come_from_the_histograms,
            a_part_that_is_asked_for_alone_is_that_of_the_whole,
            what_is_fresh_waits_for_no_reading_that_is_under_way,
            messages_are_estimated_only_where_there_is_something_to_go_by,
            nothing_is_read_that_is_not_asked_for,
            a_wrong_window_is_refused_and_told_what_is_allowed,
            one_reading_serves_all_who_ask_together,
            figures_fail_together_with_the_database,
            points_have_no_holes_and_begin_at_whole_buckets,
            weeks_begin_on_monday_and_add_up_days,
            quantiles_come_from_the_histograms_of_all_types,
            users_and_messages_are_counted_by_their_own_time,
            a_rise_a_spike_and_what_comes_next_are_told,
            too_little_says_nothing,
            wrong_arguments_are_named,
            every_metric_in_every_bucket_equals_a_recount,
            old_figures_go_and_trends_show_no_points_there,
        ], World(postgres, gateway))


if __name__ == "__main__":
    main()
