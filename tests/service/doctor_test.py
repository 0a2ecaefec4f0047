#!/usr/bin/env python3
"""`windlass doctor` on a real server: what it finds in the server's settings and in the schema, and
that the cure for a missing schema works. Usage: doctor_test.py PROGRAM"""

import json
import os
import subprocess
import sys

PROGRAM = os.path.abspath(sys.argv[1])
CLEAN = {"PATH": os.environ["PATH"], "HOME": "/nonexistent"}


class Server:
    """The private PostgreSQL of tests/support/pg.h, and the URL of an empty database in it."""

    def __init__(self, settings):
        self.process = subprocess.Popen([os.environ["WINDLASS_TEST_PG_RUN"], settings], text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.url = self.process.stdout.readline().strip()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait(60)


def run(*args, url):
    return subprocess.run([PROGRAM, *args], capture_output=True, text=True, check=False, timeout=60,
                          env={**CLEAN, "DATABASE_URL": url})


def doctor(url, *args):
    """The findings, by check: a list of (state, detail) each."""
    done = run("doctor", "--json", "--port=0", *args, url=url)
    assert done.stderr == "", done.stderr
    found = {}
    for check in json.loads(done.stdout)["checks"]:
        found.setdefault(check["check"], []).append((check["state"], check["detail"]))
    return found


def expect_one(found, check, state, words):
    assert len(found[check]) == 1, found[check]
    assert found[check][0][0] == state and words in found[check][0][1], found[check]


def a_fit_server_is_ok_and_an_empty_one_lacks_the_schema(url):
    found = doctor(url)
    expect_one(found, "database", "ok", "PostgreSQL 1")
    assert "data" not in found and "programs" not in found, found
    expect_one(found, "schema", "failure", "needs what is not there")
    expect_one(found, "queue", "failure", "needs what is not there")
    expect_one(found, "services", "ok", "none run")


def the_cure_it_names_for_the_schema_works(url):
    done = run("migrate", "sync", url=url)
    assert done.returncode == 0, done.stderr
    found = doctor(url)
    expect_one(found, "schema", "ok", "complete")
    expect_one(found, "queue", "ok", "no worker has led it yet")
    expect_one(found, "enqueue", "ok", "for those alone who were given it")


def an_enqueue_that_everybody_may_call_is_a_failure(url):
    for change, state, words in (("grant execute on function windlass.enqueue to public", "failure", "enqueue from everybody"),
                                 ("revoke execute on function windlass.enqueue from public", "ok", "for those alone")):
        done = run("psql", "--", "-X", "-q", "-c", change, url=url)
        assert done.returncode == 0, done.stderr
        expect_one(doctor(url), "enqueue", state, words)


def a_queue_without_a_leader_is_a_warning(url):
    lease = "insert into worker.shard (id, leader, lease_until) values (0, 'a-host', now() + interval '{}') " \
            "on conflict (id) do update set lease_until = excluded.lease_until"
    for until, state, words in (("1 hour", "ok", "a-host leads it"), ("-1 s", "warning", "no worker leads")):
        done = run("psql", "--", "-X", "-q", "-c", lease.format(until), url=url)
        assert done.returncode == 0, done.stderr
        expect_one(doctor(url), "queue", state, words)


def a_server_that_may_lose_data_is_a_failure(url):
    found = doctor(url + "&options=-c%20default_transaction_read_only%3Don")["database"]
    states = [state for state, _ in found]
    details = " ".join(detail for _, detail in found)
    assert states.count("failure") == 3, states
    for words in ("fsync", "synchronous_commit", "read-only"):
        assert words in details, details


def too_few_connections_are_a_warning(url):
    warnings = [d for s, d in doctor(url, "--gateway-loops=64")["database"] if s == "warning"]
    assert len(warnings) == 1 and "connections" in warnings[0], warnings


def no_server_is_a_failure_without_the_password(url):
    del url
    found = doctor("postgres://me:hush@127.0.0.1:1/app")
    expect_one(found, "database", "failure", "")
    assert "hush" not in str(found) and "schema" not in found, found


def main():
    plans = [
        ("-c fsync=on -c full_page_writes=on -c synchronous_commit=on", [a_fit_server_is_ok_and_an_empty_one_lacks_the_schema,
                         the_cure_it_names_for_the_schema_works,
                         an_enqueue_that_everybody_may_call_is_a_failure,
                         a_queue_without_a_leader_is_a_warning,
                         too_few_connections_are_a_warning,
                         no_server_is_a_failure_without_the_password]),
        ("-c fsync=off -c synchronous_commit=off",
         [a_server_that_may_lose_data_is_a_failure]),
    ]
    print(f"1..{sum(len(tests) for _, tests in plans)}")
    number = failed = 0
    for settings, tests in plans:
        with Server(settings) as server:
            for test in tests:
                number += 1
                try:
                    test(server.url)
                    print(f"ok {number} - {test.__name__}")
                except (AssertionError, KeyError, ValueError, subprocess.SubprocessError) as problem:
                    failed += 1
                    print(f"not ok {number} - {test.__name__}\n# {problem!r}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
