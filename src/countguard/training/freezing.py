"""The frozen part of a counter in a training, and its output, kept in memory."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from countguard.data.loading import Batch
from countguard.errors import InputError
from countguard.models.counter import Counter
from countguard.models.steps import State, Step, run_steps

MEMORY = 4 * 1024**3
"""Bytes of features that are kept; further ones are computed again each time."""

_log = logging.getLogger(__name__)


class Frozen:
    """The first steps of a counter, to the end of one module.

    Args:
        counter: that is trained.
        name: of a module, dotted.

    Raises:
        InputError: there is no such module, or nothing would be left to train.
    """

    def __init__(self, counter: Counter, name: str) -> None:
        self.counter, self.name = counter, name
        self._ends = _end(counter.steps(), name)
        self._kept: dict[tuple[int, bool], State] = {}
        self._bytes = 0
        self._full = False
        if self._ends is None and name not in dict(counter.named_modules()):
            names = sorted({_short(step.name) for step in counter.steps()} or dict(counter.named_children()))
            raise InputError(f"training.freeze: {counter.kind} has no part {name!r}; there are {', '.join(names)}")
        frozen = {parameter for module in self.modules() for parameter in module.parameters()}
        if all(parameter in frozen for parameter in counter.parameters()):
            raise InputError(f"training.freeze: {name} is the end of the counter; nothing would be left to train")

    @property
    def parts(self) -> bool:
        """Whether the frozen part can run on its own."""
        return self._ends is not None

    def modules(self) -> list[nn.Module]:
        """The frozen modules."""
        if self._ends is None:
            return [self.counter.get_submodule(self.name)]
        return [self.counter.get_submodule(step.name) for step in self.counter.steps()[: self._ends]]

    def hold(self) -> None:
        """Keeps batch norm of the frozen part from learning, and dropout from drawing."""
        for module in self.modules():
            module.eval()

    def features(self, batch: Batch) -> State:
        """The output of the frozen part for a batch whose images were at most mirrored, rounded to half precision.

        Each image is computed alone and rounded, whether or not it is kept. A training therefore does not depend on
        what was in memory, and an interrupted one ends with the same result.
        """
        rows = [self._of(image, drawn) for image, drawn in zip(batch.images.unsqueeze(1), batch.drawn, strict=True)]
        return tuple(torch.cat(maps).float() for maps in zip(*rows, strict=True))

    @contextmanager
    def given(self, features: State) -> Iterator[None]:
        """A block in which the counter's network continues from these features and ignores the images that it gets."""
        rest = self.counter.steps()[self._ends :]
        replaced = {"normalise": lambda images: images, self.counter.network: lambda _: run_steps(rest, features)[0]}
        for method, function in replaced.items():
            setattr(self.counter, method, function)
        try:
            yield
        finally:
            for method in replaced:
                delattr(self.counter, method)

    def _of(self, image: Tensor, drawn: tuple[int, bool]) -> State:
        if drawn in self._kept:
            return self._kept[drawn]
        with torch.no_grad():
            maps = run_steps(self.counter.steps()[: self._ends], (self.counter.normalise(image),))
        rounded = tuple(_rounded(features) for features in maps)
        self._bytes += sum(features.nbytes for features in rounded)
        if self._bytes <= MEMORY:
            self._kept[drawn] = rounded
        elif not self._full:
            self._full = True
            _log.warning(
                "training.freeze: the features of %d images fill %.3g GiB; those of others are computed each time",
                len(self._kept),
                MEMORY / 1024**3,
            )
        return rounded


@contextmanager
def frozen(part: Frozen | None) -> Iterator[None]:
    """A block in which the weights of the part need no gradient; afterwards it is as before."""
    weights = [] if part is None else [weight for module in part.modules() for weight in module.parameters()]
    trained = [weight for weight in weights if weight.requires_grad]
    for weight in trained:
        weight.requires_grad_(False)
    try:
        yield
    finally:
        for weight in trained:
            weight.requires_grad_(True)


def _end(steps: Sequence[Step], name: str) -> int | None:
    """How many steps lead to the end of a module; None if it contains no step."""
    inside = [place for place, step in enumerate(steps) if f"{step.name}.".startswith(f"{name}.")]
    return inside[-1] + 1 if inside else None


def _short(name: str) -> str:
    return ".".join(name.split(".")[:2])


def _rounded(features: Tensor) -> Tensor:
    """The features in half precision, unless a number is too large for it."""
    half = features.to(torch.float16)
    return half if half.isfinite().all() else features
