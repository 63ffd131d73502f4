"""CSRNet with blockwise classification: CLIP-EBC's idea without its text."""

from math import log

import torch
from pydantic import validate_call
from torch import Tensor, nn

from countguard.data.kernels import Dots, Kernel
from countguard.models.bins import Bins
from countguard.models.blockwise import BlockwiseCounter, Objective
from countguard.models.counter import IMAGENET_MEAN, IMAGENET_STD, Mean, Std
from countguard.models.csrnet import BACKEND, vgg_frontend
from countguard.models.fused import in_turn
from countguard.models.imagenet import vgg_features
from countguard.models.initialization import init_normal
from countguard.models.registry import counter
from countguard.models.steps import Step, layers_of

CROWDED = 0.05
"""Fraction of map cells with heads that an untrained counter expects: most are empty."""


@counter("csrnet_ebc")
class CSRNetEBC(BlockwiseCounter):
    """CSRNet with batch norm in the back end, and as many outputs as there are bins (Ma et al., 2024).

    Args:
        mean, std, kernel, bins, objective: see `BlockwiseCounter`.
    """

    margin = 144  # as CSRNet
    pretrained = ("imagenet",)

    @validate_call
    def __init__(
        self,
        *,
        mean: Mean = IMAGENET_MEAN,
        std: Std = IMAGENET_STD,
        kernel: Kernel = Dots(),
        bins: Bins = Bins(),
        objective: Objective = Objective(),
    ) -> None:
        super().__init__(mean=mean, std=std, kernel=kernel, bins=bins, objective=objective)
        self.frontend = vgg_frontend()
        self.backend = nn.Sequential()
        width = 512
        for channels in BACKEND:
            self.backend.append(nn.Conv2d(width, channels, 3, padding=2, dilation=2, bias=False))
            self.backend.append(nn.BatchNorm2d(channels))
            self.backend.append(nn.ReLU(inplace=True))
            width = channels
        self.output_layer = nn.Conv2d(width, bins.number, 1)
        init_normal(self)
        with torch.no_grad():
            assert self.output_layer.bias is not None
            self.output_layer.bias[0] = log(bins.truncation * (1 - CROWDED) / CROWDED)

    def logits(self, normalised: Tensor) -> Tensor:
        """See `BlockwiseCounter.logits`."""
        logits: Tensor = self.output_layer(self.backend(in_turn(self.frontend, normalised)))
        return logits

    def load_pretrained(self, name: str) -> None:
        """See `Counter.load_pretrained`; "imagenet" fills the front end."""
        self.frontend.load_state_dict(vgg_features())

    def steps(self) -> list[Step]:
        """See `Counter.steps`; each layer is one."""
        return layers_of(self, "frontend", "backend", "output_layer")

    def explained_layer(self) -> nn.Module:
        """The ReLU after conv4_3."""
        return self.frontend[-1]
