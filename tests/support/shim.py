"""A wall clock that jumps and a disk that hangs, for a process and its children: tests/support/fault_shim.c, preloaded."""

import mmap
import os
import shutil
import struct
import sys
import tempfile

LIBRARY = os.environ.get("WINDLASS_TEST_SHIM") or os.path.join(
    os.path.dirname(os.path.abspath(sys.argv[1])), "tests/support/libfault_shim.so")


class Shim:
    """One host's clock and disk. `environment` goes to each process of it."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="windlass-shim-")  # PostgreSQL's user may not read the build folder
        os.chmod(self.folder, 0o755)
        library = shutil.copy(LIBRARY, self.folder)
        os.chmod(library, 0o755)
        path = os.path.join(self.folder, "faults")
        with open(path, "wb+") as file:
            file.truncate(16)
            self.map = mmap.mmap(file.fileno(), 16)
        os.chmod(path, 0o644)
        self.environment = {
            "LD_PRELOAD": library, "FAULT_SHIM": path,
            # Its runtime wants to be the first library of all.
            "ASAN_OPTIONS": ":".join(filter(None, [os.environ.get("ASAN_OPTIONS"), "verify_asan_link_order=0"]))}

    @property
    def ahead_s(self):
        """Of the machine's own clock."""
        return struct.unpack_from("q", self.map, 0)[0] / 1e6

    @ahead_s.setter
    def ahead_s(self, seconds):
        struct.pack_into("q", self.map, 0, int(seconds * 1e6))

    def stall(self, is_stalled):
        struct.pack_into("q", self.map, 8, int(is_stalled))

    def end(self):
        self.map.close()
        shutil.rmtree(self.folder, ignore_errors=True)
