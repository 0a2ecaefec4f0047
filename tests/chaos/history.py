"""What was promised and what was done, as those saw it who asked. The proofs are made of it."""

import collections
import threading
import time


class History:
    def __init__(self):
        self.lock = threading.Lock()
        self.created = {}                               # task -> type, acknowledged
        self.cancelled = set()                          # tasks whose cancellation was acknowledged as their end
        self.leases = collections.defaultdict(dict)     # task -> fence -> session
        self.applied = collections.defaultdict(dict)    # task -> fence -> outcome that was told applied
        self.repeated = collections.defaultdict(set)    # task -> fences told duplicate
        self.doubtful = collections.defaultdict(set)    # task -> fences whose answer never came
        self.refused = collections.defaultdict(set)     # task -> fences told stale
        self.ended_at = {}                              # task -> when its completion had been told
        self.wrong = []                                 # what nothing explains, in words
        self.asked = collections.Counter()
        self.acks = []                                  # (when, task, fence, outcome, verdict), in their order

    def accuse(self, words):
        with self.lock:
            self.wrong.append(words)

    def note_created(self, task, kind):
        with self.lock:
            self.created[task] = kind

    def note_lease(self, task, fence, session, asked_at):
        """`asked_at`: before the request for it was sent. A lease of a later request comes too late."""
        with self.lock:
            holder = self.leases[task].setdefault(fence, session)
            if holder != session:
                self.wrong.append(f"task {task}: fence {fence} was leased to two sessions")
            if task in self.ended_at and asked_at > self.ended_at[task]:
                self.wrong.append(f"task {task} was leased after its completion had been acknowledged")

    def note_ack(self, task, fence, outcome, verdict):
        with self.lock:
            self.asked[verdict or "no answer"] += 1
            self.acks.append((time.time(), task, fence, outcome, verdict))
            if verdict == "applied":
                if fence in self.applied[task]:
                    self.wrong.append(f"task {task}: fence {fence} was applied twice")
                self.applied[task][fence] = outcome
            elif verdict == "duplicate":
                self.repeated[task].add(fence)
            elif verdict == "stale":
                self.refused[task].add(fence)
            elif verdict is None:
                self.doubtful[task].add(fence)
            else:
                self.wrong.append(f"task {task}: its acknowledgement was told {verdict}")
            if verdict in ("applied", "duplicate") and outcome in ("complete", "fatal"):
                self.ended_at.setdefault(task, time.monotonic())
