#!/usr/bin/env python3
"""Collects the GraphQL documents of the pages: the first argument of each call of graphql(…), a literal
whose ${NAME} are constants of the same file. Writes a manifest of trusted documents, {SHA-256: text}.

Usage: tools/web_documents.py OUTPUT.json SCRIPT.js...
"""
import hashlib
import json
import re
import sys
from pathlib import Path

CONSTANT = re.compile(r'^(?:export )?const (\w+) = "([^"\\\n]*)";$', re.M)
CALL = re.compile(r"(?<!function )\bgraphql\(\s*")
LITERAL = re.compile(r'`([^`\\]*)`|"([^"\\\n]*)"')
HOLE = re.compile(r"\$\{(\w+)\}")


def documents_of(script, name="script"):
    """The texts, as the script sends them."""
    constants = dict(CONSTANT.findall(script))
    for call in CALL.finditer(script):
        line = f"{name}:{script.count(chr(10), 0, call.end()) + 1}"
        literal = LITERAL.match(script, call.end())
        if not literal:
            raise ValueError(f"{line}: the document must be a literal without escapes")
        text = literal.group(1) if literal.group(1) is not None else literal.group(2)
        for hole in HOLE.findall(text):
            if hole not in constants:
                raise ValueError(f"{line}: ${{{hole}}} is no constant text of this file")
        text = HOLE.sub(lambda hole: constants[hole.group(1)], text)
        if "${" in text:
            raise ValueError(f"{line}: only names may stand in ${{}}")
        yield text


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    output, *scripts = sys.argv[1:]
    try:
        texts = [text for path in scripts for text in documents_of(Path(path).read_text(encoding="utf-8"), path)]
    except ValueError as error:
        sys.exit(f"web_documents: {error}")
    manifest = {hashlib.sha256(text.encode()).hexdigest(): text for text in texts}
    Path(output).write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
