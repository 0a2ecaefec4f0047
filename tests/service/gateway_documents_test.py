#!/usr/bin/env python3
"""Documents that requests name instead of sending them: automatic persisted queries, and the trusted
documents of a manifest. Usage: gateway_documents_test.py PROGRAM"""

import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile
from urllib.parse import urlencode

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../support"))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../tools"))
import web_documents  # noqa: E402
from gateway_rig import PROGRAM, Client, Gateway, Postgres, Stream, run_tests  # noqa: E402

GRAPHQL = "application/graphql-response+json"


def sha(text):
    return hashlib.sha256(text.encode()).hexdigest()


def named(text, **members):
    return {"extensions": {"persistedQuery": {"version": 1, "sha256Hash": sha(text)}}, **members}


class World:
    def __init__(self, gateway, url, folder):
        self.gateway, self.url, self.folder = gateway, url, folder
        self.admin = gateway.set_up()
        self.count = 0

    def fresh(self):
        """A document that nobody has sent yet."""
        self.count += 1
        return f"query Fresh{self.count} {{ me {{ email }} }}"

    def manifest(self, content):
        path = os.path.join(self.folder, f"manifest-{len(os.listdir(self.folder))}.json")
        with open(path, "w", encoding="utf-8") as file:
            file.write(content if isinstance(content, str) else json.dumps(content))
        return path


def post(gateway, body, token=None, accept=GRAPHQL):
    client = Client(gateway)
    headers = {"Content-Type": "application/json", "Accept": accept}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    try:
        return client.request("POST", "/graphql", json.dumps(body), headers)
    finally:
        client.close()


def get(gateway, token, **parameters):
    sent = {name: value if isinstance(value, str) else json.dumps(value) for name, value in parameters.items()}
    return gateway.get("/graphql?" + urlencode(sent), {"Authorization": f"Bearer {token}"} if token else {})


# ── automatic persisted queries ──

def a_hash_is_learned_and_then_enough(world):
    text = world.fresh()
    for accept in (GRAPHQL, "application/json"):
        unknown = post(world.gateway, named(text), world.admin, accept)
        # Clients compare the message; after a 400 some of them would never send a hash again.
        assert unknown.status == 200 and unknown.error["message"] == "PersistedQueryNotFound", unknown.text
        assert unknown.code == "NOT_FOUND" and unknown.error["extensions"]["requestId"], unknown.text
        assert "data" not in unknown.json
    expected = {"me": {"email": "admin@example.org"}}
    assert post(world.gateway, named(text, query=text), world.admin).data == expected
    for _ in range(20):  # whichever loop the connection meets
        assert post(world.gateway, named(text), world.admin).data == expected
    assert post(world.gateway, named(text)).data == {"me": None}  # it says nothing of who asks
    assert post(world.gateway, {"documentId": "sha256:" + sha(text)}, world.admin).data == expected
    assert get(world.gateway, world.admin, **named(text)).data == expected
    assert get(world.gateway, world.admin, documentId="sha256:" + sha(text)).data == expected


def a_hash_is_learned_by_get_too(world):
    text = "query Named($n: String!) { __type(name: $n) { name } } query Other { __typename }"
    asked = {"variables": {"n": "User"}, "operationName": "Named"}
    expected = {"__type": {"name": "User"}}
    assert get(world.gateway, world.admin, **named(text), **asked).error["message"] == "PersistedQueryNotFound"
    assert get(world.gateway, world.admin, **named(text), **asked, query=text).data == expected
    assert get(world.gateway, world.admin, **named(text), **asked).data == expected
    assert post(world.gateway, named(text, **asked), world.admin).data == expected
    assert post(world.gateway, named(text, operationName="Other")).data == {"__typename": "Query"}


def a_mutation_stays_refused_by_get(world):
    text = "mutation Fresh { __typename }"
    assert post(world.gateway, named(text, query=text)).data == {"__typename": "Mutation"}
    answer = get(world.gateway, world.admin, **named(text))
    assert answer.status == 405 and answer.headers["Allow"] == "POST", answer.text


def a_hash_of_another_text_is_refused(world):
    text = world.fresh()
    body = {**named(text), "query": "{ __typename }"}
    answer = post(world.gateway, body)
    assert answer.status == 400 and answer.error["message"] == "provided sha does not match query", answer.text
    assert post(world.gateway, named(text)).error["message"] == "PersistedQueryNotFound"


def what_does_not_run_is_not_remembered(world):
    for text, variables in (("query Bad {", None), ("query Bad { nothing }", None),
                            ("query Bad($x: Int!) { __typename }", None),
                            ("query Bad($n: Int) { users(first: $n) { nodes { id } } }", {"n": 501})):
        answer = post(world.gateway, named(text, query=text, variables=variables))
        assert answer.status == 400, answer.text
        assert post(world.gateway, named(text)).error["message"] == "PersistedQueryNotFound", text


def malformed_extensions_are_refused(world):
    good = {"version": 1, "sha256Hash": sha("{ __typename }")}
    for value in (1, [], "x", {}, {**good, "version": 2}, {**good, "version": "1"}, {**good, "sha256Hash": 5},
                  {**good, "sha256Hash": ""}, {"version": 1}, {"sha256Hash": good["sha256Hash"]}):
        answer = post(world.gateway, {"query": "{ __typename }", "extensions": {"persistedQuery": value}})
        assert answer.status == 400 and answer.code == "BAD_USER_INPUT", (value, answer.text)
    for wrong in ("x" * 64, "a" * 63, good["sha256Hash"].upper() + "0"):
        answer = post(world.gateway, {"extensions": {"persistedQuery": {**good, "sha256Hash": wrong}}})
        assert answer.status == 400, (wrong, answer.text)
    assert post(world.gateway, {"query": "{ __typename }", "extensions": {"persistedQuery": None}}).code == "ok"
    assert post(world.gateway, {"query": "{ __typename }", "documentId": "sha256:" + sha("{ __typename }")}).status == 400
    for unknown in ("x", "sha256:" + "0" * 64, "x-own:5", "sha256:zz"):
        answer = post(world.gateway, {"documentId": unknown})
        assert answer.status == 404 and answer.code == "NOT_FOUND", (unknown, answer.text)


def strangers_cannot_push_out_what_is_in_use(world):
    with Gateway(world.url, PERSISTED_QUERIES="64KiB") as gateway:
        hot = [f"query Hot{i} {{ __typename }}" for i in range(20)]
        for text in hot:
            assert post(gateway, named(text, query=text)).code == "ok"
            assert post(gateway, named(text)).code == "ok"
        client = Client(gateway)
        for i in range(1000):
            text = f"query Stranger{i} {{ a{i}: __typename {' ' * 200} }}"
            body = json.dumps(named(text, query=text))
            assert client.request("POST", "/graphql", body, {"Content-Type": "application/json"}).code == "ok"
        client.close()
        for text in hot:
            assert post(gateway, named(text)).code == "ok", text
        assert post(gateway, named("query Stranger0 { a0: __typename %s }" % (" " * 200))).code == "NOT_FOUND"


def they_can_be_switched_off(world):
    text = world.fresh()
    with Gateway(world.url, PERSISTED_QUERIES="0") as gateway:
        answer = post(gateway, named(text))
        assert answer.status == 200 and answer.error["message"] == "PersistedQueryNotSupported", answer.text
        assert answer.code == "BAD_USER_INPUT"
        assert post(gateway, named(text, query=text)).code == "ok"  # as if without the extension
        assert post(gateway, named(text)).error["message"] == "PersistedQueryNotSupported"


# ── trusted documents ──

ME = "query Me { me { email } }"
TYPE = "query Type($n: String!) { __type(name: $n) { name } }"
EVENTS = "subscription Events { taskChanged { id } }"
LOGIN_ONLY = "mutation Out { logout }"


def only_trusted_documents_run(world):
    path = world.manifest({"me-1": ME, "0" * 32: TYPE, sha(EVENTS): EVENTS, "out": LOGIN_ONLY})
    with Gateway(world.url, TRUSTED_DOCUMENTS=path, GQL_BATCH_MAX="5") as gateway:
        expected = {"me": {"email": "admin@example.org"}}
        for body in ({"documentId": "me-1"}, {"documentId": "sha256:" + sha(ME)}, named(ME), {"query": ME},
                     {"extensions": {"persistedQuery": {"version": 1, "sha256Hash": "me-1"}}},
                     named(ME, query=ME)):
            assert post(gateway, body, world.admin).data == expected, body
        assert post(gateway, {"documentId": "0" * 32, "variables": {"n": "User"}}).data == {"__type": {"name": "User"}}
        assert get(gateway, world.admin, documentId="me-1").data == expected
        assert get(gateway, world.admin, documentId="out").status == 405
        for body in ({"query": "{ __typename }"}, {"query": ME + " "}, {"documentId": "me-2"}, named("{ __typename }"),
                     named("{ __typename }", query="{ __typename }"), {"query": "{"}, {"query": "{ nothing }"}):
            answer = post(gateway, body, world.admin)
            assert answer.status == 403 and answer.code == "FORBIDDEN", (body, answer.text)
            assert "trusted" in answer.error["message"]
        assert get(gateway, world.admin, query="{ __typename }").status == 403
        batch = post(gateway, [{"query": ME}, {"query": "{ __typename }"}, {"documentId": "me-1"}], world.admin).json
        assert [("data" in one) for one in batch] == [True, False, True], batch
        assert batch[1]["errors"][0]["extensions"]["code"] == "FORBIDDEN"
        stream = Stream(gateway, "subscription { taskChanged { id } }", world.admin)
        assert stream.response.status == 403
        stream.close()
        assert re.search(r"event=documents\.trusted count=\d+ invalid=0 only=true", gateway.log), gateway.log


def scripts(gateway):
    """Of the pages, as they are served: their names hold a hash."""
    seen, waiting = {}, ["/", "/login", "/setup"]
    while waiting:
        path = waiting.pop()
        if path not in seen:
            seen[path] = gateway.get(path).text
            waiting += ["/assets/" + name for name in re.findall(r"""["'](?:\./|assets/)([\w.-]+\.js)["']""", seen[path])]
    return [text for path, text in seen.items() if path.endswith(".js")]


def the_pages_work_where_only_trusted_documents_run(world):
    with Gateway(world.url, TRUSTED_DOCUMENTS=world.manifest({"me": ME})) as gateway:
        texts = [text for script in scripts(gateway) for text in web_documents.documents_of(script)]
        assert len(texts) >= 7, texts
        for text in texts:  # they lack their variables: what they say of that shows that they were taken
            assert post(gateway, {"query": text}).code in ("ok", "BAD_USER_INPUT", "UNAUTHENTICATED"), text
        login = 'mutation Login($email: String!, $password: String!)'
        assert any(text.startswith(login) for text in texts)


def trusted_documents_may_be_preferred_only(world):
    manifest = {"format": "apollo-persisted-query-manifest", "version": 1,
                "operations": [{"id": sha(ME), "name": "Me", "type": "query", "body": ME},
                               {"id": "type", "name": "Type", "type": "query", "body": TYPE}]}
    with Gateway(world.url, TRUSTED_DOCUMENTS=world.manifest(manifest), TRUSTED_DOCUMENTS_MODE="prefer") as gateway:
        assert post(gateway, named(ME)).data == {"me": None}  # known without being sent
        assert post(gateway, {"documentId": "type", "variables": {"n": "Nil"}}).data == {"__type": None}
        assert post(gateway, {"query": "{ __typename }"}).code == "ok"
        text = world.fresh()
        assert post(gateway, named(text)).error["message"] == "PersistedQueryNotFound"
        assert post(gateway, named(text, query=text)).code == "ok"
        assert post(gateway, named(text)).code == "ok"
        assert post(gateway, {"documentId": "none"}).status == 404


def documents_are_held_against_the_schema_at_the_start(world):
    path = world.manifest({"good": ME, "bad": "query Bad { me { nothing } }", "worse": "{ me {"})
    with Gateway(world.url, TRUSTED_DOCUMENTS=path) as gateway:
        assert re.search(r'level=warn .*event=documents\.invalid id=bad error=".*nothing', gateway.log), gateway.log
        assert re.search(r'event=documents\.invalid id=worse error="Syntax Error', gateway.log), gateway.log
        assert re.search(r"event=documents\.trusted count=\d+ invalid=2 ", gateway.log), gateway.log
        assert post(gateway, {"documentId": "good"}).code == "ok"
        assert post(gateway, {"documentId": "bad"}).code == "GRAPHQL_VALIDATION_FAILED"


def a_manifest_that_cannot_be_read_ends_the_start(world):
    cases = [("/no/such/file.json", "No such file"), (world.manifest("{"), "$"), (world.manifest({}), "no document"),
             (world.manifest({"a": ME, "b": 5}), '$["b"]'), (world.manifest([ME]), "must be an object")]
    for path, named_place in cases:
        done = subprocess.run([PROGRAM, "gateway"], capture_output=True, text=True, timeout=60, check=False,
                              env={"PATH": os.environ["PATH"], "DATABASE_URL": world.url, "WINDLASS_PORT": "0",
                                   "WINDLASS_TRUSTED_DOCUMENTS": path})
        told = done.stderr.replace("\\", "")
        assert done.returncode not in (0, 69) and path in told and named_place in told, (path, done)


def main():
    with Postgres() as postgres, tempfile.TemporaryDirectory() as folder, Gateway(postgres.url) as gateway:
        run_tests([
            a_hash_is_learned_and_then_enough,
            a_hash_is_learned_by_get_too,
            a_mutation_stays_refused_by_get,
            a_hash_of_another_text_is_refused,
            what_does_not_run_is_not_remembered,
            malformed_extensions_are_refused,
            strangers_cannot_push_out_what_is_in_use,
            they_can_be_switched_off,
            only_trusted_documents_run,
            the_pages_work_where_only_trusted_documents_run,
            trusted_documents_may_be_preferred_only,
            documents_are_held_against_the_schema_at_the_start,
            a_manifest_that_cannot_be_read_ends_the_start,
        ], World(gateway, postgres.url, folder))


if __name__ == "__main__":
    main()
