"""The data set that a verb is given: a folder or `synthetic`, its format, and settings of it."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import typer

from countguard.data.source import Chosen, Source, Use, skipped_of
from countguard.data.sources import named_source
from countguard.errors import InputError, one_line


def chosen_source(
    data: str,
    format: str | None,
    overrides: Sequence[str] | None,
    *,
    skip_bad: bool = False,
    use: Use = "training",
) -> Source:
    """The data set that the command line names.

    Args:
        data: a folder or `synthetic`.
        format: of the folder; None to tell it by what is there.
        overrides: as `--set` takes them, all of them settings of the data set.
        skip_bad: bad files are left out; for folders.
        use: what is read of it.

    Raises:
        InputError: there is no such data set, or an override is none of its settings or has no effect on this use.
    """
    settings = data_settings(overrides or [])
    if skip_bad and not data.startswith("synthetic"):
        settings = {**settings, "skip_bad": True}
    source = named_source(data, kind=format, settings=settings)
    require_effect(overrides or [], source.unused(use) | {"kernel"})
    return source


def say_chosen(chosen: Chosen, purpose: str) -> None:
    """Says on stderr how many images are used for what, and names the bad ones that are left out."""
    typer.echo(chosen.said(purpose), err=True)
    for line in skipped_of(chosen.crowds):
        typer.echo(f"skipped: {one_line(line)}", err=True)


def require_effect(overrides: Sequence[str], unused: Collection[str]) -> None:
    """Refuses overrides of settings of a data set that change nothing of what is done."""
    for override in overrides:
        name = override.partition("=")[0].removeprefix("data.").partition(".")[0].strip()
        if name in unused:
            raise InputError(f"--set {override}: data.{name} has no effect here")


def data_settings(overrides: Sequence[str]) -> Mapping[str, Any]:
    """The settings of a data set in overrides that name nothing else.

    Raises:
        InputError: one names something else, or is no `data.name=value`.
    """
    from countguard.dotted import overridden

    for override in overrides:
        if not override.startswith("data."):
            raise InputError(f"--set {override}: only settings of the data set have an effect here: data.NAME=VALUE")
    settings: Mapping[str, Any] = overridden({"data": {}}, overrides, "--set")["data"]
    return settings
