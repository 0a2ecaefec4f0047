#!/usr/bin/env python3
"""Chats: what is stored when, what is said while the ai service is away, whose a conversation is, and
what the assistant may ask back. Usage: gateway_chat_test.py PROGRAM"""

import json
import os
import re
import subprocess
import sys
import tempfile
import time
import uuid

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../support"))
from fake_ai import DONE, FakeAi, events  # noqa: E402
from gateway_rig import Client, Gateway, Postgres, Stream, at_once, create_user, eventually, run_tests  # noqa: E402
from ids import new_id  # noqa: E402

MESSAGE = ("id conversationId role content user { name } timestamp state insteadOf model "
           "citations { label query variables data }")
CHAT = "mutation($input: ChatInput!) { chat(input: $input) { conversationId degraded message { " + MESSAGE + " } } }"
HISTORY = ("query($user: ID!, $conversation: ID, $first: Int, $after: String, $last: Int, $before: String) "
           "{ chatHistory(userId: $user, conversationId: $conversation, first: $first, after: $after, "
           "last: $last, before: $before) { totalCount nodes { id role content } edges { cursor } "
           "pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }")
CONVERSATIONS = ("query($user: ID!, $search: String) { conversations(userId: $user, search: $search) "
                 "{ id title messageCount lastMessageAt createdAt } }")


class World:
    def __init__(self, postgres, gateway, ai):
        self.postgres, self.url, self.gateway, self.ai = postgres, postgres.url, gateway, ai
        self.admin = gateway.set_up()
        self.users = 0

    def new_user(self, role="VIEWER"):
        """Id and session."""
        self.users += 1
        email = f"user{self.users}@example.org"
        return create_user(self.gateway, self.admin, email, role, f"User {self.users}"), self.gateway.login(email)

    def chat(self, token, message="How many tasks?", **more):
        return self.gateway.graphql(CHAT, {"input": {"message": message, **more}}, token)

    def sql(self, text):
        done = subprocess.run(["psql", self.url, "-AtXqc", text], check=True, capture_output=True, text=True)
        return done.stdout.strip()

    def with_chat(self, answer):
        """The ai service answers chats so from now on; gives what it did before."""
        before, self.ai.answers["/v1/chat"] = self.ai.answers["/v1/chat"], answer
        return before


# ── a question and its answer ──

def a_question_is_answered_and_both_are_stored(world):
    user, token = world.new_user()
    reply = world.chat(token, "How many tasks\nare there?").data["chat"]
    assert reply["degraded"] is False
    message = reply["message"]
    assert message["content"] == DONE["content"] and message["model"] == "script-1"
    assert message["role"] == "ASSISTANT" and message["state"] == "COMPLETE"
    assert message["citations"] == DONE["citations"], message
    assert message["conversationId"] == reply["conversationId"]
    assert message["user"] == {"name": f"User {world.users}"}
    nodes = world.gateway.graphql(HISTORY, {"user": user}, token).data["chatHistory"]["nodes"]
    assert [(n["role"], n["content"]) for n in nodes] == [
        ("USER", "How many tasks\nare there?"), ("ASSISTANT", DONE["content"])], nodes
    talk = world.gateway.graphql(CONVERSATIONS, {"user": user}, token).data["conversations"]
    assert [(c["id"], c["title"], c["messageCount"]) for c in talk] == [
        (reply["conversationId"], "How many tasks are there?", 2)], talk


def what_ai_is_asked_is_what_the_protocol_says(world):
    _, token = world.new_user("OPERATOR")
    first = world.chat(token, "first").data["chat"]
    world.chat(token, "second", conversationId=first["conversationId"])
    _, body, headers = world.ai.asked_of("/v1/chat")[-1]
    assert body["message"] == "second"
    assert body["history"] == [{"role": "user", "content": "first"},
                               {"role": "assistant", "content": DONE["content"]}], body
    assert body["user"] == {"name": f"User {world.users}", "role": "OPERATOR"}
    assert abs(body["now_us"] / 1e6 - time.time()) < 3600
    assert body["graphql"]["url"] == f"http://{world.gateway.host}:{world.gateway.port}"
    assert body["graphql"]["token"].startswith("wlc_")
    assert headers["Authorization"] == "Bearer service-secret"


def the_question_is_committed_before_ai_is_asked(world):
    user, token = world.new_user()
    seen = []

    def look(body):
        seen.append(world.sql("SELECT m.content || '/' || c.message_count FROM chat_messages AS m "
                              f"JOIN conversations AS c ON c.id = m.conversation_id WHERE m.user_id = '{user}'"))
        return 200, events(("done", DONE))
    before = world.with_chat(look)
    assert world.chat(token, "stored first?").code == "ok"
    world.with_chat(before)
    assert seen == ["stored first?/1"], seen


def the_answer_is_stored_when_the_client_has_gone(world):
    user, token = world.new_user()
    world.ai.gate.clear()

    def hang(body):
        world.ai.hang()
        return 200, events(("done", DONE))
    asked = len(world.ai.asked_of("/v1/chat"))
    before = world.with_chat(hang)
    client = Client(world.gateway, token)
    body = json.dumps({"query": CHAT, "variables": {"input": {"message": "gone"}}})
    client.connection.request("POST", "/graphql", body, {"Content-Type": "application/json",
                                                         "Authorization": f"Bearer {token}"})
    eventually(lambda: len(world.ai.asked_of("/v1/chat")) > asked)
    client.close()
    world.ai.release()
    eventually(lambda: world.sql(f"SELECT count(*) FROM chat_messages WHERE user_id = '{user}'") == "2")
    world.with_chat(before)


# ── the same question again ──

def the_same_id_gives_the_stored_reply(world):
    user, token = world.new_user()
    question = new_id()
    first = world.chat(token, "again?", id=question).data
    asked = len(world.ai.asked_of("/v1/chat"))
    assert world.chat(token, "again?", id=question).data == first
    assert len(world.ai.asked_of("/v1/chat")) == asked
    other = world.chat(token, "something else", id=question)
    assert other.code == "CONFLICT" and "input.id" in other.error["message"], other.text
    _, stranger = world.new_user()
    assert world.chat(stranger, "again?", id=question).code == "CONFLICT"
    answer_id = first["chat"]["message"]["id"]
    assert world.chat(token, DONE["content"], id=answer_id).code == "CONFLICT"
    assert world.sql(f"SELECT count(*) FROM chat_messages WHERE user_id = '{user}'") == "2"
    assert world.sql(f"SELECT message_count FROM conversations WHERE user_id = '{user}'") == "2"


def the_same_id_many_times_at_once_is_one_question_with_one_answer(world):
    user, token = world.new_user()
    question = new_id()
    answers = at_once(8, lambda i: world.chat(token, "at once", id=question))
    assert {a.code for a in answers} == {"ok"}, [a.text for a in answers]
    assert len({a.data["chat"]["message"]["id"] for a in answers}) == 1
    assert world.sql("SELECT string_agg(role::text, ' ' ORDER BY id) FROM chat_messages "
                     f"WHERE user_id = '{user}'") == "user assistant"
    assert world.sql(f"SELECT string_agg(message_count::text, ' ') FROM conversations WHERE user_id = '{user}'") == "2"


def a_question_without_an_answer_is_answered_when_it_comes_again(world):
    user, token = world.new_user()
    question = new_id()
    talk = new_id()
    world.sql(f"INSERT INTO conversations (id, user_id, title, message_count) VALUES ('{talk}', '{user}', 't', 1); "
              "INSERT INTO chat_messages (id, conversation_id, role, content, user_id) "
              f"VALUES ('{question}', '{talk}', 'user', 'left alone', '{user}')")
    reply = world.chat(token, "left alone", id=question).data["chat"]
    assert reply["conversationId"] == talk and reply["message"]["content"] == DONE["content"]
    assert world.sql(f"SELECT message_count FROM conversations WHERE id = '{talk}'") == "2"


# ── without ai ──

def an_answer_is_given_whatever_ai_does(world):
    world.sql("INSERT INTO task_counts (type, status, count) VALUES ('email', 'pending', 3), "
              "('email', 'failed', 2), ('report', 'completed', 1200) ON CONFLICT DO NOTHING")
    cases = {
        "503": lambda _: (503, {"code": "UNAVAILABLE", "detail": "no"}),
        "400": lambda _: (400, {"code": "BAD_USER_INPUT", "detail": "no"}),
        "no stream": lambda _: (200, {"content": "x"}),
        "no done": lambda _: (200, events(("delta", {"text": "half"}))),
        "error": lambda _: (200, events(("error", {"code": "INTERNAL", "message": "broken"}))),
        "no JSON": lambda _: (200, b"event: done\ndata: {\n\n"),
        "a list": lambda _: (200, events(("done", []))),
        "no content": lambda _: (200, events(("done", {**DONE, "content": " "}))),
        "U+0000": lambda _: (200, events(("done", {**DONE, "content": "a\0b"}))),
        "content is a number": lambda _: (200, events(("done", {**DONE, "content": 7}))),
        "too long": lambda _: (200, events(("done", {**DONE, "content": "x" * 100_001}))),
        "no model": lambda _: (200, events(("done", {**DONE, "model": None}))),
        "bad citation": lambda _: (200, events(("done", {**DONE, "citations": [{"label": 1}]}))),
        "endless": lambda _: (200, b"data: " + b"x" * (5 << 20)),
    }
    before = world.ai.answers["/v1/chat"]
    for name, answer in cases.items():
        user, token = world.new_user()
        world.with_chat(answer)
        reply = world.chat(token).data["chat"]
        message = reply["message"]
        assert reply["degraded"] is True and message["model"] == "gateway", (name, reply)
        assert "out of reach" in message["content"], (name, reply)
        assert "3 pending, 0 in progress, 1200 completed, 2 failed" in message["content"], (name, reply)
        figures = message["citations"][0]["data"]["dashboardStats"]["tasks"]
        assert figures == {"pending": 3, "inProgress": 0, "completed": 1200, "failed": 2}, name
        assert world.sql(f"SELECT string_agg(role::text, ' ' ORDER BY id) FROM chat_messages WHERE user_id = '{user}'"
                         ) == "user assistant", name
    world.with_chat(before)


def a_slow_ai_is_waited_for_no_longer_than_it_may(world):
    world.ai.gate.clear()

    def hang(body):
        world.ai.hang()
        return 200, events(("done", DONE))
    before = world.with_chat(hang)
    with Gateway(world.url, AI_URL=world.ai.url, AI_TIMEOUT="300ms") as impatient:
        _, token = world.new_user()
        question = new_id()
        reply = impatient.graphql(CHAT, {"input": {"message": "slow?", "id": question}}, token).data["chat"]
        assert reply["degraded"] is True
        world.ai.release()
        world.with_chat(before)
        again = impatient.graphql(CHAT, {"input": {"message": "slow?", "id": question}}, token).data["chat"]
        assert again == reply  # what was said stays said


def an_answer_is_given_within_the_requests_own_time(world):
    world.ai.gate.clear()

    def hang(body):
        world.ai.hang()
        return 200, events(("done", DONE))
    before = world.with_chat(hang)
    with Gateway(world.url, AI_URL=world.ai.url, REQUEST_TIMEOUT="2s") as hasty:
        def is_answered():  # on a machine with no time to store it in, the next one is
            answer = hasty.graphql(CHAT, {"input": {"message": "slow?"}}, world.new_user()[1])
            return answer.code == "ok" and answer.data["chat"]["degraded"] is True
        try:
            eventually(is_answered)
        finally:
            world.ai.release()
            world.with_chat(before)


def no_ai_at_all_is_told_and_it_comes_back(world):
    _, token = world.new_user()
    with Gateway(world.url) as alone:
        reply = alone.graphql(CHAT, {"input": {"message": "anybody?"}}, token).data["chat"]
        assert reply["degraded"] is True and reply["message"]["model"] == "gateway"
    with tempfile.TemporaryDirectory() as folder, \
            Gateway(world.url, AI_URL=f"unix:{folder}/ai.sock") as waiting:
        ask = lambda: waiting.graphql(CHAT, {"input": {"message": "anybody?"}}, world.new_user()[1]).data["chat"]  # noqa: E731
        assert ask()["degraded"] is True
        with FakeAi(f"{folder}/ai.sock"):
            eventually(lambda: not ask()["degraded"])
            waiting.wait_for_log(r"event=ai\.up")
        eventually(lambda: ask()["degraded"])
        waiting.wait_for_log(r"event=ai\.down")


def ai_that_says_it_is_degraded_is_believed(world):
    _, token = world.new_user()
    before = world.with_chat(lambda _: (200, events(("done", {**DONE, "model": "analyst", "is_degraded": True}))))
    question = new_id()
    reply = world.chat(token, id=question).data["chat"]
    world.with_chat(before)
    assert reply["degraded"] is True and reply["message"]["model"] == "analyst"
    assert world.chat(token, id=question).data["chat"] == reply


def when_even_that_cannot_be_stored_the_question_is_kept(world):
    with Gateway(world.url, AI_URL=world.ai.url, REQUEST_TIMEOUT="3s") as hasty:
        for good, code in ((False, "AI_UNAVAILABLE"), (True, "DATABASE_UNAVAILABLE")):
            _, token = world.new_user()
            question = new_id()

            def answer(_, is_good=good):
                world.postgres.tell("kill")
                return (200, events(("done", DONE))) if is_good else (503, {})
            before = world.with_chat(answer)
            sent = {"input": {"message": "cut off", "id": question}}
            told = hasty.graphql(CHAT, sent, token)
            assert told.code in (code, "TIMEOUT") and (good or told.code == code), told.text
            world.postgres.tell("launch")
            world.postgres.tell("wait")
            world.with_chat(before)
            assert world.sql(f"SELECT content FROM chat_messages WHERE id = '{question}'") == "cut off"
            again = eventually(lambda s=sent, t=token: (a := hasty.graphql(CHAT, s, t)).code == "ok" and a)
            assert again.data["chat"]["message"]["content"] == DONE["content"]
    eventually(lambda: world.chat(world.new_user()[1]).code == "ok")


def what_became_of_the_calls_is_counted(world):
    def counted(result):
        found = re.search(rf'^windlass_ai_calls_total{{result="{result}"}} (\d+)', world.gateway.get("/metrics").text,
                          re.M)
        return int(found.group(1)) if found else 0
    _, token = world.new_user()
    answered, failed = counted("answered"), counted("failed")
    world.chat(token)
    before = world.with_chat(lambda _: (503, {}))
    world.chat(token)
    world.with_chat(before)
    eventually(lambda: counted("answered") > answered and counted("failed") > failed)
    eventually(lambda: "\nwindlass_ai_running 0\n" in world.gateway.get("/metrics").text)


# ── input ──

def what_is_wrong_with_a_question_is_named(world):
    user, token = world.new_user()
    _, stranger = world.new_user()
    theirs = world.chat(stranger).data["chat"]["conversationId"]
    cases = [
        ("input.message", "BAD_USER_INPUT", {"message": ""}),
        ("input.message", "BAD_USER_INPUT", {"message": " \n "}),
        ("input.message", "BAD_USER_INPUT", {"message": "ä" * 8001}),
        ("input.message", "BAD_USER_INPUT", {"message": "a\0b"}),
        ("input.id", "BAD_USER_INPUT", {"id": "x"}),
        ("input.id", "BAD_USER_INPUT", {"id": str(uuid.uuid4())}),
        ("input.id", "BAD_USER_INPUT", {"id": new_id(time.time() + 2 * 3600)}),
        ("input.id", "BAD_USER_INPUT", {"id": new_id(time.time() - 8 * 24 * 3600)}),
        ("input.id", "BAD_USER_INPUT", {"id": new_id()[:19] + "bfff-ffffffffffff"}),
        ("input.conversationId", "BAD_USER_INPUT", {"conversationId": "x"}),
        ("input.conversationId", "NOT_FOUND", {"conversationId": new_id()}),
        ("input.conversationId", "NOT_FOUND", {"conversationId": theirs}),
        ("input.insteadOf", "NOT_FOUND", {"insteadOf": new_id()}),
    ]
    for field, code, change in cases:
        answer = world.chat(token, **{"message": "x", **change})
        assert answer.code == code and answer.error["message"].startswith(field + ":"), (change, answer.text)
    assert world.chat(token, "ä" * 8000).code == "ok"
    assert world.sql(f"SELECT count(*) FROM chat_messages WHERE user_id = '{user}'") == "2"


def a_user_may_ask_so_often(world):
    with Gateway(world.url, AI_URL=world.ai.url, CHAT_LIMIT="3") as strict:
        _, token = world.new_user()
        _, other = world.new_user()
        ask = lambda who: strict.graphql(CHAT, {"input": {"message": "x"}}, who)  # noqa: E731
        assert [ask(token).code for _ in range(4)] == ["ok"] * 3 + ["RATE_LIMITED"]
        refused = ask(token)
        assert refused.error["extensions"]["retryAfterSeconds"] > 0 and refused.headers["Retry-After"]
        assert ask(other).code == "ok"


def a_replaced_turn_is_not_told_again(world):
    _, token = world.new_user()
    first, second, third = (new_id(time.time() - ago_s) for ago_s in (3, 2, 1))
    talk = world.chat(token, "one", id=first).data["chat"]["conversationId"]
    world.chat(token, "two", id=second, conversationId=talk)
    edited = world.chat(token, "two, better", id=third, insteadOf=second)
    assert edited.data["chat"]["conversationId"] == talk, edited.text
    said = lambda: [m["content"] for m in world.ai.asked_of("/v1/chat")[-1][1]["history"]]  # noqa: E731
    assert said() == ["one", DONE["content"]], said()
    world.chat(token, "three", conversationId=talk)
    assert said() == ["one", DONE["content"], "two, better", DONE["content"]], said()
    elsewhere = world.chat(token, "x").data["chat"]["conversationId"]
    wrong = world.chat(token, "y", conversationId=elsewhere, insteadOf=second)
    assert wrong.code == "NOT_FOUND", wrong.text


def the_history_is_bounded_by_messages_and_by_bytes(world):
    _, token = world.new_user()
    limits = {"CHAT_HISTORY_MAX": "3", "CHAT_HISTORY_LIMIT": "100", "CHAT_LIMIT": "100"}
    with Gateway(world.url, AI_URL=world.ai.url, **limits) as brief:
        ask = lambda text, **more: brief.graphql(CHAT, {"input": {"message": text, **more}}, token).data["chat"]  # noqa: E731
        talk = ask("m1")["conversationId"]
        ask("m2", conversationId=talk)
        ask("m3", conversationId=talk)
        said = lambda: [m["content"] for m in world.ai.asked_of("/v1/chat")[-1][1]["history"]]  # noqa: E731
        assert said() == [DONE["content"], "m2", DONE["content"]], said()
        ask("long " * 20, conversationId=talk)
        ask("m5", conversationId=talk)
        assert said() == [DONE["content"]], said()  # the long one does not fit, nor what is before it


# ── what ai may ask back ──

def ask_back(world, queries):
    """What ai gets for these (query, variables) during a chat of a new OPERATOR; and its token and user."""
    user, token = world.new_user("OPERATOR")
    got = {"user": user, "token": token}

    def answer(body):
        got["capability"] = body["graphql"]["token"]
        got["answers"] = [world.gateway.graphql(*query, token=got["capability"]) for query in queries]
        return 200, events(("done", DONE))
    before = world.with_chat(answer)
    assert world.chat(token).code == "ok"
    world.with_chat(before)
    return got


def ai_asks_back_as_the_user_six_times(world):
    got = ask_back(world, [("{ me { id role } apiTokens { id } }",)] * 7)
    for answer in got["answers"][:6]:
        assert answer.data["me"] == {"id": got["user"], "role": "OPERATOR"}, answer.text
    assert got["answers"][6].code == "UNAUTHENTICATED", got["answers"][6].text
    after = world.gateway.graphql("{ apiTokens { id } }", None, got["capability"])
    assert after.code == "UNAUTHENTICATED", after.text


def ai_may_do_no_more_than_its_user_and_only_query(world):
    stranger, _ = world.new_user()
    history = "query($user: ID!) { chatHistory(userId: $user) { nodes { content } } }"
    got = ask_back(world, [
        ("mutation { logout }",), (CHAT, {"input": {"message": "again"}}),
        ('mutation { login(email: "x@example.org", password: "y") { token } }',),
        (history, {"user": stranger}), ("{ users { nodes { id } } }",)])
    codes = [a.code for a in got["answers"]]
    assert codes == ["FORBIDDEN", "FORBIDDEN", "FORBIDDEN", "FORBIDDEN", "ok"], [a.text for a in got["answers"]]
    assert world.gateway.graphql("{ apiTokens { id } }", None, got["token"]).code == "ok"  # no logout


def ai_gets_no_stream(world):
    _, token = world.new_user()
    streamed = []

    def answer(body):
        stream = Stream(world.gateway, "subscription { healthChanged { status } }", body["graphql"]["token"])
        streamed.append((stream.response.status, stream.response.read().decode()))
        stream.close()
        return 200, events(("done", DONE))
    before = world.with_chat(answer)
    assert world.chat(token).code == "ok"
    world.with_chat(before)
    assert "FORBIDDEN" in streamed[0][1], streamed


def ai_is_nobody_once_its_user_is(world):
    user, token = world.new_user("OPERATOR")
    codes = []

    def answer(body):
        back = lambda: world.gateway.graphql("{ users { nodes { id } } }", None, body["graphql"]["token"]).code  # noqa: E731
        codes.append(back())
        world.gateway.graphql('mutation($id: ID!) { updateUser(id: $id, input: { role: VIEWER }) { id } }',
                              {"id": user}, world.admin)
        codes.append(back())
        world.gateway.graphql("mutation { logout }", None, token)
        codes.append(back())
        return 200, events(("done", DONE))
    before = world.with_chat(answer)
    world.chat(token)
    world.with_chat(before)
    assert codes == ["ok", "FORBIDDEN", "UNAUTHENTICATED"], codes


def a_capability_is_good_at_its_own_gateway_only(world):
    got = []
    with Gateway(world.url, AI_URL=world.ai.url) as other:
        def answer(body):
            got.append(other.graphql("{ apiTokens { id } }", None, body["graphql"]["token"]).code)
            return 200, events(("done", DONE))
        before = world.with_chat(answer)
        world.chat(world.new_user()[1])
        world.with_chat(before)
    assert got == ["UNAUTHENTICATED"], got


# ── conversations ──

RENAME = "mutation($id: ID!, $title: String!) { renameConversation(id: $id, title: $title) { id title } }"
DELETE = "mutation($id: ID!) { deleteConversation(id: $id) }"
RESTORE = "mutation($id: ID!) { restoreConversation(id: $id) { id title messageCount } }"


def titles(world, user, token, search=None):
    found = world.gateway.graphql(CONVERSATIONS, {"user": user, "search": search}, token)
    return [c["title"] for c in found.data["conversations"]]


def conversations_are_listed_renamed_and_found(world):
    user, token = world.new_user()
    ids = [world.chat(token, text).data["chat"]["conversationId"]
           for text in ("Why did email fail?", "x" * 100, "ä " * 40 + "end\tof it")]
    assert titles(world, user, token) == [("ä " * 30).strip() + "…", "x" * 60 + "…", "Why did email fail?"]
    world.chat(token, "and 100% of REPORT_s?", conversationId=ids[0])
    assert titles(world, user, token)[0] == "Why did email fail?"  # the newest message first
    assert world.gateway.graphql(RENAME, {"id": ids[1], "title": " Xs "}, token).data["renameConversation"] == {
        "id": ids[1], "title": "Xs"}
    for search, expected in (("EMAIL", ["Why did email fail?"]), ("report_", ["Why did email fail?"]),
                             ("100%", ["Why did email fail?"]), ("xs", ["Xs"]), ("nothing_", []), ("end", [
                                 ("ä " * 30).strip() + "…"])):
        assert titles(world, user, token, search) == expected, search
    for bad in ("", " ", "x" * 201, "a\u0007"):
        assert world.gateway.graphql(RENAME, {"id": ids[0], "title": bad}, token).code == "BAD_USER_INPUT", bad
    assert world.gateway.graphql(CONVERSATIONS, {"user": user, "search": "x" * 501}, token).code == "BAD_USER_INPUT"


def a_deleted_conversation_is_gone_and_can_come_back(world):
    user, token = world.new_user()
    question = new_id()
    talk = world.chat(token, "delete me", id=question).data["chat"]["conversationId"]
    world.chat(token, "keep me")
    act = lambda query, **v: world.gateway.graphql(query, {"id": talk, **v}, token)  # noqa: E731
    assert act(RESTORE).code == "NOT_FOUND"
    assert act(DELETE).data == {"deleteConversation": True}
    assert act(DELETE).code == "NOT_FOUND" and act(RENAME, title="t").code == "NOT_FOUND"
    assert titles(world, user, token) == ["keep me"]
    whole = world.gateway.graphql(HISTORY, {"user": user}, token).data["chatHistory"]
    assert [n["content"] for n in whole["nodes"]] == ["keep me", DONE["content"]] and whole["totalCount"] == 2
    gone = world.gateway.graphql(HISTORY, {"user": user, "conversation": talk}, token).data["chatHistory"]
    assert gone["nodes"] == [] and gone["totalCount"] == 0
    assert world.chat(token, "more", conversationId=talk).code == "NOT_FOUND"
    assert world.chat(token, "delete me", id=question).code == "NOT_FOUND"
    assert act(RESTORE).data["restoreConversation"] == {"id": talk, "title": "delete me", "messageCount": 2}
    assert titles(world, user, token) == ["keep me", "delete me"]
    assert act(DELETE).code == "ok"
    world.sql(f"UPDATE conversations SET deleted_at = now() - interval '25 hours' WHERE id = '{talk}'")
    assert act(RESTORE).code == "NOT_FOUND"


def what_was_deleted_a_day_ago_goes_with_its_messages(world):
    user, token = world.new_user()
    old, young, kept = (world.chat(token, text).data["chat"]["conversationId"] for text in ("old", "young", "kept"))
    world.sql(f"UPDATE conversations SET deleted_at = now() - interval '25 hours' WHERE id = '{old}'; "
              f"UPDATE conversations SET deleted_at = now() - interval '23 hours' WHERE id = '{young}'")
    world.sql("INSERT INTO conversations (id, title, deleted_at) SELECT gen_random_uuid(), 'many', "
              "now() - interval '2 days' FROM generate_series(1, 450)")  # more than one statement takes
    with Gateway(world.url):
        eventually(lambda: world.sql("SELECT count(*) FROM conversations WHERE title = 'many'") == "0")
        eventually(lambda: world.sql(f"SELECT count(*) FROM conversations WHERE id = '{old}'") == "0")
    left = world.sql("SELECT string_agg(content, ' ' ORDER BY id) FROM chat_messages "
                     f"WHERE user_id = '{user}' AND role = 'user'")
    assert left == "young kept", (left, kept)


# ── history ──

def pages_of_a_history_put_together_are_all_of_it(world):
    user, token = world.new_user()
    talk = None
    for i in range(6):
        talk = world.chat(token, f"m{i}", conversationId=talk).data["chat"]["conversationId"]
    other = world.chat(token, "elsewhere").data["chat"]["conversationId"]
    ask = lambda **v: world.gateway.graphql(HISTORY, {"user": user, **v}, token).data["chatHistory"]  # noqa: E731
    everything = ask()
    assert [n["role"] for n in everything["nodes"]] == ["USER", "ASSISTANT"] * 7 and everything["totalCount"] == 14
    assert not everything["pageInfo"]["hasNextPage"] and not everything["pageInfo"]["hasPreviousPage"]
    for conversation, whole in ((None, [n["id"] for n in everything["nodes"]]),
                                (talk, [n["id"] for n in everything["nodes"]][:12])):
        for size in (1, 5, 12, 20):
            seen, after = [], None
            while True:
                page = ask(conversation=conversation, first=size, after=after)
                seen += [n["id"] for n in page["nodes"]]
                after = page["pageInfo"]["endCursor"]
                assert page["totalCount"] == len(whole)
                if not page["pageInfo"]["hasNextPage"]:
                    break
            assert seen == whole, (conversation, size)
            seen, before = [], None
            while True:
                page = ask(conversation=conversation, last=size, before=before)
                seen = [n["id"] for n in page["nodes"]] + seen
                before = page["pageInfo"]["startCursor"]
                if not page["pageInfo"]["hasPreviousPage"]:
                    break
            assert seen == whole, (conversation, size)
    page = ask(first=20, after=everything["edges"][1]["cursor"], before=everything["edges"][5]["cursor"])
    assert [n["id"] for n in page["nodes"]] == whole[2:5]
    assert len(ask(conversation=other)["nodes"]) == 2
    assert ask(first=0)["nodes"] == []
    for bad in ({"first": 501}, {"first": 1, "last": 1}, {"after": "x"}):
        answer = world.gateway.graphql(HISTORY, {"user": user, **bad}, token)
        assert answer.code in ("BAD_USER_INPUT", "QUERY_TOO_COMPLEX"), answer.text
    users = world.gateway.graphql("{ users(first: 1) { pageInfo { endCursor } } }", None, world.admin)
    foreign = world.gateway.graphql(HISTORY, {"user": user, "after": users.data["users"]["pageInfo"]["endCursor"]}, token)
    assert foreign.code == "BAD_USER_INPUT" and "another list" in foreign.error["message"], foreign.text


def messages_of_many_users_are_theirs_newest_first(world):
    people = [world.new_user() for _ in range(3)]
    for n, (_, token) in enumerate(people):
        for i in range(n):
            world.chat(token, f"u{n} m{i}")
    query = ("{ users(last: 20) { nodes { id chatMessages(first: 3) { totalCount nodes { content user { id name } } "
             "pageInfo { hasNextPage } } } } }")
    found = {u["id"]: u["chatMessages"] for u in world.gateway.graphql(query, None, world.admin).data["users"]["nodes"]}
    assert found[people[0][0]] == {"totalCount": 0, "nodes": [], "pageInfo": {"hasNextPage": False}}
    assert [m["content"] for m in found[people[1][0]]["nodes"]] == [DONE["content"], "u1 m0"]
    last = found[people[2][0]]
    assert [m["content"] for m in last["nodes"]] == [DONE["content"], "u2 m1", DONE["content"]]
    assert last["totalCount"] == 4 and last["pageInfo"]["hasNextPage"]
    assert all(m["user"]["id"] == people[2][0] for m in last["nodes"])
    own = "query($id: ID!) { user(id: $id) { id chatMessages { nodes { id } } } }"
    assert len(world.gateway.graphql(own, {"id": people[1][0]}, people[1][1]).data["user"]["chatMessages"]["nodes"]) == 2
    _, operator = world.new_user("OPERATOR")
    all_users = world.gateway.graphql("{ users { nodes { id chatMessages { nodes { id } } } } }", None, operator)
    assert all_users.code == "FORBIDDEN" and people[1][0] not in all_users.text, all_users.text


def what_a_deleted_user_has_said_is_for_administrators(world):
    user, token = world.new_user()
    talk = world.chat(token, "secret of the deleted").data["chat"]["conversationId"]
    world.gateway.graphql("mutation($id: ID!) { deleteUser(id: $id) }", {"id": user}, world.admin)
    assert world.sql("SELECT count(*) FROM chat_messages WHERE content = 'secret of the deleted' "
                     "AND user_id IS NULL") == "1"
    asked = {"user": user, "conversation": talk}
    nodes = world.gateway.graphql(HISTORY, asked, world.admin).data["chatHistory"]["nodes"]
    assert [n["content"] for n in nodes] == ["secret of the deleted", DONE["content"]]
    for role in ("VIEWER", "OPERATOR"):
        other, stranger = world.new_user(role)
        assert world.gateway.graphql(HISTORY, asked, stranger).code == "FORBIDDEN"
        own = world.gateway.graphql(HISTORY, {"user": other, "conversation": talk}, stranger)
        assert own.data["chatHistory"]["nodes"] == [], own.text


def a_question_of_a_user_who_is_deleted_meanwhile_ends(world):
    user, token = world.new_user()

    def answer(_):
        world.gateway.graphql("mutation($id: ID!) { deleteUser(id: $id) }", {"id": user}, world.admin)
        return 200, events(("done", DONE))
    before = world.with_chat(answer)
    told = world.chat(token, "last words")
    world.with_chat(before)
    assert told.code == "UNAUTHENTICATED", told.text
    assert world.sql("SELECT count(*) FROM chat_messages WHERE content = 'last words'") == "1"


def main():
    with Postgres() as postgres, FakeAi() as ai, \
            Gateway(postgres.url, AI_URL=ai.url, GATEWAY_TOKEN="service-secret", CHAT_LIMIT="1000") as gateway:
        world = World(postgres, gateway, ai)
        run_tests([
            a_question_is_answered_and_both_are_stored,
            what_ai_is_asked_is_what_the_protocol_says,
            the_question_is_committed_before_ai_is_asked,
            the_answer_is_stored_when_the_client_has_gone,
            the_same_id_gives_the_stored_reply,
            the_same_id_many_times_at_once_is_one_question_with_one_answer,
            a_question_without_an_answer_is_answered_when_it_comes_again,
            an_answer_is_given_whatever_ai_does,
            a_slow_ai_is_waited_for_no_longer_than_it_may,
            an_answer_is_given_within_the_requests_own_time,
            no_ai_at_all_is_told_and_it_comes_back,
            ai_that_says_it_is_degraded_is_believed,
            what_became_of_the_calls_is_counted,
            what_is_wrong_with_a_question_is_named,
            a_user_may_ask_so_often,
            a_replaced_turn_is_not_told_again,
            the_history_is_bounded_by_messages_and_by_bytes,
            ai_asks_back_as_the_user_six_times,
            ai_may_do_no_more_than_its_user_and_only_query,
            ai_gets_no_stream,
            ai_is_nobody_once_its_user_is,
            a_capability_is_good_at_its_own_gateway_only,
            conversations_are_listed_renamed_and_found,
            a_deleted_conversation_is_gone_and_can_come_back,
            what_was_deleted_a_day_ago_goes_with_its_messages,
            pages_of_a_history_put_together_are_all_of_it,
            messages_of_many_users_are_theirs_newest_first,
            what_a_deleted_user_has_said_is_for_administrators,
            a_question_of_a_user_who_is_deleted_meanwhile_ends,
            when_even_that_cannot_be_stored_the_question_is_kept,
        ], world)


if __name__ == "__main__":
    main()
