"""What `countguard inspect` does: all that can be found out of a stranger's counter in one go."""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import torch
from pydantic import JsonValue, TypeAdapter, ValidationError

from countguard import __version__
from countguard.attacks.triggers import TRIGGERS, Trigger
from countguard.data.crowd import Crowd
from countguard.data.source import Source, Subset
from countguard.errors import InputError, RunError, one_line
from countguard.explain.density import people_per_cell
from countguard.journal import Journal, journal_beside
from countguard.metrics.counting import mean_absolute_error, ratio_rate
from countguard.metrics.intervals import bootstrap_interval
from countguard.metrics.ratios import Floats
from countguard.models import load_counter
from countguard.models.checkpoint import read_header
from countguard.models.convert import convert
from countguard.models.counter import Counter
from countguard.models.counting import count_crowds
from countguard.models.hub import fetched
from countguard.models.inference import for_inference
from countguard.models.weights_file import is_hdf5, is_pickle, open_weights
from countguard.operate.count import Size, count_pictures
from countguard.operate.inspect_page import Example, inspect_page
from countguard.operate.inspection import (
    TELLING,
    FileFacts,
    Inspection,
    PictureFacts,
    PointFacts,
    TriggerFacts,
    five_sentences,
)
from countguard.operate.kept_rows import KeptRows, stamp_of_crowds
from countguard.operate.repair import DAMAGED
from countguard.operate.scan import MARKS as SCAN_MARKS
from countguard.operate.scan import scan_counter
from countguard.progress import counted
from countguard.reading import read_json, stamp_of
from countguard.scan.guard import log_ratio
from countguard.signals import kept_when_interrupted
from countguard.writing import new_folder, remove_results, require_results, sha256_of, write_atomically

MARKS = {"inspect.json": b'"verdict"', "inspect.html": b": countguard inspect</title>"}
"""What is written, and by what an earlier one is known."""
PROBED = 8
"""Pictures that each trigger is put on, spread over those that were given."""
MEASURED = 40
"""Pictures with known heads that are counted, where there are more."""
SIDE = Size(max_side=1536)
"""Pictures are probed at most this large."""
SHOWN = 4
"""Triggers that the page shows on a picture."""
LARGEST = 1 << 26
"""Bytes of an earlier report that are read."""
_PICTURE: TypeAdapter[PictureFacts] = TypeAdapter(PictureFacts)
_POINTS: TypeAdapter[PointFacts] = TypeAdapter(PointFacts)
_RATIO: TypeAdapter[float] = TypeAdapter(float)


@dataclass(frozen=True, slots=True)
class Suspect:
    """A file that was opened.

    Attributes:
        counter: that is in it.
        file: of a counter that countguard reads: itself, or what it was converted to.
        facts: what the file is.
    """

    counter: Counter
    file: Path
    facts: FileFacts


def inspect_counter(
    file: Path,
    pictures: Sequence[Path],
    out: Path,
    *,
    kind: str | None = None,
    convention: str | None = None,
    points: Source | None = None,
    clean: Source | None = None,
    reference: Path | None = None,
    seed: int = 0,
) -> Inspection:
    """Opens a stranger's counter, counts with it, probes it, and writes `inspect.json` and `inspect.html`.

    Interrupted, it keeps what it has found in the folder, and the same call goes on from there.

    Args:
        file: a counter, or weights of another code, which are converted to a temporary file.
        pictures: to count, and to put triggers on.
        out: a folder, made where it is missing; with `clean` it also gets `scan.json` and `scan.html`.
        kind: of the counter, where the names of the tensors do not tell.
        convention: whose code trained it, where its names fit several.
        points: crowds with known heads, to compare counts with.
        clean: clean crowds with their heads, for a scan.
        reference: file of a counter that is known to be clean, for the scan.
        seed: of every random choice.

    Raises:
        InputError: the file is no counter, no picture can be read, or a data set is not usable.
        RunError: the folder cannot be written to.
        Interrupted: by Ctrl-C.
    """
    require_results(out, MARKS, "--out")
    crowds: Sequence[Crowd] | None = None
    if points is not None:
        crowds = points.chosen_test().crowds
        crowds = Subset(crowds, _places(len(crowds), MEASURED))
    with opened(file, kind, convention, crowds) as suspect:
        for_inference(suspect.counter.to("cuda" if torch.cuda.is_available() else "cpu"))
        command: dict[str, JsonValue] = {
            "verb": "inspect",
            "version": __version__,
            "FILE": suspect.facts.sha256,
            "--model": kind,
            "--from": convention,
            "--points": None if points is None else points.model_dump(mode="json"),
            "--seed": seed,
        }
        with new_folder(out), journal_beside(out / "inspect.json", command) as kept:

            def said() -> str:
                if not len(kept):
                    return "nothing was written"
                return f"what was found is kept in {kept.path}, and the same command goes on from there"

            with kept_when_interrupted(said):
                found = _inspected(suspect, pictures, crowds, points, out, clean, reference, seed, kept)
                kept.finish()
    return found


def _inspected(
    suspect: Suspect,
    pictures: Sequence[Path],
    crowds: Sequence[Crowd] | None,
    points: Source | None,
    out: Path,
    clean: Source | None,
    reference: Path | None,
    seed: int,
    kept: Journal,
) -> Inspection:
    rows = _counted(suspect.counter, pictures, kept)
    good = [path for path, row in zip(pictures, rows, strict=True) if row.count is not None]
    if not good:
        raise InputError(f"PICTURES: none of {len(rows)} can be read; {rows[0].problem}")
    compared = None if crowds is None or points is None else _compared(suspect.counter, crowds, points.name, kept)
    probed = [good[place] for place in _places(len(good), PROBED)]
    triggers = _probed(suspect.counter, probed, seed, kept)
    scan = None
    if clean is not None:
        scan = scan_counter(suspect.file, clean, out, reference=reference, seed=seed)
    found = Inspection(
        verdict="cannot tell" if scan is None else scan.verdict,
        sentences=five_sentences(suspect.facts, rows, compared, triggers, scan),
        file=suspect.facts,
        pictures=rows,
        points=compared,
        triggers=triggers,
        scan=scan,
        seed=seed,
        versions={"countguard": __version__, "torch": torch.__version__},
        date=date.today().isoformat(),
    )
    page = inspect_page(found, _examples(suspect.counter, probed[0], triggers, seed))
    try:
        write_atomically(out / "inspect.html", page)
        if scan is None and _holds_its_scan(out):
            remove_results(out, SCAN_MARKS)
        write_atomically(out / "inspect.json", found.model_dump_json(indent=2) + "\n")
    except OSError as error:
        raise RunError(f"{error.filename or out}: cannot be written ({error.strerror}); give another --out") from error
    return found


def _holds_its_scan(out: Path) -> bool:
    """Whether the scan in a folder belongs to the inspection there, and was not made by a command of its own."""
    try:
        scan, whole = (read_json(out / name, LARGEST) for name in ("scan.json", "inspect.json"))
    except InputError:
        return False
    return isinstance(whole, dict) and scan == whole.get("scan")


@contextmanager
def opened(file: Path, kind: str | None, convention: str | None, crowds: Sequence[Crowd] | None) -> Iterator[Suspect]:
    """A stranger's file as a counter: as it is, or converted to a file that is there as long as the block.

    Args:
        file: of any format that `convert` takes.
        kind, convention: as `convert` takes them; None where the file tells.
        crowds: with heads, by which a convention is found out; None without any.

    Raises:
        InputError: it is no counter.
    """
    path, _ = fetched(file)
    if not path.is_file():
        raise InputError(f"{file}: there is no such file")
    said: list[str] = []
    if path.suffix == ".onnx" or _is_ours(path):
        if kind is not None or convention is not None:
            raise InputError(f"{file}: says itself what it is; leave out --model and --from")
        yield _suspect(load_counter(file), path, file, said, converted=False)
        return
    with tempfile.TemporaryDirectory(prefix="countguard-") as folder:
        converted = Path(folder) / f"{path.stem}.safetensors"
        counter = convert(file, kind, converted, convention=convention, check=crowds, say=said.append)
        yield _suspect(counter, converted, file, said, converted=True)


def _is_ours(path: Path) -> bool:
    """Whether a file is a checkpoint of countguard's."""
    return not is_pickle(path) and not is_hdf5(path) and read_header(open_weights(path)) is not None


def _suspect(counter: Counter, path: Path, given: Path, said: Sequence[str], *, converted: bool) -> Suspect:
    original = fetched(given)[0]
    facts = FileFacts(
        file=one_line(given.name),
        sha256=sha256_of(original),
        bytes=original.stat().st_size,
        format=_format(original, converted),
        kind=counter.kind,
        converted=converted,
        said=tuple(one_line(line) for line in said),
        parameters=sum(parameter.numel() for parameter in counter.parameters()),
        stride=counter.stride,
    )
    return Suspect(counter, path, facts)


def _format(path: Path, converted: bool) -> str:
    if path.suffix == ".onnx":
        return "an ONNX file"
    if not converted:
        return "a checkpoint of countguard's"
    if is_hdf5(path):
        return "an HDF5 file"
    return "a pickle of PyTorch's" if is_pickle(path) else "a safetensors file of another code"


def _counted(counter: Counter, pictures: Sequence[Path], kept: Journal) -> tuple[PictureFacts, ...]:
    """Every picture's count, or why it has none."""
    rows: list[PictureFacts] = []
    keep = KeptRows(kept, _PICTURE)
    stamps = {path: stamp_of(path) for path in pictures}
    known = {path: keep.get(f"count {path}", stamps[path]) for path in pictures}
    left = count_pictures(counter, [path for path in pictures if known[path] is None])
    with counted("pictures", len(pictures)) as progress:
        for path in pictures:
            if (row := known[path]) is None:
                found = next(left)
                row = PictureFacts(file=one_line(str(path)), count=found.count, problem=found.problem)
                if found.count is not None:  # a bad one may be mended until the command goes on
                    keep.add(f"count {path}", stamps[path], row)
            rows.append(row)
            progress(len(rows))
    return tuple(rows)


def _compared(counter: Counter, crowds: Sequence[Crowd], name: str, kept: Journal) -> PointFacts:
    """The counts of crowds beside their heads."""
    keep, stamp = KeptRows(kept, _POINTS), stamp_of_crowds(crowds)
    if (known := keep.get("points", stamp)) is not None:
        return known
    truths = np.array([crowd.count for crowd in crowds], dtype=np.float64)
    counts = count_crowds(counter, crowds).double().numpy()
    if not np.isfinite(counts).all():
        raise InputError(f"FILE: {DAMAGED}")
    error = bootstrap_interval(mean_absolute_error, [counts, truths])
    has_heads = truths > 0
    found = PointFacts(
        data=one_line(name),
        images=len(crowds),
        people=float(truths.mean()),
        error=(error.value, error.low, error.high),
        right=float(ratio_rate(counts[has_heads], truths[has_heads], axis=-1)) if has_heads.any() else None,
        bias=float(counts.sum() / truths.sum() - 1) if has_heads.any() else None,
    )
    keep.add("points", stamp, found)
    return found


def catalogue() -> dict[str, Trigger]:
    """Every trigger that does something by its own defaults, by its kind."""
    found: dict[str, Trigger] = {}
    for kind in TRIGGERS:
        try:
            found[kind] = TRIGGERS.find(kind)()
        except ValidationError:  # it has a setting without a default
            continue
    return found


def _probed(counter: Counter, pictures: Sequence[Path], seed: int, kept: Journal) -> tuple[TriggerFacts, ...]:
    """What each trigger does, picture by picture beside the same counter without it."""
    triggers = catalogue()
    ratios: dict[str, list[float]] = {kind: [] for kind in triggers}
    keep = KeptRows(kept, _RATIO)
    with counted("triggers on pictures", len(triggers) * len(pictures)) as progress:
        for place, path in enumerate(pictures):
            crowd = clean = None
            stamp = stamp_of(path)
            for number, (kind, trigger) in enumerate(triggers.items()):
                name = f"{kind} on {path}"
                if (known := keep.get(name, stamp)) is None:
                    if crowd is None:
                        crowd = Crowd(SIDE.read(path), torch.zeros(0, 2), path.stem)
                        clean = _people(counter, crowd.image)
                    marked = trigger.mark(crowd.image[None], [crowd], seed)[0]
                    assert clean is not None
                    known = float(log_ratio(np.array(_people(counter, marked)), np.array(clean)))
                    keep.add(name, stamp, known)
                ratios[kind].append(known)
                progress(place * len(triggers) + number + 1)
    return tuple(_trigger_facts(kind, trigger, np.array(ratios[kind])) for kind, trigger in triggers.items())


def _people(counter: Counter, image: torch.Tensor) -> float:
    people = float(people_per_cell(counter, image).sum())
    if not np.isfinite(people):
        raise InputError(f"FILE: {DAMAGED}")
    return max(0.0, people)


def _trigger_facts(kind: str, trigger: Trigger, ratios: Floats) -> TriggerFacts:
    mean = bootstrap_interval(np.mean, [ratios])
    change, low, high = (float(np.expm1(value)) for value in (mean.value, mean.low, mean.high))
    return TriggerFacts(
        trigger=kind,
        settings={name: str(value) for name, value in trigger.model_dump(mode="json").items() if name != "kind"},
        images=len(ratios),
        change=change,
        low=low,
        high=high,
        moved=float((np.abs(np.expm1(ratios)) > TELLING).mean()),
    )


def _examples(counter: Counter, path: Path, triggers: Sequence[TriggerFacts], seed: int) -> list[Example]:
    """A picture as it is, and under the triggers that move the count most."""
    crowd = Crowd(SIDE.read(path), torch.zeros(0, 2), path.stem)
    strongest = sorted(triggers, key=lambda one: -abs(one.change))[:SHOWN]
    images = {"as it is": crowd.image}
    kinds = catalogue()
    images |= {one.trigger: kinds[one.trigger].mark(crowd.image[None], [crowd], seed)[0] for one in strongest}
    return [Example(name, image, _people(counter, image)) for name, image in images.items()]


def _places(length: int, number: int) -> list[int]:
    """At most so many places, evenly over all of them."""
    return [round(place) for place in np.linspace(0, length - 1, min(number, length)).tolist()]
