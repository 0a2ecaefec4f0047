"""A whole Windlass in a scratch folder, its processes, and how checks of it are told."""

import http.client
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../support"))
from scratch import scratch_root  # noqa: E402

START_S = 120      # the longest that a start or a recovery may take before it counts as a hang
REQUEST_S = 60     # the longest that a request may stay unanswered before it counts as a hang
PASSWORD = "correct horse battery staple"
DETAILS_MAX = 5


class Lost(Exception):
    """A request without an answer that tells what became of it."""


class Windlass:
    """`windlass up` on a scratch folder."""

    arguments = []  # more of them, for `up`

    def __init__(self, binary):
        self.binary = binary
        self.folder = tempfile.mkdtemp(prefix="windlass-chaos-", dir=scratch_root())
        os.chmod(self.folder, 0o755)
        self.process = None
        self.lines = []
        self.port = None
        self.setup_token = None

    def start(self):
        env = {k: v for k, v in os.environ.items() if not k.startswith("WINDLASS_")}
        env.pop("DATABASE_URL", None)
        log = open(os.path.join(self.folder, "log"), "ab")
        self.process = subprocess.Popen(
            [self.binary, "up", "--data", os.path.join(self.folder, "data"), "--run",
             os.path.join(self.folder, "run"), "--port", str(self.port or 0), "--argon2-memory",
             "8MiB", "--argon2-time", "1", *self.arguments],
            env=env, stdout=subprocess.PIPE, stderr=log, text=True)
        log.close()
        threading.Thread(target=self.read_lines, args=(self.process,), daemon=True).start()
        self.wait_ready()

    def read_lines(self, process):
        for line in process.stdout:
            if m := re.search(r"https?://[^\s/]+:(\d+)", line):
                self.port = int(m[1])
            if m := re.search(r"/setup\?token=(\S+)", line):
                self.setup_token = m[1]

    def wait_ready(self):
        end = time.monotonic() + START_S
        while time.monotonic() < end:
            if self.process.poll() is not None:
                raise SystemExit(f"windlass up ended with {self.process.returncode}; its log:\n"
                                 + self.log_tail())
            try:
                if self.port and self.get("/readyz") == 200:
                    return
            except OSError:
                pass
            time.sleep(0.05)
        raise SystemExit(f"not ready after {START_S} s; the log:\n" + self.log_tail())

    def log_tail(self):
        with open(os.path.join(self.folder, "log"), errors="replace") as f:
            return "".join(f.readlines()[-40:])

    def get(self, path):
        c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            c.request("GET", path)
            return c.getresponse().status
        except http.client.HTTPException as e:
            raise OSError(str(e)) from e
        finally:
            c.close()

    def descendants(self):
        """{pid: command line} of everything below `up`."""
        parents = {}
        for entry in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{entry}/stat") as f:
                    parents[int(entry)] = int(f.read().rsplit(")", 1)[1].split()[1])
            except OSError:
                continue
        found, grew = {self.process.pid}, True
        while grew:
            more = {p for p, parent in parents.items() if parent in found} - found
            found |= more
            grew = bool(more)
        texts = {}
        for pid in found - {self.process.pid}:
            try:
                with open(f"/proc/{pid}/cmdline", "rb") as f:
                    texts[pid] = f.read().replace(b"\0", b" ").decode(errors="replace").strip()
            except OSError:
                continue
        return texts

    def pids(self, what):
        texts = self.descendants()
        if what == "gateway":
            return [p for p, t in texts.items() if re.search(r"\bgateway\b", t)
                    and not t.startswith("postgres:")]
        if what == "postmaster":
            return [p for p, t in texts.items() if re.search(r"postgres .*-D", t)]
        return [p for p, t in texts.items() if t.startswith("postgres:") and "windlass" in t
                and "[local]" in t]

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                return self.process.wait(START_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
        return self.process.returncode if self.process else None


class Client:
    """One keep-alive connection that speaks GraphQL."""

    def __init__(self, windlass, token=None):
        self.windlass, self.token, self.connection = windlass, token, None

    def call(self, query, variables):
        body = json.dumps({"query": query, "variables": variables})
        headers = {"Content-Type": "application/json"}
        if self.token:
            headers["Authorization"] = "Bearer " + self.token
        try:
            if not self.connection:
                self.connection = http.client.HTTPConnection("127.0.0.1", self.windlass.port,
                                                             timeout=REQUEST_S)
            self.connection.request("POST", "/graphql", body, headers)
            answer = json.loads(self.connection.getresponse().read())
        except TimeoutError:
            self.close()
            raise
        except (OSError, http.client.HTTPException, ValueError) as e:
            self.close()
            raise Lost(str(e)) from e
        return answer

    def close(self):
        if self.connection:
            self.connection.close()
        self.connection = None


class Checks:
    """TAP: a case a check. `details` are told where it does not hold."""

    def __init__(self):
        self.passed = self.failed = 0

    def __call__(self, holds, what, details=()):
        self.passed += bool(holds)
        self.failed += not holds
        print(f"{'ok' if holds else 'not ok'} {self.passed + self.failed} - {what}", flush=True)
        if not holds:
            for words in list(details)[:DETAILS_MAX]:
                print(f"# {words}", flush=True)
            if len(details) > DETAILS_MAX:
                print(f"# and {len(details) - DETAILS_MAX} more", flush=True)

    def end(self):
        """The plan; gives the exit code."""
        print(f"1..{self.passed + self.failed}")
        return 1 if self.failed else 0


def set_up(windlass):
    """The first administrator's session."""
    end = time.monotonic() + START_S
    while not windlass.setup_token and time.monotonic() < end:
        time.sleep(0.05)
    answer = Client(windlass).call(
        "mutation($t: String!, $p: String!) { setup(token: $t, email: \"admin@chaos.test\","
        " name: \"Admin\", password: $p) { token } }",
        {"t": windlass.setup_token, "p": PASSWORD})
    return answer["data"]["setup"]["token"]


def run(windlass, body):
    """Starts it, calls `body(checks, token)`, and stops it. The folder of what failed is kept. Gives the exit code."""
    checks = Checks()
    try:
        windlass.start()
        body(checks, set_up(windlass))
        checks(windlass.stop() == 0, "SIGTERM ends it with 0")
    finally:
        windlass.stop()
        if checks.failed == 0:
            shutil.rmtree(windlass.folder, ignore_errors=True)
        else:
            print(f"# kept for a look: {windlass.folder}")
    return checks.end()
