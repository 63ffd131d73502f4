"""Many crowds at another size, without reading them all."""

from collections.abc import Sequence

from countguard.data.crowd import Crowd
from countguard.data.scaling import rescale
from countguard.data.source import LazyCrowds, skipped_of, stamp_of_crowd


class Rescaled(LazyCrowds):
    """Crowds of which each is rescaled when it is asked for, see `rescale`.

    Args:
        crowds: at their own size.
        scale: by which both sides are multiplied.
    """

    def __init__(self, crowds: Sequence[Crowd], scale: float) -> None:
        self._crowds = crowds
        self._scale = scale
        self.skipped = skipped_of(crowds)

    def __len__(self) -> int:
        return len(self._crowds)

    def read(self, position: int) -> Crowd:
        """See `LazyCrowds`; raises as `rescale`."""
        return rescale(self._crowds[position], self._scale)

    def stamp(self, position: int) -> bytes:
        """See `LazyCrowds`."""
        return stamp_of_crowd(self._crowds, position)
