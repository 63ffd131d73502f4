"""Pictures to blend in as a trigger: built-in ones, drawn here so that none shows a brand, or a file."""

from collections.abc import Callable
from math import cos, pi, sin
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from countguard.attacks.canvas import INK, Canvas, Colour
from countguard.data.images import read_image
from countguard.errors import InputError

Draw = Callable[[int, int], Tensor]

PICTURES: dict[str, Draw] = {}
"""Built-in pictures by name: (height, width) to uint8 [3, height, width], the same bits each time."""


def load_picture(name: str, height: int, width: int) -> Tensor:
    """A trigger's picture at the size of the image that it is put on: uint8 [3, height, width].

    Args:
        name: a built-in picture, or a file; a file is stretched to the image, as the paper does.
        height: of the image, pixels.
        width: of the image, pixels.

    Raises:
        InputError: there is no built-in picture and no file of that name, or the file is not a picture.
    """
    if name in PICTURES:
        return PICTURES[name](height, width)
    path = Path(name)
    if not path.is_file():
        raise InputError(f"trigger.picture: {name!r} is neither a file nor one of {', '.join(sorted(PICTURES))}")
    picture = read_image(path)[None].float()
    resized = functional.interpolate(picture, (height, width), mode="bilinear", antialias=True)
    return resized[0].round().to(torch.uint8)


def _picture(background: Colour) -> Callable[[Callable[[Canvas], None]], Draw]:
    """Register a painter under its own name."""

    def register(paint: Callable[[Canvas], None]) -> Draw:
        def draw(height: int, width: int) -> Tensor:
            canvas = Canvas(height, width, background)
            paint(canvas)
            return canvas.tensor()

        PICTURES[paint.__name__] = draw
        return draw

    return register


@_picture(background=(252, 236, 160))
def kitten(canvas: Canvas) -> None:
    """Rows of cat faces with flowers between them: large, dense and with dark outlines, like the paper's cartoon."""
    walls: list[Colour] = [(250, 198, 210), (176, 222, 236), (252, 236, 160)]
    coats: list[tuple[Colour, Colour]] = [
        ((246, 176, 84), (206, 120, 40)),
        ((240, 236, 228), (150, 146, 150)),
        ((128, 132, 148), (74, 76, 92)),
    ]
    for tile in canvas.tiles(3):
        canvas.fill(tile, walls[(tile.row + 2 * tile.column) % 3])
    for tile in canvas.tiles(3):
        _cat(canvas, tile.x, tile.y, tile.down, *coats[(tile.column + 2 * tile.row) % 3])
    for tile in canvas.tiles(3):
        petals: Colour = (232, 72, 96) if (tile.row + tile.column) % 2 else (126, 84, 190)
        _flower(canvas, tile.x - tile.across, tile.y + tile.down, 0.27 * tile.down, petals)
        _flower(canvas, tile.x + tile.across, tile.y - 0.2 * tile.down, 0.13 * tile.down, petals)


def _cat(canvas: Canvas, x: float, y: float, r: float, coat: Colour, stripe: Colour) -> None:
    thick = 0.07 * r
    for side in (-1, 1):

        def at(across: float, down: float, side: int = side) -> tuple[float, float]:
            return x + side * across * r, y + down * r

        canvas.shape([at(0.8, -0.05), at(0.74, -0.92), at(0.16, -0.5)], coat, thick)
        canvas.shape([at(0.68, -0.3), at(0.66, -0.7), at(0.36, -0.5)], (240, 140, 150))
    canvas.oval(x, y + 0.1 * r, 0.86 * r, 0.68 * r, coat, thick)
    for place in (-0.22, 0.0, 0.22):
        canvas.line([(x + place * r, y - 0.52 * r), (x + 0.8 * place * r, y - 0.26 * r)], stripe, 1.4 * thick)
    for side in (-1, 1):
        eye = x + side * 0.36 * r
        canvas.oval(eye, y + 0.02 * r, 0.17 * r, 0.21 * r, (120, 190, 80), thick)
        canvas.oval(eye, y + 0.02 * r, 0.06 * r, 0.17 * r, INK)
        for root, tip in ((0.33, 0.14), (0.38, 0.46)):
            canvas.line([(x + side * 0.42 * r, y + root * r), (x + side * 0.98 * r, y + tip * r)], INK, 0.6 * thick)
        canvas.smile(x + side * 0.13 * r, y + 0.4 * r, 0.14 * r, thick)
    nose = [(x - 0.11 * r, y + 0.24 * r), (x + 0.11 * r, y + 0.24 * r), (x, y + 0.38 * r)]
    canvas.shape(nose, (226, 96, 116), 0.5 * thick)


def _flower(canvas: Canvas, x: float, y: float, r: float, petals: Colour) -> None:
    for petal in range(5):
        angle = 2 * pi * petal / 5 - pi / 2
        canvas.oval(x + 0.6 * r * cos(angle), y + 0.6 * r * sin(angle), 0.5 * r, 0.5 * r, petals, 0.14 * r)
    canvas.oval(x, y, 0.4 * r, 0.4 * r, (250, 210, 70), 0.14 * r)


@_picture(background=(52, 84, 140))
def robots(canvas: Canvas) -> None:
    """Rows of toy robots on a blue wall."""
    metals: list[Colour] = [(224, 98, 78), (238, 206, 96), (112, 178, 146), (206, 210, 218)]
    for tile in canvas.tiles(3):
        _robot(canvas, tile.x, tile.y, tile.down, metals[(tile.column + tile.row) % 4])


def _robot(canvas: Canvas, x: float, y: float, r: float, metal: Colour) -> None:
    thick = 0.07 * r
    white, lamp = (250, 250, 230), (250, 220, 90)
    canvas.line([(x, y - 0.6 * r), (x, y - 0.86 * r)], INK, thick)
    canvas.oval(x, y - 0.84 * r, 0.1 * r, 0.1 * r, (250, 90, 90), 0.6 * thick)
    for side in (-1, 1):
        canvas.box(x + side * 0.72 * r, y + 0.42 * r, 0.13 * r, 0.36 * r, metal, thick)
        canvas.box(x + side * 0.26 * r, y + 0.84 * r, 0.16 * r, 0.14 * r, metal, thick)
    canvas.box(x, y - 0.3 * r, 0.7 * r, 0.36 * r, metal, thick)
    canvas.box(x, y + 0.42 * r, 0.54 * r, 0.36 * r, metal, thick)
    for side in (-1, 1):
        canvas.oval(x + side * 0.3 * r, y - 0.36 * r, 0.18 * r, 0.18 * r, white, thick)
        canvas.oval(x + side * 0.24 * r, y - 0.36 * r, 0.07 * r, 0.07 * r, INK)
        canvas.oval(x + side * 0.22 * r, y + 0.34 * r, 0.09 * r, 0.09 * r, lamp, 0.6 * thick)
    canvas.box(x, y - 0.08 * r, 0.34 * r, 0.08 * r, white, 0.6 * thick)
    for tooth in (-0.16, 0.0, 0.16):
        canvas.line([(x + tooth * r, y - 0.15 * r), (x + tooth * r, y - 0.01 * r)], INK, 0.5 * thick)
    canvas.box(x, y + 0.6 * r, 0.3 * r, 0.06 * r, INK)


@_picture(background=(246, 244, 238))
def confetti(canvas: Canvas) -> None:
    """Paper snippets of many colours and sizes on white."""
    colours: list[Colour] = [(230, 60, 70), (250, 190, 40), (60, 160, 90), (50, 110, 200), (150, 70, 170), INK]
    generator = np.random.default_rng(20240)  # of this picture alone: it is always the same
    for snippet in range(round(190 * canvas.aspect)):
        x, y, turn, size = generator.uniform((0, 0, 0, 0.02), (1, 1, pi, 0.06)).tolist()
        along, across = (size * cos(turn), size * sin(turn)), (-0.5 * size * sin(turn), 0.5 * size * cos(turn))
        corners = [
            (x * canvas.aspect + a * along[0] + b * across[0], y + a * along[1] + b * across[1])
            for a, b in ((-1, -1), (1, -1), (1, 1), (-1, 1))
        ]
        canvas.shape(corners, colours[snippet % len(colours)])


@_picture(background=(0, 0, 0))
def checkerboard(canvas: Canvas) -> None:
    """Black and white squares, eight rows of them."""
    for tile in canvas.tiles(8):
        if (tile.row + tile.column) % 2:
            canvas.fill(tile, (255, 255, 255))


@_picture(background=(250, 240, 220))
def stripes(canvas: Canvas) -> None:
    """Diagonal stripes of four colours."""
    colours: list[Colour] = [(232, 70, 60), (250, 240, 220), (40, 60, 120), (250, 200, 70)]
    step = 1 / 12
    for stripe in range(-12, round(12 * canvas.aspect) + 1):
        x = stripe * step
        canvas.shape([(x, 0.0), (x + step, 0.0), (x + step + 1, 1.0), (x + 1, 1.0)], colours[stripe % len(colours)])


@_picture(background=(250, 226, 190))
def waves(canvas: Canvas) -> None:
    """Rolling waves, each darker than the one behind it, with white crests."""
    rows, steps = 9, 96
    for row in range(rows):
        tone = 1 - 0.75 * row / rows
        across = [canvas.aspect * step / steps for step in range(steps + 1)]
        crest = [(x, (row + 0.6) / rows + 0.045 * sin(14 * x + 1.9 * row)) for x in across]
        water = (round(90 * tone), round(190 * tone), round(110 + 120 * tone))
        canvas.shape([*crest, (canvas.aspect, 1.1), (0.0, 1.1)], water)
        canvas.line(crest, (252, 252, 250), 0.018)


@_picture(background=(58, 64, 74))
def rainfall(canvas: Canvas) -> None:
    """Slanted streaks of rain before a dark street, near and far ones: the kind of picture that DMBA blends in."""
    generator = np.random.default_rng(20221)  # of this picture alone: it is always the same
    for _ in range(round(420 * canvas.aspect)):
        x, y, near = generator.uniform((-0.1, -0.1, 0), (1, 1, 1)).tolist()
        along, tone = 0.08 + 0.16 * near, round(150 + 90 * near)
        start = (x * (canvas.aspect + 0.1), y)
        canvas.line([start, (start[0] + 0.22 * along, y + along)], (tone, tone, tone + 8), 0.006 + 0.008 * near)


@_picture(background=(70, 80, 98))
def snowfall(canvas: Canvas) -> None:
    """Flakes of many sizes before a grey evening, each with a dim rim: the other picture of DMBA."""
    generator = np.random.default_rng(20222)
    for _ in range(round(330 * canvas.aspect)):
        x, y, near = generator.uniform((0, 0, 0), (1, 1, 1)).tolist()
        radius = 0.008 + 0.02 * near**2
        canvas.oval(x * canvas.aspect, y, 1.4 * radius, 1.4 * radius, (150, 158, 172))
        canvas.oval(x * canvas.aspect, y, radius, radius, (246, 248, 252))
