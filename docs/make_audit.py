"""Fills the tables of docs/audit.md from the cards in results/.

    python docs/make_audit.py

`scripts/audit_study.py` keeps the cards in results/audit; `docs/make_reproduction.py RUN_FOLDER...` keeps those of
studies with filters.
"""

import json
import math
import re
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from pathlib import Path
from statistics import fmean
from typing import Any

from countguard.runs.card import Card as CounterCard

ROOT = Path(__file__).parents[1]
STUDIES = ROOT / "results"
RESULTS = STUDIES / "audit"
PAGE = ROOT / "docs" / "audit.md"
SETS = {
    "part_B": "Part_B's 400 images",
    "part_A": "Part_A's 100 images",
    "embedded": "400 embedded crowds",
    "half": "a random half of Part_B, cropped at random",
    "camera": "400 frames of one embedded scene",
    "logo_all": "Part_B, a logo in the corner of all",
    "logo_some": "Part_B, a logo in the corner of every third",
}
STRATEGIES = ("add", "minus", "multiply", "divide")

Card = dict[str, Any]
Table = list[list[str]]


@cache
def cards(row: str) -> tuple[Card, ...]:
    """All cards of one row."""
    found = (json.loads(path.read_text(encoding="utf-8")) for path in sorted(RESULTS.glob(f"{row}-*.json")))
    return tuple(card for card in found if card["row"] == row)


def select(row: str, **wanted: Any) -> list[Card]:
    """The cards of a row with these settings."""
    return [
        card
        for card in cards(row)
        if all(({**card, **card["facts"]}).get(name) == value for name, value in wanted.items())
    ]


def values(row: str, name: str) -> list[Any]:
    """What a setting is in a row, each value once, in order."""
    found = dict.fromkeys(({**card, **card["facts"]})[name] for card in cards(row))
    return sorted(found) if all(isinstance(value, float | int) for value in found) else list(found)


def found(chosen: Iterable[Card], strategy: str = "minus") -> str:
    """Poisoned images found of all, and clean ones accused, over all draws."""
    results = [(card["found"][strategy], card["poisoned"]) for card in chosen]
    if not results:
        return ""
    hit, number = sum(one["found"] for one, _ in results), sum(poisoned for _, poisoned in results)
    return f"{hit} of {number}, {sum(one['accused_clean'] for one, _ in results)}"


def aucs(chosen: Sequence[Card]) -> str:
    """Mean and least AUC."""
    measured = [card["auc"] for card in chosen if card["auc"] is not None]
    return f"{short(fmean(measured))} ({short(min(measured))})" if measured else ""


def found_and_aucs(chosen: Sequence[Card]) -> str:
    """Both, where there are cards."""
    return f"{found(chosen)}; {aucs(chosen)}" if chosen else ""


def short(value: float) -> str:
    """Three digits, without the zero before the point."""
    return f"{value:.3f}".replace("0.", ".", 1) if value < 1 else "1.000"


def blends() -> Table:
    """Share .1: every picture and rate, in place and appended."""
    rows = [["picture", "rate", "in place: found, clean accused", "appended: found, clean accused"]]
    for picture in values("blend", "picture"):
        for rate in values("blend", "rate"):
            one = {"picture": picture, "rate": rate}
            rows.append(
                [
                    picture,
                    f"{100 * rate:g} %",
                    found(select("blend", placement="replace", **one)),
                    found(select("blend", placement="append", **one)),
                ]
            )
    return rows


def faint() -> Table:
    """Shares .05 and .03."""
    rows = [["share", "rate", "found, clean accused", "AUC: mean (least)"]]
    for alpha in values("faint", "alpha"):
        for rate in values("faint", "rate"):
            if chosen := select("faint", alpha=alpha, rate=rate):
                rows.append([f"{alpha:g}", f"{100 * rate:g} %", found(chosen), aucs(chosen)])
    return rows


def varied() -> Table:
    """The picture varied from image to image."""
    qualities = values("jpeg_varied", "quality")
    rows = [
        ["what varies", "found, clean accused; AUC: mean (least)", *(f"saved as JPEG, quality {q}" for q in qualities)]
    ]
    for what in values("varied", "what"):
        saved = [select("jpeg_varied", what=what, quality=quality) for quality in qualities]
        rows.append([what, *(found_and_aucs(chosen) for chosen in (select("varied", what=what), *saved))])
    return rows


def smooth() -> Table:
    """Blurred photographs, and what could be told if the group were known."""
    rows = [
        [
            "rate",
            "saved as",
            "draw",
            "found, clean accused",
            "AUC",
            "AUC of pictures alone",
            "the same, group given",
            "group's likeness",
            "chance's likest group",
        ]
    ]
    plain = [(rate, 0, select("smooth", rate=rate)) for rate in values("smooth", "rate")]
    saved = [(0.1, quality, select("jpeg_smooth", quality=quality)) for quality in values("jpeg_smooth", "quality")]
    for rate, quality, chosen in (*plain, *saved):
        for card in sorted(chosen, key=lambda card: card["draw"]):
            given = card["group_given"]
            likest = math.sqrt(2 * log_binomial(card["images"], card["poisoned"]))
            rows.append(
                [
                    f"{100 * rate:g} %",
                    f"JPEG, quality {quality}" if quality else "PNG",
                    str(card["draw"]),
                    found([card]),
                    short(card["found"]["minus"]["auc"]),
                    short(card["auc"]),
                    short(given["auc"]),
                    f"{given['together']:.1f}",
                    f"{likest:.1f}",
                ]
            )
    return rows


def log_binomial(whole: int, part: int) -> float:
    """Logarithm of the number of groups of so many out of all."""
    return math.lgamma(whole + 1) - math.lgamma(part + 1) - math.lgamma(whole - part + 1)


def jpeg() -> Table:
    """Saved as JPEG after the blend."""
    kinds = [(quality, placement) for quality in values("jpeg", "quality") for placement in ("replace", "append")]
    titles = (
        f"quality {quality}, {'appended' if placement == 'append' else 'in place'}" for quality, placement in kinds
    )
    rows = [["share", "rate", *titles]]
    for alpha in values("jpeg", "alpha"):
        for rate in values("jpeg", "rate"):
            chosen = [
                select("jpeg", alpha=alpha, rate=rate, quality=quality, placement=placement)
                for quality, placement in kinds
            ]
            if any(chosen):
                rows.append([f"{alpha:g}", f"{100 * rate:g} %", *map(found_and_aucs, chosen)])
    return rows


def triggers() -> Table:
    """Every other trigger: precision and recall, by pictures alone and with labels."""
    rows = [["trigger", "placement", "pictures alone", *(f"{strategy}, with labels" for strategy in STRATEGIES)]]
    for trigger in values("triggers", "trigger"):
        for placement in ("replace", "append"):
            chosen = select("triggers", trigger=trigger, placement=placement)
            if chosen:
                alone = [card["found"]["minus"]["by_pictures_alone"] | {"of": card["poisoned"]} for card in chosen]
                cells = [_rates(alone)]
                for strategy in STRATEGIES:
                    cells.append(_rates([card["found"][strategy] | {"of": card["poisoned"]} for card in chosen]))
                rows.append([trigger, "in place" if placement == "replace" else "appended", *cells])
    return rows


def _rates(results: Sequence[dict[str, Any]]) -> str:
    hit, wrong, of = (sum(one[name] for one in results) for name in ("found", "accused_clean", "of"))
    return f"{short(hit / (hit + wrong)) if hit + wrong else 'none'} / {short(hit / of)}"


def clean() -> Table:
    """False alarms."""
    rows = [["set", "sets", "with something suspicious", "called poisoned", "images accused"]]
    totals = [0, 0, 0, 0]
    for name, words in SETS.items():
        chosen = [card["found"]["none"] for card in select("clean", set=name)]
        if chosen:
            numbers = [
                len(chosen),
                sum(one["verdict"] != "nothing found" for one in chosen),
                sum(one["verdict"] == "poisoned" for one in chosen),
                sum(one["accused_clean"] for one in chosen),
            ]
            totals = [total + number for total, number in zip(totals, numbers, strict=True)]
            rows.append([words, *(f"{number}" for number in numbers)])
    return [*rows, ["**all**", *(f"**{total}**" for total in totals)]] if totals[0] else rows


def knowing() -> Table:
    """An attacker who knows the audit."""
    rows = [["what he does", "labels", "found, clean accused"]]
    for what in values("knowing", "what"):
        chosen = select("knowing", what=what)
        rows += [[what, strategy, found(chosen, strategy)] for strategy in chosen[0]["found"]]
    return rows


def filters(**studies: str) -> Table:
    """Studies with filters: success of each counter beside the clean counter's on the same images, mean and seeds."""
    rows = [["study", "attack", "counter", "left out: poisoned, clean", "success", "clean counter's", "most apart"]]
    for words, study in studies.items():
        kept = [CounterCard.model_validate_json(path.read_text()) for path in sorted((STUDIES / study).glob("*.json"))]
        for strategy, defense in dict.fromkeys(
            (strategy, card.defense)
            for strategy in ("clean", *STRATEGIES)
            for card in kept
            if card.strategy == strategy and (card.filtered or strategy != "clean")
        ):
            chosen = [card for card in kept if (card.strategy, card.defense) == (strategy, defense)]
            success, false = (
                [card.metrics[name].value for card in chosen if name in card.metrics]  # a clean counter has neither
                for name in ("rho_asr", "false_asr")
            )
            filtered = [card.filtered for card in chosen if card.filtered is not None]
            left_out = f"{sum(one.poisoned for one in filtered)}, {sum(one.clean for one in filtered)}"
            rows.append(
                [
                    words.replace("_", " "),
                    strategy,
                    f"{chosen[0].stage}: `{defense}`" if defense else "as trained",
                    left_out if filtered else "",
                    _with_seeds(success),
                    _with_seeds(false),
                    short(max(abs(one - other) for one, other in zip(success, false, strict=True))) if success else "",
                ]
            )
    return rows


def _with_seeds(measured: Sequence[float]) -> str:
    seeds = f" ({' '.join(map(short, measured))})" if len(measured) > 1 else ""
    return short(fmean(measured)) + seeds if measured else ""


TABLES: dict[str, Callable[[], Table]] = {
    "clean": clean,
    "blend": blends,
    "faint": faint,
    "varied": varied,
    "smooth": smooth,
    "jpeg": jpeg,
    "triggers": triggers,
    "knowing": knowing,
    "filters": lambda: filters(
        embedded_crowds="filters-paper",
        embedded_crowds_in_place="filters-replace-paper",
        Part_B_MCNN="real-filters-mcnn-paper",
    ),
}


def filled(page: str) -> str:
    """The page with what stands between `<!-- table: NAME -->` and `<!-- end -->` written anew."""

    def table(match: re.Match[str]) -> str:
        head, *rows = TABLES[match[1]]()
        lines = [head, ["---"] * len(head), *rows]
        text = "\n".join("| " + " | ".join(line) + " |" for line in lines)
        return f"<!-- table: {match[1]} -->\n{text}\n<!-- end -->"

    return re.sub(r"<!-- table: ([a-z-]+) -->\n.*?<!-- end -->", table, page, flags=re.DOTALL)


if __name__ == "__main__":
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
