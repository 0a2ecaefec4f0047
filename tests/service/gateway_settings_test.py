#!/usr/bin/env python3
"""Settings of task types, and queues: read, changed, refused, written down, and shown while the worker is away. Usage:
gateway_settings_test.py PROGRAM"""

import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../support"))
from fake_worker import FakeWorker, now_us  # noqa: E402
from gateway_rig import Gateway, Postgres, create_user, eventually, psql, run_tests  # noqa: E402

TYPE = ("type paused pausedBy { id email } pausedReason maxRunning maxRunningPerKey keyPath ratePerSecond burst "
        "ratePerKeyPerSecond burstPerKey maxAttempts timeoutSeconds retentionDays running waiting source")
QUEUE = "name paused pausedBy { id } pausedReason waiting running oldestWaitingSeconds source"
TYPES = "query($type: String) { taskTypeSettings(type: $type) { %s } }" % TYPE
QUEUES = "{ queues { %s } }" % QUEUE
UPDATE = ("mutation($type: String!, $settings: TaskTypeSettingsInput!) { updateTaskType(type: $type, settings: $settings) { %s } }"
          % TYPE)
PAUSE = "mutation($name: String!, $reason: String) { pauseQueue(name: $name, reason: $reason) { %s } }" % QUEUE
RESUME = "mutation($name: String!) { resumeQueue(name: $name) { %s } }" % QUEUE
DEFAULTS = {"paused": False, "pausedBy": None, "pausedReason": None, "maxRunning": None, "maxRunningPerKey": None,
            "keyPath": None, "ratePerSecond": None, "burst": None, "ratePerKeyPerSecond": None, "burstPerKey": None,
            "maxAttempts": 5, "timeoutSeconds": 300,
            "retentionDays": 30, "running": 0, "waiting": 0, "source": "LIVE"}


class World:
    def __init__(self, url, gateway, worker):
        self.url, self.gateway, self.worker = url, gateway, worker
        self.admin = gateway.set_up()
        self.operator_id = create_user(gateway, self.admin, "op@example.org", "OPERATOR")
        create_user(gateway, self.admin, "viewer@example.org")
        self.operator, self.viewer = gateway.login("op@example.org"), gateway.login("viewer@example.org")

    def ask(self, query, variables=None, token=None, gateway=None):
        return (gateway or self.gateway).graphql(query, variables, token or self.viewer)

    def sent(self, path, action, subject, detail):
        """What the worker was asked last, without the entry of the audit log that goes with it."""
        body = dict(self.worker.seen(path)[-1])
        record = body.pop("record")
        assert record.pop("id") and record == {"actor": "op@example.org", "user": self.operator_id, "action": action,
                                               "subject": subject, "is_last": True, **detail}, record
        return body

    def do(self, query, **variables):
        return self.ask(query, variables, self.operator)

    def audit(self, subject):
        return self.ask("query($subject: String) { auditLog(subject: $subject) { nodes { action actorLabel actor { id } detail } } }",
                        {"subject": subject}, self.admin).data["auditLog"]["nodes"]


def types_are_shown_as_the_worker_tells_them(world):
    task = world.worker.add("plain")
    world.worker.add("plain", state="blocked")
    got = world.ask(TYPES, {"type": "plain"}).data["taskTypeSettings"]
    assert got == [{"type": "plain", **DEFAULTS, "waiting": 2}], got
    world.worker.start(task)
    world.worker.put_type("limited", max_running=3, max_running_per_key=1, key_path="customer.id", rate_per_s=0.5, burst=2,
                          max_attempts=9, timeout_s=60, retention_days=1)
    both = world.ask(TYPES).data["taskTypeSettings"]
    assert both == [
        {"type": "limited", **DEFAULTS, "maxRunning": 3, "maxRunningPerKey": 1, "keyPath": "customer.id", "ratePerSecond": 0.5,
         "burst": 2, "maxAttempts": 9, "timeoutSeconds": 60, "retentionDays": 1},
        {"type": "plain", **DEFAULTS, "waiting": 1, "running": 1}], both
    assert world.ask(TYPES, {"type": "unheard of"}).data == {"taskTypeSettings": []}
    assert world.ask(TYPES, {"type": ""}).code == "BAD_USER_INPUT"
    assert world.gateway.graphql(TYPES).code == "UNAUTHENTICATED"


def what_changes_reaches_the_worker_and_nothing_else(world):
    settings = {"maxRunning": 2, "ratePerSecond": 1.5, "burst": 10, "keyPath": "a.b", "maxRunningPerKey": 1,
                "ratePerKeyPerSecond": 0.25, "burstPerKey": 4, "maxAttempts": 7, "timeoutSeconds": 30, "retentionDays": 3}
    got = world.do(UPDATE, type="mail", settings=settings).data["updateTaskType"]
    assert got == {"type": "mail", **DEFAULTS, **settings}, got
    sent = world.sent("/v1/types:update", "task-type.update", "task-type:mail", {"detail": settings})
    assert sent == {"type": "mail", "actor": "op@example.org", "user": world.operator_id,
                    "settings": {"max_running": 2, "rate_per_s": 1.5, "burst": 10, "key_path": "a.b", "max_running_per_key": 1,
                                 "rate_per_key_per_s": 0.25, "burst_per_key": 4, "max_attempts": 7, "timeout_s": 30, "retention_days": 3}}, sent
    got = world.do(UPDATE, type="mail", settings={"maxRunning": None, "keyPath": None}).data["updateTaskType"]
    assert got == {"type": "mail", **DEFAULTS, **settings, "maxRunning": None, "keyPath": None}, got
    assert world.worker.seen("/v1/types:update")[-1]["settings"] == {"max_running": None, "key_path": None}
    rows = world.audit("task-type:mail")
    assert [(r["action"], r["actorLabel"], r["actor"]["id"], r["detail"]) for r in rows] == [
        ("task-type.update", "op@example.org", world.operator_id, {"maxRunning": None, "keyPath": None}),
        ("task-type.update", "op@example.org", world.operator_id, settings)], rows


def a_paused_type_says_by_whom(world):
    got = world.do(UPDATE, type="sms", settings={"paused": True, "pausedReason": "the provider is down"}).data["updateTaskType"]
    assert got["paused"] and got["pausedReason"] == "the provider is down", got
    assert got["pausedBy"] == {"id": world.operator_id, "email": "op@example.org"}, got
    gone = create_user(world.gateway, world.admin, "gone@example.org", "OPERATOR")
    token = world.gateway.login("gone@example.org")
    assert world.ask(UPDATE, {"type": "fax", "settings": {"paused": True}}, token).data["updateTaskType"]["pausedBy"]["id"] == gone
    assert world.ask("mutation($id: ID!) { deleteUser(id: $id) }", {"id": gone}, world.admin).data["deleteUser"]
    shown = world.ask(TYPES, {"type": "fax"}).data["taskTypeSettings"][0]
    assert shown["paused"] and shown["pausedBy"] is None, shown
    for name in ("sms", "fax"):
        assert not world.do(UPDATE, type=name, settings={"paused": False}).data["updateTaskType"]["paused"]


def wrong_settings_are_refused_by_name_before_the_worker_is_asked(world):
    seen = len(world.worker.seen("/v1/types:update"))
    for settings, message in (
            ({}, "settings: names nothing to change"),
            ({"paused": None}, "settings.paused: must not be null"),
            ({"maxAttempts": None}, "settings.maxAttempts: must not be null"),
            ({"timeoutSeconds": None}, "settings.timeoutSeconds: must not be null"),
            ({"retentionDays": None}, "settings.retentionDays: must not be null"),
            ({"maxRunning": 0}, "settings.maxRunning: must be 1 to 1000000, not 0"),
            ({"maxRunningPerKey": -1}, "settings.maxRunningPerKey: must be 1 to 1000000, not -1"),
            ({"burst": 1000001}, "settings.burst: must be 1 to 1000000, not 1000001"),
            ({"ratePerSecond": 0}, "settings.ratePerSecond: must be 0.001 to 100000, not 0"),
            ({"ratePerKeyPerSecond": 0.0001}, "settings.ratePerKeyPerSecond: must be 0.001 to 100000, not 0.0001"),
            ({"burstPerKey": 0}, "settings.burstPerKey: must be 1 to 1000000, not 0"),
            ({"ratePerSecond": -1e300}, "settings.ratePerSecond: must be 0.001 to 100000, not -1e+300"),
            ({"ratePerSecond": 100000.5}, "settings.ratePerSecond: must be 0.001 to 100000, not 100000.5"),
            ({"maxAttempts": 1001}, "settings.maxAttempts: must be 1 to 1000, not 1001"),
            ({"timeoutSeconds": 0}, "settings.timeoutSeconds: must be 1 to 2592000, not 0"),
            ({"retentionDays": 0}, "settings.retentionDays: must be 1 to 36500, not 0"),
            ({"keyPath": ""}, "settings.keyPath: must have 1 to 200 characters, not 0"),
            ({"pausedReason": "x" * 501}, "settings.pausedReason: must have 1 to 500 characters, not 501"),
            ({"pausedReason": "a\nb"}, "settings.pausedReason: must not hold control characters")):
        answer = world.do(UPDATE, type="mail", settings=settings)
        assert answer.code == "BAD_USER_INPUT" and answer.error["message"] == message, (settings, answer.text)
    for name, message in (("", "must have 1 to 200"), ("x" * 201, "must have 1 to 200"), ("é" * 150, "longer than 200 bytes")):
        answer = world.do(UPDATE, type=name, settings={"paused": True})
        assert answer.code == "BAD_USER_INPUT" and answer.error["message"].startswith("type: ") and message in answer.text, answer.text
        answer = world.do(PAUSE, name=name)
        assert answer.code == "BAD_USER_INPUT" and answer.error["message"].startswith("name: ") and message in answer.text, answer.text
    answer = world.do(PAUSE, name="q", reason="")
    assert answer.code == "BAD_USER_INPUT" and answer.error["message"].startswith("reason: "), answer.text
    assert world.ask(UPDATE, {"type": "mail", "settings": {"paused": True}}).code == "FORBIDDEN"
    assert world.ask(PAUSE, {"name": "q"}).code == "FORBIDDEN" and world.ask(RESUME, {"name": "q"}).code == "FORBIDDEN"
    assert len(world.worker.seen("/v1/types:update")) == seen and not world.worker.seen("/v1/queues:pause")


def what_the_worker_refuses_is_said_in_the_words_of_the_api(world):
    for told, message in (("settings.max_running_per_key: needs a key_path", "settings.maxRunningPerKey: needs a keyPath"),
                          ("settings.burst: needs a rate_per_s", "settings.burst: needs a ratePerSecond"),
                          ("settings.rate_per_key_per_s: needs a key_path", "settings.ratePerKeyPerSecond: needs a keyPath"),
                          ("settings.max_running: is too much", "settings.maxRunning: is too much"),
                          ("settings.key_path: is no path", "settings.keyPath: is no path"), ("is no my_key_path_s", "is no my_key_path_s"),
                          ("type: is no name", "type: is no name"), ("settings.other: what", "settings.other: what")):
        world.worker.refuse_settings = told
        try:
            answer = world.do(UPDATE, type="refused", settings={"maxRunningPerKey": 1})
            assert answer.code == "BAD_USER_INPUT" and answer.error["message"] == message, answer.text
        finally:
            world.worker.refuse_settings = None
    assert world.audit("task-type:refused") == []


def queues_are_paused_and_resumed(world):
    world.worker.add("plain", now_us() - 5_000_000, queue="slow")
    shown = {q["name"]: q for q in world.ask(QUEUES).data["queues"]}
    assert 5 <= shown["slow"].pop("oldestWaitingSeconds") < 3600
    assert shown["slow"] == {"name": "slow", "paused": False, "pausedBy": None, "pausedReason": None, "waiting": 1, "running": 0,
                             "source": "LIVE"}, shown["slow"]
    got = world.do(PAUSE, name="slow", reason="a migration").data["pauseQueue"]
    assert got["paused"] and got["pausedReason"] == "a migration" and got["pausedBy"] == {"id": world.operator_id}, got
    sent = world.sent("/v1/queues:pause", "queue.pause", "queue:slow", {"detail": {"reason": "a migration"}})
    assert sent == {"queue": "slow", "reason": "a migration", "actor": "op@example.org", "user": world.operator_id}, sent
    got = world.do(RESUME, name="slow").data["resumeQueue"]
    assert (got["paused"], got["pausedReason"], got["pausedBy"]) == (False, None, None), got
    assert world.do(PAUSE, name="empty").data["pauseQueue"]["oldestWaitingSeconds"] is None
    assert world.do(RESUME, name="empty").data["resumeQueue"]["name"] == "empty"
    assert [(r["action"], r["detail"]) for r in world.audit("queue:slow")] == [
        ("queue.resume", None), ("queue.pause", {"reason": "a migration"})]


def health_and_doctor_name_what_is_paused(world):
    health, doctor = "{ systemHealth { status services { name status detail } } }", "{ doctor { name result detail } }"

    def of_worker(query, part):
        entries = world.ask(query, token=world.admin).data[part]
        return next(e for e in (entries["services"] if part == "systemHealth" else entries) if e["name"] == "worker")
    eventually(lambda: of_worker(health, "systemHealth")["status"] == "UP")
    assert of_worker(health, "systemHealth")["detail"] is None and of_worker(doctor, "doctor")["detail"] == "it answers"
    world.worker.put_type("mail", is_paused=True)  # not through this gateway: by the feed
    world.worker.put_queue("slow", True)
    eventually(lambda: of_worker(health, "systemHealth")["detail"] == "paused: task type mail; queue slow")
    assert of_worker(health, "systemHealth")["status"] == "UP"
    told = of_worker(doctor, "doctor")
    assert told == {"name": "worker", "result": "OK", "detail": "it answers; paused: task type mail; queue slow"}, told
    for i in range(30):
        world.worker.put_type(f"a type of a longer name {i}", is_paused=True)
    eventually(lambda: " more; queue slow" in of_worker(health, "systemHealth")["detail"])
    assert len(of_worker(health, "systemHealth")["detail"]) < 400
    with world.worker.lock:  # whose log begins anew, with lower numbers and other things
        world.worker.begin_anew()
        world.worker.put_type("anew", is_paused=True)
    eventually(lambda: of_worker(health, "systemHealth")["detail"] == "paused: task type anew")
    eventually(lambda: world.worker.followed == world.worker.head)  # the list came before the feed goes on
    world.worker.put_type("anew", is_paused=False)
    world.worker.put_queue("slow", False)
    for i in range(30):
        world.worker.put_type(f"a type of a longer name {i}", is_paused=False)
    world.worker.put_type("mail", is_paused=False)
    eventually(lambda: of_worker(health, "systemHealth")["detail"] is None)


def what_changed_before_a_feed_that_begins_anew_is_not_missed(world):
    """Types and queues are asked for when the cursor is there; whoever asked before it saw none of this."""
    worker = world.worker
    health = "{ systemHealth { services { name detail } } }"
    asked = len(worker.seen("/v1/types"))

    def change():
        until = time.monotonic() + 2  # for one who asks before it
        while len(worker.seen("/v1/types")) == asked and time.monotonic() < until:
            worker.changed.wait(0.05)
        worker.put_type("begun", is_paused=True)
    worker.on_begin = change
    try:
        with worker.changed:
            worker.forget()
            worker.put_nothing()
            worker.forget()
        eventually(lambda: any((s["detail"] or "").startswith("paused: task type begun")
                               for s in world.ask(health).data["systemHealth"]["services"]))
    finally:
        worker.on_begin = None
        worker.put_type("begun", is_paused=False)


def what_it_told_last_is_shown_while_it_is_away(world):
    worker = world.worker
    with Gateway(world.url, WORKER_URL=worker.url) as fresh:
        settings = {"type": "mail", "settings": {"maxRunning": 4}}
        assert world.do(UPDATE, **settings).code == "ok"
        assert world.ask(QUEUES, gateway=fresh).code == world.ask(TYPES, gateway=fresh).code == "ok"
        worker.put_type("mail", max_running=5)  # which nobody asks for any more: the feed tells it
        worker.add("after")
        eventually(lambda: world.ask('{ tasks(filter: { type: ["after"] }) { totalCount } }', gateway=fresh)
                   .data["tasks"]["totalCount"] == 1)
        worker.vanish()
        try:
            shown = world.ask(TYPES, {"type": "mail"}, gateway=fresh).data["taskTypeSettings"][0]
            assert shown["maxRunning"] == 5 and shown["source"] == "CACHE", shown
            assert all(q["source"] == "CACHE" for q in world.ask(QUEUES, gateway=fresh).data["queues"])
            for query, variables in ((UPDATE, settings), (PAUSE, {"name": "slow"}), (RESUME, {"name": "slow"})):
                answer = world.ask(query, variables, world.operator, fresh)
                assert answer.code == "WORKER_UNAVAILABLE" and "Worker Service" in answer.error["message"], answer.text
            with Gateway(world.url, WORKER_URL=worker.url) as newer:  # that never heard of it
                assert world.ask(TYPES, gateway=newer).code == "WORKER_UNAVAILABLE"
                assert world.ask(QUEUES, gateway=newer).code == "WORKER_UNAVAILABLE"
        finally:
            worker.launch()
        eventually(lambda: all(t["source"] == "LIVE" for t in world.ask(TYPES, gateway=fresh).data["taskTypeSettings"]))


def a_gateway_that_nobody_asked_has_something_to_show(world):
    before = len(world.worker.seen("/v1/types"))
    with Gateway(world.url, WORKER_URL=world.worker.url) as quiet:
        eventually(lambda: len(world.worker.seen("/v1/types")) > before)
        eventually(lambda: len(world.worker.seen("/v1/queues")) > 0)
        world.worker.is_away = True
        try:
            eventually(lambda: world.ask(TYPES, gateway=quiet).code == "ok")
            assert {t["source"] for t in world.ask(TYPES, gateway=quiet).data["taskTypeSettings"]} == {"CACHE"}
        finally:
            world.worker.is_away = False


def an_answer_that_never_came_leaves_the_change_in_doubt(world):
    # A breaker that an earlier test has opened would not even ask.
    eventually(lambda: world.do(UPDATE, type="doubt", settings={"maxRunning": 2}).code == "ok")
    world.worker.is_mute_after = True
    try:
        answer = world.do(UPDATE, type="doubt", settings={"maxRunning": 1})
        assert answer.code == "WORKER_UNAVAILABLE" and "may or may not" in answer.error["message"], answer.text
    finally:
        world.worker.is_mute_after = False

    def is_told():  # once the breaker lets calls through again
        answer = world.ask(TYPES, {"type": "doubt"})
        return answer.code == "ok" and [x["maxRunning"] for x in answer.data["taskTypeSettings"]] == [1]
    eventually(is_told)


def what_is_no_answer_is_not_believed(world):
    good = world.worker.type_of("mail")
    with Gateway(world.url, WORKER_URL=world.worker.url, FEED_LAG_MAX="2s") as fresh:
        for change in ({"type": None}, {"is_paused": "yes"}, {"paused_by": "me"}, {"max_running": "3"}, {"max_running": 1.5},
                       {"max_attempts": None}, {"running": None}, {"rate_per_s": "fast"}):
            world.worker.types_answer = {"types": [{**good, **change}]}
            answer = world.ask(TYPES, gateway=fresh)
            assert answer.code in ("WORKER_UNAVAILABLE", "ok"), answer.text
            if answer.code == "ok":  # what it told when this gateway began
                assert all(t["source"] == "CACHE" for t in answer.data["taskTypeSettings"]), change
        world.worker.types_answer = None
        assert world.ask(TYPES, gateway=fresh).code == "ok"


WHY = "why { code text expectedAt blockedBy { id type } }"
LIST = '{ tasks(filter: { type: ["%s"] }, first: 100) { nodes { id %s } } }' % ("%s", WHY)
ONE = "query($id: ID!) { task(id: $id) { %s } }" % WHY


def reach(world, *ids):
    """Until the gateway's table has them."""
    count = '{ tasks(filter: { ids: %s }) { totalCount } }' % str(list(ids)).replace("'", '"')
    eventually(lambda: world.ask(count).data["tasks"]["totalCount"] == len(ids))


def why_is_asked_of_the_worker_once_a_level(world):
    worker = world.worker
    blocker = worker.add("blocker")
    ids = [worker.add("why") for _ in range(50)]
    done, failed = worker.add("why"), worker.add("why")
    for task in (done, failed):
        worker.start(task)
    worker.finish(done, "succeeded")
    worker.finish(failed, "dead", error="x", why={"code": "QUARANTINED", "text": "three crashes"})
    later = now_us() + 3_600_000_000
    told = {"code": "CONCURRENCY_LIMIT", "text": "the limit of 1 is used", "expected_at_us": later, "blocked_by": [blocker]}
    for task in ids[:49]:
        worker.whys[task] = told
    worker.whys[ids[49]] = {"code": "FROM_THE_FUTURE", "text": "x"}
    reach(world, *ids, done, failed, blocker)
    before = len(worker.seen("/v1/tasks:get"))
    nodes = {n["id"]: n["why"] for n in world.ask(LIST % "why").data["tasks"]["nodes"]}
    asked = worker.seen("/v1/tasks:get")[before:]
    assert len(asked) == 1 and sorted(asked[0]["ids"]) == sorted(ids), asked
    for task in ids[:49]:
        why = nodes[task]
        assert why["code"] == "CONCURRENCY_LIMIT" and why["text"] == told["text"], why
        assert why["expectedAt"] and why["blockedBy"] == [{"id": blocker, "type": "blocker"}], why
    assert nodes[ids[49]] is None and nodes[done] is None
    assert nodes[failed] == {"code": "QUARANTINED", "text": "three crashes", "expectedAt": None, "blockedBy": []}, nodes[failed]
    assert world.ask('{ tasks(filter: { type: ["why"] }, first: 50) { nodes { id state } } }').code == "ok"
    assert len(worker.seen("/v1/tasks:get")) == before + 1  # nobody asked why


def a_reason_is_of_this_moment_and_is_not_kept(world):
    worker = world.worker
    task = worker.add("moment")
    reach(world, task)
    for code in ("PAUSED", "RATE_LIMIT", "NO_WORKER", "BEHIND_OTHERS"):
        worker.whys[task] = {"code": code, "text": code, "expected_at_us": None, "blocked_by": []}
        assert world.ask(ONE, {"id": task}).data["task"]["why"]["code"] == code
    worker.tasks[task]["state"] = "running"  # which the feed has not told yet
    worker.whys[task] = None
    assert world.ask(ONE, {"id": task}).data["task"]["why"] is None
    worker.tasks[task]["state"] = "ready"
    del worker.whys[task]
    worker.tasks[task]["why"] = {"code": "PAUSED", "text": "told with the row"}
    retried = worker.add("moment", state="dead")
    reach(world, retried)
    worker.tasks[retried]["why"] = worker.tasks[task]["why"]
    assert world.do("mutation($id: ID!) { retryTask(id: $id) { state } }", id=retried).code == "ok"
    assert psql(world.url, "SELECT DISTINCT why IS NULL FROM tasks WHERE type = 'moment'") == [["t"]]


def while_the_worker_is_away_why_is_what_the_row_tells(world):
    worker = world.worker
    later = now_us() + 3_600_000_000
    first = worker.add("row")
    due, scheduled = worker.add("row"), worker.add("row", state="scheduled", run_at_us=later)
    blocked = worker.add("row", state="blocked", depends_on=[first])
    retrying = worker.add("row")
    worker.start(retrying)
    worker.wait(retrying, run_at_us=later)
    reach(world, first, due, scheduled, blocked, retrying)
    eventually(lambda: world.ask(ONE, {"id": retrying}).data["task"]["why"]["code"] == "RETRY_BACKOFF")
    for name in ("is_away", "is_hanging"):
        setattr(worker, name, True)
        try:
            whys = {n["id"]: n["why"] for n in world.ask(LIST % "row").data["tasks"]["nodes"]}
        finally:
            setattr(worker, name, False)
        assert whys[due] is None, whys[due]
        assert whys[scheduled]["code"] == "NOT_DUE" and whys[scheduled]["expectedAt"], whys[scheduled]
        assert whys[retrying]["code"] == "RETRY_BACKOFF" and whys[retrying]["expectedAt"], whys[retrying]
        assert whys[blocked]["code"] == "DEPENDENCY" and [b["id"] for b in whys[blocked]["blockedBy"]] == [first], whys[blocked]


def what_cannot_be_written_down_at_once_the_mirror_writes(world):
    psql(world.url, "ALTER TABLE audit_log ADD CONSTRAINT no_queue CHECK (action <> 'queue.pause') NOT VALID")
    try:
        answer = world.do(PAUSE, name="unaudited")
        assert answer.code == "ok" and world.worker.queue_of("unaudited")["is_paused"], answer.text
        assert "event=audit.later action=queue.pause subject=queue:unaudited" in world.gateway.log
        world.gateway.wait_for_log("event=mirror.stuck")
    finally:
        psql(world.url, "ALTER TABLE audit_log DROP CONSTRAINT no_queue")
    eventually(lambda: [r["action"] for r in world.audit("queue:unaudited")] == ["queue.pause"])
    assert world.do(RESUME, name="unaudited").code == "ok"


def main():
    with Postgres() as postgres, FakeWorker() as worker, Gateway(postgres.url, WORKER_URL=worker.url) as gateway:
        run_tests([
            types_are_shown_as_the_worker_tells_them,
            what_changes_reaches_the_worker_and_nothing_else,
            a_paused_type_says_by_whom,
            wrong_settings_are_refused_by_name_before_the_worker_is_asked,
            what_the_worker_refuses_is_said_in_the_words_of_the_api,
            queues_are_paused_and_resumed,
            health_and_doctor_name_what_is_paused,
            what_changed_before_a_feed_that_begins_anew_is_not_missed,
            what_it_told_last_is_shown_while_it_is_away,
            a_gateway_that_nobody_asked_has_something_to_show,
            an_answer_that_never_came_leaves_the_change_in_doubt,
            what_is_no_answer_is_not_believed,
            why_is_asked_of_the_worker_once_a_level,
            a_reason_is_of_this_moment_and_is_not_kept,
            while_the_worker_is_away_why_is_what_the_row_tells,
            what_cannot_be_written_down_at_once_the_mirror_writes,
        ], World(postgres.url, gateway, worker))


if __name__ == "__main__":
    main()
