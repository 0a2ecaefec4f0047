#!/usr/bin/env python3
"""tools/web_documents finds what pages send, and names file and line of what it cannot read."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools"))
from web_documents import documents_of  # noqa: E402

GOOD = '''
const USER = "id name";
export async function graphql(query, variables = {}) { await fetch("graphql"); }
export const me = async () => (await graphql(`query Me { me { ${USER} } }`)).me;
export const logout = () => graphql("mutation Logout { logout }");
graphql(
  `{
    a
  }`, {});
'''
REFUSED = [
    ("a variable", "\ngraphql(query)", "page.js:2: the document must be a literal"),
    ("an escape", "graphql(`{ a } \\n`)", "page.js:1: the document must be a literal"),
    ("an unknown name", "graphql(`{ ${NAME} }`)", "page.js:1: ${NAME} is no constant"),
    ("code in a hole", 'const A = "a";\n\ngraphql(`{ ${A + A} }`)', "page.js:3: only names"),
]


def main():
    print(f"1..{len(REFUSED) + 1}")
    texts = list(documents_of(GOOD))
    good = texts == ["query Me { me { id name } }", "mutation Logout { logout }", "{\n    a\n  }"]
    print(f"{'ok' if good else 'not ok'} 1 - documents are found as they are sent")
    failed = not good
    for number, (name, script, complaint) in enumerate(REFUSED, 2):
        try:
            told = str(list(documents_of(script, "page.js")))
        except ValueError as error:
            told = str(error)
        is_told = told.startswith(complaint)
        failed |= not is_told
        print(f"{'ok' if is_told else 'not ok'} {number} - {name}")
        if not is_told:
            print(f"# {told}")
    return failed


sys.exit(main())
