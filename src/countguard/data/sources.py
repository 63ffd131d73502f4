"""The union of all data sources, for recipes."""

from typing import Annotated, TypeAlias

from pydantic import Field

from countguard.data.folder import Folder
from countguard.data.shanghaitech import ShanghaiTech
from countguard.data.synthetic import Synthetic

AnySource: TypeAlias = Annotated[Synthetic | ShanghaiTech | Folder, Field(discriminator="kind")]
