#!/usr/bin/env python3
"""tools/sqlgen names file and line of what it refuses. What it makes is compiled and run by
tests/service/db_statement_test.c."""

import subprocess
import sys
import tempfile
from pathlib import Path

REFUSED = [
    # what, file, line of the complaint, words in it
    ("an empty file", "", 1, "no \"-- :name\""),
    ("SQL before a name", "SELECT 1;", 1, "before the first"),
    ("a statement without an end", "-- :name x\nSELECT 1", 1, "semicolon"),
    ("two statements", "-- :name x\nSELECT 1; SELECT 2;", 1, "more than one"),
    ("a name without SQL", "-- :name x\n-- :name y\nSELECT 1;", 1, "no SQL"),
    ("a name twice", "-- :name x\nSELECT 1;\n\n-- :name x\nSELECT 2;", 4, "line 1"),
    ("a name that C cannot have", "-- :name Users\nSELECT 1;", 1, "Users"),
    ("a word of C as parameter", "-- :name x :params int int4\nSELECT $1;", 1, "\"int\""),
    ("a parameter without type", "-- :name x :params id\nSELECT $1;", 1, "name and a type"),
    ("a parameter too few", "\n-- :name x :params a1 text\nSELECT $1, $2;", 2, "uses $2"),
    ("a parameter too many", "-- :name x :params p text, q text\nSELECT $1;", 1, "$2 (q)"),
    ("a parameter twice", "-- :name x :params p text, p text\nSELECT $1, $2;", 1, "twice"),
    ("an enum without its cast", "-- :name x :params p kind\nSELECT $1;", 1, "$1::kind"),
    ("an enum cast to an array", "-- :name x :params p kind\nSELECT $1::kind[];", 1, "$1::kind"),
    ("an open quote", "-- :name x\nSELECT 'a;", 1, "not closed"),
    ("an unknown word", "-- :name x\n-- :param p text\nSELECT 1;", 2, ":params"),
    ("an array of int2", "-- :name x :params p int2[]\nSELECT $1::int2[];", 1, "arrays of int2"),
    ("an array of what has none", "-- :name x :params p jsonb[]\nSELECT $1::jsonb[];", 1, "arrays of jsonb"),
    ("an array that may be null", "-- :name x :params p text[]?\nSELECT $1;", 1, "null"),
]


def run(sqlgen, folder, text):
    path = Path(folder, "sample.sql")
    path.write_text(text, encoding="utf-8")
    done = subprocess.run([sqlgen, path, Path(folder, "o.h"), Path(folder, "o.c")],
                          capture_output=True, text=True, check=False)
    return done.returncode, done.stderr, path


def main():
    sqlgen = sys.argv[1]
    print(f"1..{len(REFUSED) + 1}")
    with tempfile.TemporaryDirectory() as folder:
        for number, (what, text, line, words) in enumerate(REFUSED, 1):
            status, said, path = run(sqlgen, folder, text)
            good = status == 1 and said.startswith(f"{path}:{line}: ") and words in said
            print(f"{'ok' if good else 'not ok'} {number} - refuses {what}")
            if not good:
                print(f"# status {status}: {said.strip()}")
        text = "-- :name x :params p text\nSELECT $1, ';''$2', $q$ $3; $q$ /* $4 */ -- $5;\n;"
        status, said, _ = run(sqlgen, folder, text)
        print(f"{'ok' if status == 0 else 'not ok'} {len(REFUSED) + 1} - literals are not read")
        print(f"# {said.strip()}")


main()
