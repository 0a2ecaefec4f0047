"""What was promised and what was done, as those saw it who asked. The proofs are made of it."""

import collections
import threading
import time


class History:
    def __init__(self):
        self.lock = threading.Lock()
        self.created = {}                               # task -> type, acknowledged
        self.never = set()                              # tasks of calls that were refused or rolled back whole
        self.together = []                              # lists of tasks of which all are there, or none
        self.cancelled = set()                          # tasks whose cancellation was acknowledged as their end
        self.deleted = set()                            # tasks whose deletion was acknowledged
        self.bulk_done = []                             # (task, version that was asked for, version it became)
        self.leases = collections.defaultdict(dict)     # task -> fence -> session
        self.lease_times = collections.defaultdict(list)  # type -> (asked at, heard at, task), monotonic
        self.applied = collections.defaultdict(dict)    # task -> fence -> outcome that was told applied
        self.repeated = collections.defaultdict(set)    # task -> fences told duplicate
        self.doubtful = collections.defaultdict(set)    # task -> fences whose answer never came
        self.refused = collections.defaultdict(set)     # task -> fences told stale
        self.ended_at = {}                              # task -> when its completion had been told
        self.spawns = {}                                # (task, fence) -> how many children came with its completion
        self.pauses = []                                # (kind, name, acknowledged at, end asked for at), monotonic
        self.checkpoints = collections.defaultdict(list)  # task -> (number, sent at, acknowledged at or None)
        self.unlimited_at = None                        # when the rates were lifted, to come to an end
        self.wrong = []                                 # what nothing explains, in words
        self.asked = collections.Counter()
        self.acks = []                                  # (when, task, fence, outcome, verdict), in their order

    def accuse(self, words):
        with self.lock:
            self.wrong.append(words)

    def count(self, what):
        with self.lock:
            self.asked[what] += 1

    def note_created(self, task, kind):
        with self.lock:
            self.created[task] = kind

    def note_lease(self, task, kind, fence, session, asked_at):
        """`asked_at`: before the request for it was sent. A lease of a later request comes too late."""
        with self.lock:
            holder = self.leases[task].setdefault(fence, session)
            self.lease_times[kind].append((asked_at, time.monotonic(), task))
            if holder != session:
                self.wrong.append(f"task {task}: fence {fence} was leased to two sessions")
            if task in self.ended_at and asked_at > self.ended_at[task]:
                self.wrong.append(f"task {task} was leased after its completion had been acknowledged")

    def note_checkpoint(self, task, number, sent_at, is_acknowledged):
        with self.lock:
            self.checkpoints[task].append((number, sent_at, time.monotonic() if is_acknowledged else None))

    def check_checkpoint(self, task, number, asked_at):
        """A lease that was asked for then brings the newest that had been acknowledged, or a later one."""
        with self.lock:
            told = self.checkpoints[task]
            least = max((n for n, _, heard_at in told if heard_at is not None and heard_at < asked_at), default=0)
            if number < least or number > 0 and number not in (n for n, _, _ in told):
                self.wrong.append(f"task {task} got checkpoint {number}, {least} had been acknowledged")

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


def blind_history():
    """What the history itself does not see, of what it must accuse."""
    def two_holders(h):
        h.note_lease("t", "work", "0:1", "a", 0)
        h.note_lease("t", "work", "0:1", "b", 0)

    def leased_after_its_end(h):
        h.note_ack("t", "0:1", "complete", "applied")
        h.note_lease("t", "work", "0:2", "a", time.monotonic() + 1)

    def applied_twice(h):
        h.note_ack("t", "0:1", "complete", "applied")
        h.note_ack("t", "0:1", "complete", "applied")

    def unknown_task(h):
        h.note_ack("t", "0:1", "complete", "unknown")

    def lost_checkpoint(h):
        h.note_checkpoint("t", 1, 0, True)
        h.note_checkpoint("t", 2, 0, True)
        h.check_checkpoint("t", 1, time.monotonic() + 1)

    def foreign_checkpoint(h):
        h.note_checkpoint("t", 1, 0, True)
        h.check_checkpoint("t", 3, time.monotonic() + 1)

    blind = []
    for spoil in (two_holders, leased_after_its_end, applied_twice, unknown_task, lost_checkpoint, foreign_checkpoint):
        history = History()
        spoil(history)
        if not history.wrong:
            blind.append(f"the history does not see {spoil.__name__}")
    return blind
