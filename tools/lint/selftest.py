"""Every check is tried on a sample that it must refuse and one that it must accept."""
import tempfile

from checks_text import (check_banned, check_error_table, check_image, check_includes_order,
                         check_layers, check_links, check_named_documents, check_sql)
from checks_tools import Memory, check_format, check_headers, check_shell, check_tidy
from tree import Tree

LAW = """[modules]
base:
io:
db: io
store: db
gateway: store -store/queue
[libraries]
uv.h: io
[calls]
malloc|free: base
[sql]
statements: store
"""


def law(**files):
    return {"layers.txt": LAW, **{name.replace("__", "."): text for name, text in files.items()}}


# check, what it must refuse, what it must accept
SAMPLES = [
    ("layers", check_layers, law(**{"src/io/a.h": '#include "db/b.h"\n'}),
     law(**{"src/db/b.h": '#include "io/a.h"\n#include "base/str.h"\n'})),
    ("layers: a folder taken out", check_layers,
     law(**{"src/gateway/a.c": '#include "store/queue/q.h"\n'}),
     law(**{"src/gateway/a.c": '#include "store/public/q.h"\n'})),
    ("layers: a library", check_layers, law(**{"src/db/a.c": "#include <uv.h>\n"}),
     law(**{"src/io/a.c": "#include <uv.h>\n/* #include \"db/b.h\" */\n"})),
    ("layers: a ring", check_layers, {"layers.txt": "[modules]\na: b\nb: a\n"},
     {"layers.txt": "[modules]\na: b\nb:\n"}),
    ("own header first", check_includes_order,
     {"src/io/a.h": "", "src/io/a.c": '#include <stdio.h>\n#include "io/a.h"\n'},
     {"src/io/a.h": "", "src/io/a.c": '/* why */\n#include "io/a.h"\n#include <stdio.h>\n'}),
    ("banned", check_banned, law(**{"src/io/a.c": "void f(void) { goto end; }\n"}),
     law(**{"src/io/a.c": '/* goto */ const char *s = "goto";\n'})),
    ("banned: malloc outside base", check_banned, law(**{"src/io/a.c": "p = malloc(3);\n"}),
     law(**{"src/base/a.c": "p = malloc(3);\n", "src/io/b.c": "arena_free(p); x->free(p);\n"})),
    ("sql", check_sql, law(**{"src/io/a.c": 'q = "SELECT id FROM users";\n'}),
     law(**{"src/store/a.c": 'q = "SELECT id FROM users";\n',
            "src/io/b.c": 'log("update of the list");\n'})),
    ("links", check_links, {"a.md": "see [b](docs/b.md)\n"},
     {"a.md": "# One thing\nsee [b](docs/b.md#its-name) [c](#one-thing) `[x](y.md)`\n",
      "docs/b.md": "## Its name\n"}),
    ("links: a heading", check_links, {"a.md": "[b](b.md#no)\n", "b.md": "# Yes\n"},
     {"a.md": "[b](b.md#yes)\n", "b.md": "# Yes\n"}),
    ("links: a document named in code", check_named_documents,
     {"src/io/a.h": "/* Source: docs/none.md. */\n"},
     {"src/io/a.h": "/* Source: docs/one.md, README.md. */\n", "docs/one.md": "", "README.md": ""}),
    ("image", check_image,
     {".dockerignore": "*\n!src\n", "docs/a.json": "", "src/meson.build": "input: '../docs/a.json'\n"},
     {".dockerignore": "*\n!src\n!docs/a.json\n", "docs/a.json": "", "src/b.c": "",
      "src/meson.build": "files('b.c', '../docs/a.json'), 'none'\n"}),
    ("error-table", check_error_table,
     {"src/gateway/problem.c": "[ERR_RATE] = { PROBLEM_SLOW, 429 },", "docs/errors.md": "",
      "src/gateway/problem.h": '#define PROBLEM_SLOW "RATE_LIMITED"'},
     {"src/gateway/problem.c": "[ERR_RATE] = { PROBLEM_SLOW, 429 },",
      "src/gateway/problem.h": '#define PROBLEM_SLOW "RATE_LIMITED"',
      "docs/errors.md": "| `ERR_RATE` | `RATE_LIMITED` | 429 | too often |"}),
]

TOOL_SAMPLES = [
    ("format", check_format, {"src/io/a.c": "int  x ;\n"}, {"src/io/a.c": "int x;\n"}),
    ("tidy", check_tidy,
     {".clang-tidy": "Checks: '-*,bugprone-*'\n", "src/io/a.c": "#define A(x) x * 2\n"},
     {".clang-tidy": "Checks: '-*,bugprone-*'\n", "src/io/a.c": "#define A(x) ((x)*2)\n"}),
    ("tidy: the analyser", check_tidy,
     {".clang-tidy": "Checks: '-*,clang-analyzer-*'\n",
      "src/io/a.c": "int f(const int *p) { return p ? 1 : *p; }\n"},
     {".clang-tidy": "Checks: '-*,clang-analyzer-*'\n",
      "src/io/a.c": "int f(const int *p) { return p ? *p : 1; }\n"}),
    ("headers", check_headers, {"src/io/a.h": "#pragma once\nsize_t f(void);\n"},
     {"src/io/a.h": "#pragma once\n#include <stddef.h>\nsize_t f(void);\n"}),
    ("shell", check_shell, {"a.sh": "#!/bin/sh\nif [ $x = [1,2] ]; then\n  cd $1\nfi\n"},
     {"a.sh": "#!/bin/sh\necho hello\n"}),
]


def failures():
    """Names of the checks that did not refuse, or did not accept, what they must."""
    wrong = []
    for name, check, bad, good in SAMPLES + TOOL_SAMPLES:
        extra = (Memory(None),) if (name, check, bad, good) in TOOL_SAMPLES else ()
        for sample, must_find in ((bad, True), (good, False)):
            with tempfile.TemporaryDirectory() as folder:
                found = check(Tree.of_texts(folder, sample), *extra)
            if bool(found) != must_find:
                wrong.append(f"{name}: {'accepts' if must_find else 'refuses'} its sample "
                             f"{sample} {found}")
    return wrong, len(SAMPLES) + len(TOOL_SAMPLES)
