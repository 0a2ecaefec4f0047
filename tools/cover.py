#!/usr/bin/env python3
"""Runs the tests with coverage; writes HTML and lists the lines of this branch that none of them ran.

Usage: tools/cover.py [--build FOLDER] [--base COMMIT]

The branch's lines are those that differ from BASE (default: where it left origin/main or main, or the
commit before the last one when that is here).
"""
import argparse
import json
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def git(*words):
    return subprocess.run(["git", *words], cwd=ROOT, stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL, text=True).stdout.strip()


def fork_point():
    head = git("rev-parse", "HEAD")
    for name in ("origin/main", "main"):
        base = git("merge-base", "HEAD", name)
        if base and base != head:
            return base
    return git("rev-parse", "HEAD~1") or head


def changed_lines(base):
    """Path to the set of line numbers that this branch added or changed below src/."""
    changed, path = {}, None
    for line in git("diff", "-U0", base, "--", "src").splitlines():
        if line.startswith("+++ "):
            path = line[6:] if line.startswith("+++ b/") else None
        match = re.match(r"@@ .* \+(\d+)(?:,(\d+))? @@", line)
        if match and path:
            first, count = int(match[1]), int(match[2] or 1)
            changed.setdefault(path, set()).update(range(first, first + count))
    return changed


def ranges(numbers):
    """5, 6, 7, 9 as "5-7, 9"."""
    parts, first, last = [], None, None
    for number in [*sorted(numbers), None]:
        if last is not None and number == last + 1:
            last = number
            continue
        if first is not None:
            parts.append(f"{first}-{last}" if last != first else str(first))
        first = last = number
    return ", ".join(parts)


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--build", type=Path, default=ROOT / "build-cover")
    arguments.add_argument("--base", default=None)
    options = arguments.parse_args()
    build = options.build.resolve()

    for data in build.rglob("*.gcda"):
        data.unlink()
    status = subprocess.run([ROOT / "tools/run_tests.py", "--build", str(build), "unit", "service",
                             "system", "conformance"]).returncode
    report = build / "coverage"
    report.mkdir(exist_ok=True)
    subprocess.run(["gcovr", "--root", str(ROOT), "--filter", "src/", "--object-directory",
                    str(build), "--exclude-unreachable-branches", "--html-details",
                    str(report / "index.html"), "--json", str(report / "coverage.json"),
                    "--print-summary"], cwd=ROOT, check=True)

    changed = changed_lines(options.base or fork_point())
    missed = 0
    for source in json.loads((report / "coverage.json").read_text())["files"]:
        unrun = {line["line_number"] for line in source["lines"]
                 if line["count"] == 0 and not line.get("gcovr/noncode")}
        lines = unrun & changed.get(source["file"], set())
        if lines:
            print(f"  {source['file']}: {ranges(lines)}")
            missed += len(lines)
    print(f"{missed} lines of this branch were not run; {report / 'index.html'} shows all")
    return status


if __name__ == "__main__":
    sys.exit(main())
