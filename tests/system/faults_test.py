#!/usr/bin/env python3
"""What users are told while the worker, ai or a gateway is killed, hangs, is slow or answers nonsense, and that nothing
acknowledged is lost. Real processes. Usage: faults_test.py WINDLASS [TEST...]"""
import re
import signal
import uuid

from processes import Load, eventually, run_installed, sql
from way import Way

CHAT = ("mutation($m: String!) { chat(input: { message: $m }) { degraded message { content } } }")
INSIGHTS = "query($r: Boolean) { dashboardInsights(refresh: $r) { cached stale generatedAt insights { id type } } }"
ANALYZE = "mutation { analyzeData(input: { data: [1, 2, 3, 4, 5, 6, 7, 8] }) { summary } }"


# ── the worker ──

def assert_worker_is_away(world, status="DOWN"):
    """What each of the gateways says and does while it is."""
    for gateway in world.gateways:
        health, parts = eventually(lambda g=gateway: (lambda h: h if h[1]["worker"]["status"] == status else None)(
            world.health(g)))
        assert health["status"] == "DEGRADED" and parts["worker"]["detail"] and parts["worker"]["since"], health
        assert parts["database"]["status"] == "UP" and gateway.get("/readyz").status == 200
        assert f"[-] worker failed since {parts['worker']['since']}" in gateway.get("/readyz?verbose").text


def assert_creates_are_kept(world):
    """They are acknowledged, shown at once by every gateway, counted, and said not to be the worker's yet."""
    kept = [world.create({"n": n}, gateway) for n, gateway in enumerate(world.gateways)]
    assert not any(task["accepted"] for task in kept), kept
    for gateway in world.gateways:
        for task in kept:
            read = world.read(task["id"], gateway)
            assert (read["status"], read["accepted"]) == ("PENDING", False), read
        health = eventually(lambda g=gateway: (lambda h: h if h["outboxWaiting"] >= 2 else None)(world.health(g)[0]))
        assert health["outboxOldestAt"], health
    return [task["id"] for task in kept]


def assert_cache_says_so(world, known):
    everything = ("query($id: ID!) { task(id: $id) { source status } tasks(first: 1) { source nodes { source } } "
                  "dashboardStats(window: \"5m\") { source } taskCounts { total } }")
    read = lambda: world.ask(everything, {"id": known}).data  # noqa: E731
    cached = eventually(lambda: (lambda d: d if d["task"]["source"] == "CACHE" else None)(read()))
    assert cached["task"]["status"] == "COMPLETED" and cached["taskCounts"]["total"] >= 1, cached
    assert cached["tasks"]["source"] == cached["tasks"]["nodes"][0]["source"] == "CACHE", cached
    assert cached["dashboardStats"]["source"] == "CACHE", cached


def done_task(world):
    task = world.create()["id"]
    world.all_done([task])
    eventually(lambda: world.read(task)["status"] == "COMPLETED")
    return task


def a_killed_worker(world):
    known = done_task(world)
    with Load(world) as load:
        load.grow()
        world.worker.process.send_signal(signal.SIGKILL)
        load.grow()
        kept = assert_creates_are_kept(world)
        assert_worker_is_away(world)
        assert_cache_says_so(world, known)
        for name in ("cancelTask", "retryTask"):
            answer = world.ask("mutation($id: ID!) { %s(id: $id) { id } }" % name, {"id": known})
            assert answer.code == "WORKER_UNAVAILABLE", answer.text
        eventually(lambda: world.health()[1]["worker"]["breaker"] != "CLOSED")  # of the loop that follows the feed
        world.restart_worker()
        load.grow()
    assert not load.codes, load.codes
    assert load.kept, "the worker was away, yet nothing was kept for it"
    load.assert_kept()
    world.all_done(kept)


def a_worker_that_hangs(world):
    known = done_task(world)
    with Load(world) as load:
        load.grow()
        world.worker.process.send_signal(signal.SIGSTOP)
        try:
            load.grow()
            kept = assert_creates_are_kept(world)
            assert_cache_says_so(world, known)
            assert_worker_is_away(world)
        finally:
            world.worker.process.send_signal(signal.SIGCONT)
        load.grow()
    assert not load.codes, load.codes
    load.assert_kept()
    world.all_done(kept)


def a_worker_that_is_slow(world):
    """It carries out what it is asked, and its answers come too late: the same ids go again, once each."""
    known = done_task(world)
    world.to_worker.set(slow_s=8)
    kept = assert_creates_are_kept(world)
    assert_cache_says_so(world, known)
    assert_worker_is_away(world)
    late = world.ask("mutation($id: ID!) { retryTask(id: $id) { id } }", {"id": known})
    assert late.code in ("WORKER_UNAVAILABLE", "TIMEOUT"), late.text
    world.to_worker.set(slow_s=0.1)  # slow, and in time
    eventually(lambda: world.create()["accepted"])
    world.to_worker.set()
    world.all_done(kept)
    ids = ",".join(f"'{task}'" for task in kept)
    assert sql(world.url, f"SELECT count(*) FROM worker.task WHERE id IN ({ids})") == str(len(kept))


def a_worker_that_answers_nonsense(world):
    known, kept = done_task(world), []
    for lie in Way.LIES:
        world.to_worker.set(lie)
        kept += assert_creates_are_kept(world)
        assert_cache_says_so(world, known)
        assert_worker_is_away(world)
        world.to_worker.set()
        world.settle()
        assert world.read(known)["status"] == "COMPLETED", lie
    world.all_done(kept)


def a_breaker_is_seen_to_probe(world):
    """OPEN, HALF_OPEN while the one call that is let through waits for its answer, CLOSED when one has come."""
    for name, way in (("worker", world.to_worker), ("ai", world.to_ai)):
        def stands(state, name=name):
            return eventually(lambda: (lambda part: part if part["breaker"] == state else None)(world.health()[1][name]))
        way.set(slow_s=60)
        opened, probing = stands("OPEN"), stands("HALF_OPEN")
        assert probing["status"] == "DOWN" and probing["breakerSince"] > opened["breakerSince"], (opened, probing)
        for state in ("HALF_OPEN", "OPEN"):
            eventually(lambda state=state, name=name: re.search(rf"^\[-\] {name} failed since \S+: .*; breaker {state}$",
                                                                world.gateway.get("/readyz?verbose").text, re.M))
        way.set()
        closed = stands("CLOSED")
        assert closed["breakerSince"] > probing["breakerSince"], (probing, closed)
        eventually(lambda: "breaker" not in world.gateway.get("/readyz?verbose").text)


# ── ai ──

def assert_ai_is_missed_by_nobody(world, fresh, part):
    """`part`: how it stands in systemHealth."""
    old = world.ask(INSIGHTS, {"r": True}).data["dashboardInsights"]
    assert old["stale"] is True and old["cached"] is True, old
    assert (old["generatedAt"], old["insights"]) == (fresh["generatedAt"], fresh["insights"])
    said = f"how many tasks failed? {uuid.uuid4()}"
    reply = world.ask(CHAT, {"m": said}).data["chat"]
    assert reply["degraded"] is True and reply["message"]["content"], reply
    assert sql(world.url, f"SELECT count(*) FROM chat_messages WHERE content = '{said}' AND role = 'user'") == "1"
    assert world.ask(ANALYZE).code in ("AI_UNAVAILABLE", "TIMEOUT")
    health, parts = eventually(lambda: (lambda h: h if h[1]["ai"]["status"] == part else None)(world.health()))
    assert health["status"] == "DEGRADED" and parts["ai"]["detail"] and parts["worker"]["status"] == "UP", health
    eventually(lambda: "[-] ai failed since 20" in world.gateway.get("/readyz?verbose").text)
    assert world.gateway.get("/readyz").status == 200
    assert world.create()["accepted"]  # ai has no part in it


def fresh_insights(world):
    """Computed by ai just now."""
    return eventually(lambda: (lambda i: None if i["stale"] else i)(
        world.ask(INSIGHTS, {"r": True}).data["dashboardInsights"]))


def assert_ai_is_back(world):
    fresh_insights(world)
    eventually(lambda: not world.ask(CHAT, {"m": "how many tasks are there?"}).data["chat"]["degraded"])
    eventually(lambda: world.ask(ANALYZE).code == "ok" and world.health()[1]["ai"]["status"] == "UP")


def a_killed_ai(world):
    fresh = fresh_insights(world)
    world.ai.process.send_signal(signal.SIGKILL)
    world.ai.process.wait()
    assert_ai_is_missed_by_nobody(world, fresh, "DOWN")
    world.ai = world.start_ai()
    assert_ai_is_back(world)


def an_ai_that_hangs(world):
    fresh = fresh_insights(world)
    world.ai.process.send_signal(signal.SIGSTOP)
    try:
        assert_ai_is_missed_by_nobody(world, fresh, "DOWN")
    finally:
        world.ai.process.send_signal(signal.SIGCONT)
    assert_ai_is_back(world)


def an_ai_that_is_slow(world):
    fresh = fresh_insights(world)
    world.to_ai.set(slow_s=8)
    assert_ai_is_missed_by_nobody(world, fresh, "DOWN")
    world.to_ai.set(slow_s=0.1)
    assert_ai_is_back(world)
    world.to_ai.set()


def an_ai_that_answers_nonsense(world):
    for lie in Way.LIES:
        fresh = fresh_insights(world)
        world.to_ai.set(lie)
        is_answer = lie in ("no JSON", "no sense")
        assert_ai_is_missed_by_nobody(world, fresh, "DEGRADED" if is_answer else "DOWN")
        world.to_ai.set()
        assert_ai_is_back(world)


if __name__ == "__main__":
    run_installed([a_killed_worker, a_worker_that_hangs, a_worker_that_is_slow, a_worker_that_answers_nonsense,
                   a_breaker_is_seen_to_probe, a_killed_ai, an_ai_that_hangs, an_ai_that_is_slow, an_ai_that_answers_nonsense])
