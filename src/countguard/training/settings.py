"""Every setting of a training, apart from its crowds and its counter."""

from typing import Annotated, Any, Literal, Self

from pydantic import (
    Field,
    PositiveInt,
    SerializationInfo,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)

from countguard.data.augment import Augmentation
from countguard.settings import Settings
from countguard.training.isolation import Isolation
from countguard.training.schedules import AnySchedule, Constant

WHOLE = {"whole": True}
"""The context of a dump that leaves no setting out."""
_LATER = ("select_from", "isolate")
Precision = Literal["32-true", "bf16-mixed", "16-mixed"]


class Training(Settings):
    """How a counter is trained. The defaults are the paper's for CSRNet.

    Attributes:
        optimizer: Adam, or AdamW with decoupled decay.
        lr: learning rate.
        weight_decay: of the optimizer.
        schedule: how the learning rate changes.
        epochs: passes over the training crowds.
        steps: ends the training after this many steps instead; for controls that must train equally long.
        batch_size: images in a step, over all devices.
        precision: as Lightning names it.
        augmentation: random changes to each image.
        balance: the loss of an image is multiplied by (100 / heads) ** balance. 0 is what is published, and gives
            crowded images the largest weight; 0.5 suits relative errors better, because the variance of a count grows
            with the count.
        average: decay of an exponential moving average of the weights, which is then the result; None for the last
            weights.
        clip_gradient: largest norm of the gradient; None for no limit.
        freeze: the dotted name of a module of the counter, such as `frontend` of a CSRNet: the network up to the end of
            this module is not trained, including the statistics of batch norm. If the augmentation does no more than
            mirror, the output of that part is computed once for each image. None trains everything.
        isolate: leaves images whose labels an early counter contradicts out of the rest of the training; None for none.
        select: which weights are kept: those of the last epoch; those with the best MAE on `validation_images` held
            back from the training images; or those with the best MAE on the test images, which makes the reported
            number too good and is only for comparison with the reference code.
        select_every: epochs between two measurements for the selection.
        select_from: the epoch of the first measurement, as in reference codes, which may leave the last epoch out; None
            for every `select_every`-th and the last.
        validation_images: how many are held back for `best_validation`.
    """

    optimizer: Literal["adam", "adamw"] = "adam"
    lr: Annotated[float, Field(gt=0, le=1)] = 1e-5
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    schedule: AnySchedule = Constant()
    epochs: PositiveInt = 100
    steps: PositiveInt | None = None
    batch_size: PositiveInt = 1
    precision: Precision = "32-true"
    augmentation: Augmentation = Augmentation()
    balance: Annotated[float, Field(ge=0, le=2)] = 0.0
    average: Annotated[float, Field(gt=0, lt=1)] | None = None
    clip_gradient: Annotated[float, Field(gt=0)] | None = None
    freeze: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    isolate: Isolation | None = None
    select: Literal["last", "best_validation", "best_test_as_published"] = "last"
    select_every: PositiveInt = 20
    select_from: PositiveInt | None = None
    validation_images: PositiveInt = 40

    @model_validator(mode="after")
    def _isolates_in_time(self) -> Self:
        if self.isolate is not None and self.steps is None and self.isolate.after >= self.epochs:
            raise ValueError(f"isolate.after: should be less than the {self.epochs} epochs of the training")
        return self

    @model_serializer(mode="wrap")
    def _without_what_came_later(
        self, handler: SerializerFunctionWrapHandler, info: SerializationInfo
    ) -> dict[str, Any]:
        """Leaves out `select_from` and `isolate` if they are None, so that the keys of older trainings stay valid.

        In the context `WHOLE` they are there: a preset would fill in what is left out.
        """
        dump: dict[str, Any] = handler(self)
        if info.context == WHOLE:
            return dump
        return {name: value for name, value in dump.items() if name not in _LATER or value is not None}
