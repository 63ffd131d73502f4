"""Draws the contact sheet of embedded crowds, docs/images/crowds.png: `python docs/make_pictures.py`."""

from pathlib import Path
from typing import Literal

from PIL import Image

from countguard.data.crowd import Crowd
from countguard.data.synthetic import Synthetic

LOOKS: tuple[Literal["plaza", "stadium"], ...] = ("plaza", "stadium")
COLUMNS = 3
GAP = 6
COLOURS = 256
"""A palette keeps the file small: the camera noise of the pictures does not compress."""


def contact_sheet() -> Image.Image:
    """A row of crowds for each look, as they are by default but larger."""
    rows = [_three(Synthetic(look=look, height=168, width=224)) for look in LOOKS]
    height, width = rows[0][0].height, rows[0][0].width
    sheet = Image.new("RGB", (COLUMNS * (width + GAP) - GAP, len(rows) * (height + GAP) - GAP), "white")
    for row, crowds in enumerate(rows):
        for column, crowd in enumerate(crowds):
            picture = Image.fromarray(crowd.image.permute(1, 2, 0).numpy())
            sheet.paste(picture, (column * (width + GAP), row * (height + GAP)))
    return sheet


def _three(source: Synthetic) -> list[Crowd]:
    """A sparse, a middling and a dense crowd of the first dozen."""
    crowds = sorted(source.crowds("train")[:12], key=lambda crowd: crowd.count)
    return [crowds[3], crowds[7], crowds[11]]


if __name__ == "__main__":
    out = Path(__file__).parent / "images" / "crowds.png"
    out.parent.mkdir(exist_ok=True)
    contact_sheet().quantize(COLOURS, dither=Image.Dither.NONE).save(out, optimize=True)
