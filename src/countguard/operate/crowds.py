"""Which images of a data set a verb uses: nothing is held back that nobody asked for, and what is used is said."""

from collections.abc import Sequence

from pydantic import TypeAdapter, ValidationError

from countguard.data.annotated import FileSource
from countguard.data.crowd import Crowd
from countguard.data.source import Official, Source
from countguard.data.sources import AnySource
from countguard.dotted import overridden
from countguard.errors import InputError
from countguard.settings import first_error


def to_measure_on(source: Source) -> tuple[Sequence[Crowd], str]:
    """The images that a counter is measured on, and which they are, in words.

    The test images where the set has some; else all images. A set that is held back in part by its settings keeps that.

    Raises:
        InputError: see `Source.load`.
    """
    if not isinstance(source.split, Official):
        crowds = source.load().test
        return crowds, f"the {len(crowds)} images of {source.name} that its split holds back"
    if isinstance(source, FileSource) and source.part_folder("test") is None:
        crowds = source.load_training()
        return crowds, f"all {len(crowds)} images of {source.name}, which has no test part"
    crowds = source.load().test
    return crowds, f"the {len(crowds)} test images of {source.name}"


def adjusted(source: Source, overrides: Sequence[str], *, scale: float | None = None, skip_bad: bool = False) -> Source:
    """A data set with settings changed, as `--set data.NAME=VALUE`, `--scale` and `--skip-bad` change them.

    Raises:
        InputError: an override is no setting of the data, or does not fit.
    """
    for override in overrides:
        if not override.startswith("data."):
            raise InputError(f"--set {override}: has no effect here; only settings of the data do: data.NAME=VALUE")
    given = [*overrides, *([f"data.scale={scale}"] if scale is not None else [])]
    if skip_bad and isinstance(source, FileSource):
        given.append("data.skip_bad=true")
    if not given:
        return source
    raw = overridden({"data": source.model_dump(mode="json")}, given, "the data set")
    try:
        changed: Source = TypeAdapter(AnySource).validate_python(raw["data"])
    except ValidationError as error:
        raise InputError(f"--set data: {first_error(error)}") from None
    return changed
