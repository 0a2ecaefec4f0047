#!/usr/bin/env python3
"""The fault checker of the queue: two workers, a real runner and scripted executors on one PostgreSQL, behind a network
that loses requests and answers and sends some twice. Each round something is killed, stopped or stalled, and all must
go on. What was acknowledged, leased and told is kept, and at the end proved against the tables.

    tests/chaos/checker.py build/windlass [--rounds N] [--seed S]

The same seed makes the same choices: the faults in their order, and what each actor does. When they meet is the
machine's. Prints TAP; exit code 1 when a case failed. The clock is not made to jump here: the process has one, and
nothing in the product moves it; tests/service/worker_jobs_test.py has a clock that was set back.
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
from actors import LIMIT, TTL_MS, Creator, Executor, Follower, Sleeper  # noqa: E402
from gateway_rig import Postgres, eventually  # noqa: E402
from history import History  # noqa: E402
from installation import Checks  # noqa: E402
from network import Network  # noqa: E402
from proofs import ENDS, PROOFS, blind_proofs, snapshot  # noqa: E402
from runner_rig import Runner  # noqa: E402
from worker_rig import RUNNER_TOKEN, Caller, Proxy, Worker, new_id, sql  # noqa: E402

WORKERS = 2
LOSS = 0.03          # of requests, that something happens to
LOSS_BAD = 0.4       # the same while the network is bad
SETTLE_S = 180
SETTINGS = {"WORKER_LEASE": "1s", "LOG_LEVEL": "info"}


class World:
    def __init__(self, postgres, seed):
        self.postgres, self.url, self.seed = postgres, postgres.url, seed
        self.dice, self.history = random.Random(seed), History()
        self.logs = []  # of workers that have ended
        self.database = Proxy(self.url)  # loses answers of commits where a round wants it
        self.network = Network(f"{seed} network", LOSS)
        self.network.workers = self.ports
        self.workers = [Worker(self.database.url, wait=False, **SETTINGS) for _ in range(WORKERS)]
        self.wait_leading()
        self.runner = self.start_runner()
        self.has_limit = self.set_limit()
        self.jobs = {name: self.make_job(policy, kind) for name, policy, kind in
                     (("run-all", "run-all", "tick"), ("skip", "skip", "tock"))}
        self.follower = Follower(self, 0)
        self.executors = [Executor(self, n) for n in range(2)] + [Sleeper(self, 0)]
        self.creators = [Creator(self, n) for n in range(2)]

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

    def start_runner(self):
        return Runner(f"http://127.0.0.1:{self.network.port}", RUNNER_TOKEN=RUNNER_TOKEN, LOG_LEVEL="info")

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

    def set_limit(self):
        answer = self.ask_until("POST", "/v1/types:update", {
            "type": "limited", "settings": {"max_running": LIMIT}, "actor": "chaos", "user": None})
        return answer.status == 200

    def make_job(self, policy, kind):
        job = new_id()
        answer = self.ask_until("POST", "/v1/jobs", {"actor": "chaos", "job": {
            "id": job, "name": kind, "schedule": "* * * * * *", "task_type": kind, "misfire_policy": policy,
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
        self.workers[index] = Worker(self.database.url, wait=False, **SETTINGS)
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


# ── faults: each gives what it found wrong by itself, or None ──

def kill_leader(world):
    world.replace_worker(world.leader(), signal.SIGKILL)


def kill_standby(world):
    world.replace_worker((world.leader() + 1) % WORKERS, signal.SIGKILL)


def kill_both(world):
    for index in range(WORKERS):
        world.replace_worker(index, signal.SIGKILL)


def stop_leader(world):
    code = world.replace_worker(world.leader(), signal.SIGTERM)
    return f"SIGTERM ended it with {code}" if code != 0 else None


def hang_leader(world):
    """Longer than its lease: when it wakes another leads, and it must not commit."""
    process = world.workers[world.leader()].process
    process.send_signal(signal.SIGSTOP)
    time.sleep(world.dice.uniform(0.5, 4))
    process.send_signal(signal.SIGCONT)


def kill_runner(world):
    world.runner.process.kill()
    world.runner.process.wait()
    world.runner = world.start_runner()


def hang_runner(world):
    world.runner.process.send_signal(signal.SIGSTOP)
    time.sleep(TTL_MS / 1000 * world.dice.uniform(0.5, 1.5))
    world.runner.process.send_signal(signal.SIGCONT)


def kill_postgres(world):
    world.postgres.tell("kill")
    world.postgres.tell("launch")
    world.postgres.tell("wait")


def kill_backend(world):
    """PostgreSQL then ends all others, too, and recovers."""
    pids = sql(world.url, "SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' "
                          "AND pid <> pg_backend_pid()").split()
    if pids:
        os.kill(int(world.dice.choice(sorted(pids))), signal.SIGKILL)
    eventually(lambda: can_connect(world))


def can_connect(world):
    try:
        return sql(world.url, "SELECT 1") == "1"
    except AssertionError:
        return False


def stall_disk(world):
    """Nothing is written and nothing is answered, as with a disk that hangs."""
    world.postgres.tell("suspend")
    time.sleep(world.dice.uniform(0.2, 3))
    world.postgres.tell("resume")


def lose_commits(world):
    world.database.plan += [world.dice.choice(["lose", "cut", "pass"]) for _ in range(world.dice.randint(1, 4))]
    time.sleep(0.5)


def bad_network(world):
    world.network.loss = LOSS_BAD
    time.sleep(world.dice.uniform(0.5, 2))
    world.network.loss = LOSS


FAULTS = [kill_leader, kill_leader, kill_leader, kill_standby, kill_both, stop_leader, hang_leader, hang_leader,
          kill_runner, hang_runner, kill_postgres, kill_backend, stall_disk, lose_commits, lose_commits, bad_network]


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
        wrong = []
        try:
            found = fault(world)
            wrong += [found] if found else []
            progress(world)
        except AssertionError as error:
            wrong.append(f"it did not go on: {error}")
        wrong += world.history.wrong
        hurts[fault.__name__] += 1
        checks(not wrong, f"round {number}: {fault.__name__.replace('_', ' ')}", wrong)
        if wrong:
            break
    print(f"# {sum(hurts.values())} rounds in {time.monotonic() - begun:.0f} s: {dict(hurts)}", flush=True)


def settle(world):
    """No more is asked for and nothing hurts: everything comes to its end."""
    world.network.loss = 0
    for creator in world.creators:
        creator.stop()
    for executor in world.executors:
        executor.is_calm = True
    for job in world.jobs.values():
        world.ask_until("POST", f"/v1/jobs/{job}:pause", {"actor": "chaos"})
    until = time.monotonic() + SETTLE_S
    left = []
    while time.monotonic() < until:
        left = [f"{t['type']} {t['state']} {i}" for i, t in snapshot(world).items() if t["state"] not in ENDS]
        if not left:
            break
        time.sleep(0.2)
    head = eventually(lambda: world.caller().get("/v1/feed").json.get("cursor"))
    eventually(lambda: world.follower.cursor == head or world.history.wrong)
    for actor in world.actors:
        actor.stop()
    return left


def report(world):
    history = world.history
    print(f"# acknowledged: {len(history.created)} tasks, {sum(map(len, history.leases.values()))} leases, "
          f"{dict(history.asked)}", flush=True)
    print(f"# requests: {world.network.done}; commits: {dict(collections.Counter(world.database.done))}; "
          f"{len(world.events)} changes", flush=True)
    if not world.has_limit:
        print("# this worker knows no limits: they were not looked at", flush=True)


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
    with Postgres() as postgres:
        world = World(postgres, options.seed)
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
            blind = blind_proofs(world, tasks)
            checks(not blind, "each of these proofs sees what is spoiled for it", blind)
        finally:
            if checks.failed:
                print(f"# kept for a look: {keep_evidence(world)}", flush=True)
            world.end()
    return checks.end()


if __name__ == "__main__":
    sys.exit(main())
