#!/usr/bin/env python3
"""Requests made to hurt or to confuse: values that databases and parsers disagree about, bodies that
never end, sockets that are half closed. Usage: gateway_hostile_test.py PROGRAM"""

import gzip
import json
import os
import random
import socket
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../support"))
from fake_worker import FakeWorker  # noqa: E402
from gateway_rig import Client, Gateway, Postgres, run_tests  # noqa: E402

CREATE = "mutation($input: CreateTaskInput!) { createTask(input: $input) { id payload } }"
JSON = {"Content-Type": "application/json", "Accept": "application/graphql-response+json"}
ALIVE = {"data": {"__typename": "Query"}}


class World:
    def __init__(self, gateway):
        self.gateway = gateway
        self.admin = gateway.set_up()

    def post(self, body, headers=()):
        client = Client(self.gateway)
        try:
            return client.request("POST", "/graphql", body,
                                  {**JSON, "Authorization": f"Bearer {self.admin}", **dict(headers)})
        finally:
            client.close()

    def create(self, payload):
        """The answer to a task with this payload, as it is written."""
        return self.post('{"query":%s,"variables":{"input":{"type":"t","payload":%s}}}' % (json.dumps(CREATE), payload))

    def connect(self, head):
        connection = socket.create_connection((self.gateway.host, self.gateway.port), 60)
        connection.sendall(head.encode())
        return connection

    def is_alive(self):
        return self.post('{"query":"{__typename}"}').json == ALIVE


def read_all(connection):
    text = b""
    try:
        while piece := connection.recv(65536):
            text += piece
    except ConnectionResetError:
        pass
    return text.decode()


def numbers_keep_every_digit(world):
    for number in ("9007199254740993", "18446744073709551617", "-170141183460469231731687303715884105729",
                   "0.1000000000000000055511151231257827021181583404541015625", "1" * 399, "1.50", "-0.0", "1e300"):
        answer = world.create('{"n":%s}' % number)
        assert answer.code == "ok", (number, answer.text)
        shown = answer.text.split('"n":')[1].split("}")[0]
        # Digits are kept, their spelling need not be: 1e300 may be written out.
        assert shown == number or float(shown) == float(number) and "e" in number, (number, shown)
    for number in ("1" * 401, "1e401", "1e-401", "1e999999999999", "-" + "9" * 100_000):
        answer = world.create('{"n":%s}' % number)
        assert answer.code == "BAD_USER_INPUT" and "n" in answer.error["message"], (number[:50], answer.text)
    for number in ("01", "1.", ".5", "+1", "0x10", "NaN", "Infinity", "1e", "--1"):
        assert world.create('{"n":%s}' % number).status == 400, number


def integers_beyond_the_type_are_refused(world):
    for number in ("2147483648", "-2147483649", "9007199254740993", "1e400", "1.5", "9" * 300):
        body = ('{"query":"query($n: Int) { users(first: $n) { nodes { id } } }","variables":{"n":%s}}' % number)
        answer = world.post(body)
        assert answer.status == 400 and answer.code == "BAD_USER_INPUT", (number, answer.text)
        answer = world.post('{"query":"{ users(first: %s) { nodes { id } } }"}' % number)
        assert answer.status == 400 and answer.code == "GRAPHQL_VALIDATION_FAILED", (number, answer.text)


def text_that_is_none_is_refused(world):
    for bad in (b"\xff", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xe2\x82"):
        for body in (b'{"query":"{__typename}","variables":{"x":"%s"}}' % bad, b'{"query":"{__typename} # %s"}' % bad,
                     b'{"%s":1,"query":"{__typename}"}' % bad, b'{"query":"{__typename}"}%s' % bad):
            answer = world.post(body)
            assert answer.status == 400 and answer.code == "BAD_USER_INPUT", (body, answer.text)
    for bad in (r"\ud800", r"\udc00", r"\ud800\ud800", r"a\udfffb", r"\ud83d x"):
        assert world.create('{"s":"%s"}' % bad).code == "BAD_USER_INPUT", bad
        assert world.create('{"%s":1}' % bad).code == "BAD_USER_INPUT", bad
        answer = world.post('{"query":"{ __type(name: \\"%s\\") { name } }"}' % bad.replace("\\", "\\\\"))
        assert answer.status == 400 and answer.code == "GRAPHQL_PARSE_FAILED", (bad, answer.text)
        answer = world.post('{"query":"query($n: String!) { __type(name: $n) { name } }","variables":{"n":"%s"}}' % bad)
        assert answer.status == 400, (bad, answer.text)
    assert world.create(r'{"s":"\u0000"}').code == "BAD_USER_INPUT"
    assert world.create(r'{"s":"\ud83c\udfca \u00e9"}').data["createTask"]["payload"] == {"s": "\U0001f3ca \u00e9"}
    search = '{"query":"query($s: String) { users(search: $s) { totalCount } }","variables":{"s":"a\\u0000b"}}'
    assert world.post(search).code in ("ok", "BAD_USER_INPUT"), world.post(search).text


def repeated_keys_have_one_meaning(world):
    answer = world.create('{"a":1,"b":2,"a":3}')
    assert json.loads(answer.text)["data"]["createTask"]["payload"] == {"a": 3, "b": 2}, answer.text
    body = ('{"query":"query($n: String!) { __type(name: $n) { name } }",'
            '"variables":{"n":"Nil"},"variables":{"n":"Nil","n":"User"}}')
    assert world.post(body).data == {"__type": {"name": "User"}}
    twice = '{"query":"mutation { createTask(input: {type: \\"t\\", type: \\"u\\"}) { id } }"}'
    assert world.post(twice).code == "GRAPHQL_VALIDATION_FAILED"


def strings_of_a_mebibyte_are_bounded(world):
    megabyte = "x" * ((1 << 20) - 200)
    answer = world.post('{"query":"{__typename}","variables":{"x":"%s"}}' % megabyte)
    assert answer.json == ALIVE
    assert world.create('"%s"' % megabyte[:-200]).status in (200, 413)
    answer = world.post('{"query":"{ %s }"}' % megabyte)
    assert answer.status == 400 and len(answer.text) < 2 << 20, answer.text[:200]
    answer = world.post('{"query":"{ __type(name: \\"%s\\") { name } }"}' % megabyte)
    assert answer.code == "QUERY_TOO_COMPLEX" and "plan_bytes_max" in answer.text, answer.text[:200]
    answer = world.post('{"query":"{__typename}","operationName":"%s"}' % megabyte)
    assert answer.status == 400 and len(answer.text) < 2 << 20, len(answer.text)
    client = Client(world.gateway)
    answer = client.request("POST", "/graphql", '{"query":"{__typename}","x":"%s%s"}' % (megabyte, "x" * 300), JSON)
    assert answer.status == 413, answer.text
    client.close()


def deep_values_are_bounded(world):
    for depth, is_good in ((100, True), (128, True), (129, False), (240, False)):
        for opening, closing in (("[", "]"), ('{"a":', "}")):
            answer = world.create(opening * depth + "1" + closing * depth)
            assert (answer.code == "ok") == is_good, (depth, opening, answer.text[:300])
            assert is_good or answer.code == "BAD_USER_INPUT", answer.text[:300]
    for depth in (300, 100_000, 500_000):
        answer = world.post('{"query":"{__typename}","variables":{"x":%s}}' % ("[" * depth))
        assert answer.status == 400 and answer.code == "BAD_USER_INPUT", answer.text
        answer = world.post('{"query":"%s"}' % ("{a" * depth))
        assert answer.status == 400 and answer.code == "QUERY_TOO_COMPLEX", answer.text
        answer = world.post('{"query":"{ users(x: %s) { id } }"}' % ("[" * depth))
        assert answer.status == 400 and answer.code == "QUERY_TOO_COMPLEX", answer.text


def many_variables_and_keys_are_bounded(world):
    many = ",".join(f'"k{i}":{i}' for i in range(60_000))
    assert world.post('{"query":"{__typename}","variables":{%s}}' % many).json == ALIVE
    assert world.post('{%s,"query":"{__typename}"}' % many).json == ALIVE
    declared = " ".join(f"$v{i}: Int" for i in range(3000))
    answer = world.post('{"query":"query(%s) { __typename }"}' % declared)
    assert answer.status == 400 and len(answer.json["errors"]) <= 101, answer.text[:300]
    ids = ",".join('"00000000-0000-7000-8000-%012d"' % i for i in range(20_000))
    answer = world.post('{"query":"query($i: [ID!]) { tasks(ids: $i) { nodes { id } } }","variables":{"i":[%s]}}' % ids)
    assert answer.status in (200, 400) and answer.code != "INTERNAL", answer.text[:300]


def compressed_bodies_are_refused(world):
    bomb = gzip.compress(b'{"query":"{__typename}","x":"' + b" " * (1 << 24) + b'"}')
    answer = world.post(bomb, {"Content-Encoding": "gzip"})
    assert answer.status == 415 and answer.headers["Accept-Encoding"] == "identity", answer.text
    answer = world.post(gzip.compress(b'{"query":"{__typename}"}'))  # not even said
    assert answer.status == 400 and answer.code == "BAD_USER_INPUT", answer.text


def bodies_that_do_not_come_end_alone(world):
    head = ("POST /graphql HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            "Content-Length: 100000\r\n\r\n")
    slow = [world.connect(head + '{"query":"') for _ in range(20)]
    headless = world.connect("POST /graphql HTTP/1.1\r\nHost: local")
    is_over = threading.Event()

    def drip():  # a byte now and then keeps nobody's connection
        while not is_over.wait(0.2):
            try:
                slow[0].sendall(b"a")
            except OSError:
                return
    dripping = threading.Thread(target=drip)
    dripping.start()
    assert all(world.is_alive() for _ in range(20))
    for connection in [*slow, headless]:
        answer = read_all(connection)
        assert answer == "" or answer.startswith("HTTP/1.1 408 "), answer
        connection.close()
    is_over.set()
    dripping.join()
    assert world.is_alive()


def a_half_closed_socket_gets_its_answer(world):
    body = '{"query":"{ users(first: 1) { nodes { email } } }"}'
    head = ("POST /graphql HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            f"Authorization: Bearer {world.admin}\r\nContent-Length: %d\r\n\r\n")
    connection = world.connect(head % len(body) + body)
    connection.shutdown(socket.SHUT_WR)
    assert "admin@example.org" in read_all(connection)
    connection.close()
    cut = world.connect(head % (len(body) + 1) + body)  # within the body: nobody waits for an answer
    cut.shutdown(socket.SHUT_WR)
    assert "200 OK" not in read_all(cut)
    cut.close()
    assert world.is_alive()


def noise_is_answered_or_closed(world):
    noise = random.Random(5)
    valid = ('{"query":"query($n: Int) { users(first: $n) { nodes { id email } } __typename }","variables":{"n":1},'
             '"operationName":null,"extensions":{"persistedQuery":{"version":1,"sha256Hash":"00"}}}').encode()
    client = Client(world.gateway, world.admin)
    for _ in range(1500):
        body = bytearray(valid)
        for _ in range(noise.randint(1, 6)):
            at = noise.randrange(len(body))
            body[at:at + noise.randint(0, 3)] = bytes(noise.randrange(256) for _ in range(noise.randint(0, 3)))
        answer = client.request("POST", "/graphql", bytes(body), {**JSON, "Authorization": f"Bearer {world.admin}"})
        assert answer.status in (200, 400), (bytes(body), answer.text)
        assert answer.code != "INTERNAL", (bytes(body), answer.text)
    client.close()
    assert "level=error" not in world.gateway.log


def main():
    with Postgres() as postgres, FakeWorker() as worker, \
            Gateway(postgres.url, WORKER_URL=worker.url, HEADER_TIMEOUT="2s") as gateway:
        run_tests([
            numbers_keep_every_digit,
            integers_beyond_the_type_are_refused,
            text_that_is_none_is_refused,
            repeated_keys_have_one_meaning,
            strings_of_a_mebibyte_are_bounded,
            deep_values_are_bounded,
            many_variables_and_keys_are_bounded,
            compressed_bodies_are_refused,
            bodies_that_do_not_come_end_alone,
            a_half_closed_socket_gets_its_answer,
            noise_is_answered_or_closed,
        ], World(gateway))


if __name__ == "__main__":
    main()
