"""Processes of the program, for tests in Python: what each writes, waiting for it, and its end. What fails
prints the last lines of all that run, for nothing else tells afterwards why something never came true."""

import contextlib
import fcntl
import os
import re
import signal
import subprocess
import sys
import time

PROGRAM = os.path.abspath(sys.argv[1])
WAIT_S = 150  # far longer than anything here takes on a busy machine, or on one whose disk stands still for a minute
LOOK_S = 10  # as much of WAIT_S passes between two looks at most: a machine may be paused as a whole
# Between two looks, in parts of what was waited already: many a look starts a psql, which others wait for, too.
PAUSE, PAUSE_S_MIN, PAUSE_S_MAX = 0.05, 0.01, 0.1
TAIL_LINES, TAIL_COLUMNS = 40, 400
# A sanitizer's report is the only trace of a rare fault, and a process that goes on writes much behind it.
REPORT, REPORT_LINES = re.compile(r"WARNING: ThreadSanitizer|ERROR: \w+Sanitizer|runtime error:"), 400


def eventually(look):
    """What `look` gives once it is true. It fails only after far longer than it should take."""
    waited_s, last = 0, time.monotonic()
    while True:
        try:
            found = look()
        except OSError:
            found = None
        if found:
            return found
        now = time.monotonic()
        waited_s, last = waited_s + min(now - last, LOOK_S), now
        assert waited_s < WAIT_S, "it never came true"
        time.sleep(min(max(waited_s * PAUSE, PAUSE_S_MIN), PAUSE_S_MAX))


def reaches(count, total):
    """Waits until `count()` is `total`, each step anew: what is many takes its time on a busy machine."""
    seen = 0
    while seen < total:
        seen += eventually(lambda: max(count() - seen, 0))


class Output:
    """What a process writes, in memory: no log waits for a disk. Reading it moves nobody's place in it."""

    def __init__(self):
        self.fd = os.memfd_create("output")
        fcntl.fcntl(self.fd, fcntl.F_SETFL, os.O_APPEND)

    def fileno(self):
        return self.fd

    @property
    def text(self):
        return os.pread(self.fd, os.fstat(self.fd).st_size, 0).decode(errors="replace")

    def close(self):
        if self.fd >= 0:
            os.close(self.fd)
        self.fd = -1


def is_sanitized():
    """A sanitizer's memory is its own, and AddressSanitizer keeps what was freed: memory then says nothing."""
    with open(PROGRAM, "rb") as program:
        text = program.read()
    return b"__asan_init" in text or b"__tsan_init" in text


def read_line(path):
    """The first line of a file of /proc, or "?"."""
    try:
        with open(path, encoding="utf-8") as file:
            return file.readline().strip()
    except OSError:
        return "?"


def worth_telling(log):
    """The last lines of a log, and before them a sanitizer's first report, whole."""
    lines = [line for line in log.splitlines() if "event=schema.changed" not in line]
    tail = max(len(lines) - TAIL_LINES, 0)
    first = next((i for i, line in enumerate(lines) if REPORT.search(line)), tail)
    report = lines[first:min(first + REPORT_LINES, tail)]
    return [line[:TAIL_COLUMNS] for line in report + lines[tail:]]


class Process:
    """One process of the program. What it says on stderr is its log, and so is stdout if nobody else takes it."""

    living = []  # those that were started and have not ended in order

    def __init__(self, who, words, environment, output=None, **more):
        self.who, self.log_file, self.is_killed = who, Output(), False
        self.process = subprocess.Popen(words, stdout=output or self.log_file, stderr=self.log_file, env=environment, **more)
        self.living.append(self)

    @property
    def log(self):
        return self.log_file.text

    def wait_for_log(self, pattern):
        def look():
            assert self.process.poll() is None, f"{self.who} ended: {self.log}"
            return re.search(pattern, self.log)
        return eventually(look)

    @contextlib.contextmanager
    def starting(self):
        """What fails within it leaves no process behind."""
        try:
            yield
        except BaseException:
            self.end()
            raise

    def tell(self):
        pid, code = self.process.pid, self.process.poll()
        state = f"waits in {read_line(f'/proc/{pid}/wchan')}" if code is None else f"exit code {code}"
        print(f"# -- {self.who}, process {pid}, {state}")
        for line in worth_telling(self.log):
            print("# " + line)

    @classmethod
    def tell_all(cls):
        """Of those that run, and of what the machine lacks."""
        for process in cls.living:
            if process.log_file.fd >= 0:
                process.tell()
        for what in ("cpu", "io", "memory"):
            print(f"# pressure of {what}: {read_line(f'/proc/pressure/{what}')}")
        print(f"# load: {read_line('/proc/loadavg')}", flush=True)

    def stop(self, signum=signal.SIGTERM):
        """The exit code."""
        if self.process.poll() is None:
            self.is_killed |= signum == signal.SIGKILL
            self.process.send_signal(signum)
        return self.process.wait(WAIT_S)

    def end(self, has_failed=True):
        """At once; the log is told of what failed, and then gone."""
        self.process.kill()
        self.process.wait(WAIT_S)
        if self in self.living:
            self.living.remove(self)
        if has_failed and self.log_file.fd >= 0:
            self.tell()
        self.log_file.close()

    def __enter__(self):
        return self

    def __exit__(self, kind, *_, good_codes=(0,)):
        is_good = False
        try:
            code = self.stop()
            is_good = code in good_codes or (self.is_killed and code == -signal.SIGKILL)
            assert kind not in (None, SystemExit) or is_good, f"{self.who}: exit code {code}"
        finally:
            self.end(has_failed=kind not in (None, SystemExit) or not is_good)
