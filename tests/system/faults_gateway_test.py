#!/usr/bin/env python3
"""What is seen when a gateway is killed and another serves, when a runner is killed, and when an outside worker comes too
late. Real processes. Usage: faults_gateway_test.py WINDLASS [TEST...]"""
import http.client
import signal

from processes import GATEWAY_TOKEN, Load, eventually, run_installed, sql  # it tells where the others are
from gateway_rig import Stream
from websocket import WebSocket
from worker_rig import Caller, Executor

CHANGES = "subscription { taskChanged { id task { id status } } }"
READ = "query($id: ID!) { task(id: $id) { id accepted } }"
SLEEP = ("mutation { createTask(input: { type: \"sleep\", payload: { seconds: 2 }, maxAttempts: 3 }) { id accepted } }")
ATTEMPTS = "query($id: ID!) { task(id: $id) { status attempt attempts { attempt outcome } } }"


def seen(stream, task):
    """Reads on until the change of the task comes."""
    while stream.next().data["taskChanged"]["id"] != task:
        pass


def seen_by_socket(ws, task):
    while True:
        message = ws.next()
        if message["id"] != "1":
            continue  # the end of a query
        assert message["type"] == "next", message
        if message["payload"]["data"]["taskChanged"]["id"] == task:
            return


def cut(stream):
    """The end that comes without a word."""
    try:
        while stream.next() is not None:
            pass
    except (OSError, http.client.HTTPException, AssertionError):
        pass
    return stream.last_id


def a_gateway_is_killed_and_another_serves(world):
    killed, other = world.gateways
    assert "event=mirror.held" in killed.log and "event=mirror.held" not in other.log
    stream, ws = Stream(killed, CHANGES, world.admin), WebSocket(killed, world.admin)
    ws.subscribe("1", CHANGES)
    with Load(world) as load:
        load.grow()
        known = world.create(gateway=other)["id"]
        seen(stream, known)
        seen_by_socket(ws, known)
        killed.process.send_signal(signal.SIGKILL)
        last_id = cut(stream)
        assert ws.closed().code is None
        missed = world.create(gateway=other)
        assert missed["accepted"]
        stream = Stream(other, CHANGES, world.admin, last_id=last_id)
        seen(stream, missed["id"])  # though it came while nobody listened
        ws = WebSocket(other, world.admin)
        ws.subscribe("1", CHANGES)
        refetched = ws_run(ws, READ, missed["id"])
        assert refetched == {"id": missed["id"], "accepted": True}, refetched
        other.wait_for_log(r"event=mirror\.held")
        eventually(lambda: world.read(missed["id"], other)["source"] == "LIVE")
        late = world.create(gateway=other)["id"]
        seen(stream, late)
        seen_by_socket(ws, late)
        killed.process.wait()
        world.gateways[0] = world.start_gateway()
        load.grow()
    assert not load.codes, load.codes
    load.assert_kept()
    stream.close()
    ws.close()


def ws_run(ws, query, task):
    """The answer of an operation, between what the subscription tells."""
    ws.subscribe("q", query, {"id": task})
    while (message := ws.next())["id"] != "q":
        pass
    return message["payload"]["data"]["task"]


def a_killed_runners_leases_return(world):
    """Its tasks are taken by another within the session's TTL, as attempts of their own."""
    tasks = [world.ask(SLEEP).data["createTask"]["id"] for _ in range(3)]
    attempts = lambda task: world.ask(ATTEMPTS, {"id": task}).data["task"]  # noqa: E731
    for task in tasks:
        eventually(lambda t=task: attempts(t)["attempt"] == 1)
    world.runner.process.send_signal(signal.SIGKILL)
    world.runner.process.wait()
    world.runner = world.start_runner()
    world.all_done(tasks)
    for task in tasks:
        end = eventually(lambda t=task: (lambda a: a if a["status"] == "COMPLETED" else None)(attempts(t)))
        outcomes = [(a["attempt"], a["outcome"]) for a in end["attempts"]]
        assert outcomes == [(1, "LEASE_LOST"), (2, "SUCCEEDED")], outcomes


def what_an_outside_worker_says_too_late_is_stale(world):
    caller = Caller(world.worker, GATEWAY_TOKEN)
    task = caller.create_one(type="outside")
    first = Executor(world.worker, {"outside": 1}, ttl_ms=1000)
    lost = first.one()
    second = Executor(world.worker, {"outside": 1}, name="second")
    found = second.one()  # once the first one's session has ended
    assert found["task"] == task == lost["task"] and found["attempt"] == 2, found
    assert second.ack(lost) == "stale"  # the older fence
    late = first.post("/v1/acks", {**first.who, "results": [
        {"task": task, "fence": lost["fence"], "outcome": "fail", "error": "late"}]})
    assert late.status == 404 or late.json["acks"][0]["outcome"] == "stale", late.text
    assert caller.task(task)["state"] == "running"
    assert second.ack(found, result={"by": "second"}) == "applied"
    done = f"SELECT error IS NULL, attempt FROM worker.task_done WHERE id = '{task}'"
    assert sql(world.url, done) == "t|2"
    second.end()


if __name__ == "__main__":
    run_installed([a_gateway_is_killed_and_another_serves, a_killed_runners_leases_return,
                   what_an_outside_worker_says_too_late_is_stale])
