"""What happens at the end of an epoch: history, progress, a point to resume from, the best weights."""

import json
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from lightning import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import WeightAveraging
from torch import Tensor

from countguard.csv_text import Number, csv_lines
from countguard.data.crowd import Crowd
from countguard.errors import RunError
from countguard.models.counter import Counter
from countguard.models.counting import count_crowds
from countguard.training.isolation import Isolation
from countguard.training.module import CounterModule
from countguard.writing import write_atomically

EpochReport = Callable[[int, float], None]
"""Called after each epoch with its number, from 1, and its mean loss."""


class Divergence(Callback):
    """Stops a training that has diverged or died at the end of the epoch. Comes first, so that no such state is saved.

    Raises:
        RunError: at the end of an epoch, when a weight is not finite, or when no image gave a gradient. In the latter
            case the last ReLU gives 0 everywhere, and the counter can learn nothing more.
    """

    def __init__(self) -> None:
        self._learns = torch.zeros((), dtype=torch.bool)

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Resets: no gradient was seen yet."""
        self._learns = torch.zeros((), dtype=torch.bool, device=pl_module.device)

    def on_before_optimizer_step(
        self, trainer: Trainer, pl_module: LightningModule, optimizer: torch.optim.Optimizer
    ) -> None:
        """Records whether there is a gradient, without waiting for the device."""
        gradients = [parameter.grad for parameter in pl_module.parameters() if parameter.grad is not None]
        self._learns |= torch.nn.utils.get_total_norm(gradients) != 0

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Checks every weight."""
        if not all(parameter.isfinite().all() for parameter in _counter(pl_module).parameters()):
            raise _failed(f"the training diverged in epoch {trainer.current_epoch + 1}: weights are not finite")
        if not self._learns:
            raise _failed(
                f"the training died in epoch {trainer.current_epoch + 1}: the counter says 0 everywhere and no image "
                "changes that"
            )


def _failed(what: str) -> RunError:
    return RunError(f"{what}; a lower training.lr or training.clip_gradient would help")


class History(Callback):
    """Mean loss, learning rate and seconds of each epoch, kept when a training resumes and written as training.csv.

    Args:
        report: is called after each epoch.
        handover: file for the rows at the end, where other processes train for the one that started them.
    """

    def __init__(self, report: EpochReport | None = None, handover: Path | None = None) -> None:
        self.rows: list[dict[str, float]] = []
        self._report = report
        self._handover = handover
        self._losses: list[Tensor] = []
        self._started = 0.0
        self._rate = math.nan

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Starts the epoch's clock, and reads the rate of its first step."""
        self._losses, self._started = [], time.monotonic()
        self._rate = float(trainer.optimizers[0].param_groups[0]["lr"])

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Keeps the loss on the device: reading it here would make the host wait for the device."""
        self._losses.append(outputs["loss"].detach())

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Adds the epoch's row."""
        loss = float(torch.stack(self._losses).mean()) if self._losses else math.nan
        epoch = trainer.current_epoch + 1
        seconds = time.monotonic() - self._started
        self.rows.append({"epoch": epoch, "loss": loss, "learning_rate": self._rate, "seconds": seconds})
        if self._report is not None:
            self._report(epoch, loss)

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Writes the rows to a file where another process finds them."""
        if self._handover is not None and trainer.is_global_zero:
            write_atomically(self._handover, json.dumps(self.rows))

    def state_dict(self) -> dict[str, Any]:
        """The rows so far."""
        return {"rows": self.rows}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restores the rows of earlier epochs."""
        self.rows = list(state_dict["rows"])

    def write(self, path: Path) -> None:
        """Writes training.csv: epoch, loss, learning_rate, seconds."""
        digits = {"epoch": ".0f", "loss": ".6g", "learning_rate": ".6g", "seconds": ".3f"}
        rows = [[Number(f"{row[name]:{form}}") for name, form in digits.items()] for row in self.rows]
        write_atomically(path, csv_lines([list(digits), *rows]))


class Isolating(Callback):
    """Takes images out of a training after some epochs, see `Isolation`; must come before the resume point.

    Args:
        isolation: its settings.
        crowds: the training crowds.
        record: a JSON file for the positions of those that are taken out; None for no file.
    """

    def __init__(self, isolation: Isolation, crowds: Sequence[Crowd], record: Path | None) -> None:
        self._isolation = isolation
        self._crowds = crowds
        self._record = record
        self.isolated: list[int] = []

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Tells the module what is left out, also after a resume."""
        assert isinstance(pl_module, CounterModule)
        if trainer.current_epoch == self._isolation.after:
            self.isolated = self._isolation.isolated(_counter(pl_module), self._crowds)
            if self._record is not None:
                write_atomically(self._record, json.dumps(self.isolated) + "\n")
        pl_module.isolated = frozenset(self.isolated)

    def state_dict(self) -> dict[str, Any]:
        """What is left out."""
        return {"isolated": self.isolated}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restores what is left out."""
        self.isolated = list(state_dict["isolated"])


class ResumePoint(Callback):
    """Saves the whole state of a training at the end of an epoch, at most once in `seconds`, atomically.

    Must come after the callbacks whose state it saves.

    Raises:
        RunError: the disk is full, or the folder cannot be written to.
    """

    def __init__(self, path: Path, seconds: float) -> None:
        self.path = path
        self._seconds = seconds
        self._saved = time.monotonic()

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Saves if it is time."""
        if time.monotonic() - self._saved < self._seconds:
            return
        try:
            trainer.save_checkpoint(self.path)
        except OSError as error:
            raise RunError(f"{self.path}: cannot be saved ({error.strerror}); finished cells are kept") from error
        self._saved = time.monotonic()


class AveragedWeights(WeightAveraging):
    """Keeps an exponential average of the weights over the steps, and replaces the weights with it at the end.

    Lightning's own callback holds a function that cannot be sent to another process.

    Args:
        decay: fraction of the average that is kept in each step.
    """

    def __init__(self, decay: float) -> None:
        super().__init__(avg_fn=_Average(decay))

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Does nothing: Lightning does not call this where a training is taken up whose last epoch is over."""

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Replaces the weights with their average."""
        super().on_train_end(trainer, pl_module)


@dataclass(frozen=True, slots=True)
class _Average:
    decay: float

    @torch.no_grad()
    def __call__(self, average: Tensor, weights: Tensor, steps: Tensor) -> Tensor:
        return self.decay * average + (1 - self.decay) * weights


class BestWeights(Callback):
    """Keeps the weights of the epoch with the lowest MAE on some crowds, and restores them at the end.

    Args:
        crowds: on which the MAE is measured.
        every: epochs between two measurements.
        averaging: if weights are averaged, the average is measured and kept; must come before this callback.
        first: the epoch of the first measurement. With None, every `every`-th epoch is measured, and the last. With a
            number, the last is measured only if it is one of those, or would be the only one.
    """

    def __init__(
        self,
        crowds: Sequence[Crowd],
        every: int,
        averaging: WeightAveraging | None = None,
        *,
        first: int | None = None,
    ) -> None:
        self._crowds = crowds
        self._every = every
        self._averaging = averaging
        self._first = first
        self.mae = math.inf
        self._weights: dict[str, Tensor] | None = None

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Measures the epoch if it is one of those to be measured."""
        assert trainer.max_epochs is not None
        if not self._looked_at(trainer.current_epoch + 1, trainer.max_epochs):
            return
        if self._averaging is None:
            self._look(_counter(pl_module))
        else:  # as Lightning puts the average in the module's place to validate
            self._averaging.on_validation_epoch_start(trainer, pl_module)
            self._look(_counter(pl_module))
            self._averaging.on_validation_epoch_end(trainer, pl_module)

    def _looked_at(self, epoch: int, epochs: int) -> bool:
        first = self._every if self._first is None else self._first
        if epoch >= first and (epoch - first) % self._every == 0:
            return True
        return epoch == epochs and (self._first is None or epochs < first)

    def _look(self, counter: Counter) -> None:
        truths = torch.tensor([float(crowd.count) for crowd in self._crowds])
        mae = float((count_crowds(counter, self._crowds) - truths).abs().mean())
        if mae < self.mae:
            self.mae = mae
            self._weights = {name: value.detach().cpu().clone() for name, value in counter.state_dict().items()}

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Restores the best weights, also where a training is taken up whose last epoch is over."""
        if self._weights is not None:
            _counter(pl_module).load_state_dict(self._weights)

    def state_dict(self) -> dict[str, Any]:
        """The best so far."""
        return {"mae": self.mae, "weights": self._weights}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restores the best of earlier epochs."""
        self.mae, self._weights = state_dict["mae"], state_dict["weights"]


def _counter(module: LightningModule) -> Counter:
    counter = module.counter
    assert isinstance(counter, Counter)
    return counter
