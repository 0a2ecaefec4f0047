"""What /proc tells of a tree of processes: who is in it, CPU time used, memory held."""
import os
from pathlib import Path

TICK_SECONDS = 1 / os.sysconf("SC_CLK_TCK")


def _stat(pid):
    """Parent and the four CPU figures: own user and system time, and those of reaped children."""
    text = Path(f"/proc/{pid}/stat").read_text()
    fields = text[text.rindex(")") + 2:].split()
    return int(fields[1]), [int(ticks) for ticks in fields[11:15]]


def tree(root):
    """The process and all its descendants."""
    children = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                children.setdefault(_stat(entry.name)[0], []).append(int(entry.name))
            except (OSError, ValueError):
                continue  # it has ended meanwhile
    found, open_ends = [], [root]
    while open_ends:
        pid = open_ends.pop()
        found.append(pid)
        open_ends += children.get(pid, [])
    return found


def command(pid):
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode().strip()
    except OSError:
        return ""


def cpu_seconds(root):
    """Of a process tree, with the children it has reaped."""
    total = 0
    for pid in tree(root):
        try:
            total += sum(_stat(pid)[1])
        except OSError:
            continue
    return total * TICK_SECONDS


def memory_bytes(pid):
    """Resident, and proportional: shared pages divided among those who share them."""
    sizes = {}
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        name, _, rest = line.partition(":")
        if name in ("Rss", "Pss"):
            sizes[name] = int(rest.split()[0]) * 1024
    return sizes["Rss"], sizes["Pss"]


def peak_bytes(pid):
    """The most that was resident since it started; 0 of one that has ended."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM")), 0)
