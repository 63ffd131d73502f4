"""What a run did, in a few words."""

from typing import Any

from countguard.runs.plan import lookup
from countguard.wording import percent, plain


def attack_words(study: dict[str, Any]) -> str:
    """How images are poisoned: share of the images, trigger and its strength."""
    rate, kind, alpha = (lookup(study, f"attack.{name}") for name in ("rate", "trigger.kind", "trigger.alpha"))
    share = f"{percent(rate)} of the images" if isinstance(rate, int | float) else "some images"
    trigger = f"{percent(alpha)} {kind}" if isinstance(alpha, int | float) else str(kind or "trigger")
    return plain(f"{share}, {trigger}", 60)
