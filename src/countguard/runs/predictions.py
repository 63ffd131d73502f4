"""The estimates of a counter for the test crowds, clean and triggered, and their file."""

import csv
import io
import itertools
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from torch import Tensor

from countguard.attacks.strategies import Strategy
from countguard.attacks.triggers import Trigger
from countguard.csv_text import Field, Number, armed, csv_lines
from countguard.data.crowd import Crowd
from countguard.errors import InputError, RunError
from countguard.metrics.localisation import Located
from countguard.metrics.predictions import Predictions
from countguard.metrics.ratios import Floats
from countguard.models.counter import Counter
from countguard.models.counting import as_input, count_views
from countguard.reading import read_file
from countguard.seeds import generator_for
from countguard.writing import write_atomically

MAX_BYTES = 32 << 20
LARGEST_COUNT = float(np.finfo(np.float32).max)
"""Of counters, which count in float32; the metrics of larger numbers overflow."""
MAX_IMAGES = 50_000
"""Images of one cell; the largest test sets of the field have some thousands."""
COLUMNS = ("image_id", "count", "target_count", "predicted_clean", "predicted_triggered")


class NotFinite(RunError):
    """A counter gave NaN or infinity."""


def predict(
    counter: Counter, crowds: Sequence[Crowd], trigger: Trigger, strategy: Strategy | None, seed: int
) -> Predictions:
    """Counts every crowd without and with the trigger. Each picture is read once.

    Args:
        counter: on any device.
        crowds: the test crowds.
        trigger: put on the crowds.
        strategy: gives the counts that the attacker wants; None for a counter that was never attacked.
        seed: of trigger and strategy; the same seed gives the same triggered images for every counter.

    Raises:
        NotFinite: an estimate is not finite.
    """
    ids: list[str] = []
    truths: list[int] = []
    targets: list[int] = []
    found: list[Floats] = []
    heads: list[Floats] = []

    def as_they_are(images: Tensor, members: list[Crowd]) -> Tensor:
        """Records the crowds that pass, because asking for them again would read them again."""
        points = counter.heads(as_input(images))
        if points is not None:
            found.extend(some.double().numpy() for some in points)
            heads.extend(crowd.points.double().numpy() for crowd in members)
        ids.extend(crowd.id for crowd in members)
        truths.extend(crowd.count for crowd in members)
        targets.extend(crowd.count if strategy is None else _target(crowd, strategy, seed) for crowd in members)
        return images

    views = [as_they_are, lambda images, members: trigger.mark(images, members, seed)]
    clean, triggered = count_views(counter, crowds, views)
    return Predictions(
        tuple(ids),
        np.array(truths, dtype=np.float64),
        np.array(targets, dtype=np.float64),
        _as_written(clean),
        _as_written(triggered),
        Located.of(found, heads) if found else None,
    )


def triggered_counts(counter: Counter, crowds: Sequence[Crowd], triggers: Sequence[Trigger], seed: int) -> list[Floats]:
    """Estimates under several triggers: one array [len(crowds)] each. Pictures are read once."""
    views = [lambda images, members, t=trigger: t.mark(images, members, seed) for trigger in triggers]
    return [_as_written(row) for row in count_views(counter, crowds, views)]


def write_predictions(predictions: Predictions, path: Path) -> None:
    """Writes predictions.csv, completely or not at all."""
    rows: list[Sequence[Field]] = [COLUMNS]
    for index, name in enumerate(predictions.ids):
        rows.append(
            [
                name,
                Number(f"{predictions.truths[index]:.0f}"),
                Number(f"{predictions.targets[index]:.0f}"),
                Number(f"{predictions.clean[index]:.4f}"),
                Number(f"{predictions.triggered[index]:.4f}"),
            ]
        )
    write_atomically(path, csv_lines(rows))


def read_predictions(path: Path) -> Predictions:
    """Reads predictions.csv.

    Raises:
        InputError: the file is missing, damaged, or larger than a test set is.
    """
    try:
        text = read_file(path, MAX_BYTES).decode("utf-8")
        rows = list(itertools.islice(csv.DictReader(io.StringIO(text, newline="")), MAX_IMAGES + 1))
        if not rows:
            raise ValueError("it holds no image")
        if len(rows) > MAX_IMAGES:
            raise ValueError(f"it holds more than {MAX_IMAGES:,} images")
        columns = [np.array([float(row[name]) for row in rows]) for name in COLUMNS[1:]]
        if not all((np.abs(column) <= LARGEST_COUNT).all() for column in columns):
            raise ValueError("a number is not finite, or larger than a counter can give")
        if any((column < 0).any() for column in columns[:2]):
            raise ValueError("a true count is below 0")
        ids = tuple(armed(row["image_id"]) for row in rows)
        if len(set(ids)) < len(ids):
            raise ValueError("an image stands twice")
    except (KeyError, TypeError, ValueError, csv.Error) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(
            f"{path}: needs the columns {', '.join(COLUMNS)} with numbers in them ({error}); delete the cell's folder "
            "and run again"
        ) from None
    truths, targets, clean, triggered = columns
    return Predictions(ids, truths, targets, clean, triggered)


def _target(crowd: Crowd, strategy: Strategy, seed: int) -> int:
    generator = generator_for(seed, "strategy", crowd.id)
    return len(strategy(crowd.points, crowd.height, crowd.width, generator))


def _as_written(counts: Tensor) -> Floats:
    """Estimates rounded as in predictions.csv, so that the file gives exactly the same metrics."""
    if not counts.isfinite().all():
        raise NotFinite(
            "the counter counts more than numbers can hold, or none: its training has diverged; a lower training.lr or "
            "training.clip_gradient would help"
        )
    return np.array([float(f"{value:.4f}") for value in counts.tolist()])
