"""The checks that a program makes: format, clang-tidy, headers alone, shell scripts.

What passed is remembered by the hash of all that could change the answer, so that a second run looks
only at what changed.
"""
import functools
import hashlib
import json
import os
import re
import shlex
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor

C_FILES = (r"(src|tests|tools)/.*\.[ch]",)
JOBS = os.cpu_count() or 2
# The analyser follows the paths through a function until it has seen so many states. Its own bound is three
# times that and costs more than twice the time.
ANALYSER_BOUND = ["-Xclang", "-analyzer-config", "-Xclang", "max-nodes=75000"]
# Not of tests, which are long functions that run once: the sanitizers see more of them, and the analyser, which
# takes a third of all time for them, does not know that cmocka's assertions do not return.
CHECKS_OF_TESTS = "-clang-analyzer-*"


class Memory:
    """Keys that passed, in a file of the build folder; a key names the check and its whole input."""

    def __init__(self, path):
        self.path = path
        self.known = set(json.loads(path.read_text())) if path and path.exists() else set()
        self.used = set()

    def passed(self, key):
        if key in self.known:
            self.used.add(key)
            return True
        return False

    def add(self, key):
        self.used.add(key)
        if len(self.used) % 16 == 0:
            self.write(self.known | self.used)  # a run that is broken off keeps what it did

    def save(self):
        """At the end of a whole run: only what this run asked for is remembered."""
        self.write(self.used)

    def write(self, keys):
        if self.path:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.path.write_text(json.dumps(sorted(keys)))


def digest(*texts):
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()


def with_headers(tree, path, seen=None):
    """The text of a file and of the project's headers that it includes, directly or not."""
    seen = {} if seen is None else seen
    if path in seen or path not in tree.files:
        return seen
    seen[path] = tree.files[path]
    for name in re.findall(r'^[ \t]*#[ \t]*include[ \t]*"([^"\n]+)"', seen[path], re.M):
        for folder in ("src/", "tests/", path.rpartition("/")[0] + "/", ""):
            if folder + name in tree.files:
                with_headers(tree, folder + name, seen)
    return seen


def findings_of(output):
    """A compiler's output without its notes, which tell the analyser's whole path to a finding."""
    lines, in_note = [], False
    for line in output.strip().splitlines():
        if re.match(r"\S+:\d+:\d+: ", line):
            in_note = ": note: " in line
        if not in_note and not re.match(r"\d+ warnings? generated|Suppressed \d+ warnings", line):
            lines.append(line)
    return lines


def run_each(tree, memory, paths, extra_key, command):
    """Runs command(path) for each path that did not pass before; returns their output lines."""
    def one(path):
        texts = with_headers(tree, path)
        key = digest(extra_key, path, *(text for pair in sorted(texts.items()) for text in pair))
        if memory.passed(key):
            return []
        done = subprocess.run(command(path), cwd=tree.root, text=True, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT)
        if done.returncode == 0 and "warning:" not in done.stdout:
            memory.add(key)
            return []
        return findings_of(done.stdout.replace(str(tree.root.resolve()) + "/", "")) or [
            f"{path}:1: failed"]

    with ThreadPoolExecutor(JOBS) as pool:
        return [line for lines in pool.map(one, paths) for line in lines]


def missing(program):
    return None if shutil.which(program) else [f"{program} is not installed: make deps-test"]


def check_format(tree, memory):
    absent = missing("clang-format-14")
    if absent:
        return absent
    style = tree.files.get(".clang-format", "")
    return run_each(tree, memory, list(tree.select(*C_FILES)), "format" + style,
                    lambda path: ["clang-format-14", "--dry-run", "-Werror", path])


@functools.cache
def compile_commands(database):
    """The command of each source of a build folder, and of some source of each folder."""
    by_file, by_folder = {}, {}
    for entry in json.loads(database.read_text()) if database.exists() else ():
        path = (database.parent / entry["file"]).resolve()
        by_file.setdefault(path, entry["command"])
        by_folder.setdefault(path.parent, entry["command"])
    return by_file, by_folder


def flags_of(tree, build, path):
    """What a compiler must know of a file: include folders and macros, as its build says them, or for
    a header those of a source beside it."""
    flags = ["-std=gnu2x", "-D_GNU_SOURCE", "-Isrc", "-Itests"]
    by_file, by_folder = compile_commands(build / "compile_commands.json") if build else ({}, {})
    wanted = (tree.root / path).resolve()
    words = shlex.split(by_file.get(wanted) or by_folder.get(wanted.parent) or "")
    for index, word in enumerate(words):
        if word in ("-I", "-isystem", "-include", "-D"):
            flags += [word, words[index + 1]]
        elif word.startswith(("-I", "-isystem")):
            option = "-isystem" if word.startswith("-isystem") else "-I"
            flags.append(option + str((build / word[len(option):]).resolve()))
        elif word.startswith("-D") and "FORTIFY" not in word:
            flags.append(word)
    return flags


def check_tidy(tree, memory, build=None):
    absent = missing("clang-tidy-14")
    if absent:
        return absent

    def command(path):
        checks, bound = [], ANALYSER_BOUND
        if path.startswith("tests/"):
            checks, bound = [f"--checks={CHECKS_OF_TESTS}"], []
        return ["clang-tidy-14", "--quiet", "--warnings-as-errors=*", *checks, path, "--",
                *flags_of(tree, build, path), *bound]

    sources = tree.select(r"(src|tests)/.*\.c")
    first_long = sorted(sources, key=lambda path: (path.startswith("tests/"), -len(sources[path])))
    return run_each(tree, memory, first_long,
                    "tidy" + tree.files.get(".clang-tidy", "") + CHECKS_OF_TESTS + " ".join(ANALYSER_BOUND),
                    command)


def check_headers(tree, memory, build=None):
    """Each header compiles alone, without anything before it."""
    return run_each(tree, memory, list(tree.select(r"(src|tests)/.*\.h")), "headers",
                    lambda path: ["gcc", "-fsyntax-only", "-Wall", "-Wextra", "-Werror",
                                  *flags_of(tree, build, path), "-include", path, "-x", "c",
                                  "/dev/null"])


def check_shell(tree, memory):
    absent = missing("shellcheck")
    if absent:
        return absent
    scripts = [path for path, text in tree.files.items()
               if path.endswith(".sh") or re.match(r"#!.*\b(sh|bash)\n", text)]
    return run_each(tree, memory, scripts, "shell",
                    lambda path: ["shellcheck", "--severity=warning", "--format=gcc", path])
