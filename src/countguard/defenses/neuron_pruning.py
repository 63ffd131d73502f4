"""Adversarial neuron pruning: switch off the channels whose perturbation hurts most."""

from collections.abc import Sequence
from functools import partial
from typing import Annotated, Any, Literal, Unpack

import torch
from pydantic import Field
from torch import Tensor, nn

from countguard.data.crowd import Crowd
from countguard.data.loading import Batch
from countguard.defenses.channels import Channels, hidden_channels
from countguard.defenses.defense import DEFENSES, TrainedDefense
from countguard.models.counter import Counter
from countguard.training.callbacks import History
from countguard.training.fit import Conditions, fit
from countguard.training.module import CounterModule
from countguard.training.settings import Training


@DEFENSES.register()
class NeuronPruning(TrainedDefense):
    """Adversarial neuron pruning (ANP; Wu and Wang, 2021) on the channels of hidden convolutions, or of the
    batch norms behind them.

    A mask m in 0..1 scales each channel's weights. It minimises alpha L(m) + (1 - alpha) L(m + delta, 1 + xi), where
    delta (on weights) and xi (on biases) in [-eps, eps] raise the loss by one step of sign ascent. Channels whose mask
    ends below the threshold are pruned; the weights of the others are not changed. Masks are trained by SGD with
    momentum .9 at `mask_lr`; `lr`, `optimizer` and `schedule` have no effect.

    Attributes:
        eps: largest perturbation.
        alpha: weight of the loss without perturbation.
        mask_lr: learning rate of the masks.
        threshold: channels whose mask ends below it are pruned.
        freeze: has no use here: the masks of all channels are trained, and no weights.
    """

    kind: Literal["neuron_pruning"] = "neuron_pruning"
    eps: Annotated[float, Field(gt=0)] = 0.4
    alpha: Annotated[float, Field(ge=0, le=1)] = 0.2
    mask_lr: Annotated[float, Field(gt=0)] = 0.2
    threshold: Annotated[float, Field(ge=0, le=1)] = 0.2
    freeze: None = None

    def repair(self, counter: Counter, clean: Sequence[Crowd], **conditions: Unpack[Conditions]) -> History:
        """See `Defense.repair`."""
        perturbed = [_Perturbed(channels) for channels in hidden_channels(counter)]
        trainable = [parameter for parameter in counter.parameters() if parameter.requires_grad]
        for parameter in trainable:
            parameter.requires_grad_(False)
        try:
            crowds = self.budget(clean, conditions["seed"])
            masked = partial(_Masked, perturbed=perturbed, defense=self)
            history = fit(counter, crowds, self, module=masked, **conditions)
        finally:
            for layer in perturbed:
                layer.detach()
            for parameter in trainable:
                parameter.requires_grad_(True)
        for layer in perturbed:
            layer.channels.switch_off(layer.mask.detach().flatten() < self.threshold)
        return history


class _Perturbed:
    """A layer whose channels are scaled: (mask + delta) * (output - b) + (1 + xi) * b, where b is its bias.

    This is done in a forward hook, so that the weights of the counter and their names do not change.
    """

    def __init__(self, channels: Channels) -> None:
        self.channels = channels
        self.mask = nn.Parameter(torch.ones(channels.number, 1, 1))
        self.delta = self.xi = torch.zeros(())
        self._handle = channels.layer.register_forward_hook(self._scale)

    def start(self) -> list[Tensor]:
        """Perturbations of zero that need gradients."""
        self.delta, self.xi = (torch.zeros_like(self.mask, requires_grad=True) for _ in range(2))
        return [self.delta, self.xi]

    def detach(self) -> None:
        """Removes the hook."""
        self._handle.remove()

    def _scale(self, layer: nn.Module, inputs: Any, output: Tensor) -> Tensor:
        given = self.channels.layer.bias
        bias = torch.zeros_like(self.mask) if given is None else given.view(-1, 1, 1)
        return (self.mask + self.delta) * (output - bias) + (1 + self.xi) * bias


class _Masked(CounterModule):
    compiles = False

    def __init__(
        self,
        counter: Counter,
        training: Training,
        steps_per_epoch: int,
        seed: int,
        perturbed: list[_Perturbed],
        defense: NeuronPruning,
    ) -> None:
        super().__init__(counter, training, steps_per_epoch, seed)
        self.masks = nn.ParameterList([layer.mask for layer in perturbed])
        self.perturbed, self.defense = perturbed, defense

    def configure_optimizers(self) -> Any:
        """SGD over the masks alone."""
        return torch.optim.SGD(self.masks.parameters(), lr=self.defense.mask_lr, momentum=0.9)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """The losses without and with the perturbation that raises the loss most."""
        perturbations = [tensor for layer in self.perturbed for tensor in layer.start()]
        loss = super().training_step(batch, batch_idx)
        gradients = torch.autograd.grad(loss, perturbations, retain_graph=True)
        steps = iter(self.defense.eps * gradient.sign() for gradient in gradients)
        for layer in self.perturbed:
            layer.delta, layer.xi = next(steps), next(steps)
        worst = super().training_step(batch, batch_idx)
        return self.defense.alpha * loss + (1 - self.defense.alpha) * worst

    def on_train_batch_end(self, outputs: Any, batch: Batch, batch_idx: int) -> None:
        """Clamps the masks to 0..1."""
        with torch.no_grad():
            for mask in self.masks:
                mask.clamp_(0, 1)
