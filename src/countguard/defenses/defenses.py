"""The union of all defenses, for recipes."""

from typing import TypeAlias

from countguard.defenses.defense import Defense
from countguard.defenses.fine_tune import FineTune
from countguard.training.settings import Training

AnyDefense: TypeAlias = FineTune

_KINDS: dict[str, type[Defense]] = {"fine_tune": FineTune}


def trains(kind: str) -> bool:
    """Whether a defense of this kind has the settings of a training."""
    return issubclass(_KINDS.get(kind, Defense), Training)
