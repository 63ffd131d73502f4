"""Tiny crowds of noise."""

from collections.abc import Sequence

import torch
from hypothesis import strategies as st

from countguard.data.crowd import Crowd


def tiny_crowd(name: str, heads: int = 3, height: int = 24, width: int = 32, seed: int = 0) -> Crowd:
    """Noise with heads anywhere in it."""
    generator = torch.Generator().manual_seed(seed)
    image = torch.randint(0, 256, (3, height, width), dtype=torch.uint8, generator=generator)
    points = torch.rand(heads, 2, generator=generator) * torch.tensor([width - 0.01, height - 0.01])
    return Crowd(image, points, name)


@st.composite
def crowd_lists(draw: st.DrawFn) -> list[Crowd]:
    """Lists of one to four crowds of any size and number of heads, one head at least among them."""
    sizes = st.integers(8, 40)
    number = draw(st.integers(1, 4))
    heads = [draw(st.integers(1, 5)), *(draw(st.integers(0, 5)) for _ in range(number - 1))]
    return [
        tiny_crowd(f"IMG_{index + 1}", count, draw(sizes), draw(sizes), draw(st.integers(0, 2**32)))
        for index, count in enumerate(heads)
    ]


def same(written: Sequence[Crowd], read: Sequence[Crowd]) -> bool:
    """Whether two sequences hold the same crowds, bit by bit."""
    return len(written) == len(read) and all(
        one.id == other.id
        and torch.equal(one.image, other.image)
        and one.points.dtype == other.points.dtype == torch.float32
        and torch.equal(one.points, other.points)
        for one, other in zip(written, read, strict=True)
    )
