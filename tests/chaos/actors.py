"""Those who work with a worker through everything: they create, cancel, execute well and badly, and follow the feed."""

import http.client
import itertools
import os
import random
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../support"))
from worker_rig import GATEWAY_TOKEN, RUNNER_TOKEN, Caller, new_id  # noqa: E402

TTL_MS = 2_000
TYPES = dict.fromkeys(("work", "limited", "keyed", "rated", "paced", "fragile", "checked", "parent", "child", "tick", "tock",
                       "tack"), 40)  # slots
EXPLAINED = (429, 503)
NUMBERS = itertools.count(1)  # of checkpoints


class Actor(threading.Thread):
    """Acts until it is told to stop. A call without an answer is None: then nobody knows."""

    def __init__(self, world, number, token=GATEWAY_TOKEN):
        super().__init__(daemon=True)
        self.world, self.history = world, world.history
        self.dice = random.Random(f"{world.seed} {type(self).__name__} {number}")
        self.caller = Caller(world.network, token)
        self.is_over = threading.Event()

    def ask(self, method, path, body=None):
        try:
            answer = self.caller.request(method, path, body)
        except (OSError, http.client.HTTPException):
            self.caller.close()
            return None
        if answer.status in EXPLAINED:
            time.sleep(0.05)
            return None
        return answer

    def ask_on(self, method, path, body=None):
        """Again and again until it is answered; None when it is over."""
        while (answer := self.ask(method, path, body)) is None:
            if self.is_over.is_set():
                return None
        return answer

    def act(self):
        raise NotImplementedError

    def run(self):
        while not self.is_over.is_set():
            try:
                self.act()
            except Exception as error:  # pylint: disable=broad-except
                self.history.accuse(f"{type(self).__name__}: {error!r}")
                return

    def stop(self):
        self.is_over.set()
        self.join(120)
        if self.is_alive():
            self.history.accuse(f"{type(self).__name__} hangs")


class Creator(Actor):
    """Each batch is sent again until it is acknowledged; some tasks are cancelled later."""

    KINDS = ["one", "many", "many", "side", "keyed", "rated", "paced", "fragile", "checked", "parent", "chain", "group", "far", "bad"]

    def act(self):
        kind = self.dice.choice(self.KINDS)
        tasks = [{"id": new_id(), "max_attempts": 1000, **task} for task in getattr(self, kind)()]
        if kind == "chain":
            for before, task in zip(tasks, tasks[1:], strict=False):
                task["depends_on"] = [before["id"]]
        if kind == "bad":
            tasks[-1]["depends_on"] = [new_id()]  # there is none
        body = {"tasks": tasks, "is_atomic": kind == "bad" or self.dice.random() < 0.5}
        if body["is_atomic"]:
            self.history.together.append([task["id"] for task in tasks])
        answer = self.ask_on("POST", "/v1/tasks", body)
        while answer is not None and self.are_some_put_off(answer):
            answer = self.ask_on("POST", "/v1/tasks", body)
        if answer is None:
            return
        if kind == "bad":
            assert answer.status == 400 and answer.json["index"] == len(tasks) - 1, answer.text
            self.history.never.update(task["id"] for task in tasks)
            self.history.count("refused whole")
            return
        assert answer.status == 200, answer.text
        for task, result in zip(tasks, answer.json["results"], strict=True):
            assert result.get("task", {}).get("id") == task["id"], result
            self.history.note_created(task["id"], task["type"])
        if kind == "far":
            self.cancel(tasks[-1]["id"])
        if kind == "many" and self.dice.random() < 0.3:
            self.cancel_those(answer.json["results"])
        time.sleep(self.dice.uniform(0, 0.05))

    @staticmethod
    def are_some_put_off(answer):
        """Of a call that is not all or none: who led went before all were taken."""
        return answer.status == 200 and any(r.get("error", {}).get("status") == 503 for r in answer.json["results"])

    def one(self):
        return [{"type": self.dice.choice(["work", "noop", "limited"])}]

    def many(self):
        return [{"type": self.dice.choice(["work", "work", "limited", "noop"])}
                for _ in range(self.dice.choice([3, 5, 10]))]

    def side(self):
        return [{"type": "work", "queue": "side"} for _ in range(3)]

    def keyed(self):
        return [{"type": "keyed", "payload": {"key": self.dice.choice("abc")}} for _ in range(3)]

    def rated(self):
        return [{"type": "rated"} for _ in range(6)]

    def paced(self):
        return [{"type": "paced", "payload": {"key": key}} for key in "aab"]

    def fragile(self):
        return [{"type": "fragile"}]

    def checked(self):
        return [{"type": "checked"}]

    def parent(self):
        return [{"type": "parent"}]

    def chain(self):
        return [{"type": "work"} for _ in range(3)]

    def group(self):
        return [{"type": "task.group", "payload": {"tasks": [{"type": "noop"}, {"type": "noop"}]}}]

    def far(self):
        return [{"type": "work"}, {"type": "work", "run_at_us": int((time.time() + 86_400) * 1e6)}]

    def bad(self):
        return [{"type": "work"}, {"type": "work"}]

    def cancel(self, task):
        answer = self.ask_on("POST", f"/v1/tasks/{task}:cancel", {"actor": "chaos"})
        if answer is None:
            return
        # A repeat after a lost answer finds it cancelled already: 200 or 409, both say so.
        assert answer.status in (200, 409), answer.text
        with self.history.lock:
            self.history.cancelled.add(task)

    def cancel_those(self, results):
        """At the version that they were made with: whoever runs one has been faster, and nothing may happen to it."""
        answer = self.ask("POST", "/v1/tasks:bulk", {"action": "cancel", "actor": "chaos", "tasks": [
            {"id": result["task"]["id"], "version": result["task"]["version"]} for result in results]})
        if answer is None:
            return
        assert answer.status == 200, answer.text
        was = {result["task"]["id"]: result["task"]["version"] for result in results}
        with self.history.lock:
            for task in answer.json["tasks"]:
                if task.get("state") == "cancelled":  # else it ran when the call was repeated, and is told to stop
                    self.history.cancelled.add(task["id"])
                self.history.bulk_done.append((task["id"], was[task["id"]], task["version"]))


class Executor(Actor):
    """Does its work at once, mostly well. While `is_calm` always well."""

    is_calm = False

    def __init__(self, world, number):
        super().__init__(world, number, RUNNER_TOKEN)
        self.number, self.session, self.running, self.unheard = number, None, [], []

    def open(self):
        answer = self.ask("POST", "/v1/sessions", {
            "worker": f"chaos{self.number}", "host": "here", "version": "1", "ttl_ms": TTL_MS,
            "types": {kind: {"slots": slots} for kind, slots in TYPES.items()}})
        if answer is None:
            return
        assert answer.status == 200, answer.text
        self.session = {name: answer.json[name] for name in ("session", "secret")}
        self.running, self.unheard = [], []

    def end_session(self):
        """Whatever was not heard of stays in doubt."""
        for ack in self.unheard:
            self.history.note_ack(ack["task"], ack["fence"], ack["outcome"], None)
        self.session, self.running, self.unheard = None, [], []

    def send(self, acks):
        """The verdicts; None where no answer came, or the session has ended."""
        answer = self.ask("POST", "/v1/acks", {**self.session, "results": acks})
        if answer is None:
            return None
        if answer.status == 404:
            self.end_session()
            return None
        assert answer.status == 200, answer.text
        for ack, verdict in zip(acks, answer.json["acks"], strict=True):
            assert verdict["task"] == ack["task"], answer.text
            self.history.note_ack(ack["task"], ack["fence"], ack["outcome"], verdict["outcome"])
            for child in verdict.get("spawned", []):
                self.history.note_created(child, "child")
        return answer.json["acks"]

    def judge(self, lease):
        """What becomes of it."""
        ack = {"task": lease["task"], "fence": lease["fence"], "outcome": "complete",
               "result": {"fence": lease["fence"]}}
        chance = self.dice.random()
        if lease["type"] == "checked" and not self.is_calm:
            self.check_in(lease)
            chance = self.dice.uniform(0.5, 0.95)
        if self.is_calm or chance < 0.8:
            return self.with_children(ack) if lease["type"] == "parent" else ack
        if chance < 0.9:
            return {**ack, "outcome": "fail", "result": None, "error": "chance", "retry_in_ms": 20}
        if chance < 0.95:
            return {**ack, "outcome": "release", "result": None}
        return {**ack, "outcome": "fatal", "result": None, "error": "chance"}

    def with_children(self, ack):
        count = self.dice.randint(1, 3)
        self.history.spawns[ack["task"], ack["fence"]] = count
        return {**ack, "spawn": [{"type": "child", "max_attempts": 1000} for _ in range(count)]}

    def check_in(self, lease):
        """Tells how far it has come; what holds when the answer names the lease as lost was not taken."""
        number, sent_at = next(NUMBERS), time.monotonic()
        self.history.note_checkpoint(lease["task"], number, sent_at, False)
        answer = self.ask("POST", "/v1/heartbeats", {**self.session, "tasks": [
            {"task": lease["task"], "fence": lease["fence"], "checkpoint": {"number": number}}]})
        if answer is None or answer.status == 404:
            return
        assert answer.status == 200, answer.text
        if lease["task"] not in [lost["task"] for lost in answer.json["lost"]]:
            self.history.note_checkpoint(lease["task"], number, sent_at, True)
            self.history.count("checkpoints")

    def pretend(self, lease):
        """That it still has the lease of before, which somebody had."""
        number = int(lease["fence"].partition(":")[2])
        older = [f for f in list(self.history.leases[lease["task"]]) if int(f.partition(":")[2]) < number]
        ack = {"task": lease["task"], "fence": older[-1] if older else "0:1", "outcome": "complete", "result": {"fence": "old"}}
        answer = self.ask("POST", "/v1/acks", {**self.session, "results": [ack]})
        if answer is None or answer.status == 404:
            return
        assert answer.status == 200, answer.text
        self.history.count("old fences")
        if answer.json["acks"][0]["outcome"] == "applied":
            self.history.accuse(f"task {ack['task']} took {ack['fence']} for {lease['fence']}")

    def take(self):
        """New leases; None where no answer came."""
        asked_at = time.monotonic()
        held = [{"task": ack["task"], "fence": ack["fence"]} for ack in self.unheard]
        answer = self.ask("POST", "/v1/leases", {**self.session, "max": self.dice.randint(1, 20), "wait_ms": 300,
                                                 "held": held})
        if answer is None:
            return None
        if answer.status == 404:
            self.end_session()
            return None
        assert answer.status == 200, answer.text
        for lease in answer.json["leases"]:
            self.history.note_lease(lease["task"], lease["type"], lease["fence"], self.session["session"], asked_at)
            if lease["type"] == "checked":
                self.history.check_checkpoint(lease["task"], (lease["checkpoint"] or {}).get("number", 0), asked_at)
        return answer.json["leases"]

    def act(self):
        if self.session is None:
            self.open()
            return
        if not self.is_calm and self.dice.random() < 0.01:
            self.end_session()
            return
        if self.unheard:  # the same again, until it is known what became of it
            if self.send(self.unheard):
                self.unheard = []
            return
        leases = self.take()
        if not leases:
            return
        if not self.is_calm:
            time.sleep(self.dice.uniform(0, 0.02))
            if self.dice.random() < 0.1:
                self.pretend(self.dice.choice(leases))
        acks = [self.judge(lease) for lease in leases]
        if self.send(acks) is None:
            self.unheard = acks if self.session else []
            if not self.session:
                for ack in acks:
                    self.history.note_ack(ack["task"], ack["fence"], ack["outcome"], None)


class Sleeper(Executor):
    """Takes work, says nothing until its session has ended, and then tells it done by a new one."""

    def act(self):
        if self.is_calm:
            super().act()
            return
        if self.session is None:
            self.open()
            return
        leases = self.take()
        if not leases:
            return
        self.is_over.wait(TTL_MS / 1000 * self.dice.uniform(0.5, 2.5))
        acks = [{"task": lease["task"], "fence": lease["fence"], "outcome": "complete",
                 "result": {"fence": lease["fence"]}} for lease in leases[:10]]
        self.session = None
        while self.session is None and not self.is_over.is_set():
            self.open()
        if self.session is None or self.send(acks) is None:
            for ack in acks:
                self.history.note_ack(ack["task"], ack["fence"], ack["outcome"], None)


class Follower(Actor):
    """A gateway's view: what the feed told, in its order."""

    def __init__(self, world, number):
        super().__init__(world, number)
        self.cursor, self.events = "0:1", []

    def act(self):
        answer = self.ask("GET", f"/v1/feed?cursor={self.cursor}&wait_ms=200")
        if answer is None:
            return
        assert answer.status == 200, answer.text
        page = answer.json
        for event in page["events"]:
            expected = f"0:{event['seq']}"
            assert self.cursor == expected, f"after {self.cursor} the feed tells {expected}"
            self.cursor = f"0:{int(event['seq']) + 1}"
            self.events.append(event)
        assert page["cursor"] == self.cursor, (page["cursor"], self.cursor)
