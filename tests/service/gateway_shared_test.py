#!/usr/bin/env python3
"""What many share: two gateways of one installation, each of which reads at once what was changed through the
other; and a thousand subscribers with different filters, for whom the worker is asked once.
Usage: gateway_shared_test.py PROGRAM"""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../support"))
from fake_worker import FakeWorker  # noqa: E402
from gateway_rig import Gateway, Postgres, eventually, psql, run_tests  # noqa: E402
from websocket import WebSocket  # noqa: E402
from worker_rig import GATEWAY_TOKEN, Worker  # noqa: E402

ROUNDS = 12
TASK = "id status state priority queue accepted source"
READ_TASK = "query($id: ID!) { task(id: $id) { %s } tasks(filter: {ids: [$id]}) { nodes { %s } } }" % (TASK, TASK)
JOB = "id name status schedule accepted source"
READ_JOB = "query($id: ID!) { job(id: $id) { %s } jobs { %s } }" % (JOB, JOB)
CREATE_TASK = "mutation($i: CreateTaskInput!) { createTask(input: $i) { %s } }" % TASK
ACT = "mutation($id: ID!) { %s(id: $id) { %s } }"
BULK = "mutation($id: ID!) { %s(filter: {ids: [$id]}) { done } }"
CREATE_JOB = "mutation($i: CreateJobInput!) { createJob(input: $i) { %s } }" % JOB
UPDATE_JOB = "mutation($id: ID!, $i: UpdateJobInput!) { updateJob(id: $id, input: $i) { %s } }" % JOB

SUBSCRIBERS, SOCKETS = 1_000, 10


class Pair:
    """Two gateways and the real worker."""

    def __init__(self, postgres):
        self.url = postgres.tell("database")
        self.worker = Worker(self.url)
        settings = {"WORKER_URL": f"http://127.0.0.1:{self.worker.port}", "GATEWAY_TOKEN": GATEWAY_TOKEN}
        self.gateways = [Gateway(self.url, **settings)]
        self.admin = self.gateways[0].set_up()
        self.gateways.append(Gateway(self.url, **settings))
        eventually(lambda: psql(self.url, "SELECT 1 FROM mirror WHERE cursor <> ''"))
        for gateway in self.gateways:
            eventually(lambda gateway=gateway: gateway.graphql("{ tasks(first: 1) { source } }", token=self.admin)
                       .data["tasks"]["source"] == "LIVE")

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        for gateway in self.gateways:
            gateway.__exit__(*exc)
        self.worker.__exit__(*exc)

    def ask(self, at, query, /, **variables):
        return self.gateways[at % 2].graphql(query, variables, self.admin).data


def a_task_that_was_changed_here_is_read_there_at_once(postgres):
    with Pair(postgres) as pair:
        for i in range(ROUNDS):
            made = pair.ask(i, CREATE_TASK, i={"type": "seen", "queue": f"q{i}"})["createTask"]
            steps = [(ACT % ("cancelTask", TASK), "CANCELLED"), (ACT % ("retryTask", TASK), "READY"),
                     (BULK % "cancelTasks", "CANCELLED"), (BULK % "retryTasks", "READY")]
            read = pair.ask(i + 1, READ_TASK, id=made["id"])
            assert read["task"] == read["tasks"]["nodes"][0] == {**made, "source": "LIVE"}, (made, read)
            for n, (action, state) in enumerate(steps):
                pair.ask(i + n, action, id=made["id"])
                read = pair.ask(i + n + 1, READ_TASK, id=made["id"])
                assert read["task"] == read["tasks"]["nodes"][0] and read["task"]["state"] == state, (n, read)
            pair.ask(i, BULK % "cancelTasks", id=made["id"])
            pair.ask(i + 1, BULK % "deleteTasks", id=made["id"])
            assert pair.ask(i, READ_TASK, id=made["id"]) == {"task": None, "tasks": {"nodes": []}}


def a_job_that_was_changed_here_is_read_there_at_once(postgres):
    with Pair(postgres) as pair:
        for i in range(ROUNDS):
            made = pair.ask(i, CREATE_JOB, i={"name": f"job {i}", "schedule": "0 0 1 1 *", "taskType": "x"})["createJob"]
            def read(n, made=made):
                told = pair.ask(n, READ_JOB, id=made["id"])
                assert [j for j in told["jobs"] if j["id"] == made["id"]] == ([told["job"]] if told["job"] else []), told
                return told["job"]
            assert read(i + 1) == {**made, "source": "LIVE"}, made
            pair.ask(i, UPDATE_JOB, id=made["id"], i={"schedule": "0 0 2 1 *"})
            assert read(i + 1)["schedule"] == "0 0 2 1 *"
            pair.ask(i + 1, ACT % ("pauseJob", JOB), id=made["id"])
            assert read(i)["status"] == "PAUSED"
            pair.ask(i, ACT % ("resumeJob", JOB), id=made["id"])
            assert read(i + 1)["status"] == "ACTIVE"
            run = pair.ask(i + 1, ACT % ("triggerJob", TASK), id=made["id"])["triggerJob"]
            assert pair.ask(i, READ_TASK, id=run["id"])["task"]["state"] == "READY"
            pair.ask(i, "mutation($id: ID!) { deleteJob(id: $id) }", id=made["id"])
            assert read(i + 1) is None


# ── subscribers ──

class Counting(FakeWorker):
    """How many ask for the feed at once."""
    polls = polls_max = 0

    def feed(self, query):
        self.polls += 1
        self.polls_max = max(self.polls_max, self.polls)
        try:
            return super().feed(query)
        finally:
            self.polls -= 1


def document_of(n):
    """Each has a filter of its own, and each hears of its own task alone."""
    if n % 2:
        return f'subscription {{ taskChanged(filter: {{type: "t{n}"}}) {{ kind task {{ id type payload }} }} }}'
    return ("subscription { taskChanged(filter: {queue: \"q%d\", status: [PENDING, IN_PROGRESS]}) "
            "{ kind task { id type queue status } } }" % n)


def a_thousand_subscribers_cost_one_feed(postgres):
    with Counting() as worker, Gateway(postgres.tell("database"), WORKER_URL=worker.url, SUBSCRIPTIONS_MAX="3000",
                                  WEBSOCKET_OPERATIONS_MAX="200") as gateway:
        admin = gateway.set_up()
        sockets = [WebSocket(gateway, admin) for _ in range(SOCKETS)]
        each = SUBSCRIBERS // SOCKETS
        for n in range(SUBSCRIBERS):
            sockets[n % SOCKETS].subscribe(str(n), document_of(n))
        others = WebSocket(gateway, admin)
        others.subscribe("job", "subscription { jobChanged { name } }")
        others.subscribe("stats", "subscription { statsChanged(everySeconds: 1) { tasks { total } } }")
        others.subscribe("health", "subscription { healthChanged { status } }")
        told = {}
        while told.keys() != {"stats", "health"}:  # both say at once how it is
            message = others.next()
            assert message["type"] == "next", message
            told[message["id"]] = message["payload"]["data"]
        assert "total" in told["stats"]["statsChanged"]["tasks"] and told["health"]["healthChanged"]["status"], told
        # A subscription begins when the gateway has read it: an operation behind it on the same socket tells that.
        for socket in sockets:
            assert [m["type"] for m in socket.run("behind", "{ __typename }")] == ["next", "complete"]
        made = {n: worker.add(f"t{n}", queue=f"q{n}") for n in range(SUBSCRIBERS)}
        worker.put_job(name="nightly")
        for at, socket in enumerate(sockets):
            heard = {}
            for _ in range(each):
                message = socket.next()
                assert message["type"] == "next" and message["id"] not in heard, message
                heard[message["id"]] = message["payload"]["data"]["taskChanged"]
            assert heard.keys() == {str(n) for n in range(at, SUBSCRIBERS, SOCKETS)}
            for n, event in heard.items():
                assert event["kind"] == "ADDED" and event["task"]["id"] == made[int(n)], (n, event)
        while (message := others.next())["id"] != "job":
            assert message["type"] == "next", message
        assert message["payload"]["data"]["jobChanged"]["name"] == "nightly"
        assert worker.polls_max == 1, worker.polls_max
        paths = {path.split("?")[0] for _, path, _ in worker.requests}
        assert paths <= {"/v1/feed", "/v1/snapshot", "/v1/types", "/v1/queues", "/v1/workers"}, paths
        for socket in (*sockets, others):
            socket.close()


TESTS = [
    a_task_that_was_changed_here_is_read_there_at_once,
    a_job_that_was_changed_here_is_read_there_at_once,
    a_thousand_subscribers_cost_one_feed,
]

if __name__ == "__main__":
    with Postgres() as server:
        run_tests(TESTS, server)
