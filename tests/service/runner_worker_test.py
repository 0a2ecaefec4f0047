#!/usr/bin/env python3
"""The real runner and the real worker on a real PostgreSQL: tasks from their creation to their result.
Usage: runner_worker_test.py PROGRAM"""

import http.client
import http.server
import json
import os
import re
import signal
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../support"))
from gateway_rig import PROGRAM, WAIT_S, Postgres, Process, eventually, run_tests  # noqa: E402
from ids import new_id  # noqa: E402
from runner_rig import Runner  # noqa: E402


GATEWAY_TOKEN, RUNNER_TOKEN = "token-of-the-gateway", "token-of-runners"


class Worker(Process):
    """One `windlass worker`. `settings` are WINDLASS_ variables without the prefix."""

    def __init__(self, url, port=0, **settings):
        environment = {"ENV": "development", "LOG_SQL": "off", "WORKER_PORT": str(port),
                       "GATEWAY_TOKEN": GATEWAY_TOKEN, "RUNNER_TOKEN": RUNNER_TOKEN,
                       "SESSION_TTL": "1s", **settings}
        super().__init__("worker", [PROGRAM, "worker"],
                         {"PATH": os.environ["PATH"], "DATABASE_URL": url,
                          **{"WINDLASS_" + name: value for name, value in environment.items()}})
        with self.starting():
            self.port = int(self.wait_for_log(r"event=service\.started .*address=\S+:(\d+)").group(1))
            eventually(lambda: self.request("GET", "/readyz")[0] == 200)

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def request(self, method, path, body=None):
        """(status, JSON or text)."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=WAIT_S)
        try:
            connection.request(method, path, None if body is None else json.dumps(body),
                               {"Content-Type": "application/json", "Authorization": f"Bearer {GATEWAY_TOKEN}"})
            response = connection.getresponse()
            text = response.read().decode()
            is_json = (response.headers.get("Content-Type") or "").startswith("application/json")
            return response.status, json.loads(text) if is_json else text
        finally:
            connection.close()

    def create(self, type_name, payload=None, **more):
        """The task's id."""
        task = {"id": new_id(), "type": type_name, "payload": payload or {}, "priority": "normal",
                "queue": "default", "actor": "ada@example.org", "is_fresh": True, **more}
        status, answer = self.request("POST", "/v1/tasks", {"tasks": [task], "is_atomic": False})
        assert status == 200 and "task" in answer["results"][0], (status, answer)
        return task["id"]

    def look(self, task):
        """(task, attempts)."""
        status, answer = self.request("GET", f"/v1/tasks/{task}")
        assert status == 200, (status, answer)
        return answer["task"], answer["attempts"]

    def wait_state(self, task, *states):
        """(task, attempts), once it is in one of the states. A worker that does not lead yet is waited for."""
        def reached():
            status, answer = self.request("GET", f"/v1/tasks/{task}")
            if status == 503:
                return None
            assert status == 200, (status, answer)
            return answer["task"]["state"] in states
        eventually(reached)
        return self.look(task)  # task and attempts are read one after the other: now both are settled


class World:
    def __init__(self, worker, database_url):
        self.worker, self.database_url = worker, database_url

    def runner(self, **settings):
        return Runner(self.worker.url, RUNNER_TOKEN=RUNNER_TOKEN, **settings)


def a_task_runs_and_its_result_is_kept(world):
    with world.runner():
        task = world.worker.create("sleep", {"seconds": 0.05})
        found, attempts = world.worker.wait_state(task, "succeeded", "dead")
        assert (found["state"], found["result"]) == ("succeeded", {"slept_seconds": 0.05}), found
        assert found["attempt"] == 1 and found["error"] is None, found
        assert [a["outcome"] for a in attempts] == ["succeeded"], attempts
        assert attempts[0]["worker"] and attempts[0]["finished_at_us"] >= attempts[0]["started_at_us"], attempts


def many_tasks_all_run_once(world):
    with world.runner(RUNNER_SLOTS="200"):
        body = {"tasks": [{"id": new_id(), "type": "noop", "payload": {"n": n}, "is_fresh": True}
                          for n in range(1000)]}
        status, answer = world.worker.request("POST", "/v1/tasks", body)
        assert status == 200 and all("task" in r for r in answer["results"]), answer
        for task in body["tasks"][::50] + body["tasks"][-1:]:
            found, attempts = world.worker.wait_state(task["id"], "succeeded", "dead")
            assert found["state"] == "succeeded" and len(attempts) == 1, (found, attempts)


def a_failing_task_is_tried_again_until_it_is_dead(world):
    with world.runner():
        task = world.worker.create("fail", {"message": "no luck"}, max_attempts=2)
        found, attempts = world.worker.wait_state(task, "dead", "succeeded")
        assert (found["state"], found["attempt"], found["error"]) == ("dead", 2, "no luck"), found
        assert [a["outcome"] for a in attempts] == ["failed", "failed"], attempts


def a_task_that_fails_for_a_while_succeeds_in_the_end(world):
    with world.runner():
        task = world.worker.create("fail", {"times": 1}, max_attempts=3)
        found, attempts = world.worker.wait_state(task, "succeeded", "dead")
        assert (found["state"], found["result"]) == ("succeeded", {"attempt": 2}), found
        assert [a["outcome"] for a in attempts] == ["failed", "succeeded"], attempts


def a_fatal_failure_is_not_tried_again(world):
    with world.runner():
        task = world.worker.create("fail", {"fatal": True, "message": "never"}, max_attempts=5)
        found, attempts = world.worker.wait_state(task, "dead", "succeeded")
        assert (found["state"], found["attempt"], found["error"]) == ("dead", 1, "never"), found
        assert len(attempts) == 1, attempts


def a_wrong_payload_is_refused_once_a_runner_was_seen(world):
    task = {"id": new_id(), "type": "fail", "payload": {"fatal": 3}, "is_fresh": True}
    with world.runner():
        pass
    status, answer = world.worker.request("POST", "/v1/tasks", {"tasks": [task]})
    message = "tasks[0].payload: $.fatal: true or false expected, got number"
    assert status == 200 and answer["results"][0]["error"]["message"] == message, answer


def a_request_keeps_its_answer_as_the_result(world):
    class Handler(http.server.BaseHTTPRequestHandler):
        def log_message(self, *_):
            pass

        def do_POST(self):
            got = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            text = json.dumps({"got": got, "task": self.headers["Windlass-Task"]}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)
    site = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=site.serve_forever, args=(0.02,))
    thread.start()
    payload = {"url": f"http://127.0.0.1:{site.server_address[1]}/", "method": "POST", "body": {"a": "\u00e9"}}
    try:
        with world.runner():
            task = world.worker.create("http.request", payload)
            found, _ = world.worker.wait_state(task, "dead", "succeeded", "retrying")
            assert found["state"] == "dead" and "http-allow" in found["error"], found
        with world.runner(HTTP_ALLOW="127.0.0.1"):
            task = world.worker.create("http.request", payload)
            found, _ = world.worker.wait_state(task, "dead", "succeeded", "retrying")
            assert found["result"]["body"] == {"got": {"a": "\u00e9"}, "task": task}, found
    finally:
        site.shutdown()
        site.server_close()
        thread.join(WAIT_S)


def a_running_task_can_be_cancelled(world):
    with world.runner() as runner:
        task = world.worker.create("sleep", {"seconds": 3600})
        world.worker.wait_state(task, "running")
        status, answer = world.worker.request("POST", f"/v1/tasks/{task}:cancel", {"actor": "ada@example.org"})
        assert status == 200, answer
        found, attempts = world.worker.wait_state(task, "cancelled", "dead", "succeeded")
        assert found["state"] == "cancelled", found
        assert [a["outcome"] for a in attempts] == ["cancelled"], attempts
        eventually(lambda: runner.metric("windlass_runner_tasks_running") == 0)
        assert runner.metric('windlass_runner_tasks_total{type="sleep",outcome="cancelled"}') == 1


def a_task_that_takes_too_long_is_timed_out(world):
    with world.runner():
        task = world.worker.create("sleep", {"seconds": 3600}, timeout_s=1, max_attempts=1)
        found, attempts = world.worker.wait_state(task, "dead", "succeeded", "cancelled")
        assert found["state"] == "dead" and "timed out" in found["error"], found
        assert len(attempts) == 1 and attempts[0]["outcome"] in ("timed_out", "failed"), attempts


def a_killed_runner_s_task_runs_again_elsewhere(world):
    first = world.runner()
    try:
        task = world.worker.create("sleep", {"seconds": 1.5}, max_attempts=3)
        world.worker.wait_state(task, "running")
    finally:
        first.process.kill()
        first.process.wait(WAIT_S)
    with world.runner():
        found, attempts = world.worker.wait_state(task, "succeeded", "dead")
        assert (found["state"], found["attempt"]) == ("succeeded", 2), found
        assert [a["outcome"] for a in attempts] == ["lease_lost", "succeeded"], attempts


def a_stopped_runner_s_task_goes_on_elsewhere_without_the_cost_of_an_attempt(world):
    with world.runner():
        task = world.worker.create("sleep", {"seconds": 1.5}, max_attempts=1)
        world.worker.wait_state(task, "running")
    found, _ = world.worker.look(task)
    assert found["state"] in ("ready", "retrying", "scheduled"), found
    with world.runner():
        found, _ = world.worker.wait_state(task, "succeeded", "dead")
        assert found["state"] == "succeeded", found


def a_runner_outlives_its_worker(world):
    with world.runner() as runner:
        task = world.worker.create("sleep", {"seconds": 2})
        world.worker.wait_state(task, "running")
        world.worker.stop(signal.SIGKILL)
        world.worker.log_file.close()
        world.worker = Worker(world.database_url, world.worker.port)
        found, attempts = world.worker.wait_state(task, "succeeded", "dead")
        assert found["state"] == "succeeded", (found, attempts)
        later = world.worker.create("noop")
        assert world.worker.wait_state(later, "succeeded", "dead")[0]["state"] == "succeeded"
        runner.wait_for_log(r"event=worker\.back")
        assert len(re.findall(r"event=session\.opened", runner.log)) >= 1


TESTS = [
    a_task_runs_and_its_result_is_kept,
    many_tasks_all_run_once,
    a_failing_task_is_tried_again_until_it_is_dead,
    a_task_that_fails_for_a_while_succeeds_in_the_end,
    a_fatal_failure_is_not_tried_again,
    a_wrong_payload_is_refused_once_a_runner_was_seen,
    a_request_keeps_its_answer_as_the_result,
    a_running_task_can_be_cancelled,
    a_task_that_takes_too_long_is_timed_out,
    a_killed_runner_s_task_runs_again_elsewhere,
    a_stopped_runner_s_task_goes_on_elsewhere_without_the_cost_of_an_attempt,
    a_runner_outlives_its_worker,
]

if __name__ == "__main__":
    with Postgres() as postgres:
        the_world = World(Worker(postgres.url), postgres.url)
        try:
            run_tests(TESTS, the_world)
        finally:
            the_world.worker.stop()
