"""The dashboard's queries with 10,000,000 tasks in the table (BENCH_TASKS: other numbers): CPU of gateway and
PostgreSQL together for one, when nothing is held from before.

The rows are written straight into public.tasks, and the counters from those rows, so that all agree; each answer is
then compared with what a count of the rows gives. A Windlass of its own: the other parts keep theirs small.
"""
import os
import statistics
import sys
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path

import proc
from windlass import Windlass

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "support"))
import recount  # noqa: E402

TASKS = int(os.environ.get("BENCH_TASKS", "10000000"))
DAYS = 90                          # each of the same tasks; the last one ends with the last full hour
TYPES, TEMPLATES = 20, 20          # of tasks; of which each type has so many templates of errors
WAITING, RUNNING = 10_000, 500     # beside those that have ended
USERS, MESSAGES = 1000, 200_000
ROUNDS = 12                        # of each query; the first ones plan
BUDGET_US = 5000                   # of a query
QUICK = ("SET synchronous_commit = off; SET maintenance_work_mem = '1GB'; SET work_mem = '256MB';"
         "SET client_min_messages = error;")

HASH = "((hashint4(n + {salt}) & 2147483647) / 2147483648.0)"
FROM = f"(date_trunc('hour', now()) - interval '{DAYS} days')"
# One in 20 failed; durations are those of the buckets of src/analyst/histogram.h.
DAY = f"""
CREATE UNLOGGED TABLE bench_day AS
SELECT n, 'type-' || floor({TYPES} * power({HASH.format(salt=1)}, 2))::int AS type,
       (CASE WHEN n % 20 = 7 THEN 'failed' ELSE 'completed' END)::task_status AS status,
       CASE WHEN n % 20 = 7 THEN floor({TEMPLATES} * power({HASH.format(salt=2)}, 2))::int END AS template,
       jsonb_build_object('to', 'user' || n || '@example.org', 'n', n) AS payload, at,
       at + wait * interval '1 second' AS started_at, at + (wait + run) * interval '1 second' AS finished_at
FROM (SELECT n, {FROM} + n * interval '{86400 / (TASKS / DAYS)} seconds' AS at,
             round((0.000999 * power(2, floor(24 * {HASH.format(salt=3)}) / 2))::numeric, 6)::float8 AS wait,
             round((0.000999 * power(2, floor(26 * {HASH.format(salt=4)}) / 2))::numeric, 6)::float8 AS run
      FROM generate_series(0, {TASKS // DAYS - 1}) AS n) AS s"""
COLUMNS = ("id, type, status, state, payload, result, error, error_template, attempt, run_at, started_at, finished_at, version,"
           " created_at, updated_at")
ID = "(lpad(to_hex((extract(epoch FROM {at}) * 1000)::int8), 12, '0') || '70008000' || lpad(to_hex({n}), 12, '0'))::uuid"
INSERT = f"""
INSERT INTO tasks ({COLUMNS})
SELECT {ID.format(at='at + shift', n='n')}, type, status, (CASE WHEN template IS NULL THEN 'succeeded' ELSE 'dead' END)::task_state,
       payload, CASE WHEN template IS NULL THEN '{{"ok": true}}'::jsonb END,
       'cannot reach service ' || template || ' after ' || n || ' ms', 'cannot reach service ' || template || ' after <n> ms',
       1, at + shift, started_at + shift, finished_at + shift, n + 1, at + shift, finished_at + shift
FROM (SELECT d * interval '1 day' AS shift FROM generate_series(0, {DAYS - 1}) AS d) AS s, bench_day"""
INSERT_OPEN = f"""
INSERT INTO tasks (id, type, status, state, run_at, version, created_at)
SELECT {ID.format(at='now()', n='n')}, 'type-' || n % {TYPES}, (CASE WHEN n < {RUNNING} THEN 'in-progress' ELSE 'pending' END)::task_status,
       (CASE WHEN n < {RUNNING} THEN 'running' ELSE 'ready' END)::task_state, now(), 1, now()
FROM generate_series(0, {RUNNING + WAITING - 1}) AS n"""
BUCKET = "greatest(0, ceil(2 * ln(greatest({took}, 0.001) / 0.001) / ln(2) - 1e-9))::int"
TOOK = "extract(epoch FROM {})::float8"
WAIT, RUN = TOOK.format("started_at - at"), TOOK.format("finished_at - started_at")
# Of a day, then of all; the days from the hours; all types from each.
EVENTS = [f"""
CREATE UNLOGGED TABLE bench_events_of_day AS
SELECT span_s, date_bin(span_s * interval '1 second', at, 'epoch') AS at, type, what, bucket, count(*) AS n, max(took) AS most
FROM (SELECT at, type, 'created' AS what, 0 AS bucket, NULL::float8 AS took FROM bench_day
      UNION ALL SELECT started_at, type, 'wait', {BUCKET.format(took=WAIT)}, {WAIT} FROM bench_day
      UNION ALL SELECT finished_at, type, status::text, {BUCKET.format(took=RUN)}, {RUN} FROM bench_day) AS e,
     unnest('{{60,300,3600}}'::int4[]) AS s (span_s)
GROUP BY 1, 2, 3, 4, 5""", f"""
CREATE UNLOGGED TABLE bench_events AS
SELECT span_s, at + d * interval '1 day' AS at, type, what, bucket, sum(n)::int8 AS n, max(most) AS most
FROM bench_events_of_day, generate_series(0, {DAYS - 1}) AS d WHERE span_s = 3600 OR d >= {DAYS} - 14
GROUP BY 1, 2, 3, 4, 5""", """
INSERT INTO bench_events SELECT span_s, date_bin(span_s * interval '1 second', created_at, 'epoch'), type, 'created', 0, count(*), NULL
FROM tasks, unnest('{60,300,3600}'::int4[]) AS s (span_s) WHERE status IN ('pending', 'in-progress') GROUP BY 1, 2, 3""", """
INSERT INTO bench_events
SELECT s, date_bin(s * interval '1 second', at, 'epoch'), type, what, bucket, sum(n), max(most)
FROM bench_events, unnest('{86400,864000}'::int4[]) AS s WHERE span_s = 3600 GROUP BY 1, 2, 3, 4, 5""", """
INSERT INTO bench_events SELECT span_s, at, '', what, bucket, sum(n), max(most) FROM bench_events GROUP BY 1, 2, 4, 5""",
          "ANALYZE bench_events"]
# An array has all buckets up to the last one that is not empty.
ARRAY_OF = """
CREATE FUNCTION bench_array(buckets int[], counts int8[]) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE made int8[] := array_fill(0::int8, ARRAY[(SELECT max(b) + 1 FROM unnest(buckets) AS b)]);
BEGIN
    FOR i IN 1 .. cardinality(buckets) LOOP
        made[buckets[i] + 1] := made[buckets[i] + 1] + counts[i];
    END LOOP;
    RETURN made::text;
END $$"""
ARRAY = ("CASE WHEN bool_or({where}) THEN bench_array(array_agg(bucket) FILTER (WHERE {where}), array_agg(n) FILTER (WHERE {where}))"
         " ELSE '{{}}' END")
ROLLUPS = f"""
INSERT INTO task_rollups (span_s, at, type, created, completed, failed, wait, run, wait_max, run_max)
SELECT span_s, at, type, coalesce(sum(n) FILTER (WHERE what = 'created'), 0), coalesce(sum(n) FILTER (WHERE what = 'completed'), 0),
       coalesce(sum(n) FILTER (WHERE what = 'failed'), 0), {ARRAY.format(where="what = 'wait'")},
       {ARRAY.format(where="what IN ('completed', 'failed')")}, max(most) FILTER (WHERE what = 'wait'),
       max(most) FILTER (WHERE what IN ('completed', 'failed'))
FROM bench_events GROUP BY 1, 2, 3"""
COUNTS = "INSERT INTO task_counts (type, status, count) SELECT type, status, count(*) FROM tasks GROUP BY 1, 2"


def load(windlass):
    """Without indexes, log and fsync; then all of it as it is in production."""
    began = time.monotonic()
    for setting in ("fsync = off", "max_wal_size = '8GB'", "autovacuum = off"):
        windlass.sql(f"ALTER SYSTEM SET {setting}")
    windlass.sql("SELECT pg_reload_conf()")
    indexes = windlass.sql("SELECT indexname || '|' || indexdef FROM pg_indexes WHERE schemaname = 'public' AND tablename = 'tasks'"
                           " AND indexname <> 'tasks_pkey'").splitlines()
    drops = "".join(f"DROP INDEX {line.split('|')[0]};" for line in indexes)
    windlass.sql(QUICK + drops + "ALTER TABLE tasks DROP CONSTRAINT tasks_pkey; ALTER TABLE tasks SET UNLOGGED")
    for statement in statements_of(indexes):
        since = time.monotonic()
        windlass.sql((QUICK if not statement.startswith("VACUUM") else "") + statement)
        if os.environ.get("BENCH_VERBOSE"):
            print(f"    {time.monotonic() - since:6.1f} s {' '.join(statement.split())[:80]}", flush=True)
    windlass.sql("ALTER SYSTEM RESET fsync")
    windlass.sql("SELECT pg_reload_conf()")
    print(f"  {TASKS + WAITING + RUNNING:,} tasks in {time.monotonic() - began:.0f} s, " + windlass.sql(
        "SELECT pg_size_pretty(pg_database_size(current_database()))").strip(), flush=True)


def statements_of(indexes):
    """What fills the tables, in order."""
    return [DAY, INSERT, INSERT_OPEN, "ALTER TABLE tasks ADD PRIMARY KEY (id)",
                  *(line.split("|", 1)[1] for line in indexes), COUNTS, *EVENTS, ARRAY_OF, ROLLUPS, recount.PUT_ERROR_GROUPS,
                  "DROP TABLE bench_day, bench_events_of_day, bench_events; DROP FUNCTION bench_array",
                  "INSERT INTO users (id, email, name, password_hash, created_at) SELECT gen_random_uuid(), 'user' || n || '@example.org', "
                  f"'User ' || n, '!', now() - n * interval '2 hours' FROM generate_series(1, {USERS}) AS n",
                  f"INSERT INTO chat_messages (id, role, content, timestamp) SELECT {ID.format(at='at', n='n')}, 'user', md5(n::text), at "
                  f"FROM (SELECT n, now() - n * interval '{DAYS * 86400 / MESSAGES} seconds' AS at "
                  f"FROM generate_series(1, {MESSAGES}) AS n) AS m", "VACUUM (ANALYZE)"]


# ── asking ──

DURATIONS = "{ p50 p90 p99 max }"
FIGURES = f"throughputPerMinute successRate waitSeconds {DURATIONS} runSeconds {DURATIONS}"
STATS = (f"query($w: String) {{ dashboardStats(window: $w) {{ users chatMessages jobs {{ total active paused failed }} tasks "
         f"{{ total pending inProgress completed failed }} {FIGURES} oldestPendingSeconds byType {{ type counts {{ total pending "
         f"inProgress completed failed }} runSeconds {DURATIONS} failureRate }} previous {{ created completed failed {FIGURES} }} "
         "generatedAt source } }")
COUNTS_OF = "query($f: TaskFilter) { taskCounts(filter: $f) { total pending inProgress completed failed exact } }"
ERRORS = ("query($w: String, $t: String, $n: Int) { errorGroups(window: $w, taskType: $t, limit: $n) "
          "{ type template count firstAt lastAt sample { id error } } }")
TRENDS = ("query($m: [TrendMetric!]!, $b: TrendBucket, $f: DateTime, $t: String, $n: Int) { historicalTrends(metrics: $m, bucket: $b, "
          "from: $f, taskType: $t, forecast: $n) { metric points { at value } changePercent slopePerBucket forecast { at value low high } "
          "anomalies { at value } } }")
METRICS = ("TASKS_CREATED", "TASKS_COMPLETED", "TASKS_FAILED", "FAILURE_RATE", "WAIT_P50", "WAIT_P99", "RUN_P50", "RUN_P99",
           "USERS_CREATED", "CHAT_MESSAGES")


def ago(**span):
    return (datetime.now(timezone.utc) - timedelta(**span)).isoformat()


def queries():
    """Name, query, and its variables, of round n: no two ask for the same, so that nothing is held for the second."""
    minutes = {"30m": 30, "11h": 660, "24h": 1440, "7d": 10080, "29d": 29 * 1440, "90d": 90 * 1440 - 20}
    for name, length in minutes.items():
        yield f"dashboardStats {name}", STATS, lambda n, length=length: {"w": f"{length + n}m"}
    for name, of in (("unfiltered", None), ("by type", {"type": ["type-3"]}), ("by status", {"status": ["FAILED"]})):
        yield f"taskCounts {name}", COUNTS_OF, lambda n, of=of: {"f": of}
    for name, length in minutes.items():
        yield f"errorGroups {name}", ERRORS, lambda n, length=length: {"w": f"{length + n}m", "n": 20}
    yield "errorGroups 90d, 100 groups", ERRORS, lambda n: {"w": "90d", "n": 100}
    yield "errorGroups 90d, of a type", ERRORS, lambda n: {"w": "90d", "t": "type-3", "n": 20}
    for metric in METRICS:
        yield f"historicalTrends {metric}, 48 hours", TRENDS, lambda n, m=metric: {"m": [m], "b": "HOUR", "n": 12}
    for bucket, since in (("MINUTE", {"hours": 24}), ("HOUR", {"days": 60}), ("DAY", {"days": 89}), ("WEEK", {"days": 89})):
        for kind in (None, "type-3"):
            yield (f"historicalTrends RUN_P99 {'of a type ' if kind else ''}by {bucket}, from {since}", TRENDS,
                   lambda n, b=bucket, s=since, t=kind: {"m": ["RUN_P99"], "b": b, "f": ago(**s), "t": t, "n": 24})
    yield "historicalTrends of all ten metrics, 48 hours", TRENDS, lambda n: {"m": METRICS, "b": "HOUR", "n": 12}


class Clock:
    """Nanoseconds on a CPU of the gateway and of PostgreSQL, as the scheduler counts them."""

    def __init__(self, windlass):
        roots = windlass.roots()
        self.gateway = [roots["gateway"]]
        self.postgres = proc.tree(roots["postgres"])

    @staticmethod
    def of(pids):
        total = 0
        for pid in pids:
            for file in Path(f"/proc/{pid}/task").glob("*/schedstat"):
                total += int(file.read_text().split()[0])
        return total

    def read(self):
        return self.of(self.gateway), self.of(self.postgres)


def measure(windlass, token, query, variables):
    """Medians of µs on a CPU: gateway, PostgreSQL."""
    gateway, postgres = [], []
    for n in range(ROUNDS):
        clock = Clock(windlass)
        before = clock.read()
        windlass.graphql(query, variables(n), token)
        after = clock.read()
        gateway.append((after[0] - before[0]) / 1000)
        postgres.append((after[1] - before[1]) / 1000)
    return statistics.median(gateway), statistics.median(postgres)


def bench(report, program):
    windlass = Windlass(program)
    try:
        windlass.start()
        token = windlass.set_up()
        load(windlass)
        check(windlass, token)
        ask_all(report, windlass, token)
    finally:
        windlass.remove()


def check(windlass, token):
    """What the answers say, against a count of the rows."""
    def same(what, told, query):
        counted = int(windlass.sql(query))
        if told != counted:
            raise RuntimeError(f"{what}: {told} are told, {counted} counted")

    answer = windlass.graphql(STATS, {"w": "90d"}, token)["dashboardStats"]
    for name, status in (("pending", "pending"), ("inProgress", "in-progress"), ("completed", "completed"), ("failed", "failed")):
        same(name, answer["tasks"][name], f"SELECT count(*) FROM tasks WHERE status = '{status}'")
    groups = windlass.graphql(ERRORS, {"w": "24h", "t": "type-3", "n": 100}, token)["errorGroups"]
    same("errorGroups", sum(g["count"] for g in groups), "SELECT count(*) FROM tasks WHERE status = 'failed' AND type = 'type-3' AND "
         "finished_at >= date_trunc('hour', now() - interval '24 hours')")
    for metric, column in (("TASKS_CREATED", "created_at"), ("TASKS_COMPLETED", "finished_at")):
        trend = windlass.graphql(TRENDS, {"m": [metric], "b": "HOUR", "f": ago(hours=47)}, token)["historicalTrends"][0]
        same(metric, sum(p["value"] for p in trend["points"]), f"SELECT count(*) FROM tasks WHERE {column} >= '{trend['points'][0]['at']}' "
             f"AND {column} <= now()" + (" AND status = 'completed'" if column == "finished_at" else ""))


def ask_all(report, windlass, token):
    for name, query, variables in queries():
        gateway, postgres = measure(windlass, token, query, variables)
        report.note(f"stats.{name}.cpu.gateway", gateway, "us")
        report.note(f"stats.{name}.cpu.postgres", postgres, "us")
        over = " OVER" if gateway + postgres > BUDGET_US else ""
        print(f"  {name:<66} {gateway:>8,.0f} + {postgres:>8,.0f} us{over}", flush=True)
