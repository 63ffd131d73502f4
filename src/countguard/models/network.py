"""A network of your own as a kind of counter: it can be named in a recipe, saved, and used by every command."""

from collections.abc import Callable
from typing import Any

from pydantic import ConfigDict, validate_call
from torch import nn

from countguard.data.kernels import Fixed, Kernel
from countguard.models.counter import IMAGENET_MEAN, IMAGENET_STD, Counter, Mean, OutputScale, Std
from countguard.models.registry import counter
from countguard.models.wrap import Wrapped

Factory = Callable[..., nn.Module]
_CHECKED = ConfigDict(arbitrary_types_allowed=True)


def network(
    kind: str,
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
) -> Callable[[Factory], type[Counter]]:
    """A decorator that registers a function which builds a network as a kind of counter.

        @network("tiny", stride=4)
        def tiny(width: int = 8) -> nn.Module:
            return nn.Sequential(nn.Conv2d(3, width, 3, stride=4, padding=1), nn.ReLU(), nn.Conv2d(width, 1, 1))

    The function's arguments are settings of the counter, as `width` is here: a recipe may name them, and a checkpoint
    keeps them. They are checked against their types, because checkpoints come from strangers.

    Args:
        kind: by which recipes and checkpoints name it.
        stride: see `wrap`.
        align: see `wrap`.
        margin: see `wrap`.
        mean: see `Counter`; the default of this kind.
        std: see `Counter`; the default of this kind.
        output_scale: see `Counter`; the default of this kind.
        kernel: see `Counter`; the default of this kind.
        explained_layer: see `wrap`.
        output: see `wrap`.
    """
    defaults = {"mean": mean, "std": std, "output_scale": output_scale, "kernel": kernel}

    def enter(factory: Factory) -> type[Counter]:
        checked = validate_call(config=_CHECKED)(factory)

        class Network(Wrapped):
            __doc__ = factory.__doc__

            def __init__(self, **settings: Any) -> None:
                own = {name: settings.pop(name, default) for name, default in defaults.items()}
                super().__init__(
                    checked(**settings),
                    stride=stride,
                    align=stride if align is None else align,
                    margin=margin,
                    explained_layer=explained_layer,
                    output=output,
                    **own,
                )
                self._arguments = settings

            def settings(self) -> dict[str, Any]:
                """The counter's own settings, and the arguments that the network was built with."""
                return {**Counter.settings(self), **self._arguments}

        # found again by pickle under the name that the decorated function had
        Network.__name__, Network.__qualname__ = factory.__name__, factory.__qualname__
        Network.__module__ = factory.__module__
        return counter(kind)(Network)

    return enter
