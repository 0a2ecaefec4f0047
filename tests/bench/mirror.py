"""The figures of the gateway's copies of tasks: how far they are behind the worker, what a thousand subscribers
cost, and how long the copies take from nothing. Part `mirror` of bench.py, on a Windlass of its own."""
import json
import os
import selectors
import signal
import socket
import subprocess
import threading
import time
from urllib.parse import urlsplit

import proc
from tasks import CREATE_MANY, Meter, Subscriber, percentile, until, wal_bytes
from windlass import Windlass

RATES = {1_000: 10, 5_000: 50}  # changes a second: tasks of one createTasks
LAG_SECONDS = 8
LOOK_SECONDS = 0.005            # how often the two cursors are looked at
SUBSCRIBERS = 1_000
HEARD_SECONDS = 10              # of changes for them
HEARD_RATE = 200                # a second
REBUILD_TASKS = int(os.environ.get("BENCH_REBUILD_TASKS", "1000000"))
REBUILD_CHUNK = 1_000
REBUILD_SECONDS = 1_800         # a rebuild that hangs says so

# In one statement, so of one moment: when, the log's end, the mirror's cursor.
CURSORS = ("SELECT extract(epoch FROM clock_timestamp()), (SELECT seq + n FROM worker.change_log ORDER BY seq DESC LIMIT 1),"
           " (SELECT split_part(cursor, ':', 2) FROM mirror LIMIT 1)")


class Cursors:
    """Looks at both ends again and again, by one psql."""

    def __init__(self, windlass):
        self.samples = []
        self.psql = subprocess.Popen(["psql", "-XAtq", "-F", " "], env=windlass.database_environment(), text=True,
                                     stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.psql.stdin.write(f"{CURSORS} \\watch {LOOK_SECONDS}\n")
        self.psql.stdin.flush()
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self):
        for line in self.psql.stdout:
            words = line.split()
            if len(words) == 3:
                self.samples.append((float(words[0]), int(words[1]), int(words[2])))

    def lags_ms(self):
        """From when a new end of the log was first seen to when the mirror was first seen there."""
        self.psql.terminate()
        self.psql.wait()
        self.reader.join()
        lags, behind, seen = [], [], 0
        for at, head, cursor in self.samples:
            while behind and behind[0][1] <= cursor:
                lags.append(1000 * (at - behind.pop(0)[0]))
            if head > seen and head > cursor:
                behind.append((at, head))
            seen = max(seen, head)
        return lags


def drive(windlass, token, rate, seconds, inputs):
    """createTasks at that many tasks a second, as far as they come; `inputs(n)` are those of one call."""
    began, count = time.monotonic(), 0
    while time.monotonic() - began < seconds:
        tasks = inputs(count)
        windlass.graphql(CREATE_MANY, {"inputs": tasks}, token)
        count += len(tasks)
        time.sleep(max(0.0, began + count / rate - time.monotonic()))
    return count, count / (time.monotonic() - began)


def commits(windlass, like):
    """id: when the worker made it, of types like that."""
    rows = windlass.sql("SELECT t.id, extract(epoch FROM t.created_at) FROM worker.task AS t JOIN worker.task_type AS y"
                        f" ON y.id = t.type WHERE y.name LIKE '{like}'").split()
    return {task: float(at) for task, at in (row.split("|") for row in rows)}


def warm(windlass, token, subscriber, task_type):
    """A subscription begins when the feed is there."""
    def is_told():
        windlass.graphql(CREATE_MANY, {"inputs": [{"type": task_type}]}, token)
        return subscriber.heard
    until("the subscription has begun", is_told)


def bench_lag(report, windlass, token, rate, chunk):
    name = f"mirror.lag-{rate}"
    subscriber = Subscriber(windlass, token, name)
    subscriber.start()
    warm(windlass, token, subscriber, name)
    cursors, meter = Cursors(windlass), Meter(windlass)
    count, seen = drive(windlass, token, rate, LAG_SECONDS, lambda n: [{"type": name}] * chunk)
    until("the subscriber has heard", lambda: len(subscriber.heard) > count)
    made = commits(windlass, name)
    to_subscriber = [1000 * (at - made[task]) for task, at in subscriber.heard.items()]
    to_table = cursors.lags_ms()
    report.add(f"{name}.rate", seen, "1/s")
    for what, lags in (("table", to_table), ("subscriber", to_subscriber)):
        report.add(f"{name}.{what}.p50", percentile(lags, 0.5), "ms")
        report.add(f"{name}.{what}.p99", percentile(lags, 0.99), "ms")
    meter.report(report, name, count)


# ── a thousand subscribers ──

class Crowd(threading.Thread):
    """Streams of Server-Sent Events, each of tasks of a type of its own."""

    def __init__(self, windlass, token, count):
        super().__init__(daemon=True)
        self.selector, self.heard, self.is_over = selectors.DefaultSelector(), {}, False
        url = urlsplit(windlass.url)
        for n in range(count):
            body = json.dumps({"query": "subscription { taskChanged(filter: {type: \"mirror.heard-%d\"})"
                                        " { kind task { id } } }" % n})
            sock = socket.create_connection((url.hostname, url.port))
            sock.sendall((f"POST /graphql HTTP/1.1\r\nHost: {url.netloc}\r\nAuthorization: Bearer {token}\r\n"
                          "Content-Type: application/json\r\nAccept: text/event-stream\r\n"
                          f"Content-Length: {len(body)}\r\n\r\n{body}").encode())
            if b" 200 " not in sock.recv(4096):
                raise RuntimeError(f"subscription {n} was refused")
            self.selector.register(sock, selectors.EVENT_READ, [b""])

    def run(self):
        while not self.is_over:
            for key, _ in self.selector.select(0.2):
                now, kept = time.time(), key.data
                *lines, kept[0] = (kept[0] + key.fileobj.recv(65536)).split(b"\n")
                for line in lines:
                    if line.startswith(b'{"data":'):  # a chunk of its own
                        event = json.loads(line)["data"]["taskChanged"]
                        self.heard.setdefault(event["task"]["id"], now)

    def end(self):
        self.is_over = True
        self.join()
        for key in list(self.selector.get_map().values()):
            key.fileobj.close()


def bench_crowd(report, windlass, token):
    """The same changes without and with them; one task a call, so that each is told by itself."""
    def one(n):
        return [{"type": f"mirror.heard-{n % SUBSCRIBERS}"}]
    meter = Meter(windlass)
    count, _ = drive(windlass, token, HEARD_RATE, HEARD_SECONDS, one)
    meter.report(report, "mirror.subscribers-0", count)
    crowd = Crowd(windlass, token, SUBSCRIBERS)
    crowd.start()
    meter = Meter(windlass)
    count, rate = drive(windlass, token, HEARD_RATE, HEARD_SECONDS, one)
    until("all have heard", lambda: len(crowd.heard) >= count)
    meter.report(report, f"mirror.subscribers-{SUBSCRIBERS}", count)
    crowd.end()
    made = commits(windlass, "mirror.heard-%")
    lags = [1000 * (at - made[task]) for task, at in crowd.heard.items()]
    report.add(f"mirror.subscribers-{SUBSCRIBERS}.rate", rate, "1/s")
    report.add(f"mirror.subscribers-{SUBSCRIBERS}.p50", percentile(lags, 0.5), "ms")
    report.add(f"mirror.subscribers-{SUBSCRIBERS}.p99", percentile(lags, 0.99), "ms")


# ── from nothing ──

def table_rows(windlass):
    return int(windlass.sql("SELECT count(*) FROM tasks"))


def bench_rebuild(report, windlass, token):
    """A gateway is killed, its tables are emptied, and the next one begins."""
    while (count := table_rows(windlass)) < REBUILD_TASKS:
        windlass.graphql(CREATE_MANY, {"inputs": [{"type": "bench.parked", "payload": {"i": count + i, "to": "ada@example.org"}}
                                                  for i in range(REBUILD_CHUNK)] }, token)
        if count + REBUILD_CHUNK >= REBUILD_TASKS:
            break
        for _ in range(min(50, (REBUILD_TASKS - count) // REBUILD_CHUNK - 1)):
            windlass.graphql(CREATE_MANY, {"inputs": [{"type": "bench.parked", "payload": {"to": "ada@example.org"}}]
                                           * REBUILD_CHUNK}, token)
    windlass.sql("CHECKPOINT")
    roots = windlass.roots()
    parts = ("worker", "postgres")
    os.kill(roots["gateway"], signal.SIGSTOP)
    windlass.sql("BEGIN; TRUNCATE tasks, jobs, task_counts; DELETE FROM mirror; COMMIT")
    before, wal = {name: proc.cpu_seconds(roots[name]) for name in parts}, wal_bytes(windlass)
    began = time.monotonic()
    os.kill(roots["gateway"], signal.SIGKILL)
    while windlass.sql("SELECT count(*) FROM mirror WHERE cursor <> '' AND snapshot_cursor IS NULL").strip() != "1":
        if time.monotonic() - began > REBUILD_SECONDS:
            raise RuntimeError("the rebuild did not end")
        time.sleep(0.25)
    seconds = time.monotonic() - began
    cpu = {name: proc.cpu_seconds(roots[name]) - before[name] for name in parts}
    cpu["gateway"] = proc.cpu_seconds(windlass.roots()["gateway"])
    rows = table_rows(windlass)
    report.add("mirror.rebuild.rows", rows, "")
    report.add("mirror.rebuild.rate", rows / seconds, "rows/s")
    report.add("mirror.rebuild.wal", (wal_bytes(windlass) - wal) / rows, "B/row")  # nobody else writes
    for name, used in sorted(cpu.items()):
        report.add(f"mirror.rebuild.cpu.{name}", 1e6 * used / rows, "us/row")


def bench(report, program, only):
    windlass = Windlass(program)
    try:
        windlass.start("--subscriptions-max", "10000")
        token = windlass.set_up()
        for rate, chunk in RATES.items():
            if "lag" in only:
                bench_lag(report, windlass, token, rate, chunk)
        if "crowd" in only:
            bench_crowd(report, windlass, token)
        if "rebuild" in only:
            bench_rebuild(report, windlass, token)
    finally:
        windlass.remove()
