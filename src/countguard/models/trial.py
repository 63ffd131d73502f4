"""Which convention a network was trained under, found out on pictures whose heads are known."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import inf, isnan

import torch
from torch import Tensor

from countguard.data.crowd import Crowd
from countguard.errors import InputError
from countguard.models.conventions import Convention
from countguard.models.counter import Counter
from countguard.models.counting import count_crowds

MOST, SIDE = 6, 512
"""Crowds that are counted under each convention, spread over those given, and the side to which they are cut: a CSRNet
takes two seconds for such a piece on a processor core, and has ten conventions."""
CLEAR = 1.25
"""How many times the best convention's error another one's must be to be ruled out."""
ALIKE = 0.1
"""Conventions whose counts differ by less than this share of the heads are as good as each other."""
WORST = 0.75
"""Error, as a fraction of the heads, above which none is believed: an answer of nobody has 1."""


@dataclass(frozen=True, slots=True)
class _Trial:
    """What a convention makes of the crowds: its counts, and their mean absolute error."""

    convention: Convention
    counts: Tensor
    error: float


def decide_by_counts(
    crowds: Sequence[Crowd],
    conventions: Sequence[Convention],
    counter_for: Callable[[Convention], Counter],
    *,
    where: str,
    say: Callable[[str], None],
) -> Convention:
    """The convention whose counts come nearest to the heads, where that is clear; says each one's error.

    Args:
        crowds: with true points.
        conventions: two or more.
        counter_for: the counter that a convention makes of the file.
        where: opens the lines.
        say: takes the errors.

    Raises:
        InputError: there are no heads to measure by, or the errors do not tell.
    """
    few = [_piece(crowds[int(index)]) for index in torch.linspace(0, len(crowds) - 1, min(MOST, len(crowds))).round()]
    heads = torch.tensor([crowd.count for crowd in few], dtype=torch.float64)
    if heads.sum() == 0:
        raise InputError(f"{where}: --check: there is not one head in the {len(few)} pictures")
    trials = []
    for convention in conventions:
        counts = count_crowds(counter_for(convention), few).double()
        error = float((counts - heads).abs().mean())
        trials.append(_Trial(convention, counts, inf if isnan(error) else error))
    trials.sort(key=lambda trial: trial.error)
    best, people = trials[0], float(heads.mean())
    shown = ", ".join(f"{trial.convention.name} {trial.error:.1f}" for trial in trials)
    line = f"{where}: mean error on {len(few)} pictures with {people:.1f} heads each: {shown}"
    if best.error > WORST * people:
        raise InputError(f"{line}; none of them counts these pictures, so none is taken; name it: --from")
    apart = [trial for trial in trials if float((trial.counts - best.counts).abs().mean()) > ALIKE * people]
    if rivals := [trial.convention.name for trial in apart if trial.error < CLEAR * best.error]:
        names = " or ".join([best.convention.name, *rivals])
        raise InputError(f"{line}; that does not tell {names}; give more pictures, or name it: --from")
    say(f"{line}; taken for {best.convention.source}")
    return best.convention


def _piece(crowd: Crowd) -> Crowd:
    """The crowd cut to `SIDE`, around the one of its heads that has the most others near it."""
    size = torch.tensor([min(crowd.width, SIDE), min(crowd.height, SIDE)])
    last = torch.tensor([crowd.width, crowd.height]) - size
    some = crowd.points[:: max(1, crowd.count // SIDE)]
    corners = torch.minimum((some - size / 2).clamp_min(0).long(), last) if crowd.count else last.unsqueeze(0) // 2
    inside = ((crowd.points >= corners[:, None]) & (crowd.points < (corners + size)[:, None])).all(dim=2)
    densest = int(inside.sum(dim=1).argmax())
    left, top = corners[densest].tolist()
    width, height = size.tolist()
    image = crowd.image[:, top : top + height, left : left + width]
    return replace(crowd, image=image, points=crowd.points[inside[densest]] - corners[densest])
