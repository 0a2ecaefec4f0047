"""What lies between the worker's callers and the workers: it finds the one that leads, loses requests and answers,
and sends requests twice."""

import http.client
import http.server
import random
import socket
import socketserver
import threading
import time

LOSSES = ("lose request", "lose answer", "send twice", "send twice")  # as likely as they stand here
ANSWER_S = 40


class Network:
    """A port of its own. `loss` is the chance that something happens to a request."""

    def __init__(self, seed, loss):
        self.dice, self.lock, self.loss = random.Random(seed), threading.Lock(), loss
        self.workers = lambda: []  # the ports of those that run
        self.leader = None         # the port that led last
        self.done = {}             # what happened how often
        network = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def carry(self):
                network.carry(self)
            do_GET = do_POST = do_DELETE = carry

        class Server(socketserver.ThreadingMixIn, socketserver.TCPServer):
            daemon_threads = allow_reuse_address = True
            request_queue_size = 128

            def handle_error(self, *_):
                pass  # whoever asked has gone
        self.server = Server(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def end(self):
        self.server.shutdown()
        self.server.server_close()

    def choose(self):
        with self.lock:
            what = self.dice.choice(LOSSES) if self.dice.random() < self.loss else "carry"
            self.done[what] = self.done.get(what, 0) + 1
            return what

    def carry(self, handler):
        length = int(handler.headers.get("Content-Length") or 0)
        body = handler.rfile.read(length) if length else None
        what = self.choose()
        answer = None if what == "lose request" else self.ask(handler, body)
        if what == "send twice" and answer is not None:
            second = self.ask(handler, body)
            with self.lock:
                answer = self.dice.choice([answer, second or answer])
        if what == "lose answer" or answer is None:
            handler.close_connection = True
            handler.connection.shutdown(socket.SHUT_RDWR)
            return
        status, kind, text = answer
        handler.send_response_only(status)
        handler.send_header("Content-Type", kind or "application/json")
        handler.send_header("Content-Length", str(len(text)))
        handler.end_headers()
        handler.wfile.write(text)

    def ask(self, handler, body):
        """(status, type, body) of whoever leads; of any where nobody does; None where the answer did not come."""
        headers = {name: handler.headers[name] for name in
                   ("Authorization", "Content-Type", "Windlass-Session-Secret") if name in handler.headers}
        refused = None
        ports = self.workers()
        for port in sorted(ports, key=lambda p: p != self.leader):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=ANSWER_S)
            try:
                connection.connect()
            except OSError:
                continue  # it was killed: it has not seen the request
            try:
                connection.request(handler.command, handler.path, body, headers)
                response = connection.getresponse()
                answer = response.status, response.getheader("Content-Type"), response.read()
            except (OSError, http.client.HTTPException):
                return None
            finally:
                connection.close()
            if answer[0] != 503:
                self.leader = port
                return answer
            refused = answer
        time.sleep(0.02)
        return refused
