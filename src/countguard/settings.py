"""The base class of everything that a recipe can name: frozen, validated, and without unknown keys."""

import difflib
from collections.abc import Callable, Mapping
from typing import Any, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError, model_validator
from pydantic_core import PydanticCustomError

UNKNOWN = "unknown_setting"
"""The type of the error about a setting that there is not."""
LARGEST = 2**63 - 1
"""Of whole numbers: torch and NumPy hold no larger ones."""


class Settings(BaseModel):
    """A frozen pydantic model that refuses unknown keys.

    Triggers, strategies, data sources and defenses are `Settings`: the object that a recipe names is also the object
    that does the work. The record of a study is therefore its `model_dump`, and nothing has to be copied by hand.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _known(cls, given: Any) -> Any:
        """Refuses a setting that there is not, and names the one that may be meant: pydantic names none."""
        if isinstance(given, Mapping) and cls.model_config.get("extra") == "forbid":
            for name in given:
                if name not in cls.model_fields:
                    close = difflib.get_close_matches(str(name)[:80], cls.model_fields, n=1, cutoff=0.7)
                    about = {"name": str(name), "close": close[0] if close else ""}
                    raise PydanticCustomError(UNKNOWN, "Extra inputs are not permitted", about)
        return given

    @model_validator(mode="after")
    def _numbers_that_fit(self) -> Self:
        for name, value in self:
            if isinstance(value, int) and abs(value) > LARGEST:
                raise ValueError(f"{name}: at most {LARGEST:,}")
        return self


def _ordered(pair: tuple[float, float]) -> tuple[float, float]:
    if pair[0] > pair[1]:
        raise ValueError("the first number is the smaller one")
    return pair


Ordered = AfterValidator(_ordered)
"""For a pair of numbers: the first must not be greater than the second."""


def first_error(error: ValidationError, meant: Callable[[str], str | None] = lambda name: None) -> str:
    """The first error that pydantic found, in one short line that names the field and the given value.

    Args:
        error: of a validation.
        meant: which setting elsewhere may be meant by the dotted name of one that there is not, where none beside it
            is alike; None where it does not know.
    """
    first = error.errors(include_url=False)[0]
    place, value, hint = first["loc"], first["input"], ""
    if first["type"] == UNKNOWN:
        name, close = first["ctx"]["name"], first["ctx"]["close"]
        beside = ".".join(map(str, (*place, close))) if close else None
        place, value = (*place, name), next(entry for key, entry in value.items() if str(key) == name)
        found = beside or meant(".".join(map(str, place)))
        hint = f"; did you mean {found}?" if found else ""
    field = ".".join(str(part) for part in place)[:80]
    given = " ".join(repr(value).split())[:80]
    wrong = "its kind is missing" if first["type"] == "union_tag_not_found" else first["msg"].splitlines()[0]
    return f"{field or 'the whole'}: {wrong.removeprefix('Value error, ')[:160]}; got {given}{hint}"
