#!/usr/bin/env python3
"""Tasks that come with others: groups and what executors spawn. Usage: worker_groups_test.py PROGRAM"""

import hashlib
import os
import signal
import sys
import threading
import time
import uuid

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../support"))
from gateway_rig import Gateway, eventually  # noqa: E402
from worker_rig import GATEWAY_TOKEN, Caller, Executor, Worker, new_id, run_with_worker, sql  # noqa: E402


def group(caller, *children, on_failure=None, **members):
    """The id of a new group, and those of its children."""
    payload = {"tasks": list(children)}
    if on_failure:
        payload["on_failure"] = on_failure
    made = caller.create({"id": new_id(), "type": "task.group", "payload": payload, "is_fresh": True, **members})
    assert made.status == 200 and "task" in made.json["results"][0], made.text
    task = made.json["results"][0]["task"]
    given = len(members.get("depends_on", []))
    return task["id"], task["depends_on"][given:]


def finished(caller, task):
    return eventually(lambda: (lambda t: t if t["finished_at_us"] else None)(caller.task(task)))


def by_task(leases):
    return {lease["task"]: lease for lease in leases}


def a_group_gathers_what_its_children_made_in_their_order(worker, _):
    caller, executor = Caller(worker), Executor(worker, {"part": 10, "other": 10})
    ids = group(caller, {"type": "part", "payload": {"n": 0}}, {"type": "other", "priority": "high"},
                {"type": "part", "payload": {"n": 2}, "max_attempts": 1, "timeout_seconds": 7, "queue": "q2"},
                queue="q1", priority="low", actor="ada")
    parent, children = ids
    assert len(children) == 3 and len({parent, *children}) == 4, ids
    seen = caller.task(parent)
    assert (seen["state"], seen["depends_on"]) == ("blocked", children), seen
    third = caller.task(children[2])
    assert (third["queue"], third["priority"], third["max_attempts"], third["timeout_s"], third["actor"]) == (
        "q2", "low", 1, 7, "ada"), third
    assert caller.task(children[1])["priority"] == "high" and caller.task(children[1])["queue"] == "q1"
    leases = by_task(executor.leases(10))
    assert set(leases) == set(children), leases  # the group itself is leased to nobody
    assert leases[children[0]]["payload"] == {"n": 0} and leases[children[1]]["payload"] == {}
    for i in (2, 0, 1):
        assert caller.task(parent)["state"] == "blocked"
        executor.ack(leases[children[i]], result={"of": i})
    end = finished(caller, parent)
    assert end["state"] == "succeeded" and end["error"] is None, end
    assert end["result"] == {"children": [
        {"id": child, "state": "succeeded", "result": {"of": i}, "error": None} for i, child in enumerate(children)]}, end


def a_failed_child_fails_it_when_all_have_ended(worker, _):
    caller, executor = Caller(worker), Executor(worker, {"half": 10})
    parent, children = group(caller, {"type": "half"}, {"type": "half"})
    ignoring, others = group(caller, {"type": "half"}, on_failure="ignore")
    leases = by_task(executor.leases(10))
    executor.ack(leases[children[0]], "fatal", error="no luck")
    executor.ack(leases[others[0]], "fatal", error="nor here")
    assert caller.task(parent)["state"] == "blocked"  # the other one still runs
    assert finished(caller, ignoring)["state"] == "succeeded"
    executor.ack(leases[children[1]], result=1)
    end = finished(caller, parent)
    assert (end["state"], end["error"]) == ("dead", "1 of 2 tasks did not succeed"), end
    assert [(c["state"], c["result"], c["error"]) for c in end["result"]["children"]] == [
        ("dead", None, "no luck"), ("succeeded", 1, None)], end


def a_group_is_retried_after_its_children(worker, _):
    caller, executor = Caller(worker), Executor(worker, {"mend": 10})
    parent, children = group(caller, {"type": "mend"}, {"type": "mend"})
    leases = by_task(executor.leases(10))
    executor.ack(leases[children[0]], result="kept")
    executor.ack(leases[children[1]], "fatal", error="broken")
    assert finished(caller, parent)["state"] == "dead"
    early = caller.post(f"/v1/tasks/{parent}:retry", {"actor": "ada"})
    assert early.status == 409 and children[1] in early.detail, early.text
    assert caller.post(f"/v1/tasks/{children[1]}:retry", {"actor": "ada"}).status == 200
    again = caller.post(f"/v1/tasks/{parent}:retry", {"actor": "ada"})
    assert again.status == 200 and again.json["task"]["state"] == "blocked", again.text
    (lease,) = executor.leases(10)  # no child but that one runs again
    executor.ack(lease, result="mended")
    end = finished(caller, parent)
    assert end["state"] == "succeeded", end
    assert [c["result"] for c in end["result"]["children"]] == ["kept", "mended"], end


def a_child_that_is_opened_again_is_waited_for(worker, _):
    caller, executor = Caller(worker), Executor(worker, {"twice": 10})
    parent, children = group(caller, {"type": "twice"}, {"type": "twice"})
    leases = by_task(executor.leases(10))
    executor.ack(leases[children[0]], "fatal", error="first")
    assert caller.post(f"/v1/tasks/{children[0]}:retry", {"actor": "ada"}).status == 200
    executor.ack(leases[children[1]])
    lease = executor.one()
    assert caller.task(parent)["state"] == "blocked"
    executor.ack(lease, result="second")
    end = finished(caller, parent)
    assert end["state"] == "succeeded" and end["result"]["children"][0]["result"] == "second", end


def cancelling_a_group_cancels_its_children(worker, _):
    caller, executor = Caller(worker), Executor(worker, {"stop": 2})
    parent, children = group(caller, *[{"type": "stop"} for _ in range(4)])
    leases = by_task(executor.leases(2))
    done = children[0] if children[0] in leases else next(iter(leases))
    executor.ack(leases.pop(done))
    (running,) = leases
    assert caller.post(f"/v1/tasks/{parent}:cancel", {"actor": "ada"}).json["task"]["state"] == "cancelled"
    commands = executor.heartbeat().json["commands"]
    assert [(c["task"], c["reason"]) for c in commands] == [(running, "cancelled")], commands
    executor.ack(leases[running], "cancelled")
    states = {caller.task(child)["state"] for child in children if child != done}
    assert states == {"cancelled"} and caller.task(done)["state"] == "succeeded", states
    assert executor.leases(10) == []
    assert caller.task(parent)["state"] == "cancelled"


def children_wait_for_what_the_group_waits_for(worker, _):
    caller, executor = Caller(worker), Executor(worker, {"first": 1, "then": 10})
    first = caller.create_one(type="first")
    parent, children = group(caller, {"type": "then"}, {"type": "then"}, depends_on=[first])
    assert caller.task(parent)["depends_on"] == [first, *children]
    assert {caller.task(child)["state"] for child in children} == {"blocked"}
    executor.ack(executor.one())
    leases = executor.leases(10)
    assert {lease["task"] for lease in leases} == set(children), leases
    for lease in leases:
        executor.ack(lease)
    assert finished(caller, parent)["state"] == "succeeded"
    # What fails before it began takes all of it along.
    first = caller.create_one(type="first")
    parent, children = group(caller, {"type": "then"}, depends_on=[first], on_failure="ignore")
    executor.ack(executor.one(), "fatal", error="no")
    end = finished(caller, parent)
    assert (end["state"], end["why"]["code"]) == ("dead", "DEPENDENCY"), end
    assert finished(caller, children[0])["state"] in ("dead", "cancelled")
    parent, children = group(caller, {"type": "then"}, depends_on=[first])
    assert finished(caller, parent)["state"] == "dead" and finished(caller, children[0])["state"] != "succeeded"
    assert executor.leases(10) == []
    # A later time is the children's.
    parent, children = group(caller, {"type": "then"}, run_at_us=int((time.time() + 3600) * 1e6))
    assert caller.task(children[0])["state"] == "scheduled" and executor.leases(10) == []


def others_may_depend_on_a_group(worker, _):
    caller, executor = Caller(worker), Executor(worker, {"in": 10, "after": 1})
    parent, _children = group(caller, {"type": "in"}, {"type": "in"})
    after = caller.create_one(type="after", depends_on=[parent])
    for lease in executor.leases(10):
        executor.ack(lease)
    assert executor.one()["task"] == after


def the_same_group_again_is_the_same_children(worker, url):
    caller = Caller(worker)
    wanted = {"id": new_id(), "type": "task.group", "payload": {"tasks": [{"type": "same"}] * 3}}
    one, two = caller.create(wanted), caller.create(wanted)
    assert one.json["results"][0]["task"]["depends_on"] == two.json["results"][0]["task"]["depends_on"]
    assert sql(url, "SELECT count(*) FROM worker.task t JOIN worker.task_type y ON y.id = t.type "
                    "WHERE y.name = 'same'") == "3"
    for child in one.json["results"][0]["task"]["depends_on"]:
        assert child[:13] == wanted["id"][:13] and child[14] == "7", child  # the group's time, version 7
    assert caller.post(f"/v1/tasks/{wanted['id']}:cancel", {"actor": "x"}).status == 200


def what_is_wrong_is_named_with_its_path(worker, _):
    caller, executor = Caller(worker), Executor(worker, {"sure": 1})
    executor.post("/v1/sessions", {"worker": "w", "types": {"sleep": {"slots": 1, "schema": "windlass:sleep"}}})
    wrong = [
        ({}, "$.tasks: list of 1 to 1000 tasks expected"),
        ({"tasks": []}, "$.tasks: list of 1 to 1000 tasks expected"),
        ({"tasks": [{"type": "x"}] * 1001}, "$.tasks: list of 1 to 1000 tasks expected"),
        ({"tasks": [{"type": "x"}, {}]}, "$.tasks[1].type: "),
        ({"tasks": [{"type": "x", "payloads": 1}]}, "$.tasks[0].payloads: unknown member"),
        ({"tasks": [{"type": "x", "priority": "urgent"}]}, "$.tasks[0].priority: is none of low, normal, high"),
        ({"tasks": [{"type": "x", "max_attempts": 0}]}, "$.tasks[0].max_attempts: whole number from 1 to 1000"),
        ({"tasks": [{"type": "task.group"}]}, "$.tasks[0].type: a group within a group"),
        ({"tasks": [{"type": "x"}], "on_failure": "shrug"}, "$.on_failure: is none of fail, ignore"),
        ({"tasks": [{"type": "sleep", "payload": {"seconds": -1}}]}, "$.tasks[0].payload: $.seconds: number from 0"),
        ("x", "$: object expected"),
    ]
    for payload, message in wrong:
        answer = caller.create({"id": new_id(), "type": "task.group", "payload": payload})
        assert answer.status == 200, answer.text
        error = answer.json["results"][0]["error"]
        assert error["code"] == "BAD_USER_INPUT" and "tasks[0].payload: " in error["message"], error
        assert message in error["message"], error
    many = [{"id": new_id(), "type": "task.group", "payload": {"tasks": [{"type": "x"}] * 1000}} for _ in range(11)]
    answer = caller.create(*many, is_atomic=True)
    assert answer.status in (400, 413) and "with the children of groups" in answer.detail, answer.text
    job = caller.post("/v1/jobs", {"job": {"id": new_id(), "name": "g", "schedule": "0 3 * * *", "time_zone": "UTC",
                                           "task_type": "task.group", "payload": {"tasks": 1}}, "actor": "a"})
    assert job.status == 400 and "job.payload: $.tasks: list" in job.detail, job.text


def a_job_may_fire_groups(worker, _):
    caller, executor = Caller(worker), Executor(worker, {"fired": 10})
    job, run = new_id(), new_id()
    made = caller.post("/v1/jobs", {"job": {"id": job, "name": "fan", "schedule": "0 3 1 1 *", "time_zone": "UTC",
                                            "task_type": "task.group",
                                            "payload": {"tasks": [{"type": "fired"}] * 2}}, "actor": "a"})
    assert made.status == 200, made.text
    fired = caller.post(f"/v1/jobs/{job}:trigger", {"actor": "a", "task_id": run})
    assert fired.status == 200 and len(fired.json["task"]["depends_on"]) == 2, fired.text
    for lease in executor.leases(10):
        assert lease["job_id"] is None
        executor.ack(lease)
    assert finished(caller, run)["state"] == "succeeded"


def results_that_do_not_fit_are_left_out(worker, _):
    url = worker.new_database()
    with Worker(url, PAYLOAD_LIMIT="4KiB") as small:
        caller, executor = Caller(small), Executor(small, {"big": 10})
        parent, _children = group(caller, *[{"type": "big"}] * 3)
        for lease in executor.leases(10):
            executor.ack(lease, result="x" * 1500)
        end = finished(caller, parent)
        assert end["state"] == "succeeded", end
        children = end["result"]["children"]
        assert [c["result"] is not None for c in children] == [True, True, False], children
        assert children[2]["is_left_out"] is True and children[2]["state"] == "succeeded", children


def a_thousand_children_are_one_group(worker, _):
    caller, executor = Caller(worker), Executor(worker, {"mass": 500})
    parent, children = group(caller, *[{"type": "mass", "payload": i} for i in range(1000)])
    left = 1000
    while left:
        leases = executor.leases(500)
        acks = [{"task": x["task"], "fence": x["fence"], "outcome": "complete", "result": x["payload"]} for x in leases]
        executor.post("/v1/acks", {**executor.who, "results": acks})
        left -= len(leases)
    end = finished(caller, parent)
    assert [c["result"] for c in end["result"]["children"]] == list(range(1000)), end["state"]
    assert [c["id"] for c in end["result"]["children"]] == children


def tasks_are_spawned_with_the_completion_or_not_at_all(worker, url):
    caller, executor = Caller(worker), Executor(worker, {"parent": 1, "child": 10})
    parent = caller.create_one(type="parent")
    lease = executor.one()
    wrong = [
        ([{}], "complete", "acks[0].spawn[0].type: is missing"),
        ([{"type": "child", "id": "x"}], "complete", "acks[0].spawn[0].id: is not known here"),
        ([{"type": "child", "priority": "x"}], "complete", "acks[0].spawn[0].priority: is none"),
        ([{"type": "child"}] * 1001, "complete", "acks[0].spawn: is no list of at most 1000 tasks"),
        ([{"type": "child"}], "fail", "acks[0].spawn: comes with the outcome complete alone"),
        ([{"type": "task.group", "payload": {}}], "complete", "acks[0].spawn[0].payload: $.tasks: list"),
    ]
    for spawn, outcome, message in wrong:
        answer = executor.post("/v1/acks", {**executor.who, "results": [
            {"task": parent, "fence": lease["fence"], "outcome": outcome, "spawn": spawn}]})
        assert answer.status == 400 and message in answer.detail, (answer.text, message)
    assert caller.task(parent)["state"] == "running"
    result = {"task": parent, "fence": lease["fence"], "outcome": "complete", "spawn": [
        {"type": "child", "payload": {"n": 1}, "priority": "high"}, {"type": "child", "payload": {"n": 2}},
        {"type": "task.group", "payload": {"tasks": [{"type": "child", "payload": {"n": 3}}]}}]}
    answer = executor.post("/v1/acks", {**executor.who, "results": [result]}).json["acks"][0]
    assert answer["outcome"] == "applied" and len(set(answer["spawned"])) == 3, answer
    repeat = executor.post("/v1/acks", {**executor.who, "results": [result]}).json["acks"][0]
    assert repeat["outcome"] == "duplicate" and "spawned" not in repeat, repeat
    leases = executor.leases(10)
    assert [x["payload"]["n"] for x in leases][0] == 1 and sorted(x["payload"]["n"] for x in leases) == [1, 2, 3], leases
    assert caller.task(answer["spawned"][0])["actor"] == f"task {parent}"
    for x in leases:
        executor.ack(x)
    assert finished(caller, answer["spawned"][2])["state"] == "succeeded"
    assert sql(url, "SELECT count(*) FROM worker.task t JOIN worker.task_type y ON y.id = t.type "
                    "WHERE y.name = 'child'") == "3"


def a_group_survives_a_kill_at_every_step(first, _):
    """The worker is killed again and again while groups are made, run and gathered; each child runs to one end."""
    url = first.new_database()
    started, parents, lock = [], [], threading.Lock()
    for round_number in range(4):
        with Worker(url, WORKER_LEASE="1s") as worker:
            is_over = threading.Event()

            def create():
                caller = Caller(worker)
                try:
                    while not is_over.is_set():
                        parent = group(caller, *[{"type": "step", "payload": i} for i in range(5)])
                        with lock:
                            parents.append(parent)
                        time.sleep(0.01)
                except (OSError, AssertionError, ValueError):
                    pass
                except Exception as error:  # pylint: disable=broad-except
                    if "Remote" not in type(error).__name__ and "Incomplete" not in type(error).__name__:
                        raise

            def run():
                try:
                    executor = Executor(worker, {"step": 50}, ttl_ms=1000)
                    while not is_over.is_set():
                        for lease in executor.leases(20, 100):
                            if executor.ack(lease, result=lease["payload"]) == "applied":
                                started.append(lease["task"])
                except Exception:  # pylint: disable=broad-except
                    pass

            threads = [threading.Thread(target=create), threading.Thread(target=run)]
            for thread in threads:
                thread.start()
            before = len(parents)
            eventually(lambda: len(parents) > before + 10)  # pylint: disable=cell-var-from-loop
            worker.stop(signal.SIGKILL)
            is_over.set()
            for thread in threads:
                thread.join(30)
    assert len(started) == len(set(started)), "a child was completed twice"
    with Worker(url, WORKER_LEASE="1s") as worker:
        caller, executor = Caller(worker), Executor(worker, {"step": 100})

        def all_done():
            for lease in executor.leases(100, 100):
                executor.ack(lease, result=lease["payload"])
            return sql(url, "SELECT count(*) FROM worker.task t WHERE NOT EXISTS "
                            "(SELECT FROM worker.task_done d WHERE d.id = t.id)") == "0"
        eventually(all_done)
        for parent, children in parents:
            end = caller.task(parent)
            assert end["state"] == "succeeded", end
            assert [(c["id"], c["result"]) for c in end["result"]["children"]] == list(zip(children, range(5))), end
        groups, steps = sql(url, "SELECT count(*) FILTER (WHERE y.name = 'task.group'), "
                                 "count(*) FILTER (WHERE y.name = 'step') FROM worker.task t "
                                 "JOIN worker.task_type y ON y.id = t.type").split("|")
        assert int(steps) == 5 * int(groups) and int(groups) >= len(parents), (groups, steps)


def child_id(parent, index):
    """As src/worker/group.c makes it: the group's time, the index, a hash of the group's id."""
    whole = bytearray(uuid.UUID(parent).bytes)
    whole[8:] = hashlib.sha256(bytes(whole)).digest()[:8]
    whole[6:8] = (0x7000 | index).to_bytes(2, "big")
    whole[8] = whole[8] & 0x3F | 0x80
    return str(uuid.UUID(bytes=bytes(whole)))


def a_childs_id_that_is_taken_fails_the_group_alone(worker, _):
    caller, executor = Caller(worker), Executor(worker, {"taken": 1})
    parent = new_id()
    taken = caller.create_one(type="taken", id=child_id(parent, 1))
    made = caller.create({"id": parent, "type": "task.group", "is_fresh": True,
                          "payload": {"tasks": [{"type": "taken"}, {"type": "taken"}]}})
    assert made.status == 200, made.text
    end = finished(caller, parent)
    assert end["state"] == "dead" and "$.tasks[1]: another task has its id" in end["error"], end
    assert caller.post(f"/v1/tasks/{parent}:retry", {"actor": "ada"}).status == 200
    end = finished(caller, parent)
    assert end["state"] == "dead" and end["error"] == "it has no children", end
    lease = executor.one()
    assert lease["task"] == taken and executor.ack(lease) == "applied"


def a_group_whose_last_child_failed_is_gathered_by_the_next_leader(first, _):
    url = first.new_database()
    parents = []
    for _ in range(5):  # wherever the kill comes: before the gathering is committed, or behind it
        with Worker(url, WORKER_LEASE="1s") as worker:
            caller, executor = Caller(worker), Executor(worker, {"half": 10})
            parents.append(group(caller, {"type": "half", "max_attempts": 1}, {"type": "half"})[0])
            leases = executor.leases(2, 20_000)
            executor.lease(0, 0, [{"task": lease["task"], "fence": lease["fence"], "outcome": outcome}
                                  for lease, outcome in zip(leases, ("complete", "fatal"))])
            worker.stop(signal.SIGKILL)
    with Worker(url, WORKER_LEASE="1s") as worker:
        for parent in parents:
            end = finished(Caller(worker), parent)
            assert end["state"] == "dead" and end["error"] == "1 of 2 tasks did not succeed", end


def a_gathered_group_is_told_alike_out_of_memory_and_tables(first, _):
    url = first.new_database()
    with Worker(url) as worker:
        caller, executor = Caller(worker), Executor(worker, {"told": 10})
        parent, _children = group(caller, {"type": "told"}, {"type": "told"})
        for lease in executor.leases(10):
            executor.ack(lease)
        finished(caller, parent)
        live = caller.whole_feed()
    with Worker(url) as worker:
        again = [e for e in Caller(worker).whole_feed() if int(e["seq"]) <= int(live[-1]["seq"])]
        assert again == live, [(a, b) for a, b in zip(live, again) if a != b][:1]


def the_gateway_shows_a_group_and_its_children(first, _):
    url = first.new_database()
    with Worker(url) as worker, Gateway(url, WORKER_URL=f"http://127.0.0.1:{worker.port}",
                                        GATEWAY_TOKEN=GATEWAY_TOKEN) as gateway:
        admin = gateway.set_up()
        executor = Executor(worker, {"shown": 10})
        made = gateway.graphql('mutation { createTask(input: { type: "task.group", payload: { tasks: '
                               '[{ type: "shown" }, { type: "shown" }] } }) { id state dependsOn { type } } }', None, admin)
        task = made.data["createTask"]
        assert task["state"] == "BLOCKED", made.text
        for lease in executor.leases(10, 20_000):
            executor.ack(lease, result=7)
        query = f'{{ task(id: "{task["id"]}") {{ status state result startedAt dependsOn {{ state }} }} }}'
        end = eventually(lambda: (lambda t: t if t and t["status"] == "COMPLETED" else None)(
            gateway.graphql(query, None, admin).data["task"]))
        assert [c["result"] for c in end["result"]["children"]] == [7, 7] and end["startedAt"] is None, end
        assert end["dependsOn"] == [{"state": "SUCCEEDED"}] * 2, end
        counts = eventually(lambda: (lambda c: c if c["completed"] == 3 else None)(
            gateway.graphql("{ taskCounts { pending inProgress completed failed } }", None, admin).data["taskCounts"]))
        assert counts == {"pending": 0, "inProgress": 0, "completed": 3, "failed": 0}, counts


TESTS = [
    a_group_gathers_what_its_children_made_in_their_order,
    a_failed_child_fails_it_when_all_have_ended,
    a_group_is_retried_after_its_children,
    a_child_that_is_opened_again_is_waited_for,
    cancelling_a_group_cancels_its_children,
    children_wait_for_what_the_group_waits_for,
    others_may_depend_on_a_group,
    the_same_group_again_is_the_same_children,
    what_is_wrong_is_named_with_its_path,
    a_job_may_fire_groups,
    results_that_do_not_fit_are_left_out,
    a_thousand_children_are_one_group,
    tasks_are_spawned_with_the_completion_or_not_at_all,
    a_group_survives_a_kill_at_every_step,
    a_childs_id_that_is_taken_fails_the_group_alone,
    a_group_whose_last_child_failed_is_gathered_by_the_next_leader,
    a_gathered_group_is_told_alike_out_of_memory_and_tables,
    the_gateway_shows_a_group_and_its_children,
]

if __name__ == "__main__":
    run_with_worker(TESTS)
