"""The paths of a run's files."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class CellFolder:
    """The folder of one cell."""

    path: Path

    @property
    def card(self) -> Path:
        """Everything that is recorded about the counter; written last."""
        return self.path / "card.json"

    @property
    def predictions(self) -> Path:
        """Counts of the test images."""
        return self.path / "predictions.csv"

    @property
    def examples(self) -> Path:
        """Pictures, maps and Grad-CAM of a few test images."""
        return self.path / "examples.npz"

    @property
    def counter(self) -> Path:
        """The trained or repaired counter."""
        return self.path / "counter.safetensors"

    @property
    def training(self) -> Path:
        """The history of its training, one row for each epoch."""
        return self.path / "training.csv"

    @property
    def search(self) -> Path:
        """The trials of a repair whose settings are searched for; missing where they are not."""
        return self.path / "search.json"

    @property
    def isolated(self) -> Path:
        """Positions of the training images that a training left out; missing where it isolates none."""
        return self.path / "isolated.json"

    @property
    def resume_point(self) -> Path:
        """The state from which an interrupted training continues; removed when it ends."""
        return self.path / "resume.ckpt"


@dataclass(frozen=True)
class AuditFolder:
    """The folder of the audit of one training set."""

    path: Path

    @property
    def report(self) -> Path:
        """What was found; written last."""
        return self.path / "audit.json"


@dataclass(frozen=True)
class RunFolder:
    """The folder of a run."""

    path: Path

    @property
    def study(self) -> Path:
        """The resolved recipe."""
        return self.path / "study.yaml"

    @property
    def results(self) -> Path:
        """One row for each finished counter."""
        return self.path / "results.csv"

    @property
    def log(self) -> Path:
        """What happened, with times."""
        return self.path / "run.log"

    @property
    def lock(self) -> Path:
        """Locked by the process that runs the study."""
        return self.path / ".lock"

    @property
    def cells(self) -> Path:
        """The folder of all cells."""
        return self.path / "cells"

    @property
    def audits(self) -> Path:
        """The folder of the audits of training sets; missing where none was asked for."""
        return self.path / "audit"

    def audit(self, name: str) -> AuditFolder:
        """The folder of the audit of the set that a counter was trained on, by the name of its cell."""
        return AuditFolder(self.audits / name)

    def cell(self, name: str) -> CellFolder:
        """The folder of one cell."""
        return CellFolder(self.cells / name)
