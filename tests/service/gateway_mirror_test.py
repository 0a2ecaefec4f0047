#!/usr/bin/env python3
"""The mirror: the gateway's tables follow a worker that the test scripts.
Usage: gateway_mirror_test.py PROGRAM"""

import itertools
import json
import os
import signal
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../support"))
import recount  # noqa: E402
from fake_worker import STATUS, FakeWorker, now_us  # noqa: E402
from gateway_rig import Gateway, Postgres, eventually, run_tests  # noqa: E402


def sql(url, text):
    """The rows as lists of text; null is None."""
    done = subprocess.run(["psql", "-XqAt", "-F", "\x1f", "-P", "null=\x02", "-v", "ON_ERROR_STOP=1", "-c", text, url],
                          capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return [[None if cell == "\x02" else cell for cell in line.split("\x1f")] for line in done.stdout.split("\n")[:-1]]


class World:
    """One database, one scripted worker, one gateway."""

    def __init__(self, postgres, **settings):
        self.url = postgres.tell("database")
        self.worker = FakeWorker().__enter__()
        self.settings = {"WORKER_URL": self.worker.url, **settings}
        self.gateway = None

    def start(self, **settings):
        return Gateway(self.url, **{**self.settings, **settings})

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.worker.__exit__()

    def cursor(self):
        rows = sql(self.url, "SELECT cursor FROM mirror")
        return int(rows[0][0].split(":")[1]) if rows and rows[0][0] else -1

    def following(self):
        """The first snapshot, which has no events, is over."""
        eventually(lambda: self.cursor() >= 0)

    def caught_up(self):
        eventually(lambda: self.cursor() == self.worker.head)

    def stored(self):
        """id: what the table holds, as the worker would tell it."""
        rows = sql(self.url, "SELECT id, to_jsonb(t) FROM tasks t WHERE accepted")
        return {row[0]: json.loads(row[1]) for row in rows}

    def check_equal(self):
        """Every task and job of the worker, and none else, in every column; and the counters."""
        stored = self.stored()
        assert stored.keys() == self.worker.tasks.keys(), (len(stored), len(self.worker.tasks))
        for task_id, task in self.worker.tasks.items():
            check_task(stored[task_id], task)
        jobs = {row[0]: row for row in sql(self.url, "SELECT id, name, status, version FROM jobs WHERE accepted")}
        assert jobs.keys() == self.worker.jobs.keys(), (jobs, self.worker.jobs.keys())
        for job_id, job in self.worker.jobs.items():
            assert jobs[job_id][1:] == [job["name"], job["status"], job["version"]], (jobs[job_id], job)
        counts = {(c["type"], c["status"]): c["count"] for c in self.worker.counts()}
        kept = {(r[0], r[1]): int(r[2]) for r in
                sql(self.url, "SELECT type, status, count FROM task_counts WHERE count <> 0")}
        assert kept == counts, (kept, counts)
        check_error_groups(self.url)


def check_error_groups(url):
    for wrong in recount.WRONG:
        rows = sql(url, wrong)
        assert not rows, (wrong, rows[:3])


SAME = {"type": "type", "state": "state", "priority": "priority", "queue": "queue", "payload": "payload",
        "attempt": "attempt", "max_attempts": "max_attempts", "timeout_seconds": "timeout_s", "result": "result",
        "error": "error", "progress": "progress", "idempotency_key": "idempotency_key", "job_id": "job_id",
        "created_by": "created_by", "why": "why"}
TIMES = {"run_at": "run_at_us", "created_at": "created_at_us", "started_at": "started_at_us",
         "finished_at": "finished_at_us", "updated_at": "updated_at_us"}


def time_us(text):
    """Of PostgreSQL's JSON: 2026-11-23T08:30:00.25+00:00."""
    if text is None:
        return None
    import datetime  # pylint: disable=import-outside-toplevel
    then = datetime.datetime.fromisoformat(text)
    delta = then - datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
    return (delta.days * 86400 + delta.seconds) * 1_000_000 + delta.microseconds


def check_task(row, task):
    for column, name in SAME.items():
        assert row[column] == task[name], (column, row[column], task[name])
    for column, name in TIMES.items():
        assert time_us(row[column]) == task[name], (column, row[column], task[name])
    assert row["status"] == STATUS[task["state"]], row
    assert str(row["version"]) == task["version"], (row["version"], task["version"])


def live_a_little(worker, count=20):
    """Tasks in every state, and two jobs."""
    made = [worker.add(("email", "report")[i % 2], payload={"n": i, "text": "naïve \"quoted\" \\ {a,b}"},
                       priority=("low", "normal", "high")[i % 3], idempotency_key=f"key-{i}" if i % 5 == 0 else None)
            for i in range(count)]
    for i, task in enumerate(made):
        if i % 10 == 9:
            continue
        worker.start(task, now_us() + i * 1000)
        if i % 4 == 0:
            worker.finish(task, result={"sum": i, "list": [1, None, "x"]}, at_us=now_us() + i * 2000)
        elif i % 4 == 1:
            worker.finish(task, "dead", error=f"cannot: {i}", why={"code": "QUARANTINED", "text": "thrice"})
        elif i % 4 == 2:
            worker.wait(task, "no luck")
            if i % 8 == 2:
                worker.start(task)
    worker.note(made[3], progress=0.5)
    worker.reopen(made[1])
    worker.put_nothing(3)
    job = worker.put_job(name="nightly")
    worker.put_job(id=job, status="paused")
    return made


# ── the first run ──

def a_first_run_takes_the_snapshot_and_then_follows(postgres):
    with World(postgres) as world:
        live_a_little(world.worker, 30)
        world.worker.page_max = 7
        with world.start():
            world.caught_up()
            world.check_equal()
            assert world.worker.pages >= 5
            live_a_little(world.worker)
            world.caught_up()
            world.check_equal()
            pages = world.worker.pages
            dropped = [i for i, t in world.worker.tasks.items() if t["state"] == "succeeded"][:2]
            world.worker.drop(*dropped)
            gone = world.worker.put_job(name="gone")
            world.worker.drop_job(gone)
            first = min(world.worker.tasks)
            world.worker.drop_range(first, first[:-1] + "\x66")
            world.caught_up()
            world.check_equal()
            assert world.worker.pages == pages


# ── figures ──

def minute_of(at_us):
    return at_us // 60_000_000 * 60


def check_rollups(world, events):
    """The roll-ups of all spans, of each type and of all together, against a recount of the events."""
    expected, durations = {}, {}
    for event in events:
        task = event.get("task")
        column = {"add": "created", "start": "started"}.get(event["op"])
        if event["op"] == "finish":
            column = "completed" if task["state"] == "succeeded" else "failed"
        if column is None:
            continue
        took = None
        if column == "started":
            took = ("wait", task["started_at_us"] - task["run_at_us"])
        elif column != "created" and task["started_at_us"] is not None:
            took = ("run", task["finished_at_us"] - task["started_at_us"])
        for span, kind in itertools.product((60, 300, 3600, 86400, 864000), (task["type"], "")):
            key = (span, event["at_us"] // (span * 1_000_000) * span, kind)
            row = expected.setdefault(key, {"created": 0, "completed": 0, "failed": 0, "started": 0})
            row[column] += 1
            if took:
                durations.setdefault((key, took[0]), []).append(took[1])
    rows = sql(world.url, "SELECT span_s, extract(epoch FROM at)::int8, type, created, completed, failed, "
                          "(SELECT coalesce(sum(x), 0) FROM unnest(wait::int8[]) x), (SELECT coalesce(sum(x), 0) FROM unnest(run::int8[]) x), "
                          "wait_max, run_max FROM task_rollups WHERE NOT is_gap")
    kept = {(int(r[0]), int(r[1]), r[2]): r[3:] for r in rows}
    assert kept.keys() == expected.keys(), (sorted(kept)[:5], sorted(expected)[:5])
    for key, want in expected.items():
        got = kept[key]
        assert [int(x) for x in got[:3]] == [want["created"], want["completed"], want["failed"]], (key, got, want)
        for column, at in (("wait", 3), ("run", 4)):
            took = durations.get((key, column), [])
            assert int(got[at]) == len(took), (key, column, got, len(took))
            most = got[at + 2]
            assert (most is None) == (not took), (key, column, got)
            assert most is None or abs(float(most) - max(max(took), 0) / 1e6) < 1e-6, (key, column, got, max(took))


def roll_ups_and_counters_equal_a_recount(postgres):
    with World(postgres) as world:
        with world.start():
            world.following()
            live_a_little(world.worker)
            world.caught_up()
            live_a_little(world.worker, 40)
            world.worker.add("email", at_us=now_us() - 90_000_000)  # of another minute
            world.caught_up()
            world.check_equal()
            check_rollups(world, world.worker.events)
            templates = {r[0] for r in sql(world.url, "SELECT error_template FROM tasks WHERE error LIKE 'cannot: %'")}
            assert templates == {"cannot: <n>"}, templates
            assert sql(world.url, "SELECT type, template FROM error_groups") == [["report", "cannot: <n>"]]


def a_group_of_errors_knows_its_first_and_its_last_task(postgres):
    with World(postgres) as world, world.start():
        world.following()
        began_us = now_us()
        failed = [world.worker.add("report") for _ in range(5)]

        def fail(n, at_s):
            world.worker.start(failed[n])
            world.worker.finish(failed[n], "dead", error=f"cannot: {n}", at_us=began_us + at_s * 1_000_000)

        def check_ends(first_s, last_s, last):
            world.caught_up()
            check_error_groups(world.url)
            ends = sql(world.url, f"SELECT extract(epoch FROM first_at) * 1000000 - {began_us}, "
                                  f"extract(epoch FROM last_at) * 1000000 - {began_us}, last_id FROM error_groups")
            assert [(float(a) / 1e6, float(b) / 1e6, task) for a, b, task in ends] == [(first_s, last_s, failed[last])], ends

        for n in (2, 4, 1, 3):
            fail(n, n)
        check_ends(1, 4, 4)
        fail(0, 0)
        check_ends(0, 4, 4)
        world.worker.reopen(failed[4])
        check_ends(0, 3, 3)
        fail(4, 9)
        check_ends(0, 9, 4)
        world.worker.drop(failed[0], failed[1])
        check_ends(2, 9, 4)
        world.worker.drop(failed[4])
        world.worker.reopen(failed[2])
        check_ends(3, 3, 3)
        world.worker.drop(failed[3])
        world.caught_up()
        check_error_groups(world.url)
        assert sql(world.url, "SELECT id FROM error_groups WHERE coalesce(first_at, last_at) IS NOT NULL OR last_id IS NOT NULL") == []
        fail(2, 5)
        check_ends(5, 5, 2)


# ── interruptions ──

def kills_in_the_middle_lose_nothing_and_double_nothing(postgres):
    with World(postgres) as world:
        world.gateway = world.start()
        world.following()
        for _ in range(3):
            live_a_little(world.worker, 60)
            eventually(lambda: world.cursor() > 1)
            gateway = world.gateway
            live_a_little(world.worker, 200)
            gateway.process.kill()
            gateway.process.wait()
            live_a_little(world.worker, 20)
            world.gateway = world.start()
        with world.gateway:
            world.caught_up()
            world.check_equal()
            check_rollups(world, world.worker.events)


def a_restart_goes_on_from_the_cursor_without_a_snapshot(postgres):
    with World(postgres) as world:
        with world.start():
            live_a_little(world.worker)
            world.caught_up()
        pages = world.worker.pages
        live_a_little(world.worker)
        with world.start():
            world.caught_up()
            world.check_equal()
        assert world.worker.pages == pages


def a_snapshot_goes_on_with_the_page_that_is_missing(postgres):
    with World(postgres) as world:
        live_a_little(world.worker, 60)
        world.worker.page_max = 10
        gateway = world.start(wait=False)

        def kill(page):
            if page == 4:
                gateway.process.kill()
        world.worker.on_page = kill
        gateway.process.wait(30)
        world.worker.on_page = None
        before = len(world.worker.afters)
        world.worker.add("late")
        with world.start():
            world.caught_up()
            world.check_equal()
        afters = world.worker.afters[before:]
        assert afters and "" not in afters and len(afters) <= 5, afters


# ── when the worker keeps no such cursor ──

def a_cursor_that_is_gone_rebuilds_while_rows_stay_readable(postgres):
    with World(postgres) as world:
        made = live_a_little(world.worker, 50)
        with world.start():
            world.caught_up()
        live_a_little(world.worker, 30)
        gone = [t for t in made if world.worker.tasks[t]["state"] == "succeeded"]
        world.worker.drop(*gone)
        world.worker.drop_job(next(iter(world.worker.jobs)))
        world.worker.put_nothing()
        world.worker.forget()
        world.worker.page_max = 20
        seen = []
        world.worker.on_page = lambda page: seen.append(int(sql(world.url, "SELECT count(*) FROM tasks")[0][0]))
        with world.start():
            world.caught_up()
            world.check_equal()
        assert len(seen) >= 3 and min(seen) >= len(made) - len(gone), seen
        gaps = sql(world.url, "SELECT DISTINCT span_s FROM task_rollups WHERE is_gap ORDER BY 1")
        assert gaps == [["60"], ["300"], ["3600"], ["86400"], ["864000"]], gaps


def a_worker_that_began_anew_replaces_everything(postgres):
    with World(postgres) as world:
        live_a_little(world.worker, 50)
        with world.start():
            world.caught_up()
            kept = world.worker.add("kept")
            task = dict(world.worker.tasks[kept])
            world.caught_up()
            world.worker.begin_anew()
            world.worker.add("kept", id=kept, payload=task["payload"], queue="new")
            world.worker.add("other")
            eventually(lambda: world.cursor() == world.worker.head)
            world.check_equal()
            world.worker.start(kept)
            world.caught_up()
            world.check_equal()


# ── rows ──

def a_row_that_the_tables_refuse_is_shown_without_its_body(postgres):
    with World(postgres) as world:
        with world.start() as gateway:
            good = [world.worker.add("email", payload={"n": i}) for i in range(9)]
            bad = world.worker.add("email", payload={"text": "a\u0000b"})
            after = world.worker.add("email", payload={"n": 9})
            world.caught_up()
            world.worker.start(after)
            world.worker.finish(after, result={"x": "\u0000"}, error="nul \u0000 here")
            late = world.worker.add("email")
            world.caught_up()
            rows = world.stored()
            assert rows.keys() == world.worker.tasks.keys()
            for task in [*good, late]:
                check_task(rows[task], world.worker.tasks[task])
            assert rows[bad]["payload"] == {} and "cannot show" in rows[bad]["error"], rows[bad]
            assert rows[after]["state"] == "succeeded" and rows[after]["result"] is None, rows[after]
            assert gateway.log.count("event=mirror.row-refused") == 2, gateway.log
            counts = {(r[0], r[1]): int(r[2]) for r in sql(world.url, "SELECT * FROM task_counts WHERE count <> 0")}
            assert counts == {("email", "pending"): 11, ("email", "completed"): 1}, counts
        world.worker.forget()
        world.worker.put_nothing()
        sql(world.url, "UPDATE mirror SET cursor = ''")
        with world.start():
            world.caught_up()
            rows = world.stored()
            assert rows.keys() == world.worker.tasks.keys() and rows[bad]["payload"] == {}, rows[bad]


def a_row_that_is_missing_is_fetched(postgres):
    with World(postgres) as world:
        with world.start():
            made = live_a_little(world.worker)
            world.caught_up()
            sql(world.url, f"DELETE FROM tasks WHERE id = '{made[9]}'")
            world.worker.start(made[9])
            eventually(lambda: made[9] in world.stored())
            world.caught_up()
            world.check_equal()


# ── several gateways ──

def one_gateway_keeps_the_mirror_and_another_takes_over(postgres):
    with World(postgres) as world:
        first = world.start()
        world.following()
        with world.start() as second:
            live_a_little(world.worker)
            world.caught_up()
            assert "mirror.held" in first.log and "mirror.held" not in second.log
            first.process.kill()
            first.process.wait()
            live_a_little(world.worker)
            world.caught_up()
            assert "mirror.held" in second.log
            world.check_equal()
            check_rollups(world, world.worker.events)
            with world.start() as third:
                assert second.stop() == 0
                live_a_little(world.worker)
                world.caught_up()
                world.check_equal()
                assert "mirror.held" in third.log


def a_keeper_that_slept_through_its_lease_changes_nothing_more(postgres):
    with World(postgres) as world:
        with world.start() as first:
            world.following()
            live_a_little(world.worker)
            world.caught_up()
            first.process.send_signal(signal.SIGSTOP)
            with world.start() as second:
                live_a_little(world.worker, 60)
                world.caught_up()
                assert "mirror.held" in second.log
                first.process.send_signal(signal.SIGCONT)
                live_a_little(world.worker, 60)
                world.caught_up()
                eventually(lambda: "mirror.standby" in first.log)
                live_a_little(world.worker)
                world.caught_up()
                world.check_equal()
                check_rollups(world, world.worker.events)


def long_answers_of_the_smallest_values_are_followed(postgres):
    """40 tasks in one answer of the feed; read they take ten times their text."""
    payload = [0] * 87_000  # as long as one may be
    with World(postgres) as world:
        with world.start():
            world.following()
            with world.worker.lock:
                for _ in range(40):
                    world.worker.add("dense", payload=payload)
            world.caught_up()
        assert sql(world.url, "SELECT count(*), min(jsonb_array_length(payload)) FROM tasks") == [["40", "87000"]]


def reads_are_live_while_the_feed_is_and_from_the_cache_otherwise(postgres):
    with World(postgres) as world:
        with world.start() as gateway, world.start() as other:
            token = gateway.set_up()

            def source(of=gateway):
                return of.graphql("{ tasks { source } }", token=token).data["tasks"]["source"]
            for each in (gateway, other):
                eventually(lambda each=each: source(each) == "LIVE")
            world.worker.add()
            world.caught_up()
            world.worker.is_away = True
            for each in (gateway, other):
                eventually(lambda each=each: source(each) == "CACHE")
            world.worker.is_away = False
            for each in (gateway, other):
                eventually(lambda each=each: source(each) == "LIVE")


TESTS = [a_first_run_takes_the_snapshot_and_then_follows, roll_ups_and_counters_equal_a_recount,
         a_group_of_errors_knows_its_first_and_its_last_task,
         kills_in_the_middle_lose_nothing_and_double_nothing, a_restart_goes_on_from_the_cursor_without_a_snapshot,
         a_snapshot_goes_on_with_the_page_that_is_missing, a_cursor_that_is_gone_rebuilds_while_rows_stay_readable,
         a_worker_that_began_anew_replaces_everything, a_row_that_the_tables_refuse_is_shown_without_its_body,
         a_row_that_is_missing_is_fetched, one_gateway_keeps_the_mirror_and_another_takes_over,
         a_keeper_that_slept_through_its_lease_changes_nothing_more,
         long_answers_of_the_smallest_values_are_followed,
         reads_are_live_while_the_feed_is_and_from_the_cache_otherwise]

if __name__ == "__main__":
    with Postgres() as the_postgres:
        run_tests(TESTS, the_postgres)
