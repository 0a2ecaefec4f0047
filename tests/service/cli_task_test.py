#!/usr/bin/env python3
"""`windlass task`, `job`, `user`, `token` and `login` against a real gateway and a real worker: what they print at a
terminal and in a pipe, their JSON, their exit codes. Usage: cli_task_test.py PROGRAM"""

import fcntl
import json
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../support"))
from gateway_rig import PASSWORD, PROGRAM, WAIT_S, Gateway, Postgres, eventually, run_tests  # noqa: E402
from worker_rig import GATEWAY_TOKEN, Executor, Worker, new_id  # noqa: E402

OK, FAILURE, USAGE, FINDINGS, UNAVAILABLE = 0, 1, 2, 3, 69


class Done:
    def __init__(self, code, out, err):
        self.code, self.out, self.err = code, out, err

    @property
    def json(self):
        return json.loads(self.out)

    @property
    def lines(self):
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def rows(self):
        """The cells of a table in a pipe, where nothing is cut and two spaces part the columns."""
        return [re.split(r"  +", line) for line in self.out.splitlines()]


class World:
    def __init__(self, url, worker):
        self.url, self.worker = url, worker
        self.settings = {"WORKER_URL": f"http://127.0.0.1:{worker.port}", "GATEWAY_TOKEN": GATEWAY_TOKEN}
        self.gateway = Gateway(url, **self.settings)
        self.token = self.gateway.set_up()
        self.home = tempfile.TemporaryDirectory()
        self.address = f"http://127.0.0.1:{self.gateway.port}"
        eventually(lambda: self.run("task", "list").code == OK)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.gateway.__exit__(*exc)  # the one that runs now
        self.home.cleanup()

    def environment(self, **more):
        given = {"PATH": os.environ["PATH"], "HOME": self.home.name, "WINDLASS_URL": self.address,
                 "WINDLASS_TOKEN": self.token, "TZ": "UTC", **more}
        return {name: value for name, value in given.items() if value is not None}

    def run(self, *args, stdin="", **environment):
        done = subprocess.run([PROGRAM, *args], input=stdin, capture_output=True, text=True, check=False,
                              timeout=2 * WAIT_S, env=self.environment(**environment))
        return Done(done.returncode, done.stdout, done.stderr)

    def start(self, *args):
        return Running([PROGRAM, *args], self.environment())

    def create(self, *args):
        """The id of a new task."""
        done = self.run("task", "create", *args, "--json")
        assert done.code == OK, done.err
        return done.json["id"]

    def restart_gateway(self):
        """The port stays, so that clients find it again."""
        port = self.gateway.port
        self.gateway.stop(signal.SIGKILL)
        self.gateway = Gateway(self.url, PORT=str(port), **self.settings)


class Running:
    """A command that goes on, and what it has said so far."""

    def __init__(self, args, environment):
        self.process = subprocess.Popen(args, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                        env=environment, stdin=subprocess.DEVNULL)
        self.out, self.err = [], []
        for pipe, kept in ((self.process.stdout, self.out), (self.process.stderr, self.err)):
            threading.Thread(target=self.read, args=(pipe, kept), daemon=True).start()

    @staticmethod
    def read(pipe, kept):
        for line in pipe:
            kept.append(line.rstrip("\n"))

    def wait_for(self, text):
        """The first line with that text."""
        return eventually(lambda: next((line for line in self.out if text in line), None))

    def end(self):
        """The exit code; a watch without an end is stopped as by Ctrl-C."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        return self.process.wait(WAIT_S)

    def wait(self):
        return self.process.wait(2 * WAIT_S)


def at_terminal(world, columns, *args, **environment):
    """What a terminal of that width is shown."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    with subprocess.Popen([PROGRAM, *args], stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs,
                          env=world.environment(**{"TERM": "xterm", **environment})) as process:
        os.close(theirs)
        shown = b""
        while True:
            try:
                piece = os.read(ours, 65536)
            except OSError:  # EIO: the other side is closed
                break
            if not piece:
                break
            shown += piece
        assert process.wait(WAIT_S) == OK, shown
    os.close(ours)
    return shown.decode().replace("\r\n", "\n")


def without_colour(text):
    return re.sub(r"\x1b\[\d+m", "", text)


# ── tasks ──

def a_task_is_created_listed_and_shown(world):
    done = world.run("task", "create", "shown", "--payload", '{"a": [1, 2]}', "--priority", "high", "--queue", "q1",
                     "--max-attempts", "7", "--timeout", "2m", "--json")
    assert done.code == OK, done.err
    task = done.json
    assert task["state"] == "READY" and task["priority"] == "HIGH" and task["payload"] == {"a": [1, 2]}, task
    rows = world.run("task", "list", "--type", "shown").rows
    assert rows[0] == ["ID", "TYPE", "STATE", "QUEUE", "PRIO", "TRY", "CREATED", "DETAIL"], rows
    assert rows[1][:6] == [task["id"], "shown", "ready", "q1", "high", "0/7"], rows
    whole = world.run("task", "show", task["id"], "--json").json
    assert whole["timeoutSeconds"] == 120 and whole["attempts"] == [] and whole["createdBy"]["name"] == "Admin", whole
    by_end = world.run("task", "show", task["id"][-9:])
    assert by_end.code == OK and re.search(rf"^id +{task['id']}$", by_end.out, re.M), by_end.out
    assert re.search(r'^payload +\{"a":\[1,2\]\}$', by_end.out, re.M), by_end.out


def lists_are_filtered_ordered_and_limited(world):
    ids = [world.create("listed", "--queue", f"lq{i % 2}", "--payload", json.dumps({"n": i})) for i in range(5)]
    newest_first = [t["id"] for t in world.run("task", "list", "--type", "listed", "--json").lines]
    assert newest_first == ids[::-1]
    oldest = world.run("task", "list", "--type", "listed", "--order", "created_asc", "--limit", "2", "--json").lines
    assert [t["id"] for t in oldest] == ids[:2]
    assert len(world.run("task", "list", "--type", "other,listed", "--queue", "lq1", "--json").lines) == 2
    assert len(world.run("task", "list", "--type", "listed", "--status", "failed,in_progress", "--json").lines) == 0
    assert len(world.run("task", "list", "--type", "listed", "--state", "ready", "--since", "1h", "--json").lines) == 5
    none = world.run("task", "list", "--type", "nothing-of-the-kind")
    assert (none.code, none.out, none.err) == (OK, "", "no tasks\n")
    refused = world.run("task", "list", "--state", "asleep")
    assert refused.code == FAILURE and refused.err.count("\n") == 1 and "filter.state[0]" in refused.err, refused.err


def more_than_a_page_is_listed(world):
    inputs = [{"type": "paged"} for _ in range(230)]
    world.gateway.graphql("mutation($i: [CreateTaskInput!]!) { createTasks(inputs: $i) { id } }", {"i": inputs},
                          world.token)
    eventually(lambda: len(world.run("task", "list", "--type", "paged", "--limit", "1000", "--json").lines) == 230)
    ids = {t["id"] for t in world.run("task", "list", "--type", "paged", "--limit", "201", "--json").lines}
    assert len(ids) == 201
    for task in world.run("task", "list", "--type", "paged", "--limit", "1000", "--json").lines[:3]:
        assert world.run("task", "cancel", task["id"]).code == OK


def a_payload_comes_from_the_line_a_file_or_standard_input(world):
    path = os.path.join(world.home.name, "payload.json")
    with open(path, "w", encoding="utf-8") as file:
        file.write('{"from": "file",\n "n": 12345678901234567890}\n')
    payload = world.run("task", "create", "fed", "--payload", "@" + path, "--json").out
    assert '"payload":{"from":"file","n":12345678901234567890}' in payload.replace(" ", ""), payload
    assert world.run("task", "create", "fed", "--payload", "-", "--json", stdin="[1]").json["payload"] == [1]
    for wrong in ("{", "@/nonexistent"):
        done = world.run("task", "create", "fed", "--payload", wrong)
        assert done.code == USAGE and done.err.startswith("windlass: --payload: "), done.err


def why_names_the_reason_and_the_time(world):
    task = world.create("later", "--in", "2h")
    told = world.run("task", "why", task, "--json").json["why"]
    assert told["code"] == "NOT_DUE" and told["expectedAt"], told
    shown = world.run("task", "why", task).out
    assert re.search(r"^state +scheduled$", shown, re.M) and re.search(r"^code +NOT_DUE$", shown, re.M), shown
    assert re.search(r"^expected +\S+Z \(in 2h\)$", shown, re.M), shown
    assert re.search(r"due in 2h$", world.run("task", "list", "--type", "later").out, re.M)
    waits = world.create("last", "--depends-on", task[-10:])
    told = world.run("task", "why", waits, "--json").json["why"]
    assert told["code"] == "DEPENDENCY" and [b["id"] for b in told["blockedBy"]] == [task], told


def tasks_are_cancelled_and_retried_each_for_itself(world):
    first, second = world.create("undone"), world.create("undone")
    done = world.run("task", "cancel", first, new_id(), second[-12:])
    assert done.code == FAILURE, done.out
    assert [row[2] for row in done.rows[1:]] == ["cancelled", "cancelled"], done.out
    assert done.err.count("\n") == 1 and "(NOT_FOUND" in done.err, done.err
    again = world.run("task", "retry", first, "--json")
    assert again.code == OK and again.json["state"] == "READY", again.out
    alone = world.run("task", "retry", first)
    assert alone.code == FAILURE and "(CONFLICT)" in alone.err, alone.err


def all_of_a_filter_are_changed_after_they_were_counted(world):
    ids = [world.create("swept", "--queue", "sq") for _ in range(4)]
    eventually(lambda: len(world.run("task", "list", "--queue", "sq", "--json").lines) == 4)
    of = ["--queue", "sq", "--state", "ready"]
    counted = world.run("task", "cancel", *of, "--dry-run")
    assert (counted.code, counted.out) == (OK, "4 match, 4 would be done, 0 would be refused\n"), counted.out
    asked = world.run("task", "cancel", *of)
    assert asked.code == USAGE and "4 tasks match" in asked.err and "--yes" in asked.err, asked.err
    assert {t["state"] for t in world.run("task", "list", "--queue", "sq", "--json").lines} == {"READY"}
    done = world.run("task", "cancel", *of, "--yes", "--json").json
    assert (done["matched"], done["done"], done["refusedCount"]) == (4, 4, 0), done
    eventually(lambda: {t["state"] for t in world.run("task", "list", "--queue", "sq", "--json").lines}
               == {"CANCELLED"})
    assert world.run("task", "retry", "--queue", "sq", "--state", "cancelled", "--yes").out.startswith("4 match, 4 done")
    eventually(lambda: {t["state"] for t in world.run("task", "list", "--queue", "sq", "--json").lines} == {"READY"})
    refused = world.run("task", "delete", ids[0], "--yes")
    assert refused.code == OK and "1 refused" in refused.out and ids[0] in refused.out, refused.out
    assert world.run("task", "cancel", *of, "--yes").code == OK
    deleted = world.run("task", "delete", ids[0], ids[1][-12:], "--yes")
    assert deleted.code == OK and deleted.out == "2 match, 2 done, 0 refused\n", deleted.out
    eventually(lambda: len(world.run("task", "list", "--queue", "sq", "--json").lines) == 2)
    assert world.run("task", "cancel", ids[2], "--queue", "sq").code == USAGE
    assert world.run("task", "delete").code == USAGE
    none = world.run("task", "cancel", "--queue", "nothing-in-it")
    assert (none.code, none.out) == (OK, "0 match, 0 done, 0 refused\n"), none.out


def what_an_executor_wrote_is_shown_and_followed(world):
    executor = Executor(world.worker, {"written": 1})
    task = world.create("written")
    lease = executor.one()
    following = world.start("task", "log", task, "--follow")
    lines = [{"stream": "stdout", "text": "one\ntwo"}, {"stream": "stderr", "text": "th\x1b[31mree"}]
    executor.heartbeat({"task": task, "fence": lease["fence"], "logs": lines})
    following.wait_for("two")
    executor.ack(lease, "complete", logs=[{"stream": "stdout", "text": "last"}])
    assert following.wait() == OK, following.err
    assert following.out == ["one", "two", "th\x1b[31mree", "last"], following.out
    assert world.run("task", "log", task).out.splitlines() == following.out
    shown = at_terminal(world, 80, "task", "log", task)
    assert "th\ufffd[31mree" in shown and "\x1b[31m" not in shown, shown
    kept = world.run("task", "log", task, "--json").lines
    assert kept[0]["attempt"] == 1 and "two" in kept[0]["log"], kept
    assert world.run("task", "log", new_id()).code == FAILURE
    executor.end()


def a_log_that_is_followed_does_not_repeat_itself(world):
    executor = Executor(world.worker, {"written-on": 1})
    task = world.create("written-on")
    lease = executor.one()
    following = world.start("task", "log", task, "--follow")
    say = lambda text: executor.heartbeat({"task": task, "fence": lease["fence"], "logs": [{"text": text}]})
    say("one")
    following.wait_for("one")
    world.gateway.stop(signal.SIGKILL)
    say("two")
    world.restart_gateway()
    following.wait_for("two")
    world.restart_gateway()
    executor.ack(lease, "complete", logs=[{"text": "three"}])
    assert following.wait() == OK, following.err
    assert following.out == ["one", "two", "three"], (following.out, following.err)
    assert any("trying again" in line for line in following.err), following.err
    executor.end()


# ── waiting and watching ──

def who_watches_what_is_not_there_is_told(world):
    there, missing = world.create("there"), new_id()
    watching = world.start("task", "watch", there, missing)
    assert watching.wait() == FAILURE, (watching.out, watching.err)
    eventually(lambda: f"there is no task {missing}" in "".join(watching.err))
    assert any(there in line for line in watching.out), watching.out


def waiting_ends_with_the_task(world):
    executor = Executor(world.worker, {"awaited": 5})
    for outcome, code, state in (("complete", OK, "succeeded"), ("fail", FINDINGS, "dead")):
        waiting = world.start("task", "create", "awaited", "--wait", "--max-attempts", "1")
        lease = executor.one()
        assert executor.ack(lease, outcome, **({"error": "broken"} if outcome == "fail" else {})) == "applied"
        line = waiting.wait_for(state)
        assert lease["task"] in line, line
        assert waiting.wait() == code, (waiting.out, waiting.err)
    waiting = world.start("task", "create", "awaited", "--wait", "--json")
    lease = executor.one()
    executor.ack(lease, "complete", result={"sum": 3})
    assert waiting.wait() == OK
    event = eventually(lambda: json.loads(waiting.out[0]))
    assert len(waiting.out) == 1 and event["task"]["result"] == {"sum": 3}, waiting.out
    executor.end()


def a_watch_misses_nothing_while_the_gateway_is_away(world):
    executor = Executor(world.worker, {"watched": 5})
    ids = [world.create("watched") for _ in range(3)]
    watching = world.start("task", "watch", *ids, "--json")
    for task in ids:
        watching.wait_for(f'"{task}"')
    leases = {lease["task"]: lease for lease in executor.leases(3, 20_000)}
    watching.wait_for("RUNNING")
    world.gateway.stop(signal.SIGKILL)
    for task in ids[:2]:  # nobody is there to tell it
        assert executor.ack(leases[task]) == "applied"
    world.restart_gateway()
    assert watching.process.poll() is None, watching.err
    assert executor.ack(leases[ids[2]]) == "applied"
    assert watching.wait() == OK, (watching.out, watching.err)
    last = {}
    for line in watching.out:
        event = json.loads(line)
        last[event["id"]] = event["task"]["state"]
    assert last == {task: "SUCCEEDED" for task in ids}, last
    assert any("trying again" in line for line in watching.err), watching.err
    executor.end()


def a_filter_is_watched_until_it_is_stopped(world):
    watching = world.start("task", "watch", "--queue", "wq", "--json")
    task = None

    def told():  # the subscription begins when it begins
        nonlocal task
        task = task or world.create("followed", "--queue", "wq")
        if not watching.out:
            world.run("task", "cancel", world.create("followed", "--queue", "wq"))
        return watching.out
    eventually(told)
    mine = world.create("followed", "--queue", "wq")
    world.create("followed", "--queue", "another")
    assert json.loads(watching.wait_for(f'"{mine}"'))["kind"] == "ADDED"
    world.run("task", "cancel", mine)
    watching.wait_for(f'"id":"{mine}","kind":"CHANGED"')
    assert all(json.loads(line)["task"]["queue"] == "wq" for line in watching.out)
    assert watching.end() == -signal.SIGINT
    mixed = world.run("task", "watch", mine, "--queue", "wq")
    assert mixed.code == USAGE and "filter" in mixed.err, mixed.err


# ── at a terminal ──

def a_terminal_is_shown_a_table_of_its_width(world):
    task = world.create("wide-日本", "--payload", "{}")
    executor = Executor(world.worker, {"wide-日本": 1})
    executor.ack(executor.one(), "fatal", error="\x1b[2J" + "a long story " * 20)
    executor.end()
    eventually(lambda: "dead" in world.run("task", "show", task).out)
    for columns in (60, 80, 132):
        shown = at_terminal(world, columns, "task", "list", "--type", "wide-日本")
        assert "\x1b[2J" not in shown and "\x1b[31mdead\x1b[0m" in shown, shown
        for line in without_colour(shown).splitlines():
            wide = sum(2 if c in "日本" else 1 for c in line)
            assert wide <= columns, (columns, line)
        assert f"\n{task[-12:]}" in without_colour(shown), shown
    plain = at_terminal(world, 100, "task", "list", "--type", "wide-日本", NO_COLOR="1")
    assert "\x1b" not in plain, plain
    assert "\x1b" not in at_terminal(world, 100, "task", "list", "--type", "wide-日本", TERM="dumb")
    piped = world.run("task", "list", "--type", "wide-日本").out
    assert "a long story " * 19 in piped and "\x1b" not in piped, piped


# ── jobs ──

def a_job_lives_by_its_name(world):
    create = ["job", "create", "nightly", "--schedule", "0 3 * * *", "--type", "backup", "--time-zone",
              "Europe/Berlin", "--payload", '{"full": true}', "--misfire", "run_all", "--overlap", "allow",
              "--jitter", "30s", "--fail-after", "3"]
    job = world.run(*create, "--json").json
    assert job["scheduleText"] and job["status"] == "ACTIVE" and job["taskType"] == "backup", job
    missing = world.run("job", "create", "x", "--type", "y")
    assert missing.code == USAGE and "--schedule" in missing.err, missing.err
    whole = world.run("job", "show", "nightly", "--json").json
    assert (whole["misfirePolicy"], whole["overlapPolicy"], whole["jitterSeconds"], whole["failAfter"],
            whole["payload"]) == ("RUN_ALL", "ALLOW", 30, 3, {"full": True}), whole
    assert len(whole["nextRuns"]) == 5
    assert re.search(r"^next runs +\S+Z$", world.run("job", "show", job["id"]).out, re.M)
    assert world.run("job", "pause", "nightly").rows[1][1] == "paused"
    assert [j["name"] for j in world.run("job", "list", "--status", "paused", "--json").lines] == ["nightly"]
    assert world.run("job", "resume", "nightly").rows[1][1] == "active"
    run = world.run("job", "trigger", "nightly", "--json").json
    assert run["type"] == "backup" and run["state"] == "READY", run
    eventually(lambda: [t["id"] for t in world.run("job", "runs", "nightly", "--json").lines] == [run["id"]])
    eventually(lambda: [t["id"] for t in world.run("task", "list", "--job", "nightly", "--json").lines] == [run["id"]])
    later = world.run("job", "trigger", "nightly", "--json").json["id"]
    eventually(lambda: [t["id"] for t in world.run("job", "runs", "nightly", "--json").lines] == [later, run["id"]])
    shown = world.run("job", "show", "nightly").out
    assert [line.split()[-1] for line in shown.splitlines()[-2:]] == [later, run["id"]], "the newest first, as of runs"
    for fact in (r"timeout +\d+s", r"jitter +30s", r"misfire +run all", r"overlap +allow", r"priority +normal"):
        assert re.search(fact, shown), (fact, shown)
    nothing = world.run("job", "update", "nightly")
    assert nothing.code == USAGE and "say what to change" in nothing.err, nothing
    updated = world.run("job", "update", "nightly", "--name", "early", "--schedule", "0 1 * * *", "--json").json
    assert updated["name"] == "early" and updated["schedule"] == "0 1 * * *", updated
    assert updated["timeZone"] == "Europe/Berlin", updated
    assert world.run("job", "show", "nightly").code == FAILURE
    assert world.run("job", "delete", "early").out == "deleted\n"
    assert world.run("job", "list").err == "no jobs\n"


def a_schedule_is_previewed(world):
    told = world.run("job", "preview", "*/15 * * * *", "--runs", "3", "--json").json
    assert len(told["runs"]) == 3 and told["text"], told
    shown = world.run("job", "preview", "30 2 * 3,10 sunL", "--time-zone", "Europe/Berlin", "--runs", "2").out
    assert len(re.findall(r"Z +in \d+d +02:30 ", shown)) == 2, f"no note where the clock changes: {shown}"
    wrong = world.run("job", "preview", "* * * *")
    assert wrong.code == FAILURE and "(BAD_USER_INPUT)" in wrong.err and wrong.err.count("\n") == 1, wrong.err


# ── types and queues ──

def types_are_set_paused_and_listed(world):
    world.create("settled")
    done = world.run("type", "set", "settled", "--max-running", "5", "--max-running-per-key", "2", "--key-path",
                     "customer.id", "--rate", "2.5", "--burst", "4", "--rate-per-key", "0.5", "--burst-per-key", "3",
                     "--max-attempts", "7", "--timeout", "90s", "--retention-days", "3", "--json")
    assert done.code == OK, done.err
    told = done.json
    expected = {"maxRunning": 5, "maxRunningPerKey": 2, "keyPath": "customer.id", "ratePerSecond": 2.5, "burst": 4,
                "ratePerKeyPerSecond": 0.5, "burstPerKey": 3, "maxAttempts": 7, "timeoutSeconds": 90, "retentionDays": 3, "paused": False}
    assert {name: told[name] for name in expected} == expected, told
    assert world.run("type", "show", "settled", "--json").json["maxRunning"] == 5
    cleared = world.run("type", "set", "settled", "--unset=max-running, burst,key-path,max-running-per-key,rate-per-key,"
                        "burst-per-key", "--rate", "7", "--json").json
    assert (cleared["maxRunning"], cleared["burst"], cleared["keyPath"], cleared["ratePerSecond"],
            cleared["timeoutSeconds"]) == (None, None, None, 7, 90), cleared
    paused = world.run("type", "pause", "settled", "--reason", "the provider is down")
    assert re.search(r"^status +paused$", paused.out, re.M), paused.out
    assert re.search(r"^detail +by Admin: the provider is down$", paused.out, re.M), paused.out
    row = next(r for r in world.run("type", "list").rows if r[0] == "settled")
    assert row[:5] == ["settled", "paused", "0", "1", "7/s"] and row[-1] == "by Admin: the provider is down", row
    task = world.run("task", "list", "--type", "settled", "--json").lines[0]["id"]
    assert world.run("task", "why", task, "--json").json["why"]["code"] == "PAUSED"
    assert world.run("type", "resume", "settled", "--json").json["paused"] is False
    listed = [t for t in world.run("type", "list", "--json").lines if t["type"] == "settled"]
    assert len(listed) == 1 and listed[0]["waiting"] == 1 and listed[0]["source"] == "LIVE", listed


def queues_are_paused_and_listed(world):
    world.create("queued", "--queue", "cq")
    paused = world.run("queue", "pause", "cq", "--reason", "until noon")
    assert paused.code == OK and paused.rows[1][:2] == ["cq", "paused"], (paused.out, paused.err)
    assert paused.rows[1][-1] == "by Admin: until noon", paused.out
    told = next(q for q in world.run("queue", "list", "--json").lines if q["name"] == "cq")
    assert told["paused"] and told["pausedReason"] == "until noon" and told["waiting"] == 1, told
    resumed = world.run("queue", "resume", "cq", "--json").json
    assert resumed["paused"] is False and resumed["pausedReason"] is None, resumed
    assert ["cq", "open", "0", "1"] in [row[:4] for row in world.run("queue", "list").rows]
    shown = at_terminal(world, 60, "queue", "list")
    assert all(len(line) <= 60 for line in without_colour(shown).splitlines()), shown


def wrong_settings_are_named(world):
    cases = [
        (["type", "set", "settled"], USAGE, "say what to set"),
        (["type", "set", "settled", "--rate", "fast"], USAGE, '--rate: "fast" is no number'),
        (["type", "set", "settled", "--unset", "speed"], USAGE, '"speed"'),
        (["type", "set", "settled", "--unset", "rate", "--rate", "1"], USAGE, "--rate is given"),
        (["type", "set", "settled", "--unset", "timeout"], FAILURE, "settings.timeoutSeconds"),
        (["type", "set", "settled", "--max-running", "0"], USAGE, "max-running"),
        (["type", "set", "settled", "--rate", "1e9"], FAILURE, "settings.ratePerSecond"),
        (["type", "show", "never-heard-of"], FAILURE, "(NOT_FOUND)"),
        (["queue", "pause", ""], FAILURE, "(BAD_USER_INPUT)"),
    ]
    for args, code, words in cases:
        done = world.run(*args)
        assert (done.code, done.out) == (code, "") and words in done.err, (args, done.code, done.out, done.err)


# ── who asks ──

def a_login_is_kept_for_its_gateway_alone(world):
    nobody = {"WINDLASS_TOKEN": None}
    refused = world.run("task", "list", **nobody)
    assert refused.code == FAILURE and "(UNAUTHENTICATED)" in refused.err and "windlass login" in refused.err
    wrong = world.run("login", "admin@example.org", stdin="not the password\n", **nobody)
    assert wrong.code == FAILURE and "(UNAUTHENTICATED)" in wrong.err, wrong.err
    done = world.run("login", "admin@example.org", stdin=PASSWORD + "\n", **nobody)
    assert done.code == OK and "as Admin (ADMIN)" in done.out, done.err
    path = os.path.join(world.home.name, ".config/windlass/sessions.json")
    assert os.stat(path).st_mode & 0o777 == 0o600
    with open(path, encoding="utf-8") as file:
        sessions = json.load(file)
    assert list(sessions) == [world.address] and sessions[world.address] not in done.out
    assert world.run("task", "list", **nobody).code == OK
    elsewhere = f"http://localhost:{world.gateway.port}"
    assert world.run("task", "list", WINDLASS_URL=elsewhere, **nobody).code == FAILURE
    # With WINDLASS_TOKEN it is that session which ends, and the login stays.
    other = world.gateway.login("admin@example.org", PASSWORD)
    done = world.run("logout", WINDLASS_TOKEN=other)
    assert done.code == OK and "session of WINDLASS_TOKEN" in done.out and world.address in done.out, (done.out, done.err)
    assert world.run("task", "list", WINDLASS_TOKEN=other).code == FAILURE
    assert world.run("task", "list", **nobody).code == OK
    made = world.run("token", "create", "no-session", "--role", "viewer", "--json").json["token"]
    refused = world.run("logout", WINDLASS_TOKEN=made)
    assert refused.code == FAILURE and "has no session" in refused.err, refused.err
    assert world.run("logout", **nobody).out == "signed out\n"
    with open(path, encoding="utf-8") as file:
        assert json.load(file) == {}
    used = world.run("task", "list", WINDLASS_TOKEN=sessions[world.address])
    assert used.code == FAILURE and "(UNAUTHENTICATED)" in used.err, "its session has ended"


def ctrl_c_at_a_password_leaves_the_terminal_as_it_was(world):
    ours, theirs = pty.openpty()
    shows = lambda: bool(termios.tcgetattr(theirs)[3] & termios.ECHO)
    assert shows()
    process = subprocess.Popen([PROGRAM, "login", "admin@example.org"], stdin=theirs, stdout=theirs, stderr=theirs,
                               start_new_session=True, env=world.environment(WINDLASS_TOKEN=None),
                               preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
    eventually(lambda: not shows())
    os.write(ours, b"\x03")
    assert process.wait(WAIT_S) == -signal.SIGINT
    assert shows()
    os.close(ours)
    os.close(theirs)


def users_are_managed(world):
    bob = world.run("user", "create", "bob@example.org", "--name", "Bob 日本", "--role", "viewer", "--json",
                    stdin="first password\n").json
    assert bob["role"] == "VIEWER" and bob["name"] == "Bob 日本", bob
    assert [u["email"] for u in world.run("user", "list", "--search", "bob", "--json").lines] == ["bob@example.org"]
    assert world.run("user", "update", "bob@example.org", "--role", "operator").rows[1][2] == "OPERATOR"
    assert world.run("user", "update", "bob@example.org").code == USAGE
    assert world.run("user", "password", bob["id"], stdin="second password\n").code == OK
    assert world.gateway.login("bob@example.org", "second password")
    own = world.run("user", "password", "admin@example.org", stdin=f"wrong\n{PASSWORD}\n")
    assert own.code == FAILURE and "(" in own.err, own.err
    assert world.run("user", "delete", "bob@example.org").out == "deleted\n"
    assert world.run("user", "delete", "bob@example.org").code == FAILURE


def tokens_are_made_listed_and_revoked(world):
    token = world.run("token", "create", "outside", "--role", "operator", "--scopes", "lease", "--types",
                      "mail,image").out.strip()
    assert re.fullmatch(r"wlt_\S{40,}", token), token
    told = world.run("token", "list", "--json").lines[0]
    assert told["scopes"] == ["LEASE"] and told["taskTypes"] == ["mail", "image"] and told["role"] == "OPERATOR", told
    assert world.run("task", "list", WINDLASS_TOKEN=token).code == FAILURE, "it is not for the API"
    api = world.run("token", "create", "reader", "--role", "viewer", "--expires-in", "1h", "--json").json
    assert world.run("task", "list", WINDLASS_TOKEN=api["token"]).code == OK
    denied = world.run("task", "create", "x", WINDLASS_TOKEN=api["token"])
    assert denied.code == FAILURE and "(FORBIDDEN)" in denied.err, denied.err
    assert world.run("token", "revoke", "reader").out == "revoked\n"
    eventually(lambda: world.run("task", "list", WINDLASS_TOKEN=api["token"]).code == FAILURE)
    assert world.run("token", "revoke", "reader").code == FAILURE


# ── where the gateway is, and what goes wrong ──

def the_gateway_of_up_is_found_by_its_folder(world):
    folder = tempfile.mkdtemp(dir=world.home.name)
    with open(os.path.join(folder, "gateway.url"), "w", encoding="ascii") as file:
        file.write(world.address + "\n")
    assert world.run("task", "list", "--run", folder, WINDLASS_URL=None).code == OK
    assert world.run("task", "list", "--run", folder, "--url", "http://127.0.0.1:1").code == UNAVAILABLE


def what_goes_wrong_is_told_in_one_line(world):
    cases = [
        (["task", "show", new_id()], FAILURE, "(NOT_FOUND)"),
        (["task", "show", "short"], USAGE, "last 8 characters"),
        (["task", "show", "ffffffffff"], FAILURE, "no task"),
        (["task", "create", "x", "--run-at", "tomorrow"], USAGE, "--run-at"),
        (["task", "create", "x", "--in", "1m", "--run-at", "2030-01-01T00:00:00Z"], USAGE, "keep one"),
        (["task", "create", ""], FAILURE, "(BAD_USER_INPUT)"),
        (["task", "list", "--url", "ftp://x"], USAGE, "url"),
        (["task", "list", "--url", f"http://127.0.0.1:{world.worker.port}"], FAILURE, ""),
        (["task", "list", "--url", "unix:/nonexistent"], UNAVAILABLE, "cannot reach"),
        (["job", "show", "nobody"], FAILURE, "no job"),
    ]
    for args, code, words in cases:
        done = world.run(*args)
        assert (done.code, done.out) == (code, "") and words in done.err, (args, done.code, done.out, done.err)
        assert done.err.startswith("windlass: ") and done.err.count("\n") == 1, done.err


def main():
    with Postgres() as server, Worker(server.url) as worker:
        with World(server.url, worker) as world:
            run_tests([
                a_task_is_created_listed_and_shown, lists_are_filtered_ordered_and_limited,
                more_than_a_page_is_listed, a_payload_comes_from_the_line_a_file_or_standard_input,
                why_names_the_reason_and_the_time, tasks_are_cancelled_and_retried_each_for_itself,
                all_of_a_filter_are_changed_after_they_were_counted, what_an_executor_wrote_is_shown_and_followed,
                a_log_that_is_followed_does_not_repeat_itself, who_watches_what_is_not_there_is_told,
                waiting_ends_with_the_task, a_watch_misses_nothing_while_the_gateway_is_away,
                a_filter_is_watched_until_it_is_stopped, a_terminal_is_shown_a_table_of_its_width,
                a_job_lives_by_its_name, a_schedule_is_previewed, types_are_set_paused_and_listed,
                queues_are_paused_and_listed, wrong_settings_are_named, a_login_is_kept_for_its_gateway_alone,
                ctrl_c_at_a_password_leaves_the_terminal_as_it_was,
                users_are_managed, tokens_are_made_listed_and_revoked, the_gateway_of_up_is_found_by_its_folder,
                what_goes_wrong_is_told_in_one_line,
            ], world)


if __name__ == "__main__":
    main()
