#!/usr/bin/env python3
"""Both SDKs by one plan: workers made with them run tasks of the real worker through the real gateway,
are killed, drained, cancelled, cut off. Usage: sdk_test.py PROGRAM node|python BUILD-FOLDER"""

import http.server
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading

HERE = os.path.dirname(os.path.abspath(__file__))
SDK, EXAMPLES = os.path.join(HERE, "../../sdk"), os.path.join(HERE, "../../examples")
sys.path.insert(0, os.path.join(HERE, "../support"))
# pylint: disable=wrong-import-position
from gateway_rig import WAIT_S, eventually, run_tests
from lease_rig import OutsideWorld
from refuser import Refuser
from worker_rig import Caller, Worker, new_id

LANGUAGE = sys.argv[2]
NO_NODE = 77


def prepare(build):
    """The command of a driver, and the variables that it needs; None where there is no Node."""
    if LANGUAGE == "python":
        return [sys.executable, os.path.join(HERE, "sdk_driver.py")], {}
    done = subprocess.run([os.path.join(HERE, "../support/npm.sh"), build, os.path.join(SDK, "node"), "sdk-node"],
                          stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode == NO_NODE:
        return None
    assert done.returncode == 0, "the packages could not be installed"
    node, work = os.path.join(done.stdout.strip(), "node"), os.path.join(build, "sdk-node")
    subprocess.run([node, os.path.join(work, "node_modules/typescript/bin/tsc"), "-p", os.path.join(SDK, "node"),
                    "--outDir", os.path.join(work, "dist"), "--incremental",
                    "--tsBuildInfoFile", os.path.join(work, "dist", "tsbuildinfo"), "--typeRoots", os.path.join(work, "node_modules/@types")],
                   check=True)
    return [node, os.path.join(HERE, "sdk_driver.mjs")], {"SDK": os.path.join(work, "dist", "index.js")}


class Driver:
    """A process that runs tasks of one type."""

    def __init__(self, world, task_type, *args, slots=4, ttl_ms=20_000, drain_ms=20_000, url=None, token=None):
        self.log_file = tempfile.TemporaryFile("a+")
        self.events, self.output = [], ""
        self.process = subprocess.Popen(
            [*world.command, *args], stdout=subprocess.PIPE, stderr=self.log_file, text=True,
            env={"PATH": os.environ["PATH"], **world.variables, "URL": url or world.url, "TOKEN": token or world.token,
                 "TYPE": task_type, "SLOTS": str(slots), "TTL_MS": str(ttl_ms), "DRAIN_MS": str(drain_ms)})
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self):
        for line in self.process.stdout:
            self.output += line
            self.events.append(json.loads(line))

    @property
    def log(self):
        self.log_file.seek(0)
        return self.log_file.read()

    def told(self, event, task=None):
        """The first such event, once it was told."""
        def look():
            found = [e for e in self.events if e.get("event") == event and task in (None, e["task"])]
            assert found or self.process.poll() is None, f"it ended: {self.log}"
            return found
        return eventually(look)[0]

    def end(self, signum=signal.SIGTERM):
        """The exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signum)
        code = self.process.wait(WAIT_S)
        self.reader.join(WAIT_S)
        return code

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind is not None:
            print("\n".join("# " + line for line in self.log.splitlines()[-30:]))
        self.process.kill()
        self.process.wait(WAIT_S)
        self.reader.join(WAIT_S)
        self.process.stdout.close()
        self.log_file.close()


def finished(world, task, status="COMPLETED"):
    """The task, once it is that."""
    def look():
        found = world.task(task)
        assert found["status"] in (status, "PENDING", "IN_PROGRESS"), found
        return found["status"] == status and found
    return eventually(look)


def is_state(world, task, state):
    return eventually(lambda: (found := world.task(task))["state"] == state and found)


def sessions(world, task_type):
    caller = Caller(world.worker)
    found = [w for w in caller.get("/v1/workers").json["workers"]
             if w["worker"] == "driver" and w["types"] == [task_type]]
    caller.close()
    return found


def handlers_run_at_once_up_to_their_slots(world):
    tasks = [world.create(type="many", payload={"do": "slow", "ms": 50}) for _ in range(24)]
    tasks += [world.create(type="many", payload={"do": "echo", "value": i}) for i in range(200)]
    with Driver(world, "many", slots=4) as driver:
        for i, task in enumerate(tasks):
            found = finished(world, task)
            assert found["attempt"] == 1, found
            assert found["result"] == ({"echo": i - 24, "attempt": 1} if i >= 24 else {"attempt": 1}), found
        assert max(e["running"] for e in driver.events) in (2, 3, 4), driver.events
        task = world.create(type="many", payload={"do": "slow", "ms": 1})  # while it waits for one
        finished(world, task)
        assert driver.end() == 0, driver.log


def failures_are_tried_again_unless_they_are_fatal(world):
    with Driver(world, "failing") as driver:
        made = {what: world.create(type="failing", payload={"do": what}) for what in ("fail", "fatal", "retry", "snooze")}
        assert finished(world, made["retry"])["attempt"] == 2
        assert finished(world, made["snooze"])["attempt"] == 1
        found = finished(world, made["fatal"], "FAILED")
        assert (found["attempt"], found["error"]) == (1, "never"), found
        assert is_state(world, made["fail"], "RETRYING")["error"] == "no luck"
        assert driver.end() == 0, driver.log


def a_result_that_cannot_be_kept_fails_alone(world):
    with Driver(world, "results") as driver:
        bad = {what: world.create(type="results", payload={"do": what}) for what in ("no json", "long")}
        good = [world.create(type="results", payload={"do": "echo"}) for _ in range(10)]
        for task in good:
            finished(world, task)
        assert "no JSON" in finished(world, bad["no json"], "FAILED")["error"]
        assert "refused" in (found := finished(world, bad["long"], "FAILED"))["error"], found
        assert driver.end() == 0, driver.log


FIND = "query($type: String!) { tasks(first: 5, filter: { type: [$type] }) { nodes { payload priority queue } } }"


def what_a_handler_says_is_kept_or_refused_to_it_alone(world):
    with Driver(world, "said", token=world.make_token(scopes=["LEASE", "API"])[0]) as driver:
        bad, good = (world.create(type="said", payload={"do": what}) for what in ("bad checkpoint", "spawn"))
        resumed = world.create(type="said", payload={"do": "resume"})
        assert "checkpoint: is longer" in finished(world, bad)["result"]["detail"]
        driver.told("checkpointed", resumed)  # though the same heartbeat may have had the other
        finished(world, good)
        (spawned,) = eventually(lambda: world.gateway.graphql(FIND, {"type": "elsewhere"}, world.admin).data["tasks"]["nodes"])
        assert spawned == {"payload": {"n": 1}, "priority": "HIGH", "queue": "default"}, spawned
        caller = Caller(world.worker)
        lines = caller.get(f"/v1/tasks/{good}/log").json["lines"]
        assert [line["text"] for line in lines] == ["half \ufffd a character"], lines
        caller.close()
        assert driver.end(signal.SIGKILL) != 0


def tasks_of_a_killed_worker_run_again(world):
    with Driver(world, "killed", ttl_ms=2_000) as first:
        tasks = [world.create(type="killed", payload={"do": "hang once"}) for _ in range(3)]
        for task in tasks:
            first.told("started", task)
        first.end(signal.SIGKILL)
        with Driver(world, "killed") as second:
            for task in tasks:
                assert finished(world, task)["result"] == {"attempt": 2, "checkpoint": None}
            assert second.end() == 0, second.log


def a_drain_finishes_what_runs_and_takes_nothing_new(world):
    with Driver(world, "drained", slots=2) as driver:
        tasks = [world.create(type="drained", payload={"do": "slow", "ms": 1_000}) for _ in range(2)]
        for task in tasks:
            driver.told("started", task)
        left = [world.create(type="drained", payload={"do": "slow", "ms": 1}) for _ in range(4)]
        assert driver.end() == 0, driver.log
        assert not sessions(world, "drained")
        for task in tasks:
            assert finished(world, task)["attempt"] == 1
        for task in left:
            assert (found := world.task(task))["status"] == "PENDING" and found["attempt"] == 0, found


def a_drain_that_takes_too_long_gives_back_without_an_attempt(world):
    with Driver(world, "overdue", drain_ms=100) as driver:
        task = world.create(type="overdue", payload={"do": "hang"})
        driver.told("started", task)
        assert driver.end() == 0, driver.log
        assert driver.told("stopped")["reason"] == "shutdown"
        found = eventually(lambda: (t := world.task(task))["status"] == "PENDING" and t)
        assert found["attempt"] == 0, found
        assert not sessions(world, "overdue")


def a_checkpoint_is_handed_to_the_next_attempt(world):
    with Driver(world, "resumed", ttl_ms=2_000) as first:
        task = world.create(type="resumed", payload={"do": "resume"})
        first.told("checkpointed")
        first.end(signal.SIGKILL)
    with Driver(world, "resumed") as second:
        assert finished(world, task)["result"] == {"attempt": 2, "checkpoint": {"at": 3}}
        assert second.end() == 0, second.log


CANCEL = "mutation($id: ID!) { cancelTask(id: $id) { id } }"


def cancelling_reaches_the_handler(world):
    with Driver(world, "cancelled") as driver:
        task = world.create(type="cancelled", payload={"do": "hang"})
        driver.told("started")
        assert world.gateway.graphql(CANCEL, {"id": task}, world.admin).data["cancelTask"]["id"] == task
        assert driver.told("stopped")["reason"] == "cancelled"
        is_state(world, task, "CANCELLED")
        assert driver.end() == 0, driver.log


def time_that_is_over_reaches_the_handler(world):
    with Driver(world, "late") as driver:
        task = world.create(type="late", payload={"do": "hang"}, timeoutSeconds=1, maxAttempts=1)
        assert driver.told("stopped")["reason"] == "timeout"
        assert finished(world, task, "FAILED")["error"] == "timed out"
        assert driver.end() == 0, driver.log


def progress_is_told_while_it_runs(world):
    with Driver(world, "progress") as driver:
        task = world.create(type="progress", payload={"do": "progress"})
        eventually(lambda: world.task(task)["progress"] == 0.5)
        assert driver.end(signal.SIGKILL) != 0


def a_restart_of_the_service_is_survived(world):
    with Driver(world, "survived", ttl_ms=60_000) as driver:
        tasks = [world.create(type="survived", payload={"do": "slow", "ms": 1_500}) for _ in range(4)]
        for task in tasks:
            driver.told("started", task)
        world.restart_worker()
        for task in tasks:
            assert finished(world, task)["attempt"] == 1, "it ran on"
        finished(world, world.create(type="survived", payload={"do": "echo"}))
        assert driver.end() == 0, driver.log


def a_worker_that_slept_through_its_session_begins_anew(world):
    with Driver(world, "asleep", ttl_ms=1_000) as driver:
        task = world.create(type="asleep", payload={"do": "hang once"})
        driver.told("started")
        driver.process.send_signal(signal.SIGSTOP)
        eventually(lambda: not sessions(world, "asleep"))
        driver.process.send_signal(signal.SIGCONT)
        assert driver.told("stopped")["reason"] == "lost"
        assert finished(world, task)["attempt"] == 2
        assert driver.end() == 0, driver.log


class Cutter:
    """A proxy that breaks the connection instead of passing on the first answer with a lease in it."""

    def __init__(self, world):
        self.target, self.cuts = (world.gateway.host, world.gateway.port), 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            server = socket.create_connection(self.target)
            for pair in ((client, server, False), (server, client, True)):
                threading.Thread(target=self.pump, args=pair, daemon=True).start()

    def pump(self, source, sink, is_answer):
        try:
            while data := source.recv(1 << 16):
                if is_answer and self.cuts == 0 and b'"leases":[{' in data:
                    self.cuts += 1
                    break
                sink.sendall(data)
        except OSError:
            pass
        for one in (source, sink):
            try:
                one.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


def leases_of_a_lost_answer_come_back_at_once(world):
    cutter = Cutter(world)
    with Driver(world, "lost", ttl_ms=600_000, url=cutter.url) as driver:
        eventually(lambda: sessions(world, "lost"))
        task = world.create(type="lost", payload={"do": "echo"})
        assert finished(world, task)["result"] == {"echo": None, "attempt": 1}
        assert cutter.cuts == 1
        assert driver.end() == 0, driver.log
    cutter.listener.close()


def acknowledgements_that_can_be_taken_only_later_stop_no_others(world):
    held = [world.create(type="held", payload={"do": "echo"}) for _ in range(2)]
    others = [world.create(type="held", payload=payload) for payload in ({"do": "echo"}, {"do": "slow", "ms": 2_000})]
    with Refuser(world) as refuser:
        refuser.held = set(held)
        with Driver(world, "held", slots=4, url=refuser.url) as driver:
            for task in others:
                assert finished(world, task)["attempt"] == 1
            assert refuser.refused < 50, "it goes in a circle"
            refuser.held = set()
            for task in held:
                assert finished(world, task)["attempt"] == 1
            assert driver.end() == 0, driver.log


class Doubler(Cutter):
    """A proxy that can send the last request for leases once more, and keeps the answer to itself."""

    def __init__(self, world):
        super().__init__(world)
        self.last, self.cuts = None, 1

    def pump(self, source, sink, is_answer):
        class Watched:  # pylint: disable=too-few-public-methods
            @staticmethod
            def recv(size):
                data = source.recv(size)
                if not is_answer and data.startswith(b"POST /v1/leases"):
                    self.last = data
                return data

            @staticmethod
            def shutdown(how):
                source.shutdown(how)
        super().pump(Watched, sink, is_answer)

    def double(self):
        """Until the answer has a lease."""
        with socket.create_connection(self.target) as server:
            server.sendall(self.last)
            heard = b""
            while b'"leases":[{' not in heard:
                data = server.recv(1 << 16)
                assert data, heard
                heard += data


def leases_of_a_doubled_request_come_back(world):
    doubler = Doubler(world)
    with Driver(world, "doubled", ttl_ms=3_000, url=doubler.url) as driver:
        eventually(lambda: sessions(world, "doubled") and doubler.last)
        thread = threading.Thread(target=doubler.double)
        thread.start()
        tasks = [world.create(type="doubled", payload={"do": "echo"}) for _ in range(2)]
        while thread.is_alive():  # the open request gets the first ones, the doubled one is next then
            tasks.append(world.create(type="doubled", payload={"do": "echo"}))
            thread.join(0.2)
        for task in tasks:
            assert finished(world, task)["result"]["echo"] is None
        assert driver.end() == 0, driver.log
    doubler.listener.close()


def a_revoked_token_ends_it_with_an_error(world):
    token, token_id = world.make_token()
    with Driver(world, "revoked", token=token) as driver:
        task = world.create(type="revoked", payload={"do": "hang"})
        driver.told("started", task)
        world.gateway.graphql("mutation($id: ID!) { revokeApiToken(id: $id) }", {"id": token_id}, world.admin)
        assert driver.told("stopped")["reason"] == "lost"
        assert driver.process.wait(WAIT_S) not in (0, None)
        assert "401 UNAUTHENTICATED" in driver.log, driver.log
    other, _ = world.make_token(types=["mail"])
    with Driver(world, "revoked", token=other) as driver:
        assert driver.process.wait(WAIT_S) not in (0, None)
        assert "types.revoked" in driver.log, driver.log


def a_task_is_created_once_however_often_it_is_asked_for(world):
    wanted = {"id": new_id(), "type": "created", "payload": {"do": "echo"}}
    token, _ = world.make_token(scopes=["API"])
    for _ in range(2):
        with Driver(world, "", json.dumps(wanted), token=token) as driver:
            assert driver.process.wait(WAIT_S) == 0, driver.log
            driver.reader.join(WAIT_S)
            assert driver.events == [{"id": wanted["id"], "accepted": True, "type": "created"}], driver.events


def the_session_names_its_host(world):
    with Driver(world, "named") as driver:
        (found,) = eventually(lambda: sessions(world, "named"))
        assert found["slots"] == 4 and found["host"] and not found["running"], found
        assert driver.end(signal.SIGINT) == 0, driver.log


class Pages(http.server.BaseHTTPRequestHandler):
    def do_GET(self):  # pylint: disable=invalid-name
        self.send_response(200 if self.path == "/good" else 404)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format, *args):  # pylint: disable=redefined-builtin
        pass


def example(world, folder):
    """Its command, its arguments, the result that it prints, and its variables."""
    if LANGUAGE == "python":
        with open(os.path.join(folder, "sales.csv"), "w", encoding="utf-8") as file:
            file.write("country,amount\n" + "".join(f"{c},0.5\n" for c in ("DE", "FR", '"D""E"') * 20_000))
        return [sys.executable, os.path.join(EXAMPLES, "python/csv_report.py")], ["sales.csv", "country", "amount"], \
            {"rows": 60_000, "sums": {"DE": 10_000, "FR": 10_000, 'D"E': 10_000}}, \
            {"PYTHONPATH": os.path.join(SDK, "python")}
    pages = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Pages)
    threading.Thread(target=pages.serve_forever, daemon=True).start()
    shutil.copy(os.path.join(EXAMPLES, "node/site-check.mjs"), folder)
    os.mkdir(os.path.join(folder, "node_modules"))
    os.symlink(os.path.dirname(os.path.dirname(world.variables["SDK"])), os.path.join(folder, "node_modules/windlass-sdk"))
    base = f"http://127.0.0.1:{pages.server_port}"
    return [world.command[0], "site-check.mjs"], [f"{base}/good", f"{base}/bad"], \
        {"good": 1, "bad": [{"url": f"{base}/bad", "why": "status 404"}]}, {}


def the_example_does_what_it_says(world):
    with tempfile.TemporaryDirectory() as folder:
        command, arguments, result, variables = example(world, folder)
        options = {"cwd": folder, "stderr": subprocess.PIPE, "text": True, "env": {
            "PATH": os.environ["PATH"], **variables, "WINDLASS_URL": world.url, "WINDLASS_TOKEN": world.token,
            "WINDLASS_API_TOKEN": world.make_token(scopes=["API"])[0]}}
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, **options) as worker:
            try:
                done = subprocess.run([*command, *arguments], stdout=subprocess.PIPE, timeout=WAIT_S, check=False, **options)
                assert done.returncode == 0 and json.loads(done.stdout) == result, done
                worker.send_signal(signal.SIGTERM)
                assert worker.wait(WAIT_S) == 0
            finally:
                worker.kill()


class TwoShards(OutsideWorld):
    """A second worker, with a database of its own, has the queue email."""

    QUEUES = "1:email"

    def start_worker(self, **settings):
        super().start_worker(SHARD_QUEUES=self.QUEUES, **settings)
        self.second = Worker(self.postgres.tell("database"), SHARD="1", SHARD_QUEUES=self.QUEUES)
        self.settings = {"SHARD_QUEUES": self.QUEUES, "SHARD_URLS": f"1:http://127.0.0.1:{self.second.port}"}

    def __exit__(self, kind, *_):
        try:
            super().__exit__(kind)
        finally:
            self.second.__exit__(kind)


def a_worker_has_a_session_with_each_shard(world):
    with TwoShards() as two:
        two.command, two.variables = world.command, world.variables
        two.token, _ = two.make_token()
        with Driver(two, "spread") as driver:
            for queue in ("default", "email", "default", "email"):
                task = two.create(type="spread", queue=queue, payload={"do": "echo", "value": queue})
                assert finished(two, task)["result"] == {"echo": queue, "attempt": 1}
            for worker in (two.worker, two.second):
                caller = Caller(worker)
                assert len([w for w in caller.get("/v1/workers").json["workers"] if w["worker"] == "driver"]) == 1
                caller.close()
            assert driver.end() == 0, driver.log


def what_is_spawned_stays_on_the_shard_or_is_refused_alone(world):
    with TwoShards() as two:
        two.command, two.variables = world.command, world.variables
        two.token, _ = two.make_token(scopes=["LEASE", "API"])
        with Driver(two, "spawning") as driver:
            wrong = two.create(type="spawning", queue="email", payload={"do": "spawn", "queue": "other"})
            error = finished(two, wrong, "FAILED")["error"]
            assert 'spawn[0].queue: "other" is of shard 0, this is shard 1' in error, error
            finished(two, two.create(type="spawning", queue="email", payload={"do": "spawn"}))
            (spawned,) = eventually(lambda: two.gateway.graphql(FIND, {"type": "elsewhere"}, two.admin).data["tasks"]["nodes"])
            assert spawned["queue"] == "email", spawned
            assert driver.end() == 0, driver.log


TESTS = [handlers_run_at_once_up_to_their_slots, failures_are_tried_again_unless_they_are_fatal,
         a_result_that_cannot_be_kept_fails_alone, what_a_handler_says_is_kept_or_refused_to_it_alone, tasks_of_a_killed_worker_run_again,
         a_drain_finishes_what_runs_and_takes_nothing_new, a_drain_that_takes_too_long_gives_back_without_an_attempt,
         a_checkpoint_is_handed_to_the_next_attempt, cancelling_reaches_the_handler, time_that_is_over_reaches_the_handler,
         progress_is_told_while_it_runs, a_restart_of_the_service_is_survived,
         a_worker_that_slept_through_its_session_begins_anew, leases_of_a_lost_answer_come_back_at_once,
         leases_of_a_doubled_request_come_back, acknowledgements_that_can_be_taken_only_later_stop_no_others,
         a_revoked_token_ends_it_with_an_error, a_task_is_created_once_however_often_it_is_asked_for,
         the_session_names_its_host, a_worker_has_a_session_with_each_shard,
         what_is_spawned_stays_on_the_shard_or_is_refused_alone, the_example_does_what_it_says]


def main():
    prepared = prepare(os.path.abspath(sys.argv[3]))
    if prepared is None:
        print("1..0 # SKIP no Node of at least 20.19 and none to be had")
        return
    with OutsideWorld() as world:
        world.command, world.variables = prepared
        world.token, _ = world.make_token()
        run_tests(TESTS, world)


if __name__ == "__main__":
    main()
