"""ImageNet's VGG-16 through torchvision, with a clear word where it cannot be had."""

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from countguard.errors import InputError
from countguard.models.downloads import check_reachable, reason


def vgg_features() -> dict[str, Tensor]:
    """VGG-16's convolutions to conv4_3, named as torchvision's `features` names them: "0.weight", "0.bias", ...

    Read from torch's own cache; downloaded into it (528 MB) on first use.

    Raises:
        InputError: the weights are neither in the cache nor to be downloaded.
    """
    from torchvision.models import VGG16_Weights

    weights = VGG16_Weights.IMAGENET1K_V1
    cached = Path(torch.hub.get_dir()) / "checkpoints" / Path(weights.url).name
    try:
        if not cached.exists():
            check_reachable(weights.url)
        state: Mapping[str, Tensor] = weights.get_state_dict(progress=False, check_hash=True, weights_only=True)
    except Exception as error:  # no network, or a damaged file, which provokes anything
        raise InputError(
            f"model.weights 'imagenet': {cached} cannot be read, nor {weights.url} downloaded ({reason(error)}); "
            "put it there, or name a .safetensors file of VGG-16, or of a CSRNet as FILE#frontend"
        ) from None
    names = [name.removeprefix("features.") for name in state if name.startswith("features.")]
    return {name: state[f"features.{name}"] for name in names if int(name.partition(".")[0]) <= 21}
