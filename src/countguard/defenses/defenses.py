"""The union of all defenses, for recipes."""

from typing import TypeAlias

from countguard.defenses.fine_tune import FineTune

AnyDefense: TypeAlias = FineTune
