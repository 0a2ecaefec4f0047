#!/usr/bin/env python3
"""Runs the named parts of the tests and ends with one line over all of them.

Usage: tools/run_tests.py [--build FOLDER] PART...

A part is `lint` or a meson suite (unit, service, system, conformance, e2e). What a failing test
wrote is shown where it failed. A test program counts once for each of its cases. Exit code 0 only
when nothing failed.
"""
import argparse
import json
import os
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# Programs at once for each core: these wait most of their time for what they started.
SHARES = {"service": 2, "system": 2}


class Count:
    def __init__(self, passed=0, failed=0, skipped=0):
        self.passed, self.failed, self.skipped = passed, failed, skipped

    def __add__(self, other):
        return Count(self.passed + other.passed, self.failed + other.failed,
                     self.skipped + other.skipped)

    def __str__(self):
        tail = f", {self.skipped} skipped" if self.skipped else ""
        return f"{self.passed} passed, {self.failed} failed{tail}"


def count_junit(path):
    """Adds up a junit file as meson writes it: one testcase for each case of a TAP program."""
    count = Count()
    for suite in ElementTree.parse(path).getroot().iter("testsuite"):
        cases = list(suite.iter("testcase"))
        for case in cases:
            if case.find("skipped") is not None:
                count.skipped += 1
            elif case.find("failure") is not None or case.find("error") is not None:
                count.failed += 1
            else:
                count.passed += 1
    return count


def meson_suites(build):
    """The suites that the build folder knows, without the project's name before them."""
    listing = subprocess.run(["meson", "introspect", "--tests", str(build)], check=True,
                             stdout=subprocess.PIPE, text=True).stdout
    return {suite.split(":")[-1] for test in json.loads(listing) for suite in test["suite"]}


def print_failed_output(log):
    """What failed programs wrote to stdout: meson itself shows stderr only."""
    for line in log.read_text().splitlines() if log.exists() else []:
        test = json.loads(line)
        if test["result"] in ("OK", "SKIP", "EXPECTEDFAIL"):
            continue
        print(f"\n-- {test['name']}: {test['result']}")
        print("\n".join(row for row in test.get("stdout", "").splitlines()
                        if not row.startswith("ok ")))


def run_suite(build, suite):
    if suite not in meson_suites(build):
        print(f"{suite}: no tests yet")
        return Count()
    junit = build / "meson-logs" / f"{suite}.junit.xml"
    junit.unlink(missing_ok=True)
    at_once = SHARES.get(suite, 1) * (os.cpu_count() or 1)
    status = subprocess.run(["meson", "test", "-C", str(build), "--no-rebuild", "--suite", suite,
                             "--logbase", suite, "--print-errorlogs",
                             "--num-processes", str(at_once)]).returncode
    print_failed_output(build / "meson-logs" / f"{suite}.json")
    count = count_junit(junit) if junit.exists() else Count()
    if status != 0 and count.failed == 0:
        count.failed = 1  # it crashed, timed out or wrote no plan: meson knows, its cases do not
    return count


def run_lint(build):
    result = build / "lint" / "result.json"
    result.unlink(missing_ok=True)
    status = subprocess.run([sys.executable, str(ROOT / "tools/lint/run.py"),
                             "--build", str(build)]).returncode
    count = Count(**json.loads(result.read_text())) if result.exists() else Count()
    if status != 0 and count.failed == 0:
        count.failed = 1
    return count


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--build", type=Path, default=ROOT / "build")
    arguments.add_argument("part", nargs="+")
    options = arguments.parse_args()
    build = options.build.resolve()

    total, rows = Count(), []
    if subprocess.run(["ninja", "-C", str(build)]).returncode != 0:
        print("the build failed, so no test was run\n0 passed, 1 failed")
        return 1
    for part in options.part:
        print(f"\n== {part}", flush=True)
        start = time.monotonic()
        count = run_lint(build) if part == "lint" else run_suite(build, part)
        rows.append((part, count, time.monotonic() - start))
        total += count
    print()
    for part, count, seconds in rows:
        print(f"  {part:<12} {seconds:7.1f} s   {count}")
    if total.passed + total.failed == 0:
        print("no test was found")
        total.failed = 1
    print(total, flush=True)
    return 1 if total.failed else 0


if __name__ == "__main__":
    os.chdir(ROOT)
    sys.exit(main())
