"""Ids of tasks and jobs, as whoever makes one makes it."""
import secrets
import time
import uuid


def new_id(at_s=None):
    """A UUIDv7 of now, or of another time."""
    ms = int((time.time() if at_s is None else at_s) * 1000)
    b = bytearray(ms.to_bytes(6, "big") + secrets.token_bytes(10))
    b[6], b[8] = 0x70 | (b[6] & 15), 0x80 | (b[8] & 63)
    return str(uuid.UUID(bytes=bytes(b)))
