"""What was run, with which settings and versions, in words and tables."""

import math
from datetime import UTC, datetime
from typing import Any

import torch
from numpy.typing import NDArray

from countguard.dotted import lookup
from countguard.explain.cam_on_trigger import cam_on_trigger
from countguard.reports.tables.relearned import images_in_words
from countguard.reports.tables.rows import counters, leading_columns, subject
from countguard.reports.tables.table import Column, Row, Table, Value
from countguard.reports.wording import attack_words
from countguard.runs.run import FinishedCell, Run
from countguard.wording import join, plural
from countguard.yaml_text import dump_yaml

STRONGEST = 0.1
"""Share of the area that counts as the trigger's strongest pixels."""


def what_was_done(run: Run) -> list[str]:
    """The study in a few sentences."""
    model = lookup(run.study, "model.kind")
    attacks = join(run.strategies)
    sentences = [
        f"The {model} counter was trained once on clean images and once for each of {len(run.strategies)} attacks "
        f"({attacks}): {attack_words(run.study)} trigger, head points altered."
    ]
    if run.filters:
        sentences.append(
            f"Every training set, the clean one too, was cleaned by {join(run.filters)}, and a counter trained on what "
            "was left; where another counter was trained on the same images, it was taken over."
        )
    if run.repairs:
        sentences.append(f"Every counter, the clean one too, was then repaired by {join(run.repairs)}.")
    if run.plan.relearns:
        sentences.append(
            "For each attack, the repaired counters and the clean one were then tuned on the clean images and "
            f"{images_in_words(run)} of that attack."
        )
    if run.cells:
        sentences.append(
            f"Reported: {subject(run)}, each counted without and with the trigger, against its true count."
        )
    seeds = f"{plural(len(run.seeds), 'seed')} ({', '.join(map(str, run.seeds))})"
    sentences.append(f"Preset {lookup(run.study, 'preset')}, {seeds}.")
    return sentences


def last_finished(run: Run) -> str:
    """When the last counter was finished (day in UTC, by the time of its card), and by what; empty where none is."""
    if not run.cells:
        return ""
    day = datetime.fromtimestamp(max(cell.folder.card.stat().st_mtime for cell in run.cells), UTC).date()
    by = dict(versions(run)).get("countguard", "an unknown version")
    return f"{day.isoformat()}, by countguard {by}"


def settings_text(run: Run) -> str:
    """The resolved recipe, as it stands in study.yaml."""
    return dump_yaml(run.study)


def versions(run: Run) -> list[tuple[str, str]]:
    """Every version and device that a finished counter names; several where they differ."""
    found: dict[str, dict[str, None]] = {}
    for cell in run.cells:
        for name, version in sorted(cell.card.versions.items()):
            found.setdefault(name, {})[str(version)] = None
        found.setdefault("device", {})[str(cell.card.device)] = None
    return [(name, ", ".join(values)) for name, values in found.items()]


def table_counters(run: Run) -> Table:
    """Each counter's poisoned images, time and digest, so that a number can be traced to the file it came from."""
    columns = [
        Column("cell", "Cell", "Cell"),
        Column("images", "Test images", "Test images", digits=0),
        Column("poisoned", "Poisoned images", "Poisoned images", digits=0),
        Column("training_seconds", "Training, s", "Training, s", digits=1),
        Column("evaluation_seconds", "Evaluation, s", "Evaluation, s", digits=1),
        Column("sha256", "SHA-256 of the counter", "SHA-256 of the counter"),
    ]
    return Table(
        "counters", "Counters", "Where each number comes from.", columns, [_counter(cell) for cell in run.cells]
    )


def _counter(cell: FinishedCell) -> Row:
    card = cell.card
    return Row(
        {
            "cell": card.cell,
            "images": Value(card.images),
            "poisoned": Value(len(card.poisoned.ids)) if card.poisoned else None,
            "training_seconds": Value(card.seconds["training"]) if "training" in card.seconds else None,
            "evaluation_seconds": Value(card.seconds["evaluation"]) if "evaluation" in card.seconds else None,
            "sha256": card.hashes.get("counter", "")[:16],
        }
    )


def table_cam_on_trigger(run: Run) -> Table:
    """How much of Grad-CAM lies on the trigger's strongest pixels: mean over examples and seeds."""
    clean = Column("cam_share_clean", "Clean images", "Clean images")
    triggered = Column("cam_share_triggered", "Triggered images", "Triggered images")
    rows = []
    for found in counters(run):
        shares: dict[str, list[float]] = {clean.name: [], triggered.name: []}
        for example in (example for cell in found.cells for example in cell.read_examples()):
            if example.trigger is not None:
                shares[clean.name] += _cam_share(example.cam_clean, example.trigger)
                shares[triggered.name] += _cam_share(example.cam_triggered, example.trigger)
        entries = {name: Value(sum(values) / len(values)) if values else None for name, values in shares.items()}
        if any(entries.values()):
            rows.append(Row({**found.entries, **entries}))
    return Table(
        "grad_cam_share",
        "Does Grad-CAM look at the trigger?",
        f"Share of Grad-CAM on the trigger's strongest {STRONGEST:.0%} of the pixels: its lines and edges.",
        [*leading_columns(run), clean, triggered],
        rows,
        [f"A map that pays no heed to the trigger gives about {STRONGEST:.2f}, on clean images as on triggered ones."],
    )


def _cam_share(cam: NDArray[Any], picture: NDArray[Any]) -> list[float]:
    """The share of one map on the trigger's strongest pixels; empty for a map that is zero everywhere."""
    share = cam_on_trigger(torch.from_numpy(cam), torch.from_numpy(picture), STRONGEST)
    return [share] if math.isfinite(share) else []
