#!/usr/bin/env python3
"""`windlass migrate` over the databases of several shards. Usage: migrate_shards_test.py PROGRAM"""

import json
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../support"))
from gateway_rig import PROGRAM, WAIT_S, Postgres, run_tests  # noqa: E402
from worker_rig import sql  # noqa: E402

SCHEMAS = "SELECT string_agg(nspname, ',' ORDER BY nspname) FROM pg_namespace WHERE nspname IN ('worker', 'windlass')"
HAS_USERS = "SELECT to_regclass('public.users') IS NOT NULL"


class Shards:
    """The databases of a main shard and two others."""

    def __init__(self, postgres):
        self.urls = [postgres.tell("database") for _ in range(3)]

    def migrate(self, *words, named=True):
        environment = {"PATH": os.environ["PATH"], "DATABASE_URL": self.urls[0]}
        if named:
            environment["WINDLASS_SHARD_DATABASE_URLS"] = f"1:{self.urls[1]};2:{self.urls[2]}"
        return subprocess.run([PROGRAM, "migrate", *words], env=environment, capture_output=True, text=True, timeout=WAIT_S,
                              check=False)

    def synchronise(self):
        done = self.migrate("sync")
        assert done.returncode == 0, done.stderr


def each_database_gets_the_schemas_of_its_shard(postgres):
    shards = Shards(postgres)
    shards.synchronise()
    for shard, url in enumerate(shards.urls):
        assert sql(url, SCHEMAS) == "windlass,worker", shard
        assert sql(url, HAS_USERS) == ("t" if shard == 0 else "f"), shard
    assert shards.migrate("check").returncode == 0


def what_one_lacks_is_told_with_its_shard(postgres):
    shards = Shards(postgres)
    shards.synchronise()
    sql(shards.urls[2], "ALTER TABLE worker.checkpoint DROP COLUMN value CASCADE")
    done = shards.migrate("check", "--json")
    found = json.loads(done.stdout)
    assert done.returncode == 3 and found["missing"], done.stdout
    assert all(text.endswith("(schema worker) (shard 2)") for text in found["missing"]), found
    assert shards.migrate("check", "--shard=1").returncode == 0
    assert shards.migrate("check", "--shard=2").returncode == 3


def one_alone_is_worked_on_where_it_is_named(postgres):
    shards = Shards(postgres)
    assert shards.migrate("sync", "--shard=1").returncode == 0
    assert [sql(url, SCHEMAS) for url in shards.urls] == ["", "windlass,worker", ""]
    done = shards.migrate("sync", "--shard=3")
    assert done.returncode == 2 and "shard-database-urls has no shard 3" in done.stderr, done
    assert shards.migrate("sync", "--shard=1", named=False).returncode == 0, "the main URL is that shard's"
    assert sql(shards.urls[0], HAS_USERS) == "f"


def status_tells_of_all(postgres):
    shards = Shards(postgres)
    states = {(m["shard"], m["schema"]) for m in json.loads(shards.migrate("status", "--json").stdout)}
    assert states == {(0, "public")} | {(k, s) for k in range(3) for s in ("worker", "windlass")}, states
    text = shards.migrate("status").stdout
    assert "shard 1:\n" in text and "shard 2:\n" in text, text
    assert not [line for line in text.splitlines() if line != line.rstrip()], text


def what_is_noted_is_told_with_its_place(postgres):
    shards = Shards(postgres)
    shards.synchronise()
    noted = shards.migrate("baseline").stdout.splitlines()
    places = {line.removeprefix("noted 0001_initial as applied") for line in noted if "0001_initial" in line}
    assert places == {""} | {" (schema worker)" + shard for shard in ("", " (shard 1)", " (shard 2)")}, noted


def reverting_wants_one_named(postgres):
    shards = Shards(postgres)
    done = shards.migrate("revert")
    assert done.returncode == 2 and "there are 3 databases: --shard names the one to revert" in done.stderr, done


def one_that_is_away_is_told_with_its_shard(postgres):
    shards = Shards(postgres)
    shards.urls[2] = "postgresql://nobody@127.0.0.1:1/none"
    done = shards.migrate("sync", "--db-connect-timeout=1s")
    assert done.returncode == 69 and "shard 2" in done.stderr, done
    assert sql(shards.urls[1], SCHEMAS) == "windlass,worker", "those before it are done"


if __name__ == "__main__":
    with Postgres() as server:
        run_tests([each_database_gets_the_schemas_of_its_shard,
                   what_one_lacks_is_told_with_its_shard,
                   one_alone_is_worked_on_where_it_is_named,
                   status_tells_of_all,
                   what_is_noted_is_told_with_its_place,
                   reverting_wants_one_named,
                   one_that_is_away_is_told_with_its_shard], server)
