#!/usr/bin/env python3
"""The audit of the mirror by sums: with a real worker, whatever is changed in the gateway's tables behind its back
is found and mended while everything changes, and nothing else is taken for damage.
Usage: gateway_mirror_audit_test.py PROGRAM"""

import json
import os
import re
import signal
import subprocess
import sys
import time
from types import SimpleNamespace

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../support"))
import recount  # noqa: E402
from gateway_mirror_test import check_error_groups  # noqa: E402
from between import Between  # noqa: E402
from gateway_rig import PASSWORD, PROGRAM, WAIT_S, BaseWorld, Gateway, Postgres, eventually, psql, run_tests  # noqa: E402
from worker_rig import GATEWAY_TOKEN, Busy, Caller, Executor, Worker, new_id  # noqa: E402
from worker_sums_test import Everything  # noqa: E402

FIGURES = ("missing", "extra", "wrong", "jobs", "counts")
AUDITS = "{ mirrorAudits { mirror askedAt beganAt endedAt days rows missing extra wrong jobs counts error } }"
HEALTH = "{ systemHealth %s }" % AUDITS
ASK = "mutation { auditMirrors { mirror askedAt } }"
JOB = "mutation($i: CreateJobInput!) { createJob(input: $i) { id } }"


def create(caller, *tasks):
    """Until the worker takes them: with so short a lease it may not know for a moment whether it leads."""
    eventually(lambda: caller.create(*tasks).status == 200)


class World(BaseWorld):
    def __init__(self, postgres, **settings):
        url = postgres.tell("database")
        self.worker = Worker(url, WORKER_LEASE="1s")
        super().__init__(url, (self.worker,), WORKER_URL=f"http://127.0.0.1:{self.worker.port}", GATEWAY_TOKEN=GATEWAY_TOKEN,
                         **settings)
        eventually(lambda: psql(url, "SELECT 1 FROM mirror WHERE cursor <> ''"))

    def last(self):
        return self.ask(AUDITS).data["mirrorAudits"][0]

    def audit(self):
        """The report of a run that began after this call did."""
        asked = self.ask(ASK).data["auditMirrors"][0]["askedAt"]

        def ended():
            told = self.last()
            return told if told["beganAt"] and told["endedAt"] and asked <= told["beganAt"] <= told["endedAt"] else None
        return eventually(ended)

    def rows(self, ids):
        """What the tables hold of those, in every column."""
        listed = ",".join(f"'{task}'" for task in ids)
        return {row[0]: json.loads(row[1]) for row in
                psql(self.url, f"SELECT id, to_jsonb(t) FROM tasks t WHERE id IN ({listed})")}

    def still_tasks(self, count=60):
        """Tasks of three days that nobody touches any more, a third of them finished, once the mirror has them."""
        caller, executor = Caller(self.worker), Executor(self.worker, {"brief": 100})
        ids = [new_id(time.time() - 86_400 * (i % 3)) for i in range(count)]
        create(caller, *({"id": task, "type": "brief" if i % 3 == 0 else "still", "payload": {"n": i, "x": "naïve"}}
                         for i, task in enumerate(ids)))
        for _ in range(count // 3):
            executor.ack(executor.one(), "complete", result={"fine": True})
        executor.end()
        eventually(lambda: psql(self.url, "SELECT count(*) FROM tasks WHERE type = 'brief' AND status = 'completed'")
                   == [[str(count // 3)]])
        return ids


def figures(told):
    assert told["error"] is None, told
    return {name: told[name] for name in FIGURES}


def only(**expected):
    return {**dict.fromkeys(FIGURES, 0), **expected}


class Calm(Busy):
    """Tasks of three days that are made, run and finish, some after a second attempt, until told to stop."""

    def __init__(self, worker):
        self.ids = []
        super().__init__(worker, self.create, self.execute)

    def create(self):
        caller = Caller(self.worker)
        while not self.is_over.is_set():
            tasks = [{"id": new_id(time.time() - 86_400 * i), "type": "work"} for i in range(3)]
            assert caller.create(*tasks).status == 200
            self.ids += [t["id"] for t in tasks]
            time.sleep(0.05)

    def execute(self):
        executor, acks = Executor(self.worker, {"work": 100}, ttl_ms=5_000), []
        while not self.is_over.is_set():
            acks = [{"task": le["task"], "fence": le["fence"], "retry_in_ms": 20,
                     "outcome": "fail" if i == 0 and le["attempt"] == 1 else "complete"}
                    for i, le in enumerate(executor.lease(20, 100, acks)["leases"])]


def what_streams_is_not_taken_for_damage(postgres):
    with World(postgres) as world:
        busy = Everything(world.worker)
        try:
            eventually(lambda: len(busy.ids) > 900)
            for _ in range(4):
                told = world.audit()
                assert figures(told) == only(), told
                assert told["days"] >= 3 and told["rows"] > 300, told
        finally:
            busy.stop()
        told = world.audit()
        assert figures(told) == only(), told
        assert [[str(told["rows"])]] == psql(world.url, "SELECT count(*) FROM tasks"), told
        assert "mirror.audit-damage" not in world.gateway.log


def each_damage_is_found_and_mended(postgres):
    with World(postgres) as world:
        ids = world.still_tasks()
        jobs = [world.gateway.graphql(JOB, {"i": {"name": f"job {i}", "schedule": "0 0 1 1 *", "taskType": "still"}},
                                      world.admin).data["createJob"]["id"] for i in range(3)]
        before = world.rows(ids)
        assert before.keys() == set(ids)
        busy = Calm(world.worker)
        try:
            eventually(lambda: len(busy.ids) > 30)
            assert figures(world.audit()) == only()
            copied = "INSERT INTO tasks SELECT (json_populate_record(t, '{\"id\": \"%s\"%s}')).* FROM tasks t WHERE id = '%s'"
            extra, strange, waiting = new_id(time.time() - 86_400), "d1b6c0de-94b1-4f52-8a2e-0d3f5c6a7b8e", new_id()
            damages = [
                (f"DELETE FROM tasks WHERE id = '{ids[0]}'", only(missing=1)),
                (f"DELETE FROM tasks WHERE id IN ('{ids[1]}', '{ids[2]}', '{ids[3]}')", only(missing=3)),
                (copied % (extra, "", ids[4]), only(extra=1)),
                (copied % (strange, "", ids[4]), only(extra=1)),
                (f"UPDATE tasks SET version = version - 1, payload = '{{\"n\": -1}}' WHERE id = '{ids[5]}'", only(wrong=1)),
                (f"UPDATE tasks SET status = 'failed' WHERE id = '{ids[6]}'", only(wrong=1)),
                (f"UPDATE tasks SET version = 0, accepted = false WHERE id = '{ids[7]}'", only(wrong=1)),
                (f"UPDATE tasks SET version = version + 1 WHERE id = '{ids[8]}'", only(wrong=1)),
                ("UPDATE task_counts SET count = count + 3 WHERE type = 'still' AND status = 'pending'", only(counts=1)),
                ("DELETE FROM task_counts WHERE type = 'brief' AND status = 'completed'", only(counts=1)),
                ("INSERT INTO task_counts VALUES ('never', 'failed', 2)", only(counts=1)),
                (f"DELETE FROM jobs WHERE id = '{jobs[0]}'", only(jobs=1)),
                (f"UPDATE jobs SET status = 'paused' WHERE id = '{jobs[1]}'", only(jobs=1)),
                (f"INSERT INTO jobs (id, name, schedule, task_type, version) VALUES ('{new_id()}', 'x', '* * * * *', 'x', 5)",
                 only(jobs=1)),
                (copied % (waiting, ', "version": 0, "accepted": false', ids[4]), only()),  # an entry's visible row
            ]
            for statement, expected in damages:
                psql(world.url, statement + ";")
                told = world.audit()
                assert figures(told) == expected, (statement, told)
                assert figures(world.audit()) == only(), statement
        finally:
            busy.stop()
        assert world.rows(ids) == before
        assert not world.rows([extra, strange]) and world.rows([waiting])
        caller = Caller(world.worker)

        def counters_are_the_workers():
            stored = psql(world.url, "SELECT type, status, count FROM task_counts WHERE count <> 0")
            counted = caller.get("/v1/snapshot").json["counts"]
            return sorted(stored) == sorted([c["type"], c["status"], str(c["count"])] for c in counted if c["count"])
        eventually(counters_are_the_workers)
        assert psql(world.url, "SELECT name, status FROM jobs ORDER BY 1") == [[f"job {i}", "active"] for i in range(3)]
        mended = sum(sum(expected.values()) for _, expected in damages)
        eventually(lambda: f'windlass_mirror_changes_total{{result="mended"}} {mended}' in world.gateway.get("/metrics").text)


def much_damage_is_mended_at_once(postgres):
    with World(postgres) as world:
        ids = world.still_tasks(3_000)
        before = world.rows(ids)
        psql(world.url, "DELETE FROM tasks WHERE type = 'still';")
        assert figures(world.audit()) == only(missing=2_000)
        assert world.rows(ids) == before
        psql(world.url, "UPDATE tasks SET status = 'failed', version = 1; UPDATE task_counts SET count = 0;")
        assert figures(world.audit()) == only(wrong=3_000, counts=2)
        assert world.rows(ids) == before
        psql(world.url, "TRUNCATE tasks;")
        assert figures(world.audit()) == only(missing=3_000)
        assert world.rows(ids) == before


def counters(url, source):
    return psql(url, f"SELECT type, status, {source} GROUP BY 1, 2 ORDER BY 1, 2")


def what_came_and_went_while_nobody_looked_is_not_counted(postgres):
    """Of a task that is gone the worker's tables know no type: what its feed leaves out, an audit at once makes good."""
    with World(postgres) as world:
        world.still_tasks(6)
        caller, known, unseen = Caller(world.worker), new_id(), new_id()
        create(caller, {"id": known, "type": "brief"})
        eventually(lambda: world.rows([known]))
        world.gateway.__exit__(None, None, None)
        create(caller, {"id": unseen, "type": "brief"})
        executor = Executor(world.worker, {"brief": 2})
        for lease in (executor.one(), executor.one()):
            executor.ack(lease, "complete")
        executor.end()
        told = caller.post("/v1/tasks:bulk", {"action": "delete", "tasks": [{"id": known}, {"id": unseen}]}).json
        assert told["done"] == 2, told
        world.worker.stop(signal.SIGKILL)  # what it had in memory of the feed is gone
        with Worker(world.url, WORKER_PORT=str(world.worker.port), WORKER_LEASE="1s"):
            world.gateway = Gateway(world.url, **world.settings)
            eventually(lambda: not world.rows([known]))
            eventually(lambda: counters(world.url, "sum(count) FROM task_counts WHERE count <> 0")
                       == counters(world.url, "count(*) FROM tasks"))
            assert not world.rows([unseen])


def groups_of_errors_are_mended_with_the_rows(postgres):
    with World(postgres) as world:
        caller, executor = Caller(world.worker), Executor(world.worker, {"work": 10})
        ids = [new_id() for _ in range(4)]
        create(caller, *({"id": task, "type": "work", "max_attempts": 1} for task in ids))
        for _ in ids:
            executor.ack(executor.one(), "fail", error="no route to 10.0.0.1")
        executor.end()
        eventually(lambda: psql(world.url, "SELECT count(*) FROM task_failures") == [["4"]])
        before = world.rows(ids)
        copied = ("INSERT INTO tasks SELECT (json_populate_record(t, '{\"id\": \"%s\"}')).* FROM tasks t WHERE id = '%s'"
                  % (new_id(), ids[3]))
        # Its payload cannot be sent as the row's: it is stored alone, without its body.
        refused = ("CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF NEW.payload <> '{}' THEN "
                   "RAISE 'not so' USING errcode = 'check_violation'; END IF; RETURN NEW; END $$; CREATE TRIGGER refuse "
                   f"BEFORE INSERT ON tasks FOR EACH ROW WHEN (NEW.id = '{ids[2]}') EXECUTE FUNCTION refuse()")
        damages = [(f"DELETE FROM tasks WHERE id = '{ids[0]}'", only(missing=1)),
                   (f"UPDATE tasks SET status = 'completed', version = 1 WHERE id = '{ids[1]}'", only(wrong=1)),
                   (copied, only(extra=1)),
                   (f"DELETE FROM tasks WHERE id = '{ids[2]}'; {refused}", only(missing=1))]
        for statement, expected in damages:
            psql(world.url, f"{statement}; {recount.PUT_ERROR_GROUPS};")
            assert figures(world.audit()) == expected, statement
            check_error_groups(world.url)
        assert world.rows(ids) == before
        assert psql(world.url, "SELECT count(*) FROM task_failures") == [["4"]]


def a_page_has_so_many_rows_at_most(postgres):
    with World(postgres) as world:
        world.still_tasks(6)
        psql(world.url, "INSERT INTO tasks (id, type, version) SELECT ('0193' || lpad(to_hex(n), 8, '0') || '70008000' || repeat('0', 12))"
                        "::uuid, 'x', 1 FROM generate_series(1, 25000) AS n;")
        assert figures(world.audit()) == only(extra=25_000)
        damages = [int(n) for n in re.findall(r"event=mirror\.audit-damage .* extra=(\d+)", world.gateway.log)]
        assert sum(damages) == 25_000 and max(damages) <= 20_000, damages
        assert figures(world.audit()) == only()


def each_shard_is_compared_with_its_own_worker(postgres):
    queues = {"SHARD_QUEUES": "1:far"}
    with Worker(postgres.tell("database"), SHARD="1", **queues) as far, \
            World(postgres, SHARD_URLS=f"1:http://127.0.0.1:{far.port}", **queues) as world:
        near, there = Caller(world.worker), Caller(far)
        ids = [[new_id() for _ in range(20)] for _ in range(2)]
        near.create(*({"id": task, "type": "x"} for task in ids[0]))
        there.create(*({"id": task, "type": "x", "queue": "far"} for task in ids[1]))
        eventually(lambda: psql(world.url, "SELECT count(*) FROM tasks") == [["40"]])
        asked = world.gateway.graphql(ASK, token=world.admin).data["auditMirrors"]
        assert [a["mirror"] for a in asked] == ["tasks", "tasks-1"], asked

        def audits():
            asked = {a["mirror"]: a["askedAt"] for a in world.gateway.graphql(ASK, token=world.admin).data["auditMirrors"]}
            def ended():
                told = world.gateway.graphql(AUDITS, token=world.admin).data["mirrorAudits"]
                return told if all(a["beganAt"] and a["endedAt"] and asked[a["mirror"]] <= a["beganAt"] <= a["endedAt"]
                                   for a in told) else None
            return [figures(a) for a in eventually(ended)]
        assert audits() == [only(), only()]
        told = world.gateway.graphql(AUDITS, token=world.admin).data["mirrorAudits"]
        assert [audit["rows"] for audit in told] == [20, 20], "of each alone"
        before = world.rows(sum(ids, []))
        psql(world.url, f"DELETE FROM tasks WHERE id = '{ids[0][0]}'; DELETE FROM tasks WHERE id IN ('{ids[1][0]}', '{ids[1][1]}');"
                        "UPDATE task_counts SET count = 7 WHERE shard = 1;")
        assert audits() == [only(missing=1), only(missing=2, counts=1)]
        assert world.gateway.graphql(HEALTH, token=world.admin).data["systemHealth"] == world.gateway.graphql(AUDITS, token=world.admin).data
        assert world.rows(sum(ids, [])) == before
        assert audits() == [only(), only()]


def it_runs_by_itself(postgres):
    with World(postgres, MIRROR_AUDIT="1s") as world:
        ids = world.still_tasks(6)
        psql(world.url, f"DELETE FROM tasks WHERE id = '{ids[1]}';")
        eventually(lambda: world.rows(ids).keys() == set(ids))
        eventually(lambda: "event=mirror.audit-damage" in world.gateway.log)
        eventually(lambda: world.last()["missing"] == 0)  # the next one found nothing


def one_that_was_interrupted_is_done_by_the_next_keeper(postgres):
    with World(postgres) as world:
        world.still_tasks(6)
        world.worker.process.send_signal(signal.SIGSTOP)
        try:
            asked = world.gateway.graphql(ASK, token=world.admin).data["auditMirrors"][0]["askedAt"]
            eventually(lambda: (world.last()["beganAt"] or "") >= asked)
            world.gateway.stop(signal.SIGKILL)
        finally:
            world.worker.process.send_signal(signal.SIGCONT)
        world.gateway = Gateway(world.url, **world.settings)
        eventually(lambda: world.last()["endedAt"])
        assert figures(world.last()) == only()


def one_that_cannot_be_done_says_why(postgres):
    with World(postgres) as world:
        world.still_tasks(6)
        world.worker.stop(signal.SIGKILL)
        told = world.audit()
        assert told["error"], told
        eventually(lambda: "event=mirror.audit " in world.gateway.log)


def doctor(world, *args, token=None):
    done = subprocess.run([PROGRAM, "doctor", "--mirror", *args], capture_output=True, text=True, check=False, timeout=2 * WAIT_S,
                          env={"PATH": os.environ["PATH"], "HOME": "/nonexistent", "WINDLASS_ENV": "development",
                               "WINDLASS_DATABASE_URL": world.url, "WINDLASS_TOKEN": token or world.admin,
                               "WINDLASS_URL": f"http://127.0.0.1:{world.gateway.port}"})
    return done.stdout


def mirror_line(out):
    return next(line for line in out.splitlines() if line.split()[1:2] == ["mirror"])


def the_doctor_runs_it_now(postgres):
    with World(postgres) as world:
        ids = world.still_tasks(6)
        out = doctor(world)
        assert mirror_line(out).startswith("ok ") and "6 tasks of" in mirror_line(out), out
        psql(world.url, f"DELETE FROM tasks WHERE id = '{ids[1]}'; UPDATE tasks SET version = 1 WHERE id = '{ids[2]}';")
        out = doctor(world, "--json")
        check = next(c for c in json.loads(out)["checks"] if c["check"] == "mirror")
        assert check["state"] == "warning" and check["cure"], out
        assert "1 missing" in check["detail"] and "1 wrong" in check["detail"], check
        assert world.rows(ids).keys() == set(ids)
        assert mirror_line(doctor(world)).startswith("ok ")
        assert mirror_line(doctor(world, token="wls_none")).startswith("failure ")


class Scripted(Between):
    """A gateway that has two mirrors when it is asked for the audit, and another as well when it is looked at."""

    def carry(self, handler, body):
        ended = {"askedAt": "2026-11-23T08:00:00Z", "beganAt": "2026-11-23T08:00:01Z", "endedAt": "2026-11-23T08:00:02Z"}
        told = {**dict.fromkeys(("days", "rows", *FIGURES), 0), "error": None}
        asked = [{**told, **ended, "mirror": name} for name in ("tasks", "tasks-1")]
        later = [{**told, "mirror": "another", "askedAt": None, "beganAt": None, "endedAt": None}, *asked]
        data = {"auditMirrors": asked} if b"auditMirrors" in body else {"mirrorAudits": later}
        self.send(handler, 200, None, json.dumps({"data": data}).encode())


def the_doctor_waits_for_what_it_asked(postgres):
    gateway = Scripted()
    try:
        out = doctor(SimpleNamespace(url=postgres.tell("database"), admin="any", gateway=gateway))
    finally:
        gateway.end()
    lines = [line.split()[:2] for line in out.splitlines() if "mirror" in line]
    assert lines == [["ok", "mirror"], ["ok", "mirror-1"]], out


def only_admins_may_ask(postgres):
    with World(postgres) as world:
        world.gateway.graphql("mutation($i: CreateUserInput!) { createUser(input: $i) { id } }",
                              {"i": {"email": "op@example.org", "name": "Op", "password": PASSWORD, "role": "OPERATOR"}},
                              world.admin)
        operator = world.gateway.login("op@example.org")
        for document in (AUDITS, ASK):
            assert world.gateway.graphql(document, token=operator).code == "FORBIDDEN"


TESTS = [
    what_streams_is_not_taken_for_damage,
    each_damage_is_found_and_mended,
    much_damage_is_mended_at_once,
    what_came_and_went_while_nobody_looked_is_not_counted,
    groups_of_errors_are_mended_with_the_rows,
    a_page_has_so_many_rows_at_most,
    each_shard_is_compared_with_its_own_worker,
    it_runs_by_itself,
    one_that_was_interrupted_is_done_by_the_next_keeper,
    one_that_cannot_be_done_says_why,
    the_doctor_runs_it_now,
    the_doctor_waits_for_what_it_asked,
    only_admins_may_ask,
]

if __name__ == "__main__":
    with Postgres() as server:
        run_tests(TESTS, server)
