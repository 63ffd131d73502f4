"""The estimates of a counter for the test images."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from countguard.metrics.ratios import Floats

if TYPE_CHECKING:
    from countguard.metrics.localisation import Located


@dataclass(frozen=True, slots=True, eq=False)
class Predictions:
    """Counts of the test images; every field has one entry for each image.

    Attributes:
        ids: of the images.
        truths: true counts.
        targets: the counts that the attacker wants; the true counts for a counter that was never attacked.
        clean: estimates on the images as they are.
        triggered: estimates on the same images with the trigger.
        located: positions found on the images as they are; None for a counter that gives none, and for predictions read
            from a file.
    """

    ids: tuple[str, ...]
    truths: Floats
    targets: Floats
    clean: Floats
    triggered: Floats
    located: "Located | None" = None

    @property
    def has_ratio(self) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        """Which images have a head, and so a ratio."""
        return self.truths > 0
