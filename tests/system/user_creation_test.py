#!/usr/bin/env python3
"""scripts/test-user-creation.sh, the way people run it, and that it fails where a step does.

Usage: user_creation_test.py WINDLASS [TEST...]
"""
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from harness import Scratch, Skip, Up, run_tests

PROGRAM = os.path.realpath(sys.argv[1])
ROOT = Path(__file__).resolve().parent.parent.parent
SCRIPT = ROOT / "scripts" / "test-user-creation.sh"


def run_script(env=None, program=PROGRAM):
    names = ("WINDLASS_URL", "WINDLASS_TOKEN", "DATABASE_URL")
    clean = {name: value for name, value in os.environ.items() if name not in names}
    return subprocess.run([str(SCRIPT), program], env={**clean, **(env or {})},
                          capture_output=True, text=True, timeout=240, cwd="/")


def assert_passed(done):
    assert done.returncode == 0, done.stdout + done.stderr
    assert "passed in" in done.stdout.splitlines()[-1]


def database_url(up):
    with open(os.path.join(up.data, "secrets", "windlass_owner")) as file:
        return f"postgresql://windlass_owner:{file.read().strip()}@/windlass?host={up.run}"


def graphql(up, query, token=None, **variables):
    headers = {"Content-Type": "application/json"}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    status, body = up.request("POST", "/graphql",
                              json.dumps({"query": query, "variables": variables}), headers)
    answer = json.loads(body)
    assert status == 200 and "errors" not in answer, body
    return answer["data"]


def test_passes_on_a_windlass_of_its_own():
    assert_passed(run_script())


def test_passes_for_an_ordinary_user():
    if os.geteuid() != 0:
        raise Skip("the other test shows it: you are no root")
    with Scratch() as scratch:
        script, program = shutil.copy(SCRIPT, scratch.path), shutil.copy(PROGRAM, scratch.path)
        done = subprocess.run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups",
                               "env", "-u", "XDG_RUNTIME_DIR", "HOME=/nonexistent", script, program],
                              capture_output=True, text=True, timeout=240, cwd="/")
        assert_passed(done)


def test_uses_one_that_runs_and_leaves_it_as_it_was():
    with Scratch() as scratch, Up(PROGRAM, scratch) as up:
        up.wait_ready()
        env = {"WINDLASS_URL": up.url(), "DATABASE_URL": database_url(up)}
        gateway = up.gateway()
        assert_passed(run_script({**env, "WINDLASS_TOKEN": up.setup_token()}))
        done = run_script({**env, "WINDLASS_TOKEN": up.setup_token()})
        assert done.returncode == 1 and "set up the first user" in done.stderr, done.stderr
        assert up.process.poll() is None and up.gateway() == gateway


def test_uses_an_admins_token_and_deletes_its_user():
    with Scratch() as scratch, Up(PROGRAM, scratch) as up:
        up.wait_ready()
        token = graphql(up, "mutation ($t: String!) { setup(token: $t, email: \"a@example.org\", "
                            "name: \"A\", password: \"correct horse battery\") { token } }",
                        t=up.setup_token())["setup"]["token"]
        env = {"WINDLASS_URL": up.url(), "DATABASE_URL": database_url(up)}
        assert_passed(run_script({**env, "WINDLASS_TOKEN": token}))
        users = graphql(up, "{ users { nodes { email } } }", token)["users"]["nodes"]
        assert users == [{"email": "a@example.org"}], users


def test_fails_loudly_and_names_the_step():
    with Scratch() as scratch, Up(PROGRAM, scratch) as up:
        up.wait_ready()
        env = {"WINDLASS_URL": up.url(), "DATABASE_URL": database_url(up)}
        done = run_script({**env, "WINDLASS_TOKEN": "wlt_" + "x" * 43})
        assert done.returncode == 1 and 'FAILED at step "create ' in done.stderr, done.stderr
        done = run_script({**env, "WINDLASS_TOKEN": up.setup_token(),
                           "DATABASE_URL": "postgresql:///?host=/nonexistent"})
        assert done.returncode == 1 and 'FAILED at step "find the row' in done.stderr, done.stderr
    done = run_script(program="/nowhere")
    assert done.returncode == 1 and 'FAILED at step "start Windlass' in done.stderr, done.stderr


if __name__ == "__main__":
    run_tests([test for name, test in list(globals().items()) if name.startswith("test_")])
