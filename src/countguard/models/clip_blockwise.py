"""What CLIP-EBC's kinds share: map cells are sorted by how their image features agree with the bins' text features."""

from abc import abstractmethod
from collections.abc import Collection
from math import log
from typing import Any, ClassVar, Literal, TypeAlias

import torch
from pydantic import validate_call
from torch import Tensor, nn
from torch.nn import functional

from countguard.data.kernels import Kernel
from countguard.models.bins import Bins
from countguard.models.blockwise import BlockwiseCounter, Objective
from countguard.models.clip_weights import is_clip, public_weights, read_clip, text_features
from countguard.models.counter import Mean, Std
from countguard.models.initialization import init_kaiming, init_projection
from countguard.models.weights_file import WeightsFile

Decoding: TypeAlias = Literal["after_upsample", "before_upsample"]
"""Whether features are decoded at stride 8, as the paper does, or at 16, which takes 2.7 times fewer operations."""


class ClipBlockwise(BlockwiseCounter):
    """CLIP-EBC (Ma et al., 2024) over any trunk of stride 16.

    Its text features never change: they are a buffer of the checkpoint. With random weights they are orthonormal.

    Args:
        channels: of the trunk's features.
        embedding: length of the text features.
        decoder: of `channels` in and out.
        decoding: see `Decoding`.
        mean, std, kernel, bins, objective: see `BlockwiseCounter`.
    """

    align = 16
    pretrained = ("openai",)
    architecture: ClassVar[str]
    """As open_clip names it."""
    repository: ClassVar[str]
    """Where OpenAI's weights lie on the Hugging Face hub."""

    @validate_call(config={"arbitrary_types_allowed": True})
    def __init__(
        self,
        *,
        channels: int,
        embedding: int,
        decoder: nn.Module,
        decoding: Decoding,
        mean: Mean,
        std: Std,
        kernel: Kernel,
        bins: Bins,
        objective: Objective,
    ) -> None:
        super().__init__(mean=mean, std=std, kernel=kernel, bins=bins, objective=objective)
        self.decoding = decoding
        self.decoder = decoder
        self.projection = nn.Conv2d(channels, embedding, 1)
        init_kaiming(self.decoder)
        init_projection(self.projection)
        self.register_buffer("text_features", nn.init.orthogonal_(torch.empty(bins.number, embedding)))
        self.text_features: Tensor
        self.logit_scale = nn.Parameter(torch.tensor(log(1 / 0.07)))

    @abstractmethod
    def features(self, normalised: Tensor) -> Tensor:
        """The trunk's features [B, channels, H/16, W/16] of normalised images [B, 3, H, W]."""

    @abstractmethod
    def load_trunk(self, visual: nn.Module) -> None:
        """Take the weights of open_clip's image tower."""

    def logits(self, normalised: Tensor) -> Tensor:
        """See `BlockwiseCounter.logits`: cosines of image and text features times the trained scale."""
        features = self.features(normalised)
        if self.decoding == "after_upsample":
            embedded: Tensor = self.projection(self.decoder(doubled(features)))
        else:
            embedded = doubled(self.projection(self.decoder(features)))
        agreement = torch.einsum("bchw,nc->bnhw", functional.normalize(embedded, dim=1), self.text_features)
        return agreement * self.logit_scale.exp()

    def load_pretrained(self, name: str) -> None:
        """See `Counter.load_pretrained`; "openai" fills the trunk and the text features."""
        self.load_public(public_weights(self.repository))

    @classmethod
    def takes(cls, names: Collection[str]) -> bool:
        """See `Counter.takes`: a whole CLIP as open_clip saves it."""
        return is_clip(names)

    def load_public(self, file: WeightsFile) -> None:
        """See `Counter.load_public`; fills the trunk and the text features."""
        model = read_clip(file, self.architecture)
        self.load_trunk(model.visual)
        self.text_features.copy_(text_features(model, self.architecture, self.bins))

    def settings(self) -> dict[str, Any]:
        """See `Counter.settings`."""
        return super().settings() | {"decoding": self.decoding}


def doubled(features: Tensor) -> Tensor:
    """Features [B, C, h, w] at twice the size [B, C, 2h, 2w], as bilinear interpolation without aligned corners has it.

    In slices, for the gradient of torch's own is a scatter, which on a GPU takes longer than the whole network where
    results must repeat.
    """
    for dim in (2, 3):
        side = features.shape[dim]
        first, last = features.narrow(dim, 0, 1), features.narrow(dim, side - 1, 1)
        before = torch.cat([first, features.narrow(dim, 0, side - 1)], dim)
        after = torch.cat([features.narrow(dim, 1, side - 1), last], dim)
        near = 0.75 * features
        features = torch.stack([near + 0.25 * before, near + 0.25 * after], dim + 1).flatten(dim, dim + 1)
    return features.contiguous(memory_format=torch.channels_last)
