#!/usr/bin/env python3
"""What the worker's scheduler promises, asked over HTTP of a real worker on a real PostgreSQL.
Usage: worker_jobs_test.py PROGRAM"""

import json
import os
import random
import signal
import sys
import time
import uuid
from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../support"))
from gateway_rig import Postgres, eventually, run_tests  # noqa: E402
from worker_rig import Caller, Executor, Worker, new_id, sql  # noqa: E402

EVERY_SECOND = "* * * * * *"
NEVER_SOON = "0 0 1 1 *"


class Reply:
    def __init__(self, answer):
        self.status, self.text = answer.status, answer.text
        self.json = answer.json

    @property
    def message(self):
        return self.json["detail"]


class World:
    """A worker that may be stopped and started anew on the same database."""

    def __init__(self, url, **settings):
        self.url, self.settings, self.process, self.caller = url, settings, None, None

    def start(self):
        self.process = Worker(self.url, **self.settings)
        self.caller = Caller(self.process)

    def stop(self, signum=signal.SIGTERM):
        self.caller.close()
        self.process.stop(signum)
        self.process.__exit__(None)

    @property
    def log(self):
        return self.process.log

    def ask(self, method, path, body=None):
        return Reply(self.caller.request(method, path, body))

    def good(self, method, path, body=None):
        reply = self.ask(method, path, body)
        assert reply.status == 200, f"{method} {path}: {reply.status} {reply.text}"
        return reply.json

    def sql(self, statement):
        """Rows of cells as text, from beside the worker."""
        return [line.split("|") for line in sql(self.url, statement).splitlines()]

    def make_job(self, schedule=NEVER_SOON, **members):
        wanted = {"id": new_id(), "name": "a job", "schedule": schedule, "task_type": "nothing",
                  **members}
        return self.good("POST", "/v1/jobs", {"job": wanted, "actor": "ada@example.org"})["job"]

    def job(self, job_id):
        return self.good("GET", f"/v1/jobs/{job_id}")["job"]

    def act(self, job_id, verb, **members):
        return self.good("POST", f"/v1/jobs/{job_id}:{verb}", {"actor": "ada", **members})

    def delete(self, job_id):
        return self.good("DELETE", f"/v1/jobs/{job_id}")

    def firings(self, job_id):
        """scheduled_for of all its firings, in microseconds, the oldest first."""
        return [int(row[0]) for row in self.sql(
            "SELECT (extract(epoch FROM scheduled_for) * 1000000)::int8 FROM worker.job_run "
            f"WHERE job_id = '{job_id}' ORDER BY scheduled_for")]

    def put_back(self, job_id, interval):
        """As if the worker had been away for so long. It must be stopped."""
        self.sql(f"UPDATE worker.job SET next_run = now() - interval '{interval}' "
                 f"WHERE id = '{job_id}'")

    def executor(self, task_type, slots=10):
        return Runs(self.process, {task_type: slots})

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, kind, *_):
        self.caller.close()
        self.process.__exit__(kind)


class Runs(Executor):
    """Takes the runs of jobs."""

    def take(self):
        return eventually(lambda: self.leases(1, 10_000))[0]

    def tell(self, lease, outcome, **members):
        answer = self.ack(lease, outcome, **members)
        assert answer == "applied", answer

    def commands(self):
        return self.heartbeat().json["commands"]


# ── the doors ──

def a_job_is_made_and_found(worker):
    before_us = time.time() * 1e6
    job = worker.make_job("0 3 * * *", name="nightly", time_zone="Europe/Berlin", payload={"a": [1.50]},
                          priority="high", misfire_policy="run-all", overlap_policy="allow",
                          max_attempts=7, fail_after=4, queue="q", timeout_s=60, jitter_s=5)
    assert job["status"] == "active" and job["next_run_us"] > before_us, job
    assert job["last_run_us"] is None and job["consecutive_failures"] == 0, job
    assert job["payload"] == {"a": [1.50]} and job["priority"] == "high", job
    assert (job["misfire_policy"], job["overlap_policy"]) == ("run-all", "allow"), job
    assert (job["max_attempts"], job["fail_after"], job["timeout_s"], job["jitter_s"]) == (7, 4, 60, 5)
    assert worker.job(job["id"]) == job
    defaults = worker.make_job()
    assert (defaults["time_zone"], defaults["queue"], defaults["priority"]) == ("UTC", "default", "normal")
    assert (defaults["misfire_policy"], defaults["overlap_policy"]) == ("run-once", "skip"), defaults
    assert (defaults["max_attempts"], defaults["payload"]) == (3, {}), defaults
    worker.delete(defaults["id"])


def named_zones_tell_when_it_is_due(worker):
    job = worker.make_job("30 4 * * *", time_zone="Asia/Kathmandu")
    due = datetime.fromtimestamp(job["next_run_us"] / 1e6, ZoneInfo("Asia/Kathmandu"))
    assert (due.hour, due.minute, due.second) == (4, 30, 0), due
    assert timedelta(0) < due - datetime.now(timezone.utc) <= timedelta(days=1), due


def bad_jobs_are_refused_with_a_place(worker):
    good = {"id": new_id(), "name": "x", "schedule": "0 3 * * *", "task_type": "nothing"}
    now_s, week_s = time.time(), 7 * 86_400
    cases = [
        ({"schedule": "0 24 * * *"},
         'job.schedule: hour field, column 3: expected a number from 0 to 23, found "24"'),
        ({"schedule": None}, "job.schedule: is missing"),
        ({"time_zone": "Mars/Olympus"}, "job.time_zone: there is no time zone"),
        ({"time_zone": "../UTC"}, "job.time_zone: there is no time zone"),
        ({"name": ""}, "job.name: is empty"),
        ({"name": None}, "job.name: is missing"),
        ({"name": "ä" * 201}, "job.name: has more than 200 characters"),
        ({"task_type": None}, "job.task_type: is missing"),
        ({"id": str(uuid.uuid4())}, "job.id: is no UUIDv7"),
        ({"id": new_id(now_s - week_s - 60)}, "job.id: is older than id-past allows"),
        ({"id": new_id(now_s + 3_660)}, "job.id: is further ahead than id-future allows"),
        ({"priority": "urgent"}, "job.priority: is none of"),
        ({"misfire_policy": "RUN_ONCE"}, "job.misfire_policy: is none of"),
        ({"overlap_policy": 1}, "job.overlap_policy: is no string"),
        ({"max_attempts": 0}, "job.max_attempts: is not within 1 and 1000"),
        ({"jitter_s": 86_401}, "job.jitter_s: is not within 0 and 86400"),
        ({"payload": "x" * (256 * 1024)}, "job.payload: is longer than"),
    ]
    for wrong, message in cases:
        reply = worker.ask("POST", "/v1/jobs", {"job": {**good, **wrong}})
        assert reply.status in (400, 413), f"{wrong}: {reply.status} {reply.text[:200]}"
        assert reply.message.startswith(message), f"{wrong}: {reply.text[:300]}"
    assert worker.ask("GET", f"/v1/jobs/{good['id']}").status == 404
    longest = worker.make_job(name="ä" * 200)
    assert longest["name"] == "ä" * 200


def a_repeated_id_gives_the_stored_job(worker):
    job = worker.make_job(name="first")
    again = worker.make_job(name="second", id=job["id"])
    assert again == job, again


def an_update_changes_what_it_names(worker):
    job = worker.make_job("0 3 * * *", name="before", payload={"keep": True})
    after = worker.act(job["id"], "update", job={"name": "after", "schedule": "0 4 * * *"})["job"]
    assert after["name"] == "after" and after["payload"] == {"keep": True}, after
    assert after["next_run_us"] != job["next_run_us"], after
    assert int(after["version"]) > int(job["version"]), after
    reply = worker.ask("POST", f"/v1/jobs/{job['id']}:update", {"job": {"schedule": "* * * *"}})
    assert reply.status == 400 and "day of week field, column 8" in reply.message, reply.text
    assert worker.job(job["id"]) == after
    assert worker.ask("POST", f"/v1/jobs/{new_id()}:update", {"job": {}}).status == 404


def a_paused_job_waits_and_a_resumed_one_looks_ahead(worker):
    job = worker.make_job(EVERY_SECOND, overlap_policy="allow")
    eventually(lambda: worker.firings(job["id"]))
    paused = worker.act(job["id"], "pause")["job"]
    assert paused["status"] == "paused" and paused["next_run_us"] is None, paused
    assert worker.act(job["id"], "pause")["job"] == paused  # a repeat changes nothing
    count = len(worker.firings(job["id"]))
    time.sleep(2.2)
    assert len(worker.firings(job["id"])) == count
    resumed_us = time.time() * 1e6
    resumed = worker.act(job["id"], "resume")["job"]
    assert resumed["status"] == "active" and resumed["next_run_us"] > resumed_us - 1e6, resumed
    eventually(lambda: len(worker.firings(job["id"])) > count)
    # nothing is made up for the time of the pause
    missed = [us for us in worker.firings(job["id"])[count:] if us < resumed_us - 1e6]
    assert missed == [], missed
    worker.delete(job["id"])


def a_deleted_job_is_gone_and_its_id_remembered(worker):
    job = worker.make_job()
    assert worker.delete(job["id"]) == {}
    assert worker.delete(job["id"]) == {}
    assert worker.ask("GET", f"/v1/jobs/{job['id']}").status == 404
    assert worker.ask("POST", f"/v1/jobs/{job['id']}:resume", {}).status == 404
    again = worker.ask("POST", "/v1/jobs", {"job": {"id": job["id"], "name": "x", "task_type": "x",
                                                    "schedule": "@daily"}})
    assert again.status == 409, again.text
    assert worker.ask("DELETE", f"/v1/jobs/{new_id()}").status == 404


def a_trigger_is_one_run_beside_the_schedule(worker):
    job = worker.make_job(payload={"n": 1}, is_paused=True, max_attempts=2)
    task_id = new_id()
    task = worker.act(job["id"], "trigger", task_id=task_id)["task"]
    assert task["id"] == task_id and task["job_id"] == job["id"], task
    assert task["payload"] == {"n": 1} and task["max_attempts"] == 2, task
    assert task["scheduled_for_us"] is not None and task["state"] == "ready", task
    again = worker.act(job["id"], "trigger", task_id=task_id)["task"]
    assert again["id"] == task_id, again
    other = worker.act(job["id"], "trigger")["task"]
    assert other["id"] != task_id, other
    rows = worker.sql(f"SELECT count(*) FROM worker.task WHERE job_id = '{job['id']}'")
    assert rows == [["2"]], rows
    assert worker.firings(job["id"]) == []  # triggers are no firings
    assert worker.job(job["id"])["next_run_us"] is None
    assert worker.job(job["id"])["last_run_us"] == other["scheduled_for_us"]


def every_change_is_in_the_feed_as_the_whole_job(worker):
    cursor = worker.good("GET", "/v1/feed")["head"]
    job = worker.make_job(name="fed")
    updated = worker.act(job["id"], "update", job={"name": "fed again"})["job"]
    worker.delete(job["id"])
    feed = worker.good("GET", f"/v1/feed?cursor={cursor}&wait_ms=1000&max=5000")
    mine = [e for e in feed["events"] if e.get("job", {}).get("id", e.get("id")) == job["id"]]
    assert [e["op"] for e in mine] == ["job", "job", "job_gone"], mine
    assert mine[0]["job"] == job and mine[1]["job"] == updated, mine
    assert mine[0]["seq"] == job["version"], mine
    seqs = [int(e["seq"]) for e in feed["events"]]
    assert seqs == list(range(seqs[0], seqs[0] + len(seqs))), seqs


def who_changed_a_job_is_told_from_memory_from_the_tables_and_by_the_snapshot(worker):
    cursor = worker.good("GET", "/v1/feed")["head"]
    job = worker.make_job(name="watched")
    worker.act(job["id"], "update", job={"name": "watched more"})
    worker.act(job["id"], "update", job={"name": "watched more"})  # changes nothing
    run = worker.act(job["id"], "trigger")["task"]
    worker.delete(job["id"])

    def told():
        feed = worker.good("GET", f"/v1/feed?cursor={cursor}&wait_ms=1000&max=5000")["events"]
        return [(e["op"], e["seq"], e.get("change")) for e in feed if e.get("job", {}).get("id", e.get("id")) == job["id"]]
    fed = told()
    assert [(op, change and change["actor"]) for op, _, change in fed] == [
        ("job", "ada@example.org"), ("job", "ada"), ("job", None), ("job", None), ("job_gone", "")], fed
    assert fed[0][2]["before"] is None and fed[0][2]["after"]["name"] == "watched", fed
    assert fed[1][2] == {"actor": "ada", "before": {"name": "watched"}, "after": {"name": "watched more"}}, fed
    assert fed[-1][2] == {"actor": "", "before": None, "after": {"deleted": True}}, fed
    assert run["actor"] == "ada", run
    first = int(cursor.split(":")[1])
    page = worker.good("GET", f"/v1/snapshot?limit=1&job_changes_from={first}")
    mine = [c for c in page["job_changes"] if c["job"] == job["id"]]
    assert [(c["version"], {n: c[n] for n in ("actor", "before", "after")}) for c in mine] == [
        (seq, change) for _, seq, change in fed if change], mine
    assert page["job_changes_cut"] is False
    assert "job_changes" not in worker.good("GET", "/v1/snapshot?limit=1")
    assert worker.ask("GET", "/v1/snapshot?job_changes_from=x").status == 400
    worker.stop()
    worker.start()
    assert told() == [("job_gone", seq, change) for _, seq, change in fed if change]  # it is gone by now


def large_changes_of_jobs_fill_a_page_and_no_more(worker):
    cursor = worker.good("GET", "/v1/feed")["head"]
    job = worker.make_job()
    for n in range(24):  # each has the one before, too: 12 MB
        worker.act(job["id"], "update", job={"payload": {"n": n, "text": "x" * 250_000}})
    worker.delete(job["id"])
    first = int(cursor.split(":")[1])
    page = worker.good("GET", f"/v1/snapshot?limit=1&job_changes_from={first}")
    changes, size = page["job_changes"], sum(len(json.dumps(change)) for change in page["job_changes"])
    assert 8 << 20 <= size < 9 << 20 and page["job_changes_cut"] is True, size
    assert [c["after"]["payload"]["n"] for c in changes[1:]] == list(range(len(changes) - 1)), len(changes)
    worker.stop()
    worker.start()
    told = [e["change"]["after"] for e in worker.caller.whole_feed(cursor) if e.get("change")]  # out of the tables
    assert [c["payload"]["n"] for c in told[1:-1]] == list(range(24)) and told[-1] == {"deleted": True}, len(told)


def the_snapshot_has_all_jobs(worker):
    job, gone = worker.make_job(), worker.make_job()
    worker.delete(gone["id"])
    jobs = {j["id"]: j for j in worker.good("GET", "/v1/snapshot?limit=1")["jobs"]}
    assert jobs[job["id"]] == job and gone["id"] not in jobs, jobs


# ── firing ──

def a_job_each_second_runs(worker):
    job = worker.make_job(EVERY_SECOND, task_type="tick", overlap_policy="allow", payload={"k": 1})
    executor = worker.executor("tick")
    leases = [executor.take() for _ in range(3)]
    for lease in leases:
        executor.tell(lease, "complete", result={})
        assert lease["job_id"] == job["id"] and lease["payload"] == {"k": 1}, lease
    fors = sorted(lease["scheduled_for_us"] for lease in leases)
    assert all(us % 1_000_000 == 0 for us in fors) and len(set(fors)) == 3, fors
    now = worker.job(job["id"])
    assert now["last_run_us"] >= fors[-1] and now["next_run_us"] > now["last_run_us"], now
    worker.delete(job["id"])
    rows = worker.sql("SELECT count(*) FROM worker.job_run AS r FULL JOIN worker.task AS t ON "
                      "t.id = r.task_id AND t.job_id = r.job_id AND t.scheduled_for = r.scheduled_for "
                      f"WHERE (r.job_id = '{job['id']}' OR t.job_id = '{job['id']}') AND "
                      "(r.job_id IS NULL OR t.id IS NULL)")
    assert rows == [["0"]], rows


def jitter_delays_the_run_and_not_the_firing(worker):
    job = worker.make_job(EVERY_SECOND, task_type="jittered", overlap_policy="allow", jitter_s=3_600)
    eventually(lambda: len(worker.firings(job["id"])) >= 3)
    worker.delete(job["id"])
    rows = worker.sql("SELECT extract(epoch FROM run_at - scheduled_for)::int8 FROM worker.task "
                      f"WHERE job_id = '{job['id']}'")
    delays = [int(row[0]) for row in rows]
    assert all(0 <= delay <= 3_600 for delay in delays) and len(set(delays)) > 1, delays


def an_overlapping_firing_is_skipped(worker):
    job = worker.make_job(EVERY_SECOND, task_type="slow", overlap_policy="skip")
    executor = worker.executor("slow")
    lease = executor.take()
    due_us = worker.job(job["id"])["next_run_us"]
    eventually(lambda: worker.job(job["id"])["next_run_us"] >= due_us + 3_000_000)
    assert worker.firings(job["id"]) == [lease["scheduled_for_us"]]
    executor.tell(lease, "complete")
    following = executor.take()
    assert following["scheduled_for_us"] > due_us, following
    executor.tell(following, "complete")
    worker.delete(job["id"])


def an_overlapping_firing_cancels_what_runs(worker):
    job = worker.make_job(EVERY_SECOND, task_type="stubborn", overlap_policy="cancel-running")
    executor = worker.executor("stubborn", slots=1)
    lease = executor.take()
    told = eventually(lambda: [c for c in executor.commands() if c["task"] == lease["task"]])
    assert told[0]["kind"] == "cancel", told
    # a run that still waits ends at once, when the one after it comes
    eventually(lambda: len(worker.firings(job["id"])) >= 4)
    worker.act(job["id"], "pause")
    executor.tell(lease, "cancelled")
    rows = worker.sql("SELECT count(*) FILTER (WHERE d.state IS NULL), count(*) FROM worker.task AS t "
                      f"LEFT JOIN worker.task_done AS d ON d.id = t.id WHERE t.job_id = '{job['id']}'")
    unfinished, count = map(int, rows[0])
    assert unfinished == 1 and count >= 4, rows
    assert worker.job(job["id"])["consecutive_failures"] == 0
    worker.delete(job["id"])


def enough_failures_fail_the_job(worker):
    job = worker.make_job(EVERY_SECOND, task_type="doomed", fail_after=2, max_attempts=1)
    executor = worker.executor("doomed")
    executor.tell(executor.take(), "fail", error="no")
    eventually(lambda: worker.job(job["id"])["consecutive_failures"] == 1)
    executor.tell(executor.take(), "complete")
    eventually(lambda: worker.job(job["id"])["consecutive_failures"] == 0)
    executor.tell(executor.take(), "fatal", error="no")
    assert worker.job(job["id"])["status"] == "active"
    executor.tell(executor.take(), "fail", error="no")
    failed = eventually(lambda: (lambda j: j if j["status"] == "failed" else None)(worker.job(job["id"])))
    assert failed["consecutive_failures"] == 2 and failed["next_run_us"] is None, failed
    resumed = worker.act(job["id"], "resume")["job"]
    assert resumed["status"] == "active" and resumed["consecutive_failures"] == 0, resumed
    executor.tell(executor.take(), "complete")
    worker.delete(job["id"])


def a_run_that_is_tried_again_by_hand_is_the_jobs_again(worker):
    job = worker.make_job(task_type="again", fail_after=5, max_attempts=1)
    executor = worker.executor("again")
    task = worker.act(job["id"], "trigger")["task"]
    executor.tell(executor.take(), "fatal", error="no")
    assert worker.job(job["id"])["consecutive_failures"] == 1
    worker.good("POST", f"/v1/tasks/{task['id']}:retry", {"actor": "ada"})
    executor.tell(executor.take(), "complete")
    assert worker.job(job["id"])["consecutive_failures"] == 0


# ── what the database refuses ──

def a_firing_that_is_refused_is_undone_alone(worker):
    """The row that forbids a second firing is there already for one of three jobs, unless the worker was late and
    has left that second out; then for another one."""
    jobs = [worker.make_job(EVERY_SECOND, overlap_policy="allow", misfire_policy=policy)["id"]
            for policy in ("run-all", "run-once", "run-all")]
    eventually(lambda: all(worker.firings(job_id) for job_id in jobs))

    def refused():
        """The second, once the firing was refused."""
        us = worker.job(jobs[1])["next_run_us"] + 2_000_000
        worker.sql("INSERT INTO worker.job_run (job_id, scheduled_for, task_id) VALUES "
                   f"('{jobs[1]}', to_timestamp({us // 1_000_000}), '{new_id()}') ON CONFLICT DO NOTHING")
        eventually(lambda: all(worker.firings(job_id)[-1] >= us + 2_000_000 for job_id in jobs))
        return us if "event=job.not_fired" in worker.log else None
    refused_us = eventually(refused)
    for job_id in (jobs[0], jobs[2]):  # their firings of that second were not lost
        assert refused_us in worker.firings(job_id)
        worker.delete(job_id)
    worker.delete(jobs[1])
    tasks = worker.sql("SELECT count(*) FROM worker.task WHERE job_id = "
                       f"'{jobs[1]}' AND scheduled_for = to_timestamp({refused_us // 1_000_000})")
    assert tasks == [["0"]], tasks


def a_row_that_somebody_else_changed_is_not_overwritten(worker):
    job, other = worker.make_job(name="mine"), worker.make_job(name="another")
    worker.sql(f"UPDATE worker.job SET version = version + 1000000 WHERE id = '{job['id']}'")
    refused = worker.ask("POST", f"/v1/jobs/{job['id']}:update", {"job": {"name": "changed"}})
    assert refused.status >= 400, refused.text
    assert worker.job(job["id"]) == job  # undone in memory too
    assert worker.act(other["id"], "update", job={"name": "x"})["job"]["name"] == "x"
    worker.sql(f"UPDATE worker.job SET version = version - 1000000 WHERE id = '{job['id']}'")
    assert worker.act(job["id"], "update", job={"name": "y"})["job"]["name"] == "y"


# ── limits ──

def a_full_worker_fires_when_there_is_room_again(worker):
    with World(worker.postgres.tell("database"), TASKS_WAITING_MAX="1") as full:
        job = full.make_job(EVERY_SECOND, task_type="only", overlap_policy="allow")
        executor = full.executor("only")
        lease = executor.take()
        due_us = eventually(lambda: full.job(job["id"])["next_run_us"])
        refused = full.ask("POST", f"/v1/jobs/{job['id']}:trigger", {})
        assert refused.status == 503 and "too many tasks wait (limit 1)" in refused.message, refused.text
        assert '"code":"OVERLOADED"' in refused.text, refused.text
        eventually(lambda: time.time() * 1e6 > due_us + 2_000_000)
        assert full.firings(job["id"]) == [lease["scheduled_for_us"]]
        assert full.job(job["id"])["next_run_us"] == due_us  # still due
        executor.tell(lease, "complete")
        following = executor.take()
        assert following["scheduled_for_us"] > due_us, following  # once, by its misfire policy
        executor.tell(following, "complete")


def there_is_room_for_ten_thousand_jobs(worker):
    with World(worker.postgres.tell("database")) as many:
        job = many.make_job(is_paused=True)
        many.stop()
        columns = ("version, name, schedule, time_zone, status, task_type, payload, priority, misfire, "
                   "overlap, max_attempts, fail_after, consecutive_failures, queue, timeout_s, jitter_s, "
                   "created_at, updated_at")
        many.sql(f"INSERT INTO worker.job (id, {columns}) SELECT gen_random_uuid(), {columns} "
                 f"FROM worker.job, generate_series(2, 9999) WHERE id = '{job['id']}'")
        many.start()
        last = many.make_job()
        refused = many.ask("POST", "/v1/jobs", {"job": {
            "id": new_id(), "name": "x", "task_type": "x", "schedule": NEVER_SOON}})
        assert refused.status >= 400 and "there are 10000 jobs already" in refused.message, refused.text
        many.delete(last["id"])
        many.make_job()
        assert len(many.good("GET", "/v1/snapshot?limit=1")["jobs"]) == 10_000


# ── restarts ──

def jobs_survive_a_restart(worker):
    job = worker.make_job("0 3 * * *", name="lasting", payload={"x": 1.10}, time_zone="Europe/Berlin",
                          jitter_s=9, created_by=new_id())
    cursor = worker.good("GET", "/v1/feed")["head"]
    renamed = worker.act(job["id"], "update", job={"name": "still lasting"})["job"]
    gone = worker.make_job()
    worker.delete(gone["id"])
    worker.stop()
    worker.start()
    assert worker.job(job["id"]) == renamed
    events = worker.good("GET", f"/v1/feed?cursor={cursor}&wait_ms=1000&max=100")["events"]
    assert [e["op"] for e in events[:3]] == ["job", "job_gone", "job_gone"], events  # out of the tables
    assert events[0]["job"] == renamed and events[2]["id"] == gone["id"], events
    assert worker.ask("GET", f"/v1/jobs/{gone['id']}").status == 404
    again = worker.ask("POST", "/v1/jobs", {"job": {"id": gone["id"], "name": "x", "task_type": "x",
                                                    "schedule": "@daily"}})
    assert again.status == 409, again.text


def what_is_too_old_is_removed(worker):
    """Kept are: firings as long as tasks, deleted jobs as long as their ids could come again."""
    job, gone, kept = worker.make_job(), worker.make_job(), worker.make_job()
    for deleted in (gone, kept):
        worker.delete(deleted["id"])
    for days in (29, 31):
        worker.sql("INSERT INTO worker.job_run (job_id, scheduled_for, task_id) VALUES "
                   f"('{job['id']}', now() - interval '{days} days', '{new_id()}')")
    worker.sql("UPDATE worker.job SET created_at = now() - interval '40 days', "
               f"deleted_at = now() - interval '31 days' WHERE id = '{gone['id']}'")
    worker.stop()
    worker.start()
    eventually(lambda: len(worker.firings(job["id"])) == 1)
    assert worker.firings(job["id"])[0] > (time.time() - 30 * 86_400) * 1e6
    left = worker.sql(f"SELECT id FROM worker.job WHERE id IN ('{gone['id']}', '{kept['id']}')")
    assert left == [[kept["id"]]], left


def missed_firings_follow_the_policy(worker):
    hourly = {policy: worker.make_job("0 * * * *", misfire_policy=policy, overlap_policy="allow")["id"]
              for policy in ("skip", "run-once", "run-all")}
    worker.stop()
    now = datetime.now(timezone.utc)
    minute, past_s = now.minute, 60 * now.minute + now.second
    for job_id in hourly.values():
        worker.put_back(job_id, f"3 hours {past_s + 30} seconds")  # before a full hour, four of them past
    worker.start()
    expected = {"skip": 0 if minute > 1 else 1, "run-once": 1, "run-all": 4}
    for policy, job_id in hourly.items():
        eventually(lambda job_id=job_id: worker.job(job_id)["next_run_us"] > time.time() * 1e6)
        fired = worker.firings(job_id)
        assert abs(len(fired) - expected[policy]) <= (1 if minute in (0, 1, 59) else 0), (policy, fired)
        assert all(us % 3_600_000_000 == 0 for us in fired), fired
        worker.delete(job_id)


def overlaps_are_seen_after_a_restart(worker):
    job = worker.make_job(EVERY_SECOND, task_type="long", overlap_policy="skip")
    executor = worker.executor("long")
    lease = executor.take()
    worker.stop(signal.SIGKILL)
    worker.start()
    executor.close()
    executor.worker = worker.process
    due_us = worker.job(job["id"])["next_run_us"]
    eventually(lambda: worker.job(job["id"])["next_run_us"] >= due_us + 2_000_000)
    assert worker.firings(job["id"]) == [lease["scheduled_for_us"]]
    executor.tell(lease, "complete")
    eventually(lambda: len(worker.firings(job["id"])) > 1)
    worker.delete(job["id"])


def a_clock_that_was_set_back_fires_nothing_twice(worker):
    """To the worker it is the same as a job whose last firing lies ahead of the clock."""
    job = worker.make_job(EVERY_SECOND, overlap_policy="allow")
    eventually(lambda: worker.firings(job["id"]))
    worker.act(job["id"], "pause")
    worker.stop()
    worker.sql("UPDATE worker.job SET last_run = date_trunc('second', now()) + interval '1 hour' "
               f"WHERE id = '{job['id']}'")
    worker.start()
    last_us = worker.job(job["id"])["last_run_us"]
    resumed = worker.act(job["id"], "resume")["job"]
    assert resumed["next_run_us"] == last_us + 1_000_000, resumed
    worker.delete(job["id"])


def a_kill_in_the_middle_of_firing_doubles_nothing(worker):
    chance = random.Random(7)
    jobs = [worker.make_job(EVERY_SECOND, task_type="many", overlap_policy="allow",
                            misfire_policy="run-all")["id"] for _ in range(30)]
    for _ in range(6):
        until = time.time() + 1 + chance.random()
        while time.time() % 1 > 0.02 and time.time() < until:
            time.sleep(0.001)
        time.sleep(chance.random() * 0.02)  # all of them fire at the full second
        worker.stop(signal.SIGKILL)
        worker.start()
    eventually(lambda: all(worker.firings(job_id) for job_id in jobs))
    for job_id in jobs:
        worker.act(job_id, "pause")
    names = ", ".join(f"'{job_id}'" for job_id in jobs)
    doubled = worker.sql("SELECT job_id, scheduled_for, count(*) FROM worker.task WHERE job_id IN "
                         f"({names}) GROUP BY 1, 2 HAVING count(*) > 1")
    assert doubled == [], doubled
    unmatched = worker.sql("SELECT r.job_id, t.id FROM worker.job_run AS r FULL JOIN worker.task AS t "
                           "ON t.id = r.task_id AND t.scheduled_for = r.scheduled_for "
                           f"WHERE (r.job_id IN ({names}) OR t.job_id IN ({names})) "
                           "AND (r.job_id IS NULL OR t.id IS NULL)")
    assert unmatched == [], unmatched
    for job_id in jobs:  # and nothing was left out, since the policy makes up for it
        fired = worker.firings(job_id)
        assert all(b - a == 1_000_000 for a, b in zip(fired, fired[1:])), fired
        worker.delete(job_id)


def main():
    with Postgres() as postgres, World(postgres.url) as worker:
        worker.postgres = postgres
        run_tests([
            a_job_is_made_and_found,
            named_zones_tell_when_it_is_due,
            bad_jobs_are_refused_with_a_place,
            a_repeated_id_gives_the_stored_job,
            an_update_changes_what_it_names,
            a_paused_job_waits_and_a_resumed_one_looks_ahead,
            a_deleted_job_is_gone_and_its_id_remembered,
            a_trigger_is_one_run_beside_the_schedule,
            every_change_is_in_the_feed_as_the_whole_job,
            who_changed_a_job_is_told_from_memory_from_the_tables_and_by_the_snapshot,
            large_changes_of_jobs_fill_a_page_and_no_more,
            the_snapshot_has_all_jobs,
            a_job_each_second_runs,
            jitter_delays_the_run_and_not_the_firing,
            an_overlapping_firing_is_skipped,
            an_overlapping_firing_cancels_what_runs,
            enough_failures_fail_the_job,
            a_run_that_is_tried_again_by_hand_is_the_jobs_again,
            a_firing_that_is_refused_is_undone_alone,
            a_row_that_somebody_else_changed_is_not_overwritten,
            a_full_worker_fires_when_there_is_room_again,
            there_is_room_for_ten_thousand_jobs,
            jobs_survive_a_restart,
            what_is_too_old_is_removed,
            missed_firings_follow_the_policy,
            overlaps_are_seen_after_a_restart,
            a_clock_that_was_set_back_fires_nothing_twice,
            a_kill_in_the_middle_of_firing_doubles_nothing,
        ], worker)


if __name__ == "__main__":
    main()
