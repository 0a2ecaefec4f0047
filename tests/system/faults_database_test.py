#!/usr/bin/env python3
"""What users are told while PostgreSQL is restarted under load, out of connections, read-only or without disk, and that
nothing acknowledged is lost. Real processes. Usage: faults_database_test.py WINDLASS [TEST...]"""
import os
import socket
import struct
import subprocess
import threading
import time
from urllib.parse import parse_qs, urlsplit

from processes import Load, eventually, run_installed, sql
from shim import Shim

AWAY = {"DATABASE_UNAVAILABLE", "TIMEOUT"}
CONNECTIONS = 60
USERS = "{ users { nodes { id } } }"


def assert_is_told(world, load):
    """By each gateway: it lives, is not ready, and says DOWN; requests end with a code, and in time."""
    for gateway in world.gateways:
        eventually(lambda g=gateway: g.get("/readyz").status == 503)
        assert gateway.get("/livez").status == 200
        assert "[-] database failed since 20" in gateway.get("/readyz?verbose").text
        assert gateway.get("/healthz").json["services"]["database"] == "down"
        status = gateway.graphql("{ systemHealth { status } }").data["systemHealth"]["status"]
        assert status == "DOWN", status
        assert world.ask(USERS, gateway=gateway).code in AWAY
    eventually(lambda: load.codes)
    assert load.codes <= AWAY, load.codes


def restarted_under_load(world):
    with Load(world) as load:
        for word in ("stop", "kill"):
            load.grow()
            world.postgres.tell(word)
            assert_is_told(world, load)
            world.postgres.tell("launch")
            world.postgres.tell("wait")
            load.grow()
    assert load.codes <= AWAY, load.codes
    load.assert_kept()


class Hogs:
    """Takes every connection that the server has, those for superusers too."""

    def __init__(self, url):
        self.path = os.path.join(parse_qs(urlsplit(url).query)["host"][0], ".s.PGSQL.5432")
        self.sockets, self.is_over = [], threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        words = b"user\0postgres\0database\0postgres\0application_name\0hog\0\0"
        start = struct.pack("!ii", 8 + len(words), 3 << 16) + words
        while not self.is_over.is_set():
            hog = socket.socket(socket.AF_UNIX)
            hog.settimeout(10)
            try:
                hog.connect(self.path)
                hog.sendall(start)
                if hog.recv(1) == b"R":  # it let us in
                    self.sockets.append(hog)
                    continue
            except OSError:
                pass
            hog.close()
            time.sleep(0.01)

    def end(self):
        self.is_over.set()
        self.thread.join()
        for hog in self.sockets:
            hog.close()


def out_of_connections(world):
    with Load(world) as load:
        load.grow()
        hogs = Hogs(world.url)
        try:
            with subprocess.Popen(["psql", "-XqAt", world.url], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                  text=True) as one:
                def are_alone():
                    """The server's own count: nobody is left whose place a hog could not take."""
                    one.stdin.write("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE pid <> "
                                    "pg_backend_pid() AND application_name <> 'hog' AND backend_type = 'client backend';\n")
                    one.stdin.flush()
                    return int(one.stdout.readline()) == 0
                eventually(lambda: all(are_alone() for _ in range(5)) and len(hogs.sockets) >= CONNECTIONS - 1)
                assert_is_told(world, load)
                one.stdin.close()
        finally:
            hogs.end()
        load.grow()
    assert load.codes <= AWAY, load.codes
    load.assert_kept()


def set_read_only(world, value):
    sql(world.url, "ALTER SYSTEM SET default_transaction_read_only = '%s'" % value)
    sql(world.url, "SELECT pg_reload_conf()")


def assert_no_writes_are_told(world):
    """What can be read is; the database counts as degraded, and why and since when is said."""
    for gateway in world.gateways:
        health, parts = eventually(lambda g=gateway: (lambda h: h if h[1]["database"]["status"] == "DEGRADED" else None)(
            world.health(g)))
        assert health["status"] == "DEGRADED" and "no writes" in parts["database"]["detail"], health
        assert gateway.get("/readyz").status == 200
        assert world.ask(USERS, gateway=gateway).code == "ok"


def read_only(world):
    known = world.create()["id"]
    world.all_done([known])
    with Load(world) as load:
        load.grow()
        set_read_only(world, "on")
        try:
            assert_no_writes_are_told(world)
            eventually(lambda: load.codes)
            for gateway in world.gateways:
                assert world.create_answer(gateway).code in AWAY
                read = eventually(lambda g=gateway: (lambda t: t if t["source"] == "CACHE" else None)(world.read(known, g)))
                assert read["status"] == "COMPLETED", read
        finally:
            set_read_only(world, "off")
        load.grow()
    assert load.codes <= AWAY, load.codes
    load.assert_kept()


def disk_full(world):
    """First no table can grow, then the server's log cannot, and it falls."""
    with Load(world, payload={"text": os.urandom(2000).hex()}) as load:
        load.grow()
        world.shim.fill(True)
        try:
            eventually(lambda: load.codes)
            assert world.gateway.get("/livez").status == 200
            for gateway in world.gateways:
                answer = world.create_answer(gateway, os.urandom(50_000).hex())  # which nothing makes shorter
                assert answer.code in AWAY, answer.text[:300]
            assert_no_writes_are_told(world)
            next_segment = ["psql", "-Xq", "-c", "SELECT pg_logical_emit_message(true, '', 'x'); SELECT pg_switch_wal()",
                            world.url]
            eventually(lambda: subprocess.run(next_segment, capture_output=True, check=False).returncode != 0)
        finally:
            world.shim.fill(False)
        world.postgres.tell("kill")  # whether it lives or not: what it needs is a new start
        world.postgres.tell("launch")
        world.postgres.tell("wait")
        load.grow()
    assert load.codes <= AWAY, load.codes
    load.assert_kept()


if __name__ == "__main__":
    the_shim = Shim()
    try:
        run_installed([restarted_under_load, out_of_connections, read_only, disk_full],
                      f"-c max_connections={CONNECTIONS}", shim=the_shim)
    finally:
        the_shim.end()
