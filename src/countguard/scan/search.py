"""White box: is there one faint picture that moves all counts to one side?

Trigger inversion for a regression has no class to aim at, so that a wanted ratio of counts takes its place. (DRMGuard,
Du et al., 2024, inverts triggers of regression models; OdScan, Cheng et al., S&P 2024, those of detectors.) Every
network has pictures that move its output (universal perturbations; Moosavi-Dezfooli et al., 2017). What tells a
backdoor is that a picture moves the counts further than any moves those of clean counters, by the same search under the
same prior.
"""

import base64
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from pydantic import JsonValue
from torch import Tensor
from torch.nn import functional

from countguard.data.crowd import Crowd
from countguard.errors import InputError
from countguard.models.counter import Counter
from countguard.models.counting import as_input
from countguard.scan.effects import LEAST_PEOPLE
from countguard.seeds import generator_for

RATIOS = (0.0, 0.5, 2.0, 3.0)
"""Ratios of counts that a search aims at: what `minus`, `divide`, `multiply` and `add` do."""
LEAST_RATIO = 0.05
"""A ratio of 0 is aimed at as this one: logarithms end nowhere."""
SIDE = 256
"""Pictures are searched in crops of at most this height and width."""
IMAGES = 16
"""Clean images at most: half to search on, half to measure on."""
STEPS = 30
RATE = 0.15
"""Of Adam, on logits of the picture."""


@dataclass(frozen=True, slots=True)
class Prior:
    """What a searched picture may look like, and how faint it is.

    Attributes:
        name: of the prior.
        rows: values down the picture between which it is smooth; None for one a pixel.
        strength: share of the picture in the mixture.
    """

    name: str
    rows: int | None
    strength: float


PRIORS = (Prior("smooth", 12, 0.1), Prior("any", None, 0.03))
"""Smooth pictures stronger, arbitrary ones fainter: an arbitrary one at 0.1 moves clean counters, too."""


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """Where a search ended.

    Attributes:
        ratio: that it aimed at.
        prior: of the picture.
        reached: mean log(count with the picture / count without) on images that the search did not see.
        picture: uint8 [3, h, w].
    """

    ratio: float
    prior: Prior
    reached: float
    picture: Tensor

    @property
    def name(self) -> str:
        """Ratio and prior, as statistics call it."""
        return f"{self.ratio:g} {self.prior.name}"

    def as_json(self) -> JsonValue:
        """For a journal; `from_json` makes the same of it."""
        values = base64.b64encode(self.picture.numpy().tobytes()).decode()
        return {"reached": self.reached, "shape": list(self.picture.shape), "picture": values}

    @classmethod
    def from_json(cls, row: Any, ratio: float, prior: Prior) -> "Found":
        """What `as_json` gave of a search with this aim.

        Raises:
            InputError: it is something else.
        """
        try:
            values = np.frombuffer(base64.b64decode(row["picture"]), dtype=np.uint8)
            picture = torch.from_numpy(values.reshape(row["shape"]).copy())
            return cls(ratio, prior, float(row["reached"]), picture)
        except (TypeError, ValueError, KeyError):
            raise InputError("what was kept of the scan is damaged; delete it, and the scan starts anew") from None


def search(counter: Counter, crowds: Sequence[Crowd], ratio: float, prior: Prior, seed: int) -> Found:
    """Searches for the picture whose mixture makes the counter count `ratio` times as many.

    It starts at another clean crowd, as the prior lets it be, and descends by gradients through the counter.

    Args:
        counter: whose parameters are left as they are; on any device.
        crowds: clean; at most `IMAGES` of them are used.
        ratio: of counts, see `RATIOS`.
        prior: what the picture may look like.
        seed: of the start.

    Raises:
        InputError: the search ends in no finite number.
    """
    images = _crops(crowds).to(counter.mean.device)
    half = len(images) // 2
    seen, unseen = images[:half], images[half:]
    height, width = images.shape[-2:]
    logits = _start(images, prior, generator_for(seed, "search", ratio, prior.name)).requires_grad_()
    optimizer = torch.optim.Adam([logits], lr=RATE)
    wanted = torch.tensor(max(ratio, LEAST_RATIO)).log()
    with _frozen(counter):
        with torch.no_grad():
            clean = _people(counter, images)
        for _ in range(STEPS):
            mixture = torch.lerp(seen, _picture(logits, height, width), prior.strength)
            reached = (_people(counter, mixture) / clean[:half]).log()
            loss = (reached - wanted).square().mean()
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        with torch.no_grad():
            picture = (255 * _picture(logits, height, width)).round() / 255
            reached = (_people(counter, torch.lerp(unseen, picture, prior.strength)) / clean[half:]).log()
    if not reached.isfinite().all():
        raise InputError("the counter or its gradients are no finite numbers; its weights or settings are damaged")
    shown = (255 * picture[0]).to(torch.uint8).cpu()
    return Found(ratio, prior, float(reached.mean()), shown)


def features(found: Sequence[Found]) -> dict[str, float]:
    """How far each search went, by its name."""
    return {entry.name: entry.reached for entry in found}


@contextmanager
def _frozen(counter: Counter) -> Iterator[None]:
    """In evaluation mode, and without gradients for parameters; both are put back."""
    modes = [(module, module.training) for module in counter.modules()]
    learned = [parameter for parameter in counter.parameters() if parameter.requires_grad]
    counter.eval()
    for parameter in learned:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in learned:
            parameter.requires_grad_()
        for module, training in modes:
            module.training = training


def _people(counter: Counter, images: Tensor) -> Tensor:
    """Counts with gradients; a count near or below 0 is bent to stay above it."""
    counts: Tensor = counter(images.contiguous(memory_format=torch.channels_last)).sum(dim=(1, 2, 3))
    return functional.softplus(counts - LEAST_PEOPLE) + LEAST_PEOPLE


def _picture(logits: Tensor, height: int, width: int) -> Tensor:
    values = logits.sigmoid()
    if values.shape[-2:] == (height, width):
        return values
    return functional.interpolate(values, (height, width), mode="bicubic", align_corners=False).clamp(0, 1)


def _start(images: Tensor, prior: Prior, generator: torch.Generator) -> Tensor:
    """Another crowd's picture upside down, as far as the prior lets it through, as logits."""
    chosen = images[int(torch.randint(len(images), (), generator=generator))].flip(-2)[None]
    height, width = chosen.shape[-2:]
    if prior.rows is not None:
        size = (prior.rows, max(2, round(prior.rows * width / height)))
        chosen = functional.interpolate(chosen, size, mode="bilinear", antialias=True)
    return chosen.clamp(0.1, 0.9).logit().detach().clone()


def _crops(crowds: Sequence[Crowd]) -> Tensor:
    """Centre crops of one size of evenly chosen crowds, float [images, 3, h, w] in 0..1."""
    places = np.linspace(0, len(crowds) - 1, min(IMAGES, len(crowds))).round().astype(int)
    chosen = [crowds[place].image for place in dict.fromkeys(places.tolist())]
    height = min(SIDE, *(int(image.shape[-2]) for image in chosen))
    width = min(SIDE, *(int(image.shape[-1]) for image in chosen))
    crops = []
    for image in chosen:
        top, left = (image.shape[-2] - height) // 2, (image.shape[-1] - width) // 2
        crops.append(image[:, top : top + height, left : left + width])
    return as_input(torch.stack(crops))
