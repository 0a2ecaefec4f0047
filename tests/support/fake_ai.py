"""A scripted ai service: what it answers is told by the test, what it was asked it remembers."""

import http.server
import json
import threading

from gateway_rig import WAIT_S

DONE = {"content": "There are 7 tasks.", "model": "script-1", "is_degraded": False,
        "citations": [{"label": "tasks", "query": "{ taskCounts { total } }", "variables": None,
                       "data": {"taskCounts": {"total": 7}}}]}


def events(*pairs):
    """The body of an event stream."""
    return "".join(f"event: {name}\ndata: {json.dumps(data)}\n\n" for name, data in pairs).encode()


class FakeAi:
    """`answers` maps a path to a function of the request's body that gives (status, body): a dict
    is JSON, bytes an event stream, None no answer until `release`."""

    def __init__(self, port=0):
        self.answers = {"/v1/chat": lambda _: (200, events(("delta", {"text": "There"}), ("done", DONE)))}
        self.asked = []  # (path, body, headers)
        self.gate = threading.Event()
        self.lock = threading.Lock()
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", port), self.handler())
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def asked_of(self, path):
        with self.lock:
            return [entry for entry in self.asked if entry[0] == path]

    def release(self):
        """Those who hang are answered, and nobody hangs any more."""
        self.gate.set()

    def hang(self):
        """For an answer: what it waits for is `release`."""
        assert self.gate.wait(WAIT_S), "nobody released it"

    def stop(self):
        self.release()
        self.server.shutdown()
        self.server.server_close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def handler(self):
        fake = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def send(self, status, body):
                kind = "text/event-stream" if isinstance(body, bytes) else "application/json"
                raw = body if isinstance(body, bytes) else json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(raw)))
                self.end_headers()
                self.wfile.write(raw)

            def do_GET(self):
                self.send(200, {"ready": True})

            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                with fake.lock:
                    fake.asked.append((self.path, body, dict(self.headers)))
                try:
                    self.send(*fake.answers[self.path](body))
                except (BrokenPipeError, ConnectionResetError):
                    pass  # the gateway waits no longer

        return Handler
