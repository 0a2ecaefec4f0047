#!/usr/bin/env python3
"""What the gateway does when PostgreSQL or the gateway itself goes away: waits, says so, keeps what
it promised. Usage: gateway_faults_test.py PROGRAM"""

import os
import signal
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../support"))
from gateway_rig import (CREATE, PASSWORD, Client, Gateway, Postgres, Stream, at_once, create_user,  # noqa: E402
                         eventually, run_tests)

# What a client may be told while the database is away.
AWAY = {"DATABASE_UNAVAILABLE", "TIMEOUT"}


def it_starts_before_its_database_and_is_ready_after_it(postgres):
    postgres.tell("stop")
    with Gateway(postgres.url, wait=False) as gateway:
        assert gateway.get("/livez").status == 200
        ready = gateway.get("/readyz?verbose")
        assert ready.status == 503 and "database" in ready.text, ready.text
        answer = gateway.graphql("{ __typename }")
        assert answer.status == 503 and answer.code == "DATABASE_UNAVAILABLE", answer.text
        assert int(answer.headers["Retry-After"]) >= 1
        postgres.tell("launch")
        gateway.wait_ready()
        assert gateway.graphql("{ __typename }").code == "ok"


def asked_to_stop_while_it_waits_for_the_database_it_stops(postgres):
    postgres.tell("stop")
    gateway = Gateway(postgres.url, wait=False)
    assert gateway.stop() == 0, gateway.log
    postgres.tell("launch")
    postgres.tell("wait")


def an_unfit_schema_is_refused_in_production(postgres):
    url = postgres.tell("database")
    gateway = Gateway(url, wait=False, ENV="production")
    assert gateway.process.wait(30) != 0
    assert "schema.missing" in gateway.log, gateway.log


def nothing_acknowledged_is_lost_when_the_database_is_killed(postgres):
    with Gateway(postgres.tell("database"), REQUEST_TIMEOUT="20s") as gateway:
        admin = gateway.set_up()
        # Passwords are not what is tested: the users exist, and their names are written.
        users = [create_user(gateway, admin, f"u{i}@example.org") for i in range(6)]
        stop, acknowledged, strange, counts = threading.Event(), {}, [], {"ok": 0}

        def write(i):
            client, number = Client(gateway, admin), 0
            while not stop.is_set():
                number += 1
                answer = client.graphql("mutation($id: ID!, $name: String!) { updateUser(id: $id, "
                                        "input: { name: $name }) { name } }",
                                        {"id": users[i], "name": f"name {number:06}"})
                if answer.code == "ok":
                    acknowledged[i] = number
                    counts["ok"] += 1
                elif answer.code not in AWAY:
                    strange.append(answer.text)
            client.close()

        threads = [threading.Thread(target=write, args=(i,)) for i in range(len(users))]
        for thread in threads:
            thread.start()
        for _ in range(3):
            before = counts["ok"]
            eventually(lambda b=before: counts["ok"] > b + 50)
            postgres.tell("kill")
            postgres.tell("launch")
            postgres.tell("wait")
        before = counts["ok"]
        eventually(lambda: counts["ok"] > before + 50)
        stop.set()
        for thread in threads:
            thread.join(60)
            assert not thread.is_alive(), "a request hangs"
        assert not strange, strange[:3]
        for i, user in enumerate(users):
            answer = eventually(lambda u=user: gateway.graphql(
                "query($id: ID!) { user(id: $id) { name } }", {"id": u}, admin))
            stored = int(answer.data["user"]["name"].split()[1])
            # One more than was acknowledged may be there: it was in doubt.
            assert stored >= acknowledged[i], (stored, acknowledged[i])


def a_database_that_hangs_is_told_within_the_deadline(postgres):
    with Gateway(postgres.tell("database"), REQUEST_TIMEOUT="1s") as gateway:
        admin = gateway.set_up()
        query = "{ users { nodes { id } } }"
        assert gateway.graphql(query, None, admin).code == "ok"
        postgres.tell("suspend")
        try:
            answers = at_once(8, lambda _: gateway.graphql(query, None, admin))
            assert {a.code for a in answers} <= AWAY, [a.text for a in answers]
            assert gateway.get("/livez").status == 200
        finally:
            postgres.tell("resume")
        eventually(lambda: gateway.graphql(query, None, admin).code == "ok")


def a_stream_tells_that_the_database_went_and_came(postgres):
    gateway = Gateway(postgres.tell("database"))
    stream = Stream(gateway, "subscription { healthChanged { status } }")
    seen = [stream.next().data["healthChanged"]["status"]]
    for word, status in (("stop", "DOWN"), ("launch", "UP")):
        postgres.tell(word)
        while seen[-1] != status:
            seen.append(stream.next().data["healthChanged"]["status"])
    assert seen[0] == seen[-1] == "UP" and "DOWN" in seen, seen
    gateway.process.send_signal(signal.SIGTERM)  # a stream that is open does not hold up the end
    while stream.next() is not None:
        pass
    assert gateway.process.wait(60) == 0, gateway.log
    stream.close()


def asked_to_stop_it_answers_what_is_open(postgres):
    gateway = Gateway(postgres.tell("database"), ARGON2_TIME="20", ARGON2_MEMORY="64MiB")
    admin = gateway.set_up()
    kept, answers = Client(gateway, admin), []
    assert kept.graphql("{ me { id } }").code == "ok"

    def create():
        answers.append(gateway.graphql(CREATE, {"input": {
            "email": "late@example.org", "name": "Late", "password": PASSWORD}}, admin))
    thread = threading.Thread(target=create)
    thread.start()
    client = Client(gateway)

    def is_hashing():  # the request has been read, and its password is being hashed
        metrics = client.request("GET", "/metrics").text
        return 'windlass_password_jobs 1' in metrics
    eventually(is_hashing)
    gateway.process.send_signal(signal.SIGTERM)
    thread.join(60)
    assert answers and answers[0].code == "ok", answers and answers[0].text
    assert gateway.process.wait(60) == 0, gateway.log
    assert "event=gateway.stopped" in gateway.log


def a_second_signal_ends_it_at_once(postgres):
    gateway = Gateway(postgres.tell("database"), ARGON2_TIME="64", ARGON2_MEMORY="256MiB", wait=True)
    sent = threading.Thread(target=lambda: gateway.graphql(
        'mutation { login(email: "a@example.org", password: "x") { token } }'), daemon=True)
    threading.excepthook = lambda *_: None  # its connection breaks
    sent.start()
    eventually(lambda: 'windlass_password_jobs 1' in gateway.get("/metrics").text)
    gateway.process.send_signal(signal.SIGINT)
    gateway.wait_for_log("event=gateway.stopping")
    assert gateway.stop(signal.SIGINT) == 130, gateway.log


def main():
    with Postgres() as postgres:
        run_tests([
            it_starts_before_its_database_and_is_ready_after_it,
            asked_to_stop_while_it_waits_for_the_database_it_stops,
            an_unfit_schema_is_refused_in_production,
            nothing_acknowledged_is_lost_when_the_database_is_killed,
            a_database_that_hangs_is_told_within_the_deadline,
            a_stream_tells_that_the_database_went_and_came,
            asked_to_stop_it_answers_what_is_open,
            a_second_signal_ends_it_at_once,
        ], postgres)


if __name__ == "__main__":
    main()
