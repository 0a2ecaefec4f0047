#!/usr/bin/env python3
"""The runner's task types that need settings of their own, against a scripted worker.
Usage: runner_types_test.py PROGRAM"""

import base64
import contextlib
import hashlib
import hmac
import http.server
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../support"))
from gateway_rig import PROGRAM, WAIT_S, eventually, run_tests  # noqa: E402
from runner_rig import Runner, Worker  # noqa: E402


class World:
    """A folder for settings, and a scripted worker."""

    def __init__(self, folder):
        self.folder = folder
        self.shared = os.path.join(folder, "shared")  # where commands may write
        os.mkdir(self.shared)
        for path, mode in ((folder, 0o755), (self.shared, 0o777)):
            os.chmod(path, mode)

    def file(self, name, content, mode=0o600):
        path = os.path.join(self.folder, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(content if isinstance(content, str) else json.dumps(content))
        os.chmod(path, mode)
        return path


def refused(program=(PROGRAM,), **settings):
    """What a runner with such settings says before it ends."""
    done = subprocess.run([*program, "runner"], capture_output=True, text=True, timeout=WAIT_S, check=False,
                          env={"PATH": os.environ["PATH"], "WINDLASS_WORKER_URL": "http://127.0.0.1:1",
                               "WINDLASS_RUNNER_PORT": "0",
                               **{"WINDLASS_" + name: value for name, value in settings.items()}})
    assert done.returncode == 78, (done.returncode, done.stderr)
    return done.stderr


# ── http.request ──

class Receiver:
    """Keeps what it is sent."""

    def __init__(self):
        self.requests = []
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def log_message(self, *_):
                pass

            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                receiver.requests.append((self.headers, body))
                self.send_response(204)
                self.end_headers()
            do_GET = do_POST
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/hook"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,))

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join(WAIT_S)


KEYS = [b"k" * 24, bytes(range(64))]


def whsec(key):
    return "whsec_" + base64.b64encode(key).decode()


def a_request_is_signed_with_each_key_of_its_secret(world):
    secrets = world.file("http-secrets", {"one": whsec(KEYS[0]), "two": [whsec(KEYS[1]), whsec(KEYS[0])]})
    with Worker(("127.0.0.1", 0)) as worker, Receiver() as receiver, \
            Runner(worker.url, HTTP_ALLOW="127.0.0.1", HTTP_SECRETS=secrets) as runner:
        for name, keys in (("one", KEYS[:1]), ("two", KEYS[::-1])):
            task = worker.give("http.request", {"url": receiver.url, "method": "POST", "body": {"a": "ü"},
                                                "sign_with": name})
            assert worker.ack_of(task)["outcome"] == "complete", worker.ack_of(task)
            headers, body = receiver.requests.pop()
            assert headers["webhook-id"] == task and abs(int(headers["webhook-timestamp"]) - time.time()) < WAIT_S
            signed = f"{task}.{headers['webhook-timestamp']}.".encode() + body
            expected = " ".join("v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode() for key in keys)
            assert headers["webhook-signature"] == expected, (headers["webhook-signature"], expected)
        ack = worker.run("http.request", {"url": receiver.url, "sign_with": "three"})
        assert (ack["outcome"], ack["error"]) == ("fatal", "$.sign_with: this runner has no secret of that name"), ack
        assert worker.run("http.request", {"url": receiver.url})["outcome"] == "complete"
        assert "webhook-id" not in receiver.requests.pop()[0]
        assert base64.b64encode(KEYS[0]).decode() not in runner.log


def files_of_secrets_must_be_closed_to_others_and_make_sense(world):
    path = os.path.join(world.folder, "http-secrets")
    for content, mode, error in (({}, 0o644, "has mode 644: others may read or change it; chmod 600"),
                                 ({}, 0o620, "has mode 620"), ("[]", 0o600, "holds no JSON object"),
                                 ("{", 0o600, "read " + path), ({"a": "short"}, 0o600, "a: "),
                                 ({"a": "whsec_" + "A" * 28}, 0o600, "base64 of 24 to 64 bytes expected"),
                                 ({"a": []}, 0o600, "1 to 5 keys expected")):
        world.file("http-secrets", content, mode)
        said = refused(HTTP_SECRETS=path)
        assert error in said and "http-secrets" in said, (error, said)
    assert "No such file" in refused(HTTP_SECRETS=os.path.join(world.folder, "none"))


# ── command ──

OTHER_USER = 65534  # commands are refused to root, so a test that is root runs its runner as nobody


def as_user(world, path):
    """The program, run as somebody who is not root; the file becomes his."""
    if os.geteuid() != 0:
        return (PROGRAM,)
    program = shutil.copy(PROGRAM, world.shared)
    os.chown(path, OTHER_USER, OTHER_USER)
    return ("setpriv", f"--reuid={OTHER_USER}", f"--regid={OTHER_USER}", "--clear-groups", program)


class Commands(contextlib.ExitStack):
    """A scripted worker, and a runner that runs these commands as its own user."""

    def __init__(self, world, commands, **settings):
        super().__init__()
        self.world, self.commands, self.settings = world, commands, settings

    def __enter__(self):
        path = self.world.file("commands", self.commands)
        program = as_user(self.world, path)
        with contextlib.ExitStack() as stack:
            self.worker = stack.enter_context(Worker(("127.0.0.1", 0)))
            self.runner = stack.enter_context(Runner(self.worker.url, program=program, COMMANDS_FILE=path,
                                                     COMMANDS_AS_SELF="on", **self.settings))
            self.push(stack.pop_all())
        return self

    def run(self, command, **more):
        return self.worker.run("command", {"command": command, **more})

    def pid_in(self, name):
        """The process that a command has written to a file of the folder."""
        def look():
            try:
                with open(os.path.join(self.world.shared, name), encoding="ascii") as file:
                    return int(file.read())
            except (FileNotFoundError, ValueError):
                return None
        return eventually(look)


def is_gone(pid):
    """It has ended, and somebody has waited for it."""
    return not os.path.exists(f"/proc/{pid}")


def shell(script, **more):
    return {"argv": ["/bin/sh", "-c", script], **more}


def a_command_runs_without_rights_input_or_a_foreign_environment(world):
    look = "echo out; echo err >&2; env; cat; pwd; grep NoNewPrivs /proc/self/status; ps -o sid= -p $$; echo $$; ls /proc/$$/fd"
    with Commands(world, {"look": shell(look, env={"A": "b c"}, cwd="/usr")}, LOG_LEVEL="info") as c:
        task = c.worker.give("command", {"command": "look"}, attempt=3)
        result = c.worker.ack_of(task)["result"]
        lines = result["stdout"].split("\n")
        assert result["exit_code"] == 0 and result["stderr"] == "err\n" and not result["is_truncated"], result
        variables = {line for line in lines if "=" in line} - {"PWD=/usr", "OLDPWD=/usr", "_=/usr/bin/env", "SHLVL=0", "SHLVL=1"}
        assert variables == {"A=b c", "PATH=/usr/local/bin:/usr/bin:/bin", f"WINDLASS_TASK={task}",
                             "WINDLASS_ATTEMPT=3"}, variables
        assert "/usr" in lines and "NoNewPrivs:\t1" in lines, lines
        at = lines.index("NoNewPrivs:\t1")
        assert lines[at + 1].strip() == lines[at + 2], "it is the first of a session of its own"
        assert lines[at + 3:] == ["0", "1", "2", ""], lines[at + 3:]
        assert "commands.as_self" in c.runner.log


def parameters_and_arguments_are_texts_and_nothing_more(world):
    commands = {"fixed": {"argv": ["/usr/bin/printf", "[%s]", "{", "{x y}", "${HOME}", "--db={db}", "{db}"],
                          "params": ["db"]},
                "any": {"argv": ["/usr/bin/printf", "[%s]"], "args": "append"}}
    with Commands(world, commands) as c:
        value = "a b;$(id)`id`*\\"
        assert c.run("fixed", params={"db": value})["result"]["stdout"] == "[{][{x y}][${HOME}][--db=%s][%s]" % (value, value)
        assert c.run("any", args=["-n", "", "ü", "{db}"])["result"]["stdout"] == "[-n][][ü][{db}]"
        for payload, error in (({"command": "fixed"}, "$.params.db: missing; the command needs it"),
                               ({"command": "fixed", "params": {"db": "-x"}}, "$.params.db: begins with '-'"),
                               ({"command": "fixed", "params": {"db": "x", "b": ""}},
                                "$.params.b: the command has no such parameter"),
                               ({"command": "fixed", "params": {"db": "x"}, "args": ["x"]},
                                "$.args: the command takes none"),
                               ({"command": "other"}, '$.command: there is no command "other" here'),
                               ({"command": "../any"}, "$.command: letters, digits")):
            ack = c.worker.run("command", payload)
            assert ack["outcome"] == "fatal" and ack["error"].startswith(error), (payload, ack)


def an_exit_code_decides_and_the_last_line_tells_why(world):
    commands = {"fails": shell("echo one; echo two >&2; echo 'the reason' >&2; echo >&2; exit 3"),
                "two": shell("exit 2", success_codes=[0, 2]), "killed": shell("kill -9 $$"),
                "none": {"argv": ["/nonexistent"]}, "nowhere": {"argv": ["/bin/true"], "cwd": "/nonexistent"}}
    with Commands(world, commands) as c:
        ack = c.run("fails")
        assert (ack["outcome"], ack["error"]) == ("fail", "exit code 3: the reason"), ack
        ack = c.run("two")
        assert ack["outcome"] == "complete" and ack["result"]["exit_code"] == 2, ack
        ack = c.run("killed")
        assert (ack["outcome"], ack["error"]) == ("fail", "killed by SIGKILL"), ack
        for name in ("none", "nowhere"):
            ack = c.run(name)
            assert ack["outcome"] == "fatal" and ack["error"].endswith("No such file or directory"), ack


STUBBORN = "trap '' TERM; echo $$ > {file}; while :; do sleep 0.1; done"


def one_that_does_not_hear_is_killed_when_its_time_is_over(world):
    file = os.path.join(world.shared, "stubborn")
    with Commands(world, {"s": shell(STUBBORN.replace("{file}", file), timeout_seconds=0.5, grace_seconds=0.2)}) as c:
        ack = c.run("s")
        assert (ack["outcome"], ack["error"]) == ("fail", "took longer than the command may"), ack
        assert is_gone(c.pid_in("stubborn"))


def a_cancelled_command_ends_with_its_whole_family(world):
    daemon, parent = (os.path.join(world.shared, name) for name in ("daemon", "parent"))
    script = world.file("escape.sh", f"""trap '' TERM
setsid sh -c '(sh -c "echo \\$\\$ > {daemon}; exec sleep 1000" &)' &
echo $$ > {parent}
sleep 1000
""", 0o644)
    command = {"argv": ["/bin/sh", script], "grace_seconds": 0.2}
    with Commands(world, {"d": command}, DRAIN_TIMEOUT="5s") as c:
        task = c.worker.give("command", {"command": "d"})
        pids = [c.pid_in("daemon"), c.pid_in("parent")]
        c.worker.tell(commands=[{"kind": "cancel", "task": task, "fence": c.worker.leased[task], "reason": "cancelled"}])
        assert c.worker.ack_of(task)["outcome"] == "cancelled"
        eventually(lambda: all(is_gone(pid) for pid in pids))


def what_a_command_leaves_behind_is_ended_with_it(world):
    file = os.path.join(world.shared, "left")
    with Commands(world, {"l": shell(f"setsid sh -c 'echo $$ > {file}; exec sleep 1000' & "
                                     f"while ! [ -s {file} ]; do sleep 0.02; done; echo done")}) as c:
        ack = c.run("l")
        assert ack["outcome"] == "complete" and ack["result"]["stdout"] == "done\n", ack
        assert is_gone(c.pid_in("left"))


def a_killed_runner_takes_its_commands_along(world):
    file = os.path.join(world.shared, "orphan")
    with Commands(world, {"o": shell(STUBBORN.replace("{file}", file), grace_seconds=0.1)}) as c:
        c.worker.give("command", {"command": "o"})
        pid = c.pid_in("orphan")
        c.runner.process.kill()
        c.runner.process.wait(WAIT_S)
        c.runner.process.returncode = 0
        eventually(lambda: is_gone(pid))


def a_flood_of_output_is_cut_off_and_its_end_is_kept(world):
    commands = {"flood": {"argv": ["/usr/bin/yes"], "max_output_bytes": 10_000_000},
                "long": shell("head -c 3000000 /dev/zero | tr '\\0' x; printf '\\377ü'; printf 'a\\0b' >&2")}
    with Commands(world, commands) as c:
        ack = c.run("flood")
        assert (ack["outcome"], ack["error"]) == ("fail", "wrote more than the command may"), ack
        result = c.run("long")["result"]
        assert result["is_truncated"] and result["stdout"] == "x" * (16384 - 3) + "\ufffdü", result["stdout"][-9:]
        assert result["stderr"] == "a\ufffdb", result
        with open(f"/proc/{c.runner.process.pid}/status", encoding="ascii") as status:
            peak = int(next(line for line in status if line.startswith("VmHWM")).split()[1])
        assert peak < 100_000, f"{peak} KiB"


def limits_hold(world):
    file = os.path.join(world.shared, "large")
    commands = {"cpu": shell("while :; do :; done", limits={"cpu_seconds": 1}),
                "memory": {"argv": ["/bin/dd", "if=/dev/zero", "of=/dev/null", "bs=1G", "count=1"],
                           "limits": {"memory_bytes": 1 << 28}},
                "file": {"argv": ["/bin/dd", "if=/dev/zero", "of=" + file, "bs=4096", "count=100"],
                         "limits": {"file_bytes": 8192}},
                "told": shell("ulimit -n; ulimit -c", limits={"open_files": 33})}
    with Commands(world, commands) as c:
        assert c.run("cpu")["error"] == "killed by SIGXCPU"
        assert c.run("memory")["error"].startswith("exit code 1: /bin/dd: memory exhausted")
        assert c.run("file")["error"].startswith("killed by SIGXFSZ")
        assert os.path.getsize(file) == 8192
        assert c.run("told")["result"]["stdout"] == "33\n0\n"


def commands_are_off_where_nobody_said_as_whom(world):
    path = world.file("commands", {"t": {"argv": ["/bin/true"]}})
    with Worker(("127.0.0.1", 0)) as worker, Runner(worker.url, COMMANDS_FILE=path) as runner:
        assert "command" not in worker.session.opened_with["types"], worker.session.opened_with
        assert "event=commands.off" in runner.log
    with Worker(("127.0.0.1", 0)) as worker, Runner(worker.url):
        assert "command" not in worker.session.opened_with["types"], worker.session.opened_with


def wrong_lists_are_refused_by_name(world):
    path = world.file("commands", {})
    true = ["/bin/true"]
    for commands, error in (
            ([], "holds no JSON object"),
            ({"a b": {"argv": true}}, "$: letters, digits"),
            ({"a": {}}, "$.argv: missing"), ({"a": {"argv": []}}, "$.argv[0]: path of a program"),
            ({"a": {"argv": ["true"]}}, "$.argv[0]: path of a program"),
            ({"a": {"argv": ["/{x}", "{x}"], "params": ["x"]}}, "$.params[0]: {x} must stand in an argument"),
            ({"a": {"argv": true, "params": ["x"]}}, "$.params[0]: {x} must stand in an argument"),
            ({"a": {"argv": true, "params": ["x y"]}}, "$.params[0]: is no name"),
            ({"a": {"argv": "/bin/true"}}, "$.argv: list of texts expected"),
            ({"a": {"argv": true, "args": "all"}}, "$.args: none or append expected"),
            ({"a": {"argv": true, "cwd": "tmp"}}, "$.cwd: path from / on expected"),
            ({"a": {"argv": true, "env": {"A": 1}}}, "$.env.A: a plain name and a text expected"),
            ({"a": {"argv": true, "shell": True}}, "$.shell: unknown member"),
            ({"a": {"argv": true, "timeout_seconds": 0}}, "$.timeout_seconds: number"),
            ({"a": {"argv": true, "grace_seconds": 9}}, "$.grace_seconds: number from 0 to 8"),
            ({"a": {"argv": true, "success_codes": [256]}}, "$.success_codes[0]: exit code"),
            ({"a": {"argv": true, "limits": {"cpu": 1}}}, "$.limits: $.cpu: unknown member"),
            ({"a": {"argv": true, "limits": {"processes": 0}}}, "$.limits: $.processes: whole number")):
        path = world.file("commands", commands)
        said = refused(as_user(world, path), COMMANDS_FILE=path, COMMANDS_AS_SELF="on")
        assert error in said and "commands-file" in said, (error, said)
    if os.geteuid() == 0:
        assert "not as root" in refused(COMMANDS_FILE=path, COMMANDS_AS_SELF="on")


TESTS = [
    a_request_is_signed_with_each_key_of_its_secret,
    files_of_secrets_must_be_closed_to_others_and_make_sense,
    a_command_runs_without_rights_input_or_a_foreign_environment,
    parameters_and_arguments_are_texts_and_nothing_more,
    an_exit_code_decides_and_the_last_line_tells_why,
    one_that_does_not_hear_is_killed_when_its_time_is_over,
    a_cancelled_command_ends_with_its_whole_family,
    what_a_command_leaves_behind_is_ended_with_it,
    a_killed_runner_takes_its_commands_along,
    a_flood_of_output_is_cut_off_and_its_end_is_kept,
    limits_hold,
    commands_are_off_where_nobody_said_as_whom,
    wrong_lists_are_refused_by_name,
]

if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as path:
        run_tests(TESTS, World(path))
