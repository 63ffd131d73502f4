"""Fits the thresholds of `countguard scan` to the benchmark's population, and writes docs/scan.md from its cards.

    python docs/make_scan.py

Reads results/scan/, as scripts/scan_benchmark.py keeps it; writes src/countguard/scan/baselines.json and the tables and
figures of docs/scan.md. The studies `final-...` are reported on; they took no part in any choice.
"""

import json
import re
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np

from countguard.scan.baseline import Baseline, Signs, Stored, fitted, left_out_scores
from countguard.scan.scan import SAID
from countguard.scan.statistic import GROUPS

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "results" / "scan"
BASELINES = ROOT / "src" / "countguard" / "scan" / "baselines.json"
PAGE = ROOT / "docs" / "scan.md"

KINDS = {
    "blend": "a picture mixed in",
    "patch": "a patch",
    "sine": "stripes",
    "low_frequency": "slow waves",
    "rain": "rain",
    "snow": "snow",
    "warp": "a warp",
    "cover": "a picture mixed in, with cover samples",
}
STRATEGIES = ("add", "minus", "multiply", "divide")
RESAMPLES = 2000
COUNTERS = "clean lite counters of embedded crowds"
Way = tuple[str, int, str]
"""Look, channels and augmentation."""

Card = dict[str, Any]
Table = list[list[str]]


@cache
def cards(folder: str) -> tuple[Card, ...]:
    """All cards of one part of the benchmark."""
    return tuple(json.loads(path.read_text(encoding="utf-8")) for path in sorted((RESULTS / folder).glob("*.json")))


def kind_of(card: Card) -> str:
    """The row that an attacked counter belongs to."""
    return "cover" if card["cover_samples"] else str(card["trigger"]["kind"])


def half(name: str, *, clean: bool) -> list[Card]:
    """Clean or attacked counters of one half of the population."""
    return [card for card in cards("population") if card["half"] == name and (card["trigger"] is None) == clean]


def way_of(card: Card) -> Way:
    """How a counter was trained."""
    return card["look"], card["channels"], card["augmentation"]


@cache
def clean_by_way() -> dict[Way, list[Card]]:
    """The clean counters that statistics are made of; those that saw cover samples are left out."""
    found: dict[Way, list[Card]] = {}
    for card in half("choosing", clean=True):
        if not card["cover_samples"]:
            found.setdefault(way_of(card), []).append(card)
    return found


def _signs(groups: dict[Way, list[Card]]) -> dict[str, list[Signs]]:
    return {str(way): [card["signs"] for card in some] for way, some in groups.items()}


@cache
def baselines() -> Stored:
    """The statistics of the choosing half's clean counters."""
    clean = clean_by_way()
    fits = fitted(_signs(clean), COUNTERS)
    apart = fitted({"lite": differences(clean)}, "pairs of clean lite counters")
    by_data: dict[str, tuple[Baseline, ...]] = {}
    for way, some in clean.items():
        name = f"lite on synthetic {way[0]}"
        by_data[name] = (*by_data.get(name, ()), _rounded(fits[str(way)], some))
    return Stored(clean=by_data, pairs={"lite": _rounded(apart["lite"], [])})


def differences(clean: dict[Way, list[Card]]) -> list[Signs]:
    """Each clean counter less the next one that was trained in the same way: each stands once on either side."""
    apart = []
    for same in _signs(clean).values():
        apart += [
            {name: one[name] - other[name] for name in one}
            for one, other in zip(same, same[1:] + same[:1], strict=True)
        ]
    return apart


def _rounded(baseline: Baseline, clean: Sequence[Card]) -> Baseline:
    """Five digits, and the mean shift of each family and strength."""

    def short(values: dict[str, float]) -> dict[str, float]:
        return {name: round(value, 5) for name, value in values.items()}

    families = {
        f"{family['family']} {family['strength']:g}": fmean(card["families"][place]["shift"] for card in clean)
        for place, family in enumerate(clean[0]["families"] if clean else [])
    }
    changes = {
        "mean": short(baseline.mean),
        "deviation": short(baseline.deviation),
        "correlation": [[round(value, 5) for value in row] for row in baseline.correlation],
        "threshold": round(baseline.threshold, 4),
        "false_alarm_rate": round(baseline.false_alarm_rate, 4),
        "families": short(families),
    }
    return baseline.model_copy(update=changes)


def auc(attacked: Sequence[float], clean: Sequence[float]) -> float:
    """Share of pairs of an attacked and a clean thing in which the attacked one scores higher; ties count half."""
    one, other = np.array(attacked)[:, None], np.array(clean)[None, :]
    return float((one > other).mean() + 0.5 * (one == other).mean())


def auc_text(attacked: Sequence[float], clean: Sequence[float]) -> str:
    """AUC and its 95 % bootstrap interval over counters."""
    generator = np.random.default_rng(0)
    drawn = [
        auc(generator.choice(attacked, len(attacked)), generator.choice(clean, len(clean))) for _ in range(RESAMPLES)
    ]
    low, high = np.quantile(drawn, [0.025, 0.975])
    return f"{_rate(auc(attacked, clean))} [{_rate(low)}, {_rate(high)}]"


def _rate(value: float) -> str:
    return f"{value:.3f}".replace("0.", ".", 1) if abs(value) < 1 else f"{value:.3f}"


def score(card: Card) -> float:
    """A counter's distance from the nearest clean ones of its look."""
    return min(one.score(card["signs"]) for one in baselines().clean[f"lite on synthetic {card['look']}"])


def clean_scores() -> list[float]:
    """Each clean counter of the statistics beside the others, as the threshold was found."""
    return [score for scores in left_out_scores(_signs(clean_by_way())).values() for score in scores]


def threshold() -> float:
    """Of a scan without a reference."""
    return next(iter(baselines().clean.values()))[0].threshold


def found_text(values: Sequence[float], threshold: float) -> str:
    """How many of some counters score above a threshold."""
    above = sum(value > threshold for value in values)
    return f"{above} of {len(values)} ({_rate(above / len(values))})" if values else ""


def reported() -> Table:
    """New counters, which took no part in any choice."""
    clean = [score(card) for card in half("reported", clean=True)]
    attacked = half("reported", clean=False)
    rows = [["counters", "number", "shift that it planted", "AUC [95 %]", "above the threshold"]]
    if not clean:
        return rows
    groups = [(f"`{strategy}`", [card for card in attacked if card["strategy"] == strategy]) for strategy in STRATEGIES]
    for name, chosen in [*groups, ("all four", attacked)]:
        values = [score(card) for card in chosen]
        found = [_planted(chosen), auc_text(values, clean), found_text(values, threshold())]
        rows.append([f"a picture mixed in, {name}", str(len(chosen)), *found])
    larger = [score(card) for card in half("another size", clean=True)]
    return [
        *rows,
        ["never attacked", str(len(clean)), "", "", found_text(clean, threshold())],
        ["never attacked, of 16 channels", str(len(larger)), "", "", found_text(larger, threshold())],
    ]


def by_kind() -> Table:
    """The population that rule and thresholds were chosen on; each clean counter is held against the others."""
    clean = clean_scores()
    attacked = half("choosing", clean=False)
    rows = [["trigger", "counters", "shift that it planted", "AUC [95 %]", "above the threshold"]]
    for kind, name in KINDS.items():
        chosen = [card for card in attacked if kind_of(card) == kind]
        values = [score(card) for card in chosen]
        found = [_planted(chosen), auc_text(values, clean), found_text(values, threshold())]
        rows.append([name, str(len(chosen)), *found])
    covered = [score(card) for card in half("choosing", clean=True) if card["cover_samples"]]
    return [
        *rows,
        ["never attacked", str(len(clean)), "", "", found_text(clean, threshold())],
        ["never attacked, with cover samples", str(len(covered)), "", "", found_text(covered, threshold())],
    ]


def searches() -> Table:
    """What searched pictures reach, beside what they reach in clean counters of the choosing half."""
    rows = [["search", "clean counters: mean (sd)", *(f"AUC, {KINDS[kind]}" for kind in KINDS)]]
    clean = half("choosing", clean=True)
    attacked = half("choosing", clean=False)
    for name in (name for name in clean[0]["signs"] if name not in GROUPS):
        reached = [card["signs"][name] for card in clean]
        cells = [
            _rate(auc([abs(card["signs"][name] - fmean(reached)) for card in some], _apart_from_the_rest(reached)))
            for kind in KINDS
            for some in [[card for card in attacked if kind_of(card) == kind]]
        ]
        rows.append([SAID[name], f"{fmean(reached):+.3f} ({_rate(float(np.std(reached, ddof=1)))})", *cells])
    return rows


def _apart_from_the_rest(values: Sequence[float]) -> list[float]:
    return [abs(value - fmean([*values[:place], *values[place + 1 :]])) for place, value in enumerate(values)]


def _planted(chosen: Sequence[Card]) -> str:
    """Median and range of what the attack moves of what its labels ask for."""
    shifts = sorted(card["attack"]["shift"] for card in chosen)
    return f"{_rate(float(np.median(shifts)))} ({_rate(shifts[0])} to {_rate(shifts[-1])})"


def with_reference() -> Table:
    """New counters against the clean counter of the next new study that was trained in the same way."""
    pairs = baselines().pairs["lite"]
    clean = half("reported", clean=True)
    rows = [["counters", "number", "AUC [95 %]", "above the threshold"]]
    if not clean:
        return rows
    values = [pairs.score(_apart(card, clean)) for card in half("reported", clean=False)]
    of_clean = [pairs.score(_apart(card, clean)) for card in clean]
    return [
        *rows,
        [
            "a picture mixed in",
            str(len(values)),
            auc_text(values, of_clean),
            found_text(values, pairs.threshold),
        ],
        ["never attacked", str(len(of_clean)), "", found_text(of_clean, pairs.threshold)],
    ]


def _apart(card: Card, clean: Sequence[Card]) -> dict[str, float]:
    """Signs of a counter less those of a clean counter that shares no crowd and no seed with it."""
    same = [other for other in clean if way_of(other) == way_of(card) and other["seed"] != card["seed"]]
    later = [other for other in same if other["seed"] > card["seed"]]
    reference = (later or same)[0]
    return {name: value - reference["signs"][name] for name, value in card["signs"].items()}


def on_real_crowds() -> Table:
    """Counters of real crowds, each against the clean counter of the next seed: that is what an operator can do."""
    pairs = baselines().pairs["lite"]
    rows = [["counter", "seeds", "strategy", "mixed picture: mean shift", "AUC [95 %]", "above the threshold"]]
    chosen = cards("real")
    for study in dict.fromkeys(card["study"] for card in chosen):
        of_study = [card for card in chosen if card["study"] == study]
        clean = {card["seed"]: card["signs"] for card in of_study if card["strategy"] == "clean"}
        seeds = sorted(clean)

        def apart(card: Card, clean: dict[int, Any] = clean, seeds: list[int] = seeds) -> dict[str, float]:
            reference = clean[seeds[(seeds.index(card["seed"]) + 1) % len(seeds)]]
            return {name: value - reference[name] for name, value in card["signs"].items()}

        scores = {card["cell"]: pairs.score(apart(card)) for card in of_study}
        of_clean = [scores[card["cell"]] for card in of_study if card["strategy"] == "clean"]
        groups = [(f"`{one}`", [card for card in of_study if card["strategy"] == one]) for one in STRATEGIES]
        groups.append(("all four", [card for card in of_study if card["strategy"] != "clean"]))
        groups.append(("never attacked", [card for card in of_study if card["strategy"] == "clean"]))
        for name, some in groups:
            values = [scores[card["cell"]] for card in some]
            shift = _rate(fmean(card["signs"]["mixed_picture"] for card in some)) if some else ""
            area = auc_text(values, of_clean) if some and name != "never attacked" else ""
            named = ", ".join(str(seed) for seed in seeds)
            rows.append([of_study[0]["model"], named, name, shift, area, found_text(values, pairs.threshold)])
    return rows


def guards() -> Table:
    """What counter and twin, or counter and purification, tell of triggered pictures."""
    rows = [["trigger", "twin", "AUC by strategy", "alarms at 1 %", "false alarms", "MAE, clean: counter, twin"]]
    chosen = cards("guard")
    for kind in KINDS:
        for twin in ("random_blend", "fine_tune"):
            some = [card for card in chosen if card["twin"] == twin and kind_of(card) == kind]
            attacked = [card for strategy in STRATEGIES for card in some if card["strategy"] == strategy]
            if attacked:
                rows.append([KINDS[kind], f"`{twin}`", *_guard_cells(attacked)])
    for twin in ("random_blend", "fine_tune"):
        of_twin = [card for card in chosen if card["twin"] == twin and card["strategy"] == "clean"]
        clean = [card for kind in KINDS for card in of_twin if kind_of(card) == kind]
        if clean:
            rows.append(["never attacked", f"`{twin}`", *_guard_cells(clean)])
    return rows


def real_guards() -> Table:
    """The same on real crowds."""
    rows = [
        ["counter", "twin", "strategy", "AUC", "alarms", "false alarms", "stated rate", "MAE, clean: counter, twin"]
    ]
    chosen = cards("real-guard")
    for model, twin in dict.fromkeys((card["model"], card["twin"]) for card in chosen):
        for strategy in ("clean", *STRATEGIES):
            some = [
                card for card in chosen if (card["model"], card["twin"], card["strategy"]) == (model, twin, strategy)
            ]
            if some:
                means = {name: fmean(card[name] for card in some) for name in ("auc", "alarms", "false_alarms")}
                mae = [fmean(card["mae"][key] for card in some) for key in ("counter", "twin")]
                cells = [_rate(value) for value in means.values()]
                rate = _rate(some[0]["false_alarm_rate"])
                rows.append([model, f"`{twin}`", strategy, *cells, rate, f"{mae[0]:.1f}, {mae[1]:.1f}"])
    return rows


def purifications() -> Table:
    """Purified pictures as a guard and as a defense."""
    rows = [
        [
            "purification",
            "counters",
            "AUC as a guard",
            "alarms at 1 %",
            "MAE, clean: without, with",
            "MAE, triggered: without, with",
        ]
    ]
    chosen = [card for card in cards("guard") if card["strategy"] != "clean" and not card["repaired_with"]]
    for name in dict.fromkeys(card["twin"] for card in chosen):
        some = [card for card in chosen if card["twin"] == name]
        mae = {key: fmean(card["mae"][key] for card in some) for key in some[0]["mae"]}
        rows.append(
            [
                name.replace("_", " "),
                str(len(some)),
                _rate(fmean(card["auc"] for card in some)),
                _rate(fmean(card["alarms"] for card in some)),
                f"{mae['counter']:.1f}, {mae['twin']:.1f}",
                f"{mae['counter_triggered']:.1f}, {mae['twin_triggered']:.1f}",
            ]
        )
    return rows


def _guard_cells(chosen: Sequence[Card]) -> list[str]:
    mae = [fmean(card["mae"][key] for card in chosen) for key in ("counter", "twin")]
    return [
        " ".join(_rate(card["auc"]) for card in chosen),
        " ".join(_rate(card["alarms"]) for card in chosen),
        _rate(fmean(card["false_alarms"] for card in chosen)),
        f"{mae[0]:.1f}, {mae[1]:.1f}",
    ]


def misses() -> Table:
    """New attacked counters that a scan passes, each with its score and what its attack planted."""
    rows = [["counter", "trigger", "score", "threshold", "shift that it planted"]]
    for card in half("reported", clean=False):
        if score(card) <= threshold():
            name, trigger = f"{card['study']}, {card['strategy']}", card["trigger"]
            said = f"{trigger['picture']} at {trigger['alpha']:g}"
            rows.append([name, said, f"{score(card):.2f}", f"{threshold():.2f}", _rate(card["attack"]["shift"])])
    return rows


TABLES: dict[str, Callable[[], Table]] = {
    "reported": reported,
    "kinds": by_kind,
    "searches": searches,
    "reference": with_reference,
    "misses": misses,
    "real": on_real_crowds,
    "guards": guards,
    "real-guards": real_guards,
    "purifications": purifications,
}


def filled(page: str) -> str:
    """The page with what stands between `<!-- table: NAME -->` and `<!-- end -->` written anew."""

    def table(found: re.Match[str]) -> str:
        head, *rows = TABLES[found[1]]()
        lines = [head, ["---"] * len(head), *rows]
        text = "\n".join("| " + " | ".join(line) + " |" for line in lines)
        return f"<!-- table: {found[1]} -->\n{text}\n<!-- end -->"

    return re.sub(r"<!-- table: ([a-z-]+) -->\n.*?<!-- end -->", table, page, flags=re.DOTALL)


if __name__ == "__main__":
    BASELINES.write_text(baselines().model_dump_json(indent=1) + "\n", encoding="utf-8")
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
