"""Chooses the thresholds of `countguard scan` on one half of the benchmark, and writes docs/scan.md from its cards.

    python docs/make_scan.py

Reads results/scan/, as scripts/scan_benchmark.py keeps it; writes src/countguard/scan/baselines.json and the tables and
figures of docs/scan.md. Nothing of the reported half is looked at before the thresholds are written down.
"""

import json
import re
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np

from countguard.scan.baseline import Baseline, Kept, Stored, fitted
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
COUNTERS = "{number} clean {kind} counters of embedded crowds"

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


def probed(card: Card) -> dict[str, float]:
    """What the probes say of a counter, without the searches."""
    return {name: card["signs"][name] for name in GROUPS}


def baselines() -> Stored:
    """The statistics of the choosing half's clean counters."""
    clean = half("choosing", clean=True)
    counters = COUNTERS.format(number=len(clean), kind="lite")
    families = {
        f"{family['family']} {family['strength']:g}": round(fmean(values), 5)
        for place, family in enumerate(clean[0]["families"])
        for values in [[card["families"][place]["shift"] for card in clean]]
    }
    kept = Kept(
        probed=_rounded(fitted([probed(card) for card in clean], counters), families),
        searched=_rounded(fitted([card["signs"] for card in clean], counters), families),
    )
    apart = Kept(
        probed=_rounded(fitted(differences(clean, probed), "pairs of clean lite counters"), {}),
        searched=_rounded(fitted(differences(clean, lambda card: card["signs"]), "pairs of clean lite counters"), {}),
    )
    names = ("lite on synthetic plaza", "lite on synthetic stadium")
    return Stored(clean=dict.fromkeys(names, kept), pairs={"lite": apart})


def differences(clean: Sequence[Card], signs: Callable[[Card], dict[str, float]]) -> list[dict[str, float]]:
    """Each clean counter less the next one of the same look: each stands once on either side."""
    apart = []
    for look in dict.fromkeys(card["look"] for card in clean):
        same = [signs(card) for card in clean if card["look"] == look]
        apart += [
            {name: one[name] - other[name] for name in one}
            for one, other in zip(same, same[1:] + same[:1], strict=True)
        ]
    return apart


def _rounded(baseline: Baseline, families: dict[str, float]) -> Baseline:
    def short(values: dict[str, float]) -> dict[str, float]:
        return {name: round(value, 5) for name, value in values.items()}

    changes = {
        "mean": short(baseline.mean),
        "deviation": short(baseline.deviation),
        "threshold": round(baseline.threshold, 3),
        "false_alarm_rate": round(baseline.false_alarm_rate, 4),
        "families": families,
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


def scores(chosen: Iterable[Card], baseline: Baseline) -> list[float]:
    """Scores of counters under a baseline."""
    return [baseline.score(card["signs"]) for card in chosen]


def found_text(values: Sequence[float], threshold: float) -> str:
    """How many of some counters score above a threshold."""
    above = sum(value > threshold for value in values)
    return f"{above} of {len(values)} ({_rate(above / len(values))})" if values else ""


def by_kind() -> Table:
    """Reported counters, trigger by trigger: what the attack achieved, AUC, and what is found at the threshold."""
    kept = next(iter(baselines().clean.values()))
    clean = half("reported", clean=True)
    attacked = half("reported", clean=False)
    rows = [
        [
            "trigger",
            "counters",
            "shift that it planted",
            "AUC, probes",
            "found, probes",
            "AUC, probes and searches",
            "found, probes and searches",
        ]
    ]
    groups = [(KINDS[kind], [card for card in attacked if kind_of(card) == kind]) for kind in KINDS]
    plain = [card for card in attacked if not card["cover_samples"]]
    groups.append(("all without cover samples", plain))
    for name, chosen in groups:
        if chosen:
            rows.append([name, str(len(chosen)), _planted(chosen), *_found(chosen, clean, kept)])
    rows.append(
        [
            "never attacked (false alarms)",
            str(len(clean)),
            "",
            *(
                text
                for one in (kept.probed, kept.searched)
                for text in ("", found_text(scores(clean, one), one.threshold))
            ),
        ]
    )
    return rows


def by_strategy() -> Table:
    """The same, strategy by strategy, without the attackers who hide."""
    kept = next(iter(baselines().clean.values()))
    clean = half("reported", clean=True)
    attacked = [card for card in half("reported", clean=False) if not card["cover_samples"]]
    rows = [["strategy", "counters", "AUC, probes", "found, probes", "AUC, both", "found, both"]]
    for strategy in STRATEGIES:
        chosen = [card for card in attacked if card["strategy"] == strategy]
        if chosen:
            rows.append([f"`{strategy}`", str(len(chosen)), *_found(chosen, clean, kept)])
    return rows


def _found(chosen: Sequence[Card], clean: Sequence[Card], kept: Kept) -> list[str]:
    cells = []
    for one in (kept.probed, kept.searched):
        values = scores(chosen, one)
        cells += [auc_text(values, scores(clean, one)), found_text(values, one.threshold)]
    return cells


def _planted(chosen: Sequence[Card]) -> str:
    """Median and range of what the attack moves of what its labels ask for."""
    shifts = sorted(card["attack"]["shift"] for card in chosen)
    return f"{_rate(float(np.median(shifts)))} ({_rate(shifts[0])} to {_rate(shifts[-1])})"


def with_reference() -> Table:
    """Reported counters against the clean counter of the next reported study of the same look."""
    pairs = baselines().pairs["lite"]
    clean = half("reported", clean=True)
    rows = [["held against", "AUC, probes", "found", "false alarms", "AUC, both", "found", "false alarms"]]
    cells = []
    for one in (pairs.probed, pairs.searched):
        values = [one.score(_apart(card, clean)) for card in half("reported", clean=False) if not card["cover_samples"]]
        of_clean = [one.score(_apart(card, clean)) for card in clean]
        cells += [
            auc_text(values, of_clean),
            found_text(values, one.threshold),
            found_text(of_clean, one.threshold),
        ]
    rows.append(["one clean counter", *cells])
    return rows


def _apart(card: Card, clean: Sequence[Card]) -> dict[str, float]:
    """Signs of a counter less those of a clean counter that shares no crowd and no seed with it."""
    same = [other for other in clean if other["look"] == card["look"]]
    later = [other for other in same if other["seed"] > card["seed"]]
    reference = (later or same)[0]
    return {name: value - reference["signs"][name] for name, value in card["signs"].items()}


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
        clean = [card for card in chosen if card["twin"] == twin and card["strategy"] == "clean"]
        if clean:
            rows.append(["never attacked", f"`{twin}`", *_guard_cells(clean)])
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
    """Reported counters that a scan with searches passes, each with its score and what its attack planted."""
    kept = next(iter(baselines().clean.values())).searched
    rows = [["counter", "trigger", "score", "threshold", "shift that it planted"]]
    for card in half("reported", clean=False):
        score = kept.score(card["signs"])
        if score <= kept.threshold:
            name = f"{card['study']}, {card['strategy']}"
            shift = _rate(card["attack"]["shift"])
            rows.append([name, KINDS[kind_of(card)], f"{score:.1f}", f"{kept.threshold:.1f}", shift])
    return rows


TABLES: dict[str, Callable[[], Table]] = {
    "kinds": by_kind,
    "strategies": by_strategy,
    "reference": with_reference,
    "misses": misses,
    "guards": guards,
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
