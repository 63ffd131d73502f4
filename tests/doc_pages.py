"""What the README and the docs tell a reader to type: commands and Python blocks, in the order of the page."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from markdown_it import MarkdownIt

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(DOCS.rglob("*.md")))
PROGRAMS = (
    "countguard", "make", "pip", "python", "git", "cd", "ls", "srun", "jupyter", "pre-commit",
)  # fmt: skip
"""What a block of commands begins its lines with."""


@dataclass(frozen=True)
class Block:
    """Something that a reader types: one command, a Python block, or a file to save."""

    kind: Literal["command", "python", "file"]
    text: str
    name: str = ""

    @property
    def words(self) -> list[str]:
        return shlex.split(self.text, comments=True)


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


def blocks_of(page: Path) -> Iterator[Block]:
    """What is typed, from the indented and the fenced blocks of a page."""
    for token in MarkdownIt("commonmark").parse(page.read_text(encoding="utf-8")):
        if token.type == "fence":
            language, _, title = token.info.partition(" ")
            if language == "python":
                yield Block("python", token.content)
            elif found := re.fullmatch(r'title="([\w.-]+)"', title):
                yield Block("file", token.content, found[1])
            elif language in ("", "bash", "console", "shell"):
                yield from _commands(token.content, name_of(page))
        elif token.type == "code_block":
            yield from _commands(token.content, name_of(page))


def inline_commands(page: Path) -> Iterator[str]:
    """Commands in the running text: `countguard VERB ...`."""
    for token in MarkdownIt("commonmark").parse(page.read_text(encoding="utf-8")):
        for part in token.children or ():
            if part.type == "code_inline" and part.content.startswith("countguard "):
                yield part.content


def _commands(text: str, page: str) -> Iterator[Block]:
    lines = [line for line in text.replace("\\\n", " ").splitlines() if line.strip() and not line.startswith("#")]
    if not lines or lines[0].split()[0] not in PROGRAMS:
        return  # a listing, not commands
    for line in lines:
        for command in line.split(" && "):
            assert command.split()[0] in PROGRAMS, (
                f"{page}: is {command!r} a command? Then name its program in PROGRAMS"
            )
            yield Block("command", command.strip())
