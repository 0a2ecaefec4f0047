#!/usr/bin/env python3
"""select windlass.enqueue(…): tasks that come with a caller's own transaction. Usage: worker_inbox_test.py PROGRAM"""

import os
import signal
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../support"))
from gateway_rig import WAIT_S, eventually  # noqa: E402
from worker_rig import Caller, Executor, Proxy, Worker, new_id, run_with_worker, sql  # noqa: E402

FAR = "2100-01-01 00:00:00+00"


def enqueue(url, arguments):
    """The id."""
    return sql(url, f"SELECT windlass.enqueue({arguments})")


def refusal(url, arguments):
    """What PostgreSQL says."""
    done = subprocess.run(["psql", "-XqAt", "-v", "ON_ERROR_STOP=1", "-c", f"SELECT windlass.enqueue({arguments})", url],
                          text=True, capture_output=True, timeout=WAIT_S, check=False)
    assert done.returncode != 0, f"{arguments} was taken: {done.stdout}"
    return done.stderr.splitlines()[0]


def task_of(caller, task):
    answer = caller.get(f"/v1/tasks/{task}")
    return answer.json["task"] if answer.status == 200 else None


def is_empty(url):
    return sql(url, "SELECT count(*) FROM worker.inbox") == "0"


def what_is_committed_becomes_a_task_and_what_is_rolled_back_does_not(worker, url):
    caller = Caller(worker)
    sql(url, "CREATE TABLE orders (id int)")
    ids = sql(url, "BEGIN; INSERT INTO orders VALUES (1); SELECT windlass.enqueue('ship', '{\"order\": 1.50}'); COMMIT;"
                   "BEGIN; INSERT INTO orders VALUES (2); SELECT windlass.enqueue('ship', '{\"order\": 2}'); ROLLBACK;").splitlines()
    task = eventually(lambda: task_of(caller, ids[0]))
    assert task["type"] == "ship" and task["payload"] == {"order": 1.5} and task["state"] == "ready", task
    assert task["priority"] == "normal" and task["queue"] == "default" and task["max_attempts"] == 5 and task["timeout_s"] == 300, task
    assert task["actor"].startswith("sql:") and task["created_by"] is None, task
    assert is_empty(url) and sql(url, "SELECT count(*) FROM orders") == "1"
    assert task_of(caller, ids[1]) is None
    executor = Executor(worker, {"ship": 1})
    lease = executor.one()
    assert lease["task"] == ids[0] and executor.ack(lease) == "applied"


def every_argument_arrives(worker, url):
    caller = Caller(worker)
    own, first = new_id(), enqueue(url, f"'first', run_at => '{FAR}'")
    assert enqueue(url, f"'all', '[1, null, \"naïve\"]', id => '{own}', run_at => '{FAR}', priority => 'high', queue => 'bulk', "
                        f"max_attempts => 7, timeout => '90.5 seconds', idempotency_key => 'k', depends_on => '{{{first}}}'") == own
    task = eventually(lambda: task_of(caller, own))
    assert {k: task[k] for k in ("type", "payload", "run_at_us", "priority", "queue", "max_attempts", "timeout_s", "idempotency_key",
                                 "depends_on", "state")} == {
        "type": "all", "payload": [1, None, "naïve"], "run_at_us": 4_102_444_800_000_000, "priority": "high", "queue": "bulk",
        "max_attempts": 7, "timeout_s": 91, "idempotency_key": "k", "depends_on": [first], "state": "blocked"}, task
    chain = sql(url, f"WITH a AS (SELECT windlass.enqueue('chain', run_at => '{FAR}') AS id) "
                     "SELECT id FROM a; DO $$ DECLARE one uuid; two uuid; BEGIN "
                     f"one := windlass.enqueue('chain', run_at => '{FAR}'); two := windlass.enqueue('chain', depends_on => ARRAY[one]); "
                     "PERFORM windlass.enqueue('chain', depends_on => ARRAY[one, two], idempotency_key => 'last'); END $$")
    assert eventually(lambda: task_of(caller, chain))
    eventually(lambda: is_empty(url))
    assert sql(url, "SELECT count(*) FROM worker.inbox_refused") == "0"
    assert sql(url, "SELECT cardinality(depends_on) FROM worker.task WHERE idempotency_key = 'last'") == "2"


def a_group_that_is_too_large_takes_no_room_from_others(worker, url):
    caller = Caller(worker)
    many = "(SELECT json_build_object('tasks', json_agg(json_build_object('type', 'one'))) FROM generate_series(1, {}))"
    wrong, *good = sql(url, f"BEGIN; SELECT windlass.enqueue('task.group', {many.format(3000)}); "
                            f"SELECT windlass.enqueue('task.group', {many.format(800)}, run_at => '{FAR}') FROM generate_series(1, 20); "
                            "SELECT windlass.enqueue('beside'); COMMIT").splitlines()
    eventually(lambda: is_empty(url))
    assert task_of(caller, wrong) is None and all(task_of(caller, task) for task in good)
    broken = enqueue(url, "'task.group', '{\"" + "€" * 30 + "\": 1}'")
    beside = enqueue(url, "'beside'")
    eventually(lambda: is_empty(url) and task_of(caller, beside))
    assert task_of(caller, broken) is None
    assert sql(url, "WITH gone AS (DELETE FROM worker.inbox_refused RETURNING entry) SELECT count(*) FROM gone") == "2"


def what_is_there_already_is_not_doubled(worker, url):
    caller = Caller(worker)
    own = new_id()
    for _ in range(2):
        assert enqueue(url, f"'once', id => '{own}', run_at => '{FAR}'") == own
    eventually(lambda: task_of(caller, own) and is_empty(url))
    assert enqueue(url, f"'twice', id => '{own}'") == own
    other = enqueue(url, f"'keyed', idempotency_key => 'mine', run_at => '{FAR}'")
    again = enqueue(url, "'keyed', idempotency_key => 'mine'")
    eventually(lambda: is_empty(url))
    assert task_of(caller, own)["type"] == "once" and task_of(caller, other) and task_of(caller, again) is None
    assert sql(url, "SELECT count(*) FROM worker.inbox_refused") == "0"


def what_can_be_known_is_refused_in_the_callers_transaction(_, url):
    own = new_id()
    long = "repeat('x', 201)"
    for arguments, message in (
            ("NULL", "type: is empty"), ("''", "type: is empty"), (long, "type: is longer than 200 bytes"),
            ("'t', id => '00000000-0000-4000-8000-000000000000'", "id: is no UUIDv7"),
            ("'t', run_at => 'infinity'", "run_at: is not within the years 1970 and 9999"),
            ("'t', run_at => '1969-12-31'", "run_at: is not within the years 1970 and 9999"),
            ("'t', priority => 'urgent'", "priority: is none of low, normal and high"),
            ("'t', queue => ''", "queue: is empty"), (f"'t', queue => {long}", "queue: is longer than 200 bytes"),
            ("'t', max_attempts => 0", "max_attempts: is not within 1 and 1000"), ("'t', max_attempts => 1001", "max_attempts: is not within 1 and 1000"),
            ("'t', timeout => '0'", "timeout: is not within a second and 30 days"), ("'t', timeout => '31 days'", "timeout: is not within a second and 30 days"),
            ("'t', idempotency_key => ''", "idempotency_key: is empty"),
            ("'t', idempotency_key => repeat('x', 501)", "idempotency_key: is longer than 500 bytes"),
            (f"'t', depends_on => array_fill('{own}'::uuid, ARRAY[101])", "depends_on: are more than 100"),
            (f"'t', depends_on => ARRAY['{own}', NULL]::uuid[]", "depends_on: is no list of ids"),
            (f"'t', depends_on => ARRAY['{own}', '{own}']::uuid[]", "depends_on: names a task twice"),
            (f"'t', id => '{own}', depends_on => ARRAY['{own}']::uuid[]", "depends_on: names the task itself")):
        assert refusal(url, arguments) == f"ERROR:  windlass.enqueue: {message}", arguments
    for payload in ('"\\u0000"', '"\\ud800"', "1e999999"):
        assert refusal(url, f"'t', '{payload}'").startswith("ERROR:  "), payload
    assert is_empty(url) and sql(url, "SELECT count(*) FROM worker.inbox_refused") == "0"


def what_only_the_worker_can_refuse_is_kept_with_its_error(worker, url):
    caller = Caller(worker)
    deep, before = "[" * 129 + "]" * 129, worker.metric("windlass_worker_inbox_refused_total")
    deleted = caller.create_one(run_at_us=4_102_444_800_000_000)
    caller.post(f"/v1/tasks/{deleted}:cancel", {})
    assert caller.post("/v1/tasks:bulk", {"action": "delete", "tasks": [{"id": deleted}]}).json["done"] == 1
    bad = {
        enqueue(url, f"'bad', id => '{new_id(0)}'"): "id: is older than id-past allows",
        enqueue(url, f"'bad', '{deep}'"): "nested",
        enqueue(url, "'bad', json_build_object('x', repeat('x', 300000))"): "payload: is longer than 262144 bytes",
        enqueue(url, f"'bad', depends_on => '{{{new_id()}}}'"): "depends_on[0]: there is no such task",
        enqueue(url, f"'bad', id => '{deleted}'"): "the task with this id was deleted",
    }
    sql(url, "INSERT INTO worker.inbox VALUES (gen_random_uuid(), '7'), (gen_random_uuid(), '{}'), (gen_random_uuid(), "
             "'{\"id\": \"x\", \"type\": \"t\"}'), (gen_random_uuid(), '{\"unknown\": 1}')")  # no caller can, a hand may
    good = [enqueue(url, f"'good', run_at => '{FAR}'") for _ in range(3)]
    for task in good:
        assert eventually(lambda: task_of(caller, task))  # pylint: disable=cell-var-from-loop
    eventually(lambda: sql(url, "SELECT count(*) FROM worker.inbox_refused") == "9")
    assert is_empty(url)
    for task, message in bad.items():
        error = sql(url, f"SELECT error FROM worker.inbox_refused WHERE task->>'id' = '{task}'")
        assert message in error and task_of(caller, task) is None, (message, error)
    assert worker.metric("windlass_worker_inbox_refused_total") == before + 9
    assert "event=inbox.refused" in worker.log


def a_failed_dependency_fails_it_at_once(worker, url):
    caller = Caller(worker)
    first = caller.create_one(run_at_us=4_102_444_800_000_000)
    caller.post(f"/v1/tasks/{first}:cancel", {})
    second = enqueue(url, f"'second', depends_on => '{{{first}}}'")
    task = eventually(lambda: task_of(caller, second))
    assert task["state"] == "dead" and task["why"]["code"] == "DEPENDENCY" and first in task["error"], task


def only_those_may_call_it_who_were_given_it(_, url):
    sql(url, "CREATE ROLE app LOGIN; CREATE ROLE nobody_special LOGIN")
    as_role = lambda role: f"SET ROLE {role}; SELECT windlass.enqueue('by_role', run_at => '{FAR}')"  # noqa: E731
    grant = "GRANT USAGE ON SCHEMA windlass TO {0}; GRANT EXECUTE ON FUNCTION windlass.enqueue TO {0}"
    sql(url, grant.format("app"))
    sql(url, "GRANT USAGE ON SCHEMA windlass TO nobody_special")
    assert sql(url, as_role("app"))
    for query in (as_role("nobody_special"), "SET ROLE app; SELECT * FROM worker.inbox", "SET ROLE app; INSERT INTO worker.inbox VALUES (gen_random_uuid(), '{}')"):
        done = subprocess.run(["psql", "-XqAt", "-v", "ON_ERROR_STOP=1", "-c", query, url], text=True, capture_output=True, timeout=WAIT_S, check=False)
        assert done.returncode != 0 and "permission denied" in done.stderr, (query, done.stdout, done.stderr)
    hostile = "CREATE TEMP TABLE inbox (x int); SET search_path = pg_temp, public; CREATE FUNCTION pg_temp.lpad(text, int, text) " \
              "RETURNS text LANGUAGE sql AS $$ SELECT 'zz' $$; SELECT windlass.enqueue('hostile', run_at => '{}')".format(FAR)
    assert len(sql(url, hostile)) == 36


def many_come_through_in_order(worker, url):
    caller = Caller(worker)
    sql(url, f"SELECT count(windlass.enqueue('many', json_build_object('n', n), run_at => '{FAR}')) FROM generate_series(1, 3000) AS n")
    eventually(lambda: caller.counts().get(("many", "pending")) == 3000)
    order = sql(url, "SELECT payload->>'n' FROM worker.task t JOIN worker.task_type y ON y.id = t.type WHERE y.name = 'many' ORDER BY t.seq")
    assert [int(n) for n in order.splitlines()] == list(range(1, 3001))
    assert is_empty(url)


def large_ones_come_through_a_few_at_a_time(worker, url):
    caller = Caller(worker)
    sql(url, f"SELECT count(windlass.enqueue('large', to_json(repeat('x', 250000)), run_at => '{FAR}')) FROM generate_series(1, 60)")
    eventually(lambda: caller.counts().get(("large", "pending")) == 60)
    assert is_empty(url)


def a_killed_worker_loses_and_doubles_nothing(worker, _):
    url = worker.new_database()
    with Worker(url, WORKER_LEASE="1s"):
        pass  # the schema is there
    total = 0
    for _ in range(4):
        proxy = Proxy(url)
        with Worker(proxy.url, WORKER_LEASE="1s", BATCH_MAX="50") as worker:
            proxy.plan = ["pass", "cut", "pass", "lose"] + ["pass"] * 5 + ["fall"]
            sql(url, f"SELECT count(windlass.enqueue('killed', json_build_object('n', {total} + n), run_at => '{FAR}')) FROM generate_series(1, 700) AS n")
            total += 700
            eventually(lambda: "fall" in proxy.done)  # pylint: disable=cell-var-from-loop
            worker.process.send_signal(signal.SIGKILL)
            worker.process.wait()
        proxy.end()
        left, made = int(sql(url, "SELECT count(*) FROM worker.inbox")), int(sql(url, "SELECT count(*) FROM worker.task"))
        assert left + made == total and left > 0, (left, made, total)
    with Worker(url, WORKER_LEASE="1s") as worker:
        caller = Caller(worker)
        eventually(lambda: caller.counts().get(("killed", "pending")) == total)
        assert is_empty(url) and sql(url, "SELECT count(*) FROM worker.inbox_refused") == "0"
        numbers = sql(url, "SELECT payload->>'n' FROM worker.task")
        assert sorted(int(n) for n in numbers.splitlines()) == list(range(1, total + 1))


TESTS = [
    what_is_committed_becomes_a_task_and_what_is_rolled_back_does_not, every_argument_arrives,
    a_group_that_is_too_large_takes_no_room_from_others, what_is_there_already_is_not_doubled,
    what_can_be_known_is_refused_in_the_callers_transaction, what_only_the_worker_can_refuse_is_kept_with_its_error,
    a_failed_dependency_fails_it_at_once, only_those_may_call_it_who_were_given_it, many_come_through_in_order,
    large_ones_come_through_a_few_at_a_time,
    a_killed_worker_loses_and_doubles_nothing,
]

if __name__ == "__main__":
    run_with_worker(TESTS)
