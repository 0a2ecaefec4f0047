#!/usr/bin/env python3
"""chaos: kills processes of a running Windlass at random moments while clients write, then checks
that nothing acknowledged was lost and nothing happened twice.

    tests/chaos/chaos.py [--rounds N] [--seed S] [--binary build/windlass]     faults
    tests/chaos/chaos.py --soak MINUTES                                        load alone

A round is a random pause, one fault, and the wait until `/readyz` is well again. The same seed gives
the same faults in the same order. Faults: kill -9 of the gateway, of one PostgreSQL backend, of the
postmaster, of `windlass up` itself (then started anew on the same folder), and SIGTERM of `up`.
Prints TAP, a case a check; exit code 1 when one failed.
"""
import argparse, http.client, json, os, random, re, shutil, signal, subprocess, sys, tempfile
import threading, time
from urllib.parse import urlsplit

START_S = 120      # the longest that a start or a recovery may take before it counts as a hang
REQUEST_S = 60     # the longest that a request may stay unanswered before it counts as a hang
WRITERS = 4
PASSWORD = "correct horse battery staple"


class Lost(Exception):
    """A request without an answer that tells what became of it."""


class Windlass:
    """`windlass up` on a scratch folder."""

    arguments = []  # more of them, for `up`

    def __init__(self, binary):
        self.binary = binary
        self.folder = tempfile.mkdtemp(prefix="windlass-chaos-")
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


CREATE = "mutation($i: CreateUserInput!) { createUser(input: $i) { id email } }"
RENAME = "mutation($id: ID!, $n: String!) { updateUser(id: $id, input: {name: $n}) { name } }"
PAGE = """query($after: String) { users(first: 500, after: $after) {
    nodes { id email name } pageInfo { hasNextPage endCursor } } }"""
ALLOWED = {"DATABASE_UNAVAILABLE", "TIMEOUT", "RATE_LIMITED"}


class Writer(threading.Thread):
    """Creates users and renames its own; keeps what was acknowledged and what is in doubt."""

    def __init__(self, windlass, token, number, stop):
        super().__init__(daemon=True)
        self.client, self.number, self.stop = Client(windlass, token), number, stop
        self.acknowledged = {}   # email -> (id, name)
        self.doubtful_names = {}  # email -> names that may be there
        self.maybe = set()       # emails that may be there
        self.hangs, self.strange, self.unanswered = 0, [], 0

    def ask(self, query, variables):
        """The data, or None when it failed in a way that a fault explains."""
        try:
            answer = self.client.call(query, variables)
        except Lost:
            self.unanswered += 1
            time.sleep(0.05)
            return None
        except TimeoutError:
            self.hangs += 1
            return None
        if answer.get("errors"):
            code = answer["errors"][0].get("extensions", {}).get("code")
            if code not in ALLOWED:
                self.strange.append(json.dumps(answer["errors"])[:300])
            time.sleep(0.05)
            return None
        return answer["data"]

    def run(self):
        n = 0
        while not self.stop.is_set():
            email = f"w{self.number}-{n}@chaos.test"
            n += 1
            self.maybe.add(email)
            data = self.ask(CREATE, {"i": {"email": email, "name": "first", "password": PASSWORD}})
            if not data:
                continue
            user = data["createUser"]["id"]
            self.acknowledged[email] = (user, "first")
            name = f"second {n}"
            self.doubtful_names[email] = {name}
            if self.ask(RENAME, {"id": user, "n": name}):
                self.acknowledged[email] = (user, name)
                self.doubtful_names[email] = set()
        self.client.close()


def all_users(windlass, token):
    client, after, users = Client(windlass, token), None, []
    while True:
        page = client.call(PAGE, {"after": after})
        if page.get("errors"):
            raise SystemExit(f"users: {page['errors']}")
        users += page["data"]["users"]["nodes"]
        if not page["data"]["users"]["pageInfo"]["hasNextPage"]:
            client.close()
            return users
        after = page["data"]["users"]["pageInfo"]["endCursor"]


def hurt(windlass, fault, dice):
    """Carries out one fault; the text says what was hit."""
    if fault in ("gateway", "backend", "postmaster"):
        pids = windlass.pids(fault)
        if not pids:
            return f"{fault}: none runs"
        pid = dice.choice(sorted(pids))
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            return f"{fault}: {pid} had ended"
        return f"kill -9 {fault}"
    windlass.process.send_signal(signal.SIGKILL if fault == "up" else signal.SIGTERM)
    windlass.process.wait(START_S)
    if fault == "stop" and windlass.process.returncode != 0:
        return f"SIGTERM up: exit {windlass.process.returncode}"
    windlass.start()
    return "kill -9 up" if fault == "up" else "SIGTERM up"


def resident_kib(windlass):
    """PSS of each service of ours; PostgreSQL's caches grow to their size and are left out."""
    total = 0
    for pid, text in windlass.descendants().items():
        if "postgres" in text.split(" ")[0]:
            continue
        try:
            with open(f"/proc/{pid}/smaps_rollup") as f:
                total += int(re.search(r"^Pss:\s+(\d+)", f.read(), re.M)[1])
        except OSError:
            pass
    return total


class Checks:
    def __init__(self):
        self.passed = self.failed = 0

    def __call__(self, holds, what):
        self.passed += bool(holds)
        self.failed += not holds
        print(f"{'ok' if holds else 'not ok'} {self.passed + self.failed} - {what}", flush=True)


def check_users(checks, windlass, token, writers):
    there = {}
    twice = 0
    for user in all_users(windlass, token):
        twice += user["email"] in there
        there[user["email"]] = user
    lost, wrong = [], []
    for w in writers:
        for email, (user, name) in w.acknowledged.items():
            row = there.get(email)
            if not row or row["id"] != user:
                lost.append(email)
            elif row["name"] != name and row["name"] not in w.doubtful_names[email]:
                wrong.append(f"{email}: {row['name']!r}, acknowledged {name!r}")
    asked = set().union(*(w.maybe for w in writers)) | {"admin@chaos.test"}
    acknowledged = sum(len(w.acknowledged) for w in writers)
    checks(acknowledged > 0, f"{acknowledged} users were acknowledged")
    checks(not lost, f"{len(lost)} of them are lost {lost[:3]}")
    checks(not wrong, f"{len(wrong)} acknowledged renames are lost {wrong[:3]}")
    checks(twice == 0, f"{twice} users are there twice")
    checks(set(there) <= asked, "nobody is there whom no one asked for")
    checks(sum(w.hangs for w in writers) == 0, f"no request took {REQUEST_S} s")
    strange = [s for w in writers for s in w.strange]
    checks(not strange, f"{len(strange)} answers that no fault explains {strange[:2]}")


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--rounds", type=int, default=20)
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--soak", type=float, metavar="MINUTES")
    p.add_argument("--binary", default=os.path.join(here, "../../build/windlass"))
    a = p.parse_args()
    dice, checks, stop = random.Random(a.seed), Checks(), threading.Event()
    windlass = Windlass(os.path.abspath(a.binary))
    try:
        windlass.start()
        end = time.monotonic() + START_S
        while not windlass.setup_token and time.monotonic() < end:
            time.sleep(0.05)
        answer = Client(windlass).call(
            "mutation($t: String!, $p: String!) { setup(token: $t, email: \"admin@chaos.test\","
            " name: \"Admin\", password: $p) { token } }",
            {"t": windlass.setup_token, "p": PASSWORD})
        token = answer["data"]["setup"]["token"]
        writers = [Writer(windlass, token, n, stop) for n in range(WRITERS)]
        for w in writers:
            w.start()
        if a.soak:
            soak(windlass, checks, a.soak * 60)
        else:
            print(f"# seed {a.seed}, {a.rounds} rounds", flush=True)
            for n in range(a.rounds):
                time.sleep(dice.uniform(0.05, 1.0))
                fault = dice.choice(["gateway", "backend", "backend", "postmaster", "up", "stop"])
                what = hurt(windlass, fault, dice)
                windlass.wait_ready()
                checks("exit" not in what, f"round {n + 1}: recovered from: {what}")
        stop.set()
        for w in writers:
            w.join(2 * REQUEST_S)
        check_users(checks, windlass, token, writers)
        checks(windlass.stop() == 0, "SIGTERM ends it with 0")
    finally:
        stop.set()
        windlass.stop()
        if checks.failed == 0:
            shutil.rmtree(windlass.folder, ignore_errors=True)
        else:
            print(f"# kept for a look: {windlass.folder}")
    print(f"1..{checks.passed + checks.failed}")
    return 1 if checks.failed else 0


def soak(windlass, checks, seconds):
    """Memory after a third of the time against memory at the end: it may not go on growing."""
    time.sleep(seconds / 3)
    early = resident_kib(windlass)
    time.sleep(seconds * 2 / 3)
    late = resident_kib(windlass)
    checks(late <= early * 1.2 + 2048, f"memory of the services: {early} KiB, later {late} KiB")


if __name__ == "__main__":
    sys.exit(main())
