"""The data set that a verb is given: a folder or `synthetic`, its format, and settings of it."""

from collections.abc import Mapping, Sequence
from typing import Any

import typer

from countguard.data.source import Chosen, LazyCrowds, Source
from countguard.data.sources import named_source
from countguard.errors import InputError, one_line


def chosen_source(data: str, format: str | None, overrides: Sequence[str] | None, *, skip_bad: bool = False) -> Source:
    """The data set that the command line names.

    Args:
        data: a folder or `synthetic`.
        format: of the folder; None to tell it by what is there.
        overrides: as `--set` takes them, all of them settings of the data set.
        skip_bad: bad files are left out; for folders.

    Raises:
        InputError: there is no such data set, or an override is none of its settings.
    """
    settings = data_settings(overrides or [])
    if skip_bad and not data.startswith("synthetic"):
        settings = {**settings, "skip_bad": True}
    return named_source(data, kind=format, settings=settings)


def say_chosen(chosen: Chosen, purpose: str) -> None:
    """Says on stderr how many images are used for what, and names the bad ones that are left out."""
    typer.echo(chosen.said(purpose), err=True)
    for line in chosen.crowds.skipped if isinstance(chosen.crowds, LazyCrowds) else ():
        typer.echo(f"skipped: {one_line(line)}", err=True)


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
