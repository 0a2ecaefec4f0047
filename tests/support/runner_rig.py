"""A scripted worker that speaks the lease protocol, and a real `windlass runner`. Ends all it started."""

import collections
import http.client
import http.server
import json
import os
import re
import signal
import socket
import socketserver
import sys
import threading
import time
import uuid

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from gateway_rig import PROGRAM, WAIT_S, Process, eventually  # noqa: E402

NO_ANSWER = object()  # the connection is closed instead of an answer


class Session:
    def __init__(self, worker, opened_with):
        self.id, self.secret = str(uuid.uuid4()), "wls_" + uuid.uuid4().hex
        self.opened_with, self.is_over, self.worker = opened_with, False, worker
        self.polls = 0


class Worker:
    """What it was asked is in `requests`; `script` says what it answers out of the ordinary."""

    def __init__(self, address, token=None, ttl_ms=20000, heartbeat_ms=100, poll_s=20):
        self.token, self.ttl_ms, self.heartbeat_ms = token, ttl_ms, heartbeat_ms
        self.poll_s = poll_s    # how long one that finds nothing is held at most
        self.changed = threading.Condition()
        self.sessions, self.requests = [], []
        self.waiting = []       # leases that a poll takes
        self.leased = {}        # task: fence, of the current session
        self.given = {}         # task: lease, of all polls
        self.acks = []          # (ack, carrier, verdict), in order of arrival
        self.commands, self.lost, self.mode = [], [], "run"
        self.script = collections.defaultdict(list)  # name: answers for the next calls
        self.tells_held = False  # heartbeats hear how many tasks are leased to the session
        self.hangs = False      # no call is answered until it is false again
        self.number = 0
        self.is_closing = False
        worker = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def address_string(self):
                return "runner"

            def handle_any(self):
                worker.handle(self)
            do_POST = do_DELETE = handle_any

        class Server(socketserver.ThreadingMixIn, socketserver.TCPServer):
            daemon_threads = allow_reuse_address = True
            request_queue_size = 64
            address_family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET

            def handle_error(self, *_):
                pass  # a connection that the test broke

            def get_request(self):
                request, _ = super().get_request()
                return request, ("runner", 0)
        self.server = Server(address, Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,))
        self.thread.start()

    @property
    def url(self):
        address = self.server.server_address
        return "unix:" + address if isinstance(address, str) else f"http://127.0.0.1:{address[1]}"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        with self.changed:
            self.is_closing = True
            self.changed.notify_all()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join(WAIT_S)

    # ── for tests ──

    @property
    def session(self):
        return self.sessions[-1]

    def give(self, type_name, payload=None, **more):
        """A task that the next poll gets; its id."""
        with self.changed:
            self.number += 1
            lease = {"task": more.pop("task", None) or str(uuid.uuid4()), "type": type_name,
                     "payload": payload, "attempt": 1, "max_attempts": 5, "fence": f"0:{self.number}",
                     "lease_until_us": int((time.time() * 1000 + self.ttl_ms) * 1000),
                     "deadline_us": None, **more}
            self.waiting.append(lease)
            self.changed.notify_all()
        return lease["task"]

    def wait_for(self, look):
        """What `look()` gives once it is true."""
        def locked():
            with self.changed:
                return look()
        return eventually(locked)

    def ack_of(self, task):
        """The first acknowledgement of the task."""
        return self.wait_for(lambda: next((a for a, _, _ in self.acks if a["task"] == task), None))

    def acks_of(self, task):
        with self.changed:
            return [entry for entry in self.acks if entry[0]["task"] == task]

    def calls(self, name):
        with self.changed:
            return [body for called, body in self.requests if called == name]

    def next_call(self, name):
        """The body of a call that comes from now on."""
        before = len(self.calls(name))
        return self.wait_for(lambda: self.calls(name)[before:])[0]

    def run(self, type_name, payload=None, **more):
        """The acknowledgement of such a task."""
        return self.ack_of(self.give(type_name, payload, **more))

    def tell(self, **what):
        """Sets commands, lost or mode: heard by whatever asks next."""
        with self.changed:
            for name, value in what.items():
                setattr(self, name, value)
            self.changed.notify_all()

    # ── answering ──

    def handle(self, handler):
        body = handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
        name = handler.path.split("?")[0].split("/")[2] + (":end" if handler.command == "DELETE" else "")
        told = json.loads(body) if body else {"path": handler.path,
                                              "secret": handler.headers["Windlass-Session-Secret"]}
        with self.changed:
            self.requests.append((name, told))
            scripted = self.script[name].pop(0) if self.script[name] else None
            self.changed.notify_all()
            while self.hangs and not self.is_closing:
                self.changed.wait(0.05)
        is_done = not (isinstance(scripted, tuple) and scripted[0] == 503)  # which says: nothing was done
        status, answer = self.answer(handler, name, told) if is_done else scripted
        if callable(scripted):
            scripted = scripted(answer, told)
        if isinstance(scripted, tuple):
            status, answer = scripted
        if scripted is NO_ANSWER or self.is_closing:
            handler.close_connection = True
            return
        text = json.dumps(answer).encode()
        handler.send_response(status)
        handler.send_header("Content-Type", "application/json")
        handler.send_header("Content-Length", str(len(text)))
        if status == 503 and answer.get("code") == "OVERLOADED":
            handler.send_header("Windlass-Leads", "true")
        handler.end_headers()
        handler.wfile.write(text)

    def answer(self, handler, name, body):
        if self.token and handler.headers["Authorization"] != f"Bearer {self.token}":
            return 401, {"code": "UNAUTHENTICATED", "detail": "who are you"}
        with self.changed:
            if name == "sessions":
                self.sessions.append(Session(self, body))
                self.leased.clear()
                self.changed.notify_all()
                return 200, {"session": self.session.id, "secret": self.session.secret,
                             "ttl_ms": self.ttl_ms, "heartbeat_ms": self.heartbeat_ms,
                             "server_time_us": int(time.time() * 1e6), "epoch": 1}
            session = next((s for s in self.sessions if s.secret == body["secret"]), None)
            if session is None or session.is_over:
                return 404, {"code": "NOT_FOUND", "detail": "no such session"}
            if name == "sessions:end":
                session.is_over = True
                assert handler.path == f"/v1/sessions/{session.id}?release=true", handler.path
                self.changed.notify_all()
                return 200, {}
            assert body["session"] == session.id
            carried = body.get("acks") or body.get("results") or []
            answer = {"acks": [self.settle(ack, name) for ack in carried]}
            if name == "leases":
                self.take_back(body.get("held"))
                answer["leases"] = self.poll(session, body)
            lost, self.lost = self.lost, [] if name == "heartbeats" else self.lost
            if name == "heartbeats":
                answer["lost"] = lost
                if self.tells_held:
                    answer["held"] = len(self.leased)
            answer["commands"], self.commands = self.commands, []
            answer["mode"] = self.mode
            return 200, answer

    def settle(self, ack, carrier):
        before = [a for a, _, verdict in self.acks if verdict == "applied" and a["task"] == ack["task"]
                  and a["fence"] == ack["fence"]]
        verdict = "duplicate" if before else \
            "applied" if self.leased.pop(ack["task"], None) == ack["fence"] else "stale"
        self.acks.append((ack, carrier, verdict))
        self.changed.notify_all()
        return {"task": ack["task"], "outcome": verdict}

    def take_back(self, held):
        """What the session does not know of, because an answer was lost, is given out anew."""
        if held is None:
            return
        known = {(h["task"], h["fence"]) for h in held}
        for task in [t for t, fence in self.leased.items() if (t, fence) not in known]:
            del self.leased[task]
            self.number += 1
            self.waiting.append({**self.given[task], "fence": f"0:{self.number}"})

    def poll(self, session, body):
        until = time.monotonic() + min(body["wait_ms"] / 1000, self.poll_s)
        session.polls += body["wait_ms"] > 0  # one waits at a time
        number = session.polls
        while not self.waiting and not self.commands and time.monotonic() < until:
            self.changed.wait(0.05)
            if self.is_closing or session.is_over or number < session.polls:  # the runner has broken this one off
                body["is_broken_off"] = True
                return []
        if self.waiting and not session.is_over:
            self.given.update({lease["task"]: lease for lease in self.waiting})
        taken, self.waiting = self.waiting[:body["max"]], self.waiting[body["max"]:]
        self.leased.update({lease["task"]: lease["fence"] for lease in taken})
        return taken


class Runner(Process):
    """One process. `settings` are WINDLASS_ variables without the prefix, `more` whole ones."""

    def __init__(self, worker_url, wait=True, more=(), program=(PROGRAM,), **settings):
        environment = {"RUNNER_PORT": "0", "LOG_LEVEL": "debug", "DRAIN_TIMEOUT": "100ms",
                       "WORKER_URL": worker_url, **settings}
        self.is_told_to_stop = False
        super().__init__("runner", [*program, "runner"],
                         {"PATH": os.environ["PATH"], **dict(more),
                          **{"WINDLASS_" + name: value for name, value in environment.items() if value is not None}})
        if wait:
            with self.starting():
                self.wait_for_log(r"event=session\.opened")

    def get(self, path):
        """(status, text) of a probe."""
        port = int(self.wait_for_log(r"event=service\.started .*address=\S+:(\d+)").group(1))
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=WAIT_S)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            return response.status, response.read().decode()
        finally:
            connection.close()

    def metric(self, name):
        found = re.search(rf"^{re.escape(name)} (\S+)$", self.get("/metrics")[1], re.M)
        return float(found.group(1)) if found else None

    def stop(self, signum=signal.SIGTERM):
        """The exit code."""
        self.begin_to_stop(signum)
        return self.process.wait(WAIT_S)

    def begin_to_stop(self, signum=signal.SIGTERM):
        if self.process.poll() is None and not self.is_told_to_stop:
            self.process.send_signal(signum)
        self.is_told_to_stop = True
