#!/usr/bin/env python3
"""All services under `windlass up`: ready, told apart by their probes, small, and back after a kill.

Usage: services_test.py WINDLASS [TEST...]
"""
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time

from harness import Scratch, Skip, Up, run_tests, until

PROGRAM = os.path.realpath(sys.argv[1])
UNIX_SERVICES = ("worker", "ai", "runner")
SERVICES = ("gateway", *UNIX_SERVICES)
ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../..")
METRICS_PAGE, MIGRATIONS = os.path.join(ROOT, "docs/metrics.md"), os.path.join(ROOT, "src/schema/migrations")
IDLE_KIB_MAX = 20 * 1024  # what is promised of each process
LOGINS = 8
PASSWORD = "correct horse battery staple"


def run(*args, **more):
    return subprocess.run([PROGRAM, *args], capture_output=True, text=True, check=False, timeout=60,
                          env={"PATH": os.environ["PATH"], "HOME": "/nonexistent", **more})


def wait_all_ready(up):
    up.wait_ready()
    for name in SERVICES:
        up.logged("event=up.child_ready", f"child={name} ")


def findings(up):
    done = run("doctor", "--json", "--data", up.data, "--port", "0")
    return {found["check"]: found for found in json.loads(done.stdout)["checks"]}


def resident_kib(pid):
    with open(f"/proc/{pid}/status") as file:
        return int(re.search(r"^VmRSS:\s+(\d+) kB", file.read(), re.M).group(1))


def graphql(up, query, **variables):
    status, body = up.request("POST", "/graphql",
                              json.dumps({"query": query, "variables": variables}),
                              {"Content-Type": "application/json"})
    answer = json.loads(body)
    assert status == 200 and "errors" not in answer, body
    return answer["data"]


def test_each_service_is_asked_by_its_socket():
    with Scratch() as scratch, Up(PROGRAM, scratch) as up:
        wait_all_ready(up)
        for name in UNIX_SERVICES:
            done = run("health", "--url", f"unix:{up.run}/{name}.sock")
            assert done.returncode == 0, (name, done.stderr)
            status, body = up.request(path="/healthz", service=name)
            assert status == 200 and json.loads(body)["ready"] is True, body
            status, body = up.request(path="/metrics", service=name)
            assert status == 200 and "windlass_" in body
        assert run("health", "--url", f"{up.url()}/readyz").returncode == 0
        done = run("health", "--data", up.data, "--run", up.run)
        assert done.returncode == 0, done.stderr
        done = run("health", "--data", up.data, "--run", up.run, WINDLASS_URL="http://127.0.0.1:1")
        assert done.returncode == 0, "the commands' gateway is another's"
        done = run("migrate", "check", "--data", up.data)
        assert done.returncode == 0, done.stderr
        files = shutil.copytree(MIGRATIONS, scratch.join("migrations"))
        done = run("migrate", "generate", "more", "--data", up.data, "--dir", files)
        assert done.returncode == 0, done.stderr
    done = run("health", "--url", f"unix:{up.run}/worker.sock")
    assert done.returncode == 69 and "nobody answers" in done.stderr, done
    done = run("migrate", "check", "--data", up.data)
    assert done.returncode == 2 and "no database is named" in done.stderr, done


def metrics_of(text):
    """{name: a row of the page}, of what a service answers."""
    types = dict(re.findall(r"^# TYPE (\S+) (\S+)$", text, re.M))
    rows = {}
    for name, words in re.findall(r"^# HELP (\S+) (.*)$", text, re.M):
        series = re.search(rf"^{name}(?:_bucket)?\{{(.*)\}} ", text, re.M)
        labels = [label for label in re.findall(r'(\w+)="', series.group(1)) if label != "le"] if series else []
        rows[name] = f"| `{name}` | {types[name]} | {', '.join(f'`{label}`' for label in labels)} | {words} |"
    return rows


def test_the_page_of_metrics_has_each_and_no_other():
    with open(METRICS_PAGE, encoding="utf-8") as file:
        stored = {row for row in file.read().splitlines() if row.startswith("| `")}
    wanted = set()
    with Scratch() as scratch, Up(PROGRAM, scratch) as up:
        wait_all_ready(up)
        for name in ("gateway", *UNIX_SERVICES):
            rows = metrics_of(up.request(path="/metrics", service=None if name == "gateway" else name)[1])
            assert len(rows) > 5, (name, rows)
            wanted.update(rows.values())
    for row in sorted(wanted ^ stored):
        print("# missing:" if row in wanted else "# no longer so:", row)
    assert stored == wanted


def set_up(up):
    return graphql(up, "mutation($t: String!, $p: String!) { setup(token: $t, "
                   "email: \"ada@example.org\", name: \"Ada\", password: $p) { token } }",
                   t=up.setup_token(), p=PASSWORD)["setup"]["token"]


def test_health_tells_of_every_service_and_which_one_is_away():
    with Scratch() as scratch, Up(PROGRAM, scratch) as up:
        wait_all_ready(up)
        token = set_up(up)

        def health():
            _, body = up.request("POST", "/graphql", json.dumps(
                {"query": "{ systemHealth { status services { name status detail } } }"}),
                {"Content-Type": "application/json", "Authorization": f"Bearer {token}"})
            found = json.loads(body)["data"]["systemHealth"]
            return found["status"], {s["name"]: s["status"] for s in found["services"]}

        names = ("gateway", "database", "worker", "ai")
        until("all are up", lambda: health() == ("UP", dict.fromkeys(names, "UP")))
        for name in ("ai", "worker"):
            os.kill(up.service(name), signal.SIGSTOP)
            try:
                missed = ("DEGRADED", {**dict.fromkeys(names, "UP"), name: "DOWN"})
                until(f"{name} is missed", lambda: health() == missed)
                assert up.request(path="/readyz")[0] == 200  # it goes on without
            finally:
                os.kill(up.service(name), signal.SIGCONT)
            until(f"{name} is back", lambda: health() == ("UP", dict.fromkeys(names, "UP")))


def test_doctor_tells_how_the_services_are():
    with Scratch() as scratch:
        with Up(PROGRAM, scratch) as up:
            wait_all_ready(up)
            found = findings(up)
            for name in (*UNIX_SERVICES, "schema", "queue"):
                assert found[name]["state"] == "ok", found[name]
            assert "leads it" in found["queue"]["detail"]
            os.kill(up.service("ai"), signal.SIGSTOP)
            try:
                found = findings(up)
            finally:
                os.kill(up.service("ai"), signal.SIGCONT)
            assert found["ai"]["state"] == "failure" and found["worker"]["state"] == "ok", found
        found = findings(up)
        assert "none run" in found["services"]["detail"] and "worker" not in found, found


def test_a_restarted_worker_is_found_again_by_the_runner():
    with Scratch() as scratch, Up(PROGRAM, scratch) as up:
        wait_all_ready(up)
        os.kill(up.service("worker"), signal.SIGKILL)
        up.logged("event=up.child_ready", "child=worker ", count=2)
        until("the runner is ready", lambda: up.request(path="/readyz", service="runner")[0] == 200)
        until("the gateway is ready", lambda: up.request(path="/readyz")[0] == 200)


def test_every_process_stays_small():
    with open(PROGRAM, "rb") as file:
        if b"__asan_init" in file.read():
            raise Skip("a sanitizer's memory is its own")
    with Scratch() as scratch, Up(PROGRAM, scratch) as up:
        wait_all_ready(up)
        sizes = {name: resident_kib(up.service(name)) for name in SERVICES}
        sizes["up"] = resident_kib(up.process.pid)
        print(f"# idle, KiB resident: {sizes}")
        assert max(sizes.values()) <= IDLE_KIB_MAX, sizes
        set_up(up)
        for _ in range(LOGINS):
            graphql(up, "mutation($p: String!) { login(email: \"ada@example.org\", password: $p) "
                    "{ expiresAt } }", p=PASSWORD)
        time.sleep(0.2)  # the last hash's thread ends its work after the answer
        size = resident_kib(up.gateway())
        print(f"# after {LOGINS} password hashes: {size}")
        assert size <= IDLE_KIB_MAX, size


if __name__ == "__main__":
    run_tests([test for name, test in list(globals().items()) if name.startswith("test_")])
