"""What the system tests share: one `windlass up` in a scratch folder, and a TAP runner.

Deadlines here only end a hanging test; they are long, and no test asserts that something is fast.
"""
import atexit
import http.client
import json
import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../support"))
from scratch import scratch_root  # noqa: E402

DEADLINE_S = 150  # as WAIT_S of the other tests
PASSWORD = "correct horse battery"
GONE_S = 10  # what is promised: children of a killed supervisor are gone within it


class Skip(Exception):
    """Why a test cannot run here."""


class Crowd:
    """Threads that `run(number)` from its beginning on; each ends once `is_over` is set."""

    def __init__(self, count):
        self.is_over = threading.Event()
        self.threads = [threading.Thread(target=self.run, args=(number,), daemon=True) for number in range(count)]

    def run(self, number):
        raise NotImplementedError

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.is_over.set()
        for thread in self.threads:
            thread.join(DEADLINE_S)
        assert not any(thread.is_alive() for thread in self.threads), "a request hangs"


def until(what, condition, deadline_s=DEADLINE_S):
    """Waits until `condition()` holds and returns its value."""
    end = time.monotonic() + deadline_s
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"not within {deadline_s} s: {what}")
        time.sleep(0.02)


def processes():
    """All processes as {pid: (parent, state, user id, command line)}."""
    found = {}
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            with open(f"/proc/{name}/stat") as file:
                fields = file.read().rpartition(")")[2].split()
            with open(f"/proc/{name}/cmdline", "rb") as file:
                line = file.read().replace(b"\0", b" ").decode(errors="replace").strip()
            user = os.stat(f"/proc/{name}").st_uid
            with open(f"/proc/{name}/status") as file:
                user = int(re.search(r"^Uid:\s+\d+\s+(\d+)", file.read(), re.M).group(1))
        except (FileNotFoundError, ProcessLookupError, AttributeError):
            continue
        found[int(name)] = (int(fields[1]), fields[0], user, line)
    return found


def is_alive(pid):
    entry = processes().get(pid)
    return bool(entry) and entry[1] != "Z"


def descendants(pid):
    """The living children of `pid`, theirs too."""
    table = processes()
    found, wave = {}, {pid}
    while wave:
        wave = {child for child, entry in table.items()
                if entry[0] in wave and entry[1] != "Z" and child not in found}
        found.update({child: table[child] for child in wave})
    return found


class Scratch:
    """A folder that any user can pass through; removed at the end."""

    def __init__(self):
        self.path = tempfile.mkdtemp(prefix="windlass-system-", dir=scratch_root())
        os.chmod(self.path, 0o755)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.path, ignore_errors=True)

    def join(self, *names):
        return os.path.join(self.path, *names)


class Template:
    """A data folder made once by the program, and copied for tests that need none of their own."""

    path = None

    @classmethod
    def copy(cls, program, target):
        if not cls.path:
            scratch = Scratch()
            atexit.register(scratch.__exit__)
            with Up(program, scratch, fresh=True) as up:
                up.wait_ready()
            cls.path = up.data
        subprocess.run(["cp", "-a", "--reflink=auto", cls.path, target], check=True)


class UnixConnection(http.client.HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, path, timeout):
        super().__init__("localhost", timeout=timeout)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Up:
    """
    One `windlass up`; stopped, with all it started, at the end of the `with`. Its data folder is a
    copy of one made before, unless it is there already, or `data` or `fresh` is given.
    """

    def __init__(self, program, scratch, args=(), env=None, user=None, data=None, run=None,
                 fresh=False, cwd="/"):
        self.program, self.scratch, self.user, self.cwd = program, scratch, user, cwd
        self.data = data or scratch.join("data")
        self.run = run or scratch.join("run")
        self.args, self.env = list(args), dict(env or {})
        if not (fresh or data or user or os.path.exists(self.data)):
            Template.copy(program, self.data)
        self.process = None
        self.out, self.log = [], []
        self.known = set()

    def __enter__(self):
        return self.start()

    def __exit__(self, *failure):
        self.end()
        if failure[0] and not issubclass(failure[0], Skip):
            print("".join(f"# {line}\n" for line in (self.out + self.log)[-60:]), end="")

    def start(self):
        env = {name: value for name, value in os.environ.items()
               if not name.startswith("WINDLASS_") and
               name not in ("DATABASE_URL", "PORT", "LOG_LEVEL", "NOTIFY_SOCKET",
                            "RUNTIME_DIRECTORY")}
        env.update(self.env)
        command = [self.program, "up", "--data", self.data, "--run", self.run]
        if not any(word.startswith("--port") for word in self.args):
            command += ["--port", "0"]
        command += self.args
        if self.user is not None:
            entry = pwd.getpwnam(self.user)
            command = ["setpriv", f"--reuid={entry.pw_uid}", f"--regid={entry.pw_gid}",
                       "--clear-groups"] + command
        self.out, self.log = [], []
        self.process = subprocess.Popen(command, env=env, stdin=subprocess.DEVNULL,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                        errors="replace", cwd=self.cwd, start_new_session=True)
        for stream, lines in ((self.process.stdout, self.out), (self.process.stderr, self.log)):
            threading.Thread(target=self._read, args=(stream, lines), daemon=True).start()
        return self

    @staticmethod
    def _read(stream, lines):
        for line in stream:
            lines.append(line.rstrip("\n"))

    def end(self):
        if not self.process:
            return
        self.known |= set(descendants(self.process.pid))
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(DEADLINE_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        reports = [line for line in self.log if "Sanitizer" in line or "runtime error" in line]
        assert not reports, reports
        for pid in self.known:
            if is_alive(pid) and self.data in processes().get(pid, ("", "", "", ""))[3]:
                os.kill(pid, signal.SIGQUIT)
        self.process = None

    # What it says.

    def wait_ready(self):
        until("ready", lambda: self.url() or self.process.poll() is not None)
        assert self.process.poll() is None, f"ended with {self.process.returncode} at its start"
        self.known |= set(descendants(self.process.pid))
        return self

    def url(self):
        for line in self.out:
            match = re.fullmatch(r"Windlass is ready at (http://\S+)", line)
            if match:
                return match.group(1)
        return None

    def address(self):
        host, _, port = self.url().removeprefix("http://").rpartition(":")
        return host, int(port)

    def setup_token(self):
        for line in self.out:
            match = re.search(r"/setup\?token=(\S+)", line)
            if match:
                return match.group(1)
        return None

    def logged(self, *words, count=1):
        """Waits until `count` lines hold all the words, and returns the last of them."""
        def find():
            found = [line for line in list(self.log) if all(word in line for word in words)]
            return found[count - 1] if len(found) >= count else None
        return until(f"{count} log lines with {words}", find)

    def wait_exit(self, deadline_s=DEADLINE_S):
        self.known |= set(descendants(self.process.pid))
        code = self.process.wait(deadline_s)
        time.sleep(0.1)  # the readers' last lines
        return code

    # What it runs.

    def child(self, word):
        """The process id of its direct child whose command line holds the word; 0: none."""
        for pid, entry in processes().items():
            if entry[0] == self.process.pid and entry[1] != "Z" and word in entry[3]:
                return pid
        return 0

    def service(self, name):
        return self.child(f"windlass {name}")

    def gateway(self):
        return self.service("gateway")

    def postgres(self):
        return self.child("/postgres -D")

    def request(self, method="GET", path="/", body=None, headers=None, timeout=DEADLINE_S,
                service=None):
        """(status, body) of one request on a connection of its own, to the address or a service."""
        connection = (UnixConnection(os.path.join(self.run, f"{service}.sock"), timeout)
                      if service else http.client.HTTPConnection(*self.address(), timeout=timeout))
        try:
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()


class Refused(AssertionError):
    """An answer with errors; args: the first one's code, the answer."""


def graphql(up, token, query, **variables):
    """The data of an operation."""
    headers = {"Content-Type": "application/json"}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    _, body = up.request("POST", "/graphql", json.dumps({"query": query, "variables": variables}),
                         headers)
    answer = json.loads(body)
    if answer.get("errors"):
        raise Refused(answer["errors"][0]["extensions"]["code"], body)
    return answer["data"]


def set_up(up):
    """Makes the first user; the token of the session."""
    return graphql(up, None, "mutation ($t: String!, $p: String!) { setup(token: $t, "
                             "email: \"first@example.org\", name: \"First\", password: $p) { token } }",
                   t=up.setup_token(), p=PASSWORD)["setup"]["token"]


def run_tests(tests):
    """Runs functions as TAP cases: name and doc string's first line; exits with the result."""
    wanted = [test for test in tests if not sys.argv[2:] or test.__name__ in sys.argv[2:]]
    failed = 0
    print(f"1..{len(wanted)}", flush=True)
    for number, test in enumerate(wanted, 1):
        name = test.__name__.replace("test_", "", 1)
        try:
            test()
            print(f"ok {number} - {name}", flush=True)
        except Skip as reason:
            print(f"ok {number} - {name} # SKIP {reason}", flush=True)
        except Exception:  # every failure is a case's failure, whatever it is
            failed += 1
            print("".join(f"# {line}\n" for line in traceback.format_exc().splitlines()), end="")
            print(f"not ok {number} - {name}", flush=True)
    sys.exit(1 if failed else 0)
