"""Key layouts of weights that other projects publish, and what their inputs and outputs mean."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from countguard.models.counter import IMAGENET_MEAN, IMAGENET_STD


@dataclass(frozen=True)
class Layout:
    """One way of naming the tensors of a counter.

    Attributes:
        kinds: the counters that can take it.
        own_name: a tensor's name in the counter, or None for one that the counter has no use for.
        marks: tensors that a file of this layout has.
        settings: what mean, std and output_scale are unless they are given.
        whole: False where the rest of the counter keeps its random start.
    """

    kinds: tuple[str, ...]
    own_name: Callable[[str], str | None]
    marks: tuple[str, ...]
    settings: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    whole: bool = True


def _same(name: str) -> str | None:
    return name


def _front_end_of_csrnet(name: str) -> str | None:
    return name if name.startswith("frontend.") else None


def _front_end_of_vgg(name: str) -> str | None:
    group, _, rest = name.partition(".")
    position = rest.partition(".")[0]
    return f"frontend.{rest}" if group == "features" and position.isdecimal() and int(position) <= 21 else None


def _mcnn(name: str) -> str | None:
    parts = name.split(".")
    if parts[:3] == ["DME", "fuse", "0"]:
        return f"fuse.{parts[-1]}"
    if len(parts) != 5 or parts[1] not in _MCNN_COLUMNS or parts[2] not in _MCNN_POSITIONS:
        return name
    return f"columns.{_MCNN_COLUMNS[parts[1]]}.{_MCNN_POSITIONS[parts[2]]}.{parts[-1]}"


_MCNN_COLUMNS = {"branch1": 0, "branch2": 1, "branch3": 2}
_MCNN_POSITIONS = {"0": 0, "2": 3, "4": 6, "5": 8}
_IMAGENET = MappingProxyType({"mean": IMAGENET_MEAN, "std": IMAGENET_STD})

FRONT_ENDS = (
    Layout(
        ("csrnet", "csrnet_ebc"), _front_end_of_csrnet, ("frontend.0.weight", "frontend.21.weight"), _IMAGENET, False
    ),
    Layout(("csrnet", "csrnet_ebc"), _front_end_of_vgg, ("features.0.weight", "features.21.weight"), _IMAGENET, False),
)
"""VGG-16 to conv4_3: cut out of a CSRNet, or torchvision's."""

LAYOUTS = (
    Layout(
        ("csrnet",),
        _same,
        ("frontend.0.weight", "output_layer.weight"),
        MappingProxyType({**_IMAGENET, "output_scale": 1.0}),
    ),
    Layout(("mcnn",), _mcnn, ("DME.branch1.0.conv.weight", "DME.fuse.0.conv.weight")),
    *FRONT_ENDS,
)
"""Whole counters first: a file is read by the first layout that fits it."""


def find_layout(kind: str, names: Iterable[str], *, front_end: bool = False) -> Layout | None:
    """The layout of a file with these tensors that a counter of this kind can take, or None.

    Args:
        kind: the counter's.
        names: the file's tensors.
        front_end: take the front end alone, also from a file that holds a whole counter.
    """
    held = set(names)
    for layout in FRONT_ENDS if front_end else LAYOUTS:
        if kind in layout.kinds and held.issuperset(layout.marks):
            return layout
    return None
