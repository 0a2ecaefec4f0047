"""A Windlass of the benchmark's own: a scratch folder, a free port, production settings."""
import json
import os
import re
import shutil
import subprocess
import tempfile
import time
import urllib.request
from pathlib import Path

import proc

READY_SECONDS = 120
ADMIN = {"name": "Bench", "email": "bench@example.org", "password": "correct horse battery staple"}


class Windlass:
    def __init__(self, program):
        self.program = str(program)
        self.folder = Path(tempfile.mkdtemp(prefix="windlass-bench-"))
        self.folder.chmod(0o755)  # started as root, the services run as another user
        self.child = self.url = self.setup_token = None
        self.ready_seconds = None

    def start(self, *options):
        """Returns when the address was printed; ready_seconds tells how long that took."""
        began = time.monotonic()
        log = open(self.folder / "log", "ab")
        self.child = subprocess.Popen(
            [self.program, "up", "--data", str(self.folder / "data"), "--run", str(self.folder / "run"),
             "--port", "0", "--log-level", "warn", "--gql-cost-max", "1000000",
             "--runner-slots", "500", *options],
            stdout=subprocess.PIPE, stderr=log, text=True,
            env={"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"),
                 "WINDLASS_ENV": "production"})
        log.close()
        for line in self.child.stdout:
            found = re.search(r"(http://[\w.:\[\]-]+\d)", line)
            if not found:
                continue
            self.url = found.group(1)
            self.ready_seconds = time.monotonic() - began
            break
        else:
            raise RuntimeError("windlass up ended:\n" + (self.folder / "log").read_text()[-4000:])

    def read_setup_token(self):
        for line in self.child.stdout:
            found = re.search(r"/setup\?token=(\S+)", line)
            if found:
                return found.group(1)
        raise RuntimeError("no setup link was printed")

    def stop(self):
        if self.child and self.child.poll() is None:
            self.child.terminate()
            self.child.wait(READY_SECONDS)

    def remove(self):
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def graphql(self, query, variables=None, token=None):
        request = urllib.request.Request(
            self.url + "/graphql", json.dumps({"query": query, "variables": variables or {}}).encode(),
            {"Content-Type": "application/json",
             **({"Authorization": f"Bearer {token}"} if token else {})})
        with urllib.request.urlopen(request, timeout=30) as answer:
            body = json.load(answer)
        if body.get("errors"):
            raise RuntimeError(f"{query.split('(')[0]}: {body['errors'][0]['message']}")
        return body["data"]

    def set_up(self):
        """Creates the first user; returns the session's token."""
        return self.graphql(
            "mutation Setup($token: String!, $name: String!, $email: String!, $password: String!) {"
            " setup(token: $token, name: $name, email: $email, password: $password) { token } }",
            {"token": self.read_setup_token(), **ADMIN})["setup"]["token"]

    def roots(self):
        """The process of each part: `postgres`, `gateway`, `up` itself."""
        found = {"up": self.child.pid}
        for pid in proc.tree(self.child.pid)[1:]:
            command = proc.command(pid)
            if re.search(r"\bpostgres\b.* -D", command):
                found["postgres"] = pid
            match = re.search(r"windlass\S* (gateway|worker|runner|ai)\b", command)
            if match:
                found[match.group(1)] = pid
        return found

    def database_environment(self):
        """For psql and pgbench: the private cluster as its superuser."""
        password = (self.folder / "data" / "secrets" / "windlass").read_text().strip()
        return {**os.environ, "PGHOST": str(self.folder / "run"), "PGUSER": "windlass",
                "PGDATABASE": "windlass", "PGPASSWORD": password}

    def sql(self, text):
        return subprocess.run(["psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-c", text], check=True,
                              env=self.database_environment(), stdout=subprocess.PIPE,
                              text=True).stdout
