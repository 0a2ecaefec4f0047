#!/usr/bin/env python3
"""chaos: kills processes of a running Windlass at random moments while clients write, then checks
that nothing acknowledged was lost and nothing happened twice.

    tests/chaos/chaos.py [--rounds N] [--seed S] [--binary build/windlass]     faults
    tests/chaos/chaos.py --soak MINUTES                                        load alone

A round is a random pause, one fault, and the wait until `/readyz` is well again. The same seed gives
the same faults in the same order. Faults: kill -9 of the gateway, of one PostgreSQL backend, of the
postmaster, of `windlass up` itself (then started anew on the same folder), and SIGTERM of `up`.
Prints TAP, a case a check; exit code 1 when one failed.
"""
import argparse
import json
import os
import random
import re
import signal
import sys
import threading
import time

from installation import PASSWORD, REQUEST_S, START_S, Client, Lost, Windlass, run

WRITERS = 4


CREATE = "mutation($i: CreateUserInput!) { createUser(input: $i) { id email } }"
RENAME = "mutation($id: ID!, $n: String!) { updateUser(id: $id, input: {name: $n}) { name } }"
PAGE = """query($after: String) { users(first: 500, after: $after) {
    nodes { id email name } pageInfo { hasNextPage endCursor } } }"""
ALLOWED = {"DATABASE_UNAVAILABLE", "TIMEOUT", "RATE_LIMITED"}


class Writer(threading.Thread):
    """Creates users and renames its own; keeps what was acknowledged and what is in doubt."""

    def __init__(self, windlass, token, number, stop):
        super().__init__(daemon=True)
        self.client, self.number, self.stop = Client(windlass, token), number, stop
        self.acknowledged = {}   # email -> (id, name)
        self.doubtful_names = {}  # email -> names that may be there
        self.maybe = set()       # emails that may be there
        self.hangs, self.strange, self.unanswered = 0, [], 0

    def ask(self, query, variables):
        """The data, or None when it failed in a way that a fault explains."""
        try:
            answer = self.client.call(query, variables)
        except Lost:
            self.unanswered += 1
            time.sleep(0.05)
            return None
        except TimeoutError:
            self.hangs += 1
            return None
        if answer.get("errors"):
            code = answer["errors"][0].get("extensions", {}).get("code")
            if code not in ALLOWED:
                self.strange.append(json.dumps(answer["errors"])[:300])
            time.sleep(0.05)
            return None
        return answer["data"]

    def run(self):
        n = 0
        while not self.stop.is_set():
            email = f"w{self.number}-{n}@chaos.test"
            n += 1
            self.maybe.add(email)
            data = self.ask(CREATE, {"i": {"email": email, "name": "first", "password": PASSWORD}})
            if not data:
                continue
            user = data["createUser"]["id"]
            self.acknowledged[email] = (user, "first")
            name = f"second {n}"
            self.doubtful_names[email] = {name}
            if self.ask(RENAME, {"id": user, "n": name}):
                self.acknowledged[email] = (user, name)
                self.doubtful_names[email] = set()
        self.client.close()


def all_users(windlass, token):
    client, after, users = Client(windlass, token), None, []
    while True:
        page = client.call(PAGE, {"after": after})
        if page.get("errors"):
            raise SystemExit(f"users: {page['errors']}")
        users += page["data"]["users"]["nodes"]
        if not page["data"]["users"]["pageInfo"]["hasNextPage"]:
            client.close()
            return users
        after = page["data"]["users"]["pageInfo"]["endCursor"]


def hurt(windlass, fault, dice):
    """Carries out one fault; the text says what was hit."""
    if fault in ("gateway", "backend", "postmaster"):
        pids = windlass.pids(fault)
        if not pids:
            return f"{fault}: none runs"
        pid = dice.choice(sorted(pids))
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            return f"{fault}: {pid} had ended"
        return f"kill -9 {fault}"
    windlass.process.send_signal(signal.SIGKILL if fault == "up" else signal.SIGTERM)
    windlass.process.wait(START_S)
    if fault == "stop" and windlass.process.returncode != 0:
        return f"SIGTERM up: exit {windlass.process.returncode}"
    windlass.start()
    return "kill -9 up" if fault == "up" else "SIGTERM up"


def resident_kib(windlass):
    """PSS of each service of ours; PostgreSQL's caches grow to their size and are left out."""
    total = 0
    for pid, text in windlass.descendants().items():
        if "postgres" in text.split(" ")[0]:
            continue
        try:
            with open(f"/proc/{pid}/smaps_rollup") as f:
                total += int(re.search(r"^Pss:\s+(\d+)", f.read(), re.M)[1])
        except OSError:
            pass
    return total


def check_users(checks, windlass, token, writers):
    there = {}
    twice = 0
    for user in all_users(windlass, token):
        twice += user["email"] in there
        there[user["email"]] = user
    lost, wrong = [], []
    for w in writers:
        for email, (user, name) in w.acknowledged.items():
            row = there.get(email)
            if not row or row["id"] != user:
                lost.append(email)
            elif row["name"] != name and row["name"] not in w.doubtful_names[email]:
                wrong.append(f"{email}: {row['name']!r}, acknowledged {name!r}")
    asked = set().union(*(w.maybe for w in writers)) | {"admin@chaos.test"}
    acknowledged = sum(len(w.acknowledged) for w in writers)
    checks(acknowledged > 0, f"{acknowledged} users were acknowledged")
    checks(not lost, f"{len(lost)} of them are lost {lost[:3]}")
    checks(not wrong, f"{len(wrong)} acknowledged renames are lost {wrong[:3]}")
    checks(twice == 0, f"{twice} users are there twice")
    checks(set(there) <= asked, "nobody is there whom no one asked for")
    checks(sum(w.hangs for w in writers) == 0, f"no request took {REQUEST_S} s")
    strange = [s for w in writers for s in w.strange]
    checks(not strange, f"{len(strange)} answers that no fault explains {strange[:2]}")


def body(windlass, options):
    def check(checks, token):
        dice, stop = random.Random(options.seed), threading.Event()
        writers = [Writer(windlass, token, n, stop) for n in range(WRITERS)]
        for w in writers:
            w.start()
        try:
            if options.soak:
                soak(windlass, checks, options.soak * 60)
            else:
                run_rounds(windlass, checks, options, dice)
        finally:
            stop.set()
        for w in writers:
            w.join(2 * REQUEST_S)
        check_users(checks, windlass, token, writers)
    return check


def run_rounds(windlass, checks, options, dice):
    print(f"# seed {options.seed}, {options.rounds} rounds", flush=True)
    for n in range(options.rounds):
        time.sleep(dice.uniform(0.05, 1.0))
        fault = dice.choice(["gateway", "backend", "backend", "postmaster", "up", "stop"])
        what = hurt(windlass, fault, dice)
        windlass.wait_ready()
        checks("exit" not in what, f"round {n + 1}: recovered from: {what}")


def soak(windlass, checks, seconds):
    """Memory after a third of the time against memory at the end: it may not go on growing."""
    time.sleep(seconds / 3)
    early = resident_kib(windlass)
    time.sleep(seconds * 2 / 3)
    late = resident_kib(windlass)
    checks(late <= early * 1.2 + 2048, f"memory of the services: {early} KiB, later {late} KiB")


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--rounds", type=int, default=20)
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--soak", type=float, metavar="MINUTES")
    p.add_argument("--binary", default=os.path.join(here, "../../build/windlass"))
    options = p.parse_args()
    windlass = Windlass(os.path.abspath(options.binary))
    return run(windlass, body(windlass, options))


if __name__ == "__main__":
    sys.exit(main())
