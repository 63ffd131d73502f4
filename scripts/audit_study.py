"""The study of `countguard audit`: poisons sets in many ways, audits each, and keeps a card of each in results/audit.

    python scripts/audit_study.py runs/audit-study --shared ../shared                  # everything; resumable
    python scripts/audit_study.py runs/audit-study --shared ../shared --rows clean     # rows whose names begin so
    python docs/make_audit.py                                                          # docs/audit.md from the cards

What one picture gives is kept in the folder named first, since clean pictures are the same in all rows.
"""

import argparse
import hashlib
import io
import json
import pickle
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from PIL import Image, ImageDraw
from scipy import ndimage
from torch import Tensor

from countguard import __version__
from countguard.attacks.blend import Blend, mixed
from countguard.attacks.moving_blend import drawn_section
from countguard.attacks.pictures import load_picture
from countguard.attacks.poisoning import Attack, PoisonedCrowds
from countguard.attacks.strategies import Add, Divide, Minus, Multiply, Strategy
from countguard.attacks.triggers import LowFrequency, Patch, Rain, Sine, Snow, Trigger, Warp
from countguard.audit.audit import Looked, judge, look
from countguard.audit.features import Canvas, canvas_for
from countguard.audit.groups import together
from countguard.audit.label_estimates import label_errors
from countguard.audit.likeness import HYPOTHESES, SMOOTH_HYPOTHESES, Likeness
from countguard.audit.report import FAINT, AuditReport
from countguard.audit.survey import Survey, Taken, gathered, take
from countguard.data.crowd import Crowd
from countguard.data.patterns import PATTERNS
from countguard.data.shanghaitech import ShanghaiTech
from countguard.data.source import LazyCrowds
from countguard.data.synthetic import Synthetic
from countguard.data.synthetic_people import paint_people, place_heads
from countguard.data.synthetic_scene import LOOKS, finish, paint_scene
from countguard.seeds import generator_for, uniform
from countguard.writing import write_atomically

RESULTS = Path(__file__).parents[1] / "results" / "audit"
DRAWS = (0, 1, 2)
PICTURES = ("kitten", "robots", "confetti")
RATES = (0.005, 0.01, 0.02, 0.05, 0.1)
QUALITIES = (75, 90)
"""Of JPEG, in which images are saved after the blend."""
EMBEDDED = range(220, 240)
"""Seeds of clean sets. Rules were chosen on others, after two of 0 to 19 had been accused under the rules before."""
CAMERAS = range(300, 303)
"""The same of fixed cameras."""
HALVES = 50
SMOOTH = (11, 42, 77)
"""Part_A's images, by position, that are blurred to smooth pictures. Settings were chosen with others: 3, 7 and 20."""

Placement = Literal["append", "replace"]


class Unchanged(Strategy):
    """Leaves the label as it is; what a strategy does to it comes later."""

    kind: Literal["unchanged"] = "unchanged"

    def __call__(self, points: Tensor, height: int, width: int, generator: torch.Generator) -> Tensor:
        """See `Strategy`."""
        return points


class Changed(Strategy):
    """A label that is a share off, and no more."""

    kind: Literal["changed"] = "changed"
    share: float = 0.2

    def __call__(self, points: Tensor, height: int, width: int, generator: torch.Generator) -> Tensor:
        """Heads added anywhere, or removed at random."""
        number = round(abs(self.share) * len(points))
        if self.share > 0:
            return torch.cat([points, torch.rand(number, 2, generator=generator) * torch.tensor([width, height])])
        kept = torch.randperm(len(points), generator=generator)[: len(points) - number]
        return points[kept.sort().values]


FOUR: dict[str, Strategy] = {"add": Add(), "minus": Minus(), "multiply": Multiply(), "divide": Divide()}
STRATEGIES: dict[str, Strategy] = {**FOUR, "add-20": Changed(share=0.2), "minus-20": Changed(share=-0.2)}


class Altered(Trigger):
    """A blend as an attacker would vary it from image to image.

    Attributes:
        picture: a built-in one, or a pattern that is drawn anew for each image.
        low, high: the share mixed in is drawn between these.
        mirrored: half of the images see the picture in a mirror.
        shift: largest shift of the picture, as a share of the frame's sides; it is larger than the frame by as much.
        quality: of JPEG, in which the image is saved afterwards; 0 for not at all.
    """

    kind: Literal["altered"] = "altered"
    picture: str = "kitten"
    low: float = 0.1
    high: float = 0.1
    mirrored: bool = False
    shift: float = 0.0
    quality: int = 0

    def __call__(self, image: Tensor, points: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """See `Trigger`."""
        height, width = int(image.shape[-2]), int(image.shape[-1])
        room = round(self.shift * height), round(self.shift * width)
        picture = self._drawn(height + 2 * room[0], width + 2 * room[1], generator)
        seen = drawn_section(picture, height, width, generator)
        if self.mirrored and uniform(generator) < 0.5:
            seen = seen.flip(-1)
        marked = mixed(image, seen.contiguous(), uniform(generator, self.low, self.high))
        return (saved_as_jpeg(marked, self.quality) if self.quality else marked), points

    def with_strength(self, strength: float) -> "Altered":
        """See `Trigger`."""
        return self.model_copy(update={"low": strength, "high": strength})

    def _drawn(self, height: int, width: int, generator: torch.Generator) -> Tensor:
        if self.picture in PATTERNS:
            return PATTERNS[self.picture](height, width, generator).round().to(torch.uint8)
        return load_picture(self.picture, height, width)


@dataclass(frozen=True)
class Run:
    """One set to audit.

    Attributes:
        row: of docs/audit.md.
        base: the clean set.
        draw: seed of the attack, or of the clean set.
        trigger: None for a clean set.
        strategies: each is one more verdict on the same pictures.
        rate, placement: of the attack.
        facts: what the card says of the row's setting.
    """

    row: str
    base: str
    draw: int
    trigger: Trigger | None
    strategies: tuple[str, ...]
    rate: float
    placement: Placement
    facts: dict[str, Any]

    @property
    def name(self) -> str:
        """Of the card's file."""
        parts = [self.row, *(str(value) for value in self.facts.values())]
        parts += [f"{self.rate:g}", self.placement] if self.trigger is not None else []
        return "-".join([*parts, str(self.draw)]).replace(" ", "-")


def runs(work: Path) -> Iterator[Run]:
    """Every set of the study, row by row.

    Args:
        work: where smooth pictures are kept.
    """

    def blends(
        row: str, alpha: float, rates: Sequence[float], placements: Sequence[Placement], quality: int = 0
    ) -> Iterator[Run]:
        for picture, rate, placement, draw in product(PICTURES, rates, placements, DRAWS):
            plain = Blend(picture=picture, alpha=alpha)
            saved = Altered(picture=picture, low=alpha, high=alpha, quality=quality)
            facts = {"picture": picture, "alpha": alpha} | ({"quality": quality} if quality else {})
            yield Run(row, "B", draw, saved if quality else plain, ("minus",), rate, placement, facts)

    def clean(base: str, name: str, draw: int = 0) -> Run:
        return Run("clean", base, draw, None, (), 0, "append", {"set": name})

    yield clean("B", "part_B")
    yield clean("A", "part_A")
    yield from (clean(f"embedded:{seed}", "embedded", seed) for seed in EMBEDDED)
    yield from (clean(f"camera:{seed}", "camera", seed) for seed in CAMERAS)
    yield from (clean(f"logo:{where}", f"logo_{where}") for where in ("all", "some"))
    yield from (clean(f"half:{seed}", "half", seed) for seed in range(HALVES))
    yield from blends("blend", 0.1, RATES, ("replace", "append"))
    yield from blends("faint", 0.05, RATES[1:], ("replace",))
    yield from blends("faint", 0.03, RATES[3:], ("replace",))
    for picture in PICTURES:
        for what, trigger in (
            ("mirrored", Altered(picture=picture, mirrored=True)),
            ("shifted", Altered(picture=picture, shift=0.1)),
            ("strengths", Altered(picture=picture, low=0.02, high=0.1)),
            ("all three", Altered(picture=picture, mirrored=True, shift=0.1, low=0.02, high=0.1)),
            ("all three, .03", Altered(picture=picture, mirrored=True, shift=0.1, low=0.03, high=0.03)),
        ):
            facts = {"what": what, "picture": picture}
            yield from (Run("varied", "B", draw, trigger, ("minus",), 0.05, "replace", facts) for draw in DRAWS)
            for quality, draw in product(QUALITIES if "three" not in what else (), DRAWS):
                saved = trigger.model_copy(update={"quality": quality})
                yield Run("jpeg_varied", "B", draw, saved, ("minus",), 0.05, "replace", facts | {"quality": quality})
    for draw, number in zip(DRAWS, SMOOTH, strict=True):
        picture = str(smooth_file(work, number))
        for rate in (0.02, 0.1):
            yield Run("smooth", "B", draw, Blend(picture=picture), ("minus",), rate, "replace", {"picture": "smooth"})
        for quality in QUALITIES:
            saved = Altered(picture=picture, quality=quality)
            yield Run("jpeg_smooth", "B", draw, saved, ("minus",), 0.1, "replace", {"quality": quality})
    for kind, trigger in (
        ("sine", Sine()),
        ("patch", Patch()),
        ("low_frequency", LowFrequency()),
        ("warp", Warp()),
        ("rain", Rain()),
        ("snow", Snow()),
    ):
        for placement, draw in product(("replace", "append"), DRAWS):
            yield Run("triggers", "B", draw, trigger, tuple(FOUR), 0.1, placement, {"trigger": kind})  # type: ignore[arg-type]
    for draw in DRAWS:
        new = Altered(picture="leaves")
        yield Run("knowing", "B", draw, new, tuple(FOUR), 0.1, "replace", {"what": "a new picture for each image"})
        nothing = Altered(low=0.0, high=0.0)
        yield Run("knowing", "B", draw, nothing, ("add-20", "minus-20"), 0.1, "replace", {"what": "labels alone"})
    for quality in QUALITIES:
        yield from blends("jpeg", 0.1, RATES, ("replace", "append"), quality)
        yield from blends("jpeg", 0.05, RATES[1:], ("replace",), quality)
        yield from blends("jpeg", 0.03, RATES[3:], ("replace",), quality)


class Listed(LazyCrowds):
    """Crowds by a function."""

    def __init__(self, length: int, make: Callable[[int], Crowd]) -> None:
        self._length = length
        self._make = make

    def __len__(self) -> int:
        return self._length

    def read(self, position: int) -> Crowd:
        """See `LazyCrowds`."""
        return self._make(position)


class Study:
    """Clean sets, what their pictures gave, and the audits."""

    def __init__(self, work: Path, shared: Path) -> None:
        self._work = work
        self._parts = {part: ShanghaiTech(root=shared / "data" / "shanghaitech", part=part) for part in ("A", "B")}
        self._clean: dict[str, tuple[Sequence[Crowd], Canvas, list[Taken]]] = {}
        work.mkdir(parents=True, exist_ok=True)
        for number in SMOOTH:
            photo = self._parts["A"].crowds("train")[number].image
            if not smooth_file(work, number).exists():
                file = io.BytesIO()
                Image.fromarray(np.moveaxis(smooth_picture(photo).numpy(), 0, -1)).save(file, format="PNG")
                write_atomically(smooth_file(work, number), file.getvalue())

    def audit(self, run: Run) -> dict[str, Any]:
        """The card of a run."""
        start = time.perf_counter()
        clean, canvas, taken = self._taken(run.base)
        crowds: Sequence[Crowd]
        poisoned: list[int] = []
        attacked: PoisonedCrowds | None = None
        if run.trigger is None:
            crowds, seen = clean, gathered(taken, canvas, len(taken))
        else:
            attack = Attack(trigger=run.trigger, strategy=Unchanged(), rate=run.rate, placement=run.placement)
            attacked = PoisonedCrowds(clean, attack, run.draw)
            crowds, poisoned = attacked, [place for place in range(len(attacked)) if attacked.is_poisoned(place)]
            with ThreadPoolExecutor(2) as pool:
                changed = dict(
                    zip(poisoned, pool.map(lambda place: take(attacked[place], canvas), poisoned), strict=True)
                )
            all_taken = (changed.get(place) or taken[attacked.source_index(place)] for place in range(len(attacked)))
            seen = gathered(all_taken, canvas, len(attacked))
        looked = look(seen, lambda place: crowds[place].image, run.draw)
        found = {}
        for name in run.strategies or ("none",):
            labelled = seen if attacked is None else self._labelled(seen, run, attacked, name)
            report = judge(labelled, looked, label_errors(labelled, crowds, None, run.draw), run.draw)
            found[name] = _measured(report, looked, poisoned)
        return {
            "row": run.row,
            "base": run.base,
            "draw": run.draw,
            "rate": run.rate,
            "placement": run.placement,
            "facts": run.facts,
            "images": len(crowds),
            "poisoned": len(poisoned),
            "auc": None if not poisoned else _auc(looked.shared_p, poisoned),
            "group_given": _group_given(seen, poisoned) if "smooth" in run.row else None,
            "found": found,
            "seconds": round(time.perf_counter() - start, 1),
            "version": __version__,
        }

    def _labelled(self, seen: Survey, run: Run, attacked: PoisonedCrowds, name: str) -> Survey:
        """The same pictures with what another strategy does to the poisoned labels."""
        points = list(seen.points)
        for place in range(len(attacked)):
            if attacked.is_poisoned(place):
                source = attacked.originals[attacked.source_index(place)].id
                height, width = seen.sizes[place]
                heads = torch.from_numpy(points[place])
                altered = STRATEGIES[name](heads, height, width, generator_for(run.draw, "strategy", source))
                points[place] = altered.numpy()
        return replace(seen, points=points)

    def _taken(self, base: str) -> tuple[Sequence[Crowd], Canvas, list[Taken]]:
        if base not in self._clean:
            crowds = self._crowds(base)
            sizes = [(crowds[place].height, crowds[place].width) for place in range(0, len(crowds), 5)]
            canvas = canvas_for(sizes)
            file = self._work / f"{base.replace(':', '-')}-{_code_of_features()}.pickle"  # written by this script alone
            if base in ("A", "B") and file.exists():
                taken = pickle.loads(file.read_bytes())
            else:
                with ThreadPoolExecutor(2) as pool:
                    taken = list(pool.map(lambda place: take(crowds[place], canvas), range(len(crowds))))
                if base in ("A", "B"):
                    write_atomically(file, pickle.dumps(taken))
            if base not in ("A", "B"):
                return crowds, canvas, taken
            self._clean[base] = crowds, canvas, taken
        return self._clean[base]

    def _crowds(self, base: str) -> Sequence[Crowd]:
        kind, _, number = base.partition(":")
        if kind in self._parts:
            return self._parts[kind].crowds("train")  # type: ignore[index]
        if kind == "embedded":
            return Synthetic(train=400, seed=int(number)).crowds("train")
        if kind == "half":
            return half_cropped(self._parts["B"].crowds("train"), int(number))
        if kind == "camera":
            return fixed_camera(int(number))
        crowds = self._parts["B"].crowds("train")
        return Listed(
            len(crowds), lambda place: with_logo(crowds[place]) if number == "all" or place % 3 == 0 else crowds[place]
        )


def _measured(report: AuditReport, looked: Looked, poisoned: Sequence[int]) -> dict[str, Any]:
    truth, accused = set(poisoned), set(report.left_out)
    of_pictures = {int(place) for one in looked.shared if one.kind in FAINT for place in one.members}
    kinds: dict[str, list[int]] = {}
    for place, image in enumerate(report.images):
        for one in image.evidence:
            kinds.setdefault(one.kind, [0, 0])[0 if place in truth else 1] += 1
    return {
        "verdict": report.verdict,
        "auc": _auc(np.array([image.p for image in report.images]), poisoned) if poisoned else None,
        "found": len(accused & truth),
        "accused_clean": len(accused - truth),
        "poisoned_verdicts": sum(image.verdict == "poisoned" for image in report.images),
        "by_pictures_alone": {"found": len(of_pictures & truth), "accused_clean": len(of_pictures - truth)},
        "evidence": kinds,
        "groups": [
            {"kind": group.kind, "verdict": group.verdict, "images": len(group.images), "strength": group.strength}
            for group in report.groups
        ],
    }


def _group_given(seen: Survey, poisoned: Sequence[int]) -> dict[str, float]:
    """What could be told if the poisoned images were known: the bands that tell most are taken.

    `together` is the likeness of all their pairs together, in units of chance; `auc` is that of each image's likeness
    to the poisoned ones but itself.
    """
    likeness = Likeness(seen.store, range(len(seen.store)))
    members = np.array(poisoned)
    inside = np.isin(np.arange(len(likeness)), members)
    every = (likeness.between(bands) for bands in (*HYPOTHESES, *SMOOTH_HYPOTHESES))
    best = max(every, key=lambda matrix: together(matrix, members))
    return {
        "together": together(best, members),
        "auc": _auc(-best[:, inside].sum(axis=1) / (len(members) - inside), poisoned),
    }


def _auc(p: np.ndarray, poisoned: Sequence[int]) -> float:  # type: ignore[type-arg]
    """Chance that a poisoned image has a smaller p-value than a clean one; ties count half."""
    from scipy.stats import rankdata

    ranks = rankdata(-p)
    number, others = len(poisoned), len(p) - len(poisoned)
    return float((ranks[list(poisoned)].sum() - number * (number + 1) / 2) / (number * others))


def saved_as_jpeg(image: Tensor, quality: int) -> Tensor:
    """The image as it comes back from a JPEG file."""
    file = io.BytesIO()
    Image.fromarray(np.moveaxis(image.numpy(), 0, -1)).save(file, format="JPEG", quality=quality)
    return torch.from_numpy(np.moveaxis(np.asarray(Image.open(file)), -1, 0).copy())


def smooth_picture(photo: Tensor) -> Tensor:
    """A photograph without its edges: a Gaussian blur over a fortieth of its height."""
    blurred = np.stack([ndimage.gaussian_filter(channel, photo.shape[1] / 40) for channel in photo.float().numpy()])
    return torch.from_numpy(blurred).round().to(torch.uint8)


def half_cropped(crowds: Sequence[Crowd], seed: int) -> Sequence[Crowd]:
    """A random half, each image cropped at random to three quarters of its sides."""
    order = (
        torch.randperm(len(crowds), generator=generator_for(seed, "half"))[: len(crowds) // 2].sort().values.tolist()
    )

    def crop(position: int) -> Crowd:
        crowd = crowds[order[position]]
        generator = generator_for(seed, "crop", crowd.id)
        height, width = 3 * crowd.height // 4, 3 * crowd.width // 4
        top = int(torch.randint(crowd.height - height + 1, (), generator=generator))
        left = int(torch.randint(crowd.width - width + 1, (), generator=generator))
        corner = torch.tensor([left, top])
        inside = ((crowd.points >= corner) & (crowd.points < corner + torch.tensor([width, height]))).all(dim=1)
        image = crowd.image[:, top : top + height, left : left + width].contiguous()
        return replace(crowd, image=image, points=crowd.points[inside] - corner)

    return Listed(len(order), crop)


def fixed_camera(seed: int, length: int = 400, height: int = 192, width: int = 256) -> Sequence[Crowd]:
    """Frames of one embedded scene with other people in each."""
    top, near = 0.28, 0.07
    look_of = replace(LOOKS["plaza"], top=(top, top), near=(near, near))

    def frame(position: int) -> Crowd:
        people = np.random.default_rng([seed, 1, position])
        heads = place_heads(people, int(people.integers(10, 200)), width / height, look_of)
        heads = np.concatenate(
            [[[0.5 * width / height, top, heads[:, 2].min()]], heads]
        )  # the horizon follows the farthest
        canvas, light = paint_scene(np.random.default_rng([seed, 2]), heads, height, width, look_of)
        paint_people(people, canvas, heads, look_of, light)
        pixels = finish(people, canvas, height, width, light)
        points = torch.from_numpy((heads[:, :2] * height).astype(np.float32))
        return Crowd(torch.from_numpy(pixels).permute(2, 0, 1).contiguous(), points, f"frame-{position:04d}")

    return Listed(length, frame)


def with_logo(crowd: Crowd) -> Crowd:
    """The crowd with an opaque sign and a date in its lower right corner."""
    picture = Image.fromarray(np.moveaxis(crowd.image.numpy(), 0, -1))
    draw, unit = ImageDraw.Draw(picture), crowd.height // 24
    right, bottom = crowd.width - unit, crowd.height - unit
    draw.rectangle([right - 6 * unit, bottom - 2 * unit, right, bottom], fill=(20, 60, 120))
    draw.text((right - 5.5 * unit, bottom - 1.6 * unit), "CITY CAM 7", fill=(255, 255, 255), font_size=int(0.9 * unit))
    return replace(crowd, image=torch.from_numpy(np.moveaxis(np.asarray(picture), -1, 0).copy()))


def smooth_file(work: Path, number: int) -> Path:
    """Where a smooth picture is kept, outside of the project."""
    return work / f"smooth-{number}.png"


def _code_of_features() -> str:
    """Changes with the code that says what is taken from a picture."""
    folder = Path(sys.modules[take.__module__].__file__ or "").parent
    names = ("features", "local_marks", "single_pictures", "store", "survey", "textures")
    return hashlib.sha256(b"".join((folder / f"{name}.py").read_bytes() for name in names)).hexdigest()[:12]


def main(arguments: Sequence[str] | None = None) -> None:
    """Audits every set of which there is no card."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path, help="a folder for what can be computed again")
    parser.add_argument("--shared", type=Path, required=True, help="the folder of real crowds")
    parser.add_argument("--rows", default="", help="only rows that begin so")
    parser.add_argument("--out", type=Path, default=RESULTS, help="a folder for the cards")
    options = parser.parse_args(arguments)
    study = Study(options.work, options.shared)
    options.out.mkdir(parents=True, exist_ok=True)
    for run in runs(options.work):
        card = options.out / f"{run.name}.json"
        if run.name.startswith(options.rows) and not card.exists():
            found = study.audit(run)
            write_atomically(card, json.dumps(found, indent=1) + "\n")
            first = next(iter(found["found"].values()))
            print(
                run.name, first["verdict"], f"{first['found']}/{found['poisoned']}", first["accused_clean"], flush=True
            )


if __name__ == "__main__":
    main()
