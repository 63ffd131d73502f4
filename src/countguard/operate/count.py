"""What `countguard count` does with pictures: the number of people in each, however large it is."""

import math
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from torch import Tensor

from countguard.data.images import MIN_SIDE, read_image
from countguard.drawings import drawn_files
from countguard.errors import InputError, RunError
from countguard.explain.density import heads_of, people_per_cell
from countguard.models.counter import Counter
from countguard.models.counting import WHOLE, give_back_memory, keep_freed_memory
from countguard.scan.guard import Guard, Look
from countguard.writing import require_results, write_atomically

MAX_PIXELS = 210_000_000
"""Of a picture that is counted: the largest sensors of phones have 200 million. It takes up to 8 bytes a pixel while it
is decoded and 3 while it is counted, in tiles."""


@dataclass(frozen=True, slots=True)
class PictureCount:
    """One picture: counted, or skipped for a reason.

    Attributes:
        file: as it was given or found.
        count: number of people; None where the picture was skipped.
        problem: why it was skipped, one line; empty where it was counted.
        look: what the guard says of it; None without one.
    """

    file: Path
    count: float | None
    problem: str = ""
    look: Look | None = None


@dataclass(frozen=True, slots=True)
class Size:
    """At which size pictures are counted.

    Attributes:
        scale: both sides are multiplied by this.
        max_side: pictures whose longer side is then above this, in pixels, are shrunk to it; None for any side.
        max_pixels: larger pictures are refused.
    """

    scale: float = 1.0
    max_side: int | None = None
    max_pixels: int = MAX_PIXELS

    def read(self, picture: Path) -> Tensor:
        """A picture at this size, uint8 [3, H, W].

        Raises:
            InputError: it cannot be read, or is too large or too small.
        """
        image = read_image(picture, max_pixels=self.max_pixels)
        height, width = image.shape[-2:]
        longer = max(height, width) * self.scale
        ratio = self.scale if self.max_side is None else self.scale * min(1.0, self.max_side / longer)
        if ratio == 1:
            return image
        size = [round(height * ratio), round(width * ratio)]
        if size[0] * size[1] > self.max_pixels or min(size) < MIN_SIDE:
            raise InputError(
                f"{picture}: would be counted with {size[1]} x {size[0]} pixels; both sides need at least {MIN_SIDE}, "
                f"and at most {self.max_pixels:,} pixels are counted"
            )
        from torchvision.transforms.v2 import functional as transforms

        resized: Tensor = transforms.resize(image, size, antialias=True)
        return resized


def count_pictures(
    counter: Counter,
    pictures: Sequence[Path],
    *,
    size: Size = Size(),
    overlays: Path | None = None,
    strict: bool = False,
    guard: Guard | None = None,
    known: Callable[[Path], PictureCount | None] = lambda picture: None,
) -> Iterator[PictureCount]:
    """Counts one picture after the other; the next one is read meanwhile.

    Args:
        counter: on any device.
        pictures: from `countguard.data.picture_folders.find_pictures`.
        size: at which they are counted.
        overlays: a folder that gets a density map over each picture, as `NAME-density.png`; made where it is missing.
        strict: end at the first picture that cannot be read, and do not go on after saying why.
        guard: of this counter and its repaired twin, with a threshold; looks at each picture, too.
        known: gives a picture's row where it was counted before; one whose overlay is missing is counted again.

    Raises:
        InputError: a picture cannot be read and `strict` is asked for, the counter gives no finite number, or an
            overlay would overwrite a picture.
        RunError: an overlay cannot be written.
    """
    if overlays:
        require_results(overlays, {}, "--overlays")
    if counter.mean.device.type == "cpu":
        keep_freed_memory()
    targets = drawn_files(pictures, overlays, "overlay", "-density") if overlays else {}
    rows = {picture: known(picture) for picture in pictures if not overlays or targets[picture].exists()}
    images = _read_ahead([picture for picture in pictures if rows.get(picture) is None], size)
    for picture in pictures:
        if (row := rows.get(picture)) is not None:
            yield row
            continue
        image = next(images)
        if isinstance(image, InputError):
            if strict:
                raise image
            yield PictureCount(picture, None, str(image))
            continue
        density = people_per_cell(counter, image)
        people = float(density.sum())
        if not math.isfinite(people):
            raise InputError(f"{picture}: the counter gives {people} people; its weights or settings are damaged")
        if overlays:
            from countguard.operate.overlay import draw_overlay

            _write_overlay(targets[picture], draw_overlay(image, density, counter.stride, heads_of(counter, image)))
        yield PictureCount(picture, people, look=_look(guard, image, people) if guard else None)


def _read_ahead(pictures: Sequence[Path], size: Size) -> Iterator[Tensor | InputError]:
    """Each picture, or why it cannot be read; one thread reads the next while this one is worked on.

    Beside a large picture nothing is read, so that memory holds one of them.
    """

    def read(picture: Path) -> Tensor | InputError:
        try:
            return size.read(picture)
        except InputError as error:
            return error

    with ThreadPoolExecutor(1) as reader:
        ahead: Future[Tensor | InputError] | None = None
        for place, picture in enumerate(pictures):
            image = (ahead or reader.submit(read, picture)).result()
            large = isinstance(image, Tensor) and image[0].numel() > WHOLE
            if large:
                give_back_memory()  # what decoding took
            rest = pictures[place + 1 : place + 2]
            ahead = reader.submit(read, rest[0]) if rest and not large else None
            yield image
            del image


def _look(guard: Guard, image: Tensor, people: float) -> Look:
    """What a guard says of a picture that its counter has counted already."""
    twin = float(people_per_cell(guard.repaired, image).sum())
    return guard.compare(np.array([people]), np.array([twin]))[0]


def _write_overlay(path: Path, png: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, png)
    except OSError as error:
        raise RunError(f"{path}: the overlay cannot be written ({error.strerror}); give another folder") from error
