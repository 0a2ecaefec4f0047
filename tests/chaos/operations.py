"""Those who act on what others made: they pause, limit, and treat many at once; and one who asks in SQL."""

import time

from actors import Actor
from worker_rig import new_id, sql

LIMITS = {"limited": {"max_running": 3}, "keyed": {"key_path": "key", "max_running_per_key": 2},
          "rated": {"rate_per_s": 3, "burst": 2},  # less than is asked for, each of them
          "paced": {"key_path": "key", "rate_per_key_per_s": 0.5, "burst_per_key": 1}}


class Operator(Actor):
    """Pauses and resumes a type and a queue, and changes a limit."""

    def act(self):
        what = self.dice.choice(["type", "queue", "limit"])
        if what == "limit":
            self.set_type("limited", {"max_running": self.dice.randint(1, 4)})
        else:
            self.pause(what)
        time.sleep(self.dice.uniform(0.1, 0.5))

    def set_type(self, name, settings):
        answer = self.ask_on("POST", "/v1/types:update", {"type": name, "settings": settings, "actor": "chaos", "user": None})
        assert answer is None or answer.status == 200, answer.text
        self.history.count("settings")
        return answer

    def set_paused(self, what, is_paused):
        if what == "type":
            return self.set_type("fragile", {"is_paused": is_paused})
        words = {"queue": "side", "actor": "chaos", "user": None, **({"reason": "chaos"} if is_paused else {})}
        answer = self.ask_on("POST", "/v1/queues:" + ("pause" if is_paused else "resume"), words)
        assert answer is None or answer.status == 200, answer.text
        self.history.count("settings")
        return answer

    def pause(self, what):
        if self.set_paused(what, True) is None:
            return
        paused_at = time.monotonic()
        self.is_over.wait(self.dice.uniform(0.2, 1.5))
        name = "fragile" if what == "type" else "side"
        self.history.pauses.append((what, name, paused_at, time.monotonic()))
        self.set_paused(what, False)


class Bulk(Actor):
    """Cancels, retries and deletes tasks that nobody runs, many at once, at versions that are right and one that is not."""

    def act(self):
        ids = [new_id() for _ in range(6)]
        if not self.create(ids):
            return
        stray = ids[-1]
        for action, states in (("cancel", "cancelled"), ("retry", "ready"), ("cancel", "cancelled")):
            before = self.look(ids)
            if before is None:
                return
            wrong = str(int(before[stray]["version"]) - 1)
            if not self.treat(action, {i: before[i]["version"] for i in ids} | {stray: wrong}):
                return
            after = self.look(ids)
            if after is None:
                return
            assert after[stray] == before[stray], f"{action} at another version changed {after[stray]}"
            assert all(after[i]["state"] == states for i in ids[:-1]), (action, after)
            if not self.treat(action, {stray: None}):
                return
        self.delete(ids)
        time.sleep(self.dice.uniform(0.1, 0.5))

    def create(self, ids):
        answer = self.ask_on("POST", "/v1/tasks", {"tasks": [{"id": i, "type": "bulky"} for i in ids]})
        assert answer is None or answer.status == 200, answer.text
        if answer:
            for i in ids:
                self.history.note_created(i, "bulky")
        return answer

    def look(self, ids):
        answer = self.ask_on("POST", "/v1/tasks:get", {"ids": ids, "is_brief": True})
        assert answer is None or answer.status == 200, answer.text
        return {t["id"]: {"version": t["version"], "state": t["state"]} for t in answer.json["tasks"]} if answer else None

    def treat(self, action, versions):
        """A repeat finds those done that its first had done, at versions that are wrong by now."""
        tasks = [{"id": i, **({"version": v} if v else {})} for i, v in versions.items()]
        while True:
            answer = self.ask_on("POST", "/v1/tasks:bulk", {"action": action, "actor": "chaos", "tasks": tasks})
            if answer is None:
                return False
            assert answer.status == 200, answer.text
            with self.history.lock:
                self.history.asked[f"bulk {action}"] += answer.json["done"]
                self.history.bulk_done += [(t["id"], versions[t["id"]], t["version"]) for t in answer.json["tasks"]
                                           if versions[t["id"]]]
            if not answer.json.get("error"):
                return True

    def delete(self, ids):
        if not self.treat("delete", dict.fromkeys(ids)):
            return
        left = self.look(ids)
        assert not left, f"they were deleted, and are there: {left}"
        with self.history.lock:
            self.history.deleted.update(ids)
        again = self.ask_on("POST", "/v1/tasks", {"tasks": [{"id": i, "type": "bulky"} for i in ids]})
        assert again is None or all(r.get("error", {}).get("code") == "CONFLICT" for r in again.json["results"]), again.text


class Writer(Actor):
    """Has tasks made by its own transactions, which commit, roll back, or break."""

    def act(self):
        ids = [new_id(), new_id()]
        end = self.dice.choice(["COMMIT", "COMMIT", "ROLLBACK"])
        calls = "".join(f"SELECT windlass.enqueue('work', id => '{i}', max_attempts => 1000);" for i in ids)
        self.history.together.append(ids)
        try:
            sql(self.world.url, f"BEGIN; {calls} {end}")
            self.history.count(f"sql {end.lower()}")
            if end == "COMMIT":
                for i in ids:
                    self.history.note_created(i, "work")
        except AssertionError:  # PostgreSQL went away: nobody knows
            self.history.count("sql in doubt")
        if end == "ROLLBACK":
            self.history.never.update(ids)
        self.is_over.wait(self.dice.uniform(0.1, 0.6))
