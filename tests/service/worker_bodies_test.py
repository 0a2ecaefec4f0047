#!/usr/bin/env python3
"""What a lease holds, wherever its body comes from. Usage: worker_bodies_test.py PROGRAM"""

import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../support"))
from gateway_rig import WAIT_S, eventually  # noqa: E402
from worker_rig import (RUNNER_TOKEN, Caller, Executor, Proxy, Worker, new_id, put_in_log,  # noqa: E402
                        run_with_worker, sql)

OF_ITS_ATTEMPT = {"fence", "lease_until_us", "deadline_us"}


class Halt:
    """No batch is committed until it is left."""

    def __init__(self, url):
        self.url = url
        self.holder = subprocess.Popen(["psql", "-XqAt", url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __enter__(self):
        self.holder.stdin.write("BEGIN; LOCK TABLE worker.change_log IN SHARE MODE; SELECT 'held';\n")
        self.holder.stdin.flush()
        assert self.holder.stdout.readline().strip() == "held"
        return self

    def is_awaited(self):
        return sql(self.url, "SELECT count(*) FROM pg_locks WHERE NOT granted") != "0"

    def __exit__(self, *_):
        self.holder.communicate()


def lease_that_waits(worker, executor, make):
    """The lease of what `make` creates while the session waits for it."""
    with ThreadPoolExecutor() as pool:
        lease = pool.submit(executor.one)
        eventually(lambda: worker.metric("windlass_worker_lease_requests_waiting") >= 1)
        make()
        return lease.result()


def is_the_same_from_the_tables(executor, lease):
    assert executor.ack(lease, "release") == "applied"
    again = executor.one()
    differing = {name for name in lease.keys() | again.keys() if lease.get(name) != again.get(name)}
    assert differing <= OF_ITS_ATTEMPT and "fence" in differing, (lease, again)
    assert executor.ack(again) == "applied"


def what_a_waiting_session_is_given_at_once_is_all_that_the_tables_tell(worker, _):
    caller, executor = Caller(worker), Executor(worker, {"awaited": 1})
    lease = lease_that_waits(worker, executor, lambda: caller.create_one(
        type="awaited", payload={"deep": [1.50, "ü", {}]}, idempotency_key="k"))
    assert lease["payload"] == {"deep": [1.50, "ü", {}]} and lease["idempotency_key"] == "k", lease
    assert lease["job_id"] is None and lease["checkpoint"] is None, lease
    is_the_same_from_the_tables(executor, lease)


def so_it_is_of_a_job(worker, _):
    caller, executor = Caller(worker), Executor(worker, {"fired": 1})
    job = {"id": new_id(), "name": "a job", "schedule": "0 0 1 1 *", "task_type": "fired", "payload": {"n": 1}}
    assert caller.post("/v1/jobs", {"job": job, "actor": "ada"}).status == 200
    lease = lease_that_waits(worker, executor, lambda: caller.post(f"/v1/jobs/{job['id']}:trigger", {"actor": "ada"}))
    assert lease["job_id"] == job["id"] and lease["scheduled_for_us"] and lease["payload"] == {"n": 1}, lease
    is_the_same_from_the_tables(executor, lease)


def each_of_many_has_its_own_body(worker, _):
    caller, executor = Caller(worker), Executor(worker, {"many": 1000})
    ids = [new_id() for _ in range(300)]
    caller.create(*({"id": i, "type": "many", "payload": {"of": i}} for i in reversed(ids)))  # not as the table has them
    leases = executor.leases(300)
    assert sorted(lease["task"] for lease in leases) == sorted(ids)
    assert all(lease["payload"] == {"of": lease["task"]} for lease in leases), leases


def one_that_is_made_alone_is_stored_as_one_of_many(worker, url):
    caller, first = Caller(worker), Caller(worker).create_one(type="other")
    caller.post("/v1/types:update", {"type": "stored", "settings": {"key_path": "of"}, "actor": "ada"})
    plain = {"type": "stored"}
    full = {"type": "stored", "priority": "high", "max_attempts": 7, "timeout_s": 11, "queue": "q", "actor": "ada",
            "run_at_us": 4_000_000_000_000_000, "created_by": new_id(), "job_id": new_id(), "payload": {"of": "ü"},
            "scheduled_for_us": 1_700_000_000_000_001, "depends_on": [first], "idempotency_key": "k"}
    for members in plain, full:
        alone, among = caller.create_one(**members), [new_id(), new_id()]
        made = caller.create(*({**members, "id": i, "idempotency_key": i} for i in among))
        assert all("task" in result for result in made.json["results"]), made.text
        rows = [json.loads(row) for row in sql(url, "SELECT row_to_json(t) FROM worker.task AS t WHERE id IN"
                                               f" ('{alone}', '{among[0]}') ORDER BY seq").splitlines()]
        keys = [row.pop("idempotency_key") for row in rows]
        if members is plain:
            assert all(row["run_at"] == row["created_at"] for row in rows), rows
        else:
            assert rows[0]["key_hash"] and all(rows[0].values()), rows
        differing = {name for name in rows[0] if rows[0][name] != rows[1][name]}
        own = {"id", "seq", "created_at"} | ({"run_at"} if members is plain else set())
        assert differing <= own and keys == [members.get("idempotency_key"), among[0]], rows


def lease_of_one_batch(worker, url, executor):
    """The next lease of a task whose checkpoint, release and claim are one batch; None: the release went
    before the checkpoint."""
    task = Caller(worker).create_one(type="handed")
    named = {"task": task, "fence": executor.one()["fence"]}
    wanted = {**executor.who, "max": 1, "wait_ms": 20_000, "acks": [{**named, "outcome": "release"}]}
    with ThreadPoolExecutor() as pool:
        with Halt(url) as halt:
            other = pool.submit(Caller(worker).create_one, type="other")
            eventually(halt.is_awaited)
            pool.submit(executor.heartbeat, {**named, "checkpoint": {"at": 3}})
            eventually(lambda: worker.metric("windlass_worker_intents_waiting") >= 1)
            again = pool.submit(Caller(worker, RUNNER_TOKEN).post, "/v1/leases", wanted)
            eventually(lambda: worker.metric("windlass_worker_intents_waiting") >= 3)
        other.result()
        answer = again.result().json
    (lease,) = answer["leases"]
    is_kept = sql(url, f"SELECT count(*) FROM worker.checkpoint WHERE task_id = '{task}'") == "1"
    assert lease["task"] == task and executor.ack(lease) == "applied", answer
    return lease if is_kept else None


def a_checkpoint_is_handed_over_even_by_its_own_batch(worker, url):
    executor = Executor(worker, {"handed": 1})
    lease = next(filter(None, (lease_of_one_batch(worker, url, executor) for _ in range(20))))
    assert lease["checkpoint"] == {"at": 3}, lease


def one_that_its_own_batch_made_and_changed_is_told_however_early_bodies_are_read(worker, _):
    url = worker.new_database()
    proxy = Proxy(url)
    with Worker(proxy.url, WORKER_LEASE="20s") as through, ThreadPoolExecutor() as pool:
        caller, executor, made = Caller(through), Executor(through, {"work": 10}), new_id()
        caller.create_one(type="work")
        assert executor.ack(executor.one()) == "applied"  # the statement is prepared
        proxy.plan, proxy.withheld = ["pass", "stall"], b"read_bodies"
        with Halt(url) as halt:
            other = pool.submit(Caller(through).create_one, type="other")
            eventually(halt.is_awaited)
            later = int((time.time() + 3600) * 1e6)
            acts = []
            for act in (lambda: Caller(through).create_one(id=made, payload={"n": 1}, run_at_us=later),
                        lambda: Caller(through).post(f"/v1/tasks/{made}:promote", {}), executor.one):
                acts.append(pool.submit(act))
                eventually(lambda: through.metric("windlass_worker_intents_waiting") >= len(acts))
        other.result()
        assert proxy.is_withheld.wait(WAIT_S) and proxy.is_stalled.wait(WAIT_S)
        batches = through.metric("windlass_worker_batches_total")
        proxy.go_on.set()
        eventually(lambda: through.metric("windlass_worker_batches_total") > batches)
        proxy.tell.set()
        assert acts[1].result().status == 200
        lease = acts[2].result()
        assert lease["task"] == made and lease["payload"] == {"n": 1} and executor.ack(lease) == "applied", lease
    proxy.end()


def one_that_is_told_when_its_leader_leads_no_more_still_has_its_type(worker, _):
    url = worker.new_database()
    proxy = Proxy(url)
    with Worker(proxy.url, WORKER_LEASE="20s") as through, ThreadPoolExecutor() as pool:
        caller, executor = Caller(through), Executor(through, {"work": 10})
        task = caller.create_one()
        batches = through.metric("windlass_worker_batches_total")
        proxy.withheld = b"read_bodies"
        waiting = pool.submit(executor.one)
        assert proxy.is_withheld.wait(WAIT_S)
        eventually(lambda: through.metric("windlass_worker_batches_total") > batches)
        put_in_log(url, 0, epoch=9)  # somebody else leads
        assert caller.create({"id": new_id(), "type": "work", "is_fresh": True}).status == 503
        assert through.metric("windlass_worker_step_downs_total") == 1
        proxy.tell.set()
        lease = waiting.result()
        assert lease["task"] == task and lease["type"] == "work", lease
    proxy.end()


def a_drain_that_is_cut_off_while_bodies_are_read_ends_in_order(worker, _):
    proxy = Proxy(worker.new_database())
    garbage = {"MALLOC_PERTURB_": "85"}  # is what memory holds that was freed
    with Worker(proxy.url, more=garbage, DRAIN_TIMEOUT="100ms") as ending, ThreadPoolExecutor() as pool:
        executor = Executor(ending, {"work": 10})
        Caller(ending).create_one()
        proxy.withheld = b"read_bodies"
        cut_off = pool.submit(executor.one)
        assert proxy.is_withheld.wait(WAIT_S)
        assert ending.stop() == 0
        assert cut_off.exception() is not None
    proxy.tell.set()
    proxy.end()


def set_rate(caller, rate, burst):
    """Starts a second of type "work"."""
    answer = caller.post("/v1/types:update", {"type": "work", "actor": "ada", "settings": {"rate_per_s": rate, "burst": burst}})
    assert answer.status == 200, answer.text


def an_answer_holds_no_more_than_its_clients_take_and_the_rest_waits_on(worker, _):
    """24 payloads and a checkpoint of 3 MiB each: 32 MiB of them are told at a time. What is too much keeps its
    place and its rate's token, and later calls no longer touch it."""
    with Worker(worker.new_database(), PAYLOAD_LIMIT="4MiB", WORKER_LEASE="20s") as large:
        caller, big = Caller(large), "x" * (3 << 20)
        set_rate(caller, 1000, 25)
        tasks = [caller.create_one(payload={"text": big}) for _ in range(24)]
        due = {task: caller.task(task)["run_at_us"] for task in tasks}
        executor = Executor(large, {"work": 500})
        first = executor.one()
        assert executor.heartbeat({"task": first["task"], "fence": first["fence"], "checkpoint": {"text": big}}).status == 200
        assert executor.ack(first, "release") == "applied"
        due[first["task"]] = caller.task(first["task"])["run_at_us"]
        set_rate(caller, 0.001, 25)  # there are 24 tokens, and no more come
        told, before = [], {}
        waiting = lambda: [t for t in map(caller.task, tasks) if t["state"] == "ready"]  # noqa: E731
        while len(told) < len(tasks):
            leases = executor.leases(500)
            held = sum(len(lease["payload"]["text"]) + (len(big) if lease["checkpoint"] else 0) for lease in leases)
            assert 0 < held <= 32 << 20 and len(leases) <= 10, (len(leases), held)
            told += [lease["task"] for lease in leases]
            assert {lease["attempt"] for lease in leases} == {1}
            eventually(lambda: sorted(t for t in tasks if caller.task(t)["state"] == "running") == sorted(told))
            assert {t["id"]: t["run_at_us"] for t in waiting()} == {t: due[t] for t in tasks if t not in told}
            versions = {t["id"]: t["version"] for t in waiting()}
            assert not before or versions.items() <= before.items(), (before, versions)
            before = versions
        assert sorted(told) == sorted(tasks) and executor.leases(500) == []


TESTS = [
    an_answer_holds_no_more_than_its_clients_take_and_the_rest_waits_on,
    what_a_waiting_session_is_given_at_once_is_all_that_the_tables_tell,
    so_it_is_of_a_job,
    each_of_many_has_its_own_body,
    one_that_is_made_alone_is_stored_as_one_of_many,
    a_checkpoint_is_handed_over_even_by_its_own_batch,
    one_that_its_own_batch_made_and_changed_is_told_however_early_bodies_are_read,
    one_that_is_told_when_its_leader_leads_no_more_still_has_its_type,
    a_drain_that_is_cut_off_while_bodies_are_read_ends_in_order,
]

if __name__ == "__main__":
    run_with_worker(TESTS, WORKER_LEASE="20s")  # however long a request keeps it busy
