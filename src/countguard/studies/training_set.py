"""What a cell's counter is trained on: the crowds of the study, poisoned, audited and filtered as the cell says."""

from collections.abc import Sequence
from dataclasses import dataclass

from countguard.attacks.poisoning import Attack, PoisonedCrowds
from countguard.audit.audit import FEWEST, audit
from countguard.audit.report import AuditReport
from countguard.data.crowd import Crowd
from countguard.data.source import CrowdSplit
from countguard.errors import InputError
from countguard.progress import log
from countguard.runs.audits import read_audit, write_audit
from countguard.runs.card import LeftOut, Poisoned
from countguard.runs.folder import RunFolder
from countguard.runs.plan import CellKey
from countguard.studies.cells import Cell
from countguard.studies.crowd_cache import training_and_validation
from countguard.studies.recipe import Recipe


@dataclass(frozen=True, slots=True, eq=False)
class TrainingSet:
    """What one counter is trained on.

    Attributes:
        crowds: in their order.
        originals: the clean crowds that they were made of.
        validation: crowds to select weights on; None if the last weights are kept.
        key: a digest of all that the training depends on.
        poisoned: those of the originals that were poisoned; None for a counter that was never attacked.
        wrong: positions of the poisoned ones among `crowds`.
        filtered: what a filter left out; None without one.
    """

    crowds: Sequence[Crowd]
    originals: Sequence[Crowd]
    validation: Sequence[Crowd] | None
    key: str
    poisoned: Poisoned | None
    wrong: frozenset[int]
    filtered: LeftOut | None = None


def training_set(cell: Cell, run: RunFolder, split: CrowdSplit) -> TrainingSet:
    """What a cell is trained or tuned on, or the counter that it repairs was; audited first, where the recipe says so.

    Raises:
        InputError: there is nothing to train on, or nothing that can be audited.
    """
    originals, validation = training_and_validation(split, cell.relearn or cell.recipe.training)
    attack = cell.attack
    given = originals if attack is None else _with_poisoned(cell, originals, attack)
    poisoned = _poisoned(given) if isinstance(given, PoisonedCrowds) else None
    if cell.is_audited:
        _audited(cell, run, given)
    if cell.filter is None:
        return TrainingSet(given, originals, validation, cell.training_key, poisoned, frozenset(_positions(given)))
    kept = cell.filter.apply(given, cell.seed, report=_audited(cell, run, given))
    wrong = set(_positions(given))
    rest = (wrong | _covers(given)).difference(kept.removed)
    # without an image of the attacker's, what is left is a part of the clean set, whatever the attack was
    left_out = kept.removed if rest else [place for place in kept.removed if place < len(originals)]
    key = cell.training_key_on(attack if rest else None, left_out)
    found = len(wrong.intersection(kept.removed))
    filtered = LeftOut(
        images=len(given),
        removed=len(kept.removed),
        poisoned=found,
        clean=len(kept.removed) - found,
        same_as=_trained_on_the_same(cell, key),
    )
    removed = set(kept.removed)
    places = [place for place in range(len(given)) if place not in removed]
    still_wrong = frozenset(place for place, before in enumerate(places) if before in wrong)
    return TrainingSet(kept.kept, originals, validation, key, poisoned, still_wrong, filtered)


def require_enough_to_audit(images: int, recipe: Recipe) -> None:
    """Checks that a training set of so many images can be audited, where the recipe asks for it.

    Raises:
        InputError: it cannot.
    """
    if (recipe.filters or recipe.evaluation.audits) and images < FEWEST:
        what = "filters" if recipe.filters else "evaluation.audits"
        raise InputError(f"{what}: {images} training images; an audit needs at least {FEWEST}")


def _with_poisoned(cell: Cell, originals: Sequence[Crowd], attack: Attack) -> PoisonedCrowds:
    if cell.relearn is not None:
        return cell.relearn.crowds(originals, attack, cell.seed)
    return PoisonedCrowds(originals, attack, cell.seed)


def _trained_on_the_same(cell: Cell, key: str) -> str:
    """The name of the cell that is trained, as it was given, on what a filter left; empty where there is none."""
    for other in (cell.key.clean_counter, cell.key.attacked_counter):
        if Cell(other, cell.recipe).training_key == key:
            return other.name
    return ""


def _audited(cell: Cell, run: RunFolder, given: Sequence[Crowd]) -> AuditReport:
    """The audit of a training set, made once: a filter, another one and the report read the same."""
    of: CellKey = cell.key.attacked_counter
    folder = run.audit(of.name)
    try:
        return read_audit(folder, run.path).report
    except InputError:  # there is none, or it is damaged
        pass
    log.info("%s: audit of %d training images", cell.name, len(given))
    report = audit(given, seed=cell.seed)
    facts = {"cell": of.name, "strategy": of.strategy, "varied": dict(of.varied), "poisoned": _positions(given)}
    write_audit(folder, report, given, facts=facts, examples=cell.recipe.evaluation.examples, root=run.path)
    log.info("%s: %s; %s", cell.name, report.verdict, report.says)
    return report


def _positions(given: Sequence[Crowd]) -> list[int]:
    """Positions of the poisoned crowds."""
    if not isinstance(given, PoisonedCrowds):
        return []
    return [place for place in range(len(given)) if given.is_poisoned(place)]


def _covers(given: Sequence[Crowd]) -> set[int]:
    """Positions of the cover samples."""
    if not isinstance(given, PoisonedCrowds):
        return set()
    return {place for place in range(len(given)) if given.is_cover(place)}


def _poisoned(given: PoisonedCrowds) -> Poisoned:
    ids = [given.originals[index].id for index in given.indices]
    return Poisoned(indices=given.indices, ids=ids, images=len(given.indices))
