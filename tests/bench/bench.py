#!/usr/bin/env python3
"""Measures Windlass on this machine, beside peers in the same run.

Usage: tests/bench/bench.py [--build FOLDER] [--seconds N] [PART...]

Prints a table and writes FOLDER/bench.json, a list of {name, value, unit, peer, peer_value, ratio}; the
ratio is value / peer_value. It starts its own Windlass on a scratch folder and a free port. wrk, Windlass
and PostgreSQL share the machine, so requests a second is what the whole machine gives; the CPU time of a
request tells more about the program. Nothing here is a test: what is promised is tested elsewhere.
"""
import argparse
import json
import os
import random
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import engine
import graphql
import mirror
import proc
import queue_bench
import stats
import tasks
from windlass import Windlass

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
CONNECTIONS = 64
USERS = 1000
PGBENCH_CLIENTS = 10
WARM_SECONDS = 2
# The user of number n; the same expression makes the rows and lets pgbench choose one.
USER_ID = "(overlay(overlay(md5('user' || {n}) placing '7' from 13) placing '8' from 17))::uuid"

POINT_READ = "SELECT id, email, name, role, created_at FROM users WHERE id = {id}"
PGBENCH = f"pgbench -M prepared, {PGBENCH_CLIENTS} clients"


class Report:
    def __init__(self):
        self.rows = []

    def note(self, name, value, unit, peer=None, peer_value=None):
        """Into bench.json alone."""
        row = {"name": name, "value": round(value, 3), "unit": unit, "peer": peer,
               "peer_value": None if peer_value is None else round(peer_value, 3),
               "ratio": round(value / peer_value, 3) if peer_value else None}
        self.rows.append(row)
        return row

    def add(self, name, value, unit, peer=None, peer_value=None):
        row = self.note(name, value, unit, peer, peer_value)
        beside = f"{row['peer_value']:>12,} {peer} (x {row['ratio']})" if peer else ""
        print(f"  {name:<34} {row['value']:>12,} {unit:<8} {beside}", flush=True)


def wrk(windlass, token, bodies, seconds):
    """One run of wrk over the bodies: its figures and the CPU of gateway and PostgreSQL meanwhile."""
    with tempfile.NamedTemporaryFile("w", suffix=".bodies") as file:
        file.write("\n".join(json.dumps(body) for body in bodies))
        file.flush()
        roots = windlass.roots()
        before = {name: proc.cpu_seconds(pid) for name, pid in roots.items() if name != "up"}
        output = subprocess.run(
            ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "-s", str(HERE / "bench.lua"),
             windlass.url + "/graphql"], check=True, stdout=subprocess.PIPE, text=True,
            env={**os.environ, "BODIES": file.name, "TOKEN": token}).stdout
        after = {name: proc.cpu_seconds(pid) for name, pid in roots.items() if name != "up"}
    figures = json.loads(re.search(r"FIGURES (\{.*\})", output).group(1))
    if figures["errors"] or not figures["requests"]:
        raise RuntimeError(f"wrk saw errors:\n{output}")
    figures["cpu_us"] = {name: 1e6 * (after[name] - before[name]) / figures["requests"]
                         for name in before}
    return figures


def report_load(report, name, figures, peers=None):
    peers = peers or {}
    report.add(f"{name}.requests", figures["requests"] / figures["duration_us"] * 1e6, "1/s",
               *peers.get("requests", ()))
    report.add(f"{name}.p50", figures["p50_us"] / 1000, "ms", *peers.get("p50", ()))
    report.add(f"{name}.p99", figures["p99_us"] / 1000, "ms")
    report.add(f"{name}.cpu.gateway", figures["cpu_us"]["gateway"], "us/req")
    if "postgres" in figures["cpu_us"]:
        report.add(f"{name}.cpu.postgres", figures["cpu_us"]["postgres"], "us/req",
                   *peers.get("cpu.postgres", ()))


def bench_typename(report, windlass, token, seconds):
    """{ __typename }, signed in: HTTP, credential and engine, no data."""
    bodies = [{"query": "{ __typename }"}]
    wrk(windlass, token, bodies, WARM_SECONDS)
    report_load(report, "typename", wrk(windlass, token, bodies, seconds))


def pgbench(windlass, seconds):
    """The same select by pgbench: per second, mean latency, and PostgreSQL's CPU for one."""
    with tempfile.NamedTemporaryFile("w", suffix=".sql") as script:
        script.write(f"\\set n random(1, {USERS})\n"
                     f"{POINT_READ.format(id=USER_ID.format(n=':n'))};\n")
        script.flush()
        os.chmod(script.name, 0o644)
        postgres = windlass.roots()["postgres"]
        before = proc.cpu_seconds(postgres)
        binary = Path("/usr/lib/postgresql/15/bin/pgbench")
        output = subprocess.run(
            [str(binary) if binary.exists() else "pgbench", "-n", "-M", "prepared",
             "-c", str(PGBENCH_CLIENTS), "-j", "1", "-T", str(seconds), "-f", script.name],
            check=True, env=windlass.database_environment(), stdout=subprocess.PIPE, text=True).stdout
        used = proc.cpu_seconds(postgres) - before
    count = int(re.search(r"transactions actually processed: (\d+)", output).group(1))
    return {"requests": float(re.search(r"tps = ([\d.]+)", output).group(1)),
            "mean_ms": float(re.search(r"latency average = ([\d.]+) ms", output).group(1)),
            "cpu_us": 1e6 * used / count}


def make_users(windlass):
    windlass.sql("INSERT INTO users (id, email, name, password_hash) SELECT "
                 f"{USER_ID.format(n='n')}, 'user' || n || '@example.org', 'User ' || n, '!' "
                 f"FROM generate_series(1, {USERS}) AS n ON CONFLICT DO NOTHING")
    windlass.sql("ANALYZE users")


def bench_point_read(report, windlass, token, seconds):
    """user(id), signed in, a random one of 1,000, beside pgbench with the same select."""
    make_users(windlass)
    ids = windlass.sql("SELECT id FROM users WHERE password_hash = '!'").split()
    query = "query User($id: ID!) { user(id: $id) { id email name role createdAt } }"
    bodies = [{"query": query, "variables": {"id": random.choice(ids)}} for _ in range(2000)]
    windlass.graphql(query, bodies[0]["variables"], token)
    wrk(windlass, token, bodies, WARM_SECONDS)
    figures = wrk(windlass, token, bodies, seconds)
    peer = pgbench(windlass, seconds)
    report_load(report, "point-read", figures,
                {"requests": (PGBENCH, peer["requests"]), "p50": (PGBENCH + ", mean", peer["mean_ms"]),
                 "cpu.postgres": (PGBENCH, peer["cpu_us"])})


def bench_read_lane(report, windlass, _token, seconds):
    """The same select through the read lane alone: one connection, as many callers as above."""
    make_users(windlass)
    postgres = windlass.roots()["postgres"]
    before = proc.cpu_seconds(postgres)
    output = subprocess.run(
        [str(Path(windlass.program).parent / "tests/bench/db_read_bench"), "postgresql://",
         POINT_READ.format(id=USER_ID.format(n="$1::int")), str(USERS), "1", str(CONNECTIONS),
         str(seconds)], check=True, env=windlass.database_environment(), stdout=subprocess.PIPE,
        text=True).stdout
    used = proc.cpu_seconds(postgres) - before
    figures = json.loads(output)
    peer = pgbench(windlass, seconds)
    report.add("read-lane.requests", figures["reads"] / figures["seconds"], "1/s", PGBENCH,
               peer["requests"])
    report.add("read-lane.cpu.client", figures["cpu_us"], "us")
    report.add("read-lane.cpu.postgres", 1e6 * used / figures["reads"], "us", PGBENCH, peer["cpu_us"])
    report.add("read-lane.reads-per-sync", figures["reads_per_sync"], "")


TASKS = 100_000
# Ids in order of creation, a task every 26 s of the last month; one in ten is pending.
MAKE_TASKS = f"""
INSERT INTO tasks (id, type, status, state, priority, payload, result, error, created_at, updated_at)
SELECT (lpad(to_hex((extract(epoch FROM at) * 1000)::int8), 12, '0') || '70008000' || lpad(to_hex(n), 12, '0'))::uuid,
       (ARRAY['email', 'report', 'data-processing', 'backup', 'notification', 'image-resize', 'sync', 'cleanup'])[1 + n % 8],
       CASE n % 20 WHEN 0 THEN 'pending' WHEN 1 THEN 'pending' WHEN 2 THEN 'in-progress' WHEN 3 THEN 'failed'
                   ELSE 'completed' END::task_status,
       CASE n % 20 WHEN 0 THEN 'ready' WHEN 1 THEN 'ready' WHEN 2 THEN 'running' WHEN 3 THEN 'dead'
                   ELSE 'succeeded' END::task_state,
       (ARRAY['low', 'normal', 'normal', 'normal', 'high'])[1 + n % 5]::task_priority,
       jsonb_build_object('title', 'Task number ' || n, 'source', 'seed', 'attempt', 1 + n % 3, 'size', n * 7,
                          'target', 'item-' || md5('t' || n), 'dryRun', n % 2 = 0,
                          'tags', jsonb_build_array('alpha', 'beta-' || (n % 17)), 'note', md5('n' || n)),
       CASE WHEN n % 20 > 3 THEN jsonb_build_object('ok', true, 'rows', n % 5000, 'ms', n % 900) END,
       CASE WHEN n % 20 = 3 THEN 'timed out after ' || n % 60 || ' s' END, at, at
FROM (SELECT n, now() - ({TASKS} - n) * interval '26 seconds' AS at FROM generate_series(1, {TASKS}) AS n) AS t
ON CONFLICT DO NOTHING"""


def make_tasks(windlass):
    windlass.sql(MAKE_TASKS)
    windlass.sql("INSERT INTO task_counts (type, status, count) SELECT type, status, count(*) FROM tasks GROUP BY 1, 2 "
                 "ON CONFLICT DO NOTHING")
    for span in (60, 300, 3600, 86400, 864000):
        windlass.sql(
            "INSERT INTO task_rollups (span_s, at, type, created, completed, failed, wait, run, wait_max, run_max) "
            f"SELECT {span}, date_bin('{span} s', created_at, 'epoch'), coalesce(type, ''), count(*), count(*), 0, "
            "array_fill(count(*), ARRAY[40])::text, array_fill(count(*), ARRAY[50])::text, 3.5, 60 FROM tasks GROUP BY 2, ROLLUP (type) "
            "ON CONFLICT DO NOTHING")
    windlass.sql("VACUUM (ANALYZE) tasks")


def bench_task_list(report, windlass, token, seconds):
    """The 50 newest pending tasks of 100,000, nine fields each, from a cursor of 100."""
    make_tasks(windlass)
    fields = "id type status priority payload result error createdAt updatedAt"
    first = windlass.graphql("{ tasks(filter: { status: PENDING }, first: 100) { edges { cursor } } }", None, token)
    query = ("query List($after: String) { tasks(filter: { status: PENDING }, first: 50, after: $after) "
             f"{{ nodes {{ {fields} }} }} }}")
    bodies = [{"query": query, "variables": {"after": edge["cursor"]}} for edge in first["tasks"]["edges"]]
    wrk(windlass, token, bodies, WARM_SECONDS)
    report_load(report, "task-list", wrk(windlass, token, bodies, seconds))


def bench_dashboard(report, windlass, token, seconds):
    """dashboardStats of a day over 100,000 tasks of eight types, all of it."""
    make_tasks(windlass)
    durations = "{ p50 p90 p99 max }"
    bodies = [{"query": "{ dashboardStats { users chatMessages jobs { total active } tasks { total pending inProgress "
               f"completed failed }} throughputPerMinute successRate waitSeconds {durations} runSeconds {durations} "
               f"oldestPendingSeconds byType {{ type counts {{ total }} runSeconds {durations} failureRate }} "
               "previous { created completed failed successRate } generatedAt source } }"}]
    wrk(windlass, token, bodies, WARM_SECONDS)
    report_load(report, "dashboard", wrk(windlass, token, bodies, seconds))


def bench_idle_memory(report, windlass, _token, _seconds):
    """Memory of each process, idle, after what ran before."""
    for name, root in sorted(windlass.roots().items()):
        pids = proc.tree(root) if name == "postgres" else [root]
        sizes = [proc.memory_bytes(pid) for pid in pids]
        suffix = f" ({len(pids)} processes)" if len(pids) > 1 else ""
        report.add(f"idle-memory.{name}.rss", sum(rss for rss, _ in sizes) / 2**20, "MiB" + suffix)
        report.add(f"idle-memory.{name}.pss", sum(pss for _, pss in sizes) / 2**20, "MiB")


def bench_start(report, program):
    """From `windlass up` to its address, on an empty and on an existing folder; medians of three."""
    empty, existing = [], []
    for _ in range(3):
        windlass = Windlass(program)
        try:
            windlass.start()
            empty.append(windlass.ready_seconds)
            windlass.stop()
            windlass.start()
            existing.append(windlass.ready_seconds)
        finally:
            windlass.remove()
    report.add("start.empty-folder", statistics.median(empty), "s")
    report.add("start.existing-folder", statistics.median(existing), "s")


def task_load(fn):
    """A bench of tasks.py, which loads by the same wrk."""
    return lambda report, windlass, token, seconds: fn(report, windlass, token, seconds, wrk)


# Those that share one running Windlass, in this order.
LOADS = {"idle-memory": bench_idle_memory, "typename": bench_typename, "point-read": bench_point_read,
         "read-lane": bench_read_lane, "task-list": bench_task_list, "dashboard": bench_dashboard,
         **{name: task_load(fn) for name, fn in tasks.LOADS.items()}}

# Those that start their own programs, after the loads.
PARTS = [*LOADS, "mirror", "start", "engine", "graphql", "create", "queue", "stats"]


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--build", type=Path, default=ROOT / "build")
    arguments.add_argument("--seconds", type=int, default=8, help="of each measured load")
    arguments.add_argument("--connections", default="64,256,1024", help="of the part graphql, in turn")
    arguments.add_argument("--queries", default=",".join(graphql.QUERIES), help="of the part graphql")
    arguments.add_argument("--peers", default=",".join(graphql.PEERS), help="of the parts graphql and create")
    arguments.add_argument("--tests", default=",".join(queue_bench.TESTS), help="of the part queue")
    arguments.add_argument("--mirror", default="lag,crowd,rebuild", help="of the part mirror")
    arguments.add_argument("part", nargs="*", help=f"of {', '.join(PARTS)}; else all")
    options = arguments.parse_args()
    unknown = set(options.part) - set(PARTS)
    if unknown:
        arguments.error(f"no part {', '.join(unknown)}; there are {', '.join(PARTS)}")
    parts = options.part or PARTS
    program = options.build.resolve() / "windlass"

    report = Report()
    print(f"  load average before: {os.getloadavg()[0]:.2f} on {os.cpu_count()} cores")
    loads = [name for name in LOADS if name in parts]
    if loads:
        windlass = Windlass(program)
        try:
            windlass.start()
            token = windlass.set_up()
            for name in loads:
                if name == "idle-memory":
                    time.sleep(1)  # what starting used has been given back
                LOADS[name](report, windlass, token, options.seconds)
        finally:
            windlass.remove()
    if "mirror" in parts:
        mirror.bench(report, program, options.mirror.split(","))
    if "start" in parts:
        bench_start(report, program)
    if "engine" in parts:
        engine.bench(report, options.build.resolve())
    if "graphql" in parts:
        graphql.bench(report, program, options.build.resolve(), options.seconds,
                      [int(count) for count in options.connections.split(",")], options.queries.split(","),
                      options.peers.split(","))
    if "create" in parts:
        graphql.bench(report, program, options.build.resolve(), options.seconds, graphql.CREATE_LEVELS, ["M1"],
                      options.peers.split(","))
    if "queue" in parts:
        queue_bench.bench(report, program, options.build.resolve(), options.tests.split(","))
    if "stats" in parts:
        stats.bench(report, program)
    target = options.build / "bench.json"
    target.write_text(json.dumps(report.rows, indent=1) + "\n")
    print(f"  written to {target}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
