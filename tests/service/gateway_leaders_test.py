#!/usr/bin/env python3
"""A gateway that knows two workers, of which one leads. Usage: gateway_leaders_test.py PROGRAM"""

import os
import re
import subprocess
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../support"))
from fake_worker import FakeWorker  # noqa: E402
from gateway_rig import PROGRAM, BaseWorld, Gateway, Postgres, eventually, psql, run_tests  # noqa: E402

CREATE = "mutation($input: CreateTaskInput!) { createTask(input: $input) { id accepted } }"
RETRY = "mutation($id: ID!) { retryTask(id: $id) { id } }"


def shared(name):
    """The other one's, who has it already when this one is made."""
    return property(lambda self: getattr(self.other, name),
                    lambda self, value: setattr(self.other, name, value) if self.is_made else None)


class Twin(FakeWorker):
    """Another process on the same tables."""
    is_made = False
    tasks, jobs, events = shared("tasks"), shared("jobs"), shared("events")
    first, head, lock, changed = shared("first"), shared("head"), shared("lock"), shared("changed")

    def __init__(self, other):
        self.other = other
        super().__init__()
        self.is_made = True


class World(BaseWorld):
    def __init__(self, postgres):
        self.a = FakeWorker().__enter__()
        self.b = Twin(self.a).__enter__()
        self.b.is_away = True  # it stands by
        super().__init__(postgres.tell("database"), (self.a, self.b), WORKER_URL=f"{self.a.url}, {self.b.url}",
                         GATEWAY_LOOPS="1")
        eventually(lambda: psql(self.url, "SELECT 1 FROM mirror WHERE cursor <> ''"))

    def create(self):
        return self.ask(CREATE, {"input": {"type": "email"}}).data["createTask"]

    def mirrored(self, task_id):
        return psql(self.url, f"SELECT 1 FROM tasks WHERE id = '{task_id}' AND version > 0")


def creates(worker):
    return len(worker.seen("/v1/tasks"))


def a_call_goes_to_the_one_that_leads_and_stays_there(postgres):
    with World(postgres) as world:
        assert world.create()["accepted"]
        world.a.is_away, world.b.is_away = True, False  # handed over
        asked = creates(world.a)
        made = [world.create() for _ in range(5)]
        assert all(task["accepted"] for task in made), made
        assert creates(world.b) == 5 and creates(world.a) <= asked + 1
        before = creates(world.a)
        assert world.create()["accepted"] and creates(world.a) == before
        added = world.a.add()  # and the feed is read there
        eventually(lambda: world.mirrored(added))
        world.b.vanish()  # without a word
        world.a.is_away = False
        made = [world.create() for _ in range(5)]
        assert all(task["accepted"] for task in made), made
        world.b.launch()


def while_nobody_leads_a_call_waits_a_moment(postgres):
    with World(postgres) as world:
        world.a.is_away = True
        answer = {}

        def create():
            answer.update(world.create())
        thread = threading.Thread(target=create)
        thread.start()
        eventually(lambda: creates(world.a) > 1 and creates(world.b) > 1)
        world.b.is_away = False
        thread.join()
        assert answer["accepted"], answer
        world.b.is_away = True  # for longer than that
        kept = world.create()
        assert kept["accepted"] is False, kept
        world.a.is_away = False
        eventually(lambda: world.mirrored(kept["id"]))


def what_may_have_been_done_is_not_tried_elsewhere(postgres):
    with World(postgres) as world:
        task = world.a.add()
        world.a.finish(task, "dead", error="no")
        eventually(lambda: world.mirrored(task))
        world.b.is_away = False
        world.a.is_mute_after = True  # does it, and nobody hears
        retried = world.gateway.graphql(RETRY, {"id": task}, world.admin)
        assert retried.code == "WORKER_UNAVAILABLE", retried.text
        assert not world.b.seen(f"/v1/tasks/{task}:retry")
        assert len(world.a.seen(f"/v1/tasks/{task}:retry")) >= 1
        world.a.is_mute_after = False


def one_that_leads_and_has_too_much_to_do_is_not_passed_over(postgres):
    with World(postgres) as world:
        assert world.create()["accepted"]
        world.a.is_overloaded = True
        asked = creates(world.b)
        kept = world.create()
        assert kept["accepted"] is False, kept  # nothing was done: the outbox has it
        assert creates(world.b) == asked, "nobody else would do it"
        world.a.is_overloaded = False
        eventually(lambda: world.mirrored(kept["id"]))


def another_gateway_keeps_the_mirror_when_the_first_is_gone(postgres):
    """The lease is never longer than mirror-lease, and another one asks for it four times in that time: so it has it
    within a quarter more, 2.5 s as the default is. How long it was on this machine is not asserted."""
    default = subprocess.run([PROGRAM, "config", "show"], text=True, capture_output=True, check=True).stdout
    assert re.search(r"^mirror-lease +2s\b", default, re.M), default
    with World(postgres) as world:
        first, other = world.gateway, Gateway(world.url, WORKER_URL=world.a.url, GATEWAY_LOOPS="1")
        world.gateway = other  # which is ended with the world
        left = "SELECT holder, lease_until <= now() + interval '2 seconds' FROM mirror"
        for _ in range(20):
            assert psql(world.url, left)[0][1] == "t"
        assert "event=mirror.held" in first.log and "event=mirror.held" not in other.log
        holder = psql(world.url, left)[0][0]
        assert first.stop(9) == -9
        added = world.a.add()  # nobody else would store it
        eventually(lambda: world.mirrored(added))
        assert psql(world.url, left)[0][0] != holder
        other.wait_for_log(r"event=mirror\.held")


TESTS = [
    another_gateway_keeps_the_mirror_when_the_first_is_gone,
    a_call_goes_to_the_one_that_leads_and_stays_there,
    while_nobody_leads_a_call_waits_a_moment,
    what_may_have_been_done_is_not_tried_elsewhere,
    one_that_leads_and_has_too_much_to_do_is_not_passed_over,
]

if __name__ == "__main__":
    with Postgres() as server:
        run_tests(TESTS, server)
