"""Training steps behind a frozen part whose features are kept, against steps that train the whole counter."""

from collections.abc import Iterator
from copy import deepcopy

import torch
from torch import Tensor

from benchmarks.harness import Row, Wanted, at_least, compare
from benchmarks.training import RATE, random_crowd
from countguard.data.augment import Augmentation
from countguard.data.loading import Batch, EpochBatches
from countguard.models import build_counter
from countguard.models.counter import Counter
from countguard.training.freezing import Frozen, frozen
from countguard.training.module import CounterModule
from countguard.training.settings import Training

HEIGHT, WIDTH = 192, 256
"""A quarter of Part_B's size, as recipes for CPU cores take it."""
HEADS = 120
TOLERANCE = 1e-2
"""Between the losses of kept features and of running the frozen part: half precision, enlarged by batch norm."""


def rows() -> Iterator[Row]:
    """The features were computed before, as in every epoch but the first."""
    yield step_row("csrnet", "frontend", 1, at_least(3))
    yield step_row("timm", "backbone.blocks_3", 8, at_least(3))
    yield step_row("timm", "backbone.blocks_2", 8, at_least(2))


def step_row(kind: str, name: str, images: int, wanted: Wanted) -> Row:
    """One counter, frozen to the end of one part."""
    torch.manual_seed(0)
    counter = build_counter(kind).to(memory_format=torch.channels_last)
    crowds = [random_crowd(number, HEIGHT, WIDTH, HEADS) for number in range(images)]
    (batch,) = EpochBatches(crowds, images, Augmentation(flip=0), seed=0).epoch(0)
    whole, part = Stepper(deepcopy(counter)), Frozen(counter, name)
    with frozen(part):
        behind = Stepper(counter, part)
        apart = behind.kept_features_move_the_loss_by(batch)
        return compare(
            f"{kind}, training step, {HEIGHT}x{WIDTH}, batch {images}: {name} frozen, kept",
            lambda: behind.step(batch),
            lambda: whole.step(batch),
            wanted=wanted,
            difference=lambda *_: apart,
            tolerance=TOLERANCE,
            repeats=5,
        )


class Stepper:
    """A counter and its optimizer, as a training holds them."""

    def __init__(self, counter: Counter, part: Frozen | None = None) -> None:
        self.module = CounterModule(counter, Training(lr=RATE), 1, seed=0)
        if part is not None:
            part.hold()
            self.module.frozen, self.module.keeps_features = part, True
        self.optimizer = self.module.configure_optimizers()["optimizer"]

    def step(self, batch: Batch) -> Tensor:
        self.optimizer.zero_grad()
        loss = self.module.training_step(batch, 0)
        torch.autograd.backward(loss)
        self.optimizer.step()
        return loss.detach()

    @torch.no_grad()
    def kept_features_move_the_loss_by(self, batch: Batch) -> float:
        """Relative to the loss where the frozen part runs."""
        losses = []
        for self.module.keeps_features in (False, True):
            losses.append(self.module.training_step(batch, 0))
        return float((losses[1] - losses[0]).abs() / losses[0])
