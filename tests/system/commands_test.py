#!/usr/bin/env python3
"""Commands of `windlass up` as root: the spawner, the user that they run as, and those that fight it.

Usage: commands_test.py WINDLASS [TEST...]
"""
import json
import os
import pwd
import re
import signal
import socket
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../support"))
from environ import environment_of  # noqa: E402
from harness import Scratch, Skip, Up, processes, run_tests, until  # noqa: E402
from ids import new_id  # noqa: E402

PROGRAM = os.path.realpath(sys.argv[1])
RIGHTS = {"CAP_KILL": 5, "CAP_SETGID": 6, "CAP_SETUID": 7}


def shell(script, **more):
    return {"argv": ["/bin/sh", "-c", script], **more}


class Commands(Up):
    """An `up` of root's with these commands."""

    def __init__(self, scratch, commands):
        if os.geteuid() != 0:
            raise Skip("needs root")
        path = scratch.join("commands.json")
        with open(path, "w", encoding="utf-8") as file:
            json.dump(commands, file)
        os.chmod(path, 0o600)
        self.shared = scratch.join("shared")
        os.mkdir(self.shared)
        os.chmod(self.shared, 0o777)
        super().__init__(PROGRAM, scratch, env={"WINDLASS_COMMAND_LIST": path})

    def __enter__(self):
        super().__enter__()
        try:
            self.wait_ready()
            self.token = self.variable("gateway", "GATEWAY_TOKEN")
            until("a runner that takes commands", lambda: "command" in self.ask("GET", "/v1/workers")["task_types"])
        except BaseException:
            self.end()
            raise
        return self

    def variable(self, service, name):
        return environment_of(self.service(service))["WINDLASS_" + name]

    def ask(self, method, path, body=None):
        status, text = self.request(method, path, None if body is None else json.dumps(body), service="worker",
                                    headers={"Content-Type": "application/json", "Authorization": f"Bearer {self.token}"})
        assert status == 200, (status, text)
        return json.loads(text)

    def begin(self, command, **more):
        task = {"id": new_id(), "type": "command", "payload": {"command": command}, "max_attempts": 1, **more}
        assert "task" in self.ask("POST", "/v1/tasks", {"tasks": [task]})["results"][0]
        return task["id"]

    def end_of(self, task):
        def look():
            found = self.ask("GET", f"/v1/tasks/{task}")["task"]
            return found if found["state"] in ("succeeded", "dead", "cancelled") else None
        return until("the command's end", look)

    def output(self, command):
        task = self.end_of(self.begin(command))
        assert task["state"] == "succeeded", task
        return task["result"]["stdout"]

    def spawner(self):
        """Its process id."""
        return int(re.search(r"pid=(\d+)", self.logged("event=spawner.started")).group(1))


def members(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)


def of_commands():
    """The living processes of windlass-run."""
    user = pwd.getpwnam("windlass-run").pw_uid
    return [pid for pid, entry in processes().items() if entry[2] == user and entry[1] != "Z"]


def test_commands_run_as_a_user_of_their_own_without_rights():
    with Scratch() as scratch, Commands(scratch, {"id": shell("id -un; id -Gn; cat /proc/self/status; ps -o user= -p $PPID")}) as up:
        task = up.end_of(up.begin("id"))
        assert task["state"] == "succeeded", task
        lines = task["result"]["stdout"].splitlines()
        log = up.ask("GET", f"/v1/tasks/{task['id']}/log")["lines"]
        assert [line["text"] for line in log if line["stream"] == "stdout"] == lines, log
        assert lines[:2] == ["windlass-run", "windlass-run"] and lines[-1] == "windlass", lines
        status = dict(line.split(":\t", 1) for line in lines if ":\t" in line)
        assert status["NoNewPrivs"] == "1", status
        for name in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
            assert int(status[name], 16) == 0, status
        spawner = members(up.spawner())
        services = pwd.getpwnam("windlass").pw_uid
        assert spawner["Uid"].split() == [str(services)] * 4 and spawner["Groups"].split() == [], spawner
        kept = sum(1 << number for number in RIGHTS.values())
        assert int(spawner["CapEff"], 16) == int(spawner["CapPrm"], 16) == kept, spawner
        assert int(spawner["CapInh"], 16) == 0 and spawner["NoNewPrivs"] == "1", spawner


def test_a_command_reaches_neither_services_nor_their_files():
    with Scratch() as scratch:
        commands = {"kill": shell("for p in $(cat %s); do kill -9 $p; done; :" % scratch.join("pids")),
                    "read": shell("cat %s %s; ls %s; :" % (scratch.join("commands.json"), scratch.join("data", "secrets", "*"),
                                                           scratch.join("run")))}
        with Commands(scratch, commands) as up:
            pids = [up.gateway(), up.postgres(), up.spawner(), up.process.pid]
            with open(scratch.join("pids"), "w", encoding="ascii") as file:
                file.write(" ".join(map(str, pids)))
            task = up.end_of(up.begin("kill"))
            assert task["result"]["stderr"].count("Operation not permitted") == len(pids), task
            assert [up.gateway(), up.postgres(), up.spawner(), up.process.pid] == pids
            result = up.end_of(up.begin("read"))["result"]
            assert result["stdout"] == "" and result["stderr"].count("Permission denied") >= 3, result


def test_a_fork_bomb_is_bounded_and_wholly_ended():
    bomb = {"argv": ["/usr/bin/perl", "-e", "$SIG{TERM} = 'IGNORE'; setpgrp; fork while 1"], "timeout_seconds": 5,
            "grace_seconds": 0.2, "limits": {"processes": 60}}
    with Scratch() as scratch:
        with Commands(scratch, {"bomb": bomb, "true": shell("echo fine")}) as up:
            task = up.begin("bomb")
            until("the bomb goes off", lambda: len(of_commands()) > 30)
            assert len(of_commands()) <= 60
            end = up.end_of(task)
            assert end["state"] == "dead" and end["error"].startswith("took longer than the command may"), end
            until("nobody is left", lambda: not of_commands())
            assert up.output("true") == "fine\n"


def test_only_the_services_may_ask_the_spawner():
    with Scratch() as scratch, Commands(scratch, {"t": shell("echo ran > %s" % scratch.join("shared", "ran"))}) as up:
        name = up.variable("runner", "COMMANDS_SOCKET").removeprefix("@").encode()
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as stranger:  # root, even
            stranger.settimeout(60)
            stranger.connect(b"\0" + name)
            try:
                stranger.send(b'{"payload": {"command": "t"}}')
                assert stranger.recv(100) == b"", "it was served"
            except (BrokenPipeError, ConnectionResetError):
                pass
        assert os.listdir(up.shared) == []
        up.end_of(up.begin("t"))
        assert os.listdir(up.shared) == ["ran"]


def test_commands_end_with_a_killed_supervisor():
    with Scratch() as scratch, Commands(scratch, {"s": shell("trap '' TERM; setsid sleep 1000 & sleep 1000")}) as up:
        up.begin("s")
        until("it runs", lambda: len(of_commands()) >= 3)
        spawner = up.spawner()
        up.process.send_signal(signal.SIGKILL)
        up.process.wait()
        until("all are gone", lambda: not of_commands() and spawner not in processes())


def test_a_list_that_others_may_change_is_refused():
    with Scratch() as scratch:
        up = Commands(scratch, {})
        os.chmod(scratch.join("commands.json"), 0o666)
        Up.__enter__(up)  # which does not wait for a runner
        try:
            assert up.wait_exit() == 78
            assert up.logged("event=up.failed", "chmod 600", "command-list")
        finally:
            up.end()


def test_without_root_commands_are_off():
    if os.geteuid() != 0:
        raise Skip("the runner's own test shows it")
    with Scratch() as scratch:
        path = scratch.join("commands.json")
        with open(path, "w", encoding="utf-8") as file:
            file.write("{}")
        program = scratch.join("windlass")
        subprocess.run(["cp", PROGRAM, program], check=True)
        os.chmod(scratch.path, 0o777)
        with Up(program, scratch, user="nobody", env={"WINDLASS_COMMAND_LIST": path, "HOME": scratch.path}) as up:
            up.wait_ready()
            assert up.logged("event=commands.off", "windlass up")


if __name__ == "__main__":
    run_tests([test for name, test in list(globals().items()) if name.startswith("test_")])
