#!/usr/bin/env python3
"""Mutations of many tasks by filter. Usage: gateway_bulk_test.py PROGRAM"""

import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../support"))
from fake_worker import FakeWorker  # noqa: E402
from gateway_rig import Gateway, Postgres, create_user, eventually, psql, run_tests  # noqa: E402
from gateway_worker_test import World  # noqa: E402
from worker_rig import Executor, Worker  # noqa: E402

RESULT = "{ matched done refusedCount refused { id reason } }"
FAR = "2100-01-01T00:00:00Z"
CREATE_ALL = "mutation($inputs: [CreateTaskInput!]!) { createTasks(inputs: $inputs) { id } }"
STATES = "query($ids: [ID!]) { tasks(filter: { ids: $ids }, first: 500) { nodes { id state updatedAt } } }"
AUDIT = "{ auditLog(subject: \"tasks\", first: 500) { nodes { action actorLabel subject detail } } }"


def act(world, name, filter, token=None, **arguments):  # pylint: disable=redefined-builtin
    query = ("mutation($filter: TaskFilter!, $asOf: DateTime, $expectedCount: Int, $dryRun: Boolean) { %s(filter: $filter, asOf: $asOf, "
             "expectedCount: $expectedCount, dryRun: $dryRun) %s }" % (name, RESULT))
    return world.gateway.graphql(query, {"filter": filter, **arguments}, token or world.admin)


def done(world, name, filter, **arguments):  # pylint: disable=redefined-builtin
    return act(world, name, filter, **arguments).data[name]


def make(world, type, count, **fields):  # pylint: disable=redefined-builtin
    fields.setdefault("runAt", FAR)
    made = []
    for at in range(0, count, 2000):
        inputs = [{"type": type, **fields} for _ in range(min(2000, count - at))]
        made += [t["id"] for t in world.ask(CREATE_ALL, {"inputs": inputs}).data["createTasks"]]
    return made


def states(world, ids):
    nodes = world.ask(STATES, {"ids": ids[:500]}).data["tasks"]["nodes"]
    return {n["id"]: n["state"] for n in nodes}


def entries(world):
    return world.ask(AUDIT).data["auditLog"]["nodes"]


def clean(matched, **more):
    return {"matched": matched, "done": matched, "refusedCount": 0, "refused": [], **more}


def what_matches_is_cancelled_retried_and_deleted(world):
    executor = Executor(world.worker, {"ready": 3})
    waiting, ready = make(world, "first", 5), make(world, "ready", 2, runAt=None)
    other = make(world, "other", 1)[0]
    leases = executor.leases(2)
    world.truth()  # the mirror knows that they run
    before = len(entries(world))
    some = {"type": ["first", "ready"]}
    assert done(world, "cancelTasks", some, dryRun=True) == clean(7)
    assert set(states(world, waiting).values()) == {"SCHEDULED"} and len(entries(world)) == before
    assert done(world, "cancelTasks", some) == clean(7)
    assert states(world, waiting) == {t: "CANCELLED" for t in waiting}  # at once
    assert states(world, ready + [other]) == {**{t: "RUNNING" for t in ready}, other: "SCHEDULED"}
    for lease in leases:
        executor.ack(lease, "cancelled")
    world.check_equal()
    again = done(world, "cancelTasks", {"ids": waiting + [other]})
    assert again["matched"] == 6 and again["done"] == 1 and again["refusedCount"] == 5, again
    assert {r["id"]: r["reason"] for r in again["refused"]} == {t: "the task is cancelled already" for t in waiting}, again
    assert done(world, "retryTasks", {"type": ["first"], "state": ["CANCELLED"]}, expectedCount=5) == clean(5)
    assert states(world, waiting) == {t: "READY" for t in waiting}
    refused = done(world, "deleteTasks", {"type": ["first"]})
    assert refused["done"] == 0 and {r["reason"] for r in refused["refused"]} == {"the task has not finished: cancel it first"}, refused
    done(world, "cancelTasks", {"type": ["first"]})
    assert done(world, "deleteTasks", {"status": ["FAILED"], "type": ["first", "ready", "other"]}) == clean(8)
    assert states(world, waiting + ready + [other]) == {}
    world.check_equal()
    audit = list(reversed(entries(world)[:len(entries(world)) - before]))
    assert [e["action"] for e in audit] == ["tasks.cancel", "tasks.cancel", "tasks.retry", "tasks.delete", "tasks.cancel", "tasks.delete"], audit
    assert {(e["actorLabel"], e["subject"]) for e in audit} == {("admin@example.org", "tasks")}, audit
    detail = audit[2]["detail"]
    assert detail.pop("asOf").startswith("20") and detail == {
        "filter": {"type": ["first"], "state": ["CANCELLED"]}, "matched": 5, "done": 5, "refused": 0}, audit[2]


def a_chain_that_failed_is_retried_whole(world):
    first = make(world, "chain", 1)[0]
    second = world.create("chain", dependsOn=[first])["id"]
    third = world.create("chain", dependsOn=[second])["id"]
    done(world, "cancelTasks", {"ids": [first]})
    eventually(lambda: states(world, [third]) == {third: "DEAD"})
    alone = done(world, "retryTasks", {"ids": [third]})
    assert alone["done"] == 0 and alone["refused"][0]["reason"].startswith(f"the task {second}, which it depends on, has failed"), alone
    assert done(world, "retryTasks", {"type": ["chain"], "status": ["FAILED"]}) == clean(3)
    assert states(world, [first, second, third]) == {first: "READY", second: "BLOCKED", third: "BLOCKED"}
    world.check_equal()


def only_what_was_there_and_has_not_changed_is_touched(world):
    old = make(world, "asof", 4)
    at = max(n["updatedAt"] for n in world.ask(STATES, {"ids": old}).data["tasks"]["nodes"])
    new = make(world, "asof", 2)
    world.ask("mutation($id: ID!) { cancelTask(id: $id) { id } }", {"id": old[0]})
    mine = {"type": ["asof"]}
    conflict = act(world, "cancelTasks", mine, asOf=at, expectedCount=4)
    assert conflict.code == "CONFLICT" and conflict.error["message"] == "expectedCount: 4 were expected, but 3 tasks match", conflict.text
    assert done(world, "cancelTasks", mine, asOf=at, expectedCount=3) == clean(3)
    assert states(world, old + new) == {**{t: "CANCELLED" for t in old}, **{t: "SCHEDULED" for t in new}}
    assert done(world, "cancelTasks", {"type": ["asof"], "state": ["SCHEDULED"]}, asOf=FAR) == clean(2)


def what_names_nothing_is_refused(world):
    for name in ("cancelTasks", "deleteTasks"):
        for empty in ({}, {"search": "  "}, {"type": None}):
            answer = act(world, name, empty)
            assert answer.code == "BAD_USER_INPUT" and answer.error["message"] == "filter: is empty; name at least one field", answer.text
        assert done(world, name, {"ids": []}) == clean(0)
    make(world, "all", 1)
    matched = done(world, "retryTasks", {}, dryRun=True)
    assert matched["matched"] == int(psql(world.url, "SELECT count(*) FROM tasks")[0][0]) > 0, matched
    for arguments, message in (({"expectedCount": -1}, "expectedCount: must not be negative"),
                               ({"filter": {"idEndsWith": "x"}}, "filter.idEndsWith: an id is of hexadecimal digits and hyphens")):
        answer = act(world, "retryTasks", **{"filter": {}, **arguments})
        assert answer.code == "BAD_USER_INPUT" and answer.error["message"] == message, answer.text


def roles_are_kept(world):
    create_user(world.gateway, world.admin, "viewer@example.org")
    create_user(world.gateway, world.admin, "operator@example.org", "OPERATOR")
    viewer, operator = world.gateway.login("viewer@example.org"), world.gateway.login("operator@example.org")
    mine = {"type": ["nobody's"]}
    for name in ("retryTasks", "cancelTasks", "deleteTasks"):
        assert act(world, name, mine, token=viewer).code == "FORBIDDEN"
        assert (act(world, name, mine, token=operator).json.get("errors") is None) == (name != "deleteTasks")
    assert entries(world)[0]["actorLabel"] == "operator@example.org"


def many_go_in_pages_and_too_many_are_refused(world):
    ids = make(world, "many", 4500)
    mine = {"type": ["many"]}
    assert done(world, "cancelTasks", mine, expectedCount=4500) == clean(4500)
    assert set(states(world, ids[-400:]).values()) == {"CANCELLED"}
    assert done(world, "retryTasks", mine) == clean(4500) and done(world, "cancelTasks", mine) == clean(4500)
    make(world, "many", 501)
    answer = act(world, "cancelTasks", mine, dryRun=True)
    assert answer.code == "BAD_USER_INPUT" and answer.error["message"] == (
        "filter: more than 5000 tasks match, and no bulk action takes more (bulk-max); narrow it, for instance by type or createdBefore"), answer.text
    assert done(world, "deleteTasks", {**mine, "status": ["FAILED"]}) == clean(4500)
    assert world.ask('{ taskCounts(filter: { type: ["many"], status: [FAILED], queue: ["default"] }) { failed } }').data["taskCounts"]["failed"] == 0
    world.check_equal()


def a_value_that_no_record_takes_is_told_by_its_size(world):
    nested = lambda levels: {"k": json.loads("[" * (levels - 1) + "]" * (levels - 1))}  # noqa: E731
    for payload, told in (({"k": "x" * 262_100}, "(262108 bytes)"), (nested(128), "(260 bytes)"), (nested(127),) * 2, ({"k": "x" * 30_000},) * 2):
        ids = make(world, "large", 1, payload=payload)
        answer = act(world, "cancelTasks", {"ids": ids, "payloadContains": payload})
        assert answer.code == "ok" and answer.data["cancelTasks"] == clean(1), answer.text
        assert entries(world)[0]["detail"]["filter"] == {"ids": ids, "payloadContains": told}, told


def while_the_worker_is_away_nothing_is_done(world):
    url = world.postgres.tell("database")
    with FakeWorker() as worker, Gateway(url, WORKER_URL=worker.url, GATEWAY_TOKEN="x") as gateway:
        admin = gateway.set_up()
        ids = [worker.add(type="away") for _ in range(2500)]
        psql_count = lambda: int(psql(url, "SELECT count(*) FROM tasks WHERE type = 'away'")[0][0])  # noqa: E731
        eventually(lambda: psql_count() == 2500)

        class Other:
            pass
        other = Other()
        other.gateway, other.admin = gateway, admin
        other.ask = lambda query, variables=None: gateway.graphql(query, variables, admin)
        mine = {"type": ["away"]}
        worker.bulk_ends = [0]
        answer = act(other, "cancelTasks", mine)
        assert answer.code == "WORKER_UNAVAILABLE" and entries(other) == [], answer.text
        # a page that was answered, though nothing of it was done, is in the worker's record
        psql(url, "UPDATE tasks SET version = version + 1000000 WHERE type = 'away'")
        worker.bulk_ends = [2000, 0]
        answer = act(other, "cancelTasks", mine)
        psql(url, "UPDATE tasks SET version = version - 1000000 WHERE type = 'away'")
        assert answer.code == "WORKER_UNAVAILABLE" and answer.error["message"].startswith("broken off after 0 of 2500 "), answer.text
        detail = entries(other)[0]["detail"]
        assert (detail["done"], detail["refused"]) == (0, 2000) and "unfinished" not in detail, detail
        worker.bulk_ends = [2000, 300]
        answer = act(other, "cancelTasks", mine)
        message = "broken off after 2300 of 2500 tasks were done: this worker does not lead"
        assert answer.code == "WORKER_UNAVAILABLE" and answer.error["message"].endswith(message), answer.text
        records = [(e["record"]["done"], e["record"]["is_open"]) for e in worker.events if e["op"] == "record"]
        assert records == [(0, True), (0, True), (2000, True), (2000, True)], "with the first of each call; behind what broke off none"
        assert psql(url, "SELECT count(*) FROM tasks WHERE state = 'cancelled'") == [["2300"]]
        detail = entries(other)[0]["detail"]
        assert detail["matched"] == 2500 and detail["done"] == 2300 and detail["error"] == message, detail
        rest = done(other, "cancelTasks", {**mine, "status": ["PENDING"]})
        assert rest == clean(200), rest
        # one that another has changed since it was selected
        worker.reopen(ids[0])
        eventually(lambda: psql(url, f"SELECT state FROM tasks WHERE id = '{ids[0]}'") == [["ready"]])
        psql(url, f"UPDATE tasks SET version = version - 1 WHERE id = '{ids[0]}'")
        stale = done(other, "cancelTasks", {"ids": [ids[0]]})
        assert stale["refused"] == [{"id": ids[0], "reason": "the task has changed since"}], stale
        worker.is_mute_after = True
        answer = act(other, "retryTasks", {"ids": ids[1:3]})
        assert answer.code in ("WORKER_UNAVAILABLE", "TIMEOUT") and "2 more may or may not have been done" in answer.error["message"], answer.text
        worker.is_mute_after = False
        assert len(entries(other)) == 5, entries(other)
        # what the worker never took
        worker.is_away = True
        eventually(lambda: "errors" in other.ask("mutation { retryTasks(filter: {}) { done } }").json)
        kept = other.ask("mutation { createTask(input: { type: \"kept\" }) { id accepted } }").data["createTask"]
        assert kept["accepted"] is False, kept
        answer = done(other, "cancelTasks", {"ids": [kept["id"]]})
        assert answer["refused"] == [{"id": kept["id"], "reason": "the Worker Service has not accepted it"}], answer


def main():
    with Postgres() as postgres, Worker(postgres.tell("database"), WORKER_LEASE="20s") as worker:
        world = World(postgres.tell("database"), worker, BULK_MAX="5000")
        world.postgres = postgres
        try:
            run_tests(TESTS, world)
        finally:
            world.close()


TESTS = [what_matches_is_cancelled_retried_and_deleted, a_chain_that_failed_is_retried_whole,
         only_what_was_there_and_has_not_changed_is_touched, what_names_nothing_is_refused, roles_are_kept,
         many_go_in_pages_and_too_many_are_refused, a_value_that_no_record_takes_is_told_by_its_size,
         while_the_worker_is_away_nothing_is_done]

if __name__ == "__main__":
    main()
