#!/usr/bin/env python3
"""What tests/support/process_rig.py says of how a process ended. Usage: support_process_rig_test.py PROGRAM"""

import os
import signal
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../support"))
from gateway_rig import run_tests  # noqa: E402
from process_rig import TAIL_LINES, Process, worth_telling  # noqa: E402


def told(code, failure=None, is_killed=False):
    """What comes out of a `with` over a process that ends with the code, or that the test kills within, and in which
    `failure` is raised."""
    script = f"trap 'exit {code}' TERM; echo ready; while :; do sleep 0.01; done"
    try:
        with Process("shell", ["sh", "-c", script], {"PATH": os.environ["PATH"]}) as process:
            process.wait_for_log("ready")
            if is_killed:
                process.stop(signal.SIGKILL)
            if failure:
                raise failure
    except (Exception, SystemExit) as error:  # pylint: disable=broad-except
        return error
    return None


def a_good_end_is_good():
    assert told(0) is None
    assert told(0, SystemExit(0)).code == 0
    assert told(3, is_killed=True) is None, "that was the test"


def a_bad_end_is_told_also_where_the_tests_end_within():
    for failure in (None, SystemExit(0)):
        assert str(told(3, failure)) == "shell: exit code 3", failure


def what_failed_before_stands_before_a_bad_end():
    assert isinstance(told(3, KeyError("first")), KeyError)


def a_sanitizers_report_is_told_however_much_was_written_behind_it():
    before, behind = (["event=request"] * 1_000 for _ in range(2))
    for head in ("WARNING: ThreadSanitizer: data race (pid=1)", "==1==ERROR: AddressSanitizer: heap-use-after-free",
                 "a.c:1:2: runtime error: signed integer overflow"):
        report = [head, "  Write of size 4 by thread T1:", "    #0 f a.c:1"]
        told_lines = worth_telling("\n".join(before + report + behind))
        assert told_lines[:3] == report and len(told_lines) < 1_000, head
        assert worth_telling("\n".join(before + report))[-3:] == report, head
    assert worth_telling("\n".join(before)) == before[-TAIL_LINES:]


if __name__ == "__main__":
    run_tests([a_good_end_is_good, a_bad_end_is_told_also_where_the_tests_end_within,
               what_failed_before_stands_before_a_bad_end,
               a_sanitizers_report_is_told_however_much_was_written_behind_it])
