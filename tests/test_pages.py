"""The pages whose tables are written from kept cards say what the cards say."""

import re
import runpy
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[1] / "docs"


@pytest.mark.parametrize("name", ["defenses.md", "dmba.md", "real-crowds.md", "counters.md"])
def test_the_pages_of_repairs_are_what_the_cards_say(name: str) -> None:
    page = (DOCS / name).read_text(encoding="utf-8")
    assert "<!-- table: " in page
    assert runpy.run_path(str(DOCS / "make_defenses.py"))["filled"](page) == page


WITHOUT_CARDS = ("## How the settings were chosen", "## The first figures, which failed")
"""Sections of the page of repairs whose counters left no cards: a search on a GPU, and an earlier design."""
NOT_FROM_CARDS = {
    "(.98)": "a setting",
    "of .95 has a standard error of .015": "arithmetic",
    "up to .25": "a setting",
    "at most .05": "a limit",
    "below .05 are noise": "arithmetic",
    "by about .05": "arithmetic",
    "within .05": "a limit",
    "at most .03": "a limit",
    ".970, .865, .905\nright, triggered .975, .905, .920, MAE 2.67, 3.30, 2.90": "no cards were kept, as it says",
    "blend of 0.1": "a setting",
    "section 3.3": "of the paper",
}
"""Other figures in sentences of that page, each with the reason why it names no card."""


def test_figures_in_the_sentences_about_repairs_name_their_cards() -> None:
    """A figure with a card is rewritten from it by `filled`, so that the page could not say another one."""
    page = (DOCS / "defenses.md").read_text(encoding="utf-8")
    for heading in WITHOUT_CARDS:
        before, _, rest = page.partition(heading)
        page = before + rest[rest.index("\n## ") :]
    prose = re.sub(r"<!-- table: .*?<!-- end -->", "", page, flags=re.DOTALL)
    for said in NOT_FROM_CARDS:
        assert said in prose, said
        prose = prose.replace(said, "")
    prose = runpy.run_path(str(DOCS / "make_defenses.py"))["FIGURE"].sub("", prose)
    prose = re.sub(r"\[[^]]*\]\([^)]*\)|`[^`]*`", "", prose)
    assert re.findall(r"(?<![\w.])\d*\.\d+", prose) == []


def test_a_figure_is_written_with_the_digits_that_it_has() -> None:
    figure = runpy.run_path(str(DOCS / "make_defenses.py"))["figure"]
    card = "defenses-paper/clean-attacked-s0 rho_acc"
    assert (figure(card, ".1"), figure(card, ".123")) == (".9", ".915")
    assert figure(f"{card} - {card}", ".000") == ".000"
    assert figure("max defenses-paper/clean-*-s0 rho_acc", ".000") == ".985"
    with pytest.raises(ValueError, match="put max, min or mean"):
        figure("defenses-paper/clean-*-s0 rho_acc", ".000")


def test_the_page_of_the_audit_is_what_the_cards_say() -> None:
    page = (DOCS / "audit.md").read_text(encoding="utf-8")
    make_audit = runpy.run_path(str(DOCS / "make_audit.py"))
    assert {f"<!-- table: {name} -->" in page for name in make_audit["TABLES"]} == {True}
    assert make_audit["filled"](page) == page


def test_the_page_of_the_reproduction_is_what_the_cards_say() -> None:
    page = (DOCS / "reproduction.md").read_text(encoding="utf-8")
    assert runpy.run_path(str(DOCS / "make_reproduction.py"))["page"]() == page
