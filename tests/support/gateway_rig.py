"""A real PostgreSQL and real `windlass gateway` processes, for tests in Python. Ends all it started."""

import http.client
import json
import os
import re
import subprocess
import sys
import threading
import time
import traceback

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from process_rig import PROGRAM, WAIT_S, Output, Process, eventually, reaches  # noqa: E402

PASSWORD = "correct horse battery staple"


class Postgres:
    """The private PostgreSQL of tests/support/pg.h. `more` are variables of its environment."""

    def __init__(self, *settings, more=()):
        self.process = subprocess.Popen([os.environ["WINDLASS_TEST_PG_RUN"], *settings], text=True,
                                        env={**os.environ, **dict(more)}, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.url = self.process.stdout.readline().strip()

    def tell(self, word):
        """kill, stop, launch, wait, suspend, resume; or database, which gives a new one's URL."""
        self.process.stdin.write(word + "\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait(60)


def psql(url, sql):
    """The rows of the last statement, a list of texts each; nulls are empty."""
    done = subprocess.run(["psql", "-X", "-A", "-t", "-q", "-F", "\t", "-v", "ON_ERROR_STOP=1", "-d", url], text=True,
                          input=sql, stdout=subprocess.PIPE, check=True)
    return [line.split("\t") for line in done.stdout.splitlines()]


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.text = status, headers, body.decode()

    @property
    def json(self):
        return json.loads(self.text)

    @property
    def data(self):
        assert "errors" not in self.json, self.text
        return self.json["data"]

    @property
    def error(self):
        assert self.json.get("errors"), f"no error: {self.text}"
        return self.json["errors"][0]

    @property
    def code(self):
        """extensions.code of the first error, or "ok"."""
        return self.error["extensions"]["code"] if "errors" in self.json else "ok"


class Client:
    """One keep-alive connection."""

    def __init__(self, gateway, token=None):
        self.connection = http.client.HTTPConnection(gateway.host, gateway.port, timeout=WAIT_S)
        self.token = token

    def request(self, method, path, body=None, headers=()):
        self.connection.request(method, path, body, dict(headers))
        response = self.connection.getresponse()
        return Answer(response.status, response.headers, response.read())

    def graphql(self, query, variables=None, headers=()):
        sent = {"Content-Type": "application/json", "Accept": "application/graphql-response+json",
                **dict(headers)}
        if self.token:
            sent.setdefault("Authorization", f"Bearer {self.token}")
        return self.request("POST", "/graphql",
                            json.dumps({"query": query, "variables": variables}), sent)

    def close(self):
        self.connection.close()


class Stream:
    """One subscription over Server-Sent Events."""

    def __init__(self, gateway, query, token=None, variables=None, last_id=None):
        self.connection = http.client.HTTPConnection(gateway.host, gateway.port, timeout=WAIT_S)
        headers = {"Content-Type": "application/json", "Accept": "text/event-stream"}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        self.last_id = last_id  # as a browser keeps it
        if last_id:
            headers["Last-Event-ID"] = last_id
        self.connection.request("POST", "/graphql", json.dumps({"query": query, "variables": variables}), headers)
        self.response = self.connection.getresponse()

    def next(self):
        """The next response; None where the stream says that it is complete."""
        event, until = None, time.monotonic() + WAIT_S
        while True:
            assert time.monotonic() < until, "nothing came"  # but comments, which keep the connection
            line = self.response.readline().decode()
            if not line:
                raise ConnectionResetError("the stream ended without a word")
            line = line.rstrip("\n")
            if line.startswith("event: "):
                event = line[len("event: "):]
            elif line.startswith("id:"):
                self.last_id = line[len("id:"):].strip()
            elif line.startswith("data:") and event == "next":
                return Answer(200, {}, line[len("data:"):].strip().encode())
            elif line.startswith("data:") and event == "complete":
                return None

    def close(self):
        self.connection.close()


class Gateway(Process):
    """One process. `settings` are WINDLASS_ variables without the prefix, and TZ."""

    def __init__(self, url, wait=True, **settings):
        # However slow the machine: a create becomes an entry of the outbox only where a test wants it.
        environment = {"WORKER_CREATE_TIMEOUT": "60s", "REQUEST_TIMEOUT": "60s", "WORKER_CHANGE_TIMEOUT": "50s",
                       "WORKER_ASK_TIMEOUT": "10s", "ENV": "development", "LOG_SQL": "off", "PORT": "0", "GATEWAY_LOOPS": "2",
                       "ARGON2_MEMORY": "8MiB", "ARGON2_TIME": "1", "LOGIN_ACCOUNT_LIMIT": "1000",
                       "LOGIN_ADDRESS_LIMIT": "10000", **settings}
        self.out_file = Output()
        super().__init__("gateway", [PROGRAM, "gateway"],
                         {"PATH": os.environ["PATH"], "DATABASE_URL": url,
                          **{name if name == "TZ" else "WINDLASS_" + name: value for name, value in environment.items()}},
                         output=self.out_file)
        with self.starting():
            started = self.wait_for_log(r"event=gateway\.started address=(\S+)")
            self.host, port = started.group(1).rsplit(":", 1)
            self.port = int(port)
            if wait:
                self.wait_ready()

    @property
    def setup_token(self):
        return re.search(r"/setup\?token=(\S+)", self.out_file.text).group(1)

    def wait_ready(self):
        eventually(lambda: self.get("/readyz").status == 200)

    def get(self, path, headers=()):
        client = Client(self)
        try:
            return client.request("GET", path, None, headers)
        finally:
            client.close()

    def graphql(self, query, variables=None, token=None, headers=()):
        client = Client(self, token)
        try:
            return client.graphql(query, variables, headers)
        finally:
            client.close()

    def set_up(self, email="admin@example.org"):
        """The first administrator; gives the session's token."""
        return self.graphql(SETUP, {"token": self.setup_token, "email": email, "name": "Admin",
                                    "password": PASSWORD}).data["setup"]["token"]

    def login(self, email, password=PASSWORD):
        return self.graphql(LOGIN, {"email": email, "password": password}).data["login"]["token"]

    def end(self, has_failed=True):
        super().end(has_failed)
        self.out_file.close()


class BaseWorld:
    """A gateway, its first administrator, and the workers that it asks, which end after it."""

    def __init__(self, url, workers, **settings):
        self.url, self.workers, self.settings = url, workers, settings
        self.gateway = Gateway(url, **settings)
        self.admin = self.gateway.set_up()

    def ask(self, query, variables=None, gateway=None):
        return (gateway or self.gateway).graphql(query, variables, self.admin)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        try:
            self.gateway.__exit__(*exc)
        finally:
            for worker in reversed(self.workers):
                worker.__exit__(*exc)


LOGIN = "mutation($email: String!, $password: String!) { login(email: $email, password: $password) { token user { id } } }"
SETUP = ("mutation($token: String!, $email: String!, $name: String!, $password: String!) "
         "{ setup(token: $token, email: $email, name: $name, password: $password) { token user { id role } } }")
CREATE = "mutation($input: CreateUserInput!) { createUser(input: $input) { id email name role } }"


def unanswered(gateway, query, variables, token):
    """The gateway goes before it answers."""
    client = Client(gateway, token)
    try:
        raise AssertionError(client.graphql(query, variables).text)
    except (OSError, http.client.HTTPException):
        pass
    finally:
        client.close()


def create_user(gateway, admin, email, role="VIEWER", name="Somebody"):
    return gateway.graphql(CREATE, {"input": {"email": email, "name": name, "password": PASSWORD,
                                              "role": role}}, admin).data["createUser"]["id"]


def at_once(count, call):
    """The results of `call(i)` from threads that start together."""
    barrier, results = threading.Barrier(count), [None] * count

    def run(i):
        barrier.wait()
        try:
            results[i] = call(i)
        except Exception as error:  # pylint: disable=broad-except
            results[i] = error
    threads = [threading.Thread(target=run, args=(i,)) for i in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT_S * 2)
    for result in results:
        if isinstance(result, Exception):
            raise result
    return results


def run_tests(tests, *args):
    """TAP: each test is a function whose name states the fact."""
    print(f"1..{len(tests)}", flush=True)
    failed = 0
    for number, test in enumerate(tests, 1):
        name = test.__name__.replace("_", " ")
        try:
            test(*args)
            print(f"ok {number} - {name}", flush=True)
        except Exception:  # pylint: disable=broad-except
            failed += 1
            for line in traceback.format_exc().splitlines():
                print(f"# {line}")
            Process.tell_all()
            print(f"not ok {number} - {name}", flush=True)
    sys.exit(1 if failed else 0)
