"""All data sources: their union for recipes, and the names that the command line gives them."""

from pathlib import Path
from typing import Annotated, TypeAlias

from pydantic import Field, ValidationError

from countguard.data.check import open_source
from countguard.data.folder import Folder
from countguard.data.shanghaitech import ShanghaiTech
from countguard.data.synthetic import Synthetic
from countguard.errors import InputError
from countguard.settings import first_error

AnySource: TypeAlias = Annotated[Synthetic | ShanghaiTech | Folder, Field(discriminator="kind")]


def named_source(text: str) -> AnySource:
    """A data set as the command line names it: a folder, `synthetic`, or `synthetic:` and a look.

    Raises:
        InputError: there is no such folder or look, or the folder is no data set.
    """
    kind, _, look = text.partition(":")
    if kind == "synthetic" and not Path(text).exists():
        try:
            return Synthetic.model_validate({"look": look} if look else {})
        except ValidationError as error:
            raise InputError(f"{text}: {first_error(error)}") from None
    source = open_source(Path(text))
    assert isinstance(source, ShanghaiTech | Folder)
    return source
