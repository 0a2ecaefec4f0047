"""A WebSocket client over a plain socket, which can also send what no client may."""

import base64
import json
import os
import socket
import struct

from gateway_rig import WAIT_S

TEXT, BINARY, CLOSE, PING, PONG, FIN = 1, 2, 8, 9, 10, 0x80
KEY = "dGhlIHNhbXBsZSBub25jZQ=="


def frame(first, payload=b"", masked=True, announced=None):
    """One frame; `first` is FIN, reserved bits and opcode."""
    length = len(payload) if announced is None else announced
    bit = 0x80 if masked else 0
    if length < 126:
        head = bytes([first, bit | length])
    elif length < 65536:
        head = bytes([first, bit | 126]) + struct.pack(">H", length)
    else:
        head = bytes([first, bit | 127]) + struct.pack(">Q", length)
    if not masked:
        return head + payload
    mask = os.urandom(4)
    return head + mask + bytes(b ^ mask[i % 4] for i, b in enumerate(payload))


def handshake(gateway, protocol="graphql-transport-ws", headers=(), path="/graphql"):
    lines = [f"GET {path} HTTP/1.1", f"Host: {gateway.host}:{gateway.port}", "Connection: Upgrade", "Upgrade: websocket",
             "Sec-WebSocket-Version: 13", f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}"]
    if protocol:
        lines.append(f"Sec-WebSocket-Protocol: {protocol}")
    lines += [f"{name}: {value}" for name, value in dict(headers).items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


class Closed(Exception):
    """The server closed; `code` is its own, or None where the connection ended without one."""

    def __init__(self, code, reason=""):
        super().__init__(f"closed: {code} {reason}")
        self.code, self.reason = code, reason


class WebSocket:
    def __init__(self, gateway, token=None, init=True, receive_bytes=None, **options):
        self.socket = socket.socket()
        if receive_bytes:  # before the connection, which agrees on it
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        self.socket.settimeout(WAIT_S)
        self.socket.connect((gateway.host, gateway.port))
        self.socket.sendall(handshake(gateway, **options))
        self.reader = self.socket.makefile("rb")
        self.status = int(self.reader.readline().split()[1])
        self.headers = {}
        while (line := self.reader.readline().strip()):
            name, value = line.decode().split(": ", 1)
            self.headers[name.lower()] = value
        if init and self.status == 101:
            self.init(token)

    def init(self, token=None, **payload):
        if token:
            payload["token"] = token
        self.send({"type": "connection_init", "payload": payload})
        ack = self.next()
        assert ack["type"] == "connection_ack" and ack["payload"]["serverVersion"], ack

    def raw(self, data):
        self.socket.sendall(data)

    def send(self, message):
        self.raw(frame(FIN | TEXT, json.dumps(message).encode()))

    def subscribe(self, id_, query, variables=None, **more):
        self.send({"id": id_, "type": "subscribe", "payload": {"query": query, "variables": variables, **more}})

    def frame(self):
        """Opcode and payload of the next frame."""
        head = self.reader.read(2)
        if len(head) < 2:
            raise Closed(None)
        assert head[0] & 0xf0 == FIN and head[1] < 128, head
        length = head[1]
        if length > 125:
            length = int.from_bytes(self.reader.read(2 if length == 126 else 8), "big")
        payload = self.reader.read(length)
        if len(payload) < length:
            raise Closed(None)
        return head[0] & 15, payload

    def next(self):
        """The next message; pings of the connection are answered on the way."""
        while True:
            opcode, payload = self.frame()
            if opcode == CLOSE:
                self.raw(frame(FIN | CLOSE, payload[:2]))
                raise Closed(int.from_bytes(payload[:2], "big") if payload else None, payload[2:].decode())
            if opcode == PING:
                self.raw(frame(FIN | PONG, payload))
            elif opcode == TEXT:
                return json.loads(payload)

    def closed(self):
        """The close that comes; what comes before it is read over."""
        try:
            while True:
                self.next()
        except Closed as end:
            return end

    def run(self, id_, query, variables=None, **more):
        """The messages of one operation, to its end."""
        self.subscribe(id_, query, variables, **more)
        messages = [self.next()]
        while messages[-1]["type"] == "next":
            messages.append(self.next())
        assert all(m["id"] == id_ for m in messages), messages
        return messages

    def close(self):
        self.reader.close()
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
