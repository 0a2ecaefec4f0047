#!/usr/bin/env python3
"""What decides whether a run of tests/chaos is believed. Usage: support_chaos_test.py PROGRAM"""

import os
import sys

for folder in ("../support", "../chaos"):
    sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), folder))
from chain import SETTLE_MAX_S, SETTLE_S, Patience  # noqa: E402
from gateway_rig import run_tests  # noqa: E402
from proofs import RARE, ROUNDS_ENOUGH, SPOILED, skipped_wrongly  # noqa: E402


def only_what_is_rare_may_be_skipped_in_a_long_run():
    names = {spoil.__name__ for spoil, _ in SPOILED}
    assert RARE < names, RARE - names
    assert skipped_wrongly(names, ROUNDS_ENOUGH) == sorted(names - RARE)
    assert skipped_wrongly(RARE, ROUNDS_ENOUGH) == [] == skipped_wrongly(names, ROUNDS_ENOUGH - 1)


def what_shrinks_is_waited_for():
    patience = Patience(0)
    patience.see(10, SETTLE_S - 1)
    assert not patience.is_over(SETTLE_S) and patience.is_over(2 * SETTLE_S)
    patience.see(9, 2 * SETTLE_S - 2)
    assert not patience.is_over(2 * SETTLE_S)


def what_only_changes_is_not():
    patience = Patience(0)
    patience.see(10, 1)
    for left, now in ((11, 50), (10, 100), (12, SETTLE_S)):
        patience.see(left, now)
    assert patience.is_over(SETTLE_S + 1)


def nothing_is_waited_for_beyond_the_end():
    patience = Patience(0)
    for step in range(1000):
        patience.see(1000 - step, step)
    assert not patience.is_over(SETTLE_MAX_S - 1) and patience.is_over(SETTLE_MAX_S)


if __name__ == "__main__":
    run_tests([only_what_is_rare_may_be_skipped_in_a_long_run, what_shrinks_is_waited_for, what_only_changes_is_not,
               nothing_is_waited_for_beyond_the_end])
