"""A counter from any network that gives a density map."""

from collections.abc import Iterator, Mapping
from typing import Any

from torch import Tensor, nn

from countguard.data.kernels import Fixed, Kernel
from countguard.errors import InputError
from countguard.models.counter import IMAGENET_MEAN, IMAGENET_STD, Counter, Mean, OutputScale, Std


class Wrapped(Counter):
    """See `wrap`."""

    def __init__(
        self,
        module: nn.Module,
        *,
        stride: int,
        align: int,
        margin: int,
        mean: Mean,
        std: Std,
        output_scale: OutputScale,
        kernel: Kernel,
        explained_layer: str | None,
        output: int | str | None,
    ) -> None:
        super().__init__(mean=mean, std=std, output_scale=output_scale, kernel=kernel)
        self.module = module
        self.stride, self.align, self.margin = stride, align, margin
        self.explained = explained_layer
        self.output = output

    def density(self, normalised: Tensor) -> Tensor:
        """See `Counter.density`.

        Raises:
            InputError: the module's output holds no density map, several, or one of another shape.
        """
        batch, _, height, width = normalised.shape
        wanted = (batch, 1, height // self.stride, width // self.stride)
        density = self._map_of(self.module(normalised), wanted)
        if density.shape != wanted:
            raise InputError(
                f"wrap: {type(self.module).__name__} gave {tuple(density.shape)} for {tuple(normalised.shape)}; "
                f"a density map at stride {self.stride} is {wanted}"
            )
        return density

    def _map_of(self, given: object, wanted: tuple[int, ...]) -> Tensor:
        """The density map in what a module gave: that itself, the entry named, or the only tensor of that shape."""
        found = given
        if self.output is not None:
            try:
                found = given[self.output]  # type: ignore[index]
            except (KeyError, IndexError, TypeError):
                raise InputError(
                    f"wrap: {type(self.module).__name__} gave {_described(given)}; it has no entry {self.output!r}, "
                    "which output names"
                ) from None
        if isinstance(found, Tensor):
            return found
        maps = [tensor for tensor in _tensors(found) if tensor.shape == wanted]
        if len(maps) == 1:
            return maps[0]
        raise InputError(
            f"wrap: {type(self.module).__name__} gave {_described(given)} with {len(maps) or 'no'} density "
            f"map{'s' * (len(maps) > 1)} in it; name the right entry as output, or give a module whose output is the "
            f"density map [B, 1, H/{self.stride}, W/{self.stride}] alone"
        )

    def explained_layer(self) -> nn.Module:
        """The named layer, or the last convolution with more than one channel."""
        if self.explained is not None:
            return self.module.get_submodule(self.explained)
        layers = [layer for layer in self.module.modules() if isinstance(layer, nn.Conv2d) and layer.out_channels > 1]
        if not layers:
            raise InputError(f"wrap: {type(self.module).__name__} has no convolution; name its explained_layer")
        return layers[-1]

    def settings(self) -> dict[str, Any]:
        """See `Counter.settings`; without the module, so this counter cannot be built again from a file."""
        return {
            **super().settings(),
            "stride": self.stride,
            "align": self.align,
            "margin": self.margin,
            "explained_layer": self.explained,
            "output": self.output,
        }


def _tensors(given: object) -> Iterator[Tensor]:
    """All tensors in tuples, lists and mappings, in their order."""
    if isinstance(given, Tensor):
        yield given
    elif isinstance(given, Mapping | tuple | list):
        for entry in given.values() if isinstance(given, Mapping) else given:
            yield from _tensors(entry)


def _described(given: object) -> str:
    kind = f"a {type(given).__name__}"
    if isinstance(given, Mapping):
        return f"{kind} of {', '.join(map(repr, given))}"[:80]
    return f"{kind} of {len(given)}" if isinstance(given, tuple | list) else kind


def wrap(
    module: nn.Module,
    *,
    stride: int,
    align: int | None = None,
    margin: int = 128,
    mean: Mean = IMAGENET_MEAN,
    std: Std = IMAGENET_STD,
    output_scale: OutputScale = 1.0,
    kernel: Kernel = Fixed(15.0),
    explained_layer: str | None = None,
    output: int | str | None = None,
) -> Counter:
    """Makes a counter of a network; it trains, counts and is attacked like any other.

        counter = wrap(MyNetwork(), stride=8, mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25))
        counter.loss(images, points).backward()

    Args:
        module: from normalised images [B, 3, H, W] to a density map [B, 1, H/stride, W/stride], or to a tuple, list or
            dict in which that map is the only tensor of its shape.
        stride: side of a map cell, pixels.
        align: images are padded to multiples of this; the stride by default.
        margin: radius of the receptive field, pixels; used only if large images are counted in tiles.
        mean: see `Counter`.
        std: see `Counter`.
        output_scale: see `Counter`.
        kernel: see `Counter`.
        explained_layer: the submodule that Grad-CAM reads, by its dotted name; the last convolution with more than
            one channel by default.
        output: index or key of the map in the module's output, if several tensors there have its shape.

    Raises:
        InputError: `align` is no multiple of `stride`, or there is no such submodule.
    """
    align = stride if align is None else align
    if stride < 1 or align % stride:
        raise InputError(f"wrap: align must be a multiple of stride, above 0; got {align} and {stride}")
    if explained_layer is not None and explained_layer not in dict(module.named_modules()):
        raise InputError(f"wrap: {type(module).__name__} has no submodule called {explained_layer!r}")
    return Wrapped(
        module,
        stride=stride,
        align=align,
        margin=margin,
        mean=mean,
        std=std,
        output_scale=output_scale,
        kernel=kernel,
        explained_layer=explained_layer,
        output=output,
    )
