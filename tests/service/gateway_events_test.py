#!/usr/bin/env python3
"""What the gateway shows of a worker whose story the test writes: subscriptions, what only the worker knows, and
what is left while it is away.
Usage: gateway_events_test.py PROGRAM"""

import json
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../support"))
from fake_worker import FakeWorker  # noqa: E402
from gateway_rig import Gateway, Postgres, Stream, create_user, eventually, psql, run_tests  # noqa: E402
from ids import new_id  # noqa: E402

TASK = ("id type status state priority payload result error queue attempt maxAttempts progress runAt startedAt finishedAt "
        "timeoutSeconds idempotencyKey createdAt accepted why { code } job { name } createdBy { name } dependsOn { id } source")


class World:
    def __init__(self, url, gateway, worker):
        self.url, self.gateway, self.worker = url, gateway, worker
        self.admin = gateway.set_up()

    def watch(self, filter_="", fields=f"id kind task {{ {TASK} }}"):
        argument = f"(filter: {{ {filter_} }})" if filter_ else ""
        return Watch(self, f"subscription {{ taskChanged{argument} {{ {fields} }} }}", "taskChanged")

    def live(self):
        """The mirror has come to where the feed is."""
        eventually(lambda: self.gateway.graphql("{ tasks(first: 1) { source } }", None, self.admin)
                   .data["tasks"]["source"] == "LIVE")


class Watch:
    def __init__(self, world, query, field):
        self.stream, self.field = Stream(world.gateway, query, world.admin), field
        assert self.stream.response.status == 200, self.stream.response.read()
        assert self.stream.response.headers["Content-Type"].startswith("text/event-stream")

    def next(self):
        return self.stream.next().data[self.field]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stream.close()


def until(watch, test):
    """The first event that passes, and all before it."""
    seen = []
    while True:
        seen.append(watch.next())
        if test(seen[-1]):
            return seen


def a_task_is_told_from_its_birth_to_its_end(world):
    worker = world.worker
    with world.watch() as watch:
        job = worker.put_job(name="nightly")
        task = worker.add("email", payload={"to": "ada"}, job_id=job, idempotency_key="k1", priority="high")
        event = watch.next()
        assert (event["id"], event["kind"]) == (task, "ADDED"), event
        got = event["task"]
        assert (got["status"], got["state"], got["priority"], got["payload"]) == ("PENDING", "READY", "HIGH", {"to": "ada"})
        assert got["idempotencyKey"] == "k1" and got["accepted"] and got["why"] == {"code": "BEHIND_OTHERS"}, got
        worker.start(task)
        event = watch.next()
        # The event tells what has changed, the table all else.
        assert event["kind"] == "CHANGED" and event["task"]["status"] == "IN_PROGRESS", event
        assert event["task"]["payload"] == {"to": "ada"} and event["task"]["attempt"] == 1, event
        assert event["task"]["job"] == {"name": "nightly"} and event["task"]["startedAt"], event
        worker.finish(task, result={"sum": 7})
        event = watch.next()
        assert event["kind"] == "CHANGED" and event["task"]["state"] == "SUCCEEDED", event
        assert event["task"]["result"] == {"sum": 7} and event["task"]["priority"] == "HIGH", event
        worker.drop(task)
        assert watch.next() == {"id": task, "kind": "DELETED", "task": None}


def a_filter_by_status_tells_who_comes_and_who_leaves(world):
    worker = world.worker
    with world.watch("status: [FAILED]", "id kind task { status error }") as watch:
        good, bad = worker.add(), worker.add()
        worker.start(good)
        worker.start(bad)
        worker.finish(good)
        worker.finish(bad, "dead", error="no route")
        assert watch.next() == {"id": bad, "kind": "ADDED", "task": {"status": "FAILED", "error": "no route"}}
        worker.reopen(bad)
        event = watch.next()
        assert (event["id"], event["kind"], event["task"]["status"]) == (bad, "LEFT", "PENDING"), event
        worker.note(bad, progress=0.5)
        worker.start(bad)
        worker.finish(bad, "dead", error="again")
        event = watch.next()  # nothing of what lay between
        assert (event["id"], event["kind"], event["task"]["error"]) == (bad, "ADDED", "again"), event
        worker.drop(good, bad)
        seen = until(watch, lambda e: e["id"] == bad)
        assert seen[-1]["kind"] == "DELETED", seen


def every_filter_lets_through_its_own_and_no_other(world):
    worker = world.worker
    since = "2026-01-01T00:00:00Z"
    job = worker.put_job()
    mine = {"type": "wanted", "priority": "low", "queue": "bulk", "job_id": job}
    cases = [
        ('type: ["wanted", "x"]', {"type": "other"}), ("priority: [LOW]", {"priority": "high"}),
        ('queue: ["bulk"]', {"queue": "default"}), (f'jobId: "{job}"', {"job_id": None}),
        (f'createdAfter: "{since}"', {"created_at_us": 1_700_000_000_000_000}),
        (f'createdBefore: "{since}"', None),
    ]
    for filter_, change in cases:
        with world.watch(filter_, "id kind task { type queue }") as watch:
            if change is None:
                mine_now, other = {**mine, "created_at_us": 1_700_000_000_000_000}, mine
            else:
                mine_now, other = mine, {**mine, **change}
            # What `start` does not tell must come from the table.
            for fields in (other, mine_now, other, mine_now):
                task = worker.add(**fields)
                worker.start(task)
                worker.finish(task)
                last = task
            seen = until(watch, lambda e, t=last: e["id"] == t)
            ids = {t for t, v in worker.tasks.items() if v["type"] == mine_now["type"] and all(
                v[k] == mine_now[k] for k in mine_now)}
            assert {e["id"] for e in seen} <= ids, (filter_, seen)


def one_task_is_followed_by_its_id_and_by_the_end_of_it(world):
    worker = world.worker
    wanted, other = new_id(), new_id()
    for filter_ in (f'ids: ["{wanted}"]', f'idEndsWith: "{wanted[-10:].upper()}"'):
        with world.watch(filter_, "id kind task { state }") as watch:
            for task in (other, wanted):
                worker.add(id=task)
            assert watch.next() == {"id": wanted, "kind": "ADDED", "task": {"state": "READY"}}
            worker.drop(other, wanted)
            assert watch.next() == {"id": wanted, "kind": "DELETED", "task": None}
    with world.watch(f'ids: ["{wanted}"]', "id kind") as watch:
        worker.add(id=wanted)
        assert watch.next()["kind"] == "ADDED"
        worker.drop_range(wanted, wanted[:-1] + chr(ord(wanted[-1]) + 1) if wanted[-1] not in "9f" else "f" * 8 + wanted[8:])
        assert watch.next() == {"id": wanted, "kind": "DELETED"}


def what_comes_quickly_is_told_as_it_ended(world):
    worker = world.worker
    task = worker.add()
    with world.watch(f'ids: ["{task}"]', "kind task { progress state }") as watch:
        for n in range(1, 51):
            worker.note(task, progress=n / 50)
        seen = until(watch, lambda e: e["task"]["progress"] == 1)
        progress = [e["task"]["progress"] or 0 for e in seen]  # its birth may be told, too
        assert progress == sorted(set(progress)) and {e["kind"] for e in seen} <= {"ADDED", "CHANGED"}, seen


def a_filter_by_state_follows_a_task_through_it(world):
    worker = world.worker
    with world.watch('state: [RUNNING], type: "steps"', "id kind task { state status }") as watch:
        task = worker.add("steps")
        worker.start(task)
        assert watch.next() == {"id": task, "kind": "ADDED", "task": {"state": "RUNNING", "status": "IN_PROGRESS"}}
        worker.wait(task)
        assert watch.next() == {"id": task, "kind": "LEFT", "task": {"state": "RETRYING", "status": "PENDING"}}
        worker.start(task)
        assert watch.next()["kind"] == "ADDED"
        worker.finish(task)
        assert watch.next() == {"id": task, "kind": "LEFT", "task": {"state": "SUCCEEDED", "status": "COMPLETED"}}


def a_job_is_told_when_it_changes(world):
    worker = world.worker
    query = "subscription { jobChanged { id name status scheduleText nextRuns(count: 1) accepted source recentRuns { taskId } } }"
    with Watch(world, query, "jobChanged") as watch:
        job = worker.put_job(name="hourly", schedule="0 * * * *")
        got = watch.next()
        assert (got["id"], got["name"], got["status"], got["accepted"]) == (job, "hourly", "ACTIVE", True), got
        assert got["scheduleText"] == "every hour, on the hour" or "hour" in got["scheduleText"], got
        worker.put_job(id=job, status="paused", next_run_us=None)
        got = watch.next()
        assert got["status"] == "PAUSED" and got["nextRuns"] == [] and got["recentRuns"] == [], got


def what_cannot_be_followed_is_refused(world):
    for filter_, name in (('search: "x"', "search"), ("payloadContains: { a: 1 }", "payloadContains"),
                          ('errorTemplate: "x"', "errorTemplate"), ('ids: ["x"]', "ids[0]"), ('idEndsWith: "1"', "idEndsWith")):
        stream = Stream(world.gateway, f"subscription {{ taskChanged(filter: {{ {filter_} }}) {{ id }} }}", world.admin)
        text = stream.response.read().decode()
        assert stream.response.status == 400 and "BAD_USER_INPUT" in text and f"filter.{name}:" in text, text
        stream.close()


def a_user_may_have_only_so_many_open(world):
    with Gateway(world.url, WORKER_URL=world.worker.url, GATEWAY_LOOPS="1", SUBSCRIPTIONS_MAX="3") as gateway:
        create_user(gateway, world.admin, "other@example.org")
        other = gateway.login("other@example.org")
        query = "subscription { jobChanged { id } }"
        streams = [Stream(gateway, query, world.admin) for _ in range(3)]
        assert [s.response.status for s in streams] == [200] * 3
        refused = Stream(gateway, query, world.admin)
        assert refused.response.status == 429 and "RATE_LIMITED" in refused.response.read().decode()
        streams.append(Stream(gateway, query, other))
        assert streams[-1].response.status == 200
        streams[0].close()

        def let_in():
            streams.append(Stream(gateway, query, world.admin))
            return streams[-1].response.status == 200
        eventually(let_in)
        for stream in streams + [refused]:
            stream.close()


def who_missed_changes_is_told_so(world):
    """The worker has dropped what this gateway has not read yet."""
    worker = world.worker
    with world.watch("", "id") as watch:
        worker.add()
        watch.next()
        worker.is_hanging = True
        eventually(lambda: True)
        with worker.lock:
            worker.put_nothing(10)
            worker.forget()
        worker.is_hanging = False
        answer = watch.stream.next()
        while "errors" not in answer.json:
            answer = watch.stream.next()
        assert answer.code == "WORKER_UNAVAILABLE" and "missed" in answer.error["message"], answer.text
        assert watch.stream.next() is None
    eventually(lambda: worker.followed == worker.head)  # until then nobody is told of anything
    world.live()


# ── going on where one was ──

def resume(world, last_id, gateway=None, query="subscription { taskChanged { id kind task { state } } }"):
    return Stream(gateway or world.gateway, query, world.admin, last_id=last_id)


def next_task(stream):
    return stream.next().data["taskChanged"]


def who_comes_again_is_told_what_he_missed(world):
    worker = world.worker
    stream = resume(world, None)
    first = worker.add("one")
    assert next_task(stream)["id"] == first
    stream.close()
    assert re.fullmatch(r"0:\d+", stream.last_id), stream.last_id
    second, third = worker.add("two"), worker.add("three")
    worker.start(first)
    worker.start(second)
    worker.finish(second)
    stream = resume(world, stream.last_id)
    seen = [next_task(stream) for _ in range(3)]
    assert {e["id"]: (e["kind"], e["task"]["state"]) for e in seen} == {
        first: ("CHANGED", "RUNNING"), second: ("ADDED", "SUCCEEDED"), third: ("ADDED", "READY")}, seen
    fourth = worker.add("four")  # and it goes on
    assert next_task(stream)["id"] == fourth
    stream.close()


def a_stream_says_where_it_is_before_anything_happens(world):
    worker = world.worker
    worker.add("before")
    world.live()
    stream = resume(world, None)
    assert stream.response.readline().decode().startswith("id: 0:")
    stream.close()
    again = resume(world, f"0:{worker.head}")
    later = worker.add("later")
    assert next_task(again)["id"] == later, "nothing of what was before"
    again.close()


def a_quiet_stream_moves_on_with_what_concerns_others(world):
    stream = resume(world, None, query='subscription { taskChanged(filter: { type: ["quiet"] }) { id } }')
    for _ in range(3):
        world.worker.add("loud")
    world.live()
    while stream.response.readline().decode().strip() != f"id: 0:{world.worker.head}":
        pass
    stream.close()


def another_gateway_goes_on_where_this_one_was(world):
    worker = world.worker
    with Gateway(world.url, WORKER_URL=worker.url) as other:
        stream = resume(world, None)
        known = worker.add("known")
        assert next_task(stream)["id"] == known
        stream.close()
        missed = worker.add("missed")
        stream = resume(world, stream.last_id, other)
        assert next_task(stream)["id"] == missed
        stream.close()
        position = f"0:{worker.head}"
        job = worker.put_job(name="while away")
        jobs = resume(world, position, other, "subscription { jobChanged { id } }")
        assert jobs.next().data["jobChanged"]["id"] == job
        live = worker.put_job(name="now")
        assert jobs.next().data["jobChanged"]["id"] == live
        jobs.close()
    with Gateway(world.url, WORKER_URL=worker.url) as restarted:
        late = worker.add("late")
        stream = resume(world, stream.last_id, restarted)
        seen = [next_task(stream)["id"]]
        while late not in seen:
            seen.append(next_task(stream)["id"])
        stream.close()


def many_changes_are_told_each_row_once_and_all_that_come_meanwhile(world):
    worker = world.worker
    position = f"0:{worker.head}"
    with worker.lock:
        tasks = [worker.add("many") for _ in range(1500)]
        for task in tasks:
            worker.start(task)
            worker.finish(task)
    stream = resume(world, position, query='subscription { taskChanged(filter: { type: ["many"] }) { id kind task { state } } }')
    seen = {}
    for i in range(1500):
        event = next_task(stream)
        seen[event["id"]] = event["task"]["state"]
        if i % 100 == 0:
            tasks.append(worker.add("many"))
    while len(seen) < len(tasks):
        event = next_task(stream)
        seen[event["id"]] = event["task"]["state"]
    assert set(seen) == set(tasks)
    stream.close()


def who_was_away_too_long_is_told_to_read_anew(world):
    worker = world.worker
    stream = resume(world, None)
    worker.add("kept no more")
    next_task(stream)
    stream.close()
    missed = worker.add("missed")
    eventually(lambda: psql(world.url, f"SELECT 1 FROM tasks WHERE id = '{missed}'"))  # the gateway misses nothing
    with worker.lock:
        worker.forget()
    late = resume(world, stream.last_id)
    answer = late.next()
    assert answer.code == "NOT_FOUND" and "read anew" in answer.error["message"], answer.text
    assert late.last_id == "", "and not to ask so again"
    assert late.next() is None
    late.close()
    for ahead in (f"0:{worker.head + 1000}", "0:1"):
        late = resume(world, ahead)
        assert late.next().code == "NOT_FOUND", ahead
        late.close()
    sentinel = worker.add("found-again")  # the gateway, too, has found its way again
    eventually(lambda: psql(world.url, f"SELECT 1 FROM tasks WHERE id = '{sentinel}'"))


def what_is_no_place_is_refused_and_now_is_one(world):
    for bad in ("7", "1:7", "0:-1", "0:x", "x" * 100):
        stream = resume(world, bad)
        answer = json.loads(stream.response.read())
        assert answer["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT", (bad, answer)
        stream.close()
    health = Stream(world.gateway, "subscription { healthChanged { status } }", world.admin, last_id="0:1")
    assert health.next().data["healthChanged"]["status"], "it begins with what is"
    assert health.last_id == "now"
    health.close()
    stream = resume(world, "now")
    task = world.worker.add("now")
    assert next_task(stream)["id"] == task
    stream.close()


def without_the_worker_a_resumed_stream_ends_and_may_be_tried_again(world):
    worker = world.worker
    position = f"0:{worker.head}"
    missed = worker.add("missed")
    world.live()
    worker.vanish()
    try:
        stream = resume(world, position)
        assert stream.next().code == "WORKER_UNAVAILABLE"
        assert stream.last_id == position, "from there the way is open"
        stream.close()
    finally:
        worker.launch()
    world.live()
    stream = resume(world, position)
    assert next_task(stream)["id"] == missed
    stream.close()


# ── asked of the worker ──

def ask(world, query):
    return world.gateway.graphql(query, None, world.admin).data


def a_task_that_is_not_in_the_table_is_asked_of_the_worker_and_stored(world):
    worker = world.worker
    with worker.lock:
        task = worker.add("direct", payload={"a": 1})
        known = worker.tasks[task]
        worker.drop(task)
    worker.add("sentinel")
    eventually(lambda: psql(world.url, "SELECT 1 FROM tasks WHERE type = 'sentinel'"))
    assert ask(world, f'{{ task(id: "{task}") {{ id }} }}')["task"] is None
    with worker.lock:
        worker.tasks[task] = {**known, "version": str(worker.head + 1_000_000)}  # without an event
    got = ask(world, f'{{ task(id: "{task}") {{ type payload source status }} }}')["task"]
    assert got == {"type": "direct", "payload": {"a": 1}, "source": "LIVE", "status": "PENDING"}, got
    assert psql(world.url, f"SELECT payload FROM tasks WHERE id = '{task}'") == [['{"a": 1}']]
    with worker.lock:
        del worker.tasks[task]


def so_is_a_job(world):
    worker, read, known = world.worker, "query($id: ID!) { job(id: $id) { name schedule source } }", new_id()
    worker.put_job()
    assert world.gateway.graphql(read, {"id": known}, world.admin).data["job"] is None
    with worker.lock:
        other = next(iter(worker.jobs.values()))
        worker.jobs[known] = {**other, "id": known, "name": "direct", "version": str(worker.head + 1_000_000)}  # without an event
    got = world.gateway.graphql(read, {"id": known}, world.admin).data["job"]
    assert got == {"name": "direct", "schedule": other["schedule"], "source": "LIVE"}, got
    assert psql(world.url, f"SELECT name FROM jobs WHERE id = '{known}'") == [["direct"]]
    with worker.lock:
        del worker.jobs[known]


def attempts_are_asked_of_the_worker_for_each_task_at_once(world):
    worker = world.worker
    tasks = [worker.add("tried") for _ in range(40)]
    for n, task in enumerate(tasks):
        worker.attempts[task] = [{"attempt": i + 1, "worker": f"w{n}", "started_at_us": 1_764_000_000_000_000 + i,
                                  "finished_at_us": None if i == 2 else 1_764_000_000_500_000, "error": None if i else "no",
                                  "outcome": ("failed", "lease_lost", None)[i]} for i in range(n % 4)]
    eventually(lambda: len(psql(world.url, "SELECT 1 FROM tasks WHERE type = 'tried'")) == 40)
    query = ('{ tasks(first: 50, filter: { type: "tried" }) { nodes { id attempts { attempt worker startedAt finishedAt '
             "outcome error } } } }")
    nodes = {n["id"]: n["attempts"] for n in ask(world, query)["tasks"]["nodes"]}
    for n, task in enumerate(tasks):
        assert [a["outcome"] for a in nodes[task]] == ["FAILED", "LEASE_LOST", None][:n % 4], (n, nodes[task])
        assert all(a["worker"] == f"w{n}" for a in nodes[task])
    full = nodes[tasks[3]]
    assert full[0] == {"attempt": 1, "worker": "w3", "startedAt": "2025-11-24T16:00:00.000000Z",
                       "finishedAt": "2025-11-24T16:00:00.500000Z", "outcome": "FAILED", "error": "no"}, full
    assert full[2]["finishedAt"] is None
    # More than the cost allows is refused before anybody is asked.
    refused = world.gateway.graphql(query.replace("first: 50", "first: 500").replace("nodes { id", "nodes { id a: attempts { attempt } "
                                    "b: attempts { attempt }"), None, world.admin)
    assert refused.code == "QUERY_TOO_COMPLEX", refused.text


def without_the_worker_the_cache_answers_and_says_so(world):
    worker, gateway = world.worker, world.gateway
    world.live()
    health = "{ systemHealth { status outboxWaiting services { name status detail since latencyMs feedLagSeconds breaker breakerSince } } }"
    part = lambda h: next(s for s in h["services"] if s["name"] == "worker")  # noqa: E731
    up = eventually(lambda: (lambda h: h if h["status"] == "UP" else None)(ask(world, health)["systemHealth"]))
    assert [s["name"] for s in up["services"]] == ["gateway", "database", "worker"], up
    assert part(up)["breaker"] == "CLOSED" and up["services"][1]["breaker"] is None, up
    assert part(up)["latencyMs"] > 0 and part(up)["feedLagSeconds"] < 2 and part(up)["detail"] is None, up
    stream = Stream(gateway, "subscription { healthChanged { status services { name status latencyMs } } }", world.admin)
    assert stream.next().data["healthChanged"]["status"] == "UP"
    task = next(iter(worker.tasks))
    everything = ("{ tasks(first: 1) { source nodes { source } } jobs { source } dashboardStats(window: \"5m\") { source } "
                  "taskCounts { source } historicalTrends(metrics: [TASKS_CREATED, USERS_CREATED]) { source } "
                  f'task(id: "{task}") {{ source attempts {{ attempt }} }} none: task(id: "{new_id()}") {{ id }} }}')
    worker.vanish()
    try:
        away = eventually(lambda: (lambda h: h if part(h)["status"] == "DOWN" else None)(ask(world, health)["systemHealth"]))
        assert away["status"] == "DEGRADED" and part(away)["latencyMs"] is None and part(away)["detail"], away
        assert part(away)["since"] > part(up)["since"] and away["outboxWaiting"] == 0, away
        opened = eventually(lambda: (lambda h: h if part(h)["breaker"] == "OPEN" else None)(ask(world, health)["systemHealth"]))
        assert part(opened)["breakerSince"] > part(up)["breakerSince"], opened
        verbose = gateway.get("/readyz?verbose").text
        assert f"[-] worker failed since {part(away)['since']}: " in verbose, verbose
        event = stream.next().data["healthChanged"]
        while event["services"][2]["status"] != "DOWN":
            event = stream.next().data["healthChanged"]
        assert event["status"] == "DEGRADED" and event["services"][2]["latencyMs"] is None, event
        cached = eventually(lambda: (lambda d: d if d["tasks"]["source"] == "CACHE" else None)(ask(world, everything)))
        assert cached["tasks"]["nodes"][0]["source"] == "CACHE" and cached["dashboardStats"]["source"] == "CACHE"
        assert cached["taskCounts"] == {"source": "CACHE"} and [t["source"] for t in cached["historicalTrends"]] == ["CACHE", "LIVE"]
        assert {j["source"] for j in cached["jobs"]} == {"CACHE"} and cached["none"] is None, cached
        assert cached["task"] == {"source": "CACHE", "attempts": []}, cached
        assert gateway.get("/readyz").status == 200
        assert gateway.get("/healthz").json["services"]["worker"] == "down"
    finally:
        worker.launch()
    world.live()
    assert ask(world, everything)["taskCounts"] == {"source": "LIVE"}
    back = eventually(lambda: (lambda h: h if h["status"] == "UP" else None)(ask(world, health)["systemHealth"]))
    assert part(back)["since"] > part(away)["since"], back
    closed = eventually(lambda: (lambda h: h if part(h)["breaker"] == "CLOSED" else None)(ask(world, health)["systemHealth"]))
    assert part(closed)["breakerSince"] > part(opened)["breakerSince"], closed
    stream.close()


def who_lags_behind_is_told_since_when(world):
    """Somebody holds the table, while the worker goes on: since then it is late, however long it answers already."""
    query = "{ systemHealth { services { name status detail since feedLagSeconds } } }"
    part = lambda: next(s for s in ask(world, query)["systemHealth"]["services"] if s["name"] == "worker")  # noqa: E731
    is_now = lambda status: eventually(lambda: (lambda p: p if p["status"] == status else None)(part()))  # noqa: E731
    up = is_now("UP")
    with subprocess.Popen(["psql", "-XqAt", world.url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        holder.stdin.write("BEGIN; LOCK TABLE tasks IN SHARE MODE; SELECT to_char(now() AT TIME ZONE 'UTC', "
                           "'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"');\n")
        holder.stdin.flush()
        held_at = holder.stdout.readline().strip()
        world.worker.add("late")
        late = is_now("DEGRADED")
        assert late["since"] > held_at > up["since"] and late["detail"].startswith("the cache"), (held_at, up, late)
        assert f"[-] worker failed since {late['since']}: the cache" in world.gateway.get("/readyz?verbose").text
        eventually(lambda: part()["feedLagSeconds"] > late["feedLagSeconds"] + 0.5)
        assert part()["since"] == late["since"], "it is one time of lagging"
        holder.stdin.close()
    back = is_now("UP")
    assert back["since"] > late["since"] and back["detail"] is None, (late, back)


def main():
    with Postgres() as postgres, FakeWorker() as worker, Gateway(postgres.url, WORKER_URL=worker.url) as gateway:
        world = World(postgres.url, gateway, worker)
        world.live()
        run_tests([
            a_task_is_told_from_its_birth_to_its_end,
            a_filter_by_status_tells_who_comes_and_who_leaves,
            every_filter_lets_through_its_own_and_no_other,
            one_task_is_followed_by_its_id_and_by_the_end_of_it,
            what_comes_quickly_is_told_as_it_ended,
            a_filter_by_state_follows_a_task_through_it,
            a_job_is_told_when_it_changes,
            what_cannot_be_followed_is_refused,
            a_user_may_have_only_so_many_open,
            who_missed_changes_is_told_so,
            who_comes_again_is_told_what_he_missed,
            a_stream_says_where_it_is_before_anything_happens,
            a_quiet_stream_moves_on_with_what_concerns_others,
            another_gateway_goes_on_where_this_one_was,
            many_changes_are_told_each_row_once_and_all_that_come_meanwhile,
            who_was_away_too_long_is_told_to_read_anew,
            what_is_no_place_is_refused_and_now_is_one,
            without_the_worker_a_resumed_stream_ends_and_may_be_tried_again,
            a_task_that_is_not_in_the_table_is_asked_of_the_worker_and_stored, so_is_a_job,
            attempts_are_asked_of_the_worker_for_each_task_at_once,
            without_the_worker_the_cache_answers_and_says_so,
            who_lags_behind_is_told_since_when,
        ], world)


if __name__ == "__main__":
    main()
