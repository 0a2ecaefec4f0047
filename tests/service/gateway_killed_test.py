#!/usr/bin/env python3
"""What somebody asked for when his gateway was killed has an entry of the audit log, and the entry an end: also where
the feed cannot tell of it any more, and of several shards. Usage: gateway_killed_test.py PROGRAM"""

import json
import os
import signal
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../support"))
from gateway_rig import Gateway, Postgres, eventually, psql, run_tests, unanswered  # noqa: E402
from gateway_shards_test import CANCEL_ALL, PAUSE, SETTINGS, World as Shards  # noqa: E402
from outbox_rig import World as One  # noqa: E402

UNKNOWN = "what came of it is not known: the gateway that was asked has not written it down"
ENDED = "the gateway that was asked has not seen its end"


def kill(world):
    world.gateway.process.send_signal(signal.SIGKILL)
    world.gateway.process.wait(60)
    world.gateway.process.returncode = 0


def killed_at_pause(world, worker, query, variables):
    """That worker makes the change, and the gateway never hears of it."""
    worker.on_settings = lambda: kill(world)
    unanswered(world.gateway, query, variables, world.admin)
    eventually(lambda: variables["name"] in worker.queues)
    worker.on_settings = None


def open_acts(world):
    return psql(world.url, "SELECT action, subject, shards, told FROM audit_acts")


def settled(world, left=0):
    """Another gateway, an hour later; the entries that there are then. So many acts stay open."""
    psql(world.url, "UPDATE audit_acts SET at = at - interval '1 hour'")
    world.gateway = Gateway(world.url, **world.settings)
    eventually(lambda: len(open_acts(world)) == left)
    assert "event=audit.settled count=1" in eventually(lambda: "audit.settled" in world.gateway.log and world.gateway.log)
    rows = psql(world.url, "SELECT l.action, l.subject, u.email = l.actor_label, l.detail FROM audit_log AS l "
                           "LEFT JOIN users AS u ON u.id = l.actor_id WHERE l.action ~ '^(queue|task-type|tasks)[.]' ORDER BY l.id")
    assert all(row[2] == "t" for row in rows), rows
    return [(action, subject, json.loads(detail) if detail else None) for action, subject, _, detail in rows]


def an_act_that_the_feed_cannot_tell_of_is_not_lost(postgres):
    with One(postgres) as world:
        pause = "mutation($name: String!, $r: String) { pauseQueue(name: $name, reason: $r) { paused } }"
        killed_at_pause(world, world.worker, pause, {"name": "slow", "r": "broken"})
        world.worker.forget()
        assert open_acts(world) == [["queue.pause", "queue:slow", "1", "0"]]
        assert settled(world) == [("queue.pause", "queue:slow", {"reason": "broken", "error": UNKNOWN, "unfinished": True})]


def a_bulk_action_that_the_feed_cannot_tell_of_is_not_lost(postgres):
    with One(postgres) as world:
        for _ in range(3):
            world.worker.add("few")
        eventually(lambda: psql(world.url, "SELECT count(*) FROM tasks WHERE type = 'few'") == [["3"]])
        finish = world.worker.finish

        def finish_and_kill(*args, **fields):
            world.worker.finish = finish
            kill(world)
            finish(*args, **fields)
        world.worker.finish = finish_and_kill
        unanswered(world.gateway, CANCEL_ALL, {"filter": {"type": ["few"]}}, world.admin)
        eventually(lambda: all(task["state"] == "cancelled" for task in world.worker.tasks.values()))
        world.worker.forget()
        ((action, subject, detail),) = settled(world)
        assert (action, subject, detail.pop("asOf") != "") == ("tasks.cancel", "tasks", True)
        assert detail == {"filter": {"type": ["few"]}, "matched": 3, "error": UNKNOWN, "unfinished": True}, detail


def a_worker_that_was_away_for_long_has_the_last_word(postgres):
    with One(postgres) as world:
        killed_at_pause(world, world.worker, PAUSE, {"name": "slow"})
        world.worker.is_away = True
        assert settled(world) == [("queue.pause", "queue:slow", {"error": UNKNOWN, "unfinished": True})]
        world.worker.is_away = False
        eventually(lambda: psql(world.url, "SELECT detail FROM audit_log WHERE action = 'queue.pause'") == [[""]])


def what_one_shard_has_made_and_another_may_have_is_left_open(postgres):
    change = (SETTINGS, {"type": "mail", "settings": {"maxRunning": 7}})
    entry = "SELECT detail FROM audit_log WHERE action = 'task-type.update'"
    with Shards(postgres) as world:
        feed, held = world.a.feed, [True]

        def tells_nothing(query):
            told = feed(query)
            return {**told, "events": [], "cursor": query["cursor"][0]} if held and "cursor" in query else told
        world.a.feed = tells_nothing
        polls = len(world.a.seen("/v1/feed"))
        world.a.put_nothing()
        eventually(lambda: len(world.a.seen("/v1/feed")) > polls)  # none of before is on its way
        world.a.is_mute_after = True
        answer = world.ask(*change)
        assert answer.code == "WORKER_UNAVAILABLE" and answer.error["message"].startswith("changed at shard 1, and not at shard 0"), answer.text
        assert json.loads(psql(world.url, entry)[0][0]) == {"maxRunning": 7, "shards": [1], "unfinished": True}
        assert open_acts(world) == [["task-type.update", "task-type:mail", "2", "2"]]
        world.a.is_mute_after = False
        held.clear()
        eventually(lambda: open_acts(world) == [["task-type.update", "task-type:mail", "2", "3"]])
        world.gateway.stop(signal.SIGTERM)
        assert settled(world) == [("task-type.update", "task-type:mail", {"maxRunning": 7})]


def an_act_that_the_feed_tells_of_keeps_its_entry(postgres):
    with One(postgres) as world:
        killed_at_pause(world, world.worker, PAUSE, {"name": "slow"})
        world.gateway = Gateway(world.url, **world.settings)
        eventually(lambda: open_acts(world) == [["queue.pause", "queue:slow", "1", "1"]])
        world.gateway.stop(signal.SIGTERM)
        assert settled(world) == [("queue.pause", "queue:slow", None)]


def killed_when_both_are_asked(world):
    """Both shards make the change, and the gateway hears of neither."""
    both, once = threading.Barrier(2), threading.Lock()

    def kill_when_both_are_asked():
        both.wait(60)
        if once.acquire(blocking=False):
            kill(world)
        both.wait(60)
    for worker in (world.a, world.b):
        worker.on_settings = kill_when_both_are_asked
    unanswered(world.gateway, SETTINGS, {"type": "mail", "settings": {"maxRunning": 7}}, world.admin)
    eventually(lambda: "mail" in world.a.types and "mail" in world.b.types)
    world.a.on_settings = world.b.on_settings = None


def what_all_shards_have_made_is_finished(postgres):
    with Shards(postgres) as world:
        killed_when_both_are_asked(world)
        world.gateway = Gateway(world.url, **world.settings)
        eventually(lambda: open_acts(world) == [["task-type.update", "task-type:mail", "2", "3"]])
        assert psql(world.url, "SELECT detail->'unfinished' FROM audit_log WHERE action = 'task-type.update'") == [["true"]]
        world.gateway.stop(signal.SIGTERM)
        assert settled(world) == [("task-type.update", "task-type:mail", {"maxRunning": 7})]


def what_the_last_of_several_shards_tells_late_is_its_end(postgres):
    with Shards(postgres) as world:
        killed_when_both_are_asked(world)
        world.b.is_away = True
        world.gateway = Gateway(world.url, **world.settings)
        eventually(lambda: open_acts(world) == [["task-type.update", "task-type:mail", "2", "1"]])
        world.gateway.stop(signal.SIGTERM)
        assert settled(world, left=1) == [
            ("task-type.update", "task-type:mail", {"maxRunning": 7, "shards": [0], "error": ENDED, "unfinished": True})]
        world.b.is_away = False
        eventually(lambda: open_acts(world) == [["task-type.update", "task-type:mail", "2", "3"]])
        world.gateway.stop(signal.SIGTERM)
        assert settled(world) == [("task-type.update", "task-type:mail", {"maxRunning": 7})]


def what_some_shards_have_made_says_which(postgres):
    with Shards(postgres) as world:
        killed_at_pause(world, world.a, PAUSE, {"name": "default"})  # the owner, which is asked first
        world.gateway = Gateway(world.url, **world.settings)
        eventually(lambda: open_acts(world) == [["queue.pause", "queue:default", "2", "1"]])
        world.gateway.stop(signal.SIGTERM)
        half = [("queue.pause", "queue:default", {"shards": [0], "error": ENDED, "unfinished": True})]
        assert settled(world, left=1) == half
        assert "default" not in world.b.queues
        world.gateway.stop(signal.SIGTERM)
        psql(world.url, "UPDATE audit_acts SET at = at - interval '7 days'")
        assert settled(world) == half  # it is waited for no longer


def what_is_at_its_end_leaves_nothing_behind(postgres):
    """Whether it was made, refused, broken off, or nobody could be asked."""
    with Shards(postgres) as world:
        world.a.add("mail")
        world.follow()
        change = (SETTINGS, {"type": "mail", "settings": {"maxRunning": 7}})
        assert world.ask(*change).code == "ok" and world.ask(PAUSE, {"name": "default"}).code == "ok"
        assert world.ask(CANCEL_ALL, {"filter": {"type": ["mail"]}}).code == "ok"
        world.a.refuse_settings = world.b.refuse_settings = "says no"
        assert world.ask(*change).code == "BAD_USER_INPUT"
        world.b.refuse_settings = None
        assert "changed at shard 1, and not at shard 0" in world.ask(*change).error["message"]
        world.a.is_away = world.b.is_away = True
        assert world.ask(*change).code == "WORKER_UNAVAILABLE"
        world.a.is_away = world.b.is_away = False
        world.a.add("mail")
        world.follow()
        world.a.bulk_ends = [0]
        assert world.ask(CANCEL_ALL, {"filter": {"type": ["mail"], "status": ["PENDING"]}}).code == "WORKER_UNAVAILABLE"
        assert open_acts(world) == []
        entries = psql(world.url, "SELECT action FROM audit_log WHERE action ~ '^(queue|task-type|tasks)[.]' ORDER BY id")
        assert entries == [["task-type.update"], ["queue.pause"], ["tasks.cancel"], ["task-type.update"]], entries


def what_a_silent_worker_may_have_made_is_not_forgotten(postgres):
    with One(postgres) as world:
        world.worker.is_mute_after = True
        assert world.ask(PAUSE, {"name": "slow"}).code == "WORKER_UNAVAILABLE" and "slow" in world.worker.queues
        assert [act[:2] for act in open_acts(world)] == [["queue.pause", "queue:slow"]]
        world.worker.is_mute_after = False
        world.gateway.stop(signal.SIGTERM)
        assert settled(world) == [("queue.pause", "queue:slow", None)]


def nothing_is_asked_that_cannot_be_written_down(postgres):
    with One(postgres) as world:
        psql(world.url, "ALTER TABLE audit_acts ADD CONSTRAINT none CHECK (action = '')")
        assert world.ask(PAUSE, {"name": "slow"}).code not in ("ok", "WORKER_UNAVAILABLE")
        assert not world.worker.queues and not world.worker.seen("/v1/queues:pause")


TESTS = [
    an_act_that_the_feed_cannot_tell_of_is_not_lost,
    a_bulk_action_that_the_feed_cannot_tell_of_is_not_lost,
    a_worker_that_was_away_for_long_has_the_last_word,
    what_one_shard_has_made_and_another_may_have_is_left_open,
    an_act_that_the_feed_tells_of_keeps_its_entry,
    what_all_shards_have_made_is_finished,
    what_the_last_of_several_shards_tells_late_is_its_end,
    what_some_shards_have_made_says_which,
    what_is_at_its_end_leaves_nothing_behind,
    what_a_silent_worker_may_have_made_is_not_forgotten,
    nothing_is_asked_that_cannot_be_written_down,
]

if __name__ == "__main__":
    with Postgres() as the_postgres:
        run_tests(TESTS, the_postgres)
