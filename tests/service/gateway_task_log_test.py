#!/usr/bin/env python3
"""What executors wrote, through the API: Subscription.taskLog and TaskAttempt.log. Usage:
gateway_task_log_test.py PROGRAM"""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../support"))
from fake_worker import FakeWorker  # noqa: E402
from gateway_rig import Gateway, Postgres, Stream, create_user, eventually, psql, run_tests  # noqa: E402
from ids import new_id  # noqa: E402
from websocket import WebSocket  # noqa: E402
from worker_rig import GATEWAY_TOKEN, Caller, Executor, Worker  # noqa: E402

LOG = "subscription($id: ID!) { taskLog(id: $id) { taskId attempt at stream text } }"


class World:
    def __init__(self, url, gateway, worker):
        self.url, self.gateway, self.worker = url, gateway, worker
        self.admin = gateway.set_up()
        create_user(gateway, self.admin, "viewer@example.org")
        self.viewer = gateway.login("viewer@example.org")

    def follow(self, task):
        return Stream(self.gateway, LOG, self.viewer, {"id": task})

    def polls(self, task):
        return len(self.worker.seen(f"/v1/tasks/{task}/log"))


def texts(stream, count):
    return [stream.next().data["taskLog"]["text"] for _ in range(count)]


def rest(stream):
    """All that comes until the stream says that it is complete."""
    found = []
    while (answer := stream.next()) is not None:
        found.append(answer.data["taskLog"]["text"])
    return found


def kept_lines_come_first_then_new_ones_and_then_the_end(world):
    worker = world.worker
    task = worker.add("talkative")
    worker.start(task)
    worker.write(task, "one", "zwei ü")
    stream = world.follow(task)
    first = stream.next().data["taskLog"]
    assert (first["taskId"], first["attempt"], first["stream"], first["text"]) == (task, 1, "stdout", "one"), first
    assert first["at"].endswith("Z"), first
    assert texts(stream, 1) == ["zwei ü"]
    worker.write(task, "three", stream="stderr")
    third = stream.next().data["taskLog"]
    assert (third["stream"], third["text"]) == ("stderr", "three"), third
    worker.write(task, "four")
    worker.finish(task)
    assert rest(stream) == ["four"]
    assert rest(world.follow(task)) == ["one", "zwei ü", "three", "four"]  # of a finished one, too


def a_websocket_tells_the_same_and_is_completed(world):
    worker = world.worker
    task = worker.add("talkative")
    with WebSocket(world.gateway, world.viewer) as socket:
        socket.subscribe("1", LOG, {"id": task})
        worker.start(task)
        worker.write(task, "hello")
        message = socket.next()
        assert message["type"] == "next" and message["payload"]["data"]["taskLog"]["text"] == "hello", message
        worker.finish(task, "dead", error="no")
        assert socket.next() == {"id": "1", "type": "complete"}
        socket.subscribe("2", LOG, {"id": task})
        assert socket.next()["payload"]["data"]["taskLog"]["text"] == "hello"
        assert socket.next()["type"] == "complete"


def many_followers_share_the_polls_of_a_task(world):
    worker = world.worker
    task = worker.add("popular")
    worker.start(task)
    streams = [world.follow(task) for _ in range(20)]
    eventually(lambda: world.polls(task) > 0)
    for n in range(5):
        worker.write(task, f"line {n}")
        for stream in streams:
            assert texts(stream, 1) == [f"line {n}"]
    worker.finish(task)
    for stream in streams:
        assert rest(stream) == []
        stream.close()
    # Two loops; each asks once for a line and the end, and a few times while its followers come.
    assert world.polls(task) <= 2 * 6 + 20, world.polls(task)


def more_tasks_than_polls_take_turns(world):
    worker = world.worker
    tasks = [worker.add("crowd") for _ in range(60)]
    streams = [world.follow(task) for task in tasks]
    for n, task in enumerate(tasks):
        worker.write(task, f"of {n}")
    for n, stream in enumerate(streams):
        assert texts(stream, 1) == [f"of {n}"]
    for task in tasks:
        worker.finish(task)
    for stream in streams:
        assert rest(stream) == []
        stream.close()


def it_goes_on_when_the_worker_is_back(world):
    worker = world.worker
    task = worker.add("patient")
    worker.start(task)
    worker.write(task, "before")
    stream = world.follow(task)
    assert texts(stream, 1) == ["before"]
    with worker.changed:
        worker.is_away = True
        worker.changed.notify_all()
    polls = world.polls(task)
    eventually(lambda: world.polls(task) > polls + 1)
    late = world.follow(task)  # begins meanwhile
    worker.is_away = False
    worker.write(task, "after")
    assert texts(stream, 1) == ["after"] and texts(late, 2) == ["before", "after"]
    worker.vanish()
    worker.launch()
    worker.write(task, "again")
    worker.finish(task)
    assert rest(stream) == ["again"] and rest(late) == ["again"]


def pages_follow_each_other_however_long_it_is(world):
    worker = world.worker
    task = worker.add("long")
    worker.write(task, *[f"{n} " + "x" * 1000 for n in range(900)])
    worker.finish(task)
    worker.log_page = 70
    try:
        with WebSocket(world.gateway, world.viewer) as socket:
            messages = socket.run("1", LOG, {"id": task})
        assert [m["payload"]["data"]["taskLog"]["text"].split()[0] for m in messages[:-1]] == [str(n) for n in range(900)]
        assert messages[-1]["type"] == "complete", messages[-1]
    finally:
        worker.log_page = 1000


def what_cannot_be_followed_is_refused(world):
    worker = world.worker
    error = world.follow(new_id()).next().json["errors"][0]
    assert error["extensions"]["code"] == "NOT_FOUND" and "there is no such task" in error["message"], error
    bad = world.gateway.graphql(LOG, {"id": "x"}, world.viewer, {"Accept": "text/event-stream"})
    assert "BAD_USER_INPUT" in bad.text and "id: " in bad.text, bad.text
    nobody = Stream(world.gateway, LOG, None, {"id": worker.add("secret")})
    assert "UNAUTHENTICATED" in nobody.response.read().decode()


def a_task_that_waits_for_the_worker_is_followed_from_its_acceptance_on(world):
    worker = world.worker
    with worker.changed:
        worker.is_away = True
        worker.changed.notify_all()
    made = world.gateway.graphql('mutation { createTask(input: { type: "kept" }) { id accepted } }', None, world.admin)
    task = made.data["createTask"]["id"]
    assert made.data["createTask"]["accepted"] is False, made.text
    stream = world.follow(task)
    worker.is_away = False
    eventually(lambda: task in worker.tasks)
    worker.write(task, "at last")
    worker.finish(task)
    assert rest(stream) == ["at last"]


def attempts_have_their_logs_where_they_are_asked_for(world):
    worker = world.worker
    task = worker.add("tried")
    worker.attempts[task] = [
        {"attempt": 1, "worker": "w", "started_at_us": 1_764_000_000_000_000, "finished_at_us": 1_764_000_000_000_000,
         "outcome": "failed", "error": "no", "log": "a\nb\n"},
        {"attempt": 2, "worker": "w", "started_at_us": 1_764_000_000_000_000, "finished_at_us": None, "outcome": None,
         "error": None, "log": None}]
    eventually(lambda: psql(world.url, f"SELECT 1 FROM tasks WHERE id = '{task}'"))
    got = world.gateway.graphql(f'{{ task(id: "{task}") {{ attempts {{ attempt log }} }} }}', None, world.viewer)
    assert got.data["task"]["attempts"] == [{"attempt": 1, "log": "a\nb\n"}, {"attempt": 2, "log": None}], got.text


def from_an_executor_to_the_screen(world):
    """With the real worker."""
    with Worker(world.own_url) as real, Gateway(
            world.own_url, WORKER_URL=f"http://127.0.0.1:{real.port}", GATEWAY_TOKEN=GATEWAY_TOKEN) as gateway:
        admin = gateway.set_up()
        caller, executor = Caller(real), Executor(real, {"real": 1})
        task = caller.create_one(type="real")
        stream = Stream(gateway, LOG, admin, {"id": task})
        lease = executor.one()
        answer = executor.heartbeat({"task": task, "fence": lease["fence"], "logs": [{"text": "working"}]})
        assert answer.status == 200, answer.text
        assert texts(stream, 1) == ["working"]
        assert executor.ack(lease, "fail", error="e", retry_in_ms=0, logs=[{"text": "failed", "stream": "stderr"}]) == "applied"
        assert texts(stream, 1) == ["failed"]
        executor.ack(executor.one(), logs=[{"text": "done"}])
        assert rest(stream) == ["done"]
        eventually(lambda: gateway.graphql(f'{{ task(id: "{task}") {{ status }} }}', None, admin)
                   .data["task"]["status"] == "COMPLETED")
        got = gateway.graphql(f'{{ task(id: "{task}") {{ attempts {{ attempt worker outcome error log }} }} }}', None, admin)
        assert got.data["task"]["attempts"] == [
            {"attempt": 1, "worker": "executor", "outcome": "FAILED", "error": "e", "log": "working\nfailed\n"},
            {"attempt": 2, "worker": "executor", "outcome": "SUCCEEDED", "error": None, "log": "done\n"}], got.text


def main():
    with Postgres() as postgres, FakeWorker() as worker, Gateway(postgres.url, WORKER_URL=worker.url) as gateway:
        world = World(postgres.url, gateway, worker)
        world.own_url = postgres.tell("database")
        run_tests([
            kept_lines_come_first_then_new_ones_and_then_the_end,
            a_websocket_tells_the_same_and_is_completed,
            many_followers_share_the_polls_of_a_task,
            more_tasks_than_polls_take_turns,
            it_goes_on_when_the_worker_is_back,
            pages_follow_each_other_however_long_it_is,
            what_cannot_be_followed_is_refused,
            a_task_that_waits_for_the_worker_is_followed_from_its_acceptance_on,
            attempts_have_their_logs_where_they_are_asked_for,
            from_an_executor_to_the_screen,
        ], world)


if __name__ == "__main__":
    main()
