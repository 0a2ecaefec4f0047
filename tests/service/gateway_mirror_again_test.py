#!/usr/bin/env python3
"""The mirror: what could not be stored at once is stored once, and counted once.
Usage: gateway_mirror_again_test.py PROGRAM"""

import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../support"))
import recount  # noqa: E402
from fake_worker import Refusal, now_us  # noqa: E402
from gateway_mirror_test import World, check_error_groups, live_a_little, sql  # noqa: E402
from gateway_rig import Postgres, eventually, run_tests  # noqa: E402

# What a sequence has told is not taken back with the transaction.
REFUSE = """CREATE SEQUENCE writes;
    CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        CASE nextval('writes')
            WHEN 1 THEN RAISE 'not so' USING errcode = 'check_violation';
            WHEN 2 THEN RAISE 'no room' USING errcode = 'disk_full';
            ELSE RETURN NEW;
        END CASE;
    END $$;
    CREATE TRIGGER refuse BEFORE INSERT ON tasks FOR EACH ROW WHEN (NEW.type = 'late') EXECUTE FUNCTION refuse();
    GRANT USAGE ON SEQUENCE writes TO PUBLIC"""

PLACES = "SELECT id, xmin, xmax, ctid FROM tasks"


def a_page_that_was_refused_and_then_not_stored_is_counted_once(postgres):
    with World(postgres) as world:
        with world.start():
            world.following()
            world.worker.add("early")
            world.caught_up()
        world.worker.add("late")
        world.worker.forget()
        sql(world.url, REFUSE)
        with world.start():
            world.caught_up()
            world.check_equal()
        assert sql(world.url, "SELECT last_value > 2 FROM writes") == [["t"]]
        counted = sql(world.url, "SELECT type, created FROM task_rollups WHERE span_s = 864000 AND created > 0 ORDER BY 1")
        assert counted == [["", "2"], ["early", "1"], ["late", "1"]], counted


def a_rebuild_writes_only_what_is_otherwise(postgres):
    """A row that is written or locked gets another xmin, xmax or place."""
    with World(postgres) as world:
        made = live_a_little(world.worker, 50)
        with world.start():
            world.caught_up()
        before = {row[0]: row for row in sql(world.url, PLACES)}
        changed, gone = made[9], made[0]
        world.worker.start(changed)
        world.worker.drop(gone)
        late = world.worker.add("late")
        world.worker.put_nothing()
        world.worker.forget()
        world.worker.page_max = 20
        with world.start():
            world.caught_up()
            world.check_equal()
        after = {row[0]: row for row in sql(world.url, PLACES)}
        assert after.keys() == (before.keys() - {gone}) | {late}, after.keys() ^ before.keys()
        assert [i for i in after if after[i] != before.get(i)] in ([changed, late], [late, changed]), (before, after)


def a_page_that_is_asked_for_ahead_and_fails_is_asked_for_again(postgres):
    """The fourth page is asked for while the third is stored; both that, and the one after it, fail once."""
    with World(postgres) as world:
        live_a_little(world.worker, 60)
        world.worker.page_max = 10
        failed = set()

        def fail(page):
            if page in (4, 6):
                failed.add(page)
                raise Refusal(500, "INTERNAL", "torn")
        world.worker.on_page = fail
        with world.start():
            world.caught_up()
            world.check_equal()
        assert failed == {4, 6}, failed
        seen = world.worker.afters
        assert seen.count("") == 1 and len(seen) == len(set(seen)) + 2, seen


def a_page_that_is_not_stored_takes_the_one_ahead_of_it_with_it(postgres):
    with World(postgres) as world:
        with world.start():
            world.following()
        live_a_little(world.worker, 30)
        world.worker.add("late")
        live_a_little(world.worker, 30)
        world.worker.page_max = 10
        world.worker.forget()
        sql(world.url, REFUSE)
        with world.start():
            world.caught_up()
            world.check_equal()
        created = sql(world.url, "SELECT type, created FROM task_rollups WHERE span_s = 864000 AND type IN ('', 'late')"
                                 " ORDER BY 1")
        assert created == [["", "61"], ["late", "1"]], created


CREATE = """mutation($type: String!, $payload: JSON) {
    createTask(input: {type: $type, payload: $payload}) { id type status payload accepted } }"""


def create(gateway, token, kind):
    payload = {"of": kind}
    task = gateway.graphql(CREATE, {"type": kind, "payload": payload}, token).data["createTask"]
    assert task == {"id": task["id"], "type": kind, "status": "PENDING", "payload": payload, "accepted": True}, task
    return task["id"]


def what_a_gateway_stores_itself_its_mirror_does_not(postgres):
    with World(postgres) as world:
        with world.start() as gateway:
            world.following()
            token = gateway.set_up()
            sql(world.url, """CREATE SEQUENCE writes;
                CREATE FUNCTION count_write() RETURNS trigger LANGUAGE plpgsql AS $$
                BEGIN PERFORM nextval('writes'); RETURN NEW; END $$;
                CREATE TRIGGER count BEFORE INSERT ON tasks FOR EACH ROW EXECUTE FUNCTION count_write();
                GRANT USAGE ON SEQUENCE writes TO PUBLIC""")
            made = {create(gateway, token, "own") for _ in range(20)}
            world.worker.add("another")
            world.caught_up()
            world.check_equal()
            assert made < world.stored().keys()
            writes = int(sql(world.url, "SELECT last_value FROM writes")[0][0])
            assert writes < 2 * len(made), writes  # but for those that took longer than the mirror waits


def a_task_that_somebody_else_stored_first_is_created_all_the_same(postgres):
    with World(postgres) as world:
        answer = world.worker.create

        def stored_before_it_is_told(body, headers):
            told = answer(body, headers)
            for wanted in body["tasks"]:
                task = world.worker.tasks[wanted["id"]]
                sql(world.url, "INSERT INTO tasks (id, type, payload, created_by, version) VALUES"
                               f" ('{task['id']}', 'taken', '{{\"of\": \"taken\"}}', '{task['created_by']}', 0)")
            return told

        with world.start() as gateway:
            world.following()
            token = gateway.set_up()
            world.worker.create = stored_before_it_is_told
            create(gateway, token, "taken")
            world.worker.create = answer
            create(gateway, token, "free")
            world.caught_up()
            world.check_equal()


class Held:
    """A transaction that lets no mirror store anything until its end."""

    def __init__(self, url):
        self.holder = subprocess.Popen(["psql", "-XqAt", url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.holder.stdin.write("BEGIN; SELECT 'held' FROM mirror FOR UPDATE;\n")
        self.holder.stdin.flush()
        assert self.holder.stdout.readline().strip() == "held"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.holder.stdin.close()
        self.holder.wait()
        self.holder.stdout.close()


# What each statement deletes of the tasks.
WATCH_DELETES = """CREATE TABLE deletes (count int8);
    CREATE FUNCTION note_deletes() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
    BEGIN INSERT INTO deletes SELECT count(*) FROM gone HAVING count(*) > 0; RETURN NULL; END $$;
    CREATE TRIGGER note AFTER DELETE ON tasks REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION note_deletes()"""
DAY = "01999c00-0000-7000-8000-{:012x}"  # one day's ids
MANY = 50_000
PUT_MANY = f"""INSERT INTO tasks (id, type, status, state, error, error_template, finished_at, version)
    SELECT ('01999c00-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, 'old',
           (CASE WHEN n % 10 = 0 THEN 'failed' ELSE 'completed' END)::task_status,
           (CASE WHEN n % 10 = 0 THEN 'dead' ELSE 'succeeded' END)::task_state, 'no', 'no', now(), 1
    FROM generate_series(1, {MANY}) AS n; {recount.PUT_ERROR_GROUPS};
    UPDATE tasks SET version = 0, accepted = false WHERE id = '{DAY.format(77)}'"""


def check_steps(world):
    """All but the entry's visible row have gone, no more than a step's at once, and the groups of errors with them."""
    assert [row[0] for row in sql(world.url, "SELECT id FROM tasks WHERE type = 'old'")] == [DAY.format(77)]
    most, total = sql(world.url, "SELECT max(count), sum(count) FROM deletes")[0]
    assert int(total) == MANY - 1 and int(most) <= 21_000, (most, total)
    check_error_groups(world.url)


def a_day_leaves_in_steps_however_much_it_holds(postgres):
    with World(postgres) as world:
        with world.start() as gateway:
            world.following()
            kept = world.worker.add("kept")
            world.caught_up()
            sql(world.url, WATCH_DELETES)
            sql(world.url, PUT_MANY)
            sql(world.url, f"INSERT INTO outbox (id, kind, subject_id, body, apart_until) VALUES (gen_random_uuid(), 'task', "
                           f"'{DAY.format(77)}', '{{}}', now() + interval '1 day')")
            world.worker.drop_range(DAY.format(0), DAY.format(0xffffffffffff))
            world.caught_up()
            check_steps(world)
            assert kept in world.stored() and "event=mirror.cleared shard=0 steps=2 done=1" in gateway.log


def what_a_rebuild_does_not_find_leaves_in_steps(postgres):
    with World(postgres) as world:
        live_a_little(world.worker, 30)
        with world.start():
            world.caught_up()
        sql(world.url, WATCH_DELETES)
        sql(world.url, PUT_MANY)
        world.worker.put_nothing()
        world.worker.forget()
        with world.start():
            world.caught_up()
            check_steps(world)
            world.check_equal()


def what_is_there_when_the_log_begins_anew_leaves_in_steps(postgres):
    """The versions of rows mean nothing then."""
    with World(postgres) as world:
        world.worker.put_nothing(20)
        with world.start() as gateway:
            world.caught_up()
            sql(world.url, WATCH_DELETES)
            sql(world.url, PUT_MANY)
            world.worker.begin_anew()
            world.worker.add("new")
            world.caught_up()
            eventually(lambda: "event=mirror.worker-reset" in gateway.log)
            check_steps(world)
            world.check_equal()


READ_JOB = "query($id: ID!) { job(id: $id) { id } jobs { id } }"


def a_deleted_job_does_not_come_back_with_a_change_that_is_stored_later(postgres):
    """Its last firing is on its way into the table, and the worker has not told the mirror of its end yet."""
    with World(postgres) as world:
        feed, told_until = world.worker.feed, []

        def told_in_parts(query):
            answer = feed(query)
            if told_until and "cursor" in query:
                answer["events"] = [e for e in answer["events"] if int(e["seq"]) < told_until[0]]
                first = int(query["cursor"][0].split(":")[1])
                answer["cursor"] = f"0:{first + len(answer['events'])}"
            return answer
        with world.start() as gateway:
            world.following()
            token = gateway.set_up()
            job = world.worker.put_job(name="each second")
            world.caught_up()
            world.worker.feed = told_in_parts
            with Held(world.url):
                world.worker.put_job(id=job, last_run_us=now_us())
                told_until.append(world.worker.head)
                eventually(lambda: sql(world.url, "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' "
                                                  "AND datname = current_database()"))
                assert gateway.graphql("mutation($id: ID!) { deleteJob(id: $id) }", {"id": job}, token).data["deleteJob"]
            eventually(lambda: world.cursor() >= told_until[0])
            assert gateway.graphql(READ_JOB, {"id": job}, token).data == {"job": None, "jobs": []}
            assert sql(world.url, "SELECT id FROM jobs") == []
            told_until.clear()
            world.caught_up()
            world.check_equal()


def a_deleted_job_does_not_come_back_with_an_answer_of_before(postgres):
    """Query.job asks the worker for what is in no row, and stores what it tells."""
    with World(postgres) as world:
        with world.start() as gateway:
            world.following()
            token = gateway.set_up()
            job = world.worker.put_job(name="gone")
            world.caught_up()
            told, answer = dict(world.worker.jobs[job]), world.worker.answer
            world.worker.drop_job(job)
            world.caught_up()
            world.worker.answer = lambda method, path, *rest: (
                {"job": told} if path == f"/v1/jobs/{job}" else answer(method, path, *rest))
            assert gateway.graphql(READ_JOB, {"id": job}, token).data["job"] == {"id": job}
            assert sql(world.url, "SELECT id FROM jobs") == []
            told["version"] = str(world.worker.head)  # the mirror has not come to that
            assert gateway.graphql(READ_JOB, {"id": job}, token).data["job"] == {"id": job}
            assert sql(world.url, "SELECT id FROM jobs") == [[job]]


READ_TASK = "query($id: ID!) { task(id: $id) { id source } }"


def a_deleted_task_does_not_come_back_with_an_answer_of_before(postgres):
    """Query.task asks the worker for what is in no row, and stores what it tells."""
    with World(postgres) as world:
        with world.start() as gateway:
            world.following()
            token = gateway.set_up()
            task = world.worker.add("gone")
            world.caught_up()
            told, answer = dict(world.worker.tasks[task]), world.worker.answer
            world.worker.drop(task)
            world.caught_up()
            world.worker.answer = lambda method, path, *rest: (
                {"task": told} if path == f"/v1/tasks/{task}" else answer(method, path, *rest))
            found = {"id": task, "source": "LIVE"}
            assert gateway.graphql(READ_TASK, {"id": task}, token).data["task"] == found
            assert sql(world.url, "SELECT id FROM tasks") == []
            told["version"] = str(world.worker.head)  # the mirror has not come to that
            assert gateway.graphql(READ_TASK, {"id": task}, token).data["task"] == found
            assert sql(world.url, "SELECT id FROM tasks") == [[task]]


TESTS = [what_a_gateway_stores_itself_its_mirror_does_not,
         a_deleted_job_does_not_come_back_with_a_change_that_is_stored_later,
         a_day_leaves_in_steps_however_much_it_holds, what_a_rebuild_does_not_find_leaves_in_steps,
         what_is_there_when_the_log_begins_anew_leaves_in_steps, a_deleted_job_does_not_come_back_with_an_answer_of_before,
         a_deleted_task_does_not_come_back_with_an_answer_of_before,
         a_task_that_somebody_else_stored_first_is_created_all_the_same,
         a_page_that_was_refused_and_then_not_stored_is_counted_once, a_rebuild_writes_only_what_is_otherwise,
         a_page_that_is_asked_for_ahead_and_fails_is_asked_for_again,
         a_page_that_is_not_stored_takes_the_one_ahead_of_it_with_it]

if __name__ == "__main__":
    with Postgres() as the_postgres:
        run_tests(TESTS, the_postgres)
