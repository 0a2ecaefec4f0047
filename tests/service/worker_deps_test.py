#!/usr/bin/env python3
"""Tasks that depend on others: how they wait, fail and come back. Usage: worker_deps_test.py PROGRAM"""

import os
import signal
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../support"))
from gateway_rig import eventually  # noqa: E402
from worker_rig import Caller, Executor, Proxy, Worker, new_id, run_with_worker, sql  # noqa: E402

FAR_US = 4_102_444_800_000_000  # the year 2100: nothing runs by itself
TYPES = {"work": 50}


def waiting(caller, *depends_on, **members):
    """A task that waits for those; without any, for the year 2100."""
    if not depends_on:
        members.setdefault("run_at_us", FAR_US)
    return caller.create_one(depends_on=list(depends_on), **members)


def post(caller, task, verb):
    return caller.post(f"/v1/tasks/{task}:{verb}", {"actor": "ada"})


def state(caller, task):
    return caller.task(task)["state"]


def assert_failed_by(caller, task, on, how):
    told = caller.task(task)
    text = f"the task {on}, which this one depends on, {how}"
    assert told["state"] == "dead" and told["error"] == text and told["attempt"] == 0, told
    assert told["why"] == {"code": "DEPENDENCY", "text": text, "blocked_by": [on]}, told["why"]


def assert_counts_are_the_tables(caller, url):
    rows = sql(url, "SELECT y.name, coalesce(d.state, -1), count(*) FROM worker.task t JOIN worker.task_type y ON y.id = t.type "
                    "LEFT JOIN worker.task_done d ON d.id = t.id GROUP BY 1, 2")
    counted = {}
    for name, end, count in (r.split("|") for r in rows.splitlines()):
        status = {"-1": "pending", "5": "completed"}.get(end, "failed")
        counted[(name, status)] = counted.get((name, status), 0) + int(count)
    assert caller.counts() == counted, (caller.counts(), counted)


def who_depends_on_what_failed_fails_with_the_whole_chain(worker, url):
    caller, executor = Caller(worker), Executor(worker, TYPES)
    first = caller.create_one(max_attempts=1)
    other = waiting(caller)
    second = waiting(caller, other, first)
    third = waiting(caller, second)
    fourth, beside = waiting(caller, third), waiting(caller, other)
    before = caller.get("/v1/feed").json["cursor"]
    executor.ack(executor.one(), "fail", error="broken")
    eventually(lambda: state(caller, fourth) == "dead")
    assert_failed_by(caller, second, first, "has failed")
    assert_failed_by(caller, third, second, "has failed")
    assert_failed_by(caller, fourth, third, "has failed")
    assert state(caller, beside) == "blocked"
    events = [e for e in caller.whole_feed(before) if e["op"] == "finish"]
    assert [e["task"]["id"] for e in events] == [first, second, third, fourth], events
    for event in events[1:]:
        task = event["task"]
        assert task["from"] == "pending" and task["state"] == "dead" and task["why"]["code"] == "DEPENDENCY", event
    post(caller, other, "cancel")
    eventually(lambda: state(caller, beside) == "dead")
    assert_failed_by(caller, beside, other, "was cancelled")
    assert_counts_are_the_tables(caller, url)


def who_depends_on_what_has_failed_already_fails_at_once(worker, url):
    caller = Caller(worker)
    failed = waiting(caller)
    post(caller, failed, "cancel")
    one, two = new_id(), new_id()
    answer = caller.create({"id": one, "type": "work", "depends_on": [failed]}, {"id": new_id(), "type": "work", "run_at_us": FAR_US})
    told, other = (r["task"] for r in answer.json["results"])
    assert told["state"] == "dead" and told["why"]["code"] == "DEPENDENCY" and failed in told["error"], told
    assert other["state"] == "scheduled", other
    assert_failed_by(caller, one, failed, "was cancelled")
    stored = caller.task(one)
    assert {k: stored[k] for k in ("version", "state", "error", "why", "finished_at_us")} == \
           {k: told[k] for k in ("version", "state", "error", "why", "finished_at_us")}, (stored, told)
    together = [{"id": new_id(), "type": "work", "depends_on": [failed]}]
    together.append({"id": two, "type": "work", "depends_on": [together[0]["id"]]})
    answer = caller.create(*together, is_atomic=True)
    assert [r["task"]["state"] for r in answer.json["results"]] == ["dead", "dead"], answer.text
    assert_failed_by(caller, two, together[0]["id"], "has failed")
    assert_counts_are_the_tables(caller, url)


def one_that_failed_by_another_is_tried_again_after_it(worker, url):
    caller, executor = Caller(worker), Executor(worker, {"retried": 5})
    first = caller.create_one(type="retried", max_attempts=1)
    second = waiting(caller, first, type="retried")
    third = waiting(caller, second, type="retried")
    executor.ack(executor.one(), "fail")
    eventually(lambda: state(caller, third) == "dead")
    for task, on in ((second, first), (third, second)):
        answer = post(caller, task, "retry")
        assert answer.status == 409, answer.text
        message = answer.json["detail"]
        assert message == f"the task {on}, which it depends on, has failed: retry that first", message
    assert post(caller, first, "retry").json["task"]["state"] == "ready"
    told = post(caller, second, "retry").json["task"]
    assert told["state"] == "blocked" and told["error"] is None and told["max_attempts"] == 5, told
    assert post(caller, third, "retry").json["task"]["state"] == "blocked"
    for task in (first, second, third):
        lease = executor.one()
        assert lease["task"] == task and executor.leases(5) == [], lease
        assert executor.ack(lease) == "applied"
    # one whose dependencies have succeeded is simply ready
    fourth = waiting(caller, first, type="retried", max_attempts=1)
    executor.ack(executor.one(), "fail")
    assert post(caller, fourth, "retry").json["task"]["state"] == "ready"
    lease = executor.one()
    assert lease["attempt"] == 2 and executor.ack(lease) == "applied"
    assert_counts_are_the_tables(caller, url)


def one_that_left_and_came_back_waits_for_each_once(worker, url):
    caller, executor = Caller(worker), Executor(worker, {"back": 5})
    first, other = caller.create_one(type="back"), waiting(caller, type="back")
    second = waiting(caller, first, other, type="back")
    for _ in range(3):
        assert post(caller, second, "cancel").json["task"]["state"] == "cancelled"
        assert post(caller, second, "retry").json["task"]["state"] == "blocked"
    assert executor.ack(executor.one()) == "applied"
    assert state(caller, second) == "blocked"
    post(caller, other, "promote")
    assert executor.ack(executor.one()) == "applied"
    lease = executor.one()
    assert lease["task"] == second and lease["attempt"] == 1 and executor.ack(lease) == "applied"
    assert_counts_are_the_tables(caller, url)


def circles_are_refused_by_name(worker, _):
    caller = Caller(worker)
    ids = [new_id() for _ in range(4)]
    tasks = [{"id": ids[0], "type": "work"}, {"id": ids[1], "type": "work", "depends_on": [ids[3]]},
             {"id": ids[2], "type": "work", "depends_on": [ids[0], ids[1]]}, {"id": ids[3], "type": "work", "depends_on": [ids[2]]}]
    answer = caller.create(*tasks, is_atomic=True)
    message = "depends_on: is a cycle: tasks[1] → tasks[3] → tasks[2] → tasks[1]"
    assert answer.status == 400 and answer.json["detail"] == message and answer.json["index"] == 1, answer.text
    results = caller.create(*tasks).json["results"]
    assert "task" in results[0] and [r["error"]["message"] for r in results[1:]] == [message] * 3, results
    assert [caller.get(f"/v1/tasks/{i}").status for i in ids] == [200, 404, 404, 404]
    own = new_id()
    answer = caller.create({"id": own, "type": "work", "depends_on": [own]})
    assert "is the task itself" in answer.json["results"][0]["error"]["message"], answer.text


def many_fail_in_batches_and_none_is_lost_at_a_kill(worker, _):
    url = worker.new_database()
    with Worker(url, WORKER_LEASE="1s", BATCH_MAX="20") as worker:
        caller = Caller(worker)
        first = waiting(caller)
        chain = [first]
        tasks = []
        for i in range(3000):  # every third goes on in a chain
            tasks.append({"id": new_id(), "type": "many", "depends_on": [chain[-1] if i % 3 == 0 else first]})
            if i % 3 == 0:
                chain.append(tasks[-1]["id"])
        for at in range(0, len(tasks), 500):
            answer = caller.create(*tasks[at:at + 500], is_atomic=True)
            assert answer.status == 200, answer.text
        post(caller, first, "cancel")
        worker.process.send_signal(signal.SIGKILL)
        worker.process.wait()
        left = int(sql(url, "SELECT count(*) FROM worker.task t WHERE NOT EXISTS (SELECT FROM worker.task_done d WHERE d.id = t.id)"))
    print(f"# {left} were left at the kill", flush=True)
    with Worker(url, WORKER_LEASE="1s", BATCH_MAX="20") as worker:
        caller = Caller(worker)
        eventually(lambda: caller.counts() == {("work", "failed"): 1, ("many", "failed"): 3000})
        assert_failed_by(caller, chain[-1], chain[-2], "has failed")
        assert_counts_are_the_tables(caller, url)
        longest = sql(url, "SELECT max(n) FROM worker.change_log l WHERE l.seq > (SELECT max(seq) FROM worker.task)")
        assert int(longest) <= 121, longest  # DEPS_SETTLE_LEAST beside a full batch
        assert worker.metric('windlass_worker_tasks{state="unfinished"}') == 0


def what_is_blocked_again_is_so_after_a_restart(worker, _):
    url = worker.new_database()
    with Worker(url, WORKER_LEASE="1s") as worker:
        caller, executor = Caller(worker), Executor(worker, TYPES)
        first = caller.create_one(max_attempts=1)
        second, third = waiting(caller, first), waiting(caller, first)
        executor.ack(executor.one(), "fail")
        eventually(lambda: state(caller, third) == "dead")
        post(caller, first, "retry")
        assert post(caller, second, "retry").json["task"]["state"] == "blocked"
        scheduled = waiting(caller)
        assert post(caller, scheduled, "promote").json["task"]["state"] == "ready"
        told = caller.whole_feed()
        worker.process.send_signal(signal.SIGKILL)
        worker.process.wait()
    with Worker(url, WORKER_LEASE="1s") as worker:
        caller, executor = Caller(worker), Executor(worker, TYPES)
        assert state(caller, second) == "blocked" and state(caller, third) == "dead" and state(caller, scheduled) == "ready"
        read = [e for e in caller.whole_feed() if int(e["seq"]) <= len(told)]
        for one, other in zip(told, read, strict=True):
            if one["op"] == "finish" and one["task"]["id"] in (first, second):
                one["task"] |= {"result": None, "error": other["task"]["error"], "why": other["task"]["why"],
                                "started_at_us": other["task"]["started_at_us"]}  # reopened since: its end is gone
            assert one == other, (one, other)
        leases = {lease["task"]: lease for lease in executor.leases(5)}
        assert set(leases) == {first, scheduled}, leases
        executor.ack(leases[first])
        lease = executor.one()
        assert lease["task"] == second and lease["attempt"] == 1 and executor.ack(lease) == "applied"
        executor.ack(leases[scheduled])
        assert_counts_are_the_tables(caller, url)


def batches_that_are_undone_leave_no_trace(worker, _):
    url = worker.new_database()
    proxy = Proxy(url)
    with Worker(proxy.url, WORKER_LEASE="2s") as worker:
        caller, executor = Caller(worker), Executor(worker, TYPES, ttl_ms=600_000)
        first = caller.create_one(max_attempts=1)
        second = waiting(caller, first)
        third = waiting(caller, second, first)
        for i in range(12):
            proxy.plan = ["cut", "lose"] if i % 2 else ["cut", "cut"]
            if i % 3 == 0:
                assert executor.ack(executor.one(), "fail") == "applied"
            else:
                assert post(caller, first, "cancel").json["task"]["state"] == "cancelled"
            eventually(lambda: state(caller, third) == "dead")
            assert state(caller, second) == "dead"
            proxy.plan = ["cut"]
            assert post(caller, first, "retry").json["task"]["state"] == "ready"
            proxy.plan = ["lose", "cut"]
            assert post(caller, second, "retry").json["task"]["state"] == "blocked"
            assert post(caller, third, "retry").json["task"]["state"] == "blocked"
        for task in (first, second, third):
            lease = executor.one()
            assert lease["task"] == task, lease
            proxy.plan = ["cut"]
            assert executor.ack(lease) == "applied"
        assert proxy.done.count("cut") > 12, proxy.done
        assert_counts_are_the_tables(caller, url)
    proxy.end()


def what_is_due_later_can_be_due_now(worker, url):
    caller, executor = Caller(worker), Executor(worker, {"soon": 5})
    scheduled = caller.create_one(type="soon", run_at_us=FAR_US)
    told = post(caller, scheduled, "promote").json["task"]
    assert told["state"] == "ready" and told["run_at_us"] < FAR_US and told["max_attempts"] == 5, told
    again = post(caller, scheduled, "promote")
    assert again.status == 200 and again.json["task"]["version"] == told["version"], again.text
    lease = executor.one()
    start = [e for e in caller.whole_feed() if e["op"] == "start" and e["task"]["id"] == scheduled][-1]
    assert start["task"]["run_at_us"] == told["run_at_us"], start
    assert post(caller, scheduled, "promote").json["detail"] == "the task is running"
    executor.ack(lease, "fail", retry_in_ms=10**8)
    assert state(caller, scheduled) == "retrying"
    assert post(caller, scheduled, "promote").json["task"]["state"] == "ready"
    executor.ack(executor.one())
    assert post(caller, scheduled, "promote").json["detail"] == "the task has finished"
    blocked = waiting(caller, waiting(caller))
    assert post(caller, blocked, "promote").json["detail"] == "the task waits for others"
    assert post(caller, new_id(), "promote").status == 404
    assert_counts_are_the_tables(caller, url)


TESTS = [
    who_depends_on_what_failed_fails_with_the_whole_chain, who_depends_on_what_has_failed_already_fails_at_once,
    one_that_failed_by_another_is_tried_again_after_it, one_that_left_and_came_back_waits_for_each_once,
    circles_are_refused_by_name, what_is_due_later_can_be_due_now, many_fail_in_batches_and_none_is_lost_at_a_kill,
    what_is_blocked_again_is_so_after_a_restart, batches_that_are_undone_leave_no_trace,
]

if __name__ == "__main__":
    run_with_worker(TESTS)
