#!/usr/bin/env python3
"""Feed, snapshot and retention. Usage: worker_feed_test.py PROGRAM"""

import os
import signal
import sys
import time
from concurrent.futures import ThreadPoolExecutor

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../support"))
from gateway_rig import WAIT_S, Postgres, at_once, eventually, run_tests  # noqa: E402
from worker_rig import Caller, Executor, Proxy, Worker, new_id, put_in_log, sql  # noqa: E402

DAY_S = 86_400
REMEMBERS = {"FEED_MEMORY_AGE": "1h"}  # all changes, however slow the machine
NOBODY = "00000000-0000-0000-0000-000000000000"


def live_a_little(worker):
    """One of each kind of change."""
    caller, executor = Caller(worker), Executor(worker, {"work": 20})
    now_us = time.time_ns() // 1000
    caller.create_one(payload={"x": [1, 2.50, None]}, idempotency_key="k", priority="low")
    executor.ack(executor.one(), result={"y": "z"})
    retried = caller.create_one(max_attempts=2)
    executor.ack(executor.one(), "fail", error="once", retry_in_ms=0)
    executor.ack(executor.one(), "release")
    executor.ack(executor.one(), "fail", error="twice")
    caller.create_one(run_at_us=now_us + 10**10)
    waiting = caller.create_one(run_at_us=now_us + 10**10)
    caller.post(f"/v1/tasks/{waiting}:cancel", {"actor": "ada@example.org"})
    running = caller.create_one()
    lease = executor.one()
    executor.heartbeat({"task": running, "fence": lease["fence"], "progress": 0.5})
    eventually(lambda: any(e["op"] == "note" for e in caller.whole_feed()))
    caller.post(f"/v1/tasks/{running}:cancel", {})
    executor.ack(lease, "cancelled", error="stopped")
    lost = caller.create_one()
    executor.one()
    executor.end()
    later = caller.create_one(max_attempts=9)
    caller.create_one(depends_on=[lost], run_at_us=now_us + 10**10)
    many = caller.create(*({"id": new_id(), "type": "other", **more} for more in (  # rows with and without each column
        {}, {"created_by": new_id(), "run_at_us": now_us + 10**10}, {"created_by": NOBODY, "job_id": NOBODY},
        {"job_id": new_id(), "idempotency_key": "k2"}, {"depends_on": [lost]}, {"scheduled_for_us": now_us})))
    assert all("task" in result for result in many.json["results"]), many.text
    held = Executor(worker, {"work": 1})
    held.ack(next(l for l in iter(held.one, None) if l["task"] == lost), "complete")
    held.ack(held.one(), "fail", error="slow", retry_in_ms=10**8)
    caller.post(f"/v1/tasks/{later}:retry", {})
    return retried


def the_feed_is_the_same_from_memory_and_from_the_tables(postgres):
    url = postgres.tell("database")
    with Worker(url, **REMEMBERS) as worker:
        live_a_little(worker)
        remembered = Caller(worker).whole_feed()
    with Worker(url) as worker:
        caller = Caller(worker)
        head = caller.get("/v1/feed").json["cursor"]
        read = [e for e in caller.whole_feed(max=7) if int(e["seq"]) <= len(remembered)]
        ops = {e["op"] for e in read}
        assert ops == {"none", "add", "start", "finish", "wait", "reopen", "note"}, ops
        assert [int(e["seq"]) for e in read] == list(range(1, len(read) + 1))
        for one, other in zip(remembered, read, strict=True):
            assert one == other, (one, other)
        assert worker.metric('windlass_worker_feed_events_total{from="tables"}') >= len(read)
        assert caller.feed(head).json["events"] == []


def do_by_people(caller, executor):
    """Each kind of thing that a person does to a task, each time by somebody else."""
    now_us = time.time_ns() // 1000
    first = caller.create_one(actor="ann", run_at_us=now_us + 10**10)
    behind = caller.create_one(actor="bob", depends_on=[first])
    gone = caller.create_one(actor="ivy", queue="far", priority="high", run_at_us=now_us + 10**10)
    act = lambda task, verb, actor: caller.post(f"/v1/tasks/{task}:{verb}", {"actor": actor})
    bulk = lambda action, actor, *tasks: caller.post("/v1/tasks:bulk", {
        "action": action, "actor": actor, "tasks": [{"id": task} for task in tasks]}).json["done"]
    act(first, "promote", "cleo")
    lease = executor.one()
    act(first, "cancel", 'dan "the\nstopper" ☃')
    executor.ack(lease, "cancelled")  # and what depends on it fails, by nobody in person
    act(first, "retry", "eve")
    act(behind, "retry", "finn")
    assert bulk("cancel", "gus", behind, first, gone) == 3
    assert bulk("retry", "hana", first) == 1
    assert bulk("delete", "jo", gone) == 1
    assert act(first, "cancel", "x" * 401).status == 400
    return first, behind, gone


def who_did_what(events, task):
    return [(e["op"], e.get("actor")) for e in events
            if task == e.get("task", {}).get("id") or task in e.get("ids", [])]


def who_did_it_is_told_from_memory_and_from_the_tables(postgres):
    url = postgres.tell("database")
    with Worker(url, **REMEMBERS) as worker:
        caller, executor = Caller(worker), Executor(worker, {"work": 1})
        cursor = caller.get("/v1/feed").json["head"]
        first, behind, gone = do_by_people(caller, executor)
        remembered = caller.whole_feed(cursor)
        worker.stop(signal.SIGKILL)  # so that the log is replayed
    assert who_did_what(remembered, first) == [
        ("add", None), ("reopen", "cleo"), ("start", None), ("note", 'dan "the\nstopper" ☃'),
        ("finish", None), ("reopen", "eve"), ("finish", "gus"), ("reopen", "hana")]
    assert who_did_what(remembered, behind) == [
        ("add", None), ("finish", None), ("reopen", "finn"), ("finish", "gus")]
    assert who_did_what(remembered, gone) == [("add", None), ("finish", "gus"), ("drop", "jo")]
    assert [e["task"]["actor"] for e in remembered if e["op"] == "add"][:2] == ["ann", "bob"]
    with Worker(url) as worker:
        read = Caller(worker).whole_feed(cursor, max=3)[:len(remembered)]
        for task in (first, behind):
            assert who_did_what(read, task) == who_did_what(remembered, task), read
        assert who_did_what(read, gone) == [("none", None), ("drop", "jo")], read  # its row is gone
        made, added = ([e for e in events if e.get("task", {}).get("id") == gone][0] for events in (read, remembered))
        assert made["is_gone"] and (made["seq"], made["at_us"]) == (added["seq"], added["at_us"]), (made, added)
        assert set(made["task"]) == {"id", "type", "priority", "queue", "created_at_us", "job_id", "created_by", "actor"}, made
        assert made["task"] == {name: added["task"].get(name) for name in made["task"]} and made["task"]["actor"] == "ivy", (made, added)
        drops = [[e for e in events if e["op"] == "drop"] for events in (remembered, read)]
        assert drops[0] == drops[1], drops


def records_of_the_gateway_are_told_from_memory_and_from_the_tables(postgres):
    url = postgres.tell("database")

    def record(**members):
        return {"id": new_id(), "actor": "ann", "action": "act", "subject": "of", "detail": {"big": 12345678901234567890, "a\nb": "☃"},
                **members}
    with Worker(url, **REMEMBERS) as worker:
        caller = Caller(worker)
        tasks = [caller.create_one() for _ in range(3)]
        cursor = caller.get("/v1/feed").json["head"]
        given = [record(), record(is_last=True), record(done=5, refused=1), record(is_last=True), record(is_last=True)]
        update = lambda **more: caller.post("/v1/types:update", {"type": "work", "settings": {"max_running": 5}, **more})
        bulk = lambda **more: caller.post("/v1/tasks:bulk", {"action": "cancel", "tasks": [{"id": t} for t in tasks], **more})
        assert update(record=given[0]).status == 200
        assert caller.post("/v1/queues:pause", {"queue": "q", "record": given[1]}).status == 200
        assert caller.post("/v1/queues:pause", {"queue": "q", "record": record()}).status == 200  # it is so already
        assert bulk(record=record(), dry_run=True).json["done"] == 3
        assert bulk(record=given[2]).json["done"] == 3
        assert bulk(record=given[3]).json["refused_count"] == 3
        assert bulk(action="delete", record=given[4]).json["done"] == 3
        for wrong, words in (({"id": "x"}, "record.id"), ({**record(), "more": 1}, "record.more"), ({"actor": "ann"}, "record.id"), (7, "record: is no object"),
                             (record(is_last=1), "record.is_last"), (record(done=-1), "record.done"), (record(detail="x" * 300_000), "262144")):
            for answer in (update(record=wrong), bulk(record=wrong), caller.post("/v1/queues:resume", {"queue": "q", "record": wrong})):
                assert answer.status in (400, 413) and words in answer.text, (wrong, answer.text)
        remembered = caller.whole_feed(cursor)
        worker.stop(signal.SIGKILL)
    told = lambda i, **more: {k: v for k, v in {**given[i], **more}.items() if k != "is_last"}
    records = [e for e in remembered if e["op"] == "record"]
    assert [e["record"] for e in records] == [
        told(0, is_open=True), told(1, is_open=False), told(2, done=5, refused=1, is_open=True), told(2, done=8, refused=1, is_open=True),
        told(3, done=0, refused=3, is_open=False), told(4, done=0, refused=0, is_open=True), told(4, done=3, refused=0, is_open=False)], records
    ops = [e["op"] for e in remembered]
    assert ops == ["type", "record", "queue", "record", "record", "finish", "finish", "finish", "record", "record", "record", "drop", "drop", "drop",
                   "record"], ops
    with Worker(url) as worker:
        read = Caller(worker).whole_feed(cursor, max=4)[:len(remembered)]
        assert [e for e in read if e["op"] == "record"] == records, read


def what_was_reopened_since_is_told_without_its_old_result(postgres):
    url = postgres.tell("database")
    with Worker(url) as worker:
        retried = live_a_little(worker)
        Caller(worker).post(f"/v1/tasks/{retried}:retry", {})
    with Worker(url) as worker:
        caller = Caller(worker)
        events = [e for e in caller.whole_feed() if e.get("task", {}).get("id") == retried]
        finish = next(e for e in events if e["op"] == "finish")
        assert finish["task"]["state"] == "dead" and finish["task"]["error"] == "twice", finish
        assert events[-1]["op"] == "reopen" and events[-1]["task"]["max_attempts"] == 3, events[-1]
        assert caller.task(retried)["state"] == "ready"


def memory_has_the_latest_changes_alone_and_the_tables_the_others(postgres):
    """By feed-memory, and, where nothing comes, by feed-memory-age."""
    url = postgres.tell("database")

    def look(worker, is_enough):
        caller = Caller(worker)
        made = [caller.create_one() for _ in range(200)]
        eventually(lambda: is_enough(worker.metric("windlass_worker_feed_memory_bytes")))
        served = lambda: [worker.metric(f'windlass_worker_feed_events_total{{from="{where}"}}') for where in ("memory", "tables")]
        before = served()
        assert [e["task"]["id"] for e in caller.whole_feed() if e["op"] == "add"] == made
        return [now - was for now, was in zip(served(), before)]
    with Worker(url, FEED_MEMORY="64KiB", FEED_MEMORY_AGE="1h") as worker:
        from_memory, from_tables = look(worker, lambda held: 32 << 10 < held <= 64 << 10)
        assert from_memory > 0 and from_tables > 0, (from_memory, from_tables)
    with Worker(postgres.tell("database"), FEED_MEMORY_AGE="100ms") as worker:
        from_memory, from_tables = look(worker, lambda held: held == 0)
        assert from_memory == 0 and from_tables > 0, (from_memory, from_tables)


def what_a_flood_took_is_given_back(postgres):
    held = lambda worker: worker.metric("windlass_worker_feed_memory_bytes")  # noqa: E731
    create = lambda caller, count, size: caller.create(*(  # noqa: E731
        {"id": new_id(), "type": "work", "is_fresh": True, "payload": {"text": "x" * size}} for _ in range(count)))
    with Worker(postgres.tell("database"), LOG_LEVEL="debug", FEED_MEMORY_AGE="5s") as worker:
        caller = Caller(worker)
        eventually(lambda: create(caller, 1_000, 4_000).status == 200 and held(worker) > 9 << 20)
        worker.wait_for_log("event=feed.tidied")
    # As much in total, but never much at once.
    with Worker(postgres.tell("database"), LOG_LEVEL="debug", FEED_MEMORY="1MiB", FEED_MEMORY_AGE="100ms") as worker:
        caller = Caller(worker)
        for _ in range(100):
            assert create(caller, 50, 4_000).status == 200
        eventually(lambda: held(worker) == 0)
        assert "event=feed.tidied" not in worker.log


def cursors_that_cannot_be_followed_are_gone(postgres):
    url = postgres.tell("database")
    with Worker(url) as worker:
        caller = Caller(worker)
        caller.create_one()
        head = int(caller.get("/v1/feed").json["cursor"].split(":")[1])
        assert caller.feed(f"0:{head}").status == 200
        ahead = caller.feed(f"0:{head + 1}")
        assert ahead.status == 410 and ahead.code == "GONE", ahead.text
        for wrong in ("x", "1:1", "0:0", "0:-1"):
            assert caller.feed(wrong).status == 400, wrong
        # A new leader refuses a log that does not hold all that it must read again.
        eventually(lambda: sql(url, "SELECT ckpt_seq > 1 FROM worker.shard") == "t")
    sql(url, "DELETE FROM worker.change_log WHERE seq = 1")
    with Worker(url) as worker:
        assert Caller(worker).feed("0:1").status == 410
        assert Caller(worker).feed("0:2").status == 200


def a_reader_that_waits_hears_at_once(postgres):
    with Worker(postgres.tell("database")) as worker:
        caller = Caller(worker)
        cursor = caller.get("/v1/feed").json["cursor"]
        quiet = caller.feed(cursor, wait_ms=50)
        assert quiet.json["events"] == [] and quiet.json["cursor"] == cursor

        def run(i):
            if i == 0:
                return Caller(worker).feed(cursor, wait_ms=20_000).json
            eventually(lambda: worker.metric("windlass_worker_feed_waiting") == 1)
            return caller.create_one()
        heard, task = at_once(2, run)
        assert [e["task"]["id"] for e in heard["events"]] == [task], heard


def snapshot_and_feed_together_miss_nothing(postgres):
    with Worker(postgres.tell("database")) as worker:
        caller, executor = Caller(worker), Executor(worker, {"work": 500})
        done = [False]

        def change():
            while not done[0]:
                Caller(worker).create(*({"id": new_id(), "type": "work", "is_fresh": True}
                                        for _ in range(20)))
                executor.lease(20, 0, [{"task": l["task"], "fence": l["fence"], "outcome": "complete"}
                                       for l in executor.leases(20)])

        def read():
            eventually(lambda: len(caller.get("/v1/snapshot?limit=200").json["tasks"]) == 200)
            tasks, after, cursor = {}, "", None
            while after is not None:
                page = caller.get(f"/v1/snapshot?limit=100&after={after}").json
                cursor = cursor or page["cursor"]
                tasks.update({t["id"]: (int(t["version"]), t["state"]) for t in page["tasks"]})
                after = page["next"]
            done[0] = True
            return tasks, cursor
        _, (tasks, cursor) = at_once(2, lambda i: read() if i else change())
        states = {"add": "ready", "start": "running", "finish": "succeeded"}
        for event in caller.whole_feed(cursor):
            if event["op"] == "none":
                continue
            task, version = event["task"]["id"], int(event["seq"])
            if version > tasks.get(task, (0,))[0]:
                tasks[task] = (version, event["task"].get("state", states[event["op"]]))
        ids = list(tasks)
        for at in range(0, len(ids), 500):
            for task in caller.post("/v1/tasks:get", {"ids": ids[at:at + 500]}).json["tasks"]:
                assert tasks.pop(task["id"]) == (int(task["version"]), task["state"])
        assert not tasks
        states = [t["state"] for t in caller.get("/v1/snapshot?limit=5000").json["tasks"]]
        counts = caller.counts()
        assert states.count("succeeded") == counts.get(("work", "completed"), 0)
        assert states.count("running") == counts.get(("work", "in-progress"), 0)


def a_day_goes_when_nothing_of_it_is_unfinished_or_young(postgres):
    url = postgres.tell("database")
    old = time.time() - 80 * DAY_S
    keep = {"ID_PAST": "1h", "RETENTION": "1h"}
    with Worker(url, ID_PAST="90d", RETENTION="90d") as worker:
        caller, executor = Caller(worker), Executor(worker, {"old": 5})
        far = caller.create_one(id=new_id(old), type="old",
                                run_at_us=int((time.time() + 60 * DAY_S) * 1e6))
        gone, young = (caller.create_one(id=new_id(old), type="old") for _ in range(2))
        for lease in executor.leases(5):
            executor.ack(lease)
        executor.end()
    sql(url, f"UPDATE worker.task_done SET finished_at = now() - interval '2 h' WHERE id = '{gone}'")
    with Worker(url, **keep) as worker:
        caller = Caller(worker)
        cursor = caller.get("/v1/feed").json["cursor"]
        eventually(lambda: caller.get(f"/v1/tasks/{gone}").status == 404)
        # Its run is in 60 days, and the retention is an hour: it stays, and its day with it.
        assert caller.task(far)["state"] == "scheduled"
        assert caller.task(young)["state"] == "succeeded"
        (drop,) = [e for e in caller.whole_feed(cursor) if "ids" in e]
        assert drop["ids"] == [gone], drop
        assert drop["counts"] == [{"type": "old", "status": "completed", "count": 1}], drop
        assert caller.counts() == {("old", "completed"): 1, ("old", "pending"): 1}
        caller.post(f"/v1/tasks/{far}:cancel", {})
    sql(url, "UPDATE worker.task_done SET finished_at = now() - interval '2 h'")
    day = int(old // DAY_S)
    with Worker(url, **keep) as worker:
        caller = Caller(worker)
        cursor = caller.get("/v1/feed").json["cursor"]
        eventually(lambda: sql(url, f"SELECT to_regclass('worker.task_' || to_char(date "
                                    f"'1970-01-01' + {day}, 'YYYYMMDD')) IS NULL") == "t")
        (drop,) = eventually(lambda: [e for e in caller.whole_feed(cursor) if "range" in e and
                                      e["range"]["from"] <= far < e["range"]["to"]])
        assert {(c["status"], c["count"]) for c in drop["counts"]} == \
            {("completed", 1), ("failed", 1)}, drop
        assert caller.counts() == {}
        remembered = caller.whole_feed(cursor)
    with Worker(url, **keep) as worker:
        caller = Caller(worker)
        assert caller.counts() == {}
        assert caller.whole_feed(cursor)[:len(remembered)] == remembered  # of the empty days too


def what_is_read_while_the_lead_is_lost_is_not_told(postgres):
    """Jobs and the names of types are forgotten with the lead: a change of them would be told as nothing."""
    url = postgres.tell("database")
    job = {"id": new_id(), "name": "a job", "schedule": "0 0 1 1 *", "task_type": "work"}
    with Worker(url) as worker:
        caller = Caller(worker)
        caller.create_one()
        assert caller.post("/v1/jobs", {"job": job, "actor": "ada"}).status == 200
        ops = [event["op"] for event in caller.whole_feed()]
        assert "job" in ops, ops
    proxy = Proxy(url)
    with Worker(proxy.url, WORKER_LEASE="20s") as worker, ThreadPoolExecutor() as pool:
        proxy.withheld = b"read_log"
        reading = pool.submit(Caller(worker).feed, "0:1")
        assert proxy.is_withheld.wait(WAIT_S)
        put_in_log(url, 0, epoch=9)  # somebody else leads
        assert Caller(worker).create({"id": new_id(), "type": "work", "is_fresh": True}).status == 503
        assert worker.metric("windlass_worker_step_downs_total") == 1
        proxy.tell.set()
        answer = reading.result()
        assert answer.status == 503, answer.text
    proxy.end()


TESTS = [
    the_feed_is_the_same_from_memory_and_from_the_tables,
    who_did_it_is_told_from_memory_and_from_the_tables,
    records_of_the_gateway_are_told_from_memory_and_from_the_tables,
    what_was_reopened_since_is_told_without_its_old_result,
    memory_has_the_latest_changes_alone_and_the_tables_the_others,
    what_a_flood_took_is_given_back,
    cursors_that_cannot_be_followed_are_gone,
    a_reader_that_waits_hears_at_once,
    snapshot_and_feed_together_miss_nothing,
    a_day_goes_when_nothing_of_it_is_unfinished_or_young,
    what_is_read_while_the_lead_is_lost_is_not_told,
]

if __name__ == "__main__":
    with Postgres() as server:
        run_tests(TESTS, server)
