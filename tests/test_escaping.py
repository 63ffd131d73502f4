"""What a stranger calls a file stays a text, wherever it is shown."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from countguard.errors import one_line
from countguard.escaping import markdown_code, markdown_text, rich_text

NASTY = [
    "[/x]",
    "[bold red]loud[/]",
    ":bomb:",
    "<script>alert(1)</script>",
    "![](https://example.org/seen.png)",
    "[click](javascript:alert(1))",
    "https://example.org www.example.org a@example.org",
    "`code` ``more``",
    "| cell |",
    "a\n# heading",
    "\x1b[2J",
    "&lt;b&gt;",
    "$x$",
]


@pytest.mark.parametrize("text", NASTY, ids=ascii)
def test_rich_prints_it_as_it_is(text: str) -> None:
    out = io.StringIO()
    Console(file=out, force_terminal=True, width=200, color_system="truecolor").print(rich_text(text))
    assert out.getvalue() == one_line(text) + "\n"


@pytest.mark.parametrize("text", NASTY, ids=ascii)
def test_markdown_shows_it_as_it_is(text: str) -> None:
    escaped = markdown_text(text)
    assert "\n" not in escaped
    bare = escaped.replace("\\\\", "")
    for sign in "`*_{}[]<>#|~$&!@":
        assert bare.count(sign) == bare.count(f"\\{sign}")
    assert "://" not in bare.replace("\\:", "")
    assert "www." not in bare


@given(st.text(max_size=20))
def test_a_code_span_ends_where_it_should(text: str) -> None:
    span = markdown_code(text)
    fence = span[: len(span) - len(span.lstrip("`"))]
    inside = span[len(fence) : -len(fence)]
    assert span.endswith(fence)
    assert fence not in inside or set(one_line(text)) == {"`"}
    assert inside.strip(" ") == one_line(text).strip(" ")
