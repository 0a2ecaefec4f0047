#!/usr/bin/env python3
"""The worker's tasks and leases through its doors. Usage: worker_tasks_test.py PROGRAM"""

import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../support"))
from gateway_rig import at_once, eventually  # noqa: E402
from worker_rig import RUNNER_TOKEN, Caller, Executor, Worker, new_id, run_with_worker, sql  # noqa: E402


def a_task_lives_from_creation_to_its_result(worker, _):
    caller, executor = Caller(worker), Executor(worker, {"life": 1})
    task = caller.create_one(type="life", payload={"deep": [1.50, "ü"]}, priority="high")
    lease = executor.one()
    assert lease["task"] == task and lease["payload"] == {"deep": [1.50, "ü"]}, lease
    assert lease["attempt"] == 1 and lease["max_attempts"] == 5, lease
    assert caller.task(task)["state"] == "running"
    assert executor.ack(lease, result={"n": 1}) == "applied"
    end = caller.task(task)
    assert end["state"] == "succeeded" and end["result"] == {"n": 1}, end
    assert end["priority"] == "high" and end["finished_at_us"] >= end["started_at_us"]
    (attempt,) = caller.attempts(task)
    assert attempt["outcome"] == "succeeded" and attempt["worker"] == "executor", attempt


def only_known_callers_are_let_in_and_only_where_they_belong(worker, _):
    assert Caller(worker, "wrong").get("/v1/feed").status == 401
    assert Caller(worker, RUNNER_TOKEN).get("/v1/feed").status == 403
    assert Caller(worker, RUNNER_TOKEN).create().status == 403


def what_is_wrong_with_a_task_is_named_with_its_place(worker, _):
    caller = Caller(worker)
    good = {"id": new_id(), "type": "work", "is_fresh": True}
    wrong = [
        ({"type": "work"}, "tasks[1].id: is missing"),
        ({"id": "x", "type": "work"}, "tasks[1].id: is no UUID"),
        ({"id": "01a20a5b-5f81-47cf-a575-000000000000", "type": "work"}, "is no UUIDv7"),
        ({"id": new_id(time.time() - 8 * 86400), "type": "work"}, "id-past"),
        ({"id": new_id(time.time() + 7200), "type": "work"}, "id-future"),
        ({"id": new_id()}, "tasks[1].type: is missing"),
        ({"id": new_id(), "type": "x" * 201}, "tasks[1].type: is longer than 200 bytes"),
        ({"id": new_id(), "type": "work", "priority": "urgent"}, "tasks[1].priority"),
        ({"id": new_id(), "type": "work", "max_attempts": 0}, "tasks[1].max_attempts"),
        ({"id": new_id(), "type": "work", "payload": "x" * 300_000}, "tasks[1].payload: is longer"),
    ]
    for task, message in wrong:
        good["id"] = new_id()
        answer = caller.create(good, task)
        assert answer.status == 200, answer.text
        first, second = answer.json["results"]
        assert "task" in first, first
        assert second["error"]["code"] == "BAD_USER_INPUT", second
        assert message in second["error"]["message"], second
    nul = caller.request("POST", "/v1/tasks", None)
    assert nul.status == 400, nul.text


def nested(levels):
    return None if levels == 0 else [nested(levels - 1)] if levels > 1 else []


def values_may_be_as_deep_as_the_api_says_whatever_carries_them(worker, _):
    caller, executor = Caller(worker), Executor(worker, {"deep": 1})
    task = caller.create_one(type="deep", payload=nested(128))
    lease = executor.one()
    assert lease["payload"] == nested(128), lease
    assert executor.ack(lease, result=nested(128)) == "applied"
    assert caller.task(task)["result"] == nested(128)
    deeper = caller.create({"id": new_id(), "type": "deep", "payload": nested(129)})
    assert deeper.status == 400 and "tasks[0].payload" in deeper.detail, deeper.text


def a_long_request_may_be_of_the_smallest_values(worker, _):
    tasks = [{"id": new_id(), "type": "dense", "payload": [0] * 87_000} for _ in range(16)]  # 256 KiB each, as written here
    answer = Caller(worker).create(*tasks)
    assert answer.status == 200 and all("task" in result for result in answer.json["results"]), answer.text[:300]


def all_or_none_is_one_or_the_other(worker, url):
    caller = Caller(worker)
    ids = [new_id() for _ in range(700)]  # more than one batch's worth
    tasks = [{"id": i, "type": "atomic", "is_fresh": True} for i in ids]
    refused = caller.create(*tasks, {"id": "x", "type": "atomic"}, is_atomic=True)
    assert refused.status == 400 and refused.json["index"] == 700, refused.text
    assert sql(url, "SELECT count(*) FROM worker.task t JOIN worker.task_type y ON y.id = t.type "
                    "WHERE y.name = 'atomic'") == "0"
    assert caller.create(*tasks, is_atomic=True).status == 200
    assert sql(url, f"SELECT count(DISTINCT l.seq) FROM worker.task t, worker.change_log l "
                    f"WHERE t.id = ANY ('{{{','.join(ids)}}}') AND t.seq >= l.seq "
                    f"AND t.seq < l.seq + l.n") == "1"


def the_same_id_again_is_the_same_task(worker, _):
    caller, executor = Caller(worker), Executor(worker, {"same": 1})
    task = {"id": new_id(), "type": "same", "payload": {"n": 1}}
    for _ in range(2):
        answer = caller.create(task)
        assert answer.json["results"][0]["task"]["state"] == "ready", answer.text
    lease = executor.one()
    assert caller.create(task).json["results"][0]["task"]["state"] == "running"
    executor.ack(lease)
    again = caller.create(task, {**task, "payload": {"n": 2}}).json["results"]
    assert [r["task"]["state"] for r in again] == ["succeeded"] * 2, again
    assert executor.leases() == []


def many_at_once_with_one_id_make_one_task(worker, url):
    task = {"id": new_id(), "type": "crowd"}
    answers = at_once(16, lambda _: Caller(worker).create(task).json["results"][0])
    assert all(a["task"]["id"] == task["id"] for a in answers), answers
    assert sql(url, f"SELECT count(*) FROM worker.task WHERE id = '{task['id']}'") == "1"


def a_key_holds_while_its_task_is_unfinished(worker, _):
    caller, executor = Caller(worker), Executor(worker, {"keyed": 1})
    first = caller.create_one(type="keyed", idempotency_key="k")
    second = caller.create({"id": new_id(), "type": "keyed", "idempotency_key": "k"})
    assert second.json["results"][0] == {"duplicate_of": first}, second.text
    executor.ack(executor.one())
    third = caller.create_one(type="keyed", idempotency_key="k")
    assert caller.create({"id": new_id(), "type": "keyed", "idempotency_key": "k"}) \
        .json["results"][0] == {"duplicate_of": third}
    assert executor.one()["idempotency_key"] == "k"


def the_urgent_and_the_old_go_first_and_the_scheduled_wait(worker, _):
    caller, executor = Caller(worker), Executor(worker, {"order": 10})
    now_us = time.time_ns() // 1000
    late = caller.create_one(type="order", run_at_us=now_us + 3_600_000_000, priority="high")
    low = caller.create_one(type="order", priority="low")
    first, second = (caller.create_one(type="order") for _ in range(2))
    high = caller.create_one(type="order", priority="high")
    got = [lease["task"] for lease in executor.leases(10)]
    assert got == [high, first, second, low], got
    assert caller.task(late)["state"] == "scheduled"
    due_us = time.time_ns() // 1000 + 500_000
    soon = caller.create_one(type="order", run_at_us=due_us)
    lease = executor.one()
    assert lease["task"] == soon
    assert caller.task(soon)["started_at_us"] >= due_us


def slots_bound_what_a_session_holds(worker, _):
    caller, executor = Caller(worker), Executor(worker, {"slots": 2})
    for _ in range(4):
        caller.create_one(type="slots")
    held = executor.leases(10)
    assert len(held) == 2
    assert executor.leases(10) == []
    both = executor.lease(10, acks=[{"task": held[0]["task"], "fence": held[0]["fence"],
                                     "outcome": "complete"}])
    assert both["acks"] == [{"task": held[0]["task"], "outcome": "applied"}], both
    assert len(both["leases"]) == 1, both


def a_waiting_request_gets_a_task_that_comes(worker, _):
    caller = Caller(worker)

    def run(i):
        if i == 0:
            return Executor(worker, {"awaited": 1}).one()
        return eventually(lambda: worker.metric("windlass_worker_lease_requests_waiting") >= 1
                          and caller.create_one(type="awaited"))
    lease, task = at_once(2, run)
    assert lease["task"] == task


def a_late_answer_changes_nothing(worker, _):
    caller, slow = Caller(worker), Executor(worker, {"late": 1}, ttl_ms=1000, name="slow")
    task = caller.create_one(type="late")
    lease = slow.one()
    other = Executor(worker, {"late": 1}, name="other")
    again = other.one()  # the silent session has ended, and its lease has returned
    assert again["task"] == task and again["attempt"] == 2, again
    gone = slow.heartbeat({"task": task, "fence": lease["fence"]})
    assert gone.status == 404, gone.text
    assert other.ack({**again, "fence": lease["fence"]}, result={"by": "a zombie"}) != "applied"
    assert caller.task(task)["state"] == "running"
    assert other.ack(again, result={"by": "other"}) == "applied"
    assert other.ack(again, result={"by": "other"}) == "duplicate"
    assert other.ack({"task": task, "fence": "0:1"}) == "stale"
    assert other.ack({"task": new_id(), "fence": "0:1"}) == "unknown"
    assert caller.task(task)["result"] == {"by": "other"}
    assert [a["outcome"] for a in caller.attempts(task)] == ["lease_lost", "succeeded"]


def failures_are_tried_again_until_the_attempts_are_used(worker, _):
    caller, executor = Caller(worker), Executor(worker, {"fails": 1})
    task = caller.create_one(type="fails", max_attempts=3)
    for attempt in (1, 2):
        lease = executor.one()
        assert lease["attempt"] == attempt
        assert executor.ack(lease, "fail", error=f"no {attempt}", retry_in_ms=50) == "applied"
        waiting = caller.task(task)
        assert waiting["state"] in ("retrying", "ready") and waiting["attempt"] == attempt
    executor.ack(executor.one(), "fail", error="no 3")
    end = caller.task(task)
    assert end["state"] == "dead" and end["error"] == "no 3" and end["attempt"] == 3, end
    assert [a["error"] for a in caller.attempts(task)] == ["no 1", "no 2", "no 3"]
    back_off = caller.create_one(type="fails")
    before_us = time.time_ns() // 1000
    executor.ack(executor.one(), "fail")
    assert 700_000 <= caller.task(back_off)["run_at_us"] - before_us <= 60_000_000
    fatal = caller.create_one(type="fails")
    executor.ack(executor.one(), "fatal", error="never")
    assert caller.task(fatal)["state"] == "dead"


def release_and_snooze_cost_no_attempt(worker, _):
    caller, executor = Caller(worker), Executor(worker, {"gentle": 1})
    task = caller.create_one(type="gentle", max_attempts=1)
    for word, members in (("release", {}), ("snooze", {"retry_in_ms": 50})):
        lease = executor.one()
        assert lease["attempt"] == 1, lease
        assert executor.ack(lease, word, **members) == "applied"
        assert caller.task(task)["attempt"] == 0
    executor.ack(executor.one())
    assert caller.task(task)["state"] == "succeeded" and caller.task(task)["attempt"] == 1


def waiting_tasks_are_cancelled_at_once_and_running_ones_by_command(worker, _):
    caller, executor = Caller(worker), Executor(worker, {"cancelled": 1})
    waiting = caller.create_one(type="cancelled", run_at_us=time.time_ns() // 1000 + 10**9)
    answer = caller.post(f"/v1/tasks/{waiting}:cancel", {"actor": "ada"})
    assert answer.json["task"]["state"] == "cancelled", answer.text
    running = caller.create_one(type="cancelled")
    lease = executor.one()
    asked = caller.post(f"/v1/tasks/{running}:cancel", {})
    assert asked.json["task"]["state"] == "running", asked.text
    commands = executor.heartbeat({"task": running, "fence": lease["fence"]}).json["commands"]
    assert [(c["kind"], c["task"], c["reason"]) for c in commands] == \
        [("cancel", running, "cancelled")], commands
    assert executor.ack(lease, "cancelled") == "applied"
    assert caller.task(running)["state"] == "cancelled"
    again = caller.post(f"/v1/tasks/{running}:cancel", {})
    assert again.status == 200 and again.json["task"]["state"] == "cancelled", again.text
    done = caller.create_one(type="cancelled")
    executor.ack(executor.one())
    assert caller.post(f"/v1/tasks/{done}:cancel", {}).status == 409
    assert caller.post(f"/v1/tasks/{new_id()}:cancel", {}).status == 404


def what_failed_can_be_tried_again_by_hand(worker, url):
    caller, executor = Caller(worker), Executor(worker, {"again": 1})
    task = caller.create_one(type="again", max_attempts=1)
    assert caller.post(f"/v1/tasks/{task}:retry", {}).status == 409  # it waits already
    executor.ack(executor.one(), "fatal", error="first")
    answer = caller.post(f"/v1/tasks/{task}:retry", {"actor": "ada"})
    assert answer.status == 200 and answer.json["task"]["state"] == "ready", answer.text
    assert answer.json["task"]["max_attempts"] == 2, answer.text
    assert sql(url, f"SELECT count(*) FROM worker.task_done WHERE id = '{task}'") == "0"
    lease = executor.one()
    assert lease["attempt"] == 2
    executor.ack(lease)
    assert caller.post(f"/v1/tasks/{task}:retry", {}).status == 409  # it has succeeded
    assert [a["error"] for a in caller.attempts(task)] == ["first", None]
    later = caller.create_one(type="again")
    executor.ack(executor.one(), "fail", retry_in_ms=3_600_000)
    assert caller.task(later)["state"] == "retrying"
    assert caller.post(f"/v1/tasks/{later}:retry", {}).json["task"]["state"] == "ready"
    assert executor.one()["task"] == later


def an_attempt_that_passes_its_deadline_is_told_to_stop(worker, _):
    caller, executor = Caller(worker), Executor(worker, {"overdue": 1})
    task = caller.create_one(type="overdue", timeout_s=1, max_attempts=1)
    lease = executor.one()
    told = eventually(lambda: executor.heartbeat().json["commands"])
    assert told[0]["reason"] == "timeout" and told[0]["task"] == task, told
    assert executor.ack(lease, "cancelled") == "applied"
    end = caller.task(task)
    assert end["state"] == "dead" and end["error"] == "timed out", end
    assert caller.attempts(task)[0]["outcome"] == "timed_out"


def one_that_does_not_stop_is_timed_out(worker, _):
    caller, executor = Caller(worker), Executor(worker, {"stubborn": 1})
    task = caller.create_one(type="stubborn", timeout_s=1, max_attempts=2)
    lease = executor.one()
    eventually(lambda: executor.heartbeat().status == 200 and caller.task(task)["state"] == "retrying")
    assert executor.ack(lease) == "stale"  # its lease has ended, by the time-out
    again = executor.one(60_000)  # and the next attempt has its time, too
    told = eventually(lambda: executor.heartbeat().json["commands"])
    assert (told[0]["task"], told[0]["reason"]) == (task, "timeout"), told
    assert executor.ack(again, "fail") == "applied" and caller.task(task)["state"] == "dead"


def a_session_that_ends_returns_its_leases(worker, _):
    caller = Caller(worker)
    task = caller.create_one(type="ended")
    first = Executor(worker, {"ended": 1})
    first.one()
    assert first.end(release=True).status == 200
    second = Executor(worker, {"ended": 1})
    assert second.one()["attempt"] == 1  # released: it cost no attempt
    assert second.end().status == 200
    assert Executor(worker, {"ended": 1}).one()["attempt"] == 2
    assert second.heartbeat().status == 404
    assert caller.task(task)["state"] == "running"


def leases_that_were_never_heard_of_return(worker, _):
    caller, executor = Caller(worker), Executor(worker, {"unheard": 5})
    known, unheard = (caller.create_one(type="unheard") for _ in range(2))
    leases = {lease["task"]: lease for lease in executor.leases(2)}
    held = [{"task": known, "fence": leases[known]["fence"]}]
    answer = executor.post("/v1/leases", {**executor.who, "max": 0, "held": held})
    assert answer.status == 200, answer.text
    assert caller.task(known)["state"] == "running"
    again = caller.task(unheard)
    assert again["state"] == "ready" and again["attempt"] == 0, again
    # One with an older fence is not the one that it holds.
    lease = executor.one()
    assert lease["task"] == unheard and lease["fence"] != leases[unheard]["fence"]
    executor.post("/v1/leases", {**executor.who, "max": 0, "held": held + [
        {"task": unheard, "fence": leases[unheard]["fence"]}]})
    assert caller.task(unheard)["state"] == "ready"
    assert executor.ack(leases[known]) == "applied"


def what_crashed_runs_alone_and_three_times_is_quarantined(worker, _):
    caller, types = Caller(worker), {"crash": 5}
    bad = caller.create_one(type="crash", max_attempts=10)
    first = Executor(worker, types)
    first.one()
    quiet = [caller.create_one(type="crash") for _ in range(2)]
    first.end()  # not released: as a crash
    for attempt in (2, 3, 4):
        held = Executor(worker, types)
        alone = []
        while not alone:
            got = held.leases(5, 1000)
            alone = [lease for lease in got if lease["task"] == bad]
            assert not alone or len(got) == 1, got
            for lease in got:
                if lease["task"] != bad:
                    assert held.ack(lease) == "applied"
        assert alone[0]["attempt"] == attempt, alone
        caller.create_one(type="crash", id=(beside := new_id()))
        assert held.leases(5) == []  # nothing beside it
        held.end()
        quiet.append(beside)
    end = eventually(lambda: caller.task(bad)["state"] == "dead" and caller.task(bad))
    assert end["why"]["code"] == "QUARANTINED" and end["attempt"] == 4, end
    assert [a["outcome"] for a in caller.attempts(bad)] == ["lease_lost"] * 4
    held = Executor(worker, types)
    while got := held.leases(5):
        for lease in got:
            assert held.ack(lease) == "applied"
    assert all(caller.task(task)["state"] == "succeeded" for task in quiet)


def progress_and_checkpoints_are_kept_while_it_runs(worker, _):
    caller, executor = Caller(worker), Executor(worker, {"progress": 1})
    task = caller.create_one(type="progress")
    lease = executor.one()
    beat = {"task": task, "fence": lease["fence"], "progress": 0.25, "checkpoint": {"row": 7}}
    assert executor.heartbeat(beat).json["lost"] == []
    assert eventually(lambda: caller.task(task)["progress"] == 0.25)
    executor.ack(lease, "fail", retry_in_ms=0)
    assert executor.one()["checkpoint"] == {"row": 7}


def a_blocked_task_waits_until_all_others_have_succeeded(worker, url):
    caller, executor = Caller(worker), Executor(worker, {"first": 5, "second": 5})
    done = caller.create_one(type="first")
    executor.ack(executor.one())
    one, two = (caller.create_one(type="first") for _ in range(2))
    blocked = caller.create_one(type="second", depends_on=[done, one, two])
    free = caller.create_one(type="second", depends_on=[done])
    assert caller.task(blocked)["state"] == "blocked"
    assert caller.task(blocked)["depends_on"] == [done, one, two]
    leases = {lease["task"]: lease for lease in executor.leases(10)}
    assert set(leases) == {one, two, free}, leases
    executor.ack(leases[one])
    executor.ack(leases[two], "fail", retry_in_ms=0)  # it is tried again
    assert caller.task(blocked)["state"] == "blocked"
    lease = executor.one()
    assert lease["task"] == two
    executor.ack(lease)
    lease = executor.one()
    assert lease["task"] == blocked
    executor.ack(lease)
    chain = [{"id": new_id(), "type": "second", "is_fresh": True} for _ in range(3)]
    for before, after in zip(chain, chain[1:]):
        after["depends_on"] = [before["id"]]
    for task in chain:
        assert "task" in caller.create(task).json["results"][0]
    for task in chain:
        assert [lease["task"] for lease in executor.leases(10)] == [task["id"]]
        executor.ack({"task": task["id"], "fence": f"0:{caller.task(task['id'])['version']}"})
    together = [{**t, "id": new_id()} for t in chain]
    for before, after in zip(together, together[1:]):
        after["depends_on"] = [before["id"]]
    assert caller.create(*together, is_atomic=True).status == 200
    assert caller.post(f"/v1/tasks/{together[1]['id']}:cancel", {}).json["task"]["state"] == "cancelled"
    wrong = caller.create({"id": new_id(), "type": "second", "depends_on": [new_id()]})
    assert wrong.json["results"][0]["error"]["code"] == "BAD_USER_INPUT", wrong.text
    assert sql(url, "SELECT count(*) FROM worker.task WHERE cardinality(depends_on) > 0") == "6"


def a_brief_answer_tells_of_a_new_task_what_the_worker_decided(worker, _):
    caller, later = Caller(worker), (int(time.time()) + 3600) * 1_000_000
    gone = caller.create_one(type="brief.gone")
    assert caller.post(f"/v1/tasks/{gone}:cancel", {"actor": "ada"}).status == 200
    asked = [{"id": new_id(), "type": "brief", "idempotency_key": "brief-1"},
             {"id": new_id(), "type": "brief", "max_attempts": 2, "timeout_s": 7, "run_at_us": later},
             {"id": new_id(), "type": "brief", "idempotency_key": "brief-1"}, {"id": new_id()},
             {"id": new_id(), "type": "brief", "depends_on": [gone]}]
    brief = caller.request("POST", "/v1/tasks", {"tasks": asked}, {"Prefer": "respond-async, return=minimal"})
    assert brief.status == 200, brief.text
    first, second, third, fourth, fifth = brief.json["results"]
    for task, result, state in (asked[0], first, "ready"), (asked[1], second, "scheduled"):
        whole = caller.task(task["id"])
        names = {"version", "state", "max_attempts", "timeout_s", "run_at_us", "created_at_us"}
        assert result == {"created": {name: whole[name] for name in names}}, result
        assert whole["state"] == state, whole
    assert third == {"duplicate_of": asked[0]["id"]}, third
    assert fourth["error"]["code"] == "BAD_USER_INPUT", fourth
    assert fifth["task"]["state"] == "dead" and fifth["task"]["why"]["code"] == "DEPENDENCY", fifth
    again = caller.request("POST", "/v1/tasks", {"tasks": asked[:1]}, {"Prefer": "return=minimal"})
    assert again.json["results"][0]["task"]["id"] == asked[0]["id"], again.text


def who_is_connected_is_told(main_worker, _):
    url = main_worker.new_database()
    with Worker(url, WORKER_LEASE="20s") as worker:
        caller = Caller(worker)
        began = time.time()
        first = Executor(worker, {"b": 2, "a": 3}, name="first")
        second = Executor(worker, {"c": 1}, name="second")
        caller.create_one(type="a")
        lease = first.one()
        told = lambda: {w["worker"]: w for w in caller.get("/v1/workers").json["workers"]}  # noqa: E731
        one = told()["first"]
        assert one["session"] == first.who["session"] and one["host"] == "here", one
        assert sorted(one["types"]) == ["a", "b"] and one["slots"] == 5 and one["running"] == 1, one
        assert abs(one["began_at_us"] / 1e6 - began) < 60 and one["seen_at_us"] >= one["began_at_us"], one
        assert first.ack(lease) == "applied"
        assert told()["first"]["running"] == 0
        seen = told()["first"]["seen_at_us"]
        first.heartbeat()
        assert told()["first"]["seen_at_us"] > seen
        whole = caller.get("/v1/workers").json
        assert whole["count"] == len(whole["workers"]) and {"a", "b", "c"} <= set(whole["task_types"]), whole
        assert whole["task_types"] == sorted(whole["task_types"])
        few = caller.get("/v1/workers?limit=1").json
        assert len(few["workers"]) == 1 and few["count"] == whole["count"] and few["task_types"] == whole["task_types"], few
        second.end()
        eventually(lambda: "second" not in told())
        assert "c" not in caller.get("/v1/workers").json["task_types"]
        for limit in ("0", "1001", "x", "-1"):
            answer = caller.get(f"/v1/workers?limit={limit}")
            assert answer.status == 400 and answer.code == "BAD_USER_INPUT", answer.text
        assert Caller(worker, RUNNER_TOKEN).get("/v1/workers").status == 403
        assert Caller(worker, "wrong").get("/v1/workers").status == 401
        before = told()["first"]
    with Worker(url, WORKER_LEASE="20s") as worker:
        caller = Caller(worker)
        after = {w["worker"]: w for w in caller.get("/v1/workers").json["workers"]}["first"]
        assert after == {**before, "seen_at_us": before["began_at_us"]}, (before, after)  # not heard of by this one


def a_refused_request_changes_nothing_of_what_a_session_takes(worker, _):
    caller, executor = Caller(worker), Executor(worker, {"hush": 1, "loud": 1})
    task = caller.create_one(type="hush")

    def ask(*quiet):
        return executor.post("/v1/leases", {**executor.who, "max": 1, "quiet": quiet})
    for quiet, why in ((("hush", "nope"), "quiet[1]: is no type of this session"),
                       (("hush", "hush", "hush"), "quiet: is no list of at most 2")):
        refused = ask(*quiet)
        assert refused.status == 400 and refused.detail == why, refused.text
        assert caller.task(task)["why"]["code"] != "NO_WORKER", caller.task(task)
    assert ask("hush").json["leases"] == [] and caller.task(task)["why"]["code"] == "NO_WORKER"
    assert ask().json["leases"][0]["task"] == task


TESTS = [
    a_refused_request_changes_nothing_of_what_a_session_takes,
    a_task_lives_from_creation_to_its_result,
    only_known_callers_are_let_in_and_only_where_they_belong,
    what_is_wrong_with_a_task_is_named_with_its_place,
    values_may_be_as_deep_as_the_api_says_whatever_carries_them,
    a_long_request_may_be_of_the_smallest_values,
    all_or_none_is_one_or_the_other,
    the_same_id_again_is_the_same_task,
    many_at_once_with_one_id_make_one_task,
    a_key_holds_while_its_task_is_unfinished,
    the_urgent_and_the_old_go_first_and_the_scheduled_wait,
    slots_bound_what_a_session_holds,
    a_waiting_request_gets_a_task_that_comes,
    a_late_answer_changes_nothing,
    failures_are_tried_again_until_the_attempts_are_used,
    release_and_snooze_cost_no_attempt,
    waiting_tasks_are_cancelled_at_once_and_running_ones_by_command,
    what_failed_can_be_tried_again_by_hand,
    an_attempt_that_passes_its_deadline_is_told_to_stop,
    one_that_does_not_stop_is_timed_out,
    a_session_that_ends_returns_its_leases,
    leases_that_were_never_heard_of_return,
    what_crashed_runs_alone_and_three_times_is_quarantined,
    progress_and_checkpoints_are_kept_while_it_runs,
    a_blocked_task_waits_until_all_others_have_succeeded,
    a_brief_answer_tells_of_a_new_task_what_the_worker_decided,
    who_is_connected_is_told,
]

if __name__ == "__main__":
    run_with_worker(TESTS, WORKER_LEASE="20s")  # however long a request keeps it busy
