#!/usr/bin/env python3
"""Two shards under `windlass up`, each with its database, worker, standby and runner; what becomes of one while the other's
worker is killed.

Usage: shards_test.py WINDLASS [TEST...]
"""
import json
import os
import re
import signal
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../support"))
from environ import environment_of  # noqa: E402
from harness import DEADLINE_S, Scratch, Up, graphql, is_alive, run_tests, set_up, until  # noqa: E402
from ids import new_id  # noqa: E402

PROGRAM = os.path.realpath(sys.argv[1])
QUEUES = ("default", "email")  # of shard 0 and of shard 1
LEADERS = ("worker", "shard1-worker")


def start(scratch, *args, **variables):
    return Up(PROGRAM, scratch, args=["--shards", "2", "--shard-queues", "1:email", *args],
              env={"WINDLASS_ENV": "development", "WINDLASS_LOG_SQL": "off", **variables}, fresh=True)


def pid_of(up, name):
    """Of its latest start."""
    lines = [line for line in list(up.log) if "event=up.child_started" in line and f"child={name} " in line + " "]
    return int(re.search(r" pid=(\d+)", lines[-1]).group(1))


class Shard:
    """One shard's worker, asked at its socket; of two, the one that leads."""

    def __init__(self, up, number, token, names):
        self.up, self.number, self.token, self.names = up, number, token, names

    def ask(self, method, path, body=None):
        status, text = 503, ""
        for name in self.names:
            try:
                status, text = self.up.request(method, path, None if body is None else json.dumps(body), service=name,
                                               headers={"Authorization": f"Bearer {self.token}"})
            except OSError:
                continue
            if status != 503:
                break
        return status, json.loads(text) if text else {}

    def create(self, queue=None):
        """The id of a task that has been taken."""
        task = {"id": new_id(), "type": "noop", "queue": queue or QUEUES[self.number]}

        def is_taken():
            status, answer = self.ask("POST", "/v1/tasks", {"tasks": [task]})
            return status == 200 and "task" in answer["results"][0]
        until("the task is taken", is_taken)
        return task["id"]

    def wait_done(self, task):
        def is_done():
            status, answer = self.ask("GET", f"/v1/tasks/{task}")
            return status == 200 and answer["task"]["state"] == "succeeded"
        until(f"task of shard {self.number} has run", is_done)


def shards_of(up, standbys=False):
    token = environment_of(pid_of(up, "gateway"))["WINDLASS_GATEWAY_TOKEN"]
    return [Shard(up, number, token, [name] + ([name + "-2"] if standbys else [])) for number, name in enumerate(LEADERS)]


def query(up, text, shard):
    done = subprocess.run([PROGRAM, "psql", f"--data={up.data}", f"--shard={shard}", "--", "-XqAt", "-c", text],
                          capture_output=True, text=True, timeout=DEADLINE_S, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_each_shard_has_a_database_and_runs_its_own_tasks():
    with Scratch() as scratch, start(scratch) as up:
        up.wait_ready()
        shards = shards_of(up)
        for shard in shards:
            shard.wait_done(shard.create())
            status, answer = shard.ask("POST", "/v1/tasks", {"is_atomic": True, "tasks": [
                {"id": new_id(), "type": "noop", "queue": QUEUES[1 - shard.number]}]})
            assert status == 421 and f"this is shard {shard.number}" in answer["detail"], (status, answer)
            assert query(up, "SELECT string_agg(id::text, ',') FROM worker.shard", shard.number) == str(shard.number)
        assert query(up, "SELECT to_regclass('public.users') IS NULL", 1) == "t", "the gateway's tables are in one database"
        assert query(up, "SELECT has_database_privilege('windlass_gateway', 'windlass_shard1', 'CONNECT')", 0) == "f"


def test_what_looks_at_databases_looks_at_those_of_all_shards():
    with Scratch() as scratch, start(scratch) as up:
        up.wait_ready()
        for name in ("runner", "shard1-runner"):
            up.logged("event=up.child_ready", f"child={name} ")
        done = subprocess.run([PROGRAM, "doctor", f"--data={up.data}", f"--run={up.run}", "--shards=2", "--json"],
                              capture_output=True, text=True, timeout=DEADLINE_S, check=False)
        checks = {check["check"]: check for check in json.loads(done.stdout)["checks"]}
        for name in ("queue", "shard1", *LEADERS, "runner", "shard1-runner"):
            assert checks[name]["state"] == "ok", checks[name]
        assert "leads it" in checks["shard1"]["detail"], checks["shard1"]


def migrate(up, *words):
    return subprocess.run([PROGRAM, "migrate", *words, f"--data={up.data}"], capture_output=True, text=True, timeout=DEADLINE_S,
                          check=False)


def test_migrate_works_on_the_databases_of_all_shards():
    with Scratch() as scratch, start(scratch) as up:
        up.wait_ready()
        states = {(m["shard"], m["schema"]) for m in json.loads(migrate(up, "status", "--json").stdout)}
        assert {(0, "public"), (0, "worker"), (1, "worker"), (1, "windlass")} < states and max(states)[0] == 1, states
        done = migrate(up, "check")
        assert done.returncode == 0, done
        query(up, "ALTER TABLE worker.checkpoint DROP COLUMN value CASCADE", 1)
        done = migrate(up, "check")
        assert done.returncode == 3 and "(schema worker) (shard 1)" in done.stdout, done
        done = migrate(up, "check", "--shard=0")
        assert done.returncode == 0, done
        done = migrate(up, "sync")
        assert done.returncode == 0 and migrate(up, "check").returncode == 0, done
        noted = migrate(up, "baseline").stdout
        assert "noted 0001_initial as applied (schema worker) (shard 1)\n" in noted, noted
        done = migrate(up, "revert")
        assert done.returncode == 2 and "there are 2 databases: --shard names the one to revert" in done.stderr, done


def test_a_killed_worker_of_one_shard_leaves_the_other_going():
    with Scratch() as scratch, start(scratch) as up:
        up.wait_ready()
        shards = shards_of(up)
        other, victim = pid_of(up, "worker"), pid_of(up, "shard1-worker")
        os.kill(victim, signal.SIGSTOP)  # it stays away until it is killed
        for _ in range(20):
            shards[0].wait_done(shards[0].create())
        os.kill(victim, signal.SIGKILL)
        up.logged("event=up.child_ready", "child=shard1-worker ", count=2)
        shards[1].wait_done(shards[1].create())
        assert is_alive(other) and pid_of(up, "worker") == other


def create(up, token, queue):
    return graphql(up, token, "mutation ($q: String) { createTask(input: {type: \"noop\", queue: $q}) { id accepted } }",
                   q=queue)["createTask"]


def wait_completed(up, token, tasks):
    def are_completed():
        found = [graphql(up, token, "query ($t: ID!) { task(id: $t) { status } }", t=task)["task"] for task in tasks]
        assert None not in found, "one is lost"
        return all(task["status"] == "COMPLETED" for task in found)
    until("they have run", are_completed)


def test_the_gateway_serves_all_shards_and_keeps_what_one_cannot_take():
    with Scratch() as scratch, start(scratch) as up:
        up.wait_ready()
        token = set_up(up)
        for queue in QUEUES:
            until(f"a task of {queue} is taken at once", lambda queue=queue: create(up, token, queue)["accepted"])
        victim = pid_of(up, "shard1-worker")
        os.kill(victim, signal.SIGSTOP)
        kept = [create(up, token, "email") for _ in range(5)]
        assert not any(task["accepted"] for task in kept), kept
        other = [create(up, token, "default") for _ in range(20)]
        assert all(task["accepted"] for task in other), other
        wait_completed(up, token, [task["id"] for task in other])
        os.kill(victim, signal.SIGKILL)
        wait_completed(up, token, [task["id"] for task in kept])


def test_a_shard_has_standbys_of_its_own():
    with Scratch() as scratch, start(scratch, "--workers", "2") as up:
        up.wait_ready()
        shards = shards_of(up, standbys=True)
        up.logged("event=lead.warm", count=2)
        kept = [shard.create() for shard in shards]
        os.kill(pid_of(up, "shard1-worker"), signal.SIGKILL)
        shards[1].wait_done(shards[1].create())
        for shard, task in zip(shards, kept):
            shard.wait_done(task)


def test_settings_that_do_not_fit_are_refused():
    for words, why in ((["--shard-queues", "1:a;2:b"], "shard-queues speaks of shard 2, and there are 2 shards"),
                       (["--shard-queues", ""], "shard-queues does not name shard 1"),
                       (["--shard-database-urls", "1:postgres://a;2:postgres://b"], "shard-database-urls names 1 databases"),
                       (["--database-url", "postgres://nobody@127.0.0.1:1/x"], "shard-database-urls names 1 databases")):
        done = subprocess.run([PROGRAM, "up", "--shards=2", "--port=0", *words], capture_output=True, text=True,
                              timeout=DEADLINE_S, check=False, env={"PATH": os.environ["PATH"], "HOME": "/nonexistent"})
        assert done.returncode == 78 and why in done.stderr, (words, done.returncode, done.stderr)


if __name__ == "__main__":
    run_tests([test_each_shard_has_a_database_and_runs_its_own_tasks,
               test_what_looks_at_databases_looks_at_those_of_all_shards,
               test_migrate_works_on_the_databases_of_all_shards,
               test_a_killed_worker_of_one_shard_leaves_the_other_going,
               test_the_gateway_serves_all_shards_and_keeps_what_one_cannot_take,
               test_a_shard_has_standbys_of_its_own,
               test_settings_that_do_not_fit_are_refused])
