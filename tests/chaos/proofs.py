"""What must hold when everything has come to rest."""

import collections
import copy
import datetime
import os
import sys
import types

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../support"))
from actors import LIMIT  # noqa: E402
from gateway_rig import eventually  # noqa: E402
from worker_rig import sql  # noqa: E402

STATES = {"start": "running"}  # others tell theirs
ENDS = ("succeeded", "dead", "cancelled")


def page_of(world, path):
    """Whoever leads answers, and nobody may for a moment."""
    def look():
        answer = world.caller().get(path)
        return answer if answer.status != 503 else None
    answer = eventually(look)
    assert answer.status == 200, answer.text
    return answer.json


def snapshot(world):
    tasks, after = {}, ""
    while after is not None:
        page = page_of(world, "/v1/snapshot?limit=1000" + (f"&after={after}" if after else ""))
        tasks.update({task["id"]: task for task in page["tasks"]})
        after = page["next"]
    return tasks


def no_acknowledged_task_is_lost(world, tasks):
    lost = [task for task in world.history.created if task not in tasks]
    undone = [task for task in world.history.created if task in tasks and tasks[task]["state"] not in ENDS]
    return [f"lost: {task}" for task in lost] + [f"{tasks[task]['state']}: {task}" for task in undone]


def what_was_cancelled_stays_so(world, tasks):
    return [task for task in world.history.cancelled if tasks[task]["state"] != "cancelled"]


def none_is_completed_twice(world, _):
    ends = collections.Counter(e["task"]["id"] for e in world.events if e["op"] == "finish")
    twice = [f"{task} finished {count} times" for task, count in ends.items() if count > 1]
    for task, fences in world.history.applied.items():
        final = [fence for fence, outcome in fences.items() if outcome in ("complete", "fatal")]
        twice += [f"{task} was completed under {final}"] if len(final) > 1 else []
    return twice


def no_stale_acknowledgement_is_applied(world, tasks):
    """The stored result was written under a fence whose acknowledgement was taken, or may have been."""
    history, wrong = world.history, []
    for task, fences in history.applied.items():
        final = [fence for fence, outcome in fences.items() if outcome == "complete"]
        stored = (tasks[task]["result"] or {}).get("fence")
        if final and stored != final[0]:
            wrong.append(f"{task}: {final[0]} was applied, {stored} is stored")
    for task, stored in tasks.items():
        fence = stored["result"].get("fence") if isinstance(stored["result"], dict) else None
        taken = history.applied[task].keys() | history.repeated[task] | history.doubtful[task]
        if fence is not None and fence not in taken:
            wrong.append(f"{task}: {fence} is stored, and was never applied")
        if fence in history.refused[task] and fence not in history.applied[task]:
            wrong.append(f"{task}: {fence} is stored, and was told stale")
    return wrong


def limits_are_never_exceeded(world, _):
    """By the order of the changes, which is the truth's own."""
    if not world.has_limit:
        return []
    running, wrong = set(), []
    for event in world.events:
        task = event.get("task", {})
        if task.get("type") != "limited":
            continue
        if event["op"] == "start":
            running.add(task["id"])
        elif event["op"] in ("finish", "wait"):
            running.discard(task["id"])
        if len(running) > LIMIT:
            wrong.append(f"{len(running)} ran at {event['seq']}")
    return wrong


def instant(us):
    return datetime.datetime.fromtimestamp(us / 1e6, datetime.timezone.utc).isoformat()


def no_instant_is_fired_twice_or_missed(world, tasks):
    wrong = []
    for name, job in world.jobs.items():
        fired = collections.Counter(t["scheduled_for_us"] for t in tasks.values() if t["job_id"] == job)
        wrong += [f"{name} fired {count} times at {instant(at)}" for at, count in fired.items() if count > 1]
        if not fired:
            wrong.append(f"{name} never fired")
        elif name == "run-all":
            due = range(min(fired), max(fired) + 1, 1_000_000)
            wrong += [f"{name} missed {instant(at)}" for at in due if at not in fired]
    return wrong


def the_feed_is_what_the_tables_say(world, tasks):
    told, wrong = {}, []
    for event in world.events:
        if "task" in event and event["op"] != "note":
            known = told.setdefault(event["task"]["id"], {"result": None, "error": None})
            if event["op"] in ("start", "reopen"):
                known.update(result=None, error=None)
            known.update({k: v for k, v in event["task"].items() if k in ("state", "attempt", "result", "error")})
            known["state"] = event["task"].get("state", STATES.get(event["op"]))
    for task in told.keys() | tasks.keys():
        if task not in told or task not in tasks:
            wrong.append(f"{task} is only in {'the tables' if task in tasks else 'the feed'}")
        else:
            differ = [k for k, v in told[task].items() if tasks[task][k] != v]
            wrong += [f"{task} differs in {differ}: {told[task]}, {tasks[task]}"] if differ else []
    return wrong


def what_the_feed_told_once_it_tells_again(world, _):
    """Whoever leads, and from wherever it reads."""
    again, cursor, head = [], "0:1", None
    while cursor != head:
        page = page_of(world, f"/v1/feed?cursor={cursor}")
        again += page["events"]
        cursor, head = page["cursor"], page["head"]
    return [f"{one['seq']}: {one['op']}, later {other['op']}" for one, other in zip(world.events, again, strict=False)
            if (one["seq"], one["op"], one.get("task", {}).get("id"))
            != (other["seq"], other["op"], other.get("task", {}).get("id"))]


def the_log_is_dense(world, _):
    holes = sql(world.url, """SELECT count(*) FROM (SELECT seq, n, lead(seq) OVER (ORDER BY seq) AS next
                              FROM worker.change_log) l WHERE next <> seq + n""")
    return [] if holes == "0" else [f"{holes} holes"]


PROOFS = [
    no_acknowledged_task_is_lost, what_was_cancelled_stays_so, none_is_completed_twice,
    no_stale_acknowledgement_is_applied, limits_are_never_exceeded, no_instant_is_fired_twice_or_missed,
    the_feed_is_what_the_tables_say, what_the_feed_told_once_it_tells_again, the_log_is_dense,
]


# ── a proof that cannot fail proves nothing: each is shown a world that was spoiled for it ──

def spoil_lost(world, tasks):
    del tasks[next(iter(world.history.created))]


def spoil_cancelled(world, tasks):
    for task in world.history.cancelled:
        tasks[task]["state"] = "succeeded"


def spoil_twice(world, _):
    world.events.append(next(e for e in world.events if e["op"] == "finish"))


def completed(world, tasks):
    return next(task for task, fences in world.history.applied.items()
                if "complete" in fences.values() and tasks[task]["result"])


def spoil_stale(world, tasks):
    tasks[completed(world, tasks)]["result"] = {"fence": "0:1"}


def spoil_limits(world, _):
    world.events += [{"op": "start", "seq": str(n), "task": {"type": "limited", "id": str(n)}} for n in range(LIMIT + 1)]


def spoil_twice_fired(_, tasks):
    task = next(t for t in tasks.values() if t["job_id"])
    tasks["again"] = {**task, "id": "again"}


def spoil_missed(world, tasks):
    runs = sorted((t["scheduled_for_us"], i) for i, t in tasks.items() if t["job_id"] == world.jobs["run-all"])
    del tasks[runs[len(runs) // 2][1]]


def spoil_feed(world, tasks):
    tasks[completed(world, tasks)]["state"] = "dead"


def spoil_told_again(world, _):
    world.events[0] = {**world.events[0], "op": "drop"}


SPOILED = [
    (spoil_lost, no_acknowledged_task_is_lost), (spoil_cancelled, what_was_cancelled_stays_so),
    (spoil_twice, none_is_completed_twice), (spoil_stale, no_stale_acknowledgement_is_applied),
    (spoil_limits, limits_are_never_exceeded), (spoil_twice_fired, no_instant_is_fired_twice_or_missed),
    (spoil_missed, no_instant_is_fired_twice_or_missed), (spoil_feed, the_feed_is_what_the_tables_say),
    (spoil_told_again, what_the_feed_told_once_it_tells_again),
]


def blind_proofs(world, tasks):
    """Those that do not see what was spoiled for them."""
    blind = []
    for spoil, proof in SPOILED:
        if spoil is spoil_cancelled and not world.history.cancelled:
            continue
        spoiled = types.SimpleNamespace(history=world.history, events=list(world.events), jobs=world.jobs, url=world.url,
                                        has_limit=True, caller=world.caller)
        changed = copy.deepcopy(tasks)
        spoil(spoiled, changed)
        if not proof(spoiled, changed):
            blind.append(f"{proof.__name__} does not see {spoil.__name__}")
    return blind
