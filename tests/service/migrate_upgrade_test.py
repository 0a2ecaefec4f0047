#!/usr/bin/env python3
"""What a migration makes of rows of the version before. Usage: migrate_upgrade_test.py PROGRAM"""

import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../support"))
from gateway_rig import PROGRAM, WAIT_S, Postgres, run_tests  # noqa: E402
from recount import WRONG, WRONG_ENDS  # noqa: E402
from worker_rig import sql  # noqa: E402

FILES = pathlib.Path(__file__).resolve().parents[2] / "src/schema/migrations"

# Two types, minutes on both sides of a day's and of five minutes' edge, a gap, two errors of one kind.
BEFORE_SHARDS = """
INSERT INTO tasks (id, type, status, state, error, error_template, finished_at)
SELECT gen_random_uuid(), 'mail', 'failed', 'dead', 'no ' || n, 'no {}', timestamptz '2026-11-02 23:59:30+00' + n * interval '90 s'
FROM generate_series(1, 9) AS n;
INSERT INTO tasks (id, type) VALUES (gen_random_uuid(), 'mail');
INSERT INTO task_rollups (span_s, at, type, created, completed, failed, wait, run, wait_max, run_max)
SELECT s, date_bin(s * interval '1 second', timestamptz '2026-11-02 23:58:00+00' + n * interval '1 minute', 'epoch'), type,
       count(*), count(*) * 2, 1, array_agg(n), '{0,1}', max(n), NULL
FROM generate_series(0, 11) AS n, unnest('{60,3600,86400}'::int[]) AS s, unnest('{mail,sms}'::text[]) AS type GROUP BY 1, 2, 3;
INSERT INTO task_rollups (span_s, at, type, is_gap) VALUES (60, '2026-11-03 00:01:00+00', '', true);
"""
ROLLUP = """SELECT string_agg(concat_ws(' ', type, created, completed, failed, wait, run, wait_max, is_gap), '; ' ORDER BY type)
FROM task_rollups WHERE span_s = {} AND at = '{}'"""

HAS_SHARDS = "SELECT to_regclass('public.error_rollups') IS NOT NULL"


def run(url, *words, is_check_wanted=True):
    done = subprocess.run([PROGRAM, "migrate", *words], env={"PATH": os.environ["PATH"], "DATABASE_URL": url}, capture_output=True,
                          text=True, timeout=WAIT_S, check=False)
    assert done.returncode == 0 or not is_check_wanted, done.stderr


def before_shards(url):
    """Schema `public` as it was before its file 0004; the program says that it needs more."""
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(FILES, folder, dirs_exist_ok=True)
        for path in pathlib.Path(folder).glob("public/*.sql"):
            if path.name[:4] >= "0004":
                path.unlink()
        run(url, "run", "--dir", folder, is_check_wanted=False)
    sql(url, BEFORE_SHARDS)


def figures_and_error_groups_are_made_of_the_rows_there_were(postgres):
    url = postgres.tell("database")
    before_shards(url)
    run(url, "run")
    for wrong in set(WRONG) - {WRONG_ENDS}:  # which a gateway's upkeep looks up
        assert sql(url, f"SELECT count(*) FROM ({wrong}) AS w") == "0", wrong
    assert sql(url, "SELECT sum(count) FROM error_rollups WHERE span_s = 60") == "9"
    # 23:58 and 23:59 are of one span, 00:00 to 00:04 of the next; the gap lies there.
    assert sql(url, ROLLUP.format(300, "2026-11-02 23:55:00+00")) == \
        "4 8 4 {2} {0,4} 1 f; mail 2 4 2 {1} {0,2} 1 f; sms 2 4 2 {1} {0,2} 1 f"
    assert sql(url, ROLLUP.format(300, "2026-11-03 00:00:00+00")) == \
        "10 20 10 {40} {0,10} 6 t; mail 5 10 5 {20} {0,5} 6 f; sms 5 10 5 {20} {0,5} 6 f"
    assert sql(url, ROLLUP.format(60, "2026-11-03 00:01:00+00")) == \
        "2 4 2 {6} {0,2} 3 t; mail 1 2 1 {3} {0,1} 3 f; sms 1 2 1 {3} {0,1} 3 f"
    assert sql(url, "SELECT sum(created) FROM task_rollups WHERE span_s = 864000 AND type = ''") == "24"
    assert sql(url, "SELECT string_agg(DISTINCT shard::text, ',') FROM task_rollups") == "0"


def the_way_back_leaves_what_was_there(postgres):
    url = postgres.tell("database")
    before_shards(url)
    rows = "SELECT md5(string_agg(concat_ws(' ', span_s, at, type, created, wait, is_gap), ',' ORDER BY span_s, at, type)) FROM task_rollups"
    was = sql(url, rows)
    run(url, "run")
    assert sql(url, rows) != was
    while sql(url, HAS_SHARDS) == "t":
        run(url, "revert")
    assert sql(url, rows) == was


if __name__ == "__main__":
    with Postgres() as server:
        run_tests([figures_and_error_groups_are_made_of_the_rows_there_were, the_way_back_leaves_what_was_there], server)
