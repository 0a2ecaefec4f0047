#!/usr/bin/env python3
"""Walks the schema by chance: documents of all operations, fields and arguments, with values that are right, at the
edges, or wrong in one place, to a gateway with a real worker and a real ai. Each answer must be one that the schema
promises, and none may be an INTERNAL error. Usage: gateway_walk_test.py PROGRAM [REQUESTS [SEED]]"""

import json
import os
import random
import re
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../support"))
from gateway_ai_test import Ai  # noqa: E402
from gateway_rig import Client, Gateway, Postgres, Stream, create_user, eventually, run_tests  # noqa: E402
from ids import new_id  # noqa: E402
from worker_rig import GATEWAY_TOKEN, Executor, Worker  # noqa: E402

REQUESTS, SEED = 150, 7
DEPTH = 5
TYPE = "kind name ofType { kind name ofType { kind name ofType { kind name } } }"
SCHEMA = ("{ __schema { types { kind name fields { name type { %s } args { name defaultValue type { %s } } } "
          "inputFields { name defaultValue type { %s } } enumValues { name } possibleTypes { name } } } }" % (TYPE, TYPE, TYPE))
CODES = {"BAD_USER_INPUT", "UNAUTHENTICATED", "FORBIDDEN", "NOT_FOUND", "CONFLICT", "RATE_LIMITED", "WORKER_UNAVAILABLE",
         "AI_UNAVAILABLE", "QUERY_TOO_COMPLEX", "GRAPHQL_VALIDATION_FAILED", "GRAPHQL_PARSE_FAILED"}
REFUSALS = {"BAD_USER_INPUT", "GRAPHQL_VALIDATION_FAILED", "QUERY_TOO_COMPLEX"}
NEVER_CALLED = {"logout"}  # it would end the walk
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
EDGES = {
    "Int": [0, 1, 2, 5, 10, 50, 500, 501, 10_000, -1, 2**31 - 1, -2**31],
    "Float": [0, 0.5, -0.0, 1, 1e9, 1e-300, 1.7e308, -1.7e308],
    "Boolean": [True, False],
    "String": ["", "x", " ", "walk", "24h", "90d", "1m", "0s", "91d", "UTC", "Europe/Berlin", "@daily", "*/5 * * * *", "0 0 30 2 *",
               "H H * * *", "a@example.org", "%_\\", "'; --", "\u202e\U0001f3ca", "a\u0000b", "\ufeff", "\u0085\u2028", "x" * 300, "ü" * 5000],
    "DateTime": ["2026-11-23T06:37:10.123456Z", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z", "1969-12-31T23:59:59.999Z",
                 "2024-02-29T23:59:60Z", "2023-02-29T00:00:00Z", "2026-01-01T00:00:00+23:59", "294277-01-01T00:00:00Z", "-0001-01-01T00:00:00Z", ""],
    "JSON": [None, {}, [], 1, "x", {"a": {"b": [1, 2.5, "x", None]}}, [1, 2, 3, 4, 5, 6, 7, 100], {"n": 10**300}, {"_": {"__": ""}}, [[[[[]]]]],
             [{"t": "2026-01-01T00:00:00Z", "v": i} for i in range(12)], "a\u0000b"],
    "ID": ["", "x", "00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff", "x" * 300, "a\u0000b"],
}
WRONG = {"Int": ["1", 1.5, 2**31, [], {}, True], "Float": ["1", {}, False], "Boolean": [0, "true", {}], "String": [1, {}, True],
         "DateTime": [1, {}, True], "ID": [1.5, {}, True], "ENUM": ["none_such", 1, {}], "INPUT_OBJECT": [1, "x", {"none_such": 1}, True]}


def core(ref):
    while ref.get("ofType"):
        ref = ref["ofType"]
    return ref


class Walk:
    def __init__(self, schema, seed, ids):
        self.types = {t["name"]: t for t in schema["types"]}
        self.dice, self.ids, self.cursors, self.errors = random.Random(seed), ids, [], {}
        self.is_wrong = self.has_wrong = False

    # ── what is sent ──

    def value(self, ref, depth=0):
        """One for the type, of which a part may be wrong once where `is_wrong`."""
        if ref["kind"] == "NON_NULL":
            if self.spoils(0.1):
                return None
            return self.present(ref["ofType"], depth)
        return None if self.dice.random() < 0.1 else self.present(ref, depth)

    def spoils(self, chance):
        if self.is_wrong and not self.has_wrong and self.dice.random() < chance:
            self.has_wrong = True
            return True
        return False

    def present(self, ref, depth):
        kind, name = ref["kind"], ref["name"]
        if kind == "LIST":
            return [self.value(ref["ofType"], depth + 1) for _ in range(self.dice.choice([0, 1, 1, 2, 3]))]
        wrong = WRONG.get(name, WRONG.get(kind))
        if wrong and self.spoils(0.4):
            return self.dice.choice(wrong)
        if kind == "ENUM":
            return self.dice.choice(self.types[name]["enumValues"])["name"]
        if kind == "INPUT_OBJECT":
            fields = self.types[name]["inputFields"]
            return {f["name"]: self.value(f["type"], depth + 1) for f in fields
                    if self.is_needed(f) or self.dice.random() < 0.35 / (1 + depth)}
        if name == "ID":
            return self.dice.choice(EDGES["ID"] + self.ids * 3 + [new_id()] * 3)
        if name == "String" and self.cursors and self.dice.random() < 0.3:
            return self.tampered(self.dice.choice(self.cursors[-50:]))
        return self.dice.choice(EDGES[name])

    def tampered(self, cursor):
        at = self.dice.randrange(len(cursor) * 2)
        return cursor if at >= len(cursor) else cursor[:at] + self.dice.choice("Aa0-_=~") + cursor[at + 1:]

    @staticmethod
    def is_needed(argument):
        return argument["type"]["kind"] == "NON_NULL" and argument["defaultValue"] is None

    def arguments(self, field, variables):
        words = []
        for argument in field["args"]:
            if not self.is_needed(argument) and self.dice.random() < 0.6:
                continue
            if self.is_needed(argument) and self.spoils(0.05):
                continue
            name = f"v{len(variables)}"
            variables[name] = (argument["type"], self.value(argument["type"]))
            words.append(f"{argument['name']}: ${name}")
        return f"({', '.join(words)})" if words else ""

    def selection(self, type_name, variables, depth=0):
        """([(key, name, type, below)], text) of one to some of its fields."""
        kind = self.types[type_name]["kind"]
        tree, words = [("__typename", None, None)], ["__typename"]
        if kind == "UNION":
            for possible in self.types[type_name]["possibleTypes"]:
                _, text = self.selection(possible["name"], variables, depth + 1)
                words.append(f"... on {possible['name']} {text}")
            return None, "{ " + " ".join(words) + " }"
        fields = [f for f in self.types[type_name]["fields"] if depth < DEPTH or self.types[core(f["type"])["name"]]["fields"] is None]
        for number, field in enumerate(self.dice.sample(fields, min(len(fields), self.dice.randint(1, 6)))):
            key = field["name"] if self.dice.random() < 0.8 else f"k{number}"
            below, text = (self.selection(core(field["type"])["name"], variables, depth + 1)
                           if self.types[core(field["type"])["name"]]["kind"] in ("OBJECT", "UNION") else (None, ""))
            tree.append((key, field["type"], below))
            words.append(f"{key}: {field['name']}{self.arguments(field, variables)} {text}")
        return tree, "{ " + " ".join(words) + " }"

    def literal(self, ref, value):
        """As it stands in a document."""
        ref = ref["ofType"] if ref["kind"] == "NON_NULL" else ref
        if isinstance(value, list):
            return "[" + ", ".join(self.literal(ref["ofType"] if ref["kind"] == "LIST" else ref, v) for v in value) + "]"
        if isinstance(value, dict):
            inner = {f["name"]: f["type"] for f in self.types.get(ref["name"], {}).get("inputFields") or ()}
            return "{" + ", ".join(f"{k}: {self.literal(inner.get(k, ref), v)}" for k, v in value.items()) + "}"
        return value if ref["kind"] == "ENUM" and isinstance(value, str) else json.dumps(value)

    def document(self, root):
        """(the root's field, tree, text, variables, the same text with literals)."""
        self.has_wrong, variables = False, {}
        field = self.dice.choice([f for f in self.types[root]["fields"] if f["name"] not in NEVER_CALLED])
        arguments = self.arguments(field, variables)
        below, text = (self.selection(core(field["type"])["name"], variables)
                       if self.types[core(field["type"])["name"]]["kind"] in ("OBJECT", "UNION") else (None, ""))
        body = f"{field['name']}{arguments} {text}"
        declared = ", ".join(f"${name}: {self.written(ref)}" for name, (ref, _) in variables.items())
        head = f"{root.lower()}({declared})" if declared else root.lower()
        return (field["name"], [(field["name"], field["type"], below)], f"{head} {{ {body} }}",
                {name: value for name, (_, value) in variables.items()},
                root.lower() + " { " + re.sub(r"\$(v\d+)", lambda m: self.literal(*variables[m.group(1)]), body) + " }")

    @staticmethod
    def written(ref):
        if ref["kind"] == "NON_NULL":
            return Walk.written(ref["ofType"]) + "!"
        return f"[{Walk.written(ref['ofType'])}]" if ref["kind"] == "LIST" else ref["name"]

    # ── what comes back ──

    def check_object(self, tree, value, at):
        if tree is None:
            assert isinstance(value, dict) and value["__typename"], (at, value)
            return
        assert isinstance(value, dict) and list(value) == [key for key, *_ in tree], (at, list(value))
        for key, ref, below in tree:
            if ref is not None:
                self.check(ref, below, value[key], f"{at}.{key}")

    def check(self, ref, below, value, at):
        if ref["kind"] == "NON_NULL":
            assert value is not None, f"{at} is null"
            ref = ref["ofType"]
        if value is None:
            return
        if ref["kind"] == "LIST":
            assert isinstance(value, list), (at, value)
            for number, item in enumerate(value):
                self.check(ref["ofType"], below, item, f"{at}[{number}]")
        elif ref["kind"] == "ENUM":
            assert value in [v["name"] for v in self.types[ref["name"]]["enumValues"]], (at, value)
        elif ref["kind"] in ("OBJECT", "UNION"):
            self.check_object(below, value, at)
        else:
            self.check_leaf(ref["name"], value, at)

    def check_leaf(self, name, value, at):
        if name == "DateTime":
            assert TIME.fullmatch(value), (at, value)
        elif name in ("String", "ID"):
            assert isinstance(value, str), (at, value)
            if "ursor" in at:
                self.cursors.append(value)
        elif name == "Int":
            assert isinstance(value, int) and not isinstance(value, bool) and -2**31 <= value < 2**31, (at, value)
        elif name == "Boolean":
            assert isinstance(value, bool), (at, value)
        elif name == "Float":
            assert isinstance(value, (int, float)) and not isinstance(value, bool), (at, value)

    def check_answer(self, tree, answer):
        """The code of the first error, or ok."""
        body = answer.json
        for error in body.get("errors", ()):
            assert error["message"] and error["extensions"]["code"] in CODES, error
            self.errors[error["extensions"]["code"]] = self.errors.get(error["extensions"]["code"], 0) + 1
        if body.get("data") is None:
            assert body.get("errors"), body
        else:
            assert answer.status == 200, answer.status
            self.check_object(tree, body["data"], "")
        return answer.code


class World:
    def __init__(self, gateway):
        self.gateway, self.requests = gateway, int(sys.argv[2]) if len(sys.argv) > 2 else REQUESTS
        self.seed = int(sys.argv[3]) if len(sys.argv) > 3 else SEED
        self.admin = gateway.set_up()
        self.schema = gateway.graphql(SCHEMA, None, self.admin).data["__schema"]
        for role in ("viewer", "operator"):
            create_user(gateway, self.admin, f"{role}@example.org", role.upper())
        self.ids = [create_user(gateway, self.admin, f"prey{n}@example.org") for n in range(2)]
        for n in range(12):
            self.ids.append(self.make("createTask(input: {type: \"walk\", payload: {n: %d}}) { id }" % n))
        for n in range(3):
            self.ids.append(self.make("createJob(input: {name: \"walk %d\", schedule: \"@hourly\", taskType: \"walk\"}) { id }" % n))
        self.ids.append(self.make("chat(input: {message: \"how many tasks failed?\"}) { conversationId }"))
        self.clients = [Client(gateway, token) for token in
                        (self.admin, gateway.login("viewer@example.org"), gateway.login("operator@example.org"), None)]

    def make(self, mutation):
        (made,) = self.gateway.graphql("mutation { %s }" % mutation, None, self.admin).data.values()
        return next(iter(made.values()))

    def walk(self, number):
        return Walk(self.schema, self.seed + number, self.ids)

    def ask(self, walk, root):
        """Sends one document with variables and, of a query, the same with literals."""
        client = walk.dice.choices(self.clients, [12, 2, 2, 1])[0]
        name, tree, text, variables, literal = walk.document(root)
        told = (text, json.dumps(variables)[:3000])
        try:
            answer = client.graphql(text, variables)
            code = walk.check_answer(tree, answer)
            assert not walk.has_wrong or code in REFUSALS, f"wrong, and {code}"
            assert walk.has_wrong or code not in ("GRAPHQL_PARSE_FAILED", "GRAPHQL_VALIDATION_FAILED"), answer.text[:500]
            if root == "Query":
                again = walk.check_answer(tree, client.graphql(literal))
                assert (code == "ok") == (again == "ok"), f"{code} with variables, {again} with literals: {literal[:2000]}"
        except AssertionError as error:
            raise AssertionError(f"seed {self.seed}, {name}: {error}\n{told}") from error


def what_is_right_is_answered_as_the_schema_says(world):
    walk = world.walk(0)
    for number in range(world.requests):
        world.ask(walk, "Mutation" if number % 4 == 0 else "Query")
    print(f"# errors: {walk.errors}")


def what_is_wrong_in_one_place_is_refused(world):
    walk = world.walk(1)
    walk.is_wrong = True
    for number in range(world.requests):
        world.ask(walk, "Mutation" if number % 4 == 0 else "Query")
    print(f"# errors: {walk.errors}")


def subscriptions_begin_or_are_refused(world):
    walk = world.walk(2)
    for number in range(world.requests // 10):
        walk.is_wrong = number % 3 == 0
        _, _, text, variables, _ = walk.document("Subscription")
        stream = Stream(world.gateway, text, world.admin, variables)
        assert stream.response.status in (200, 400), (text, variables, stream.response.status)
        if stream.response.status == 400:
            assert json.loads(stream.response.read())["errors"][0]["extensions"]["code"] in CODES, (text, variables)
        stream.close()


def the_mirror_is_what_the_worker_says(world):
    fields = "{ askedAt beganAt endedAt missing extra wrong jobs counts error }"
    asked = world.gateway.graphql("mutation { auditMirrors %s }" % fields, None, world.admin).data["auditMirrors"][0]["askedAt"]

    def ended():
        audit = world.gateway.graphql("{ mirrorAudits %s }" % fields, None, world.admin).data["mirrorAudits"][0]
        return audit if audit["endedAt"] and asked <= audit["beganAt"] <= audit["endedAt"] else None
    audit = eventually(ended)
    assert {audit[what] for what in ("missing", "extra", "wrong", "jobs", "counts")} == {0} and not audit["error"], audit


def nobody_has_stumbled(world):
    assert "level=error" not in world.gateway.log, [l for l in world.gateway.log.splitlines() if "level=error" in l][:5]
    assert world.gateway.get("/readyz").status == 200


def main():
    with Postgres() as postgres, Worker(postgres.url, WORKER_LEASE="20s") as worker, Ai(GATEWAY_TOKEN) as ai, \
            Gateway(postgres.url, WORKER_URL=f"http://127.0.0.1:{worker.port}", AI_URL=ai.url, GATEWAY_TOKEN=GATEWAY_TOKEN,
                    CHAT_LIMIT="1000000") as gateway:
        run_tests([what_is_right_is_answered_as_the_schema_says, what_is_wrong_in_one_place_is_refused,
                   subscriptions_begin_or_are_refused, the_mirror_is_what_the_worker_says, nobody_has_stumbled], World(gateway))


if __name__ == "__main__":
    main()
