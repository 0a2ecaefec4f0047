"""Those who work with a worker through everything: they create, cancel, execute well and badly, and follow the feed."""

import http.client
import os
import random
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../support"))
from worker_rig import GATEWAY_TOKEN, RUNNER_TOKEN, Caller, new_id  # noqa: E402

TTL_MS = 2_000
TYPES = {"work": 40, "limited": 40, "tick": 40, "tock": 40}  # slots
LIMIT = 3  # of type `limited`, all executors together
EXPLAINED = (429, 503)


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

    def act(self):
        tasks = [{"id": new_id(), "type": self.dice.choice(["work", "work", "limited", "noop"]), "max_attempts": 1000}
                 for _ in range(self.dice.choice([1, 1, 3, 10]))]
        if self.dice.random() < 0.1:
            tasks[-1]["run_at_us"] = int((time.time() + 3600) * 1e6)
        body = {"tasks": tasks, "is_atomic": self.dice.random() < 0.5}
        while (answer := self.ask("POST", "/v1/tasks", body)) is None:
            if self.is_over.is_set():
                return
        assert answer.status == 200, answer.text
        for task, result in zip(tasks, answer.json["results"], strict=True):
            assert result.get("task", {}).get("id") == task["id"], result
            self.history.note_created(task["id"], task["type"])
        if "run_at_us" in tasks[-1]:
            self.cancel(tasks[-1]["id"])
        time.sleep(self.dice.uniform(0, 0.05))

    def cancel(self, task):
        while (answer := self.ask("POST", f"/v1/tasks/{task}:cancel", {"actor": "chaos"})) is None:
            if self.is_over.is_set():
                return
        # A repeat after a lost answer finds it cancelled already: 200 or 409, both say so.
        assert answer.status in (200, 409), answer.text
        with self.history.lock:
            self.history.cancelled.add(task)


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
        return answer.json["acks"]

    def judge(self, lease):
        """What becomes of it."""
        ack = {"task": lease["task"], "fence": lease["fence"], "outcome": "complete",
               "result": {"fence": lease["fence"]}}
        chance = self.dice.random()
        if self.is_calm or chance < 0.8:
            return ack
        if chance < 0.9:
            return {**ack, "outcome": "fail", "result": None, "error": "chance", "retry_in_ms": 20}
        if chance < 0.95:
            return {**ack, "outcome": "release", "result": None}
        return {**ack, "outcome": "fatal", "result": None, "error": "chance"}

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
            self.history.note_lease(lease["task"], lease["fence"], self.session["session"], asked_at)
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
