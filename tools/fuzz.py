#!/usr/bin/env python3
"""Builds the fuzzers with clang and runs one, or each, for some seconds.

Usage: tools/fuzz.py [--seconds N] [NAME]

New inputs that reach new code go to build-fuzz/corpus/NAME and are kept from run to run; a crash is
written to build-fuzz/crashes. An input worth keeping for good is copied to tests/fuzz/corpus/NAME,
where the unit tests replay it.
"""
import argparse
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build-fuzz"


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--seconds", type=int, default=60)
    arguments.add_argument("name", nargs="?")
    options = arguments.parse_args()

    environment = {**os.environ, "CC": "clang-14"}
    subprocess.run([ROOT / "scripts/configure.sh", str(BUILD), "-Dfuzz=true",
                    "-Db_sanitize=address,undefined", "-Db_lundef=false"],
                   check=True, cwd=ROOT, env=environment)
    harnesses = sorted(path.name.removesuffix("_fuzz.c")
                       for path in (ROOT / "tests/fuzz").glob("*_fuzz.c"))
    if options.name and options.name not in harnesses:
        print(f"fuzz: no {options.name}; there are: {', '.join(harnesses) or 'none yet'}")
        return 2
    names = [options.name] if options.name else harnesses
    if not names:
        print("fuzz: no harness yet in tests/fuzz")
        return 0
    subprocess.run(["ninja", "-C", str(BUILD), *[f"tests/fuzz/{name}_fuzz" for name in names]],
                   check=True)

    failed = []
    for name in names:
        found, kept = BUILD / "corpus" / name, ROOT / "tests/fuzz/corpus" / name
        crashes = BUILD / "crashes"
        for folder in (found, crashes):
            folder.mkdir(parents=True, exist_ok=True)
        dictionary = ROOT / "tests/fuzz" / f"{name}.dict"
        print(f"\n== {name}, {options.seconds} s", flush=True)
        status = subprocess.run(
            [BUILD / "tests/fuzz" / f"{name}_fuzz", f"-max_total_time={options.seconds}",
             f"-artifact_prefix={crashes}/{name}-", "-timeout=10", "-rss_limit_mb=2048",
             "-print_final_stats=1", *([f"-dict={dictionary}"] if dictionary.exists() else []),
             str(found), *([str(kept)] if kept.is_dir() else [])]).returncode
        if status != 0:
            failed.append(name)
    print(f"\n{len(names) - len(failed)} passed, {len(failed)} failed"
          + (f" ({', '.join(failed)}; inputs in {crashes})" if failed else ""))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
