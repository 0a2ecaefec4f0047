#!/usr/bin/env python3
"""What the user fields do: pages and cursors, input that is refused, what happens at once, limits.
Usage: gateway_users_test.py PROGRAM"""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../support"))
from gateway_rig import (CREATE, LOGIN, PASSWORD, SETUP, Gateway, Postgres, at_once, create_user,  # noqa: E402
                         run_tests)

PAGE = ("query($first: Int, $after: String, $last: Int, $before: String, $search: String) "
        "{ users(first: $first, after: $after, last: $last, before: $before, search: $search) { "
        "nodes { email } edges { cursor } totalCount "
        "pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }")


class World:
    def __init__(self, postgres, gateway):
        self.postgres, self.gateway = postgres, gateway
        self.admin = None

    def as_admin(self, query, variables=None):
        return self.gateway.graphql(query, variables, self.admin)

    def page(self, **variables):
        return self.as_admin(PAGE, variables)


# ── the first user ──

def two_set_ups_at_once_make_one_administrator(world):
    token = world.gateway.setup_token

    def set_up(i):
        return world.gateway.graphql(SETUP, {"token": token, "email": f"admin{i}@example.org",
                                             "name": "Admin", "password": PASSWORD})
    wrong = world.gateway.graphql(SETUP, {"token": "wlu_" + "A" * 43, "email": "a@example.org",
                                          "name": "A", "password": PASSWORD})
    assert wrong.code == "FORBIDDEN", wrong.text
    assert world.gateway.get("/setup").status == 200
    answers = at_once(4, set_up)
    assert sorted(a.code for a in answers) == ["CONFLICT"] * 3 + ["ok"], [a.text for a in answers]
    won = next(a for a in answers if a.code == "ok").data["setup"]
    assert won["user"]["role"] == "ADMIN"
    world.admin = won["token"]
    assert world.gateway.get("/setup").status == 404


def a_new_start_offers_no_set_up_when_somebody_is_there(world):
    with Gateway(world.postgres.url) as other:
        assert other.out_file.text == ""
        assert other.get("/setup").status == 404


# ── createUser and updateUser ──

def the_same_address_at_once_makes_one_account(world):
    def create(i):
        email = "twin@example.org" if i % 2 else "Twin@Example.ORG "
        return world.as_admin(CREATE, {"input": {"email": email, "name": "T", "password": PASSWORD}})
    answers = at_once(6, create)
    assert sorted(a.code for a in answers) == ["CONFLICT"] * 5 + ["ok"], [a.text for a in answers]
    found = world.as_admin('{ userByEmail(email: "TWIN@example.org") { email } }').data
    assert found["userByEmail"]["email"] == "twin@example.org"


def what_is_wrong_with_the_input_is_named(world):
    good = {"email": "good@example.org", "name": "Good", "password": PASSWORD}
    cases = [
        ("input.email", {"email": "nobody"}), ("input.email", {"email": "a@b@c"}),
        ("input.email", {"email": "a b@example.org"}), ("input.email", {"email": "a@-example.org"}),
        ("input.email", {"email": ".a@example.org"}), ("input.email", {"email": "a" * 250 + "@b.c"}),
        ("input.email", {"email": "a\u0000@example.org"}),
        ("input.name", {"name": "  "}), ("input.name", {"name": "x" * 201}),
        ("input.name", {"name": "a\u0007b"}), ("input.password", {"password": "short"}),
        ("input.email", {"email": "\u212aate@example.org"}),
        ("input.email", {"email": "a\u200b@example.org"}), ("input.name", {"name": "a\u202eb"}),
        ("input.password", {"password": " good@example.org "}),
        ("input.password", {"password": "x" * 2000}), ("input.role", {"role": None}),
    ]
    for field, change in cases:
        answer = world.as_admin(CREATE, {"input": {**good, **change}})
        assert answer.code == "BAD_USER_INPUT", (change, answer.text)
        assert answer.error["message"].startswith(field + ":"), (change, answer.text)
    for change in ({"email": None}, {"email": 5}, {"role": "KING"}, {"nickname": "x"}):
        answer = world.as_admin(CREATE, {"input": {**good, **change}})
        assert answer.status == 400 and answer.code == "BAD_USER_INPUT", (change, answer.text)


def an_absent_field_stays_and_null_is_refused(world):
    user = create_user(world.gateway, world.admin, "stays@example.org", name="Before")
    query = "mutation($id: ID!, $input: UpdateUserInput!) { updateUser(id: $id, input: $input) { email name role } }"
    before = {"email": "stays@example.org", "name": "Before", "role": "VIEWER"}
    assert world.as_admin(query, {"id": user, "input": {}}).data["updateUser"] == before
    renamed = world.as_admin(query, {"id": user, "input": {"name": "After"}}).data["updateUser"]
    assert renamed == {**before, "name": "After"}
    for field in ("email", "name", "password", "role"):
        answer = world.as_admin(query, {"id": user, "input": {field: None}})
        assert answer.code == "BAD_USER_INPUT" and f"input.{field}" in answer.error["message"], answer.text
    for password in ("stays@example.org", " Stays@example.org"):
        answer = world.as_admin(query, {"id": user, "input": {"password": password}})
        assert answer.code == "BAD_USER_INPUT" and "input.password" in answer.error["message"], answer.text
    taken = world.as_admin(query, {"id": user, "input": {"email": "twin@example.org"}})
    assert taken.code == "CONFLICT", taken.text
    gone = world.as_admin(query, {"id": "01a20a5b-5f81-77cf-a575-d6d734ea8519", "input": {"name": "x"}})
    assert gone.code == "NOT_FOUND", gone.text


def the_last_administrator_stays(world):
    me = world.as_admin("{ me { id } }").data["me"]["id"]
    demote = "mutation($id: ID!) { updateUser(id: $id, input: { role: VIEWER }) { id } }"
    delete = "mutation($id: ID!) { deleteUser(id: $id) }"
    assert world.as_admin(demote, {"id": me}).code == "CONFLICT"
    assert world.as_admin(delete, {"id": me}).code == "CONFLICT"
    second = create_user(world.gateway, world.admin, "second@example.org", "ADMIN")
    answers = at_once(2, lambda i: world.as_admin((demote, delete)[i], {"id": (me, second)[i]}))
    codes = sorted(a.code for a in answers)
    # One of them comes second and finds the last one, or finds that it is no ADMIN any more.
    assert codes in (["CONFLICT", "ok"], ["FORBIDDEN", "ok"], ["UNAUTHENTICATED", "ok"]), codes
    if answers[0].code == "ok":  # the first was demoted; the second gives the role back
        session = world.gateway.login("second@example.org")
        world.gateway.graphql("mutation($id: ID!) { updateUser(id: $id, input: { role: ADMIN }) { id } }",
                              {"id": me}, session)
        assert world.as_admin(delete, {"id": second}).code == "ok"


# ── pages ──

def pages_show_every_user_once_in_both_directions(world):
    for i in range(12):
        create_user(world.gateway, world.admin, f"page{i:02}@example.org", name=f"Page {i}")
    everyone = world.page(first=500).data["users"]
    emails = [n["email"] for n in everyone["nodes"]]
    assert everyone["totalCount"] == len(emails) == len(set(emails)) >= 12
    forward, after = [], None
    while True:
        page = world.page(first=5, after=after).data["users"]
        forward += [n["email"] for n in page["nodes"]]
        assert page["pageInfo"]["hasPreviousPage"] == (after is not None)
        after = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            break
    assert forward == emails, forward
    backward, before = [], None
    while True:
        page = world.page(last=5, before=before).data["users"]
        backward = [n["email"] for n in page["nodes"]] + backward
        before = page["pageInfo"]["startCursor"]
        if not page["pageInfo"]["hasPreviousPage"]:
            break
    assert backward == emails, backward
    edges = everyone["edges"]
    between = world.page(first=500, after=edges[2]["cursor"], before=edges[5]["cursor"]).data["users"]
    assert [n["email"] for n in between["nodes"]] == emails[3:5]
    assert between["totalCount"] == len(emails)
    assert world.page(first=0).data["users"]["nodes"] == []


def a_search_looks_into_name_and_address_and_takes_no_wildcards(world):
    found = world.page(search="PAGE 1", first=10).data["users"]
    assert found["totalCount"] == 3 and len(found["nodes"]) == 3, found  # 1, 10, 11
    assert world.page(search="page0").data["users"]["totalCount"] == 10
    for wild in ("%", "_", "\\"):
        assert world.page(search=wild).data["users"]["totalCount"] == 0, wild


def a_page_that_cannot_be_is_refused(world):
    cases = [("first", {"first": -1}), ("first", {"first": 1, "last": 1}), ("last", {"last": -1}),
             ("after", {"after": "x"}), ("before", {"before": ""})]
    for field, variables in cases:
        answer = world.page(**variables)
        assert answer.code == "BAD_USER_INPUT" and answer.error["message"].startswith(field), answer.text
    many = world.page(first=501)
    assert many.code in ("BAD_USER_INPUT", "QUERY_TOO_COMPLEX"), many.text


def a_cursor_that_was_changed_is_refused(world):
    cursor = world.page(first=1).data["users"]["edges"][0]["cursor"]
    assert world.page(first=1, after=cursor).code == "ok"
    for at in range(len(cursor)):
        changed = cursor[:at] + ("A" if cursor[at] != "A" else "B") + cursor[at + 1:]
        assert world.page(first=1, after=changed).code == "BAD_USER_INPUT", (at, changed)


def a_cursor_outlives_the_gateway(world):
    cursor = world.page(first=1).data["users"]["edges"][0]["cursor"]
    with Gateway(world.postgres.url) as other:
        answer = other.graphql(PAGE, {"first": 1, "after": cursor}, world.admin)
        assert answer.data == world.page(first=1, after=cursor).data


# ── logins ──

def too_many_wrong_passwords_close_the_account_for_a_while(world):
    with Gateway(world.postgres.url, LOGIN_ACCOUNT_LIMIT="3", LOGIN_WINDOW="1h") as gateway:
        def login(email, password):
            return gateway.graphql(LOGIN, {"email": email, "password": password})
        for _ in range(3):
            assert login("page00@example.org", "wrong password").code == "UNAUTHENTICATED"
        refused = login("Page00@example.org", PASSWORD)
        assert refused.code == "RATE_LIMITED", refused.text
        assert refused.error["extensions"]["retryAfterSeconds"] >= 1, refused.text
        assert int(refused.headers["Retry-After"]) >= 1
        assert login("page01@example.org", PASSWORD).code == "ok"  # others are let in
        for _ in range(6):  # a success is no failure
            assert login("page01@example.org", PASSWORD).code == "ok"
        nobody = [login("nobody@example.org", "x").code for _ in range(4)]
        assert nobody == ["UNAUTHENTICATED"] * 3 + ["RATE_LIMITED"], nobody  # and tells nothing


def every_spelling_of_an_account_counts_for_it(world):
    create_user(world.gateway, world.admin, "\u00e4nne@example.org")
    with Gateway(world.postgres.url, LOGIN_ACCOUNT_LIMIT="3", LOGIN_WINDOW="1h") as gateway:
        def login(email, password):
            return gateway.graphql(LOGIN, {"email": email, "password": password}).code
        for email in ("\u00e4nne@example.org", "\u00c4nne@example.org", "\u00c4NNE@example.org"):
            assert login(email, "wrong password") == "UNAUTHENTICATED"
        assert login("\u00e4nne@example.org", PASSWORD) == "RATE_LIMITED"
        assert login("pa\u212ae00@example.org", "x") == "BAD_USER_INPUT"


def too_many_wrong_passwords_close_the_address(world):
    with Gateway(world.postgres.url, LOGIN_ADDRESS_LIMIT="3", LOGIN_WINDOW="1h") as gateway:
        codes = [gateway.graphql(LOGIN, {"email": f"u{i}@example.org", "password": "x"}).code
                 for i in range(4)]
        assert codes == ["UNAUTHENTICATED"] * 3 + ["RATE_LIMITED"], codes


def unknown_accounts_and_wrong_passwords_look_the_same(world):
    unknown = world.gateway.graphql(LOGIN, {"email": "unknown@example.org", "password": "x"})
    wrong = world.gateway.graphql(LOGIN, {"email": "twin@example.org", "password": "x"})
    assert unknown.json == wrong.json, (unknown.text, wrong.text)


def the_cookie_signs_a_browser_in(world):
    answer = world.gateway.graphql(LOGIN, {"email": "twin@example.org", "password": PASSWORD})
    cookie = answer.headers["Set-Cookie"]
    assert "HttpOnly" in cookie and "SameSite=Strict" in cookie and "Secure" not in cookie, cookie
    headers = {"Cookie": "other=1; " + cookie.split(";")[0]}
    me = world.gateway.graphql("{ me { id } sessions { current } }", headers=headers).data
    assert me["me"] and any(s["current"] for s in me["sessions"])
    out = world.gateway.graphql("mutation { logout }", headers=headers)
    assert "Max-Age=0" in out.headers["Set-Cookie"], out.headers["Set-Cookie"]


def behind_https_the_cookie_is_secure_and_keeps_to_its_path(world):
    with Gateway(world.postgres.url, PUBLIC_URL="https://ops.example.org/windlass/") as gateway:
        answer = gateway.graphql(LOGIN, {"email": "twin@example.org", "password": PASSWORD})
        assert "; Secure" in answer.headers["Set-Cookie"]
        assert "Path=/windlass/" in answer.headers["Set-Cookie"]
        assert gateway.get("/windlass/livez").status == 200
        headers = {"Content-Type": "application/json", "Origin": "https://ops.example.org"}
        assert gateway.graphql("{ __typename }", headers=headers).status == 200
        headers["Origin"] = "https://evil.example.org"
        assert gateway.graphql("{ __typename }", headers=headers).status == 403


def main():
    with Postgres() as postgres, Gateway(postgres.url) as gateway:
        run_tests([
            two_set_ups_at_once_make_one_administrator,
            a_new_start_offers_no_set_up_when_somebody_is_there,
            the_same_address_at_once_makes_one_account,
            what_is_wrong_with_the_input_is_named,
            an_absent_field_stays_and_null_is_refused,
            the_last_administrator_stays,
            pages_show_every_user_once_in_both_directions,
            a_search_looks_into_name_and_address_and_takes_no_wildcards,
            a_page_that_cannot_be_is_refused,
            a_cursor_that_was_changed_is_refused,
            a_cursor_outlives_the_gateway,
            too_many_wrong_passwords_close_the_account_for_a_while,
            every_spelling_of_an_account_counts_for_it,
            too_many_wrong_passwords_close_the_address,
            unknown_accounts_and_wrong_passwords_look_the_same,
            the_cookie_signs_a_browser_in,
            behind_https_the_cookie_is_secure_and_keeps_to_its_path,
        ], World(postgres, gateway))


if __name__ == "__main__":
    main()
