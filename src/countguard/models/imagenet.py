"""ImageNet's VGGs through torchvision, with a clear word where they cannot be had."""

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from countguard.errors import InputError
from countguard.models.downloads import check_reachable, reason


def vgg_features(network: str = "vgg16", *, last: int = 21) -> dict[str, Tensor]:
    """A VGG's first layers, named as torchvision's `features` names them: "0.weight", "0.bias", ...

    Read from torch's own cache; downloaded into it (about 550 MB) on first use.

    Args:
        network: as torchvision calls it: vgg16, vgg16_bn, vgg19.
        last: position of the last layer that is taken; by default VGG-16's conv4_3.

    Raises:
        InputError: the weights are neither in the cache nor to be downloaded.
    """
    from torchvision.models import get_model_weights

    weights = get_model_weights(network)["IMAGENET1K_V1"]
    cached = Path(torch.hub.get_dir()) / "checkpoints" / Path(weights.url).name
    try:
        if not cached.exists():
            check_reachable(weights.url)
        state: Mapping[str, Tensor] = weights.get_state_dict(progress=False, check_hash=True, weights_only=True)
    except Exception as error:  # no network, or a damaged file, which provokes anything
        other = ", or of a CSRNet as FILE#frontend" if network == "vgg16" else ""
        raise InputError(
            f"model.weights 'imagenet': {cached} cannot be read, nor {weights.url} downloaded ({reason(error)}); "
            f"put it there, or name a .safetensors file of {network}{other}"
        ) from None
    names = [name.removeprefix("features.") for name in state if name.startswith("features.")]
    return {name: state[f"features.{name}"] for name in names if int(name.partition(".")[0]) <= last}
