"""Attention distillation: a fine-tuned copy teaches the attacked counter where to look."""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from functools import partial
from typing import Annotated, Literal, Unpack

import torch
from pydantic import Field, PositiveInt
from torch import Tensor
from torch.nn import functional

from countguard.data.crowd import Crowd
from countguard.data.loading import Batch
from countguard.defenses.defense import DEFENSES, TrainedDefense
from countguard.models.counter import Counter
from countguard.models.counting import as_input
from countguard.training.callbacks import History
from countguard.training.fit import Conditions, fit
from countguard.training.module import CounterModule
from countguard.training.settings import Training
from countguard.writing import make_folder


@DEFENSES.register()
class AttentionDistillation(TrainedDefense):
    """Neural attention distillation (NAD; Li et al., 2021), at the layer that Grad-CAM reads.

    A copy of the attacked counter is fine-tuned and becomes the teacher. The counter is then trained on its own loss
    plus beta times the squared distance of the two attention maps: sum over channels of |activation|^2, of unit norm.

    Attributes:
        beta: weight of the distance.
        teacher_epochs: passes over the clean crowds for the teacher; `epochs` are the counter's own.
    """

    kind: Literal["attention_distillation"] = "attention_distillation"
    beta: Annotated[float, Field(ge=0)] = 1.0
    teacher_epochs: PositiveInt = 10

    def repair(self, counter: Counter, clean: Sequence[Crowd], **conditions: Unpack[Conditions]) -> History:
        """See `Defense.repair`; the history does not contain the epochs of the teacher."""
        crowds = self.budget(clean, conditions["seed"])
        folder = conditions.get("folder")
        teacher = deepcopy(counter)
        if folder is None or not (folder / "resume.ckpt").exists():  # a resume point holds the teacher, too
            teachers = folder / "teacher" if folder is not None else None
            if teachers is not None:
                make_folder(teachers, teachers.parent)
            settings = self.model_copy(update={"epochs": self.teacher_epochs, "steps": None, "select": "last"})
            alone: Conditions = {**conditions, "folder": teachers, "validation": None, "report": None}
            fit(teacher, crowds, settings, **alone)
        history = fit(counter, crowds, self, module=partial(_Distilled, teacher=teacher, beta=self.beta), **conditions)
        if folder is not None:
            shutil.rmtree(folder / "teacher", ignore_errors=True)
        return history


class _Distilled(CounterModule):
    compiles = False

    def __init__(
        self, counter: Counter, training: Training, steps_per_epoch: int, seed: int, teacher: Counter, beta: float
    ) -> None:
        super().__init__(counter, training, steps_per_epoch, seed)
        self.teacher = teacher.requires_grad_(False)
        self.beta = beta

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """The counter's loss and the distance to the teacher's attention."""
        self.teacher.eval()
        with _activations(self.counter) as seen:
            loss = super().training_step(batch, batch_idx)
        with _activations(self.teacher) as wanted, torch.no_grad():
            self.teacher(as_input(batch.images))
        distance = (_attention(seen[-1]) - _attention(wanted[-1])).square().sum(dim=1).mean()
        return loss + self.beta * distance * batch.weight


@contextmanager
def _activations(counter: Counter) -> Iterator[list[Tensor]]:
    """The outputs of the explained layer in each forward pass inside the block."""
    seen: list[Tensor] = []
    # copied: a layer in place behind it would change what was seen
    handle = counter.explained_layer().register_forward_hook(lambda layer, inputs, output: seen.append(output.clone()))
    try:
        yield seen
    finally:
        handle.remove()


def _attention(activations: Tensor) -> Tensor:
    """Activations [B, C, h, w] to attention maps of unit norm [B, h * w]."""
    return functional.normalize(activations.square().sum(dim=1).flatten(1), dim=1)
