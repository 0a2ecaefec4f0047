#!/usr/bin/env python3
"""What becomes of promises when connections, leaders and rows fail. Usage:
worker_faults_test.py PROGRAM"""

import itertools
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../support"))
from gateway_rig import WAIT_S, Postgres, at_once, eventually, run_tests  # noqa: E402
from shim import Shim  # noqa: E402
from worker_rig import Busy, Caller, Executor, Proxy, Worker, new_id, put_in_log, sql  # noqa: E402

LEASE = {"WORKER_LEASE": "1s"}


def assert_whole(url):
    """The log is dense, and says exactly what the tables say."""
    assert sql(url, """SELECT count(*) FROM (SELECT seq, n, lead(seq) OVER (ORDER BY seq) AS next
                       FROM worker.change_log) l WHERE next <> seq + n""") == "0"
    assert sql(url, "SELECT count(*) FROM worker.task_done d LEFT JOIN worker.task t USING (id) "
                    "WHERE t.id IS NULL") == "0"


def recount(url):
    """{(type, status): count}, counted."""
    rows = sql(url, """SELECT y.name, CASE WHEN d.state IS NULL THEN 'open' WHEN d.state = 5
                       THEN 'completed' ELSE 'failed' END AS s, count(*)
                       FROM worker.task t JOIN worker.task_type y ON y.id = t.type
                       LEFT JOIN worker.task_done d ON d.id = t.id GROUP BY 1, 2""")
    return {tuple(r.split("|")[:2]): int(r.split("|")[2]) for r in rows.splitlines()}


def folded(counts):
    """The worker's own counters in the same form."""
    out = {}
    for (kind, status), count in counts.items():
        key = (kind, status if status in ("completed", "failed") else "open")
        out[key] = out.get(key, 0) + count
    return {key: count for key, count in out.items() if count}


def outcome(worker, name):
    return worker.metric(f'windlass_worker_doubts_total{{outcome="{name}"}}')


def a_commit_whose_answer_is_lost_is_found_committed(postgres):
    url = postgres.tell("database")
    proxy = Proxy(url)
    with Worker(proxy.url) as worker:
        caller = Caller(worker)
        proxy.plan = ["lose"]
        task = caller.create_one()
        assert proxy.done == ["lose"], proxy.done
        assert outcome(worker, "committed") == 1
        assert caller.task(task)["state"] == "ready"
        assert [e["task"]["id"] for e in caller.whole_feed() if e["op"] == "add"] == [task]
        caller.create_one()
        assert_whole(url)
    proxy.end()


def a_commit_that_never_was_is_found_out_and_made_again(postgres):
    url = postgres.tell("database")
    proxy = Proxy(url)
    with Worker(proxy.url) as worker:
        caller = Caller(worker)
        proxy.plan = ["cut"]
        task = caller.create_one()
        assert proxy.done == ["cut"] and outcome(worker, "never") == 1
        assert caller.task(task)["state"] == "ready"
        assert sql(url, f"SELECT count(*) FROM worker.task WHERE id = '{task}'") == "1"
        assert caller.whole_feed()[1]["op"] == "none"  # the number that settled it
        assert_whole(url)
    proxy.end()


def the_row_that_settles_a_doubt_may_be_in_doubt_itself(postgres):
    for second in ("lose", "cut"):
        url = postgres.tell("database")
        proxy = Proxy(url)
        with Worker(proxy.url) as worker:
            caller = Caller(worker)
            proxy.plan = ["cut", second, "pass"]
            task = caller.create_one()
            assert proxy.done[:2] == ["cut", second], proxy.done
            assert outcome(worker, "never") == 1 and outcome(worker, "committed") == 0
            assert sql(url, f"SELECT count(*) FROM worker.task WHERE id = '{task}'") == "1"
            assert len(caller.whole_feed()) == int(
                sql(url, "SELECT sum(n) FROM worker.change_log"))
            assert_whole(url)
        proxy.end()


def an_acknowledgement_in_a_batch_that_never_was_is_not_told_applied(postgres):
    """The leader loses its database for longer than its lease, and then refuses what it cannot commit."""
    url = postgres.tell("database")
    proxy = Proxy(url)
    with Worker(proxy.url, **LEASE) as worker:
        caller, executor = Caller(worker), Executor(worker)
        task = caller.create_one()
        lease = executor.one()
        proxy.plan = ["fall"]
        acks = {**executor.who, "results": [{"task": task, "fence": lease["fence"], "outcome": "complete"}]}

        def run(i):
            if i == 0:
                return executor.post("/v1/acks", acks)
            with Worker(url, **LEASE) as other:  # it takes over, and overtakes the batch
                Caller(other).create_one()
                assert Caller(other).task(task)["state"] == "running"
                proxy.is_closed = False
                eventually(lambda: outcome(worker, "overtaken") + outcome(worker, "never") > 0)
            return None
        answer, _ = at_once(2, run)
        assert answer.status == 503, answer.text
        assert sql(url, f"SELECT count(*) FROM worker.task_done WHERE id = '{task}'") == "0"


def a_commit_in_doubt_that_a_new_leader_overtook_is_refused(postgres):
    url = postgres.tell("database")
    proxy = Proxy(url)
    with Worker(proxy.url, **LEASE) as worker:
        caller = Caller(worker)
        proxy.plan = ["fall"]  # it cannot come back to ask
        task = new_id()

        def run(i):
            if i == 0:
                return caller.create({"id": task, "type": "work", "is_fresh": True})
            eventually(lambda: proxy.done == ["fall"])
            sql(url, "UPDATE worker.shard SET epoch = epoch + 1, leader = 'another', "
                     "lease_until = now() + interval '2 s'")
            put_in_log(url, 0, epoch=2)
            proxy.is_closed = False
            return None
        answer = at_once(2, run)[0]
        assert answer.status == 503 and answer.code == "UNAVAILABLE", answer.text
        assert outcome(worker, "overtaken") == 1
        assert sql(url, f"SELECT count(*) FROM worker.task WHERE id = '{task}'") == "0"
        worker.wait_leading()  # the other one is silent
        assert caller.create({"id": task, "type": "work"}).status == 200
        assert_whole(url)
    proxy.end()


def of_two_that_write_the_second_steps_down(postgres):
    url = postgres.tell("database")
    with Worker(url, **LEASE) as worker:
        caller = Caller(worker)
        caller.create_one()
        # Another leader has written at the log's end: the lease says otherwise, and does not count.
        put_in_log(url, 0, epoch=9)
        refused = caller.create({"id": (task := new_id()), "type": "work", "is_fresh": True})
        assert refused.status == 503, refused.text
        assert worker.metric("windlass_worker_step_downs_total") == 1
        worker.wait_leading()
        assert caller.create({"id": task, "type": "work"}).status == 200
        assert_whole(url)


def a_standby_waits_and_takes_over_from_one_that_was_killed(postgres):
    url = postgres.tell("database")
    with Worker(url, **LEASE) as first, Worker(url, wait=False, **LEASE) as second:
        caller, other = Caller(first), Caller(second)
        eventually(lambda: other.get("/readyz").status == 200)
        task = caller.create_one()
        assert other.get("/v1/feed").status == 503
        first.process.send_signal(signal.SIGSTOP)  # it holds its connections, and is silent
        second.wait_leading()
        assert other.task(task)["state"] == "ready"
        other.create_one()
        first.process.send_signal(signal.SIGCONT)
        assert caller.create({"id": new_id(), "type": "work", "is_fresh": True}).status == 503
        first.stop(signal.SIGKILL)
        other.create_one()
        assert_whole(url)


def one_that_is_asked_to_stop_gives_its_lease_back(postgres):
    url = postgres.tell("database")
    with Worker(url, WORKER_LEASE="60s") as first, Worker(url, wait=False, WORKER_LEASE="60s") as second:
        task = Caller(first).create_one()
        assert first.stop() == 0
        assert sql(url, "SELECT leader IS NULL OR leader LIKE '%' FROM worker.shard") == "t"
        second.wait_leading()  # far sooner than the lease
        assert Caller(second).task(task)["state"] == "ready"


def one_bad_row_of_many_is_refused_alone(postgres):
    url = postgres.tell("database")
    with Worker(url) as worker:
        caller, executor = Caller(worker), Executor(worker)
        done = caller.create_one()
        executor.ack(executor.one())
        tasks = [{"id": new_id(), "type": "work", "is_fresh": True} for _ in range(500)]
        tasks[321]["id"] = done  # said to be fresh, and is not
        results = caller.create(*tasks).json["results"]
        assert [i for i, r in enumerate(results) if "task" not in r] == [321]
        assert results[321]["error"]["code"] == "CONFLICT", results[321]
        assert sql(url, "SELECT count(*) FROM worker.task") == "500"
        assert worker.metric("windlass_worker_changes_refused_total") == 1
        # The partition of an id's day is missing.
        sql(url, f"SELECT worker.day_drop(({time.time() // 86400} - 3)::int4)")
        tasks = [{"id": new_id(), "type": "work", "is_fresh": True} for _ in range(100)]
        tasks[7]["id"] = new_id(time.time() - 3 * 86400)
        results = caller.create(*tasks).json["results"]
        assert [i for i, r in enumerate(results) if "task" not in r] == [7]
        assert results[7]["error"]["code"] == "BAD_USER_INPUT", results[7]
        assert folded(caller.counts()) == recount(url)
        assert_whole(url)


# A result that no database takes: its state is the result.
REFUSE_RESULT = """CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN RAISE 'not so' USING errcode = NEW.result #>> '{}'; END $$;
    CREATE TRIGGER refuse BEFORE INSERT ON worker.task_done FOR EACH ROW WHEN (NEW.result IS NOT NULL)
    EXECUTE FUNCTION refuse()"""
REFUSALS = {"22000": "a value does not fit its type", "23505": "it is stored already", "P0001": "the database refused it"}


def an_acknowledgement_that_was_refused_is_not_told_stale_beside_leases(postgres):
    """The call that carries it also leases: it is refused as a whole, and its leases return."""
    url = postgres.tell("database")
    with Worker(url) as worker:
        caller, executor = Caller(worker), Executor(worker)
        sql(url, REFUSE_RESULT)
        for state, why in REFUSALS.items():
            first, second, third = [caller.create_one() for _ in range(3)]
            good, bad = executor.leases(2)
            acks = [{"task": good["task"], "fence": good["fence"], "outcome": "complete"},
                    {"task": bad["task"], "fence": bad["fence"], "outcome": "complete", "result": state}]
            answer = executor.post("/v1/leases", {**executor.who, "max": 1, "wait_ms": 0, "acks": acks})
            assert answer.status == 400 and answer.json["code"] == "BAD_USER_INPUT", answer.text
            assert answer.json["detail"] == f"acks[1]: {why}", answer.text
            assert caller.task(second)["state"] == "running"
            waiting = eventually(lambda: caller.task(third)["state"] == "ready" and caller.task(third))
            assert waiting["attempt"] == 0, waiting
            again = executor.lease(1, 0, [acks[0], {**acks[1], "outcome": "fatal", "result": None, "error": "refused"}])
            assert [ack["outcome"] for ack in again["acks"]] == ["duplicate", "applied"], again
            assert [lease["task"] for lease in again["leases"]] == [third], again
            assert caller.task(first)["state"] == "succeeded"
            executor.ack(again["leases"][0])
        assert_whole(url)


class Load(Busy):
    """Producers and executors that go on until told to stop; what was acknowledged is noted."""

    def __init__(self, worker):
        self.created, self.completed = [], []
        super().__init__(worker, *[self.produce] * 4, *[self.execute] * 3)

    def produce(self):
        caller = Caller(self.worker)
        while not self.is_over.is_set():
            tasks = [{"id": new_id(), "type": "load", "is_fresh": True} for _ in range(20)]
            answer = caller.create(*tasks)
            if answer.status != 200:
                raise AssertionError(answer.text)
            self.created += [r["task"]["id"] for r in answer.json["results"] if "task" in r]

    def execute(self):
        executor = Executor(self.worker, {"load": 50}, ttl_ms=5000)
        acks = []
        while not self.is_over.is_set():
            answer = executor.lease(20, 100, acks)
            self.completed += [a["task"] for a in answer["acks"] if a["outcome"] == "applied"]
            acks = [{"task": lease["task"], "fence": lease["fence"],
                     "outcome": "fail" if i % 10 == 0 else "complete", "retry_in_ms": 50}
                    for i, lease in enumerate(answer["leases"])]


def a_killed_leader_is_replayed_exactly(postgres):
    url = postgres.tell("database")
    created = []
    for round_number in range(3):
        with Worker(url, **LEASE) as worker:
            caller = Caller(worker)
            assert folded(caller.counts()) == recount(url), round_number
            load = Load(worker)
            time.sleep(2.5)  # two ticks, and a tail of the log behind them
            worker.process.send_signal(signal.SIGKILL)
            load.stop()
            created += load.created
            assert load.created
    with Worker(url, **LEASE) as worker:
        caller = Caller(worker)
        assert folded(caller.counts()) == recount(url)
        assert_whole(url)
        ids = sql(url, "SELECT id FROM worker.task").splitlines()
        assert not set(created) - set(ids)
        unfinished = int(sql(url, "SELECT count(*) FROM worker.task t WHERE NOT EXISTS "
                                  "(SELECT FROM worker.task_done d WHERE d.id = t.id)"))
        assert worker.metric('windlass_worker_tasks{state="unfinished"}') == unfinished
        # What was leased returns when its sessions have been silent, and all can be done.
        executor = Executor(worker, {"load": 500})

        def drain():
            while leases := executor.leases(500):
                executor.lease(0, 0, [{"task": lease["task"], "fence": lease["fence"],
                                       "outcome": "complete"} for lease in leases])
            return folded(caller.counts()).get(("load", "open"), 0) == 0
        eventually(drain)
        assert folded(caller.counts()) == recount(url)


def blocked_tasks_are_blocked_after_a_restart(postgres):
    url = postgres.tell("database")
    for pause_s in (0, 2.5):  # out of the log's tail, and out of the checkpoint
        with Worker(url, **LEASE) as worker:
            caller = Caller(worker)
            first = caller.create_one(type="first")
            done, blocked = (caller.create_one(type="second", depends_on=[first]) for _ in range(2))
            caller.post(f"/v1/tasks/{done}:cancel", {})
            time.sleep(pause_s)
            worker.process.send_signal(signal.SIGKILL)
            worker.process.wait()
        with Worker(url, **LEASE) as worker:
            caller, executor = Caller(worker), Executor(worker, {"first": 1, "second": 1})
            assert caller.task(blocked)["state"] == "blocked"
            lease = executor.one()
            assert lease["task"] == first
            executor.ack(lease)
            lease = executor.one()
            assert lease["task"] == blocked
            executor.ack(lease)


HELD_S = 120  # what an analyst's query takes; ticks, vacuum and checkpoints go by meanwhile


def a_snapshot_that_somebody_holds_open_stops_nothing(postgres):
    url = postgres.tell("database")
    with Worker(url, WORKER_LEASE="10s") as worker:  # in two minutes a busy machine may well stop for one
        caller = Caller(worker)
        caller.create_one(type="load")
        held = subprocess.Popen(["psql", "-Xq", url], stdin=subprocess.PIPE, text=True,
                                stdout=subprocess.DEVNULL)
        held.stdin.write("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT * FROM worker.task;\n")
        held.stdin.flush()
        until = time.monotonic() + HELD_S
        load = Load(worker)
        eventually(lambda: len(load.completed) > 3000)
        load.stop()
        while time.monotonic() < until:
            caller.create_one(type="trickle")
            time.sleep(0.5)
        load = Load(worker)
        eventually(lambda: len(load.completed) > 1000)
        load.stop()
        held.stdin.close()
        held.wait(30)
        assert folded(caller.counts()) == recount(url)
        assert_whole(url)
        dead = sql(url, "SELECT sum(n_dead_tup) FROM pg_stat_user_tables WHERE schemaname = "
                        "'worker' AND relname ~ '^(task|task_done|change_log)(_[0-9]+)?$'")
        assert dead in ("0", ""), dead


def nothing_acknowledged_is_lost_when_connections_break_all_the_time(postgres):
    url = postgres.tell("database")
    proxy = Proxy(url)
    with Worker(proxy.url, **LEASE) as worker:
        caller, load = Caller(worker), Load(worker)
        rounds = itertools.count()

        def break_them():
            i = next(rounds)
            proxy.plan = [("lose", "cut")[i % 2]] + (["cut"] if i % 5 == 0 else [])
            time.sleep(0.1)
            if i % 8 == 0:
                proxy.cut_all()
            return i >= 40 and load.created and outcome(worker, "committed") + outcome(worker, "never") > 5
        eventually(break_them)
        load.stop()
        proxy.plan = []
        worker.wait_leading()
        ids = sql(url, "SELECT id FROM worker.task").splitlines()
        assert not set(load.created) - set(ids)
        done = sql(url, "SELECT id FROM worker.task_done").splitlines()
        assert len(done) == len(set(done))
        assert folded(caller.counts()) == recount(url)
        assert_whole(url)
    proxy.end()


def while_the_database_is_away_nothing_is_promised(postgres):
    url = postgres.tell("database")
    with Worker(url, **LEASE) as worker:
        caller = Caller(worker)
        task = caller.create_one()
        postgres.tell("kill")
        refused = eventually(lambda: (a := caller.get("/v1/feed")).status == 503 and a)
        assert refused.code == "UNAVAILABLE", refused.text
        postgres.tell("launch")
        postgres.tell("wait")
        worker.wait_leading()
        assert caller.task(task)["state"] == "ready"
        caller.create_one()
        assert_whole(url)


def it_works_as_a_role_that_owns_nothing_and_without_prepared_statements(postgres):
    url = postgres.tell("database")
    with Worker(url):
        pass  # makes the tables, as their owner
    sql(url, "CREATE ROLE windlass_worker LOGIN")
    with Worker(url):
        pass  # gives the role its rights
    with Worker(url, WORKER_DATABASE_URL=url + "&user=windlass_worker", ENV="production",
                DB_PREPARE="off") as worker:
        caller, executor = Caller(worker), Executor(worker)
        task = caller.create_one()
        assert executor.ack(executor.one()) == "applied"
        assert caller.task(task)["state"] == "succeeded"
        eventually(lambda: is_checkpointed(url))
        eventually(lambda: worker.metric("windlass_worker_leading") == 1)
        assert "level=error" not in worker.log and "retain.failed" not in worker.log, worker.log
    sql(url, "DROP OWNED BY windlass_worker; DROP ROLE windlass_worker")


def what_a_leader_could_neither_commit_nor_renew_is_refused_and_was_not_done(postgres):
    """Others may lead by now: whoever asked goes to them at once, and need not be in doubt."""
    url = postgres.tell("database")
    with Worker(url, **LEASE) as worker:
        caller, task = Caller(worker), new_id()
        caller.create_one()
        with subprocess.Popen(["psql", "-XqAt", url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
            holder.stdin.write("BEGIN; LOCK TABLE worker.shard, worker.change_log IN SHARE MODE; SELECT 'held';\n")
            holder.stdin.flush()
            assert holder.stdout.readline().strip() == "held"
            answer = caller.create({"id": task, "type": "work"})
            assert answer.status == 503 and answer.code == "UNAVAILABLE", answer.text
            holder.stdin.close()
        eventually(lambda: caller.get("/v1/feed").status == 200)
        eventually(lambda: caller.get(f"/v1/tasks/{task}").status == 404)  # it may lead no more, and again
        assert sql(url, f"SELECT count(*) FROM worker.task WHERE id = '{task}'") == "0"


def an_acknowledgement_that_nobody_could_look_up_is_not_told_stale(postgres):
    """It was applied before; who led when it came again leads no more when the tables have told so."""
    url = postgres.tell("database")
    proxy = Proxy(url)
    with Worker(proxy.url, WORKER_LEASE="20s") as worker, ThreadPoolExecutor() as pool:
        caller, executor = Caller(worker), Executor(worker)
        caller.create_one()
        lease = executor.one()
        assert executor.ack(lease) == "applied"
        proxy.withheld = b"read_acks"
        again = pool.submit(executor.post, "/v1/acks", {**executor.who, "results": [
            {"task": lease["task"], "fence": lease["fence"], "outcome": "complete"}]})
        assert proxy.is_withheld.wait(WAIT_S)
        put_in_log(url, 0, epoch=9)  # somebody else leads
        assert caller.create({"id": new_id(), "type": "work", "is_fresh": True}).status == 503
        proxy.tell.set()
        answer = again.result()
        assert answer.status == 503, answer.text
    proxy.end()


def what_postgresql_showed_and_lost_in_its_crash_is_not_built_on(_):
    """A commit that does not wait for the disk is seen at once, and lost when PostgreSQL is killed before it was written.
    The checkpoint that a leader or a standby has seen must not be one of these."""
    shim = Shim()
    with Postgres("-c fsync=on", more=shim.environment) as postgres:
        url = postgres.url
        with Worker(url, **LEASE) as worker:
            caller, executor = Caller(worker), Executor(worker)
            first = caller.create_one()
            lease = executor.one()
            eventually(lambda: is_checkpointed(url))
            assert executor.ack(lease) == "applied"
            shim.stall(True)
            until = time.monotonic() + 3  # some ticks
            while time.monotonic() < until and not is_checkpointed(url):
                time.sleep(0.05)
            postgres.tell("kill")
            shim.stall(False)
            postgres.tell("launch")
            postgres.tell("wait")
            eventually(lambda: caller.get("/v1/feed").status == 200)
            second = caller.create_one()
            eventually(lambda: is_checkpointed(url))
            worker.stop(signal.SIGKILL)
        with Worker(url, **LEASE) as worker:
            caller = Caller(worker)
            states = [caller.task(task)["state"] for task in (first, second)]
            assert states == ["succeeded", "ready"], states
            assert worker.metric('windlass_worker_tasks{state="unfinished"}') == 1
    shim.end()


def a_read_that_is_never_answered_holds_up_none_that_comes_later(postgres):
    """There is one connection for reads."""
    url = postgres.tell("database")
    with Worker(url) as worker:
        look = lambda: Caller(worker).create({"id": new_id(), "type": "work"})  # not fresh: whether it is there is read
        assert "task" in look().json["results"][0]
        reader = int(eventually(lambda: sql(url, "SELECT pid FROM pg_stat_activity WHERE application_name = 'windlass worker'"
                                                 " AND datname = current_database() AND query LIKE '%FROM worker.inbox%'")))
        os.kill(reader, signal.SIGSTOP)
        try:
            assert look().status in (503, 504)
            answer = eventually(lambda: (a := look()).status == 200 and a)
            assert "task" in answer.json["results"][0], answer.text
        finally:
            os.kill(reader, signal.SIGCONT)


def is_checkpointed(url):
    """The tables hold all that is in the log."""
    return sql(url, "SELECT ckpt_seq = (SELECT max(seq + n) FROM worker.change_log) FROM worker.shard") == "t"


TESTS = [
    a_commit_whose_answer_is_lost_is_found_committed,
    a_commit_that_never_was_is_found_out_and_made_again,
    the_row_that_settles_a_doubt_may_be_in_doubt_itself,
    an_acknowledgement_in_a_batch_that_never_was_is_not_told_applied,
    a_commit_in_doubt_that_a_new_leader_overtook_is_refused,
    of_two_that_write_the_second_steps_down,
    an_acknowledgement_that_nobody_could_look_up_is_not_told_stale,
    a_standby_waits_and_takes_over_from_one_that_was_killed,
    one_that_is_asked_to_stop_gives_its_lease_back,
    one_bad_row_of_many_is_refused_alone,
    an_acknowledgement_that_was_refused_is_not_told_stale_beside_leases,
    a_killed_leader_is_replayed_exactly,
    blocked_tasks_are_blocked_after_a_restart,
    a_snapshot_that_somebody_holds_open_stops_nothing,
    nothing_acknowledged_is_lost_when_connections_break_all_the_time,
    while_the_database_is_away_nothing_is_promised,
    what_postgresql_showed_and_lost_in_its_crash_is_not_built_on,
    a_read_that_is_never_answered_holds_up_none_that_comes_later,
    what_a_leader_could_neither_commit_nor_renew_is_refused_and_was_not_done,
    it_works_as_a_role_that_owns_nothing_and_without_prepared_statements,
]

if __name__ == "__main__":
    with Postgres() as server:
        run_tests(TESTS, server)
