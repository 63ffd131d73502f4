"""CLIP-EBC with CLIP's ResNet-50 (Ma et al., 2024)."""

from pydantic import validate_call
from torch import Tensor, nn

from countguard.data.kernels import Dots, Kernel
from countguard.models.bins import Bins
from countguard.models.blockwise import Objective
from countguard.models.clip_blockwise import ClipBlockwise, Decoding
from countguard.models.clip_weights import open_clip
from countguard.models.counter import IMAGENET_MEAN, IMAGENET_STD, Mean, Std
from countguard.models.decoders import bottleneck
from countguard.models.registry import counter


@counter("clip_ebc")
class ClipEBC(ClipBlockwise):
    """CLIP's ResNet-50 without its attention pool and the last stage's stride; 71.8 million trained parameters.

    Args:
        decoding: see `countguard.models.clip_blockwise.Decoding`; decoding before the upsample is not the paper's.
        mean, std, kernel, bins, objective: see `BlockwiseCounter`.

    Raises:
        InputError: open_clip is not installed.
    """

    margin = 208  # the receptive field reaches 205 pixels past a map cell
    architecture = "RN50-quickgelu"
    repository = "timm/resnet50_clip.openai"

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
    ) -> None:
        open_clip()
        from open_clip.modified_resnet import ModifiedResNet

        super().__init__(
            channels=2048,
            embedding=1024,
            decoder=bottleneck(2048),
            decoding=decoding,
            mean=mean,
            std=std,
            kernel=kernel,
            bins=bins,
            objective=objective,
        )
        self.trunk = ModifiedResNet(layers=[3, 4, 6, 3], output_dim=1024, heads=32, image_size=224, width=64)
        self.trunk.attnpool = nn.Identity()
        first = self.trunk.layer4[0]
        first.avgpool = nn.Identity()
        first.downsample[0] = nn.Identity()

    def features(self, normalised: Tensor) -> Tensor:
        """See `ClipBlockwise.features`."""
        features: Tensor = self.trunk(normalised)
        return features

    def load_trunk(self, visual: nn.Module) -> None:
        """See `ClipBlockwise.load_trunk`; the attention pool stays behind."""
        own = self.trunk.state_dict()
        self.trunk.load_state_dict({name: tensor for name, tensor in visual.state_dict().items() if name in own})

    def explained_layer(self) -> nn.Module:
        """The trunk's last stage."""
        layer: nn.Module = self.trunk.layer4
        return layer
