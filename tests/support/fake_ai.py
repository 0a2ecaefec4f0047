"""A scripted ai service: what it answers is told by the test, what it was asked it remembers."""

import http.server
import json
import socket
import socketserver
import sys
import threading

from gateway_rig import WAIT_S

DONE = {"content": "There are 7 tasks.", "model": "script-1", "is_degraded": False,
        "citations": [{"label": "tasks", "query": "{ taskCounts { total } }", "variables": None,
                       "data": {"taskCounts": {"total": 7}}}]}


def events(*pairs):
    """The body of an event stream."""
    return "".join(f"event: {name}\ndata: {json.dumps(data)}\n\n" for name, data in pairs).encode()


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, *args):
        self.connections = []
        super().__init__(*args)

    def process_request(self, request, client_address):
        self.connections.append(request)
        super().process_request(request, client_address)

    def end_connections(self):
        """The kept ones too, which have threads of their own."""
        for connection in self.connections:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # it has gone already

    def server_bind(self):
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = "ai", 0

    def handle_error(self, request, client_address):
        if not isinstance(sys.exc_info()[1], ConnectionError):  # the gateway may go at any time
            super().handle_error(request, client_address)


class UnixServer(Server):
    address_family = socket.AF_UNIX


class FakeAi:
    """`answers` maps a path to a function of the request's body that gives (status, body): a dict
    is JSON, bytes an event stream, an iterator of bytes one that is sent piece by piece. It listens on a free port, or at the path of a socket."""

    def __init__(self, path=None):
        self.answers = {"/v1/chat": lambda _: (200, events(("delta", {"text": "There"}), ("done", DONE)))}
        self.asked = []  # (path, body, headers)
        self.is_ready = True
        self.gate = threading.Event()
        self.lock = threading.Lock()
        self.server = UnixServer(path, self.handler()) if path else Server(("127.0.0.1", 0), self.handler())
        self.url = f"unix:{path}" if path else f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

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
        self.server.end_connections()

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

            def send_pieces(self, status, pieces):
                self.send_response(status)
                self.send_header("Content-Type", "text/event-stream")
                self.send_header("Transfer-Encoding", "chunked")
                self.end_headers()
                for piece in pieces:
                    self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
                self.wfile.write(b"0\r\n\r\n")

            def send(self, status, body):
                if hasattr(body, "__next__"):
                    self.send_pieces(status, body)
                    return
                kind = "text/event-stream" if isinstance(body, bytes) else "application/json"
                raw = body if isinstance(body, bytes) else json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(raw)))
                self.end_headers()
                self.wfile.write(raw)

            def do_GET(self):
                self.send(200 if fake.is_ready else 503, {"ready": fake.is_ready})

            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                with fake.lock:
                    fake.asked.append((self.path, body, dict(self.headers)))
                try:
                    self.send(*fake.answers[self.path](body))
                except (BrokenPipeError, ConnectionResetError):
                    pass  # the gateway waits no longer

        return Handler
