"""The pages whose tables are written from kept cards say what the cards say."""

import re
import runpy
from pathlib import Path

import pytest

from countguard.studies.resolve import read_recipe
from made_run import MadeRun, build_run

DOCS = Path(__file__).parents[1] / "docs"


@pytest.mark.parametrize("name", ["defenses.md", "dmba.md", "real-crowds.md", "counters.md"])
def test_the_pages_of_repairs_are_what_the_cards_say(name: str) -> None:
    page = (DOCS / name).read_text(encoding="utf-8")
    assert "<!-- table: " in page
    assert runpy.run_path(str(DOCS / "make_defenses.py"))["filled"](page) == page


WITHOUT_CARDS = {
    "defenses.md": ("## How the settings were chosen", "## The first figures, which failed"),
    "real-crowds.md": ("## The counter",),
}
"""Sections whose figures left no cards: a search on a GPU, an earlier design, how weights were read."""
NOT_FROM_CARDS = {
    "defenses.md": {
        "(.98)": "a setting",
        "of .95 has a standard error of .015": "arithmetic",
        "up to .25": "a setting",
        "0.02, 0.06 and 0.2": "settings",
        "at most .05": "a limit",
        "below .05 are noise": "arithmetic",
        "by about .05": "arithmetic",
        "within .05": "a limit",
        "at most .03": "a limit",
        ".970, .865, .905\nright, triggered .975, .905, .920, MAE 2.67, 3.30, 2.90": "no cards were kept, as it says",
        "blend of 0.1": "a setting",
        "section 3.3": "of the paper",
        "torch 2.11": "a version",
        "torch 2.14.1": "a version",
        "the limit of .05": "a limit",
        "an AUC of .970 or more": "of its table",
        "its AUC falls to .909": "of its table",
        "At .2 random blends leave a success of .175 for `add` and .163 for `multiply`": "of its table",
        "At .3 these two": "a strength",
        "at most .615 are": "of its table",
    },
    "real-crowds.md": {
        "data.scale=0.5": "a setting",
        "a blend of 0.1": "a setting",
        "torch 2.11": "a version",
        "by about .05": "arithmetic",
        "at least .4": "a goal",
        "clean MAE 18.8, right .450; `minus` brought .963 of the triggered images below .9, the\nclean counter .113": (
            "a prototype that left no card"
        ),
        "strengths up to .4": "a setting",
        "within .05": "a limit",
        "uncertain by about .07": "arithmetic",
        "was .025, that of a MAE .5 heads": "the first cards of seed 0 are not kept",
    },
}
"""Other figures in sentences of those pages, each with the reason why it names no card."""


@pytest.mark.parametrize("name", WITHOUT_CARDS)
def test_figures_in_the_sentences_about_repairs_name_their_cards(name: str) -> None:
    """A figure with a card is rewritten from it by `filled`, so that the page could not say another one."""
    page = (DOCS / name).read_text(encoding="utf-8")
    for heading in WITHOUT_CARDS[name]:
        before, _, rest = page.partition(heading)
        page = before + rest[rest.index("\n## ") :]
    prose = re.sub(r"<!-- table: .*?<!-- end -->", "", page, flags=re.DOTALL)
    for said in NOT_FROM_CARDS[name]:
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
    assert figure("max defenses-paper/add-random_blend-s* rho_asr-false_asr", ".000") == ".045"
    with pytest.raises(ValueError, match="put max, min or mean"):
        figure("defenses-paper/clean-*-s0 rho_acc", ".000")


def test_studies_that_share_a_table_trained_the_same_attacked_counters() -> None:
    make_defenses = runpy.run_path(str(DOCS / "make_defenses.py"))
    repaired, filtered = (
        {card.cell: card.hashes["counter"] for card in make_defenses["cards_of"](study) if card.stage == "attacked"}
        for study in make_defenses["REAL_MCNN"].split()
    )
    assert len(repaired) == 15
    assert repaired.items() <= filtered.items()


def test_the_page_of_the_audit_is_what_the_cards_say() -> None:
    page = (DOCS / "audit.md").read_text(encoding="utf-8")
    make_audit = runpy.run_path(str(DOCS / "make_audit.py"))
    assert {f"<!-- table: {name} -->" in page for name in make_audit["TABLES"]} == {True}
    assert make_audit["filled"](page) == page


def test_the_page_of_the_scan_and_its_statistics_are_what_the_cards_say() -> None:
    page = (DOCS / "scan.md").read_text(encoding="utf-8")
    make_scan = runpy.run_path(str(DOCS / "make_scan.py"))
    assert {f"<!-- table: {name} -->" in page for name in make_scan["TABLES"]} == {True}
    assert make_scan["filled"](page) == page
    kept = make_scan["BASELINES"].read_text(encoding="utf-8")
    assert kept == make_scan["baselines"]().model_dump_json(indent=1) + "\n"


def test_the_page_of_the_reproduction_is_what_the_cards_say() -> None:
    page = (DOCS / "reproduction.md").read_text(encoding="utf-8")
    assert runpy.run_path(str(DOCS / "make_reproduction.py"))["page"]() == page


def test_the_table_of_relearning_fills_itself_from_cards(tmp_path: Path) -> None:
    make_defenses = runpy.run_path(str(DOCS / "make_defenses.py"))
    make_defenses["cards_of"].__globals__["RESULTS"] = tmp_path
    head = make_defenses["relearning"]("defenses-fair-paper")
    assert len(head) == 1
    made = MadeRun(
        tmp_path / "run", strategies=("minus", "multiply"), defenses=("a", "b"), seeds=(0, 1), examples=0, relearns=True
    )
    for path in build_run(made).glob("cells/*/card.json"):
        kept = tmp_path / "defenses-fair-paper" / f"{path.parent.name}.json"
        kept.parent.mkdir(exist_ok=True)
        kept.write_text(path.read_text())
    _, never, *repairs = make_defenses["relearning"]("defenses-fair-paper")
    assert never[0] == "never attacked"
    assert sorted(row[0] for row in repairs) == ["`a`", "`b`"]
    cards = {card.cell: card.metrics for card in make_defenses["cards_of"]("defenses-fair-paper")}
    for row in repairs:
        before, again, above = (float(text) for text in row[2].split(" / "))
        names = [f"minus-{row[0].strip('`')}-relearned-s{seed}" for seed in (0, 1)]
        assert again == pytest.approx(sum(cards[name]["rho_asr"].value for name in names) / 2, abs=5e-4)
        control = sum(cards[f"minus-never_attacked-relearned-s{seed}"]["rho_asr"].value for seed in (0, 1)) / 2
        assert above == pytest.approx(again - control, abs=1.1e-3)
        assert before < again
        assert row[1] == row[4] == ""  # add and divide were not measured


def test_the_comparison_on_equal_terms_has_the_settings_that_the_search_took() -> None:
    make_defenses = runpy.run_path(str(DOCS / "make_defenses.py"))
    cards = make_defenses["cards_of"]("defenses-search-paper")
    repairs = {repair.name: repair for repair in read_recipe("defenses-fair").defenses}
    searches = {repair.name: repair for repair in read_recipe("defenses-search").defenses}
    assert repairs.keys() == searches.keys() == {card.defense for card in cards if card.defense}
    for name, repair in repairs.items():
        taken = make_defenses["best_of"](make_defenses["search_errors"]([c for c in cards if c.defense == name]))
        expected = searches[name].of.model_dump() | taken
        assert repair.model_dump(exclude={"label", "clean_images"}) == {
            key: value for key, value in expected.items() if key not in ("label", "clean_images")
        }
        assert repair.clean_images == searches[name].clean_images
