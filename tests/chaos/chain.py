#!/usr/bin/env python3
"""chain: kills the processes of a running Windlass at random moments while tasks are created and run,
then checks the whole chain: nothing acknowledged is lost, nothing completes twice, a late
acknowledgement changes nothing, the mirror equals the worker's tables, counters equal a recount.

    tests/chaos/chain.py [--seconds N] [--seed S] [--binary build/windlass]

The same seed gives the same faults in the same order: kill -9 of gateway, worker, runner, ai, of a
PostgreSQL backend and of the postmaster, and a runner that is stopped for longer than its session
lives. Prints TAP, a case a check; exit code 1 when one failed.
"""
import argparse
import collections
import http.client
import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
import uuid

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../support"))
import recount  # noqa: E402
from environ import environment_of  # noqa: E402
from installation import START_S, Client, Lost, Windlass, run

TTL_S = 2          # of a session: how long a lost executor is waited for
SETTLE_S = 120     # the longest that nothing of the rest may be done once nothing is hurt any more
SETTLE_MAX_S = 5 * SETTLE_S  # and all of it must be
WRITERS = 3
OUTSIDE_TYPE = "chaos.outside"
CREATE = "mutation($i: CreateTaskInput!) { createTask(input: $i) { id accepted } }"
# Of each type and of all, by the worker's own tables: what was created and has ended in each span, and how many runs
# are among the durations, the longest of them to the microsecond.
ROLLUPS_WRONG = """
WITH events AS (
    SELECT y.name AS type, t.created_at AS at, 1 AS created, 0 AS completed, 0 AS failed, NULL::float8 AS took
    FROM worker.task AS t JOIN worker.task_type AS y ON y.id = t.type
    UNION ALL
    SELECT y.name, d.finished_at, 0, (d.state = 5)::int, (d.state <> 5)::int, extract(epoch FROM d.finished_at - d.started_at)::float8
    FROM worker.task_done AS d JOIN worker.task AS t USING (id) JOIN worker.task_type AS y ON y.id = t.type
), counted AS (
    SELECT to_timestamp(floor(extract(epoch FROM at) / {span}) * {span}) AS at, coalesce(type, '') AS type, sum(created) AS created,
           sum(completed) AS completed, sum(failed) AS failed, count(took) AS runs, max(took) AS run_max
    FROM events GROUP BY 1, ROLLUP (type)
)
SELECT r.at, r.type, r.created, n.created, r.completed, n.completed, r.failed, n.failed, r.runs, n.runs, r.run_max, n.run_max
FROM (SELECT at, type, created, completed, failed, (SELECT coalesce(sum(x), 0) FROM unnest(run::int8[]) AS x) AS runs, run_max
      FROM task_rollups WHERE span_s = {span} AND created + completed + failed > 0) AS r
FULL JOIN counted AS n USING (at, type)
WHERE (r.created, r.completed, r.failed, r.runs) IS DISTINCT FROM (n.created, n.completed, n.failed, n.runs)
   OR abs(coalesce(r.run_max, -1) - coalesce(n.run_max, -1)) > 0.0000015"""
# What a fault explains: the writer sends the same task again until it has an answer.
EXPLAINED = {"DATABASE_UNAVAILABLE", "WORKER_UNAVAILABLE", "TIMEOUT", "RATE_LIMITED"}


def uuid7(dice):
    """RFC 9562: 48 bits of milliseconds, version 7, then random bits."""
    value = (int(time.time() * 1000) << 80) | (7 << 76) | (dice.getrandbits(12) << 64)
    return str(uuid.UUID(int=value | (2 << 62) | dice.getrandbits(62)))


class Installation(Windlass):
    """`windlass up` with sessions that end soon, so that a run sees many of them end."""

    arguments = ["--session-ttl", f"{TTL_S}s"]

    def service_pids(self, name):
        return [pid for pid, text in self.descendants().items() if f"windlass {name}" in text]

    def variable(self, service, name):
        """A setting that `up` gave the service: its environment is the only place to read it."""
        for pid in self.service_pids(service):
            try:
                return environment_of(pid)[name]
            except (OSError, KeyError, subprocess.CalledProcessError):  # it has ended since, or is another's
                continue
        return ""

    def sql(self, statement):
        done = subprocess.run([self.binary, "psql", "--data", os.path.join(self.folder, "data"), "--",
                               "-X", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-c", statement],
                              capture_output=True, text=True, timeout=120)
        if done.returncode != 0:
            raise RuntimeError(f"{statement}: {done.stderr}")
        return [row.split("|") for row in done.stdout.splitlines()]


class Writer(threading.Thread):
    """Creates tasks of every kind, each until it has been acknowledged."""

    def __init__(self, windlass, token, seed, stop):
        super().__init__(daemon=True)
        self.client, self.dice, self.stop = Client(windlass, token), random.Random(seed), stop
        self.acknowledged, self.kept = set(), 0
        self.strange = []

    def choose(self):
        kind = self.dice.random()
        if kind < 0.4:
            return {"type": "noop"}
        if kind < 0.6:
            return {"type": "sleep", "payload": {"seconds": self.dice.uniform(0.01, 0.3)}}
        if kind < 0.7:
            return {"type": "fail", "payload": {"fatal": True}}
        return {"type": OUTSIDE_TYPE}

    def run(self):
        while not self.stop.is_set():
            task = {"id": uuid7(self.dice), "maxAttempts": 50, **self.choose()}
            while not self.create(task):
                time.sleep(0.05)
            time.sleep(self.dice.uniform(0, 0.02))
        self.client.close()

    def create(self, task):
        try:
            answer = self.client.call(CREATE, {"i": task})
        except (Lost, TimeoutError):
            return False
        if answer.get("errors"):
            code = answer["errors"][0].get("extensions", {}).get("code")
            if code not in EXPLAINED:
                self.strange.append(json.dumps(answer["errors"])[:300])
                return True
            return False
        self.acknowledged.add(task["id"])
        self.kept += not answer["data"]["createTask"]["accepted"]
        return True


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=10)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Executor(threading.Thread):
    """
    An executor of our own that is often late: it acknowledges after its session has ended, or twice.
    Each result names the fence it was written under. Once `is_calm` it does its work, in a session of
    its own and late but once: a task that was lost before runs alone in its session, so each one that is
    forgotten, or whose acknowledgement a fault swallowed, would hold up all others.
    """

    def __init__(self, windlass, seed, stop):
        super().__init__(daemon=True)
        self.windlass, self.dice, self.stop = windlass, random.Random(seed), stop
        self.session, self.is_calm, self.has_calmed, self.was_late = None, False, False, False
        self.applied = collections.defaultdict(set)   # task -> fences whose ack was applied
        self.repeated = collections.defaultdict(set)  # task -> fences told duplicate
        self.doubtful = collections.defaultdict(set)  # task -> fences whose answer did not come
        self.refused = collections.defaultdict(set)   # task -> fences told stale
        self.token_found = None
        self.late = []                                # (not before, old session, ack)
        self.strange = []

    def ask(self, method, path, body):
        """The answer, None where a fault explains that there is none."""
        try:
            connection = UnixConnection(os.path.join(self.windlass.folder, "run", "worker.sock"))
            connection.request(method, path, json.dumps(body), {
                "Content-Type": "application/json",
                "Authorization": "Bearer " + self.token()})
            answer = connection.getresponse()
            text = answer.read()
            connection.close()
            if answer.status == 404:
                self.session = None
            return json.loads(text) if answer.status == 200 else None
        except (OSError, ValueError, http.client.HTTPException):
            return None

    def token(self):
        """The installation's, which lives longer than any runner."""
        if not self.token_found:
            self.token_found = self.windlass.variable("runner", "WINDLASS_RUNNER_TOKEN")
        return self.token_found

    def open(self):
        answer = self.ask("POST", "/v1/sessions",
                          {"worker": "chaos", "host": "here", "version": "1",
                           "types": {OUTSIDE_TYPE: {"slots": 50}}, "ttl_ms": TTL_S * 1000})
        if answer:
            self.session = {"session": answer["session"], "secret": answer["secret"]}
        else:
            time.sleep(0.1)

    def acknowledge(self, session, ack):
        answer = self.ask("POST", "/v1/acks", {**session, "results": [ack]})
        task, fence = ack["task"], ack["fence"]
        outcome = answer["acks"][0]["outcome"] if answer else None
        if outcome == "applied":
            self.applied[task].add(fence)
        elif outcome == "duplicate":
            self.repeated[task].add(fence)
        elif outcome is None:
            self.doubtful[task].add(fence)
        elif outcome in ("stale", "unknown"):
            self.refused[task].add(fence)
        else:
            self.strange.append(f"{outcome} for {ack}")
        return outcome

    def work(self, lease):
        ack = {"task": lease["task"], "fence": lease["fence"], "outcome": "complete",
               "result": {"fence": lease["fence"]}}
        what = self.dice.random()
        if self.is_calm and not self.was_late:
            self.late.append((time.monotonic() + 2 * TTL_S, self.session, ack))
            self.session, self.was_late = None, True
            return
        if what < 0.15 and not self.is_calm:  # forgotten, and acknowledged when somebody else may have it
            self.late.append((time.monotonic() + TTL_S * self.dice.uniform(1, 2), self.session, ack))
            return
        first = self.acknowledge(self.session, ack)
        if what < 0.3 and first and self.session:
            self.acknowledge(self.session, ack)

    def run(self):
        while not self.stop.is_set() or self.late:
            now = time.monotonic()
            for entry in [e for e in self.late if e[0] <= now]:
                self.late.remove(entry)
                self.acknowledge(self.session or entry[1], entry[2])
            if self.is_calm and not self.has_calmed:
                self.session, self.has_calmed = None, True
            if not self.session:
                self.open()
                continue
            if self.dice.random() < 0.03 and not self.is_calm:  # begins anew; what it held is lost with the session
                self.session = None
                continue
            answer = self.ask("POST", "/v1/leases", {**self.session, "max": 5, "wait_ms": 300})
            for lease in answer["leases"] if answer else []:
                if self.session:
                    self.work(lease)
            if answer is None:
                time.sleep(0.05)


FAULTS = ["gateway", "worker", "worker", "runner", "ai", "backend", "postmaster", "hung runner"]


def hurt(windlass, fault, dice):
    if fault == "hung runner":
        pids = windlass.service_pids("runner")
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        time.sleep(TTL_S + 1)
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
        return
    pids = (windlass.pids(fault) if fault in ("backend", "postmaster")
            else windlass.service_pids(fault))
    if pids:
        try:
            os.kill(dice.choice(sorted(pids)), signal.SIGKILL)
        except ProcessLookupError:
            pass


class Patience:
    """Until when the rest is waited for: as long as it shrinks, and not for ever."""

    def __init__(self, now):
        self.last, self.end, self.least = now + SETTLE_MAX_S, now + SETTLE_S, None

    def see(self, left, now):
        if self.least is None or left < self.least:
            self.least, self.end = left, min(now + SETTLE_S, self.last)

    def is_over(self, now):
        return now >= self.end


def settle(windlass):
    """Until the worker has finished every task and the mirror shows it; what is left else."""
    patience = Patience(time.monotonic())
    left = None
    while not patience.is_over(time.monotonic()):
        try:
            left = windlass.sql(
                "SELECT (SELECT count(*) FROM worker.task) - (SELECT count(*) FROM worker.task_done),"
                " (SELECT count(*) FROM outbox), (SELECT count(*) FROM tasks WHERE status IN"
                " ('pending', 'in-progress')), (SELECT count(*) FROM worker.task) -"
                " (SELECT count(*) FROM tasks WHERE accepted)")[0]
            if left == ["0", "0", "0", "0"]:
                return None
            patience.see(sum(abs(int(count)) for count in left), time.monotonic())
        except (RuntimeError, subprocess.TimeoutExpired, IndexError):
            pass
        time.sleep(0.2)
    return left


def check_kept(checks, windlass, writers):
    there = {row[0] for row in windlass.sql("SELECT id FROM worker.task")}
    acknowledged = set().union(*(w.acknowledged for w in writers))
    lost = acknowledged - there
    kept = sum(w.kept for w in writers)
    checks(len(acknowledged) > 100, f"{len(acknowledged)} tasks were acknowledged, {kept} of them "
                                    "while the worker was away")
    checks(not lost, f"{len(lost)} of them are lost {sorted(lost)[:3]}")
    strange = [s for w in writers for s in w.strange]
    checks(not strange, f"{len(strange)} answers that no fault explains {strange[:2]}")


def check_results(checks, windlass, executor):
    """The stored result was written under a fence whose acknowledgement was taken, and no other."""
    rows = windlass.sql("SELECT d.id, d.result->>'fence' FROM worker.task_done AS d JOIN worker.task"
                        " AS t USING (id) JOIN worker.task_type AS y ON y.id = t.type"
                        f" WHERE y.name = '{OUTSIDE_TYPE}' AND d.result IS NOT NULL")
    fences = dict(rows)
    twice = [t for t, f in executor.applied.items() if len(f) > 1]
    lost = [t for t, f in executor.applied.items() if fences.get(t) not in f]
    stale = [t for t, f in fences.items() if f not in executor.applied[t] | executor.doubtful[t]]
    false = [t for t, f in executor.repeated.items() if f - executor.applied[t] - executor.doubtful[t]]
    late = sum(len(f) for f in executor.refused.values())
    checks(late > 0, f"{late} acknowledgements came late and were told so")
    checks(not twice, f"{len(twice)} tasks were completed twice {twice[:3]}")
    checks(not false, f"{len(false)} were told duplicate of what was never applied {false[:3]}")
    checks(not lost, f"{len(lost)} results that were taken are not the stored ones {lost[:3]}")
    checks(not stale, f"{len(stale)} results are of an acknowledgement that was refused {stale[:3]}")
    checks(not executor.strange, f"{len(executor.strange)} strange answers {executor.strange[:2]}")


def check_mirror(checks, windlass):
    """Row by row: what the gateway shows is what the worker has."""
    rows = windlass.sql(
        "SELECT w.id, w.state, t.state, w.seq, t.version FROM (SELECT t.id, d.seq,"
        " CASE d.state WHEN 5 THEN 'succeeded' WHEN 6 THEN 'cancelled' WHEN 7 THEN 'dead' END AS state"
        " FROM worker.task AS t JOIN worker.task_done AS d USING (id)) AS w FULL JOIN tasks AS t"
        " USING (id) WHERE (w.state, w.seq) IS DISTINCT FROM (t.state::text, t.version)")
    checks(not rows, f"{len(rows)} rows of the mirror differ from the worker's {rows[:3]}")


def check_counts(checks, windlass):
    wrong = windlass.sql(
        "SELECT c.type, c.status, c.count, n.count FROM (SELECT * FROM task_counts WHERE count <> 0)"
        " AS c FULL JOIN (SELECT type, status, count(*) AS count FROM tasks GROUP BY type, status)"
        " AS n USING (type, status) WHERE c.count IS DISTINCT FROM n.count")
    checks(not wrong, f"{len(wrong)} counters of the gateway differ from a recount {wrong[:3]}")
    for span in recount.SPANS:
        wrong = windlass.sql(ROLLUPS_WRONG.format(span=span))
        checks(not wrong, f"{len(wrong)} roll-ups of {span} s differ from a recount of the worker's tasks {wrong[:3]}")
    for wrong in recount.WRONG:
        rows = windlass.sql(wrong)
        checks(not rows, f"{len(rows)} figures of errors differ from a recount {rows[:3]}")
    time.sleep(2)  # two ticks of the worker
    wrong = windlass.sql(
        "SELECT c.type, c.status, c.n, r.n FROM (SELECT type, status, count AS n FROM worker.counter WHERE"
        " count <> 0) AS c FULL JOIN (SELECT t.type, CASE WHEN d.state = 5 THEN 2 ELSE 3 END AS status,"
        " count(*) AS n FROM worker.task AS t JOIN worker.task_done AS d USING (id) GROUP BY 1, 2)"
        " AS r USING (type, status) WHERE c.n IS DISTINCT FROM r.n")
    checks(not wrong, f"{len(wrong)} counters of the worker differ from a recount {wrong[:3]}")


def body(windlass, options):
    def check(checks, token):
        dice, stop, executor_stop = random.Random(options.seed), threading.Event(), threading.Event()
        writers = [Writer(windlass, token, f"{options.seed} {n}", stop) for n in range(WRITERS)]
        executor = Executor(windlass, f"{options.seed} executor", executor_stop)
        for thread in [*writers, executor]:
            thread.start()
        try:
            blows(windlass, options, dice)
        finally:
            stop.set()
        for w in writers:
            w.join(START_S)
        executor.is_calm = True
        left = settle(windlass)
        executor_stop.set()
        executor.join(START_S)
        checks(left is None, f"everything was run and mirrored (unfinished, in the outbox, unfinished"
                             f" in the mirror, not mirrored: {left})")
        check_kept(checks, windlass, writers)
        check_results(checks, windlass, executor)
        check_mirror(checks, windlass)
        check_counts(checks, windlass)
    return check


def blows(windlass, options, dice):
    end = time.monotonic() + options.seconds
    hurts = collections.Counter()
    while time.monotonic() < end:
        time.sleep(dice.uniform(0.2, 2.5))
        fault = dice.choice(FAULTS)
        hurts[fault] += 1
        hurt(windlass, fault, dice)
    print(f"# seed {options.seed}: {dict(hurts)}", flush=True)
    windlass.wait_ready()


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--seconds", type=float, default=60)
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--binary", default=os.path.join(here, "../../build/windlass"))
    options = p.parse_args()
    windlass = Installation(os.path.abspath(options.binary))
    return run(windlass, body(windlass, options))


if __name__ == "__main__":
    sys.exit(main())
