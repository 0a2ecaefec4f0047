#!/usr/bin/env python3
"""The whole program under blows: what was acknowledged is there afterwards, and it mends itself.

Usage: survival_test.py WINDLASS [TEST...]
"""
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time

from harness import (DEADLINE_S, GONE_S, PASSWORD, Crowd, Refused, Scratch, Up, descendants, graphql, processes, run_tests,
                     set_up, until)

PROGRAM = os.path.realpath(sys.argv[1])


def are_gone(pids):
    """Reaped, too: PostgreSQL does not start while a process has its former number, if only a zombie."""
    return not processes().keys() & set(pids)


def log_in(up):
    return graphql(up, None, "mutation ($p: String!) { login(email: \"first@example.org\", password: $p) "
                             "{ token } }", p=PASSWORD)["login"]["token"]


def sql(up, statement):
    done = subprocess.run([PROGRAM, "psql", "--data", up.data, "--", "-X", "-A", "-t", "-c",
                           statement], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


class Writers(Crowd):
    """Threads that write until they are stopped, and note what was acknowledged."""

    def __init__(self, up, token, count=4):
        super().__init__(count)
        self.up, self.token = up, token
        self.acknowledged, self.codes = [], set()

    def run(self, number):
        count = 0
        while not self.is_over.is_set():
            count += 1
            name = f"writer-{number}-{count}"
            try:
                graphql(self.up, self.token, "mutation ($n: String!) { createApiToken(name: $n, role: VIEWER) "
                                             "{ apiToken { id } } }", n=name)
                self.acknowledged.append(name)
            except Refused as refused:
                self.codes.add(refused.args[0])
            except (OSError, http.client.HTTPException, json.JSONDecodeError):
                pass  # the connection broke: nothing was acknowledged

    def wait_for(self, more):
        target = len(self.acknowledged) + more
        until(f"{more} more writes", lambda: len(self.acknowledged) >= target)

    def assert_kept(self, up):
        missing = set(self.acknowledged) - set(sql(up, "select name from api_tokens"))
        assert not missing, f"acknowledged and lost: {sorted(missing)[:5]}"


def test_a_login_outlives_a_restart():
    with Scratch() as scratch:
        with Up(PROGRAM, scratch) as up:
            up.wait_ready()
            token = set_up(up)
            up.process.send_signal(signal.SIGTERM)
            assert up.wait_exit() == 0
        with Up(PROGRAM, scratch) as up:
            up.wait_ready()
            assert up.setup_token() is None, "a set-up link although there is a user"
            assert graphql(up, token, "{ me { email } }")["me"]["email"] == "first@example.org"


def test_kill_9_of_postgres_loses_nothing_and_mends_itself():
    with Scratch() as scratch, Up(PROGRAM, scratch) as up:
        up.wait_ready()
        token, gateway = set_up(up), up.gateway()
        with Writers(up, token) as writers:
            for _ in range(2):
                writers.wait_for(20)
                postgres = up.postgres()
                os.kill(postgres, signal.SIGKILL)
                until("another postgres", lambda: up.postgres() not in (0, postgres))
                writers.wait_for(20)
        assert writers.codes <= {"DATABASE_UNAVAILABLE", "TIMEOUT"}, writers.codes
        writers.assert_kept(up)
        assert up.gateway() == gateway, "the gateway did not outlive its database"
        assert up.request(path="/readyz")[0] == 200


def test_kill_9_of_the_gateway_leaves_the_database_alone():
    with Scratch() as scratch, Up(PROGRAM, scratch) as up:
        up.wait_ready()
        token, postgres = set_up(up), up.postgres()
        with Writers(up, token) as writers:
            writers.wait_for(20)
            gateway = up.gateway()
            os.kill(gateway, signal.SIGKILL)
            until("another gateway", lambda: up.gateway() not in (0, gateway))
            writers.wait_for(20)
        assert writers.codes <= {"DATABASE_UNAVAILABLE"}, writers.codes  # while the new one starts
        writers.assert_kept(up)
        assert up.postgres() == postgres


def test_kill_9_of_the_supervisor_loses_nothing():
    with Scratch() as scratch:
        with Up(PROGRAM, scratch) as up:
            up.wait_ready()
            token = set_up(up)
            with Writers(up, token) as writers:
                writers.wait_for(20)
                children = set(descendants(up.process.pid))
                up.process.kill()
                up.process.wait()
                until("all children are gone", lambda: are_gone(children), GONE_S)
        with Up(PROGRAM, scratch) as second:
            second.wait_ready()
            writers.assert_kept(second)
            assert graphql(second, token, "{ me { email } }")["me"]


CREATES_WAIT_LITTLE = {"WINDLASS_WORKER_CREATE_TIMEOUT": "500ms"}


def accepted_and_kept(up, token, count):
    """Tasks, so many that the worker took, and so many that the outbox has; the worker hangs afterwards."""
    create = "mutation { createTask(input: {type: \"noop\"}) { id accepted } }"
    tasks = []

    def is_made(is_accepted):
        tasks.append(graphql(up, token, create)["createTask"])
        return tasks[-1]["accepted"] == is_accepted
    for _ in range(count):
        until("the worker takes it", lambda: is_made(True))
    os.kill(up.service("worker"), signal.SIGSTOP)
    for _ in range(count):
        until("the outbox keeps it", lambda: is_made(False))
    return tasks


def assert_all_run(up, token, tasks):
    read = "query ($id: ID!) { task(id: $id) { status accepted } }"
    for task in tasks:
        until("it has run", lambda t=task: graphql(up, token, read, id=t["id"])["task"] ==
              {"status": "COMPLETED", "accepted": True})


def test_kill_9_of_the_supervisor_keeps_tasks_and_the_outbox():
    """Those that the worker took, and those that wait for it because it hangs; all run after the next start."""
    with Scratch() as scratch:
        with Up(PROGRAM, scratch, ["--env", "development"], env=CREATES_WAIT_LITTLE, fresh=True) as up:
            up.wait_ready()
            token = set_up(up)
            tasks = accepted_and_kept(up, token, 5)
            with Up(PROGRAM, scratch, run=scratch.join("run2")) as second:
                assert second.wait_exit() == 69, "the data folder was not held by a lock"
            children = set(descendants(up.process.pid))
            up.process.kill()
            up.process.wait()
            until("all children are gone", lambda: are_gone(children), GONE_S)
        with Up(PROGRAM, scratch, ["--env", "development"]) as up:
            up.wait_ready()
            assert_all_run(up, token, tasks)


def kill_at_once(up):
    """None of them sees another end."""
    pids = [up.process.pid, *descendants(up.process.pid)]
    for signum in (signal.SIGSTOP, signal.SIGKILL):
        for pid in pids:
            os.kill(pid, signum)
    up.process.wait()
    until("all are gone", lambda: are_gone(pids))


def test_all_killed_at_once_lose_nothing_and_the_mirror_goes_on_from_its_cursor():
    """PostgreSQL too: nobody writes anything down any more, as when the power goes. (What the disk had not is not
    lost here.)"""
    with Scratch() as scratch:
        with Up(PROGRAM, scratch, ["--env", "development"], env=CREATES_WAIT_LITTLE, fresh=True) as up:
            up.wait_ready()
            token = set_up(up)
            until("the cursor is stored", lambda: sql(up, "select 1 from mirror where cursor like '0:%'"))
            tasks = accepted_and_kept(up, token, 20)
            kill_at_once(up)
        with Up(PROGRAM, scratch, ["--env", "development"]) as up:
            up.wait_ready()
            assert_all_run(up, token, tasks)
            assert "cursor=0:" in up.logged("event=mirror.held"), "it began anew"
            assert not [line for line in up.log if "event=mirror.snapshot-read" in line], "it began anew"


def test_readiness_follows_the_database():
    with Scratch() as scratch, Up(PROGRAM, scratch) as up:
        up.wait_ready()
        assert up.request(path="/readyz")[0] == 200
        postgres = up.postgres()
        os.kill(postgres, signal.SIGKILL)
        assert up.request(path="/livez")[0] == 200
        until("ready again", lambda: up.request(path="/readyz")[0] == 200)


def test_sigterm_lets_a_request_in_flight_finish():
    with Scratch() as scratch, Up(PROGRAM, scratch) as up:
        up.wait_ready()
        body = json.dumps({"query": "{ __typename }"}).encode()
        with socket.create_connection(up.address(), DEADLINE_S) as client:
            client.sendall(b"POST /graphql HTTP/1.1\r\nHost: localhost\r\n"
                           b"Content-Type: application/json\r\n"
                           b"Content-Length: %d\r\n\r\n" % len(body) + body[:5])
            time.sleep(0.3)  # the head has been read
            up.process.send_signal(signal.SIGTERM)
            up.logged("service=gateway", "gateway.stopping")
            client.sendall(body[5:])
            answer = b""
            while b"__typename" not in answer:
                chunk = client.recv(4096)
                assert chunk, f"no answer: {answer!r}"
                answer += chunk
        assert answer.startswith(b"HTTP/1.1 200"), answer
        assert up.wait_exit() == 0


def test_development_synchronises_and_production_migrates():
    with Scratch() as scratch:
        with Up(PROGRAM, scratch, ["--env", "development"], fresh=True) as up:
            up.wait_ready()
            assert graphql(up, None, "{ __typename }") == {"__typename": "Query"}
            assert set(sql(up, "select tablename from pg_tables where schemaname = 'public'")) >= \
                {"users", "tasks", "jobs", "chat_messages", "dashboard_insights"}
        with Scratch() as other, Up(PROGRAM, other, fresh=True) as up:
            up.wait_ready()
            assert graphql(up, None, "{ __typename }") == {"__typename": "Query"}


def test_sessions_can_be_opened_again_after_every_blow():
    with Scratch() as scratch, Up(PROGRAM, scratch) as up:
        up.wait_ready()
        set_up(up)
        for victim in (up.gateway, up.postgres, up.gateway):
            pid = victim()
            os.kill(pid, signal.SIGKILL)
            until("it is back", lambda: victim() not in (0, pid))
            until("a login", lambda: try_log_in(up))


def try_log_in(up):
    try:
        return log_in(up)
    except (Refused, OSError, http.client.HTTPException):
        return None


if __name__ == "__main__":
    run_tests([test for name, test in list(globals().items()) if name.startswith("test_")])
