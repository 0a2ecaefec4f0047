#!/usr/bin/env python3
"""Subscription.chatStream and answers that broke off: what is told when, and what is stored of it. Usage:
gateway_chat_stream_test.py PROGRAM"""

import json
import os
import queue
import re
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../support"))
from fake_ai import DONE, FakeAi, events  # noqa: E402
from gateway_chat_test import CHAT, World  # noqa: E402
from gateway_rig import WAIT_S, Gateway, Postgres, Stream, eventually, run_tests  # noqa: E402
from ids import new_id  # noqa: E402
from websocket import WebSocket  # noqa: E402

STREAM = ("subscription($input: ChatInput!) { chatStream(input: $input) { __typename ... on ChatDelta { text } "
          "... on ChatToolCall { name arguments } ... on ChatDone { reply { conversationId degraded message "
          "{ id content state model role user { name } citations { label } promptTokens } } } } }")
TOOL = {"name": "graphql", "arguments": {"query": "{ me { id } }", "variables": {"a": 1.50}}}


class Script:
    """An answer of ai that a test tells bit by bit: `say`, then `end`."""

    def __init__(self, world):
        self.world, self.pieces = world, queue.Queue()
        self.before = world.with_chat(lambda _: (200, iter(self.next, None)))

    def next(self):
        return self.pieces.get(timeout=WAIT_S)

    def say(self, *pairs):
        self.pieces.put(events(*pairs))

    def end(self, *pairs):
        if pairs:
            self.say(*pairs)
        self.pieces.put(None)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.pieces.put(None)
        self.world.with_chat(self.before)


def begin(world, token, message="How many tasks?", gateway=None, **more):
    return Stream(gateway or world.gateway, STREAM, token, {"input": {"message": message, **more}})


def next_of(stream):
    return stream.next().data["chatStream"]


def rest_of(stream):
    """All events up to its end; deltas that follow each other as one."""
    told = []
    while (answer := stream.next()) is not None:
        event = answer.data["chatStream"]
        if told and event["__typename"] == told[-1]["__typename"] == "ChatDelta":
            told[-1]["text"] += event["text"]
        else:
            told.append(event)
    return told


def stored(world, user):
    return world.sql("SELECT string_agg(role || ':' || state || ':' || content || ':' || coalesce(model, '-'), '|' ORDER BY id) "
                     f"FROM chat_messages WHERE user_id = '{user}'")


def running(world):
    """Calls of ai, as they were counted within the last second."""
    return int(re.search(r"^windlass_ai_running (\d+)$", world.gateway.get("/metrics").text, re.M).group(1))


def refusal(stream):
    """Status, code and message of a stream that did not begin."""
    error = json.loads(stream.response.read())["errors"][0]
    return stream.response.status, error["extensions"]["code"], error["message"]


# ── as it is written ──

def the_answer_is_told_as_it_is_written(world):
    user, token = world.new_user()
    with Script(world) as ai:
        stream = begin(world, token)
        ai.say(("tool", TOOL))
        assert next_of(stream) == {"__typename": "ChatToolCall", **TOOL}
        ai.say(("delta", {"text": "There "}))
        assert next_of(stream) == {"__typename": "ChatDelta", "text": "There "}
        ai.say(("delta", {"text": "are "}), ("delta", {"text": "7 täsks."}))
        text = ""
        while text != "are 7 täsks.":
            text += next_of(stream)["text"]
        assert stored(world, user) == "user:complete:How many tasks?:-"  # before a word of the answer
        ai.end(("done", {**DONE, "prompt_tokens": 5}))
        done = next_of(stream)
        assert stream.next() is None
    reply = done["reply"]
    assert done["__typename"] == "ChatDone" and reply["degraded"] is False, done
    message = reply["message"]
    assert message["content"] == DONE["content"] and message["state"] == "COMPLETE" and message["promptTokens"] == 5
    assert message["user"] == {"name": f"User {world.users}"} and message["citations"] == [{"label": "tasks"}]
    assert stored(world, user).endswith("|assistant:complete:There are 7 tasks.:script-1")
    assert world.sql(f"SELECT message_count FROM conversations WHERE user_id = '{user}'") == "2"


def tool_calls_stand_where_they_were_made(world):
    _, token = world.new_user()
    with Script(world) as ai:
        ai.end(("delta", {"text": "a"}), ("tool", TOOL), ("delta", {"text": "b"}), ("tool", TOOL), ("done", DONE))
        told = rest_of(begin(world, token))
    assert [e.get("text", e["__typename"]) for e in told] == ["a", "ChatToolCall", "b", "ChatToolCall", "ChatDone"], told


def the_same_id_gives_the_stored_reply_at_once(world):
    _, token = world.new_user()
    question = new_id()
    first = world.gateway.graphql(CHAT, {"input": {"message": "again?", "id": question}}, token).data["chat"]
    asked = len(world.ai.asked_of("/v1/chat"))
    told = rest_of(begin(world, token, "again?", id=question))
    assert [e["__typename"] for e in told] == ["ChatDone"], told
    assert told[0]["reply"]["message"]["id"] == first["message"]["id"]
    assert len(world.ai.asked_of("/v1/chat")) == asked
    status, code, _ = refusal(begin(world, token, "something else", id=question))
    assert (status, code) == (400, "CONFLICT")


def an_answer_that_takes_longer_than_a_request_may_is_told_whole(world):
    _, token = world.new_user()
    with Gateway(world.url, AI_URL=world.ai.url, REQUEST_TIMEOUT="1s") as gateway, Script(world) as ai:
        stream = begin(world, token, gateway=gateway)
        ai.say(("delta", {"text": "There "}))
        next_of(stream)
        time.sleep(1.5)
        ai.end(("done", DONE))
        told = rest_of(stream)
    assert told[-1]["reply"]["message"]["user"]["name"].startswith("User "), told  # asked of the database


# ── what breaks off ──

def what_was_said_is_kept_when_the_client_goes(world):
    user, token = world.new_user()
    with Script(world) as ai:
        stream = begin(world, token)
        ai.say(("delta", {"text": " There are "}))
        next_of(stream)
        stream.response.close()
        stream.close()
        eventually(lambda: "|" in stored(world, user))
        ai.end(("done", DONE))
    assert stored(world, user).endswith("|assistant:stopped:There are:-"), stored(world, user)
    history = world.gateway.graphql(f'{{ chatHistory(userId: "{user}") {{ nodes {{ state model }} }} }}', None, token)
    assert history.data["chatHistory"]["nodes"][1] == {"state": "STOPPED", "model": None}
    eventually(lambda: running(world) == 0)


def where_nothing_was_said_the_question_waits_for_a_repeat(world):
    user, token = world.new_user()
    question = new_id()
    with Script(world):
        stream = begin(world, token, "quiet", id=question)
        eventually(lambda: world.ai.asked_of("/v1/chat")[-1][1]["message"] == "quiet")
        capability = world.ai.asked_of("/v1/chat")[-1][1]["graphql"]["token"]
        eventually(lambda: running(world) == 1)
        stream.response.close()
        stream.close()
        eventually(lambda: running(world) == 0)
        assert world.gateway.graphql("{ apiTokens { id } }", None, capability).code == "UNAUTHENTICATED"
    assert stored(world, user) == "user:complete:quiet:-", stored(world, user)
    told = rest_of(begin(world, token, "quiet", id=question))
    assert told[-1]["reply"]["message"]["content"] == DONE["content"], told


def what_was_said_is_kept_when_ai_breaks_off(world):
    breaks = {
        "error": (("error", {"code": "INTERNAL", "message": "broken"}),),
        "no done": (),
        "bad done": (("done", {**DONE, "content": ""}),),
        "bad delta": (("delta", {"text": 7}),),
        "a list": (("delta", []),),
        "no arguments": (("tool", {"name": "graphql"}),),
        "too long": (("delta", {"text": "x" * 100_001}),),
        "U+0000": (("delta", {"text": "a\0b"}),),
        "too many tools": (("tool", TOOL),) * 51,
        "long arguments": (("tool", {"name": "graphql", "arguments": "x" * (64 << 10)}),),
    }
    for name, pairs in breaks.items():
        user, token = world.new_user()
        with Script(world) as ai:
            ai.end(("delta", {"text": "half a"}), *pairs)
            told = rest_of(begin(world, token))
        message = told[-1]["reply"]["message"]
        assert told[0] == {"__typename": "ChatDelta", "text": "half a"}, (name, told)
        assert (message["state"], message["content"], message["model"]) == ("BROKEN", "half a", None), (name, told)
        assert stored(world, user).endswith("|assistant:broken:half a:-"), name


def without_ai_the_figures_come_as_the_whole_answer(world):
    user, token = world.new_user()
    before = world.with_chat(lambda _: (503, {}))
    told = rest_of(begin(world, token))
    world.with_chat(before)
    assert [e["__typename"] for e in told] == ["ChatDone"] and told[0]["reply"]["degraded"] is True, told
    assert "out of reach" in told[0]["reply"]["message"]["content"]
    assert ":gateway" in stored(world, user)
    with Gateway(world.url) as alone:
        told = rest_of(begin(world, token, gateway=alone))
        assert told[0]["reply"]["message"]["model"] == "gateway", told


def a_silent_ai_is_waited_for_no_longer_than_it_may(world):
    _, token = world.new_user()
    with Gateway(world.url, AI_URL=world.ai.url, AI_TIMEOUT="1s") as hasty, Script(world) as ai:
        stream = begin(world, token, gateway=hasty)
        ai.say(("delta", {"text": "Well"}))
        told = rest_of(stream)
    assert told[-1]["reply"]["message"]["state"] == "BROKEN", told


def a_gateway_that_stops_keeps_what_was_said(world):
    user, token = world.new_user()
    with Script(world) as ai:
        with Gateway(world.url, AI_URL=world.ai.url) as gateway:
            stream = begin(world, token, gateway=gateway)
            ai.say(("delta", {"text": "half"}))
            next_of(stream)
            assert gateway.stop() == 0
        assert stream.next() is None
    assert stored(world, user).endswith("|assistant:broken:half:-"), stored(world, user)


def who_logs_out_hears_no_more(world):
    user, token = world.new_user()
    with Script(world) as ai:
        stream = begin(world, token)
        ai.say(("delta", {"text": "half"}))
        next_of(stream)
        world.gateway.graphql("mutation { logout }", None, token)
        assert stream.next().code == "UNAUTHENTICATED" and stream.next() is None
        eventually(lambda: stored(world, user).endswith("|assistant:stopped:half:-"))


def a_question_is_kept_when_its_answer_cannot_be_stored(world):
    user, token = world.new_user()
    with Script(world) as ai:
        stream = begin(world, token, "cut off")
        ai.say(("delta", {"text": "half"}))
        next_of(stream)
        world.sql(f"DELETE FROM users WHERE id = '{user}'")
        ai.end(("done", DONE))
        answer = stream.next()
        while "errors" not in answer.json:
            answer = stream.next()
        assert answer.code == "UNAUTHENTICATED" and stream.next() is None, answer.text


# ── going on ──

def broken_answer(world, token, said="There are"):
    """The id of an answer that broke off, and its conversation."""
    with Script(world) as ai:
        ai.end(("delta", {"text": said}))
        reply = rest_of(begin(world, token, "How many tasks?"))[-1]["reply"]
    return reply["message"]["id"], reply["conversationId"]


def an_answer_that_broke_off_is_gone_on_with(world):
    user, token = world.new_user()
    answer, talk = broken_answer(world, token)
    told = rest_of(begin(world, token, "go on", continueMessageId=answer))
    asked = world.ai.asked_of("/v1/chat")[-1][1]
    assert asked["continue"] == {"question": "How many tasks?", "content": "There are"}, asked
    assert asked["message"] == "go on" and asked["history"][-1]["content"] == "There are", asked
    assert told[-1]["reply"]["conversationId"] == talk
    assert stored(world, user).count("|") == 3
    again = world.gateway.graphql(CHAT, {"input": {"message": "go on", "continueMessageId": answer}}, token)
    assert again.data["chat"]["conversationId"] == talk, again.text
    rest_of(begin(world, token, "something new", conversationId=talk))
    assert "continue" not in world.ai.asked_of("/v1/chat")[-1][1]


def only_ones_own_broken_answers_are_gone_on_with(world):
    user, token = world.new_user()
    _, stranger = world.new_user()
    answer, talk = broken_answer(world, token)
    whole = world.chat(token, "whole").data["chat"]
    cases = [
        (token, "BAD_USER_INPUT", {"continueMessageId": "x"}),
        (token, "NOT_FOUND", {"continueMessageId": new_id()}),
        (stranger, "NOT_FOUND", {"continueMessageId": answer}),
        (token, "CONFLICT", {"continueMessageId": whole["message"]["id"]}),
        (token, "BAD_USER_INPUT", {"continueMessageId": answer, "insteadOf": new_id()}),
    ]
    before = stored(world, user)
    for who, code, sent in cases:
        status, told, message = refusal(begin(world, who, "go on", **sent))
        assert (status, told) == (400, code) and message.startswith("input.continueMessageId:"), (sent, told, message)
        assert world.gateway.graphql(CHAT, {"input": {"message": "go on", **sent}}, who).code == code
    status, told, message = refusal(begin(world, token, continueMessageId=answer, conversationId=whole["conversationId"]))
    assert (told, message.split(":")[0]) == ("NOT_FOUND", "input.conversationId"), message
    world.sql(f"UPDATE conversations SET deleted_at = now() WHERE id = '{talk}'")
    assert refusal(begin(world, token, continueMessageId=answer))[1] == "NOT_FOUND"
    assert stored(world, user) == before


# ── input ──

def what_is_wrong_with_a_question_is_told_before_the_stream_begins(world):
    _, token = world.new_user()
    for field, code, sent in (("message", "BAD_USER_INPUT", {"message": " "}), ("id", "BAD_USER_INPUT", {"id": "x"}),
                              ("conversationId", "NOT_FOUND", {"conversationId": new_id()}),
                              ("insteadOf", "NOT_FOUND", {"insteadOf": new_id()})):
        status, told, message = refusal(begin(world, token, **{"message": "x", **sent}))
        assert (status, told) == (400, code) and message.startswith(f"input.{field}:"), (sent, told, message)
    assert refusal(begin(world, None))[1] == "UNAUTHENTICATED"
    with Gateway(world.url, AI_URL=world.ai.url, CHAT_LIMIT="2") as strict:
        _, other = world.new_user()
        for _ in range(2):
            rest_of(begin(world, other, gateway=strict))
        assert refusal(begin(world, other, gateway=strict))[1] == "RATE_LIMITED"


def many_at_once_are_told_each_its_own(world):
    talks = [world.new_user() for _ in range(12)]
    before = world.with_chat(lambda body: (200, events(
        ("delta", {"text": body["message"]}), ("done", {**DONE, "content": body["message"]}))))
    told = [None] * len(talks)

    def run(i):
        told[i] = rest_of(begin(world, talks[i][1], f"question {i}"))
    threads = [threading.Thread(target=run, args=(i,)) for i in range(len(talks))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT_S)
    world.with_chat(before)
    for i, one in enumerate(told):
        assert one[0]["text"] == one[-1]["reply"]["message"]["content"] == f"question {i}", one


# ── over a socket ──

def a_socket_carries_it_too_and_its_end_stops_the_answer(world):
    user, token = world.new_user()
    question = {"input": {"message": "How many tasks?"}}
    with WebSocket(world.gateway, token) as socket:
        with Script(world) as ai:
            ai.end(("delta", {"text": "There"}), ("done", DONE))
            *told, last = socket.run("1", STREAM, question)
        kinds = [m["payload"]["data"]["chatStream"]["__typename"] for m in told]
        assert kinds == ["ChatDelta", "ChatDone"] and last["type"] == "complete", (told, last)
        with Script(world) as ai:
            socket.subscribe("2", STREAM, question)
            ai.say(("delta", {"text": "half"}))
            assert socket.next()["payload"]["data"]["chatStream"]["text"] == "half"
            socket.send({"id": "2", "type": "complete"})
            eventually(lambda: stored(world, user).endswith("|assistant:stopped:half:-"))
        (refused,) = socket.run("3", STREAM, {"input": {"message": " "}})
        assert refused["type"] == "error" and refused["payload"][0]["extensions"]["code"] == "BAD_USER_INPUT", refused


def main():
    with Postgres() as postgres, FakeAi() as ai, \
            Gateway(postgres.url, AI_URL=ai.url, CHAT_LIMIT="1000") as gateway:
        world = World(postgres, gateway, ai)
        run_tests([
            the_answer_is_told_as_it_is_written,
            tool_calls_stand_where_they_were_made,
            the_same_id_gives_the_stored_reply_at_once,
            an_answer_that_takes_longer_than_a_request_may_is_told_whole,
            what_was_said_is_kept_when_the_client_goes,
            where_nothing_was_said_the_question_waits_for_a_repeat,
            what_was_said_is_kept_when_ai_breaks_off,
            without_ai_the_figures_come_as_the_whole_answer,
            a_silent_ai_is_waited_for_no_longer_than_it_may,
            a_gateway_that_stops_keeps_what_was_said,
            who_logs_out_hears_no_more,
            a_question_is_kept_when_its_answer_cannot_be_stored,
            an_answer_that_broke_off_is_gone_on_with,
            only_ones_own_broken_answers_are_gone_on_with,
            what_is_wrong_with_a_question_is_told_before_the_stream_begins,
            many_at_once_are_told_each_its_own,
            a_socket_carries_it_too_and_its_end_stops_the_answer,
        ], world)


if __name__ == "__main__":
    main()
