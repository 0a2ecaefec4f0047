#!/usr/bin/env python3
"""How tasks of a type are run, and what is paused: set over HTTP on a real worker and a real
PostgreSQL, told in the feed and kept over restarts.
Usage: worker_types_test.py PROGRAM"""

import os
import signal
import sys
import time
import uuid

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../support"))
from gateway_rig import at_once, eventually  # noqa: E402
from worker_rig import Caller, Executor, Worker, new_id, run_with_worker, sql  # noqa: E402

ADA = str(uuid.uuid4())
UNSET = {"is_paused": False, "paused_by": None, "paused_reason": None, "max_running": None,
         "max_running_per_key": None, "key_path": None, "rate_per_s": None, "burst": None,
         "rate_per_key_per_s": None, "burst_per_key": None,
         "max_attempts": 5, "timeout_s": 300, "retention_days": 30}


def update(caller, name, **settings):
    return caller.post("/v1/types:update", {"type": name, "settings": settings,
                                            "actor": "ada@example.org", "user": ADA})


def set_type(caller, name, **settings):
    answer = update(caller, name, **settings)
    assert answer.status == 200, answer.text
    return answer.json["type"]


def types(caller):
    answer = caller.get("/v1/types")
    assert answer.status == 200, answer.text
    return {t["type"]: t for t in answer.json["types"]}


def events_of(caller, op):
    return [e for e in caller.whole_feed() if e["op"] == op]


def settings_of(told):
    return {name: told[name] for name in UNSET}


def a_type_is_made_by_its_settings_and_changed_member_by_member(worker, _):
    caller = Caller(worker)
    made = set_type(caller, "made", max_running=3, key_path="customer.id", max_running_per_key=2,
                    rate_per_s=2.5, burst=7, rate_per_key_per_s=0.5, burst_per_key=3,
                    max_attempts=9, timeout_s=11, retention_days=4)
    assert settings_of(made) == {**UNSET, "max_running": 3, "key_path": "customer.id",
                                 "max_running_per_key": 2, "rate_per_s": 2.5, "burst": 7,
                                 "rate_per_key_per_s": 0.5, "burst_per_key": 3,
                                 "max_attempts": 9, "timeout_s": 11, "retention_days": 4}, made
    changed = set_type(caller, "made", max_running=None, rate_per_s=0.5, max_attempts=None,
                       retention_days=None)
    assert settings_of(changed) == {**settings_of(made), "max_running": None, "rate_per_s": 0.5,
                                    "max_attempts": 5, "retention_days": 30}, changed
    assert int(changed["version"]) > int(made["version"]), (made, changed)
    assert types(caller)["made"] == changed


def bad_settings_are_refused_by_name_and_range(worker, _):
    caller = Caller(worker)
    wrong = [
        ({"max_running": 0}, "settings.max_running: is not within 1 and 1000000"),
        ({"max_running_per_key": 1}, "settings.max_running_per_key: needs a key_path"),
        ({"burst": 1}, "settings.burst: needs a rate_per_s"),
        ({"rate_per_key_per_s": 1}, "settings.rate_per_key_per_s: needs a key_path"),
        ({"burst_per_key": 1}, "settings.burst_per_key: needs a rate_per_key_per_s"),
        ({"rate_per_key_per_s": True}, "settings.rate_per_key_per_s: is no number"),
        ({"rate_per_key_per_s": 1e6},
         "settings.rate_per_key_per_s: is not within 0.001 and 100000"),
        ({"rate_per_s": 0}, "settings.rate_per_s: is not within 0.001 and 100000"),
        ({"rate_per_s": "1"}, "settings.rate_per_s: is no number"),
        ({"rate_per_s": 1, "burst": 1_000_001}, "settings.burst: is not within 1 and 1000000"),
        ({"key_path": "a..b"}, "settings.key_path: has an empty name"),
        ({"key_path": "x" * 201}, "settings.key_path: is longer than 200 bytes"),
        ({"max_attempts": 1_001}, "settings.max_attempts: is not within 1 and 1000"),
        ({"timeout_s": 2_592_001}, "settings.timeout_s: is not within 1 and 2592000"),
        ({"retention_days": 31}, "settings.retention_days: is not within 1 and 30"),
        ({"is_paused": "yes"}, "settings.is_paused: is neither true nor false"),
        ({"paused_reason": "x"}, "settings.paused_reason: the type is not paused"),
        ({"max_runing": 1}, "settings.max_runing: is no setting"),
    ]
    for settings, message in wrong:
        answer = update(caller, "wrong", **settings)
        assert answer.status == 400, answer.text
        assert message in answer.detail, answer.text
    bodies = [({"settings": {}}, "type: is missing"), ({"type": "x"}, "settings: is no object"),
              ({"type": "x" * 201, "settings": {}}, "type: is longer"),
              ({"type": "x", "settings": {}, "user": "ada"}, "user: is no UUID"),
              ({"type": "x", "settings": {}, "max_running": 1}, "max_running")]
    for body, message in bodies:
        answer = caller.post("/v1/types:update", body)
        assert answer.status == 400 and message in answer.detail, answer.text
    assert "max_running" not in str(types(caller).get("wrong", "")) or \
        settings_of(types(caller)["wrong"]) == UNSET


def a_paused_type_begins_nothing_until_it_is_resumed(worker, _):
    caller, executor = Caller(worker), Executor(worker, {"held": 5, "free": 5})
    first = caller.create_one(type="held")
    running = executor.one()
    paused = set_type(caller, "held", is_paused=True, paused_reason="the bill is wrong")
    assert (paused["is_paused"], paused["paused_by"], paused["paused_reason"]) == \
        (True, ADA, "the bill is wrong"), paused
    assert paused["running"] == 1, paused
    waiting = caller.create_one(type="held")
    assert executor.leases() == []
    caller.create_one(type="free")
    assert executor.one()["type"] == "free"
    assert executor.ack(running) == "applied" and running["task"] == first
    again = set_type(caller, "held", is_paused=True)  # it is so already: who and why stay
    assert again["paused_reason"] == "the bill is wrong", again
    told = types(caller)["held"]
    assert (told["running"], told["waiting"]) == (0, 1), told
    resumed = set_type(caller, "held", is_paused=False)
    assert settings_of(resumed) == UNSET, resumed
    assert executor.one()["task"] == waiting


def a_waiting_request_gets_a_task_when_its_type_is_resumed(worker, _):
    caller, executor = Caller(worker), Executor(worker, {"soon": 5})
    set_type(caller, "soon", is_paused=True)
    task = caller.create_one(type="soon")
    got = at_once(2, lambda i: executor.one() if i == 0 else set_type(caller, "soon", is_paused=False))
    assert got[0]["task"] == task, got


def new_tasks_and_jobs_get_what_their_type_has(worker, _):
    caller = Caller(worker)
    set_type(caller, "short", max_attempts=2, timeout_s=7)
    one = caller.task(caller.create_one(type="short"))
    assert (one["max_attempts"], one["timeout_s"]) == (2, 7), one
    own = caller.task(caller.create_one(type="short", max_attempts=4, timeout_s=9))
    assert (own["max_attempts"], own["timeout_s"]) == (4, 9), own
    job = caller.post("/v1/jobs", {"actor": "ada", "job": {
        "id": new_id(), "name": "j", "schedule": "0 0 1 1 *", "task_type": "short"}})
    assert job.status == 200, job.text
    assert (job.json["job"]["max_attempts"], job.json["job"]["timeout_s"]) == (2, 7), job.text
    plain = caller.post("/v1/jobs", {"actor": "ada", "job": {
        "id": new_id(), "name": "k", "schedule": "0 0 1 1 *", "task_type": "unset"}})
    assert plain.json["job"]["max_attempts"] == 3, plain.text


def changes_are_told_in_the_feed_and_the_snapshot(worker, _):
    caller = Caller(worker)
    head = caller.get("/v1/feed").json["head"]
    told = set_type(caller, "told", max_running=8)
    events = caller.feed(head).json["events"]
    assert [(e["op"], e["type"], e["actor"]) for e in events] == \
        [("type", told, "ada@example.org")], events
    assert events[0]["seq"] == told["version"]
    page = caller.get("/v1/snapshot?limit=1").json
    assert [t for t in page["types"] if t["type"] == "told"] == [told], page["types"]


def settings_outlive_the_worker(main_worker, _):
    postgres_url = main_worker.new_database()
    with Worker(postgres_url) as worker:
        caller = Caller(worker)
        set_type(caller, "kept", max_running=3, key_path="a", max_running_per_key=2, rate_per_s=2.5,
                 burst=7, rate_per_key_per_s=1.5, burst_per_key=4, is_paused=True, paused_reason="because")
        task = caller.create_one(type="kept", payload={"a": 1})
        before = types(caller)["kept"]
        worker.stop(signal.SIGKILL)
    with Worker(postgres_url) as worker:
        caller, executor = Caller(worker), Executor(worker, {"kept": 5})
        assert types(caller)["kept"] == before
        assert executor.leases() == []
        again = [e for e in events_of(caller, "type") if e["type"]["type"] == "kept"]
        assert [e["actor"] for e in again] == ["ada@example.org"], again
        assert set_type(caller, "kept", is_paused=False, rate_per_s=None, burst=None)
        assert executor.one()["task"] == task
    assert sql(postgres_url, "SELECT max_running, is_paused FROM worker.task_type "
                             "WHERE name = 'kept'") == "3|f"


def queues(caller):
    answer = caller.get("/v1/queues")
    assert answer.status == 200, answer.text
    return {q["queue"]: q for q in answer.json["queues"]}


def change_queue(caller, verb, name, **members):
    answer = caller.post(f"/v1/queues:{verb}", {"queue": name, "actor": "ada@example.org",
                                                "user": ADA, **members})
    assert answer.status == 200, answer.text
    return answer.json["queue"]


def a_paused_queue_holds_its_tasks_of_all_types(worker, _):
    caller, executor = Caller(worker), Executor(worker, {"one": 5, "two": 5})
    head = caller.get("/v1/feed").json["head"]
    paused = change_queue(caller, "pause", "slow", reason="the printer burns")
    assert {k: paused[k] for k in ("is_paused", "paused_by", "paused_reason", "waiting", "running",
                                   "oldest_waiting_us")} == \
        {"is_paused": True, "paused_by": ADA, "paused_reason": "the printer burns", "waiting": 0,
         "running": 0, "oldest_waiting_us": None}, paused
    assert change_queue(caller, "pause", "slow")["version"] == paused["version"]
    held = [caller.create_one(type=t, queue="slow") for t in ("one", "two")]
    free = caller.create_one(type="one", queue="fast")
    assert [lease["task"] for lease in executor.leases(5)] == [free]
    told = queues(caller)
    assert (told["slow"]["waiting"], told["fast"]["running"]) == (2, 1), told
    assert told["slow"]["oldest_waiting_us"] == caller.task(held[0])["run_at_us"], told
    events = [e for e in caller.feed(head).json["events"] if e["op"] == "queue"]
    assert [(e["queue"]["queue"], e["queue"]["is_paused"], e["actor"]) for e in events] == \
        [("slow", True, "ada@example.org")], events
    page = caller.get("/v1/snapshot?limit=1").json["queues"]
    assert [q["is_paused"] for q in page if q["queue"] == "slow"] == [True], page
    change_queue(caller, "resume", "slow")
    assert sorted(lease["task"] for lease in executor.leases(5)) == sorted(held)
    for body, message in [({}, "queue: is missing"), ({"queue": "x" * 201}, "queue: is longer"),
                          ({"queue": "x", "user": 5}, "user: is no UUID"),
                          ({"queue": "x", "reason": "y" * 1001}, "reason: is longer than 1000")]:
        answer = caller.post("/v1/queues:pause", body)
        assert answer.status == 400 and message in answer.detail, answer.text


def no_more_of_a_type_run_than_it_may(worker, _):
    caller, executor = Caller(worker), Executor(worker, {"narrow": 50})
    set_type(caller, "narrow", max_running=3)
    for _ in range(10):
        caller.create_one(type="narrow")
    first = executor.leases(10)
    assert len(first) == 3, first
    assert executor.ack(first[0]) == "applied"
    assert executor.ack(first[1], "release") == "applied"  # it waits again, and its place is free
    assert len(executor.leases(10)) == 2
    set_type(caller, "narrow", max_running=None)
    assert len(executor.leases(50)) == 6


def no_more_of_a_key_run_than_they_may(worker, _):
    caller, executor = Caller(worker), Executor(worker, {"keyed": 50})
    set_type(caller, "keyed", key_path="customer.id", max_running_per_key=1)
    for customer in (1, 1, 1, "1", 2, None):
        caller.create_one(type="keyed", payload={"customer": {"id": customer}})
    caller.create_one(type="keyed", payload=[])
    leases = executor.leases(50)
    ids = sorted(str(lease["payload"] and lease["payload"]["customer"]["id"]) + str(type(
        lease["payload"] and lease["payload"]["customer"]["id"])) for lease in leases)
    assert len(leases) == 5, leases  # 1, "1", 2 and both without a key
    assert len(set(ids)) == 5, ids
    one = next(lease for lease in leases
               if lease["payload"] and lease["payload"]["customer"]["id"] == 1)
    assert executor.ack(one) == "applied"
    again = executor.leases(50)
    assert [lease["payload"]["customer"]["id"] for lease in again] == [1], again


def a_rate_bounds_how_many_begin(worker, _):
    caller, executor = Caller(worker), Executor(worker, {"rated": 50})
    set_type(caller, "rated", rate_per_s=0.001, burst=5)
    for _ in range(4):
        caller.create_one(type="rated")
    assert executor.leases(50) == []  # the bucket is empty at first
    set_type(caller, "rated", rate_per_s=50, burst=2)
    begun = [executor.one()["task"] for _ in range(4)]  # a waiting request is told by the clock
    assert len(set(begun)) == 4, begun


def a_rate_per_key_bounds_how_many_of_it_begin(worker, _):
    caller, executor = Caller(worker), Executor(worker, {"keyed-rate": 50})
    set_type(caller, "keyed-rate", key_path="c", rate_per_key_per_s=0.001, burst_per_key=2)
    create = lambda payload: caller.create_one(type="keyed-rate", payload=payload)
    first, second = create({"c": "ann"}), create({"c": "ann"})
    free = create({})
    assert [lease["task"] for lease in executor.leases(50)] == [free]  # empty at first, no key
    told, behind = why(caller, first), why(caller, second)
    now_us = time.time() * 1e6
    assert told["code"] == behind["code"] == "RATE_LIMIT", (told, behind)
    assert told["text"] == ('0.001 tasks with its key may begin in a second (rate_per_key_per_s; '
                            'c is "ann"); 0 of them stand before it.'), told
    assert now_us < told["expected_at_us"] <= now_us + 1000e6, told
    assert abs(behind["expected_at_us"] - told["expected_at_us"] - 1000e6) < 10e6, (told, behind)
    set_type(caller, "keyed-rate", rate_per_key_per_s=50, burst_per_key=1)
    assert executor.one()["task"] == first  # a waiting request is told by the clock
    assert executor.one()["task"] == second
    set_type(caller, "keyed-rate", rate_per_key_per_s=None, burst_per_key=None)
    create({"c": "bob"})
    assert len(executor.leases(50)) == 1


def why(caller, task):
    told = caller.task(task)["why"]
    many = caller.post("/v1/tasks:get", {"ids": [task]}).json["tasks"][0]["why"]
    assert many["code"] == told["code"], (many, told)
    return told


def a_waiting_task_says_why(worker, _):
    caller = Caller(worker)
    soon_us = int((time.time() + 3600) * 1e6)
    later = why(caller, caller.create_one(type="w", run_at_us=soon_us))
    assert (later["code"], later["expected_at_us"]) == ("NOT_DUE", soon_us), later
    task = caller.create_one(type="w")
    assert why(caller, task) == {
        "code": "NO_WORKER", "expected_at_us": None, "blocked_by": [],
        "text": "No worker that is connected takes tasks of type w."}
    child = caller.create_one(type="w", depends_on=[task])
    blocked = why(caller, child)
    assert (blocked["code"], blocked["blocked_by"]) == ("DEPENDENCY", [task]), blocked
    assert task in blocked["text"], blocked
    set_type(caller, "w", is_paused=True, paused_reason="the bill is wrong")
    assert why(caller, task)["text"] == \
        "The type w is paused by ada@example.org: the bill is wrong", why(caller, task)
    set_type(caller, "w", is_paused=False)
    change_queue(caller, "pause", "default", reason="repairs")
    paused = why(caller, task)
    assert (paused["code"], paused["text"]) == \
        ("PAUSED", "The queue default is paused by ada@example.org: repairs"), paused
    change_queue(caller, "resume", "default")
    executor = Executor(worker, {"w": 1})
    lease = executor.one()
    assert lease["task"] == task and caller.task(task)["why"] is None
    second, third = (caller.create_one(type="w", payload={"k": 7}) for _ in range(2))
    assert why(caller, second)["text"] == \
        "All 1 slots for its type are busy. 0 tasks stand before it.", why(caller, second)
    behind = why(caller, third)
    assert (behind["code"], behind["text"]) == \
        ("BEHIND_OTHERS", "All 1 slots for its type are busy. 1 tasks stand before it."), behind
    set_type(caller, "w", max_running=1)
    full = why(caller, third)
    assert (full["code"], full["text"]) == \
        ("CONCURRENCY_LIMIT", "1 of at most 1 tasks of its type run (max_running)."), full
    set_type(caller, "w", max_running=None)
    assert executor.ack(lease, "fail", retry_in_ms=3_600_000) == "applied"
    retried = why(caller, task)
    assert retried["code"] == "RETRY_BACKOFF", retried
    assert retried["expected_at_us"] == caller.task(task)["run_at_us"], retried
    executor.end()


def limits_of_key_and_rate_say_why(worker, _):
    caller, executor = Caller(worker), Executor(worker, {"x": 9})
    set_type(caller, "x", key_path="c.id", max_running_per_key=1)
    first, second = (caller.create_one(type="x", payload={"c": {"id": "ann"}}) for _ in range(2))
    assert executor.one()["task"] == first
    full = why(caller, second)
    assert (full["code"], full["text"]) == (
        "CONCURRENCY_LIMIT", "1 of at most 1 tasks with its key run (max_running_per_key; "
        "c.id is \"ann\")."), full
    set_type(caller, "x", max_running_per_key=None, rate_per_s=0.01)
    third = caller.create_one(type="x")
    rated, behind = why(caller, second), why(caller, third)
    assert rated["code"] == behind["code"] == "RATE_LIMIT", (rated, behind)
    now_us = time.time() * 1e6
    assert now_us < rated["expected_at_us"] <= now_us + 100e6, rated
    set_type(caller, "x", key_path=None)
    head = caller.create_one(type="x")
    assert why(caller, head)["expected_at_us"] > rated["expected_at_us"]


def a_quarantined_task_says_so(main_worker, _):
    with Worker(main_worker.new_database()) as worker:
        caller = Caller(worker)
        task = caller.create_one(max_attempts=9)
        for _ in range(4):
            executor = Executor(worker)
            assert executor.one()["task"] == task
            if caller.task(task)["attempt"] == 2:
                other = caller.create_one()
                assert why(caller, other)["code"] == "BEHIND_OTHERS"
                assert caller.post(f"/v1/tasks/{other}:cancel", {"actor": "ada"}).status == 200
            assert executor.end().status == 200
        assert caller.task(task)["why"]["code"] == "QUARANTINED", caller.task(task)


def limits_hold_after_a_restart(main_worker, _):
    url = main_worker.new_database()
    with Worker(url) as worker:
        caller, executor = Caller(worker), Executor(worker, {"work": 50})
        set_type(caller, "work", key_path="c", max_running_per_key=1, max_running=2)
        change_queue(caller, "pause", "closed", reason="later")
        for customer in (1, 1, 2, 2, 3):
            caller.create_one(payload={"c": customer})
        held = caller.create_one(queue="closed", payload={"c": 4})
        leases = executor.leases(50)
        assert sorted(lease["payload"]["c"] for lease in leases) == [1, 2], leases
        eventually(lambda: sql(url, "SELECT count(*) FROM worker.task_live") == "6")
        late = caller.create_one(payload={"c": 1})  # most likely in the log's tail alone
        worker.stop(signal.SIGKILL)
    with Worker(url) as worker:
        caller = Caller(worker)
        executor.worker, executor.connection = worker, None
        assert executor.leases(50) == []
        by_key = {lease["payload"]["c"]: lease for lease in leases}
        assert executor.ack(by_key[1]) == "applied"
        more = executor.leases(50)
        assert len(more) == 1 and more[0]["payload"]["c"] in (1, 3), more
        set_type(caller, "work", max_running=None)
        rest = executor.leases(50)
        assert sorted(lease["payload"]["c"] for lease in rest + more) == [1, 3], rest + more
        assert queues(caller)["closed"]["paused_reason"] == "later"
        change_queue(caller, "resume", "closed")
        assert executor.one()["task"] == held
        assert caller.task(late)["state"] == "ready"


def the_old_of_low_priority_do_not_starve(main_worker, _):
    with Worker(main_worker.new_database(), PRIORITY_AGEING="100ms") as worker:
        caller, executor = Caller(worker), Executor(worker)
        low = caller.create_one(priority="low")
        eventually(lambda: time.time() * 1e6 - caller.task(low)["run_at_us"] > 300_000)
        caller.create_one(priority="high")
        assert executor.one()["task"] == low


TESTS = [
    a_type_is_made_by_its_settings_and_changed_member_by_member,
    bad_settings_are_refused_by_name_and_range,
    a_paused_type_begins_nothing_until_it_is_resumed,
    a_waiting_request_gets_a_task_when_its_type_is_resumed,
    new_tasks_and_jobs_get_what_their_type_has,
    changes_are_told_in_the_feed_and_the_snapshot,
    settings_outlive_the_worker,
    a_paused_queue_holds_its_tasks_of_all_types,
    no_more_of_a_type_run_than_it_may,
    no_more_of_a_key_run_than_they_may,
    a_rate_bounds_how_many_begin,
    a_rate_per_key_bounds_how_many_of_it_begin,
    a_waiting_task_says_why,
    limits_of_key_and_rate_say_why,
    a_quarantined_task_says_so,
    limits_hold_after_a_restart,
    the_old_of_low_priority_do_not_starve,
]

if __name__ == "__main__":
    run_with_worker(TESTS)
