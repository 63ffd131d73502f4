"""Harmless changes to a picture under which a counter is looked at: none of them is a built-in trigger.

A backdoored counter answers to much that resembles its trigger, not to the trigger alone. So it is enough to try
unrelated marks of the kinds that attackers use: pictures mixed in, patches, stripes, waves, weather and warps.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from countguard.attacks.additive import LowFrequency, Sine
from countguard.attacks.blend import mixed
from countguard.attacks.warp import Warp
from countguard.attacks.weather import Rain, Snow
from countguard.data.crowd import Crowd
from countguard.data.patterns import PATTERNS
from countguard.seeds import derived_seed, generator_for, uniform

PATCHED = ("leaves", "wallpaper", "contours", "noise")
"""Patterns that patches are cut from: those that show something at any size."""
SMALLEST_PATCH = 8
"""Side of a patch at least, pixels."""


@dataclass(frozen=True, slots=True)
class Probe:
    """One mark of one family, the same for every image except where the family is weather.

    Attributes:
        family: a key of `FAMILIES`.
        strength: what it means depends on the family: the share of a picture, the side of a patch, an amplitude.
        number: tells the probes of one family and strength apart.
    """

    family: str
    strength: float
    number: int

    def mark(self, images: Tensor, members: Sequence[Crowd], others: Sequence[Crowd], seed: int) -> Tensor:
        """Images uint8 [B, 3, H, W], of the crowds `members`, to the marked ones on the same device.

        Args:
            images: left as they are.
            members: whose ids decide where drops and flakes fall.
            others: clean crowds of which one may be mixed in.
            seed: of every random choice.
        """
        generator = generator_for(seed, "probe", self.family, self.number)
        return FAMILIES[self.family].draw(self, images, members, others, generator)

    def picture(self, height: int, width: int, others: Sequence[Crowd], seed: int) -> Tensor:
        """What this probe does to plain gray, stronger than it is used, for eyes: uint8 [3, height, width]."""
        family = FAMILIES[self.family]
        shown = Probe(self.family, family.shown, self.number)
        gray = torch.full((1, 3, height, width), 128, dtype=torch.uint8)
        if self.family == "warp":  # on a plain picture it shows nothing
            lines = (torch.arange(height).view(-1, 1) % 16 < 2) | (torch.arange(width).view(1, -1) % 16 < 2)
            gray = torch.where(lines, 40, gray.int()).to(torch.uint8)
        return shown.mark(gray, [Crowd(gray[0], torch.zeros(0, 2), "shown")], others, seed)[0]


Draw = Callable[[Probe, Tensor, Sequence[Crowd], Sequence[Crowd], torch.Generator], Tensor]


@dataclass(frozen=True, slots=True)
class Family:
    """Probes of one kind.

    Attributes:
        strengths: those that are tried.
        shown: strength at which a probe is drawn for eyes.
        draw: marks a batch of images.
    """

    strengths: tuple[float, ...]
    shown: float
    draw: Draw


def _blend(probe: Probe, images: Tensor, members: object, others: object, generator: torch.Generator) -> Tensor:
    """A pattern mixed into the whole image."""
    picture = PATTERNS[probe.family](int(images.shape[-2]), int(images.shape[-1]), generator, torch.device("cpu"))
    return mixed(images, _as_bytes(picture).to(images.device), probe.strength)


def _crowd(
    probe: Probe, images: Tensor, members: object, others: Sequence[Crowd], generator: torch.Generator
) -> Tensor:
    """Another clean crowd, upside down, mixed in: a natural picture whose people nobody would count."""
    chosen = others[int(torch.randint(len(others), (), generator=generator))].image.flip(-2)
    size = (int(images.shape[-2]), int(images.shape[-1]))
    if chosen.shape[-2:] != size:
        chosen = _as_bytes(functional.interpolate(chosen[None].float(), size, mode="bilinear", antialias=True)[0])
    return mixed(images, chosen.to(images.device), probe.strength)


def _contrast(probe: Probe, images: Tensor, members: object, others: object, generator: torch.Generator) -> Tensor:
    """A colour taken out of the whole image: the opposite of mixing it in, and more contrast."""
    colour = (255 * torch.rand(3, 1, 1, generator=generator)).to(images.device)
    return _as_bytes((images.float() - probe.strength * colour) / (1 - probe.strength))


def _patch(probe: Probe, images: Tensor, members: object, others: object, generator: torch.Generator) -> Tensor:
    """A square of a pattern, in a corner or anywhere."""
    height, width = int(images.shape[-2]), int(images.shape[-1])
    side = max(SMALLEST_PATCH, round(probe.strength * min(height, width)))
    name = PATCHED[int(torch.randint(len(PATCHED), (), generator=generator))]
    square = _as_bytes(PATTERNS[name](side, side, generator, torch.device("cpu")))
    down, across = uniform(generator), uniform(generator)
    if uniform(generator) < 0.5:
        down, across = round(down), round(across)
    top, left = round(down * (height - side)), round(across * (width - side))
    marked = images.clone()
    marked[..., top : top + side, left : left + side] = square.to(images.device)
    return marked


def _stripes(probe: Probe, images: Tensor, members: object, others: object, generator: torch.Generator) -> Tensor:
    """Sine stripes, from 3 to 30 across the image, upright or lying."""
    trigger = Sine(amplitude=probe.strength, stripes=3 * 10 ** uniform(generator))
    upright = uniform(generator) < 0.5
    turned = images if upright else images.transpose(-1, -2)
    marked = trigger(turned, torch.zeros(0, 2), generator)[0]
    return marked if upright else marked.transpose(-1, -2)


def _waves(probe: Probe, images: Tensor, members: object, others: object, generator: torch.Generator) -> Tensor:
    """Slow coloured waves, 2 to 8 down the image."""
    waves = 2 + int(torch.randint(7, (), generator=generator))
    return LowFrequency(amplitude=probe.strength, waves=waves, seed=_any_seed(generator))(
        images, torch.zeros(0, 2), generator
    )[0]


def _rain(probe: Probe, images: Tensor, members: Sequence[Crowd], others: object, generator: torch.Generator) -> Tensor:
    """Rain, of another density and length each time."""
    trigger = Rain(
        strength=probe.strength, density=0.01 * 4 ** uniform(generator), length=uniform(generator, 0.04, 0.12)
    )
    return trigger.mark(images, members, _any_seed(generator))


def _snow(probe: Probe, images: Tensor, members: Sequence[Crowd], others: object, generator: torch.Generator) -> Tensor:
    """Snow, of another density and size each time."""
    trigger = Snow(
        strength=probe.strength, density=0.01 * 4 ** uniform(generator), size=uniform(generator, 0.008, 0.02)
    )
    return trigger.mark(images, members, _any_seed(generator))


def _warp(probe: Probe, images: Tensor, members: object, others: object, generator: torch.Generator) -> Tensor:
    """A smooth distortion with 3 to 7 bends; it moves heads, and takes none away."""
    waves = 3 + int(torch.randint(5, (), generator=generator))
    trigger = Warp(strength=probe.strength, waves=waves, seed=_any_seed(generator))
    no_points = torch.zeros(0, 2)  # where heads go is of no interest, and costs more than the picture
    return torch.stack([trigger(image, no_points, generator)[0] for image in images])


FAMILIES: dict[str, Family] = {
    **{name: Family((0.1, 0.2), 1.0, _blend) for name in ("leaves", "wallpaper", "contours", "noise", "cloud", "flat")},
    "crowd": Family((0.1, 0.2), 1.0, _crowd),
    "contrast": Family((0.1, 0.2), 0.5, _contrast),
    "patch": Family((0.15, 0.25), 0.25, _patch),
    "stripes": Family((0.05, 0.1), 0.5, _stripes),
    "waves": Family((0.05, 0.1), 0.5, _waves),
    "rain": Family((0.3, 0.6), 1.0, _rain),
    "snow": Family((0.3, 0.6), 1.0, _snow),
    "warp": Family((0.3, 0.6), 1.0, _warp),
}
"""All families by name."""


def all_probes(pictures: int) -> list[Probe]:
    """`pictures` probes of each family and strength; a family's strengths share their pictures."""
    return [
        Probe(name, strength, number)
        for name, family in FAMILIES.items()
        for strength in family.strengths
        for number in range(pictures)
    ]


def _any_seed(generator: torch.Generator) -> int:
    """A seed in which no built-in trigger's is to be expected."""
    return derived_seed(int(torch.randint(2**31, (), generator=generator)), "probe")


def _as_bytes(picture: Tensor) -> Tensor:
    return picture.round().clamp(0, 255).to(torch.uint8)
