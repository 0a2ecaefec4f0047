"""The lease protocol as an outside worker speaks it, through a real gateway to a real worker; each
exchange is held against docs/openapi/lease.json."""

import http.client
import json
import os
import re
import uuid

from gateway_rig import WAIT_S, Gateway, Postgres
from worker_rig import GATEWAY_TOKEN, Answer, Worker

DOCUMENT = os.path.join(os.path.dirname(__file__), "..", "..", "docs", "openapi", "lease.json")
TYPES = {"object": dict, "array": list, "string": str, "boolean": bool, "integer": int,
         "number": (int, float), "null": type(None)}
KEYWORDS = {"type", "properties", "required", "additionalProperties", "items", "enum", "const", "pattern",
            "minimum", "maximum", "minLength", "maxLength", "minProperties", "maxProperties", "maxItems",
            "format", "description", "default", "$ref"}


class Openapi:
    """As much of JSON Schema 2020-12 as the document uses; another keyword in it is an error."""

    def __init__(self, path=DOCUMENT):
        with open(path, encoding="utf-8") as file:
            self.document = json.load(file)
        self.seen = set()  # "POST /v1/leases", and "Schema.member" of each member that was there

    def operations(self):
        return {f"{method.upper()} {path}": operation for path, item in self.document["paths"].items()
                for method, operation in item.items()}

    def resolve(self, schema):
        """The schema that a reference names, and its name."""
        name = None
        while "$ref" in schema:
            parts = schema["$ref"].split("/")
            assert parts[0] == "#", schema
            name, schema = parts[-1], self.document
            for part in parts[1:]:
                schema = schema[part]
        return schema, name

    def faults(self, schema, value, at="$"):
        """What is wrong with the value; also notes the members it has."""
        schema, name = self.resolve(schema)
        assert not schema.keys() - KEYWORDS, schema.keys() - KEYWORDS
        types = schema.get("type")
        if types is not None:
            types = [types] if isinstance(types, str) else types
            is_one = any(isinstance(value, TYPES[t]) and (t == "boolean" or not isinstance(value, bool))
                         for t in types)
            if not is_one:
                return [f"{at}: {value!r} is none of {types}"]
        found = []
        if "enum" in schema and value not in schema["enum"] or "const" in schema and value != schema["const"]:
            found.append(f"{at}: {value!r} is not among {schema.get('enum', schema.get('const'))}")
        if isinstance(value, str):
            found += self.text_faults(schema, value, at)
        if isinstance(value, (int, float)) and not isinstance(value, bool) \
                and not schema.get("minimum", value) <= value <= schema.get("maximum", value):
            found.append(f"{at}: {value} is out of bounds")
        if isinstance(value, list):
            if len(value) > schema.get("maxItems", len(value)):
                found.append(f"{at}: too many items")
            for i, item in enumerate(value):
                found += self.faults(schema.get("items", {}), item, f"{at}[{i}]")
        if isinstance(value, dict):
            found += self.object_faults(schema, name, value, at)
        return found

    @staticmethod
    def text_faults(schema, value, at):
        is_good = schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", len(value)) \
            and re.search(schema.get("pattern", ""), value)
        if schema.get("format") == "uuid":
            is_good = is_good and str(uuid.UUID(value)) == value
        return [] if is_good else [f"{at}: {value!r} is not of the form"]

    def object_faults(self, schema, name, value, at):
        known, others = schema.get("properties", {}), schema.get("additionalProperties", True)
        found = [f"{at}.{member}: is missing" for member in schema.get("required", ()) if member not in value]
        if not schema.get("minProperties", 0) <= len(value) <= schema.get("maxProperties", len(value)):
            found.append(f"{at}: has {len(value)} members")
        for member, inner in value.items():
            if member in known:
                self.seen.add(f"{name}.{member}")
                found += self.faults(known[member], inner, f"{at}.{member}")
            elif others is False or name is not None and not isinstance(others, dict):
                found.append(f"{at}.{member}: is not in the document")
            elif isinstance(others, dict):
                found += self.faults(others, inner, f"{at}.{member}")
        return found

    def check_request(self, operation, body):
        self.seen.add(operation)
        content = self.operations()[operation].get("requestBody")
        faults = self.faults(content["content"]["application/json"]["schema"], body) if content else []
        assert not faults, (operation, body, faults)

    def check_answer(self, operation, status, content_type, body):
        answers = self.operations()[operation]["responses"]
        answer, _ = self.resolve(answers.get(str(status), answers["default"]))
        assert content_type in answer["content"], (operation, status, content_type, body)
        faults = self.faults(answer["content"][content_type]["schema"], body)
        assert not faults, (operation, status, body, faults)
        assert status == 200 or body["status"] == status, (status, body)

    def members(self):
        """All that a run can show: "Schema.member"."""
        return {f"{name}.{member}" for name, schema in self.document["components"]["schemas"].items()
                for member in schema.get("properties", ())}


OPENAPI = Openapi()


class LeaseAnswer(Answer):
    def __init__(self, status, headers, text):
        super().__init__(status, text)
        self.headers, self.content_type = headers, (headers["Content-Type"] or "").split(";")[0]


class LeaseClient:
    """One keep-alive connection with a token, to a gateway or straight to a worker."""

    def __init__(self, host, port, token):
        self.host, self.port, self.token, self.connection = host, port, token, None

    def raw(self, method, path, body=None, headers=()):
        """`body` is text or bytes, sent as it is; only the answer is held against the document."""
        if self.connection is None:
            self.connection = http.client.HTTPConnection(self.host, self.port, timeout=WAIT_S)
        sent = {"Content-Type": "application/json", **dict(headers)}
        if self.token is not None:
            sent.setdefault("Authorization", f"Bearer {self.token}")
        try:
            self.connection.request(method, path, body, sent)
            response = self.connection.getresponse()
            answer = LeaseAnswer(response.status, response.headers, response.read().decode())
        except (OSError, http.client.HTTPException):
            self.close()
            raise
        template = re.sub(r"^/v1/sessions/[^?]*.*", "/v1/sessions/{session}", path.split("?")[0])
        if f"{method} {template}" in OPENAPI.operations():
            OPENAPI.check_answer(f"{method} {template}", answer.status, answer.content_type, answer.json)
        return answer

    def post(self, path, body):
        OPENAPI.check_request(f"POST {path}", body)
        return self.raw("POST", path, json.dumps(body))

    def open(self, types=None, **members):
        """A session: what later bodies begin with."""
        answer = self.post("/v1/sessions", {"types": types or {"work": {"slots": 10}}, **members})
        assert answer.status == 200, answer.text
        return {name: answer.json[name] for name in ("session", "secret")}

    def shards(self):
        OPENAPI.seen.add("GET /v1/shards")
        return self.raw("GET", "/v1/shards")

    def end(self, who, release=False):
        OPENAPI.seen.add("DELETE /v1/sessions/{session}")
        return self.raw("DELETE", f"/v1/sessions/{who['session']}" + ("?release=true" if release else ""),
                        headers={"Windlass-Session-Secret": who["secret"]})

    def close(self):
        if self.connection is not None:
            self.connection.close()
        self.connection = None


CREATE_TOKEN = ("mutation($name: String!, $role: Role!, $scopes: [TokenScope!], $types: [String!], $expires: DateTime) "
                "{ createApiToken(name: $name, role: $role, scopes: $scopes, taskTypes: $types, expiresAt: $expires) "
                "{ token apiToken { id } } }")
CREATE_TASK = "mutation($input: CreateTaskInput!) { createTask(input: $input) { id } }"
TASK = "query($id: ID!) { task(id: $id) { id status state attempt progress result error } }"


class OutsideWorld:
    """PostgreSQL, a worker, a gateway before it, an administrator and his tokens."""

    def __init__(self, **settings):
        self.settings = settings

    def start_worker(self, **settings):
        self.worker = Worker(self.postgres.url, **{"WORKER_PORT": "0", **settings})

    def restart_worker(self):
        """Killed, and another one at the same place."""
        port = str(self.worker.port)
        self.worker.stop(9)
        self.start_worker(WORKER_PORT=port)

    def __enter__(self):
        self.postgres = Postgres().__enter__()
        self.start_worker()
        self.gateway = Gateway(self.postgres.url, WORKER_URL=f"http://127.0.0.1:{self.worker.port}",
                               GATEWAY_TOKEN=GATEWAY_TOKEN, GATEWAY_LOOPS="2", **self.settings)
        self.url = f"http://{self.gateway.host}:{self.gateway.port}"
        self.admin = self.gateway.set_up()
        return self

    def __exit__(self, kind, *_):
        try:
            self.gateway.__exit__(kind)
            self.worker.__exit__(kind)
        finally:
            self.postgres.__exit__()

    def make_token(self, scopes=("LEASE",), types=(), role="OPERATOR", expires=None):
        """The token's text and id."""
        made = self.gateway.graphql(CREATE_TOKEN, {
            "name": "t", "role": role, "scopes": list(scopes), "types": list(types), "expires": expires},
            self.admin).data["createApiToken"]
        return made["token"], made["apiToken"]["id"]

    def client(self, token=None, **options):
        return LeaseClient(self.gateway.host, self.gateway.port, token or self.make_token(**options)[0])

    def create(self, **members):
        """The id of a new task."""
        given = {"type": "work", **members}
        return self.gateway.graphql(CREATE_TASK, {"input": given}, self.admin).data["createTask"]["id"]

    def task(self, task_id):
        return self.gateway.graphql(TASK, {"id": task_id}, self.admin).data["task"]
