"""Fine-tuning on clean crowds: the paper's defense, and its controls."""

from collections.abc import Sequence
from typing import Literal, Unpack

from pydantic import model_validator

from countguard.data.crowd import Crowd
from countguard.data.source import Joined
from countguard.data.sources import AnySource
from countguard.defenses.defense import DEFENSES, Defense
from countguard.models.counter import Counter
from countguard.training.callbacks import History
from countguard.training.fit import Conditions, fit
from countguard.training.settings import Training


@DEFENSES.register()
class FineTune(Defense, Training):
    """Trains the attacked counter on clean crowds (paper, section 3.3).

    The paper's repair uses all original images and 40 of a second data set with the kernel of that set. Its controls
    are the same class: `extra: null` for the original images alone, `originals: false` for the second set alone, and
    `steps` for as many steps as another row has.

    Attributes:
        originals: whether the clean original training images are used.
        extra: a second data set whose training images are used too. If it has a number of `images`, each seed of the
            study draws its own.
    """

    kind: Literal["fine_tune"] = "fine_tune"
    originals: bool = True
    extra: AnySource | None = None

    @model_validator(mode="after")
    def _something_to_train_on(self) -> "FineTune":
        if not self.originals and self.extra is None:
            raise ValueError("originals: false needs an `extra` data set to train on")
        return self

    def crowds(self, clean: Sequence[Crowd], seed: int) -> Sequence[Crowd]:
        """The training crowds: the budget of the clean crowds, then the second data set; read as they are asked for."""
        originals = self.budget(clean, seed) if self.originals else []
        extra = self.extra.load_training(seed) if self.extra is not None else []
        return Joined(originals, extra)

    def trained_on(self, clean: Sequence[Crowd], seed: int) -> Sequence[Crowd]:
        """See `Defense.trained_on`."""
        return self.crowds(clean, seed)

    def repair(self, counter: Counter, clean: Sequence[Crowd], **conditions: Unpack[Conditions]) -> History:
        """See `Defense.repair`."""
        return fit(counter, self.crowds(clean, conditions["seed"]), self, **conditions)
