"""Many crowds at another size, without reading them all."""

from collections.abc import Sequence

from countguard.data.crowd import Crowd
from countguard.data.scaling import rescale
from countguard.data.source import LazyCrowds


class Rescaled(LazyCrowds):
    """Crowds of which each is rescaled when it is asked for, see `rescale`.

    Args:
        crowds: at their own size.
        scale: by which both sides are multiplied.
    """

    def __init__(self, crowds: Sequence[Crowd], scale: float) -> None:
        self._crowds = crowds
        self._scale = scale
        if isinstance(crowds, LazyCrowds):
            self.skipped = crowds.skipped

    def __len__(self) -> int:
        return len(self._crowds)

    def read(self, position: int) -> Crowd:
        """See `LazyCrowds`; raises as `rescale`."""
        return rescale(self._crowds[position], self._scale)

    def stamp(self, position: int) -> bytes:
        """See `LazyCrowds`."""
        return self._crowds.stamp(position) if isinstance(self._crowds, LazyCrowds) else b""
