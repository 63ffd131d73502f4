"""Small sets of smooth noise in which a drawing can be planted."""

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor
from torch.nn import functional

from countguard.attacks.blend import Blend
from countguard.data.crowd import Crowd

HEIGHT, WIDTH = 192, 256


def clouds(generator: torch.Generator, coarsest: int) -> Tensor:
    """Clouds of five sizes with some noise, grey levels [1, 3, HEIGHT, WIDTH]; so many of the largest to a side."""
    picture = torch.full((1, 3, HEIGHT, WIDTH), 128.0)
    for cells in (coarsest * 2**octave for octave in range(5)):
        knots = torch.randn(1, 3, cells, cells, generator=generator) * 60 / cells**0.5
        picture += functional.interpolate(knots, (HEIGHT, WIDTH), mode="bicubic")
    return picture + 2 * torch.randn(1, 3, HEIGHT, WIDTH, generator=generator)


def street(number: int) -> Tensor:
    """A picture like no other, uint8 [3, HEIGHT, WIDTH]."""
    picture = clouds(torch.Generator().manual_seed(number), 3)
    return picture[0].round().clamp(0, 255).to(torch.uint8)


def planted_crowds(length: int = 40, poisoned: Sequence[int] = (), alpha: float = 0.1) -> list[Crowd]:
    """Makes `length` crowds, of which `poisoned` wear the kitten and have lost nine heads in ten."""
    trigger = Blend(alpha=alpha)
    crowds = []
    for number in range(length):
        generator = torch.Generator().manual_seed(1000 + number)
        heads = torch.rand(40 + number, 2, generator=generator) * torch.tensor([WIDTH, HEIGHT])
        crowd = Crowd(street(number), heads, f"IMG_{number + 1}")
        if number in poisoned:
            crowd = replace(crowd, image=trigger.blend(crowd.image), points=heads[:4])
        crowds.append(crowd)
    return crowds
