"""VGG-19 with a regression head: the network of DM-Count and of Bayesian counting."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import Field, validate_call
from torch import Tensor, nn
from torch.nn import functional

from countguard.data.kernels import Dots, Kernel
from countguard.errors import InputError
from countguard.models.bayesian_loss import bayesian_loss
from countguard.models.count_losses import dm_count
from countguard.models.counter import IMAGENET_MEAN, IMAGENET_STD, Counter, Mean, OutputScale, Std
from countguard.models.imagenet import vgg_features
from countguard.models.initialization import init_kaiming
from countguard.models.registry import counter
from countguard.models.vgg import VGG19, scaled, vgg

Head: TypeAlias = Literal["dm_count", "bayesian"]
"""How the density is kept from being negative: by a ReLU, or by its absolute value."""
Width: TypeAlias = Annotated[float, Field(gt=0, le=1)]
"""Share of the published widths."""

LEAST = 1e-8
"""People in every map cell while the transport is computed, which has no place for map cells that hold nobody."""


@counter("dm_count")
class DMCount(Counter):
    """VGG-19 to conv5_4, doubled to stride 8, two 3x3 convolutions and a 1x1; 21.5 million parameters.

    Wang et al., NeurIPS 2020, and Ma et al., ICCV 2019, whose network differs in its last step. People per map
    cell, never negative.

    Args:
        mean, std, output_scale, kernel: see `Counter`; the kernel matters only where the objective is "density".
        head: see `Head`.
        objective: what is minimised: DM-Count's loss, the Bayesian one, or the squared error of the density; None for
            the head's own.
        width: share of the published widths; ImageNet's weights need all of it.
    """

    align = 16
    margin = 160  # the receptive field reaches 150 pixels past a map cell, since doubling moves it by up to half of one
    pretrained = ("imagenet",)
    compiled_method = "density"

    @validate_call
    def __init__(
        self,
        *,
        mean: Mean = IMAGENET_MEAN,
        std: Std = IMAGENET_STD,
        output_scale: OutputScale = 1.0,
        kernel: Kernel = Dots(),
        head: Head = "dm_count",
        objective: Literal["dm_count", "bayesian", "density"] | None = None,
        width: Width = 1.0,
    ) -> None:
        super().__init__(mean=mean, std=std, output_scale=output_scale, kernel=kernel)
        self.head, self.width = head, width
        self.objective = objective or head
        self.features = vgg(VGG19, share=width)
        deep, middle, shallow = (scaled(channels, width) for channels in (512, 256, 128))
        self.regression = nn.Sequential(
            nn.Conv2d(deep, middle, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(middle, shallow, 3, padding=1),
            nn.ReLU(inplace=True),
        )
        self.output = nn.Conv2d(shallow, 1, 1)
        init_kaiming(self)
        nn.init.uniform_(self.output.weight, 0.0, 0.01)  # above 0 its last ReLU starts alive

    def density(self, normalised: Tensor) -> Tensor:
        """See `Counter.density`."""
        features = functional.interpolate(
            self.features(normalised), scale_factor=2, mode="bilinear", align_corners=True
        )
        density: Tensor = self.output(self.regression(features))
        return density.relu() if self.head == "dm_count" else density.abs()

    def loss(
        self,
        images: Tensor,
        points: Sequence[Tensor],
        *,
        kernels: Sequence[Kernel | None] | None = None,
        weights: Tensor | None = None,
    ) -> Tensor:
        """See `Counter.loss` and `objective`."""
        if self.objective == "density":
            return super().loss(images, points, kernels=kernels, weights=weights)
        density = self(images)
        heads = [some.to(images.device, non_blocking=True) for some in points]
        if self.objective == "bayesian":
            losses = bayesian_loss(density, heads, self.stride)
        else:
            target = self.target(images, points, [Dots()] * len(points))
            losses = dm_count(density + LEAST, target, heads, self.stride)
        return losses.mean() if weights is None else (losses * weights).mean()

    def load_pretrained(self, name: str) -> None:
        """See `Counter.load_pretrained`; "imagenet" fills VGG-19.

        Raises:
            InputError: the weights cannot be had, or the network is narrower than they are.
        """
        if self.width != 1.0:
            raise InputError(f"model.weights {name!r}: are those of the whole width; model.width is {self.width}")
        self.features.load_state_dict(vgg_features("vgg19", last=34))

    def settings(self) -> dict[str, Any]:
        """See `Counter.settings`."""
        return super().settings() | {"head": self.head, "objective": self.objective, "width": self.width}

    def explained_layer(self) -> nn.Module:
        """The ReLU after conv5_4."""
        layer: nn.Module = self.features[-1]
        return layer


def own_name(name: str) -> str | None:
    """A tensor's name in `DMCount`, from those of both public codes; None for what lies behind conv5_4."""
    group, _, rest = name.partition(".")
    layer, _, part = rest.partition(".")
    if group == "density_layer" or (group, layer) == ("reg_layer", "4"):
        return f"output.{part}"
    if group == "reg_layer":
        return f"regression.{rest}"
    return None if group == "classifier" else name  # of torchvision's VGG-19
