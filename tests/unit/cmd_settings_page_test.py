#!/usr/bin/env python3
"""docs/settings.md is what the program's help says.

Usage: cmd_settings_page_test.py PROGRAM PAGE [--write]; with --write the page is written anew.
"""
import re
import subprocess
import sys

PROGRAM, PAGE = sys.argv[1:3]
PROCESSES = ("up", "gateway", "worker", "runner", "ai")
HEAD = """# Settings

Every setting, with its default and the processes that take it as a flag; environment and file serve all of them. How they are
written, and which source wins: [operations.md](operations.md#settings). Flags of single commands (`--json`, `--yes` …) are in
the `--help` of each.

This page is written out of the program's own help: `python3 tests/unit/cmd_settings_page_test.py build/windlass docs/settings.md --write`.
"""


def told(*command):
    """{group: [(name, values, text, default)]} of a command's help."""
    text = subprocess.run([PROGRAM, *command, "--help"], check=True, capture_output=True, text=True).stdout
    groups, lines = {}, []
    for line in text.splitlines():
        if re.match(r"\S.*:$", line):
            lines = groups.setdefault(line[:-1], [])
        elif re.match(r"  --", line):
            lines.append(line.strip())
        elif line.startswith("      ") and lines:
            lines[-1] += " " + line.strip()
    return {group: [entry(line) for line in lines] for group, lines in groups.items()}


def entry(line):
    flag, _, text = line.partition(" ")
    name, _, values = flag.removeprefix("--").partition("=")
    text, default = re.fullmatch(r"\s*(.*?)(?: \(default (.*)\))?", text).groups()
    if not values:
        default, name = ("on", name.removeprefix("no-")) if name.startswith("no-") else ("off", name)
    return name, values, text, default or ""


def page():
    takers = {process: {name for entries in told(process).values() for name, *_ in entries} for process in PROCESSES}
    parts = [HEAD]
    for group, entries in told("config", "show").items():
        if group == "Options":  # of that command itself
            continue
        parts.append(f"\n## {group}\n\n| setting | default | taken by | |\n|---|---|---|---|\n")
        for name, values, text, default in entries:
            shown = f"`{default}`" if re.fullmatch(r"\S+", default) else default
            choices = f"; one of {values.replace('|', ', ')}" if "|" in values else ""
            takes = ", ".join(process for process in PROCESSES if name in takers[process]) or "–"
            parts.append(f"| `{name}` | {shown} | {takes} | {text}{choices} |\n")
    return "".join(parts)


def main():
    if sys.argv[3:] == ["--write"]:
        with open(PAGE, "w", encoding="utf-8") as file:
            file.write(page())
        return
    print("1..1")
    with open(PAGE, encoding="utf-8") as file:
        stored, wanted = file.read().splitlines(), page().splitlines()
    for line in wanted:
        if line not in stored:
            print(f"# missing: {line}")
    for line in stored:
        if line not in wanted:
            print(f"# no longer so: {line}")
    print("ok 1 - the page of settings is what the help says" if stored == wanted else
          f"not ok 1 - the page of settings is what the help says; {sys.argv[0]} {PROGRAM} {PAGE} --write")
    sys.exit(stored != wanted)


main()
