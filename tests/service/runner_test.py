#!/usr/bin/env python3
"""The runner against a scripted worker: leases, acknowledgements, cancellation, a worker that is away,
http.request and its guard, and the drain. Usage: runner_test.py PROGRAM"""

import http.server
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
import uuid

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../support"))
from gateway_rig import PROGRAM, WAIT_S, eventually, run_tests  # noqa: E402
from runner_rig import NO_ANSWER, Runner, Worker  # noqa: E402

OVERLOADED = (503, {"code": "OVERLOADED", "detail": "too many changes wait"})
UNAVAILABLE = (503, {"code": "UNAVAILABLE", "detail": "not the leader"})


class World:
    def __init__(self, folder):
        self.folder, self.count = folder, 0

    def worker(self, **options):
        self.count += 1
        return Worker(f"{self.folder}/{self.count}.sock", **options)


# ── task types ──

def tasks_run_and_their_results_are_acknowledged(world):
    with world.worker(poll_s=1) as worker, Runner(worker.url) as runner:
        ack = worker.run("noop", {"anything": [1]})
        assert ack["outcome"] == "complete" and "result" not in ack, ack
        ack = worker.run("sleep", {"seconds": 0.05})
        assert ack["outcome"] == "complete" and ack["result"] == {"slept_seconds": 0.05}, ack
        ack = worker.run("fail", {"message": "no \u00e9clair\n today"})
        assert (ack["outcome"], ack["error"]) == ("fail", "no \u00e9clair  today"), ack
        assert worker.run("fail", {"fatal": True})["outcome"] == "fatal"
        assert worker.run("fail", {"times": 2}, attempt=2)["outcome"] == "fail"
        ack = worker.run("fail", {"times": 2}, attempt=3)
        assert (ack["outcome"], ack["result"]) == ("complete", {"attempt": 3}), ack
        types = worker.session.opened_with["types"]
        assert types == {name: {"slots": 200, "schema": f"windlass:{name}"} for name in ("noop", "sleep", "fail", "http.request")}, types
        eventually(lambda: runner.metric("windlass_runner_acks_unanswered") == 0)
        assert runner.metric('windlass_runner_tasks_total{type="fail",outcome="fail"}') == 2
        assert runner.metric('windlass_runner_acks_total{verdict="applied"}') == 6
        assert runner.metric("windlass_runner_tasks_running") == 0


def a_wrong_payload_is_fatal_and_its_place_is_named(world):
    cases = [("sleep", None, "$.seconds: missing"), ("sleep", [], "$: object expected"),
             ("sleep", {"seconds": -1}, "$.seconds: number from 0 to 86400"),
             ("sleep", {"seconds": 86401}, "$.seconds: "), ("sleep", {"seconds": "1"}, "$.seconds: "),
             ("sleep", {"second": 1}, "$.second: unknown member; known: seconds"),
             ("fail", {"times": 1.5}, "$.times: "), ("fail", {"fatal": 1}, "$.fatal: "),
             ("http.request", {}, "$.url: missing"),
             ("http.request", {"url": "gopher://example.org/"}, "$.url: begins with neither")]
    with world.worker() as worker, Runner(worker.url):
        for type_name, payload, error in cases:
            ack = worker.run(type_name, payload)
            assert ack["outcome"] == "fatal" and ack["error"].startswith(error), (payload, ack)


def a_type_that_nobody_knows_is_left_to_others(world):
    with world.worker() as worker, Runner(worker.url):
        ack = worker.run("email", {})
        assert ack["outcome"] == "fail" and "type" in ack["error"], ack


# ── leases and acknowledgements ──

def no_more_is_asked_for_than_may_run(world):
    with world.worker(poll_s=1) as worker, Runner(worker.url, RUNNER_SLOTS="2"):
        assert worker.wait_for(lambda: worker.calls("leases"))[0]["max"] == 2
        long = [worker.give("sleep", {"seconds": 3600}) for _ in range(2)]
        worker.wait_for(lambda: len(worker.leased) == 2)
        polls = len(worker.calls("leases"))
        worker.next_call("heartbeats")
        worker.next_call("heartbeats")
        assert len(worker.calls("leases")) <= polls + 1
        for call in worker.calls("leases")[polls:]:
            assert call["max"] == 1, call  # asked between the two
        worker.tell(commands=[{"kind": "cancel", "task": long[0], "fence": worker.leased[long[0]],
                               "reason": "cancelled"}])
        assert worker.ack_of(long[0])["outcome"] == "cancelled"
        assert worker.run("noop")["outcome"] == "complete"
        # A worker that gives too many gets them back.
        worker.wait_for(lambda: not worker.waiting)
        with worker.changed:  # or the open poll takes one, and a full runner asks no more
            more = [worker.give("sleep", {"seconds": 3600}) for _ in range(3)]
            extra, worker.waiting = worker.waiting, []
        def too_many(answer, call):
            if "is_broken_off" in call:
                worker.script["leases"].append(too_many)
                return 200, answer
            worker.leased.update({lease["task"]: lease["fence"] for lease in extra})
            return 200, {**answer, "leases": extra}
        worker.script["leases"].append(too_many)
        worker.give("noop")
        released = worker.wait_for(lambda: [a for a, _, _ in worker.acks if a["outcome"] == "release"])
        assert released[0]["task"] in more


def an_outcome_does_not_wait_for_the_open_poll(world):
    with world.worker() as worker, Runner(worker.url):
        task = worker.give("sleep", {"seconds": 0.2})
        worker.ack_of(task)
        (_, carrier, verdict), = worker.acks_of(task)
        assert (carrier, verdict) == ("acks", "applied")  # the poll for more is open meanwhile


def many_outcomes_ride_on_the_next_poll(world):
    with world.worker() as worker, Runner(worker.url, RUNNER_SLOTS="100"):
        with worker.changed:
            tasks = {worker.give("noop") for _ in range(300)}
        worker.wait_for(lambda: len(worker.acks) == 300)
        assert {a["task"] for a, _, _ in worker.acks} == tasks
        assert all(v == "applied" for _, _, v in worker.acks)
        assert {c for _, c, _ in worker.acks} == {"leases"}
        assert len([c for c in worker.calls("leases") if c.get("acks")]) == 3


def two_calls_ask_while_many_wait(world):
    with world.worker(poll_s=1) as worker, Runner(worker.url, RUNNER_SLOTS="1000") as runner:
        with worker.changed:
            tasks = {worker.give("noop") for _ in range(3000)}
        worker.wait_for(lambda: len(worker.acks) == 3000)
        assert {a["task"] for a, _, _ in worker.acks} == tasks
        assert all(v == "applied" for _, _, v in worker.acks)
        assert runner.metric('windlass_runner_calls_total{call="more",result="ok"}') > 0
        # Together they ask for no more than may run.
        with worker.changed:
            for _ in range(1500):
                worker.give("sleep", {"seconds": 3600})
        worker.wait_for(lambda: len(worker.leased) >= 1000)
        worker.next_call("heartbeats")
        worker.next_call("heartbeats")
        assert len(worker.leased) == 1000 and len(worker.waiting) == 500
        assert not [a for a, _, _ in worker.acks if a["outcome"] == "release"]


def what_one_of_two_calls_leased_is_not_lost_with_its_answer(world):
    with world.worker(poll_s=1) as worker, Runner(worker.url, RUNNER_SLOTS="1000"):
        lost = []
        def lose_one(answer, call):
            if lost or call["wait_ms"] > 0 or not answer["leases"]:
                return 200, answer
            lost.append(answer["leases"])
            return NO_ANSWER
        with worker.changed:
            worker.script["leases"] += [lose_one] * 100
            tasks = {worker.give("noop") for _ in range(4000)}
        def completed():
            return {a["task"] for a, _, verdict in worker.acks if verdict == "applied"}
        worker.wait_for(lambda: completed() == tasks)
        assert lost and any("held" in call for call in worker.calls("leases"))


def the_last_tasks_of_a_lost_answer_are_asked_for_while_the_other_call_waits(world):
    """Nothing else comes that would end the waiting call, which was sent before the answer was lost."""
    with world.worker(poll_s=60) as worker, Runner(worker.url, RUNNER_SLOTS="1000"):
        lost, tasks = [], set()
        def waits_behind(call):
            calls = worker.calls("leases")
            first = next(i for i, other in enumerate(calls) if other is call)
            return next((other for other in calls[first:] if other["wait_ms"] > 0), None)
        def lose_last(answer, call):
            with worker.changed:
                if lost or call["wait_ms"] > 0 or not answer["leases"] or worker.waiting:
                    return 200, answer
                lost.append(call)
            eventually(lambda: waits_behind(call))
            return NO_ANSWER
        def completed():
            return {a["task"] for a, _, verdict in worker.acks if verdict == "applied"} == tasks
        for _ in range(50):
            with worker.changed:
                worker.script["leases"] = [lose_last] * 100
                tasks |= {worker.give("noop") for _ in range(1500)}
            worker.wait_for(lambda: lost or completed())
            if lost:
                break
        worker.wait_for(completed)
        assert waits_behind(lost[0])["is_broken_off"]


def an_outcome_without_an_answer_is_told_again(world):
    with world.worker() as worker, Runner(worker.url) as runner:
        worker.script["acks"] += [NO_ANSWER, (500, {}), lambda answer, _: (200, {**answer, "acks": []})]
        task = worker.give("sleep", {"seconds": 0.05})
        worker.wait_for(lambda: len(worker.acks_of(task)) == 4)
        eventually(lambda: runner.metric("windlass_runner_acks_unanswered") == 0)
        verdicts = [v for _, _, v in worker.acks_of(task)]
        assert verdicts == ["applied", "duplicate", "duplicate", "duplicate"], verdicts
        assert runner.metric('windlass_runner_acks_total{verdict="duplicate"}') == 1


def an_outcome_that_is_refused_holds_up_no_other(world):
    with world.worker() as worker, Runner(worker.url) as runner:
        def call_is_bad(answer, call):
            carried = call["results"]
            is_bad = any(a["task"] == tasks[1] and a["outcome"] == "complete" for a in carried)
            return (400, {"code": "BAD_USER_INPUT", "detail": "result is too long"}) \
                if is_bad else (200, answer)
        with worker.changed:
            worker.script["acks"] += [call_is_bad] * 20
            tasks = [worker.give("sleep", {"seconds": 0.1}) for _ in range(3)]
        worker.wait_for(lambda: any(a["outcome"] == "fatal" for a, _, _ in worker.acks))
        fatal = [a for a, _, _ in worker.acks if a["outcome"] == "fatal"]
        assert fatal[0]["task"] == tasks[1] and "result is too long" in fatal[0]["error"], fatal
        eventually(lambda: runner.metric("windlass_runner_acks_unanswered") == 0)
        for task in tasks:
            assert worker.acks_of(task), task


def after_a_lost_answer_the_worker_is_told_what_is_held(world):
    with world.worker() as worker, Runner(worker.url):
        kept = worker.give("sleep", {"seconds": 3600})
        worker.wait_for(lambda: kept in worker.leased)
        with worker.changed:
            worker.script["leases"].append(NO_ANSWER)  # for the poll behind the one that is open
            first = worker.give("noop")
        worker.wait_for(lambda: not worker.script["leases"])
        assert all("held" not in call for call in worker.calls("leases"))
        lost = worker.give("noop")
        assert worker.ack_of(lost)["outcome"] == "complete"
        held = next(call["held"] for call in worker.calls("leases") if "held" in call)
        assert {"task": kept, "fence": worker.leased[kept]} in held, held
        assert lost not in [h["task"] for h in held], held
        assert {h["task"] for h in held} <= {kept, first}, held
        worker.run("noop")
        assert "held" not in worker.calls("leases")[-1]


def what_a_doubled_request_leased_is_given_back(world):
    """It was carried out twice, and one of the answers came: nobody here knows of the other's task."""
    with world.worker(poll_s=1) as worker, Runner(worker.url):
        kept = worker.give("sleep", {"seconds": 3600})
        worker.wait_for(lambda: kept in worker.leased)
        unknown = str(uuid.uuid4())
        with worker.changed:
            worker.given[unknown] = {**worker.given[kept], "task": unknown, "type": "noop", "payload": {},
                                     "fence": "0:777777"}
            worker.leased[unknown] = "0:777777"
            worker.tells_held = True
        assert worker.ack_of(unknown)["outcome"] == "complete"
        held = next(call["held"] for call in worker.calls("leases") if "held" in call)
        assert held == [{"task": kept, "fence": worker.leased[kept]}], held


# ── cancellation, loss, deadlines ──

def a_cancelled_task_stops_and_says_so(world):
    with world.worker() as worker, Runner(worker.url) as runner:
        for reason, outcome in (("cancelled", "cancelled"), ("timeout", "fail")):
            task = worker.give("sleep", {"seconds": 3600})
            fence = worker.wait_for(lambda: worker.leased.get(task))
            worker.tell(commands=[{"kind": "cancel", "task": task, "fence": "0:0", "reason": reason},
                                  {"kind": "dance", "task": task},
                                  {"kind": "cancel", "task": task, "fence": fence, "reason": reason}])
            ack = worker.ack_of(task)
            assert (ack["outcome"], ack["fence"]) == (outcome, fence), ack
        eventually(lambda: runner.metric("windlass_runner_tasks_running") == 0)


def a_lost_lease_ends_its_task_without_a_word(world):
    with world.worker() as worker, Runner(worker.url) as runner:
        task = worker.give("sleep", {"seconds": 0.5})
        fence = worker.wait_for(lambda: worker.leased.get(task))
        assert {"task": task, "fence": fence} in worker.next_call("heartbeats")["tasks"]
        worker.tell(lost=[{"task": task, "fence": fence}])
        eventually(lambda: runner.metric('windlass_runner_tasks_total{type="sleep",outcome="lost"}') == 1)
        worker.run("sleep", {"seconds": 0.6})
        assert not worker.acks_of(task)


def heartbeats_name_every_running_task_in_turn(world):
    count, most = 1100, 500
    with world.worker() as worker, Runner(worker.url, RUNNER_SLOTS=str(count)):
        with worker.changed:
            tasks = {worker.give("sleep", {"seconds": 3600}) for _ in range(count)}
        worker.wait_for(lambda: len(worker.leased) == count)
        named = set()
        while named != tasks:
            told = [t["task"] for t in worker.next_call("heartbeats")["tasks"]]
            assert len(told) <= most, len(told)
            named |= set(told)


def a_task_that_passes_its_deadline_fails(world):
    with world.worker() as worker, Runner(worker.url):
        for offset_us in (100_000, -5_000_000):
            ack = worker.run("sleep", {"seconds": 3600}, deadline_us=int(time.time() * 1e6) + offset_us)
            assert (ack["outcome"], ack["error"]) == ("fail", "timed out"), ack


def a_task_that_was_given_out_anew_runs_once_and_under_its_new_fence(world):
    with world.worker() as worker, Runner(worker.url) as runner:
        task = worker.give("sleep", {"seconds": 3600})
        first = worker.wait_for(lambda: worker.leased.get(task))
        worker.give("sleep", {"seconds": 0.05}, task=task, attempt=2)
        ack = worker.ack_of(task)
        assert ack["outcome"] == "complete" and ack["fence"] != first, ack
        assert runner.metric('windlass_runner_tasks_total{type="sleep",outcome="lost"}') == 1


# ── the worker is away ──

def work_goes_on_while_the_worker_cannot_answer(world):
    with world.worker(ttl_ms=1000) as worker, Runner(worker.url) as runner:
        task = worker.give("sleep", {"seconds": 0.3})
        worker.wait_for(lambda: task in worker.leased)
        with worker.changed:
            for name, count in (("leases", 4), ("acks", 4), ("heartbeats", 12)):
                worker.script[name] += [UNAVAILABLE] * count
        assert worker.ack_of(task)["outcome"] == "complete"
        assert len(worker.sessions) == 1
        runner.wait_for_log(r"event=worker\.away reason=.*not the leader")
        runner.wait_for_log(r"event=worker\.back")
        worker.wait_for(lambda: not worker.script["heartbeats"])
        assert worker.run("noop")["outcome"] == "complete" and len(worker.sessions) == 1


def leases_run_out_where_the_leader_has_too_much_to_do(world):
    with world.worker(ttl_ms=1000) as worker, Runner(worker.url) as runner:
        task = worker.give("sleep", {"seconds": 3600})
        worker.wait_for(lambda: task in worker.leased)
        with worker.changed:  # who leads goes on counting their time
            for name in ("leases", "heartbeats"):
                worker.script[name] += [OVERLOADED] * 10_000
        eventually(lambda: runner.metric('windlass_runner_tasks_total{type="sleep",outcome="lost"}') == 1)
        with worker.changed:
            worker.script["leases"].clear()
            worker.script["heartbeats"].clear()


def an_ended_session_is_begun_anew_and_its_tasks_are_lost(world):
    with world.worker() as worker, Runner(worker.url) as runner:
        task = worker.give("sleep", {"seconds": 3600})
        worker.wait_for(lambda: task in worker.leased)
        first = worker.session
        with worker.changed:
            first.is_over = True
            worker.changed.notify_all()
        worker.wait_for(lambda: worker.session is not first)
        assert worker.run("noop")["outcome"] == "complete"
        assert not worker.acks_of(task)
        assert runner.metric('windlass_runner_tasks_total{type="sleep",outcome="lost"}') == 1


def a_worker_that_is_silent_for_the_ttl_takes_the_tasks(world):
    with world.worker(ttl_ms=1000) as worker, Runner(worker.url) as runner:
        task = worker.give("sleep", {"seconds": 3600})
        worker.wait_for(lambda: task in worker.leased)
        first = worker.session
        worker.tell(hangs=True)
        runner.wait_for_log(r"event=session\.silent .*tasks=1")
        worker.tell(hangs=False)
        worker.wait_for(lambda: worker.session is not first)
        assert first.is_over  # it was given back, so the task need not wait for the session's end
        assert not worker.acks_of(task)
        assert worker.run("noop")["outcome"] == "complete"


def a_worker_that_comes_late_is_found(world):
    path = f"{world.folder}/late.sock"
    with Runner("unix:" + path, wait=False) as runner:
        runner.wait_for_log(r"event=worker\.away")
        assert runner.get("/readyz") == (503, "no session with the worker\n")
        assert runner.get("/livez")[0] == 200
        with Worker(path) as worker:
            assert worker.run("noop")["outcome"] == "complete"
            eventually(lambda: runner.get("/readyz")[0] == 200)
            assert len(worker.sessions) == 1


def answers_that_make_no_sense_are_survived(world):
    with world.worker() as worker, Runner(worker.url) as runner:
        for answer in ([], {"leases": 1}, {"leases": [{"task": ""}]}, {"mode": "party"}, {"acks": [{}]}):
            with worker.changed:
                worker.script["heartbeats"].append((200, answer))
            worker.next_call("heartbeats")
        runner.wait_for_log(r"event=worker\.away reason=.*expected")
        assert worker.run("noop")["outcome"] == "complete"
        assert len(worker.sessions) == 1


def the_token_is_shown_and_a_refusal_is_told(_):
    with Worker(("127.0.0.1", 0), token="secret-of-runners") as worker:
        with Runner(worker.url, RUNNER_TOKEN="secret-of-runners"):
            assert worker.run("noop")["outcome"] == "complete"
        sessions = len(worker.sessions)
        with Runner(worker.url, wait=False, RUNNER_TOKEN="guess") as runner:
            runner.wait_for_log(r'event=worker\.away reason="status 401: who are you"')
            assert runner.get("/readyz")[0] == 503
            assert len(worker.sessions) == sessions
            assert "guess" not in runner.log


def wrong_settings_are_refused_by_name(_):
    for settings, name in (({"WORKER_URL": None}, "worker-url"), ({"WORKER_URL": "ftp://x"}, "worker-url"),
                           ({"HTTP_ALLOW": "example.org"}, "HTTP_ALLOW")):
        environment = {"WORKER_URL": "unix:/nowhere", "RUNNER_PORT": "0", **settings}
        run = subprocess.run([PROGRAM, "runner"], capture_output=True, text=True, timeout=WAIT_S, check=False,
                             env={"WINDLASS_" + k: v for k, v in environment.items() if v is not None})
        assert run.returncode == 78 and name in run.stderr, (run.returncode, run.stderr)


# ── modes and the end ──

def a_quiet_runner_finishes_and_takes_nothing_new(world):
    with world.worker() as worker, Runner(worker.url):
        task = worker.give("sleep", {"seconds": 0.4})
        worker.wait_for(lambda: task in worker.leased)
        worker.tell(mode="quiet")
        worker.next_call("heartbeats")
        worker.next_call("heartbeats")
        before = worker.give("noop")  # the poll that was open may take this one
        worker.ack_of(task)
        worker.ack_of(before)
        polls = len(worker.calls("leases"))
        later = worker.give("noop")
        for _ in range(3):
            worker.next_call("heartbeats")
        assert len(worker.calls("leases")) == polls and not worker.acks_of(later)
        worker.tell(mode="run")
        assert worker.ack_of(later)["outcome"] == "complete"


def a_stopped_runner_gives_everything_back(world):
    with world.worker() as worker, Runner(worker.url) as runner:
        task = worker.give("sleep", {"seconds": 3600})
        worker.wait_for(lambda: task in worker.leased)
        worker.tell(mode="stop")
        assert worker.ack_of(task)["outcome"] == "release"
        worker.wait_for(lambda: worker.session.is_over)
        eventually(lambda: runner.get("/readyz") == (503, "the worker has said stop\n"))
        assert len(worker.sessions) == 1


def a_drain_lets_tasks_finish_and_ends_the_session(world):
    with world.worker() as worker:
        with Runner(worker.url, DRAIN_TIMEOUT="30s") as runner:
            task = worker.give("sleep", {"seconds": 0.7})
            worker.wait_for(lambda: task in worker.leased)
            worker.next_call("heartbeats")
            runner.begin_to_stop()
            assert worker.ack_of(task)["outcome"] == "complete"
            assert runner.stop() == 0
        worker.wait_for(lambda: worker.session.is_over)
        late = worker.calls("leases")[-1]
        assert "held" not in late or late["max"] == 0, late


def what_outlives_the_drain_is_given_back(world):
    with world.worker() as worker:
        with Runner(worker.url, DRAIN_TIMEOUT="300ms") as runner:
            task = worker.give("sleep", {"seconds": 3600})
            worker.wait_for(lambda: task in worker.leased)
            runner.begin_to_stop()
            assert runner.stop() == 0
        # By its own word or, where the time for that was too short, by the session's end.
        worker.wait_for(lambda: worker.session.is_over)
        assert {a["outcome"] for a, _, _ in worker.acks_of(task)} <= {"release"}


def a_drain_without_a_worker_ends_in_time(world):
    worker = world.worker()
    with Runner(worker.url, DRAIN_TIMEOUT="300ms") as runner:
        task = worker.give("sleep", {"seconds": 3600})
        worker.wait_for(lambda: task in worker.leased)
        worker.__exit__()
        assert runner.stop() == 0
        assert "service.cut_off" not in runner.log


# ── http.request ──

class Site:
    """A web site; what it was asked is in `requests`."""

    def __init__(self):
        site, self.requests = self, []

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def handle_any(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                site.requests.append((self.command, self.path, self.headers, body))
                status, headers, text = site.answer(self.path, body)
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                if status != 304:
                    self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                if self.command != "HEAD" and status != 304:
                    try:
                        self.wfile.write(text)
                    except OSError:
                        pass  # it has read enough
            do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = handle_any
        class Server(http.server.ThreadingHTTPServer):
            def handle_error(self, *_):
                pass  # a client that has read enough
        self.server = Server(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.released = threading.Event()
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,))
        self.thread.start()
        self.port = self.server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"

    def answer(self, path, body):
        where = path.split("?")[0]
        if where == "/json":
            return 200, {"Content-Type": "application/problem+json; charset=utf-8"}, b'{"a": [1.50, null]}'
        if where == "/deep":
            levels = int(path.split("=")[1])
            return 200, {"Content-Type": "application/json"}, b"[" * levels + b"]" * levels
        if where == "/not-json":
            return 200, {"Content-Type": "application/json"}, b'{"a": '
        if where == "/binary":
            return 200, {"Content-Type": "image/png"}, b"\x89PNG\r\n\x00\xff"
        if where == "/long":
            return 200, {"Content-Type": "text/plain"}, "\u00e9".encode() * 100_000
        if where == "/echo":
            return 201, {"Content-Type": "text/plain", "ETag": '"1"'}, body
        if where == "/slow":
            self.released.wait(WAIT_S)
            return 200, {}, b""
        if where == "/busy":
            return 429, {"Retry-After": path.split("=")[1]}, b"later"
        if where.startswith("/status/"):
            return int(where[8:]), {"Content-Type": "text/plain"}, b"because\nof reasons"
        if where == "/to":
            return 302, {"Location": path.split("=", 1)[1]}, b""
        return 404, {}, b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.released.set()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join(WAIT_S)


def private_addresses_are_refused_and_nothing_is_sent(world):
    with Site() as site, world.worker() as worker, Runner(worker.url):
        for host in ("127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "2130706433", "0", "10.0.0.1",
                     "169.254.169.254", "[fe80::1]", "[64:ff9b::7f00:1]"):
            ack = worker.run("http.request", {"url": f"http://{host}:{site.port}/json"})
            assert ack["outcome"] == "fatal" and "http-allow" in ack["error"], (host, ack)
            assert "not a public address" in ack["error"], ack
        assert site.requests == []


def lines_of_a_heartbeat_that_fails_as_the_attempt_ends_are_told(world):
    with Site() as site, world.worker(heartbeat_ms=20_000) as worker, \
            Runner(worker.url, HTTP_ALLOW="127.0.0.1") as runner:
        def fails_late(*_):
            site.released.set()
            eventually(lambda: runner.metric('windlass_runner_tasks_total{type="http.request",outcome="complete"}') == 1)
            return UNAVAILABLE
        worker.script["heartbeats"].append(fails_late)
        ack = worker.run("http.request", {"url": site.url + "/slow"})
        lines = [line["text"] for line in ack["logs"]]
        assert len(lines) == 2 and lines[0].startswith("GET ") and lines[1].startswith("status 200"), lines


def what_the_setting_names_is_reached(world):
    with Site() as site, world.worker() as worker, Runner(worker.url, HTTP_ALLOW="127.0.0.1",
                                                          more={"http_proxy": "http://127.0.0.1:1"}) as runner:
        def ask(path, **payload):
            return worker.run("http.request", {"url": site.url + path, **payload})
        request, answer = (line["text"] for line in ask("/json?secret=1")["logs"])
        assert request.startswith("GET http://") and request.endswith("/json?…"), request
        assert answer.startswith("status 200, ") and answer.endswith(" ms"), answer
        result = ask("/json?q=1")["result"]
        assert (result["status"], result["body"]) == (200, {"a": [1.5, None]}), result
        assert result["headers"] == {"content-type": "application/problem+json; charset=utf-8"}, result
        assert result["is_truncated"] is False and result["duration_ms"] >= 0, result
        assert ask("/not-json")["result"]["body"] == '{"a": '
        assert ask("/deep?levels=128")["result"]["body"] == "[" * 128 + "]" * 128  # one too many in a result
        assert json.dumps(ask("/deep?levels=127")["result"]["body"]) == "[" * 127 + "]" * 127
        result = ask("/binary")["result"]
        assert (result["body"], result["body_encoding"]) == ("iVBORw0KAP8", "base64url"), result
        result = ask("/long")["result"]
        assert result["is_truncated"] and result["body"] == "\u00e9" * 32768, len(result["body"])
        result = ask("/long", max_response_bytes=3)["result"]
        assert result["is_truncated"] and result["body"] == "\u00e9", result
        result = ask("/long", max_response_bytes=200_000)["result"]
        assert not result["is_truncated"] and len(result["body"]) == 100_000
        assert ask("/json", method="head")["result"]["body"] is None
        # a body, as text and as JSON, and headers
        result = ask("/echo", method="POST", body="\u00e9t\u00e9", headers={"X-A": "b c", "X-Empty": ""})["result"]
        assert (result["status"], result["body"], result["headers"]["etag"]) == (201, "\u00e9t\u00e9", '"1"'), result
        method, path, headers, body = site.requests[-1]
        assert (method, path, body) == ("POST", "/echo", "\u00e9t\u00e9".encode())
        assert headers["X-A"] == "b c" and headers["X-Empty"] == "", headers
        assert headers["Content-Type"] == "text/plain; charset=utf-8", headers
        assert headers["Windlass-Attempt"] == "1" and len(headers["Windlass-Task"]) == 36, headers
        ask("/echo", method="PUT", body={"a": [True, 1.50]})
        assert json.loads(site.requests[-1][3]) == {"a": [True, 1.5]}
        assert site.requests[-1][2]["Content-Type"] == "application/json"
        ask("/echo", method="PATCH", body=[1], headers={"content-type": "application/merge-patch+json"})
        assert site.requests[-1][2].get_all("Content-Type") == ["application/merge-patch+json"]
        # the sibling is still refused
        ack = worker.run("http.request", {"url": f"http://127.0.0.2:{site.port}/json"})
        assert ack["outcome"] == "fatal" and ack["error"].startswith("127.0.0.2 is not a public"), ack
        assert runner.metric('windlass_runner_tasks_total{type="http.request",outcome="fatal"}') == 1


def an_answer_decides_whether_it_is_tried_again(world):
    with Site() as site, world.worker() as worker, Runner(worker.url, HTTP_ALLOW="127.0.0.1"):
        def ask(path, **payload):
            return worker.run("http.request", {"url": site.url + path, **payload})
        for status, outcome in ((500, "fail"), (503, "fail"), (408, "fail"), (404, "fatal"), (400, "fatal"),
                                (304, "fatal")):
            ack = ask(f"/status/{status}")
            assert ack["outcome"] == outcome and f"status {status}" in ack["error"], ack
        error = ask("/status/404")["error"]
        assert error == f"GET {site.url}/status/404 was answered with status 404: because of reasons", error
        for expected in (404, [200, 404]):
            assert ask("/status/404", expected_status=expected)["result"]["status"] == 404
        assert ask("/json", expected_status=404)["outcome"] == "fatal"
        for seconds, retry_in_ms in (("7", 7000), ("99999999999", 3_600_000), ("soon", None), ("-1", None)):
            ack = ask(f"/busy?after={seconds}")
            assert (ack["outcome"], ack.get("retry_in_ms")) == ("fail", retry_in_ms), ack
        ack = ask("/slow", timeout_seconds=0.1)
        assert ack["outcome"] == "fail" and "no answer" in ack["error"], ack
        task = worker.give("http.request", {"url": site.url + "/slow"})
        fence = worker.wait_for(lambda: worker.leased.get(task))
        worker.tell(commands=[{"kind": "cancel", "task": task, "fence": fence, "reason": "cancelled"}])
        assert worker.ack_of(task)["outcome"] == "cancelled"
    with world.worker() as worker, Runner(worker.url, HTTP_ALLOW="127.0.0.1"):
        ack = worker.run("http.request", {"url": site.url})  # nobody is there any more
        assert ack["outcome"] == "fail" and "cannot reach" in ack["error"], ack


def redirects_are_followed_when_asked_and_judged_each(world):
    with Site() as site, world.worker() as worker, Runner(worker.url, HTTP_ALLOW="127.0.0.1"):
        def ask(to, **payload):
            return worker.run("http.request", {"url": f"{site.url}/to?{to}", **payload})
        ack = ask("u=/json")
        assert ack["outcome"] == "fatal" and "status 302" in ack["error"], ack
        result = ask("u=/json", expected_status=302)["result"]
        assert result["headers"]["location"] == "/json", result
        assert ask("u=/json", follow_redirects=1)["result"]["status"] == 200
        ack = ask("u=/to?u=/json", follow_redirects=1)
        assert ack["outcome"] == "fatal" and "redirects" in ack["error"], ack
        assert ask("u=/to?u=/json", follow_redirects=2)["result"]["status"] == 200
        asked = len(site.requests)
        for to in (f"http://localhost.localdomain.:{site.port}/json", f"http://127.0.0.2:{site.port}/json",
                   f"http://[::ffff:127.0.0.3]:{site.port}/json", "file:///etc/passwd"):
            ack = ask("u=" + to, follow_redirects=5)
            assert ack["outcome"] in ("fatal", "fail") and "result" not in ack, (to, ack)
            assert site.requests[-1][1].startswith("/to?"), to
        assert len(site.requests) == asked + 4


TESTS = [
    tasks_run_and_their_results_are_acknowledged,
    a_wrong_payload_is_fatal_and_its_place_is_named,
    a_type_that_nobody_knows_is_left_to_others,
    no_more_is_asked_for_than_may_run,
    an_outcome_does_not_wait_for_the_open_poll,
    many_outcomes_ride_on_the_next_poll,
    two_calls_ask_while_many_wait,
    what_one_of_two_calls_leased_is_not_lost_with_its_answer,
    the_last_tasks_of_a_lost_answer_are_asked_for_while_the_other_call_waits,
    an_outcome_without_an_answer_is_told_again,
    an_outcome_that_is_refused_holds_up_no_other,
    after_a_lost_answer_the_worker_is_told_what_is_held, what_a_doubled_request_leased_is_given_back,
    a_cancelled_task_stops_and_says_so,
    a_lost_lease_ends_its_task_without_a_word,
    heartbeats_name_every_running_task_in_turn,
    a_task_that_passes_its_deadline_fails,
    a_task_that_was_given_out_anew_runs_once_and_under_its_new_fence,
    work_goes_on_while_the_worker_cannot_answer,
    leases_run_out_where_the_leader_has_too_much_to_do,
    an_ended_session_is_begun_anew_and_its_tasks_are_lost,
    a_worker_that_is_silent_for_the_ttl_takes_the_tasks,
    a_worker_that_comes_late_is_found,
    answers_that_make_no_sense_are_survived,
    the_token_is_shown_and_a_refusal_is_told,
    wrong_settings_are_refused_by_name,
    a_quiet_runner_finishes_and_takes_nothing_new,
    a_stopped_runner_gives_everything_back,
    a_drain_lets_tasks_finish_and_ends_the_session,
    what_outlives_the_drain_is_given_back,
    a_drain_without_a_worker_ends_in_time,
    private_addresses_are_refused_and_nothing_is_sent,
    lines_of_a_heartbeat_that_fails_as_the_attempt_ends_are_told, what_the_setting_names_is_reached,
    an_answer_decides_whether_it_is_tried_again,
    redirects_are_followed_when_asked_and_judged_each,
]

if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as path:
        run_tests(TESTS, World(path))
