#!/usr/bin/env python3
"""A gateway that is killed between the worker's commit and its own answer: the audit log has each act once, out of the
worker's own record. Usage: gateway_acts_test.py PROGRAM"""

import http.client
import json
import os
import signal
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../support"))
from between import Between  # noqa: E402
from gateway_rig import Gateway, Postgres, eventually, run_tests, unanswered  # noqa: E402
from gateway_mirror_test import sql  # noqa: E402
from worker_rig import GATEWAY_TOKEN, Caller, Worker, new_id  # noqa: E402

EMAIL = "admin@example.org"
AUDIT = ("query($action: String) { auditLog(action: $action, first: 100) { nodes { action subject actorLabel actor { id } detail } } }")
CANCEL = "mutation($f: TaskFilter!) { cancelTasks(filter: $f) { matched done } }"
PASSED_ON = ("Authorization", "Content-Type")


class Last(Between):
    """The way to the worker. What `path` asks for is done, `calls` times answered, and the next time whoever asked is
    killed before he hears of it; the feed has told him nothing of it either."""

    def __init__(self, worker):
        self.worker, self.path, self.calls, self.gateway = worker, None, 0, None
        self.changed = threading.Condition()
        super().__init__()

    def kill_at(self, gateway, path, calls=0):
        with self.changed:
            self.gateway, self.path, self.calls = gateway, path, calls

    def ask(self, handler, body):
        connection = http.client.HTTPConnection("127.0.0.1", self.worker.port, timeout=60)
        try:
            connection.request(handler.command, handler.path, body,
                               {name: handler.headers[name] for name in PASSED_ON if name in handler.headers})
            response = connection.getresponse()
            return response.status, response.getheader("Content-Type"), response.read()
        finally:
            connection.close()

    def carry(self, handler, body):
        is_armed = self.path is not None
        if is_armed and handler.path.startswith("/v1/feed"):
            with self.changed:
                self.changed.wait_for(lambda: self.path is None, 60)
            self.hang_up(handler)
            return
        answer = self.ask(handler, body)
        if is_armed and self.path is not None and handler.path.startswith("/v1/feed"):
            self.hang_up(handler)
        elif is_armed and handler.path == self.path and self.calls == 0:
            assert answer[0] == 200, answer
            self.gateway.process.send_signal(signal.SIGKILL)
            self.gateway.process.wait(60)
            self.gateway.process.returncode = 0
            self.kill_at(None, None)
            with self.changed:
                self.changed.notify_all()
            self.hang_up(handler)
        else:
            self.calls -= is_armed and handler.path == self.path
            self.send(handler, *answer)


class World:
    def __init__(self, url, worker):
        self.url, self.worker, self.way = url, worker, Last(worker)
        self.start()
        self.admin = self.gateway.set_up()
        self.admin_id = self.ask("{ me { id } }")["me"]["id"]
        eventually(lambda: sql(url, "SELECT 1 FROM mirror WHERE cursor <> ''"))

    def start(self):
        self.gateway = Gateway(self.url, WORKER_URL=f"http://127.0.0.1:{self.way.port}", GATEWAY_TOKEN=GATEWAY_TOKEN)

    def ask(self, query, variables=None):
        return self.gateway.graphql(query, variables, self.admin).data

    def killed_during(self, query, variables, path, calls=0):
        """It is not answered; then there is another gateway, which knows all that the worker has done."""
        self.way.kill_at(self.gateway, path, calls)
        unanswered(self.gateway, query, variables, self.admin)
        assert not sql(self.url, "SELECT 1 FROM audit_log WHERE action = 'none'")
        self.start()
        caller = Caller(self.worker)
        eventually(lambda: sql(self.url, "SELECT cursor FROM mirror") == [[caller.get("/v1/feed").json["cursor"]]])
        caller.close()

    def audit(self, action):
        entries = self.ask(AUDIT, {"action": action})["auditLog"]["nodes"]
        assert all(e["actorLabel"] == EMAIL and e["actor"] == {"id": self.admin_id} for e in entries), entries
        return [(e["subject"], e["detail"]) for e in entries]

    def waiting(self, kind, count):
        """So many tasks of that type, which the mirror has."""
        caller = Caller(self.worker)
        answer = caller.post("/v1/tasks", {"tasks": [{"id": new_id(), "type": kind, "payload": {}} for _ in range(count)],
                                           "is_atomic": False})
        assert answer.status == 200, answer.text
        caller.close()
        eventually(lambda: sql(self.url, f"SELECT count(*) FROM tasks WHERE type = '{kind}'") == [[str(count)]])

    def end(self):
        self.gateway.__exit__(None)
        self.way.end()


def a_queue_that_was_paused_and_resumed(world):
    pause = "mutation($n: String!, $r: String) { pauseQueue(name: $n, reason: $r) { paused } }"
    resume = "mutation($n: String!) { resumeQueue(name: $n) { paused } }"
    world.killed_during(pause, {"n": "slow", "r": "broken"}, "/v1/queues:pause")
    assert world.ask("{ queues { name paused } }")["queues"] == [{"name": "slow", "paused": True}]
    assert world.audit("queue.pause") == [("queue:slow", {"reason": "broken"})]
    world.killed_during(resume, {"n": "slow"}, "/v1/queues:resume")
    assert world.audit("queue.resume") == [("queue:slow", None)]


def settings_of_a_type(world):
    update = "mutation($t: String!, $s: TaskTypeSettingsInput!) { updateTaskType(type: $t, settings: $s) { type } }"
    world.killed_during(update, {"t": "mail", "s": {"maxRunning": 7, "timeoutSeconds": 60}}, "/v1/types:update")
    assert world.audit("task-type.update") == [("task-type:mail", {"maxRunning": 7, "timeoutSeconds": 60})]
    world.ask(update, {"t": "mail", "s": {"maxRunning": 8}})  # by nobody who is killed: once as well
    assert world.audit("task-type.update")[0] == ("task-type:mail", {"maxRunning": 8})
    world.killed_during(update, {"t": "mail", "s": {"maxRunning": 9}}, "/v1/types:update")
    assert [d["maxRunning"] for _, d in world.audit("task-type.update")] == [9, 8, 7]


def a_bulk_action(world):
    world.waiting("few", 30)
    world.killed_during(CANCEL, {"f": {"type": ["few"]}}, "/v1/tasks:bulk")
    ((subject, detail),) = world.audit("tasks.cancel")
    assert subject == "tasks" and detail.pop("asOf") and detail == {"filter": {"type": ["few"]}, "matched": 30, "done": 30, "refused": 0}
    assert not world.audit("task.cancel")


def a_bulk_action_of_several_calls_is_one_entry_that_says_how_far_it_came(world):
    world.waiting("lot", 4500)
    world.killed_during(CANCEL, {"f": {"type": ["lot"]}}, "/v1/tasks:bulk", calls=1)  # of three
    subject, detail = world.audit("tasks.cancel")[0]
    assert detail.pop("asOf") and detail == {"filter": {"type": ["lot"]}, "matched": 4500, "done": 4000, "refused": 0,
                                             "unfinished": True}, detail
    assert world.ask(CANCEL, {"f": {"type": ["lot"], "status": ["PENDING"]}})["cancelTasks"] == {"matched": 500, "done": 500}
    assert world.audit("tasks.cancel")[0][1]["done"] == 500
    assert len(world.audit("tasks.cancel")) == 3 and "unfinished" not in world.audit("tasks.cancel")[0][1]


def an_entry_that_is_finished_is_never_changed(world):
    before = sql(world.url, "SELECT id, detail FROM audit_log WHERE detail IS NOT NULL ORDER BY id")
    ids = [row[0] for row in before if "unfinished" not in json.loads(row[1])]
    assert ids and sql(world.url, f"SELECT audit_finish(ARRAY['{ids[0]}', '{ids[-1]}']::uuid[], ARRAY['{{}}', '{{}}'])") == [["0"]]
    assert sql(world.url, "SELECT id, detail FROM audit_log WHERE detail IS NOT NULL ORDER BY id") == before


def what_is_told_late_takes_nothing_back(world):
    """Of several shards each tells at its own pace what an act had come to."""
    entry = new_id()

    def told(**detail):
        (changed,), = sql(world.url, f"SELECT audit_finish(ARRAY['{entry}']::uuid[], ARRAY['{json.dumps(detail)}'])")
        (now,), = sql(world.url, f"SELECT detail FROM audit_log WHERE id = '{entry}'")
        assert changed == "0" or json.loads(now) == detail, (now, detail)
        return changed == "1"
    first = json.dumps({"done": 10, "refused": 1, "shards": [1, 0], "unfinished": True})
    sql(world.url, f"INSERT INTO audit_log (id, actor_label, action, subject, detail) VALUES ('{entry}', 'x', 'x', 'x', '{first}')")
    assert told(done=12, refused=1, shards=[1, 0], unfinished=True) and told(done=12, refused=3, shards=[1, 0, 2], unfinished=True)
    assert not told(done=9, refused=3, shards=[1, 0, 2], unfinished=True) and not told(done=12, refused=2, shards=[1, 0, 2], unfinished=True)
    assert not told(done=12, refused=3, shards=[2, 3], unfinished=True) and not told(unfinished=True)
    assert told(done=11, refused=3, error="nobody knows of the last one"), "the end counts"
    assert not told(done=13, refused=3)


TESTS = [
    a_queue_that_was_paused_and_resumed,
    settings_of_a_type,
    a_bulk_action,
    a_bulk_action_of_several_calls_is_one_entry_that_says_how_far_it_came,
    an_entry_that_is_finished_is_never_changed,
    what_is_told_late_takes_nothing_back,
]


if __name__ == "__main__":
    with Postgres() as the_postgres, Worker(the_postgres.url) as the_worker:
        the_world = World(the_postgres.url, the_worker)
        try:
            run_tests(TESTS, the_world)
        finally:
            the_world.end()
