#!/usr/bin/env python3
"""Two workers under `windlass up`: one leads, and when it is killed or stopped the other does, while
tasks are made and run. Figures are told, not asserted.

Usage: standby_test.py WINDLASS [TEST...]
"""
import os
import re
import signal
import sys
import time

from harness import Crowd, Scratch, Up, graphql, run_tests, set_up, until

PROGRAM = os.path.realpath(sys.argv[1])
TAKEOVER_S = 30  # far more than it should take
WORKERS = ("worker", "worker-2")


class Load(Crowd):
    """Threads that create tasks through the gateway until they are stopped."""

    def __init__(self, up, token):
        super().__init__(4)
        self.up, self.token = up, token
        self.accepted, self.kept, self.codes = [], [], set()
        self.times = []  # of answers that a worker has accepted

    def run(self, _):
        while not self.is_over.is_set():
            try:
                data = graphql(self.up, self.token, "mutation { createTask(input: {type: \"noop\"}) "
                                                    "{ id accepted } }")
            except (OSError, AssertionError, ValueError) as failure:
                self.codes.add(str(failure)[:200])
                continue
            task = data["createTask"]
            (self.accepted if task["accepted"] else self.kept).append(task["id"])
            if task["accepted"]:
                self.times.append(time.monotonic())

    def grow(self, count=200):
        was = len(self.accepted)
        until("tasks are accepted", lambda: len(self.accepted) >= was + count)

    def pause_s(self, since):
        """The longest time without an accepted task, from a moment on."""
        times = sorted(t for t in self.times if t >= since)
        return max(b - a for a, b in zip([since] + times, times))


def leads(up, name):
    try:
        return "\nwindlass_worker_leading 1\n" in up.request(path="/metrics", service=name)[1]
    except OSError:
        return False


def leader(up):
    return until("somebody leads", lambda: next((n for n in WORKERS if leads(up, n)), None))


def has_told(up, name):
    """That it is warm, since it was started last; a killed leader that is back at once may lead again instead."""
    lines = list(up.log)
    ends = [i for i, line in enumerate(lines) if f"event=up.child_ended child={name} " in line]
    return any(f"service={name} event=lead.warm" in line for line in lines[ends[-1] if ends else 0:])


def wait_warm(up):
    def is_warm():
        first = leader(up)
        return has_told(up, next(name for name in WORKERS if name != first))
    until("the standby is warm", is_warm)


def pid_of(up, name):
    line = up.logged("event=up.child_ready", f"child={name} ",
                     count=sum(f"event=up.child_ready child={name} " in l for l in list(up.log)) or 1)
    return int(re.search(r" pid=(\d+)", line).group(1))


def assert_all_run(up, token, ids):
    """Whatever was acknowledged is there, and runs."""
    for at in range(0, len(ids), 25):
        query = " ".join(f"t{i}: task(id: \"{task}\") {{ status }}"
                         for i, task in enumerate(ids[at:at + 25]))

        def have_run():
            data = graphql(up, token, "{ " + query + " }")
            assert None not in data.values(), "one is lost"
            return all(task["status"] == "COMPLETED" for task in data.values())
        until("they have run", have_run)


def start(scratch):
    return Up(PROGRAM, scratch, args=["--workers", "2"], env={"WINDLASS_ENV": "development"},
              fresh=True)


def test_a_standby_takes_over_from_a_killed_leader_and_nothing_is_lost():
    with Scratch() as scratch, start(scratch) as up:
        up.wait_ready()
        for name in WORKERS:
            up.logged("event=up.child_ready", f"child={name} ")
        token, ids, killed = set_up(up), [], dict.fromkeys(WORKERS, 0)
        for round_number in range(3):
            wait_warm(up)
            first = leader(up)
            with Load(up, token) as load:
                load.grow()
                since = time.monotonic()
                os.kill(pid_of(up, first), signal.SIGKILL)
                load.grow()
                pause_s = load.pause_s(since)
            ids += load.accepted + load.kept
            print(f"# killed: {pause_s:.2f} s without an accepted task, "
                  f"{len(load.kept)} kept in the outbox, refused: {sorted(load.codes)}")
            assert pause_s < TAKEOVER_S
            killed[first] += 1  # one that is back at once may lead again
            up.logged("event=up.child_ready", f"child={first} ", count=1 + killed[first])
        assert_all_run(up, token, ids)


def test_a_leader_that_is_stopped_hands_over():
    with Scratch() as scratch, start(scratch) as up:
        up.wait_ready()
        token = set_up(up)
        wait_warm(up)
        first = leader(up)
        with Load(up, token) as load:
            load.grow()
            since = time.monotonic()
            os.kill(pid_of(up, first), signal.SIGTERM)  # it ends, and is started again
            until("the other one leads", lambda: leads(up, next(n for n in WORKERS if n != first)))
            load.grow()
            pause_s = load.pause_s(since)
        ids = load.accepted + load.kept
        print(f"# stopped: {pause_s * 1000:.0f} ms without an accepted task, "
              f"{len(load.kept)} kept in the outbox, refused: {sorted(load.codes)}")
        assert not load.codes, load.codes
        assert_all_run(up, token, ids)


if __name__ == "__main__":
    run_tests([test_a_standby_takes_over_from_a_killed_leader_and_nothing_is_lost,
               test_a_leader_that_is_stopped_hands_over])
