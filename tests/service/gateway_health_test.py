#!/usr/bin/env python3
"""Whichever loop of a gateway is asked how things stand, it tells the same. Usage: gateway_health_test.py PROGRAM"""

import os
import re
import signal
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../support"))
from fake_ai import FakeAi  # noqa: E402
from fake_worker import FakeWorker  # noqa: E402
from gateway_rig import WAIT_S, BaseWorld, Postgres, eventually, psql, run_tests  # noqa: E402

HEALTH = "{ systemHealth { status services { name status detail since breaker breakerSince } } }"
ASKED = 24  # each time by a new connection: they are spread over the loops


class World(BaseWorld):
    def __init__(self, postgres, **settings):
        self.worker, self.ai = FakeWorker().__enter__(), FakeAi().__enter__()
        super().__init__(postgres.tell("database"), (self.worker, self.ai), WORKER_URL=self.worker.url, AI_URL=self.ai.url,
                         GATEWAY_LOOPS="4", **settings)
        eventually(lambda: self.health()["status"] == "UP")

    def health(self):
        return self.ask(HEALTH).data["systemHealth"]

    def part(self, name):
        return {part["name"]: part for part in self.health()["services"]}[name]

    def parts(self, name):
        return [self.part(name) for _ in range(ASKED)]

    def database(self):
        """What /readyz, which asks nobody, says of it."""
        return re.search(r"^\[.\] database.*$", self.gateway.get("/readyz?verbose").text, re.M)[0]


def self_same(parts, status):
    return parts[0] if all(part == parts[0] for part in parts) and parts[0]["status"] == status else None


def every_loop_tells_the_same(postgres):
    with World(postgres) as world:
        told = {str(world.health()) for _ in range(ASKED)}
        assert len(told) == 1, told


def what_one_loop_found_out_all_tell(postgres):
    """Only the one that follows the feed asks the worker."""
    with World(postgres) as world:
        closed = world.part("worker")
        assert closed["breaker"] == "CLOSED", closed
        world.worker.vanish()
        eventually(lambda: world.part("worker")["breaker"] == "OPEN")
        parts = world.parts("worker")
        assert all(part["breaker"] != "CLOSED" and part["breakerSince"] > closed["breakerSince"] for part in parts), parts
        since = [part["breakerSince"] for part in parts]
        assert since == sorted(since), since
        world.worker.launch()
        eventually(lambda: world.part("worker")["breaker"] == "CLOSED")
        assert {part["breaker"] for part in world.parts("worker")} == {"CLOSED"}


def ai_goes_for_all_at_once(postgres):
    with World(postgres) as world:
        up = world.part("ai")
        world.ai.is_ready = False
        down = eventually(lambda: self_same(world.parts("ai"), "DOWN"))
        assert down["since"] > up["since"], down
        world.ai.is_ready = True
        assert eventually(lambda: self_same(world.parts("ai"), "UP"))["since"] > down["since"]


def the_database_is_away_for_all_as_long_as_it_is_for_one(postgres):
    with World(postgres) as world:
        name = psql(world.url, "SELECT current_database()")[0][0]
        up = world.database()
        assert up.startswith("[+] database ok since "), up
        psql(postgres.url, f"ALTER DATABASE {name} ALLOW_CONNECTIONS false; "
                           f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")
        eventually(lambda: world.database().startswith("[-] database failed since "))
        told = [world.database() for _ in range(ASKED)]
        assert len({line.split(": ")[0] for line in told}) == 1, told
        assert all(": " in line for line in told), told  # and why
        assert {world.gateway.get("/readyz").status for _ in range(ASKED)} == {503}
        psql(postgres.url, f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
        eventually(lambda: world.database().startswith("[+]"))
        told = {world.database() for _ in range(ASKED)}
        assert len(told) == 1 and told != {up}, told
        assert {world.gateway.get("/readyz").status for _ in range(ASKED)} == {200}


def one_that_stops_says_since_when(postgres):
    """Who asked before is told: the worker, which is asked, too, answers when it has begun to stop."""
    asked, go_on = threading.Event(), threading.Event()
    with World(postgres, WORKER_ASK_TIMEOUT="55s", DRAIN_TIMEOUT="5m") as world, ThreadPoolExecutor() as pool:
        up, answer = world.part("gateway"), world.worker.answer

        def answer_late(method, path, *rest):
            if path == "/livez":
                asked.set()
                assert go_on.wait(WAIT_S)
            return answer(method, path, *rest)
        world.worker.answer = answer_late
        told = pool.submit(world.part, "gateway")
        assert asked.wait(WAIT_S)
        world.gateway.process.send_signal(signal.SIGTERM)
        world.gateway.wait_for_log("event=mirror.standby")
        go_on.set()
        part = told.result()
        world.gateway.process.wait(WAIT_S)  # a second signal at its very end would be its end
        assert (part["status"], part["detail"]) == ("DEGRADED", "draining") and part["since"] > up["since"], (up, part)


TESTS = [every_loop_tells_the_same, what_one_loop_found_out_all_tell, ai_goes_for_all_at_once,
         the_database_is_away_for_all_as_long_as_it_is_for_one, one_that_stops_says_since_when]

if __name__ == "__main__":
    with Postgres() as the_postgres:
        run_tests(TESTS, the_postgres)
