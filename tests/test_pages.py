"""The pages whose tables are written from kept cards say what the cards say."""

import runpy
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[1] / "docs"


@pytest.mark.parametrize("name", ["defenses.md", "dmba.md", "real-crowds.md", "counters.md"])
def test_the_pages_of_repairs_are_what_the_cards_say(name: str) -> None:
    page = (DOCS / name).read_text(encoding="utf-8")
    assert "<!-- table: " in page
    assert runpy.run_path(str(DOCS / "make_defenses.py"))["filled"](page) == page


def test_the_page_of_the_audit_is_what_the_cards_say() -> None:
    page = (DOCS / "audit.md").read_text(encoding="utf-8")
    make_audit = runpy.run_path(str(DOCS / "make_audit.py"))
    assert {f"<!-- table: {name} -->" in page for name in make_audit["TABLES"]} == {True}
    assert make_audit["filled"](page) == page


def test_the_page_of_the_reproduction_is_what_the_cards_say() -> None:
    page = (DOCS / "reproduction.md").read_text(encoding="utf-8")
    assert runpy.run_path(str(DOCS / "make_reproduction.py"))["page"]() == page
