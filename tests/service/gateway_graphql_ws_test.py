#!/usr/bin/env python3
"""The graphql-ws client, as applications use it, against a gateway: what it makes of each of our answers and closes.
Usage: gateway_graphql_ws_test.py PROGRAM BUILD-FOLDER"""

import json
import os
import queue
import re
import signal
import subprocess
import sys
import threading

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../support"))
from fake_worker import FakeWorker  # noqa: E402
from gateway_rig import CREATE, PASSWORD, WAIT_S, Gateway, Postgres, create_user, eventually, run_tests  # noqa: E402

HEALTH = "subscription { healthChanged { status } }"
CHANGED = "subscription { taskChanged { id kind task { payload } } }"
ME = "query Me { me { id email } }"
NO_NODE = 77


def node_and_packages(build):
    done = subprocess.run([os.path.join(HERE, "../support/npm.sh"), build], stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode == NO_NODE:
        return None, None
    assert done.returncode == 0, "the packages could not be installed"
    return os.path.join(done.stdout.strip(), "node"), os.path.join(build, "e2e")


class Node:
    """The client's process; see graphql_ws_client.mjs."""

    def __init__(self, node, packages, gateway):
        self.process = subprocess.Popen(
            [node, os.path.join(HERE, "graphql_ws_client.mjs"), f"ws://{gateway.host}:{gateway.port}/graphql", packages],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.events = queue.Queue()
        threading.Thread(target=self.read, daemon=True).start()
        self.kept = []

    def read(self):
        for line in self.process.stdout:
            self.events.put(json.loads(line))

    def tell(self, **command):
        self.process.stdin.write(json.dumps(command) + "\n")
        self.process.stdin.flush()

    def expect(self, **wanted):
        """The first event, of those not looked at yet, that has all this."""
        for i, event in enumerate(self.kept):
            if wanted.items() <= event.items():
                return self.kept.pop(i)
        while True:
            event = self.events.get(timeout=WAIT_S)
            if wanted.items() <= event.items():
                return event
            self.kept.append(event)

    def open(self, name, token=None, connected=True, **options):
        self.tell(open=name, options={"params": {"token": token} if token else {}, **options})
        if connected:
            payload = self.expect(client=name, event="connected")["payload"]
            assert payload["serverVersion"], payload

    def run(self, client, id_, query, **request):
        """The response of an operation that ran."""
        self.tell(client=client, subscribe=id_, request={"query": query, **request})
        payload = self.expect(client=client, id=id_, event="next")["payload"]
        self.expect(client=client, id=id_, event="complete")
        return payload

    def closed(self, name):
        return self.expect(client=name, event="closed")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait(WAIT_S)


class World:
    def __init__(self, url, gateway, worker, node, packages):
        self.url, self.gateway, self.worker, self.node, self.packages = url, gateway, worker, node, packages
        self.admin = gateway.set_up()

    def client(self, gateway=None):
        return Node(self.node, self.packages, gateway or self.gateway)


def live(gateway, token):
    eventually(lambda: gateway.graphql("{ tasks(first: 1) { source } }", None, token).data["tasks"]["source"] == "LIVE")


def queries_mutations_and_subscriptions_share_a_socket(world):
    with world.client() as node:
        node.open("a", world.admin)
        assert node.run("a", "q", ME)["data"]["me"]["email"] == "admin@example.org"
        made = node.run("a", "m", CREATE, variables={"input": {"email": "n@example.org", "name": "N", "password": PASSWORD}})
        assert made["data"]["createUser"]["email"] == "n@example.org", made
        node.tell(client="a", subscribe="s", request={"query": CHANGED})
        assert node.run("a", "q2", ME)["data"]["me"]
        task = world.worker.add("email", payload={"to": "ada"})
        event = node.expect(client="a", id="s", event="next")["payload"]["data"]["taskChanged"]
        assert (event["id"], event["kind"], event["task"]["payload"]) == (task, "ADDED", {"to": "ada"}), event
        node.tell(client="a", complete="s")
        node.expect(client="a", id="s", event="complete")
        node.tell(client="a", dispose=True)
        assert node.closed("a")["code"] == 1000


def many_operations_run_at_once(world):
    count = 90
    with world.client() as node:
        node.open("a", world.admin)
        for i in range(count):
            node.tell(client="a", subscribe=f"o{i}", request={"query": f"{{ me {{ n{i}: id }} }}" if i % 3 else HEALTH})
        for i in range(count):
            payload = node.expect(client="a", id=f"o{i}", event="next")["payload"]
            assert payload["data"]["me"][f"n{i}"] if i % 3 else payload["data"]["healthChanged"]["status"], payload
            if i % 3:
                node.expect(client="a", id=f"o{i}", event="complete")


def errors_reach_the_sink_of_their_operation(world):
    with world.client() as node:
        node.open("a", world.admin)
        node.tell(client="a", subscribe="bad", request={"query": "{ nothing }"})
        errors = node.expect(client="a", id="bad", event="error")["errors"]
        assert errors[0]["extensions"]["code"] == "GRAPHQL_VALIDATION_FAILED" and errors[0]["locations"], errors
        node.tell(client="a", subscribe="worse", request={"query": 'subscription { taskChanged(filter: { search: "x" }) { id } }'})
        assert node.expect(client="a", id="worse", event="error")["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"
        assert node.run("a", "q", ME)["data"]["me"]


def pings_are_answered(world):
    with world.client() as node:
        node.open("a", world.admin, keepAlive=50)
        for _ in range(3):
            node.expect(client="a", event="ping", received=False)
            node.expect(client="a", event="pong", received=True)


def the_token_may_come_with_the_upgrade(world):
    with world.client() as node:
        for name, headers in (("bearer", {"Authorization": f"Bearer {world.admin}"}),
                              ("cookie", {"Cookie": f"windlass_session={world.admin}"})):
            node.open(name, headers=headers)
            assert node.run(name, "q", ME)["data"]["me"]["email"] == "admin@example.org"
        node.open("nobody")
        assert node.run("nobody", "q", ME)["data"] == {"me": None}


def each_close_of_the_protocol_is_understood(world):
    subscribe = json.dumps({"id": "twice", "type": "subscribe", "payload": {"query": HEALTH}})
    with world.client() as node:
        for code, raws in ((4400, ['{"type":"nonsense"}']), (4409, [subscribe, subscribe]),
                           (4429, ['{"type":"connection_init"}'])):
            node.open(str(code), world.admin)
            for raw in raws:
                node.tell(client=str(code), raw=raw)
            closed = node.closed(str(code))
            assert closed["code"] == code and closed["reason"], closed
        node.open("4403", "wl_s_" + "x" * 43, connected=False)
        assert node.closed("4403")["code"] == 4403
        node.open("4406", protocol="graphql-ws", connected=False)
        assert node.closed("4406")["code"] in (4406, 1006), "ws itself gives up a server that chose no protocol"


def who_does_not_begin_in_time_is_closed(world):
    with Gateway(world.url, WEBSOCKET_INIT_TIMEOUT="100ms") as gateway, world.client(gateway) as node:
        # A client whose parameters do not come: it never sends its connection_init.
        node.open("a", connected=False, stall=True)
        closed = node.closed("a")
        assert (closed["code"], closed["reason"]) == (4408, "Connection initialisation timeout"), closed


def a_logout_closes_it_for_good(world):
    create_user(world.gateway, world.admin, "out@example.org")
    token = world.gateway.login("out@example.org")
    with world.client() as node:
        node.open("a", token, retryAttempts=5)
        node.tell(client="a", subscribe="s", request={"query": HEALTH})
        node.expect(client="a", id="s", event="next")
        world.gateway.graphql("mutation { logout }", None, token)
        assert node.closed("a")["code"] == 4401
        error = node.expect(client="a", id="s", event="error")
        assert error["code"] == 4401, "fatal to the client: it does not try again"


def a_slow_consumer_is_told_why(world):
    with Gateway(world.url, WORKER_URL=world.worker.url, WEBSOCKET_UNSENT_MAX="64KiB", GATEWAY_LOOPS="1") as gateway:
        live(gateway, world.admin)
        with world.client(gateway) as node:
            node.open("a", world.admin)
            node.tell(client="a", subscribe="s", request={"query": CHANGED})
            assert node.run("a", "q", ME)["data"]["me"]
            node.tell(client="a", pause=True)
            node.open("b", world.admin)  # when it is there, the pause before it is done

            def more_until_it_is_closed():
                for _ in range(20):  # not more at once than a subscription may be behind
                    world.worker.add("email", payload={"text": "x" * 30_000})
                return re.search(r"event=socket\.closed .*code=1013 ", gateway.log)
            eventually(more_until_it_is_closed)
            node.tell(client="a", resume=True)
            closed = node.closed("a")
            assert closed["code"] == 1013 and "unread" in closed["reason"], closed


def a_client_goes_on_with_the_next_gateway(world):
    """It tries again by itself, since the close of a gateway that stops is none of those that end it."""
    first = Gateway(world.url, WORKER_URL=world.worker.url)
    try:
        live(first, world.admin)
        with world.client(first) as node:
            node.open("a", world.admin, retryAttempts=100_000)
            node.tell(client="a", subscribe="s", request={"query": CHANGED})
            assert node.run("a", "q", ME)["data"]["me"]
            first.process.send_signal(signal.SIGTERM)
            assert node.closed("a")["code"] == 1001
            assert first.process.wait(WAIT_S) == 0
            with Gateway(world.url, WORKER_URL=world.worker.url, PORT=str(first.port)) as second:
                live(second, world.admin)
                node.expect(client="a", event="connected")
                assert node.run("a", "q2", ME)["data"]["me"]  # behind the subscription, which was renewed
                task = world.worker.add("email")
                event = node.expect(client="a", id="s", event="next")["payload"]["data"]["taskChanged"]
                assert event["id"] == task, event
    finally:
        first.process.kill()


def main():
    build = os.path.abspath(sys.argv[2])
    node, packages = node_and_packages(build)
    if node is None:
        print("1..0 # SKIP no Node of at least 20.19 and none to be had")
        return
    with Postgres() as postgres, FakeWorker() as worker, Gateway(postgres.url, WORKER_URL=worker.url) as gateway:
        world = World(postgres.url, gateway, worker, node, packages)
        live(gateway, world.admin)
        run_tests([
            queries_mutations_and_subscriptions_share_a_socket,
            many_operations_run_at_once,
            errors_reach_the_sink_of_their_operation,
            pings_are_answered,
            the_token_may_come_with_the_upgrade,
            each_close_of_the_protocol_is_understood,
            who_does_not_begin_in_time_is_closed,
            a_logout_closes_it_for_good,
            a_slow_consumer_is_told_why,
            a_client_goes_on_with_the_next_gateway,
        ], world)


if __name__ == "__main__":
    main()
