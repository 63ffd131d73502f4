"""The whole density map of one picture, however large."""

from torch import Tensor

from countguard.models.counter import Counter
from countguard.models.counting import as_input


def people_per_cell(counter: Counter, image: Tensor) -> Tensor:
    """The density map of an image uint8 [3, H, W]: float32 [ceil(H/stride), ceil(W/stride)] on the CPU.

    Its sum is the result of `Counter.count`. The counter's modes do not change.
    """
    return counter.people_per_cell(as_input(image.unsqueeze(0).to(counter.mean.device)))[0, 0].cpu()


def heads_of(counter: Counter, image: Tensor) -> Tensor | None:
    """Where a counter finds heads in an image uint8 [3, H, W]: float32 [heads, 2] on the CPU, x then y, pixels.

    None for a counter that does not say it.
    """
    heads = counter.heads(as_input(image.unsqueeze(0).to(counter.mean.device)))
    return None if heads is None else heads[0].cpu()
