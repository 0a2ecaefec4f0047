"""What lies between the worker's callers and the workers: it finds the one that leads, loses requests and answers,
and sends requests twice."""

import http.client
import random
import threading
import time

from between import Between

LOSSES = ("lose request", "lose answer", "send twice", "send twice")  # as likely as they stand here
ANSWER_S = 40


class Network(Between):
    """A port of its own. `loss` is the chance that something happens to a request."""

    def __init__(self, seed, loss):
        self.dice, self.lock, self.loss = random.Random(seed), threading.Lock(), loss
        self.workers = lambda: []  # the ports of those that run
        self.leader = None         # the port that led last
        self.done = {}             # what happened how often
        super().__init__()

    def choose(self):
        with self.lock:
            what = self.dice.choice(LOSSES) if self.dice.random() < self.loss else "carry"
            self.done[what] = self.done.get(what, 0) + 1
            return what

    def carry(self, handler, body):
        what = self.choose()
        answer = None if what == "lose request" else self.ask(handler, body)
        if what == "send twice" and answer is not None:
            second = self.ask(handler, body)
            with self.lock:
                answer = self.dice.choice([answer, second or answer])
        if what == "lose answer" or answer is None:
            self.hang_up(handler)
        else:
            self.send(handler, *answer)

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
