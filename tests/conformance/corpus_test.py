#!/usr/bin/env python3
"""A corpus of GraphQL cases with its own checker, where one is at hand; a case for each of its rules.

Usage: corpus_test.py WINDLASS

The folder is GRAPHQL_CORPUS, else `shared/conformance/graphql` beside this checkout: *.ndjson and
run.mjs, which asks a program on its standard input and compares. Needs Node.
"""
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent


def main():
    folder = Path(os.environ.get("GRAPHQL_CORPUS")
                  or ROOT.parent / "shared" / "conformance" / "graphql")
    if not (folder / "run.mjs").exists():
        print(f"1..0 # SKIP no corpus: GRAPHQL_CORPUS names none and {folder} is not there")
        return 0
    if not shutil.which("node"):
        print("1..0 # SKIP node is not on PATH")
        return 0
    with tempfile.NamedTemporaryFile(suffix=".json") as summary:
        done = subprocess.run(["node", str(folder / "run.mjs"), "--failures", "20", "--json",
                               summary.name, "--", sys.argv[1], "gql"],
                              stdout=subprocess.PIPE, text=True, timeout=600)
        table = json.loads(Path(summary.name).read_text() or "{}").get("table", {})
    rules = {name: row for name, row in table.items() if " / " in name}
    print(f"1..{max(len(rules), 1)}")
    if not rules:
        print(f"not ok 1 - the checker gives a summary (exit code {done.returncode})")
    failed = not rules
    for number, (name, row) in enumerate(rules.items(), 1):
        ok = row["pass"] == row["n"]
        failed = failed or not ok
        print(f"{'ok' if ok else 'not ok'} {number} - {name}, {row['pass']} of {row['n']}")
    if failed:
        print("\n".join("# " + line for line in done.stdout.splitlines()))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
