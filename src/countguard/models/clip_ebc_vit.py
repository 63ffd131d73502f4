"""CLIP-EBC with CLIP's ViT-B/16, frozen, steered by visual prompts (Ma et al., 2024; Jia et al., ECCV 2022)."""

from math import isqrt, sqrt
from typing import Annotated, Any

import torch
from pydantic import Field, validate_call
from torch import Tensor, nn
from torch.nn import functional

from countguard.data.kernels import Dots, Kernel
from countguard.models.bins import Bins
from countguard.models.blockwise import Objective
from countguard.models.clip_blockwise import ClipBlockwise, Decoding
from countguard.models.clip_weights import open_clip
from countguard.models.counter import IMAGENET_MEAN, IMAGENET_STD, Mean, Std
from countguard.models.decoders import basic_block
from countguard.models.registry import counter

WIDTH, LAYERS, PATCH = 768, 12, 16


@counter("clip_ebc_vit")
class ClipEBCViT(ClipBlockwise):
    """CLIP's ViT-B/16 with trained prompts in front of every layer; the trunk itself stays as it is.

    Made for the weights "openai": with random ones the frozen trunk sees little. Larger images than the crops that it
    is trained on are counted in tiles of their side, since attention spans the whole input.

    Args:
        prompts: how many tokens each layer is given.
        grid: patches on a side of the positional embedding, which is resized to each image: CLIP's own has 14.
        crop: side of the crops that it is trained on, pixels.
        decoding, mean, std, kernel, bins, objective: see `ClipEBC`.

    Raises:
        InputError: open_clip is not installed.
    """

    margin = 64  # attention knows no radius: this is context for the tiles' borders
    architecture = "ViT-B-16-quickgelu"
    repository = "timm/vit_base_patch16_clip_224.openai"

    @validate_call
    def __init__(
        self,
        *,
        mean: Mean = IMAGENET_MEAN,
        std: Std = IMAGENET_STD,
        kernel: Kernel = Dots(),
        bins: Bins = Bins(),
        objective: Objective = Objective(),
        decoding: Decoding = "after_upsample",
        prompts: Annotated[int, Field(ge=1, le=256)] = 32,
        grid: Annotated[int, Field(ge=1, le=256)] = 14,
        crop: Annotated[int, Field(ge=PATCH, le=4096, multiple_of=PATCH)] = 448,
    ) -> None:
        open_clip()
        from open_clip.transformer import QuickGELU, VisionTransformer

        super().__init__(
            channels=WIDTH,
            embedding=512,
            decoder=basic_block(WIDTH),
            decoding=decoding,
            mean=mean,
            std=std,
            kernel=kernel,
            bins=bins,
            objective=objective,
        )
        self.trunk = VisionTransformer(
            image_size=grid * PATCH,
            patch_size=PATCH,
            width=WIDTH,
            layers=LAYERS,
            heads=12,
            mlp_ratio=4.0,
            output_dim=512,
            act_layer=QuickGELU,
        ).requires_grad_(False)
        self.trunk.proj = None
        bound = sqrt(6 / (3 * PATCH + WIDTH))
        self.prompts = nn.Parameter(torch.empty(LAYERS, prompts, WIDTH).uniform_(-bound, bound))
        self.map = nn.Identity()
        self.tile = crop

    def features(self, normalised: Tensor) -> Tensor:
        """See `ClipBlockwise.features`."""
        patches = self.trunk.conv1(normalised)
        rows, columns = patches.shape[-2:]
        tokens = patches.flatten(2).transpose(1, 2)
        start = self.trunk.class_embedding.expand(len(tokens), 1, -1)
        tokens = self.trunk.ln_pre(torch.cat([start, tokens], dim=1) + self._positions(rows, columns))
        for layer, prompts in zip(self.trunk.transformer.resblocks, self.prompts, strict=True):
            prompted = torch.cat([tokens, prompts.expand(len(tokens), -1, -1)], dim=1)
            tokens = layer(prompted)[:, : tokens.shape[1]]
        seen = self.trunk.ln_post(tokens[:, 1:])
        features: Tensor = self.map(seen.transpose(1, 2).unflatten(2, (rows, columns)))
        return features

    def load_trunk(self, visual: nn.Module) -> None:
        """See `ClipBlockwise.load_trunk`; the projection of the class token stays behind."""
        own = self.trunk.state_dict()
        taken = {name: tensor for name, tensor in visual.state_dict().items() if name in own}
        taken["positional_embedding"] = resized(taken["positional_embedding"], self.trunk.grid_size)
        self.trunk.load_state_dict(taken)

    def settings(self) -> dict[str, Any]:
        """See `Counter.settings`."""
        return super().settings() | {
            "prompts": self.prompts.shape[1],
            "grid": self.trunk.grid_size[0],
            "crop": self.tile,
        }

    def explained_layer(self) -> nn.Module:
        """The trunk's last features, laid out as a map."""
        return self.map

    def _positions(self, rows: int, columns: int) -> Tensor:
        """Position embeddings [1 + rows * columns, width]: the trunk's own, resized to the image."""
        return resized(self.trunk.positional_embedding, (rows, columns))


def resized(positions: Tensor, size: tuple[int, int]) -> Tensor:
    """Position embeddings [1 + n * n, width] of a class token and of n x n patches, for patches of another size."""
    start, patches = positions[:1], positions[1:]
    side = isqrt(len(patches))
    if size == (side, side):
        return positions
    laid_out = patches.T.reshape(1, -1, side, side)
    grown = functional.interpolate(laid_out, size=size, mode="bicubic", align_corners=False)
    return torch.cat([start, grown[0].flatten(1).T])
