#!/usr/bin/env python3
"""The supervisor's promises, over services of the test's own (up_stub.c).

Usage: up_test.py UP_STUB [TEST...]
"""
import contextlib
import fcntl
import json
import os
import pty
import pwd
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
import threading
import time

from harness import (GONE_S, Scratch, Skip, Up, descendants, is_alive, processes, run_tests, until)
from environ import environment_of  # on the path that harness has made

PROGRAM = os.path.realpath(sys.argv[1])
IS_ROOT = os.geteuid() == 0
UNIX_SERVICES = ("worker", "ai", "runner")
SERVICES = {"up", "gateway", *UNIX_SERVICES, "postgres", "initdb", "migrate"}


def need_root(why):
    if not IS_ROOT:
        raise Skip(f"needs root: {why}")


def user_name():
    return "windlass" if IS_ROOT else pwd.getpwuid(os.geteuid()).pw_name


def psql(up, role, sql):
    """Asks the private cluster as `role`, with the password of its file."""
    with open(os.path.join(up.data, "secrets", role)) as file:
        password = file.read().strip()
    done = subprocess.run(["psql", "-X", "-A", "-t", "-h", up.run, "-U", role, "-d", "windlass",
                           "-c", sql], env={**os.environ, "PGPASSWORD": password},
                          capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def assert_gone(pids):
    until(f"processes {sorted(pids)} are gone", lambda: not any(is_alive(pid) for pid in pids),
          GONE_S)


def assert_refused(up, code, *words):
    actual = up.wait_exit()
    text = "\n".join(up.log)
    assert actual == code, f"exit code {actual}, not {code}"
    line = next((line for line in up.log if "event=up.failed" in line), None)
    assert line, text
    for word in words:
        assert word in line, f"{word!r} is not in {line!r}"
    assert not descendants(up.process.pid)


def test_makes_a_cluster_and_serves():
    with Scratch() as scratch, Up(PROGRAM, scratch, fresh=True) as up:
        up.wait_ready()
        assert up.request() == (200, str(up.gateway()))
        cluster = os.path.join(up.data, "postgres", "15")
        assert stat.S_IMODE(os.stat(cluster).st_mode) == 0o700
        assert stat.S_IMODE(os.stat(up.run).st_mode) == 0o700
        for name in os.listdir(os.path.join(up.data, "secrets")):
            mode = os.stat(os.path.join(up.data, "secrets", name)).st_mode
            assert stat.S_IMODE(mode) == 0o600, name
        assert psql(up, "windlass_owner", "show data_checksums") == "on"
        assert psql(up, "windlass_gateway", "show listen_addresses") == ""
        assert psql(up, "windlass_worker", "select current_user") == "windlass_worker"
        assert psql(up, "windlass_owner",
                    "select pg_catalog.pg_get_userbyid(datdba) from pg_database "
                    "where datname = 'windlass'") == "windlass_owner"


def test_brings_the_schema_up_to_date_first():
    with Scratch() as scratch:
        for env, action in (("production", "run"), ("development", "sync")):
            with Up(PROGRAM, scratch, ["--env", env, "--log-format", "logfmt"]) as up:
                up.wait_ready()
                done = up.log.index(up.logged("migrate.done", f"action={action}"))
                assert done < up.log.index(up.logged("event=stub.ready", "service=gateway"))


def test_prints_the_setup_link_and_does_not_log_it():
    with Scratch() as scratch, Up(PROGRAM, scratch, env={"STUB_MODE": "gateway.token"}) as up:
        up.wait_ready()
        until("setup link", up.setup_token)
        assert up.out[1] == f"Set up the first user: {up.url()}/setup?token=stub-token", up.out
        assert not any("stub-token" in line for line in up.log)


def test_every_line_of_the_log_names_its_service():
    with Scratch() as scratch, Up(PROGRAM, scratch, fresh=True, env={"STUB_MODE": "gateway.noise"}) as up:
        up.wait_ready()
        try:
            up.request(path="/crash")
        except OSError:
            pass
        up.logged("service=gateway", 'text="half of a line"')
        up.logged("service=gateway", "text=\"xxxxxxxx")
        up.logged("service=gateway", 'text="last words without a line end"')
        up.process.send_signal(signal.SIGTERM)
        assert up.wait_exit() == 0
        for line in up.log:
            match = re.search(r"^ts=\S+ level=\w+ service=(\w+) event=\S+", line)
            assert match and match.group(1) in SERVICES, line
            assert line.count("event=") == 1 and len(line) < 2000, line


def test_writes_json_when_asked_to():
    with Scratch() as scratch, Up(PROGRAM, scratch, ["--log-format", "json"]) as up:
        up.wait_ready()
        up.process.send_signal(signal.SIGTERM)
        assert up.wait_exit() == 0
        services = {json.loads(line)["service"] for line in up.log}
        assert services == SERVICES - {"initdb"}, services


def test_runs_all_services_on_sockets_that_others_cannot_open():
    with Scratch() as scratch, Up(PROGRAM, scratch) as up:
        up.wait_ready()
        assert stat.S_IMODE(os.stat(up.run).st_mode) == 0o700
        for name in UNIX_SERVICES:
            assert up.request(service=name) == (200, str(up.service(name))), name
            path = os.path.join(up.run, f"{name}.sock")
            assert stat.S_IMODE(os.stat(path).st_mode) == 0o700, name


def test_each_service_is_told_of_those_it_asks_and_no_more():
    secrets = []
    with Scratch() as scratch:
        for _ in range(2):
            with Up(PROGRAM, scratch, ["--http-allow", "127.0.0.1"],
                    env={"MIGRATE_DATABASE_URL": "postgresql:///never"}) as up:
                up.wait_ready()
                env = {name: {key.removeprefix("WINDLASS_"): value for key, value in
                              environment_of(up.service(name)).items() if "WINDLASS_" in key}
                       for name in ("gateway", *UNIX_SERVICES)}
                urls = {name: f"unix:{up.run}/{name}.sock" for name in UNIX_SERVICES}
                assert env["gateway"]["WORKER_URL"] == env["runner"]["WORKER_URL"] == urls["worker"]
                assert env["gateway"]["AI_URL"] == urls["ai"]
                assert env["gateway"]["CALLBACK_URL"] == up.url()
                for name in UNIX_SERVICES:
                    assert env[name][f"{name.upper()}_LISTEN"] == urls[name]
                assert "//windlass_gateway:" in env["gateway"]["DATABASE_URL"]
                assert "//windlass_worker:" in env["worker"]["WORKER_DATABASE_URL"]
                assert env["worker"]["SCHEMA"] == "check"
                assert env["runner"]["HTTP_ALLOW"] == "127.0.0.1"
                assert not any("MIGRATE_DATABASE_URL" in env[name] for name in env)
                for name in ("ai", "runner"):
                    assert not any("DATABASE" in key for key in env[name]), env[name]
                gateway_token, runner_token = env["gateway"]["GATEWAY_TOKEN"], \
                    env["runner"]["RUNNER_TOKEN"]
                assert env["worker"]["GATEWAY_TOKEN"] == env["ai"]["GATEWAY_TOKEN"] == gateway_token
                assert env["worker"]["RUNNER_TOKEN"] == runner_token
                assert "GATEWAY_TOKEN" not in env["runner"] and "RUNNER_TOKEN" not in env["gateway"]
                secrets += [gateway_token, runner_token]
                for secret in secrets:
                    assert len(secret) >= 40
                    assert not any(secret in line for line in up.log + up.out)
                    assert not any(secret in entry[3]
                                   for entry in descendants(up.process.pid).values())
    assert len(set(secrets)) == len(secrets) == 4


def test_ready_waits_for_the_worker_but_not_for_ever():
    with Scratch() as scratch:
        with Up(PROGRAM, scratch, env={"STUB_MODE": "worker.late"}) as up:
            up.wait_ready()
            ready = up.log.index(up.logged("event=up.ready"))
            assert up.log.index(up.logged("event=up.child_ready", "child=worker")) < ready
            assert not any("up.worker_late" in line for line in up.log)
        with Up(PROGRAM, scratch, env={"STUB_MODE": "worker.silent ai.silent runner.silent"}) as up:
            up.wait_ready()
            up.logged("level=warn", "event=up.worker_late")
            assert up.request()[0] == 200


def test_each_killed_service_comes_back_and_its_callers_wait():
    with Scratch() as scratch, Up(PROGRAM, scratch) as up:
        up.wait_ready()
        for name in UNIX_SERVICES:
            before, gateway = up.service(name), up.gateway()
            os.kill(before, signal.SIGKILL)
            status, pid = up.request(service=name)
            assert status == 200 and int(pid) == up.service(name) != before, name
            assert up.gateway() == gateway
            up.logged("event=up.child_died", f"child={name}", "killed by SIGKILL")


def test_sockets_of_one_that_was_killed_are_replaced():
    with Scratch() as scratch:
        with Up(PROGRAM, scratch) as up:
            up.wait_ready()
            children = set(descendants(up.process.pid))
            os.kill(up.service("worker"), signal.SIGSTOP)  # a hung one goes with the others
            up.process.kill()
            up.process.wait()
            assert_gone(children)
            assert os.path.exists(os.path.join(up.run, "worker.sock"))
        with Up(PROGRAM, scratch) as up:
            up.wait_ready()
            assert up.request(service="worker") == (200, str(up.service("worker")))


def test_a_killed_service_comes_back_and_callers_wait():
    with Scratch() as scratch, Up(PROGRAM, scratch) as up:
        up.wait_ready()
        gateway, postgres = up.gateway(), up.postgres()
        os.kill(gateway, signal.SIGKILL)
        status, pid = up.request()  # accepted by the kernel, answered by the next one
        assert status == 200 and int(pid) != gateway
        assert int(pid) == up.gateway() and up.postgres() == postgres
        up.logged("event=up.child_died", "child=gateway", "killed by SIGKILL")


def test_a_service_that_dies_again_and_again_waits_longer():
    with Scratch() as scratch, Up(PROGRAM, scratch) as up:
        up.wait_ready()
        waits = []
        for count in range(1, 5):
            try:
                up.request(path="/crash")
            except OSError:
                pass
            line = up.logged("event=up.child_died", "killed by SIGABRT", count=count)
            waits.append(int(re.search(r"restart_in_ms=(\d+)", line).group(1)))
        assert waits == sorted(waits) and waits[3] > 2 * waits[0], waits
        assert up.request()[0] == 200


def test_kill_9_of_the_supervisor_ends_all_and_the_next_recovers():
    with Scratch() as scratch:
        with Up(PROGRAM, scratch) as up:
            up.wait_ready()
            psql(up, "windlass_owner", "create table kept as select 42 as n")
            children = set(descendants(up.process.pid))
            assert len(children) >= 3
            up.process.kill()
            up.process.wait()
            assert_gone(children)
        with Up(PROGRAM, scratch) as up:
            up.wait_ready()
            assert psql(up, "windlass_owner", "select n from kept") == "42"


def test_a_server_left_behind_is_waited_for():
    with Scratch() as scratch, Up(PROGRAM, scratch) as up:
        up.wait_ready()
        left = up.postgres()
        os.kill(left, signal.SIGSTOP)  # it cannot hear its death signal yet
        up.process.kill()
        up.process.wait()
        try:
            with Up(PROGRAM, scratch) as second:
                second.logged("event=up.orphan_found", f"pid={left}")
                os.kill(left, signal.SIGCONT)
                second.wait_ready()
                assert not is_alive(left)
        finally:
            if is_alive(left):
                os.kill(left, signal.SIGCONT)


def test_a_killed_initdb_leaves_no_half_cluster():
    with Scratch() as scratch:
        with Up(PROGRAM, scratch, fresh=True) as up:
            until("initdb works", lambda: os.path.exists(
                os.path.join(up.data, "postgres", "15.tmp", "base")))
            children = set(descendants(up.process.pid))
            up.process.kill()
            up.process.wait()
            assert not os.path.exists(os.path.join(up.data, "postgres", "15"))
            assert_gone(children)
        with Up(PROGRAM, scratch) as up:
            up.wait_ready()
            assert os.listdir(os.path.join(up.data, "postgres")) == ["15"]


def test_sigterm_while_the_cluster_is_made_ends_cleanly():
    with Scratch() as scratch, Up(PROGRAM, scratch, fresh=True) as up:
        until("initdb works", lambda: os.path.exists(
            os.path.join(up.data, "postgres", "15.tmp", "base")))
        children = set(descendants(up.process.pid))
        up.process.send_signal(signal.SIGTERM)
        assert up.wait_exit() == 0
        assert_gone(children)


def test_a_second_one_on_the_same_folder_is_refused():
    with Scratch() as scratch, Up(PROGRAM, scratch) as up:
        up.wait_ready()
        with Up(PROGRAM, scratch, run=scratch.join("run2")) as second:
            assert_refused(second, 69, up.data, f"process {up.process.pid}")
        with Up(PROGRAM, scratch, data=scratch.join("data2")) as second:
            assert_refused(second, 69, up.run, f"process {up.process.pid}")
        port = f"--port={up.address()[1]}"
        with Up(PROGRAM, scratch, [port], run=scratch.join("run2")) as second:
            assert_refused(second, 69, up.data, f"process {up.process.pid}")
        assert up.request()[0] == 200


def test_a_taken_port_is_told():
    with Scratch() as scratch, socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with Up(PROGRAM, scratch, [f"--port={port}"]) as up:
            assert_refused(up, 69, f"127.0.0.1:{port}", "Address already in use")


def test_a_port_that_another_windlass_has_is_told():
    with Scratch() as scratch, Up(PROGRAM, scratch) as up:
        up.wait_ready()
        port = up.address()[1]
        with Up(PROGRAM, scratch, [f"--port={port}"], data=scratch.join("data2"),
                run=scratch.join("run2")) as second:
            assert_refused(second, 69, f"127.0.0.1:{port}", "Address already in use")
        assert up.request()[0] == 200


def test_a_socket_path_that_is_too_long_is_told():
    with Scratch() as scratch:
        run = scratch.join("r" * (100 - len(scratch.path)))
        with Up(PROGRAM, scratch, run=run) as up:
            assert_refused(up, 78, f"{len(run)} bytes", "WINDLASS_RUN")
        assert not os.path.exists(run)
        run = run[:93]
        with Up(PROGRAM, scratch, run=run) as up:
            up.wait_ready()


class Disk:
    """A small disk of its own."""

    def __init__(self, scratch, options):
        self.path = scratch.join("disk")
        os.mkdir(self.path)
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "windlass-test", self.path],
                              capture_output=True, text=True)
        if done.returncode != 0:
            raise Skip(f"no tmpfs can be mounted here: {' '.join(done.stderr.split())}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        subprocess.run(["umount", "-l", self.path], check=True)

    def fill(self):
        with open(os.path.join(self.path, "filler"), "wb") as file:
            try:
                while True:
                    file.write(b"\0" * 65536)
                    file.flush()
            except OSError:
                pass


def test_a_full_disk_is_told():
    need_root("to mount a small disk")
    with Scratch() as scratch, Disk(scratch, "size=64k,mode=755") as disk:
        disk.fill()
        with Up(PROGRAM, scratch, data=os.path.join(disk.path, "data")) as up:
            assert_refused(up, 73, disk.path, "disk is full", "free in")


def test_a_disk_that_fills_while_the_cluster_is_made_is_told():
    need_root("to mount a small disk")
    with Scratch() as scratch, Disk(scratch, "size=12m,mode=755") as disk:
        with Up(PROGRAM, scratch, data=os.path.join(disk.path, "data")) as up:
            assert_refused(up, 73, "initdb failed", "disk is full", "free in", disk.path)
        data = os.path.join(disk.path, "data", "postgres", "15")
        assert not os.path.exists(data)


def test_a_disk_that_is_full_at_a_later_start_is_told():
    need_root("to mount a small disk")
    with Scratch() as scratch, Disk(scratch, "size=120m,mode=755") as disk:
        data = os.path.join(disk.path, "data")
        with Up(PROGRAM, scratch, data=data) as up:
            up.wait_ready()
        disk.fill()
        with Up(PROGRAM, scratch, data=data) as up:
            assert_refused(up, 73, "disk is full", "free in", disk.path)
        os.unlink(os.path.join(disk.path, "filler"))
        with Up(PROGRAM, scratch, data=data) as up:
            up.wait_ready()


def test_a_read_only_folder_is_told():
    need_root("to mount a read-only disk")
    with Scratch() as scratch, Disk(scratch, "ro,size=64k,mode=755") as disk:
        with Up(PROGRAM, scratch, data=os.path.join(disk.path, "data")) as up:
            assert_refused(up, 73, disk.path, "Read-only file system")


def test_a_folder_that_the_services_cannot_reach_is_told():
    with Scratch() as scratch:
        closed = scratch.join("closed")
        os.mkdir(closed, 0o700)
        if IS_ROOT:
            with Up(PROGRAM, scratch, data=os.path.join(closed, "data")) as up:
                assert_refused(up, 73, "cannot be reached", closed)
        else:
            os.chmod(closed, 0o500)
            with Up(PROGRAM, scratch, data=os.path.join(closed, "data")) as up:
                assert_refused(up, 73, "Permission denied", closed)


def test_missing_postgresql_programs_are_told():
    with Scratch() as scratch, Up(PROGRAM, scratch, ["--pg-bin", "/nonexistent"]) as up:
        assert_refused(up, 69, "/nonexistent", "initdb")


def test_programs_of_another_version_are_refused():
    with Scratch() as scratch:
        with Up(PROGRAM, scratch) as up:
            up.wait_ready()
        programs = scratch.join("bin")
        os.mkdir(programs, 0o755)
        for name in ("postgres", "initdb"):
            with open(os.path.join(programs, name), "w") as file:
                file.write("#!/bin/sh\necho 'postgres (PostgreSQL) 99.1'\n")
            os.chmod(os.path.join(programs, name), 0o755)
        with Up(PROGRAM, scratch, ["--pg-bin", programs]) as up:
            assert_refused(up, 78, "made by PostgreSQL 15", "are 99")


def test_settings_that_a_service_refuses_end_the_start():
    with Scratch() as scratch:
        for name in ("gateway", *UNIX_SERVICES):
            with Up(PROGRAM, scratch, env={"STUB_MODE": f"{name}.refuse"}) as up:
                assert_refused(up, 78, f"the {name} refuses")


def test_a_failed_migration_ends_the_start():
    with Scratch() as scratch, Up(PROGRAM, scratch, env={"STUB_MODE": "migrate.fail"}) as up:
        assert_refused(up, 1, "migrate")
        assert not any("child=gateway" in line for line in up.log)


def test_sigterm_lets_a_request_finish_and_exits_0():
    with Scratch() as scratch, Up(PROGRAM, scratch) as up:
        up.wait_ready()
        answers = []
        asking = threading.Thread(target=lambda: answers.append(up.request(path="/slow")))
        asking.start()
        time.sleep(0.3)
        children = set(descendants(up.process.pid))
        up.process.send_signal(signal.SIGTERM)
        assert up.wait_exit() == 0
        asking.join()
        assert answers and answers[0][0] == 200, answers
        assert_gone(children)
        order = [up.log.index(up.logged("event=up.child_ended", f"child={child}"))
                 for child in ("gateway", "ai", "worker", "postgres")]
        assert order == sorted(order)
        up.logged("service=postgres", "database system is shut down")


def test_who_is_asked_stops_after_those_who_ask():
    with Scratch() as scratch, Up(PROGRAM, scratch,
                                  env={"STUB_MODE": "runner.slow gateway.slow ai.slow"}) as up:
        up.wait_ready()
        for name in UNIX_SERVICES:  # it is ready without ai and runner, and these die of an early signal
            up.logged("event=up.child_ready", f"child={name} ")
        up.process.send_signal(signal.SIGTERM)
        assert up.wait_exit() == 0
        ended = {child: up.log.index(up.logged("event=up.child_ended", f"child={child} "))
                 for child in ("gateway", *UNIX_SERVICES, "postgres")}
        stopped = {child: up.log.index(up.logged("event=stub.stopped", f"service={child}"))
                   for child in UNIX_SERVICES}
        assert max(ended["runner"], ended["gateway"]) < stopped["ai"], up.log
        assert ended["ai"] < stopped["worker"] < ended["worker"] < ended["postgres"], up.log
        for name in UNIX_SERVICES:
            assert not os.path.exists(os.path.join(up.run, f"{name}.sock")), name


def test_a_service_that_does_not_stop_is_killed():
    with Scratch() as scratch, Up(PROGRAM, scratch, ["--drain-timeout", "0s"],
                                  env={"STUB_MODE": "gateway.stubborn"}) as up:
        up.wait_ready()
        up.process.send_signal(signal.SIGTERM)
        assert up.wait_exit() == 0
        up.logged("event=up.child_slow", "child=gateway", "SIGKILL")
        up.logged("service=postgres", "database system is shut down")


def test_a_second_sigint_ends_all_at_once():
    with Scratch() as scratch:
        with Up(PROGRAM, scratch, env={"STUB_MODE": "gateway.stubborn"}) as up:
            up.wait_ready()
            children = set(descendants(up.process.pid))
            up.process.send_signal(signal.SIGINT)
            up.logged("event=up.stopping")
            time.sleep(0.3)
            assert up.process.poll() is None
            up.process.send_signal(signal.SIGINT)
            assert up.wait_exit(GONE_S) == 130
            assert_gone(children)
        with Up(PROGRAM, scratch) as up:
            up.wait_ready()


def test_kill_9_of_postgres_is_mended():
    with Scratch() as scratch, Up(PROGRAM, scratch) as up:
        up.wait_ready()
        psql(up, "windlass_owner", "create table kept as select 42 as n")
        postgres, gateway = up.postgres(), up.gateway()
        os.kill(postgres, signal.SIGKILL)
        up.logged("event=up.database_ready", count=2)
        assert up.postgres() not in (0, postgres) and up.gateway() == gateway
        assert psql(up, "windlass_owner", "select n from kept") == "42"


def test_sighup_is_refused_loudly_and_sigusr1_tells_the_state():
    with Scratch() as scratch, Up(PROGRAM, scratch) as up:
        up.wait_ready()
        up.process.send_signal(signal.SIGHUP)
        up.logged("level=warn", "event=up.not_reloaded")
        up.process.send_signal(signal.SIGUSR1)
        up.logged("event=up.child ", "child=gateway", "state=running", f"pid={up.gateway()}")
        assert up.request()[0] == 200


def test_a_clone_below_a_closed_folder_is_no_hindrance():
    need_root("another user is needed, to whom the folder is closed")
    with Scratch() as scratch:
        closed = scratch.join("closed")
        os.mkdir(closed, 0o700)
        with Up(PROGRAM, scratch, fresh=True, cwd=closed) as up:
            up.wait_ready()


def test_a_closed_terminal_stops_it():
    with Scratch() as scratch:
        Up(PROGRAM, scratch)  # copies the data folder
        pid, terminal = pty.fork()
        if pid == 0:
            env = {name: value for name, value in os.environ.items() if "WINDLASS" not in name}
            with open(scratch.join("log"), "w") as log:
                os.dup2(log.fileno(), 2)
            os.execve(PROGRAM, [PROGRAM, "up", "--data", scratch.join("data"), "--run",
                                scratch.join("run"), "--port", "0"], env)
        try:
            said = b""
            while b"ready at" not in said:
                said += os.read(terminal, 4096)
            children = set(descendants(pid))
            assert children
        finally:
            os.close(terminal)
        _, status = os.waitpid(pid, 0)
        assert os.waitstatus_to_exitcode(status) == 0
        assert_gone(children)
        with open(scratch.join("log")) as log:
            assert "database system is shut down" in log.read()


def test_passwords_that_were_lost_are_made_anew():
    with Scratch() as scratch:
        with Up(PROGRAM, scratch) as up:
            up.wait_ready()
        os.unlink(os.path.join(up.data, "secrets", "windlass_gateway"))
        with Up(PROGRAM, scratch) as up:
            up.wait_ready()
            assert psql(up, "windlass_gateway", "select 1") == "1"


def test_settings_reach_the_service_from_every_source():
    with Scratch() as scratch:
        config = scratch.join("windlass.conf")
        with open(config, "w") as file:
            file.write("request-timeout = 7s\n")
        os.chmod(config, 0o600)
        with Up(PROGRAM, scratch, ["--config", config, "--body-limit", "2MiB"],
                env={"WINDLASS_HEADER_LIMIT": "8KiB", "PORT": "1", "PATH": os.environ["PATH"]}) as up:
            up.wait_ready()
            env = environment_of(up.gateway())
            assert env["WINDLASS_REQUEST_TIMEOUT"] == "7s"
            assert env["WINDLASS_BODY_LIMIT"] == "2MiB"
            assert env["WINDLASS_HEADER_LIMIT"] == "8KiB"
            assert env["WINDLASS_SCHEMA"] == "check"
            assert env["WINDLASS_PORT"] == str(up.address()[1]) and "PORT" not in env
            assert "WINDLASS_CONFIG" not in env and "WINDLASS_DATA" not in env
            assert "windlass_gateway" in env["WINDLASS_DATABASE_URL"]


def test_a_given_database_is_used_and_no_cluster_is_made():
    with Scratch() as scratch, Up(PROGRAM, scratch) as up:
        up.wait_ready()
        with Up(PROGRAM, scratch, run=scratch.join("run2"), data=scratch.join("data2"),
                env={"DATABASE_URL": f"postgresql:///windlass?host={up.run}"}) as second:
            second.wait_ready()
            assert second.postgres() == 0 and not os.path.exists(second.data)
            given = f"postgresql:///windlass?host={up.run}"
            assert environment_of(second.gateway())["WINDLASS_DATABASE_URL"] == given
            worker = environment_of(second.service("worker"))
            assert worker["WINDLASS_DATABASE_URL"] == worker["WINDLASS_WORKER_DATABASE_URL"] == given
            assert second.request()[0] == 200
            second.process.send_signal(signal.SIGTERM)
            assert second.wait_exit() == 0


def test_takes_the_sockets_of_socket_activation():
    with Scratch() as scratch, socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        wrapper = scratch.join("activate")
        with open(wrapper, "w") as file:
            file.write("#!/bin/sh\nexport LISTEN_FDS=1 LISTEN_PID=$$\n"
                       f"exec {PROGRAM} \"$@\" 3<&{listener.fileno()}\n")
        os.chmod(wrapper, 0o755)
        os.set_inheritable(listener.fileno(), True)
        up = Up(wrapper, scratch, fresh=True)
        popen = subprocess.Popen
        subprocess.Popen = lambda *args, **named: popen(*args, close_fds=False, **named)
        try:
            up.start()
        finally:
            subprocess.Popen = popen
        with_port = listener.getsockname()[1]
        try:
            up.wait_ready()
            assert up.address()[1] == with_port
            assert up.request() == (200, str(up.gateway()))
        finally:
            up.end()


def test_tells_systemd_when_it_is_ready_and_when_it_stops():
    with Scratch() as scratch, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        path = scratch.join("notify")
        notify.bind(path)
        os.chmod(path, 0o777)
        notify.settimeout(60)
        with Up(PROGRAM, scratch, env={"NOTIFY_SOCKET": path}) as up:
            heard = []
            while not any("READY=1" in text for text in heard):
                heard.append(notify.recv(4096).decode())
            up.wait_ready()
            up.process.send_signal(signal.SIGTERM)
            while not any("STOPPING=1" in text for text in heard):
                heard.append(notify.recv(4096).decode())
            assert up.wait_exit() == 0


def test_as_process_1_it_buries_strays():
    need_root("for a process namespace")
    can = subprocess.run(["unshare", "--pid", "--fork", "--mount-proc", "true"],
                         capture_output=True, text=True)
    if can.returncode != 0:
        raise Skip(f"no process namespace can be made here: {' '.join(can.stderr.split())}")
    with Scratch() as scratch:
        wrapper = scratch.join("as-first")
        with open(wrapper, "w") as file:
            file.write("#!/bin/sh\nexec unshare --pid --fork --mount-proc --kill-child "
                       f"{PROGRAM} \"$@\"\n")
        os.chmod(wrapper, 0o755)
        Up(PROGRAM, scratch)  # copies the data folder
        with Up(wrapper, scratch, ["--log-level", "debug"]) as up:
            up.wait_ready()
            first = next(pid for pid, entry in processes().items()
                         if entry[0] == up.process.pid and "up_stub up" in entry[3])
            postgres = next(pid for pid, entry in descendants(first).items()
                            if "/postgres -D" in entry[3] and entry[0] == first)
            os.kill(postgres, signal.SIGKILL)
            up.logged("event=up.stray_ended")
            up.logged("event=up.database_ready", count=2)
            until("no zombie is left", lambda: not any(
                entry[0] == first and entry[1] == "Z" for entry in processes().values()))
            os.kill(first, signal.SIGTERM)
            assert up.wait_exit() == 0


def test_started_by_root_everything_runs_as_windlass():
    need_root("that is what it tests")
    with Scratch() as scratch, Up(PROGRAM, scratch) as up:
        up.wait_ready()
        user = pwd.getpwnam("windlass").pw_uid
        table = processes()
        everybody = {up.process.pid: table[up.process.pid], **descendants(up.process.pid)}
        assert len(everybody) > 4 and all(entry[2] == user for entry in everybody.values()), everybody
        with open(f"/proc/{up.process.pid}/status") as file:
            status = file.read()
        assert re.search(r"^CapEff:\s+0+$", status, re.M) and "NoNewPrivs:\t1" in status
        for path in (up.data, os.path.join(up.data, "secrets"), up.run):
            assert os.stat(path).st_uid == user, path
        assert os.stat(scratch.path).st_uid == 0


def copy_etc(target):
    """Its files, folders and links, but no entry of a user of ours."""
    def others(folder, names):
        paths = ((name, os.path.join(folder, name)) for name in names)
        return [name for name, path in paths if not (
            os.path.islink(path) or os.path.isfile(path) or os.path.isdir(path))]

    def copy(source, copied):
        try:
            shutil.copy2(source, copied)
        except FileNotFoundError:  # it went meanwhile
            pass

    shutil.copytree("/etc", target, symlinks=True, ignore=others, copy_function=copy)
    for name in ("passwd", "group", "shadow", "gshadow"):
        path = os.path.join(target, name)
        if not os.path.exists(path):
            continue
        with open(path, "r+") as file:
            kept = [line for line in file if not line.startswith("windlass")]
            file.seek(0)
            file.truncate()
            file.writelines(kept)


@contextlib.contextmanager
def without_users(scratch):
    """The program with an /etc that has no user of ours, and that /etc."""
    need_root("to make users, in a mount namespace whose /etc is a copy without them")
    for tool in ("unshare", "nsenter"):
        if not shutil.which(tool):
            raise Skip(f"there is no {tool} here")
    etc, wrapper = scratch.join("etc"), scratch.join("in-namespace")
    copy_etc(etc)
    script = f"mount --bind {etc} /etc && echo ready && exec cat"  # ends with its input, thus with us
    with subprocess.Popen(["unshare", "--mount", "sh", "-c", script], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as holder:
        if holder.stdout.readline() != "ready\n":
            raise Skip(f"no mount namespace can be made here: {holder.stderr.read().strip()}")
        with open(wrapper, "w") as file:
            file.write(f"#!/bin/sh\nexec nsenter --mount=/proc/{holder.pid}/ns/mnt {PROGRAM} \"$@\"\n")
        os.chmod(wrapper, 0o755)
        yield wrapper, etc


def test_first_starts_at_once_make_the_user_once():
    with Scratch() as scratch, without_users(scratch) as (program, etc):
        with contextlib.ExitStack() as stack:
            ups = [stack.enter_context(Up(program, scratch, data=scratch.join(f"data{i}"), run=scratch.join(f"run{i}")))
                   for i in range(4)]
            for up in ups:
                up.wait_ready()
        with open(os.path.join(etc, "passwd")) as file:
            made = [line for line in file if line.startswith("windlass:")]
        assert len(made) == 1, made
        assert sum("event=up.user_made" in line and "user=windlass" in line.split()
                   for up in ups for line in up.log) == 1


def test_a_lock_that_somebody_holds_does_not_stop_the_first_start():
    with Scratch() as scratch, without_users(scratch) as (program, etc):
        folder = os.open(etc, os.O_RDONLY)
        try:
            fcntl.flock(folder, fcntl.LOCK_SH)
            with Up(program, scratch, fresh=True) as up:
                up.logged("event=up.users_locked", "user=windlass")
                up.logged("event=up.users_not_locked", "user=windlass")
                up.wait_ready()
        finally:
            os.close(folder)


def test_a_program_that_only_root_can_reach_serves_all_the_same():
    need_root("that is what it tests")
    with Scratch() as scratch:
        closed = scratch.join("closed")
        os.mkdir(closed, 0o700)
        program = shutil.copy(PROGRAM, closed)
        for mode in (0o755, 0o700):
            os.chmod(program, mode)
            with Up(program, scratch) as up:
                up.wait_ready()
                assert up.request()[0] == 200


def test_an_ordinary_user_needs_no_root():
    need_root("to become that user; the other tests show it when you are none")
    with Scratch() as scratch:
        program = shutil.copy(PROGRAM, scratch.path)
        home = scratch.join("home")
        os.mkdir(home)
        shutil.chown(home, "nobody")
        with Up(program, scratch, user="nobody", data=os.path.join(home, "data"),
                run=os.path.join(home, "run")) as up:
            up.wait_ready()
            user = pwd.getpwnam("nobody").pw_uid
            assert all(entry[2] == user for entry in descendants(up.process.pid).values())
            assert up.request()[0] == 200


def test_a_user_id_without_a_name_is_told():
    need_root("to become that user")
    with Scratch() as scratch:
        program = shutil.copy(PROGRAM, scratch.path)
        wrapper = scratch.join("as-nobody-known")
        with open(wrapper, "w") as file:
            file.write("#!/bin/sh\nexec setpriv --reuid=54321 --regid=54321 --clear-groups "
                       f"{program} \"$@\"\n")
        os.chmod(wrapper, 0o755)
        os.chmod(scratch.path, 0o777)
        with Up(wrapper, scratch, fresh=True) as up:
            assert_refused(up, 78, "54321", "no name")


if __name__ == "__main__":
    run_tests([test for name, test in list(globals().items()) if name.startswith("test_")])
