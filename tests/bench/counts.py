"""Q5 by itself: what one answer costs PostgreSQL, asked one after the other, ours beside the peers'.

A peer counts anew for each answer. Windlass holds a reading for a second, so it is asked twice: as the peers are, and
by a window that nobody has asked for before, so that each answer is read from the tables.
"""
import itertools
import time

RATIO = 100                # which the peers shall take at least
REQUESTS = (30, 5000)      # of one server: at least, at most
FRESH = "query($w: String) { dashboardStats(window: $w) { tasks { pending inProgress completed failed } users jobs { total } chatMessages } }"
WINDOWS = itertools.cycle(range(10, 129_600))  # minutes


def cost(target, seconds, bodies, ask):
    """µs of PostgreSQL and of the server for an answer; how many there were."""
    for _ in range(3):
        ask(target.url, target.token, **next(bodies))
    before, began, count = target.cpu(), time.monotonic(), 0
    while count < REQUESTS[0] or (count < REQUESTS[1] and time.monotonic() - began < seconds):
        ask(target.url, target.token, **next(bodies))
        count += 1
    server, postgres = (1e6 * (now - then) / count for now, then in zip(target.cpu(), before))
    return postgres, server, count


def asked(target):
    return itertools.cycle([{"query": body["query"], "variables": body.get("variables")} for body in target.bodies("Q5")])


def bench(report, ours, peers, seconds, ask):
    fresh = ({"query": FRESH, "variables": {"w": f"{minutes}m"}} for minutes in WINDOWS)
    rows = {"windlass, as asked": cost(ours, seconds, asked(ours), ask), "windlass, read anew": cost(ours, seconds, fresh, ask),
            **{peer.name: cost(peer, seconds, asked(peer), ask) for peer in peers}}
    for name, (postgres, server, count) in rows.items():
        print(f"  Q5 one by one {name:<20} PostgreSQL {postgres:>10,.1f}  server {server:>8,.1f} us  of {count:,} answers", flush=True)
    best = min((peer.name for peer in peers), key=lambda name: rows[name][0], default=None)
    for suffix, name in (("held", "windlass, as asked"), ("anew", "windlass, read anew")):
        report.note(f"graphql.Q5.one.{suffix}.cpu.postgres", rows[name][0], "us/req", best, rows[best][0] if best else None)
        if best:
            less = rows[best][0] / max(rows[name][0], 0.1)
            print(f"  {name}: {less:,.0f} times less CPU of PostgreSQL than {best}"
                  + ("" if less >= RATIO else f", UNDER {RATIO}"), flush=True)
