"""A temporary evaluation mode."""

from collections.abc import Iterator
from contextlib import contextmanager

from countguard.models.counter import Counter


@contextmanager
def evaluation_mode(counter: Counter) -> Iterator[None]:
    """Evaluation mode without gradients of weights, which would keep every layer's output in memory.

    Each layer's mode and each weight's `requires_grad` are restored, also after an error.
    """
    modes = [(module, module.training) for module in counter.modules()]
    trained = [parameter for parameter in counter.parameters() if parameter.requires_grad]
    counter.eval()
    for parameter in trained:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in trained:
            parameter.requires_grad_(True)
        for module, was_training in modes:
            module.training = was_training
