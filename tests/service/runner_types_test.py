#!/usr/bin/env python3
"""The runner's task types that need settings of their own, against a scripted worker.
Usage: runner_types_test.py PROGRAM"""

import base64
import hashlib
import hmac
import http.server
import json
import os
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../support"))
from gateway_rig import PROGRAM, WAIT_S, run_tests  # noqa: E402
from runner_rig import Runner, Worker  # noqa: E402


class World:
    """A folder for settings, and a scripted worker."""

    def __init__(self, folder):
        self.folder = folder

    def file(self, name, content, mode=0o600):
        path = os.path.join(self.folder, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(content if isinstance(content, str) else json.dumps(content))
        os.chmod(path, mode)
        return path


def refused(**settings):
    """What a runner with such settings says before it ends."""
    done = subprocess.run([PROGRAM, "runner"], capture_output=True, text=True, timeout=WAIT_S, check=False,
                          env={"PATH": os.environ["PATH"], "WINDLASS_WORKER_URL": "http://127.0.0.1:1",
                               "WINDLASS_RUNNER_PORT": "0",
                               **{"WINDLASS_" + name: value for name, value in settings.items()}})
    assert done.returncode == 78, (done.returncode, done.stderr)
    return done.stderr


# ── http.request ──

class Receiver:
    """Keeps what it is sent."""

    def __init__(self):
        self.requests = []
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def log_message(self, *_):
                pass

            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                receiver.requests.append((self.headers, body))
                self.send_response(204)
                self.end_headers()
            do_GET = do_POST
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/hook"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,))

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join(WAIT_S)


KEYS = [b"k" * 24, bytes(range(64))]


def whsec(key):
    return "whsec_" + base64.b64encode(key).decode()


def a_request_is_signed_with_each_key_of_its_secret(world):
    secrets = world.file("http-secrets", {"one": whsec(KEYS[0]), "two": [whsec(KEYS[1]), whsec(KEYS[0])]})
    with Worker(("127.0.0.1", 0)) as worker, Receiver() as receiver, \
            Runner(worker.url, HTTP_ALLOW="127.0.0.1", HTTP_SECRETS=secrets) as runner:
        for name, keys in (("one", KEYS[:1]), ("two", KEYS[::-1])):
            task = worker.give("http.request", {"url": receiver.url, "method": "POST", "body": {"a": "ü"},
                                                "sign_with": name})
            assert worker.ack_of(task)["outcome"] == "complete", worker.ack_of(task)
            headers, body = receiver.requests.pop()
            assert headers["webhook-id"] == task and abs(int(headers["webhook-timestamp"]) - time.time()) < WAIT_S
            signed = f"{task}.{headers['webhook-timestamp']}.".encode() + body
            expected = " ".join("v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode() for key in keys)
            assert headers["webhook-signature"] == expected, (headers["webhook-signature"], expected)
        ack = worker.run("http.request", {"url": receiver.url, "sign_with": "three"})
        assert (ack["outcome"], ack["error"]) == ("fatal", "$.sign_with: this runner has no secret of that name"), ack
        assert worker.run("http.request", {"url": receiver.url})["outcome"] == "complete"
        assert "webhook-id" not in receiver.requests.pop()[0]
        assert base64.b64encode(KEYS[0]).decode() not in runner.log


def files_of_secrets_must_be_closed_to_others_and_make_sense(world):
    path = os.path.join(world.folder, "http-secrets")
    for content, mode, error in (({}, 0o644, "has mode 644: others may read or change it; chmod 600"),
                                 ({}, 0o620, "has mode 620"), ("[]", 0o600, "holds no JSON object"),
                                 ("{", 0o600, "read " + path), ({"a": "short"}, 0o600, "a: "),
                                 ({"a": "whsec_" + "A" * 28}, 0o600, "base64 of 24 to 64 bytes expected"),
                                 ({"a": []}, 0o600, "1 to 5 keys expected")):
        world.file("http-secrets", content, mode)
        said = refused(HTTP_SECRETS=path)
        assert error in said and "http-secrets" in said, (error, said)
    assert "No such file" in refused(HTTP_SECRETS=os.path.join(world.folder, "none"))


TESTS = [
    a_request_is_signed_with_each_key_of_its_secret,
    files_of_secrets_must_be_closed_to_others_and_make_sense,
]

if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as path:
        run_tests(TESTS, World(path))
