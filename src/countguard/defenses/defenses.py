"""All repairs of this package, and the type of a recipe's field that takes them and those of plug-ins."""

from pathlib import Path
from typing import Annotated, TypeAlias

from countguard.defenses.attention_distillation import AttentionDistillation
from countguard.defenses.defense import DEFENSES, Defense
from countguard.defenses.fine_pruning import FinePruning
from countguard.defenses.fine_tune import FineTune
from countguard.defenses.neuron_pruning import NeuronPruning
from countguard.defenses.random_blend import RandomBlend
from countguard.defenses.retrain import Retrain
from countguard.defenses.search import Search
from countguard.defenses.sharpness_aware import SharpnessAware
from countguard.defenses.unlearning import Unlearning
from countguard.defenses.weight_averaging import WeightAveraging
from countguard.errors import InputError
from countguard.registry import KindOf
from countguard.training.settings import Training

__all__ = [
    "DEFENSES",
    "AnyDefense",
    "AttentionDistillation",
    "Defense",
    "FinePruning",
    "FineTune",
    "NeuronPruning",
    "RandomBlend",
    "Retrain",
    "Search",
    "SharpnessAware",
    "Unlearning",
    "WeightAveraging",
    "trains",
]

AnyDefense: TypeAlias = Annotated[Defense, KindOf(DEFENSES)]


def trains(kind: str, folder: Path | None = None) -> bool:
    """Whether a repair of this kind has the settings of a training; False for an unknown kind."""
    try:
        return issubclass(DEFENSES.find(kind, folder), Training)
    except InputError:
        return False
