#!/usr/bin/env python3
"""Incremental delivery: answers in parts over HTTP, read byte by byte, and over a WebSocket.
Usage: gateway_incremental_test.py PROGRAM"""

import json
import os
import re
import socket
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../support"))
from gateway_rig import WAIT_S, Gateway, Postgres, eventually, run_tests  # noqa: E402
from websocket import WebSocket  # noqa: E402

DRAFT = "multipart/mixed;incrementalSpec=v0.2,application/graphql-response+json,application/json;q=0.9"
OLDER = "multipart/mixed;deferSpec=20220824,application/graphql-response+json,application/json;q=0.9"
LATER = '{ me { email ... @defer(label: "more") { name } } }'
SLOW = "{ me { email } ... @defer { tasks(first: 1) { nodes { id } } } }"


class Parts:
    """One request, and the parts of its answer as they come."""

    def __init__(self, gateway, query, accept, token=None):
        self.socket = socket.create_connection((gateway.host, gateway.port), timeout=WAIT_S)
        body = json.dumps({"query": query}).encode()
        lines = ["POST /graphql HTTP/1.1", f"Host: {gateway.host}:{gateway.port}", f"Accept: {accept}",
                 "Content-Type: application/json", f"Content-Length: {len(body)}"]
        lines += [f"Authorization: Bearer {token}"] if token else []
        self.socket.sendall("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
        self.reader = self.socket.makefile("rb")
        self.status = int(self.reader.readline().split()[1])
        self.headers = {}
        while (line := self.reader.readline().strip()):
            name, value = line.decode().split(": ", 1)
            self.headers[name.lower()] = value
        self.is_whole = "content-length" in self.headers
        self.text = self.reader.read(int(self.headers["content-length"])) if self.is_whole else b""

    def _more(self):
        """False at the end of the body."""
        size = 0 if self.is_whole else int(self.reader.readline(), 16)
        if self.is_whole:
            return False
        self.text += self.reader.read(size)
        assert self.reader.readline() == b"\r\n"
        return size > 0

    def _up_to(self, words):
        while words not in self.text:
            assert self._more(), f"the body ends before {words}: {self.text}"
        head, self.text = self.text.split(words, 1)
        return head

    def next(self):
        """The next part; None at the end, after which nothing is left."""
        if not hasattr(self, "has_begun"):
            assert self._up_to(b"---") == b""
            self.has_begun = True
        while len(self.text) < 2:
            assert self._more()
        if self.text.startswith(b"--"):
            while self._more():
                pass
            assert self.text == b"--\r\n", self.text
            return None
        headers = self._up_to(b"\r\n\r\n")
        assert headers == b"\r\nContent-Type: application/json; charset=utf-8", headers
        return json.loads(self._up_to(b"\r\n---"))

    def all(self):
        parts = []
        while (part := self.next()) is not None:
            parts.append(part)
        return parts

    def close(self):
        self.reader.close()
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Lock:
    """Keeps everybody from the tasks until it is left."""

    def __init__(self, url):
        self.process = subprocess.Popen(["psql", "-X", "-q", "-A", "-t", "-d", url], text=True, stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE)

    def __enter__(self):
        self.process.stdin.write("BEGIN; LOCK TABLE tasks IN ACCESS EXCLUSIVE MODE; SELECT 'locked';\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline().strip() == "locked"
        return self

    def leave(self):
        self.process.stdin.close()
        self.process.wait(WAIT_S)
        self.process.stdout.close()

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.leave()


class World:
    def __init__(self, url, gateway):
        self.url, self.gateway = url, gateway
        self.admin = gateway.set_up()

    def ask(self, query, accept=DRAFT, token=None):
        return Parts(self.gateway, query, accept, token or self.admin)

    def answered(self):
        """How many requests of GraphQL have ended."""
        found = re.findall(r'^windlass_http_requests_total\{[^}]*"graphql"[^}]*\} (\d+)$', self.gateway.get("/metrics").text, re.M)
        return sum(map(int, found))


def parts_are_of_the_draft(world):
    with world.ask(LATER) as answer:
        assert answer.status == 200 and answer.headers["transfer-encoding"] == "chunked", answer.headers
        assert answer.headers["content-type"] == 'multipart/mixed; boundary="-"', answer.headers
        assert answer.headers["cache-control"] == "no-store" and answer.headers["x-request-id"], answer.headers
        assert answer.all() == [
            {"data": {"me": {"email": "admin@example.org"}}, "hasNext": True,
             "pending": [{"id": "0", "path": ["me"], "label": "more"}]},
            {"incremental": [{"id": "0", "data": {"name": "Admin"}}], "completed": [{"id": "0"}], "hasNext": False}]
    with world.ask(LATER, "multipart/mixed, application/json") as answer:
        assert len(answer.all()) == 2, "without a specification it is the draft's"


def parts_are_of_2022_where_the_client_says_so(world):
    with world.ask(LATER, OLDER) as answer:
        assert answer.all() == [
            {"data": {"me": {"email": "admin@example.org"}}, "hasNext": True},
            {"incremental": [{"path": ["me"], "label": "more", "data": {"name": "Admin"}}], "hasNext": False}]


def lists_come_in_parts(world):
    with world.ask("{ previewSchedule(schedule: \"* * * * *\", count: 3) { runs @stream(initialCount: 1) { at } } }") as answer:
        first, rest = answer.all()
        pending = first["pending"][0]
        assert len(first["data"]["previewSchedule"]["runs"]) == 1 and pending["path"][-1] == "runs", first
        assert len(rest["incremental"][0]["items"]) == 2 and rest["completed"] == [{"id": pending["id"]}], rest


def one_body_where_no_parts_are_asked_for(world):
    for accept in ("application/json", "*/*", "multipart/mixed;subscriptionSpec=1.0,application/json",
                   "multipart/mixed;deferSpec=20991231,application/json", "multipart/mixed;q=0,application/json"):
        with world.ask(LATER, accept) as answer:
            assert answer.is_whole and answer.headers["content-type"].startswith("application/json"), (accept, answer.headers)
            assert json.loads(answer.text) == {"data": {"me": {"email": "admin@example.org", "name": "Admin"}}}, answer.text


def what_comes_at_once_is_one_body(world):
    with world.ask("{ me { email } }") as answer:
        assert answer.is_whole and json.loads(answer.text)["data"]["me"], answer.text
        assert answer.headers["content-type"].startswith("application/graphql-response+json"), answer.headers
    with world.ask("{ me { email } }", "multipart/mixed") as answer:
        assert answer.headers["content-type"].startswith("multipart/mixed"), answer.headers
        assert answer.all() == [{"data": {"me": {"email": "admin@example.org"}}}]
    with world.ask("{ nothing }", "multipart/mixed") as answer:
        (part,) = answer.all()
        assert part["errors"][0]["extensions"]["code"] == "GRAPHQL_VALIDATION_FAILED", part


def the_answer_does_not_wait_for_what_is_deferred(world):
    with Lock(world.url) as lock, world.ask(SLOW) as answer:
        first = answer.next()
        assert first["data"] == {"me": {"email": "admin@example.org"}} and first["hasNext"], first
        lock.leave()
        (rest,) = answer.all()
        assert rest["incremental"][0]["data"] == {"tasks": {"nodes": []}} and not rest["hasNext"], rest


def a_client_that_goes_between_parts_ends_its_request(world):
    with Lock(world.url):
        before = world.answered()
        with world.ask(SLOW) as answer:
            assert answer.next()["hasNext"]
            assert world.answered() == before
        eventually(lambda: world.answered() == before + 1)
    with world.ask(SLOW) as answer:
        assert len(answer.all()) == 2, "the tasks can be read again"


def the_deadline_completes_what_is_pending(world):
    with Gateway(world.url, REQUEST_TIMEOUT="2s", GATEWAY_LOOPS="1") as gateway:
        token = gateway.login("admin@example.org")
        with Lock(world.url), Parts(gateway, SLOW, DRAFT, token) as answer:
            first, rest = answer.all()
            errors = rest.get("completed", [{}])[0].get("errors") or rest["incremental"][0]["errors"]
            assert first["pending"] and not rest["hasNext"], rest
            assert errors[0]["extensions"]["code"] in ("TIMEOUT", "DATABASE_UNAVAILABLE"), rest


def parts_over_a_websocket_are_messages(world):
    with WebSocket(world.gateway, world.admin) as ws:
        messages = ws.run("q", LATER)
        assert [m["type"] for m in messages] == ["next", "next", "complete"], messages
        assert messages[0]["payload"]["pending"] and messages[1]["payload"]["hasNext"] is False, messages


def too_much_that_is_pending_is_refused(world):
    with Gateway(world.url, GQL_PENDING_MAX="1", GATEWAY_LOOPS="1") as gateway:
        token = gateway.login("admin@example.org")
        query = "{ me { id ... @defer { email } ... @defer { name } } }"
        with Parts(gateway, query, DRAFT, token) as answer:
            error = json.loads(answer.text)["errors"][0]
            assert error["extensions"] == {"code": "QUERY_TOO_COMPLEX", "limit": "pending_max", "value": 2}, error


def the_directives_are_told(world):
    told = world.gateway.graphql("{ __schema { directives { name locations } } }", token=world.admin).data
    locations = {d["name"]: d["locations"] for d in told["__schema"]["directives"]}
    assert locations["defer"] == ["FRAGMENT_SPREAD", "INLINE_FRAGMENT"] and locations["stream"] == ["FIELD"], locations


def main():
    with Postgres() as postgres, Gateway(postgres.url, GATEWAY_LOOPS="1") as gateway:
        run_tests([
            parts_are_of_the_draft,
            parts_are_of_2022_where_the_client_says_so,
            lists_come_in_parts,
            one_body_where_no_parts_are_asked_for,
            what_comes_at_once_is_one_body,
            the_answer_does_not_wait_for_what_is_deferred,
            a_client_that_goes_between_parts_ends_its_request,
            the_deadline_completes_what_is_pending,
            parts_over_a_websocket_are_messages,
            too_much_that_is_pending_is_refused,
            the_directives_are_told,
        ], World(postgres.url, gateway))


if __name__ == "__main__":
    main()
