#!/usr/bin/env python3
"""Query.effectiveConfig and Query.doctor. Usage: gateway_doctor_test.py PROGRAM"""

import json
import os
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../support"))
from fake_ai import FakeAi  # noqa: E402
from fake_worker import FakeWorker  # noqa: E402
from gateway_rig import PROGRAM, Gateway, Postgres, at_once, create_user, eventually, run_tests  # noqa: E402

CONFIG = "{ effectiveConfig { name value origin } }"
DOCTOR = "{ doctor { name result detail cure } }"


class World:
    def __init__(self, postgres, gateway):
        self.postgres, self.url, self.gateway = postgres, postgres.url, gateway
        self.admin = gateway.set_up()
        create_user(gateway, self.admin, "operator@example.org", "OPERATOR")
        create_user(gateway, self.admin, "viewer@example.org")
        self.operator, self.viewer = gateway.login("operator@example.org"), gateway.login("viewer@example.org")

    def doctor(self, gateway=None):
        """The checks by name, each a list."""
        found = {}
        for check in (gateway or self.gateway).graphql(DOCTOR, None, self.operator).data["doctor"]:
            found.setdefault(check["name"], []).append(check)
        return found


def only(found, name):
    assert len(found[name]) == 1, found[name]
    return found[name][0]


# ── settings ──

def settings_are_shown_as_the_command_shows_them(world):
    with tempfile.NamedTemporaryFile("w", suffix=".conf") as file:
        file.write("chat-limit = 7\n")
        file.flush()
        secret = "postgresql://someone:hush-hush@127.0.0.1:5432/app"
        settings = {"CONFIG": file.name, "MIGRATE_DATABASE_URL": secret, "GATEWAY_TOKEN": "service-secret"}
        with Gateway(world.url, SCHEMA="check", **settings) as gateway:
            answer = gateway.graphql(CONFIG, None, world.admin)
            shown = {e["name"]: e for e in answer.data["effectiveConfig"]}
            with open(f"/proc/{gateway.process.pid}/environ", "rb") as environ:
                environment = dict(pair.split(b"=", 1) for pair in environ.read().split(b"\0") if pair)
        done = subprocess.run([PROGRAM, "config", "show", "--json"], env=environment, capture_output=True, check=True)
        told = json.loads(done.stdout)
        assert list(shown) == list(told), set(shown) ^ set(told)
        for name, entry in told.items():
            assert (shown[name]["value"], shown[name]["origin"]) == (entry["value"], entry["origin"]), (name, entry)
    assert shown["chat-limit"]["value"] == "7" and shown["chat-limit"]["origin"].endswith(".conf:1"), shown["chat-limit"]
    assert shown["gateway-token"]["value"] == "********" and shown["env"]["origin"] == "WINDLASS_ENV", shown
    assert shown["migrate-database-url"]["value"] == "postgresql://someone:********@127.0.0.1:5432/app"
    assert "hush" not in answer.text and "service-secret" not in answer.text


def only_an_admin_sees_them(world):
    for token, code in ((world.operator, "FORBIDDEN"), (world.viewer, "FORBIDDEN"), (None, "UNAUTHENTICATED")):
        assert world.gateway.graphql(CONFIG, None, token).code == code


# ── checks ──

def a_gateway_checks_what_it_can(world):
    found = world.doctor()
    assert {"settings", "clock", "limits", "database", "schema"} <= set(found), found
    for name in ("settings", "schema"):
        check = only(found, name)
        assert check["result"] == "OK" and check["detail"] and check["cure"] is None, check
    assert "fsync" in only(found, "database")["detail"], found  # which the tests' own server does without
    assert only(found, "queue")["result"] == "FAILURE", found  # no worker has made it
    assert "worker" not in found and "ai" not in found, found
    for checks in found.values():
        for check in checks:
            assert (check["cure"] is None) == (check["result"] == "OK"), check


def what_it_knows_of_the_other_services_is_told(world):
    with FakeWorker() as worker, FakeAi() as ai:
        with Gateway(world.url, WORKER_URL=worker.url, AI_URL=ai.url) as gateway:
            well = eventually(lambda: (lambda f: f if only(f, "worker")["result"] == only(f, "ai")["result"] == "OK"
                                       else None)(world.doctor(gateway)))
            assert only(well, "worker")["cure"] is None, well
            worker.vanish()
            ill = eventually(lambda: (lambda f: f if only(f, "worker")["result"] == "FAILURE" else None)(
                world.doctor(gateway)))
            assert "cache" in only(ill, "worker")["detail"] and only(ill, "worker")["cure"], ill


def what_the_schema_lacks_is_told(world):
    rename = "ALTER TABLE windlass_renamed RENAME TO insight_runs"
    subprocess.run(["psql", world.url, "-Xqc", "ALTER TABLE insight_runs RENAME TO windlass_renamed"], check=True)
    try:
        check = only(world.doctor(), "schema")
        assert check["result"] == "FAILURE" and "insight_runs" in check["detail"] and "migrate" in check["cure"], check
    finally:
        subprocess.run(["psql", world.url, "-Xqc", rename], check=True)


def many_at_once_are_all_answered(world):
    for found in at_once(12, lambda _: world.doctor()):
        assert only(found, "schema")["result"] == "OK", found


def asked_without(world, gateway, end, *begin):
    """What is found while the database is so; who asks was known before, which holds for two seconds."""
    def ask():
        gateway.graphql(DOCTOR, None, world.operator)
        world.postgres.tell(end)
        try:
            answer = gateway.graphql(DOCTOR, None, world.operator)
        finally:
            for word in begin:
                world.postgres.tell(word)
        eventually(lambda: gateway.get("/readyz").status == 200)
        return answer if "errors" not in answer.json else None
    return eventually(ask).data["doctor"]


def a_database_that_is_away_is_a_finding(world):
    with Gateway(world.url, DB_CONNECT_TIMEOUT="1s", GATEWAY_LOOPS="1", TOKEN_CACHE_TTL="2s") as gateway:
        found = [c for c in asked_without(world, gateway, "kill", "launch", "wait") if c["name"] == "database"]
        assert found[0]["result"] == "FAILURE" and "database-url" in found[0]["cure"], found


def a_database_that_hangs_is_waited_for_so_long_and_no_longer(world):
    settings = {"REQUEST_TIMEOUT": "2s", "DB_CONNECT_TIMEOUT": "1s", "GATEWAY_LOOPS": "1", "TOKEN_CACHE_TTL": "2s"}
    with Gateway(world.url, **settings) as gateway:
        found = [c for c in asked_without(world, gateway, "suspend", "resume")
                 if c["result"] == "FAILURE" and c["name"] in ("checks", "database")]
        assert found and found[0]["cure"], found
        eventually(lambda: "checks" not in world.doctor(gateway))


def only_an_operator_sees_them(world):
    for token, code in ((world.viewer, "FORBIDDEN"), (None, "UNAUTHENTICATED")):
        assert world.gateway.graphql(DOCTOR, None, token).code == code
    twice = "{ " + " ".join(f"d{i}: doctor {{ name }}" for i in range(3)) + " }"
    assert len(world.gateway.graphql(twice, None, world.operator).data["d2"]) > 3


def main():
    with Postgres() as postgres, Gateway(postgres.url) as gateway:
        run_tests([
            settings_are_shown_as_the_command_shows_them,
            only_an_admin_sees_them,
            a_gateway_checks_what_it_can,
            what_it_knows_of_the_other_services_is_told,
            what_the_schema_lacks_is_told,
            many_at_once_are_all_answered,
            a_database_that_is_away_is_a_finding,
            a_database_that_hangs_is_waited_for_so_long_and_no_longer,
            only_an_operator_sees_them,
        ], World(postgres, gateway))


if __name__ == "__main__":
    main()
