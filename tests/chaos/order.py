"""What the order of the changes must show: it is the truth's own, whatever clocks say."""

import collections


class Replay:
    """The state after each change, as far as the proofs look at it."""

    def __init__(self):
        self.tasks, self.state = {}, {}     # of their `add`; how each ended, or that it runs
        self.types, self.paused_queues = {}, set()
        self.running = collections.defaultdict(set)          # type -> tasks
        self.running_of_key = collections.defaultdict(set)   # (type, key) -> tasks

    def key_of(self, task):
        payload = self.tasks.get(task["id"], {}).get("payload")
        return task["type"], payload.get("key") if isinstance(payload, dict) else None

    def apply(self, event):
        op, task = event["op"], event.get("task")
        if op == "type":
            self.types[event["type"]["type"]] = event["type"] if is_as_it_was(event, event["type"]) else {}
        elif op == "queue":
            queue = event["queue"]
            is_paused = queue["is_paused"] and is_as_it_was(event, queue)
            (self.paused_queues.add if is_paused else self.paused_queues.discard)(queue["queue"])
        elif op == "add":
            self.tasks[task["id"]] = task
            self.state[task["id"]] = task["state"]
        elif op == "start":
            self.state[task["id"]] = "running"
            self.running[task["type"]].add(task["id"])
            self.running_of_key[self.key_of(task)].add(task["id"])
        elif op in ("finish", "wait", "reopen"):
            self.state[task["id"]] = task.get("state", "ready")
            self.running[task["type"]].discard(task["id"])
            self.running_of_key[self.key_of(task)].discard(task["id"])


def is_as_it_was(event, settings):
    """An older change is told from the tables, with what they hold by now: then nothing is known until that."""
    return settings["version"] == event["seq"]


def each_start(events):
    """(event, the state with it) of each."""
    replay = Replay()
    for event in events:
        replay.apply(event)
        if event["op"] == "start":
            yield event, replay


def limits_are_never_exceeded(world, _):
    """A limit that was lowered ends nothing, but nothing begins beyond it."""
    wrong = []
    for event, state in each_start(world.events):
        task = event["task"]
        settings, key = state.types.get(task["type"], {}), state.key_of(task)
        for limit, running in ((settings.get("max_running"), state.running[task["type"]]),
                               (key[1] and settings.get("max_running_per_key"), state.running_of_key[key])):
            if limit and len(running) > limit:
                wrong.append(f"{len(running)} of {key} ran at {event['seq']}, {limit} may")
    return wrong


def nothing_starts_while_it_is_paused(world, _):
    wrong = []
    for event, state in each_start(world.events):
        task = event["task"]
        queue = state.tasks.get(task["id"], {}).get("queue")
        if state.types.get(task["type"], {}).get("is_paused") or queue in state.paused_queues:
            wrong.append(f"{task['id']} of {task['type']} in {queue} began at {event['seq']}")
    return wrong


def nothing_starts_before_what_it_depends_on(world, _):
    wrong = []
    for event, state in each_start(world.events):
        task = event["task"]["id"]
        wrong += [f"{task} began at {event['seq']}, before {other} had succeeded"
                  for other in state.tasks.get(task, {}).get("depends_on", []) if state.state.get(other) != "succeeded"]
    return wrong


def what_depends_on_a_failed_one_fails(world, tasks):
    wrong, why = [], {e["task"]["id"]: e["task"].get("why") for e in world.events if e["op"] == "finish"}
    begun = {e["task"]["id"] for e in world.events if e["op"] == "start"}
    for task, stored in tasks.items():
        failed = [other for other in stored["depends_on"] if tasks.get(other, {}).get("state") in ("dead", "cancelled")]
        if failed and stored["state"] not in ("dead", "cancelled"):
            wrong.append(f"{task} is {stored['state']} though {failed[0]} failed")
        elif failed and stored["state"] == "dead" and task not in begun and (why[task] or {}).get("code") != "DEPENDENCY":
            wrong.append(f"{task} is dead for {why[task]}, and {failed[0]} failed")
    return wrong


def a_bulk_action_changes_the_version_that_it_names(world, tasks):
    """The task's next change after that version is the action's own. What a task was that is gone by now, a feed that
    is read from the tables does not tell."""
    changes, wrong = collections.defaultdict(list), []
    untold = {event["seq"] for event in world.events if event["op"] == "none"}
    for event in world.events:
        if "task" in event:
            changes[event["task"]["id"]].append(event["seq"])
        for task in event.get("ids", []):
            changes[task].append(event["seq"])
    for task, named, became in world.history.bulk_done:
        if task not in tasks and untold & {named, became}:
            continue
        seqs = changes[task]
        if named not in seqs or became is not None and seqs[seqs.index(named) + 1:][:1] != [became]:
            wrong.append(f"{task} was changed from {named} to {became}: {seqs}")
    return wrong


def rates_are_never_exceeded(world, tasks):
    """Leases that were asked for and heard of within a window began within it. Windows are of the monotonic clock,
    which the worker's buckets are filled by."""
    wrong = []
    for rate, burst, leases in rated_leases(world, tasks):
        by_end = sorted(leases, key=lambda lease: lease[1])
        for begun_at in sorted({asked_at for asked_at, _, _ in leases}):
            count = 0
            for asked_at, heard_at, _ in by_end:
                count += asked_at >= begun_at
                if asked_at >= begun_at and count > burst + rate * (heard_at - begun_at) + 1e-6:
                    wrong.append(f"{count} began within {heard_at - begun_at:.3f} s at {rate}/s")
                    break
    return wrong


def rated_leases(world, tasks):
    """(rate, burst, leases) of the type and of each key, until the rates are lifted at the end."""
    of_type, of_key, buckets = world.limits["rated"], world.limits["paced"], collections.defaultdict(list)
    for kind in ("rated", "paced"):
        for lease in world.history.lease_times[kind]:
            if lease[1] < world.history.unlimited_at:
                buckets[kind == "paced" and tasks[lease[2]]["payload"]["key"]].append(lease)
    yield of_type["rate_per_s"], of_type["burst"], buckets.pop(False, [])
    for leases in buckets.values():
        yield of_key["rate_per_key_per_s"], of_key["burst_per_key"], leases


def who_was_told_of_a_pause_sees_nothing_start(world, tasks):
    wrong = []
    for what, name, paused_at, resumed_at in world.history.pauses:
        kinds = [name] if what == "type" else list(world.history.lease_times)
        wrong += [f"{task} began while {what} {name} was paused" for kind in kinds
                  for asked_at, heard_at, task in world.history.lease_times[kind]
                  if paused_at < asked_at and heard_at < resumed_at
                  and (what == "type" or tasks.get(task, {}).get("queue") == name)]
    return wrong


PROOFS = [
    limits_are_never_exceeded, rates_are_never_exceeded, nothing_starts_while_it_is_paused,
    who_was_told_of_a_pause_sees_nothing_start, nothing_starts_before_what_it_depends_on,
    what_depends_on_a_failed_one_fails, a_bulk_action_changes_the_version_that_it_names,
]


# ── what each is shown, spoiled for it ──

def start_of(number, kind, payload=None, **members):
    """The two changes of a task that begins."""
    task = {"id": f"spoiled {number}", "type": kind}
    return [{"op": "add", "seq": f"a{number}", "task": {**task, "payload": payload, "state": "ready", "queue": "default",
                                                        "depends_on": [], **members}},
            {"op": "start", "seq": f"s{number}", "task": task}]


class NothingToSpoil(Exception):
    """It never happened what could be told wrongly: the run was too short for it."""


def first(items):
    for item in items:
        return item
    raise NothingToSpoil


def spoil_limits(world, _):
    for number in range(5):
        world.events += start_of(number, "limited")


def spoil_key_limits(world, _):
    for number in range(3):
        world.events += start_of(number, "keyed", {"key": "spoiled"})


def spoil_rates(world, _):
    world.history.lease_times["rated"] += [(0.0, 1.0, f"spoiled {n}") for n in range(6)]


def spoil_key_rates(world, tasks):
    for n in range(2):
        tasks[f"spoiled {n}"] = {"payload": {"key": "spoiled"}}
        world.history.lease_times["paced"].append((0.0, 1.0, f"spoiled {n}"))


def spoil_type_pause(world, _):
    world.events += [{"op": "type", "seq": "0", "type": {"type": "fragile", "version": "0", "is_paused": True}}, *start_of(1, "fragile")]


def spoil_queue_pause(world, _):
    world.events += [{"op": "queue", "seq": "0", "queue": {"queue": "side", "version": "0", "is_paused": True}},
                     *start_of(1, "work", queue="side")]


def spoil_told_pause(world, _):
    world.history.pauses.append(("type", "fragile", 1.0, 2.0))
    world.history.lease_times["fragile"].append((1.2, 1.4, "spoiled"))


def spoil_order(world, _):
    world.events += start_of(1, "work", depends_on=["none"])


def spoil_dependants(_, tasks):
    task = first(t for t in tasks.values() if t["depends_on"] and t["state"] == "succeeded")
    tasks[task["depends_on"][0]]["state"] = "dead"


def spoil_bulk(world, _):
    event = first(e for e in world.events if e["op"] == "start")
    world.history.bulk_done.append((event["task"]["id"], str(int(event["seq"]) - 1), event["seq"] + "0"))


SPOILED = [
    (spoil_limits, limits_are_never_exceeded), (spoil_key_limits, limits_are_never_exceeded),
    (spoil_rates, rates_are_never_exceeded), (spoil_key_rates, rates_are_never_exceeded),
    (spoil_type_pause, nothing_starts_while_it_is_paused),
    (spoil_queue_pause, nothing_starts_while_it_is_paused),
    (spoil_told_pause, who_was_told_of_a_pause_sees_nothing_start),
    (spoil_order, nothing_starts_before_what_it_depends_on),
    (spoil_dependants, what_depends_on_a_failed_one_fails),
    (spoil_bulk, a_bulk_action_changes_the_version_that_it_names),
]
