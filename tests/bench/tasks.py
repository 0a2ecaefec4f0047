"""The figures of tasks through the API: gateway, mirror and worker together. The worker beside the peers
stands in queue_bench.py."""
import http.client
import json
import os
import random
import signal
import threading
import time
import uuid
from urllib.parse import urlsplit

import proc

BURN_TASKS = 20_000
BURN_CHUNK = 1_000       # tasks of one createTasks
IDLE_TASKS = 300         # single creates, one after another
FEED_RATE = 1_000        # changes a second that the feed is measured at
FEED_SECONDS = 8
FEED_CHUNK = 10
WAIT_SECONDS = 120       # for what has to end; a bench that hangs says so

CREATE = ("mutation Create($type: String!, $payload: JSON) {"
          " createTask(input: {type: $type, payload: $payload}) { id status accepted } }")
CREATE_MANY = "mutation Many($inputs: [CreateTaskInput!]!) { createTasks(inputs: $inputs) { id } }"


def uuid7():
    """RFC 9562: 48 bits of milliseconds, version 7, then random bits."""
    value = (int(time.time() * 1000) << 80) | (7 << 76) | (random.getrandbits(12) << 64)
    return uuid.UUID(int=value | (2 << 62) | random.getrandbits(62))


def percentile(values, q):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(q * len(ordered)))]


def until(what, condition):
    """Looks ten times a second: a look costs something, too."""
    end = time.monotonic() + WAIT_SECONDS
    while not condition():
        if time.monotonic() > end:
            raise RuntimeError(f"not within {WAIT_SECONDS} s: {what}")
        time.sleep(0.1)


def wal_bytes(windlass):
    return int(windlass.sql("SELECT pg_current_wal_lsn() - '0/0'::pg_lsn"))


class Meter:
    """CPU of every process and WAL between its start and `figures(n)`, for one of n tasks."""

    def __init__(self, windlass):
        self.windlass = windlass
        self.wal = wal_bytes(windlass)
        self.cpu = self.cpu_seconds()

    def cpu_seconds(self):
        return {name: proc.cpu_seconds(pid) for name, pid in self.windlass.roots().items()
                if name != "up"}

    def report(self, report, name, tasks):
        cpu = self.cpu_seconds()
        for part in sorted(cpu):
            report.add(f"{name}.cpu.{part}", 1e6 * (cpu[part] - self.cpu[part]) / tasks, "us/task")
        report.add(f"{name}.wal", (wal_bytes(self.windlass) - self.wal) / tasks, "B/task")


def bench_create_task(report, windlass, token, seconds, wrk):
    """createTask of a task that nobody runs: durable at the answer, and readable at once."""
    bodies = [{"query": CREATE, "variables": {"type": "bench.parked", "payload": {"i": i}}}
              for i in range(1000)]
    wrk(windlass, token, bodies, 2)
    task = windlass.graphql(CREATE, bodies[0]["variables"], token)["createTask"]
    read = windlass.graphql("query Read($id: ID!) { task(id: $id) { id status } }",
                            {"id": task["id"]}, token)["task"]
    if read is None or not task["accepted"]:
        raise RuntimeError(f"a created task was not readable at once: {task} {read}")
    meter = Meter(windlass)
    figures = wrk(windlass, token, bodies, seconds)
    rate = figures["requests"] / figures["duration_us"] * 1e6
    report.add("create-task.requests", rate, "1/s")
    report.add("create-task.p50", figures["p50_us"] / 1000, "ms")
    report.add("create-task.p99", figures["p99_us"] / 1000, "ms")
    meter.report(report, "create-task", figures["requests"])


def unfinished(windlass, task_type):
    return int(windlass.sql("SELECT coalesce(sum(count), 0) FROM task_counts WHERE type = "
                            f"'{task_type}' AND status IN ('pending', 'in-progress')"))


def worker_unfinished(windlass):
    return windlass.sql("SELECT EXISTS (SELECT FROM worker.task AS t JOIN worker.task_type AS y ON"
                        " y.id = t.type WHERE y.name = 'noop' AND NOT EXISTS"
                        " (SELECT FROM worker.task_done AS d WHERE d.id = t.id))").strip() == "t"


def bench_burn_down(report, windlass, token, _seconds, _wrk):
    """20,000 no-ops that wait, then a runner: until the worker's tables have the end of the last."""
    runner = windlass.roots()["runner"]
    os.kill(runner, signal.SIGSTOP)
    began = time.monotonic()
    for first in range(0, BURN_TASKS, BURN_CHUNK):
        windlass.graphql(CREATE_MANY, {"inputs": [{"type": "noop", "payload": {"i": first + i}}
                                                  for i in range(BURN_CHUNK)]}, token)
    enqueue_seconds = time.monotonic() - began
    meter = Meter(windlass)
    began = time.time()
    os.kill(runner, signal.SIGCONT)
    until("all no-ops are done", lambda: not worker_unfinished(windlass))
    seconds = float(windlass.sql("SELECT extract(epoch FROM max(finished_at))"
                                 " FROM worker.task_done")) - began
    report.add("burn-down.enqueue", BURN_TASKS / enqueue_seconds, "1/s")
    report.add("burn-down.tasks", BURN_TASKS / seconds, "1/s")
    meter.report(report, "burn-down", BURN_TASKS)
    until("the mirror has them", lambda: unfinished(windlass, "noop") == 0)


def bench_idle_start(report, windlass, token, _seconds, _wrk):
    """From before a createTask to the start of its run, on an idle system, one at a time."""
    ids, began = [], {}
    for i in range(IDLE_TASKS):
        task_id = str(uuid7())
        began[task_id] = time.time()
        windlass.graphql("mutation One($id: ID!) { createTask(input: {id: $id, type: \"noop\"})"
                         " { id } }", {"id": task_id}, token)
        ids.append(task_id)
        time.sleep(random.uniform(0.02, 0.04))
    until("the last is done", lambda: not worker_unfinished(windlass))
    rows = windlass.sql("SELECT id, extract(epoch FROM started_at) FROM worker.task_done WHERE id IN"
                        f" ({','.join(repr(i) for i in ids)})").split()
    waits = [1000 * (float(at) - began[task_id])
             for task_id, _, at in (row.partition("|") for row in rows)]
    report.add("idle-start.p50", percentile(waits, 0.5), "ms")
    report.add("idle-start.p99", percentile(waits, 0.99), "ms")


class Subscriber(threading.Thread):
    """Follows taskChanged over Server-Sent Events and notes when each new task was heard of."""

    def __init__(self, windlass, token, task_type):
        super().__init__(daemon=True)
        url = urlsplit(windlass.url)
        self.connection = http.client.HTTPConnection(url.hostname, url.port, timeout=30)
        self.connection.request(
            "POST", "/graphql",
            json.dumps({"query": "subscription S($t: [String!]) { taskChanged(filter: {type: $t}) {"
                                 " kind task { id } } }", "variables": {"t": [task_type]}}),
            {"Content-Type": "application/json", "Accept": "text/event-stream",
             "Authorization": "Bearer " + token})
        self.answer = self.connection.getresponse()
        self.heard = {}

    def run(self):
        try:
            for line in self.answer:
                if line.startswith(b"data: {"):
                    now = time.time()
                    event = json.loads(line[6:])["data"]["taskChanged"]
                    if event["kind"] == "ADDED":
                        self.heard.setdefault(event["task"]["id"], now)
        except (OSError, ValueError, TypeError, AttributeError, http.client.HTTPException):
            pass  # it is closed under the reader's hands


def bench_feed_lag(report, windlass, token, _seconds, _wrk):
    """From the worker's commit to a browser, at 1,000 changes a second; and how far the table is."""
    subscriber = Subscriber(windlass, token, "bench.feed")
    subscriber.start()
    began = time.monotonic()
    count = 0
    while time.monotonic() - began < FEED_SECONDS:
        windlass.graphql(CREATE_MANY, {"inputs": [{"type": "bench.feed"}] * FEED_CHUNK}, token)
        count += FEED_CHUNK
        time.sleep(max(0.0, began + count / FEED_RATE - time.monotonic()))
    rate = count / (time.monotonic() - began)
    until("the subscriber has heard", lambda: len(subscriber.heard) >= count * 0.99)
    made = dict(row.split("|") for row in windlass.sql(
        "SELECT t.id, extract(epoch FROM t.created_at) FROM worker.task AS t JOIN worker.task_type"
        " AS y ON y.id = t.type WHERE y.name = 'bench.feed'").split())
    lags = [1000 * (at - float(made[i])) for i, at in subscriber.heard.items() if i in made]
    report.add("feed-lag.rate", rate, "1/s")
    report.add("feed-lag.p50", percentile(lags, 0.5), "ms")
    report.add("feed-lag.p99", percentile(lags, 0.99), "ms")


LOADS = {"create-task": bench_create_task, "burn-down": bench_burn_down,
         "idle-start": bench_idle_start, "feed-lag": bench_feed_lag}
