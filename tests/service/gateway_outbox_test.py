#!/usr/bin/env python3
"""What the gateway accepts while the worker is away, how it is kept, and how it gets there afterwards.
Usage: gateway_outbox_test.py PROGRAM"""

import os
import signal
import sys
import threading
import time
from datetime import datetime, timezone

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../support"))
from gateway_rig import Gateway, Postgres, at_once, eventually, psql, run_tests  # noqa: E402
from ids import new_id  # noqa: E402
from outbox_rig import CANCEL, CREATE, CREATE_ALL, CREATE_JOB, READ, READ_JOB, World  # noqa: E402


def what_is_accepted_while_the_worker_is_away_is_forwarded_in_order(postgres):
    with World(postgres) as world:
        world.worker.vanish()
        made = [world.create(payload={"n": i}).data["createTask"] for i in range(3)]
        for i, task in enumerate(made):
            assert task["accepted"] is False and task["status"] == "PENDING", task
            assert task["payload"] == {"n": i} and task["why"]["code"] == "NOT_ACCEPTED", task
            assert world.read(task["id"])["accepted"] is False
        many = world.ask(CREATE_ALL, {"inputs": [{"type": "bulk"}] * 5}).data["createTasks"]
        job = world.ask(CREATE_JOB, {"input": {"name": "n", "schedule": "@daily", "taskType": "email"}}).data["createJob"]
        last = world.create().data["createTask"]
        assert job["accepted"] is False and not any(t["accepted"] for t in [*many, last])
        assert world.ask(READ_JOB, {"id": job["id"]}).data["job"]["accepted"] is False
        assert world.waiting() == 10
        world.worker.launch()
        world.emptied()
        expected = [t["id"] for t in [*made, *many, last]]
        assert world.sent_ids() == expected, (world.sent_ids(), expected)
        for task in expected:
            assert eventually(lambda t=task: world.read(t))["accepted"] is True
        assert world.read(made[1]["id"])["payload"] == {"n": 1}
        assert world.ask(READ_JOB, {"id": job["id"]}).data["job"]["accepted"] is True
        assert eventually(lambda: world.create().data["createTask"]["accepted"])


def what_depends_on_what_is_kept_is_kept_too(postgres):
    with World(postgres) as world:
        world.worker.vanish()
        first = world.create().data["createTask"]["id"]
        make = "mutation($input: CreateTaskInput!) { createTask(input: $input) { id state accepted dependsOn { id accepted } } }"
        made = world.ask(make, {"input": {"type": "email", "dependsOn": [first]}}).data["createTask"]
        assert made == {"id": made["id"], "state": "BLOCKED", "accepted": False,
                        "dependsOn": [{"id": first, "accepted": False}]}, made
        world.worker.launch()
        world.emptied()
        assert world.sent_ids() == [first, made["id"]]
        read = eventually(lambda: (t := world.read(made["id"]))["accepted"] and t)
        assert read["state"] == "BLOCKED" and world.worker.tasks[made["id"]]["depends_on"] == [first], read


def what_waits_for_too_long_fails_visibly_unless_the_worker_may_have_it(postgres):
    with World(postgres) as world:
        world.worker.vanish()
        old, sent, young = (world.create().data["createTask"]["id"] for _ in range(3))
        job = world.ask(CREATE_JOB, {"input": {"name": "n", "schedule": "@daily", "taskType": "email"}}).data["createJob"]["id"]
        psql(world.url, f"UPDATE outbox SET created_at = now() - interval '2 hours' WHERE subject_id <> '{young}';"
                        f"UPDATE outbox SET sent_at = now() WHERE subject_id = '{sent}'")
        world.gateway.stop(signal.SIGTERM)
        with Gateway(world.url, WORKER_URL=world.worker.url, OUTBOX_MAX_AGE="1h") as world.gateway:
            eventually(lambda: world.waiting() == 2)
            eventually(lambda: "event=outbox.expired count=2" in world.gateway.log)
            failed = world.read(old)
            assert (failed["status"], failed["accepted"]) == ("FAILED", False) and "outbox-max-age" in failed["error"], failed
            assert world.ask(READ_JOB, {"id": job}).data["job"]["status"] == "FAILED"
            assert world.read(sent)["status"] == world.read(young)["status"] == "PENDING"
            world.worker.launch()
            world.emptied()
            assert world.sent_ids() == [sent, young] and not world.worker.jobs


def nothing_waits_for_as_long_as_its_id_is_taken(postgres):
    """However long outbox-max-age is: what is forwarded at the end of that must not be refused for its id's age."""
    with World(postgres) as world:
        world.worker.vanish()
        old, young = (world.create().data["createTask"]["id"] for _ in range(2))
        psql(world.url, f"UPDATE outbox SET created_at = now() - interval '61 minutes' WHERE subject_id = '{old}';"
                        f"UPDATE outbox SET created_at = now() - interval '45 minutes' WHERE subject_id = '{young}'")
        world.gateway.stop(signal.SIGTERM)
        with Gateway(world.url, WORKER_URL=world.worker.url, ID_PAST="2h", OUTBOX_MAX_AGE="6d") as world.gateway:
            eventually(lambda: world.waiting() == 1)
            failed = world.read(old)
            assert (failed["status"], failed["accepted"]) == ("FAILED", False) and "outbox-max-age" in failed["error"], failed
            world.worker.launch()
            world.emptied()
            assert world.sent_ids() == [young]


def a_worker_of_an_older_version_takes_what_a_newer_gateway_creates(postgres):
    """In a rolling upgrade: it refuses members that it does not know, and answers in full."""
    with World(postgres) as world:
        world.worker.knows_wishes = False
        made = world.create(payload={"n": 1}).data["createTask"]
        assert made["accepted"] and world.read(made["id"])["status"] == "PENDING", made
        assert world.waiting() == 0 and world.sent_ids() == [made["id"]]


def every_other_change_says_that_the_worker_is_away(postgres):
    with World(postgres) as world:
        task = world.create().data["createTask"]["id"]
        job = world.ask(CREATE_JOB, {"input": {"name": "n", "schedule": "@daily", "taskType": "email"}}).data["createJob"]["id"]
        world.worker.is_away = True
        for name, variables in (("cancelTask", {"id": task}), ("retryTask", {"id": task}), ("pauseJob", {"id": job}),
                                ("resumeJob", {"id": job}), ("triggerJob", {"id": job})):
            answer = world.ask("mutation($id: ID!) { %s(id: $id) { id } }" % name, variables)
            assert answer.code == "WORKER_UNAVAILABLE", (name, answer.text)
        assert world.ask("mutation($id: ID!) { deleteJob(id: $id) }", {"id": job}).code == "WORKER_UNAVAILABLE"
        update = "mutation($id: ID!) { updateJob(id: $id, input: { name: \"x\" }) { id } }"
        assert world.ask(update, {"id": job}).code == "WORKER_UNAVAILABLE"
        for change in ("retryTasks(filter: { type: \"email\" }) { done }", "cancelTasks(filter: { type: \"email\" }) { done }",
                       "deleteTasks(filter: { type: \"email\" }) { done }", "pauseQueue(name: \"q\") { name }",
                       "resumeQueue(name: \"q\") { name }",
                       "updateTaskType(type: \"email\", settings: { paused: true }) { type }"):
            answer = world.ask("mutation { %s }" % change)
            assert answer.code == "WORKER_UNAVAILABLE", (change, answer.text)
        assert world.waiting() == 0
        assert world.read(task)["status"] == "PENDING"


def what_still_waits_can_be_cancelled_and_is_never_sent(postgres):
    with World(postgres) as world:
        world.worker.vanish()
        task = world.create().data["createTask"]["id"]
        kept = world.create().data["createTask"]["id"]
        cancelled = world.ask(CANCEL, {"id": task}).data["cancelTask"]
        assert (cancelled["state"], cancelled["accepted"]) == ("CANCELLED", False), cancelled
        assert world.waiting() == 1
        entries = psql(world.url, f"SELECT l.action, u.email = l.actor_label, l.detail, l.at <= now() AND l.id < '{new_id()}' "
                       f"FROM audit_log AS l LEFT JOIN users AS u ON u.id = l.actor_id WHERE l.subject = 'task:{task}' ORDER BY l.id")
        assert entries == [["task.create", "t", '{"type": "email", "queue": "default", "priority": "normal"}', "t"],
                           ["task.cancel", "t", '{"type": "email"}', "t"]], entries
        assert world.ask(CANCEL, {"id": task}).code == "WORKER_UNAVAILABLE"
        world.worker.launch()
        world.emptied()
        assert world.sent_ids() == [kept]
        assert world.read(task)["state"] == "CANCELLED"


DELETE_JOB = "mutation($id: ID!) { deleteJob(id: $id) }"


def a_job_that_still_waits_can_be_withdrawn_and_is_never_sent(postgres):
    with World(postgres) as world:
        world.worker.vanish()
        job, kept = [world.ask(CREATE_JOB, {"input": {"name": name, "schedule": "@daily", "taskType": "email"}})
                     .data["createJob"]["id"] for name in ("one", "two")]
        task = world.create().data["createTask"]["id"]
        assert world.ask(DELETE_JOB, {"id": job}).data["deleteJob"] is True
        assert world.ask(READ_JOB, {"id": job}).data["job"] is None and world.waiting() == 2
        entries = psql(world.url, f"SELECT l.action, u.email = l.actor_label, l.detail, l.at <= now() AND l.id < '{new_id()}' "
                       f"FROM audit_log AS l LEFT JOIN users AS u ON u.id = l.actor_id WHERE l.subject = 'job:{job}' ORDER BY l.id")
        assert entries == [["job.create", "t", '{"after": {"name": "one", "queue": "default", "schedule": "@daily", '
                            '"taskType": "email"}}', "t"], ["job.delete", "t", '{"after": {"deleted": true}}', "t"]], entries
        for other in (job, task):  # it is gone; a task is no job
            assert world.ask(DELETE_JOB, {"id": other}).code == "WORKER_UNAVAILABLE", other
        psql(world.url, f"UPDATE outbox SET sent_at = now() WHERE subject_id = '{kept}'")  # the worker may have it
        assert world.ask(DELETE_JOB, {"id": kept}).code == "WORKER_UNAVAILABLE"
        world.worker.launch()
        world.emptied()
        assert [body["job"]["id"] for body in world.worker.seen("/v1/jobs")] == [kept] and world.sent_ids() == [task]
        assert world.ask(DELETE_JOB, {"id": kept}).data["deleteJob"] is True


def a_silent_worker_leaves_a_create_in_doubt_and_the_same_id_is_sent_again(postgres):
    with World(postgres) as world:
        world.worker.is_mute_after = True
        task = world.create(payload={"once": True}).data["createTask"]
        assert task["accepted"] is False, task
        assert world.ask(CANCEL, {"id": task["id"]}).code != "ok"  # the worker may know of it
        assert list(world.worker.tasks) == [task["id"]]
        world.worker.is_mute_after = False
        world.emptied()
        assert list(world.worker.tasks) == [task["id"]] and len(world.sent_ids()) >= 2
        again = world.worker.seen("/v1/tasks")[-1]["tasks"][0]
        assert "is_fresh" not in again
        assert eventually(lambda: world.read(task["id"])["accepted"])
        assert world.read(task["id"])["payload"] == {"once": True}


def a_worker_that_hangs_costs_the_first_create_its_wait_and_no_other(postgres):
    with World(postgres, REQUEST_TIMEOUT="4s") as world:
        world.worker.is_hanging = True
        tasks = at_once(8, lambda i: world.create(payload={"n": i}).data["createTask"])
        assert not any(t["accepted"] for t in tasks)
        assert world.waiting() == 8
        assert world.create().data["createTask"]["accepted"] is False
        world.worker.is_hanging = False
        world.emptied()
        assert sorted(world.worker.tasks) == sorted(set(world.sent_ids())) and len(world.worker.tasks) == 9


def what_the_worker_refuses_stays_visible_as_failed_with_its_reason(postgres):
    with World(postgres) as world:
        world.worker.vanish()
        bad, good = world.create("nobody").data["createTask"]["id"], world.create().data["createTask"]["id"]
        job = world.ask(CREATE_JOB, {"input": {"name": "b", "schedule": "bad", "taskType": "email"}}).data["createJob"]["id"]
        world.worker.refuse["nobody"] = "type: nobody runs it"
        world.worker.launch()
        world.emptied()
        refused = world.read(bad)
        assert (refused["status"], refused["state"], refused["error"]) == ("FAILED", "DEAD", "type: nobody runs it"), refused
        assert world.read(good)["accepted"] is True
        assert world.ask(READ_JOB, {"id": job}).data["job"]["status"] == "FAILED"


def what_the_worker_cannot_take_just_now_is_sent_again(postgres):
    """Errors that pass: of single tasks beside others that are taken, and of whole requests."""
    with World(postgres) as world:
        world.worker.vanish()
        first, late, last = (world.create(t).data["createTask"]["id"] for t in ("email", "late", "email"))
        behind = world.create("email", dependsOn=[late]).data["createTask"]["id"]
        world.worker.put_off["late"] = [503, 504, 429, 503]
        world.worker.launch()
        world.emptied()
        assert world.worker.put_off["late"] == [] and set(world.worker.tasks) == {first, late, last, behind}
        for task in (first, late, last, behind):
            assert eventually(lambda t=task: world.read(t)["accepted"] and world.read(t))["status"] == "PENDING"
        assert world.sent_ids().count(late) == 5 and world.sent_ids().count(first) == 1, world.sent_ids()
        world.worker.vanish()
        task = world.create().data["createTask"]["id"]
        job = world.ask(CREATE_JOB, {"input": {"name": "n", "schedule": "@daily", "taskType": "email"}}).data["createJob"]["id"]
        world.worker.rate_limited = 3
        world.worker.launch()
        world.emptied()
        assert world.worker.rate_limited == 0 and task in world.worker.tasks and job in world.worker.jobs
        assert eventually(lambda: world.ask(READ_JOB, {"id": job}).data["job"]["accepted"])
        assert world.read(task)["status"] == "PENDING"


def a_key_that_another_task_holds_ends_the_entry_as_its_duplicate(postgres):
    with World(postgres) as world:
        holder = world.create(idempotencyKey="k").data["createTask"]["id"]
        world.worker.is_away = True
        second = world.create(idempotencyKey="k").data["createTask"]["id"]
        assert second != holder
        world.worker.is_away = False
        world.emptied()
        ended = world.read(second)
        assert ended["duplicateOf"]["id"] == holder and ended["status"] == "FAILED", ended


def the_outbox_is_bounded_and_says_so(postgres):
    with World(postgres, OUTBOX_MAX="3") as world:
        world.worker.vanish()
        assert [world.create().code for _ in range(3)] == ["ok"] * 3
        assert world.health()["outboxOldestAt"] is not None  # at once, as the count
        full = world.create()
        assert full.code == "WORKER_UNAVAILABLE" and "outbox-max" in full.error["message"], full.text
        assert world.waiting() == 3
        eventually(lambda: "windlass_outbox_waiting 3\n" in world.gateway.get("/metrics").text)
        eventually(lambda: world.health() == {"outboxWaiting": 3, "outboxOldestAt": world.oldest()})
        world.worker.launch()
        world.emptied()
        assert eventually(lambda: world.create().data["createTask"]["accepted"])
        eventually(lambda: world.health() == {"outboxWaiting": 0, "outboxOldestAt": None})
        eventually(lambda: "windlass_outbox_waiting 0\n" in world.gateway.get("/metrics").text)


def entries_survive_a_kill_and_a_rebuild_of_the_mirror(postgres):
    with World(postgres) as world:
        old = world.create().data["createTask"]["id"]
        eventually(lambda: psql(world.url, "SELECT 1 FROM mirror WHERE cursor = '0:%d'" % world.worker.head))
        world.worker.vanish()
        task = world.create(payload={"kept": 1}).data["createTask"]["id"]
        world.gateway.process.send_signal(signal.SIGKILL)
        world.gateway.process.wait()
        world.worker.forget()
        world.worker.add("report")
        world.worker.forget()
        world.worker.launch()
        world.gateway = Gateway(world.url, **world.settings)
        world.emptied()
        assert eventually(lambda: world.read(task))["payload"] == {"kept": 1}
        assert eventually(lambda: world.read(task)["accepted"])
        eventually(lambda: psql(world.url, "SELECT 1 FROM mirror WHERE cursor = '0:%d' AND snapshot_cursor IS NULL" % world.worker.head))
        rows = psql(world.url, "SELECT count(*) FROM tasks WHERE accepted")
        assert rows == [[str(len(world.worker.tasks))]] and world.read(old) is not None, rows


def a_repeat_of_the_same_id_waits_once(postgres):
    with World(postgres) as world:
        world.worker.vanish()
        own = new_id()
        answers = at_once(4, lambda i: world.create(id=own))
        assert [a.data["createTask"]["id"] for a in answers] == [own] * 4
        assert world.waiting() == 1
        world.worker.launch()
        world.emptied()
        assert list(world.worker.tasks) == [own]


def an_entry_and_its_row_are_one_commit_that_is_on_the_disk(postgres):
    with World(postgres) as world:
        psql(world.url, """
            CREATE TABLE seen (name text, tx text, synchronous text);
            CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                INSERT INTO seen VALUES (TG_TABLE_NAME, txid_current(), current_setting('synchronous_commit'));
                RETURN NULL; END $$;
            CREATE TRIGGER note AFTER INSERT ON outbox FOR EACH ROW EXECUTE FUNCTION note();
            CREATE TRIGGER note AFTER INSERT ON tasks FOR EACH ROW EXECUTE FUNCTION note();""")
        world.worker.vanish()
        assert world.create().data["createTask"]["accepted"] is False
        rows = psql(world.url, "SELECT regexp_replace(name, '_.*', ''), tx, synchronous FROM seen ORDER BY 1")
        assert [(name, synchronous) for name, _, synchronous in rows] == [("outbox", "on"), ("tasks", "on")], rows
        assert rows[0][1] == rows[1][1], rows
        assert psql(world.url, "SELECT version, accepted FROM tasks") == [["0", "f"]]


def an_id_out_of_time_is_refused_before_the_outbox(postgres):
    """As the worker would, and with the server's time; so nothing is kept that it would refuse."""
    with World(postgres, ID_PAST="2h", ID_FUTURE="1h") as world:
        world.worker.vanish()
        hour_us = 3_600_000_000
        now_us = time.time_ns() // 1000
        for bad in (new_id((now_us - 3 * hour_us) / 1e6), new_id((now_us + 2 * hour_us) / 1e6), "00000000-0000-4000-8000-000000000000"):
            for answer in (world.create(id=bad), world.ask(CREATE_ALL, {"inputs": [{"type": "email", "id": bad}]}),
                           world.ask(CREATE_JOB, {"input": {"id": bad, "name": "n", "schedule": "@daily", "taskType": "email"}})):
                assert answer.code == "BAD_USER_INPUT" and "id: " in answer.error["message"], answer.text
                assert bad[14] == "4" or str(datetime.now(timezone.utc).year) in answer.error["message"], answer.text
        assert world.waiting() == 0
        for good in (new_id((now_us - hour_us) / 1e6), new_id((now_us + hour_us // 2) / 1e6)):
            assert world.create(id=good).data["createTask"]["id"] == good
        assert world.waiting() == 2


def one_gateway_alone_sends_what_all_of_them_kept(postgres):
    with World(postgres) as world, Gateway(world.url, **world.settings) as other:
        world.worker.vanish()
        gateways = (world.gateway, other)
        kept = [world.ask(CREATE, {"input": {"type": "email"}}, gateways[i % 2]).data["createTask"]["id"] for i in range(8)]
        assert world.waiting() == 8
        world.worker.launch()
        world.emptied()
        assert sorted(world.sent_ids()) == sorted(kept)  # each once
        assert sum("outbox.forwarded" in gateway.log for gateway in gateways) == 1


def another_gateway_sends_when_the_one_that_did_is_killed(postgres):
    """What that one had sent, and heard no answer to, it sends again: under the same id."""
    with World(postgres) as world:
        world.gateway.wait_for_log(r"event=mirror\.held")
        with Gateway(world.url, **world.settings) as other:
            world.worker.is_mute_after = True
            doubtful = world.create().data["createTask"]
            assert doubtful["accepted"] is False and list(world.worker.tasks) == [doubtful["id"]]
            kept = [world.create().data["createTask"]["id"] for _ in range(3)]
            assert world.gateway.stop(signal.SIGKILL) == -signal.SIGKILL
            world.worker.is_mute_after = False
            world.emptied()
            assert set(world.worker.tasks) == {doubtful["id"], *kept}
            assert world.sent_ids().count(doubtful["id"]) >= 2
            eventually(lambda: "event=outbox.forwarded" in other.log)
            for task in (doubtful["id"], *kept):
                eventually(lambda t=task: world.ask(READ, {"id": t}, other).data["task"]["accepted"])


def what_comes_while_entries_wait_goes_behind_them(postgres):
    """Though the worker answers again: only the table's order is the order of acceptance."""
    with World(postgres) as world:
        world.worker.vanish()
        first = world.create().data["createTask"]["id"]
        world.worker.launch()
        second = world.create().data["createTask"]
        world.emptied()
        eventually(lambda: world.read(second["id"])["accepted"])
        sent = world.sent_ids()
        assert sent.index(first) < sent.index(second["id"]), sent


def an_outage_ends_for_every_gateway_while_creates_keep_coming(postgres):
    with World(postgres) as world, Gateway(world.url, **world.settings) as other:
        accepted, kept, is_over = [[], []], [], threading.Event()

        def create(i):
            while not is_over.is_set():
                task = world.ask(CREATE, {"input": {"type": "email"}}, (world.gateway, other)[i % 2]).data["createTask"]
                kept.append(task["id"])
                accepted[i % 2].append(task["accepted"])
                time.sleep(0.02)  # at a rate that the scripted worker can keep up with
        threads = [threading.Thread(target=create, args=(i,)) for i in range(6)]
        for thread in threads:
            thread.start()
        try:
            for is_away in (True, False, True, False):
                world.worker.is_away = is_away
                for each in accepted:
                    eventually(lambda each=each, is_away=is_away: each and each[-1] is not is_away)
        finally:
            is_over.set()
            for thread in threads:
                thread.join()
        world.emptied()
        assert sorted(kept) == sorted(world.worker.tasks), (len(kept), len(world.worker.tasks))


TESTS = [a_worker_of_an_older_version_takes_what_a_newer_gateway_creates,
         what_is_accepted_while_the_worker_is_away_is_forwarded_in_order, what_depends_on_what_is_kept_is_kept_too,
         what_waits_for_too_long_fails_visibly_unless_the_worker_may_have_it,
         nothing_waits_for_as_long_as_its_id_is_taken,
         every_other_change_says_that_the_worker_is_away, what_still_waits_can_be_cancelled_and_is_never_sent,
         a_job_that_still_waits_can_be_withdrawn_and_is_never_sent,
         a_silent_worker_leaves_a_create_in_doubt_and_the_same_id_is_sent_again,
         a_worker_that_hangs_costs_the_first_create_its_wait_and_no_other,
         what_the_worker_refuses_stays_visible_as_failed_with_its_reason,
         what_the_worker_cannot_take_just_now_is_sent_again,
         a_key_that_another_task_holds_ends_the_entry_as_its_duplicate, the_outbox_is_bounded_and_says_so,
         entries_survive_a_kill_and_a_rebuild_of_the_mirror, a_repeat_of_the_same_id_waits_once,
         an_entry_and_its_row_are_one_commit_that_is_on_the_disk, an_id_out_of_time_is_refused_before_the_outbox,
         one_gateway_alone_sends_what_all_of_them_kept, another_gateway_sends_when_the_one_that_did_is_killed,
         what_comes_while_entries_wait_goes_behind_them,
         an_outage_ends_for_every_gateway_while_creates_keep_coming]

if __name__ == "__main__":
    with Postgres() as the_postgres:
        run_tests(TESTS, the_postgres)
