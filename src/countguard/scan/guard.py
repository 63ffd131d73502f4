"""At run time: a counter and its repaired twin disagree where a trigger is, and nowhere else."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
from pydantic import Field, ValidationError
from torch import Tensor

from countguard.data.crowd import Crowd
from countguard.errors import InputError
from countguard.models.counter import Counter
from countguard.models.counting import count_crowds
from countguard.models.hub import fetched
from countguard.reading import read_file
from countguard.scan.conformal import conformal_threshold
from countguard.settings import Settings, first_error
from countguard.writing import require_place, sha256_of, write_atomically

if TYPE_CHECKING:
    from countguard.metrics.ratios import Floats

RATE = 0.01
"""Share of clean pictures that may raise an alarm."""
FEW = 3.0
"""People added to both counts: a twin that sees one person more where there are two is no attack."""
LARGEST_FILE = 1 << 16
"""Bytes of a guard's file."""


class Calibration(Settings):
    """How far a counter and its twin may disagree, and on what that was found.

    Attributes:
        version: of this format.
        threshold: disagreement above which there is an alarm.
        false_alarm_rate: share of clean pictures that raise one, at most, in the mean over calibrations; larger than
            what was asked for where there were too few pictures for that.
        images: clean pictures that the threshold was found on; neither counter was trained on them.
        counter, repaired: SHA-256 of the two files; None for counters that were never saved.
    """

    version: Literal[1] = 1
    threshold: Annotated[float, Field(ge=0)]
    false_alarm_rate: Annotated[float, Field(gt=0, le=1)]
    images: Annotated[int, Field(ge=1)]
    counter: str | None = None
    repaired: str | None = None


@dataclass(frozen=True, slots=True)
class Look:
    """What a guard says of one picture.

    Attributes:
        count, repaired: by the counter, and by its twin.
        disagreement: between the two.
        alarm: whether they disagree more than clean pictures make them.
    """

    count: float
    repaired: float
    disagreement: float
    alarm: bool


class Guard:
    """Compares what a counter and its repaired twin count.

    A trigger that the repair took away changes the count of one and not of the other, whatever it looks like. Where the
    repair failed, so does the guard.

    Args:
        counter: the suspect, on any device.
        repaired: the same counter after `defend`, on the same device.
        calibration: from `calibrate` or `read_calibration`; without one, `look` refuses.
    """

    def __init__(self, counter: Counter, repaired: Counter, calibration: Calibration | None = None) -> None:
        self.counter = counter
        self.repaired = repaired
        self.calibration = calibration

    def calibrate(self, crowds: Sequence[Crowd], rate: float = RATE) -> Calibration:
        """Finds the threshold on clean pictures of which neither counter was trained on any; heads are not looked at.

        Raises:
            InputError: there is no picture, or a counter gives no finite number.
        """
        if not len(crowds):
            raise InputError("guard: there is no clean picture to find the threshold on")
        scores = disagreement(
            count_crowds(self.counter, crowds).double().numpy(), count_crowds(self.repaired, crowds).double().numpy()
        )
        threshold, stated = conformal_threshold(scores, rate)
        self.calibration = Calibration(threshold=threshold, false_alarm_rate=stated, images=len(scores))
        return self.calibration

    def look(self, images: Tensor) -> list[Look]:
        """Counts pictures [B, 3, H, W] in 0..1 or uint8 twice.

        Raises:
            InputError: no threshold is known yet.
        """
        counts = (self.counter.count(images).double().cpu().numpy(), self.repaired.count(images).double().cpu().numpy())
        return self.compare(*counts)

    def compare(self, counts: "Floats", repaired: "Floats") -> list[Look]:
        """The same for counts that are there already.

        Raises:
            InputError: see `look`.
        """
        if self.calibration is None:
            raise InputError(
                "guard: it has no threshold yet; calibrate it on clean pictures, or read one that defend left"
            )
        scores = disagreement(counts, repaired)
        threshold = self.calibration.threshold
        rows = zip(counts.tolist(), repaired.tolist(), scores.tolist(), strict=True)
        return [Look(count, twin, score, score > threshold) for count, twin, score in rows]


def disagreement(counts: "Floats", repaired: "Floats") -> "Floats":
    """The size of the counts' log ratio.

    Raises:
        InputError: a count is no finite number.
    """
    for name, given in (("counter", counts), ("repaired counter", repaired)):
        if not np.isfinite(given).all():
            raise InputError(f"guard: the {name} gives no finite number of people; its weights or settings are damaged")
    apart: Floats = np.abs(log_ratio(counts, repaired))
    return apart


def log_ratio(counts: "Floats", others: "Floats") -> "Floats":
    """log((count + FEW) / (other + FEW)), with counts below 0 taken for 0."""
    ratio: Floats = np.log((np.maximum(counts, 0.0) + FEW) / (np.maximum(others, 0.0) + FEW))
    return ratio


def guard_file(repaired: Path) -> Path:
    """Where the threshold of a repaired counter lies: beside it, as `NAME.guard.json`."""
    return repaired.with_suffix(".guard.json")


def require_guard_place(repaired: Path, option: str) -> None:
    """Makes sure, before the work, that the threshold replaces nothing but an earlier one; see `require_place`."""
    require_place(guard_file(repaired), option, mark=b'"false_alarm_rate"')


def write_calibration(calibration: Calibration, counter: Path, repaired: Path) -> Path:
    """Writes the threshold beside the repaired counter, with the hashes of both files; returns the file's name."""
    hashes = {"counter": sha256_of(fetched(counter)[0]), "repaired": sha256_of(fetched(repaired)[0])}
    named = calibration.model_copy(update=hashes)
    path = guard_file(repaired)
    write_atomically(path, json.dumps(named.model_dump(mode="json"), indent=2) + "\n")
    return path


def read_calibration(counter: Path, repaired: Path) -> Calibration:
    """The threshold that lies beside a repaired counter.

    Raises:
        InputError: there is none, it is damaged, or it was found for two other counters.
    """
    path = guard_file(repaired)
    if not path.exists():
        raise InputError(
            f"{path}: the threshold of {repaired.name} is not there; defend writes it, and so does --clean with "
            "pictures that are known to be clean"
        )
    try:
        calibration = Calibration.model_validate_json(read_file(path, LARGEST_FILE))
    except ValidationError as error:
        raise InputError(f"{path}: {first_error(error)}") from None
    for field, file in (("counter", counter), ("repaired", repaired)):
        expected = getattr(calibration, field)
        if expected is not None and expected != sha256_of(fetched(file)[0]):
            raise InputError(f"{path}: {field} is not {file.name}; its threshold was found for another file")
    return calibration
