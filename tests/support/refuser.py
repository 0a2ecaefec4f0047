"""A service that refuses some acknowledgements, and is the real one else."""

import http.client
import http.server
import json
import threading


class Refuser(http.server.ThreadingHTTPServer):
    """
    Between a worker and the gateway of a world (lease_rig.py): an acknowledgement of one of the tasks `held`
    may be taken later, and a call that has more than it is `refused`, which is counted.
    """

    def __init__(self, world):
        super().__init__(("127.0.0.1", 0), Refusing)
        self.target, self.url = (world.gateway.host, world.gateway.port), f"http://127.0.0.1:{self.server_port}"
        self.held, self.refused = set(), 0
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def __exit__(self, *_):
        self.shutdown()
        self.server_close()


class Refusing(http.server.BaseHTTPRequestHandler):
    """A connection to Refuser."""

    protocol_version, disable_nagle_algorithm = "HTTP/1.1", True

    def do_POST(self):  # pylint: disable=invalid-name
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        told = json.loads(body) if body else {}
        acks = [ack["task"] for ack in told.get("acks") or told.get("results") or ()]
        if self.server.held.isdisjoint(acks):
            connection = http.client.HTTPConnection(*self.server.target)
            connection.request(self.command, self.path, body, dict(self.headers))
            answer = connection.getresponse()
            self.answer(answer.status, answer.read())
            connection.close()
        elif len(acks) > 1:
            self.server.refused += 1
            self.answer(400, b'{"code": "BAD_USER_INPUT", "detail": "one of them"}')
        else:
            self.answer(503, b'{"code": "UNAVAILABLE", "detail": "later"}')

    do_GET = do_DELETE = do_POST

    def answer(self, status, body):
        try:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
        except OSError:  # it went
            self.close_connection = True

    def log_message(self, format, *args):  # pylint: disable=redefined-builtin
        pass
