#!/usr/bin/env python3
"""Runs the checks over the project's files and says of each whether it holds.

Usage: tools/lint/run.py [--build FOLDER] [CHECK...]
"""
import argparse
import json
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import checks_text  # noqa: E402
import checks_tools  # noqa: E402
import selftest  # noqa: E402
from tree import Tree  # noqa: E402

ROOT = Path(__file__).resolve().parent.parent.parent


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--build", type=Path, default=ROOT / "build")
    arguments.add_argument("check", nargs="*")
    options = arguments.parse_args()
    build = options.build.resolve()
    tree = Tree.of_git(ROOT)
    memory = checks_tools.Memory(build / "lint" / "passed.json")

    checks = {
        "self-test": lambda: selftest.failures()[0],
        "layers": lambda: checks_text.check_layers(tree),
        "own-header-first": lambda: checks_text.check_includes_order(tree),
        "banned": lambda: checks_text.check_banned(tree),
        "sql": lambda: checks_text.check_sql(tree),
        "links": lambda: checks_text.check_links(tree) + checks_text.check_named_documents(tree),
        "error-table": lambda: checks_text.check_error_table(tree),
        "image": lambda: checks_text.check_image(tree),
        "shell": lambda: checks_tools.check_shell(tree, memory),
        "format": lambda: checks_tools.check_format(tree, memory),
        "headers": lambda: checks_tools.check_headers(tree, memory, build),
        "tidy": lambda: checks_tools.check_tidy(tree, memory, build),
    }
    unknown = [name for name in options.check if name not in checks]
    if unknown:
        arguments.error(f"no check {', '.join(unknown)}; there are {', '.join(checks)}")

    failed = 0
    for name in options.check or checks:
        start = time.monotonic()
        findings = checks[name]()
        print(f"{'FAIL' if findings else 'ok  '} {name:<18} {time.monotonic() - start:5.1f} s",
              flush=True)
        for finding in findings:
            print(f"     {finding}", flush=True)
        failed += bool(findings)
    if not options.check:
        memory.save()
    result = {"passed": len(options.check or checks) - failed, "failed": failed}
    (build / "lint").mkdir(parents=True, exist_ok=True)
    (build / "lint" / "result.json").write_text(json.dumps(result))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
