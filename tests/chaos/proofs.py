"""What must hold when everything has come to rest."""

import collections
import copy
import datetime
import os
import sys
import types

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../support"))
import order  # noqa: E402
from gateway_rig import eventually  # noqa: E402
from history import blind_history  # noqa: E402
from order import NothingToSpoil, first  # noqa: E402
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
    history = world.history
    lost = [task for task in history.created if task not in tasks and task not in history.deleted]
    undone = [task for task in history.created if task in tasks and tasks[task]["state"] not in ENDS]
    return [f"lost: {task}" for task in lost] + [f"{tasks[task]['state']}: {task}" for task in undone]


def what_was_refused_rolled_back_or_deleted_is_not_there(world, tasks):
    return sorted((world.history.never | world.history.deleted) & tasks.keys())


def all_of_a_call_are_there_or_none(world, tasks):
    """Atomic creates, and transactions in SQL."""
    found = [(len(ids), sum(task in tasks for task in ids)) for ids in world.history.together]
    return [f"{there} of {count} are there" for count, there in found if there not in (0, count)]


def children_are_there_exactly_when_their_parent_completed(world, tasks):
    """Those of the acknowledgement that was taken, whose fence the parent's result tells."""
    children = collections.Counter(t["actor"].removeprefix("task ") for t in tasks.values() if t["type"] == "child")
    wrong = []
    for task, stored in tasks.items():
        if stored["type"] != "parent":
            continue
        fence = stored["result"]["fence"] if stored["state"] == "succeeded" else None
        wanted = world.history.spawns.get((task, fence), 0)
        if children[task] != wanted:
            wrong.append(f"{task} is {stored['state']} and has {children[task]} children, {wanted} came with it")
    return wrong


def a_group_gathers_what_its_children_have_become(_, tasks):
    wrong = []
    for task, stored in tasks.items():
        if stored["type"] == "task.group" and stored["state"] in ("succeeded", "dead") and stored["result"]:
            wrong += [f"{task} tells {child['id']} {child['state']}, which is {tasks[child['id']]['state']}"
                      for child in stored["result"]["children"] if tasks[child["id"]]["state"] != child["state"]]
    return wrong


def what_was_cancelled_stays_so(world, tasks):
    return [task for task in world.history.cancelled if tasks[task]["state"] != "cancelled"]


def none_is_completed_twice(world, _):
    twice, ended = [], set()
    for event in world.events:
        task = event.get("task", {}).get("id")
        if event["op"] == "finish" and task in ended:
            twice.append(f"{task} finished again at {event['seq']}")
        if event["op"] == "finish":
            ended.add(task)
        elif event["op"] == "reopen":  # tried again by hand
            ended.discard(task)
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


def instant(us):
    return datetime.datetime.fromtimestamp(us / 1e6, datetime.timezone.utc).isoformat()


CATCH_UP = 100  # the latest that are made up for at once: docs/cron.md
STEPS_US = {"run-all": 1_000_000, "run-all-slow": 300_000_000}


def no_instant_is_fired_twice_or_missed(world, tasks):
    """A clock that jumps by more than can be made up for leaves a hole, right before as many as there may be."""
    wrong = []
    for name, job in world.jobs.items():
        runs = [t for t in tasks.values() if t["job_id"] == job]
        fired = collections.Counter(t["scheduled_for_us"] for t in runs)
        made_at = {t["scheduled_for_us"]: t["created_at_us"] for t in runs}
        at_once = collections.Counter(made_at.values())
        wrong += [f"{name} fired {count} times at {instant(at)}" for at, count in fired.items() if count > 1]
        if not fired and name != "run-all-slow":
            wrong.append(f"{name} never fired")
        if name not in STEPS_US:
            continue
        instants = sorted(fired)
        for before, at in zip(instants, instants[1:], strict=False):
            full = [i for i in instants if made_at[i] == made_at[at]]
            if at - before != STEPS_US[name] and not (at_once[made_at[at]] >= CATCH_UP and full[0] == at):
                wrong.append(f"{name} missed what came between {instant(before)} and {instant(at)}")
    return wrong


def the_feed_is_what_the_tables_say(world, tasks):
    told, wrong = {}, []
    for event in world.events:
        for gone in event.get("ids", []):
            told.pop(gone, None)
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
    """Whoever leads, and from wherever it reads; but of tasks that are deleted nothing is told any more."""
    again, cursor, head = [], "0:1", None
    while cursor != head:
        page = page_of(world, f"/v1/feed?cursor={cursor}")
        again += page["events"]
        cursor, head = page["cursor"], page["head"]
    return [f"{one['seq']}: {one['op']}, later {other['op']}" for one, other in zip(world.events, again, strict=False)
            if (one["seq"], one["op"], one.get("task", {}).get("id"))
            != (other["seq"], other["op"], other.get("task", {}).get("id"))
            and not (other["op"] == "none" and one.get("task", {}).get("id") in world.history.deleted)]


def log_of(world):
    """(seq, n, epoch) of each row, in their order."""
    if world.log is None:
        rows = sql(world.url, "SELECT seq, n, epoch FROM worker.change_log ORDER BY seq").splitlines()
        world.log = [tuple(map(int, row.split("|"))) for row in rows]
    return world.log


def the_log_is_dense(world, _):
    log = log_of(world)
    return [f"{seq} + {n} is followed by {following}" for (seq, n, _), (following, _, _) in zip(log, log[1:], strict=False)
            if seq + n != following]


def no_leader_writes_after_its_successor(world, _):
    log = log_of(world)
    return [f"{seq} is of epoch {epoch}, after {before}" for (_, _, before), (seq, _, epoch) in zip(log, log[1:], strict=False)
            if epoch < before]


PROOFS = [
    no_acknowledged_task_is_lost, what_was_refused_rolled_back_or_deleted_is_not_there, all_of_a_call_are_there_or_none,
    what_was_cancelled_stays_so, none_is_completed_twice, no_stale_acknowledgement_is_applied,
    children_are_there_exactly_when_their_parent_completed, a_group_gathers_what_its_children_have_become,
    no_instant_is_fired_twice_or_missed, the_feed_is_what_the_tables_say, what_the_feed_told_once_it_tells_again,
    the_log_is_dense, no_leader_writes_after_its_successor, *order.PROOFS,
]


# ── a proof that cannot fail proves nothing: each is shown a world that was spoiled for it ──

def spoil_lost(world, tasks):
    del tasks[first(task for task in world.history.created if task in tasks)]


def spoil_cancelled(world, tasks):
    tasks[first(task for task in world.history.cancelled if task in tasks)]["state"] = "succeeded"


def spoil_twice(world, _):
    world.events.append(first(e for e in world.events if e["op"] == "finish"))


def spoil_log(world, _):
    del world.log[len(world.log) // 2]


def spoil_epochs(world, _):
    seq, n, epoch = world.log[-1]
    world.log.append((seq + n, 1, epoch - 1))


def completed(world, tasks):
    return first(task for task, fences in world.history.applied.items()
                 if "complete" in fences.values() and tasks[task]["result"])


def spoil_stale(world, tasks):
    tasks[completed(world, tasks)]["result"] = {"fence": "0:1"}


def spoil_never(world, tasks):
    world.history.never.add(first(tasks))


def spoil_together(world, tasks):
    world.history.together.append([first(tasks), "none"])


def spoil_children(_, tasks):
    child = first(t for t in tasks.values() if t["type"] == "child")
    tasks["again"] = {**child, "id": "again"}


def spoil_group(_, tasks):
    group = first(t for t in tasks.values() if t["type"] == "task.group" and t["state"] == "succeeded")
    tasks[group["result"]["children"][0]["id"]]["state"] = "dead"


def spoil_twice_fired(_, tasks):
    task = first(t for t in tasks.values() if t["job_id"])
    tasks["again"] = {**task, "id": "again"}


def spoil_missed(world, tasks):
    runs = sorted((t["scheduled_for_us"], i) for i, t in tasks.items() if t["job_id"] == world.jobs["run-all"])
    del tasks[first(runs[-2:-1])[1]]  # among the last there is no hole


def spoil_feed(world, tasks):
    tasks[completed(world, tasks)]["state"] = "dead"


def spoil_told_again(world, _):
    world.events[0] = {**world.events[0], "op": "drop"}


SPOILED = [
    (spoil_lost, no_acknowledged_task_is_lost), (spoil_cancelled, what_was_cancelled_stays_so),
    (spoil_twice, none_is_completed_twice), (spoil_stale, no_stale_acknowledgement_is_applied),
    (spoil_log, the_log_is_dense), (spoil_epochs, no_leader_writes_after_its_successor),
    (spoil_never, what_was_refused_rolled_back_or_deleted_is_not_there),
    (spoil_together, all_of_a_call_are_there_or_none),
    (spoil_children, children_are_there_exactly_when_their_parent_completed),
    (spoil_group, a_group_gathers_what_its_children_have_become), (spoil_twice_fired, no_instant_is_fired_twice_or_missed),
    (spoil_missed, no_instant_is_fired_twice_or_missed), (spoil_feed, the_feed_is_what_the_tables_say),
    (spoil_told_again, what_the_feed_told_once_it_tells_again), *order.SPOILED,
]


RARE = {"spoil_group", "spoil_missed", "spoil_bulk", "spoil_cancelled"}  # need what even long runs may not have
ROUNDS_ENOUGH = 10  # so many have all the rest in them


def skipped_wrongly(skipped, rounds):
    """Of those that had nothing to spoil, in a run of so many rounds."""
    return sorted(set(skipped) - RARE) if rounds >= ROUNDS_ENOUGH else []


def blind_proofs(world, tasks, rounds):
    """Those that do not see what was spoiled for them, and those that were shown nothing and should have been."""
    blind, skipped = blind_history(), []
    for spoil, proof in SPOILED:
        with world.history.lock:
            history = copy.copy(world.history)
        for name in ("created", "never", "together", "pauses", "lease_times", "bulk_done"):
            setattr(history, name, copy.deepcopy(getattr(history, name)))
        spoiled = types.SimpleNamespace(history=history, events=list(world.events), jobs=world.jobs, url=world.url,
                                        limits=world.limits, caller=world.caller, log=list(log_of(world)))
        changed = copy.deepcopy(tasks)
        try:
            spoil(spoiled, changed)
        except NothingToSpoil:
            print(f"# nothing happened that {spoil.__name__} could spoil", flush=True)
            skipped.append(spoil.__name__)
            continue
        if not proof(spoiled, changed):
            blind.append(f"{proof.__name__} does not see {spoil.__name__}")
    return blind + [f"in {rounds} rounds nothing happened that {name} could spoil" for name in skipped_wrongly(skipped, rounds)]
