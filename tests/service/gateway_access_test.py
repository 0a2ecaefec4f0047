#!/usr/bin/env python3
"""Who may do what: every root field for every kind of caller, and credentials that have lost what
they could do. The fields come from the served schema: one without a row here fails.
Usage: gateway_access_test.py PROGRAM"""

import itertools
import os
import subprocess
import sys
from datetime import datetime, timedelta, timezone

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../support"))
from gateway_rig import (CREATE, LOGIN, PASSWORD, SETUP, Answer, Client, Gateway, Postgres, Stream, create_user,  # noqa: E402
                         eventually, run_tests)

CALLERS = ["anonymous", "viewer", "operator", "admin", "owner"]
NOBODY, NO = "UNAUTHENTICATED", "FORBIDDEN"
# What the callers get, in their order. `owner` is a VIEWER who asks about himself and what is his;
# the others ask about him and what is his too.
ANYONE = ["ok"] * 5
SIGNED_IN = [NOBODY, "ok", "ok", "ok", "ok"]
OPERATOR = [NOBODY, NO, "ok", "ok", NO]
ADMIN = [NOBODY, NO, NO, "ok", NO]
SELF = [NOBODY, NO, NO, "ok", "ok"]
# There is no worker here: who gets so far may do it.
TO_WORKER = [NOBODY, NO, "WORKER_UNAVAILABLE", "WORKER_UNAVAILABLE", NO]
ASKS_WORKER = [NOBODY] + ["WORKER_UNAVAILABLE"] * 4
BY_FILTER = [NOBODY, NO, "ok", "ok", NO]  # nothing matches, so nothing is asked
OWN = [NOBODY, "NOT_FOUND", "NOT_FOUND", "NOT_FOUND", "ok"]

numbers = itertools.count(1)
NO_TASK = "01a20a5b-5f81-77cf-a575-d6d734ea8519"

# What is asked of the ai service, which is not there.
NO_AI = [NOBODY] + ["AI_UNAVAILABLE"] * 4


class World:
    """One installation with a user of each kind."""

    def __init__(self, gateway):
        self.gateway = gateway
        self.tokens = {"anonymous": None, "admin": gateway.set_up()}
        self.ids = {}
        for name, role in (("viewer", "VIEWER"), ("operator", "OPERATOR"), ("owner", "VIEWER")):
            self.ids[name] = create_user(gateway, self.admin, f"{name}@example.org", role)
            self.tokens[name] = gateway.login(f"{name}@example.org")

    @property
    def admin(self):
        return self.tokens["admin"]

    def as_(self, caller, query, variables=None):
        return self.gateway.graphql(query, variables, self.tokens[caller])

    def new_user(self, role="VIEWER"):
        """A user of his own for a test: id, email and a session."""
        email = f"user{next(numbers)}@example.org"
        return create_user(self.gateway, self.admin, email, role), email, self.gateway.login(email)

    def session_of_owner(self):
        token = self.gateway.login("owner@example.org")
        sessions = self.gateway.graphql("{ sessions { id current } }", None, token).data["sessions"]
        return next(s["id"] for s in sessions if s["current"])

    def token_of_owner(self):
        made = self.as_("owner", 'mutation { createApiToken(name: "t", role: VIEWER) { apiToken { id } } }')
        return made.data["createApiToken"]["apiToken"]["id"]


def logout(world, caller):
    emails = {"owner": "owner@example.org", "viewer": "viewer@example.org",
              "operator": "operator@example.org", "admin": "admin@example.org"}
    token = world.gateway.login(emails[caller]) if caller in emails else None
    return world.gateway.graphql("mutation { logout }", None, token)


def chat(world, caller):
    return world.as_(caller, 'mutation { chat(input: { message: "hello" }) { conversationId } }')


def talk_of_owner(world, then=None):
    """A conversation of the owner's; `then` is what he does with it."""
    talk = chat(world, "owner").data["chat"]["conversationId"]
    if then:
        assert world.as_("owner", then, {"id": talk}).code == "ok"
    return talk


def an_insight(world):
    """The id of one that is open."""
    psql(world.url, "INSERT INTO dashboard_insights (id, type, title, description) VALUES "
         f"(gen_random_uuid(), 'x', 't{next(numbers)}', '')")
    return psql(world.url, "SELECT id FROM dashboard_insights WHERE state = 'open' LIMIT 1")


def psql(url, text):
    return subprocess.run(["psql", url, "-AtXqc", text], check=True, capture_output=True, text=True).stdout.strip()


def first_event(world, token, query):
    stream = Stream(world.gateway, query, token)
    answer = stream.next()
    stream.close()
    return answer


def begun(world, token, query):
    """Events come when something changes; that the stream begins is enough."""
    stream = Stream(world.gateway, query, token)
    is_stream = stream.response.headers["Content-Type"].startswith("text/event-stream")
    answer = Answer(200, {}, b'{"data":null}' if is_stream else stream.response.read())
    stream.close()
    return answer


def of_a_task(mutation):
    return lambda w, c: w.as_(c, f'mutation {{ {mutation}(id: "{NO_TASK}") {{ id }} }}')


def in_bulk(mutation):
    return lambda w, c: w.as_(c, f'mutation {{ {mutation}(filter: {{type: ["none"]}}) {{ done }} }}')


# Each root field: who gets what, and one use of it.
MATRIX = {
    "Query.me": (ANYONE, lambda w, c: w.as_(c, "{ me { id } }")),
    "Query.auditLog": (ADMIN, lambda w, c: w.as_(c, "{ auditLog { nodes { id } } }")),
    "Query.users": (OPERATOR, lambda w, c: w.as_(c, "{ users { nodes { id } } }")),
    "Query.user": (SELF, lambda w, c: w.as_(c, "query($id: ID!) { user(id: $id) { id } }",
                                           {"id": w.ids["owner"]})),
    "Query.userByEmail": (OPERATOR, lambda w, c: w.as_(
        c, '{ userByEmail(email: "owner@example.org") { id } }')),
    "Query.apiTokens": (SIGNED_IN, lambda w, c: w.as_(c, "{ apiTokens { id } }")),
    "Query.sessions": (SIGNED_IN, lambda w, c: w.as_(c, "{ sessions { id } }")),
    "Query.systemHealth": (ANYONE, lambda w, c: w.as_(c, "{ systemHealth { status } }")),
    "Query.tasks": (SIGNED_IN, lambda w, c: w.as_(c, "{ tasks { nodes { id } } }")),
    "Query.task": (SIGNED_IN, lambda w, c: w.as_(c, f'{{ task(id: "{NO_TASK}") {{ id }} }}')),
    "Query.taskCounts": (SIGNED_IN, lambda w, c: w.as_(c, "{ taskCounts { total } }")),
    "Query.errorGroups": (SIGNED_IN, lambda w, c: w.as_(c, "{ errorGroups { count } }")),
    "Query.jobs": (SIGNED_IN, lambda w, c: w.as_(c, "{ jobs { id } }")),
    "Query.job": (SIGNED_IN, lambda w, c: w.as_(c, f'{{ job(id: "{NO_TASK}") {{ id }} }}')),
    "Query.previewSchedule": (SIGNED_IN, lambda w, c: w.as_(
        c, '{ previewSchedule(schedule: "@daily") { text } }')),
    "Query.dashboardStats": (SIGNED_IN, lambda w, c: w.as_(c, "{ dashboardStats { users } }")),
    "Query.historicalTrends": (SIGNED_IN, lambda w, c: w.as_(
        c, "{ historicalTrends(metrics: [TASKS_CREATED]) { metric } }")),
    "Query.chatHistory": (SELF, lambda w, c: w.as_(
        c, "query($id: ID!) { chatHistory(userId: $id) { nodes { id } } }", {"id": w.ids["owner"]})),
    "Query.conversations": (SELF, lambda w, c: w.as_(
        c, "query($id: ID!) { conversations(userId: $id) { id } }", {"id": w.ids["owner"]})),
    "Query.insights": (NO_AI, lambda w, c: w.as_(c, "{ insights { id } }")),
    "Query.recommendations": (NO_AI, lambda w, c: w.as_(c, "{ recommendations { title } }")),
    "Query.dashboardInsights": (SIGNED_IN, lambda w, c: w.as_(c, "{ dashboardInsights { stale } }")),
    "Mutation.chat": (SIGNED_IN, chat),
    "Mutation.renameConversation": (OWN, lambda w, c: w.as_(
        c, 'mutation($id: ID!) { renameConversation(id: $id, title: "t") { id } }', {"id": talk_of_owner(w)})),
    "Mutation.deleteConversation": (OWN, lambda w, c: w.as_(
        c, "mutation($id: ID!) { deleteConversation(id: $id) }", {"id": talk_of_owner(w)})),
    "Mutation.restoreConversation": (OWN, lambda w, c: w.as_(
        c, "mutation($id: ID!) { restoreConversation(id: $id) { id } }",
        {"id": talk_of_owner(w, "mutation($id: ID!) { deleteConversation(id: $id) }")})),
    "Mutation.dismissInsight": (OPERATOR, lambda w, c: w.as_(
        c, "mutation($id: ID!) { dismissInsight(id: $id) { id } }", {"id": an_insight(w)})),
    "Mutation.analyzeData": (NO_AI, lambda w, c: w.as_(
        c, "mutation { analyzeData(input: { data: [1, 2] }) { summary } }")),
    "Mutation.setup": (["CONFLICT"] * 5, lambda w, c: w.as_(
        c, SETUP, {"token": "wlu_" + "A" * 43, "email": "x@example.org", "name": "X",
                   "password": PASSWORD})),
    "Mutation.login": (ANYONE, lambda w, c: w.as_(
        c, LOGIN, {"email": "owner@example.org", "password": PASSWORD})),
    "Mutation.logout": (SIGNED_IN, logout),
    "Mutation.createUser": (ADMIN, lambda w, c: w.as_(
        c, CREATE, {"input": {"email": f"new{next(numbers)}@example.org", "name": "N",
                              "password": PASSWORD}})),
    "Mutation.updateUser": (SELF, lambda w, c: w.as_(
        c, 'mutation($id: ID!) { updateUser(id: $id, input: { name: "O" }) { id } }',
        {"id": w.ids["owner"]})),
    "Mutation.deleteUser": (ADMIN, lambda w, c: w.as_(
        c, "mutation($id: ID!) { deleteUser(id: $id) }", {"id": w.new_user()[0]})),
    "Mutation.createApiToken": (SIGNED_IN, lambda w, c: w.as_(
        c, 'mutation { createApiToken(name: "t", role: VIEWER) { token } }')),
    "Mutation.revokeApiToken": (OWN, lambda w, c: w.as_(
        c, "mutation($id: ID!) { revokeApiToken(id: $id) }", {"id": w.token_of_owner()})),
    "Mutation.createTask": (TO_WORKER, lambda w, c: w.as_(
        c, 'mutation { createTask(input: { type: "t" }) { id } }')),
    "Mutation.createTasks": (TO_WORKER, lambda w, c: w.as_(
        c, 'mutation { createTasks(inputs: [{ type: "t" }]) { id } }')),
    "Mutation.cancelTask": (TO_WORKER, of_a_task("cancelTask")),
    "Mutation.retryTask": (TO_WORKER, of_a_task("retryTask")),
    "Mutation.createJob": (TO_WORKER, lambda w, c: w.as_(
        c, 'mutation { createJob(input: { name: "j", schedule: "@daily", taskType: "t" }) { id } }')),
    "Mutation.updateJob": (TO_WORKER, lambda w, c: w.as_(
        c, f'mutation {{ updateJob(id: "{NO_TASK}", input: {{ name: "k" }}) {{ id }} }}')),
    "Mutation.pauseJob": (TO_WORKER, of_a_task("pauseJob")),
    "Mutation.resumeJob": (TO_WORKER, of_a_task("resumeJob")),
    "Mutation.triggerJob": (TO_WORKER, of_a_task("triggerJob")),
    "Mutation.deleteJob": (TO_WORKER, lambda w, c: w.as_(
        c, f'mutation {{ deleteJob(id: "{NO_TASK}") }}')),
    "Subscription.healthChanged": (ANYONE, lambda w, c: first_event(
        w, w.tokens[c], "subscription { healthChanged { status } }")),
    "Subscription.taskChanged": (SIGNED_IN, lambda w, c: begun(
        w, w.tokens[c], "subscription { taskChanged { id } }")),
    "Subscription.jobChanged": (SIGNED_IN, lambda w, c: begun(
        w, w.tokens[c], "subscription { jobChanged { id } }")),
    "Subscription.statsChanged": (SIGNED_IN, lambda w, c: begun(
        w, w.tokens[c], "subscription { statsChanged { users } }")),
    "Subscription.insightAdded": (SIGNED_IN, lambda w, c: begun(
        w, w.tokens[c], "subscription { insightAdded { id } }")),
    "Subscription.chatStream": (SIGNED_IN, lambda w, c: begun(
        w, w.tokens[c], 'subscription { chatStream(input: { message: "hello" }) { __typename } }')),
    "Query.effectiveConfig": (ADMIN, lambda w, c: w.as_(c, "{ effectiveConfig { name } }")),
    "Query.doctor": (OPERATOR, lambda w, c: w.as_(c, "{ doctor { name } }")),
    "Subscription.taskLog": (SIGNED_IN, lambda w, c: begun(
        w, w.tokens[c], f'subscription {{ taskLog(id: "{NO_TASK}") {{ text }} }}')),
    "Query.taskTypeSettings": (ASKS_WORKER, lambda w, c: w.as_(c, "{ taskTypeSettings { type } }")),
    "Query.queues": (ASKS_WORKER, lambda w, c: w.as_(c, "{ queues { name } }")),
    "Mutation.updateTaskType": (TO_WORKER, lambda w, c: w.as_(
        c, 'mutation { updateTaskType(type: "email", settings: {paused: true}) { type } }')),
    "Mutation.pauseQueue": (TO_WORKER, lambda w, c: w.as_(
        c, 'mutation { pauseQueue(name: "default") { name } }')),
    "Mutation.resumeQueue": (TO_WORKER, lambda w, c: w.as_(
        c, 'mutation { resumeQueue(name: "default") { name } }')),
    "Query.mirrorAudits": (ADMIN, lambda w, c: w.as_(c, "{ mirrorAudits { mirror } }")),
    "Mutation.auditMirrors": (ADMIN, lambda w, c: w.as_(c, "mutation { auditMirrors { mirror } }")),
    "Mutation.retryTasks": (BY_FILTER, in_bulk("retryTasks")),
    "Mutation.cancelTasks": (BY_FILTER, in_bulk("cancelTasks")),
    "Mutation.deleteTasks": (ADMIN, in_bulk("deleteTasks")),
    "Query.workers": (ASKS_WORKER, lambda w, c: w.as_(c, "{ workers { id } }")),
    "Query.taskTypes": (ASKS_WORKER, lambda w, c: w.as_(c, "{ taskTypes }")),
    "Query.taskTypeNames": (ASKS_WORKER, lambda w, c: w.as_(c, "{ taskTypeNames { source } }")),
    "Mutation.revokeSession": (OWN, lambda w, c: w.as_(
        c, "mutation($id: ID!) { revokeSession(id: $id) }", {"id": w.session_of_owner()})),
}


def every_root_field_has_a_row_here(world):
    roots = ("queryType", "mutationType", "subscriptionType")
    schema = world.as_("admin", "{ __schema { " + " ".join(
        f"{root} {{ name fields {{ name }} }}" for root in roots) + " } }").data["__schema"]
    served = {f"{schema[root]['name']}.{field['name']}"
              for root in roots for field in schema[root]["fields"]}
    assert served == set(MATRIX), served ^ set(MATRIX)


def each_caller_gets_what_the_contract_says(world):
    wrong = []
    for field, (expected, use) in MATRIX.items():
        for caller, code in zip(CALLERS, expected):
            got = use(world, caller)
            if got.code != code:
                wrong.append(f"{field} as {caller}: {got.code}, not {code}: {got.text}")
    assert not wrong, "\n".join(wrong)


def only_an_admin_changes_roles(world):
    query = "mutation($id: ID!) { updateUser(id: $id, input: { role: ADMIN }) { id } }"
    for caller in ("viewer", "operator", "owner"):
        answer = world.as_(caller, query, {"id": world.ids[caller]})
        assert answer.code == "FORBIDDEN", answer.text
    user, _, _ = world.new_user()
    assert world.as_("admin", query, {"id": user}).code == "ok"


def the_inside_of_the_system_is_for_those_who_signed_in(world):
    for field in ("services { name }", "schemaVersion", "version", "startedAt"):
        query = f"{{ systemHealth {{ status {field} }} }}"
        assert world.as_("anonymous", query).code == "UNAUTHENTICATED", field
        assert world.as_("viewer", query).code == "ok", field


def a_viewer_sees_his_own_address_and_an_operator_all(world):
    own = world.as_("owner", "{ me { email lastSeenAt } }").data["me"]
    assert own["email"] == "owner@example.org" and own["lastSeenAt"], own
    nodes = world.as_("operator", "{ users { nodes { email } } }").data["users"]["nodes"]
    assert all(node["email"] for node in nodes), nodes


# ── tokens ──

def make_token(world, token, role, scopes="[API]", more=""):
    return world.gateway.graphql(
        f'mutation {{ createApiToken(name: "t", role: {role}, scopes: {scopes}{more}) '
        "{ token apiToken { id role scopes taskTypes } } }", None, token)


def a_viewer_gets_no_lease_token(world):
    for role in ("VIEWER", "OPERATOR"):
        answer = make_token(world, world.tokens["viewer"], role, "[LEASE]")
        assert answer.code in ("FORBIDDEN", "BAD_USER_INPUT"), answer.text
    assert make_token(world, world.tokens["operator"], "OPERATOR", "[LEASE]").code == "ok"


def a_token_makes_none_stronger_than_itself(world):
    weak = make_token(world, world.admin, "VIEWER").data["createApiToken"]["token"]
    gateway = world.gateway
    assert gateway.graphql("{ users { nodes { id } } }", None, weak).code == "FORBIDDEN"
    assert make_token(world, weak, "ADMIN").code == "FORBIDDEN"
    assert make_token(world, weak, "VIEWER").code == "ok"
    api_only = make_token(world, world.admin, "OPERATOR").data["createApiToken"]["token"]
    assert make_token(world, api_only, "OPERATOR", "[LEASE]").code == "FORBIDDEN"
    short = make_token(world, world.admin, "VIEWER", more=', expiresAt: "2100-01-01T00:00:00Z"')
    short = short.data["createApiToken"]["token"]
    assert make_token(world, short, "VIEWER").code == "FORBIDDEN"  # it would outlive its maker
    bound = make_token(world, world.admin, "OPERATOR", "[API, LEASE]", ', taskTypes: ["a", "b"]')
    bound = bound.data["createApiToken"]["token"]
    assert make_token(world, bound, "OPERATOR", "[LEASE]").code == "FORBIDDEN"
    assert make_token(world, bound, "OPERATOR", "[LEASE]", ', taskTypes: ["c"]').code == "FORBIDDEN"
    assert make_token(world, bound, "OPERATOR", "[LEASE]", ', taskTypes: ["b"]').code == "ok"


def a_lease_token_does_not_open_the_api(world):
    token = make_token(world, world.admin, "OPERATOR", "[LEASE]").data["createApiToken"]["token"]
    answer = world.gateway.graphql("{ me { id } }", None, token)
    assert answer.status == 403 and answer.code == "FORBIDDEN", answer.text


def a_token_that_has_expired_is_nobody(world):
    soon = datetime.now(timezone.utc) + timedelta(seconds=1)
    token = make_token(world, world.admin, "VIEWER", more=f', expiresAt: "{soon.isoformat()}"')
    token = token.data["createApiToken"]["token"]
    eventually(lambda: world.gateway.graphql("{ apiTokens { id } }", None, token).code == "UNAUTHENTICATED")
    answer = make_token(world, world.admin, "VIEWER", more=', expiresAt: "2001-01-01T00:00:00Z"')
    assert answer.code == "BAD_USER_INPUT", answer.text


def a_demoted_admin_and_his_token_are_what_he_is_now(world):
    user, _, session = world.new_user("ADMIN")
    token = make_token(world, session, "ADMIN").data["createApiToken"]["token"]
    query = "{ users { nodes { id } } }"
    assert world.gateway.graphql(query, None, token).code == "ok"
    world.as_("admin", "mutation($id: ID!) { updateUser(id: $id, input: { role: VIEWER }) { id } }",
              {"id": user})
    for credential in (token, session):
        eventually(lambda c=credential: world.gateway.graphql(query, None, c).code == "FORBIDDEN")


def a_mutation_goes_on_only_as_what_its_caller_still_is(world):
    make = 'createApiToken(name: "late", role: ADMIN) { token }'
    create = ('createUser(input: { email: "late@example.org", name: "L", password: "%s", role: ADMIN }) '
              "{ id }" % PASSWORD)
    turn = "updateUser(id: $id, input: { role: %s }) { role }"
    cases = [(turn % "VIEWER", create, NO), (turn % "VIEWER", make, NO), ("logout", make, NOBODY),
             ("logout", create, NOBODY), ("logout", "logout", NOBODY), ("deleteUser(id: $id)", make, NOBODY),
             ("deleteUser(id: $id)", create, NOBODY), (turn % "ADMIN", make, "ok")]
    for first, then, code in cases:
        user, _, session = world.new_user("ADMIN")
        head = "mutation($id: ID!)" if "$id" in first else "mutation"
        answer = world.gateway.graphql(f"{head} {{ a: {first} b: {then} }}", {"id": user}, session)
        assert answer.code == code, (first, then, answer.text)
        if code != "ok":
            assert [e["path"] for e in answer.json["errors"]] == [["b"]], answer.text
    found = world.as_("admin", '{ userByEmail(email: "late@example.org") { id } }').data
    assert found["userByEmail"] is None


def the_session_of_a_deleted_user_is_nobody(world):
    user, _, session = world.new_user()
    token = make_token(world, session, "VIEWER").data["createApiToken"]["token"]
    assert world.gateway.graphql("{ me { id } }", None, session).data["me"]["id"] == user
    world.as_("admin", "mutation($id: ID!) { deleteUser(id: $id) }", {"id": user})
    for credential in (session, token):
        eventually(lambda c=credential:
                   world.gateway.graphql("{ sessions { id } }", None, c).code == "UNAUTHENTICATED")


def a_socket_that_stays_open_is_nobody_after_logout(world):
    _, _, session = world.new_user()
    client = Client(world.gateway, session)
    assert client.graphql("{ sessions { id } }").code == "ok"
    world.gateway.graphql("mutation { logout }", None, session)
    eventually(lambda: client.graphql("{ sessions { id } }").code == "UNAUTHENTICATED")
    client.close()


def a_stream_ends_after_logout_and_after_a_change_of_role(world):
    query = "subscription { healthChanged { status services { name } } }"
    change = "mutation($id: ID!) { updateUser(id: $id, input: { role: OPERATOR }) { id } }"
    for way in ("logout", "role", "deleted"):
        user, _, session = world.new_user()
        stream = Stream(world.gateway, query, session)
        assert stream.next().data["healthChanged"]["status"] == "UP"
        if way == "logout":
            world.gateway.graphql("mutation { logout }", None, session)
        elif way == "role":
            world.as_("admin", change, {"id": user})
        else:
            world.as_("admin", "mutation($id: ID!) { deleteUser(id: $id) }", {"id": user})
        assert stream.next().code == "UNAUTHENTICATED"
        assert stream.next() is None  # and it is over
        stream.close()


def a_stream_shows_its_watcher_what_he_may_see(world):
    answer = first_event(world, None, "subscription { healthChanged { status version } }")
    assert answer.code == "UNAUTHENTICATED", answer.text
    refused = Stream(world.gateway, "{ __typename }", None)
    assert refused.response.status == 400
    refused.close()


def a_logout_reaches_the_other_gateways(world):
    with Gateway(world.url) as other:
        user, _, session = world.new_user()
        assert other.graphql("{ me { id } }", None, session).data["me"]["id"] == user
        world.gateway.graphql("mutation { logout }", None, session)
        eventually(lambda: other.graphql("{ sessions { id } }", None, session).code == "UNAUTHENTICATED")


def a_new_password_ends_the_other_sessions_and_keeps_this_one(world):
    user, email, first = world.new_user()
    second = world.gateway.login(email)
    change = ("mutation($id: ID!, $p: String!, $c: String) { updateUser(id: $id, input: "
              "{ password: $p, currentPassword: $c }) { id } }")
    new = "another good password"
    answer = world.gateway.graphql(change, {"id": user, "p": new, "c": None}, first)
    assert answer.code == "BAD_USER_INPUT" and "currentPassword" in answer.error["message"]
    answer = world.gateway.graphql(change, {"id": user, "p": new, "c": "wrong"}, first)
    assert answer.code == "BAD_USER_INPUT" and "currentPassword" in answer.error["message"]
    assert world.gateway.graphql(change, {"id": user, "p": new, "c": PASSWORD}, first).code == "ok"
    eventually(lambda: world.gateway.graphql("{ sessions { id } }", None, second).code == "UNAUTHENTICATED")
    sessions = world.gateway.graphql("{ sessions { current } }", None, first).data["sessions"]
    assert sessions == [{"current": True}], sessions
    assert world.gateway.graphql(LOGIN, {"email": email, "password": PASSWORD}).code == "UNAUTHENTICATED"
    assert world.gateway.login(email, new)


def what_is_no_token_is_nobody(world):
    for bad in ("", "x", "wls_short", "wls_" + "A" * 43, "wlt_" + "A" * 43, "wlu_" + "A" * 43,
                "wlc_" + "A" * 43):
        answer = world.gateway.graphql("{ me { id } }", None, bad or " ")
        assert answer.data["me"] is None, (bad, answer.text)
    basic = world.gateway.graphql("{ me { id } }", headers={"Authorization": "Basic QWxhZGRpbjpv"})
    assert basic.data["me"] is None


def main():
    with Postgres() as postgres, Gateway(postgres.url) as gateway:
        world = World(gateway)
        world.url = postgres.url
        run_tests([
            every_root_field_has_a_row_here,
            each_caller_gets_what_the_contract_says,
            only_an_admin_changes_roles,
            the_inside_of_the_system_is_for_those_who_signed_in,
            a_viewer_sees_his_own_address_and_an_operator_all,
            a_viewer_gets_no_lease_token,
            a_token_makes_none_stronger_than_itself,
            a_lease_token_does_not_open_the_api,
            a_token_that_has_expired_is_nobody,
            a_demoted_admin_and_his_token_are_what_he_is_now,
            a_mutation_goes_on_only_as_what_its_caller_still_is,
            the_session_of_a_deleted_user_is_nobody,
            a_socket_that_stays_open_is_nobody_after_logout,
            a_stream_ends_after_logout_and_after_a_change_of_role,
            a_stream_shows_its_watcher_what_he_may_see,
            a_logout_reaches_the_other_gateways,
            a_new_password_ends_the_other_sessions_and_keeps_this_one,
            what_is_no_token_is_nobody,
        ], world)


if __name__ == "__main__":
    main()
