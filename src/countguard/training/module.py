"""A counter and its crowds in the form that Lightning needs."""

from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import Any, ClassVar

import torch
from lightning import LightningDataModule, LightningModule
from torch import Tensor

from countguard.data.loading import Batch, Epoch, EpochBatches
from countguard.models.counter import Counter
from countguard.seeds import derived_seed
from countguard.training.freezing import Frozen
from countguard.training.settings import Training

_OPTIMIZERS = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}


class CounterModule(LightningModule):
    """Trains a counter with its own loss.

    Args:
        counter: trained in place.
        training: optimizer and schedule.
        steps_per_epoch: number of batches in an epoch.
        seed: of the random numbers that layers draw (dropout), set again in each epoch.

    Attributes:
        compiles: whether the network may be compiled and run from kept features; False for trainings that need hooks on
            its layers or gradients with respect to its input.
        frozen: the part of the counter that stays as it is; None for none.
        keeps_features: whether the output of that part is kept.
        isolated: positions of training crowds whose loss no longer counts.
    """

    compiles: ClassVar[bool] = True
    frozen: Frozen | None = None
    keeps_features: bool = False
    isolated: frozenset[int] = frozenset()

    def __init__(self, counter: Counter, training: Training, steps_per_epoch: int, seed: int) -> None:
        super().__init__()
        self.counter = counter
        self.training_settings = training
        self.steps_per_epoch = steps_per_epoch
        self.seed = seed

    @property
    def epochs(self) -> float:
        """How many epochs the training lasts; a fraction if it ends by steps."""
        steps = self.training_settings.steps
        return self.training_settings.epochs if steps is None else steps / self.steps_per_epoch

    def configure_optimizers(self) -> Any:
        """The recipe's optimizer over the trainable parameters, with a rate that is set at every step."""
        settings = self.training_settings
        parameters = [parameter for parameter in self.counter.parameters() if parameter.requires_grad]
        # Lightning cannot clip before a fused step in mixed precision: such a step would unscale the gradients itself
        fused = settings.clip_gradient is None or settings.precision == "32-true"
        optimizer = _OPTIMIZERS[settings.optimizer](
            parameters, lr=settings.lr, weight_decay=settings.weight_decay, fused=fused
        )
        scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, self._rate)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}

    def _rate(self, step: int) -> float:
        settings = self.training_settings
        return settings.schedule.at(step / self.steps_per_epoch, self.epochs, settings.lr) / settings.lr

    def on_train_epoch_start(self) -> None:
        """Seeds the random numbers of layers, so that an epoch is the same after a resume as without one."""
        torch.manual_seed(derived_seed(self.seed, "layers", self.current_epoch))
        if self.frozen is not None:
            self.frozen.hold()

    def transfer_batch_to_device(self, batch: Batch, device: torch.device, dataloader_idx: int) -> Batch:
        """Moves images and points to the device."""
        images = batch.images.to(device, non_blocking=True)
        return replace(batch, images=images, points=[heads.to(device, non_blocking=True) for heads in batch.points])

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """The counter's loss on the batch."""
        return self.loss(batch.images, batch)

    def loss(self, images: Tensor, batch: Batch) -> Tensor:
        """The counter's loss on images with the heads of the batch, weighted as the recipe says."""
        balance = self.training_settings.balance
        weights = None
        if balance > 0 or self.isolated:
            weights = torch.tensor([(100 / max(1, len(points))) ** balance for points in batch.points])
            if self.isolated:
                weights *= torch.tensor([place not in self.isolated for place, _ in batch.drawn])
            weights = weights.to(images.device, non_blocking=True)  # made there, it would be waited for
        given: AbstractContextManager[None] = nullcontext()
        if self.frozen is not None and self.keeps_features and images is batch.images:
            given = self.frozen.given(self.frozen.features(batch))
        with given:
            return self.counter.loss(images, batch.points, kernels=batch.kernels, weights=weights) * batch.weight


class CrowdData(LightningDataModule):
    """Gives Lightning the batches of its current epoch.

    Args:
        batches: of any epoch.
        steps: how many batches are given over all epochs; None for no limit.
    """

    def __init__(self, batches: EpochBatches, steps: int | None = None) -> None:
        super().__init__()
        self.batches = batches
        self.steps = steps

    def train_dataloader(self) -> Epoch:
        """The current epoch's batches, for this process."""
        assert self.trainer is not None
        self.batches.rank, self.batches.world = self.trainer.global_rank, self.trainer.world_size
        self.batches.on(self.trainer.strategy.root_device)
        epoch = self.trainer.current_epoch
        left = None if self.steps is None else self.steps - epoch * len(self.batches)
        return self.batches.epoch(epoch, left)
