#!/usr/bin/env python3
"""Turns one file into a C array: `extern const unsigned char SYMBOL[]; extern const size_t SYMBOL_size;`

Usage: tools/embed_text.py SYMBOL INPUT OUTPUT.h OUTPUT.c
"""
import sys
from pathlib import Path


def main():
    if len(sys.argv) != 5:
        sys.exit(__doc__)
    symbol, source, header, code = sys.argv[1:]
    content = Path(source).read_bytes()
    rows = ",\n".join("    " + ", ".join(f"0x{byte:02x}" for byte in content[at:at + 16])
                      for at in range(0, len(content), 16))
    said = f"/* Made by tools/embed_text.py of {Path(source).name}. */\n"
    Path(header).write_text(
        f'{said}#pragma once\n#include "base/base.h"\n\n'
        f"extern const unsigned char {symbol}[];\nextern const size_t {symbol}_size;\n")
    Path(code).write_text(
        f'{said}#include "gateway/{Path(header).name}"\n\n'
        f"const unsigned char {symbol}[] = {{\n{rows}\n}};\n"
        f"const size_t {symbol}_size = sizeof {symbol};\n")


if __name__ == "__main__":
    main()
