"""Evidence: labels against pictures, by a counter that is trusted or by light ones made of the set itself."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from countguard.audit.laws import student_tail
from countguard.audit.light_counters import estimate
from countguard.audit.likeness import centre_and_spread
from countguard.audit.survey import Survey
from countguard.audit.textures import blocks_of
from countguard.data.crowd import Crowd
from countguard.errors import InputError
from countguard.models.counter import Counter
from countguard.seeds import generator_for

_HEADS = 5.0
"""Added to labels and estimates before their ratio: a head more or less on an empty street says nothing."""
_TAILS = 5.0
"""Degrees of freedom of Student's t, whose tails are as heavy as those of a counter's errors."""
_NEIGHBOURS, _FRACTION = 40, 8
"""Images estimated alike by which an error is judged: so many, or an eighth of the set where that is more."""
_CENTRES = 500
"""Images around each of which a group of pictures that look alike is made."""
_COUNTED = 10
"""Such groups that err as far, from which on their number is the chance."""
_POOL = 1000
"""Images that those groups are made of; more where a group is larger than a quarter of them."""


@dataclass(frozen=True, slots=True, eq=False)
class LabelErrors:
    """How labels and estimates differ.

    Attributes:
        estimates: heads that the pictures show.
        blocks: the same for each block, where light counters told them.
        errors: log((label + 5) / (estimate + 5)), less its median over the images that are estimated alike, in their
            deviations: light counters find people in empty pictures, and few of many.
        looks: what each picture looks like: float [images, numbers], of unit variance.
        by: what estimated them, in words.
    """

    estimates: NDArray[np.float64]
    blocks: NDArray[np.float32] | None
    errors: NDArray[np.float64]
    looks: NDArray[np.float64]
    by: str

    def image_p_values(self) -> NDArray[np.float64]:
        """The chance of so large an error of either sign, for each image."""
        return 2 * student_tail(np.abs(self.errors), _TAILS)

    def of_group(self, members: Sequence[int], seed: int) -> tuple[float, float]:
        """Mean error of a group beside the others', in deviations of single images, and the chance of one so large.

        Pictures that look alike are estimated wrongly alike, so that the mean error of a group which shares something
        varies more than that of a group drawn at random: twice as much on embedded crowds. Chance is therefore that of
        groups of this size made of other images and those that look most like them; by counting, and by Student's
        law where chance is less than that can tell.
        """
        inside = np.zeros(len(self.errors), bool)
        inside[list(members)] = True
        bounded = np.clip(self.errors, -_TAILS, _TAILS)
        others, number = np.flatnonzero(~inside), int(inside.sum())
        if len(others) < 2 * number:
            return float(self.errors[inside].mean()), 1.0
        middle = float(bounded[others].mean())
        shift = float(bounded[inside].mean()) - middle
        generator = generator_for(seed, "audit", "groups of labels", number)
        pool = others[torch.randperm(len(others), generator=generator).numpy()[: max(_POOL, 4 * number)]]
        means = bounded[self._alike(pool, number)].mean(axis=1) - middle
        as_far = int((np.abs(means) >= abs(shift)).sum())
        counted = (1 + as_far) / (1 + len(means))
        if as_far >= _COUNTED:
            return shift, counted
        deviation = max(float(means.std()), float(bounded[others].std()) / number**0.5)
        return shift, min(counted, float(2 * student_tail(abs(shift) / deviation, 4 * number)))

    def _alike(self, pool: NDArray[np.intp], number: int) -> NDArray[np.intp]:
        """Groups of images that look alike, around some of a pool: int [groups, number]."""
        looks = self.looks[pool]
        centres = looks[:_CENTRES]
        apart = (looks**2).sum(axis=1) - 2 * centres @ looks.T  # less a number that is the same for each centre
        groups: NDArray[np.intp] = pool[np.argpartition(apart, number - 1, axis=1)[:, :number]]
        return groups


def label_errors(survey: Survey, crowds: Sequence[Crowd], counter: Counter | None, seed: int) -> LabelErrors:
    """Labels beside estimates.

    Args:
        survey: of the set.
        crowds: of the set; read again where a counter is given.
        counter: trusted; None makes light ones of the set itself.
        seed: of those.

    Raises:
        InputError: the counter gives no finite number.
    """
    if counter is None:
        heads = np.stack(
            [
                blocks_of(points, size, survey.store.canvas)
                for points, size in zip(survey.points, survey.sizes, strict=True)
            ]
        )
        blocks = estimate(survey.textures, heads, seed)
        estimates, by = blocks.sum(axis=1, dtype=float), "light counters made of the set itself"
    else:
        from countguard.models.counting import count_crowds

        blocks = None
        estimates, by = count_crowds(counter, crowds).numpy().astype(float), f"the {counter.kind} counter given"
        if not np.isfinite(estimates).all():
            raise InputError("--counter: gives no finite number of people; its weights or settings are damaged")
    ratios = np.log((survey.counts + _HEADS) / (np.maximum(estimates, 0) + _HEADS))
    looks = survey.textures.mean(axis=1, dtype=float)
    looks = (looks - looks.mean(axis=0)) / (looks.std(axis=0) + 1e-6)
    return LabelErrors(estimates, blocks, standard_errors(ratios, estimates), looks, by)


def standard_errors(ratios: NDArray[np.float64], estimates: NDArray[np.float64]) -> NDArray[np.float64]:
    """Each ratio less the median over the images that are estimated alike, in deviations of those."""
    number = len(ratios)
    width = min(number, max(_NEIGHBOURS, number // _FRACTION))
    order = np.argsort(estimates, kind="stable")
    alike = np.lib.stride_tricks.sliding_window_view(ratios[order], width)
    middle, spread = np.array([centre_and_spread(values) for values in alike]).T
    place = np.clip(np.arange(number) - width // 2, 0, number - width)
    errors = np.empty(number)
    errors[order] = (ratios[order] - middle[place]) / spread[place]
    return errors
