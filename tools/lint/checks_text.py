"""The checks that only read: layers, banned calls, where SQL may stand, links of the documents.

Each takes a Tree and returns a list of findings, "path:line: what is wrong".
"""
import posixpath
import re
from fnmatch import fnmatchcase

from tree import blank, line_of

SOURCES = (r"src/.*\.[ch]",)
ALL_C = (r"(src|tests|tools)/.*\.[ch]",)


class Law:
    """layers.txt, parsed."""

    def __init__(self, text):
        self.modules, self.libraries, self.calls, self.sql = {}, [], [], []
        section = None
        for number, raw in enumerate(text.splitlines(), 1):
            line = raw.split("#")[0].strip()
            if not line:
                continue
            if line.startswith("["):
                section = line.strip("[]")
                continue
            name, colon, rest = line.rpartition(":")
            if not colon or section not in ("modules", "libraries", "calls", "sql"):
                raise ValueError(f"layers.txt:{number}: not understood: {raw}")
            names = rest.split()
            if section == "modules":
                self.modules[name] = names
            elif section == "libraries":
                self.libraries.append((name.strip(), names))
            elif section == "calls":
                self.calls.append((name.strip(), names))
            else:
                self.sql += names

    def cycle(self):
        """A list of modules that include each other in a ring, or None."""
        done, path = set(), []

        def walk(name):
            if name in path:
                return path[path.index(name):] + [name]
            if name in done:
                return None
            path.append(name)
            for other in self.modules.get(name, []):
                ring = walk(other) if not other.startswith("-") else None
                if ring:
                    return ring
            path.pop()
            done.add(name)
            return None

        return next((ring for ring in map(walk, self.modules) if ring), None)

    def allows(self, module, included):
        """May a file of `module` include "included"? (a path such as store/public/user.h)"""
        target = included.split("/")[0]
        if target in (module, "base"):
            return True
        entries = self.modules[module]
        if any(entry[0] == "-" and included.startswith(entry[1:] + "/") for entry in entries):
            return False
        return any(included.startswith(entry + "/") for entry in entries if entry[0] != "-")


def owned_by(owners, name):
    """Is src/`name` one of the owners, each a module or a file below src/?"""
    return any(name == owner or name.startswith(owner + "/") for owner in owners)


def check_layers(tree):
    law = Law(tree.files.get("layers.txt", ""))
    findings = []
    ring = law.cycle()
    if ring:
        findings.append("layers.txt:1: a ring: " + " -> ".join(ring))
    include = re.compile(r'^[ \t]*#[ \t]*include[ \t]*(["<])([^">\n]+)[">]', re.M)
    for path, text in tree.select(*SOURCES).items():
        name = path[len("src/"):]
        module = name.split("/")[0]
        if module not in law.modules:
            findings.append(f"{path}:1: module {module} is not in layers.txt")
            continue
        for match in include.finditer(blank(text, keep_strings=True)):
            where = f"{path}:{line_of(text, match.start())}"
            quote, included = match.groups()
            if quote == '"':
                if "/" not in included:
                    findings.append(f'{where}: "{included}" does not name its module')
                elif included.split("/")[0] not in law.modules:
                    findings.append(f'{where}: "{included}" is of no module in layers.txt')
                elif not law.allows(module, included):
                    findings.append(f'{where}: {module} may not include "{included}"')
                elif included.endswith("_priv.h") and included.split("/")[0] != module:
                    findings.append(f'{where}: "{included}" is private to its module')
                continue
            for pattern, owners in law.libraries:
                if fnmatchcase(included, pattern):
                    if not owned_by(owners, name):
                        findings.append(f"{where}: only {', '.join(owners)} may include <{included}>")
                    break
    return findings


def check_includes_order(tree):
    """A .c file includes its own header first, or a private one of its module that does."""
    findings = []
    for path, text in tree.select(r"src/.*\.c").items():
        header = path[len("src/"):-1] + "h"
        if "src/" + header not in tree.files:
            continue
        first = re.search(r'^[ \t]*#[ \t]*include[ \t]*["<]([^">\n]+)[">]',
                          blank(text, keep_strings=True), re.M)
        private = header.split("/")[0] + "/"
        if first and first.group(1) != header and not (
                first.group(1).startswith(private) and first.group(1).endswith("_priv.h")):
            findings.append(f"{path}:{line_of(text, first.start())}: its own header comes first: "
                            f'"{header}"')
    return findings


EVERYWHERE = [
    (r"\bgoto\b", "goto is not used"),
    (r"#[ \t]*(define|ifndef)[ \t]+NDEBUG\b", "assertions stay on: NDEBUG is never defined"),
    (r"\b(setjmp|longjmp|alloca)\s*\(", "setjmp, longjmp and alloca are not used"),
    (r"\b(strcpy|strcat|strncpy|sprintf|vsprintf|strtok|gets|atoi|atol|atof|localtime|gmtime|system"
     r"|mktemp|tmpnam|rand|srand)\s*\(", "banned call"),
]


def check_banned(tree):
    law = Law(tree.files.get("layers.txt", ""))
    findings = []
    for path, text in tree.select(*ALL_C).items():
        if path == "src/base/banned.h":
            continue
        code = blank(text)
        for pattern, why in EVERYWHERE:
            for match in re.finditer(pattern, code):
                findings.append(f"{path}:{line_of(text, match.start())}: {match.group().strip()} "
                                f"{why}")
        if not path.startswith("src/"):
            continue
        for pattern, owners in law.calls:
            if owned_by(owners, path[len("src/"):]):
                continue
            for match in re.finditer(rf"(?<![\w.>])(?:{pattern})\s*\(", code):
                findings.append(f"{path}:{line_of(text, match.start())}: {match.group()}…) is only "
                                f"for {', '.join(owners)}")
    return findings


# A string that begins a statement: its verb with the word that must follow it, or a column list.
STATEMENT = re.compile(
    r'"\s*(SELECT\s+\S|INSERT\s+INTO\b|UPDATE\s+\S+(\s+AS\s+\w+)?\s+SET\b|DELETE\s+FROM\b'
    r"|(CREATE|ALTER|DROP)\s+(TABLE|INDEX|UNIQUE|TYPE|SCHEMA|EXTENSION|FUNCTION|VIEW|TRIGGER)\b"
    r"|TRUNCATE\s+\w|WITH\s+\w+\s+AS\s*\(|COPY\s+\w+\s+(FROM|TO)\b)")


def check_sql(tree):
    law = Law(tree.files.get("layers.txt", ""))
    findings = []
    for path, text in tree.select(*SOURCES).items():
        if owned_by(law.sql, path[len("src/"):]):
            continue
        for match in STATEMENT.finditer(blank(text, keep_strings=True)):
            findings.append(f"{path}:{line_of(text, match.start())}: SQL stands only in "
                            f"{', '.join(law.sql)}: {match.group()[:40]}…")
    return findings


def anchor_of(title):
    """The anchor that a heading gets where Markdown is shown."""
    title = re.sub(r"[`*_]|\[([^\]]*)\]\([^)]*\)", r"\1", title)
    return re.sub(r"[^\w\- ]", "", title.strip().lower()).replace(" ", "-")


def without_code(text):
    """Markdown with fenced and inline code replaced by spaces."""
    def spaces(match):
        return re.sub(r"[^\n]", " ", match.group())
    return re.sub(r"`[^`\n]+`", spaces, re.sub(r"^```.*?^```", spaces, text, flags=re.M | re.S))


def anchors(text):
    return {anchor_of(match) for match in re.findall(r"^#{1,6} +(.+)$", re.sub(
        r"^```.*?^```", "", text, flags=re.M | re.S), re.M)}


NAMED_DOCUMENT = re.compile(r"(?<![\w/.-])((?:docs/[\w/-]+|src/\w+/README|README|ARCHITECTURE"
                            r"|CONTRIBUTING|CHANGES)\.md)\b")


def check_named_documents(tree):
    """A comment that names a document of the project names one that is there."""
    return [f"{path}:{line_of(text, match.start())}: {match.group(1)} does not exist"
            for path, text in tree.select(r"(src|tests|tools|scripts)/.*\.(c|h|py|sh|build)").items()
            if not path.startswith("tools/lint/")
            for match in NAMED_DOCUMENT.finditer(text)
            if match.group(1) not in tree.files
            and path.rpartition("/")[0] + "/" + match.group(1) not in tree.files]


def check_error_table(tree):
    """docs/errors.md shows what src/gateway/problem.c does."""
    source = tree.files.get("src/gateway/problem.c", "")
    words = dict(re.findall(r'#define (PROBLEM_\w+) "(\w+)"',
                            tree.files.get("src/gateway/problem.h", "")))
    rows = re.findall(r"\[(ERR_(?:ORIGIN_)?(\w+))\] = \{ (PROBLEM_\w+), (\d+) \}", source)
    findings = []
    for name, short, word, status in rows:
        if name in ("ERR_NONE", "ERR_UNAVAILABLE"):
            continue  # no answer has the one; the other is told by its origin
        shown = f"`ERR_UNAVAILABLE`, origin {short}" if "ORIGIN" in name else f"`{name}`"
        row = f"| {shown} | `{words.get(word, word)}` | {status} |"
        if row not in tree.files.get("docs/errors.md", ""):
            findings.append(f"docs/errors.md:1: no row that begins {row}")
    return findings


def check_image(tree):
    """The image is built of what .dockerignore lets through: of all that the meson files name."""
    kept = [line[1:] for line in tree.files.get(".dockerignore", "").splitlines()
            if line.startswith("!")]
    findings = []
    for path, text in tree.select(r"(.*/)?meson\.build").items():
        for match in re.finditer(r"'([^'\n]+)'", text):
            name = posixpath.normpath(posixpath.join(posixpath.dirname(path), match.group(1)))
            if name in tree.files and not any(f"{name}/".startswith(f"{k}/") for k in kept):
                findings.append(f"{path}:{line_of(text, match.start())}: .dockerignore leaves out "
                                f"{name}")
    return findings


def check_links(tree):
    findings = []
    folders = {"/".join(name.split("/")[:depth]) for name in tree.files
               for depth in range(1, name.count("/") + 1)}
    for path, text in tree.select(r".*\.md").items():
        code = without_code(text)
        links = re.finditer(r"\]\(([^)\s]+)(?: \"[^\"]*\")?\)|^\[[^\]]+\]: +(\S+)$|\bsrc=\"([^\"]+)\"",
                            code, re.M)
        for match in links:
            target = next(filter(None, match.groups()))
            if re.match(r"[a-z]+:", target):
                continue
            where = f"{path}:{line_of(text, match.start())}"
            file_part, _, anchor = target.partition("#")
            parts = [] if file_part.startswith("/") else path.split("/")[:-1]
            for part in filter(None, file_part.split("/")):
                if part == "..":
                    parts = parts[:-1]
                elif part != ".":
                    parts.append(part)
            name = "/".join(parts) if file_part else path
            if name not in tree.files and name not in folders:
                findings.append(f"{where}: {target} does not exist")
            elif anchor and name.endswith(".md") and anchor not in anchors(tree.files[name]):
                findings.append(f"{where}: {target}: no such heading")
    return findings
