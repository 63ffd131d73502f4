"""The union of all defenses, for recipes."""

from typing import Annotated, TypeAlias, get_args

from pydantic import Field

from countguard.defenses.attention_distillation import AttentionDistillation
from countguard.defenses.defense import Defense
from countguard.defenses.fine_pruning import FinePruning
from countguard.defenses.fine_tune import FineTune
from countguard.defenses.neuron_pruning import NeuronPruning
from countguard.defenses.random_blend import RandomBlend
from countguard.defenses.sharpness_aware import SharpnessAware
from countguard.defenses.unlearning import Unlearning
from countguard.defenses.weight_averaging import WeightAveraging
from countguard.training.settings import Training

Kinds: TypeAlias = (
    FineTune
    | RandomBlend
    | SharpnessAware
    | FinePruning
    | AttentionDistillation
    | NeuronPruning
    | Unlearning
    | WeightAveraging
)
AnyDefense: TypeAlias = Annotated[Kinds, Field(discriminator="kind")]

_KINDS: dict[str, type[Defense]] = {kind.model_fields["kind"].default: kind for kind in get_args(Kinds)}


def trains(kind: str) -> bool:
    """Whether a defense of this kind has the settings of a training."""
    return issubclass(_KINDS.get(kind, Defense), Training)
