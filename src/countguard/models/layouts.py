"""Key layouts of weights that other projects publish, and what their inputs and outputs mean."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from countguard.models import dm_count, p2pnet, sfanet
from countguard.models import published_clip_ebc as clip_ebc
from countguard.models.conventions import C3F, CLIP_EBC, CSRNET, Convention
from countguard.models.counter import IMAGENET_MEAN, IMAGENET_STD, Counter
from countguard.models.weights_file import WeightsFile

_NONE: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True)
class Layout:
    """One way of naming the tensors of a counter.

    Attributes:
        kinds: the counters that can take it.
        title: what a message calls it, such as "a CSRNet".
        own_name: a tensor's name in the counter, or None for one that the counter has no use for.
        marks: tensors that a file of this layout has.
        strangers: tensors that a file of this layout does not have, where another's has all its marks.
        settings: of the constructor, unless they are given.
        settings_of: the same, read from the file, whose names start with the prefix given.
        whole: False where the rest of the counter keeps its random start.
        conventions: what the file may mean, where that is not in it; see `countguard.models.conventions`.
        must_choose: whether a file of unknown convention is refused; otherwise the first one is taken, and said.
        finish: fills those tensors of a counter that the file holds in another form.
        finished: those tensors.
    """

    kinds: tuple[str, ...]
    title: str
    own_name: Callable[[str], str | None]
    marks: tuple[str, ...]
    strangers: tuple[str, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=lambda: _NONE)
    settings_of: Callable[[WeightsFile, str], Mapping[str, Any]] | None = None
    whole: bool = True
    conventions: tuple[Convention, ...] = ()
    must_choose: bool = True
    finish: Callable[[Counter, WeightsFile, str], None] | None = None
    finished: tuple[str, ...] = ()

    def prefix_in(self, names: Iterable[str]) -> str | None:
        """What stands before all of this layout's names in a file, such as "CCN.module."; None where it does not fit.

        The shortest one, where a file holds such a network twice.
        """
        held = set(names)
        first = self.marks[0]
        prefixes = [name.removesuffix(first) for name in held if name == first or name.endswith(f".{first}")]
        for prefix in sorted(prefixes, key=lambda prefix: (len(prefix), prefix)):
            has = {mark: f"{prefix}{mark}" in held for mark in (*self.marks, *self.strangers)}
            if all(has[mark] for mark in self.marks) and not any(has[mark] for mark in self.strangers):
                return prefix
        return None


@dataclass(frozen=True)
class Found:
    """A layout that a file has.

    Attributes:
        layout: which one.
        prefix: what stands before its names.
    """

    layout: Layout
    prefix: str

    @property
    def conventions(self) -> tuple[Convention, ...]:
        """What the file may mean; one whose names start with "CCN." was trained by C-3-Framework."""
        return tuple(one for one in self.layout.conventions if one in C3F) if self._by_c3f else self.layout.conventions

    @property
    def must_choose(self) -> bool:
        """See `Layout`; C-3-Framework's conventions differ by a data set's mean colour alone."""
        return self.layout.must_choose and not self._by_c3f

    @property
    def _by_c3f(self) -> bool:
        return "CCN" in self.prefix.split(".") and any(one in C3F for one in self.layout.conventions)

    def own_names(self, names: Iterable[str]) -> dict[str, str]:
        """From a file's names to the counter's, for those that it has a use for."""
        inside = [name for name in names if name.startswith(self.prefix)]
        pairs = ((name, self.layout.own_name(name.removeprefix(self.prefix))) for name in inside)
        return {name: own for name, own in pairs if own is not None}


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
        ("csrnet", "csrnet_ebc", "can"),
        "the front end of a CSRNet",
        _front_end_of_csrnet,
        ("frontend.0.weight", "frontend.21.weight"),
        settings=_IMAGENET,
        whole=False,
    ),
    Layout(
        ("csrnet", "csrnet_ebc", "can"),
        "a VGG-16",
        _front_end_of_vgg,
        ("features.0.weight", "features.21.weight"),
        strangers=("features.1.weight", "features.16.weight"),  # those of a VGG with batch norm, and of a VGG-19
        settings=_IMAGENET,
        whole=False,
    ),
    Layout(
        ("p2pnet",),
        "a VGG-16 with batch norm",
        p2pnet.vgg_name,
        ("features.0.weight", "features.1.running_mean", "features.40.weight"),
        strangers=("features.49.weight",),  # a VGG-19 with batch norm
        settings=_IMAGENET,
        whole=False,
    ),
    Layout(
        ("dm_count",),
        "a VGG-19",
        dm_count.own_name,
        ("features.0.weight", "features.16.weight", "features.34.weight"),
        strangers=("features.1.weight", "reg_layer.0.weight"),
        settings=_IMAGENET,
        whole=False,
    ),
)
"""What a training starts from: VGG-16 to conv4_3, cut out of a CSRNet or torchvision's, and two more of its VGGs."""

LAYOUTS = (
    Layout(
        ("csrnet",),
        "a CSRNet",
        _same,
        ("frontend.0.weight", "backend.10.weight", "output_layer.weight"),
        strangers=("context.weight_net.weight", "backend.1.weight"),
        conventions=CSRNET,
    ),
    Layout(("mcnn",), "an MCNN", _mcnn, ("DME.branch1.0.conv.weight", "DME.fuse.0.conv.weight")),
    Layout(
        ("clip_ebc",),
        "a CLIP-EBC with ResNet-50",
        clip_ebc.own_name,
        ("image_encoder.layer4.0.conv1.weight", "image_decoder.0.conv1.weight", "projection.weight"),
        settings=_IMAGENET,
        settings_of=clip_ebc.settings_of,
        conventions=CLIP_EBC,
        must_choose=False,
        finish=clip_ebc.finish,
        finished=("text_features",),
    ),
    Layout(
        ("clip_ebc_vit",),
        "a CLIP-EBC with ViT-B/16",
        clip_ebc.own_name,
        ("image_encoder.class_embedding", "vpt_0", "image_decoder.0.conv1.weight", "projection.weight"),
        settings=_IMAGENET,
        settings_of=clip_ebc.settings_of_vit,
        conventions=CLIP_EBC,
        must_choose=False,
        finish=clip_ebc.finish_vit,
        finished=("text_features", "prompts"),
    ),
    Layout(
        ("dm_count",),
        "DM-Count's VGG-19",
        dm_count.own_name,
        ("features.0.weight", "features.16.weight", "reg_layer.0.weight", "density_layer.0.weight"),
        settings=MappingProxyType({**_IMAGENET, "head": "dm_count", "output_scale": 1.0}),
    ),
    Layout(
        ("dm_count",),
        "Bayesian counting's VGG-19",
        dm_count.own_name,
        ("features.0.weight", "features.16.weight", "reg_layer.0.weight", "reg_layer.4.weight"),
        settings=MappingProxyType({**_IMAGENET, "head": "bayesian", "output_scale": 1.0}),
    ),
    Layout(
        ("can",),
        "a CAN",
        _same,
        ("frontend.0.weight", "context.weight_net.weight", "output_layer.weight"),
        settings=MappingProxyType({**_IMAGENET, "output_scale": 1.0}),
    ),
    Layout(
        ("sfanet",),
        "an SFANet",
        sfanet.own_name,
        ("vgg.conv1_1.conv.weight", "amp.conv1.conv.weight", "dmp.conv1.conv.weight"),
        settings=MappingProxyType({**_IMAGENET, "output_scale": 1.0}),
    ),
    Layout(
        ("p2pnet",),
        "a P2PNet",
        p2pnet.own_name,
        ("backbone.body1.0.weight", "backbone.body4.1.weight", "fpn.P4_1.weight", "classification.output.weight"),
        settings=_IMAGENET,
    ),
    *FRONT_ENDS,
)
"""Whole counters first: a file is read by the first layout that fits it."""


def find_layout(kind: str, names: Iterable[str], *, front_end: bool = False) -> Found | None:
    """The layout of a file with these tensors that a counter of this kind can take, or None.

    Args:
        kind: the counter's.
        names: the file's tensors.
        front_end: take the front end alone, also from a file that holds a whole counter.
    """
    layouts = [layout for layout in (FRONT_ENDS if front_end else LAYOUTS) if kind in layout.kinds]
    return next(iter(_fitting(layouts, names)), None)


def find_kinds(names: Iterable[str]) -> list[Found]:
    """The layouts of whole counters, of any kind, that a file with these tensors has."""
    return _fitting([layout for layout in LAYOUTS if layout.whole], names)


def nearest_layout(names: Iterable[str]) -> tuple[Layout, str, str] | None:
    """The layout of which a file has most marks and not all: with the first that it has and the first that it lacks.

    Whole counters come before front ends; None where a file has no mark, or no more than half, of any.
    """
    held = set(names)
    best: tuple[float, Layout, str, str] | None = None
    for layout in LAYOUTS:
        if any(stranger in held for stranger in layout.strangers):
            continue
        has = [mark for mark in layout.marks if mark in held]
        lacks = [mark for mark in layout.marks if mark not in held]
        share = len(has) / len(layout.marks)
        if lacks and share > 0.5 and (best is None or share > best[0]):
            best = (share, layout, has[-1], lacks[0])
    return None if best is None else best[1:]


def _fitting(layouts: Sequence[Layout], names: Iterable[str]) -> list[Found]:
    held = list(names)
    prefixes = [(layout, layout.prefix_in(held)) for layout in layouts]
    return [Found(layout, prefix) for layout, prefix in prefixes if prefix is not None]
