"""A finished figure, with the words that belong to it, as the bytes of files."""

import io
from dataclasses import dataclass

from matplotlib.figure import Figure

from countguard.glyphs import spell_out


@dataclass(frozen=True, slots=True, eq=False)
class Drawn:
    """A figure and what is said of it.

    Attributes:
        name: of its files, without ending.
        title: heading in the report.
        figure: to be saved in the style that it was drawn in.
        alt: what a reader who cannot see it should know, numbers included.
        caption: how to read it.
        photographs: whether it shows pictures, so that PNG is the smaller and better form on a page.
    """

    name: str
    title: str
    figure: Figure
    alt: str
    caption: str
    photographs: bool = False

    def __post_init__(self) -> None:
        """Settles texts and layout once: finding it takes as long as drawing, and both forms share it."""
        spell_out(self.figure)
        self.figure.draw_without_rendering()
        self.figure.set_layout_engine(None)  # with "none", each form would be drawn once more before it is saved

    def png(self) -> bytes:
        """The figure as PNG; the same bytes each time."""
        return self._saved("png", {"Software": None})

    def svg(self) -> bytes:
        """The figure as SVG; the same bytes each time."""
        return self._saved("svg", {"Date": None, "Creator": None})

    def _saved(self, kind: str, metadata: dict[str, None]) -> bytes:
        buffer = io.BytesIO()
        self.figure.savefig(buffer, format=kind, metadata=metadata)
        return buffer.getvalue()
