"""A way between a service and those who ask it, which can be slow, or lie."""
import http.client
import threading

from between import Between

ANSWER_S = 60
PASSED_ON = ("Authorization", "Content-Type", "Accept")
SHAPELESS = b'{"results": "none", "events": 7, "cursor": [], "head": null, "insights": 1, "task": []}'


class Way(Between):
    """A port of its own that leads to `target()`, a port. `lie` is one of LIES, or None: what came is passed on,
    after `slow_s` where that is set. Who waits when it is set to 0 waits no longer."""

    LIES = ("no JSON", "no sense", "an error", "an answer that breaks off")

    def __init__(self, target):
        self.target, self.lie, self.slow_s = target, None, 0
        self.changed = threading.Condition()
        super().__init__()
        self.url = f"http://127.0.0.1:{self.port}"

    def set(self, lie=None, slow_s=0):
        with self.changed:
            self.lie, self.slow_s = lie, slow_s
            self.changed.notify_all()

    def end(self):
        self.set()
        super().end()

    def carry(self, handler, body):
        if self.lie:
            self.tell(handler, self.lie)
            return
        answer = self.ask(handler, body)
        with self.changed:
            if self.slow_s:
                self.changed.wait_for(lambda: not self.slow_s, self.slow_s)
        if answer is None:
            self.hang_up(handler)
        else:
            self.send(handler, *answer)

    @staticmethod
    def tell(handler, lie):
        if lie == "an answer that breaks off":
            Way.send(handler, 200, "application/json", b'{"results": [', length=1000)
            handler.close_connection = True
        elif lie == "an error":
            Way.send(handler, 500, "text/html", b"<html>oops</html>")
        else:
            Way.send(handler, 200, "application/json", SHAPELESS if lie == "no sense" else b"\x00}{ is none")

    def ask(self, handler, body):
        """(status, type, body); None: there was no answer."""
        headers = {name: handler.headers[name] for name in PASSED_ON if name in handler.headers}
        connection = http.client.HTTPConnection("127.0.0.1", self.target(), timeout=ANSWER_S)
        try:
            connection.request(handler.command, handler.path, body, headers)
            response = connection.getresponse()
            return response.status, response.getheader("Content-Type"), response.read()
        except (OSError, http.client.HTTPException):
            return None
        finally:
            connection.close()
