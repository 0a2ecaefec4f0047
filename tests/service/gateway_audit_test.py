#!/usr/bin/env python3
"""The public audit suite of GraphQL over HTTP (npm: graphql-http) against a gateway in its production
defaults, as a caller with the least role. Usage: gateway_audit_test.py PROGRAM BUILD-FOLDER"""

import json
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../support"))
from gateway_rig import Gateway, Postgres, create_user  # noqa: E402

AUDITS = 61
NO_NODE = 77


def audit(gateway, token, build):
    done = subprocess.run([os.path.join(HERE, "../support/npm.sh"), build], stdout=subprocess.PIPE,
                          text=True, check=False)
    if done.returncode == NO_NODE:
        return None
    assert done.returncode == 0, "the packages could not be installed"
    node = os.path.join(done.stdout.strip(), "node")
    done = subprocess.run([node, os.path.join(HERE, "graphql_http_audit.mjs"),
                           f"http://{gateway.host}:{gateway.port}/graphql", token],
                          cwd=os.path.join(build, "e2e"), stdout=subprocess.PIPE, text=True, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def main():
    build = os.path.abspath(sys.argv[2])
    with Postgres() as postgres:
        with Gateway(postgres.url) as gateway:  # development makes the schema
            admin = gateway.set_up()
            create_user(gateway, admin, "viewer@example.org")
        with Gateway(postgres.url, ENV="production", SCHEMA="check") as gateway:
            results = audit(gateway, gateway.login("viewer@example.org"), build)
    if results is None:
        print("1..0 # SKIP no Node of at least 20.19 and none to be had")
        return
    print(f"1..{AUDITS + 1}")
    for number, result in enumerate(results, 1):
        is_good = result["status"] == "ok"
        print(f"{'ok' if is_good else 'not ok'} {number} - {result['id']} {result['name']}")
        if not is_good:
            print(f"# {result['status']}: {result['reason']}")
    is_whole = len(results) == AUDITS
    print(f"{'ok' if is_whole else 'not ok'} {len(results) + 1} - all {AUDITS} audits have run")
    sys.exit(not is_whole or any(result["status"] != "ok" for result in results))


main()
