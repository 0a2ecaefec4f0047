#!/usr/bin/env python3
"""Turns a folder of web files into a C table of `struct http_file` (src/http/static.h).

Usage: tools/embed.py --output FILE.c --symbol NAME FOLDER

Files below FOLDER/assets get their content's hash into their names (`/assets/app.3f2a91c0.css`) and may
be cached for ever; every reference to them, "assets/app.css" from a page or "./api.js" between them, is
rewritten. A page NAME.html is served at /NAME, index.html at /. The output depends on the content alone.
"""
import argparse
import gzip
import hashlib
import re
import sys
from pathlib import Path

TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".ico": "image/vnd.microsoft.icon",
    ".woff2": "font/woff2",
    ".json": "application/json",
    ".webmanifest": "application/manifest+json",
    ".txt": "text/plain; charset=utf-8",
}
TEXT = (".html", ".css", ".js", ".svg", ".json", ".webmanifest", ".txt")


class Site:
    def __init__(self, folder):
        self.sources = {path.relative_to(folder).as_posix(): path.read_bytes()
                        for path in sorted(folder.rglob("*"))
                        if path.is_file() and path.suffix in TYPES}
        self.done = {}  # source name to (name it is served by, content)
        self.under_way = []

    def references(self, name, text):
        """Spans of the text that name another source file, with that file's name."""
        folder = name.rpartition("/")[0]
        for match in re.finditer(r"""["'(]((?:\./)?[\w./-]+\.\w+)["')]""", text):
            path = match.group(1)
            base = folder if path.startswith("./") or folder else ""
            target = (base + "/" if base else "") + path.removeprefix("./")
            if target in self.sources and target.startswith("assets/"):
                yield match.span(1), target

    def build(self, name):
        """The file with its references rewritten; those it refers to are built first."""
        if name in self.done:
            return self.done[name]
        if name in self.under_way:
            sys.exit(f"embed: {' -> '.join([*self.under_way, name])}: a ring of references")
        self.under_way.append(name)
        content = self.sources[name]
        if name.endswith(TEXT):
            text, out, at = content.decode(), [], 0
            for (start, end), target in self.references(name, text):
                served = self.build(target)[0].lstrip("/")
                folder = name.rpartition("/")[0]
                if folder and served.startswith(folder + "/"):
                    served = "./" + served[len(folder) + 1:]
                out += [text[at:start], served]
                at = end
            content = "".join([*out, text[at:]]).encode()
        self.under_way.pop()
        self.done[name] = (self.served_name(name, content), content)
        return self.done[name]

    @staticmethod
    def served_name(name, content):
        stem, _, suffix = name.rpartition(".")
        if name.startswith("assets/"):
            return f"/{stem}.{hashlib.sha256(content).hexdigest()[:8]}.{suffix}"
        if suffix == "html":
            return "/" if stem == "index" else f"/{stem}"
        return f"/{name}"


def c_bytes(symbol, content):
    rows = [", ".join(f"0x{byte:02x}" for byte in content[at:at + 16])
            for at in range(0, len(content), 16)]
    return f"static const unsigned char {symbol}[] = {{\n    " + ",\n    ".join(rows) + "\n};\n"


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--output", type=Path, required=True)
    arguments.add_argument("--symbol", required=True)
    arguments.add_argument("folder", type=Path)
    options = arguments.parse_args()

    site = Site(options.folder)
    files = sorted((*site.build(name), name) for name in site.sources)
    if not files:
        sys.exit(f"embed: nothing to embed in {options.folder}")
    arrays, rows = [], []
    for index, (path, content, source) in enumerate(files):
        small = gzip.compress(content, 9, mtime=0)
        pays = len(small) < len(content) * 9 // 10
        arrays.append(c_bytes(f"file_{index}", content))
        if pays:
            arrays.append(c_bytes(f"file_{index}_gzip", small))
        rows.append(
            f'    {{ .path = "{path}",\n'
            f'      .content_type = "{TYPES[Path(source).suffix]}",\n'
            f"      .bytes = file_{index},\n      .size_bytes = sizeof file_{index},\n"
            + (f"      .gzip_bytes = file_{index}_gzip,\n"
               f"      .gzip_size_bytes = sizeof file_{index}_gzip,\n" if pays else "")
            + f'      .etag = "{hashlib.sha256(content).hexdigest()[:32]}",\n'
            f"      .is_immutable = {'true' if source.startswith('assets/') else 'false'} }},\n")
    options.output.write_text(
        f'/* Made by tools/embed.py. */\n#include "gateway/{options.symbol}.h"\n\n'
        + "\n".join(arrays)
        + f"\nconst struct http_file {options.symbol}[] = {{\n" + "".join(rows) + "};\n"
        + f"const size_t {options.symbol}_count = countof({options.symbol});\n")


if __name__ == "__main__":
    main()
