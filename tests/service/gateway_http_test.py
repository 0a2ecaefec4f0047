#!/usr/bin/env python3
"""The API over HTTP: bodies, media types, methods, headers, cross-site requests, probes, limits.
Source: GraphQL over HTTP. Usage: gateway_http_test.py PROGRAM"""

import json
import os
import re
import socket
import subprocess
import sys
from urllib.parse import quote

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../support"))
from gateway_rig import PROGRAM, Client, Gateway, Postgres, eventually, run_tests  # noqa: E402

JSON = "application/json"
GRAPHQL = "application/graphql-response+json"


class World:
    def __init__(self, gateway):
        self.gateway = gateway
        self.admin = gateway.set_up()

    def post(self, body, content_type=JSON, **headers):
        client = Client(self.gateway)
        try:
            sent = {"Content-Type": content_type} if content_type else {}
            return client.request("POST", "/graphql", body,
                                  {**sent, **{k.replace("_", "-"): v for k, v in headers.items()}})
        finally:
            client.close()


def bodies_that_are_no_request_are_refused(world):
    cases = [
        (400, ""), (400, "{"), (400, "[]"), (400, '[{"query":"{__typename}"}]'), (400, "null"),
        (400, '{"query":{}}'), (400, '{"query":[]}'), (400, '{"documentId":5}'),
        (400, '"{__typename}"'), (400, "{}"), (400, '{"query":""}'), (400, '{"query":5}'),
        (400, '{"query":null}'), (400, '{"query":"{__typename}","variables":[]}'),
        (400, '{"query":"{__typename}","variables":"{}"}'), (400, '{"query":"{__typename}"} x'),
        (400, '{"query":"{__typename}","operationName":1}'), (400, b'{"query":"\xff"}'),
        (400, '{"query":"{__typename}","extensions":1}'), (400, '{"query":"{a"}'),
        (400, '{"query":"{nothing}"}'), (400, '{"query":"query A{__typename} query B{__typename}"}'),
        (400, '{"a":' * 300 + "1" + "}" * 300),
    ]
    for status, body in cases:
        answer = world.post(body, Accept=GRAPHQL)
        assert answer.status == status, (body, answer.status, answer.text)
        error = answer.error
        assert error["message"] and error["extensions"]["code"] in (
            "BAD_USER_INPUT", "GRAPHQL_PARSE_FAILED", "GRAPHQL_VALIDATION_FAILED"), (body, answer.text)
        assert "data" not in answer.json, answer.text


def only_json_is_taken(world):
    body = '{"query":"{__typename}"}'
    for good in (JSON, "application/json; charset=utf-8", 'Application/JSON;charset="UTF-8"'):
        assert world.post(body, good).status == 200, good
    for bad in (None, "text/plain", "application/x-www-form-urlencoded", "multipart/form-data",
                "application/json; charset=latin1", "application/graphql"):
        assert world.post(body, bad).status == 415, bad


def encoded_content_is_not_read_as_plain(world):
    body = '{"query":"{__typename}"}'
    assert world.post(body, Content_Encoding="identity").status == 200
    for coding in ("gzip", "deflate", "br", "gzip, identity"):
        answer = world.post(body, Content_Encoding=coding)
        assert answer.status == 415, (coding, answer.text)
        assert answer.headers["Accept-Encoding"] == "identity", coding


def the_answer_is_in_the_media_type_that_was_asked_for(world):
    good, bad = '{"query":"{__typename}"}', '{"query":"{nothing}"}'
    cases = [  # Accept, Content-Type, status of a document that does not validate
        (None, JSON, 200), ("*/*", JSON, 200), ("application/*", JSON, 200),
        (GRAPHQL, GRAPHQL, 400), (f"{GRAPHQL}; charset=utf-8", GRAPHQL, 400), (JSON, JSON, 200),
        (f"{GRAPHQL}, {JSON}", GRAPHQL, 400), (f"{JSON}, {GRAPHQL}", GRAPHQL, 400),
        (f"{GRAPHQL}, {JSON};q=0.9", GRAPHQL, 400), (f"{GRAPHQL};q=0.5, {JSON}", JSON, 200),
        (f"{GRAPHQL};q=0, */*", JSON, 200), (f"{JSON};q=0, */*", GRAPHQL, 400),
        (f"text/html, {JSON};q=0.1", JSON, 200), (f"text/html, */*;q=0.1", JSON, 200),
    ]
    for accept, content_type, status in cases:
        headers = {"Accept": accept} if accept else {}
        answer = world.post(good, **headers)
        assert answer.status == 200 and answer.json == {"data": {"__typename": "Query"}}
        assert answer.headers["Content-Type"] == content_type + "; charset=utf-8", accept
        assert world.post(bad, **headers).status == status, accept
    for accept in ("text/html", f"{GRAPHQL};q=0, {JSON};q=0", "image/*, text/html;q=0.9"):
        answer = world.post(good, Accept=accept)
        assert answer.status == 406 and answer.code == "BAD_USER_INPUT", (accept, answer.text)


def get_is_for_queries(world):
    get = world.gateway.get
    query = quote("query A($x: String!) { __type(name: $x) { name } } query B { __typename }")
    path = f"/graphql?query={query}&operationName="
    answer = get(path + "A&variables=" + quote('{"x":"User"}'),
                 {"Authorization": f"Bearer {world.admin}"})
    assert answer.data == {"__type": {"name": "User"}}, answer.text
    assert get(path + "B").data == {"__typename": "Query"}
    mutation = get("/graphql?query=" + quote("mutation { logout }"))
    assert mutation.status == 405 and mutation.headers["Allow"] == "POST", mutation.text
    assert get("/graphql").status == 400
    assert get("/graphql?query={__typename}&variables=[]").status == 400
    assert get("/graphql?query={__typename}&variables={").status == 400
    client = Client(world.gateway)
    assert client.request("PUT", "/graphql").status == 405
    client.close()


def a_cookie_counts_in_a_get_only_where_the_browser_vouches_for_it(world):
    cookie = {"Cookie": f"windlass_session={world.admin}"}
    path = "/graphql?query={me{id}}"
    assert world.gateway.get(path, cookie).status == 403
    for site, status in (("cross-site", 403), ("same-site", 403), ("same-origin", 200), ("none", 200)):
        answer = world.gateway.get(path, {**cookie, "Sec-Fetch-Site": site})
        assert answer.status == status, (site, answer.text)
    assert world.gateway.get(path, {"Authorization": f"Bearer {world.admin}"}).status == 200


def parameters_of_a_get_are_read_as_forms(world):
    def get(parameters):
        return world.gateway.get("/graphql?" + parameters, {"Authorization": f"Bearer {world.admin}"})
    assert get("query=%7B+__typename+%7D&operationName=&variables=&extensions=").data == {"__typename": "Query"}
    assert get("query={__typename}&unknown=1&extensions=" + quote('{"a":1}')).code == "ok"
    assert get("query={__typename}&variables=null&extensions=null").code == "ok"
    for bad in ("extensions={", "extensions=[]", "extensions=1", "variables=%22x%22", "operationName=Nope"):
        answer = get("query={__typename}&" + bad)
        assert answer.status in (200, 400) and answer.code == "BAD_USER_INPUT", (bad, answer.text)
    assert get("query=%ff").status in (200, 400) and get("query=%zz").status == 400
    head = Client(world.gateway, world.admin)
    answer = head.request("HEAD", "/graphql?query={__typename}", None, {"Authorization": f"Bearer {world.admin}"})
    assert answer.status == 200 and answer.text == "" and int(answer.headers["Content-Length"]) > 0
    head.close()


def other_methods_are_told_which_there_are(world):
    client = Client(world.gateway)
    for method in ("PUT", "DELETE", "PATCH"):
        answer = client.request(method, "/graphql")
        assert answer.status == 405 and answer.code == "BAD_USER_INPUT", (method, answer.text)
        assert set(re.split(r", *", answer.headers["Allow"])) == {"GET", "HEAD", "POST", "OPTIONS"}, answer.headers
    answer = client.request("OPTIONS", "/graphql")
    assert answer.status == 204 and "POST" in answer.headers["Allow"], answer.headers
    client.close()


def members_that_nobody_knows_are_ignored(world):
    assert world.post('{"query":"{__typename}","id":5,"extensions":{"x":{}},"persisted":[1]}').code == "ok"
    assert world.post('{"query":"{a}","query":"{__typename}"}').code == "ok"  # the last of its name counts


def every_refusal_names_its_request(world):
    for body, content_type, accept in (("{", JSON, GRAPHQL), ("{}", JSON, GRAPHQL), ("{}", "text/plain", GRAPHQL),
                                       ("{}", JSON, "text/html"), ("[]", JSON, JSON)):
        answer = world.post(body, content_type, Accept=accept)
        assert answer.error["extensions"]["requestId"] == answer.headers["X-Request-Id"], answer.text
        assert answer.status in (400, 406, 415) and answer.headers["Cache-Control"] == "no-store"


def pages_of_other_origins_are_refused(world):
    body = '{"query":"{__typename}"}'
    here = f"{world.gateway.host}:{world.gateway.port}"
    assert world.post(body, Origin=f"http://{here}").status == 200
    for origin in ("http://evil.example.org", f"http://{here}.evil.example.org", "null", "http://"):
        answer = world.post(body, Origin=origin)
        assert answer.status == 403 and answer.code == "FORBIDDEN", origin
        assert "Access-Control-Allow-Origin" not in answer.headers


def listed_origins_may_ask_with_a_token(world):
    listed, other = "https://app.example.org", "https://evil.example.org"
    token = {"Authorization": f"Bearer {world.admin}"}
    me = '{"query":"{ me { email } }"}'
    with Gateway(world.url, CORS_ORIGINS=f"https://first.example.org:8443, {listed}") as gateway:
        def ask(method, path, body=None, **headers):
            client = Client(gateway)
            try:
                return client.request(method, path, body, {k.replace("_", "-"): v for k, v in headers.items()})
            finally:
                client.close()
        wanted = {"Access_Control_Request_Method": "POST",
                  "Access_Control_Request_Headers": "authorization,content-type"}
        before = ask("OPTIONS", "/graphql", Origin=listed, **wanted)
        assert before.status == 204 and before.headers["Access-Control-Allow-Origin"] == listed, before.headers
        assert {"GET", "POST"} <= set(before.headers["Access-Control-Allow-Methods"].split(", "))
        assert {"Authorization", "Content-Type"} <= set(before.headers["Access-Control-Allow-Headers"].split(", "))
        assert int(before.headers["Access-Control-Max-Age"]) > 0 and before.headers["Vary"] == "Origin"
        answer = ask("POST", "/graphql", me, Origin=listed, Content_Type=JSON, **token)
        assert answer.data == {"me": {"email": "admin@example.org"}}, answer.text
        assert answer.headers["Access-Control-Allow-Origin"] == listed
        assert "X-Request-Id" in answer.headers["Access-Control-Expose-Headers"]
        assert "Origin" in answer.headers.get_all("Vary"), answer.headers
        # A cookie of such a page is no credential, by whatever method.
        cookie = {"Cookie": f"windlass_session={world.admin}", "Sec_Fetch_Site": "cross-site"}
        assert ask("POST", "/graphql", me, Origin=listed, Content_Type=JSON, **cookie).data == {"me": None}
        assert ask("GET", "/graphql?query={me{email}}", Origin=listed, **cookie).data == {"me": None}
        assert ask("GET", "/graphql?query={me{email}}", Origin=listed, **token).data["me"]
        bad = ask("POST", "/graphql", "{", Origin=listed, Content_Type=JSON)
        assert bad.status == 400 and bad.headers["Access-Control-Allow-Origin"] == listed  # errors can be read, too
        stream = ask("POST", "/graphql", '{"query":"subscription { nothing }"}', Origin=listed, Content_Type=JSON,
                     Accept="text/event-stream", **token)
        assert stream.headers["Access-Control-Allow-Origin"] == listed, stream.headers
        for origin in (other, listed + ".evil.example.org", "http://app.example.org", listed + ":444", "null"):
            answer = ask("POST", "/graphql", me, Origin=origin, Content_Type=JSON, **token)
            assert answer.status == 403 and answer.headers["Vary"] == "Origin", (origin, answer.text)
            assert not [name for name in answer.headers if name.startswith("Access-Control")], origin
            before = ask("OPTIONS", "/graphql", Origin=origin, **wanted)
            assert not [name for name in before.headers if name.startswith("Access-Control")], origin
        for answer in (before, bad, stream):
            assert "Access-Control-Allow-Credentials" not in answer.headers
        here = f"http://{gateway.host}:{gateway.port}"
        answer = ask("POST", "/graphql", me, Origin=here, Content_Type=JSON, Cookie=f"windlass_session={world.admin}")
        assert answer.data["me"] and "Access-Control-Allow-Origin" not in answer.headers


def nothing_is_loaded_from_another_host(world):
    seen, waiting = set(), ["/", "/login", "/setup"]
    while waiting:
        path = waiting.pop()
        page = world.gateway.get(path)
        if path in seen or page.status != 200:
            continue
        seen.add(path)
        text = re.sub(r"http://www\.w3\.org/(2000/svg|1999/xhtml|1999/xlink)", "", page.text)  # names, not places
        assert not re.search(r"(?i)\b(https?|wss?)://|[\"'(=]\s*//[a-z]", text), (path, page.text)
        for found in re.findall(r"""(?:src|href|from|import)\s*[=(]?\s*["']([^"'#?]+)["']""", text):
            base = path.rsplit("/", 1)[0]
            waiting.append(os.path.normpath(found if found.startswith("/") else f"{base}/{found}"))
    assert any(path.endswith(".js") for path in seen) and any(path.endswith(".css") for path in seen), seen


def each_answer_carries_its_id_and_the_trace(world):
    answer = world.post('{"query":"{__typename}"}')
    assert re.fullmatch(r"[0-9a-f]{20}", answer.headers["X-Request-Id"])
    assert world.post("{", X_Request_Id="my-id.1").headers["X-Request-Id"] == "my-id.1"
    strange = world.post("{", X_Request_Id='a" level=error').headers["X-Request-Id"]
    assert re.fullmatch(r"[0-9a-f]{20}", strange), strange
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    out = world.post("{", traceparent=trace).headers["traceparent"]
    assert out.startswith(trace[:36]) and out != trace and out.endswith("-01"), out
    assert "traceparent" not in world.post("{", traceparent="junk").headers
    eventually(lambda: "req=my-id.1 " in world.gateway.log)


def browsers_are_told_to_be_strict(world):
    for answer in (world.gateway.get("/"), world.gateway.get("/none"), world.gateway.get("/livez"),
                   world.post("{"), world.gateway.get("/setup")):
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy and "unsafe" not in policy, policy
        assert "frame-ancestors 'none'" in policy
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert world.post('{"query":"{__typename}"}').headers["Cache-Control"] == "no-store"


def the_pages_are_there(world):
    page = world.gateway.get("/")
    assert page.status == 200 and page.headers["Content-Type"].startswith("text/html")
    again = world.gateway.get("/", {"If-None-Match": page.headers["ETag"]})
    assert again.status == 304
    assert world.gateway.get("/login").status == 200
    assert world.gateway.get("/no/such/page").status == 404


def the_probes_answer(world):
    assert world.gateway.get("/livez").text == "ok\n"
    assert world.gateway.get("/readyz").text == "ok\n"
    checks = world.gateway.get("/readyz?verbose").text
    for name, since in (("gateway", True), ("database", True), ("schema", False)):
        line = next(line for line in checks.splitlines() if line.startswith(f"[+] {name} ok"))
        assert bool(re.search(r" ok since 20\d\d-\S+Z$", line)) == since, checks
    health = world.gateway.get("/healthz").json
    assert health["ready"] is True and health["services"] == {"gateway": "up", "database": "up"}
    assert world.gateway.get("/version").json["version"]
    before = world.gateway.log
    assert "/livez" not in before and "/readyz" not in before  # they would drown the rest


def the_health_command_tells_by_its_exit_code(world):
    base = f"http://{world.gateway.host}:{world.gateway.port}"
    for url, code in ((base + "/readyz", 0), (base + "/no/such/path", 1), ("http://127.0.0.1:1", 69)):
        done = subprocess.run([PROGRAM, "health", "--url", url], capture_output=True, check=False,
                              timeout=60)
        assert done.returncode == code and bool(done.stderr) == (code != 0), (url, done)


def what_happens_is_counted(world):
    for _ in range(3):
        assert world.gateway.graphql("query Counted { me { id } }", None, world.admin).code == "ok"

    def value(name):
        text = world.gateway.get("/metrics").text
        found = re.search(rf"^{re.escape(name)} (\S+)$", text, re.M)
        assert found, (name, text)
        return float(found.group(1))
    assert value('windlass_http_requests_total{route="graphql",status="2xx"}') >= 3
    assert value('windlass_graphql_operations_total{type="query",result="ok"}') >= 3
    # The same document was planned once a loop at most.
    eventually(lambda: value('windlass_graphql_plan_lookups_total{result="hit"}') >= 1)
    eventually(lambda: value('windlass_credential_lookups_total{result="hit"}') >= 1)
    assert value('windlass_database_connections{lane="read"}') >= 1


def limits_are_told_with_what_they_are(world):
    deep = "{ me " + "{ id " * 40 + "}" * 41
    answer = world.gateway.graphql(deep, None, world.admin)
    assert answer.status == 400, answer.text
    many = "{ " + " ".join(f"a{i}: __typename" for i in range(200)) + " }"
    answer = world.gateway.graphql(many, None, world.admin)
    assert answer.code == "QUERY_TOO_COMPLEX" and answer.status == 400, answer.text
    wide = "{ " + " ".join(f"a{i}: users(first: 500) {{ nodes {{ id email name role }} edges {{ node {{ id }} }} }}"
                           for i in range(9)) + " }"
    answer = world.gateway.graphql(wide, None, world.admin)
    assert answer.code == "QUERY_TOO_COMPLEX" and "limit" in answer.text, answer.text
    assert world.post('{"query":"' + " " * (1 << 20) + '"}').status == 413


def limits_of_memory_and_nesting_are_settings(world):
    with Gateway(world.url, GQL_NESTING_MAX="20", GQL_RESPONSE_LIMIT="2KiB", GQL_PLAN_LIMIT="64KiB",
                 GQL_ERRORS_MAX="3") as gateway:
        def ask(document):
            return gateway.graphql(document, None, world.admin)
        assert "nest" in ask("{ me " * 21 + "}" * 21).error["message"].lower()
        wrong = ask("{ " + " ".join(f"no{i}" for i in range(9)) + " }").json["errors"]
        assert len(wrong) == 4 and "error limit reached" in wrong[-1]["message"], wrong
        long = ask("{ " + " ".join(f"{'a' * 100}{i}: __typename" for i in range(25)) + " }")
        assert long.code == "QUERY_TOO_COMPLEX" and long.error["extensions"]["limit"] == "response_bytes_max", long.text
        large = ask("{ " + " ".join(f"a{i}: systemHealth {{ status services {{ name status detail since latencyMs }} }}"
                                    for i in range(25)) + " }")
        assert large.code == "QUERY_TOO_COMPLEX" and large.error["extensions"]["limit"] == "plan_bytes_max", large.text


def a_stranger_may_not_read_the_schema_in_production(world):
    with Gateway(world.url, ENV="production", SCHEMA="check") as gateway:
        for query in ("{ __schema { queryType { name } } }", '{ __type(name: "User") { name } }'):
            assert gateway.graphql(query).code == "GRAPHQL_VALIDATION_FAILED"
            assert gateway.graphql(query, None, world.admin).code == "ok"
        typo = gateway.graphql("{ mee { id } }")
        assert "did you mean" not in typo.text.lower(), typo.text


def a_client_that_ends_its_side_gets_its_answer(world):
    user = {"email": "half@example.com", "name": "Half", "password": "correct horse battery staple"}
    create = {"query": "mutation($i: CreateUserInput!) { createUser(input: $i) { email } }",
              "variables": {"i": user}}
    users = {"query": "{ users(first: 5) { edges { node { id } } } }"}
    requests = [("POST", "/graphql", json.dumps(create)), ("POST", "/graphql", json.dumps(users)),
                ("GET", "/healthz", ""), ("GET", "/readyz", "")]
    for method, path, body in requests:
        with socket.create_connection((world.gateway.host, world.gateway.port), 30) as connection:
            connection.sendall((f"{method} {path} HTTP/1.1\r\nHost: localhost\r\n"
                                f"Content-Type: {JSON}\r\nAuthorization: Bearer {world.admin}\r\n"
                                f"Content-Length: {len(body)}\r\n\r\n{body}").encode())
            connection.shutdown(socket.SHUT_WR)
            answer = connection.makefile("rb").read().decode()
        assert answer.startswith("HTTP/1.1 200 OK\r\n"), (path, answer)
        assert "errors" not in answer, answer
        assert path != "/graphql" or '{"data":{' in answer, answer


def errors_do_not_repeat_what_was_sent(world):
    secret = "S3cretPass2"
    given = {"email": "x@example.com", "name": "x", "password": secret}
    by_variable = "mutation($i: CreateUserInput!) { createUser(input: $i) { id } }"
    cases = [
        (by_variable, {"i": {**given, "bogus": 1}}, "bogus"),
        (by_variable, {"i": {**given, "password": [secret]}}, "i.password"),
        (by_variable, {"i": {**given, "role": secret}}, "i.role"),
        ('mutation { createUser(input: "%s") { id } }' % secret, None, "CreateUserInput"),
        ('mutation { createUser(input: { password: ["%s"] }) { id } }' % secret, None, "String"),
        ('mutation { createUser(input: { password "%s" }) { id } }' % secret, None, "found String"),
    ]
    for query, variables, named in cases:
        answer = world.gateway.graphql(query, variables, world.admin)
        assert answer.code != "ok" and secret not in answer.text, answer.text
        assert named in answer.text, answer.text


def secrets_never_reach_the_log(world):
    log = world.gateway.log
    assert world.admin not in log and "wlu_" not in log and "wls_" not in log
    assert "correct horse" not in log
    lines = [line for line in log.splitlines() if "event=http.request" in line]
    assert lines and all(" req=" in line for line in lines)


def main():
    with Postgres() as postgres, Gateway(postgres.url) as gateway:
        world = World(gateway)
        world.url = postgres.url
        run_tests([
            bodies_that_are_no_request_are_refused,
            only_json_is_taken,
            encoded_content_is_not_read_as_plain,
            the_answer_is_in_the_media_type_that_was_asked_for,
            get_is_for_queries,
            a_cookie_counts_in_a_get_only_where_the_browser_vouches_for_it,
            parameters_of_a_get_are_read_as_forms,
            other_methods_are_told_which_there_are,
            members_that_nobody_knows_are_ignored,
            every_refusal_names_its_request,
            pages_of_other_origins_are_refused,
            listed_origins_may_ask_with_a_token,
            nothing_is_loaded_from_another_host,
            each_answer_carries_its_id_and_the_trace,
            browsers_are_told_to_be_strict,
            the_pages_are_there,
            the_probes_answer,
            the_health_command_tells_by_its_exit_code,
            what_happens_is_counted,
            limits_are_told_with_what_they_are,
            limits_of_memory_and_nesting_are_settings,
            a_stranger_may_not_read_the_schema_in_production,
            a_client_that_ends_its_side_gets_its_answer,
            errors_do_not_repeat_what_was_sent,
            secrets_never_reach_the_log,
        ], world)


if __name__ == "__main__":
    main()
