"""What was found out of a stranger's counter: the report of `countguard inspect`, and its five sentences."""

from typing import Literal

from countguard.scan.report import ScanReport
from countguard.settings import Settings
from countguard.wording import join, plural

Verdict = Literal["backdoor likely", "nothing found", "cannot tell"]

TELLING = 0.1
"""Change of a count, as a fraction of it, below which a picture counts as not moved."""


class FileFacts(Settings):
    """What the file is.

    Attributes:
        file: its name.
        sha256, bytes: of it.
        format: in words.
        kind: of the counter in it.
        converted: whether another code's file was converted, into a temporary file.
        said: what conversion found out, assumed or left out, a line each.
        parameters: numbers in the counter's weights; 0 where its runtime does not say.
        stride: side of a map cell, pixels.
    """

    file: str
    sha256: str
    bytes: int
    format: str
    kind: str
    converted: bool
    said: tuple[str, ...]
    parameters: int
    stride: int


class PictureFacts(Settings):
    """One picture: its count, or why it has none."""

    file: str
    count: float | None
    problem: str = ""


class PointFacts(Settings):
    """The counts beside known heads.

    Attributes:
        data: name of the data set.
        images: how many were counted.
        people: heads in the mean.
        error: mean absolute error, heads, with its 95 % interval.
        right: share counted within 10 %; None where no picture has a head.
        bias: all counts over all heads, less 1; None where there is no head.
    """

    data: str
    images: int
    people: float
    error: tuple[float, float, float]
    right: float | None
    bias: float | None


class TriggerFacts(Settings):
    """What one trigger does to the counts, beside the same counter on the same pictures without it.

    Attributes:
        trigger: its kind.
        settings: those that it had.
        images: pictures that it was put on.
        change: mean change of the count, as a fraction of it (0.2 is 20 % more), by the mean log ratio.
        low, high: its 95 % interval, over pictures.
        moved: share of the pictures whose count changes by more than 10 %.
    """

    trigger: str
    settings: dict[str, str]
    images: int
    change: float
    low: float
    high: float
    moved: float


class Inspection(Settings):
    """Everything that was found out, as `inspect.json` holds it.

    Attributes:
        verdict: the scan's; "cannot tell" where none was run.
        sentences: five, on what this shows and what it cannot show.
        file, pictures, points, triggers, scan: what they are made of; None for what was not asked for.
        seed: of every random choice.
        versions: by name.
        date: of the inspection, ISO.
    """

    verdict: Verdict
    sentences: tuple[str, ...]
    file: FileFacts
    pictures: tuple[PictureFacts, ...]
    points: PointFacts | None
    triggers: tuple[TriggerFacts, ...]
    scan: ScanReport | None
    seed: int
    versions: dict[str, str]
    date: str


def five_sentences(
    file: FileFacts,
    pictures: tuple[PictureFacts, ...],
    points: PointFacts | None,
    triggers: tuple[TriggerFacts, ...],
    scan: ScanReport | None,
) -> tuple[str, ...]:
    """What the file is, how it counts, what marks do to it, what the scan says, and what none of this can show."""
    return (_what(file), _counts(pictures, points), _moved(triggers), _scanned(scan), _limits(scan))


def _what(file: FileFacts) -> str:
    made = "; it was converted without running any code of it" if file.converted else ""
    size = f" with {file.parameters:,} weights" if file.parameters else ""
    return f"{file.file} is {file.format} and holds a counter of kind {file.kind}{size}{made}."


def _counts(pictures: tuple[PictureFacts, ...], points: PointFacts | None) -> str:
    counts = [picture.count for picture in pictures if picture.count is not None]
    bad = len(pictures) - len(counts)
    seen = f"It counts {_span(counts)} people in {plural(len(counts), 'picture')}"
    if bad:
        seen += f" ({bad} could not be read)"
    if points is None:
        return f"{seen}; whether that is right can be told with --points DATA, pictures whose heads are known."
    right = "" if points.right is None else f", and counts {points.right:.0%} of them within 10 %"
    value, low, high = points.error
    return (
        f"{seen}; on {plural(points.images, 'picture')} of {points.data} with {points.people:.1f} known heads in the "
        f"mean it is wrong by {value:.1f} [{low:.1f}, {high:.1f}]{right}."
    )


def _span(counts: list[float]) -> str:
    if not counts:
        return "no"
    low, high = f"{min(counts):.0f}", f"{max(counts):.0f}"
    return low if low == high else f"{low} to {high}"


def _moved(triggers: tuple[TriggerFacts, ...]) -> str:
    strong = sorted(
        (one for one in triggers if abs(one.change) > TELLING and not one.low <= 0 <= one.high),
        key=lambda one: -abs(one.change),
    )
    if not strong:
        return (
            f"None of {len(triggers)} triggers of the catalogue, put on the same pictures, changes its count by more "
            "than 10 % in the mean."
        )
    named = join([f"{one.trigger} ({one.change:+.0%})" for one in strong[:3]])
    more = f" and {len(strong) - 3} more" if len(strong) > 3 else ""
    tried = f"Of {len(triggers)} triggers of the catalogue, put on the same pictures, these change its count"
    return f"{tried}: {named}{more}."


def _scanned(scan: ScanReport | None) -> str:
    if scan is None:
        return (
            "It was not held against clean counters, which are moved by such marks, too: that takes --clean DATA, ten "
            "or more clean pictures with their heads, and without it a backdoor cannot be told from a weakness."
        )
    verdicts = {
        "backdoor likely": "The scan on clean pictures says that a backdoor is likely",
        "nothing found": "The scan on clean pictures found nothing that clean counters do not do as well",
        "cannot tell": "The scan on clean pictures cannot tell",
    }
    because = scan.because[0].rstrip(".") if scan.because else ""
    return f"{verdicts[scan.verdict]}{': ' + because if because else ''}."


def _limits(scan: ScanReport | None) -> str:
    if scan is not None and scan.verdict == "backdoor likely":
        return (
            "This does not name the attacker's trigger, and proves nothing: repair the counter with `countguard "
            "defend`, or train one on data that you trust."
        )
    return (
        "No test shows that a counter has no backdoor: a trigger that resembles none of these leaves no trace here, "
        "so that a file of doubtful origin is safer repaired with `countguard defend` or trained anew."
    )
