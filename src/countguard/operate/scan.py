"""What `countguard scan` does: opens what it was given, scans, and leaves scan.json and scan.html."""

from collections.abc import Sequence
from pathlib import Path

import torch
from pydantic import JsonValue
from rich.table import Table

from countguard import __version__
from countguard.data.crowd import Crowd
from countguard.data.source import Source, Subset
from countguard.errors import RunError
from countguard.journal import journal_beside
from countguard.models import load_counter
from countguard.models.hub import fetched
from countguard.models.inference import for_inference
from countguard.operate.scan_page import scan_page
from countguard.progress import counted
from countguard.scan.effects import MOST
from countguard.scan.report import ScanReport
from countguard.scan.scan import SAID, Scan, require_crowds, run_scan, work_of
from countguard.seeds import generator_for
from countguard.signals import kept_when_interrupted
from countguard.writing import new_folder, require_results, sha256_of, write_atomically

IMAGES = 40
"""Clean images that a scan uses, where there are more."""
MARKS = {"scan.json": b'"verdict"', "scan.html": b": countguard scan</title>"}
"""What is written, and by what an earlier one is known."""


def scan_counter(
    counter: Path, clean: Source, out: Path, *, reference: Path | None = None, images: int = IMAGES, seed: int = 0
) -> ScanReport:
    """Scans a counter with the training images of a clean data set, and writes `scan.json` and `scan.html`.

    Args:
        counter: its file.
        clean: crowds with their heads.
        out: a folder, made where it is missing.
        reference: file of a counter that is known to be clean.
        images: how many of the crowds are used at most, drawn by the seed.
        seed: of every random choice.

    Raises:
        InputError: a file is no counter, or the crowds are not usable or too few.
        RunError: the folder cannot be written to.
        Interrupted: by Ctrl-C; what was measured is kept in the folder.
    """
    require_results(out, MARKS, "--out")
    suspect = load_counter(counter)
    known = load_counter(reference) if reference is not None else None
    crowds = chosen_crowds(clean, images, seed)
    require_crowds(crowds)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    for moved in (suspect, known):
        if moved is not None:
            for_inference(moved.to(device))
    command: dict[str, JsonValue] = {
        "verb": "scan",
        "version": __version__,
        "COUNTER": sha256_of(fetched(counter)[0]),
        "--reference": None if reference is None else sha256_of(fetched(reference)[0]),
        "--clean": clean.model_dump(mode="json"),
        "--images": images,
        "--seed": seed,
    }
    total = work_of([suspect] if known is None else [suspect, known], crowds)
    with new_folder(out), journal_beside(out / "scan.json", command) as kept:

        def said() -> str:
            if not len(kept):
                return "nothing was written"
            return f"what was measured is kept in {kept.path}, and the same command goes on from there"

        with kept_when_interrupted(said):
            with counted("pictures", total) as progress:
                found = run_scan(
                    suspect, crowds, reference=known, seed=seed, data=clean.name, progress=progress, kept=kept
                )
            _write(found, out, counter.name, clean.name, crowds)
            kept.finish()
    return found.report


def _write(found: Scan, out: Path, counter: str, data: str, crowds: Sequence[Crowd]) -> None:
    try:
        write_atomically(out / "scan.json", found.report.model_dump_json(indent=2) + "\n")
        write_atomically(out / "scan.html", scan_page(found, counter, data, crowds))
    except OSError as error:
        raise RunError(f"{error.filename or out}: cannot be written ({error.strerror}); give another --out") from error


def chosen_crowds(clean: Source, images: int, seed: int) -> Sequence[Crowd]:
    """At most so many of a data set's training crowds, drawn by the seed.

    Raises:
        InputError: the crowds are not usable.
    """
    crowds = clean.crowds("train")
    number = min(images, MOST)
    if len(crowds) <= number:
        return crowds
    order = torch.randperm(len(crowds), generator=generator_for(seed, "scanned")).tolist()
    return Subset(crowds, sorted(order[:number]))


def scan_table(report: ScanReport) -> Table:
    """What the verdict is made of, for a terminal, most telling first."""
    table = Table()
    table.add_column("under")
    for heading in ("count", "expected", "deviations"):
        table.add_column(heading, justify="right")
    for sign in report.signs:
        row = [SAID[sign.name], f"{sign.shift:+.2f}"]
        if sign.expected is not None and sign.deviations is not None:
            row += [f"{sign.expected:+.2f}", f"{sign.deviations:+.1f}"]
        table.add_row(*row)
    return table
