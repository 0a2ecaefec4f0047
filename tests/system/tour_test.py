#!/usr/bin/env python3
"""scripts/tour.sh, the way people run it, and that it fails where a step does.

Usage: tour_test.py WINDLASS [TEST...]
"""
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from harness import Scratch, processes, run_tests

PROGRAM = os.path.realpath(sys.argv[1])
SCRIPT = Path(__file__).resolve().parent.parent.parent / "scripts" / "tour.sh"
TOUR_S = 300  # ends a hang


def tour(program, folder):
    """The tour's end, and that nothing of it is left: neither a process nor a file."""
    done = subprocess.run([str(SCRIPT), program], env={**os.environ, "TMPDIR": folder},
                          capture_output=True, text=True, timeout=TOUR_S, cwd="/",
                          stdin=subprocess.DEVNULL)
    assert os.listdir(folder) == [], os.listdir(folder)
    left = [entry for entry in processes().values() if folder in entry[3]]
    assert not left, left
    return done


def test_walks_through_everything():
    with Scratch() as scratch:
        done = tour(PROGRAM, scratch.path)
        print("".join(f"# {line}\n" for line in done.stdout.splitlines()), end="")
        assert done.returncode == 0, done.stderr
        assert "all of it went as told" in done.stdout.splitlines()[-1]


def test_fails_loudly_when_a_service_does():
    with Scratch() as scratch, tempfile.TemporaryDirectory() as bin_folder:
        os.chmod(bin_folder, 0o755)
        program = os.path.join(bin_folder, "windlass")
        with open(program, "w") as file:
            file.write("#!/bin/sh\necho 'the disk is on fire' >&2\nexit 69\n")
        os.chmod(program, 0o755)
        done = tour(program, scratch.path)
        assert done.returncode == 1, done.stdout
        assert "FAILED at step" in done.stderr and "the disk is on fire" in done.stderr, done.stderr


if __name__ == "__main__":
    run_tests([value for name, value in list(globals().items()) if name.startswith("test_")])
