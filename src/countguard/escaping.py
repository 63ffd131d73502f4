"""Texts of strangers (names of files, of data sets, of settings) inside markup, where they are to stay texts."""

import re
from typing import TYPE_CHECKING

from countguard.errors import one_line

if TYPE_CHECKING:
    from rich.text import Text

_MARKDOWN = re.compile(r"[\\`*_{}\[\]<>#|~$&!@]|:(?=//)|(?<=www)\.")
"""What begins emphasis, code, links, images, HTML, entities, formulas or cells, and what makes an address a link."""


def markdown_text(text: str) -> str:
    """A text on one line of Markdown, not at its start, as it would be read there."""
    return _MARKDOWN.sub(lambda found: f"\\{found[0]}", one_line(text))


def markdown_code(text: str) -> str:
    """A text as a code span of Markdown: between more backticks than it has in a row."""
    line = one_line(text)
    fence = "`" * (1 + max((len(run) for run in re.findall(r"`+", line)), default=0))
    room = " " if line.startswith("`") or line.endswith("`") else ""
    return f"{fence}{room}{line}{room}{fence}"


def rich_text(text: str) -> "Text":
    """A text as rich prints it: no markup, no emoji codes, no terminal codes."""
    from rich.text import Text

    return Text(one_line(text))
