"""The base class of crowd counters: from images to people per map cell."""

from abc import abstractmethod
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated, Any, ClassVar, Literal, TypeAlias

import torch
from pydantic import Field, FiniteFloat, validate_call
from torch import Tensor, nn
from torch.nn import functional

from countguard.data.crowd import Crowd
from countguard.data.density import density_maps
from countguard.data.kernels import Fixed, Kernel
from countguard.models.hub import Origin
from countguard.models.steps import Step
from countguard.models.tiles import tiles_of
from countguard.models.weights_file import WeightsFile

Mean: TypeAlias = tuple[FiniteFloat, FiniteFloat, FiniteFloat]
"""Subtracted from red, green and blue in 0..1."""
Deviation: TypeAlias = Annotated[float, Field(gt=0, le=1e3, allow_inf_nan=False)]
Std: TypeAlias = tuple[Deviation, Deviation, Deviation]
"""Divides each channel afterwards."""
OutputScale: TypeAlias = Annotated[float, Field(gt=0, le=1e6, allow_inf_nan=False)]
"""People per unit of a network's output."""

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


class Counter(nn.Module):
    """A network that turns a picture into a density map whose sum is the number of people.

    A subclass sets `stride` and `margin`, and defines `density`: from normalised images to people per map cell, or to
    another unit if `output_scale` is not 1. A counter that does not regress a density also overrides `loss`.
    Constructors are checked by pydantic (`validate_call`), because their arguments may come from a recipe or from the
    settings in a stranger's checkpoint.

    Args:
        mean: subtracted from each channel of an image in 0..1.
        std: divides each channel afterwards.
        output_scale: people per unit of the network's output: 1 if it gives people per map cell, stride squared if it
            gives people per pixel.
        kernel: spreads the heads of images whose data set has no kernel of its own.
    """

    kind: ClassVar[str] = "custom"
    compiled_method: ClassVar[Literal["error", "logits", "density", "fields"]] = "error"
    """What a training compiles: the whole error, or the network alone if the loss needs more than a target."""
    network: ClassVar[Literal["density", "logits", "fields"]] = "density"
    """The method that is the network alone: from normalised images to its last map."""
    pretrained: ClassVar[tuple[str, ...]] = ()
    """Names of public weights that `load_pretrained` knows."""
    stride: int = 8
    """Side of a map cell, pixels."""
    align: int = 8
    """Images are padded to a multiple of this, and tiles start at a multiple of it; itself a multiple of `stride`."""
    margin: int = 0
    """Radius of the receptive field, pixels: tiles overlap by it."""
    tile: int = 1536
    """Images with a longer side are counted in tiles of this side."""

    @validate_call
    def __init__(
        self,
        *,
        mean: Mean = IMAGENET_MEAN,
        std: Std = IMAGENET_STD,
        output_scale: OutputScale = 1.0,
        kernel: Kernel = Fixed(15.0),
    ) -> None:
        super().__init__()
        self._mean_and_std = (mean, std)  # as given: the buffers round them to float32
        self.output_scale = output_scale
        self.kernel = kernel
        self.origin: Origin | None = None
        """Where its weights came from, where that was a hub; kept in checkpoints."""
        self.register_buffer("mean", torch.tensor(mean).view(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(3, 1, 1), persistent=False)
        self.mean: Tensor
        self.std: Tensor

    @abstractmethod
    def density(self, normalised: Tensor) -> Tensor:
        """Normalised images [B, 3, H, W], sides multiples of `align`, to [B, 1, H/stride, W/stride]."""

    def steps(self) -> list[Step]:
        """What `network` does, as steps in order; empty where it does not part into steps.

        From normalised images [B, 3, H, W] as the first state to a last state that is the last map alone. A training
        may then freeze the first ones, and keep what they give.
        """
        return []

    @abstractmethod
    def explained_layer(self) -> nn.Module:
        """The layer whose activations Grad-CAM reads: the last one whose features still have positions."""

    def load_pretrained(self, name: str) -> None:
        """Loads the public weights called `name`, one of `pretrained`.

        Raises:
            InputError: the weights are neither on this machine nor can they be downloaded.
        """
        raise NotImplementedError(f"{self.kind} has no public weights called {name}")

    @classmethod
    def takes(cls, names: Collection[str]) -> bool:
        """Whether a file with tensors of these names is one that `load_public` reads."""
        return False

    def load_public(self, file: WeightsFile) -> None:
        """Loads public weights that are not those of a counter, such as a whole CLIP.

        Raises:
            InputError: the tensors do not fit.
        """
        raise NotImplementedError(f"{self.kind} reads no such file")

    def prepare(self, crowds: Iterable[Crowd]) -> None:
        """Measures open settings on the clean training crowds, before a training.

        Most counters have none; blockwise classifiers measure the values of their bins.
        """

    def settings(self) -> dict[str, Any]:
        """Every argument that builds this counter again, as JSON can hold it.

        Subclasses with further arguments extend it.
        """
        return {
            "mean": list(self._mean_and_std[0]),
            "std": list(self._mean_and_std[1]),
            "output_scale": self.output_scale,
            "kernel": vars(self.kernel).copy(),
        }

    def normalise(self, images: Tensor) -> Tensor:
        """Images [B, 3, H, W] in 0..1, or uint8, to network input, padded right and bottom with the mean colour.

        Padded to `align`. Always channels_last, which is fast for convolutions, so that a count does not depend on the
        memory layout of image or weights.
        """
        if images.dtype == torch.uint8:
            images = images.to(torch.float32) / 255
        normalised = (images - self.mean) / self.std
        height, width = images.shape[-2:]
        padded = functional.pad(normalised, (0, _missing(width, self.align), 0, _missing(height, self.align)))
        return padded.contiguous(memory_format=torch.channels_last)

    def forward(self, images: Tensor) -> Tensor:
        """Images [B, 3, H, W] in 0..1 or uint8, any size, to people per map cell [B, 1, rows, columns].

        rows and columns are ceil(H/stride) and ceil(W/stride).
        """
        height, width = images.shape[-2:]
        rows, columns = ((side + self.stride - 1) // self.stride for side in (height, width))
        density: Tensor = self.density(self.normalise(images))[..., :rows, :columns]
        return density * self.output_scale

    def loss(
        self,
        images: Tensor,
        points: Sequence[Tensor],
        *,
        kernels: Sequence[Kernel | None] | None = None,
        weights: Tensor | None = None,
    ) -> Tensor:
        """The loss that a training minimises, a scalar; by default the `error` against the target.

        Args:
            images: [B, 3, H, W] in 0..1, or uint8.
            points: B tensors, float32 [heads, 2].
            kernels: one for each image; None, or a None among them, stands for the counter's own kernel.
            weights: [B], factors for the images; None for 1.
        """
        weights = torch.ones(len(points), device=images.device) if weights is None else weights
        return self.error(images, self.target(images, points, kernels), weights)

    def error(self, images: Tensor, target: Tensor, weights: Tensor) -> Tensor:
        """Squared error of the density, summed over the map, weighted mean over the batch; a scalar.

        In units of people per pixel at full size, as in CSRNet's reference code: sum((d - t)**2) / stride**2, d and
        t in people per map cell.

        Args:
            images: [B, 3, H, W] in 0..1, or uint8.
            target: true people per map cell, from `target`.
            weights: [B].
        """
        difference: Tensor = self(images) - target
        return (difference.square().sum(dim=(1, 2, 3)) * weights).mean() / self.stride**2

    def target(
        self, images: Tensor, points: Sequence[Tensor], kernels: Sequence[Kernel | None] | None = None
    ) -> Tensor:
        """True people per map cell [B, 1, ceil(H/stride), ceil(W/stride)] on the images' device."""
        chosen = [kernel or self.kernel for kernel in kernels or [None] * len(points)]
        height, width = images.shape[-2:]
        on_device = [heads.to(images.device, non_blocking=True) for heads in points]
        return density_maps(on_device, height, width, stride=self.stride, kernels=chosen)

    def count(self, images: Tensor) -> Tensor:
        """Number of people in each image [B, 3, H, W] in 0..1 or uint8: float32 [B]; see `people_per_cell`."""
        return self.people_per_cell(images).sum(dim=(1, 2, 3))

    @torch.inference_mode()
    def people_per_cell(self, images: Tensor) -> Tensor:
        """The result of `forward` without gradients, for images of any size: float32 [B, 1, rows, columns].

        Images with a side above `tile` are counted in tiles that overlap by `margin`; each tile gives only the
        map cells of its core, so that no person is counted twice. Runs in evaluation mode, and restores each layer's
        mode.
        """
        with self.evaluating():
            return self._anywhere(images, self, stride=self.stride)

    @contextmanager
    def evaluating(self) -> Iterator[None]:
        """A block in which every layer is in evaluation mode; afterwards each has its mode from before."""
        modes = [(module, module.training) for module in self.modules()]
        self.eval()
        try:
            yield
        finally:
            for module, was_training in modes:
                module.training = was_training

    def outputs(self, images: Tensor) -> tuple[Tensor, Tensor | None]:
        """What an exported file gives for images [B, 3, H, W] looked at whole: the density, and the places of heads.

        Places are [B, n, 3]: x and y, pixels, and the score from 0 to 1, of every place that may be a head; None for
        counters that give a density only.
        """
        return self(images), None

    def heads(self, images: Tensor) -> list[Tensor] | None:
        """The positions of the counted heads in images [B, 3, H, W]: B tensors, float32 [heads, 2], x then y, pixels.

        None for counters that give a density only.
        """
        return None

    def _anywhere(self, images: Tensor, network: Callable[[Tensor], Tensor], *, stride: int) -> Tensor:
        """The output of a network at a stride, [B, C, rows, columns], for images of any size; in tiles if needed."""
        bands = []
        for row in tiles_of(*images.shape[-2:], side=self.tile, margin=self.margin, align=self.align):
            band = []
            for tile in row:
                rows, columns = tile.cells(stride)
                band.append(network(tile.of(images))[..., rows, columns].float())
            bands.append(torch.cat(band, dim=3))
        return torch.cat(bands, dim=2)


def _missing(side: int, align: int) -> int:
    """What is missing to the next multiple, without negative numbers, which an ONNX graph divides differently."""
    return (align - side % align) % align
