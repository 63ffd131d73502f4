"""Names of pictures: they become ids, and go from there into tables, pages, logs and terminals."""

import unicodedata
from pathlib import Path

from countguard.errors import InputError

_REFUSED = {"Cc": "a control character", "Cs": "a byte that is no UTF-8", "Zl": "a line end", "Zp": "a line end"}
"""By Unicode's general category."""
_TURNED = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Marks that turn the direction of what follows them: a name that holds one reads as another."""


def require_readable_name(picture: Path, crowd_id: str = "") -> None:
    """Refuses a name that would break the line it stands in, or be read as another one.

    Args:
        picture: whose name is looked at.
        crowd_id: what tables call it, where that is more than the name: folders may be part of it.

    Raises:
        InputError: it holds a control character, a line end, a mark that turns text, or bytes that are no UTF-8.
    """
    for sign in picture.name + crowd_id:
        refused = "a mark that turns text" if sign in _TURNED else _REFUSED.get(unicodedata.category(sign))
        if refused:
            raise InputError(f"{picture}: its name holds {refused}; rename it")
