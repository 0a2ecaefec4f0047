#!/usr/bin/env python3
"""The worker behind PgBouncer in transaction mode, where its transactions share server connections with others and
a session's state would leak. Usage: worker_pgbouncer_test.py PROGRAM"""

import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from urllib.parse import parse_qs, urlsplit

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../support"))
from gateway_rig import WAIT_S, Postgres, eventually, run_tests  # noqa: E402
from worker_rig import Caller, Executor, OpenTransaction, Worker, sql  # noqa: E402

BOUNCER = shutil.which("pgbouncer", path="/usr/sbin:/usr/bin:" + os.environ["PATH"])
# Without prepared statements: PgBouncer before 1.21 does not follow them.
SETTINGS = {"WORKER_LEASE": "1s", "DB_PREPARE": "off"}


class Bouncer:
    """One on a socket of its own before a database, with `size` connections to it."""

    def __init__(self, url, size=3):
        parts = urlsplit(url)
        host = parse_qs(parts.query)["host"][0]
        self.folder = tempfile.TemporaryDirectory(prefix="bouncer-")
        os.chmod(self.folder.name, 0o777)
        config = os.path.join(self.folder.name, "pgbouncer.ini")
        with open(config, "w") as file:
            file.write(f"[databases]\n* = host={host} user=postgres\n[pgbouncer]\npool_mode = transaction\n"
                       f"listen_addr =\nunix_socket_dir = {self.folder.name}\nauth_type = any\n"
                       f"default_pool_size = {size}\nmax_client_conn = 100\n")
        user = ["-u", "nobody"] if os.getuid() == 0 and pwd.getpwnam("nobody") else []
        self.process = subprocess.Popen([BOUNCER, "-q", *user, config], stderr=subprocess.DEVNULL)
        self.url = f"postgresql://postgres@{parts.path}?host={self.folder.name}&port=6432"
        eventually(lambda: os.path.exists(os.path.join(self.folder.name, ".s.PGSQL.6432")))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait(WAIT_S)
        self.folder.cleanup()


def tasks_live_through_it(postgres):
    url = postgres.tell("database")
    with Worker(url):
        pass  # makes the tables
    with Bouncer(url) as bouncer, Worker(bouncer.url, **SETTINGS) as worker:
        caller, executor = Caller(worker), Executor(worker, {"work": 20})
        tasks = [caller.create_one() for _ in range(20)]
        leases = executor.leases(20, 20_000)
        assert [executor.ack(lease) for lease in leases] == ["applied"] * 20
        assert caller.task(tasks[0])["state"] == "succeeded"
        assert len(caller.whole_feed()) >= 60
        for day in caller.get("/v1/sums").json["days"]:
            assert caller.get(f"/v1/sums?day={day}").status == 200
        eventually(lambda: sql(url, "SELECT ckpt_seq = (SELECT max(seq + n) FROM worker.change_log) "
                                    "FROM worker.shard") == "t")
        # What a transaction set is gone with it: whoever has the connection next finds none of it.
        for _ in range(6):
            assert sql(bouncer.url, "SELECT current_setting('lock_timeout'), "
                                    "current_setting('enable_seqscan'), "
                                    "current_setting('synchronous_commit')") == "0|on|on"
        assert "level=error" not in worker.log, worker.log


@contextmanager
def two_behind_it(url):
    """The bouncer, the leader and a standby that is warm."""
    with Worker(url):
        pass
    with Bouncer(url, 6) as bouncer, Worker(bouncer.url, **SETTINGS) as first, \
            Worker(bouncer.url, wait=False, **SETTINGS) as second:
        second.wait_for_log("event=lead.warm")
        yield bouncer, first, second


def a_standby_takes_over_behind_it_and_a_stopped_leader_steps_down(postgres):
    url = postgres.tell("database")
    with two_behind_it(url) as (_, first, second):
        task = Caller(first).create_one()
        first.process.send_signal(signal.SIGSTOP)
        second.wait_leading()
        other = Caller(second).create_one()
        first.process.send_signal(signal.SIGCONT)
        first.wait_for_log(r"event=shard\.stepped_down")
        assert {Caller(second).task(t)["state"] for t in (task, other)} == {"ready"}
        second.stop(signal.SIGKILL)  # its connection to the server lives on, its lease does not
        first.wait_leading()
        assert {Caller(first).task(t)["state"] for t in (task, other)} == {"ready"}
        assert sql(url, "SELECT count(*) FROM (SELECT epoch, lead(epoch) OVER (ORDER BY seq) AS later "
                        "FROM worker.change_log) l WHERE later < epoch") == "0"


def what_a_leader_left_at_the_logs_end_is_ended_behind_it(postgres):
    with two_behind_it(postgres.tell("database")) as (bouncer, first, second):
        task = Caller(first).create_one()
        left = OpenTransaction(bouncer.url, """INSERT INTO worker.change_log (shard, seq, n, epoch, at, ops, ids, args)
            SELECT 0, max(seq + n), 1, 1, now(), '', '', '' FROM worker.change_log""")
        first.stop(signal.SIGKILL)
        second.wait_leading()
        assert not left.end()
        assert Caller(second).task(task)["state"] == "ready"


def commits_in_doubt_are_settled_when_it_falls(postgres):
    url = postgres.tell("database")
    with Worker(url):
        pass
    bouncer = Bouncer(url)
    with Worker(bouncer.url, **SETTINGS) as worker:
        caller = Caller(worker)
        made = [caller.create_one() for _ in range(5)]
        bouncer.process.kill()
        bouncer.process.wait(WAIT_S)
        assert caller.create({"id": made[0], "type": "work"}).status == 503
        bouncer.process = subprocess.Popen([BOUNCER, "-q", *(["-u", "nobody"] if os.getuid() == 0 else []),
                                            os.path.join(bouncer.folder.name, "pgbouncer.ini")],
                                           stderr=subprocess.DEVNULL)
        worker.wait_leading()
        made.append(caller.create_one())
        assert not set(made) - set(sql(url, "SELECT id FROM worker.task").splitlines())
    bouncer.__exit__()


TESTS = [
    tasks_live_through_it,
    a_standby_takes_over_behind_it_and_a_stopped_leader_steps_down,
    what_a_leader_left_at_the_logs_end_is_ended_behind_it,
    commits_in_doubt_are_settled_when_it_falls,
]

if __name__ == "__main__":
    if BOUNCER is None:
        print("1..0 # SKIP pgbouncer is not installed (scripts/packages.txt names it)")
        sys.exit(0)
    with Postgres() as server:
        run_tests(TESTS, server)
