#!/usr/bin/env python3
"""What scanners of GraphQL servers look for (the checks of graphql-cop, github.com/dolevf/graphql-cop,
as of 1.15), each asked in its own way of a gateway in its production defaults, by a stranger and by
a signed-in caller. Usage: gateway_cop_test.py PROGRAM"""

import json
import os
import sys
from urllib.parse import quote

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../support"))
from gateway_rig import Client, Gateway, Postgres, create_user, run_tests  # noqa: E402

JSON = {"Content-Type": "application/json", "Accept": "application/json"}


class World:
    def __init__(self, gateway, viewer):
        self.gateway, self.viewer = gateway, viewer

    def each(self, method, path, body=None, headers=JSON):
        """The answers to a stranger and to a VIEWER."""
        for token in (None, self.viewer):
            client = Client(self.gateway)
            sent = {**headers, **({"Authorization": f"Bearer {token}"} if token else {})}
            yield client.request(method, path, body, sent)
            client.close()

    def post(self, query):
        yield from self.each("POST", "/graphql", json.dumps({"query": query}))


def is_data(answer):
    return bool(answer.text) and answer.text.lstrip()[0] in "{[" and bool(
        isinstance(answer.json, dict) and answer.json.get("data"))


def alias_overloading(world):
    aliases = " ".join(f"alias{i}:__typename" for i in range(101))
    for answer in world.post("query cop { %s }" % aliases):
        assert not is_data(answer) and answer.code == "QUERY_TOO_COMPLEX", answer.text


def batch_queries(world):
    batch = json.dumps([{"query": "query cop { __typename }"}] * 10)
    for answer in world.each("POST", "/graphql", batch):
        assert answer.status == 400 and isinstance(answer.json, dict), answer.text
        assert "gql-batch-max" in answer.error["message"]


def directive_overloading(world):
    for answer in world.post("query cop { __typename @aa@aa@aa@aa@aa@aa@aa@aa@aa@aa }"):
        assert len(answer.json["errors"]) == 1 and answer.code == "QUERY_TOO_COMPLEX", answer.text


def circular_introspection(world):
    query = ("query cop { __schema { types { fields { type { fields { type { fields { type { fields "
             "{ type { name } } } } } } } } } } }")
    for answer in world.post(query):
        assert not is_data(answer), answer.text[:300]


def circular_fragments(world):
    query = "query cop { ...A } fragment A on Query { ...B } fragment B on Query { ...A }"
    for answer in world.post(query):
        assert not is_data(answer) and answer.code == "GRAPHQL_VALIDATION_FAILED", answer.text


def field_duplication(world):
    for answer in world.post("query cop { %s }" % ("__typename \n" * 500)):
        assert not is_data(answer) and answer.code == "QUERY_TOO_COMPLEX", answer.text


def introspection(world):
    stranger, viewer = world.post("query cop { __schema { types { name fields { name } } } }")
    assert not is_data(stranger) and stranger.code == "GRAPHQL_VALIDATION_FAILED", stranger.text
    assert is_data(viewer)  # who may use the API may read what it is


def field_suggestions(world):
    stranger, _ = world.post("query cop { __schema { directive } }")
    assert "Did you mean" not in stranger.text, stranger.text
    stranger, _ = world.post("query cop { m }")
    assert "Did you mean" not in stranger.text, stranger.text


def queries_by_get(world):
    stranger, viewer = world.each("GET", "/graphql?query=" + quote("query cop {__typename}"))
    assert stranger.status == 401 and stranger.code == "UNAUTHENTICATED", stranger.text
    assert stranger.headers["WWW-Authenticate"] == "Bearer"
    assert viewer.data == {"__typename": "Query"}


def mutations_by_get(world):
    for answer in world.each("GET", "/graphql?query=" + quote("mutation cop {__typename}")):
        assert answer.status in (401, 405) and not is_data(answer), answer.text


def forms_by_post(world):
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    for answer in world.each("POST", "/graphql", "query=" + quote("query cop { __typename }"), form):
        assert answer.status == 415 and not is_data(answer), answer.text
    for answer in world.each("POST", "/graphql?query=" + quote("{ __typename }"), "", form):
        assert answer.status == 415 and not is_data(answer), answer.text


def graphical_explorers(world):
    for path in ("/graphql", "/graphiql", "/playground", "/altair", "/console", "/api/graphql", "/v1/graphql"):
        for answer in world.each("GET", path, None, {"Accept": "text/html"}):
            assert answer.status in (404, 406), (path, answer.status)
            for word in ("graphiql.min.css", "GraphQL Playground", "GraphiQL", "graphql-playground"):
                assert word not in answer.text, (path, word)


def tracing(world):
    for answer in world.post("query cop { __typename }"):
        assert answer.json == {"data": {"__typename": "Query"}}, answer.text


def unhandled_errors(world):
    for answer in world.post("qwerty cop { abc }"):
        assert answer.code == "GRAPHQL_PARSE_FAILED", answer.text
        assert set(answer.error["extensions"]) == {"code"}, answer.text
        assert "exception" not in answer.text and "src/" not in answer.text


def main():
    with Postgres() as postgres:
        with Gateway(postgres.url) as gateway:  # development makes the schema
            create_user(gateway, gateway.set_up(), "viewer@example.org")
        with Gateway(postgres.url, ENV="production", SCHEMA="check") as gateway:
            run_tests([
                alias_overloading, batch_queries, directive_overloading, circular_introspection,
                circular_fragments, field_duplication, introspection, field_suggestions,
                queries_by_get, mutations_by_get, forms_by_post, graphical_explorers, tracing,
                unhandled_errors,
            ], World(gateway, gateway.login("viewer@example.org")))


if __name__ == "__main__":
    main()
