#!/usr/bin/env python3
"""The gateway with the real `windlass ai`: it asks back, its figures are the tables', its analyses are
shown whole. Usage: gateway_ai_test.py PROGRAM"""

import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../support"))
from gateway_rig import PROGRAM, Gateway, Postgres, Process, create_user, run_tests  # noqa: E402

CHAT = ("mutation($message: String!) { chat(input: { message: $message }) { degraded message { content model "
        "citations { label query variables data } } } }")
ANALYZE = ("mutation($input: AnalyzeDataInput!) { analyzeData(input: $input) { kind summary statistics series "
           "confidence findings { title severity } } }")
SECRET = "service-secret"


class Ai(Process):
    """One `windlass ai` on a free port."""

    def __init__(self, token=SECRET):
        super().__init__("ai", [PROGRAM, "ai", "--ai-port=0"],
                         {"PATH": os.environ["PATH"], "WINDLASS_GATEWAY_TOKEN": token})
        with self.starting():
            self.url = "http://" + self.wait_for_log(r"event=service\.started name=ai address=(\S+)").group(1)


class World:
    def __init__(self, postgres, gateway):
        self.url, self.gateway = postgres.url, gateway
        self.admin = gateway.set_up()
        for i in range(3):
            create_user(gateway, self.admin, f"user{i}@example.org")

    def sql(self, text):
        subprocess.run(["psql", self.url, "-AtXqc", text], check=True, capture_output=True, text=True)

    def ask(self, message, token=None):
        return self.gateway.graphql(CHAT, {"message": message}, token or self.admin).data["chat"]


def a_question_is_answered_with_figures_and_what_they_rest_on(world):
    reply = world.ask("How many users are there?")
    message = reply["message"]
    assert reply["degraded"] is False and message["model"] == "analyst", reply
    assert "4" in message["content"] and "user" in message["content"], reply
    cited = message["citations"][0]
    assert "users" in cited["query"] and cited["data"]["users"]["totalCount"] == 4, cited


def ai_sees_no_more_than_the_one_who_asks(world):
    viewer = world.gateway.login("user0@example.org")
    reply = world.ask("How many users are there?", viewer)
    assert "4" not in reply["message"]["content"], reply
    assert "example.org" not in str(reply), reply


def insights_and_advice_come_of_the_tables(world):
    world.sql("INSERT INTO task_rollups (span_s, at, type, created, completed, failed) "
              "SELECT 3600, date_trunc('hour', now(), 'UTC') - h * interval '1 hour', 'email', 100, "
              "CASE WHEN h < 3 THEN 40 ELSE 99 END, CASE WHEN h < 3 THEN 60 ELSE 1 END "
              "FROM generate_series(0, 100) AS h")
    query = "{ dashboardInsights { cached stale insights { type data confidence severity } } }"
    found = world.gateway.graphql(query, None, world.admin).data["dashboardInsights"]
    assert found["cached"] is False and found["stale"] is False
    failing = [i for i in found["insights"] if i["type"] == "failure-rate"]
    assert failing and failing[0]["data"]["type"] == "email" and failing[0]["confidence"] > 0.8, found
    now = world.gateway.graphql('{ insights(types: ["failure-rate"], sinceHours: 100) { type } }', None, world.admin)
    assert {i["type"] for i in now.data["insights"]} == {"failure-rate"}
    unknown = world.gateway.graphql('{ insights(types: ["weather"]) { type } }', None, world.admin)
    assert unknown.code == "BAD_USER_INPUT" and "types[0]" in unknown.error["message"], unknown.text
    advice = world.gateway.graphql("{ recommendations(limit: 3) { title detail impact insight { type } } }", None,
                                   world.admin).data["recommendations"]
    assert advice and advice[0]["insight"]["type"] in {i["type"] for i in found["insights"]}, advice


def every_kind_of_analysis_is_shown(world):
    rows = [{"at": f"2026-01-{d:02}T00:00:00Z", "a": d, "b": 2 * d + (d % 3)} for d in range(1, 29)]
    for kind in ("SUMMARY", "ANOMALIES", "TREND", "FORECAST", "CORRELATION", "AUTO"):
        told = world.gateway.graphql(ANALYZE, {"input": {"data": rows, "kind": kind, "horizon": 3}}, world.admin)
        told = told.data["analyzeData"]
        assert told["kind"] == kind and told["summary"] and told["statistics"], told
    bad = world.gateway.graphql(ANALYZE, {"input": {"data": [{"a": 1}, 2]}}, world.admin)
    assert bad.code == "BAD_USER_INPUT" and bad.error["message"].startswith("input.data"), bad.text
    fields = world.gateway.graphql(ANALYZE, {"input": {"data": rows, "valueFields": ["c"]}}, world.admin)
    assert fields.code == "BAD_USER_INPUT", fields.text


def main():
    with Postgres() as postgres, Ai() as ai, \
            Gateway(postgres.url, AI_URL=ai.url, GATEWAY_TOKEN=SECRET) as gateway:
        run_tests([
            a_question_is_answered_with_figures_and_what_they_rest_on,
            ai_sees_no_more_than_the_one_who_asks,
            insights_and_advice_come_of_the_tables,
            every_kind_of_analysis_is_shown,
        ], World(postgres, gateway))


if __name__ == "__main__":
    main()
