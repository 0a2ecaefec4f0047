"""The queue beside its peers: the tests T1 to T5 of the peers' bench, on the same PostgreSQL server.

Worker and runner alone, without a gateway: that is what the peers are. History and feed are kept. A
figure of a peer is of the same run, a test of all contestants in turn.

    T1  20,000 no-ops wait; from the moment at which they may run until the last end is durable
    T2  from before a single create to the lease in an executor's hands, on an idle system, beside
        one fdatasync of the same disk
    T3  32 producers, a task a call
    T4  T1 with 500,000 tasks of lower priority behind, and with a snapshot held open
    T5  5,000 tasks of 5 ms; the runner is killed at two fifths and started anew at once
"""
import http.client
import json
import os
import random
import re
import signal
import socket
import statistics
import subprocess
import tempfile
import threading
import time
from pathlib import Path

import proc
from peers import PEER_SOURCE, PeerServer, build_peers, run_peer
from tasks import percentile, until, uuid7

HERE = Path(__file__).resolve().parent
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "3"))
BURN_TASKS = int(os.environ.get("BENCH_TASKS", "20000"))
BACKLOG = 500_000
CHUNK = 1_000              # tasks of one call
SLOTS = 1_000              # of the runner: as many as River has workers
IDLE_TASKS = 300
PRODUCERS = 32
CRASH_TASKS, CRASH_NAP_S, CRASH_SLOTS = 5_000, 0.005, 24
LIFE_SECONDS = 8
WAITING = 1_000_000        # tasks for memory and restart
TOKENS = {"GATEWAY_TOKEN": "bench-gateway", "RUNNER_TOKEN": "bench-runner"}
PEERS = ("river", "graphile", "pgboss")
PEER_FIGURES = {"T1": t1, "T2": t2, "T3": t3, "T4a": t4a, "T4b": t4b, "T5": t5, "life": life, "scale": scale}


def contest(name, program, server, peers, home, env):
    """{contestant: [figures of each round]}, a round of each in turn."""
    arguments = [f"n={BURN_TASKS}"] if name in ("T1", "T4a", "T4b") else []
    found = {"windlass": []}
    for _ in range(ROUNDS if name in ("T1", "T2", "T3", "T4b") else 1):
        found["windlass"].append(TESTS[name](program, server))
        for peer in peers if name in PEER_FIGURES else ():
            row = run_peer(home, env, peer, name, *arguments)
            if "error" not in row:
                found.setdefault(peer, []).append(row)
    return found


def median_of(rows, figure):
    return statistics.median(row[figure] for row in rows if row.get(figure) is not None)


def tell(report, name, found):
    """The figure that the peers have too, beside each of them, then the others."""
    ours = found.pop("windlass")
    shared = PEER_FIGURES.get(name)
    for peer, rows in found.items():
        if any(row.get(shared) is not None for row in rows):
            report.add(f"queue.{name}.{shared}", median_of(ours, shared), "", peer, median_of(rows, shared))
    for figure in ours[0]:
        if figure != shared or not found:
            report.add(f"queue.{name}.{figure}", median_of(ours, figure), "")


def bench(report, program, build, tests):
    """Runs the tests named, beside the peers where their folder is at hand, and reports."""
    unknown = set(tests) - set(TESTS)
    if unknown:
        raise SystemExit(f"no queue test {', '.join(unknown)}; there are {', '.join(TESTS)}")
    home, peers = build / "peers-queue", ()
    env = {**os.environ, "npm_config_cache": str(build / "npm-cache")}
    if (PEER_SOURCE / "bench.mjs").exists():
        build_peers(home, env)
        peers = PEERS
    else:
        print("  no peers: their folder is not at hand; WINDLASS_PEERS names it")
    with PeerServer() as server:
        env["QB_PGPORT"] = str(server.port)
        for name in tests:
            tell(report, name, contest(name, program, server, peers, home, env))
