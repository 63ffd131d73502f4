"""UCF_CC_50 (Idrees et al., CVPR 2013): `1.jpg` to `50.jpg` with `1_ann.mat`, in one folder without a split."""

from pathlib import Path
from typing import ClassVar, Literal

from countguard.data.annotated import FileSource, Frame, Labels, Sighting
from countguard.data.formats.qnrf import ENDING, ann_labels, annotated_pictures
from countguard.data.source import SOURCES, Part
from countguard.reading import require_folder


@SOURCES.register()
class UcfCc50(FileSource):
    """Pictures with `annPoints` in a `.mat` beside each. The set has no split: papers use five folds."""

    frame: ClassVar[Frame] = "stored"

    kind: Literal["ucf_cc_50"] = "ucf_cc_50"

    @property
    def name(self) -> str:
        """`UCF_CC_50`, or the name of another folder in this layout."""
        own = self.root.resolve().name
        return "UCF_CC_50" if "cc" in own.casefold() and "50" in own else own

    @classmethod
    def sniff(cls, root: Path) -> Sighting | None:
        """See `FileSource`."""
        found = next(iter(annotated_pictures(root)), None)
        return Sighting(f"holds {found.name}{ENDING}.mat", {}) if found else None

    def parts(self) -> dict[Part, Path]:
        """See `FileSource`."""
        return {"train": require_folder(self.root, "data.root")}

    def labels(self, part: Part) -> Labels:
        """See `FileSource`."""
        return ann_labels(self.root)
