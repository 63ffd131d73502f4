"""Every number that a training depends on, beside its crowds and its counter."""

from typing import Annotated, Any, Literal

from pydantic import Field, PositiveInt, SerializerFunctionWrapHandler, model_serializer

from countguard.data.augment import Augmentation
from countguard.settings import Settings
from countguard.training.schedules import AnySchedule, Constant

Precision = Literal["32-true", "bf16-mixed", "16-mixed"]


class Training(Settings):
    """How a counter is trained. The defaults are the paper's for CSRNet.

    Attributes:
        optimizer: Adam, or AdamW with decoupled decay.
        lr: learning rate.
        weight_decay: the optimizer's.
        schedule: how the rate moves.
        epochs: passes over the training crowds.
        steps: ends the training after this many steps instead; for controls that must train equally long.
        batch_size: images a step, over all devices.
        precision: as Lightning names it.
        augmentation: what is done to each drawn image.
        balance: an image's loss is multiplied by (100 / heads) ** balance. 0 is what is published, where full images
            have the most say; 0.5 suits errors in per cent better, as the variance of a count grows with the count.
        average: decay of an exponential moving average of the weights, which then is the result; None for the last
            weights.
        clip_gradient: greatest norm of the gradient; None for no limit.
        freeze: the dotted name of a module of the counter, such as `frontend` of a CSRNet: the network up to its end
            stays as it is, batch norm's statistics included. Where the augmentation does no more than mirror, what
            that part gives is computed once for each image. None trains everything.
        select: whose weights are kept: the last epoch's; the best MAE on `validation_images` held back from the
            training images; or, as the reference code does and honest work does not, the best MAE on the test images.
        select_every: epochs between two looks, where weights are selected.
        select_from: the epoch of the first look, as reference codes have it, which may leave the last epoch out; None
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
    select: Literal["last", "best_validation", "best_test_as_published"] = "last"
    select_every: PositiveInt = 20
    select_from: PositiveInt | None = None
    validation_images: PositiveInt = 40

    @model_serializer(mode="wrap")
    def _without_what_came_later(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leaves `select_from` out where it is None, so that the keys of trainings from before there was one hold."""
        dump: dict[str, Any] = handler(self)
        if dump["select_from"] is None:
            del dump["select_from"]
        return dump
