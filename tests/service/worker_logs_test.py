#!/usr/bin/env python3
"""What executors write: lines of attempts, and checkpoints. Usage: worker_logs_test.py PROGRAM"""

import os
import signal
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../support"))
from gateway_rig import eventually  # noqa: E402
from worker_rig import Caller, Executor, Worker, new_id, run_with_worker, sql  # noqa: E402


def log(caller, task, after="0:0", wait_ms=0):
    answer = caller.get(f"/v1/tasks/{task}/log?after={after}&wait_ms={wait_ms}")
    assert answer.status == 200, answer.text
    return answer.json


def whole_log(caller, task, after="0:0"):
    """All lines there are, in pages."""
    lines = []
    while True:
        page = log(caller, task, after)
        lines += page["lines"]
        if not page["lines"]:
            return lines
        assert page["lines"][-1]["n"] == page["next"], page
        after = page["next"]


def texts(lines):
    return [line["text"] for line in lines]


def says(lease, *lines, **members):
    return {"task": lease["task"], "fence": lease["fence"],
            "logs": [line if isinstance(line, dict) else {"text": line} for line in lines], **members}


def beat(executor, lease, *lines, **members):
    answer = executor.heartbeat(says(lease, *lines, **members))
    assert answer.status == 200, answer.text
    return answer.json


def attempts(caller, task):
    return caller.get(f"/v1/tasks/{task}?log=true").json["attempts"]


def stored(url, task):
    return int(sql(url, f"SELECT coalesce(sum(json_array_length(lines)), 0) FROM worker.task_log WHERE task_id = '{task}'"))


def lines_are_told_while_a_task_runs_and_when_it_has_ended(worker, url):
    caller, executor = Caller(worker), Executor(worker, {"log": 1})
    task = caller.create_one(type="log")
    assert log(caller, task) == {"lines": [], "next": "0:0", "is_finished": False}
    lease = executor.one()
    beat(executor, lease, {"stream": "stdout", "text": "one", "at_us": 1_700_000_000_000_000},
         {"stream": "stderr", "text": "zwei ü"})
    page = log(caller, task)
    assert [(x["attempt"], x["stream"], x["text"]) for x in page["lines"]] == [
        (1, "stdout", "one"), (1, "stderr", "zwei ü")], page
    assert page["lines"][0]["at_us"] == 1_700_000_000_000_000 and not page["is_finished"], page
    beat(executor, lease, "three\nfour\r\n")
    more = log(caller, task, page["next"])
    assert texts(more["lines"]) == ["three", "four"], more
    eventually(lambda: stored(url, task) == 4)  # within about a second
    assert executor.ack(lease, result=1, logs=[{"text": "five"}]) == "applied"
    assert stored(url, task) == 5
    assert texts(whole_log(caller, task)) == ["one", "zwei ü", "three", "four", "five"]
    last = log(caller, task, more["next"])
    assert texts(last["lines"]) == ["five"] and last["is_finished"], last
    assert log(caller, task, last["next"]) == {"lines": [], "next": last["next"], "is_finished": True}
    (attempt,) = attempts(caller, task)
    assert attempt["log"] == "one\nzwei ü\nthree\nfour\nfive\n", attempt
    assert "log" not in caller.attempts(task)[0]


def who_waits_hears_of_a_line_and_of_the_end(worker, _):
    caller, executor = Caller(worker), Executor(worker, {"follow": 1})
    task = caller.create_one(type="follow")
    heard = []

    def listen():
        reader, after = Caller(worker), "0:0"
        while not heard or not heard[-1]["is_finished"]:
            heard.append(log(reader, task, after, 20_000))
            after = heard[-1]["next"]

    listener = threading.Thread(target=listen)
    listener.start()
    lease = executor.one()
    beat(executor, lease, "first")
    eventually(lambda: sum(len(page["lines"]) for page in heard) == 1)
    beat(executor, lease, "second")
    eventually(lambda: sum(len(page["lines"]) for page in heard) == 2)
    executor.ack(lease, logs=[{"text": "third"}])
    listener.join(30)
    assert not listener.is_alive()
    assert [t for page in heard for t in texts(page["lines"])] == ["first", "second", "third"], heard


def each_attempt_has_its_own_lines(worker, _):
    caller, executor = Caller(worker), Executor(worker, {"again": 1})
    task = caller.create_one(type="again")
    first = executor.one()
    beat(executor, first, "try 1")
    assert executor.ack(first, "fail", error="broken", retry_in_ms=0, logs=[{"text": "it broke"}]) == "applied"
    second = executor.one()
    beat(executor, second, "try 2")
    running = attempts(caller, task)
    assert [(a["attempt"], a["outcome"], a["error"], a["log"]) for a in running] == [
        (1, "failed", "broken", "try 1\nit broke\n"), (2, None, None, "try 2\n")], running
    executor.ack(second)
    ended = attempts(caller, task)
    assert [(a["attempt"], a["worker"], a["outcome"], a["log"]) for a in ended] == [
        (1, "executor", "failed", "try 1\nit broke\n"), (2, "executor", "succeeded", "try 2\n")], ended
    assert all(a["finished_at_us"] >= a["started_at_us"] > 0 for a in ended), ended
    lines = whole_log(caller, task)
    assert [(x["attempt"], x["text"]) for x in lines] == [(1, "try 1"), (1, "it broke"), (2, "try 2")], lines


def an_attempt_that_is_lost_or_given_back_keeps_its_lines(worker, _):
    caller = Caller(worker)
    task = caller.create_one(type="lost")
    gone = Executor(worker, {"lost": 1}, name="gone")
    beat(gone, gone.one(), "before the crash")
    gone.end()
    other = Executor(worker, {"lost": 1}, name="other")
    lease = other.one()
    assert other.ack(lease, "release", logs=[{"text": "given back"}]) == "applied"
    other.ack(other.one(), logs=[{"text": "done"}])
    ended = attempts(caller, task)
    assert [(a["outcome"], a["worker"], a["log"]) for a in ended] == [
        ("lease_lost", "gone", "before the crash\n"), ("succeeded", "other", "given back\ndone\n")], ended


def a_stale_acknowledgement_adds_no_line(worker, _):
    caller, executor = Caller(worker), Executor(worker, {"stale": 1})
    task = caller.create_one(type="stale")
    lease = executor.one()
    assert executor.ack(lease, "fail", retry_in_ms=0, logs=[{"text": "first"}]) == "applied"
    again = executor.one()
    assert executor.ack(lease, logs=[{"text": "too late"}]) == "duplicate"
    assert beat(executor, lease, "too late, too")["lost"], "it was not"
    executor.ack(again)
    assert texts(whole_log(caller, task)) == ["first"]


def what_is_wrong_is_refused_with_its_place(worker, _):
    caller, executor = Caller(worker), Executor(worker, {"wrong": 1})
    task = caller.create_one(type="wrong")
    lease = executor.one()
    wrong = [
        ("x", "tasks[0].logs: is no list"),
        (["x"], "tasks[0].logs[0]: is no object"),
        ([{"text": "good"}, {"text": 1}], "tasks[0].logs[1].text: is no string"),
        ([{"text": "x", "stream": "Std Out"}], "tasks[0].logs[0].stream: is no name"),
        ([{"text": "x", "stream": "windlass"}], "tasks[0].logs[0].stream: is no name"),
        ([{"text": "x", "stream": "x" * 21}], "tasks[0].logs[0].stream: is no name"),
        ([{"text": "x", "steam": "x"}], "tasks[0].logs[0].steam: is not known here"),
        ([{"text": "x", "at_us": "now"}], "tasks[0].logs[0].at_us: is no time"),
    ]
    for lines, message in wrong:
        answer = executor.heartbeat({"task": lease["task"], "fence": lease["fence"], "logs": lines})
        assert answer.status == 400 and message in answer.detail, answer.text
    nul = executor.request("POST", "/v1/heartbeats", {**executor.who, "tasks": [says(lease, "a\0b")]})
    assert nul.status == 400 and "U+0000" in nul.text, nul.text
    answer = executor.post("/v1/acks", {**executor.who, "results": [
        {"task": lease["task"], "fence": lease["fence"], "outcome": "complete", "logs": [{}]}]})
    assert answer.status == 400 and "acks[0].logs[0].text: is no string" in answer.text, answer.text
    assert log(caller, task)["lines"] == []
    for query, message in [("after=x", "after: is no place"), ("wait_ms=61000", "wait_ms: is not within")]:
        answer = caller.get(f"/v1/tasks/{task}/log?{query}")
        assert answer.status == 400 and message in answer.text, answer.text
    assert caller.get(f"/v1/tasks/{new_id()}/log").status == 404
    assert caller.get("/v1/tasks/nobody/log").status == 404
    assert caller.get(f"/v1/tasks/{task}/logs").status == 404
    assert Caller(worker, "runner-secret").get(f"/v1/tasks/{task}/log").status == 403
    executor.ack(lease)


def long_lines_are_cut_and_of_many_the_last_are_kept(worker, url):
    caller, executor = Caller(worker), Executor(worker, {"much": 1})
    task = caller.create_one(type="much")
    lease = executor.one()
    beat(executor, lease, "ä" * 5000)
    (line,) = log(caller, task)["lines"]
    assert line["text"] == "ä" * 4094 + "…", line  # 8 KiB, cut between characters
    beat(executor, lease, *[f"line {i}" for i in range(1500)])
    lines = whole_log(caller, task)
    assert texts(lines) == ["501 lines were dropped here"] + [f"line {i}" for i in range(500, 1500)], texts(lines)[:3]
    assert lines[0]["stream"] == "windlass", lines[0]
    eventually(lambda: stored(url, task) > 0)
    for part in range(10):
        beat(executor, lease, *[f"{part} {i} " + "x" * 100 for i in range(200)])
    executor.ack(lease, logs=[{"text": "the end"}])
    (attempt,) = attempts(caller, task)
    kept = attempt["log"].splitlines()
    assert len(attempt["log"]) <= 65536 + 40 and kept[-1] == "the end" and "dropped" in kept[0], kept[0]
    assert len(kept) > 500 and kept[-2] == "9 199 " + "x" * 100, (len(kept), kept[-2])
    lines = whole_log(caller, task)
    assert texts(lines)[-1] == "the end" and "were dropped here" in lines[0]["text"], lines[0]


def the_operator_says_how_much_is_kept(worker, _):
    url = worker.new_database()
    with Worker(url, LOG_LIMIT="1KiB") as small:
        caller, executor = Caller(small), Executor(small, {"small": 1})
        task = caller.create_one(type="small")
        lease = executor.one()
        beat(executor, lease, *["x" * 99 for _ in range(30)])
        assert texts(whole_log(caller, task)) == ["20 lines were dropped here"] + ["x" * 99] * 10
        executor.ack(lease)
        assert attempts(caller, task)[0]["log"] == "earlier lines were dropped\n" + ("x" * 99 + "\n") * 10


def lines_outlive_a_kill_and_go_on_behind_it(first, _):
    url = first.new_database()
    with Worker(url, WORKER_LEASE="1s") as worker:
        caller, executor = Caller(worker), Executor(worker, {"live": 2})
        task, ended = caller.create_one(type="live"), caller.create_one(type="live")
        lease, over = sorted(executor.leases(2, 20_000), key=lambda x: x["task"] != task)
        beat(executor, lease, "kept")
        assert executor.ack(over, logs=[{"text": "in the batch of the end"}]) == "applied"
        assert texts(whole_log(caller, ended)) == ["in the batch of the end"]
        eventually(lambda: stored(url, task) == 1)
        seen = log(caller, task)["next"]
        beat(executor, lease, "told and perhaps lost")
        told = log(caller, task, seen)["next"]
        worker.stop(signal.SIGKILL)
    with Worker(url, WORKER_LEASE="1s") as worker:
        caller, executor.worker = Caller(worker), worker
        executor.close()
        assert texts(whole_log(caller, ended)) == ["in the batch of the end"]
        assert texts(whole_log(caller, task))[:1] == ["kept"]
        beat(executor, lease, "after")
        assert texts(whole_log(caller, task, told)) == ["after"]  # whatever was lost
        executor.ack(lease)
        assert texts(whole_log(caller, task, told)) == ["after"]
        assert attempts(caller, task)[0]["log"].splitlines()[0] == "kept"


def a_worker_that_stops_writes_what_it_has(first, _):
    url = first.new_database()
    with Worker(url) as worker:
        caller, executor = Caller(worker), Executor(worker, {"stop": 1})
        task = caller.create_one(type="stop")
        lease = executor.one()
        beat(executor, lease, "the last")
        assert worker.stop() == 0
    assert stored(url, task) == 1


def a_checkpoint_that_was_acknowledged_outlives_the_worker(first, _):
    url = first.new_database()
    with Worker(url, WORKER_LEASE="1s", PAYLOAD_LIMIT="1KiB") as worker:
        caller, executor = Caller(worker), Executor(worker, {"point": 1})
        task = caller.create_one(type="point")
        lease = executor.one()
        assert lease["checkpoint"] is None
        for page in range(3):
            assert beat(executor, lease, checkpoint={"page": page})["lost"] == []
        big = executor.heartbeat({"task": task, "fence": lease["fence"], "checkpoint": "x" * 1100})
        assert big.status == 413 or big.status == 400, big.status
        assert "tasks[0].checkpoint: is longer than 1024 bytes" in big.text, big.text
        worker.stop(signal.SIGKILL)
    with Worker(url, WORKER_LEASE="1s") as worker:
        caller, executor.worker = Caller(worker), worker
        executor.close()
        assert executor.ack(lease, "fail", error="again", retry_in_ms=0) == "applied"
        second = executor.one()
        assert second["attempt"] == 2 and second["checkpoint"] == {"page": 2}, second
        beat(executor, second, checkpoint=[7])
        executor.end()
        other = Executor(worker, {"point": 1})
        third = other.one()
        assert third["checkpoint"] == [7], third
        assert other.ack(third) == "applied"
        assert sql(url, "SELECT count(*) FROM worker.checkpoint") == "0"


def lines_go_with_their_task(first, _):
    """Retention drops the day whole."""
    url = first.new_database()
    with Worker(url) as worker:
        caller, executor = Caller(worker), Executor(worker, {"old": 1})
        caller.create_one(type="old")
        executor.ack(executor.one(), logs=[{"text": "x"}])
        day = sql(url, "SELECT (now()::date - date '1970-01-01')")
        assert sql(url, "SELECT count(*) FROM worker.task_log") == "1"
    sql(url, f"SELECT worker.day_drop({day})")
    assert sql(url, "SELECT count(*) FROM worker.task_log") == "0"


def a_database_from_before_gets_its_partitions(first, _):
    """Days that an older program made have no place for lines."""
    url = first.new_database()
    with Worker(url):
        pass
    old = sql(url, "SELECT min(relname) FROM pg_class WHERE relname ~ '^task_log_[0-9]{8}$'")
    sql(url, f"DROP TABLE worker.{old}")
    with Worker(url):
        eventually(lambda: sql(url, f"SELECT to_regclass('worker.{old}') IS NOT NULL") == "t")


TESTS = [
    lines_are_told_while_a_task_runs_and_when_it_has_ended,
    who_waits_hears_of_a_line_and_of_the_end,
    each_attempt_has_its_own_lines,
    an_attempt_that_is_lost_or_given_back_keeps_its_lines,
    a_stale_acknowledgement_adds_no_line,
    what_is_wrong_is_refused_with_its_place,
    long_lines_are_cut_and_of_many_the_last_are_kept,
    the_operator_says_how_much_is_kept,
    lines_outlive_a_kill_and_go_on_behind_it,
    a_worker_that_stops_writes_what_it_has,
    a_checkpoint_that_was_acknowledged_outlives_the_worker,
    lines_go_with_their_task,
    a_database_from_before_gets_its_partitions,
]

if __name__ == "__main__":
    run_with_worker(TESTS)
