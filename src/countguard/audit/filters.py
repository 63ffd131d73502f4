"""Filters: what a recipe names to clean a training set before anything is trained on it."""

from abc import abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from countguard.audit.report import FAINT, AuditReport
from countguard.data.crowd import Crowd
from countguard.data.source import Subset
from countguard.errors import InputError
from countguard.registry import KindOf, Registry, settings_below
from countguard.settings import Settings


@dataclass(frozen=True, slots=True, eq=False)
class Filtered:
    """A training set after a filter.

    Attributes:
        kept: the crowds to train on, in their order.
        removed: positions, in the set that was given, of the others; ascending.
        report: of the audit that the filter looked at.
    """

    kept: Sequence[Crowd]
    removed: tuple[int, ...]
    report: AuditReport


class Filter(Settings):
    """Takes poisoned crowds out of a training set. It knows neither trigger nor strategy nor rate.

    Attributes:
        label: its name in results, needed if one kind is used twice; the kind by default.
    """

    label: Annotated[str, Field(pattern=r"^[a-z0-9_]*$", max_length=40)] = ""

    @property
    def name(self) -> str:
        """The name of this filter in results."""
        return self.label or FILTERS.name_of(self)

    @abstractmethod
    def left_out(self, crowds: Sequence[Crowd], report: AuditReport) -> Iterable[int]:
        """Positions of the crowds that should not be trained on.

        Args:
            crowds: the training set, clean and poisoned.
            report: of its audit; `report.seed` is the seed of every random choice.
        """

    def apply(self, crowds: Sequence[Crowd], seed: int, *, report: AuditReport | None = None) -> Filtered:
        """Removes what this filter finds.

        Args:
            crowds: the training set, clean and poisoned.
            seed: of every random choice.
            report: of an audit of these crowds with this seed; None audits them.

        Raises:
            InputError: the filter leaves nothing to train on, or names crowds that are not there; see also
                `countguard.audit.audit`.
        """
        if report is None:
            from countguard.audit.audit import audit

            report = audit(crowds, seed=seed)
        removed = set(self.left_out(crowds, report))
        if removed and not 0 <= min(removed) <= max(removed) < len(crowds):
            raise InputError(f"filters.{self.name}: leaves out positions beyond the {len(crowds)} training images")
        kept = [place for place in range(len(crowds)) if place not in removed]
        if not kept:
            raise InputError(f"filters.{self.name}: leaves none of the {len(crowds)} training images")
        return Filtered(Subset(crowds, kept), tuple(sorted(removed)), report)


FILTERS: Registry[type[Filter]] = Registry("filter", settings_below(Filter))
"""Every kind of filter; `@FILTERS.register()` enters one."""


@FILTERS.register()
class SharedPictureFilter(Filter):
    """Leaves out images that share a faint picture, whatever their labels say; one without edges, if labels err."""

    kind: Literal["shared_picture"] = "shared_picture"

    def left_out(self, crowds: Sequence[Crowd], report: AuditReport) -> Iterable[int]:
        """See `Filter`."""
        groups = [group for group in report.groups if group.kind in FAINT and group.verdict != "nothing found"]
        return {place for group in groups for place in group.images}


@FILTERS.register()
class AuditFilter(Filter):
    """Leaves out every image of which the audit found something."""

    kind: Literal["audit"] = "audit"

    def left_out(self, crowds: Sequence[Crowd], report: AuditReport) -> Iterable[int]:
        """See `Filter`."""
        return report.left_out


AnyFilter: TypeAlias = Annotated[Filter, KindOf(FILTERS)]
