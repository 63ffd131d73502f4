"""The paper's tables 1 to 3, and where they contradict each other."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files
from typing import Any

import yaml

from countguard.reports.tables.table import Published
from countguard.runs.plan import Stage

BANDS = ("rho_asr_10_30", "rho_asr_30_50", "rho_asr_50_100", "rho_asr_100")
_TABLE_3: tuple[tuple[Stage, str], ...] = (
    ("attacked", "rho_acc"),
    ("repaired", "rho_acc"),
    ("attacked", "rho_asr"),
    ("repaired", "rho_asr"),
)
_STAGES: tuple[Stage, ...] = ("attacked", "repaired")
_SAME = 5e-4
"""Printed values have three decimals."""


@dataclass(frozen=True, slots=True)
class Printed:
    """One number as the paper prints it.

    Attributes:
        source: where: table 1, 2 or 3, "bands of table 2" for the sum of a row's bands, or "text".
    """

    source: str
    strategy: str
    stage: Stage
    metric: str
    value: float


@dataclass(frozen=True, slots=True)
class Contradiction:
    """A quantity for which the paper gives several values.

    Attributes:
        strategy, stage, metric: which quantity.
        values: where each stands, and what it is.
        note: what is known about it.
    """

    strategy: str
    stage: Stage
    metric: str
    values: tuple[tuple[str, float], ...]
    note: str


@dataclass(frozen=True)
class PublishedResults:
    """What the paper prints about one model: `csrnet` or `clip_ebc`."""

    model: str

    @cached_property
    def _document(self) -> dict[str, Any]:
        text = files("countguard.reports.paper").joinpath("published.yaml").read_text(encoding="utf-8")
        document: dict[str, Any] = yaml.safe_load(text)
        return document

    @cached_property
    def printed(self) -> tuple[Printed, ...]:
        """Every number, table by table, row by row."""
        return tuple(self._table_1()) + tuple(self._table_2()) + tuple(self._table_3()) + tuple(self._text())

    def value(self, source: str, strategy: str, stage: Stage, metric: str) -> Published | None:
        """A cell of "table 1", "table 2" or "table 3", with what the paper says of the same quantity elsewhere."""
        same = [p for p in self.printed if (p.strategy, p.stage, p.metric) == (strategy, stage, metric)]
        here = next((p.value for p in same if p.source == source), None)
        if here is None:
            return None
        others = dict.fromkeys(p.value for p in same if abs(p.value - here) > _SAME)
        return Published(here, tuple(others))

    @cached_property
    def contradictions(self) -> tuple[Contradiction, ...]:
        """Quantities with more than one value, in the order of the tables."""
        quantities = dict.fromkeys((p.strategy, p.stage, p.metric) for p in self.printed)
        found = []
        for strategy, stage, metric in quantities:
            values = [
                (p.source, p.value)
                for p in self.printed
                if (p.strategy, p.stage, p.metric) == (strategy, stage, metric)
            ]
            numbers = [value for _, value in values]
            if max(numbers) - min(numbers) > _SAME:
                found.append(Contradiction(strategy, stage, metric, tuple(values), self._note(strategy, stage, metric)))
        return tuple(found)

    @property
    def claims(self) -> tuple[tuple[str, str], ...]:
        """Sentences of the paper about this model that its tables do not bear out, and what the tables give."""
        return tuple((c["claim"], c["tables"]) for c in self._document["claims"] if self.model in c["models"])

    def _table_1(self) -> Iterator[Printed]:
        for strategy, (accuracy, success) in self._document["table1"][self.model].items():
            yield Printed("table 1", strategy, "attacked", "rho_acc", accuracy)
            if success is not None:
                yield Printed("table 1", strategy, "attacked", "rho_asr", success)

    def _table_2(self) -> Iterator[Printed]:
        for strategy, stages in self._document["table2"][self.model].items():
            for stage in _STAGES:
                accuracy, *bands = stages[stage]
                yield Printed("table 2", strategy, stage, "rho_acc", accuracy)
                for band, share in zip(BANDS, bands, strict=True):
                    if share is not None:
                        yield Printed("table 2", strategy, stage, band, share)
                total = round(sum(share or 0.0 for share in bands), 3)
                yield Printed("bands of table 2", strategy, stage, "rho_asr", total)

    def _table_3(self) -> Iterator[Printed]:
        for strategy, values in self._document["table3"][self.model].items():
            for (stage, metric), value in zip(_TABLE_3, values, strict=True):
                if value is not None:
                    yield Printed("table 3", strategy, stage, metric, value)

    def _text(self) -> Iterator[Printed]:
        for entry in self._document["text"]:
            if entry["model"] == self.model:
                yield Printed("text", entry["strategy"], entry["stage"], entry["metric"], entry["value"])

    def _note(self, strategy: str, stage: str, metric: str) -> str:
        wanted = {"model": self.model, "strategy": strategy, "stage": stage, "metric": metric}
        return next((entry["note"] for entry in self._document["notes"] if wanted.items() <= entry.items()), "")
