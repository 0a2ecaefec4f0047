#!/usr/bin/env python3
"""GraphQL over WebSocket as the wire shows it: the protocol's messages and closes, hostile frames, clients that do
not read, logout, draining, and ten thousand idle subscribers in bounded memory.
Usage: gateway_sockets_test.py PROGRAM"""

import hashlib
import itertools
import json
import os
import re
import resource
import signal
import socket
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../support"))
from fake_worker import FakeWorker  # noqa: E402
from gateway_rig import CREATE, WAIT_S, Gateway, Postgres, create_user, eventually, run_tests  # noqa: E402
from process_rig import is_sanitized  # noqa: E402
from websocket import BINARY, CLOSE, FIN, PING, PONG, TEXT, Closed, WebSocket, frame, handshake  # noqa: E402

HEALTH = "subscription { healthChanged { status } }"
CHANGED = "subscription { taskChanged { id kind task { type payload } } }"
ME = "{ me { id email } }"
numbers = itertools.count(1)


class World:
    def __init__(self, url, gateway, worker):
        self.url, self.gateway, self.worker = url, gateway, worker
        self.admin = gateway.set_up()

    def socket(self, token=None, **options):
        return WebSocket(self.gateway, token, **options)

    def new_user(self, role="VIEWER"):
        email = f"user{next(numbers)}@example.org"
        return create_user(self.gateway, self.admin, email, role), self.gateway.login(email)

    def metric(self, name):
        found = re.search(rf"^{re.escape(name)} (\d+)", self.gateway.get("/metrics").text, re.M)
        return int(found.group(1)) if found else 0


def response(messages):
    """Of an operation that ran: the payload of its one `next`."""
    assert [m["type"] for m in messages] == ["next", "complete"], messages
    return messages[0]["payload"]


def error_of(messages):
    assert [m["type"] for m in messages] == ["error"], messages
    return messages[0]["payload"][0]


# ── the protocol ──

def operations_of_all_types_run_on_one_socket(world):
    with world.socket(world.admin) as ws:
        assert ws.headers["sec-websocket-protocol"] == "graphql-transport-ws"
        assert response(ws.run("q", ME))["data"]["me"]["email"] == "admin@example.org"
        variables = {"input": {"email": "by-socket@example.org", "name": "S", "password": "correct horse battery staple"}}
        made = response(ws.run("m", CREATE, variables))["data"]["createUser"]
        assert made["email"] == "by-socket@example.org", made
        named = response(ws.run("n", "query A { a: __typename } query B { b: __typename }", operationName="B"))
        assert named == {"data": {"b": "Query"}}, named
        ws.subscribe("s", CHANGED)
        assert response(ws.run("q", ME))["data"]["me"], "beside the subscription; the id is free again"
        task = world.worker.add("email", payload={"to": "ada"})
        event = ws.next()
        assert event["id"] == "s" and event["type"] == "next", event
        assert event["payload"]["data"]["taskChanged"]["id"] == task, event
        ws.send({"id": "s", "type": "complete"})
        ws.subscribe("s", HEALTH)  # the same id, another operation
        assert ws.next()["payload"]["data"]["healthChanged"]["status"] == "UP"


def errors_are_told_as_such_and_end_their_operation_alone(world):
    with world.socket(world.admin) as ws:
        assert error_of(ws.run("1", "{ nothing }"))["extensions"]["code"] == "GRAPHQL_VALIDATION_FAILED"
        assert error_of(ws.run("2", "{"))["extensions"]["code"] == "GRAPHQL_PARSE_FAILED"
        assert error_of(ws.run("3", "query($id: ID!) { user(id: $id) { id } }"))["message"]
        assert error_of(ws.run("4", "subscription { nothing }"))["extensions"]["code"] == "GRAPHQL_VALIDATION_FAILED"
        refused = error_of(ws.run("5", 'subscription { taskChanged(filter: { search: "x" }) { id } }'))
        assert refused["extensions"]["code"] == "BAD_USER_INPUT", refused
        assert error_of(ws.run("6", ""))["extensions"]["code"] == "BAD_USER_INPUT"
        failed = response(ws.run("7", '{ user(id: "0190163d-8694-739b-aea5-966c26f8ad91") { id } }'))
        assert failed["data"] == {"user": None}, failed
        assert response(ws.run("8", ME))["data"]["me"], "the socket goes on"


def a_document_may_be_named_by_its_hash(world):
    hash_ = hashlib.sha256(ME.encode()).hexdigest()
    named = {"persistedQuery": {"version": 1, "sha256Hash": hash_}}
    with world.socket(world.admin) as ws:
        ws.send({"id": "1", "type": "subscribe", "payload": {"extensions": named}})
        assert error_of([ws.next()])["message"] == "PersistedQueryNotFound"
        assert response(ws.run("2", ME, extensions=named))["data"]["me"]
        ws.send({"id": "3", "type": "subscribe", "payload": {"extensions": named}})
        assert response([ws.next(), ws.next()])["data"]["me"]


def hundreds_of_operations_run_side_by_side(world):
    count = 100
    with world.socket(world.admin) as ws:
        for i in range(count):
            ws.subscribe(str(i), f"{{ me {{ id n{i}: name }} }}")
        seen = {str(i): [] for i in range(count)}
        while any(not s or s[-1] == "next" for s in seen.values()):
            message = ws.next()
            seen[message["id"]].append(message["type"])
            if message["type"] == "next":
                assert f"n{message['id']}" in message["payload"]["data"]["me"], message
        assert all(s == ["next", "complete"] for s in seen.values()), seen


def an_operation_too_many_is_refused_and_the_socket_goes_on(world):
    with Gateway(world.url, WEBSOCKET_OPERATIONS_MAX="3", GATEWAY_LOOPS="1") as gateway, WebSocket(gateway, world.admin) as ws:
        for i in range(3):
            ws.subscribe(str(i), HEALTH)
            assert ws.next()["type"] == "next"
        assert error_of(ws.run("x", ME))["extensions"]["code"] == "RATE_LIMITED"
        ws.send({"id": "1", "type": "complete"})
        assert response(ws.run("x", ME))["data"]["me"]


def what_a_client_completes_is_told_no_more(world):
    with world.socket(world.admin) as ws:
        ws.subscribe("s", CHANGED)
        ws.send({"id": "s", "type": "complete"})
        ws.send({"id": "never there", "type": "complete"})
        assert response(ws.run("q", ME))["data"]["me"]
        world.worker.add("email")
        ws.send({"type": "ping"})
        assert ws.next() == {"type": "pong"}


def pings_of_the_protocol_and_of_the_connection_are_answered(world):
    with world.socket() as ws:
        ws.send({"type": "ping", "payload": {"n": 1.50}})
        assert ws.next() == {"type": "pong", "payload": {"n": 1.50}}
        ws.send({"type": "pong"})
        ws.raw(frame(FIN | PING, b"there?"))
        assert ws.frame() == (PONG, b"there?")
    with world.socket(init=False) as ws:  # also before the acknowledgement
        ws.send({"type": "ping"})
        assert ws.next() == {"type": "pong"}


def who_is_silent_is_asked_and_then_given_up(world):
    with Gateway(world.url, WEBSOCKET_PING="100ms") as gateway, WebSocket(gateway) as ws:
        for _ in range(3):
            assert ws.frame() == (PING, b"")
            ws.raw(frame(FIN | PONG, b""))


# ── the closes of the protocol ──

def each_fault_has_its_close(world):
    subscribe = {"id": "1", "type": "subscribe", "payload": {"query": HEALTH}}
    cases = [
        (4401, [subscribe]),
        (4429, [{"type": "connection_init"}, {"type": "connection_init"}]),
        (4409, [{"type": "connection_init"}, subscribe, subscribe]),
        (4400, ["no object"]), (4400, [[]]), (4400, [{"id": "1"}]), (4400, [{"type": 1}]), (4400, [{"type": "start"}]),
        (4400, [{"type": "connection_init", "payload": "x"}]), (4400, [{"type": "ping", "payload": []}]),
        (4400, [{"type": "connection_init", "payload": {"token": 1}}]),
        (4400, [{"type": "connection_init", "payload": {"Authorization": "Basic eDp5"}}]),
        (4400, [{"type": "complete"}]), (4400, [{"type": "complete", "id": ""}]),
    ]
    cases += [(4400, [{"type": "connection_init"}, {**subscribe, **change}]) for change in (
        {"id": ""}, {"id": 1}, {"payload": None}, {"payload": "x"}, {"payload": {"query": 1}},
        {"payload": {"query": HEALTH, "variables": []}}, {"payload": {"query": HEALTH, "operationName": 1}},
        {"payload": {"query": HEALTH, "extensions": "x"}})]
    for code, messages in cases:
        with world.socket(init=False) as ws:
            for message in messages:
                ws.send(message)
            end = ws.closed()
            assert end.code == code and end.reason, (messages, end)
    for data, code in ((frame(FIN | BINARY, b"{}"), 4400), (frame(FIN | TEXT, b"{"), 4400), (frame(FIN | TEXT, b""), 4400)):
        with world.socket(init=False) as ws:
            ws.raw(data)
            assert ws.closed().code == code, data


def the_id_of_the_other_subscriber_is_named(world):
    with world.socket() as ws:
        for _ in range(2):
            ws.subscribe("twice", HEALTH)
        assert ws.closed().reason == "Subscriber for twice already exists"


def who_does_not_begin_in_time_is_closed(world):
    with Gateway(world.url, WEBSOCKET_INIT_TIMEOUT="200ms") as gateway:
        with WebSocket(gateway, init=False) as ws, WebSocket(gateway, init=True) as quick:
            end = ws.closed()
            assert (end.code, end.reason) == (4408, "Connection initialisation timeout"), end
            assert response(quick.run("q", "{ __typename }"))["data"], "the one that began stays"


def only_this_protocol_is_spoken(world):
    for protocol in (None, "graphql-ws", "Graphql-Transport-Ws"):
        with world.socket(init=False, protocol=protocol) as ws:
            assert ws.status == 101 and "sec-websocket-protocol" not in ws.headers, ws.headers
            assert ws.closed().code == 4406
    with world.socket(init=False, protocol="graphql-ws, graphql-transport-ws") as ws:
        assert ws.headers["sec-websocket-protocol"] == "graphql-transport-ws"
        ws.init()


def an_ordinary_get_is_still_one(world):
    assert world.gateway.get("/graphql?query=%7B__typename%7D").json == {"data": {"__typename": "Query"}}
    bad = handshake(world.gateway).replace(b"Version: 13", b"Version: 8")
    with socket.create_connection((world.gateway.host, world.gateway.port), WAIT_S) as connection:
        connection.sendall(bad)
        head = connection.recv(4096)
        assert head.startswith(b"HTTP/1.1 426 ") and b"\r\nSec-WebSocket-Version: 13\r\n" in head, head


# ── who asks ──

def the_token_may_come_in_each_of_the_usual_ways(world):
    user, token = world.new_user()
    ways = [
        ({}, {"token": token}), ({}, {"Authorization": f"Bearer {token}"}), ({}, {"authorization": f"bearer {token}"}),
        ({"Authorization": f"Bearer {token}"}, {}), ({"Cookie": f"windlass_session={token}"}, {}),
        ({"Cookie": f"windlass_session={world.admin}"}, {"token": token}),  # what is said last counts
    ]
    for headers, payload in ways:
        with world.socket(init=False, headers=headers) as ws:
            ws.init(**payload)
            assert response(ws.run("q", ME))["data"]["me"]["id"] == user, (headers, payload)
    with world.socket() as ws:
        assert response(ws.run("q", "{ __typename }"))["data"]
        assert response(ws.run("q", ME))["data"] == {"me": None}, "nobody"
        refused = ws.run("q", "{ users { totalCount } }")
        assert "UNAUTHENTICATED" in json.dumps(refused), refused


def a_credential_that_is_none_is_refused(world):
    for headers, payload in (({}, {"token": "wl_s_" + "x" * 43}), ({"Cookie": "windlass_session=nonsense"}, {})):
        with world.socket(init=False, headers=headers) as ws:
            ws.send({"type": "connection_init", "payload": payload})
            assert ws.closed().code == 4403, (headers, payload)


def a_page_of_another_origin_opens_nothing(world):
    own = f"http://{world.gateway.host}:{world.gateway.port}"
    cookie = {"Cookie": f"windlass_session={world.admin}"}
    with world.socket(init=False, headers={**cookie, "Origin": "https://evil.example"}) as ws:
        assert ws.status == 403
    with world.socket(init=False, headers={**cookie, "Origin": own}) as ws:
        ws.init()
        assert response(ws.run("q", ME))["data"]["me"]


def a_logout_closes_and_so_do_other_rights(world):
    role = "mutation($id: ID!) { updateUser(id: $id, input: { role: OPERATOR }) { id } }"
    for way, code in (("logout", 4401), ("deleted", 4401), ("role", 4403)):
        user, token = world.new_user()
        with world.socket(token) as ws:
            ws.subscribe("s", CHANGED)
            assert response(ws.run("q", ME))["data"]["me"]["id"] == user
            began = time.monotonic()
            if way == "logout":
                world.gateway.graphql("mutation { logout }", None, token)
            elif way == "deleted":
                assert world.gateway.graphql("mutation($id: ID!) { deleteUser(id: $id) }", {"id": user}, world.admin).data
            else:
                assert world.gateway.graphql(role, {"id": user}, world.admin).data
            end = ws.closed()
            assert end.code == code and end.reason, (way, end)
            print(f"# closed {time.monotonic() - began:.2f} s after: {way}")


# ── hostile frames ──

def frames_split_at_every_byte_are_read(world):
    with world.socket(init=False) as ws:
        init = json.dumps({"type": "connection_init", "payload": {"token": world.admin}}).encode()
        data = frame(TEXT, init[:5]) + frame(FIN | PING, b"between") + frame(0, init[5:9]) + frame(FIN, init[9:])
        ws.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for i in range(len(data)):
            ws.raw(data[i:i + 1])
        assert ws.frame() == (PONG, b"between")
        assert ws.next()["type"] == "connection_ack"


def bad_frames_fail_the_connection(world):
    cases = [
        (1002, frame(FIN | TEXT, b"{}", masked=False)), (1002, frame(FIN | 0x40 | TEXT, b"{}")),
        (1002, frame(FIN | 0x10 | PING, b"")), (1002, frame(FIN | 3, b"x")), (1002, frame(FIN | 0xb, b"")),
        (1002, frame(FIN, b"x")), (1002, frame(TEXT, b"a") + frame(FIN | TEXT, b"b")), (1002, frame(PING, b"in two")),
        (1002, frame(FIN | PING, b"x" * 126)), (1002, frame(FIN | CLOSE, b"\x03")), (1002, frame(FIN | CLOSE, b"\x03\xed")),
        (1002, frame(FIN | CLOSE, b"\x00\x00")), (1007, frame(FIN | CLOSE, b"\x03\xe8\xff")),
        (1007, frame(FIN | TEXT, b"\xff")), (1007, frame(FIN | TEXT, b'"\xed\xa0\x80"')),
        (1009, frame(FIN | TEXT, b"x", announced=(1 << 20) + 1)), (1009, frame(FIN | TEXT, b"x", announced=(1 << 62))),
        (1009, frame(TEXT, b"x" * (1 << 19)) + frame(0, b"y" * (1 << 19)) + frame(FIN, b"z")),
    ]
    for code, data in cases:
        with world.socket(world.admin) as ws:
            ws.subscribe("s", CHANGED)
            ws.raw(data)
            end = ws.closed()
            assert end.code == code, (data[:20], end)
    assert world.gateway.get("/livez").status == 200


def a_message_of_every_size_up_to_the_limit_is_read(world):
    for size in (125, 126, 65535, 65536, 1 << 20):
        with world.socket(world.admin) as ws:
            ws.raw(frame(FIN | TEXT, json.dumps({"id": "q", "type": "subscribe", "payload": {"query": ME}}).encode().ljust(size)))
            assert ws.next()["payload"]["data"]["me"], size
    with world.socket(world.admin) as ws:  # many values: the parser's arena says no, the socket says why
        ws.raw(frame(FIN | TEXT, b"[" + b"0," * 500_000 + b"0]"))
        assert ws.closed().code == 4400


def a_flood_of_pings_is_answered_or_closed(world):
    with world.socket() as ws:
        flood = frame(FIN | PING, b"x" * 125) * 40_000  # 5 MB
        thread = threading.Thread(target=lambda: ws.raw(flood))
        thread.start()
        for _ in range(40_000):
            assert ws.frame() == (PONG, b"x" * 125)
        thread.join()
    with world.socket(receive_bytes=4096) as ws:  # and to one that does not read
        def send():
            try:
                for _ in range(20):
                    ws.raw(flood)
            except OSError:
                pass
        thread = threading.Thread(target=send)
        thread.start()
        eventually(lambda: world.metric('windlass_websocket_closes_total{code="1013"}') > 0)
        ws.socket.shutdown(socket.SHUT_RDWR)
        thread.join()


def half_closed_sockets_end(world):
    eventually(lambda: world.metric("windlass_websockets") == 0)
    with world.socket(world.admin) as ws:
        ws.subscribe("s", CHANGED)
        ws.socket.shutdown(socket.SHUT_WR)
        assert ws.closed().code is None
    with world.socket(world.admin) as ws:
        ws.subscribe("s", CHANGED)
        ws.raw(frame(TEXT, b'{"type"')[:5])  # within a frame
    eventually(lambda: world.metric("windlass_websockets") == 0)


def a_message_that_does_not_end_is_not_waited_for(world):
    with Gateway(world.url, WEBSOCKET_MESSAGE_TIMEOUT="200ms") as gateway, WebSocket(gateway) as ws:
        ws.raw(frame(TEXT, b'{"type":') + frame(FIN | PING, b""))
        assert ws.frame() == (PONG, b"")
        assert ws.closed().code == 1008


# ── clients that do not read ──

def who_does_not_read_is_closed_with_a_code(world):
    with Gateway(world.url, WORKER_URL=world.worker.url, GATEWAY_LOOPS="1", WEBSOCKET_UNSENT_MAX="64KiB") as gateway:
        eventually(lambda: gateway.graphql("{ tasks(first: 1) { source } }", None, world.admin)
                   .data["tasks"]["source"] == "LIVE")
        with WebSocket(gateway, world.admin, receive_bytes=4096) as ws, WebSocket(gateway, world.admin) as reader:
            for one in (ws, reader):
                one.subscribe("s", CHANGED)
                assert response_after(one, "q")
            read = threading.Thread(target=lambda: [reader.next() for _ in range(200)])
            read.start()
            for _ in range(200):
                world.worker.add("email", payload={"text": "x" * 30_000})
            gateway.wait_for_log(r"event=socket\.closed .*code=1013 ")
            end = ws.closed()  # what had left comes whole, then the reason
            assert end.code == 1013 and "unread" in end.reason, end
            read.join(WAIT_S)
            assert not read.is_alive(), "who reads is told all"


def response_after(ws, id_):
    """Other messages may come between."""
    ws.subscribe(id_, ME)
    while True:
        message = ws.next()
        if message["id"] == id_ and message["type"] == "complete":
            return True


# ── many ──

def idle_subscribers_cost_little(world):
    """Ten thousand, or as many as this machine lets one process have open."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    wanted = 1_000 if is_sanitized() else 10_000
    room = (1 << 20 if hard == resource.RLIM_INFINITY else hard) - 300
    count = min(wanted, room)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(count + 300, hard if hard > 0 else count + 300), hard))
    with Gateway(world.url, WORKER_URL=world.worker.url, SUBSCRIPTIONS_MAX="100000", GATEWAY_LOOPS="2",
                 CONNECTIONS_MAX="20000", WEBSOCKETS_MAX="20000", WEBSOCKET_PING="10m") as gateway:
        eventually(lambda: gateway.graphql("{ tasks(first: 1) { source } }", None, world.admin)
                   .data["tasks"]["source"] == "LIVE")
        warm = crowd(gateway, world.admin, 200)
        before = resident_bytes(gateway)
        began = time.monotonic()
        many = crowd(gateway, world.admin, count - 200)
        each = (resident_bytes(gateway) - before) / len(many)
        print(f"# {count} subscribers in {time.monotonic() - began:.1f} s, {each:.0f} bytes of the gateway each")
        if count < wanted:
            print(f"# fewer than {wanted}: a process may have only {hard} files open here")
        task = world.worker.add("seen-by-all")
        for member in warm + many:
            assert task.encode() in next_payload(member), "each is told"
        held = (resident_bytes(gateway) - before) / len(many)
        print(f"# {held:.0f} bytes each after an event for all")
        assert each < SUBSCRIBER_BYTES_MAX or is_sanitized(), each
        for member in warm + many:
            member.close()
        eventually(lambda: "\nwindlass_websockets 0\n" in gateway.get("/metrics").text)


SUBSCRIBER_BYTES_MAX = 16 * 1024


def crowd(gateway, token, count):
    """So many sockets with an idle subscription each, opened together."""
    init = frame(FIN | TEXT, json.dumps({"type": "connection_init", "payload": {"token": token}}).encode())
    watch = frame(FIN | TEXT, json.dumps({"id": "s", "type": "subscribe", "payload": {"query": CHANGED}}).encode())
    probe = frame(FIN | TEXT, json.dumps({"id": "q", "type": "subscribe", "payload": {"query": "{ __typename }"}}).encode())
    members = []
    for begin in range(0, count, 250):
        fresh = []
        for _ in range(min(250, count - begin)):
            one = socket.create_connection((gateway.host, gateway.port), WAIT_S)
            one.sendall(handshake(gateway))
            fresh.append(one)
        for one in fresh:
            read_until(one, b"\r\n\r\n")
            one.sendall(init)
        for one in fresh:
            read_until(one, b"serverVersion")
            one.sendall(watch + probe)
        for one in fresh:  # when the probe is answered, the subscription before it is there
            read_until(one, b'"type":"complete"}')
        members += fresh
    return members


def read_until(one, ending):
    got = b""
    while ending not in got:
        piece = one.recv(4096)
        assert piece, got
        got += piece
    return got


def next_payload(one):
    return read_until(one, b"}}}")


def resident_bytes(gateway):
    with open(f"/proc/{gateway.process.pid}/status", encoding="ascii") as status:
        return int(re.search(r"VmRSS:\s+(\d+) kB", status.read()).group(1)) * 1024


def sockets_are_bounded(world):
    with Gateway(world.url, WEBSOCKETS_MAX="2", GATEWAY_LOOPS="1") as gateway:
        with WebSocket(gateway), WebSocket(gateway):
            with WebSocket(gateway, init=False) as third:
                assert third.status == 503 and third.headers["retry-after"]
        eventually(lambda: "\nwindlass_websockets 0\n" in gateway.get("/metrics").text)
        with WebSocket(gateway):
            pass


# ── the end ──

def a_gateway_that_stops_finishes_what_runs_and_says_why(world):
    gateway = Gateway(world.url, WORKER_URL=world.worker.url)
    eventually(lambda: gateway.graphql("{ tasks(first: 1) { source } }", None, world.admin).data["tasks"]["source"] == "LIVE")
    with gateway, WebSocket(gateway, world.admin) as idle, WebSocket(gateway, world.admin) as busy:
        idle.subscribe("s", CHANGED)
        busy.subscribe("s", CHANGED)
        world.worker.is_hanging = True
        try:
            busy.subscribe("m", 'mutation { createTask(input: { type: "email" }) { accepted } }')
            busy.send({"type": "ping"})
            assert busy.next() == {"type": "pong"}, "the mutation before it runs"
            gateway.process.send_signal(signal.SIGTERM)
            end = idle.closed()
            assert end.code == 1001, end
        finally:
            world.worker.is_hanging = False
        seen = []
        try:
            while True:
                seen.append(busy.next())
        except Closed as end:
            assert end.code == 1001, end
        assert [m["type"] for m in seen if m["id"] == "m"] == ["next", "complete"], seen
        assert not [m for m in seen if m["id"] == "s" and m["type"] == "complete"], "subscriptions are to be renewed"
        assert gateway.process.wait(WAIT_S) == 0, gateway.log


def what_happens_is_counted(world):
    opened = world.metric("windlass_websockets")
    with world.socket(world.admin) as ws:
        eventually(lambda: world.metric("windlass_websockets") == opened + 1)
        queries = world.metric('windlass_graphql_operations_total{type="query",result="ok"}')
        messages = world.metric('windlass_websocket_messages_total{direction="in"}')
        assert response(ws.run("q", ME))
        eventually(lambda: world.metric('windlass_graphql_operations_total{type="query",result="ok"}') == queries + 1)
        eventually(lambda: world.metric('windlass_websocket_messages_total{direction="in"}') == messages + 1)
        closes = world.metric('windlass_websocket_closes_total{code="4400"}')
        ws.send({"type": "nonsense"})
        assert ws.closed().code == 4400
        eventually(lambda: world.metric('windlass_websocket_closes_total{code="4400"}') == closes + 1)


def main():
    with Postgres() as postgres, FakeWorker() as worker, Gateway(postgres.url, WORKER_URL=worker.url) as gateway:
        world = World(postgres.url, gateway, worker)
        eventually(lambda: gateway.graphql("{ tasks(first: 1) { source } }", None, world.admin)
                   .data["tasks"]["source"] == "LIVE")
        run_tests([
            operations_of_all_types_run_on_one_socket,
            errors_are_told_as_such_and_end_their_operation_alone,
            a_document_may_be_named_by_its_hash,
            hundreds_of_operations_run_side_by_side,
            an_operation_too_many_is_refused_and_the_socket_goes_on,
            what_a_client_completes_is_told_no_more,
            pings_of_the_protocol_and_of_the_connection_are_answered,
            who_is_silent_is_asked_and_then_given_up,
            each_fault_has_its_close,
            the_id_of_the_other_subscriber_is_named,
            who_does_not_begin_in_time_is_closed,
            only_this_protocol_is_spoken,
            an_ordinary_get_is_still_one,
            the_token_may_come_in_each_of_the_usual_ways,
            a_credential_that_is_none_is_refused,
            a_page_of_another_origin_opens_nothing,
            a_logout_closes_and_so_do_other_rights,
            frames_split_at_every_byte_are_read,
            bad_frames_fail_the_connection,
            a_message_of_every_size_up_to_the_limit_is_read,
            a_flood_of_pings_is_answered_or_closed,
            half_closed_sockets_end,
            a_message_that_does_not_end_is_not_waited_for,
            who_does_not_read_is_closed_with_a_code,
            idle_subscribers_cost_little,
            sockets_are_bounded,
            a_gateway_that_stops_finishes_what_runs_and_says_why,
            what_happens_is_counted,
        ], world)


if __name__ == "__main__":
    main()
