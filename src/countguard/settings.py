"""The base class of everything that a recipe can name: frozen, validated, and without unknown keys."""

from typing import Self

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError, model_validator

LARGEST = 2**63 - 1
"""Of whole numbers: torch and NumPy hold no larger ones."""


class Settings(BaseModel):
    """A frozen pydantic model that refuses unknown keys.

    Triggers, strategies, data sources and defenses are `Settings`: the object that a recipe names is also the object
    that does the work. The record of a study is therefore its `model_dump`, and nothing has to be copied by hand.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True, allow_inf_nan=False)

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


def first_error(error: ValidationError) -> str:
    """The first error that pydantic found, in one short line that names the field and the given value."""
    first = error.errors(include_url=False, include_context=False)[0]
    field = ".".join(str(part) for part in first["loc"])[:80]
    given = " ".join(repr(first["input"]).split())[:80]
    wrong = "its kind is missing" if first["type"] == "union_tag_not_found" else first["msg"].splitlines()[0]
    return f"{field or 'the whole'}: {wrong.removeprefix('Value error, ')[:160]}; got {given}"
