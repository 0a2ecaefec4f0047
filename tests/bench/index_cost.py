#!/usr/bin/env python3
"""What an index of the table `tasks` costs: CPU of the PostgreSQL process and bytes of WAL and of the index, for
100,000 tasks that are stored, and for as many that then run and complete, beside the table without it. Rows come in
transactions of 50 to a table that holds 300,000 already; the least of some rounds counts. docs/decisions/0020 has a run's figures.
Usage: WINDLASS_TEST_PG_RUN=build/tests/support/pg_run index_cost.py build/windlass [ROUNDS] ["NAME=btree (…)"...]"""

import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../support"))
from gateway_rig import Gateway, Postgres, psql  # noqa: E402

HELD, STORED, BATCH = 300_000, 100_000, 50
TICKS = os.sysconf("SC_CLK_TCK")
CPU = "(SELECT split_part(s, ' ', 12)::int + split_part(s, ' ', 13)::int FROM (SELECT regexp_replace(pg_read_file(" \
      "'/proc/self/stat'), '^.*\\) ', '0 ') AS s) AS stat)"
# The clock of a UUIDv7, a counter for what follows, random bits at the end.
ID = ("(lpad(to_hex(1764000000000 + n), 12, '0') || '7' || lpad(to_hex(n % 4096), 3, '0') || "
      "'8' || left(md5(n::text || random()), 15))::uuid")
INSERT = ("INSERT INTO tasks (id, type, payload, created_by, version, created_at, updated_at, run_at) SELECT {id}, "
          "'type ' || n % 20, jsonb_build_object('to', 'user' || n || '@example.org', 'n', n), "
          "'01a20a5b-5f81-77cf-a575-000000000001', n, t, t, t FROM (SELECT n, to_timestamp(1764000000 + n / 1000.0) AS t "
          "FROM generate_series({first}, {last}) AS n) AS g")
# What the worker tells of a task while it runs, of the same rows, one in fifty of which fails.
UPDATES = [
    "UPDATE tasks SET status = 'in-progress', state = 'running', attempt = 1, started_at = now(), updated_at = now(), "
    "version = version + 1 WHERE version BETWEEN {first} AND {last} AND id >= {low} AND id < {high}",
    "UPDATE tasks SET status = CASE WHEN n % 50 = 0 THEN 'failed' ELSE 'completed' END::task_status, state = CASE WHEN "
    "n % 50 = 0 THEN 'dead' ELSE 'succeeded' END::task_state, error = CASE WHEN n % 50 = 0 THEN 'no route to host' || n "
    "END, error_template = CASE WHEN n % 50 = 0 THEN 'no route to host*' END, finished_at = now(), updated_at = now() "
    "FROM (SELECT (payload ->> 'n')::int AS n, id FROM tasks WHERE id >= {low} AND id < {high}) AS g "
    "WHERE tasks.id = g.id",
]
INDEXES = {
    "id_end": "btree (substr(uuid_send(id), 13))",
    "created_at": "btree (created_at)",
    "failed_at": "btree (finished_at) WHERE status = 'failed'",
    "error_template": "btree (error_template, id) WHERE error_template IS NOT NULL",
    "updated_at": "btree (updated_at, id)",
    "run_at": "btree (run_at, id)",
    "pending_run_at": "btree (run_at, id) WHERE status = 'pending'",
}


def low_id(n):
    return f"('{1764000000000 + n:012x}70000000000000000000')::uuid"


def batches(statement, first, count):
    return "".join(statement.format(id=ID, first=n, last=n + BATCH - 1, low=low_id(n), high=low_id(n + BATCH)) + ";\n"
                   for n in range(first, first + count, BATCH))


def measure(url, definition):
    """Ticks and WAL bytes of storing and of running, and the index's bytes."""
    marks = f"SELECT 'mark', {CPU}, pg_current_wal_lsn() - '0/0';\n"
    make = f"CREATE INDEX candidate ON tasks USING {definition};\n" if definition else ""
    size = "SELECT 'size', pg_relation_size('candidate'), 0;\n" if definition else "SELECT 'size', 0, 0;\n"
    script = ("SET synchronous_commit = off; SET client_min_messages = error; DROP INDEX IF EXISTS candidate; TRUNCATE tasks;\n"
              + INSERT.format(id=ID, first=0, last=HELD - 1) + ";\n" + make + "VACUUM ANALYZE tasks; CHECKPOINT;\n" + marks
              + batches(INSERT, HELD, STORED) + marks
              + "".join(batches(update, HELD, STORED) for update in UPDATES) + marks + size)
    done = subprocess.run(["psql", "-X", "-A", "-t", "-q", "-F", " ", "-v", "ON_ERROR_STOP=1", "-d", url], text=True,
                          input=script, stdout=subprocess.PIPE, check=True)
    rows = [line.split() for line in done.stdout.splitlines() if line]
    cpu, wal = [int(r[1]) for r in rows[:3]], [int(r[2]) for r in rows[:3]]
    return ((cpu[1] - cpu[0]) / TICKS, (wal[1] - wal[0]) / 1e6, (cpu[2] - cpu[1]) / TICKS, (wal[2] - wal[1]) / 1e6,
            int(rows[3][1]) / 1e6)


def main():
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 3
    indexes = dict(text.split("=", 1) for text in sys.argv[3:]) or INDEXES
    with Postgres("-c autovacuum=off -c max_wal_size=8GB") as postgres:
        with Gateway(postgres.url):
            pass  # makes the tables
        psql(postgres.url, "SET client_min_messages = error;" + "".join(f"DROP INDEX IF EXISTS tasks_{name}_ix;" for name in indexes))
        results = {}
        for _ in range(rounds):
            for name, definition in {"none": None, **indexes}.items():
                results.setdefault(name, []).append(measure(postgres.url, definition))
        print(f"{'index':16} {'store s':>8} {'WAL MB':>7} {'run s':>8} {'WAL MB':>7} {'size MB':>8}   of {STORED} tasks")
        for name, runs in results.items():
            store, store_wal, run, run_wal, size = (min(run[i] for run in runs) for i in range(5))
            print(f"{name:16} {store:8.2f} {store_wal:7.1f} {run:8.2f} {run_wal:7.1f} {size:8.1f}", flush=True)


if __name__ == "__main__":
    main()
