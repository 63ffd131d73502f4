"""ImageNet's VGG-16 through torchvision, with a clear word where it cannot be had."""

from collections.abc import Mapping
from pathlib import Path
from urllib.error import URLError
from urllib.request import Request, urlopen

import torch
from torch import Tensor

from countguard.errors import InputError

SECONDS = 10
"""How long a server may take to answer before the weights count as unavailable."""


def vgg_features() -> dict[str, Tensor]:
    """VGG-16's convolutions to conv4_3, named as torchvision's `features` names them: "0.weight", "0.bias", ...

    Read from torch's own cache; downloaded into it (528 MB) on first use.

    Raises:
        InputError: the weights are neither in the cache nor to be downloaded.
    """
    from torchvision.models import VGG16_Weights

    weights = VGG16_Weights.IMAGENET1K_V1
    cached = Path(torch.hub.get_dir()) / "checkpoints" / Path(weights.url).name
    if not cached.exists():
        _check_reachable(weights.url, cached)
    try:
        state: Mapping[str, Tensor] = weights.get_state_dict(progress=False, check_hash=True, weights_only=True)
    except Exception as error:  # a damaged file provokes anything in torch's reader
        raise InputError(f"model.weights 'imagenet': {cached} cannot be read ({_one_line(error)})") from None
    names = [name.removeprefix("features.") for name in state if name.startswith("features.")]
    return {name: state[f"features.{name}"] for name in names if int(name.partition(".")[0]) <= 21}


def _check_reachable(url: str, cached: Path) -> None:
    try:
        urlopen(Request(url, method="HEAD"), timeout=SECONDS).close()
    except (URLError, OSError) as error:
        raise InputError(
            f"model.weights 'imagenet': {url} cannot be downloaded ({_one_line(error)}); put it at {cached}, or name "
            "a .safetensors file of VGG-16 or of a CSRNet as FILE#frontend"
        ) from None


def _one_line(error: Exception) -> str:
    return str(getattr(error, "reason", error)).splitlines()[0]
