"""audit/CELL/: what an audit found in the set that a cell is trained on, written and read by the same class."""

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError
from torch import Tensor

from countguard.audit.files import audit_json, png, recovered_files, recovered_png
from countguard.audit.report import AuditReport, Evidence, GroupAudit, ImageAudit, NotRun, Verdict
from countguard.data.crowd import Crowd
from countguard.data.images import MAX_BYTES, read_image
from countguard.errors import InputError
from countguard.reading import list_folder, read_file
from countguard.runs.card import Name
from countguard.runs.folder import AuditFolder, RunFolder
from countguard.runs.plan import LARGEST_STUDY
from countguard.settings import first_error
from countguard.writing import make_folder, write_atomically

LARGEST = 1 << 28
"""Bytes of audit.json; that of 10,000 images has a fiftieth of it."""
MAX_IMAGES = 1_000_000
EXAMPLES = 3
"""Images of an audited set that are kept beside what they share."""

Text = Annotated[str, Field(max_length=2000)]
Chance = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=0)]
FileName = Annotated[str, Field(pattern=r"^(recovered|image)-[0-9]{1,6}\.png$")]


class _Part(BaseModel):
    """Part of audit.json. Keys that a later version adds are no error."""

    model_config = ConfigDict(extra="ignore", frozen=True, allow_inf_nan=False)


class _Evidence(_Part):
    kind: Name
    p: Chance
    says: Text
    group: Count | None = None


class _Image(_Part):
    image: Name
    verdict: Verdict
    p: Chance
    count: Count
    estimate: float | None = None
    evidence: Annotated[list[_Evidence], Field(max_length=1000)] = []


class _Group(_Part):
    kind: Name
    verdict: Verdict
    images: Annotated[list[Name], Field(max_length=MAX_IMAGES)]
    strength: float | None = None
    recovered: FileName | None = None
    p: Chance
    label_shift: float | None = None
    label_p: float | None = None
    says: Text


class _NotRun(_Part):
    evidence: Text
    because: Text


class _Example(_Part):
    image: Name
    file: FileName


class AuditFile(_Part):
    """`audit.json` of a run: what `countguard audit` writes, and what the study knows besides."""

    cell: Name
    strategy: Name
    varied: Annotated[dict[Name, JsonValue], Field(max_length=100)] = {}
    poisoned: Annotated[list[Count], Field(max_length=MAX_IMAGES)] = []
    examples: Annotated[list[_Example], Field(max_length=EXAMPLES)] = []
    verdict: Verdict
    says: Text
    expected_false_alarms: Chance
    seed: int
    images: Annotated[list[_Image], Field(max_length=MAX_IMAGES)]
    groups: Annotated[list[_Group], Field(max_length=100_000)]
    not_run: Annotated[list[_NotRun], Field(max_length=100)] = []


@dataclass(frozen=True)
class Audited:
    """The audit of one training set.

    Attributes:
        folder: of the audit.
        root: the run's folder.
        file: what its audit.json holds.
        report: the same, as the audit gave it.
    """

    folder: AuditFolder
    root: Path
    file: AuditFile
    report: AuditReport

    @property
    def left_out(self) -> tuple[int, int]:
        """How many poisoned images, and how many clean ones, something was found of."""
        poisoned = set(self.file.poisoned)
        found = sum(place in poisoned for place in self.report.left_out)
        return found, len(self.report.left_out) - found

    @property
    def shared(self) -> GroupAudit | None:
        """The first accused group whose picture was recovered; None without one."""
        groups = (group for group in self.report.groups if group.verdict != "nothing found")
        return next((group for group in groups if group.recovered is not None), None)

    @property
    def recovered_file(self) -> str:
        """The name of that group's picture in the folder; empty without one."""
        groups = (group for group in self.file.groups if group.verdict != "nothing found")
        return next((group.recovered for group in groups if group.recovered is not None), "")

    def examples(self) -> list[tuple[str, Tensor]]:
        """Names and pictures, uint8 [3, H, W], of images of the first accused group; few, or none.

        Raises:
            InputError: a file is missing or unusable.
        """
        return [(example.image, _picture(self.folder.path, example.file, self.root)) for example in self.file.examples]


def write_audit(
    folder: AuditFolder,
    report: AuditReport,
    crowds: Sequence[Crowd],
    *,
    facts: Mapping[str, Any],
    examples: int,
    root: Path,
) -> None:
    """Writes an audit; audit.json last, so that an audit with it is whole.

    Args:
        folder: of the audit; made where it is missing.
        report: of the audit.
        crowds: that were audited.
        facts: `cell`, `strategy`, `varied` and `poisoned`, as `AuditFile` holds them.
        examples: images of the first accused group that are kept, at most `EXAMPLES`.
        root: the run's folder.
    """
    make_folder(folder.path, root)
    for name, group in recovered_files(report).items():
        write_atomically(folder.path / name, recovered_png(group), root=root)
    accused = next((group.images for group in report.groups if group.verdict != "nothing found"), ())
    kept = []
    for number, place in enumerate(accused[:: max(1, len(accused) // EXAMPLES)][: min(examples, EXAMPLES)], start=1):
        kept.append({"image": crowds[place].id, "file": f"image-{number}.png"})
        write_atomically(folder.path / f"image-{number}.png", png(crowds[place].image), root=root)
    content = {**facts, "examples": kept, **audit_json(report)}
    write_atomically(folder.report, json.dumps(content, indent=1, allow_nan=False) + "\n", root=root)


def read_audit(folder: AuditFolder, root: Path) -> Audited:
    """Reads an audit.

    Args:
        folder: of the audit.
        root: the run's folder, out of which no link leads.

    Raises:
        InputError: a file is missing, no plain file, too large, or a field is wrong; names the field.
    """
    try:
        file = AuditFile.model_validate_json(read_file(folder.report, LARGEST, root=root))
        places = {image.image: place for place, image in enumerate(file.images)}
        groups = tuple(
            GroupAudit(
                kind=group.kind,
                verdict=group.verdict,
                images=tuple(places[name] for name in group.images),
                strength=group.strength,
                recovered=None if group.recovered is None else _picture(folder.path, group.recovered, root),
                p=group.p,
                label_shift=group.label_shift,
                label_p=group.label_p,
                says=group.says,
            )
            for group in file.groups
        )
    except ValidationError as error:
        raise InputError(f"{folder.report}: {first_error(error)}; delete {folder.path} and run again") from None
    except KeyError as error:
        raise InputError(f"{folder.report}: groups: {error} is no image of the set; delete {folder.path}") from None
    report = AuditReport(
        verdict=file.verdict,
        says=file.says,
        expected_false_alarms=file.expected_false_alarms,
        images=tuple(
            ImageAudit(
                image.image,
                image.verdict,
                image.p,
                tuple(Evidence(one.kind, one.p, one.says, one.group) for one in image.evidence),
                image.count,
                image.estimate,
            )
            for image in file.images
        ),
        groups=groups,
        not_run=tuple(NotRun(one.evidence, one.because) for one in file.not_run),
        seed=file.seed,
    )
    return Audited(folder, root, file, report)


def read_audits(run: RunFolder) -> list[Audited]:
    """Every whole audit of a run, by its name.

    Raises:
        InputError: one is unusable, a link leads out of the folder, or there are too many of them.
    """
    if not run.audits.is_dir():
        return []
    folders = [run.audit(name) for name in list_folder(run.audits, LARGEST_STUDY, root=run.path)]
    found, images = [], 0
    for folder in folders:
        if folder.report.exists() or folder.report.is_symlink():
            found.append(read_audit(folder, run.path))
            images += len(found[-1].report.images)
        if images > MAX_IMAGES:
            raise InputError(f"{run.audits}: holds audits of more than {MAX_IMAGES:,} images")
    return found


def _picture(folder: Path, name: str, root: Path) -> Tensor:
    path = folder / name
    return read_image(io.BytesIO(read_file(path, MAX_BYTES, root=root)), name=str(path))
