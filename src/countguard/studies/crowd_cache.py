"""What the cells of a study share within one process: crowds that were read, and what was counted on them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from countguard.data.crowd import Crowd
from countguard.data.loading import Resident
from countguard.data.source import CrowdSplit, Source
from countguard.defenses.defense import Defense
from countguard.errors import InputError
from countguard.metrics.ratios import Floats
from countguard.training.settings import Training


@dataclass
class CrowdCache:
    """Crowds that were read, kept for later cells; only those of the newest source, to bound the memory.

    Attributes:
        skipped: one line for each bad file that the newest source left out.
    """

    skipped: tuple[str, ...] = ()
    _source: Source | None = None
    _split: CrowdSplit = field(default_factory=lambda: CrowdSplit([], []))
    _counts: dict[str, list[Floats]] = field(default_factory=dict)

    def split(self, source: Source) -> CrowdSplit:
        """The training and test crowds of a source. The source is opened once, and each picture is read at most once.

        Raises:
            InputError: see `Source.load`.
        """
        if self._source != source:
            split = source.load()
            validation = None if split.validation is None else Resident(split.validation)
            self._split = CrowdSplit(Resident(split.training), Resident(split.test), validation)
            self._source, self.skipped = source, split.skipped
            self._counts.clear()
        return self._split

    def counts(self, key: str, count: Callable[[], list[Floats]]) -> list[Floats]:
        """What was counted on the newest source's crowds, under a key that says by which counter and how; done once."""
        if key not in self._counts:
            self._counts[key] = count()
        return self._counts[key]


def training_and_validation(
    split: CrowdSplit, training: Training | Defense
) -> tuple[Sequence[Crowd], Sequence[Crowd] | None]:
    """The crowds to train on, and those to select weights on (None if the last weights are kept).

    Raises:
        InputError: no crowds would be left to train on.
    """
    if not isinstance(training, Training):  # a repair of its own kind: it selects no weights
        return split.training, None
    if training.select == "best_test_as_published":
        return split.training, split.test
    if training.select == "best_validation":
        if split.validation is not None:
            return split.training, split.validation
        require_training_images(len(split.training), training)
        return split.training[training.validation_images :], split.training[: training.validation_images]
    return split.training, None


def require_training_images(images: int, training: Training | Defense) -> None:
    """Checks that a selection of weights leaves crowds to train on.

    Raises:
        InputError: it does not.
    """
    if not isinstance(training, Training) or training.select != "best_validation":
        return
    if training.validation_images >= images:
        raise InputError(
            f"training.validation_images: {training.validation_images} leave none to train on of the {images} "
            "training images"
        )
