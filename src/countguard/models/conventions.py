"""What a network's input and output mean where its tensors do not say so: one convention a code that trains it.

One CSRNet is trained by several codes under the same names of tensors: their counts differ 64-fold, and their
normalisations differ. A convention is named, taken from the file, or found out on pictures with counts; it is never
guessed in silence.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor

from countguard.errors import InputError
from countguard.models.counter import IMAGENET_MEAN, IMAGENET_STD


@dataclass(frozen=True)
class Convention:
    """How one code trains a kind of counter.

    Attributes:
        name: what `--from` takes.
        settings: of the counter's constructor.
        source: whose code it is, and what is meant by it.
    """

    name: str
    settings: Mapping[str, Any]
    source: str


def _c3f(data: str, mean: Sequence[float], std: Sequence[float], people: int = 100) -> Convention:
    settings = {"mean": tuple(mean), "std": tuple(std), "output_scale": 64 / people}
    return Convention(f"c3f-{data}", MappingProxyType(settings), f"C-3-Framework on {data}: people x {people} a pixel")


C3F = (
    _c3f("shha", (0.410824894905, 0.370634973049, 0.359682112932), (0.278580576181, 0.26925137639, 0.27156367898)),
    _c3f("shhb", (0.452016860247, 0.447249650955, 0.431981861591), (0.23242045939, 0.224925786257, 0.221840232611)),
    _c3f("qnrf", (0.413525998592, 0.378520160913, 0.371616870165), (0.284849464893, 0.277046442032, 0.281509846449)),
    _c3f("we", (0.504379212856, 0.510956227779, 0.505369007587), (0.22513884306, 0.225588873029, 0.22579960525)),
    _c3f("ucf50", (0.403584420681,) * 3, (0.268462955952,) * 3),
    _c3f("mall", (0.537967503071, 0.460666239262, 0.41356408596), (0.220573320985, 0.218155637383, 0.20540446043)),
    _c3f("ucsd", (0.376973062754,) * 3, (0.206167116761,) * 3),
    _c3f(
        "gcc", (0.302234709263, 0.291243076324, 0.269087553024), (0.227743327618, 0.211051672697, 0.184846073389), 1000
    ),
)
"""C-3-Framework (Gao et al., 2019) normalises by each data set's own mean and deviation."""

CSRNET = (
    Convention(
        "leeyeehoo",
        MappingProxyType({"mean": IMAGENET_MEAN, "std": IMAGENET_STD, "output_scale": 1.0}),
        "CSRNet's authors: ImageNet's mean and deviation, people a cell",
    ),
    Convention(
        "commissarma",
        MappingProxyType({"mean": (0.5,) * 3, "std": (0.225,) * 3, "output_scale": 64.0}),
        "CommissarMa's CSRNet, on which the paper builds: mean 0.5, deviation 0.225, people a pixel",
    ),
    *C3F,
)


def _bins(data: str, last: float) -> Convention:
    bins = {"truncation": 4, "values": (0.0, 1.0, 2.0, 3.0, last)}
    return Convention(data, MappingProxyType({"bins": bins}), f"CLIP-EBC on {data}: its last bin stands for {last}")


CLIP_EBC = (
    _bins("sha", 4.29992),
    _bins("shb", 4.41009),
    _bins("qnrf", 4.21937),
    _bins("nwpu", 4.21931),
    _bins("jhu", 4.24058),
)
"""CLIP-EBC's bins of 8 x 8 pixels; the last one's value is measured on the data set and is not in its checkpoints."""

ONNX = (
    Convention(
        "imagenet",
        MappingProxyType({"mean": IMAGENET_MEAN, "std": IMAGENET_STD}),
        "normalised by ImageNet's mean and deviation",
    ),
    Convention("unit", MappingProxyType({"mean": (0.0,) * 3, "std": (1.0,) * 3}), "pixels from 0 to 1"),
    Convention("pixels", MappingProxyType({"mean": (0.0,) * 3, "std": (1 / 255,) * 3}), "pixels from 0 to 255"),
    Convention("half", MappingProxyType({"mean": (0.5,) * 3, "std": (0.5,) * 3}), "pixels from -1 to 1"),
    Convention("commissarma", MappingProxyType({"mean": (0.5,) * 3, "std": (0.225,) * 3}), "mean 0.5, deviation 0.225"),
)
"""How an ONNX graph's input is scaled."""

_KNOWN = {"245206fa": "leeyeehoo"}
"""Published files whose convention is known, by `fingerprint`: the CSRNet of the package `csrnet` (Part_A)."""


def fingerprint(output_layer: Tensor) -> str:
    """Eight hex digits that tell a trained CSRNet from others, whether it was saved in single or half precision."""
    rounded = output_layer.to(torch.float16).contiguous().numpy().tobytes()
    return hashlib.sha256(rounded).hexdigest()[:8]


def known_file(output_layer: Tensor) -> str | None:
    """The name of the convention of a published file, or None for a file that nobody has entered."""
    return _KNOWN.get(fingerprint(output_layer))


def named(conventions: Sequence[Convention], name: str, where: str) -> Convention:
    """The convention of a name.

    Raises:
        InputError: it is none of these.
    """
    for convention in conventions:
        if convention.name == name:
            return convention
    names = ", ".join(convention.name for convention in conventions)
    raise InputError(f"{where}: --from {name!r} is no code that trains it; there are {names or 'none for this layout'}")


def fitting(conventions: Sequence[Convention], given: Mapping[str, Any]) -> tuple[Convention, ...]:
    """Those conventions that agree with the settings that were given."""
    return tuple(
        convention
        for convention in conventions
        if all(convention.settings[name] == value for name, value in given.items() if name in convention.settings)
    )
