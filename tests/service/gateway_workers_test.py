#!/usr/bin/env python3
"""Query.workers and taskTypes: what the worker tells, and what is shown while it does not. Usage:
gateway_workers_test.py PROGRAM"""

import os
import sys
import uuid

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../support"))
from fake_worker import FakeWorker, now_us  # noqa: E402
from gateway_rig import Gateway, Postgres, create_user, eventually, run_tests  # noqa: E402

WORKERS = "{ workers { id name host types running concurrency startedAt lastSeenAt } }"
TYPES = "{ taskTypes }"
SOURCES = "{ taskTypeNames { names source } workers { source } }"


def executor(name="w1", types=("sleep", "email"), **more):
    return {"session": str(uuid.uuid4()), "worker": name, "host": "host-" + name, "types": list(types), "running": 1,
            "slots": 20, "began_at_us": 1_764_000_000_000_000, "seen_at_us": 1_764_000_000_500_000, **more}


class World:
    def __init__(self, url, gateway, worker):
        self.url, self.gateway, self.worker = url, gateway, worker
        self.admin = gateway.set_up()
        create_user(gateway, self.admin, "viewer@example.org")
        self.viewer = gateway.login("viewer@example.org")

    def ask(self, query, gateway=None, token=None):
        return (gateway or self.gateway).graphql(query, None, token or self.viewer)


def executors_are_shown_as_the_worker_tells_them(world):
    one, two = executor(), executor("w2", ["cron"], running=0, slots=1)
    world.worker.workers = [one, two]
    got = world.ask(WORKERS).data["workers"]
    assert got == [
        {"id": one["session"], "name": "w1", "host": "host-w1", "types": ["sleep", "email"], "running": 1,
         "concurrency": 20, "startedAt": "2025-11-24T16:00:00.000000Z", "lastSeenAt": "2025-11-24T16:00:00.500000Z"},
        {"id": two["session"], "name": "w2", "host": "host-w2", "types": ["cron"], "running": 0, "concurrency": 1,
         "startedAt": "2025-11-24T16:00:00.000000Z", "lastSeenAt": "2025-11-24T16:00:00.500000Z"}], got
    assert world.ask(TYPES).data == {"taskTypes": ["cron", "email", "sleep"]}
    assert world.ask("{ workers { id } taskTypes }").data["taskTypes"] == ["cron", "email", "sleep"]
    world.worker.workers = []
    assert world.ask(WORKERS).data == {"workers": []} and world.ask(TYPES).data == {"taskTypes": []}
    assert world.gateway.graphql(WORKERS).code == "UNAUTHENTICATED"


def what_it_told_last_is_shown_while_it_is_away(world):
    worker = world.worker
    worker.workers = [executor(seen_at_us=now_us())]

    def sources(source):
        return {"taskTypeNames": {"names": ["email", "sleep"], "source": source}, "workers": [{"source": source}]}
    assert world.ask(SOURCES).data == sources("LIVE")
    before, types = world.ask(WORKERS).data, world.ask(TYPES).data
    for name in ("is_away", "is_hanging"):
        setattr(worker, name, True)
        try:
            assert world.ask(WORKERS).data == before and world.ask(TYPES).data == types, name
            assert world.ask(SOURCES).data == sources("CACHE"), name
        finally:
            setattr(worker, name, False)
    worker.vanish()
    try:
        for _ in range(8):  # on whichever loop
            assert world.ask(WORKERS).data == before and world.ask(TYPES).data == types
        with Gateway(world.url, WORKER_URL=worker.url) as fresh:
            for query in (WORKERS, TYPES, SOURCES):
                answer = world.ask(query, fresh)
                assert answer.code == "WORKER_UNAVAILABLE" and answer.json["data"] is None, answer.text
    finally:
        worker.launch()
    worker.workers = [executor("new")]
    eventually(lambda: world.ask(WORKERS).data["workers"][0]["name"] == "new")
    eventually(lambda: world.ask(SOURCES).data == sources("LIVE"))  # from either loop's connection


def what_is_no_answer_is_not_believed(world):
    good = executor()
    with Gateway(world.url, WORKER_URL=world.worker.url) as fresh:
        for change in ({"session": "x"}, {"session": None}, {"worker": 1}, {"host": None}, {"types": "email"}, {"types": [1]},
                       {"running": -1}, {"running": "1"}, {"slots": 1.5}, {"began_at_us": None}, {"seen_at_us": "now"}):
            world.worker.workers_answer = {"workers": [{**good, **change}], "task_types": [1]}
            for query in (WORKERS, TYPES, SOURCES):
                assert world.ask(query, fresh).code == "WORKER_UNAVAILABLE", change
        for answer in ({}, {"workers": {}, "task_types": {}}, {"workers": None}):
            world.worker.workers_answer = answer
            assert world.ask(WORKERS, fresh).code == "WORKER_UNAVAILABLE", answer
        world.worker.workers_answer = None
        assert world.ask(WORKERS, fresh).code == "ok"


def without_a_worker_url_it_is_out_of_reach(world):
    with Gateway(world.url) as alone:
        assert world.ask(WORKERS, alone).code == "WORKER_UNAVAILABLE"
        assert world.ask(TYPES, alone).code == "WORKER_UNAVAILABLE"


def main():
    with Postgres() as postgres, FakeWorker() as worker, Gateway(postgres.url, WORKER_URL=worker.url) as gateway:
        run_tests([
            executors_are_shown_as_the_worker_tells_them,
            what_it_told_last_is_shown_while_it_is_away,
            what_is_no_answer_is_not_believed,
            without_a_worker_url_it_is_out_of_reach,
        ], World(postgres.url, gateway, worker))


if __name__ == "__main__":
    main()
