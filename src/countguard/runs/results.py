"""results.csv: a row for each finished counter of a study, in the order of the study."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from countguard.csv_text import Field, Number, csv_lines
from countguard.metrics import METRICS
from countguard.runs.card import Card
from countguard.writing import write_atomically

COUNTER_COLUMNS = ("dataset", "model", "strategy", "stage", "defense", "seed", "images")


def columns() -> tuple[str, ...]:
    """The columns, without those of varied settings: the counter, every metric, and the seconds of its training."""
    return (*COUNTER_COLUMNS, *(name for name, metric in METRICS.items() if metric.in_results), "seconds")


def write_results(path: Path, cards: Iterable[Card], varied: Sequence[str]) -> None:
    """Writes results.csv, completely or not at all.

    Args:
        path: of the file.
        cards: of the finished counters, in the order of the study.
        varied: dotted names of the settings that the study varies; they are the last columns.
    """
    names = columns()
    rows: list[Sequence[Field]] = [[*names, *varied]]
    for card in cards:
        fields: dict[str, Any] = {name: getattr(card, name) for name in COUNTER_COLUMNS}
        fields |= {name: interval.value for name, interval in card.metrics.items()}
        fields["seconds"] = round(sum(card.seconds.values()), 2)
        rows.append([*(_written(fields.get(name)) for name in names), *(_written(card.varied.get(n)) for n in varied)])
    write_atomically(path, csv_lines(rows))


def _written(value: Any) -> Field:
    if value is None or isinstance(value, str | int):
        return value
    if isinstance(value, float):
        return Number(f"{value:.6g}")
    return json.dumps(value) if isinstance(value, dict | list) else str(value)
