"""Filters: what a recipe names to clean a training set before anything is trained on it."""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal, TypeAlias

from countguard.audit.audit import audit
from countguard.audit.report import AuditReport
from countguard.data.crowd import Crowd
from countguard.data.source import Subset
from countguard.registry import KindOf, Registry, settings_below
from countguard.settings import Settings


@dataclass(frozen=True, slots=True, eq=False)
class Filtered:
    """A training set after a filter.

    Attributes:
        kept: the crowds to train on, in their order.
        removed: positions, in the set that was given, of the others.
        report: of the audit that chose them.
    """

    kept: Sequence[Crowd]
    removed: tuple[int, ...]
    report: AuditReport


class Filter(Settings):
    """Takes poisoned crowds out of a training set. It knows neither trigger nor strategy nor rate."""

    @abstractmethod
    def left_out(self, report: AuditReport) -> list[int]:
        """Positions of the crowds that this filter removes, of a set with this audit."""

    def apply(self, crowds: Sequence[Crowd], seed: int) -> Filtered:
        """Audits the crowds and removes what this filter finds.

        Args:
            crowds: the training set, clean and poisoned.
            seed: of every random choice.

        Raises:
            InputError: see `countguard.audit.audit`.
        """
        report = audit(crowds, seed=seed)
        removed = set(self.left_out(report))
        kept = [place for place in range(len(crowds)) if place not in removed]
        return Filtered(Subset(crowds, kept), tuple(sorted(removed)), report)


FILTERS: Registry[type[Filter]] = Registry("filter", settings_below(Filter))
"""All filters by kind."""


@FILTERS.register()
class SharedPictureFilter(Filter):
    """Removes images that share a faint picture, whatever their labels say."""

    kind: Literal["shared_picture"] = "shared_picture"

    def left_out(self, report: AuditReport) -> list[int]:
        """See `Filter`."""
        groups = [
            group for group in report.groups if group.kind == "faint picture" and group.verdict != "nothing found"
        ]
        return sorted({place for group in groups for place in group.images})


@FILTERS.register()
class AuditFilter(Filter):
    """Removes every image of which the audit found something."""

    kind: Literal["audit"] = "audit"

    def left_out(self, report: AuditReport) -> list[int]:
        """See `Filter`."""
        return report.left_out


AnyFilter: TypeAlias = Annotated[Filter, KindOf(FILTERS)]
