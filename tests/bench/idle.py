"""What a machine takes when it has nothing else to do: to flush to its disk, to wake a process."""
import os
import random
import socket
import statistics
import time
from pathlib import Path


def pace():
    """Until the system is idle again: as often as T2 makes a task."""
    time.sleep(random.uniform(0.02, 0.04))


def fdatasync_ms(folder, times=300, before=lambda: None):
    """The median of writing 8 KiB and waiting for the disk, in a folder of the server's disk. In a row, or
    with `before` each: a disk, too, may sleep."""
    path = Path(folder) / "fdatasync"
    took = []
    file = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
    os.pwrite(file, bytes(8 << 20), 0)
    os.fsync(file)
    for i in range(times):
        before()
        began = time.perf_counter()
        os.pwrite(file, b"x" * 8192, i * 8192)
        os.fdatasync(file)
        took.append(time.perf_counter() - began)
    os.close(file)
    path.unlink()
    return 1000 * statistics.median(took)


def wake_ms():
    """The median of what it takes to wake a process that sleeps in recv on an idle machine: half of a
    byte's way to another process and back, at T2's pace."""
    here, there = socket.socketpair()
    child = os.fork()
    if child == 0:
        here.close()
        while byte := there.recv(1):
            there.send(byte)
        os._exit(0)
    there.close()
    took = []
    for _ in range(100):
        pace()
        began = time.perf_counter()
        here.send(b"x")
        here.recv(1)
        took.append(time.perf_counter() - began)
    here.close()
    os.waitpid(child, 0)
    return 500 * statistics.median(took)
