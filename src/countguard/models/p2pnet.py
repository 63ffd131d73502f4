"""P2PNet: a counter that says where every head is (Song et al., ICCV 2021)."""

from collections.abc import Sequence
from itertools import pairwise
from math import log
from typing import Annotated, Any

import torch
from pydantic import Field, validate_call
from torch import Tensor, nn
from torch.nn import functional

from countguard.data.kernels import Fixed, Kernel
from countguard.errors import InputError
from countguard.models.counter import IMAGENET_MEAN, IMAGENET_STD, Counter, Mean, Std
from countguard.models.imagenet import vgg_features
from countguard.models.initialization import init_head, init_kaiming
from countguard.models.point_losses import anchors, guidance_loss, matching_loss
from countguard.models.registry import counter
from countguard.models.vgg import VGG16, scaled, vgg

ANCHORS = 2
"""Anchors on a side of a map cell: four in all, evenly spread."""
REACH = 100.0
"""Pixels for one unit of the regression's output."""
PARTS = (13, 23, 33, 43)
"""Where VGG-16 with batch norm is cut: its parts end at strides 2, 4, 8 and 16."""
CROWDED = 0.1
"""Share of anchors that are heads, as an untrained counter expects it: of the order of a crowd."""
Width = Annotated[float, Field(gt=0, le=1)]


class Pyramid(nn.Module):
    """The features at stride 8, with those at stride 16 added."""

    def __init__(self, finer: int, coarser: int, width: int) -> None:
        super().__init__()
        self.P5_1 = nn.Conv2d(coarser, width, 1)
        self.P4_1 = nn.Conv2d(finer, width, 1)
        self.P4_2 = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, finer: Tensor, coarser: Tensor) -> Tensor:
        """[B, C, h, w] and [B, D, h/2, w/2] to [B, width, h, w]."""
        above = functional.interpolate(self.P5_1(coarser), scale_factor=2, mode="nearest")
        merged: Tensor = self.P4_2(above + self.P4_1(finer))
        return merged


class Branch(nn.Module):
    """Two convolutions, and one to two numbers for each anchor."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(width, width, 3, padding=1)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1)
        self.output = nn.Conv2d(width, 2 * ANCHORS**2, 3, padding=1)

    def forward(self, features: Tensor) -> Tensor:
        """[B, width, h, w] to [B, 2, ANCHORS * h, ANCHORS * w]: the anchors as they lie in the image."""
        numbers: Tensor = self.output(self.conv2(self.conv1(features).relu()).relu())
        laid_out: Tensor = numbers.unflatten(1, (ANCHORS, ANCHORS, 2))  # type: ignore[no-untyped-call]
        return laid_out.permute(0, 3, 4, 1, 5, 2).flatten(4, 5).flatten(2, 3)


@counter("p2pnet")
class P2PNet(Counter):
    """VGG-16 with batch norm, and for each of four anchors a map cell whether it is a head, and where that lies.

    18.0 million parameters. Its count is a whole number: of the anchors whose score is above the threshold. The
    density has each in its anchor's map cell; its gradient, which Grad-CAM takes, is that of the scores.

    Args:
        mean, std, kernel: see `Counter`; the kernel is for drawing true maps alone.
        width: share of the published widths; ImageNet's weights need all of it.
        threshold: score from which on an anchor is a head.
        point_weight: of the squared distance of matched points, beside the classification.
        background_weight: of an anchor that is no head, in the classification.
        distance_cost: of a pixel in the matching, beside the score.
        guidance: weight of APGCC's auxiliary points (Chen et al., ECCV 2024), 0.2 there; 0 trains as P2PNet does.
    """

    align = 16
    margin = 144  # the receptive field reaches 139 pixels past a map cell
    pretrained = ("imagenet",)
    compiled_method = "fields"
    network = "fields"

    @validate_call
    def __init__(
        self,
        *,
        mean: Mean = IMAGENET_MEAN,
        std: Std = IMAGENET_STD,
        kernel: Kernel = Fixed(4.0),
        width: Width = 1.0,
        threshold: Annotated[float, Field(gt=0, lt=1)] = 0.5,
        point_weight: Annotated[float, Field(ge=0, le=100)] = 2e-4,
        background_weight: Annotated[float, Field(gt=0, le=1)] = 0.5,
        distance_cost: Annotated[float, Field(ge=0, le=100)] = 0.05,
        guidance: Annotated[float, Field(ge=0, le=100)] = 0.0,
    ) -> None:
        super().__init__(mean=mean, std=std, kernel=kernel)
        self.width, self.threshold = width, threshold
        self.point_weight, self.background_weight = point_weight, background_weight
        self.distance_cost, self.guidance = distance_cost, guidance
        layers = vgg(VGG16, share=width, batch_norm=True)
        self.backbone = nn.ModuleDict(
            {
                f"body{part}": nn.Sequential(*layers[start:end])
                for part, (start, end) in enumerate(pairwise((0, *PARTS)), 1)
            }
        )
        deep, features = scaled(512, width), scaled(256, width)
        self.fpn = Pyramid(deep, deep, features)
        self.regression, self.classification = Branch(features), Branch(features)
        init_kaiming(self)
        for branch in (self.regression, self.classification):
            init_head(branch.output, std=0.01, bias=0.0)
        with torch.no_grad():
            assert self.classification.output.bias is not None
            self.classification.output.bias[1::2] = log(CROWDED / (1 - CROWDED))

    def fields(self, normalised: Tensor) -> Tensor:
        """Normalised images to [B, 4, h, w], one place an anchor: its two logits, and where its head lies, pixels.

        The logits are of background and of a head; x and y are relative to the anchor.
        """
        finer = normalised
        for part in ("body1", "body2", "body3"):
            finer = self.backbone[part](finer)
        features = self.fpn(finer, self.backbone["body4"](finer))
        return torch.cat([self.classification(features), REACH * self.regression(features)], dim=1)

    def density(self, normalised: Tensor) -> Tensor:
        """See `Counter.density`; whole people, with the gradient of the scores."""
        return self._per_cell(self.fields(normalised))

    def _per_cell(self, fields: Tensor) -> Tensor:
        scores = scores_of(fields)
        people = (scores > self.threshold).to(scores.dtype)
        if torch.is_grad_enabled():
            people = people + scores - scores.detach()
        return functional.avg_pool2d(people, ANCHORS) * ANCHORS**2

    def loss(
        self,
        images: Tensor,
        points: Sequence[Tensor],
        *,
        kernels: Sequence[Kernel | None] | None = None,
        weights: Tensor | None = None,
    ) -> Tensor:
        """Cross-entropy and squared distance after each head is matched with an anchor's point, one to one.

        See `Counter.loss` for the arguments, `countguard.models.point_losses` for the terms.
        """
        fields = self.fields(self.normalise(images)).float()
        heads = [some.to(images.device, non_blocking=True) for some in points]
        spacing = self.stride / ANCHORS
        losses = matching_loss(
            fields,
            heads,
            spacing,
            point_weight=self.point_weight,
            background_weight=self.background_weight,
            distance_cost=self.distance_cost,
        )
        if self.guidance:
            losses = losses + self.guidance * guidance_loss(fields, heads, spacing, self.point_weight)
        return losses.mean() if weights is None else (losses * weights).mean()

    def outputs(self, images: Tensor) -> tuple[Tensor, Tensor | None]:
        """See `Counter.outputs`; a place for each anchor."""
        fields = self._cropped_fields(images)
        located = anchors(fields, self.stride / ANCHORS) + fields[:, 2:].flatten(2)
        return self._per_cell(fields), torch.cat([located, scores_of(fields).flatten(2)], dim=1).transpose(1, 2)

    def heads(self, images: Tensor) -> list[Tensor] | None:
        """See `Counter.heads`; as many as `count` counts."""
        height, width = images.shape[-2:]
        with self.evaluating(), torch.inference_mode():  # whole cells of anchors, so that no tile cuts one
            cells = self._anywhere(
                images, lambda tile: functional.pixel_unshuffle(self._cropped_fields(tile), ANCHORS), stride=self.stride
            )
            fields = functional.pixel_shuffle(cells, ANCHORS)
        found = []
        for image in fields:
            rows, columns = (scores_of(image[None])[0, 0] > self.threshold).nonzero(as_tuple=True)
            anchors = (torch.stack([columns, rows], dim=1) + 0.5) * (self.stride / ANCHORS)
            found.append((anchors + image[2:, rows, columns].T).cpu())
        last = torch.tensor([width, height])
        return [heads.clamp_min(0).minimum(last) for heads in found]

    def _cropped_fields(self, images: Tensor) -> Tensor:
        """The fields of the map cells that the images have, without those of their padding."""
        rows, columns = ((side + self.stride - 1) // self.stride * ANCHORS for side in images.shape[-2:])
        return self.fields(self.normalise(images))[..., :rows, :columns].float()

    def load_pretrained(self, name: str) -> None:
        """See `Counter.load_pretrained`; "imagenet" fills the backbone.

        Raises:
            InputError: the weights cannot be had, or the network is narrower than they are.
        """
        if self.width != 1.0:
            raise InputError(f"model.weights {name!r}: are those of the whole width; model.width is {self.width}")
        state = {vgg_name(f"features.{place}"): value for place, value in vgg_features("vgg16_bn", last=42).items()}
        self.backbone.load_state_dict({name.removeprefix("backbone."): value for name, value in state.items() if name})

    def settings(self) -> dict[str, Any]:
        """See `Counter.settings`."""
        settings = super().settings()
        del settings["output_scale"]  # points are people
        own = ("width", "threshold", "point_weight", "background_weight", "distance_cost", "guidance")
        return settings | {name: getattr(self, name) for name in own}

    def explained_layer(self) -> nn.Module:
        """The pyramid's features, before the two branches part."""
        return self.fpn


def scores_of(fields: Tensor) -> Tensor:
    """How likely each anchor is a head: [B, 4, h, w] to [B, 1, h, w]."""
    return fields[:, :2].softmax(dim=1)[:, 1:]


def own_name(name: str) -> str | None:
    """A tensor's name in `P2PNet`; None for layers that the published network has and does not use."""
    unused = ("fpn.P5_2.", "fpn.P3_", "regression.conv3.", "regression.conv4.", "classification.conv3.")
    return None if name.startswith((*unused, "classification.conv4.", "anchor_points.")) else name


def vgg_name(name: str) -> str | None:
    """A tensor's name in `P2PNet`, from torchvision's VGG-16 with batch norm; None for what lies behind conv5_3."""
    group, _, rest = name.partition(".")
    place, _, part = rest.partition(".")
    if group != "features" or not place.isdecimal() or int(place) >= PARTS[-1]:
        return None
    body = next(number for number, end in enumerate(PARTS) if int(place) < end)
    start = (0, *PARTS)[body]
    return f"backbone.body{body + 1}.{int(place) - start}.{part}"
