"""Counters by name: random, from public weights, or from a file."""

import logging
import os
from collections.abc import Callable, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any, TypeAlias

from countguard.errors import InputError
from countguard.models.checkpoint import read_header
from countguard.models.conventions import Convention, fitting, known_file, named
from countguard.models.counter import Counter
from countguard.models.hub import fetched
from countguard.models.layouts import Found, find_kinds, find_layout, nearest_layout
from countguard.models.registry import COUNTERS
from countguard.models.restore import construct, fill
from countguard.models.weights_file import WeightsFile, open_weights, read_tensor

FRONT_END = "#frontend"
"""Behind a file's name: take its front end alone."""
Decide: TypeAlias = Callable[[Sequence[Convention], Callable[[Convention], Counter]], Convention]
"""Chooses among conventions, given the counter that each of them makes of the file."""

_log = logging.getLogger(__name__)


def build_counter(kind: str, *, weights: str | PathLike[str] | None = None, **settings: Any) -> Counter:
    """A counter of one kind.

    Args:
        kind: one of `COUNTERS`.
        weights: None for random weights from torch's generator (fork and seed it around the call); a name that the
            kind knows, such as "imagenet" or "openai"; or a safetensors file, also as hf://owner/repo/file: a
            checkpoint, a key layout of `countguard.models.layouts`, or `FILE#frontend` for the front end of either
            alone.
        settings: arguments of the kind's constructor. They have priority over those in a file, and those over the
            defaults.

    Raises:
        InputError: an unknown kind or setting, or weights that are not there, do not fit, or do not say what their
            numbers mean.
    """
    cls = COUNTERS.find(kind, Path.cwd())
    if weights is None:
        return construct(kind, settings, f"model {kind}")
    if weights in cls.pretrained:
        counter = construct(kind, settings, f"model {kind}")
        counter.load_pretrained(str(weights))
        return counter
    if not Path(weights).suffix and not Path(weights).exists():
        known = ", ".join(["null", *cls.pretrained, "a .safetensors file"])
        raise InputError(f"model.weights {str(weights)!r} is unknown to {kind}; there are {known}")
    return from_file(kind, weights, settings)


def from_file(
    kind: str,
    weights: str | PathLike[str],
    settings: Mapping[str, Any],
    *,
    front_end_will_do: bool = True,
    convention: str | None = None,
    decide: Decide | None = None,
    say: Callable[[str], None] = _log.warning,
) -> Counter:
    """A counter from a safetensors file; see `build_counter`.

    Args:
        kind: the counter's.
        weights: the file.
        settings: arguments of its constructor.
        front_end_will_do: whether the front end of such a counter is enough.
        convention: the code that trained it, where the file does not tell; see `countguard.models.conventions`.
        decide: finds the convention out, where it is not named.
        say: takes a line on whatever was assumed or left out.

    Raises:
        InputError: the kind is unknown, or the file is not there, does not fit, does not say what its numbers mean, or
            holds a front end alone where that will not do.
    """
    cls = COUNTERS.find(kind)
    text = os.fspath(weights)
    front_end = text.endswith(FRONT_END) and not Path(text).exists()
    path, origin = fetched(text.removesuffix(FRONT_END) if front_end else text)
    file = open_weights(path)
    header = read_header(file)
    if header is not None and not front_end:
        if header.kind != kind:
            raise InputError(f"{path}: holds a counter of kind {header.kind!r}, model.kind is {kind!r}")
        counter = fill(file, kind, {**header.settings, **settings})
        counter.origin = origin or header.origin
        return counter
    if cls.takes(file.shapes.keys()):
        if not front_end_will_do:
            raise InputError(
                f"{path}: holds the front end of a {kind} alone; name it as model.weights to train from it"
            )
        counter = construct(kind, settings, f"model {kind}")
        counter.load_public(file)
        counter.origin = origin
        return counter
    found = find_layout(kind, file.shapes, front_end=front_end)
    if found is None:
        raise InputError(_unknown(file, kind, front_end))
    if not found.layout.whole and not front_end_will_do:
        raise InputError(f"{path}: holds the front end of a {kind} alone; name it as model.weights to train from it")
    counter = _read(file, kind, found, settings, convention, decide, say)
    counter.origin = origin
    return counter


def _read(
    file: WeightsFile,
    kind: str,
    found: Found,
    given: Mapping[str, Any],
    convention: str | None,
    decide: Decide | None,
    say: Callable[[str], None],
) -> Counter:
    """A counter from a file whose layout is known, after what it means is settled."""
    layout, names = found.layout, found.own_names(file.shapes)
    told = layout.settings_of(file, found.prefix) if layout.settings_of is not None else {}
    settings = {**layout.settings, **told, **given}

    def counter_for(chosen: Convention | None) -> Counter:
        meant = {} if chosen is None else dict(chosen.settings)
        counter = fill(file, kind, {**meant, **settings}, names=names, whole=layout.whole, elsewhere=layout.finished)
        if layout.finish is not None:
            layout.finish(counter, file, found.prefix)
        return counter

    left_out = sorted(name for name in file.shapes if not name.startswith(found.prefix))
    if left_out:
        say(f"{file.path}: {found.prefix}* is read; {len(left_out)} others are not, {left_out[0][:80]} among them")
    if convention is not None:
        return counter_for(named(found.conventions, convention, str(file.path)))
    open_ones = [one for one in found.conventions if not settings.keys() >= one.settings.keys()]
    open_ones = list(fitting(open_ones, given)) or open_ones
    if len(open_ones) <= 1:
        return counter_for(open_ones[0] if open_ones else None)
    known = _known(file, found)
    if known is not None:
        chosen = named(found.conventions, known, str(file.path))
        say(f"{file.path}: a published file, trained by {chosen.source} (--from {chosen.name})")
    elif decide is not None:
        chosen = decide(open_ones, counter_for)
    elif found.must_choose:
        raise InputError(_ask(file, found, open_ones))
    else:
        chosen = open_ones[0]
        others = ", ".join(one.name for one in open_ones[1:])
        say(f"{file.path}: taken for {chosen.source}; if it was another, name it: --from {others}")
    return counter_for(chosen)


def _known(file: WeightsFile, found: Found) -> str | None:
    """The convention of a published file, by its last layer."""
    name = f"{found.prefix}output_layer.weight"
    return known_file(read_tensor(file, name)) if name in file.shapes else None


def _ask(file: WeightsFile, found: Found, open_ones: Sequence[Convention]) -> str:
    scales = sorted({round(one.settings["output_scale"], 4) for one in open_ones if "output_scale" in one.settings})
    differ = f", and their counts differ by up to {scales[-1] / scales[0]:.0f} times" if len(scales) > 1 else ""
    names = "|".join(one.name for one in open_ones)
    return (
        f"{file.path}: {found.layout.title} of these names is trained by several codes{differ}; say whose it is, "
        f"--from {names}, or give pictures with counts, --check DATA, by which it is found out; in a recipe, set "
        "model.mean, model.std and model.output_scale"
    )


def _unknown(file: WeightsFile, kind: str, front_end: bool) -> str:
    """Why no layout fits: what the file holds, and what takes it."""
    part = "the front end of a" if front_end else "a"
    line = f"{file.path}: its tensors are named as in no layout known to hold {part} {kind}"
    held = min(file.shapes, default="nothing")[:80]
    if others := find_kinds(file.shapes):
        kinds = " or ".join(f"--model {other}" for found in others for other in found.layout.kinds)
        return f"{line}; it holds {others[0].layout.title} ({held}): {kinds}"
    if near := nearest(file):
        return line + near
    if "features.16.weight" in file.shapes:
        return f"{line}; they are those of a VGG-19 (features.16.weight), which dm_count has"
    return (
        f"{line}; it holds {held} and {len(file.shapes) - 1} more. A network that no kind stands for can be exported "
        "to ONNX by its own code: that file counts here"
    )


def nearest(file: WeightsFile) -> str:
    """The layout that a file nearly has: what it holds of it, and what it lacks; empty where there is none."""
    found = nearest_layout(file.shapes)
    if found is None:
        return ""
    layout, held, lacking = found
    return f"; of {layout.title} ({' or '.join(layout.kinds)}) it holds {held}, and not {lacking}"
