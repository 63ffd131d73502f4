"""What is in a data set, everything that is wrong with it, and every doubt."""

import hashlib
import math
import os
from collections import Counter as Tally
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch
from pydantic import JsonValue

from countguard.data.annotated import AnnotatedImage, FileSource, OutsideError, Survey
from countguard.data.images import IMAGE_SUFFIXES, read_with_depth
from countguard.data.look import all_files, some
from countguard.data.picture_formats import UNREAD
from countguard.data.source import Part
from countguard.data.sources import Found, find_source
from countguard.errors import InputError
from countguard.reading import refusals_as_input_errors
from countguard.wording import plural

CHANCE = 1e-6
"""A doubt about coordinates is raised where heads that lie anywhere in their pictures would look so by less chance."""


@dataclass(frozen=True, slots=True)
class PartReport:
    """One official part of a data set, of its good images alone.

    Attributes:
        part: train, val or test; train where the set has but one part.
        images: how many.
        heads: all together.
        fewest, median, most: heads in an image.
        without_heads: images that have none.
        smallest, largest: (height, width) of the pictures with the fewest and the most pixels.
        moved: heads that lay a few pixels outside and were moved inside.
        coinciding: heads on a pixel that has another head, counted once less a pixel.
    """

    part: Part
    images: int
    heads: int
    fewest: int
    median: float
    most: int
    without_heads: int
    smallest: tuple[int, int]
    largest: tuple[int, int]
    moved: int
    coinciding: int


@dataclass(frozen=True, slots=True)
class DataReport:
    """A whole data set.

    Attributes:
        name: of the data set.
        format: its kind in a recipe.
        because: how the format is known.
        parts: those that are there and have a good image.
        problems: a line for each bad file, and for what is wrong with the set as a whole. A set with one is not fit.
        doubts: lines on what may be meant, and changes what a counter sees: EXIF, depth, files left out.
        notes: lines on what was counted and left out by rule.
    """

    name: str
    format: str
    because: str
    parts: tuple[PartReport, ...]
    problems: tuple[str, ...]
    doubts: tuple[str, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Look:
    """A good picture once it is decoded: a digest of its pixels, and the bits it uses where it has 16."""

    image: AnnotatedImage
    digest: bytes
    bits: int | None


def check_data(
    data: Path | FileSource, *, kind: str | None = None, settings: Mapping[str, JsonValue] | None = None
) -> DataReport:
    """Reads every file of a data set, decodes every picture, and reports instead of ending at the first bad one.

    Args:
        data: a folder, or the source that reads one.
        kind: the format of the folder; None to tell it.
        settings: of the source.

    Raises:
        InputError: the folder as a whole is no data set, or its label files cannot be read.
    """
    found = find_source(data, kind=kind, settings=settings) if isinstance(data, Path) else Found(data, "given")
    source = found.source.model_copy(update={"skip_bad": False})
    with refusals_as_input_errors(source.root):
        surveys = {part: source.survey(part) for part in source.parts()}
        looks: dict[Part, list[_Look]] = {}
        problems: list[str] = []
        for part, survey in surveys.items():
            decoded = _decoded(survey.images)
            looks[part] = [look for look in decoded if isinstance(look, _Look)]
            bad = [*map(str, survey.problems), *(str(look) for look in decoded if isinstance(look, InputError))]
            problems += bad
            problems += _missing_heads(source.parts()[part], looks[part], len(bad))
        problems += [*_exchanged(surveys), *_in_a_corner(looks), *_shared(looks)]
        doubts = [*_turned(source, looks), *_deep(looks), *_twice(looks), *_left_out(source, surveys)]
    kind_of = str(source.model_dump(include={"kind"})["kind"])
    notes = [note for survey in surveys.values() for note in survey.labels.notes]
    if list(surveys) == ["train"]:
        notes.append(
            "the set has one part: recipes hold back test images by data.split, `evaluate` measures all of them"
        )
    parts = tuple(_report(part, seen) for part, seen in looks.items() if seen)
    return DataReport(
        source.name, kind_of, found.because, parts, tuple(problems), tuple(doubts), tuple(dict.fromkeys(notes))
    )


def _decoded(images: Sequence[AnnotatedImage]) -> list[_Look | InputError]:
    def look(image: AnnotatedImage) -> _Look | InputError:
        try:
            pixels, bits = read_with_depth(image.path, upright=image.frame == "upright")
        except InputError as error:
            return error
        digest = hashlib.blake2b(f"{tuple(pixels.shape)}".encode(), digest_size=16)
        digest.update(pixels.numpy().data)
        return _Look(image, digest.digest(), bits)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(look, images))


def _report(part: Part, looks: Sequence[_Look]) -> PartReport:
    images = [look.image for look in looks]
    counts = sorted(len(image.points) for image in images)
    middle = len(counts) // 2
    by_size = sorted(((image.height, image.width) for image in images), key=lambda size: size[0] * size[1])
    return PartReport(
        part=part,
        images=len(counts),
        heads=sum(counts),
        fewest=counts[0],
        median=(counts[middle] + counts[~middle]) / 2,
        most=counts[-1],
        without_heads=counts.count(0),
        smallest=by_size[0],
        largest=by_size[-1],
        moved=sum(image.moved for image in images),
        coinciding=sum(_coinciding(image) for image in images),
    )


def _coinciding(image: AnnotatedImage) -> int:
    return len(image.points) - len(torch.unique(image.points.floor(), dim=0))


def _missing_heads(place: Path, looks: Sequence[_Look], bad: int) -> list[str]:
    if not looks:
        return [f"{place}: not one good image is left of {bad}"]
    if any(len(look.image.points) for look in looks):
        return []
    return [f"{place}: there is not one head in its {len(looks)} good images; is this the right label file?"]


def _exchanged(surveys: Mapping[Part, Survey]) -> list[str]:
    """x and y that changed places: heads lie outside, and would not if they changed back."""
    outside = [
        problem for survey in surveys.values() for problem in survey.problems if isinstance(problem, OutsideError)
    ]
    if not outside or not all(problem.swapped for problem in outside):
        return []
    return [
        f"x and y look exchanged: {plural(len(outside), 'picture')} with heads outside, all of which would lie inside "
        "with y before x"
    ]


def _in_a_corner(looks: Mapping[Part, Sequence[_Look]]) -> list[str]:
    """Heads that all lie in the upper left corner: fractions of the picture's sides, or percent of them."""
    images = [look.image for seen in looks.values() for look in seen if len(look.image.points)]
    for side, meaning in ((1.0, "shares of the picture's sides"), (100.0, "percent of the picture's sides")):
        if not all(bool((image.points <= side).all()) for image in images):
            continue
        chance = sum(
            len(image.points) * math.log(min(1, side / image.height) * min(1, side / image.width)) for image in images
        )
        if images and chance < math.log(CHANCE):
            heads = sum(len(image.points) for image in images)
            return [
                f"all {heads} heads of all pictures lie within {plural(round(side), 'pixel')} of the upper left "
                f"corner: x and y look like {meaning}; they should be pixels"
            ]
    return []


def _shared(looks: Mapping[Part, Sequence[_Look]]) -> list[str]:
    """Pictures that are in two parts, whatever their names and formats."""
    lines = []
    for one, other in (("train", "test"), ("train", "val"), ("val", "test")):
        first = {look.digest: look.image for look in looks.get(one, ())}  # type: ignore[call-overload]
        both = [
            f"{first[look.digest].path.name} = {look.image.path.name}"
            for look in looks.get(other, ())  # type: ignore[call-overload]
            if look.digest in first
        ]
        if both:
            lines.append(f"{len(both)} pictures are in {one} and in {other}: {some(both)}")
    return lines


def _turned(source: FileSource, looks: Mapping[Part, Sequence[_Look]]) -> list[str]:
    lines = []
    for frame, said in (("upright", "as a viewer shows them"), ("stored", "as they are stored")):
        turned = [
            look.image.path.name
            for seen in looks.values()
            for look in seen
            if look.image.turned and look.image.frame == frame
        ]
        if turned:
            other = "stored" if frame == "upright" else "upright"
            lines.append(
                f"{_pictures(len(turned))} turned by EXIF: {some(turned)}; heads are taken in the pictures {said}, "
                f"data.exif={other} takes them in the others"
            )
    return lines


def _deep(looks: Mapping[Part, Sequence[_Look]]) -> list[str]:
    by_bits: dict[int, list[str]] = {}
    for seen in looks.values():
        for look in seen:
            if look.bits is not None and look.bits < 16:
                by_bits.setdefault(look.bits, []).append(look.image.path.name)
    return [
        f"{_pictures(len(names))} of 16 bits and {_verb(names, 'uses', 'use')} {bits}: {some(names)}; "
        f"{_verb(names, 'it is', 'they are')} scaled by what {_verb(names, 'it uses', 'they use')}"
        for bits, names in sorted(by_bits.items())
    ]


def _twice(looks: Mapping[Part, Sequence[_Look]]) -> list[str]:
    lines = []
    for part, seen in looks.items():
        first: dict[bytes, str] = {}
        again = []
        for look in seen:
            name = look.image.path.name
            if (before := first.setdefault(look.digest, name)) != name:
                again.append(f"{before} = {name}")
        if again:
            lines.append(f"{len(again)} pictures are in {part} twice: {some(again)}")
    return lines


def _left_out(source: FileSource, surveys: Mapping[Part, Survey]) -> list[str]:
    """Files of the folder that no part reads, pictures by name and others by number."""
    annotations = [annotation for survey in surveys.values() for annotation in survey.labels.annotations]
    used = {path for annotation in annotations for path in (annotation.image, annotation.file)}
    used |= {path for survey in surveys.values() for path in survey.labels.files}
    real = cache(Path.resolve)  # of folders: a link to a file is a file of its own
    places = {real(path.parent) / path.name for path in used}
    left = [path for path in all_files(source.root) if real(path.parent) / path.name not in places]
    named = IMAGE_SUFFIXES | UNREAD
    pictures = [path for path in left if path.suffix.lower() in named]
    others = Tally(path.suffix.lower() or "no suffix" for path in left if path.suffix.lower() not in named)
    lines = []
    if pictures:
        names = [str(path.relative_to(source.root)) for path in pictures]
        lines.append(f"{_pictures(len(pictures), 'left out')}: {some(names, 10)}")
    if others:
        counts = [f"{number} {suffix}" for suffix, number in others.most_common()]
        files = "other file is" if others.total() == 1 else "other files are"
        lines.append(f"{others.total()} {files} not read: {some(counts, 10)}")
    return lines


def _verb(names: Sequence[str], one: str, more: str) -> str:
    return one if len(names) == 1 else more


def _pictures(number: int, rest: str = "") -> str:
    return f"{number} {'picture is' if number == 1 else 'pictures are'}{f' {rest}' if rest else ''}"
