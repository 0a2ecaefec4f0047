"""A port of its own that stands between a service and those who ask it."""
import http.server
import socket
import socketserver
import threading


class Between:
    """Each request is `carry(handler, body)`, on a thread of its own; whoever derives from this says what that does."""

    def __init__(self):
        between = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def carry(self):
                length = int(self.headers.get("Content-Length") or 0)
                between.carry(self, self.rfile.read(length) if length else None)
            do_GET = do_POST = do_DELETE = carry

        class Server(socketserver.ThreadingMixIn, socketserver.TCPServer):
            daemon_threads = allow_reuse_address = True
            request_queue_size = 128

            def handle_error(self, *_):
                pass  # whoever asked has gone
        self.server = Server(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def carry(self, handler, body):
        raise NotImplementedError

    def end(self):
        self.server.shutdown()
        self.server.server_close()

    @staticmethod
    def send(handler, status, kind, text, length=None):
        handler.send_response_only(status)
        handler.send_header("Content-Type", kind or "application/json")
        handler.send_header("Content-Length", str(len(text) if length is None else length))
        handler.end_headers()
        handler.wfile.write(text)

    @staticmethod
    def hang_up(handler):
        handler.close_connection = True
        handler.connection.shutdown(socket.SHUT_RDWR)
