"""A worker that a test writes the story of: it speaks docs/protocol.md over a unix socket, keeps tasks, jobs and
the feed in memory, and does what the test tells it. It runs nothing by itself."""

import json
import os
import socket
import socketserver
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler
from urllib.parse import parse_qs, urlsplit

from ids import new_id

STATUS = {"scheduled": "pending", "ready": "pending", "blocked": "pending", "retrying": "pending",
          "running": "in-progress", "succeeded": "completed", "cancelled": "failed", "dead": "failed"}


def now_us():
    return time.time_ns() // 1000


class Refusal(Exception):
    def __init__(self, status, code, message, index=None):
        super().__init__(message)
        self.status = status
        self.body = {"type": "about:blank", "status": status, "code": code, "detail": message,
                     "server_time_us": now_us()}
        if index is not None:
            self.body["index"] = index


class FakeWorker:
    """`with FakeWorker() as worker: Gateway(url, WORKER_URL=worker.url)`."""

    def __init__(self, shard=0):
        self.shard = shard
        self.folder = tempfile.TemporaryDirectory(prefix="fake-worker-")
        self.path = os.path.join(self.folder.name, "worker.sock")
        self.url = "unix:" + self.path
        self.lock = threading.RLock()
        self.changed = threading.Condition(self.lock)
        self.tasks, self.jobs = {}, {}
        self.types, self.queues = {}, {}  # name: what is set of it
        self.events, self.first, self.head = [], 1, 1  # events[0] has the number `first`
        self.followed = 0   # the cursor that was asked for last
        self.requests = []  # (method, path, body) in the order they came
        self.server = None
        self.connections = set()
        # What a test may set:
        self.is_away = False      # 503 to everything
        self.is_overloaded = False  # the same, and yet it leads
        self.is_hanging = False   # takes requests and answers nothing
        self.is_mute_after = False  # does what it is told, then breaks the connection
        self.refuse = {}          # task type: message
        self.refuse_whole = {}    # task type: message; whatever came with it is refused too
        self.put_off = {}         # task type: statuses of errors; each create of one takes the next, and is not done
        self.knows_wishes = True  # of "Prefer"; one of an older version answers in full
        self.rate_limited = 0     # so many requests to create are answered with 429
        self.foreign = {}         # queue: the shard that it is of by now
        self.whys = {}            # task id: why it waits, instead of what its state says
        self.job_changes = {}     # job id: what it tells of who changed what, the newest first
        self.job_records = []     # the same of all jobs, as the snapshot tells it
        self.has_cut_changes = False  # there are more
        self.added = {}           # task id: the number of its making
        self.actor = None         # who does what comes next
        self.attempts = {}        # task id: what it tells of its attempts
        self.lines = {}           # task id: lines of its log, see write()
        self.workers = []         # what it tells of its executors; their types are the task types
        self.workers_answer = None  # instead of that
        self.types_answer = None  # of GET /v1/types, instead of what it knows
        self.refuse_settings = None  # a message
        self.on_begin = None      # called once, before the cursor is made that a feed begins with
        self.on_settings = None   # called before a change of a type or a queue is made
        self.bulk_ends = []       # so many tasks of each bulk action are done, then it breaks off; at 0, 503
        self.page_max = self.log_page = 1000
        self.on_page = None       # called with the number of each snapshot page that was made
        self.pages = 0
        self.afters = []          # of the snapshot pages
        self.stumbled = []        # what it could not answer for a mistake of its own, or of a test's

    @property
    def cursor(self):
        """Behind all that has happened."""
        return f"{self.shard}:{self.head}"

    # ── the story ──

    def put_event(self, event):
        with self.changed:
            by = {"actor": self.actor} if self.actor and event["op"] in ("finish", "reopen", "note", "drop") else {}
            event = {"seq": str(self.head), "at_us": now_us(), **event, **by}
            self.events.append(event)
            self.head += 1
            self.changed.notify_all()
            return event

    def put_nothing(self, count=1):
        """Numbers that concern nobody."""
        for _ in range(count):
            self.put_event({"op": "none"})

    def add(self, type="email", at_us=None, **fields):  # pylint: disable=redefined-builtin
        """A new task; gives its id."""
        with self.lock:
            at_us = at_us or now_us()
            task = {"id": fields.pop("id", None) or new_id(at_us / 1e6), "version": str(self.head), "type": type,
                    "state": "ready", "priority": "normal", "queue": "default", "payload": {}, "attempt": 0,
                    "max_attempts": 5, "timeout_s": 300, "run_at_us": at_us, "created_at_us": at_us,
                    "updated_at_us": at_us, "started_at_us": None, "finished_at_us": None, "result": None,
                    "error": None, "progress": None, "idempotency_key": None, "depends_on": [], "job_id": None,
                    "created_by": None, "why": None}
            task.update({name: value for name, value in fields.items() if value is not None or name in
                         ("result", "why", "error")})
            self.tasks[task["id"]] = task
            self.added[task["id"]] = str(self.head)
            self.put_event({"op": "add", "at_us": at_us, "task": dict(task)})
            return task["id"]

    def change(self, op, task_id, at_us=None, told=(), **fields):
        with self.lock:
            task = self.tasks[task_id]
            at_us = at_us or now_us()
            before = STATUS[task["state"]]
            task.update(fields, version=str(self.head), updated_at_us=at_us)
            body = {name: task[name] for name in ("id", "type", *told)}
            if op in ("finish", "reopen"):
                body["from"] = before
            self.put_event({"op": op, "at_us": at_us, "task": body})

    def start(self, task_id, at_us=None):
        at_us = at_us or now_us()
        self.change("start", task_id, at_us, ("attempt", "started_at_us", "run_at_us"), state="running",
                    attempt=self.tasks[task_id]["attempt"] + 1, started_at_us=at_us, why=None, error=None)

    def finish(self, task_id, state="succeeded", result=None, error=None, at_us=None, why=None):
        at_us = at_us or now_us()
        self.change("finish", task_id, at_us, ("state", "attempt", "started_at_us", "finished_at_us", "result",
                                               "error", "why"),
                    state=state, result=result, error=error, finished_at_us=at_us, why=why, progress=None)

    def wait(self, task_id, error="try again", run_at_us=None):
        self.change("wait", task_id, None, ("state", "attempt", "run_at_us", "error"), state="retrying",
                    error=error, run_at_us=run_at_us or now_us() + 1_000_000, started_at_us=None, progress=None)

    def reopen(self, task_id):
        self.change("reopen", task_id, None, ("state", "attempt", "max_attempts", "run_at_us"), state="ready",
                    max_attempts=self.tasks[task_id]["max_attempts"] + 1, run_at_us=now_us(), finished_at_us=None,
                    result=None, why=None, error=None, started_at_us=None)

    def note(self, task_id, **fields):
        self.change("note", task_id, None, tuple(fields), **fields)

    def write(self, task_id, *texts, stream="stdout", attempt=1):
        """Lines that an executor wrote."""
        with self.changed:
            lines = self.lines.setdefault(task_id, [])
            for text in texts:
                lines.append({"n": f"7:{len(lines) + 1}", "attempt": attempt, "at_us": now_us(), "stream": stream,
                              "text": text})
            self.changed.notify_all()

    def log(self, task_id, query):
        self.task_of(task_id)
        at = int(query.get("after", ["7:0"])[0].split(":")[1])
        until = time.monotonic() + int(query.get("wait_ms", ["0"])[0]) / 1000
        is_over = lambda: STATUS[self.task_of(task_id)["state"]] in ("completed", "failed")  # noqa: E731
        while len(self.lines.get(task_id, [])) == at and not is_over() and not self.is_away and self.server:
            left = until - time.monotonic()
            if left <= 0:
                break
            self.changed.wait(left)
        if self.is_away:
            raise Refusal(503, "UNAVAILABLE", "not leading")
        lines = self.lines.get(task_id, [])[at:at + self.log_page]
        next_ = f"7:{at + len(lines)}"
        return {"lines": lines, "next": next_,
                "is_finished": is_over() and at + len(lines) == len(self.lines.get(task_id, []))}

    def drop(self, *task_ids):
        with self.lock:
            counts = self.counts(task_ids)
            for task_id in task_ids:
                del self.tasks[task_id]
            self.put_event({"op": "drop", "ids": list(task_ids), "counts": counts})

    def drop_range(self, first, end):
        with self.lock:
            ids = [i for i in self.tasks if first <= i < end]
            counts = self.counts(ids)
            for task_id in ids:
                del self.tasks[task_id]
            self.put_event({"op": "drop", "range": {"from": first, "to": end}, "counts": counts})

    def put_job(self, **fields):
        """A new job, or the changed fields of one, with `change` by a person; gives its id."""
        with self.lock:
            job_id = fields.get("id") or new_id()
            change, at_us = fields.pop("change", None), now_us()
            job = self.jobs.setdefault(job_id, {
                "id": job_id, "name": "nightly", "schedule": "0 3 * * *", "time_zone": "UTC", "status": "active",
                "last_run_us": None, "next_run_us": now_us() + 3_600_000_000, "task_type": "email", "payload": {},
                "priority": "normal", "misfire_policy": "run-once", "overlap_policy": "skip", "max_attempts": 3,
                "fail_after": 0, "consecutive_failures": 0, "queue": "default", "timeout_s": 300, "jitter_s": 0,
                "created_by": None, "created_at_us": at_us})
            job.update(fields, version=str(self.head), updated_at_us=at_us)
            event = self.put_event({"op": "job", "job": dict(job), **({"change": change} if change else {})})
            if change:
                self.job_records.append({"job": job_id, "version": event["seq"], "at_us": event["at_us"], **change})
            return job_id

    def drop_job(self, job_id):
        with self.lock:
            del self.jobs[job_id]
            self.put_event({"op": "job_gone", "id": job_id})

    def why_of(self, task):
        """Why it waits, at this moment."""
        if STATUS[task["state"]] != "pending" or task["id"] in self.whys:
            return self.whys.get(task["id"], task["why"])
        later = task["run_at_us"] if task["run_at_us"] > now_us() else None
        code = "DEPENDENCY" if task["state"] == "blocked" else "BEHIND_OTHERS" if later is None else \
            "RETRY_BACKOFF" if task["state"] == "retrying" else "NOT_DUE"
        open_ones = [i for i in task["depends_on"] if i in self.tasks and self.tasks[i]["state"] != "succeeded"]
        return {"code": code, "text": "the worker says so", "expected_at_us": later,
                "blocked_by": open_ones if code == "DEPENDENCY" else []}

    def counted(self, member, name):
        """What it tells of the tasks of a type or queue."""
        tasks = [task for task in self.tasks.values() if task[member] == name]
        waiting = [task for task in tasks if STATUS[task["state"]] == "pending"]
        return waiting, {"waiting": len(waiting), "running": len([t for t in tasks if t["state"] == "running"])}

    def type_of(self, name):
        _, counts = self.counted("type", name)
        return {"type": name, "version": "0", "is_paused": False, "paused_by": None, "paused_reason": None,
                "max_running": None, "max_running_per_key": None, "key_path": None, "rate_per_s": None, "burst": None,
                "rate_per_key_per_s": None, "burst_per_key": None,
                "max_attempts": 5, "timeout_s": 300, "retention_days": 30, **self.types.get(name, {}), **counts}

    def queue_of(self, name):
        waiting, counts = self.counted("queue", name)
        oldest = min((task["run_at_us"] for task in waiting if task["state"] == "ready"), default=None)
        return {"queue": name, "version": "0", "is_paused": False, "paused_by": None, "paused_reason": None,
                "oldest_waiting_us": oldest, **self.queues.get(name, {}), **counts}

    def put_type(self, name, actor="", user=None, **settings):
        """Changed settings of a type."""
        with self.lock:
            kept = self.types.setdefault(name, {})
            kept.update(settings, version=str(self.head))
            if "is_paused" in settings:
                kept["paused_by"] = user if settings["is_paused"] else None
                kept["paused_reason"] = settings.get("paused_reason") if settings["is_paused"] else None
            self.put_event({"op": "type", "type": self.type_of(name), "actor": actor})
            return self.type_of(name)

    def put_queue(self, name, is_paused, actor="", user=None, reason=None):
        with self.lock:
            self.queues[name] = {"is_paused": is_paused, "paused_by": user if is_paused else None,
                                 "paused_reason": reason if is_paused else None, "version": str(self.head)}
            self.put_event({"op": "queue", "queue": self.queue_of(name), "actor": actor})
            return self.queue_of(name)

    def put_record(self, body, is_over=True, **counts):
        """The entry of the audit log that a gateway gave with what it asked for."""
        if "record" in body:
            record = dict(body["record"])
            is_open = not (record.pop("is_last") and is_over)
            counts = {name: record.pop(name, 0) + count for name, count in counts.items()}
            self.put_event({"op": "record", "record": {**record, **counts, "is_open": is_open}})

    def known(self, member, kept):
        return sorted({*kept, *(task[member] for task in self.tasks.values())})

    def answer_settings(self, method, path, body):
        if method == "GET" and path == "/v1/types":
            return self.types_answer or {"types": [self.type_of(name) for name in self.known("type", self.types)]}
        if method == "GET" and path == "/v1/queues":
            return {"queues": [self.queue_of(name) for name in self.known("queue", self.queues)]}
        if self.on_settings:
            self.on_settings()
        if self.refuse_settings:
            raise Refusal(400, "BAD_USER_INPUT", self.refuse_settings)
        if path == "/v1/types:update":
            changed = {"type": self.put_type(body["type"], body["actor"], body["user"], **body["settings"])}
        else:
            is_paused = path == "/v1/queues:pause"
            changed = {"queue": self.put_queue(body["queue"], is_paused, body["actor"], body["user"], body.get("reason"))}
        self.put_record(body)
        return {**changed, "cursor": self.cursor}

    def forget(self):
        """All events so far are gone: an older cursor is 410."""
        with self.lock:
            self.first, self.events = self.head, []

    def begin_anew(self):
        """As after the loss of its database: nothing is known, and numbers start again."""
        with self.lock:
            self.tasks, self.jobs, self.types, self.queues = {}, {}, {}, {}
            self.events, self.first, self.head = [], 1, 1

    def counts(self, ids=None):
        found = {}
        for task in self.tasks.values():
            if ids is None or task["id"] in ids:
                key = (task["type"], STATUS[task["state"]])
                found[key] = found.get(key, 0) + 1
        return [{"type": t, "status": s, "count": c} for (t, s), c in sorted(found.items())]

    # ── answers ──

    def shown(self, task):
        return {name: value for name, value in task.items() if name != "payload"}

    @staticmethod
    def missing_of(wanted, known):
        """What is wrong with its dependencies, or None."""
        for index, other in enumerate(wanted.get("depends_on") or []):
            if other not in known:
                return f"depends_on[{index}]: there is no such task"
        return None

    def misdirected(self, wanted):
        queue = wanted["queue"]
        return f'queue: "{queue}" is of shard {self.foreign[queue]}, this is shard {self.shard}'

    def create_one(self, wanted, is_brief):
        if wanted["id"] in self.tasks:
            return {"task": self.shown(self.tasks[wanted["id"]])}
        if self.put_off.get(wanted["type"]):
            return {"error": {"code": "UNAVAILABLE", "message": "not now", "status": self.put_off[wanted["type"]].pop(0)}}
        if wanted.get("queue") in self.foreign:
            return {"error": {"code": "BAD_USER_INPUT", "message": self.misdirected(wanted), "status": 421}}
        if wanted["type"] in self.refuse:
            return {"error": {"code": "BAD_USER_INPUT", "message": self.refuse[wanted["type"]]}}
        key = wanted.get("idempotency_key")
        for task in self.tasks.values():
            if key and task["idempotency_key"] == key and STATUS[task["state"]] in ("pending", "in-progress"):
                return {"duplicate_of": task["id"]}
        depends_on = wanted.get("depends_on") or []
        missing = self.missing_of(wanted, self.tasks)
        if missing:
            return {"error": {"code": "BAD_USER_INPUT", "message": missing}}
        is_blocked = any(self.tasks[other]["state"] != "succeeded" for other in depends_on)
        at_us = now_us()
        run_at_us = wanted.get("run_at_us") or at_us
        names = ("depends_on", "payload", "priority", "queue", "max_attempts", "timeout_s", "idempotency_key", "created_by")
        self.add(wanted["type"], at_us, id=wanted["id"], run_at_us=run_at_us,
                 state="blocked" if is_blocked else "scheduled" if run_at_us > at_us else "ready",
                 **{name: wanted.get(name) for name in names})
        task = self.tasks[wanted["id"]]
        if is_brief:
            told = ("version", "state", "max_attempts", "timeout_s", "run_at_us", "created_at_us")
            return {"created": {name: task[name] for name in told}}
        return {"task": self.shown(task)}

    def limit_rate(self):
        if self.rate_limited > 0:
            self.rate_limited -= 1
            raise Refusal(429, "RATE_LIMITED", "too many requests")

    def create(self, body, headers):
        """A member that it does not know it refuses, as workers of any version do: what a newer
        gateway wishes must stand where it is ignored."""
        for name in body.keys() - {"tasks", "is_atomic"}:
            raise Refusal(400, "BAD_USER_INPUT", f"{name}: is not known")
        is_brief = self.knows_wishes and "return=minimal" in headers.get("Prefer", "")
        self.limit_rate()
        for wanted in body["tasks"]:
            if wanted["type"] in self.refuse_whole:
                raise Refusal(400, "BAD_USER_INPUT", self.refuse_whole[wanted["type"]])
        if body.get("is_atomic"):
            for index, wanted in enumerate(body["tasks"]):
                if self.put_off.get(wanted["type"]):
                    raise Refusal(self.put_off[wanted["type"]].pop(0), "RATE_LIMITED", "not just now", index)
                if wanted["type"] in self.refuse:
                    raise Refusal(400, "BAD_USER_INPUT", self.refuse[wanted["type"]], index)
                missing = self.missing_of(wanted, {*self.tasks, *(t["id"] for t in body["tasks"][:index])})
                if missing:
                    raise Refusal(400, "BAD_USER_INPUT", missing, index)
        results = [self.create_one(wanted, is_brief) for wanted in body["tasks"]]
        return {"results": results, "cursor": self.cursor}

    def task_of(self, task_id):
        if task_id not in self.tasks:
            raise Refusal(404, "NOT_FOUND", "id: there is no such task")
        return self.tasks[task_id]

    def job_of(self, job_id):
        if job_id not in self.jobs:
            raise Refusal(404, "NOT_FOUND", "id: there is no such job")
        return self.jobs[job_id]

    def act_on_task(self, task_id, action):
        task = self.task_of(task_id)
        status = STATUS[task["state"]]
        if action == "cancel":
            if status in ("completed", "failed") and task["state"] != "cancelled":
                raise Refusal(409, "CONFLICT", "id: it has finished")
            if status == "pending":
                self.finish(task_id, "cancelled")
        elif action == "retry":
            if task["state"] not in ("dead", "cancelled", "retrying"):
                raise Refusal(409, "CONFLICT", "id: it has not failed")
            self.reopen(task_id)
        else:
            raise Refusal(404, "NOT_FOUND", f"no action {action}")
        return {"task": self.tasks[task_id]}

    def act_on_many(self, body):
        end = self.bulk_ends.pop(0) if self.bulk_ends else len(body["tasks"])
        if end == 0 and body["tasks"]:
            raise Refusal(503, "UNAVAILABLE", "not leading")
        done, refused = [], []
        for named in body["tasks"][:end]:
            task = self.tasks.get(named["id"])
            state = task and task["state"]
            if task is None or named["version"] != task["version"]:
                refused.append({"id": named["id"], "reason": "the task has changed since"})
            elif {"cancel": STATUS[state] != "pending", "retry": state not in ("dead", "cancelled"),
                  "delete": STATUS[state] not in ("completed", "failed")}[body["action"]]:
                refused.append({"id": named["id"], "reason": f"the task is {state}"})
            else:
                done.append(named["id"])
        shown = []
        if done and not body["dry_run"]:
            self.put_record(body, False, done=0, refused=0)  # with the first task; of the calls before this one
        for task_id in [] if body["dry_run"] else done:
            if body["action"] == "delete":
                self.drop(task_id)
                shown.append({"id": task_id})
            else:
                self.reopen(task_id) if body["action"] == "retry" else self.finish(task_id, "cancelled")
                shown.append(dict(self.tasks[task_id]))
        if end == len(body["tasks"]) and not body["dry_run"]:
            self.put_record(body, done=len(done), refused=len(refused))
        answer = {"done": len(done), "refused": refused[:100], "refused_count": len(refused), "tasks": shown, "cursor": self.cursor}
        if end < len(body["tasks"]):
            answer["error"] = {"code": "UNAVAILABLE", "message": "this worker does not lead"}
        return answer

    def act_on_job(self, job_id, action, body):
        self.job_of(job_id)
        if action == "update":
            self.put_job(id=job_id, **body["job"])
        elif action in ("pause", "resume"):
            self.put_job(id=job_id, status="paused" if action == "pause" else "active")
        elif action == "trigger":
            self.add(self.jobs[job_id]["task_type"], id=body["task_id"], job_id=job_id)
            return {"task": self.tasks[body["task_id"]]}
        else:
            raise Refusal(404, "NOT_FOUND", f"no action {action}")
        return {"job": self.jobs[job_id]}

    def create_job(self, body):
        self.limit_rate()
        wanted = dict(body["job"])
        if wanted["id"] not in self.jobs:
            if wanted.get("queue") in self.foreign:
                raise Refusal(421, "BAD_USER_INPUT", self.misdirected(wanted))
            if wanted["schedule"] == "bad":
                raise Refusal(400, "BAD_USER_INPUT", "schedule: field 1, column 1: is no minute")
            is_paused = wanted.pop("is_paused", False)
            wanted.pop("is_fresh", None)
            self.put_job(**{name: value for name, value in wanted.items() if value is not None},
                         status="paused" if is_paused else "active")
        return {"job": self.jobs[wanted["id"]], "cursor": self.cursor}

    def begin(self):
        if self.on_begin:
            on_begin, self.on_begin = self.on_begin, None
            on_begin()

    def feed(self, query):
        if "cursor" not in query:
            self.begin()
            return {"cursor": self.cursor, "head": self.cursor, "now_us": now_us(), "events": []}
        cursor = int(query["cursor"][0].split(":")[1])
        until = time.monotonic() + int(query.get("wait_ms", ["0"])[0]) / 1000
        self.followed = cursor
        while self.first <= cursor == self.head and not self.is_away and self.server:
            left = until - time.monotonic()
            if left <= 0:
                break
            self.changed.wait(left)
        if self.is_away:
            raise Refusal(503, "UNAVAILABLE", "not leading")
        if not self.first <= cursor <= self.head:
            raise Refusal(410, "GONE", "the cursor is older than what is kept")
        limit = int(query.get("max", ["5000"])[0])
        events = self.events[cursor - self.first:cursor - self.first + limit]
        return {"cursor": f"{self.shard}:{cursor + len(events)}", "head": self.cursor, "now_us": now_us(),
                "events": events}

    def snapshot(self, query):
        after = query.get("after", [""])[0]
        self.afters.append(after)
        if not after:
            self.begin()
        limit = min(int(query.get("limit", ["1000"])[0]), self.page_max)
        ids = sorted(i for i in self.tasks if i > after)
        page = {"cursor": self.cursor,
                "tasks": [{**self.tasks[i], "added": self.added[i]} for i in ids[:limit]],
                "next": ids[limit - 1] if len(ids) > limit else None}
        if not after:
            lost_from = int(query.get("job_changes_from", ["0"])[0])
            page.update(jobs=list(self.jobs.values()), counts=self.counts(),
                        job_changes=[c for c in self.job_records if int(c["version"]) >= lost_from],
                        job_changes_cut=self.has_cut_changes)
        page = json.loads(json.dumps(page))
        self.pages += 1
        if self.on_page:
            self.on_page(self.pages)
        return page

    def answer(self, method, path, query, body, headers):
        parts = path.removeprefix("/v1/").split("/")
        if method == "GET" and path == "/v1/feed":
            return self.feed(query)
        if method == "GET" and path == "/v1/snapshot":
            return self.snapshot(query)
        if method == "GET" and path == "/v1/workers":
            return self.workers_answer if self.workers_answer is not None else {
                "workers": self.workers, "count": len(self.workers),
                "task_types": sorted({t for w in self.workers for t in w["types"]})}
        if path in ("/v1/types", "/v1/queues", "/v1/types:update", "/v1/queues:pause", "/v1/queues:resume"):
            return self.answer_settings(method, path, body)
        if method == "POST" and path == "/v1/tasks":
            return self.create(body, headers)
        if method == "POST" and path == "/v1/tasks:bulk":
            return self.act_on_many(body)
        if method == "POST" and path == "/v1/tasks:get":
            return {"tasks": [{**self.tasks[i], "why": self.why_of(self.tasks[i])} for i in body["ids"] if i in self.tasks]}
        if method == "POST" and path == "/v1/jobs":
            return self.create_job(body)
        if len(parts) == 3 and method == "GET" and parts[0] == "tasks" and parts[2] == "log":
            return self.log(parts[1], query)
        if method == "GET" and len(parts) == 3 and parts[0] == "jobs" and parts[2] == "changes":
            self.job_of(parts[1])
            return {"changes": self.job_changes.get(parts[1], [])[:int(query["limit"][0])]}
        if len(parts) == 2 and parts[0] in ("tasks", "jobs"):
            name, _, action = parts[1].partition(":")
            if method == "POST" and parts[0] == "tasks":
                return self.act_on_task(name, action)
            if method == "POST":
                return self.act_on_job(name, action, body)
            if method == "GET" and parts[0] == "tasks":
                return {"task": self.task_of(name), "attempts": self.attempts.get(name, [])}
            if method == "GET":
                return {"job": self.job_of(name)}
            if method == "DELETE" and parts[0] == "jobs":
                self.job_of(name)
                self.drop_job(name)
                return {}
        raise Refusal(404, "NOT_FOUND", f"{method} {path} is not spoken here")

    def seen(self, path):
        """The bodies of the requests for that path."""
        with self.lock:
            return [body for _, p, body in self.requests if p == path]

    # ── the server ──

    def launch(self):
        worker = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, format, *args):  # pylint: disable=redefined-builtin
                pass

            def address_string(self):
                return "unix"

            def run(self):
                url = urlsplit(self.path)
                length = int(self.headers.get("Content-Length") or 0)
                text = self.rfile.read(length)
                status = 200
                with worker.lock:
                    while worker.is_hanging and worker.server:
                        worker.changed.wait(0.05)
                    try:
                        body = json.loads(text) if text else None
                        worker.requests.append((self.command, url.path, body))
                        if worker.is_away:
                            raise Refusal(503, "UNAVAILABLE", "not leading")
                        if worker.is_overloaded:
                            raise Refusal(503, "OVERLOADED", "too many changes wait (limit 1)")
                        answer = worker.answer(self.command, url.path, parse_qs(url.query), body,
                                               self.headers)
                    except Refusal as refusal:
                        status, answer = refusal.status, refusal.body
                    except Exception as error:
                        worker.stumbled.append(f"{self.command} {url.path}: {error!r}")
                        raise
                    is_mute = worker.is_mute_after and self.command == "POST"
                if is_mute:
                    self.close_connection = True
                    return
                out = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(out)))
                if status == 503 and answer["code"] == "OVERLOADED":
                    self.send_header("Windlass-Leads", "true")
                self.end_headers()
                self.wfile.write(out)

            do_GET = do_POST = do_DELETE = run

            def handle(self):
                worker.connections.add(self.connection)
                try:
                    super().handle()
                except (BrokenPipeError, ConnectionResetError, ValueError):
                    pass
                finally:
                    worker.connections.discard(self.connection)

        class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
            daemon_threads = True
            request_queue_size = 128

        if os.path.exists(self.path):
            os.unlink(self.path)
        self.server = Server(self.path, Handler)
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def vanish(self):
        """Nobody listens any more, and open connections break. launch() brings it back."""
        server = self.server
        with self.changed:
            self.server = None
            self.changed.notify_all()
        if server:
            os.unlink(self.path)
            server.shutdown()
            server.server_close()
            for connection in list(self.connections):
                try:
                    connection.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass

    def __enter__(self):
        self.launch()
        return self

    def __exit__(self, *_):
        self.is_hanging = False
        self.vanish()
        self.folder.cleanup()
        assert not self.stumbled, self.stumbled  # to a gateway it looks like a worker that is away
