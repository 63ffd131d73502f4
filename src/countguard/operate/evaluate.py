"""Measures one counter on a data set."""

from collections.abc import Sequence

from countguard.attacks.strategies import Strategy
from countguard.attacks.trigger import Trigger
from countguard.data.crowd import Crowd
from countguard.metrics import Measurement, measure
from countguard.metrics.intervals import Interval
from countguard.models.counter import Counter
from countguard.runs.predictions import predict


def evaluate_counter(
    counter: Counter,
    crowds: Sequence[Crowd],
    trigger: Trigger,
    strategy: Strategy | None = None,
    clean_counter: Counter | None = None,
    seed: int = 0,
) -> dict[str, Interval]:
    """A counter's metrics on crowds, clean and triggered.

    Args:
        counter: to evaluate.
        crowds: with true points.
        trigger: whose effect is measured.
        strategy: under whose rule rho_asr is read; None leaves the attack's metrics out.
        clean_counter: never attacked, of the same model, for false_asr; without it false_asr and net_asr are left out,
            and rho_asr alone says little: the trigger's picture alone makes counters undercount.
        seed: of trigger and strategy.
    """
    predictions = predict(counter, crowds, trigger, strategy, seed)
    if strategy is None:
        return measure(Measurement(predictions))
    clean = None if clean_counter is None else predict(clean_counter, crowds, trigger, None, seed).triggered
    return measure(Measurement(predictions, strategy.direction, clean))
