"""What a repair changes, image by image: the same images before and after, so that the difference has an interval."""

from collections.abc import Sequence
from dataclasses import dataclass

from countguard.metrics.intervals import Interval
from countguard.metrics.paired import error_change, rate_change
from countguard.metrics.predictions import Predictions
from countguard.metrics.ratios import ACCURATE, success_ranges
from countguard.runs.run import FinishedCell


@dataclass(frozen=True, slots=True)
class Change:
    """Repaired minus attacked, for one seed, with 95 % paired bootstrap intervals over images.

    Attributes:
        success: of the attack; None for the clean counter and for attacks that leave the count as it is.
        right_when_triggered: rho_acc_triggered; None where no image has a head.
        accuracy: rho_acc on clean images; None where no image has a head.
        error: MAE on clean images, heads.
    """

    success: Interval | None
    right_when_triggered: Interval | None
    accuracy: Interval | None
    error: Interval


def changes(before: Sequence[FinishedCell], after: Sequence[FinishedCell]) -> list[Change]:
    """One change a seed that both have, by seed."""
    repaired = {cell.card.seed: cell for cell in after}
    pairs = [(cell, repaired[cell.card.seed]) for cell in before if cell.card.seed in repaired]
    return [_change(old, new) for old, new in pairs if set(old.predictions.ids) & set(new.predictions.ids)]


def trigger_effect(cell: FinishedCell) -> Interval | None:
    """How much more often the attack succeeds with its trigger than without, on the same images and the same counter.

    A poisoned counter may be off on every image; then the trigger adds nothing, and no backdoor was shown. None where
    no success is defined.
    """
    success = success_ranges(cell.direction).get("rho_asr")
    predictions = cell.predictions
    return rate_change(success, predictions.clean, predictions.triggered, predictions.truths) if success else None


def excess(attacked: FinishedCell, clean: FinishedCell) -> Interval | None:
    """How much more often a counter is fooled than another one on the same triggered images, by the first one's rule.

    None where no success is defined, or the two share no image.
    """
    success = success_ranges(attacked.direction).get("rho_asr")
    mine, theirs = _common(attacked.predictions, clean.predictions)
    return rate_change(success, theirs.triggered, mine.triggered, mine.truths) if success and mine.ids else None


def excesses(counters: Sequence[FinishedCell], controls: Sequence[FinishedCell]) -> list[Interval]:
    """`excess` over the control of the same seed, for each seed that both have."""
    by_seed = {cell.card.seed: cell for cell in controls}
    found = [excess(cell, by_seed[cell.card.seed]) for cell in counters if cell.card.seed in by_seed]
    return [interval for interval in found if interval is not None]


def _change(before: FinishedCell, after: FinishedCell) -> Change:
    old, new = _common(before.predictions, after.predictions)
    success = success_ranges(before.direction).get("rho_asr")
    return Change(
        success=rate_change(success, old.triggered, new.triggered, old.truths) if success else None,
        right_when_triggered=rate_change(ACCURATE, old.triggered, new.triggered, old.truths),
        accuracy=rate_change(ACCURATE, old.clean, new.clean, old.truths),
        error=error_change(old.clean, new.clean, old.truths),
    )


def _common(before: Predictions, after: Predictions) -> tuple[Predictions, Predictions]:
    """Both on the images that both have, in the order of the first."""
    places = {image_id: place for place, image_id in enumerate(after.ids)}
    shared = [(mine, places[image_id]) for mine, image_id in enumerate(before.ids) if image_id in places]
    return _take(before, [mine for mine, _ in shared]), _take(after, [theirs for _, theirs in shared])


def _take(predictions: Predictions, places: Sequence[int]) -> Predictions:
    chosen = list(places)
    return Predictions(
        ids=tuple(predictions.ids[place] for place in chosen),
        truths=predictions.truths[chosen],
        targets=predictions.targets[chosen],
        clean=predictions.clean[chosen],
        triggered=predictions.triggered[chosen],
    )
