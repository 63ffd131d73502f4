"""timm's backbones as feature networks: which maps they have, at which strides, and how far a map cell sees."""

from contextlib import suppress
from copy import deepcopy
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn

from countguard.errors import InputError

PROBED = (64, 128)
"""Height and width of the picture, on no device, at which a backbone's maps are looked at."""
SIZES: tuple[dict[str, Any], ...] = ({}, {"dynamic_img_size": True}, {"strict_img_size": False})
"""What makes a backbone take pictures of any size, in the order in which it is tried."""

SHORTENED: dict[str, Any] = {"feature_cfg": {"feature_cls": "list", "flatten_sequential": True}}
"""Makes a backbone that would keep all of its layers a list that ends with its last map."""


@dataclass(frozen=True, slots=True)
class FeatureNetwork:
    """How timm builds a feature network, and what it gives.

    Attributes:
        backbone: its name, maybe with that of its weights.
        options: of `timm.create_model`.
        channels: of each map, finest first.
        strides: of each map, pixels.
        radius: pixels beyond a map cell that no path of convolutions and poolings leaves; what attention or a global
            mean sees is not in it.
    """

    backbone: str
    options: dict[str, Any]
    channels: tuple[int, ...]
    strides: tuple[int, ...]
    radius: int

    def build(self, *, pretrained: bool = False) -> nn.Module:
        """The network: images [B, 3, H, W], normalised, to a list of maps."""
        network: nn.Module = _created(self.backbone, self.options, pretrained=pretrained)
        return network


def timm() -> Any:
    """The package timm.

    Raises:
        InputError: it is not installed.
    """
    try:
        import timm as package
    except ImportError:
        raise InputError("model.kind: timm needs timm; install it with: pip install 'countguard[timm]'") from None
    return package


def public_configuration(backbone: str) -> Any:
    """What timm says of a backbone's public weights: `mean`, `std`, `hf_hub_id`, ...

    Raises:
        InputError: timm is not installed or has no such backbone.
    """
    package = timm()
    architecture, _, weights = backbone.partition(".")
    if not package.is_model(architecture):
        raise InputError(
            f"model.backbone: timm {package.__version__} has no {architecture!r}; timm.list_models() names what it has"
        )
    with suppress(RuntimeError):
        if (known := package.get_pretrained_cfg(backbone)) is not None:
            return known
    raise InputError(f"model.backbone: timm {package.__version__} knows no weights {weights!r} of {architecture}")


@cache
def feature_network(backbone: str, stride: int) -> FeatureNetwork:
    """How to build the backbone for a counter of this stride, without layers that its maps do not need.

    The maps are the last ones at `stride` and at twice that, or one of them where the backbone has no other.

    Raises:
        InputError: it has neither, or takes pictures of one size only.
    """
    with torch.device("meta"):  # shapes alone
        options, known = _for_any_size(backbone)
        levels = {int(level["reduction"]): index for index, level in enumerate(known)}
        used = {level: levels[level] for level in (stride, 2 * stride) if level in levels}
        if not used:
            raise InputError(
                f"model.backbone: {backbone} has maps at strides {', '.join(map(str, sorted(levels)))}; "
                f"model.stride: {stride} needs one at {stride} or {2 * stride}"
            )
        options = options | {"out_indices": tuple(sorted(used.values()))}
        network = _created(backbone, options)
        channels = tuple(int(known[index]["num_chs"]) for index in options["out_indices"])
        return FeatureNetwork(backbone, options, channels, tuple(used), _radius(network))


def laid_out(features: Tensor, channels: int) -> Tensor:
    """A map [B, C, h, w], also where the backbone gives [B, h, w, C]."""
    return features if features.shape[1] == channels else features.permute(0, 3, 1, 2)


def _created(backbone: str, options: dict[str, Any], *, pretrained: bool = False) -> Any:
    """A feature network; timm changes the options that it is given."""
    return timm().create_model(backbone, pretrained=pretrained, features_only=True, **deepcopy(options))


def _for_any_size(backbone: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Options with which the backbone takes a picture of size `PROBED`, and what timm knows of all its maps."""
    refusals: list[str] = []
    for size in SIZES:
        try:
            network = _created(backbone, size)
            if not isinstance(network, nn.ModuleDict):
                with suppress(AssertionError):  # which says that it is no list of layers
                    network, size = _created(backbone, size | SHORTENED), size | SHORTENED
            network.eval()(torch.empty(1, 3, *PROBED))
        except Exception as error:  # each architecture has words of its own for what it cannot do
            if not isinstance(error, TypeError):  # which says that it knows no such option
                refusals.append((str(error).splitlines() or [type(error).__name__])[0][:120])
        else:
            return size, network.feature_info.info
    raise InputError(f"model.backbone: {backbone} gives no maps of a picture of any size ({refusals[-1]})")


@torch.no_grad()
def _radius(network: nn.Module) -> int:
    """The sum over all convolutions and poolings: no path leads through one of them twice."""
    reach = 0

    def add(layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal reach
        pixels = PROBED[1] / inputs[0].shape[-1]
        cells = (_largest(layer, "dilation") * (_largest(layer, "kernel_size") - 1) + 1) // 2
        reach += round(pixels * cells)

    windowed = [layer for layer in network.modules() if isinstance(getattr(layer, "kernel_size", None), int | tuple)]
    handles = [layer.register_forward_hook(add) for layer in windowed]
    network.eval()(torch.empty(1, 3, *PROBED))
    for handle in handles:
        handle.remove()
    return reach


def _largest(layer: nn.Module, name: str) -> int:
    value = getattr(layer, name, 1)
    return max(value) if isinstance(value, tuple) else int(value)
