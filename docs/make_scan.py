"""Chooses the thresholds of `countguard scan` on one half of the benchmark, and writes docs/scan.md from its cards.

    python docs/make_scan.py

Reads results/scan/, as scripts/scan_benchmark.py keeps it; writes src/countguard/scan/baselines.json and the tables and
figures of docs/scan.md. Nothing of the reported half is looked at before the thresholds are written down.
"""

import json
from collections.abc import Callable, Sequence
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
