#!/usr/bin/env python3
"""What waits in the outbox though the worker is there: what has stepped aside, what depends on it, and what the worker
cannot take just now. Usage: gateway_outbox_aside_test.py PROGRAM"""

import json
import os
import signal
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../support"))
from fake_worker import Refusal  # noqa: E402
from gateway_rig import Answer, Client, Gateway, Postgres, eventually, psql, run_tests  # noqa: E402
from ids import new_id  # noqa: E402
from outbox_rig import CANCEL, CREATE, CREATE_ALL, CREATE_JOB, READ_JOB, World  # noqa: E402


def step_aside(world, count):
    """Waits until so many have, and lets them stay there."""
    eventually(lambda: psql(world.url, "SELECT count(*) FROM outbox WHERE apart_until > now() AND sent_at IS NULL") == [[str(count)]])
    eventually(lambda: len(psql(world.url, "UPDATE outbox SET apart_until = now() + interval '1 hour' "
                                           "WHERE sent_at IS NULL AND apart_until IS NOT NULL RETURNING 1")) == count)


def together(world, inputs):
    """The answers to creates that one request takes to the worker: those of one turn leave together."""
    client = Client(world.gateway, world.admin)
    try:
        batch = [{"query": CREATE, "variables": {"input": each}} for each in inputs]
        answer = client.request("POST", "/graphql", json.dumps(batch), {
            "Content-Type": "application/json", "Accept": "application/graphql-response+json", "Authorization": f"Bearer {world.admin}"})
    finally:
        client.close()
    made = [Answer(answer.status, answer.headers, json.dumps(each).encode()) for each in answer.json]
    assert any(len(body["tasks"]) == len(inputs) for body in world.worker.seen("/v1/tasks"))
    return made


def what_has_stepped_aside_fails_visibly_after_too_long(postgres):
    with World(postgres) as world:
        world.worker.foreign = {"moved": 1}
        world.worker.vanish()
        task = world.create(queue="moved").data["createTask"]["id"]
        job = world.ask(CREATE_JOB, {"input": {"name": "n", "schedule": "@daily", "taskType": "email", "queue": "moved"}}).data["createJob"]["id"]
        world.worker.launch()
        step_aside(world, 2)
        psql(world.url, "UPDATE outbox SET created_at = now() - interval '2 hours'")
        world.gateway.stop(signal.SIGTERM)
        with Gateway(world.url, WORKER_URL=world.worker.url, OUTBOX_MAX_AGE="1h") as world.gateway:
            world.emptied()
            failed = world.read(task)
            assert failed["status"] == "FAILED" and "refused it" in failed["error"], failed
            assert world.ask(READ_JOB, {"id": job}).data["job"]["status"] == "FAILED"
            assert not world.worker.tasks and not world.worker.jobs


def what_has_stepped_aside_comes_after_the_others(postgres):
    with World(postgres) as world:
        world.worker.foreign = {"moved": 1}
        world.worker.vanish()
        aside = [world.create(queue="moved").data["createTask"]["id"] for _ in range(3)]
        psql(world.url, "UPDATE outbox SET apart_until = now()")
        others = [world.create().data["createTask"]["id"] for _ in range(2)]
        eventually(lambda: world.health() == {"outboxWaiting": 2, "outboxOldestAt": world.oldest(f"subject_id = '{others[0]}'")})
        world.worker.launch()
        eventually(lambda: len(world.worker.seen("/v1/tasks")) >= 2)
        sent = [[t["id"] for t in body["tasks"]] for body in world.worker.seen("/v1/tasks")[:2]]
        assert sent == [others, aside], (sent, others, aside)
        eventually(lambda: f"event=outbox.misdirected count=3 id={aside[0]} " in world.gateway.log)


def apart(world):
    """A task that has stepped aside, and nothing else waits; to what depends on it the worker says that it is not there."""
    world.worker.foreign = {"moved": 1}
    world.worker.vanish()
    first = world.create(queue="moved").data["createTask"]["id"]
    world.worker.launch()
    step_aside(world, 1)
    eventually(lambda: world.health()["outboxWaiting"] == 0 and world.create().data["createTask"]["accepted"])
    eventually(lambda: world.waiting() == 1)
    return first


def what_depends_on_what_has_stepped_aside_is_kept_behind_it(postgres):
    with World(postgres) as world:
        first = apart(world)
        one = world.create(dependsOn=[first])
        assert one.code == "ok" and one.data["createTask"]["accepted"] is False, one.text
        second, own = one.data["createTask"]["id"], new_id()
        assert one.data["createTask"]["state"] == "BLOCKED", one.text
        many = world.ask(CREATE_ALL, {"inputs": [{"type": "email"}, {"type": "email", "id": own, "dependsOn": [second]},
                                                 {"type": "email", "dependsOn": [own]}]})
        assert many.code == "ok" and not any(t["accepted"] for t in many.data["createTasks"]), many.text
        again = world.create(id=first, queue="moved")
        assert again.code == "ok" and again.data["createTask"]["accepted"] is False, again.text
        assert world.create().data["createTask"]["accepted"] is True  # past them
        stranger = world.create(dependsOn=[new_id()])
        assert stranger.code == "BAD_USER_INPUT" and "there is no such task" in stranger.text, stranger.text
        assert first not in world.worker.tasks
        eventually(lambda: world.waiting() == 4)  # the one that depends on nothing has come through
        world.worker.foreign = {}
        eventually(lambda: psql(world.url, "UPDATE outbox SET apart_until = now() WHERE apart_until > now()") == [] and world.waiting() == 0)
        for task in (first, second, *(t["id"] for t in many.data["createTasks"])):
            assert eventually(lambda task=task: world.read(task)["accepted"]) and task in world.worker.tasks


def what_depends_on_what_fails_in_the_outbox_fails_with_that_reason(postgres):
    with World(postgres) as world:
        first = apart(world)
        second = world.create(dependsOn=[first]).data["createTask"]["id"]
        third = world.create(dependsOn=[second]).data["createTask"]["id"]
        assert world.ask(CANCEL, {"id": first}).code == "ok"
        eventually(lambda: psql(world.url, "UPDATE outbox SET apart_until = now() WHERE apart_until > now()") == [] and world.waiting() == 0)
        for task, on, how in ((second, first, "was cancelled"), (third, second, "has failed")):
            failed = world.ask("query($id: ID!) { task(id: $id) { state error why { code text blockedBy { id } } } }", {"id": task})
            failed = failed.data["task"]
            error = f"the task {on}, which this one depends on, {how}"
            assert (failed["state"], failed["error"], failed["why"]["code"], failed["why"]["text"],
                    failed["why"]["blockedBy"]) == ("DEAD", error, "DEPENDENCY", error, [{"id": on}]), failed


def what_may_wait_behind_what_has_stepped_aside_is_bounded(postgres):
    with World(postgres, OUTBOX_MAX="2") as world:
        first = apart(world)
        assert world.create(dependsOn=[first]).code == "ok"
        full = world.create(dependsOn=[first])
        assert full.code == "WORKER_UNAVAILABLE" and "outbox-max" in full.text, full.text
        assert world.waiting() == 2


def what_the_worker_puts_off_beside_what_it_takes_is_kept(postgres):
    with World(postgres, GQL_BATCH_MAX="10") as world:
        world.worker.put_off["late"] = [503, 503]
        late = new_id()
        made = together(world, [{"type": "email"}, {"type": "late", "id": late}, {"type": "email"},
                                {"type": "email", "dependsOn": [late]}, {"type": "email", "dependsOn": [new_id()]}])
        assert [t.code for t in made] == ["ok"] * 4 + ["BAD_USER_INPUT"], [t.text for t in made]
        assert [t.data["createTask"]["accepted"] for t in made[:4]] == [True, False, True, False], [t.text for t in made]
        behind = made[3].data["createTask"]["id"]
        world.emptied()
        assert world.worker.put_off["late"] == [] and {late, behind} <= set(world.worker.tasks)
        assert eventually(lambda: world.read(late)["accepted"] and world.read(behind)["accepted"])


def only_what_the_worker_may_have_counts_as_sent(postgres):
    """What it put off for certain can be cancelled, and expires."""
    with World(postgres, GQL_BATCH_MAX="10") as world:
        psql(world.url, """CREATE TABLE put (subject_id uuid, is_sent bool);
            CREATE FUNCTION put() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS
            'BEGIN INSERT INTO put VALUES (NEW.subject_id, NEW.sent_at IS NOT NULL); RETURN NULL; END';
            CREATE TRIGGER put AFTER INSERT ON outbox FOR EACH ROW EXECUTE FUNCTION put()""")
        world.worker.put_off = {"later": [503], "slower": [429], "doubtful": [504]}
        ids = {kind: new_id() for kind in world.worker.put_off}
        made = together(world, [*({"type": kind, "id": task} for kind, task in ids.items()),
                                {"type": "email", "id": ids.setdefault("behind", new_id()), "dependsOn": [ids["doubtful"]]}])
        assert [t.code for t in made] == ["ok"] * 4, [t.text for t in made]
        sent = dict(psql(world.url, "SELECT subject_id, is_sent FROM put"))
        assert sent == {task: "t" if kind == "doubtful" else "f" for kind, task in ids.items()}, (sent, ids)
        world.emptied()


def what_was_sent_twice_may_be_there_whatever_the_second_answer_says(postgres):
    """The kept connection breaks behind the first, which the worker has carried out."""
    with World(postgres, GATEWAY_LOOPS="1") as world:
        watch_marks(world)
        create = world.worker.create

        def mute_and_then_away(body, headers):
            if not world.worker.is_mute_after:
                world.worker.is_mute_after = True
                return create(body, headers)
            world.worker.is_mute_after, world.worker.create = False, create
            raise Refusal(503, "UNAVAILABLE", "not leading")
        assert world.create().data["createTask"]["accepted"]
        psql(world.url, """CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS
            'BEGIN INSERT INTO marks VALUES (NEW.subject_id, NEW.sent_at IS NOT NULL); RETURN NULL; END';
            CREATE TRIGGER keep AFTER INSERT ON outbox FOR EACH ROW EXECUTE FUNCTION keep()""")
        world.worker.create = mute_and_then_away
        task = world.create().data["createTask"]
        assert task["id"] in world.worker.tasks
        assert psql(world.url, f"SELECT count(*) > 0 FROM marks WHERE subject_id = '{task['id']}'") == [["t"]]
        assert not was_unmarked(world, task["id"])
        world.emptied()


def watch_marks(world):
    """Keeps what happens to the mark of each entry that is sent."""
    psql(world.url, """CREATE TABLE marks (subject_id uuid, is_sent bool);
        CREATE FUNCTION mark() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS
        'BEGIN INSERT INTO marks VALUES (NEW.subject_id, NEW.sent_at IS NOT NULL); RETURN NULL; END';
        CREATE TRIGGER mark AFTER UPDATE ON outbox FOR EACH ROW EXECUTE FUNCTION mark()""")


def was_unmarked(world, subject):
    return psql(world.url, f"SELECT count(*) > 0 FROM marks WHERE subject_id = '{subject}' AND NOT is_sent") == [["t"]]


def what_the_worker_puts_off_can_be_cancelled_meanwhile(postgres):
    """Of single tasks beside others that are taken, and of whole requests."""
    with World(postgres) as world:
        world.worker.vanish()
        late, full = (world.create(kind).data["createTask"]["id"] for kind in ("late", "full"))
        world.worker.put_off = {"late": [429] * 1000, "full": [503] * 1000}
        world.worker.launch()
        for task in (late, full):
            eventually(lambda task=task: world.sent_ids().count(task) >= 2)
            eventually(lambda task=task: world.ask(CANCEL, {"id": task}).code == "ok")
            assert world.read(task)["state"] == "CANCELLED"
        world.emptied()
        world.worker.vanish()
        task = world.create().data["createTask"]["id"]
        world.worker.rate_limited = 1000
        world.worker.launch()
        eventually(lambda: world.sent_ids().count(task) >= 2)
        eventually(lambda: world.ask(CANCEL, {"id": task}).code == "ok")
        assert world.read(task)["state"] == "CANCELLED" and not world.worker.tasks


def what_the_worker_puts_off_fails_visibly_after_too_long(postgres):
    with World(postgres) as world:
        world.worker.vanish()
        job = world.ask(CREATE_JOB, {"input": {"name": "n", "schedule": "@daily", "taskType": "email"}}).data["createJob"]["id"]
        world.worker.rate_limited = 1000
        world.worker.launch()
        eventually(lambda: len(world.worker.seen("/v1/jobs")) >= 2)
        # It is held in that state, so that the next gateway finds it there.
        eventually(lambda: psql(world.url, "UPDATE outbox SET apart_until = now() + interval '1 hour', created_at = now() - interval '2 hours' "
                                           "WHERE sent_at IS NULL RETURNING 1"))
        world.gateway.stop(signal.SIGTERM)
        psql(world.url, "UPDATE outbox SET apart_until = NULL")
        with Gateway(world.url, WORKER_URL=world.worker.url, OUTBOX_MAX_AGE="1h") as world.gateway:
            world.emptied()
            assert world.ask(READ_JOB, {"id": job}).data["job"]["status"] == "FAILED" and not world.worker.jobs


def what_the_worker_may_have_taken_before_stays_sent_when_it_is_put_off(postgres):
    with World(postgres) as world:
        watch_marks(world)
        world.worker.vanish()
        doubtful, late = (world.create(kind).data["createTask"]["id"] for kind in ("doubtful", "late"))
        world.worker.put_off = {"doubtful": [504] + [503] * 3, "late": [503] * 4}
        world.worker.launch()
        world.emptied()
        assert world.sent_ids().count(doubtful) == 5
        assert was_unmarked(world, late) and not was_unmarked(world, doubtful)


def what_another_gateway_has_sent_meanwhile_stays_sent(postgres):
    """Its lease ran out while the worker thought about it: that answer says nothing of the other's request."""
    with World(postgres) as world:
        watch_marks(world)
        world.worker.vanish()
        task = world.create("late").data["createTask"]["id"]

        class Statuses(list):
            def pop(self, index=-1):
                psql(world.url, "UPDATE outbox SET sent_at = clock_timestamp()")
                return super().pop(index)
        world.worker.put_off["late"] = Statuses([503])
        world.worker.launch()
        world.emptied()
        assert world.sent_ids() == [task] * 2 and not was_unmarked(world, task)


def what_another_gateway_has_sent_meanwhile_stays_sent_when_it_steps_aside(postgres):
    with World(postgres) as world:
        watch_marks(world)
        world.worker.vanish()
        task = world.create(queue="moved").data["createTask"]["id"]

        class Foreign(dict):
            def __contains__(self, queue):
                psql(world.url, "UPDATE outbox SET sent_at = clock_timestamp()")
                return super().__contains__(queue)
        world.worker.foreign = Foreign(moved=1)
        world.worker.launch()
        eventually(lambda: psql(world.url, "SELECT 1 FROM outbox WHERE apart_until IS NOT NULL"))
        assert not was_unmarked(world, task)


def what_is_put_off_of_an_all_or_none_call_is_all_kept(postgres):
    with World(postgres) as world:
        world.worker.put_off["late"] = [429, 429]
        many = world.ask(CREATE_ALL, {"inputs": [{"type": "email"}, {"type": "late"}, {"type": "email"}]})
        assert many.code == "ok" and not any(t["accepted"] for t in many.data["createTasks"]), many.text
        world.emptied()
        assert {t["id"] for t in many.data["createTasks"]} <= set(world.worker.tasks)


def what_came_to_the_worker_meanwhile_is_asked_for_once_more(postgres):
    """What a task depends on may go from the outbox to the worker between its answer and the look into the outbox."""
    with World(postgres) as world:
        first = world.create().data["createTask"]["id"]
        missing_of, left = world.worker.missing_of, [1]

        def late(wanted, known):
            if wanted.get("depends_on") and left[0] > 0:
                left[0] -= 1
                return "depends_on[0]: there is no such task"
            return missing_of(wanted, known)
        world.worker.missing_of = late
        made = world.create(dependsOn=[first])
        assert made.code == "ok" and made.data["createTask"]["accepted"] is True, made.text
        left[0] = 1
        many = world.ask(CREATE_ALL, {"inputs": [{"type": "email"}, {"type": "email", "dependsOn": [first]}]})
        assert many.code == "ok" and all(t["accepted"] for t in many.data["createTasks"]), many.text
        left[0], seen = 100, len(world.worker.seen("/v1/tasks"))
        refused = world.create(dependsOn=[first])
        assert refused.code == "BAD_USER_INPUT" and "there is no such task" in refused.text, refused.text
        assert len(world.worker.seen("/v1/tasks")) - seen == 2


def what_depends_on_a_duplicate_is_told_so(postgres):
    with World(postgres) as world:
        first = apart(world)
        key = {"idempotencyKey": "once"}
        held = world.create(**key).data["createTask"]["id"]
        double = new_id()
        assert world.create(id=double, queue="moved", dependsOn=[first], **key).code == "ok"
        behind = world.create(dependsOn=[double]).data["createTask"]["id"]
        world.worker.foreign = {}
        eventually(lambda: psql(world.url, "UPDATE outbox SET apart_until = now() WHERE apart_until > now()") == [] and world.waiting() == 0)
        assert eventually(lambda: world.read(double)["duplicateOf"]) == {"id": held}
        failed = world.read(behind)
        assert failed["error"] == (f"the task {double}, which this one depends on, was not made: "
                                   f"the task {held} held its idempotency key"), failed


def what_has_stepped_aside_costs_no_look_at_the_others(postgres):
    """However many there are: no row is read to be passed over."""
    text = open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../src/store/public/outbox.sql"), encoding="utf-8").read()
    take = text.split("-- :name outbox_take ")[1].split("-- :name")[0].split("\n", 1)[1]
    with World(postgres) as world:
        plan = psql(world.url, """
            INSERT INTO outbox (id, kind, subject_id, body, apart_until)
            SELECT gen_random_uuid(), 'task', gen_random_uuid(), '{}', now() + interval '1 hour' FROM generate_series(1, 5000);
            INSERT INTO outbox (id, kind, subject_id, body, sent_at) VALUES (gen_random_uuid(), 'task', gen_random_uuid(), '{}', now());
            ANALYZE outbox;
            PREPARE take (int8, int8, int2) AS %s
            BEGIN; EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF) EXECUTE take(500, 4000000, 0::int2); ROLLBACK;""" % take)
        plan = "\n".join(line[0] for line in plan)
        assert "Rows Removed by Filter" not in plan and "Seq Scan on outbox" not in plan, plan


def a_circle_steps_aside_and_a_cancelled_task_breaks_it(postgres):
    """Each waits for the other, and only the worker would see it."""
    with World(postgres) as world:
        world.worker.vanish()
        one, two = new_id(), new_id()
        assert world.create(id=one, dependsOn=[two]).code == world.create(id=two, dependsOn=[one]).code == "ok"
        world.worker.launch()
        step_aside(world, 2)
        eventually(lambda: world.health()["outboxWaiting"] == 0)
        cancelled = world.ask(CANCEL, {"id": one})
        assert cancelled.code == "ok" and cancelled.data["cancelTask"]["state"] == "CANCELLED", cancelled.text
        psql(world.url, "UPDATE outbox SET apart_until = now()")
        world.emptied()
        failed = world.read(two)
        assert failed["status"] == "FAILED" and f"{one}, which this one depends on, was cancelled" in failed["error"], failed


def what_makes_the_worker_stumble_holds_back_nobody(postgres):
    with World(postgres) as world:
        world.worker.vanish()
        bad, good = world.create("bad").data["createTask"]["id"], world.create().data["createTask"]["id"]
        world.worker.put_off["bad"] = [500]
        world.worker.launch()
        eventually(lambda: good in world.worker.tasks and psql(world.url, "SELECT apart_until IS NOT NULL FROM outbox") == [["t"]])
        assert eventually(lambda: world.create().data["createTask"]["accepted"])
        world.emptied()
        assert bad in world.worker.tasks and eventually(lambda: world.read(bad)["accepted"])


TESTS = [what_has_stepped_aside_fails_visibly_after_too_long, what_has_stepped_aside_comes_after_the_others,
         what_depends_on_what_has_stepped_aside_is_kept_behind_it,
         what_depends_on_what_fails_in_the_outbox_fails_with_that_reason,
         what_may_wait_behind_what_has_stepped_aside_is_bounded,
         what_the_worker_puts_off_beside_what_it_takes_is_kept, only_what_the_worker_may_have_counts_as_sent,
         what_the_worker_puts_off_can_be_cancelled_meanwhile, what_the_worker_puts_off_fails_visibly_after_too_long,
         what_the_worker_may_have_taken_before_stays_sent_when_it_is_put_off,
         what_another_gateway_has_sent_meanwhile_stays_sent, what_another_gateway_has_sent_meanwhile_stays_sent_when_it_steps_aside,
         what_was_sent_twice_may_be_there_whatever_the_second_answer_says,
         what_is_put_off_of_an_all_or_none_call_is_all_kept, what_came_to_the_worker_meanwhile_is_asked_for_once_more,
         what_depends_on_a_duplicate_is_told_so, what_has_stepped_aside_costs_no_look_at_the_others,
         a_circle_steps_aside_and_a_cancelled_task_breaks_it, what_makes_the_worker_stumble_holds_back_nobody]

if __name__ == "__main__":
    with Postgres() as the_postgres:
        run_tests(TESTS, the_postgres)
