"""What the checks look at: the files of the project that git knows or would add, with their text."""
import re
import subprocess
from pathlib import Path


class Tree:
    """A folder and its text files, path (with /) to text. The self-tests make small ones."""

    def __init__(self, root, files):
        self.root = Path(root)
        self.files = files

    @classmethod
    def of_git(cls, root):
        listing = subprocess.run(["git", "ls-files", "-z", "--cached", "--others",
                                  "--exclude-standard"], cwd=root, check=True,
                                 stdout=subprocess.PIPE).stdout.decode()
        files = {}
        for name in sorted(filter(None, listing.split("\0"))):
            path = Path(root) / name
            if path.is_file():
                files[name] = path.read_text(encoding="utf-8", errors="replace")
        return cls(root, files)

    @classmethod
    def of_texts(cls, root, files):
        for name, text in files.items():
            path = Path(root) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        return cls(root, files)

    def select(self, *patterns):
        """Files whose path matches one of the regular expressions."""
        return {name: text for name, text in self.files.items()
                if any(re.fullmatch(pattern, name) for pattern in patterns)}


TOKEN = re.compile(
    r"""(?P<comment>/\*.*?\*/|//[^\n]*)|(?P<string>"(?:\\.|[^"\\\n])*")|(?P<char>'(?:\\.|[^'\\\n])+')""",
    re.S)


def blank(text, keep_strings=False):
    """C text with comments (and strings) replaced by spaces, so that offsets and lines stay."""
    def replace(match):
        if match.lastgroup == "string" and keep_strings:
            return match.group()
        if match.lastgroup == "char" and match.start() and text[match.start() - 1].isdigit():
            return match.group()  # a digit separator: 1'000
        return re.sub(r"[^\n]", " ", match.group())
    return TOKEN.sub(replace, text)


def line_of(text, offset):
    return text.count("\n", 0, offset) + 1
