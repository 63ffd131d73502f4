"""What a repair will do and how long it takes here, told before it starts; a budget of time picks its size."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from countguard.data.crowd import Crowd
from countguard.data.scaling import rescale
from countguard.data.source import Subset
from countguard.defenses.defense import Defense
from countguard.errors import InputError
from countguard.models.counter import Counter
from countguard.models.counting import count_crowds
from countguard.operate.pace import on_this, seconds_a_step, steps_of
from countguard.operate.repair import PROBES, Choice
from countguard.progress import duration
from countguard.training.fit import Machine
from countguard.training.settings import Training

SCALES = (1.0, 0.5, 0.25)
"""Sizes of the pictures that a repair may train on, the largest first."""
LOOKS = 2 * (1 + len(PROBES)) + 2
"""How often each picture that is held back is counted: as it is and under each probe, before and after, and by the
guard's two counters."""
FEWEST = 0.25
"""Share of the recommended steps below which smaller pictures are rather taken than fewer steps."""
LEAST = 0.02
"""Share of them below which no repair is begun."""
RESERVE = 0.8
"""Share of a budget that is planned with: others may use the machine, too."""
SHORT = 120.0
"""Seconds below which no smaller choice is offered."""


@dataclass(frozen=True, slots=True)
class Pace:
    """What this machine needs.

    Attributes:
        step: seconds of one step of the training, by the scale of its pictures.
        looks: seconds of counting the held-back pictures, before, after and for the guard.
    """

    step: dict[float, float]
    looks: float

    def seconds(self, scale: float, steps: int) -> float:
        """Of a whole repair."""
        return self.looks + steps * self.step[scale]


class Planner:
    """Times a repair on a few of its steps, and offers choices.

    Attributes:
        used: the crowds that the repair trains on.
        steps, an_epoch: how many steps it has, in all and in an epoch; 0 and 1 where it has none.

    Args:
        counter: the given one.
        crowds: to repair with, at their own size.
        held_back: to look at before and after, at their own size.
        defense: the repair.
        seed: of every random choice.
        machine: where it runs.
    """

    def __init__(
        self,
        counter: Counter,
        crowds: Sequence[Crowd],
        held_back: Sequence[Crowd],
        defense: Defense,
        seed: int,
        machine: Machine,
    ) -> None:
        self.counter, self.crowds, self.held_back = counter, crowds, held_back
        self.defense, self.seed, self.machine = defense, seed, machine
        self.used = defense.trained_on(crowds, seed)
        self.steps, self.an_epoch = steps_of(defense, self.used, seed) if isinstance(defense, Training) else (0, 1)

    def pace(self, scales: Sequence[float]) -> Pace:
        """Times two steps at each scale, and one count."""
        device = self.counter.mean.device
        first = Subset(self.held_back, [0])
        count_crowds(self.counter, first)
        began = time.perf_counter()
        count_crowds(self.counter, first)
        looks = (time.perf_counter() - began) * LOOKS * len(self.held_back)
        step = {scale: self._seconds_a_step(scale) for scale in scales}
        self.counter.to(device)
        return Pace(step, looks)

    def _seconds_a_step(self, scale: float) -> float:
        training = self.defense
        assert isinstance(training, Training)
        few = [rescale(self.crowds[place], scale) for place in range(min(len(self.crowds), 2 * training.batch_size))]
        machine = on_this(self.machine)

        def fit(counter: Counter, crowds: Sequence[Crowd], settings: Training) -> object:
            assert isinstance(settings, Defense)
            return settings.repair(counter.cpu(), crowds, seed=self.seed, machine=machine)

        return seconds_a_step(self.counter, few, training, fit)

    def whole(self, scale: float, pace: Pace | None) -> Choice:
        """All steps at a scale."""
        if pace is None:
            return Choice(scale, self.steps, None)
        return Choice(scale, self.steps, pace.seconds(scale, self.steps), pace.looks)

    def within(self, budget: float, scales: Sequence[float], pace: Pace) -> Choice:
        """The largest repair that a budget, in seconds, has room for: large pictures first, then many steps.

        Raises:
            InputError: there is none.
        """
        for scale in scales:
            room = RESERVE * budget - pace.looks
            steps = min(self.steps, int(room / pace.step[scale]))
            fewest = FEWEST if scale != scales[-1] else LEAST
            if steps >= max(1, fewest * self.steps):
                return Choice(scale, steps, pace.seconds(scale, steps), pace.looks)
        needed = pace.seconds(scales[-1], max(1, round(LEAST * self.steps))) / RESERVE
        raise InputError(
            f"--budget: the shortest repair takes about {duration(needed)} here, {duration(pace.looks)} of them to "
            "count before and after; give more time, or fewer images with --set defenses.0.clean_images=..."
        )


def in_words(choice: Choice, smaller: Sequence[Choice], say: Callable[[str], None]) -> None:
    """Tells how long a choice takes, and which smaller ones there are."""
    if choice.seconds is None:
        say("time: cannot be told beforehand for this repair")
        return
    say(f"time: about {duration(choice.seconds)} here ({choice.steps:,} steps at scale {choice.scale:g})")
    if smaller:
        offered = "; ".join(f"--scale {one.scale:g}: {duration(one.seconds or 0)}" for one in smaller)
        say(f"smaller: {offered}; or --budget 30min, which picks scale and steps")
