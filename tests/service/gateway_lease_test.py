#!/usr/bin/env python3
"""Outside workers at the gateway's port: tokens, types, whose a session is, long polls, a worker that
is away, and bad input at every endpoint, each answered as the OpenAPI document says."""

import datetime
import http.client
import json
import os
import sys
import threading
import time
import uuid

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "support"))
# pylint: disable=wrong-import-position
from gateway_rig import WAIT_S, Gateway, eventually, run_tests
from lease_rig import OPENAPI, LeaseClient, OutsideWorld
from worker_rig import GATEWAY_TOKEN, RUNNER_TOKEN, Worker

ID = str(uuid.uuid4())
POLL = {"max": 1, "wait_ms": 60_000}
IDLE = {"idle": {"slots": 10}}  # of which no test leaves a task behind


class Later:
    """A request on a connection of its own, in a thread."""

    def __init__(self, world, token, path, body):
        self.client, self.answer = world.client(token), None
        self.thread = threading.Thread(target=self.run, args=(path, body), daemon=True)
        self.thread.start()

    def run(self, path, body):
        try:
            self.answer = self.client.post(path, body)
        except (OSError, http.client.HTTPException):
            pass  # broken off: there is no answer

    def wait(self):
        self.thread.join(WAIT_S)
        assert self.answer is not None, "no answer came"
        return self.answer


def parked(world):
    return world.worker.metric("windlass_worker_lease_requests_waiting")


def a_task_goes_through_its_life(world):
    client = world.client(scopes=["LEASE", "API"])
    who = client.open({"work": {"slots": 2}, "mine": {"schema": "windlass:none-such"}}, worker="w", host="h", version="1", ttl_ms=30_000)
    task = world.create(payload={"n": 1}, idempotencyKey=f"k{time.time_ns()}")
    leases = client.post("/v1/leases", {**who, "max": 5, "wait_ms": 20_000}).json["leases"]
    assert [(x["task"], x["payload"], x["attempt"]) for x in leases] == [(task, {"n": 1}, 1)], leases
    named = {"task": task, "fence": leases[0]["fence"]}
    beat = client.post("/v1/heartbeats", {**who, "tasks": [
        {**named, "progress": 0.5, "checkpoint": {"at": 3},
         "logs": [{"stream": "stderr", "text": "half", "at_us": time.time_ns() // 1000}]}, {"task": ID, "fence": "0:1"}]}).json
    assert beat["lost"] == [{"task": ID, "fence": "0:1"}] and beat["mode"] == "run", beat
    failed = client.post("/v1/leases", {**who, "max": 1, "wait_ms": 20_000, "held": [named], "acks": [
        {**named, "outcome": "fail", "error": "not yet", "retry_in_ms": 0, "logs": [{"text": "well"}]}]}).json
    assert [a["outcome"] for a in failed["acks"]] == ["applied"], failed
    again = failed["leases"] or client.post("/v1/leases", {**who, "max": 1, "wait_ms": 20_000}).json["leases"]
    assert again[0]["attempt"] == 2 and again[0]["checkpoint"] == {"at": 3}, again
    ack = {"task": task, "fence": again[0]["fence"], "outcome": "complete", "result": [1], "spawn": [
        {"type": "spawned", "payload": [2], "priority": "low", "queue": "q", "run_at_us": 1, "max_attempts": 1, "timeout_s": 9}]}
    for outcome in ("applied", "duplicate"):
        done = client.post("/v1/acks", {**who, "results": [ack]}).json
        assert [a["outcome"] for a in done["acks"]] == [outcome], done
        if outcome == "applied":
            (spawned,) = done["acks"][0]["spawned"]
    eventually(lambda: world.task(spawned)["status"] == "PENDING")
    assert client.end(who, release=True).text == "{}"
    eventually(lambda: world.task(task)["status"] == "COMPLETED")
    assert world.task(task)["result"] == [1]
    assert client.post("/v1/leases", {**who, "max": 1}).status == 404
    client.close()


def a_cancelled_task_is_told_to_its_worker(world):
    client = world.client()
    who = client.open()
    task = world.create()
    lease = client.post("/v1/leases", {**who, "wait_ms": 20_000}).json["leases"][0]
    world.gateway.graphql("mutation($id: ID!) { cancelTask(id: $id) { id } }", {"id": task}, world.admin).data  # pylint: disable=expression-not-assigned
    commands = client.post("/v1/leases", {**who, "max": 1, "wait_ms": 20_000}).json["commands"]
    assert [(c["kind"], c["task"], c["reason"]) for c in commands] == [("cancel", task, "cancelled")], commands
    client.post("/v1/acks", {**who, "results": [{"task": task, "fence": lease["fence"], "outcome": "cancelled"}]})
    client.end(who)
    client.close()


def only_a_token_with_the_scope_lease_may(world):
    body = {"types": {"work": {}}}
    for token, status, code in ((None, 401, "UNAUTHENTICATED"), ("wlt_nonsense", 401, "UNAUTHENTICATED"),
                                (world.make_token(scopes=["API"])[0], 403, "FORBIDDEN"),
                                (world.admin, 403, "FORBIDDEN"), (GATEWAY_TOKEN, 401, "UNAUTHENTICATED"),
                                (RUNNER_TOKEN, 401, "UNAUTHENTICATED")):
        client = LeaseClient(world.gateway.host, world.gateway.port, token)
        for path in ("sessions", "leases", "acks", "heartbeats"):
            answer = client.raw("POST", f"/v1/{path}", json.dumps(body))
            assert (answer.status, answer.code) == (status, code), (token, path, answer.text)
        answer = client.raw("DELETE", f"/v1/sessions/{ID}")
        assert (answer.status, answer.code) == (status, code), (token, answer.text)
        if status == 401:
            assert answer.headers["WWW-Authenticate"] == "Bearer"
        client.close()
    # A session's cookie says nothing here.
    client = LeaseClient(world.gateway.host, world.gateway.port, None)
    answer = client.raw("POST", "/v1/sessions", json.dumps(body), {"Cookie": f"windlass_session={world.admin}"})
    assert answer.status == 401, answer.text
    # Neither does what only the gateway may say to the worker.
    answer = client.raw("POST", "/v1/sessions", json.dumps(body), {"Windlass-Token-Id": ID})
    assert answer.status == 401, answer.text
    client.close()


def a_token_takes_its_own_types_alone(world):
    client = world.client(types=["mail", "sms"])
    who = client.open({"mail": {"slots": 1}, "sms": {}})
    answer = client.post("/v1/sessions", {"types": {"mail": {}, "work": {"slots": 1}}})
    assert answer.status == 403 and "types.work:" in answer.detail, answer.text
    # However the body hides it.
    for body in ('{"types": {"mail": {}}, "types": {"work": {}}}', '{"types": {"work": {}}, "types": {"mail": {}}}',
                 '{"\\u0074ypes": {"w\\u006frk": {}}}'):
        answer = client.raw("POST", "/v1/sessions", body)
        assert answer.status in (400, 403), (body, answer.text)
    world.create()
    assert client.post("/v1/leases", {**who, "max": 5}).json["leases"] == []
    client.end(who)
    client.close()
    other = world.client()
    mine = other.open()
    assert len(other.post("/v1/leases", {**mine, "max": 5, "wait_ms": 20_000}).json["leases"]) == 1
    other.end(mine, release=True)
    other.close()


def a_session_belongs_to_the_token_that_opened_it(world):
    one, other = world.client(), world.client()
    who = one.open()
    for path, more in (("leases", {"max": 1}), ("acks", {"results": []}), ("heartbeats", {"tasks": []})):
        answer = other.post(f"/v1/{path}", {**who, **more})
        assert (answer.status, answer.code) == (404, "NOT_FOUND"), (path, answer.text)
        assert one.post(f"/v1/{path}", {**who, "secret": "wrong"}).status == 404
        assert one.post(f"/v1/{path}", {**who, "session": ID}).status == 404
    assert other.end(who).status == 404
    assert one.end({**who, "secret": "wrong"}).status == 404
    # A runner's own, at the worker, is not theirs either; nor is theirs a runner's.
    runner = LeaseClient("127.0.0.1", world.worker.port, RUNNER_TOKEN)
    its = runner.open()
    assert one.post("/v1/leases", {**its, "max": 1}).status == 404
    assert runner.post("/v1/leases", {**who, "max": 1}).status == 404
    # It outlives the leader that opened it.
    world.restart_worker()
    again = eventually(lambda: (a := one.post("/v1/leases", {**who, "max": 0})).status == 200 and a)
    assert again.json["leases"] == []
    assert other.post("/v1/leases", {**who, "max": 0}).status == 404
    assert one.end(who).status == 200
    for client in (one, other, runner):
        client.close()


REVOKE = "mutation($id: ID!) { revokeApiToken(id: $id) }"


def a_revoked_token_stops_an_open_poll_too(world):
    token, token_id = world.make_token()
    client = world.client(token)
    who = client.open(IDLE)
    before = parked(world)
    poll = Later(world, token, "/v1/leases", {**who, **POLL})
    eventually(lambda: parked(world) == before + 1)
    began = time.monotonic()
    assert world.gateway.graphql(REVOKE, {"id": token_id}, world.admin).data["revokeApiToken"] is True
    answer = poll.wait()
    assert (answer.status, answer.code) == (401, "UNAUTHENTICATED"), answer.text
    assert time.monotonic() - began < POLL["wait_ms"] / 1000 / 2, "it was not its own end"
    assert client.post("/v1/heartbeats", {**who, "tasks": []}).status == 401
    eventually(lambda: parked(world) == before)  # the worker's end of it is gone as well
    client.close()


def an_expired_token_stops_an_open_poll_too(world):
    at = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=3)
    token, _ = world.make_token(expires=at.isoformat().replace("+00:00", "Z"))
    client = world.client(token)
    poll = Later(world, token, "/v1/leases", {**client.open(IDLE), **POLL})
    assert poll.wait().status == 401
    client.close()


def polls_have_a_bound_and_hold_up_nothing_else(world):
    with Gateway(world.postgres.url, WORKER_URL=f"http://127.0.0.1:{world.worker.port}", GATEWAY_LOOPS="1",
                 GATEWAY_TOKEN=GATEWAY_TOKEN, LEASE_POLLS_MAX="40") as gateway:
        token, _ = world.make_token()
        client = LeaseClient(gateway.host, gateway.port, token)
        who = client.open(IDLE)
        small = type("Small", (), {"client": lambda _, t: LeaseClient(gateway.host, gateway.port, t)})()
        before = parked(world)
        polls = [Later(small, token, "/v1/leases", {**who, **POLL}) for _ in range(40)]
        eventually(lambda: parked(world) == before + 40)
        answer = client.post("/v1/leases", {**who, **POLL})
        assert (answer.status, answer.code) == (429, "RATE_LIMITED") and "lease-polls-max" in answer.detail, answer.text
        assert int(answer.headers["Retry-After"]) >= 1
        for _ in range(20):  # with 40 connections in use
            assert client.post("/v1/heartbeats", {**who, "tasks": []}).status == 200
            assert client.post("/v1/acks", {**who, "results": []}).status == 200
        # A client that goes away makes room, and leaves nothing at the worker.
        polls[0].client.connection.sock.shutdown(2)
        eventually(lambda: parked(world) == before + 39)
        task = world.create(type="idle")
        taken = eventually(lambda: [p.answer for p in polls if p.answer is not None and p.answer.json.get("leases")])
        assert taken[0].json["leases"][0]["task"] == task
        polls.append(Later(small, token, "/v1/leases", {**who, **POLL}))
        eventually(lambda: parked(world) == before + 39)
        gateway.process.terminate()  # a gateway that stops lets nobody wait for it
        for poll in polls[1:]:
            answer = poll.wait()
            assert answer.status in (200, 503), answer.text
        assert polls[-1].answer.status == 503 and polls[-1].answer.headers["Retry-After"]
        client.close()
        assert gateway.process.wait(WAIT_S) == 0


def a_worker_that_is_away_is_503_and_comes_back(world):
    client = world.client()
    who = client.open(IDLE)
    poll = Later(world, client.token, "/v1/leases", {**who, **POLL})
    eventually(lambda: parked(world) >= 1)
    port = str(world.worker.port)
    world.worker.stop(9)
    assert poll.wait().status == 503
    for path, more in (("leases", {"max": 1}), ("acks", {"results": []}), ("heartbeats", {"tasks": []})):
        answer = client.post(f"/v1/{path}", {**who, **more})
        assert (answer.status, answer.code) == (503, "WORKER_UNAVAILABLE"), answer.text
        assert int(answer.headers["Retry-After"]) >= 1
    assert client.post("/v1/sessions", {"types": {"work": {}}}).status == 503
    assert client.end(who).status == 503
    world.start_worker(WORKER_PORT=port)
    eventually(lambda: client.post("/v1/heartbeats", {**who, "tasks": []}).status == 200)
    client.end(who)
    client.close()


def a_session_goes_on_with_the_worker_that_takes_over(world):
    with Worker(world.postgres.url, wait=False) as standby:
        urls = ",".join(f"http://127.0.0.1:{worker.port}" for worker in (standby, world.worker))
        with Gateway(world.postgres.url, WORKER_URL=urls, GATEWAY_TOKEN=GATEWAY_TOKEN) as gateway:
            client = LeaseClient(gateway.host, gateway.port, world.make_token()[0])
            who = client.open(IDLE, ttl_ms=60_000)  # at the second of them: the first does not lead
            port = str(world.worker.port)
            world.worker.stop(9)
            eventually(lambda: client.post("/v1/heartbeats", {**who, "tasks": []}).status == 200)
            assert client.post("/v1/leases", {**who, "max": 0}).status == 200
            assert client.end(who).status == 200
            client.close()
        standby.stop()
        world.start_worker(WORKER_PORT=port)


def hostile(who):
    """(endpoint, body as text, what the detail names)."""
    fence = {"task": ID, "fence": "0:1"}
    ack = {**fence, "outcome": "complete"}
    for path in ("sessions", "leases", "acks", "heartbeats"):
        base = {"types": {"work": {}}} if path == "sessions" else dict(who)
        for text in ("", "{", "[]", "null", "7", '"x"', '{"a":1}}', "{'a': 1}", '{"a": "\\ud800"}', '{"a": "\\u0000"}',
                     '{"a": ' + "[" * 200 + "]" * 200 + "}", '{"a": 1' + "0" * 500 + "}", "\ufeff{}"):
            yield path, text, ""
        yield path, json.dumps({**base, "colour": 1}), "colour: is not known here"
        yield path, json.dumps({**base, "x" * 300: 1}), "x" * 64
        yield path, json.dumps({**base, 'quo"te\n': 1}), "is not known here"
        if path != "sessions":
            for name in ("session", "secret"):
                yield path, json.dumps({**who, name: None}), f"{name}: is missing"
                yield path, json.dumps({**who, name: 7}), f"{name}: is no "
                yield path, json.dumps({**who, name: {}}), f"{name}: is no "
            yield path, json.dumps({**who, "secret": "s" * 201}), "secret: is longer"
            yield path, json.dumps({**who, "session": "x"}), "session: is no UUID"
    for body, what in (({}, "types: "), ({"types": []}, "types: "), ({"types": {}}, "types: "), ({"types": "work"}, "types: "),
                       ({"types": {"": {}}}, "types: "), ({"types": {"n" * 201: {}}}, "types: "),
                       ({"types": {"work": 1}}, "types.work: is no object"),
                       ({"types": {"work": {"slots": 0}}}, "types.work.slots: "),
                       ({"types": {"work": {"slots": 10_001}}}, "types.work.slots: "),
                       ({"types": {"work": {"slots": 1.5}}}, "types.work.slots: "),
                       ({"types": {"work": {"slots": "1"}}}, "types.work.slots: "),
                       ({"types": {"work": {"slot": 1}}}, "types.work.slot: is not known here"),
                       ({"types": {f"t{i}": {} for i in range(201)}}, "types: "),
                       ({"types": {"work": {}}, "worker": 1}, "worker: "), ({"types": {"work": {}}, "worker": "w" * 201}, "worker: "),
                       ({"types": {"work": {}}, "host": []}, "host: "), ({"types": {"work": {}}, "version": True}, "version: "),
                       ({"types": {"work": {}}, "ttl_ms": 999}, "ttl_ms: "), ({"types": {"work": {}}, "ttl_ms": "1s"}, "ttl_ms: "),
                       ({"types": {"work": {}}, "ttl_ms": 1e300}, "ttl_ms: ")):
        yield "sessions", json.dumps(body), what
    for more, what in (({"max": -1}, "max: "), ({"max": 501}, "max: "), ({"max": "1"}, "max: "), ({"wait_ms": 60_001}, "wait_ms: "),
                       ({"wait_ms": []}, "wait_ms: "), ({"held": {}}, "held: "), ({"held": [1]}, "held[0]."),
                       ({"held": [{"task": ID}]}, "held[0].fence: is missing"), ({"held": [{"fence": "0:1"}]}, "held[0].task: is missing"),
                       ({"held": [{**fence, "x": 1}]}, "held[0].x: "), ({"held": [{**fence, "fence": "x"}]}, "held[0].fence: "),
                       ({"acks": 1}, "acks: ")):
        yield "leases", json.dumps({**who, **more}), what
    yield "acks", json.dumps({**who, "results": {}}), ""
    for path, name in (("leases", "acks"), ("acks", "results")):
        for item, what in ((1, ": is no object"), ({"fence": "0:1", "outcome": "fail"}, ".task: is missing"),
                           ({**ack, "task": "x"}, ".task: is no UUID"), ({**ack, "fence": 1}, ".fence: "),
                           ({**ack, "fence": "1"}, ".fence: is none"), ({**ack, "fence": "0:-1"}, ".fence: is none"),
                           ({**ack, "fence": "0:99999999999999999999"}, ".fence: is none"),
                           ({**fence}, ".outcome: is missing"), ({**fence, "outcome": "done"}, ".outcome: is none"),
                           ({**ack, "retry_in_ms": -1}, ".retry_in_ms: "), ({**ack, "retry_in_ms": 2**31}, ".retry_in_ms: "),
                           ({**ack, "error": {"a": 1}}, ".error: is no string"), ({**ack, "why": 1}, ".why: is not known here"),
                           ({**ack, "logs": 1}, ".logs: "), ({**ack, "logs": [{"text": 1}]}, ".logs[0].text: "),
                           ({**ack, "spawn": {}}, ".spawn: "), ({**ack, "spawn": [{}]}, ".spawn[0].type: is missing"),
                           ({**ack, "spawn": [{"type": "a", "key": 1}]}, ".spawn[0].key: is not known here"),
                           ({**ack, "outcome": "fail", "spawn": [{"type": "a"}]}, ".spawn: "),
                           ({**ack, "result": "r" * (1 << 20)}, ".result: is longer")):
            yield path, json.dumps({**who, name: [ack, item]}), "[1]" + what
    for item, what in ((1, "tasks[0]: is no object"), ({"fence": "0:1"}, "tasks[0].task: is missing"),
                       ({"task": ID}, "tasks[0].fence: is missing"), ({**fence, "progress": "half"}, "tasks[0].progress: "),
                       ({**fence, "progress": 1.5}, "tasks[0].progress: "), ({**fence, "progres": 1}, "tasks[0].progres: ")):
        yield "heartbeats", json.dumps({**who, "tasks": [item]}), what
    yield "heartbeats", json.dumps({**who, "tasks": 7}), "tasks: "


def bad_input_is_refused_with_its_place(world):
    token, _ = world.make_token()
    client = world.client(token)
    who = client.open()
    straight = LeaseClient("127.0.0.1", world.worker.port, RUNNER_TOKEN)
    own = straight.open()
    count = 0
    for one, session in ((client, who), (straight, own)):
        for path, text, what in hostile(session):
            answer = one.raw("POST", f"/v1/{path}", text.encode("utf-8", "surrogatepass"))
            assert (answer.status, answer.code) == (400, "BAD_USER_INPUT"), (path, text[:200], answer.status, answer.text)
            assert what in answer.detail, (path, text[:200], what, answer.text)
            count += 1
    refused = client.post("/v1/acks", {**who, "results": [
        {"task": ID, "fence": "0:1", "outcome": "complete", "spawn": [{"type": "sql"}]}]})
    assert refused.status == 400 and "has the scope API" in refused.detail, refused.text
    assert count > 250, count
    assert client.post("/v1/heartbeats", {**who, "tasks": []}).status == 200  # it lives on
    client.end(who)
    straight.end(own)
    client.close()
    straight.close()


def addresses_methods_and_lengths_are_problems_too(world):
    client = world.client()
    for method, path, body, status in (("GET", "/v1/sessions", None, 405), ("PUT", "/v1/leases", "{}", 405),
                                       ("POST", "/v1/tasks", "{}", 404), ("GET", "/v1/feed", None, 404), ("GET", "/v1/", None, 404),
                                       ("DELETE", "/v1/sessions/x", None, 404), ("DELETE", f"/v1/sessions/{ID}", None, 404),
                                       ("POST", "/v1/sessions", " " * ((1 << 20) + 1), 413),
                                       ("POST", "/v1/acks", " " * ((8 << 20) + 1), 413)):
        try:
            answer = client.raw(method, path, body)
        except OSError:  # refused while it was still being sent
            assert status == 413
            continue
        client.close()
        assert answer.status == status and answer.content_type == "application/problem+json", (method, path, answer.text)
        assert answer.json["status"] == status and answer.json["type"] == "about:blank", answer.text
    client.close()


def a_type_that_is_quiet_is_not_leased(world):
    client = world.client()
    who = client.open({"hush": {"slots": 1}})
    task = world.create(type="hush")
    poll = {**who, "max": 1, "wait_ms": 0}
    assert client.post("/v1/leases", {**poll, "quiet": ["hush"]}).json["leases"] == []
    leases = client.post("/v1/leases", {**poll, "wait_ms": 20_000}).json["leases"]
    assert [x["task"] for x in leases] == [task], leases
    client.post("/v1/acks", {**who, "results": [{"task": task, "fence": leases[0]["fence"], "outcome": "complete"}]})
    client.end(who)


def one_shard_is_all_there_is(world):
    client = world.client()
    assert client.shards().json == {"shards": [{"shard": 0}]}
    for shard in (0, None):
        client.end(client.open(IDLE, shard=shard))
    refused = client.raw("POST", "/v1/sessions", json.dumps({"types": IDLE, "shard": 1}))
    assert refused.status == 400 and refused.json["detail"] == "shard: must be 0 to 0, see GET /v1/shards", refused.text
    nobody = LeaseClient(world.gateway.host, world.gateway.port, None).shards()
    assert nobody.status == 401, nobody.text


def the_document_is_served_and_all_of_it_was_seen(world):
    served = world.gateway.get("/v1/openapi.json")
    assert served.status == 200 and served.json == OPENAPI.document
    assert OPENAPI.document["openapi"].startswith("3.1.")
    for name, schema in OPENAPI.document["components"]["schemas"].items():
        OPENAPI.faults(schema, None)  # no keyword that is not understood here
        assert set(schema.get("required", ())) <= set(schema.get("properties", ())), name
    ids = [operation["operationId"] for operation in OPENAPI.operations().values()]
    assert len(set(ids)) == len(ids)
    assert set(OPENAPI.operations()) <= OPENAPI.seen, set(OPENAPI.operations()) - OPENAPI.seen
    unseen = OPENAPI.members() - OPENAPI.seen
    assert not unseen, f"no exchange of this run had {sorted(unseen)}"


TESTS = [a_task_goes_through_its_life, a_cancelled_task_is_told_to_its_worker, only_a_token_with_the_scope_lease_may,
         a_token_takes_its_own_types_alone, a_session_belongs_to_the_token_that_opened_it,
         a_revoked_token_stops_an_open_poll_too, an_expired_token_stops_an_open_poll_too,
         polls_have_a_bound_and_hold_up_nothing_else, a_worker_that_is_away_is_503_and_comes_back,
         a_session_goes_on_with_the_worker_that_takes_over,
         bad_input_is_refused_with_its_place, addresses_methods_and_lengths_are_problems_too,
         a_type_that_is_quiet_is_not_leased, one_shard_is_all_there_is, the_document_is_served_and_all_of_it_was_seen]

if __name__ == "__main__":
    with OutsideWorld() as the_world:
        run_tests(TESTS, the_world)
