#!/usr/bin/env python3
"""The audit log's entries of tasks and jobs: what people did, out of the worker's own record.
Usage: gateway_audit_log_test.py PROGRAM"""

import json
import os
import signal
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../support"))
from fake_worker import new_id, now_us  # noqa: E402
from gateway_mirror_test import World as FakeWorld, sql  # noqa: E402
from gateway_rig import BaseWorld, Gateway, Postgres, create_user, eventually, run_tests  # noqa: E402
from worker_rig import GATEWAY_TOKEN, Caller, Executor, Worker  # noqa: E402

EMAIL = "admin@example.org"
AUDIT = ("query($subject: String, $action: String, $first: Int, $after: String) { "
         "auditLog(subject: $subject, action: $action, first: $first, after: $after) { totalCount pageInfo { endCursor } "
         "nodes { id action subject actorLabel actor { id } detail at } } }")
CREATE = "mutation($input: CreateTaskInput!) { createTask(input: $input) { id } }"
CREATE_ALL = "mutation($inputs: [CreateTaskInput!]!) { createTasks(inputs: $inputs) { id } }"
CREATE_JOB = "mutation($input: CreateJobInput!) { createJob(input: $input) { id } }"


class World(BaseWorld):
    """The real worker and a gateway."""

    def __init__(self, url):
        self.worker = Worker(url)
        super().__init__(url, (self.worker,), WORKER_URL=f"http://127.0.0.1:{self.worker.port}", GATEWAY_TOKEN=GATEWAY_TOKEN)
        self.admin_id = self.ask("{ me { id } }")["me"]["id"]
        eventually(lambda: sql(url, "SELECT 1 FROM mirror WHERE cursor <> ''"))

    def ask(self, query, variables=None, gateway=None):
        return super().ask(query, variables, gateway).data

    def audit(self, **variables):
        return self.ask(AUDIT, {"first": 500, **variables})["auditLog"]["nodes"]

    def wait_for(self, count=1, **variables):
        """So many entries, the newest first, once they are there."""
        found = []

        def look():
            found[:] = self.audit(**variables)
            return len(found) >= count
        eventually(look)
        assert len(found) == count, found
        return found

    def settle(self):
        """The table has all that the worker has done."""
        caller = Caller(self.worker)
        eventually(lambda: sql(self.url, "SELECT cursor FROM mirror") == [[caller.get("/v1/feed").json["cursor"]]])
        caller.close()


def what_was_done(entries):
    return [(e["action"], e["actorLabel"]) for e in entries]


def a_task_that_a_person_made_is_an_entry(world):
    task = world.ask(CREATE, {"input": {"type": "letter", "priority": "HIGH"}})["createTask"]["id"]
    entry = world.wait_for(subject=f"task:{task}")[0]
    assert what_was_done([entry]) == [("task.create", EMAIL)] and entry["actor"] == {"id": world.admin_id}, entry
    assert entry["detail"] == {"type": "letter", "queue": "default", "priority": "high"}, entry
    assert [e["id"] for e in world.audit(action="task.create", first=1)] == [entry["id"]]


def what_an_executor_does_is_none(world):
    task = world.ask(CREATE, {"input": {"type": "quiet"}})["createTask"]["id"]
    executor = Executor(world.worker, {"quiet": 1})
    lease = executor.one()
    assert lease["task"] == task
    assert executor.ack(lease, spawn=[{"type": "child", "payload": {}}]) == "applied"
    executor.end()
    world.settle()
    assert what_was_done(world.wait_for(subject=f"task:{task}")) == [("task.create", EMAIL)]
    assert not sql(world.url, "SELECT 1 FROM audit_log WHERE detail->>'type' = 'child'")


def many_at_once_are_one_entry(world):
    made = [t["id"] for t in world.ask(CREATE_ALL, {"inputs": [{"type": ("a", "b")[i % 3 == 0]} for i in range(300)]})["createTasks"]]
    entries = world.wait_for(action="tasks.create")
    assert entries[0]["subject"] == "tasks" and entries[0]["detail"]["count"] == 300, entries
    assert entries[0]["detail"]["types"] == {"a": 200, "b": 100} and entries[0]["detail"]["ids"] == made[:100], entries
    assert entries[0]["detail"]["until"] == entries[0]["at"], entries
    few = [t["id"] for t in world.ask(CREATE_ALL, {"inputs": [{"type": "few"}] * 3})["createTasks"]]
    for task in few:
        assert what_was_done(world.wait_for(subject=f"task:{task}")) == [("task.create", EMAIL)]


def changes_of_tasks_and_a_bulk_action_are_one_entry_each(world):
    task = world.ask(CREATE, {"input": {"type": "later", "runAt": "2030-01-01T00:00:00Z"}})["createTask"]["id"]
    act = "mutation($id: ID!) { %s(id: $id) { id } }"
    world.ask(act % "cancelTask", {"id": task})
    world.ask(act % "retryTask", {"id": task})
    entries = world.wait_for(3, subject=f"task:{task}")
    assert what_was_done(entries) == [(a, EMAIL) for a in ("task.retry", "task.cancel", "task.create")], entries
    assert all(e["actor"] == {"id": world.admin_id} for e in entries), entries
    world.ask("mutation($f: TaskFilter!) { cancelTasks(filter: $f) { done } }", {"f": {"type": ["later"]}})
    world.settle()
    assert what_was_done(world.wait_for(1, action="tasks.cancel")) == [("tasks.cancel", EMAIL)]
    assert len(world.audit(subject=f"task:{task}")) == 3


def a_job_is_followed_from_its_making_to_its_end(world):
    job = world.ask(CREATE_JOB, {"input": {"name": "nightly", "schedule": "0 3 * * *", "taskType": "report", "payload": {"n": 1}}})["createJob"]["id"]
    update = "mutation($id: ID!, $input: UpdateJobInput!) { updateJob(id: $id, input: $input) { id } }"
    world.ask(update, {"id": job, "input": {"schedule": "0 4 * * *", "timeoutSeconds": 60}})
    world.ask(update, {"id": job, "input": {"schedule": "0 4 * * *"}})  # changes nothing
    for act in ("pauseJob", "pauseJob", "resumeJob", "triggerJob"):
        task = world.ask("mutation($id: ID!) { %s(id: $id) { id } }" % act, {"id": job})[act]["id"]
    world.ask("mutation($id: ID!) { deleteJob(id: $id) }", {"id": job})
    entries = world.wait_for(6, subject=f"job:{job}")
    assert what_was_done(entries) == [(a, EMAIL) for a in ("job.delete", "job.trigger", "job.resume", "job.pause", "job.update",
                                                           "job.create")], entries
    deleted, triggered, resumed, paused, updated, made = entries
    assert updated["detail"] == {"before": {"schedule": "0 3 * * *", "timeoutSeconds": 300},
                                 "after": {"schedule": "0 4 * * *", "timeoutSeconds": 60}}, updated
    assert made["detail"]["after"]["payload"] == {"n": 1} and "before" not in made["detail"], made
    assert paused["detail"] == {"before": {"status": "active"}, "after": {"status": "paused"}}, paused
    assert resumed["detail"]["after"] == {"status": "active"} and deleted["detail"] == {"after": {"deleted": True}}
    assert triggered["detail"]["task"] == task and not world.audit(subject=f"task:{task}"), triggered
    assert all(e["actor"] == {"id": world.admin_id} for e in entries), entries


def export(world, query="", token=None):
    """Status, entries, and what stood where there are none."""
    headers = (("Authorization", f"Bearer {token or world.admin}"),) if token != "" else ()
    answer = world.gateway.get("/v1/audit.ndjson" + query, headers)
    text = answer.text
    return answer.status, [json.loads(line) for line in text.splitlines()] if answer.status == 200 else text


def the_whole_log_is_exported_the_oldest_first(world):
    sql(world.url, "INSERT INTO audit_log (id, actor_label, action, subject, detail, at) SELECT (lpad(to_hex((extract(epoch FROM now()) * 1000 "
                   "- 2000 + g)::bigint), 12, '0') || '7' || right(replace(gen_random_uuid()::text, '-', ''), 19))::uuid, 'many@example.org', 'test.many', "
                   "'test:' || g % 7, json_build_object('n', g), now() FROM generate_series(1, 1200) AS g")
    status, entries = export(world)
    assert status == 200 and len(entries) == int(sql(world.url, "SELECT count(*) FROM audit_log")[0][0]), len(entries)
    assert [e["id"] for e in entries] == sorted(e["id"] for e in entries)
    many = [e for e in entries if e["action"] == "test.many"]
    assert [e["detail"]["n"] for e in many] == list(range(1, 1201)) and many[0]["actor"] is None, many[:2]
    shown = {e["id"]: e for e in world.audit(first=500)}
    told = [e for e in entries if e["id"] in shown]
    assert len(told) == 500 and all(e == shown[e["id"]] for e in told)
    assert len(export(world, "?action=test.many&subject=test:3")[1]) == len([n for n in range(1, 1201) if n % 7 == 3])
    assert export(world, "?search=many%40example")[1] == many and export(world, "?to=2020-01-01T00:00:00Z")[1] == []
    assert len(export(world, f"?actorId={world.admin_id}&from=2020-01-01T00:00:00Z")[1]) > 10
    done = subprocess.run([sys.argv[1], "audit", "export", "test:3", "--url", f"http://{world.gateway.host}:{world.gateway.port}"],
                          env={"WINDLASS_TOKEN": world.admin, "HOME": "/nonexistent"}, capture_output=True, text=True, check=True)
    assert [json.loads(line) for line in done.stdout.splitlines()] == [e for e in entries if e["subject"] == "test:3"], done.stdout[:500]
    done = subprocess.run([sys.argv[1], "audit", "list", "--search", "job.create", "--url", f"http://{world.gateway.host}:{world.gateway.port}"],
                          env={"WINDLASS_TOKEN": world.admin, "HOME": "/nonexistent"}, capture_output=True, text=True, check=True)
    assert "job.create" in done.stdout and EMAIL in done.stdout, done.stdout
    sql(world.url, "DELETE FROM audit_log WHERE action = 'test.many'")


def an_export_is_for_administrators_and_names_what_is_wrong(world):
    create_user(world.gateway, world.admin, "operator@example.org", "OPERATOR")
    status, text = export(world, token=world.gateway.login("operator@example.org"))
    assert status == 403 and "for administrators" in text, text
    assert export(world, token="")[0] == 401 and export(world, token="wrong")[0] == 401
    for query, words in (("?from=yesterday", "from: is no time"), ("?actorId=me", "actorId: is no id"),
                         ("?subject=" + "x" * 401, "subject: must have 1 to 400")):
        status, text = export(world, query)
        assert status == 400 and words in json.loads(text)["detail"], text


def a_user_who_is_gone_is_known_by_name(world):
    gone = create_user(world.gateway, world.admin, "gone@example.org", "OPERATOR")
    token = world.gateway.login("gone@example.org")
    task = world.gateway.graphql(CREATE, {"input": {"type": "letter"}}, token).data["createTask"]["id"]
    world.ask("mutation($id: ID!) { deleteUser(id: $id) }", {"id": gone})
    entry = world.wait_for(subject=f"task:{task}")[0]
    assert (entry["actorLabel"], entry["actor"]) == ("gone@example.org", None), entry


# ── with a worker that the test scripts ──

def fake_entries(world):
    rows = sql(world.url, "SELECT action, subject, actor_label, detail, id FROM audit_log "
                          "WHERE action NOT LIKE 'user.%' AND action <> 'setup' ORDER BY id")
    return [(r[0], r[1], r[2], json.loads(r[3])) for r in rows]


def person(action, subject, **detail):
    return (action, subject, "ada@example.org", detail)


ADDED = {"type": "email", "queue": "default", "priority": "normal"}


def a_kill_writes_nothing_twice_and_loses_nothing(postgres):
    with FakeWorld(postgres) as world:
        tasks = []
        for _ in range(6):
            with world.start() as gateway:
                world.following()
                tasks += [world.worker.add(actor="ada@example.org") for _ in range(3)]
                world.worker.add(actor="task 01234567-0000-7000-8000-000000000000")
                world.worker.add(actor="scheduler")
                gateway.stop(signal.SIGKILL)
                gateway.process.returncode = 0
        with world.start():
            world.caught_up()
            assert fake_entries(world) == [person("task.create", f"task:{t}", **ADDED) for t in tasks], fake_entries(world)


def what_a_gateway_missed_is_read_from_the_record_and_the_rest_is_said(postgres):
    with FakeWorld(postgres) as world:
        with world.start():
            world.following()
            world.worker.add(actor="ada@example.org")
            job = world.worker.put_job(name="kept")
            world.caught_up()
            seen = fake_entries(world)
        lost_from = world.worker.head
        task = world.worker.add(actor="ada@example.org")
        world.worker.add(actor="scheduler")
        world.worker.put_job(id=job, change={"actor": "ada@example.org", "before": {"name": "kept"}, "after": {"name": "other"}})
        world.worker.forget()
        with world.start():
            world.caught_up()
            got = fake_entries(world)[len(seen):]
        assert sorted(got) == sorted([
            person("task.create", f"task:{task}", **ADDED),
            person("job.update", f"job:{job}", before={"name": "kept"}, after={"name": "other"}),
            ("record.gap", "shard:0", "windlass", {
                "from": f"0:{lost_from}", "to": f"0:{world.worker.head}",
                "unknown": "who cancelled, retried, promoted and deleted tasks, and who created tasks that are gone"})]), got
        with world.start():  # nothing is written again
            world.worker.put_nothing()
            world.caught_up()
            assert len(fake_entries(world)) == len(seen) + 3


def changes_of_jobs_that_the_worker_cuts_are_said_to_be_lost(postgres):
    with FakeWorld(postgres) as world:
        with world.start():
            world.following()
            world.worker.add()
            world.caught_up()
        world.worker.add()
        world.worker.has_cut_changes = True
        world.worker.forget()
        with world.start():
            world.caught_up()
            (gap,) = fake_entries(world)
            assert gap[0] == "record.gap" and gap[3]["unknown"].endswith("; and changes of jobs behind the first ones"), gap


def a_record_that_begins_late_says_so(postgres):
    with FakeWorld(postgres) as world:
        world.worker.add(actor="ada@example.org")
        with world.start():
            world.caught_up()
            assert fake_entries(world) == [("record.begin", "shard:0", "windlass", {"to": "0:2"})], fake_entries(world)
        world.worker.begin_anew()
        with world.start():
            world.caught_up()
            assert fake_entries(world)[-1][:3] == ("record.gap", "shard:0", "windlass"), fake_entries(world)
            assert fake_entries(world)[-1][3]["unknown"] == "everything: the worker's log began anew"


def changes_of_tasks_name_who_made_them(postgres):
    with FakeWorld(postgres) as world, world.start():
        world.following()
        tasks = [world.worker.add(at_us=now_us() - 1_000_000) for _ in range(4)]
        worker = world.worker
        worker.start(tasks[1])
        worker.finish(tasks[2], "dead")
        worker.actor = "ada@example.org"
        worker.finish(tasks[0], "cancelled")
        worker.note(tasks[1], cancel_requested=True)
        worker.reopen(tasks[0])
        worker.drop(tasks[2])
        worker.actor = None
        worker.finish(tasks[1], "cancelled")
        worker.drop(tasks[1])  # its retention is over
        world.caught_up()
        assert fake_entries(world) == [
            person("task.cancel", f"task:{tasks[0]}", type="email"), person("task.cancel", f"task:{tasks[1]}", type="email"),
            person("task.retry", f"task:{tasks[0]}", type="email"), person("task.delete", f"task:{tasks[2]}", type="email")]


def what_one_number_tells_is_one_entry(postgres):
    with FakeWorld(postgres) as world, world.start():
        world.following()
        tasks = [world.worker.add(kind) for kind in ("email", "report", "email")]
        world.worker.actor = "ada@example.org"
        world.worker.drop(*tasks)
        world.caught_up()
        (entry,) = fake_entries(world)
        assert entry[3].pop("until") and entry == person("tasks.delete", "tasks", count=3, ids=tasks,
                                                         types={"email": 2, "report": 1}), entry


def a_task_that_was_deleted_before_anybody_heard_of_it_has_its_creation(postgres):
    """What the worker tells of it, where nobody read its beginning while its row was there."""
    with FakeWorld(postgres) as world, world.start() as gateway:
        world.following()
        task, run, job, user = new_id(), new_id(), new_id(), create_user(gateway, gateway.set_up(), "ada@example.org", "OPERATOR")
        for made, of in ((task, {"created_by": user}), (run, {"job_id": job}), (new_id(), {"actor": "scheduler"})):
            world.worker.put_event({"op": "none", "is_gone": True, "task": {
                "id": made, "type": "email", "priority": "high", "queue": "far", "created_at_us": now_us(), "job_id": None,
                "created_by": None, "actor": "ada@example.org", **of}})
        world.worker.actor = "ada@example.org"
        world.worker.put_event({"op": "drop", "ids": [task], "counts": []})
        world.caught_up()
        assert fake_entries(world) == [
            person("task.create", f"task:{task}", type="email", queue="far", priority="high"),
            person("job.trigger", f"job:{job}", task=run, type="email", queue="far", priority="high"),
            person("task.delete", f"task:{task}", type="")], fake_entries(world)
        assert sql(world.url, "SELECT actor_id FROM audit_log WHERE action = 'task.create'") == [[user]]
        assert not sql(world.url, "SELECT 1 FROM tasks")


def odd_values_never_stop_the_mirror(postgres):
    with FakeWorld(postgres) as world, world.start():
        world.following()
        world.worker.add(type="t" * 150, queue="q" * 200, actor="a" * 390 + "ü" * 30 + "@example.org")
        world.worker.put_job(name="big", change={"actor": "ada@example.org", "before": None,
                                                 "after": {"payload": {"long": "x" * 100_000}, "name": "big"}})
        world.caught_up()
        entries = fake_entries(world)
        assert [e[0] for e in entries] == ["task.create", "job.create"] and len(entries[0][2]) == 400, entries
        assert entries[1][3] == {"after": {"payload": "…", "name": "big"}}, entries


def what_is_too_old_leaves_and_nobody_deletes_more(postgres):
    old = ("INSERT INTO audit_log (id, actor_label, action, subject, at) SELECT (lpad(to_hex((extract(epoch FROM now() - g * interval '1 day') "
           "* 1000)::bigint), 12, '0') || '7' || right(replace(gen_random_uuid()::text, '-', ''), 19))::uuid, 'old', 'test.old', 'test', "
           "now() - g * interval '1 day' FROM generate_series(1, {}) AS g, generate_series(1, {}) AS k")
    url = postgres.tell("database")
    with Gateway(url) as gateway:
        gateway.set_up()
        sql(url, old.format(10, 300))
        assert sql(url, "SELECT audit_expire(0, 10)") == [["10"]]
        assert sql(url, "SELECT audit_expire(0, 100000)") == [[str(10 * 300 - 10)]]
        assert sql(url, "SELECT count(*) FROM audit_log WHERE at > now() - interval '1 hour'") == [["1"]]  # of a day nothing
        sql(url, old.format(10, 300))
    with Gateway(url, AUDIT_RETENTION="5d") as gateway:  # more than a batch
        eventually(lambda: sql(url, "SELECT count(*) FROM audit_log WHERE action = 'test.old'") == [[str(4 * 300)]])
        assert "event=audit.expired count=1000" in gateway.log


TESTS = [
    a_task_that_a_person_made_is_an_entry,
    what_an_executor_does_is_none,
    many_at_once_are_one_entry,
    changes_of_tasks_and_a_bulk_action_are_one_entry_each,
    a_job_is_followed_from_its_making_to_its_end,
    the_whole_log_is_exported_the_oldest_first,
    an_export_is_for_administrators_and_names_what_is_wrong,
    a_user_who_is_gone_is_known_by_name,
]
FAKE_TESTS = [
    a_kill_writes_nothing_twice_and_loses_nothing,
    what_a_gateway_missed_is_read_from_the_record_and_the_rest_is_said,
    changes_of_jobs_that_the_worker_cuts_are_said_to_be_lost,
    a_record_that_begins_late_says_so,
    changes_of_tasks_name_who_made_them,
    what_one_number_tells_is_one_entry,
    a_task_that_was_deleted_before_anybody_heard_of_it_has_its_creation,
    odd_values_never_stop_the_mirror,
    what_is_too_old_leaves_and_nobody_deletes_more,
]


class Both:
    """One server for all: a world with the real worker, and databases for scripted ones."""

    def __init__(self, postgres, world):
        self.postgres, self.world = postgres, world


def on_the_real_one(test):
    def run(both):
        test(both.world)
    run.__name__ = test.__name__
    return run


def on_a_fake_one(test):
    def run(both):
        test(both.postgres)
    run.__name__ = test.__name__
    return run


if __name__ == "__main__":
    with Postgres() as the_postgres, World(the_postgres.url) as the_world:
        run_tests([on_the_real_one(t) for t in TESTS] + [on_a_fake_one(t) for t in FAKE_TESTS], Both(the_postgres, the_world))
