#!/usr/bin/env python3
"""The fault checker of the queue: two workers, a real runner and scripted actors on one PostgreSQL, behind a network
that loses requests and answers and sends some twice. Each round something is killed, stopped or stalled, or a wall
clock jumps, and all must go on. What was acknowledged, leased and told is kept, and at the end proved against the
tables and the order of the changes. What is done and proved: docs/faults.md.

    tests/chaos/checker.py build/windlass [--rounds N] [--seed S]

The same seed makes the same choices: the faults in their order, and what each actor does. When they meet is the
machine's. Prints TAP; exit code 1 when a case failed.
"""

import argparse
import collections
import json
import os
import random
import signal
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../support"))
os.environ.setdefault("WINDLASS_TEST_PG_RUN",
                      os.path.join(os.path.dirname(os.path.abspath(sys.argv[1])), "tests/support/pg_run"))
from actors import Creator, Executor, Follower, Sleeper  # noqa: E402
from faults import FAULTS, LOSS, WORKERS  # noqa: E402
from gateway_rig import Postgres, eventually  # noqa: E402
from history import History  # noqa: E402
from installation import Checks  # noqa: E402
from network import Network  # noqa: E402
from operations import LIMITS, Bulk, Operator, Writer  # noqa: E402
from proofs import ENDS, PROOFS, blind_proofs, snapshot  # noqa: E402
from runner_rig import Runner  # noqa: E402
from shim import Shim  # noqa: E402
from worker_rig import RUNNER_TOKEN, Caller, Proxy, Worker, new_id, sql  # noqa: E402

SETTLE_S = 180
# Ids are by the checker's clock, which is right; the others' are not.
SETTINGS = {"WORKER_LEASE": "1s", "LOG_LEVEL": "info", "ID_FUTURE": "24h"}


class World:
    limits = LIMITS
    log = None  # for the proofs: the rows of the change log, once all has come to rest

    def __init__(self, postgres, clocks, seed):
        self.postgres, self.url, self.seed = postgres, postgres.url, seed
        self.database_clock, self.runner_clock, *self.worker_clocks = clocks
        self.dice, self.history = random.Random(seed), History()
        self.logs = []  # of workers that have ended
        self.database = Proxy(self.url)  # loses answers of commits where a round wants it
        self.network = Network(f"{seed} network", LOSS)
        self.network.workers = self.ports
        self.workers = [self.start_worker(index) for index in range(WORKERS)]
        self.wait_leading()
        self.runner = self.start_runner()
        for kind, settings in LIMITS.items():
            self.set_type(kind, settings)
        self.jobs = {name: self.make_job(schedule, policy, kind) for name, schedule, policy, kind in
                     (("run-all", "* * * * * *", "run-all", "tick"), ("skip", "* * * * * *", "skip", "tock"),
                      ("run-all-slow", "*/5 * * * *", "run-all", "tack"))}
        self.follower = Follower(self, 0)
        self.executors = [Executor(self, n) for n in range(2)] + [Sleeper(self, 0)]
        self.creators = [*(Creator(self, n) for n in range(2)), Bulk(self, 0), Operator(self, 0), Writer(self, 0)]

    @property
    def actors(self):
        return [self.follower, *self.executors, *self.creators]

    @property
    def events(self):
        return self.follower.events

    def ports(self):
        return [worker.port for worker in self.workers]

    def caller(self):
        return Caller(self.network)

    def caller_of(self, index):
        return Caller(self.workers[index])

    def start_worker(self, index):
        return Worker(self.database.url, wait=False, more=self.worker_clocks[index].environment, **SETTINGS)

    def start_runner(self):
        return Runner(f"http://127.0.0.1:{self.network.port}", more=self.runner_clock.environment,
                      RUNNER_TOKEN=RUNNER_TOKEN, LOG_LEVEL="info")

    def wait_leading(self):
        def look():
            caller = self.caller()
            try:
                return caller.get("/v1/feed").status == 200
            finally:
                caller.close()
        eventually(look)

    def ask_until(self, method, path, body):
        """One answer that tells what became of it."""
        def ask():
            answer = self.caller().request(method, path, body)
            return answer if answer.status != 503 else None
        return eventually(ask)

    def set_type(self, kind, settings):
        answer = self.ask_until("POST", "/v1/types:update", {
            "type": kind, "settings": settings, "actor": "chaos", "user": None})
        assert answer.status == 200, answer.text

    def make_job(self, schedule, policy, kind):
        job = new_id()
        answer = self.ask_until("POST", "/v1/jobs", {"actor": "chaos", "job": {
            "id": job, "name": kind, "schedule": schedule, "task_type": kind, "misfire_policy": policy,
            "overlap_policy": "allow", "max_attempts": 1000}})
        assert answer.status == 200, answer.text
        return job

    def leader(self):
        """The index of the worker that answered last."""
        return next((i for i, worker in enumerate(self.workers) if worker.port == self.network.leader), 0)

    def replace_worker(self, index, signum):
        code = self.workers[index].stop(signum)
        self.logs.append(self.workers[index].log)
        self.workers[index].__exit__(SystemExit)
        self.workers[index] = self.start_worker(index)
        return code

    def end(self):
        for actor in self.actors:
            actor.is_over.set()
        self.network.end()
        self.runner.process.send_signal(signal.SIGCONT)
        self.runner.process.kill()
        self.runner.process.wait()
        for worker in self.workers:
            worker.process.send_signal(signal.SIGCONT)
            worker.process.kill()
            worker.process.wait()
        self.database.end()


# ── the course of it ──

def progress(world):
    """Something new was acknowledged, and something was finished."""
    created, told = len(world.history.created), len(world.events)

    def look():
        return world.history.wrong or (len(world.history.created) > created and
                                       any(e["op"] == "finish" for e in world.events[told:]))
    eventually(look)


def run_rounds(world, rounds, checks):
    begun = time.monotonic()
    hurts = collections.Counter()
    for number in range(1, rounds + 1):
        time.sleep(world.dice.uniform(0.1, 1))
        fault = world.dice.choice(FAULTS)
        wrong, since = [], time.monotonic()
        try:
            found = fault(world)
            wrong += [found] if found else []
            progress(world)
        except AssertionError as error:
            wrong.append(f"it did not go on: {error}")
        wrong += world.history.wrong
        hurts[fault.__name__] += 1
        checks(not wrong, f"round {number}: {fault.__name__.replace('_', ' ')}, {time.monotonic() - since:.1f} s", wrong)
        if wrong:
            break
    print(f"# {sum(hurts.values())} rounds in {time.monotonic() - begun:.0f} s: {dict(hurts)}", flush=True)


def cancel_what_nobody_runs(world, tasks):
    """Their creators ended before they could."""
    ids = [i for i, t in tasks.items() if t["type"] == "bulky" or t["run_at_us"] > (time.time() + 12 * 3600) * 1e6]
    if ids:
        world.ask_until("POST", "/v1/tasks:bulk", {"action": "cancel", "actor": "chaos", "tasks": [{"id": i} for i in ids]})


def settle(world):
    """No more is asked for, nothing hurts and nothing holds back: everything comes to its end."""
    world.network.loss = 0
    for creator in world.creators:
        creator.stop()
    for executor in world.executors:
        executor.is_calm = True
    for job in world.jobs.values():
        world.ask_until("POST", f"/v1/jobs/{job}:pause", {"actor": "chaos"})
    world.history.unlimited_at = time.monotonic()
    for kind in ("rated", "paced"):
        world.set_type(kind, dict.fromkeys(LIMITS[kind]))
    world.set_type("fragile", {"is_paused": False})
    world.ask_until("POST", "/v1/queues:resume", {"queue": "side", "actor": "chaos", "user": None})
    until = time.monotonic() + SETTLE_S
    left = ["nobody has looked"]
    while left and time.monotonic() < until:
        open_ones = {i: t for i, t in snapshot(world).items() if t["state"] not in ENDS}
        cancel_what_nobody_runs(world, open_ones)
        left = [f"{t['type']} {t['state']} {i}" for i, t in open_ones.items()]
        time.sleep(0.2 if left else 0)
    head = eventually(lambda: world.caller().get("/v1/feed").json.get("cursor"))
    eventually(lambda: world.follower.cursor == head or world.history.wrong)
    for actor in world.actors:
        actor.stop()
    return left


def report(world):
    history = world.history
    print(f"# acknowledged: {len(history.created)} tasks, {sum(map(len, history.leases.values()))} leases, "
          f"{len(history.deleted)} deleted; {sum(e['op'] == 'start' for e in world.events)} executions began", flush=True)
    print(f"# {dict(history.asked)}, {len(history.pauses)} pauses, {len(history.bulk_done)} bulk changes at versions", flush=True)
    print(f"# requests: {world.network.done}; commits: {dict(collections.Counter(world.database.done))}; "
          f"{len(world.events)} changes", flush=True)


def keep_evidence(world):
    """The folder with all that was said: by the workers, the feed, and to whoever asked."""
    folder = tempfile.mkdtemp(prefix="windlass-checker-")
    with open(os.path.join(folder, "workers.log"), "w", encoding="utf-8") as file:
        lines = [line for log in [*world.logs, *(w.log for w in world.workers)] for line in log.splitlines()]
        file.write("\n".join(sorted(lines)))
    with open(os.path.join(folder, "feed.json"), "w", encoding="utf-8") as file:
        file.writelines(json.dumps(event) + "\n" for event in world.events)
    with open(os.path.join(folder, "history.txt"), "w", encoding="utf-8") as file:
        for name, told in vars(world.history).items():
            file.write(f"{name}: {told}\n")
    with open(os.path.join(folder, "change_log.txt"), "w", encoding="utf-8") as file:
        file.write(sql(world.url, "SELECT seq, n, epoch, at, ops, ids FROM worker.change_log ORDER BY seq"))
    return folder


def main():
    arguments = argparse.ArgumentParser(description="The fault checker of the queue.")
    arguments.add_argument("program")
    arguments.add_argument("--rounds", type=int, default=20)
    arguments.add_argument("--seed", default="1")
    options = arguments.parse_args()
    checks = Checks()
    print(f"# seed {options.seed}", flush=True)
    clocks = [Shim() for _ in range(2 + WORKERS)]
    with Postgres("-c fsync=on -c wal_sync_method=fdatasync", more=clocks[0].environment) as postgres:
        world = World(postgres, clocks, options.seed)
        try:
            for actor in world.actors:
                actor.start()
            run_rounds(world, options.rounds, checks)
            left = settle(world)
            checks(not left, "everything comes to its end", left)
            checks(not world.history.wrong, "nobody was told what nothing explains", world.history.wrong)
            tasks = snapshot(world)
            report(world)
            for proof in PROOFS:
                wrong = proof(world, tasks)
                checks(not wrong, proof.__name__.replace("_", " "), wrong)
            blind = blind_proofs(world, tasks, options.rounds) if not checks.failed else []
            checks(not blind, "each of these proofs sees what is spoiled for it", blind)
        finally:
            if checks.failed:
                print(f"# kept for a look: {keep_evidence(world)}", flush=True)
            world.end()
    for clock in clocks:
        clock.end()
    return checks.end()


if __name__ == "__main__":
    sys.exit(main())
