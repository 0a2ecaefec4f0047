#!/usr/bin/env python3
"""The gateway and the real worker together: the mirror equals the worker in every column, through all that a task
can go through, kills and silence included. Usage: gateway_worker_test.py PROGRAM"""

import json
import os
import signal
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../support"))
from fake_worker import now_us  # noqa: E402
from gateway_mirror_test import check_error_groups, check_rollups, check_task, sql  # noqa: E402
from gateway_rig import Gateway, Postgres, at_once, eventually, run_tests  # noqa: E402
from worker_rig import GATEWAY_TOKEN, Caller, Executor, Worker, new_id  # noqa: E402

CREATE = "mutation($input: CreateTaskInput!) { createTask(input: $input) { id status state accepted payload } }"
CREATE_ALL = "mutation($inputs: [CreateTaskInput!]!) { createTasks(inputs: $inputs) { id accepted } }"
ACT = "mutation($id: ID!) { %s(id: $id) { id status state maxAttempts payload } }"
READ = "query($id: ID!) { task(id: $id) { id status state accepted source error payload } }"


def as_stored(row, task):
    """The row as the worker tells it: of a task that has not finished it keeps neither the last error nor when it
    changed, of one that does not wait only when it was first due; and that a time has come is no change."""
    row = dict(row)
    if task["state"] in ("running", "succeeded", "dead", "cancelled"):
        task["run_at_us"], row["run_at"] = 0, "1970-01-01T00:00:00+00:00"
    if task["finished_at_us"] is None:
        row["updated_at"] = "1970-01-01T00:00:00+00:00"
        task["updated_at_us"] = 0
        if task["state"] == "retrying" or task["state"] == "ready" and row["state"] == "retrying":
            row["error"] = None
        if task["state"] == "ready" and row["state"] in ("retrying", "scheduled") and task["run_at_us"] <= now_us():
            row["state"] = "ready"
    return row


class World:
    def __init__(self, url, worker, **settings):
        self.url, self.worker = url, worker
        self.settings = {"WORKER_URL": f"http://127.0.0.1:{worker.port}", "GATEWAY_TOKEN": GATEWAY_TOKEN, **settings}
        self.gateway = Gateway(url, **self.settings)
        self.admin = self.gateway.set_up()
        self.events = {}
        eventually(lambda: sql(url, "SELECT 1 FROM mirror WHERE cursor <> ''"))  # the snapshot has no events

    def ask(self, query, variables=None):
        return self.gateway.graphql(query, variables, self.admin)

    def create(self, type="work", **fields):  # pylint: disable=redefined-builtin
        return self.ask(CREATE, {"input": {"type": type, **fields}}).data["createTask"]

    def read(self, task_id):
        return self.ask(READ, {"id": task_id}).data["task"]

    def truth(self):
        """The worker's tasks, jobs' places and counters, once the mirror has come to its head."""
        caller = Caller(self.worker)

        def caught_up():
            head = caller.get("/v1/feed").json["cursor"]
            return sql(self.url, "SELECT cursor FROM mirror") == [[head]] and head
        eventually(caught_up)
        tasks, after, counts = {}, "", None
        while after is not None:
            page = caller.get("/v1/snapshot?limit=500" + (f"&after={after}" if after else "")).json
            tasks.update({t["id"]: t for t in page["tasks"]})
            counts = counts or page.get("counts")
            after = page["next"]
        for event in caller.whole_feed():
            self.events.setdefault(event["seq"], event)  # of a task that was tried again it later tells less
        return tasks, {(c["type"], c["status"]): c["count"] for c in counts or [] if c["count"]}

    def check_equal(self):
        tasks, counts = self.truth()
        rows = {r[0]: json.loads(r[1]) for r in sql(self.url, "SELECT id, to_jsonb(t) FROM tasks t WHERE accepted")}
        assert rows.keys() == tasks.keys(), (len(rows), len(tasks))
        for task_id, task in tasks.items():
            check_task(as_stored(rows[task_id], task), task)
        kept = {(r[0], r[1]): int(r[2]) for r in
                sql(self.url, "SELECT type, status, count FROM task_counts WHERE count <> 0")}
        assert kept == counts, (kept, counts)
        check_error_groups(self.url)
        return tasks

    def close(self):
        self.gateway.__exit__(None)


def every_state_of_a_task_is_mirrored_in_every_column(world):
    executor = Executor(world.worker, {"life": 50})
    made = [world.create("life", payload={"n": i, "text": "naïve \"quotes\" \\"}, priority=("LOW", "NORMAL", "HIGH")[i % 3],
                         maxAttempts=3, idempotencyKey=f"life-{i}" if i % 4 == 0 else None)["id"] for i in range(24)]
    world.create("life", runAt="2030-01-01T00:00:00Z")
    world.check_equal()
    leases = []
    while len(leases) < 20:
        leases += executor.leases(20 - len(leases), 1000)
    world.check_equal()
    executor.heartbeat(*[{"task": x["task"], "fence": x["fence"], "progress": 0.25} for x in leases[:4]])
    outcomes = [("complete", {"result": {"ok": [1, None]}}), ("fail", {"error": "host 10.0.0.7 is away", "retry_in_ms": 3_600_000}),
                ("fatal", {"error": "no user 4711"}), ("release", {}), ("snooze", {"retry_in_ms": 3_600_000}), ("complete", {})]
    for i, lease in enumerate(leases[:18]):
        outcome, members = outcomes[i % len(outcomes)]
        assert executor.ack(lease, outcome, **members) == "applied", outcome
    world.check_equal()
    tasks = world.check_equal()
    dead = [t for t, task in tasks.items() if task["state"] == "dead"]
    retrying = [t for t, task in tasks.items() if task["state"] == "retrying"]
    ready = [t for t in made if tasks[t]["state"] == "ready"]
    assert dead and retrying and ready
    for task in (dead[0], retrying[0]):
        retried = world.ask(ACT % "retryTask", {"id": task}).data["retryTask"]
        assert retried["state"] == "READY" and "n" in retried["payload"], retried
        assert world.read(task)["state"] == "READY"
    cancelled = world.ask(ACT % "cancelTask", {"id": ready[0]}).data["cancelTask"]
    assert cancelled["state"] == "CANCELLED", cancelled
    world.check_equal()
    while (found := executor.leases(20, 200)):
        for lease in found:
            executor.ack(lease, "fatal" if lease["task"] == retrying[0] else "complete", error="again", result=7)
        world.check_equal()
    for task in [t for t, x in world.check_equal().items() if x["state"] == "dead"]:
        world.ask(ACT % "retryTask", {"id": task})
    world.check_equal()
    check_rollups(world, world.events.values())


def a_create_can_be_read_at_once_and_is_taken_at_once(world):
    executor = Executor(world.worker, {"quick": 1})
    task = world.create("quick", payload=[1, {"x": None}])
    assert task["accepted"] is True
    assert world.read(task["id"])["payload"] == [1, {"x": None}]
    lease = executor.one()
    assert lease["task"] == task["id"] and lease["payload"] == [1, {"x": None}]
    assert executor.ack(lease) == "applied"
    assert eventually(lambda: world.read(task["id"])["state"] == "SUCCEEDED")


def many_at_once_and_all_or_none_come_through(world):
    made = at_once(30, lambda i: world.create("many", payload={"n": i}))
    assert [m["payload"]["n"] for m in made] == list(range(30)) and all(m["accepted"] for m in made)
    all_of = world.ask(CREATE_ALL, {"inputs": [{"type": "bulk", "payload": {"n": i}} for i in range(2_000)]}).data["createTasks"]
    assert len({t["id"] for t in all_of}) == 2_000
    too_large = world.ask(CREATE_ALL, {"inputs": [{"type": "bulk"}, {"type": "bulk", "payload": "x" * 300_000}]})
    assert too_large.code == "BAD_USER_INPUT" and too_large.error["message"].startswith("inputs[1].payload:"), too_large.text
    single = world.ask(CREATE, {"input": {"type": "bulk", "payload": "x" * 300_000}})
    assert single.code == "BAD_USER_INPUT" and single.error["message"].startswith("input.payload:"), single.text
    world.check_equal()


def the_same_id_and_the_same_key_give_the_same_task(world):
    own = new_id()
    assert world.create("same", id=own)["id"] == world.create("same", id=own)["id"] == own
    first = world.create("same", idempotencyKey="once", payload={"first": 1})
    second = world.create("same", idempotencyKey="once", payload={"second": 1})
    assert second["id"] == first["id"] and second["payload"] == {"first": 1}, second
    world.check_equal()


REFUSE = """CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'not now'; END $$;
    CREATE TRIGGER refuse BEFORE INSERT OR UPDATE ON tasks FOR EACH ROW WHEN (NEW.type = 'unstored') EXECUTE FUNCTION refuse()"""


def what_the_worker_has_done_is_no_error_where_it_cannot_be_stored(world):
    task = world.create("unstored", payload={"n": 1}, runAt="2100-01-01T00:00:00Z")["id"]
    job = world.ask("mutation($input: CreateJobInput!) { createJob(input: $input) { id } }", {"input": {
        "name": "n", "schedule": "0 0 1 1 *", "taskType": "unstored", "payload": {"n": 2}}}).data["createJob"]["id"]
    world.check_equal()
    sql(world.url, REFUSE)
    cancelled = world.ask(ACT % "cancelTask", {"id": task}).data["cancelTask"]
    assert cancelled["state"] == "CANCELLED" and cancelled["payload"] == {"n": 1}, cancelled
    assert world.ask("mutation($id: ID!) { retryTask(id: $id) { state } }", {"id": task}).data["retryTask"]["state"] == "READY"
    run = world.ask(ACT % "triggerJob", {"id": job}).data["triggerJob"]
    assert run["state"] == "READY" and run["payload"] == {"n": 2}, run
    read = world.read(run["id"])
    assert (read["state"], read["payload"], read["source"]) == ("READY", {"n": 2}, "LIVE"), read
    sql(world.url, "DROP FUNCTION refuse CASCADE")
    world.check_equal()
    assert world.read(task)["state"] == "READY" and world.read(run["id"])["state"] == "READY"


WAITING = "query($id: ID!) { task(id: $id) { state dependsOn { id } why { code blockedBy { id } } } }"


def a_task_waits_for_those_that_it_depends_on(world):
    executor = Executor(world.worker, {"before": 2, "after": 2})
    first, second = world.create("before")["id"], world.create("before")["id"]
    after = world.create("after", dependsOn=[first, second])
    assert after["state"] == "BLOCKED" and after["accepted"] is True, after
    task = world.ask(WAITING, {"id": after["id"]}).data["task"]
    assert {t["id"] for t in task["dependsOn"]} == {first, second} and task["why"]["code"] == "DEPENDENCY", task
    assert {t["id"] for t in task["why"]["blockedBy"]} == {first, second}
    for lease in executor.leases(2):
        assert lease["type"] == "before" and executor.ack(lease) == "applied"
    lease = executor.one()
    assert lease["task"] == after["id"] and executor.ack(lease) == "applied"
    own = new_id()
    chain = world.ask(CREATE_ALL, {"inputs": [{"type": "before", "id": own}, {"type": "after", "dependsOn": [own]}]})
    assert [t["accepted"] for t in chain.data["createTasks"]] == [True, True], chain.text
    circle = [{"type": "after", "id": new_id()} for _ in range(3)]
    for at, one in enumerate(circle):
        one["dependsOn"] = [circle[(at + 1) % 3]["id"]]
    refused = world.ask(CREATE_ALL, {"inputs": circle})
    assert refused.code == "BAD_USER_INPUT" and refused.error["message"] == \
        "inputs[0].dependsOn: is a cycle: inputs[0] → inputs[1] → inputs[2] → inputs[0]", refused.text
    unknown = {"type": "after", "dependsOn": [new_id()]}
    refused = world.ask(CREATE_ALL, {"inputs": [{"type": "before"}, unknown]})
    assert refused.code == "BAD_USER_INPUT" and refused.error["message"].startswith("inputs[1].dependsOn[0]:"), refused.text
    for wrong, why in ([new_id()], "input.dependsOn[0]: there is no such task"), (["x"], "input.dependsOn[0]: not a UUID"), \
            ([own, own], "input.dependsOn[1]: is named twice"), ([new_id() for _ in range(101)], "input.dependsOn: must be at most 100"):
        answer = world.ask(CREATE, {"input": {"type": "after", "dependsOn": wrong}})
        assert answer.code == "BAD_USER_INPUT" and answer.error["message"].startswith(why), answer.text
    world.check_equal()


def one_that_depends_on_what_failed_is_told_as_failed(world):
    first = world.create("never", runAt="2100-01-01T00:00:00Z")["id"]
    second = world.create("never", dependsOn=[first])["id"]
    third = world.create("never", dependsOn=[second])["id"]
    world.ask("mutation($id: ID!) { cancelTask(id: $id) { state } }", {"id": first})
    query = "query($id: ID!) { task(id: $id) { status state error why { code text blockedBy { id } } } }"
    eventually(lambda: world.ask(query, {"id": third}).data["task"]["state"] == "DEAD")
    for task, on, how in (second, first, "was cancelled"), (third, second, "has failed"):
        text = f"the task {on}, which this one depends on, {how}"
        assert world.ask(query, {"id": task}).data["task"] == {
            "status": "FAILED", "state": "DEAD", "error": text,
            "why": {"code": "DEPENDENCY", "text": text, "blockedBy": [{"id": on}]}}
    late = world.create("never", dependsOn=[third])
    assert late["state"] == "DEAD" and world.read(late["id"])["state"] == "DEAD", late
    refused = world.ask("mutation($id: ID!) { retryTask(id: $id) { state } }", {"id": second})
    assert refused.code == "CONFLICT" and first in refused.error["message"], refused.text
    world.check_equal()


def a_worker_that_stopped_answering_gets_what_was_accepted_meanwhile(world):
    world.gateway.process.send_signal(0)
    world.worker.process.send_signal(signal.SIGSTOP)
    made = at_once(6, lambda i: world.create("stopped", payload={"n": i}))
    assert not any(m["accepted"] for m in made), made
    for m in made:
        assert world.read(m["id"])["accepted"] is False
    assert eventually(lambda: world.read(made[0]["id"])["source"] == "CACHE")
    world.worker.process.send_signal(signal.SIGCONT)
    eventually(lambda: sql(world.url, "SELECT count(*) FROM outbox") == [["0"]])
    for m in made:
        eventually(lambda m=m: world.read(m["id"])["accepted"])
    world.check_equal()


TESTS = [every_state_of_a_task_is_mirrored_in_every_column, a_create_can_be_read_at_once_and_is_taken_at_once,
         many_at_once_and_all_or_none_come_through, the_same_id_and_the_same_key_give_the_same_task,
         what_the_worker_has_done_is_no_error_where_it_cannot_be_stored, a_task_waits_for_those_that_it_depends_on,
         one_that_depends_on_what_failed_is_told_as_failed, a_worker_that_stopped_answering_gets_what_was_accepted_meanwhile]

if __name__ == "__main__":
    with Postgres() as the_postgres, Worker(the_postgres.url) as the_worker:
        the_world = World(the_postgres.url, the_worker, REQUEST_TIMEOUT="8s")
        try:
            run_tests(TESTS, the_world)
        finally:
            the_world.close()
