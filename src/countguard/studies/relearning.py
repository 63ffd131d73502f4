"""Does an attack come back? Repaired counters tuned once more, on clean images with a few poisoned ones among them."""

from collections.abc import Sequence

from pydantic import PositiveInt

from countguard.attacks.poisoning import Attack, PoisonedCrowds
from countguard.data.crowd import Crowd
from countguard.errors import InputError
from countguard.seeds import derived_seed
from countguard.training.settings import Training


class Relearn(Training):
    """Tunes every repaired counter on the clean training images and poisoned copies of a few of them.

    A repair may hide a backdoor and not remove it: a purified network then learns it again from a few images, faster
    than a network that was never attacked (the retuning attack of Min et al., NeurIPS 2024). Therefore the counter that
    was never attacked is tuned on the same set, for each strategy, as the control. The poisoned images have the trigger
    and the strategy of the study's attack. They are drawn anew, and do not depend on the repair.

    Attributes:
        poisoned: how many poisoned copies are appended.
    """

    poisoned: PositiveInt = 4

    def crowds(self, clean: Sequence[Crowd], attack: Attack, seed: int) -> PoisonedCrowds:
        """The clean crowds, then the poisoned copies.

        Args:
            clean: the clean training crowds.
            attack: of which trigger and strategy are taken.
            seed: of the study; which crowds are copied, and every random choice of trigger and strategy, depend on it.

        Raises:
            InputError: there are fewer clean crowds than copies.
        """
        self.require_enough(len(clean))
        few = {"rate": self.poisoned / len(clean), "placement": "append", "cover": None}
        return PoisonedCrowds(clean, attack.model_copy(update=few), derived_seed(seed, "relearn"))

    def require_enough(self, images: int) -> None:
        """Checks that so many training images are enough.

        Raises:
            InputError: they are not.
        """
        if self.poisoned > images:
            raise InputError(f"relearn.poisoned: {self.poisoned}, and there are {images} training images to copy")
