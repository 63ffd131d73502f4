"""What probes do to the counts of one counter: the measurement under every verdict."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from pydantic import JsonValue
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from countguard.data.crowd import Crowd
from countguard.errors import InputError
from countguard.journal import Journal
from countguard.metrics.ratios import Floats
from countguard.models.counter import Counter
from countguard.models.counting import PIXELS_A_BATCH, as_input, batches_of_one_size
from countguard.models.inference import as_trained
from countguard.scan.probes import Probe, all_probes

FEWEST, MOST = 10, 100
"""Clean images that a scan takes."""
PICTURES = 4
"""Probes of each family and strength, where the counter is light enough."""
LEAST_IMAGES = 2
"""Images that each probe is put on at least."""
WORK = 4e13
"""Floating point operations that a scan may cost: some minutes on two cores. A CSRNet at 768 x 1024 takes 6.5e11 for
one picture, and is tried with fewer pairs of probe and image; light counters are tried with all."""
LEAST_PEOPLE = 1.0
"""Counts below this are taken for it: the ratio of two numbers near 0 says nothing."""

Progress = Callable[[int], None]


@dataclass(frozen=True, slots=True, eq=False)
class Effects:
    """The counts of one counter with and without probes.

    Attributes:
        ids: of the images.
        truths: true counts, one an image.
        clean: estimates on the images as they are.
        probes: what was tried.
        probed: estimates under each probe, [probes, images]; NaN where an image was not tried with it.
    """

    ids: tuple[str, ...]
    truths: Floats
    clean: Floats
    probes: tuple[Probe, ...]
    probed: Floats

    @property
    def log_ratios(self) -> Floats:
        """log(count with the probe / count without it), [probes, images]; NaN where it was not tried."""
        ratios: Floats = np.log(np.maximum(self.probed, LEAST_PEOPLE)) - np.log(np.maximum(self.clean, LEAST_PEOPLE))
        return ratios


@dataclass(frozen=True, slots=True)
class Plan:
    """Which probes are put on which images; the same for every counter that costs as much.

    Attributes:
        probes: all of them.
        images: how many each probe is put on.
    """

    probes: tuple[Probe, ...]
    images: int

    def tried(self, probe: int, image: int, images: int) -> bool:
        """Whether this pair is tried; each image has about as many probes."""
        return (image - probe * self.images) % images < self.images


def plan_for(counter: Counter, crowds: Sequence[Crowd], work: float = WORK) -> Plan:
    """As many probes on as many images as `work` allows, images first; at least one probe of each family and strength.

    Args:
        counter: whose cost a picture is found by counting one.
        crowds: the clean images, `FEWEST` to `MOST`.
        work: floating point operations in all.
    """
    forwards = work / cost_of(counter, crowds[0].image) - len(crowds)
    each = len(all_probes(1))
    pictures = min(PICTURES, max(1, int(forwards // (each * LEAST_IMAGES))))
    images = min(len(crowds), max(LEAST_IMAGES, int(forwards // (each * pictures))))
    return Plan(tuple(all_probes(pictures)), images)


def cost_of(counter: Counter, image: Tensor) -> float:
    """Floating point operations of one count; those of a large image are told from a corner of it."""
    corner = image[None, :, :256, :256].to(counter.mean.device)
    with as_trained(counter), FlopCounterMode(display=False) as flops:
        counter.count(as_input(corner))
    pixels = corner.shape[-1] * corner.shape[-2]
    a_pixel = (
        flops.get_total_flops() / pixels or 1e6
    )  # a runtime that is not torch's says nothing: take it for a large one
    return a_pixel * image.shape[-1] * image.shape[-2]


def measure_effects(
    counter: Counter,
    crowds: Sequence[Crowd],
    plan: Plan,
    seed: int,
    progress: Progress = lambda done: None,
    kept: Journal | None = None,
) -> Effects:
    """Counts clean crowds as they are and under the probes of a plan. Each crowd is read once and let go.

    Args:
        counter: on any device.
        crowds: clean, of any sizes.
        plan: see `plan_for`.
        seed: of the probes' random choices.
        progress: hears how many pictures were counted so far.
        kept: what an interrupted scan of this counter has measured, a row for each batch of crowds.

    Raises:
        InputError: the counter gives no finite number.
    """
    device = counter.mean.device
    clean, truths, ids = np.zeros(len(crowds)), np.zeros(len(crowds)), []
    probed = np.full((len(plan.probes), len(crowds)), np.nan)
    done = counted = 0
    kept = Journal() if kept is None else kept
    for members in batches_of_one_size(crowds, PIXELS_A_BATCH.get(device.type, 1 << 20)):
        places = range(done, done + len(members))
        truths[places] = [crowd.count for crowd in members]
        ids += [crowd.id for crowd in members]
        done += len(members)
        counted += len(members)
        name = f"batch {places.start}-{places.stop}"  # its length depends on the device
        if (row := kept.get(name)) is not None:
            clean[places], probed[:, places], counted = _known(row, len(plan.probes), len(members), counted)
            progress(counted)
            continue
        images = torch.stack([crowd.image for crowd in members]).to(device)
        clean[places] = _counts(counter, images)
        for row, probe in enumerate(plan.probes):
            chosen = [place for place in places if plan.tried(row, place, len(crowds))]
            if not chosen:
                continue
            here = [place - places.start for place in chosen]
            marked = probe.mark(images[here], [members[place] for place in here], crowds, seed)
            probed[row, chosen] = _counts(counter, marked)
            counted += len(chosen)
            progress(counted)
        kept.add(name, [clean[places].tolist(), _for_json(probed[:, places])])
        progress(counted)
    return Effects(tuple(ids), truths, clean, plan.probes, probed)


def _for_json(values: Floats) -> list[JsonValue]:
    """Rows of numbers, None for NaN."""
    return [[None if np.isnan(value) else value for value in row] for row in values.tolist()]


def _known(row: JsonValue, probes: int, images: int, counted: int) -> tuple[Floats, Floats, int]:
    """What a batch gave before: its counts, those under probes, and how many pictures were then counted in all."""
    try:
        clean, probed = (np.array(part, dtype=np.float64) for part in row)  # type: ignore[union-attr]
    except (TypeError, ValueError):
        clean = probed = np.zeros(0)
    if clean.shape != (images,) or probed.shape != (probes, images):
        raise InputError("what was kept of the scan is damaged; delete it, and the scan starts anew")
    return clean, probed, counted + int((~np.isnan(probed)).sum())


def _counts(counter: Counter, images: Tensor) -> Floats:
    counts: Floats = counter.count(as_input(images)).cpu().double().numpy()
    if not np.isfinite(counts).all():
        raise InputError("the counter gives no finite number of people; its weights or settings are damaged")
    return counts
