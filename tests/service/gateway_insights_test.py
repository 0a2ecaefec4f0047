#!/usr/bin/env python3
"""Insights: what ai is told, one computation for all who ask, what stands in when ai is away, what an
insight keeps from run to run; recommendations and analyses. Usage: gateway_insights_test.py PROGRAM"""

import os
import re
import subprocess
import sys
from datetime import datetime, timedelta, timezone

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../support"))
from fake_ai import FakeAi, events  # noqa: E402
from gateway_rig import Gateway, Postgres, at_once, create_user, eventually, run_tests  # noqa: E402

INSIGHT = "id type title description severity data confidence recommendations state dismissedReason createdAt updatedAt"
DASHBOARD = ("query($refresh: Boolean) { dashboardInsights(refresh: $refresh) { generatedAt cached nextAt stale "
             "insights { " + INSIGHT + " } } }")
NOW = "query($types: [String!], $hours: Int) { insights(types: $types, sinceHours: $hours) { " + INSIGHT + " } }"
ADVICE = "query($limit: Int) { recommendations(limit: $limit) { title detail impact confidence insight { id type } } }"
ANALYZE = ("mutation($input: AnalyzeDataInput!) { analyzeData(input: $input) { kind summary statistics series "
           "confidence findings { title detail severity at confidence data } } }")


def insight(kind="failure-rate", subject="email", severity="warning", title=None, **more):
    return {"type": kind, "title": title or f"{kind} of {subject}", "description": "d", "severity": severity,
            "confidence": 0.9, "data": {"type": subject, "rate": 0.5, **more}, "recommendations": ["look"]}


class World:
    def __init__(self, postgres, gateway, ai):
        self.url, self.gateway, self.ai = postgres.url, gateway, ai
        self.admin = gateway.set_up()
        create_user(gateway, self.admin, "operator@example.org", "OPERATOR")
        self.operator = gateway.login("operator@example.org")
        self.found = []
        ai.answers["/v1/insights"] = lambda _: (200, {"insights": self.found, "generated_at_us": 1})

    def sql(self, text):
        done = subprocess.run(["psql", self.url, "-AtXqc", text], check=True, capture_output=True, text=True)
        return done.stdout.strip()

    def forget(self):
        """As if no insight had ever been computed."""
        self.sql("DELETE FROM dashboard_insights; DELETE FROM insight_runs")

    def dashboard(self, refresh=None, gateway=None):
        return (gateway or self.gateway).graphql(DASHBOARD, {"refresh": refresh}, self.admin).data["dashboardInsights"]

    def asked(self, path="/v1/insights"):
        return len(self.ai.asked_of(path))


def connections(gateway):
    """Open ones of clients, as of the last second."""
    return int(re.search(r"^windlass_http_connections (\d+)", gateway.get("/metrics").text, re.M).group(1))


def titles(answer):
    return [i["title"] for i in answer["insights"]]


# ── facts ──

def ai_is_told_the_facts_of_the_tables(world):
    world.sql("""
        INSERT INTO task_counts (type, status, count) VALUES
            ('email', 'pending', 2), ('email', 'in-progress', 1), ('email', 'completed', 90), ('email', 'failed', 7),
            ('report', 'completed', 5);
        INSERT INTO task_rollups (span_s, at, type, created, completed, failed, wait, run)
        SELECT 3600, date_trunc('hour', now(), 'UTC') - h * interval '1 hour', 'email', 10 + h, 9, 1,
               '{4,0,0,4}', '{}' FROM generate_series(0, 5) AS h WHERE h <> 2;
        INSERT INTO task_rollups (span_s, at, type, created) VALUES (60, now(), 'email', 777),
            (3600, now() - interval '40 days', 'email', 888);
        INSERT INTO jobs (id, name, schedule, status, next_run, task_type, consecutive_failures)
        VALUES ('01a20a5b-5f81-77cf-a575-d6d734ea8519', 'nightly', '0 3 * * *', 'active', now(), 'report', 2);
        INSERT INTO tasks (id, type, status, state, error, error_template, finished_at, run_at) VALUES
            (gen_random_uuid(), 'email', 'failed', 'dead', 'no host a', 'no host <…>', now(), now()),
            (gen_random_uuid(), 'email', 'failed', 'dead', 'no host b', 'no host <…>', now(), now()),
            (gen_random_uuid(), 'report', 'failed', 'dead', 'plain', NULL, now(), now()),
            (gen_random_uuid(), 'report', 'failed', 'cancelled', 'cancelled', NULL, now(), now()),
            (gen_random_uuid(), 'report', 'failed', 'dead', 'old', NULL, now() - interval '2 days', now()),
            (gen_random_uuid(), 'email', 'pending', 'ready', NULL, NULL, NULL, now() - interval '100 seconds'),
            (gen_random_uuid(), 'email', 'pending', 'scheduled', NULL, NULL, NULL, now() + interval '1 day')""")
    assert world.gateway.graphql(NOW, {"types": ["latency"], "hours": 6}, world.admin).code == "ok"
    _, body, _ = world.ai.asked_of("/v1/insights")[-1]
    facts = body["facts"]
    assert body["types"] == ["latency"]
    hour = 3600 * 1_000_000
    assert facts["bucket_s"] == 3600 and facts["from_us"] % hour == 0
    assert 5 * hour <= facts["now_us"] - facts["from_us"] < 6 * hour, facts
    series = {s["type"]: s for s in facts["series"]}
    assert series["email"]["created"] == [15, 14, 13, 0, 11, 10], facts
    assert series["email"]["failed"] == [1, 1, 1, 0, 1, 1]
    assert series["email"]["run_p50_s"] == [None] * 6
    waits = series["email"]["wait_p50_s"]
    assert waits[3] is None and all(0 < w <= 0.0011 for i, w in enumerate(waits) if i != 3), waits
    assert all(0.002 < w < 0.0029 for i, w in enumerate(series["email"]["wait_p99_s"]) if i != 3), series
    totals = {t["type"]: t for t in facts["totals"]}
    assert totals["email"] == {"type": "email", "pending": 2, "in_progress": 1, "completed": 90, "failed": 7}
    assert totals["report"]["completed"] == 5
    job = facts["jobs"][0]
    assert (job["name"], job["status"], job["consecutive_failures"]) == ("nightly", "active", 2)
    assert job["last_run_us"] is None and abs(job["next_run_us"] - facts["now_us"]) < 60_000_000
    errors = [(e["type"], e["template"], e["count"]) for e in facts["errors"]]
    assert errors == [("email", "no host <…>", 2), ("report", "plain", 1)], errors
    assert 100 <= facts["oldest_pending_s"] < 1000, facts["oldest_pending_s"]


# ── insights: asked now ──

def insights_are_what_ai_finds_now(world):
    world.found = [insight(severity="critical"), {**insight("latency"), "confidence": None, "data": None}]
    first, second = world.gateway.graphql(NOW, {}, world.admin).data["insights"]
    assert (first["type"], first["severity"], first["state"]) == ("failure-rate", "CRITICAL", "OPEN")
    assert first["data"] == {"type": "email", "rate": 0.5} and first["confidence"] == 0.9
    assert first["recommendations"] == ["look"] and second["confidence"] is None and second["data"] is None
    assert world.sql("SELECT count(*) FROM dashboard_insights") == "0"
    for hours in (0, 721):
        answer = world.gateway.graphql(NOW, {"hours": hours}, world.admin)
        assert answer.code == "BAD_USER_INPUT" and "sinceHours" in answer.error["message"], answer.text
    before = world.ai.answers["/v1/insights"]
    for answer in ((503, {}), (200, {}), (200, {"insights": [{"type": "x"}]}), (200, {"insights": 1}),
                   (200, {"insights": [{**insight(), "severity": "bad"}]}),
                   (200, {"insights": [{**insight(), "confidence": 2}]})):
        world.ai.answers["/v1/insights"] = lambda _, a=answer: a
        assert world.gateway.graphql(NOW, {}, world.admin).code == "AI_UNAVAILABLE", answer
    world.ai.answers["/v1/insights"] = lambda _: (400, {"code": "BAD_USER_INPUT",
                                                        "detail": "types[0]: no type"})
    answer = world.gateway.graphql(NOW, {"types": ["x"]}, world.admin)
    assert answer.code == "BAD_USER_INPUT" and answer.error["message"] == "types[0]: no type", answer.text
    world.ai.answers["/v1/insights"] = before


# ── dashboardInsights: kept ──

def they_are_computed_once_and_then_served_from_the_table(world):
    world.forget()
    world.found = [insight("latency", severity="info"), insight(severity="critical"), insight("backlog")]
    asked = world.asked()
    first = world.dashboard()
    assert first["cached"] is False and first["stale"] is False
    assert [i["severity"] for i in first["insights"]] == ["CRITICAL", "WARNING", "INFO"]
    again = world.dashboard()
    assert again == {**first, "cached": True}
    assert world.asked() == asked + 1
    generated = datetime.fromisoformat(first["generatedAt"])
    assert datetime.fromisoformat(first["nextAt"]) - generated == timedelta(hours=1)
    world.sql("UPDATE insight_runs SET generated_at = now() - interval '61 minutes'")
    assert world.dashboard()["cached"] is False
    assert world.dashboard(refresh=True)["cached"] is False
    assert world.asked() == asked + 3


def insights_ttl_says_for_how_long(world):
    world.forget()
    world.found = [insight()]
    world.dashboard()
    with Gateway(world.url, AI_URL=world.ai.url, INSIGHTS_TTL="2h") as other:
        asked = world.asked()
        for age, is_cached in (("90 minutes", True), ("121 minutes", False)):
            world.sql(f"UPDATE insight_runs SET generated_at = now() - interval '{age}'")
            answer = world.dashboard(gateway=other)
            assert answer["cached"] is is_cached, (age, answer)
            assert datetime.fromisoformat(answer["nextAt"]) - datetime.fromisoformat(answer["generatedAt"]) == timedelta(hours=2)
        assert world.asked() == asked + 1


def what_ai_says_without_sense_is_told_of_it(world):
    """A probe says that it is there, its answers that they are none; the first that is one ends it."""
    health = "{ systemHealth { status services { name status detail since } } }"
    part = lambda: next(p for p in world.gateway.graphql(health, None, world.admin).data["systemHealth"]["services"]  # noqa: E731
                        if p["name"] == "ai")
    world.forget()
    world.dashboard()
    before = world.ai.answers["/v1/insights"]
    said = world.gateway.log.count("event=ai.senseless")
    for status, code in ((503, "UNAVAILABLE"), (429, "RATE_LIMITED")):  # in proper form: it makes sense
        world.ai.answers["/v1/insights"] = lambda _, s=status, c=code: (s, {"status": s, "code": c, "detail": "not now"})
        world.dashboard(refresh=True)
    world.ai.answers["/v1/chat"], chat = lambda _: (200, events(("error", {"code": "UNAVAILABLE"}))), world.ai.answers["/v1/chat"]
    assert world.gateway.graphql('mutation { chat(input: { message: "hm" }) { degraded } }', token=world.admin).code == "ok"
    world.ai.answers["/v1/chat"] = chat
    assert world.gateway.log.count("event=ai.senseless") == said
    world.ai.answers["/v1/insights"] = lambda _: (200, {"insights": 1})

    def seen(status):  # each loop says what itself has heard
        world.dashboard(refresh=True)
        told = part()
        return told if told["status"] == status else None
    degraded = eventually(lambda: seen("DEGRADED"))
    assert degraded["detail"] == "the ai service gave an answer that is none", degraded
    world.ai.answers["/v1/insights"] = before
    assert eventually(lambda: seen("UP"))["detail"] is None


def many_who_ask_at_once_cause_one_computation(world):
    world.found = [insight()]
    with Gateway(world.url, AI_URL=world.ai.url) as other:
        for refresh in (None, True):
            world.forget()
            if refresh:
                world.dashboard()
            world.ai.gate.clear()

            def hang(_):
                world.ai.hang()
                return 200, {"insights": world.found}
            before, world.ai.answers["/v1/insights"] = world.ai.answers["/v1/insights"], hang
            asked = world.asked()

            def ask(i):
                if i == 20:  # when the first has reached ai, and all others wait
                    eventually(lambda: world.asked() > asked)
                    eventually(lambda: connections(world.gateway) >= 15 and connections(other) >= 5)
                    world.ai.release()
                    return None
                return world.dashboard(refresh, other if i % 4 == 0 else None)
            answers = [a for a in at_once(21, ask) if a is not None]
            world.ai.answers["/v1/insights"] = before
            assert world.asked() == asked + 1, world.asked() - asked
            assert len(answers) == 20 and {tuple(titles(a)) for a in answers} == {("failure-rate of email",)}
            assert len({a["generatedAt"] for a in answers}) == 1 and not any(a["cached"] for a in answers)


def what_still_holds_keeps_its_id_and_what_does_not_is_resolved(world):
    world.forget()
    pattern = lambda error, **more: insight("error-pattern", error=error, **more)  # noqa: E731
    world.found = [insight(title="half fail"), insight(subject="report"), pattern("no host"), pattern("no disk"),
                   insight("latency", figure="wait"), insight("latency", figure="run")]
    before = {i["title"] + str(i["data"].get("error", "")) + str(i["data"].get("figure", "")): i
              for i in world.dashboard()["insights"]}
    assert len(before) == 6
    world.found = [insight(title="most fail", severity="critical"), pattern("no host"),
                   insight("latency", figure="run"), insight("backlog")]
    after = {i["title"]: i for i in world.dashboard(refresh=True)["insights"]}
    assert set(after) == {"most fail", "error-pattern of email", "latency of email", "backlog of email"}, after
    held = after["most fail"]
    assert held["id"] == before["half fail"]["id"] and held["createdAt"] == before["half fail"]["createdAt"]
    assert held["updatedAt"] > held["createdAt"] and held["severity"] == "CRITICAL"
    assert after["error-pattern of email"]["id"] == before["error-pattern of emailno host"]["id"]
    assert after["latency of email"]["id"] == before["latency of emailrun"]["id"]
    assert after["backlog of email"]["id"] not in {i["id"] for i in before.values()}
    resolved = world.sql("SELECT string_agg(data->>'type' || coalesce(data->>'error', '') || "
                         "coalesce(data->>'figure', ''), ' ' ORDER BY id) "
                         "FROM dashboard_insights WHERE state = 'resolved'")
    assert resolved == "report emailno disk emailwait", resolved
    world.found = [insight(subject="report")]  # back again: a new one
    back = world.dashboard(refresh=True)["insights"]
    assert len(back) == 1 and back[0]["id"] != before["failure-rate of report"]["id"]


def what_is_dismissed_stays_so_while_it_holds(world):
    world.forget()
    world.found = [insight(), insight("backlog")]
    first = {i["type"]: i for i in world.dashboard()["insights"]}
    dismiss = ("mutation($id: ID!, $reason: String, $until: DateTime) { dismissInsight(id: $id, reason: $reason, "
               "until: $until) { id state dismissedReason } }")
    act = lambda **v: world.gateway.graphql(dismiss, v, world.operator)  # noqa: E731
    done = act(id=first["backlog"]["id"], reason="known").data["dismissInsight"]
    assert done == {"id": first["backlog"]["id"], "state": "DISMISSED", "dismissedReason": "known"}
    assert act(id=first["failure-rate"]["id"], until=(datetime.now(timezone.utc) + timedelta(hours=1)).isoformat()
               ).code == "ok"
    assert act(id="01a20a5b-5f81-77cf-a575-d6d734ea8519").code == "NOT_FOUND"
    assert act(id=first["backlog"]["id"], until="2001-01-01T00:00:00Z").code == "BAD_USER_INPUT"
    assert act(id=first["backlog"]["id"], reason="x" * 1001).code == "BAD_USER_INPUT"
    assert titles(world.dashboard(refresh=True)) == []
    world.sql("UPDATE dashboard_insights SET dismissed_until = now() WHERE dismissed_until IS NOT NULL")
    assert titles(world.dashboard(refresh=True)) == ["failure-rate of email"]  # its time is over
    world.found = [insight()]
    assert titles(world.dashboard(refresh=True)) == ["failure-rate of email"]
    world.found = [insight(), insight("backlog")]
    assert len(world.dashboard(refresh=True)["insights"]) == 2  # it had gone, and is another one now


def older_ones_stand_in_when_ai_fails(world):
    world.forget()
    world.found = [insight()]
    first = world.dashboard()
    world.sql("UPDATE insight_runs SET generated_at = now() - interval '2 hours'")
    before = world.ai.answers["/v1/insights"]
    for answer in ((503, {}), (200, {"insights": "none"}), (200, {})):
        world.ai.answers["/v1/insights"] = lambda _, a=answer: a
        world.sql("UPDATE insight_runs SET failed_at = NULL")
        asked = world.asked()
        stale = world.dashboard()
        assert stale["stale"] is True and stale["cached"] is True, answer
        assert stale["insights"] == first["insights"] and stale["generatedAt"] < first["generatedAt"]
        assert world.dashboard()["stale"] is True
        assert world.asked() == asked + 1  # not asked again at once
        assert world.dashboard(refresh=True)["stale"] is True
        assert world.asked() == asked + 2  # but when somebody wants it
    world.ai.answers["/v1/insights"] = before
    fresh = world.dashboard(refresh=True)
    assert fresh["stale"] is False and fresh["cached"] is False


def a_claim_of_one_that_died_ends_by_itself(world):
    world.forget()
    world.found = [insight()]
    world.sql("INSERT INTO insight_runs (name, claimed_until) VALUES ('dashboard', now() + interval '1 second')")
    assert titles(world.dashboard()) == ["failure-rate of email"]


def without_ai_and_without_older_ones_the_analyst_looks_itself(world):
    world.forget()
    world.sql("DELETE FROM task_rollups; INSERT INTO task_rollups (span_s, at, type, created, completed, failed) "
              "SELECT 3600, date_trunc('hour', now(), 'UTC') - h * interval '1 hour', 'email', 100, "
              "CASE WHEN h < 3 THEN 40 ELSE 99 END, CASE WHEN h < 3 THEN 60 ELSE 1 END "
              "FROM generate_series(0, 100) AS h")
    with Gateway(world.url) as alone:
        found = world.dashboard(gateway=alone)
        assert found["stale"] is False and found["cached"] is False
        types = {(i["type"], i["data"]["type"]) for i in found["insights"]}
        assert ("failure-rate", "email") in types, found
        again = world.dashboard(gateway=alone)
        assert again["cached"] is True and again["insights"] == found["insights"]
        for answer in ((503, {}), (200, {"insights": "none"})):  # an ai that fails is none
            world.forget()
            before, world.ai.answers["/v1/insights"] = world.ai.answers["/v1/insights"], lambda _, a=answer: a
            own = world.dashboard()
            world.ai.answers["/v1/insights"] = before
            assert titles(own) == titles(found) and (own["stale"], own["cached"]) == (False, False), own
        assert alone.graphql(NOW, {}, world.admin).code == "AI_UNAVAILABLE"
        with Gateway(world.url, AI_URL="http://127.0.0.1:1") as cut_off:
            answer = cut_off.graphql(NOW, {}, world.admin)
            assert answer.code == "AI_UNAVAILABLE" and "127.0.0.1" not in answer.text, answer.text
            cut_off.wait_for_log(r"event=ai\.down .*127\.0\.0\.1:1/")  # the operator is told
        assert alone.graphql(ADVICE, {}, world.admin).code == "AI_UNAVAILABLE"
        assert alone.graphql(ANALYZE, {"input": {"data": [1, 2]}}, world.admin).code == "AI_UNAVAILABLE"


def what_was_resolved_long_ago_goes(world):
    world.sql("INSERT INTO dashboard_insights (id, type, title, description, state, updated_at) VALUES "
              "(gen_random_uuid(), 't', 'old', '', 'resolved', now() - interval '91 days'), "
              "(gen_random_uuid(), 't', 'young', '', 'resolved', now() - interval '89 days')")
    with Gateway(world.url):
        eventually(lambda: world.sql("SELECT string_agg(title, ' ') FROM dashboard_insights WHERE type = 't'")
                   == "young")


# ── recommendations, analyses ──

def recommendations_name_the_insight_that_they_follow_from(world):
    world.forget()
    world.found = [insight()]
    world.dashboard()
    told = [{"title": "a", "detail": "b", "impact": "critical", "confidence": 0.8, "insight_type": "failure-rate"},
            {"title": "c", "detail": "", "impact": "info", "confidence": None, "insight_type": "latency"}]
    world.ai.answers["/v1/recommendations"] = lambda body: (200, {"recommendations": told[:body["limit"]]})
    both = world.gateway.graphql(ADVICE, {"limit": 5}, world.admin).data["recommendations"]
    assert both[0]["insight"]["type"] == "failure-rate" and both[0]["impact"] == "CRITICAL"
    assert both[1] == {"title": "c", "detail": "", "impact": "INFO", "confidence": None, "insight": None}
    assert len(world.gateway.graphql(ADVICE, {"limit": 1}, world.admin).data["recommendations"]) == 1
    assert "facts" in world.ai.asked_of("/v1/recommendations")[-1][1]
    for limit in (0, 101):
        assert world.gateway.graphql(ADVICE, {"limit": limit}, world.admin).code == "BAD_USER_INPUT"


def an_analysis_is_what_ai_says_of_the_data(world):
    asked = []

    def analyze(body):
        asked.append(body)
        return 200, {"kind": "trend", "summary": "it rises", "statistics": {"n": 3}, "series": None, "confidence": 0.7,
                     "findings": [{"title": "t", "detail": "d", "severity": "info", "at_us": 1_000_000,
                                   "confidence": None, "data": {"x": 1}}]}
    world.ai.answers["/v1/analyze"] = analyze
    given = {"data": [{"at": "2026-01-01", "v": 1}], "kind": "TREND", "timeField": "at", "valueFields": ["v"],
             "question": "up?"}
    told = world.gateway.graphql(ANALYZE, {"input": given}, world.admin).data["analyzeData"]
    assert told == {"kind": "TREND", "summary": "it rises", "statistics": {"n": 3}, "series": None, "confidence": 0.7,
                    "findings": [{"title": "t", "detail": "d", "severity": "INFO",
                                  "at": "1970-01-01T00:00:01.000000Z", "confidence": None, "data": {"x": 1}}]}
    assert asked == [{"data": given["data"], "kind": "trend", "time_field": "at", "value_fields": ["v"],
                      "question": "up?", "horizon": 24}], asked
    cases = [("input.data:", {"data": ["x" * (513 << 10)]}), ("input.horizon:", {"data": [], "horizon": 1001}),
             ("input.question:", {"data": [], "question": "x" * 4001}),
             ("input.valueFields:", {"data": [], "valueFields": ["x"] * 51})]
    for start, bad in cases:
        answer = world.gateway.graphql(ANALYZE, {"input": bad}, world.admin)
        assert answer.code == "BAD_USER_INPUT" and answer.error["message"].startswith(start), answer.text[:200]
    hostile = world.gateway.graphql(ANALYZE, {"input": {"data": [{"a": "\0"}]}}, world.admin)
    assert hostile.code == "BAD_USER_INPUT" and "$[0].a" in hostile.text, hostile.text
    for theirs, ours in (("data[3]: is no row", "input.data[3]: is no row"),
                         ("value_fields[0]: is unknown", "input.valueFields[0]: is unknown")):
        world.ai.answers["/v1/analyze"] = lambda _, m=theirs: (400, {"code": "BAD_USER_INPUT", "detail": m})
        answer = world.gateway.graphql(ANALYZE, {"input": {"data": [1]}}, world.admin)
        assert answer.code == "BAD_USER_INPUT" and answer.error["message"] == ours, answer.text
    for garbage in ({}, {"kind": "x"}, {"kind": "trend", "summary": "s", "statistics": None, "findings": []}):
        world.ai.answers["/v1/analyze"] = lambda _, g=garbage: (200, g)
        assert world.gateway.graphql(ANALYZE, {"input": {"data": [1]}}, world.admin).code == "AI_UNAVAILABLE"


def main():
    with Postgres() as postgres, FakeAi() as ai, Gateway(postgres.url, AI_URL=ai.url) as gateway:
        world = World(postgres, gateway, ai)
        run_tests([
            ai_is_told_the_facts_of_the_tables,
            insights_are_what_ai_finds_now,
            they_are_computed_once_and_then_served_from_the_table,
            insights_ttl_says_for_how_long,
            what_ai_says_without_sense_is_told_of_it,
            many_who_ask_at_once_cause_one_computation,
            what_still_holds_keeps_its_id_and_what_does_not_is_resolved,
            what_is_dismissed_stays_so_while_it_holds,
            older_ones_stand_in_when_ai_fails,
            a_claim_of_one_that_died_ends_by_itself,
            without_ai_and_without_older_ones_the_analyst_looks_itself,
            what_was_resolved_long_ago_goes,
            recommendations_name_the_insight_that_they_follow_from,
            an_analysis_is_what_ai_says_of_the_data,
        ], world)


if __name__ == "__main__":
    main()
