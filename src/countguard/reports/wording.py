"""What a run did, in a few words."""

from typing import Any

from countguard.dotted import lookup
from countguard.runs.plan import names_of
from countguard.runs.run import Run
from countguard.wording import percent, plain


def attack_words(study: dict[str, Any]) -> str:
    """How images are poisoned: share of the images, trigger and its strength."""
    varied = [name for together in study.get("vary") or {} for name in names_of(together)]
    names = ("attack.rate", "attack.trigger.kind", "attack.trigger.alpha")
    # what varies has several values, and none of them need be the one that stands in the recipe
    rate, kind, alpha = (
        None if any(_below(name, other) for other in varied) else lookup(study, name) for name in names
    )
    share = f"{percent(rate)} of the images" if isinstance(rate, int | float) else "some images"
    trigger = f"{percent(alpha)} {kind}" if isinstance(alpha, int | float) else str(kind or "trigger")
    return plain(f"{share}, {trigger}", 60)


def counter_words(run: Run, defense: str, *, plainly: str = "attacked", length: int | None = None) -> str:
    """A counter in the words of figures: `repaired: fine_tune`, or `plainly` where nothing defends it.

    Args:
        run: of the counter.
        defense: the filter or the repair; empty for none.
        plainly: what a counter as it was trained is called.
        length: at most so many letters of the defense's name.
    """
    if not defense:
        return plainly
    return f"{run.plan.stage_of(defense)}: {defense if length is None else plain(defense, length)}"


def defended_stage(run: Run, defense: str) -> str:
    """What a counter is called after a defense: filtered or repaired; the latter where a run has none."""
    return run.plan.stage_of(defense) if defense else "repaired"


def defended_by(run: Run, defense: str) -> str:
    """A sentence for captions, `Repaired by fine_tune.`, after a space; empty where nothing defends."""
    return f" {run.plan.stage_of(defense).capitalize()} by {defense}." if defense else ""


def _below(name: str, varied: str) -> bool:
    """Whether varying a setting changes another one, itself among them."""
    return name == varied or name.startswith(f"{varied}.")
