#!/usr/bin/env python3
"""What a worker that takes over finds, and how soon. Usage: worker_standby_test.py PROGRAM"""

import os
import re
import signal
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../support"))
from gateway_rig import WAIT_S, Postgres, eventually, run_tests  # noqa: E402
from worker_rig import Busy, Caller, Executor, OpenTransaction, Proxy, Worker, new_id, put_in_log, sql  # noqa: E402

LEASE = {"WORKER_LEASE": "1s"}


def wait_checkpoint(url):
    """The tables hold all that is in the log."""
    eventually(lambda: sql(url, "SELECT ckpt_seq = (SELECT max(seq + n) FROM worker.change_log) "
                                "FROM worker.shard") == "t")


def one_that_was_cancelled_and_tried_again_between_two_ticks_is_kept(postgres):
    url = postgres.tell("database")
    with Worker(url, **LEASE) as worker:
        caller = Caller(worker)
        task = caller.create_one()
        wait_checkpoint(url)
        assert caller.post(f"/v1/tasks/{task}:cancel", {}).status == 200
        assert caller.post(f"/v1/tasks/{task}:retry", {}).status == 200
        wait_checkpoint(url)
        worker.stop(signal.SIGKILL)
    with Worker(url, **LEASE) as worker:
        assert worker.metric('windlass_worker_tasks{state="unfinished"}') == 1
        assert Caller(worker).task(task)["state"] == "ready"


class Everything(Busy):
    """A little of everything, until told to stop; what was acknowledged is noted."""

    def __init__(self, worker):
        self.created = []
        super().__init__(worker, self.create, self.create, self.execute, self.execute, self.touch)

    def create(self):
        caller, count = Caller(self.worker), 0
        while not self.is_over.is_set():
            count += 1
            tasks = [{"id": new_id(), "type": ("work", "more")[i % 2], "is_fresh": True,
                      "priority": ("low", "normal", "high")[i % 3]} for i in range(20)]
            tasks[3]["run_at_us"] = int((time.time() + 0.2) * 1e6)
            tasks[4]["run_at_us"] = int((time.time() + 3600) * 1e6)
            tasks[5]["depends_on"] = [tasks[0]["id"], tasks[1]["id"]]
            tasks[6]["idempotency_key"] = f"key-{count % 50}"
            tasks[7]["type"] = f"type-{count % 40}"
            answer = caller.create(*tasks)
            assert answer.status == 200, answer.text
            self.created += [r["task"]["id"] for r in answer.json["results"] if "task" in r]

    def execute(self):
        executor = Executor(self.worker, {"work": 50, "more": 50, "type-1": 3}, ttl_ms=60_000)
        acks = []
        while not self.is_over.is_set():
            leases = executor.lease(20, 100, acks)["leases"]
            acks = [{"task": lease["task"], "fence": lease["fence"], "retry_in_ms": 50 * (i % 3),
                     "outcome": ("complete", "complete", "fail", "release", "fatal")[i % 5]}
                    for i, lease in enumerate(leases) if i != 7]

    def touch(self):
        caller = Caller(self.worker)
        while not self.is_over.is_set():
            task = self.created[-1 - len(self.created) // 3]
            caller.post(f"/v1/tasks/{task}:cancel", {})
            caller.post(f"/v1/tasks/{task}:retry", {})
            time.sleep(0.005)


def said(worker, event):
    """What it says of its memory there: the next number, how many tasks, their sum."""
    found = worker.wait_for_log(rf"event=shard\.{event} epoch=\d+ next=(\d+) unfinished=(\d+) "
                                r"sum=(\w+)")
    return int(found.group(1)), int(found.group(2)), found.group(3)


def is_warm(worker):
    return "event=lead.warm" in worker.log


def a_memory_that_followed_the_log_is_one_that_was_loaded_and_its_leaders(postgres):
    url = postgres.tell("database")
    leader = Worker(url, **LEASE)
    for round_number in range(4):
        busy = Everything(leader)
        eventually(lambda: len(busy.created) > 500)
        time.sleep(0.3 * round_number)
        with Worker(url, wait=False, **LEASE) as standby:
            eventually(lambda: is_warm(standby))
            count = len(busy.created)
            eventually(lambda: len(busy.created) > count + 1000)
            if round_number % 2:
                busy.stop()
                leader.stop()
            else:
                leader.stop(signal.SIGKILL)
                busy.stop()
            warm = said(standby, "leads")
            standby.stop(signal.SIGKILL)
        if round_number % 2:
            left = said(leader, "left") if leader.process.poll() is None else \
                re.search(r"event=shard\.left .*next=(\d+) unfinished=(\d+) sum=(\w+)", leader.log)
            assert (int(left.group(1)) + 1, int(left.group(2)), left.group(3)) == warm, \
                (left.groups(), warm)
        leader.log_file.close()
        leader = Worker(url, **LEASE)
        cold = said(leader, "leads")
        assert not is_warm(leader) or warm
        assert cold == (warm[0] + 1, *warm[1:]), (round_number, warm, cold)
        ids = sql(url, "SELECT id FROM worker.task").splitlines()
        assert not set(busy.created) - set(ids)
    with leader:
        pass


def assert_one_at_a_time(url):
    """The log is dense, and nobody wrote to it after somebody else had taken over."""
    assert sql(url, """SELECT count(*) FROM (SELECT seq, n, epoch, lead(seq) OVER w AS next,
                       lead(epoch) OVER w AS later FROM worker.change_log WINDOW w AS (ORDER BY seq)) l
                       WHERE next <> seq + n OR later < epoch""") == "0"


def stored(url):
    return set(sql(url, "SELECT id FROM worker.task").splitlines())


def one_that_stops_in_the_middle_of_a_batch_does_not_hold_the_log(postgres):
    """Its backend waits for the rest of the batch, for ever, and holds the log's end."""
    url = postgres.tell("database")
    proxy = Proxy(url)
    with Worker(proxy.url, **LEASE) as first, Worker(url, wait=False, **LEASE) as second:
        eventually(lambda: is_warm(second))
        before = Caller(first).create_one()
        cut = {"id": new_id(), "type": "work", "is_fresh": True}
        # Somebody of the same role reads the log and writes into the inbox.
        bystander = OpenTransaction(url, "SELECT count(*) FROM worker.change_log",
                                    "SELECT windlass.enqueue('other', '{}')")
        proxy.plan = ["stall"]
        call = threading.Thread(target=lambda: answers.append(Caller(first).create(cut)))
        answers = []
        call.start()
        assert proxy.is_stalled.wait(WAIT_S)
        first.process.send_signal(signal.SIGSTOP)
        second.wait_leading()
        second.wait_for_log(r"event=lead\.writers_ended count=1")
        after = Caller(second).create_one()
        assert stored(url) == {before, after}
        first.process.send_signal(signal.SIGCONT)
        proxy.go_on.set()
        first.wait_for_log(r"event=shard\.stepped_down")
        call.join(WAIT_S)
        assert answers[0].status == 503, answers[0].text
        assert stored(url) == {before, after}
        assert_one_at_a_time(url)
        assert bystander.end()
    proxy.end()


def what_a_dead_leader_holds_of_its_own_row_is_taken_from_it(postgres):
    url = postgres.tell("database")
    with Worker(url, **LEASE) as first, Worker(url, wait=False, **LEASE) as second:
        eventually(lambda: is_warm(second))
        task = Caller(first).create_one()
        left = OpenTransaction(url, "UPDATE worker.shard SET is_leaving = is_leaving")
        first.stop(signal.SIGKILL)
        second.wait_leading()
        second.wait_for_log(r"event=lead\.writers_ended count=1")
        assert not left.end()
        assert Caller(second).task(task)["state"] == "ready"


def of_two_leaders_the_one_that_was_stopped_commits_nothing_more(postgres):
    for is_cut in (False, True):
        url = postgres.tell("database")
        proxy = Proxy(url)
        with Worker(proxy.url, **LEASE) as first, Worker(url, wait=False, **LEASE) as second:
            eventually(lambda: is_warm(second))
            busy = Everything(first)
            eventually(lambda: len(busy.created) > 500)
            first.process.send_signal(signal.SIGSTOP)
            second.wait_leading()
            there = stored(url)
            if is_cut:  # what it asks on its way up is asked on new connections
                proxy.cut_all()
            first.process.send_signal(signal.SIGCONT)
            first.wait_for_log(r"event=shard\.stepped_down")
            refused = Caller(first).create({"id": new_id(), "type": "work", "is_fresh": True})
            assert refused.status == 503 and refused.code == "UNAVAILABLE", refused.text
            busy.stop()
            assert stored(url) == there and not set(busy.created) - there
            assert_one_at_a_time(url)
            # It stands by now, and is as good as before.
            eventually(lambda: is_warm(first))
            task = Caller(second).create_one()
            second.stop(signal.SIGKILL)
            first.wait_leading()
            assert Caller(first).task(task)["state"] == "ready"
            assert_one_at_a_time(url)
        proxy.end()


def one_that_took_the_lease_and_lost_it_again_writes_nothing(postgres):
    """It was stopped, or PostgreSQL was, between the lease and its first row; another one leads by then."""
    url = postgres.tell("database")
    with Worker(url, **LEASE) as first:
        Caller(first).create_one()
    proxy = Proxy(url)
    proxy.withheld = b"lead_log_end"
    with Worker(proxy.url, wait=False, WORKER_LEASE="20s") as late:
        assert proxy.is_withheld.wait(WAIT_S)
        taken = int(sql(url, "SELECT epoch FROM worker.shard"))
        sql(url, f"UPDATE worker.shard SET epoch = {taken + 1}, leader = 'another', lease_until = now() + interval '1 hour'")
        put_in_log(url, 0, epoch=taken + 1)
        proxy.tell.set()
        late.wait_for_log(r"event=shard\.stepped_down")
        assert_one_at_a_time(url)
        assert sql(url, f"SELECT count(*) FROM worker.change_log WHERE epoch = {taken}") == "0"
    proxy.end()


def one_that_is_killed_is_followed_long_before_its_lease_is_over(postgres):
    url = postgres.tell("database")
    lease = {"WORKER_LEASE": "60s"}
    with Worker(url, **lease) as first, Worker(url, wait=False, **lease) as second:
        caller = Caller(first)
        # Its sessions tell how it is: neither asked nor renewed for a while, and yet alive.
        time.sleep(1)
        assert caller.get("/v1/feed").status == 200 and Caller(second).get("/v1/feed").status == 503
        sql(url, "UPDATE worker.shard SET lease_until = now() + interval '30 s'")
        time.sleep(1)
        assert caller.get("/v1/feed").status == 200 and Caller(second).get("/v1/feed").status == 503
        task = caller.create_one()
        first.stop(signal.SIGKILL)
        sql(url, "UPDATE worker.shard SET lease_until = now() + interval '30 s'")
        second.wait_leading()
        assert sql(url, "SELECT lease_until < now() + interval '61 s' FROM worker.shard") == "t"
        assert Caller(second).task(task)["state"] == "ready"


def who_leads_hands_over_without_a_pause_and_no_lease_is_lost(postgres):
    url = postgres.tell("database")
    lease = {"WORKER_LEASE": "60s"}
    with Worker(url, **lease) as first, Worker(url, wait=False, **lease) as second:
        executor = Executor(first, ttl_ms=5_000)
        caller, created, pauses = Caller(first), [], []
        kept = [caller.create_one() for _ in range(3)]
        leases = executor.leases(3)
        eventually(lambda: is_warm(second) and sql(
            url, "SELECT standby_until > now() FROM worker.shard") == "t")
        first.process.send_signal(signal.SIGTERM)
        last, workers = time.monotonic(), [first, second]

        def create():
            """One after the other, at whoever takes it."""
            nonlocal last
            task = new_id()
            try:
                answer = caller.create({"id": task, "type": "other"})
            except OSError:
                answer = None
            if answer is None or answer.status != 200:
                workers.reverse()
                caller.close()
                caller.worker = workers[0]
                return False
            created.append(task)
            pauses.append(time.monotonic() - last)
            last = time.monotonic()
            return caller.worker is second
        until = time.monotonic() + WAIT_S
        while not create():
            assert time.monotonic() < until
        assert first.process.wait(30) == 0
        print(f"# the longest pause between two creates: {max(pauses) * 1000:.0f} ms")
        assert len(created) > 1, "all went on while the standby was told"
        executor.close()
        executor.worker = second
        beat = executor.heartbeat(*({"task": le["task"], "fence": le["fence"]} for le in leases))
        assert beat.status == 200 and beat.json["lost"] == [], beat.text
        assert [executor.ack(le) for le in leases] == ["applied"] * 3
        assert not (set(created) | set(kept)) - stored(url)
        assert_one_at_a_time(url)


def how_far_a_task_is_outlives_who_leads(postgres):
    url = postgres.tell("database")
    said_of = {}

    def say(executor, lease, progress):
        said_of[lease["task"]] = progress
        beat = executor.heartbeat({"task": lease["task"], "fence": lease["fence"], "progress": progress})
        assert beat.status == 200 and beat.json["lost"] == [], beat.text
        eventually(lambda: told(executor.worker)[-1:] == [progress])

    def told(worker):
        return [e["task"]["progress"] for e in Caller(worker).whole_feed() if e["op"] == "note"]

    def known(worker):
        return {task: Caller(worker).task(task)["progress"] for task in said_of}

    with Worker(url, **LEASE) as first:
        executor = Executor(first, {"work": 3}, ttl_ms=60_000)
        for _ in range(3):
            Caller(first).create_one()
        leases = executor.leases(3)
        say(executor, leases[0], 0.25)
        wait_checkpoint(url)
        say(executor, leases[1], 0.5)  # the log alone may know of this one
        first.stop(signal.SIGKILL)
    with Worker(url, **LEASE) as second, Worker(url, wait=False, **LEASE) as third:
        assert known(second) == said_of
        eventually(lambda: is_warm(third))
        executor.close()
        executor.worker = second
        say(executor, leases[2], 0.75)
        second.stop(signal.SIGKILL)
        third.wait_leading()
        assert known(third) == said_of
        executor.close()
        executor.worker = third
        # The next attempt has its own, and what it says is told though the one before said the same.
        assert executor.ack(leases[0], "fail", retry_in_ms=0) == "applied"
        again = executor.one()
        assert again["task"] == leases[0]["task"] and known(third)[again["task"]] is None
        wait_checkpoint(url)
        assert told(third) == [0.25, 0.5, 0.75]
        executor.heartbeat({"task": again["task"], "fence": again["fence"], "progress": 0.25})
        eventually(lambda: told(third) == [0.25, 0.5, 0.75, 0.25])
        third.stop(signal.SIGKILL)
    with Worker(url, **LEASE) as last:
        assert known(last) == said_of


def one_that_missed_what_the_log_keeps_no_more_begins_anew(postgres):
    url = postgres.tell("database")
    with Worker(url, **LEASE) as first, Worker(url, wait=False, **LEASE) as second:
        eventually(lambda: is_warm(second))
        caller = Caller(first)
        second.process.send_signal(signal.SIGSTOP)
        tasks = [caller.create_one() for _ in range(10)]
        wait_checkpoint(url)
        sql(url, "DELETE FROM worker.change_log WHERE seq < (SELECT ckpt_seq FROM worker.shard) - 1")
        second.process.send_signal(signal.SIGCONT)
        second.wait_for_log("event=lead.not_followed")
        eventually(lambda: second.log.count("event=lead.warm") == 2)
        first.stop(signal.SIGKILL)
        second.wait_leading()
        assert {Caller(second).task(task)["state"] for task in tasks} == {"ready"}
        assert second.metric('windlass_worker_tasks{state="unfinished"}') == 10


def a_log_with_changes_of_a_newer_version_is_neither_led_nor_told(postgres):
    url = postgres.tell("database")
    with Worker(url, **LEASE) as worker:
        task = Caller(worker).create_one()
        wait_checkpoint(url)
    write = "UPDATE worker.change_log SET ops = '\\x{}000001' WHERE seq = {}"
    number = put_in_log(url, 0xff)
    written = "SELECT s.*, (SELECT max(l.seq + l.n) FROM worker.change_log AS l) FROM worker.shard AS s"
    before = sql(url, written)
    with Worker(url, wait=False, **LEASE) as worker:
        worker.wait_for_log(rf"event=lead\.load_failed again_ms=\d+ error=.*does not know the log's change number {number}\b")
        eventually(lambda: worker.log.count("event=lead.load_failed") > 1)
        said = Caller(worker).get("/readyz")
        assert said.status == 503 and re.search("cannot read the log: .*does not know", said.text), said.text
        assert Caller(worker).get("/v1/feed").status == 503
        assert sql(url, written) == before  # neither the lease nor an epoch: a newer worker takes over at once
        sql(url, write.format("00", number))
        worker.wait_leading()
        assert Caller(worker).task(task)["state"] == "ready"
        wait_checkpoint(url)
    sql(url, write.format("ff", number))
    with Worker(url, **LEASE) as worker:
        assert Caller(worker).feed("0:1").json["cursor"] == f"0:{number}"
        refused = Caller(worker).feed(f"0:{number}")
        assert refused.status == 410 and "does not know" in refused.detail, refused.text


def one_that_began_to_read_while_nobody_led_stands_by_all_the_same(postgres):
    url = postgres.tell("database")
    with Worker(url, **LEASE) as first:
        Caller(first).create_one()
    proxy = Proxy(url)
    proxy.withheld = b"load_live"
    with Worker(proxy.url, wait=False, **LEASE) as late:
        assert proxy.is_withheld.wait(WAIT_S)
        said = Caller(late).get("/readyz")
        assert said.status == 503 and "reading the log" in said.text, said.text
        with Worker(url, **LEASE) as first:
            proxy.tell.set()
            late.wait_for_log("event=lead.warm")
            assert Caller(late).get("/readyz").status == 200
            first.stop(signal.SIGKILL)
            late.wait_leading()
        assert late.log.count("event=lead.warm") == 1
    proxy.end()


def a_standby_that_cannot_read_the_log_reads_it_ever_more_seldom(postgres):
    """Each time all that there is is read, of a database that a newer leader works with."""
    url = postgres.tell("database")
    long = {"WORKER_LEASE": "60s"}
    with Worker(url, **long) as first:
        Caller(first).create_one()
        wait_checkpoint(url)
        put_in_log(url, 0xff)  # the leader writes nothing more
        with Worker(url, wait=False, **long) as second:
            second.wait_for_log(r"event=lead\.not_followed again_ms=\d{4,} error=.*does not know")


def what_a_drop_took_counts_however_much_else_its_row_tells(postgres):
    url = postgres.tell("database")
    with Worker(url, **LEASE) as worker:
        caller, executor = Caller(worker), Executor(worker)
        caller.create_one()
        assert executor.ack(executor.one()) == "applied"
        assert caller.counts()["work", "completed"] == 1
        wait_checkpoint(url)
    record, drop = 26, 14  # as in ops.h
    put_in_log(url, record, drop, extra="""concat(
        max(seq + n), ' {"detail":[', repeat('1,', 3000000), '1]}', E'\\n',
        max(seq + n) + 1, ' [{"type":"work","status":"completed","count":1}]', E'\\n')""")
    with Worker(url, **LEASE) as worker:
        assert Caller(worker).counts().get(("work", "completed"), 0) == 0


def a_job_that_is_due_while_the_lead_is_lost_fires_later(postgres):
    url = postgres.tell("database")
    proxy = Proxy(url)
    with Worker(proxy.url, **LEASE) as worker:
        for schedule in ("*/2 * * * * *", "1/2 * * * * *"):
            job = {"id": new_id(), "name": schedule, "schedule": schedule, "task_type": "nothing"}
            assert Caller(worker).post("/v1/jobs", {"job": job, "actor": "ada"}).status == 200
        proxy.plan = ["stall"]
        assert proxy.is_stalled.wait(WAIT_S)
        eventually(lambda: worker.metric("windlass_worker_intents_waiting") > 0)  # the other job is due
        sql(url, "UPDATE worker.shard SET epoch = epoch + 1, leader = 'another', lease_until = now() + interval '2 s'")
        worker.wait_for_log(r"event=shard\.stepped_down")
        proxy.go_on.set()
        worker.wait_leading()
        due = sql(url, "SELECT min(next_run) FROM worker.job")
        eventually(lambda: sql(url, "SELECT min(next_run) FROM worker.job") > due)
    proxy.end()


def who_gives_the_lease_back_waits_for_its_row(postgres):
    """For longer than other writes wait for a lock: whoever is to lead next waits as long as the lease lasts."""
    url = postgres.tell("database")
    gives_back = ("SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%leader_since = NULL%' AND "
                  "wait_event_type = 'Lock' AND now() - query_start > interval '1.5 s'")
    with Worker(url, WORKER_LEASE="60s") as worker:
        holder = OpenTransaction(url, "SELECT FROM worker.shard FOR UPDATE")
        worker.process.terminate()

        def is_waiting():
            assert worker.process.poll() is None, f"the worker ended: {worker.log}"
            return sql(url, gives_back) == "1"
        eventually(is_waiting)
        assert holder.end()
        worker.process.wait(WAIT_S)
        assert "event=shard.left" in worker.log
    assert sql(url, "SELECT leader IS NULL FROM worker.shard") == "t"


TESTS = [
    who_gives_the_lease_back_waits_for_its_row,
    one_that_took_the_lease_and_lost_it_again_writes_nothing,
    how_far_a_task_is_outlives_who_leads,
    one_that_missed_what_the_log_keeps_no_more_begins_anew,
    a_log_with_changes_of_a_newer_version_is_neither_led_nor_told,
    one_that_began_to_read_while_nobody_led_stands_by_all_the_same,
    a_standby_that_cannot_read_the_log_reads_it_ever_more_seldom,
    what_a_drop_took_counts_however_much_else_its_row_tells,
    one_that_stops_in_the_middle_of_a_batch_does_not_hold_the_log,
    what_a_dead_leader_holds_of_its_own_row_is_taken_from_it,
    of_two_leaders_the_one_that_was_stopped_commits_nothing_more,
    one_that_is_killed_is_followed_long_before_its_lease_is_over,
    who_leads_hands_over_without_a_pause_and_no_lease_is_lost,
    a_memory_that_followed_the_log_is_one_that_was_loaded_and_its_leaders,
    one_that_was_cancelled_and_tried_again_between_two_ticks_is_kept,
    a_job_that_is_due_while_the_lead_is_lost_fires_later,
]

if __name__ == "__main__":
    with Postgres() as server:
        run_tests(TESTS, server)
