#!/usr/bin/env python3
"""Plain schedules of five fields in UTC, compared with croniter where that is installed. What is left out
here, since the two differ on purpose, is told in docs/cron.md, "Beside other implementations".
Usage: rules_croniter_test.py RULES_NEXT"""

import importlib.util
import os
import random
import subprocess
import sys

COUNT = 2_000
FIRINGS = 5
FIELDS = [(0, 59), (0, 23), (1, 31), (1, 12), (0, 7)]
DAY, WEEKDAY = 2, 4
DEBIAN_PYTHON = "/usr/bin/python3"  # which has croniter from its package; others may not


def item(low, high):
    first, last = sorted(random.sample(range(low, high + 1), 2))  # ranges do not wrap: croniter refuses them
    return random.choice([str(first), f"{first}-{last}", f"{first}-{last}/{random.randint(1, 7)}"])


def field(number):
    low, high = FIELDS[number]
    shape = random.random()
    if shape < 0.45:
        return "*"
    if shape < 0.6 and number not in (DAY, WEEKDAY):
        return f"*/{random.randint(1, high)}"
    return ",".join(item(low, high) for _ in range(random.randint(1, 3)))


def values(text, number):
    """What a field of items lists; Sunday is 0."""
    found = set()
    for part in text.split(","):
        span, _, step = part.partition("/")
        first, _, last = span.partition("-")
        found |= set(range(int(first), int(last or first) + 1, int(step or 1)))
    return {value % 7 for value in found} if number == WEEKDAY else found


def schedule():
    """A day field that lists every value is "*" to croniter, though not to Vixie's rule."""
    while True:
        fields = [field(number) for number in range(5)]
        full = {DAY: 31, WEEKDAY: 7}
        if all(fields[n] == "*" or len(values(fields[n], n)) < count for n, count in full.items()):
            return " ".join(fields)


def expected_firings(text, at):
    from croniter import CroniterBadDateError, croniter
    try:
        times = croniter(text, at)
        return " ".join(str(int(times.get_next(float))) for _ in range(FIRINGS))
    except CroniterBadDateError:
        return "never"


def main():
    if importlib.util.find_spec("croniter") is None:
        if os.path.exists(DEBIAN_PYTHON) and not os.path.samefile(sys.executable, DEBIAN_PYTHON):
            os.execv(DEBIAN_PYTHON, [DEBIAN_PYTHON, *sys.argv])
        print("1..0 # SKIP croniter is not installed")
        return
    random.seed(20261128)
    cases = [(random.randint(0, 4_000_000_000), schedule()) for _ in range(COUNT)]
    answers = subprocess.run([sys.argv[1]], text=True, stdout=subprocess.PIPE, check=True,
                             input="".join(f"{at}\t{text}\n" for at, text in cases))
    failed = 0
    for (at, text), got in zip(cases, answers.stdout.splitlines(), strict=True):
        expected = expected_firings(text, at)
        if got != expected:
            failed += 1
            print(f"# \"{text}\" after {at}: {got}, croniter says {expected}")
    print(f"{'not ok' if failed else 'ok'} 1 - {COUNT} schedules fire as croniter says\n1..1")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
