"""Where tests put the folders of what they start."""

import os

MEMORY = "/dev/shm"
ROOM = 2 << 30  # bytes, for all that run at once


def scratch_root():
    """In memory where there is room and programs may be started from it, since there is no disk to wait for; else /tmp."""
    try:
        there = os.statvfs(MEMORY)
    except OSError:
        return "/tmp"
    is_fit = there.f_bavail * there.f_frsize >= ROOM and not there.f_flag & os.ST_NOEXEC and os.access(MEMORY, os.W_OK)
    return MEMORY if is_fit else "/tmp"
