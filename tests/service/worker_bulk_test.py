#!/usr/bin/env python3
"""Many tasks cancelled, retried and deleted at once. Usage: worker_bulk_test.py PROGRAM"""

import os
import signal
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../support"))
from gateway_rig import eventually  # noqa: E402
from worker_rig import RUNNER_TOKEN, Caller, Executor, Proxy, Worker, new_id, run_with_worker, sql  # noqa: E402

FAR_US = 4_102_444_800_000_000  # the year 2100


def named(caller, *tasks):
    """As a bulk action names them: at the versions they have."""
    told = caller.post("/v1/tasks:get", {"ids": list(tasks)}).json["tasks"]
    return [{"id": t["id"], "version": t["version"]} for t in told]


def bulk(caller, action, tasks, **members):
    answer = caller.post("/v1/tasks:bulk", {"action": action, "tasks": tasks, "actor": "ada", **members})
    assert answer.status == 200, answer.text
    return answer.json


def reasons(answer):
    return {r["id"]: r["reason"] for r in answer["refused"]}


def make(caller, count, **members):
    ids = [new_id() for _ in range(count)]
    for at in range(0, count, 1000):
        answer = caller.create(*({"id": i, "type": "work", "is_fresh": True, **members} for i in ids[at:at + 1000]))
        assert all("task" in r for r in answer.json["results"]), answer.text
    return ids


def state(caller, task):
    return caller.task(task)["state"]


def assert_told(caller, answer):
    """What the answer tells of a task is what a read tells, but for what it waits for now."""
    for told in answer["tasks"][:20]:
        read = caller.task(told["id"])
        if read["state"] in ("scheduled", "ready", "blocked", "retrying"):
            read["why"] = None
        assert {k: read[k] for k in told} == told, (told, read)


def each_is_judged_by_itself(worker, url):
    caller, executor = Caller(worker), Executor(worker, {"work": 9})
    waiting, started, done, failed = make(caller, 4)
    leases = {lease["task"]: lease for lease in executor.leases(4)}
    executor.ack(leases[waiting], "snooze", retry_in_ms=10**8)
    executor.ack(leases[done])
    executor.ack(leases[failed], "fatal", error="broken")
    blocked = caller.create_one(depends_on=[waiting])
    gone = new_id()
    tasks = named(caller, waiting, started, done, failed, blocked)
    everyone = tasks + [{"id": gone}]
    before = caller.get("/v1/feed").json["cursor"]
    expect = {
        "retry": ({failed}, {waiting: "the task is waiting already", started: "the task is running", done: "the task has succeeded",
                             blocked: "the task is waiting already", gone: "there is no such task"}),
        "delete": ({done, failed}, {t: "the task has not finished: cancel it first" for t in (waiting, started, blocked)}
                   | {gone: "there is no such task"}),
        "cancel": ({waiting, started, blocked}, {done: "the task has finished", failed: "the task has finished",
                                                 gone: "there is no such task"}),
    }
    for action, (will, wont) in expect.items():
        dry = bulk(caller, action, everyone, dry_run=True)
        assert dry["done"] == len(will) and dry["refused_count"] == len(wont) and reasons(dry) == wont, (action, dry)
        assert dry["tasks"] == [] and dry["cursor"] == before, dry
    answer = bulk(caller, "cancel", everyone)
    # The dependant was named after the one it depends on: it fails with it only at the batch's end.
    assert answer["done"] == 3 and reasons(answer) == expect["cancel"][1], answer
    assert_told(caller, answer)
    assert state(caller, waiting) == state(caller, blocked) == "cancelled"
    commands = executor.lease(0)["commands"]
    assert [c["task"] for c in commands if c["kind"] == "cancel"] == [started], commands
    executor.ack(leases[started], "cancelled")
    stale = bulk(caller, "retry", tasks)
    assert stale["done"] == 1 and stale["refused_count"] == 4, stale
    assert reasons(stale) == {waiting: "the task has changed since", started: "the task has changed since", done: "the task has succeeded",
                              blocked: "the task has changed since"}, stale
    assert_told(caller, stale)
    answer = bulk(caller, "retry", named(caller, waiting, started, blocked))
    assert answer["done"] == 3, answer
    assert_told(caller, answer)
    assert [state(caller, t) for t in (waiting, started, blocked, failed)] == ["ready", "ready", "blocked", "ready"]
    bulk(caller, "cancel", named(caller, waiting, started, failed))
    eventually(lambda: state(caller, blocked) == "dead")
    counts = caller.counts()
    answer = bulk(caller, "delete", [{"id": t} for t in (waiting, started, done, failed, blocked)])
    assert answer["done"] == 5 and {t["id"] for t in answer["tasks"]} == {waiting, started, done, failed, blocked}, answer
    assert sum(counts.values()) - sum(caller.counts().values()) == 5, (counts, caller.counts())
    assert sql(url, "SELECT (SELECT count(*) FROM worker.task), (SELECT count(*) FROM worker.task_done), "
                    "(SELECT count(*) FROM worker.attempt)") == "0|0|0"
    drops = [e for e in caller.whole_feed(before) if e["op"] == "drop"]
    assert [d["ids"] for d in drops] == [[t] for t in (waiting, started, done, failed, blocked)], drops
    assert drops[2]["counts"] == [{"type": "work", "status": "completed", "count": 1}], drops[2]
    for _ in range(2):
        answer = bulk(caller, "delete", [{"id": waiting}])
        assert reasons(answer) == {waiting: "there is no such task"}, answer


def a_deleted_task_does_not_come_again(worker, _):
    caller = Caller(worker)
    task = {"id": make(caller, 1, run_at_us=FAR_US)[0], "type": "work"}
    bulk(caller, "cancel", [{"id": task["id"]}])
    assert bulk(caller, "delete", [{"id": task["id"]}])["done"] == 1
    answer = caller.create(task, {"id": new_id(), "type": "work", "run_at_us": FAR_US})
    told = answer.json["results"]
    assert told[0]["error"]["code"] == "CONFLICT" and told[0]["error"]["message"] == "the task with this id was deleted", told
    assert "task" in told[1], told
    answer = caller.create({"id": new_id(), "type": "work"}, task, is_atomic=True)
    assert answer.status == 409 and answer.json["index"] == 1, answer.text


def ten_thousand_go_in_batches(worker, _):
    url = worker.new_database()
    with Worker(url) as worker:
        caller = Caller(worker)
        ids = make(caller, 10_000, run_at_us=FAR_US)
        everyone = [{"id": i} for i in ids]
        for action in ("cancel", "retry", "cancel", "delete"):
            answer = bulk(caller, action, everyone)
            assert answer["done"] == 10_000 and answer["refused_count"] == 0 and len(answer["tasks"]) == 10_000, answer["refused"]
        assert int(sql(url, "SELECT max(n) FROM worker.change_log")) <= 500
        assert caller.counts() == {} and sql(url, "SELECT count(*) FROM worker.task_gone") == "10000"
        assert len([e for e in caller.whole_feed() if e["op"] == "drop"]) == 10_000
        refused = bulk(caller, "retry", everyone)
        assert refused["done"] == 0 and refused["refused_count"] == 10_000 and len(refused["refused"]) == 100, refused["refused_count"]
    with Worker(url) as worker:
        assert Caller(worker).counts() == {}


def what_is_deleted_is_deleted_after_a_broken_commit(worker, _):
    url = worker.new_database()
    proxy = Proxy(url)
    with Worker(proxy.url, WORKER_LEASE="2s") as worker:
        caller = Caller(worker)
        for words in (["cut"], ["lose"], ["cut", "cut", "lose"]):
            everyone = [{"id": i} for i in make(caller, 50, run_at_us=FAR_US)]
            for action in ("cancel", "retry", "cancel", "delete"):
                proxy.plan = list(words)
                answer = bulk(caller, action, everyone)
                assert answer["done"] == 50 and "error" not in answer, answer
        assert caller.counts() == {}
        assert sql(url, "SELECT count(*) FROM worker.task") == "0"
    proxy.end()


def two_at_once_do_each_once(worker, _):
    caller, other = Caller(worker), Caller(worker)
    ids = make(caller, 300, run_at_us=FAR_US)
    everyone = [{"id": i} for i in ids]
    bulk(caller, "cancel", everyone)
    done = {}

    def delete(who, tasks):
        done[who] = bulk(who, "delete", tasks)
    threads = [threading.Thread(target=delete, args=(who, tasks)) for who, tasks in ((caller, everyone), (other, everyone[::-1]))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    gone = [t["id"] for answer in done.values() for t in answer["tasks"]]
    assert sorted(gone) == sorted(ids), len(gone)
    assert sum(a["done"] + a["refused_count"] for a in done.values()) == 600, done


def what_came_and_went_since_the_checkpoint_is_not_counted(worker, _):
    url = worker.new_database()
    with Worker(url, WORKER_LEASE="1s") as worker:
        caller = Caller(worker)
        ids = make(caller, 60, run_at_us=FAR_US)
        everyone = [{"id": i} for i in ids]
        bulk(caller, "cancel", everyone)
        eventually(lambda: sql(url, "SELECT coalesce(sum(count), 0) FROM worker.counter WHERE status = 3") == "60")  # a tick has been
        late = [{"id": i} for i in make(caller, 30, run_at_us=FAR_US)]
        bulk(caller, "retry", everyone[:40])
        bulk(caller, "cancel", everyone[:40] + late)
        assert bulk(caller, "delete", everyone[:50] + late[:20])["done"] == 70
        worker.stop(signal.SIGKILL)
    with Worker(url, WORKER_LEASE="1s") as worker:
        caller = Caller(worker)
        assert caller.counts() == {("work", "failed"): 20}, caller.counts()
        bulk(caller, "delete", everyone[50:] + late[20:])
        assert caller.counts() == {}


def what_breaks_off_tells_what_was_done(worker, _):
    url = worker.new_database()
    proxy = Proxy(url)
    answers = []
    with Worker(proxy.url, WORKER_LEASE="1s", BATCH_MAX="10") as worker:
        caller = Caller(worker)
        ids = make(caller, 400, run_at_us=FAR_US)
        proxy.plan = ["pass"] * 20 + ["fall"]  # then nobody gets through
        thread = threading.Thread(target=lambda: answers.append(bulk(caller, "cancel", [{"id": i} for i in ids])))
        thread.start()
        eventually(lambda: "fall" in proxy.done)
        with Worker(url, WORKER_LEASE="1s") as other:  # leads from now on, as the first one finds out
            proxy.is_closed = False
            thread.join()
            answer, other_caller = answers[0], Caller(other)
            assert 0 < answer["done"] < 400 and answer["error"]["code"] == "UNAVAILABLE", answer["done"]
            assert answer["done"] == len(answer["tasks"])
            cancelled = int(sql(url, "SELECT count(*) FROM worker.task_done WHERE state = 6"))
            assert cancelled == answer["done"], (cancelled, answer["done"])
            again = caller.post("/v1/tasks:bulk", {"action": "cancel", "tasks": [{"id": i} for i in ids]})
            assert again.status == 503, again.text
            answer = bulk(other_caller, "cancel", [{"id": i} for i in ids])
            assert answer["done"] + cancelled == 400 and answer["refused_count"] == cancelled, answer["done"]
    proxy.end()


def what_is_wrong_is_named(worker, _):
    caller, own = Caller(worker), new_id()
    for body, message in (
            ({}, "action: is missing"), ({"action": "promote", "tasks": []}, "action: is none of retry, cancel and delete"),
            ({"action": 7}, "action: is no string"), ({"action": "retry"}, "tasks: is no list"), ({"action": "retry", "tasks": {}}, "tasks: is no list"),
            ({"action": "retry", "tasks": [7]}, "tasks[0]: is no object"), ({"action": "retry", "tasks": [{"id": own}, {}]}, "tasks[1].id: is missing"),
            ({"action": "retry", "tasks": [{"id": "x"}]}, "tasks[0].id: is no UUID"),
            ({"action": "retry", "tasks": [{"id": own}, {"id": own}]}, "tasks[1].id: is named twice"),
            ({"action": "retry", "tasks": [{"id": own, "version": 7}]}, "tasks[0].version: is no number in a string"),
            ({"action": "retry", "tasks": [{"id": own, "version": "x"}]}, "tasks[0].version: is no number in a string"),
            ({"action": "retry", "tasks": [], "dry_run": 1}, "dry_run: is neither true nor false"),
            ({"action": "retry", "tasks": [{"id": new_id()} for _ in range(10_001)]}, "tasks: are more than 10000")):
        answer = caller.post("/v1/tasks:bulk", body)
        assert answer.status == 400 and answer.json["detail"] == message, (message, answer.text)
    assert bulk(caller, "delete", [])["done"] == 0
    assert Caller(worker, RUNNER_TOKEN).post("/v1/tasks:bulk", {"action": "retry", "tasks": []}).status == 403
    assert Caller(worker, "wrong").post("/v1/tasks:bulk", {"action": "retry", "tasks": []}).status == 401


TESTS = [
    each_is_judged_by_itself, a_deleted_task_does_not_come_again, ten_thousand_go_in_batches,
    what_is_deleted_is_deleted_after_a_broken_commit, what_came_and_went_since_the_checkpoint_is_not_counted,
    two_at_once_do_each_once, what_breaks_off_tells_what_was_done,
    what_is_wrong_is_named,
]

if __name__ == "__main__":
    run_with_worker(TESTS)
