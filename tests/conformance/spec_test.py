#!/usr/bin/env python3
"""GraphQL cases by section of the specification (September 2025), asked of `windlass gql`.

Usage: spec_test.py WINDLASS

Each NDJSON file beside this one is a section. A case is `fact`, `request` and `expect`; what `expect`
names must be in the reply, `errors` as a number stands for how many there are.
"""
import json
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent


def agrees(expected, got, key=None):
    if key == "errors" and isinstance(expected, int):
        return len(got or []) == expected
    if isinstance(expected, dict):
        return isinstance(got, dict) and all(
            agrees(value, got.get(name), name) for name, value in expected.items())
    if isinstance(expected, list):
        return isinstance(got, list) and len(got) == len(expected) and all(
            agrees(a, b) for a, b in zip(expected, got))
    return type(expected) is type(got) and expected == got


def main():
    cases = [(path.stem, json.loads(line)) for path in sorted(HERE.glob("*.ndjson"))
             for line in path.read_text().splitlines() if line]
    done = subprocess.run([sys.argv[1], "gql"], stdout=subprocess.PIPE, text=True, timeout=60,
                          input="".join(json.dumps(case["request"]) + "\n" for _, case in cases))
    replies = [json.loads(line) for line in done.stdout.splitlines()]
    print(f"1..{len(cases)}")
    failed = 0
    for number, (section, case) in enumerate(cases, 1):
        reply = replies[number - 1] if number <= len(replies) else None
        ok = reply is not None and agrees(case["expect"], reply)
        failed += not ok
        print(f"{'ok' if ok else 'not ok'} {number} - {section}: {case['fact']}")
        if not ok:
            print(f"# expected {json.dumps(case['expect'])}\n# got      {json.dumps(reply)}")
    return 1 if failed or done.returncode else 0


if __name__ == "__main__":
    sys.exit(main())
