"""What an ONNX file does not say of itself, said once and kept beside it."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from countguard.errors import InputError, RunError
from countguard.models.building import Decide
from countguard.models.conventions import ONNX, Convention, fitting, named
from countguard.models.onnx_counter import (
    OnnxCounter,
    OnnxSettings,
    needs_scaling,
    require_settings_place,
    unsaid,
    write_settings,
)
from countguard.models.onnx_file import OnnxFile, open_onnx, require_onnx_place
from countguard.settings import first_error
from countguard.writing import write_atomically


def describe_onnx(
    path: Path,
    out: Path,
    settings: Mapping[str, Any],
    *,
    convention: str | None,
    decide: Decide | None,
    say: Callable[[str], None],
) -> OnnxCounter:
    """Keep what is said of an ONNX file beside `out`, which becomes a copy of it where it is another file.

    Args:
        path: the ONNX file.
        out: its place; the same file to leave it where it is.
        settings: those of `OnnxSettings` that are given.
        convention: how its input is scaled, by name.
        decide: finds that out, where it is not named.
        say: takes a line on what was assumed.

    Raises:
        InputError: the file or a setting is wrong, or how its input is scaled remains open.
        RunError: the files cannot be written, or the graph fails.
    """
    if out.suffix != ".onnx":
        raise InputError(f"{out}: --out should name an .onnx file: an ONNX file stays one; {path} itself is allowed")
    require_onnx_place(out, "--out")
    require_settings_place(out, "--out")
    file = open_onnx(path)

    def counter_for(chosen: Convention | None) -> OnnxCounter:
        return OnnxCounter(file, _settings(path, {**({} if chosen is None else chosen.settings), **settings}))

    counter = counter_for(_chosen(file, settings, convention, decide, counter_for))
    if out.resolve() != path.resolve():
        try:
            write_atomically(out, file.content)
        except OSError as error:
            raise RunError(f"{out}: cannot be written ({error.strerror})") from None
    say(f"{write_settings(out, counter.onnx_settings)}: kept what was said of {out.name}")
    return counter


def _chosen(
    file: OnnxFile,
    given: Mapping[str, Any],
    name: str | None,
    decide: Decide | None,
    counter_for: Callable[[Convention | None], OnnxCounter],
) -> Convention | None:
    """How the input is scaled; None where the graph takes bytes, scales by itself, or everything is given."""
    if name is not None:
        return named(ONNX, name, str(file.path))
    if not needs_scaling(file) or {"mean", "std"} <= given.keys():
        return None
    open_ones = fitting(ONNX, given)
    if len(open_ones) == 1:
        return open_ones[0]
    if decide is None or not open_ones:
        raise InputError(unsaid(file))
    return decide(open_ones, counter_for)


def _settings(path: Path, settings: Mapping[str, Any]) -> OnnxSettings:
    try:
        return OnnxSettings.model_validate(settings)
    except ValidationError as error:
        raise InputError(f"{path}: {first_error(error)}") from None
