#!/usr/bin/env python3
"""Batched requests: bounds, order, the caller, costs, cookies, what may not be in one.
Usage: gateway_batch_test.py PROGRAM"""

import json
import os
import re
import socket
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../support"))
from gateway_rig import LOGIN, PASSWORD, Client, Gateway, Postgres, create_user, run_tests  # noqa: E402

GRAPHQL = "application/graphql-response+json"
TYPENAME = {"query": "{ __typename }"}
ME = {"query": "{ me { email } }"}


class World:
    def __init__(self, gateway):
        self.gateway = gateway
        self.admin = gateway.set_up()

    def post(self, batch, token=None, **headers):
        client = Client(self.gateway)
        sent = {"Content-Type": "application/json", "Accept": GRAPHQL,
                **{k.replace("_", "-"): v for k, v in headers.items()}}
        if token:
            sent["Authorization"] = f"Bearer {token}"
        try:
            return client.request("POST", "/graphql", json.dumps(batch), sent)
        finally:
            client.close()

    def metric(self, name):
        found = re.search(rf"^{re.escape(name)} (\S+)$", self.gateway.get("/metrics").text, re.M)
        return float(found.group(1)) if found else 0


def answers_come_in_the_order_of_the_operations(world):
    batch = [{"query": "query A { a: __typename }"}, ME,
             {"query": "query B($n: String!) { __type(name: $n) { name } } query C { c: __typename }",
              "operationName": "B", "variables": {"n": "User"}},
             {"query": "{ users(first: 1) { nodes { email } } }"}]
    answer = world.post(batch, world.admin)
    assert answer.status == 200 and answer.headers["Content-Type"].startswith(GRAPHQL)
    assert answer.json == [{"data": {"a": "Query"}}, {"data": {"me": {"email": "admin@example.org"}}},
                           {"data": {"__type": {"name": "User"}}},
                           {"data": {"users": {"nodes": [{"email": "admin@example.org"}]}}}], answer.text
    assert world.post([TYPENAME]).json == [{"data": {"__typename": "Query"}}]
    plain = world.post([TYPENAME], Accept="application/json")
    assert plain.headers["Content-Type"].startswith("application/json"), plain.headers


def one_that_fails_leaves_the_others_alone(world):
    batch = [{"query": "{"}, TYPENAME, {"query": "{ nothing }"}, {"variables": {}},
             {"query": "{ users { nodes { id } } }"},
             {"query": "{ __typename }", "variables": []}, {"query": "query A { a: __typename }",
                                                            "operationName": "B"}]
    answer = world.post(batch)
    assert answer.status == 200, answer.text
    codes = [one["errors"][0]["extensions"]["code"] if "errors" in one else "ok" for one in answer.json]
    assert codes == ["GRAPHQL_PARSE_FAILED", "ok", "GRAPHQL_VALIDATION_FAILED", "BAD_USER_INPUT",
                     "UNAUTHENTICATED", "BAD_USER_INPUT", "BAD_USER_INPUT"], answer.text
    request_id = answer.json[3]["errors"][0]["extensions"]["requestId"]
    assert request_id == answer.headers["X-Request-Id"]


def what_is_no_batch_is_refused_whole(world):
    for batch, code in (([], "BAD_USER_INPUT"), ([1], "BAD_USER_INPUT"), ([TYPENAME, [TYPENAME]], "BAD_USER_INPUT"),
                        ([TYPENAME, None], "BAD_USER_INPUT"), ([TYPENAME] * 11, "QUERY_TOO_COMPLEX")):
        answer = world.post(batch)
        assert answer.status == 400 and answer.code == code, (batch, answer.text)
    message = world.post([TYPENAME] * 11).error["message"]
    assert "11" in message and "10" in message and "gql-batch-max" in message, message
    assert len(world.post([TYPENAME] * 10).json) == 10
    long = [{"query": "{ __typename }", "variables": {"x": " " * (1 << 20)}}]
    assert world.post(long, world.admin).status in (400, 413)
    for accept in ("text/event-stream", "text/html"):
        assert world.post([TYPENAME], Accept=accept).status == 406, accept


def operations_are_paid_together(world):
    users = {"query": "query ($n: Int) { users(first: $n) { nodes { id email name } } }", "variables": {"n": 400}}
    alone = world.post([users], world.admin).json
    assert "data" in alone[0], alone
    many = world.post([users] * 10, world.admin).json
    refused = [one["errors"][0]["extensions"] for one in many if "errors" in one]
    assert refused and len(refused) < 10, many
    assert refused[-1]["code"] == "QUERY_TOO_COMPLEX" and refused[-1]["limit"] == "cost_max", refused
    assert refused[-1]["value"] > refused[-1]["max"] == 10000
    assert "data" in many[0]


def the_caller_is_asked_for_once(world):
    create_user(world.gateway, world.admin, "batch@example.org")
    token = world.gateway.login("batch@example.org")

    def lookups():
        return sum(world.metric(f'windlass_credential_lookups_total{{result="{result}"}}')
                   for result in ("hit", "miss"))
    before = lookups()
    assert all(one["data"]["me"]["email"] == "batch@example.org" for one in world.post([ME] * 8, token).json)
    assert lookups() == before + 1, (before, lookups())


def each_operation_is_counted(world):
    name = 'windlass_graphql_operations_total{type="query",result="ok"}'
    before = world.metric(name)
    world.post([TYPENAME] * 7)
    assert world.metric(name) == before + 7


def a_session_may_begin_in_a_batch(world):
    login = {"query": LOGIN, "variables": {"email": "admin@example.org", "password": PASSWORD}}
    answer = world.post([TYPENAME, login, ME])
    token = answer.json[1]["data"]["login"]["token"]
    assert f"windlass_session={token}" in answer.headers["Set-Cookie"], answer.headers
    assert answer.json[2] == {"data": {"me": None}}, answer.text  # they run at once
    assert len(answer.headers.get_all("Set-Cookie")) == 1


def a_subscription_is_no_part_of_one(world):
    answer = world.post([{"query": "subscription { taskChanged { id } }"}, TYPENAME], world.admin)
    assert "errors" in answer.json[0] and "data" not in answer.json[0], answer.text
    assert answer.json[1] == {"data": {"__typename": "Query"}}


def a_client_that_goes_away_ends_its_batch(world):
    body = json.dumps([{"query": "{ users(first: 5) { nodes { id } } }"}] * 10)
    for _ in range(20):
        with socket.create_connection((world.gateway.host, world.gateway.port), 30) as connection:
            connection.sendall((f"POST /graphql HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                                f"Authorization: Bearer {world.admin}\r\nContent-Length: {len(body)}\r\n\r\n"
                                f"{body}").encode())
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # a reset
    assert world.post([ME], world.admin).json[0]["data"]["me"]


def they_are_off_by_default(world):
    with Gateway(world.url) as gateway:
        client = Client(gateway)
        answer = client.request("POST", "/graphql", json.dumps([TYPENAME]), {"Content-Type": "application/json"})
        client.close()
        assert answer.status == 400 and "gql-batch-max" in answer.error["message"], answer.text


def main():
    with Postgres() as postgres, Gateway(postgres.url, GQL_BATCH_MAX="10", GATEWAY_LOOPS="1") as gateway:
        world = World(gateway)
        world.url = postgres.url
        run_tests([
            answers_come_in_the_order_of_the_operations,
            one_that_fails_leaves_the_others_alone,
            what_is_no_batch_is_refused_whole,
            operations_are_paid_together,
            the_caller_is_asked_for_once,
            each_operation_is_counted,
            a_session_may_begin_in_a_batch,
            a_subscription_is_no_part_of_one,
            a_client_that_goes_away_ends_its_batch,
            they_are_off_by_default,
        ], world)


if __name__ == "__main__":
    main()
