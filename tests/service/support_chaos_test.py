#!/usr/bin/env python3
"""What decides whether a run of tests/chaos is believed. Usage: support_chaos_test.py PROGRAM"""

import os
import sys

for folder in ("../support", "../chaos"):
    sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), folder))
from gateway_rig import run_tests  # noqa: E402
from proofs import RARE, ROUNDS_ENOUGH, SPOILED, skipped_wrongly  # noqa: E402


def only_what_is_rare_may_be_skipped_in_a_long_run():
    names = {spoil.__name__ for spoil, _ in SPOILED}
    assert RARE < names, RARE - names
    assert skipped_wrongly(names, ROUNDS_ENOUGH) == sorted(names - RARE)
    assert skipped_wrongly(RARE, ROUNDS_ENOUGH) == [] == skipped_wrongly(names, ROUNDS_ENOUGH - 1)


if __name__ == "__main__":
    run_tests([only_what_is_rare_may_be_skipped_in_a_long_run])
