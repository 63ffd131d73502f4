"""The base of everything that a recipe can name: frozen, validated, and strict about unknown keys."""

from pydantic import BaseModel, ConfigDict


class Settings(BaseModel):
    """A frozen pydantic model that refuses keys it does not know.

    Triggers, strategies, data sources and defenses are `Settings`: the object that a recipe names is the object
    that does the work, so that a study's record is `model_dump` and nothing has to be kept in step by hand.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)
