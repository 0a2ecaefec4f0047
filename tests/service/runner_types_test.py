#!/usr/bin/env python3
"""The runner's task types that need settings of their own, against a scripted worker.
Usage: runner_types_test.py PROGRAM"""

import base64
import contextlib
import email
import email.policy
import hashlib
import hmac
import http.server
import json
import os
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../support"))
from gateway_rig import PROGRAM, WAIT_S, Postgres, eventually, psql, run_tests  # noqa: E402
from process_rig import is_sanitized  # noqa: E402
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
            self.runner = stack.enter_context(Runner(self.worker.url, program=program, COMMAND_LIST=path,
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
        assert peak < 100_000 or is_sanitized(), f"{peak} KiB"


def what_a_command_writes_is_told_while_it_runs(world):
    stop = os.path.join(world.shared, "stop")
    script = f"echo first; printf 'half'; printf 'err \\377\\n' >&2; while ! [ -e {stop} ]; do sleep 0.05; done; echo ' line'; printf last"
    with Commands(world, {"w": shell(script)}) as c:
        task = c.worker.give("command", {"command": "w"})

        def told():
            return [line for beat in c.worker.calls("heartbeats") for item in beat["tasks"] for line in item.get("logs", ())]
        lines = c.worker.wait_for(lambda: told() if len(told()) >= 2 else None)
        assert sorted((line["stream"], line["text"]) for line in lines[:2]) == [
            ("stderr", "err \ufffd"), ("stdout", "first")], lines
        with open(stop, "w", encoding="ascii"):
            pass
        ack = c.worker.ack_of(task)
        seen = [(line["stream"], line["text"]) for line in told() + ack.get("logs", [])]
        assert seen[2:] == [("stdout", "half line"), ("stdout", "last")], seen
        assert all(abs(line["at_us"] / 1e6 - time.time()) < WAIT_S for line in lines)


class Spawner:
    """In the place of the spawner of commands: takes them, and answers as the test says."""

    def __init__(self, address, backlog=16):
        self.address = "\0" + address[1:]
        self.listener = self.socket()
        self.listener.bind(self.address)
        self.listener.listen(backlog)
        self.listener.settimeout(WAIT_S)

    @staticmethod
    def socket():
        return socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)

    def crowd(self):
        """As many connections as it has room for."""
        crowd = []
        while True:
            crowd.append(self.socket())
            crowd[-1].setblocking(False)
            try:
                crowd[-1].connect(self.address)
            except BlockingIOError:
                crowd.pop().close()
                return crowd

    def take(self, is_read=True):
        """A command; the looks of who only wants to know whether we are here are passed over."""
        while True:
            connection, _ = self.listener.accept()
            connection.settimeout(WAIT_S)
            if connection.recv(1 << 16, 0 if is_read else socket.MSG_PEEK):
                return connection
            connection.close()

    def close(self):
        self.listener.close()


def a_spawner_that_is_away_costs_no_attempt(world):
    address = f"@windlass-test-{os.getpid()}-{time.monotonic_ns()}"
    with Worker(("127.0.0.1", 0)) as worker, Runner(worker.url, COMMANDS_SOCKET=address) as runner:
        polls = lambda: worker.calls("leases")
        assert "command" in worker.session.opened_with["types"]
        assert worker.run("command", {"command": "c"})["outcome"] == "release"
        runner.wait_for_log(r"event=command\.spawner_away")
        eventually(lambda: polls()[-1].get("quiet") == ["command"])
        assert worker.run("noop")["outcome"] == "complete"
        spawner = Spawner(address)
        runner.wait_for_log(r"event=command\.spawner_back")
        eventually(lambda: any("held" in call and "quiet" not in call for call in polls()))  # the open poll was broken off
        task = worker.give("command", {"command": "c"})
        with spawner.take() as connection:
            connection.send(b'x{"how": "exit", "code": 0, "is_success": true}')
            assert worker.ack_of(task)["outcome"] == "complete"
        # Its guard alone goes: that may be the command's fault.
        task = worker.give("command", {"command": "c"})
        spawner.take().close()
        ack = worker.ack_of(task)
        assert (ack["outcome"], ack["error"]) == ("fail", "the guard of the command has gone away"), ack
        task = worker.give("command", {"command": "c"})
        connection = spawner.take(is_read=False)  # so it has begun nothing
        spawner.close()
        connection.close()
        assert worker.ack_of(task)["outcome"] == "release"


def a_command_that_takes_its_spawner_along_costs_its_attempt(world):
    address = f"@windlass-test-{os.getpid()}-{time.monotonic_ns()}"
    spawner = Spawner(address)
    with Worker(("127.0.0.1", 0)) as worker, Runner(worker.url, COMMANDS_SOCKET=address):
        task = worker.give("command", {"command": "c"})
        connection = spawner.take()
        spawner.close()
        connection.close()
        ack = worker.ack_of(task)
        assert (ack["outcome"], ack["error"]) == ("fail", "the guard of the command has gone away"), ack
        eventually(lambda: worker.calls("leases")[-1].get("quiet") == ["command"])


def a_spawner_that_is_busy_is_asked_again_soon(world):
    address = f"@windlass-test-{os.getpid()}-{time.monotonic_ns()}"
    spawner = Spawner(address, backlog=0)
    with Worker(("127.0.0.1", 0)) as worker, Runner(worker.url, COMMANDS_SOCKET=address) as runner:
        crowd = spawner.crowd()
        ack = worker.run("command", {"command": "c"})
        assert ack["outcome"] == "snooze" and 0 < ack["retry_in_ms"] <= 1000, ack
        for connection in crowd:
            connection.close()
            spawner.listener.accept()[0].close()
        task = worker.give("command", {"command": "c"})
        with spawner.take() as connection:
            connection.send(b'x{"how": "exit", "code": 0, "is_success": true}')
            assert worker.ack_of(task)["outcome"] == "complete"
        assert "spawner_away" not in runner.log and all("quiet" not in call for call in worker.calls("leases"))
        spawner.close()


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
    with Worker(("127.0.0.1", 0)) as worker, Runner(worker.url, COMMAND_LIST=path) as runner:
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
        said = refused(as_user(world, path), COMMAND_LIST=path, COMMANDS_AS_SELF="on")
        assert error in said and "command-list" in said, (error, said)
    if os.geteuid() == 0:
        assert "not as root" in refused(COMMAND_LIST=path, COMMANDS_AS_SELF="on")


# ── sql ──

class Sql:
    """A PostgreSQL with a table, and a runner that may use it."""

    def __init__(self, world):
        self.world = world

    def __enter__(self):
        with contextlib.ExitStack() as stack:
            self.postgres = stack.enter_context(Postgres())
            psql(self.postgres.url, "create table kept (n int8, label text); "
                 "insert into kept select n, 'row ' || n from generate_series(1, 3000) n")
            path = self.world.file("sql", {
                "main": {"url": self.postgres.url}, "write": {"url": self.postgres.url, "read_only": False},
                "short": {"url": self.postgres.url, "timeout_seconds": 0.2, "max_rows": 2},
                "away": {"url": "postgresql://u:secret-word@127.0.0.1:1/x"}})
            self.worker = stack.enter_context(Worker(("127.0.0.1", 0)))
            self.runner = stack.enter_context(Runner(self.worker.url, SQL_CONNECTIONS=path))
            self.stack = stack.pop_all()
        return self

    def __exit__(self, *failure):
        return self.stack.__exit__(*failure)

    def run(self, statement, *params, connection="main", **more):
        return self.worker.run("sql", {"connection": connection, "statement": statement, "params": params, **more})

    def result(self, *args, **more):
        ack = self.run(*args, **more)
        assert ack["outcome"] == "complete", ack
        return ack["result"]

    def count(self):
        return int(psql(self.postgres.url, "select count(*) from kept")[0][0])


def a_statement_answers_with_columns_and_typed_rows(sql):
    result = sql.result("select $1::int4 as a, $2::text as b, true as c, null as d, 1.50 as e, '{\"x\": [1]}'::jsonb as f, "
                        "'NaN'::float8 as g, $3::jsonb as h, 9007199254740993 as i, '{1,2}'::int[] as j, $4::bool as k",
                        7, "ü'; drop table kept; --", {"y": None}, False)
    assert result.pop("duration_ms") >= 0
    assert result == {"columns": list("abcdefghijk"), "row_count": 1, "is_truncated": False, "rows": [
        [7, "ü'; drop table kept; --", True, None, 1.50, {"x": [1]}, "NaN", {"y": None}, 9007199254740993, "{1,2}", False]]}, result
    result = sql.result("select n from kept where false")
    assert (result["columns"], result["rows"], result["row_count"]) == (["n"], [], 0), result


def rows_are_bounded_and_a_long_answer_is_not_held(sql):
    result = sql.result("select n from kept order by n")
    assert len(result["rows"]) == 1000 and result["is_truncated"] and result["row_count"] is None, len(result["rows"])
    result = sql.result("select n from kept order by n limit 1000")
    assert not result["is_truncated"] and result["row_count"] == 1000
    assert sql.result("select n from kept order by n", max_rows=3)["rows"] == [[1], [2], [3]]
    assert len(sql.result("select n from kept", connection="short", max_rows=10)["rows"]) == 2
    result = sql.result("select repeat('x', 1000), generate_series(1, 100000000)")
    assert 100 < len(result["rows"]) < 132 and result["is_truncated"]


def nothing_is_written_where_only_reading_is_allowed(sql):
    before = sql.count()
    for statement in ("delete from kept", "with d as (delete from kept returning 1) select * from d", "truncate kept",
                      "do $$ begin delete from kept; end $$", "create table other ()",
                      "do $$ begin set transaction read write; delete from kept; end $$",
                      "do $$ begin commit; delete from kept; end $$",
                      "do $$ begin perform set_config('transaction_read_only', 'off', true); delete from kept; end $$",
                      "select 1; delete from kept", "copy kept to stdout"):
        ack = sql.run(statement)
        assert ack["outcome"] == "fatal", (statement, ack)
    for statement in ("set transaction read write", "commit", "set default_transaction_read_only = off"):
        sql.run(statement)
    assert sql.count() == before


def what_may_write_is_committed_and_counted(sql):
    result = sql.result("insert into kept values ($1, $2), (-2, null) returning n", -1, "x", connection="write")
    assert result["rows"] == [[-1], [-2]] and result["row_count"] == 2, result
    result = sql.result("delete from kept where n < 0", connection="write")
    assert (result["columns"], result["rows"], result["row_count"]) == ([], [], 2), result
    result = sql.result("update kept set label = label returning n", connection="write", max_rows=5)
    assert len(result["rows"]) == 5 and result["is_truncated"] and result["row_count"] == 3000, result
    assert sql.run("select 1; select 2", connection="write")["error"].endswith("(SQLSTATE 42601)")


def an_error_tells_its_state_and_whether_it_is_tried_again(sql):
    for statement, more, outcome, error in (
            ("select nothing", {}, "fatal", 'column "nothing" does not exist (SQLSTATE 42703)'),
            ("select $1::int", {}, "fatal", "(SQLSTATE 08P01)"),
            ("select 1/0", {}, "fatal", "(SQLSTATE 22012)"),
            ("select pg_sleep(100)", {"timeout_seconds": 0.1}, "fail", "(SQLSTATE 57014)"),
            ("select pg_sleep(100)", {"connection": "short", "timeout_seconds": 50}, "fail", "(SQLSTATE 57014)"),
            ("do $$ begin raise exception 'x' using errcode = '40001'; end $$", {}, "fail", "(SQLSTATE 40001)"),
            ("do $$ begin raise exception 'x' using errcode = '40P01'; end $$", {}, "fail", "(SQLSTATE 40P01)"),
            ("select pg_terminate_backend(pg_backend_pid())", {}, "fail", ""),
            ("select 1", {"connection": "away"}, "fail", "no connection: "),
            ("select 1", {"connection": "none"}, "fatal", "$.connection: this runner has no connection of that name")):
        ack = sql.run(statement, **more)
        assert ack["outcome"] == outcome and error in ack["error"], (statement, ack)
    assert "secret-word" not in sql.runner.log


def bytes_that_are_no_text_become_replacement_characters(sql):
    result = sql.result("select set_config('client_encoding', 'latin1', true), 'a\u00fcb' as t, 1 as n")
    assert [row[1:] for row in result["rows"]] == [["a\ufffdb", 1]], result


def a_cancelled_statement_stops_at_the_server(sql):
    running = "select count(*) from pg_stat_activity where query like '%sleep(777)%' and pid <> pg_backend_pid()"
    task = sql.worker.give("sql", {"connection": "main", "statement": "select pg_sleep(777)", "timeout_seconds": 30})
    eventually(lambda: psql(sql.postgres.url, running)[0][0] == "1")
    sql.worker.tell(commands=[{"kind": "cancel", "task": task, "fence": sql.worker.leased[task], "reason": "cancelled"}])
    assert sql.worker.ack_of(task)["outcome"] == "cancelled"
    eventually(lambda: psql(sql.postgres.url, running)[0][0] == "0")


def statements_run_on_named_databases(world):
    with Sql(world) as sql:
        for test in (a_statement_answers_with_columns_and_typed_rows, rows_are_bounded_and_a_long_answer_is_not_held,
                     nothing_is_written_where_only_reading_is_allowed, what_may_write_is_committed_and_counted,
                     an_error_tells_its_state_and_whether_it_is_tried_again,
                     bytes_that_are_no_text_become_replacement_characters, a_cancelled_statement_stops_at_the_server):
            test(sql)


def wrong_connections_are_refused_by_name(world):
    for connections, error in (({"a b": {"url": "postgresql:///x"}}, "$: letters, digits"), ({"a": {}}, "$.url: missing"),
                               ({"a": {"url": "nonsense=secret-word"}}, "$.url: is no connection URL"),
                               ({"a": {"url": "postgresql:///x", "write": True}}, "$.write: unknown member"),
                               ({"a": {"url": "postgresql:///x", "read_only": "no"}}, "$.read_only: true or false"),
                               ({"a": {"url": "postgresql:///x", "max_rows": 0}}, "$.max_rows: whole number")):
        said = refused(SQL_CONNECTIONS=world.file("sql", connections))
        assert error in said and "sql-connections" in said and "secret-word" not in said, (error, said)


# ── email ──

class MailServer:
    """An SMTP server that keeps what it is sent. `replies`: what it answers to a command instead of yes."""

    def __init__(self, tls=None, is_smtps=False, offers=()):
        self.tls, self.is_smtps, self.offers = tls, is_smtps, offers
        self.replies, self.mails, self.commands, self.is_hanging = {}, [], [], False
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"localhost:{self.listener.getsockname()[1]}"
        self.threads = [threading.Thread(target=self.accept)]

    def __enter__(self):
        self.threads[0].start()
        return self

    def __exit__(self, *_):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for thread in self.threads:
            thread.join(WAIT_S)

    def accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.threads.append(threading.Thread(target=self.serve, args=(connection,)))
            self.threads[-1].start()

    def serve(self, connection):
        try:
            self.talk(connection)
        except (OSError, ssl.SSLError):
            pass
        finally:
            connection.close()
            self.commands.append("(closed)")

    def talk(self, connection):
        connection.settimeout(WAIT_S)
        if self.is_smtps:
            connection = self.tls.wrap_socket(connection, server_side=True)
        file = connection.makefile("rwb")

        def say(text):
            file.write(text.encode() + b"\r\n")
            file.flush()
        say("220 test")
        sender, recipients = None, []
        while line := file.readline():
            command = line.decode().strip()
            verb = command.split(" ")[0].upper()
            self.commands.append(command)
            if verb in self.replies:
                say(self.replies[verb])
            elif verb == "EHLO":
                say("".join(f"250-{offer}\r\n" for offer in self.offers) + "250 8BITMIME")
            elif verb == "STARTTLS":
                say("220 go on")
                connection = self.tls.wrap_socket(connection, server_side=True)
                file = connection.makefile("rwb")
            elif verb == "AUTH":
                say("334 ")
                self.commands.append("AUTH PLAIN " + file.readline().decode().strip())
                say("235 welcome")
            elif verb == "MAIL":
                sender, recipients = command[10:], []
                say("250 ok")
            elif verb == "RCPT":
                recipients.append(command[8:])
                say("250 ok")
            elif verb == "DATA":
                while self.is_hanging:
                    if not connection.recv(1):
                        return
                say("354 go on")
                data = b""
                while not data.endswith(b"\r\n.\r\n"):
                    data += file.readline()
                self.mails.append((sender, recipients, data[:-3]))
                say("250 kept as 17")
            else:
                say("250 ok")


class Mailing(contextlib.ExitStack):
    """A mail server, and a runner that sends by it."""

    def __init__(self, scheme="smtp", plain="on", server=None, **settings):
        super().__init__()
        self.scheme, self.plain, self.server, self.settings = scheme, plain, server or MailServer(), settings

    def __enter__(self):
        with contextlib.ExitStack() as stack:
            stack.enter_context(self.server)
            self.worker = stack.enter_context(Worker(("127.0.0.1", 0)))
            settings = {"SMTP_FROM": "Wind Lass <ops@example.org>", "SMTP_PLAIN": self.plain, **self.settings}
            self.runner = stack.enter_context(Runner(
                self.worker.url, SMTP_URL=f"{self.scheme}://{self.server.address}", **settings))
            self.push(stack.pop_all())
        return self

    def send(self, **more):
        return self.worker.run("email", {"to": "ada@example.org", "subject": "Hi", "text": "x", **more})


def a_mail_arrives_as_it_was_meant(_):
    subject = "Grüße an alle, die dies lesen, " + "und das ist lang " * 10 + "=?UTF-8?Q?x?="
    text, html = "First.\n.\n..dots\nFrom me\r\n" + "ü" * 2000, "<p>Ünï</p>" + "y" * 3000
    with Mailing() as mailing:
        ack = mailing.send(to=[{"address": "ada@example.org", "name": 'Ada "L", Ünï'}, "bob@example.org"],
                           cc={"address": "c@example.org", "name": 'C, "D" \\'}, bcc=["secret@example.org"],
                           reply_to="r@example.org", subject=subject, text=text, html=html,
                           headers={"X-Why": "wegen ß", "List-Id": "<all.example.org>"})
        assert ack["outcome"] == "complete", ack
        sender, recipients, data = mailing.server.mails.pop()
        assert sender.split(" ")[0] == "<ops@example.org>", sender
        assert recipients == [f"<{name}@example.org>" for name in ("ada", "bob", "c", "secret")], recipients
        assert b"secret@" not in data and all(len(line) <= 78 for line in data.split(b"\r\n")), data[:2000]
        assert b"\n" not in data.replace(b"\r\n", b"") and data.isascii()
        mail = email.message_from_bytes(data, policy=email.policy.default)
        assert mail["Subject"] == subject, mail["Subject"]
        assert [(a.display_name, a.addr_spec) for a in mail["To"].addresses] == [
            ('Ada "L", Ünï', "ada@example.org"), ("", "bob@example.org")], mail["To"]
        assert mail["Cc"].addresses[0].display_name == 'C, "D" \\', mail["Cc"]
        assert (mail["From"].addresses[0].display_name, mail["Reply-To"]) == ("Wind Lass", "r@example.org"), mail.items()
        assert mail["X-Why"] == "wegen ß" and mail["List-Id"] == "<all.example.org>" and not mail["Bcc"], mail.items()
        assert abs(mail["Date"].datetime.timestamp() - time.time()) < WAIT_S and not mail.defects
        plain, rich = mail.iter_parts()
        assert mail.get_content_type() == "multipart/alternative"
        assert plain.get_content().replace("\r\n", "\n") == text.replace("\r\n", "\n") and plain.get_content_type() == "text/plain"
        assert rich.get_content() == html and rich.get_content_type() == "text/html"
        assert ack["result"] == {"message_id": mail["Message-ID"].strip("<>"), "recipients": 4, "reply": "250 kept as 17"}, ack
        assert mailing.send(html="<b>only</b>", text=None)["outcome"] == "complete"
        mail = email.message_from_bytes(mailing.server.mails.pop()[2], policy=email.policy.default)
        assert mail.get_content_type() == "text/html" and mail.get_content() == "<b>only</b>"


def a_repetition_has_the_same_message_id(_):
    with Mailing() as mailing:
        payload = {"to": "ada@example.org", "subject": "Hi", "text": "x"}
        ids = set()
        for attempt in (1, 2):
            task = mailing.worker.give("email", payload, task="01920000-0000-7000-8000-000000000001", attempt=attempt)
            mailing.worker.wait_for(lambda: len(mailing.worker.acks_of(task)) == attempt)
            ids.add(email.message_from_bytes(mailing.server.mails.pop()[2])["Message-ID"])
        assert ids == {"<windlass.01920000-0000-7000-8000-000000000001@example.org>"}, ids


def nothing_is_injected(_):
    with Mailing() as mailing:
        for wrong in ({"subject": "a\r\nBcc: x@y"}, {"to": "a@b>\r\nDATA"}, {"headers": {"X-A": "b\nTo: x@y"}},
                      {"headers": {"X-A: b\r\nTo": "x@y"}}, {"to": {"address": "a@b", "name": "x\r\nTo: y@z"}},
                      {"reply_to": "a@b\nBcc: x@y"}):
            ack = mailing.send(**wrong)
            assert ack["outcome"] == "fatal" and ack["error"].startswith("$."), (wrong, ack)
        assert mailing.server.commands == [], mailing.server.commands


def a_reply_decides_whether_a_mail_is_tried_again(_):
    with Mailing(SMTP_USER="user", SMTP_PASSWORD="secret-word", server=MailServer(offers=["AUTH PLAIN"])) as mailing:
        for verb, reply, outcome in (("RCPT", "450 busy", "fail"), ("RCPT", "550 no such user", "fatal"),
                                     ("MAIL", "451 later", "fail"), ("MAIL", "553 not you", "fatal"),
                                     ("AUTH", "535 wrong password", "fatal"), ("AUTH", "454 later", "fail"),
                                     ("DATA", "554 no", "fatal"), ("DATA", "452 full", "fail"),
                                     ("EHLO", "421 go away", "fail")):
            mailing.server.replies = {verb: reply, "HELO": reply} if verb == "EHLO" else {verb: reply}
            ack = mailing.send()
            assert (ack["outcome"], ack["error"]) == (outcome, "the mail server said: " + reply), (verb, ack)
        mailing.server.replies = {}
        assert mailing.send()["outcome"] == "complete"
        (login,) = {c for c in mailing.server.commands if c.startswith("AUTH PLAIN ")}
        assert base64.b64decode(login.split(" ")[2]) == b"\0user\0secret-word"
        assert "secret-word" not in mailing.runner.log
    with Worker(("127.0.0.1", 0)) as worker, \
            Runner(worker.url, SMTP_URL="smtp://127.0.0.1:1", SMTP_FROM="a@example.org"):
        ack = worker.run("email", {"to": "ada@example.org", "subject": "Hi", "text": "x"})
        assert ack["outcome"] == "fail" and ack["error"].startswith("mail server: "), ack


def a_mail_goes_by_tls_to_a_server_that_is_known(world):
    key, certificate = (os.path.join(world.folder, name) for name in ("mail.key", "mail.pem"))
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", certificate,
                    "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"],
                   check=True, capture_output=True)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate, key)
    for scheme, server in (("smtps", {"is_smtps": True}), ("smtp", {"offers": ["STARTTLS"]})):
        with Mailing(scheme, "off", MailServer(tls, **server), SMTP_CA=certificate) as mailing:
            ack = mailing.send()
            assert ack["outcome"] == "complete", (scheme, ack)
        with Mailing(scheme, "off", MailServer(tls, **server)) as mailing:
            ack = mailing.send()
            assert ack["outcome"] == "fail" and "certificate" in ack["error"] and not mailing.server.mails, (scheme, ack)
    with Mailing("smtp", "off", SMTP_USER="user", SMTP_PASSWORD="secret-word") as mailing:
        ack = mailing.send()
        assert ack["outcome"] == "fail", ack
        assert not any(c.startswith(("MAIL", "AUTH")) for c in mailing.server.commands), mailing.server.commands


def a_cancelled_mail_is_given_up(_):
    with Mailing() as mailing:
        mailing.server.is_hanging = True
        task = mailing.worker.give("email", {"to": "ada@example.org", "subject": "Hi", "text": "x"})
        eventually(lambda: "DATA" in mailing.server.commands)
        mailing.worker.tell(commands=[{"kind": "cancel", "task": task, "fence": mailing.worker.leased[task],
                                       "reason": "cancelled"}])
        assert mailing.worker.ack_of(task)["outcome"] == "cancelled"
        eventually(lambda: "(closed)" in mailing.server.commands)


def wrong_mail_settings_are_refused_by_name(_):
    good = {"SMTP_URL": "smtps://mail.example.org", "SMTP_FROM": "a@example.org"}
    for wrong, error in (({"SMTP_URL": "http://x"}, "smtp-url: smtps://HOST"),
                         ({"SMTP_URL": "smtps://u:secret-word@x"}, "smtp-url: byte 21"),
                         ({"SMTP_FROM": ""}, "smtp-from: ada@example.org or"), ({"SMTP_FROM": "Ada"}, "smtp-from: "),
                         ({"SMTP_FROM": "A\nB <a@b>"}, "smtp-from: holds a line end")):
        said = refused(**{**good, **wrong})
        assert error in said and "secret-word" not in said, (error, said)
    with Worker(("127.0.0.1", 0)) as worker, Runner(worker.url):
        assert not {"email", "sql"} & set(worker.session.opened_with["types"]), worker.session.opened_with


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
    what_a_command_writes_is_told_while_it_runs,
    a_spawner_that_is_away_costs_no_attempt,
    a_command_that_takes_its_spawner_along_costs_its_attempt,
    a_spawner_that_is_busy_is_asked_again_soon,
    limits_hold,
    commands_are_off_where_nobody_said_as_whom,
    wrong_lists_are_refused_by_name,
    statements_run_on_named_databases,
    wrong_connections_are_refused_by_name,
    a_mail_arrives_as_it_was_meant,
    a_repetition_has_the_same_message_id,
    nothing_is_injected,
    a_reply_decides_whether_a_mail_is_tried_again,
    a_mail_goes_by_tls_to_a_server_that_is_known,
    a_cancelled_mail_is_given_up,
    wrong_mail_settings_are_refused_by_name,
]

if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as path:
        run_tests([test for test in TESTS if not sys.argv[2:] or test.__name__ in sys.argv[2:]], World(path))
