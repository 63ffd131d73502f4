"""Any backbone of timm below a light decoder: the counter for real crowds that trains on CPU cores."""

from collections.abc import Callable, Sequence
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import Field, validate_call
from torch import Tensor, cat, nn

from countguard.data.kernels import Fixed, Kernel
from countguard.models.clip_blockwise import doubled
from countguard.models.counter import Counter, Mean, OutputScale, Std
from countguard.models.initialization import init_head, init_kaiming
from countguard.models.registry import counter
from countguard.models.steps import State, Step
from countguard.models.timm_features import feature_network, laid_out, public_configuration
from countguard.models.timm_weights import LITE0, PACKAGED_MEAN, PACKAGED_STD, packaged_lite0, timms_own

Backbone: TypeAlias = Annotated[str, Field(pattern=r"^[a-z0-9_]+(\.[a-z0-9_]+)?$", max_length=100)]
"""A name of timm's registry, which a dot and the name of its weights may follow; no path and no hub."""
Width: TypeAlias = Annotated[int, Field(ge=1, le=1024)]
START = 0.2
"""People per map cell before training: of the order of a crowd, so that the first steps need not find the scale."""
CONTEXT = 64
"""Pixels that a tile sees at least beyond its core: where a backbone sees all of a picture, no radius is exact."""
LARGEST_MARGIN = 512
"""Pixels; a tile is not to be all margin where a bound of the radius is large, as with many layers side by side."""


@counter("timm")
class TimmCounter(Counter):
    """Features at the map's stride and at twice that, decoded by 3x3 convolutions with batch norm and a 1x1.

    The output is linear: behind a last ReLU a training at the default's rate died in its second epoch.

    What a backbone has at twice the stride alone, as a vision transformer with patches of 16 pixels at stride 8, is
    enlarged. Backbones that see all of a picture at once (attention, squeeze-and-excitation), or farther than
    `LARGEST_MARGIN`, count large images, in tiles, only approximately as they would count the whole.

    Args:
        backbone: a name that `timm.list_models()` gives.
        stride: side of a map cell, pixels.
        decoder: widths of the 3x3 convolutions.
        mean, std: by default what timm says that the backbone's public weights want.
        output_scale, kernel: see `Counter`.

    Raises:
        InputError: timm is not installed, has no such backbone, or the backbone has no maps that fit.
    """

    pretrained = ("imagenet", "imagenet-packaged")

    @validate_call
    def __init__(
        self,
        *,
        backbone: Backbone = LITE0,
        stride: Literal[8, 16] = 8,
        decoder: Annotated[tuple[Width, ...], Field(min_length=1, max_length=8)] = (128, 64),
        mean: Mean | None = None,
        std: Std | None = None,
        output_scale: OutputScale = 1.0,
        kernel: Kernel = Fixed(15.0),
    ) -> None:
        public = public_configuration(backbone)
        super().__init__(
            mean=mean or tuple(public.mean), std=std or tuple(public.std), output_scale=output_scale, kernel=kernel
        )
        self._normalisation_given = mean is not None or std is not None
        self.stride = stride
        self.features = feature_network(backbone, stride)
        self.align = max(stride, *self.features.strides)
        self.backbone = self.features.build()
        self.decoder = nn.Sequential()
        channels = sum(self.features.channels)
        for width in decoder:
            self.decoder.append(nn.Conv2d(channels, width, 3, padding=1, bias=False))
            self.decoder.append(nn.BatchNorm2d(width))
            self.decoder.append(nn.ReLU(inplace=True))
            channels = width
        self.head = nn.Conv2d(channels, 1, 1)
        init_kaiming(self.decoder)
        init_head(self.head, std=0.01, bias=START)
        # behind the backbone, a 3x3 convolution sees one map cell around, enlarging one of twice that side
        margin = max(CONTEXT, self.features.radius) + stride * len(decoder) + 2 * stride
        self.margin = min(margin, LARGEST_MARGIN)

    def density(self, normalised: Tensor) -> Tensor:
        """See `Counter.density`; people per map cell."""
        return self.decoded(self.backbone(normalised))

    def decoded(self, maps: Sequence[Tensor]) -> Tensor:
        """The density from the backbone's maps, finest first."""
        features = self.features
        found = [laid_out(map_, channels) for map_, channels in zip(maps, features.channels, strict=True)]
        at_stride = [
            map_ if stride == self.stride else doubled(map_)
            for map_, stride in zip(found, features.strides, strict=True)
        ]
        density: Tensor = self.head(self.decoder(cat(at_stride, dim=1)))
        return density

    def load_pretrained(self, name: str) -> None:
        """See `Counter.load_pretrained`; fills the backbone.

        "imagenet" is what timm downloads for it. "imagenet-packaged" is for the default backbone alone, and needs no
        network but a package of the extra `timm`.
        """
        if name == "imagenet":
            state = timms_own(self.features)
        else:
            state = packaged_lite0(self.features.backbone)
            if not self._normalisation_given:
                self._normalise_by((PACKAGED_MEAN,) * 3, (PACKAGED_STD,) * 3)
        names = self.backbone.state_dict().keys()
        self.backbone.load_state_dict({name: state[name] for name in names})

    def steps(self) -> list[Step]:
        """See `Counter.steps`; each module of a backbone that is a list of them is one, any other backbone is one."""
        backbone, maps = self.backbone, getattr(self.backbone, "return_layers", None)
        last = Step("decoder", lambda state: (self.decoded(state),))
        if maps is None or not isinstance(backbone, nn.ModuleDict):
            return [Step("backbone", lambda state: tuple(backbone(state[0]))), last]
        steps, found = [], 0
        for name, module in backbone.items():
            steps.append(Step(f"backbone.{name}", _behind(module, found)))
            found += name in maps
        return [*steps, last]

    def explained_layer(self) -> nn.Module:
        """The decoder's first ReLU; at its last one, Grad-CAM is all but the density itself."""
        return self.decoder[2]

    def settings(self) -> dict[str, Any]:
        """See `Counter.settings`."""
        widths = [layer.out_channels for layer in self.decoder if isinstance(layer, nn.Conv2d)]
        return super().settings() | {"backbone": self.features.backbone, "stride": self.stride, "decoder": widths}

    def _normalise_by(self, mean: Mean, std: Std) -> None:
        self._mean_and_std = (mean, std)
        for buffer, values in ((self.mean, mean), (self.std, std)):
            buffer.copy_(buffer.new_tensor(values).view(3, 1, 1))


def _behind(module: nn.Module, found: int) -> Callable[[State], State]:
    """Keeps the maps that were found before a module, and lets the module take the last one further."""
    return lambda state: (*state[:found], module(state[-1]))
