"""Where each file of a run lies."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class CellFolder:
    """The folder of one cell."""

    path: Path

    @property
    def card(self) -> Path:
        """Everything that is known about the counter; written last."""
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
        """The history of its training, an epoch a row."""
        return self.path / "training.csv"

    @property
    def resume_point(self) -> Path:
        """Where an interrupted training goes on; removed when it ends."""
        return self.path / "resume.ckpt"


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
        """A row a finished counter."""
        return self.path / "results.csv"

    @property
    def log(self) -> Path:
        """What happened, with times."""
        return self.path / "run.log"

    @property
    def lock(self) -> Path:
        """Held by the process that runs the study."""
        return self.path / ".lock"

    @property
    def cells(self) -> Path:
        """The folder of all cells."""
        return self.path / "cells"

    def cell(self, name: str) -> CellFolder:
        """The folder of one cell."""
        return CellFolder(self.cells / name)
