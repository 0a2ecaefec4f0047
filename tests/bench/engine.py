"""The engine in process beside graphql-js and graphql-jit: the schema, documents and data that both
sides get, and the runs, one side after the other in turns.

Each side is one process that answers `CASE MILLISECONDS` with operations and their CPU time; it runs for
so many milliseconds of CPU, and a figure holds what its garbage collector and its compiler threads took.
Every case is warm before it is measured: V8 has run it for WARM_MS, the engine has its plan.
"""
import json
import os
import shutil
import statistics
import subprocess
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
WARM_MS, SAMPLE_MS, ROUNDS = 2000, 200, 7
# What is promised: so many times the peer's speed.
WANTED = {"parse": 10, "validate": 20, "execute": 3}
ENTITIES = 300

SCHEMA = '''
"Anything with an id."
interface Node { id: ID! }
enum Status { PENDING IN_PROGRESS COMPLETED FAILED }
enum Priority { LOW NORMAL HIGH }
type User implements Node {
  id: ID!
  name: String!
  email: String!
  role: String!
  createdAt: String!
  tasks(first: Int = 20, filter: TaskFilter): [Task!]!
}
type Task implements Node {
  id: ID!
  type: String!
  status: Status!
  priority: Priority!
  payload: String
  result: String
  error: String
  createdAt: String!
  updatedAt: String!
}
type Item {
  id: ID!
  name: String!
  count: Int!
  ratio: Float!
  isOpen: Boolean!
  status: Status!
  note: String
  size: Int
  owner: String
  updatedAt: String!
}
type Link { value: Int! next: Link }
input TaskFilter { status: [Status!] type: String idEndsWith: String and: [TaskBound!] }
input TaskBound { status: [Status!] idEndsWith: String } # graphql-jit refuses recursive inputs
input CreateTaskInput { type: String! priority: Priority = NORMAL payload: String tags: [String!] }
union SearchResult = User | Task
directive @onField(reason: String) on FIELD
type Query {
  user(id: ID!): User
  users: [User!]!
  tasks(first: Int, filter: TaskFilter): [Task!]!
  items: [Item!]!
  chain: Link
  node(id: ID!): Node
  search(text: String!, first: Int = 10): [SearchResult!]!
%s}
type Mutation { createTask(input: CreateTaskInput!): Task! }
type Subscription { taskChanged(id: ID!): Task! }
'''

TASK_FIELDS = "id type status priority payload result error createdAt updatedAt"

INTROSPECTION = '''query IntrospectionQuery {
  __schema {
    queryType { name kind }
    mutationType { name kind }
    subscriptionType { name kind }
    types { ...FullType }
    directives { name description locations args { ...InputValue } }
  }
}
fragment FullType on __Type {
  kind name description
  fields(includeDeprecated: true) {
    name description args { ...InputValue } type { ...TypeRef } isDeprecated deprecationReason
  }
  inputFields { ...InputValue }
  interfaces { ...TypeRef }
  enumValues(includeDeprecated: true) { name description isDeprecated deprecationReason }
  possibleTypes { ...TypeRef }
}
fragment InputValue on __InputValue { name description type { ...TypeRef } defaultValue }
fragment TypeRef on __Type {
  kind name
  ofType { kind name ofType { kind name ofType { kind name ofType { kind name ofType { kind name
  ofType { kind name ofType { kind name ofType { kind name ofType { kind name } } } } } } } } }
}
'''

# One of everything that an executable document may have.
KITCHEN_SINK = '''# every kind of token and of node
query Everything($id: ID!, $first: Int = 10, $filter: TaskFilter = { status: [PENDING, FAILED] },
    $wide: Boolean! = false) {
  me: user(id: $id) {
    ...UserParts @include(if: $wide)
    all: tasks(first: $first, filter: $filter) { ...TaskParts }
    some: tasks(filter: { type: "e\\u006Dail \\"now\\"", and: [{ status: [COMPLETED] }, { idEndsWith: "ab" }] }) {
      id, status, priority @onField(reason: """
        A block string,
          with lines that are indented.
      """)
    }
  }
  node(id: "0192f3c1") {
    __typename
    ... on User { name email }
    ... on Task @skip(if: $wide) { type status payload }
    ... { id }
  }
  search(text: "of \\u{1F600} and é", first: -5) { __typename ... on Task { ...TaskParts } ... on User { ...UserParts } }
}
mutation Make($input: CreateTaskInput!) {
  first: createTask(input: $input) { ...TaskParts }
  second: createTask(input: { type: "report", priority: HIGH, payload: null, tags: ["a", "b"] }) { id }
}
subscription Watch($task: ID!) { taskChanged(id: $task) { id status updatedAt } }
fragment UserParts on User { id name email role createdAt }
fragment TaskParts on Task { id type status priority payload result error createdAt updatedAt }
'''


def large_schema():
    """As many types, fields, descriptions and connections as a large public API has."""
    parts, roots = [], []
    for n in range(ENTITIES):
        def other(k, n=n):
            return f"Entity{(n * 7 + k * 13 + 1) % ENTITIES}"
        fields = "".join(f'  "Property {k} of entity {n}."\n  property{k}: {t}\n' for k, t in enumerate(
            ["String!", "String", "Int!", "Int", "Float", "Boolean!", "[String!]!", "ID", f"Enum{n % 40}",
             f"Enum{(n + 1) % 40}!"]))
        links = "".join(
            f'  "Those that belong to it."\n  related{k}(first: Int, after: String, last: Int, before: String, '
            f"orderBy: Order{n % 60}): {other(k)}Connection!\n  single{k}(id: ID!): {other(k + 5)}\n" for k in range(4))
        parts.append(
            f'"""\nEntity number {n}.\n\nWith a description of some lines.\n"""\n'
            f"type Entity{n} implements Node & Actor {{\n  id: ID!\n  login: String!\n  url: String!\n{fields}{links}}}\n"
            f"type Entity{n}Connection {{ edges: [Entity{n}Edge] nodes: [Entity{n}] pageInfo: PageInfo! totalCount: Int! }}\n"
            f"type Entity{n}Edge {{ cursor: String! node: Entity{n} }}\n")
        roots.append(f"  entity{n}(id: ID!, number: Int): Entity{n}\n")
    parts.append("interface Actor { login: String! url: String! }\n"
                 "type PageInfo { hasNextPage: Boolean! hasPreviousPage: Boolean! startCursor: String endCursor: String }\n")
    parts.extend(f"enum Enum{n} {{ {' '.join(f'VALUE_{n}_{k}' for k in range(8))} }}\n" for n in range(40))
    parts.extend(f"input Order{n} {{ field: Enum{n % 40}! direction: Direction! }}\n" for n in range(60))
    parts.append("enum Direction { ASC DESC }\n")
    return SCHEMA % "".join(roots) + "".join(parts)


def large_document():
    """About 100 KB: an operation over 150 fragments, some of which spread others."""
    spreads = "".join(f"  e{n}: entity{n}(id: $id) {{ ...Part{n} }}\n" for n in range(150))
    fragments = "".join(f'''fragment Part{n} on Entity{n} {{
  id login url property0 property1 property2 property3 property4 property5 property6 property7 property8 property9
  related0(first: $first, orderBy: {{ field: VALUE_{n % 60 % 40}_1, direction: DESC }}) {{
    totalCount
    pageInfo {{ hasNextPage endCursor }}
    edges {{ cursor node {{ id login url property0 property1 property2 }} }}
  }}
  related1(last: 5, before: "cursor{n}") {{ nodes {{ id name: login link: url property5 property6 }} }}
  single0(id: "0192f3c1-{n}") {{ id ... on Actor {{ login url }} property8 property9 }}
  {f"... on Node {{ ...Common }}" if n % 3 else "__typename"}
}}
''' for n in range(150))
    return f"query Large($id: ID!, $first: Int = 10) {{\n{spreads}}}\n{fragments}fragment Common on Node {{ id __typename }}\n"


def task(n):
    return {"id": f"0192f3c1-7b4e-7a10-8000-{n:012x}", "type": ["email", "report", "backup"][n % 3],
            "status": ["PENDING", "IN_PROGRESS", "COMPLETED", "FAILED"][n % 4], "priority": ["LOW", "NORMAL", "HIGH"][n % 3],
            "payload": json.dumps({"to": f"user{n}@example.org", "attempt": n % 3}),
            "result": None if n % 2 else "done", "error": None if n % 4 < 3 else f"timed out after {n} s",
            "createdAt": f"2026-11-{n % 28 + 1:02}T10:{n % 60:02}:00.000Z",
            "updatedAt": f"2026-11-{n % 28 + 1:02}T11:{n % 60:02}:00.000Z"}


def user(n):
    return {"id": f"0192f3c1-7b4e-7a10-9000-{n:012x}", "name": f"User Number {n}", "email": f"user{n}@example.org",
            "role": "ADMIN" if n == 0 else "VIEWER", "createdAt": "2026-11-01T09:00:00.000Z",
            "tasks": [task(n * 5 + k) for k in range(5)]}


def item(n):
    return {"id": f"item-{n}", "name": f"Item {n} of a long list", "count": n * 37, "ratio": n / 7, "isOpen": n % 2 == 0,
            "status": ["PENDING", "COMPLETED"][n % 2], "note": None if n % 3 else "a note, \"quoted\"", "size": n,
            "owner": f"user{n % 10}@example.org", "updatedAt": "2026-11-28T10:00:00.000Z"}


def chain(n):
    return {"value": n, "next": chain(n - 1) if n else None}


def deep_document(levels):
    return "{ chain " + "{ value next " * levels + "{ value }" + " }" * levels + " }"


OVERLAP_SCHEMA = '''
interface Node { id: Int self: Node f(x: Int): Int }
type A implements Node { id: Int self: Node f(x: Int): Int }
type Query { a: A node: Node }
'''


def overlap_documents():
    """Valid documents that make the comparison of fields of one response key work hard."""
    flat = ("query { a { " + " ".join(f"...F{i}" for i in range(200)) + " } } "
            + " ".join(f"fragment F{i} on A {{ x: self {{ id }} y{i}: id }}" for i in range(200)))
    tree = "query { " + "a { self { self { self { id } } } } " * 100 + "}"
    doubled = ("query { node { ...F0 } } " + " ".join(
        f"fragment F{i} on Node {{ x: self {{ ...F{i + 1} }} x: self {{ ...F{i + 1} id }} }}" for i in range(12))
        + " fragment F12 on Node { id }")
    return {"flat-200": flat, "tree-100": tree, "doubled-12": doubled}


def make_inputs(folder):
    small = SCHEMA % ""
    data = {"user": user(0), "users": [user(n) for n in range(20)], "tasks": [task(n) for n in range(50)],
            "items": [item(n) for n in range(1000)], "chain": chain(60)}
    user_query = "query User($id: ID!) { user(id: $id) { id email name role createdAt } }"
    list_query = ("query List($first: Int, $filter: TaskFilter) { tasks(first: $first, filter: $filter) "
                  f"{{ {TASK_FIELDS} }} }}")
    nested_query = "{ users { id name email tasks(first: 5) { id type status priority createdAt } } }"
    items_query = "{ items { id name count ratio isOpen status note size owner updatedAt } }"
    id_variable = {"id": data["user"]["id"]}
    list_variables = {"first": 50, "filter": {"status": ["PENDING", "FAILED"], "type": "email"}}
    documents = {"user": user_query, "list": list_query, "kitchen-sink": KITCHEN_SINK, "introspection": INTROSPECTION,
                 "large": large_document()}
    cases = [{"name": f"{work}.{name}", "work": work, "schema": "large", "document": text}
             for work in ("parse", "validate") for name, text in documents.items()]
    for name, text, variables, schema in (
            ("user", user_query, id_variable, "small"), ("list-50x9", list_query, list_variables, "small"),
            ("nested-20x5", nested_query, {}, "small"), ("list-1000x10", items_query, {}, "small"),
            ("deep-50", deep_document(50), {}, "small"), ("introspection", INTROSPECTION, {}, "small"),
            ("introspection-large", INTROSPECTION, {}, "large")):
        cases.append({"name": f"execute.{name}", "work": "execute", "schema": schema, "document": text, "variables": variables})
    cases += [{"name": f"validate.overlap-{name}", "work": "validate", "schema": "overlap", "document": text}
              for name, text in overlap_documents().items()]
    cases.append({"name": "lookup.10000-plans", "work": "lookup", "schema": "small", "document": user_query})
    cases += [{"name": f"plan.{name}", "work": "plan", "schema": "large", "document": documents[name]}
              for name in ("user", "list", "large")]
    # The members of an object, in the order in which the data has them.
    members = {"Query": list(data), "User": list(data["user"]), "Task": list(data["tasks"][0]), "Item": list(data["items"][0]),
               "Link": ["value", "next"]}
    target = folder / "inputs.json"
    target.write_text(json.dumps({"schemas": {"small": small, "large": large_schema(), "overlap": OVERLAP_SCHEMA}, "members": members, "data": data,
                                  "cases": cases}))
    return target, cases


def install(folder):
    """The peers, as the lock file says, into the build folder."""
    for name in ("package.json", "package-lock.json", ".npmrc", "gql_js.mjs"):
        shutil.copy(HERE / name, folder / name)
    node = subprocess.run([ROOT / "scripts/node.sh"], check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
    environment = {**os.environ, "PATH": f"{node}:{os.environ['PATH']}"}
    installed = folder / "node_modules/.installed-lock"
    if not installed.exists() or installed.read_bytes() != (HERE / "package-lock.json").read_bytes():
        subprocess.run(["npm", "ci", "--no-audit", "--no-fund", "--loglevel=error"], cwd=folder, env=environment, check=True)
        shutil.copy(HERE / "package-lock.json", installed)
    return environment


class Side:
    """A process that runs cases when it is asked to."""

    def __init__(self, command, **options):
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, **options)

    def run(self, case, milliseconds):
        self.process.stdin.write(f"{case} {milliseconds}\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.process.args} ended at {case}")
        return json.loads(line)

    def end(self):
        self.process.stdin.close()
        self.process.wait()


def nanoseconds(sample):
    return sample["cpu_ns"] / sample["operations"]


def measure(case, engine, peer):
    """Median CPU time of an operation on both sides; for execution the peer's faster way to JSON."""
    ways = [case["name"]]
    if case["work"] == "execute":
        ways.append(case["name"] + "+serializer")
    engine.run(case["name"], SAMPLE_MS)
    for way in ways:
        peer.run(way, WARM_MS)
    samples = {name: [] for name in ("engine", *ways)}
    last = {}
    for _ in range(ROUNDS):
        last = engine.run(case["name"], SAMPLE_MS)
        samples["engine"].append(nanoseconds(last))
        for way in ways:
            found = peer.run(way, SAMPLE_MS)
            samples[way].append(nanoseconds(found))
            # The built-in types have descriptions of each side's own.
            if found["bytes"] != last["bytes"] and "introspection" not in way:
                raise RuntimeError(f"{way}: {found['bytes']} bytes, the engine {last['bytes']}")
    own = statistics.median(samples.pop("engine"))
    beside = min((statistics.median(s), way) for way, s in samples.items())
    return own, beside, last["bytes"]


def bench(report, build, only=""):
    """Parse, validate and execute: nanoseconds of CPU, and the peer's time as a multiple of ours."""
    folder = build / "engine"
    folder.mkdir(exist_ok=True)
    inputs, cases = make_inputs(folder)
    environment = install(folder)
    engine = Side([build / "tests/bench/gql_bench", inputs])
    peer = Side(["node", folder / "gql_js.mjs", inputs], env=environment)
    try:
        for case in (c for c in cases if only in c["name"]):
            if case["work"] == "lookup":
                report.add(f"engine.{case['name']}", statistics.median(
                    nanoseconds(engine.run(case["name"], SAMPLE_MS)) for _ in range(ROUNDS)), "ns")
                continue
            own, (theirs, way), size = measure(case, engine, peer)
            name = "graphql-jit" if case["work"] in ("execute", "plan") else "graphql-js"
            report.add(f"engine.{case['name']}", own, "ns", name + ("" if way == case["name"] else ", own serializer"), theirs)
            wanted = WANTED.get(case["work"])
            print(f"    {size * 1e3 / own:8,.0f} MB/s, {theirs / own:6.1f} times as fast"
                  + (f" ({wanted} wanted)" if wanted else ""), flush=True)
    finally:
        engine.end()
        peer.end()
