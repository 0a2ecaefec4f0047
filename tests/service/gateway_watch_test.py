#!/usr/bin/env python3
"""Subscription.statsChanged and insightAdded: what is told, to whom, and what it costs. Usage:
gateway_watch_test.py PROGRAM"""

import json
import os
import sys
from datetime import datetime

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../support"))
from fake_ai import FakeAi  # noqa: E402
from gateway_insights_test import INSIGHT, World, insight  # noqa: E402
from gateway_rig import Gateway, Postgres, Stream, eventually, run_tests  # noqa: E402

STATS = "subscription { statsChanged(everySeconds: %s) { generatedAt window users tasks { total } } }"
ADDED = "subscription { insightAdded { " + INSIGHT + " } }"


def next_of(stream, name):
    return stream.next().data[name]


def seconds_of(stats):
    return datetime.fromisoformat(stats["generatedAt"].replace("Z", "+00:00")).timestamp()


def refusal(stream):
    error = json.loads(stream.response.read())["errors"][0]
    return stream.response.status, error["extensions"]["code"], error["message"]


# ── figures ──

def figures_are_told_at_once_and_again_and_again(world):
    stream = Stream(world.gateway, STATS % 1, world.admin)
    told = [next_of(stream, "statsChanged") for _ in range(3)]
    assert all(s["window"] == "24h" and s["users"] == 2 for s in told), told
    times = [seconds_of(s) for s in told]
    assert times == sorted(set(times)), times
    world.sql("INSERT INTO task_counts (type, status, count) VALUES ('email', 'pending', 3)")
    eventually(lambda: next_of(stream, "statsChanged")["tasks"]["total"] == 3)
    stream.close()


def all_of_a_loop_share_a_reading(world):
    with Gateway(world.url, GATEWAY_LOOPS="1") as gateway:
        streams = [Stream(gateway, STATS % 1, world.admin) for _ in range(20)]
        last = [next_of(streams[-1], "statsChanged")["generatedAt"] for _ in range(4)][1:]
        for stream in streams[:-1]:
            told = [next_of(stream, "statsChanged")["generatedAt"]]
            while told[-1] < last[-1]:
                told.append(next_of(stream, "statsChanged")["generatedAt"])
            assert set(last) <= set(told), (last, told)
        for stream in streams:
            stream.close()


def periods_that_are_none_are_refused(world):
    for period in ("0", "-1", "3601"):
        status, code, message = refusal(Stream(world.gateway, STATS % period, world.admin))
        assert (status, code) == (400, "BAD_USER_INPUT") and message.startswith("everySeconds:"), message
    assert refusal(Stream(world.gateway, STATS % '"x"', world.admin))[1] == "GRAPHQL_VALIDATION_FAILED"
    assert refusal(Stream(world.gateway, STATS % 2, None))[1] == "UNAUTHENTICATED"
    stream = Stream(world.gateway, STATS % "null", world.admin)
    assert next_of(stream, "statsChanged")["window"] == "24h"
    stream.close()


# ── insights ──

def what_is_found_anew_is_told_once_to_each(world):
    world.forget()
    world.found = [insight(subject="before")]
    world.dashboard()
    streams = [Stream(world.gateway, ADDED, world.admin) for _ in range(4)] + [Stream(world.gateway, ADDED, world.operator)]
    world.found = [insight(subject="before"), insight(subject="one", severity="critical"), insight(subject="two")]
    shown = {i["title"]: i for i in world.dashboard(refresh=True)["insights"]}
    for stream in streams:
        told = [next_of(stream, "insightAdded") for _ in range(2)]
        assert sorted(i["title"] for i in told) == ["failure-rate of one", "failure-rate of two"], told
        assert all(shown[i["title"]] == i for i in told), (told, shown)
    world.found = world.found + [insight(subject="three")]
    world.dashboard(refresh=True)
    for stream in streams:
        assert next_of(stream, "insightAdded")["title"] == "failure-rate of three"  # and nothing again
        stream.close()
    late = Stream(world.gateway, ADDED, world.admin)
    world.found = [insight(subject="four")]
    world.dashboard(refresh=True)
    assert next_of(late, "insightAdded")["title"] == "failure-rate of four"
    late.close()


def what_another_gateway_finds_is_told_too(world):
    world.forget()
    with Gateway(world.url, AI_URL=world.ai.url) as other:
        stream = Stream(world.gateway, ADDED, world.admin)
        world.found = [insight(subject="elsewhere")]
        world.dashboard(gateway=other)
        assert next_of(stream, "insightAdded")["title"] == "failure-rate of elsewhere"
        stream.close()


def who_is_told_too_much_is_told_so(world):
    world.forget()
    stream = Stream(world.gateway, ADDED, world.admin)
    world.sql("INSERT INTO dashboard_insights (id, type, title, description) "
              "SELECT gen_random_uuid(), 't', 'many', 'd' FROM generate_series(1, 501)")
    assert stream.next().code == "BAD_USER_INPUT" and stream.next() is None
    assert refusal(Stream(world.gateway, ADDED, None))[1] == "UNAUTHENTICATED"


# ── without the database ──

def they_go_on_when_the_database_is_back(world, postgres):
    world.forget()
    stats, added = Stream(world.gateway, STATS % 1, world.admin), Stream(world.gateway, ADDED, world.admin)
    before = next_of(stats, "statsChanged")
    postgres.tell("kill")
    assert refusal(Stream(world.gateway, ADDED, None))[1] == "UNAUTHENTICATED"
    postgres.tell("launch")
    postgres.tell("wait")
    eventually(lambda: seconds_of(next_of(stats, "statsChanged")) > seconds_of(before) + 1)
    world.found = [insight(subject="after")]
    eventually(lambda: world.gateway.get("/readyz").status == 200)
    world.dashboard()
    assert next_of(added, "insightAdded")["title"] == "failure-rate of after"
    stats.close()
    added.close()


def main():
    with Postgres() as postgres, FakeAi() as ai, Gateway(postgres.url, AI_URL=ai.url) as gateway:
        world = World(postgres, gateway, ai)

        def they_go_on_when_it_is_back(_):
            they_go_on_when_the_database_is_back(world, postgres)
        run_tests([
            figures_are_told_at_once_and_again_and_again,
            all_of_a_loop_share_a_reading,
            periods_that_are_none_are_refused,
            what_is_found_anew_is_told_once_to_each,
            what_another_gateway_finds_is_told_too,
            who_is_told_too_much_is_told_so,
            they_go_on_when_it_is_back,
        ], world)


if __name__ == "__main__":
    main()
