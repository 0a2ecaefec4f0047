#!/usr/bin/env python3
"""Plain schedules of five fields in UTC, compared with croniter where that is installed.
Usage: rules_croniter_test.py RULES_NEXT"""

import random
import subprocess
import sys

COUNT = 2_000
FIRINGS = 5
FIELDS = [(0, 59), (0, 23), (1, 28), (1, 12), (0, 6)]  # days that every month has: no "never"


def item(low, high):
    first, last = sorted(random.sample(range(low, high + 1), 2))  # to croniter "5-5" is every value
    return random.choice([str(first), f"{first}-{last}", f"{first}-{last}/{random.randint(1, 7)}"])


def field(number):
    low, high = FIELDS[number]
    shape = random.random()
    if shape < 0.45:
        return "*"
    if shape < 0.6 and number < 2:  # a day field with "*/n" means AND to Vixie and to us, not to it
        return f"*/{random.randint(1, high)}"
    return ",".join(item(low, high) for _ in range(random.randint(1, 3)))


def main():
    try:
        from croniter import croniter
    except ImportError:
        print("1..0 # SKIP croniter is not installed")
        return
    random.seed(20261128)
    cases = [(random.randint(0, 4_000_000_000), " ".join(field(n) for n in range(5)))
             for _ in range(COUNT)]
    answers = subprocess.run([sys.argv[1]], text=True, stdout=subprocess.PIPE, check=True,
                             input="".join(f"{at}\t{text}\n" for at, text in cases))
    failed = 0
    for (at, text), got in zip(cases, answers.stdout.splitlines(), strict=True):
        times = croniter(text, at)
        expected = " ".join(str(int(times.get_next(float))) for _ in range(FIRINGS))
        if got != expected:
            failed += 1
            print(f"# \"{text}\" after {at}: {got}, croniter says {expected}")
    print(f"{'not ok' if failed else 'ok'} 1 - {COUNT} schedules fire as croniter says\n1..1")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
