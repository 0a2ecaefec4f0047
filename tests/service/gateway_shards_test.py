#!/usr/bin/env python3
"""A gateway with the workers of two shards. Usage: gateway_shards_test.py PROGRAM"""

import os
import sys
import threading
import uuid

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../support"))
from fake_worker import FakeWorker  # noqa: E402
from gateway_rig import BaseWorld, Gateway, Postgres, Stream, eventually, psql, run_tests  # noqa: E402
from ids import new_id  # noqa: E402
from lease_rig import CREATE_TOKEN, LeaseClient  # noqa: E402
from worker_rig import GATEWAY_TOKEN, Worker  # noqa: E402

CREATE = "mutation($input: CreateTaskInput!) { createTask(input: $input) { id queue accepted source } }"
CREATE_ALL = "mutation($inputs: [CreateTaskInput!]!) { createTasks(inputs: $inputs) { id queue } }"
TASK = "query($id: ID!) { task(id: $id) { id state source attempts { attempt } why { code text } } }"
ACT = "mutation($id: ID!) { %s(id: $id) { id } }"
CANCEL_ALL = "mutation($filter: TaskFilter!) { cancelTasks(filter: $filter) { matched done refusedCount } }"
CREATE_JOB = "mutation($input: CreateJobInput!) { createJob(input: $input) { id queue accepted } }"
JOB_CHANGES = "query($id: ID!) { job(id: $id) { id changes(first: 5) { actorLabel } } }"
SETTINGS = """mutation($type: String!, $settings: TaskTypeSettingsInput!) {
  updateTaskType(type: $type, settings: $settings) { type maxRunning waiting source } }"""
TYPES = "{ taskTypeSettings { type maxRunning waiting source } taskTypes workers { name } }"
QUEUES = "{ queues { name paused waiting source } }"
PAUSE = "mutation($name: String!) { pauseQueue(name: $name) { name paused waiting } }"
COUNTS = "{ taskCounts { total completed exact } }"
HEALTH = "{ systemHealth { status outboxWaiting services { name status } } }"
CHANGED = "subscription { taskChanged { id kind } }"
LOG = "subscription($id: ID!) { taskLog(id: $id) { text } }"
AUDITS = "{ mirrorAudits { mirror } }"
AUDIT = "mutation { auditMirrors { mirror } }"
FAR = "2100-01-01T00:00:00Z"


class World(BaseWorld):
    def __init__(self, postgres, **settings):
        self.a, self.b = FakeWorker().__enter__(), FakeWorker(shard=1).__enter__()
        super().__init__(postgres.tell("database"), (self.a, self.b),
                         **{"WORKER_URL": self.a.url, "SHARD_URLS": f"1:{self.b.url}", "SHARD_QUEUES": "1:email,bulk",
                            "GATEWAY_LOOPS": "1", "WORKER_ASK_TIMEOUT": "2s", **settings})
        self.follow()

    def sql(self, text):
        return psql(self.url, text)

    def cursors(self):
        return {name: cursor for name, cursor in self.sql("SELECT name, cursor FROM mirror")}

    def follow(self):
        """Until the tables hold all that both have done."""
        wanted = {"tasks": f"0:{self.a.head}", "tasks-1": f"1:{self.b.head}"}
        eventually(lambda: self.cursors() == wanted)

    def create(self, queue="default", **fields):
        answer = self.ask(CREATE, {"input": {"type": "mail", "queue": queue, **fields}})
        return answer.data["createTask"]

    def shard_of(self, task_id, table="tasks"):
        return self.sql(f"SELECT shard FROM {table} WHERE id = '{task_id}'")

    def services(self):
        health = self.ask(HEALTH).data["systemHealth"]
        return {s["name"]: s["status"] for s in health["services"]}, health


def a_task_goes_to_the_worker_of_its_queue(postgres):
    with World(postgres) as world:
        here, there = world.create(), world.create("email")
        assert here["accepted"] and there["accepted"], (here, there)
        assert here["id"] in world.a.tasks and there["id"] in world.b.tasks
        assert world.shard_of(here["id"]) == [["0"]] and world.shard_of(there["id"]) == [["1"]]
        added = world.b.add(queue="bulk"), world.a.add()
        world.follow()
        assert [world.shard_of(i)[0][0] for i in added] == ["1", "0"]
        job = world.ask(CREATE_JOB, {"input": {"name": "n", "schedule": "0 3 * * *", "taskType": "mail",
                                               "queue": "bulk"}}).data["createJob"]
        assert job["id"] in world.b.jobs and world.shard_of(job["id"], "jobs") == [["1"]]
        assert world.ask(TASK, {"id": there["id"]}).data["task"]["source"] == "LIVE"


def what_reaches_over_two_shards_is_refused_by_name(postgres):
    with World(postgres) as world:
        inputs = [{"type": "mail", "queue": queue} for queue in ("default", "email")]
        answer = world.ask(CREATE_ALL, {"inputs": inputs})
        assert answer.code == "BAD_USER_INPUT", answer.text
        assert answer.error["message"].startswith('inputs[1].queue: "email" is of shard 1 and inputs[0].queue, '
                                                  '"default", of shard 0'), answer.text
        assert not world.a.tasks and not world.b.tasks
        both = world.ask(CREATE_ALL, {"inputs": [{"type": "mail", "queue": q} for q in ("email", "bulk")]}).data
        assert sorted(world.b.tasks) == sorted(t["id"] for t in both["createTasks"]) and not world.a.tasks
        other = world.create()["id"]
        waits = world.ask(CREATE, {"input": {"type": "mail", "queue": "email", "dependsOn": [other]}})
        assert waits.code == "BAD_USER_INPUT", waits.text
        assert waits.error["message"] == f"input.dependsOn[0]: {other} is of shard 0, and queue \"email\" of shard 1; " \
            "a task waits for those of its own shard alone", waits.text
        mine = world.create("email", dependsOn=[both["createTasks"][0]["id"]])
        assert mine["accepted"] and mine["id"] in world.b.tasks


def what_is_done_to_a_row_goes_to_its_shard(postgres):
    with World(postgres) as world:
        task = world.create("email", runAt=FAR)["id"]
        asked = len(world.a.requests)
        world.b.whys[task] = {"code": "NOT_DUE", "text": "not yet", "expected_at_us": None, "blocked_by": []}
        world.b.attempts[task] = [{"attempt": 1, "worker": "w", "started_at_us": 1, "finished_at_us": 2,
                                   "outcome": "failed", "error": "e", "log": None}]
        told = world.ask(TASK, {"id": task}).data["task"]
        assert [x["attempt"] for x in told["attempts"]] == [1] and told["why"]["text"] == "not yet", told
        assert world.ask(ACT % "cancelTask", {"id": task}).data["cancelTask"]["id"] == task
        assert world.b.tasks[task]["state"] == "cancelled"
        assert not [r for r in world.a.requests[asked:] if task in r[1]], "the other was asked"
        world.sql("DELETE FROM tasks")  # no row tells: each is asked
        assert world.ask(ACT % "retryTask", {"id": task}).data["retryTask"]["id"] == task
        assert world.b.tasks[task]["state"] == "ready" and world.a.seen(f"/v1/tasks/{task}:retry")
        eventually(lambda: world.shard_of(task) == [["1"]])  # from the answer, or by the mirror, which misses it
        world.sql("DELETE FROM tasks")
        assert world.ask(TASK, {"id": task}).data["task"]["id"] == task
        nobodys = str(uuid.UUID(new_id()))
        assert world.ask(ACT % "retryTask", {"id": nobodys}).code == "NOT_FOUND"
        assert world.ask(TASK, {"id": nobodys}).data["task"] is None
        job = world.b.put_job(queue="bulk")
        world.b.job_changes[job] = [{"at_us": 1, "actor": "ada", "before": None, "after": {"status": "paused"}}]
        world.follow()
        assert world.ask(JOB_CHANGES, {"id": job}).data["job"]["changes"] == [{"actorLabel": "ada"}]
        assert world.ask(ACT % "pauseJob", {"id": job}).data["pauseJob"]["id"] == job
        assert world.b.jobs[job]["status"] == "paused"
        world.ask("mutation($id: ID!) { deleteJob(id: $id) }", {"id": job}).data  # pylint: disable=expression-not-assigned
        assert job not in world.b.jobs


def a_log_is_followed_at_its_shard(postgres):
    with World(postgres) as world:
        task = world.create("email", runAt=FAR)["id"]
        stream = Stream(world.gateway, LOG, world.admin, {"id": task})
        world.b.write(task, "hello")
        assert stream.next().data["taskLog"]["text"] == "hello"
        stream.close()


def a_bulk_action_is_split(postgres):
    with World(postgres) as world:
        tasks = [world.create(queue, runAt=FAR)["id"] for queue in ("default", "email") * 4]
        world.follow()
        done = world.ask(CANCEL_ALL, {"filter": {"type": ["mail"]}}).data["cancelTasks"]
        assert done == {"matched": 8, "done": 8, "refusedCount": 0}, done
        assert [len(w.seen("/v1/tasks:bulk")) for w in (world.a, world.b)] == [1, 1]
        states = {**world.a.tasks, **world.b.tasks}
        assert {states[i]["state"] for i in tasks} == {"cancelled"}


def settings_reach_all_and_lists_are_one(postgres):
    with World(postgres) as world:
        for queue in ("default", "email", "email"):
            world.create(queue)
        world.a.workers = [{"session": str(uuid.uuid4()), "worker": "one", "host": "h", "types": ["mail"], "running": 0,
                            "slots": 1, "began_at_us": 1, "seen_at_us": 1}]
        world.b.workers = [{**world.a.workers[0], "session": str(uuid.uuid4()), "worker": "two", "types": ["mail", "sms"]}]
        changed = world.ask(SETTINGS, {"type": "mail", "settings": {"maxRunning": 7}}).data["updateTaskType"]
        assert changed == {"type": "mail", "maxRunning": 7, "waiting": 3, "source": "LIVE"}, changed
        assert [w.types["mail"]["max_running"] for w in (world.a, world.b)] == [7, 7]
        told = world.ask(TYPES).data
        assert told["taskTypeSettings"] == [changed], told
        assert sorted(told["taskTypes"]) == ["mail", "sms"] and sorted(w["name"] for w in told["workers"]) == ["one", "two"]
        paused = world.ask(PAUSE, {"name": "email"}).data["pauseQueue"]
        assert paused == {"name": "email", "paused": True, "waiting": 2}, paused
        assert "email" in world.b.queues and "email" in world.a.queues, "what was there before the queue moved"
        queues = {q["name"]: q for q in world.ask(QUEUES).data["queues"]}
        assert queues["email"]["waiting"] == 2 and queues["default"]["waiting"] == 1 and queues["email"]["source"] == "LIVE"
        world.b.is_away = True
        queues = {q["name"]: q for q in world.ask(QUEUES).data["queues"]}
        assert queues["email"]["waiting"] == 2 and queues["email"]["source"] == "CACHE", queues
        broken = world.ask(PAUSE, {"name": "default"})
        assert broken.code == "WORKER_UNAVAILABLE" and "changed at shard 0, and not at shard 1" in broken.error["message"], broken.text
        assert world.a.queues["default"]["is_paused"]
        refused = world.ask(PAUSE, {"name": "bulk"})
        assert refused.code == "WORKER_UNAVAILABLE" and "shard 1" in refused.error["message"], refused.text
        assert "bulk" not in world.a.queues, "its owner comes first"
        broken = world.ask(SETTINGS, {"type": "mail", "settings": {"maxRunning": 8}})
        assert broken.code == "WORKER_UNAVAILABLE" and "changed at shard 0" in broken.error["message"], broken.text
        entries = world.sql("SELECT action, subject, detail FROM audit_log WHERE detail ? 'shards' ORDER BY id")
        assert entries == [["queue.pause", "queue:default", '{"shards": [0]}'],
                           ["task-type.update", "task-type:mail", '{"shards": [0], "maxRunning": 8}']], entries


def names_that_one_shard_tells_alone_are_not_of_now(postgres):
    """Of another, which this gateway has never heard of, nothing is known."""
    names = "{ taskTypeNames { names source } workers { name source } }"
    with World(postgres) as world:
        world.a.workers = [{"session": str(uuid.uuid4()), "worker": "one", "host": "h", "types": ["mail"], "running": 0,
                            "slots": 1, "began_at_us": 1, "seen_at_us": 1}]
        for source in ("LIVE", "CACHE"):
            world.b.is_away = source == "CACHE"
            with Gateway(world.url, **world.settings) as fresh:
                told = fresh.graphql(names, None, world.admin).data
                assert told == {"taskTypeNames": {"names": ["mail"], "source": source},
                                "workers": [{"name": "one", "source": source}]}, told


def what_no_shard_knows_the_end_of_is_no_success_unwritten(postgres):
    with World(postgres) as world:
        world.sql("ALTER TABLE audit_log ADD CONSTRAINT no_update CHECK (action NOT IN ('task-type.update', 'tasks.cancel')) NOT VALID")
        for act, variables in ((SETTINGS, {"type": "mail", "settings": {"maxRunning": 7}}), (CANCEL_ALL, {"filter": {"type": ["nobody's"]}})):
            answer = world.ask(act, variables)
            assert answer.error["message"].startswith("it was done, but could not be written in the audit log: "), answer.text
        assert [w.types["mail"]["max_running"] for w in (world.a, world.b)] == [7, 7]
        assert "event=audit.missing action=task-type.update subject=task-type:mail" in world.gateway.log


def a_slow_shard_holds_no_other_up(postgres):
    """Each makes the change only when all have been asked; one after the other would never come to an end."""
    with World(postgres) as world:
        all_are_asked = threading.Barrier(2)
        for worker in (world.a, world.b):
            worker.on_settings = lambda: all_are_asked.wait(timeout=60)
        changed = world.ask(SETTINGS, {"type": "mail", "settings": {"maxRunning": 7}})
        assert changed.data["updateTaskType"]["maxRunning"] == 7, changed.text
        assert [w.types["mail"]["max_running"] for w in (world.a, world.b)] == [7, 7]


def the_first_shard_of_all_may_fail_too(postgres):
    with World(postgres) as world:
        world.a.is_away = True
        broken = world.ask(SETTINGS, {"type": "mail", "settings": {"maxRunning": 7}})
        assert broken.code == "WORKER_UNAVAILABLE", broken.text
        assert broken.error["message"].startswith("changed at shard 1, and not at shard 0: "), broken.text
        assert world.b.types["mail"]["max_running"] == 7 and not world.a.types
        world.a.is_away, world.b.refuse_settings = False, "settings.max_running: says shard 1"
        refused = world.ask(SETTINGS, {"type": "mail", "settings": {"maxRunning": 8}})
        assert refused.code == "BAD_USER_INPUT", refused.text
        assert refused.error["message"] == "changed at shard 0, and not at shard 1: settings.maxRunning: says shard 1"
        world.a.refuse_settings = "settings.max_running: says shard 0"
        refused = world.ask(SETTINGS, {"type": "mail", "settings": {"maxRunning": 9}})
        assert refused.code == "BAD_USER_INPUT", refused.text
        assert refused.error["message"] == ("not at shard 0: settings.maxRunning: says shard 0; "
                                            "shard 1: settings.maxRunning: says shard 1"), refused.text
        world.b.is_away = True
        refused = world.ask(SETTINGS, {"type": "mail", "settings": {"maxRunning": 9}})
        assert refused.error["message"].startswith("not at shard 0: settings.maxRunning: says shard 0; shard 1: "), refused.text
        world.a.refuse_settings = world.b.refuse_settings = "says both"
        world.b.is_away = False
        assert world.ask(SETTINGS, {"type": "mail", "settings": {"maxRunning": 9}}).error["message"] == "says both"
        entries = world.sql("SELECT detail FROM audit_log WHERE detail ? 'shards' ORDER BY id")
        assert entries == [['{"shards": [1], "maxRunning": 7}'], ['{"shards": [0], "maxRunning": 8}']], entries


def figures_add_up_and_snapshots_stay_apart(postgres):
    with World(postgres) as world:
        for worker, count in ((world.a, 2), (world.b, 3)):
            for _ in range(count):
                worker.finish(worker.add("mail"))
        world.follow()
        counted = world.ask(COUNTS).data["taskCounts"]
        assert counted == {"total": 5, "completed": 5, "exact": True}, counted
        rolled = world.sql("SELECT shard, sum(created), sum(completed) FROM task_rollups "
                           "WHERE span_s = 86400 AND type = 'mail' GROUP BY 1 ORDER BY 1")
        assert rolled == [["0", "2", "2"], ["1", "3", "3"]], rolled
        failed = world.a.add("mail")
        world.a.start(failed)
        world.a.finish(failed, "dead", error="no luck")
        world.follow()
        assert world.sql("SELECT id, shard FROM task_failures") == [[failed, "0"]]
        world.sql("DELETE FROM task_failures")  # the snapshot of another shard does not look at it
        world.b.begin_anew()  # as after the loss of its database: 410
        eventually(lambda: world.sql("SELECT count(*) FROM tasks WHERE shard = 1") == [["0"]])
        assert world.sql("SELECT count(*) FROM tasks WHERE shard = 0") == [["3"]]
        eventually(lambda: world.ask(COUNTS).data["taskCounts"]["total"] == 3)
        assert world.sql("SELECT id FROM task_failures") == []


def one_shard_away_does_not_stop_the_other(postgres):
    with World(postgres, WORKER_CREATE_TIMEOUT="500ms") as world:
        world.b.is_away = True
        eventually(lambda: world.services()[0].get("worker-1") == "DOWN")
        kept = [world.create("email")["id"] for _ in range(3)]
        rows = world.sql("SELECT DISTINCT shard FROM outbox")
        assert rows == [["1"]], rows
        here = world.create()
        assert here["accepted"] and here["id"] in world.a.tasks, here
        services, health = world.services()
        assert services["worker"] == "UP" and health["status"] == "DEGRADED" and health["outboxWaiting"] == 3, health
        eventually(lambda: world.ask(TASK, {"id": here["id"]}).data["task"]["source"] == "CACHE")
        world.b.is_away, world.a.is_away = False, True  # and now the other one
        eventually(lambda: set(kept) <= set(world.b.tasks))
        eventually(lambda: world.services()[0] | {"database": "UP"} == world.services()[0] and
                   world.services()[0]["worker"] == "DOWN" and world.services()[0]["worker-1"] == "UP")
        eventually(lambda: world.sql("SELECT count(*) FROM outbox") == [["0"]])
        assert world.create("email")["accepted"]
        assert not world.create()["accepted"]
        world.a.is_away = False
        eventually(lambda: world.sql("SELECT count(*) FROM tasks WHERE NOT accepted") == [["0"]])
        eventually(lambda: world.ask(TASK, {"id": here["id"]}).data["task"]["source"] == "LIVE")


def a_moved_queue_takes_with_it_what_waits(postgres):
    with World(postgres, WORKER_CREATE_TIMEOUT="500ms", SHARD_QUEUES="1:bulk") as world:
        world.a.is_away = True
        eventually(lambda: world.services()[0].get("worker") == "DOWN")
        taken, task, stays = (world.create(queue)["id"] for queue in ("email", "email", "default"))
        behind = [world.create("email", dependsOn=[task])["id"]]
        behind.append(world.create("email", dependsOn=behind)["id"])
        job = world.ask(CREATE_JOB, {"input": {"name": "n", "schedule": "0 3 * * *", "taskType": "mail",
                                               "queue": "email"}}).data["createJob"]["id"]
        assert world.sql("SELECT DISTINCT shard FROM outbox") == [["0"]]
        world.a.add("mail", id=taken, queue="email")  # it had come, and its answer was lost
        world.a.foreign = {"email": 1}
        world.a.is_away = False
        eventually(lambda: world.sql("SELECT count(*) FROM outbox WHERE apart_until IS NOT NULL") == [["4"]])
        assert "outbox.misdirected" in world.gateway.log and world.sql("SELECT count(*) FROM outbox") == [["4"]]  # it has the old map
        health = "{ systemHealth { outboxWaiting outboxApart } }"
        eventually(lambda: world.ask(health).data["systemHealth"] == {"outboxWaiting": 0, "outboxApart": 4})
        assert stays in world.a.tasks and eventually(lambda: world.create("default")["accepted"])  # they hold back nobody
        assert world.sql("SELECT count(*) FROM tasks WHERE status = 'failed'") == [["0"]]
        world.gateway.__exit__(None)
        world.settings["SHARD_QUEUES"] = "1:email,bulk"
        world.gateway = Gateway(world.url, **world.settings)
        eventually(lambda: world.sql("SELECT count(*) FROM outbox") == [["0"]])
        assert world.ask(health).data["systemHealth"]["outboxApart"] == 0
        assert all(i in world.b.tasks and i not in world.a.tasks for i in (task, *behind)) and job in world.b.jobs and job not in world.a.jobs
        assert taken in world.a.tasks and taken not in world.b.tasks and stays in world.a.tasks
        rows = world.sql(f"SELECT id, shard, accepted, status FROM tasks WHERE id IN ('{taken}', '{task}', '{stays}')")
        assert sorted(rows) == sorted([[taken, "0", "t", "pending"], [task, "1", "t", "pending"], [stays, "0", "t", "pending"]]), rows
        assert world.sql("SELECT shard, accepted, status FROM jobs") == [["1", "t", "active"]]


def what_is_another_shards_costs_a_rebuild_no_steps(postgres):
    with World(postgres) as world:
        world.sql("INSERT INTO tasks (id, type, version) SELECT gen_random_uuid(), 'old', 1 FROM generate_series(1, 25000)")
        world.gateway.__exit__(None)
        world.b.put_nothing()
        world.b.forget()
        world.gateway = Gateway(world.url, **world.settings)
        world.follow()
        assert "event=mirror.snapshot-read cursor=1:" in world.gateway.log and "mirror.cleared" not in world.gateway.log
        assert world.sql("SELECT count(*) FROM tasks") == [["25000"]]


def what_has_moved_can_be_cancelled(postgres):
    """The shard that it waited for has refused it, and the new one knows nothing of it yet."""
    with World(postgres, WORKER_CREATE_TIMEOUT="500ms", SHARD_QUEUES="1:bulk") as world:
        world.a.is_away = True
        eventually(lambda: world.services()[0].get("worker") == "DOWN")
        task = world.create("email")["id"]
        world.a.foreign = {"email": 1}
        world.gateway.__exit__(None)
        world.settings["SHARD_QUEUES"] = "1:email,bulk"
        world.b.is_away, world.a.is_away = True, False
        world.gateway = Gateway(world.url, **world.settings)
        eventually(lambda: world.sql("SELECT shard FROM outbox") == [["1"]])
        assert world.sql("SELECT count(*) FROM outbox WHERE sent_at IS NULL") == [["1"]]
        assert world.ask(ACT % "cancelTask", {"id": task}).code == "ok"
        assert world.sql(f"SELECT state FROM tasks WHERE id = '{task}'") == [["cancelled"]]


def what_is_misdirected_steps_aside_with_what_depends_on_it(postgres):
    with World(postgres, WORKER_CREATE_TIMEOUT="500ms", SHARD_QUEUES="1:bulk") as world:
        world.a.is_away = True
        eventually(lambda: world.services()[0].get("worker") == "DOWN")
        chain = [world.create("email")["id"]]
        for _ in range(2):
            chain.append(world.create("default", dependsOn=chain[-1:])["id"])
        other = world.create("default")["id"]
        world.a.foreign = {"email": 1}
        world.a.is_away = False
        eventually(lambda: other in world.a.tasks)
        eventually(lambda: world.sql("SELECT count(*) FROM outbox WHERE apart_until IS NOT NULL") == [["3"]])
        assert not set(chain) & set(world.a.tasks) and world.sql("SELECT count(*) FROM outbox") == [["3"]]
        world.a.foreign = {}  # it has come to the gateway's mind
        eventually(lambda: world.sql("SELECT count(*) FROM outbox") == [["0"]])
        assert set(chain) < set(world.a.tasks)
        eventually(lambda: world.sql("SELECT count(*) FROM tasks WHERE NOT accepted OR status = 'failed'") == [["0"]])


def a_shard_that_was_taken_away_is_a_cache(postgres):
    with World(postgres) as world:
        here, there = world.a.add(), world.b.add(queue="email")
        world.follow()
        assert [x["mirror"] for x in world.ask(AUDITS).data["mirrorAudits"]] == ["tasks", "tasks-1"]
        world.gateway.__exit__(None)
        del world.settings["SHARD_URLS"], world.settings["SHARD_QUEUES"]
        world.gateway = Gateway(world.url, **world.settings)
        eventually(lambda: world.ask(TASK, {"id": here}).data["task"]["source"] == "LIVE")
        assert world.ask("query($id: ID!) { task(id: $id) { source } }", {"id": there}).data["task"] == {"source": "CACHE"}
        assert [x["mirror"] for x in world.ask(AUDIT).data["auditMirrors"]] == ["tasks"]
        assert world.sql("SELECT name FROM mirror WHERE audit_asked_at IS NOT NULL") == [["tasks"]]


def changes_of_all_are_followed_and_resumed(postgres):
    with World(postgres) as world:
        stream = Stream(world.gateway, CHANGED, world.admin)
        told = []

        def told_of(*tasks):
            while not set(tasks) <= set(told):
                told.append(stream.next().data["taskChanged"]["id"])
        seen = world.a.add(), world.b.add()
        told_of(*seen)
        eventually(lambda: "0:" in (stream.last_id or "") and "1:" in stream.last_id)
        last = stream.last_id
        stream.close()
        missed = world.b.add(), world.a.add(), world.b.add()
        stream = Stream(world.gateway, CHANGED, world.admin, last_id=last)
        told_of(*missed)
        after = world.a.add(), world.b.add()
        told_of(*after)
        stream.close()
        world.gateway.__exit__(None)
        world.b.is_away = True
        world.gateway = Gateway(world.url, **world.settings)
        stream = Stream(world.gateway, CHANGED, world.admin)
        told_of(world.a.add())
        eventually(lambda: stream.last_id)
        last = stream.last_id
        assert last.startswith("0:") and "," not in last, last
        stream.close()
        world.b.is_away = False
        world.follow()
        stream = Stream(world.gateway, CHANGED, world.admin, last_id=last)
        broken = stream.next()
        assert "changes were missed" in broken.text, broken.text
        stream.close()
        for wrong in ("2:1", "0:1,0:2", "x", "0:1,"):
            refused = world.gateway.graphql(CHANGED, None, world.admin, {"Accept": "text/event-stream", "Last-Event-ID": wrong})
            assert "Last-Event-ID" in refused.text, (wrong, refused.text)


class Real(BaseWorld):
    """Two real workers with a database each, and a gateway before them."""
    queues = "1:email,bulk"

    def __init__(self, postgres):
        workers = [Worker(postgres.tell("database"), WORKER_PORT="0", SHARD=str(shard), SHARD_QUEUES=self.queues)
                   for shard in (0, 1)]
        urls = [f"http://127.0.0.1:{worker.port}" for worker in workers]
        super().__init__(postgres.tell("database"), workers, WORKER_URL=urls[0], SHARD_URLS=f"1:{urls[1]}",
                         SHARD_QUEUES=self.queues, GATEWAY_TOKEN=GATEWAY_TOKEN, GATEWAY_LOOPS="1")

    def client(self):
        made = self.ask(CREATE_TOKEN, {"name": "t", "role": "OPERATOR", "scopes": ["LEASE"], "types": []})
        return LeaseClient(self.gateway.host, self.gateway.port, made.data["createApiToken"]["token"])

    def create(self, queue):
        return self.ask(CREATE, {"input": {"type": "mail", "queue": queue}}).data["createTask"]["id"]


def sessions_belong_to_a_shard(postgres):
    with Real(postgres) as world:
        client = world.client()
        assert client.shards().json == {"shards": [{"shard": 0}, {"shard": 1}]}
        who = [client.open({"mail": {"slots": 5}}, shard=shard) for shard in (0, 1)]
        assert "." not in who[0]["session"] and who[1]["session"].startswith("1."), who
        tasks = [world.create("default"), world.create("bulk")]
        for shard in (1, 0):
            leases = client.post("/v1/leases", {**who[shard], "max": 5, "wait_ms": 20_000}).json["leases"]
            assert [x["task"] for x in leases] == [tasks[shard]], leases
            lease = {"task": leases[0]["task"], "fence": leases[0]["fence"]}
            assert lease["fence"].startswith(f"{shard}:"), lease
            beat = client.post("/v1/heartbeats", {**who[shard], "tasks": [{**lease, "progress": 0.5}]})
            assert beat.status == 200 and beat.json["lost"] == [], beat.text
            acked = client.post("/v1/acks", {**who[shard], "results": [{**lease, "outcome": "complete"}]})
            assert acked.status == 200 and [a["outcome"] for a in acked.json["acks"]] == ["applied"], acked.text
            eventually(lambda at=shard: world.gateway.graphql(TASK, {"id": tasks[at]}, world.admin).data["task"]["state"] ==
                       "SUCCEEDED")
        for session in ("2." + str(uuid.uuid4()), "1." + str(uuid.uuid4()), "1." + who[0]["session"]):
            refused = client.post("/v1/heartbeats", {**who[1], "session": session, "tasks": []})
            assert refused.status == 404, refused.text
        assert client.end({**who[1], "session": "3." + str(uuid.uuid4())}).status == 404
        assert client.end(who[1], release=True).status == 200
        assert client.post("/v1/heartbeats", {**who[1], "tasks": []}).status == 404
        assert client.post("/v1/heartbeats", {**who[0], "tasks": []}).status == 200


TESTS = [sessions_belong_to_a_shard, a_task_goes_to_the_worker_of_its_queue, what_reaches_over_two_shards_is_refused_by_name,
         what_is_done_to_a_row_goes_to_its_shard, a_log_is_followed_at_its_shard, a_bulk_action_is_split,
         settings_reach_all_and_lists_are_one,
    names_that_one_shard_tells_alone_are_not_of_now,
         what_no_shard_knows_the_end_of_is_no_success_unwritten, a_slow_shard_holds_no_other_up, the_first_shard_of_all_may_fail_too,
         figures_add_up_and_snapshots_stay_apart,
         one_shard_away_does_not_stop_the_other, a_moved_queue_takes_with_it_what_waits, what_has_moved_can_be_cancelled,
         what_is_another_shards_costs_a_rebuild_no_steps,
         what_is_misdirected_steps_aside_with_what_depends_on_it,
    a_shard_that_was_taken_away_is_a_cache,
         changes_of_all_are_followed_and_resumed]

if __name__ == "__main__":
    with Postgres() as server:
        run_tests(TESTS, server)
