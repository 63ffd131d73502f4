"""Measures one counter on a data set."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from countguard.attacks.blend import Blend
from countguard.attacks.strategies import Strategy
from countguard.attacks.trigger import TRIGGERS, Trigger
from countguard.data.crowd import Crowd
from countguard.errors import InputError, one_line
from countguard.metrics import Measurement, measure
from countguard.metrics.counting import rate_on_images_with_heads
from countguard.metrics.intervals import Interval
from countguard.metrics.paired import rate_change
from countguard.metrics.predictions import Predictions
from countguard.metrics.ratios import success_ranges
from countguard.models.counter import Counter
from countguard.operate.repair import DAMAGED
from countguard.runs.predictions import NotFinite, predict
from countguard.wording import percent


class Evaluation(dict[str, Interval]):
    """Metrics by name.

    Attributes:
        with_heads: how many images have a head, and so a ratio of estimate and truth.
    """

    def __init__(self, metrics: Mapping[str, Interval], with_heads: int) -> None:
        super().__init__(metrics)
        self.with_heads = with_heads


def evaluate_counter(
    counter: Counter,
    crowds: Sequence[Crowd],
    trigger: Trigger,
    strategy: Strategy | None = None,
    clean_counter: Counter | None = None,
    seed: int = 0,
) -> Evaluation:
    """A counter's metrics on crowds, clean and triggered.

    Under a strategy there are two more than `METRICS` has, the control that needs no other counter.
    `rho_asr_without_trigger` is how often the same counter meets the rule of rho_asr on the images as they are;
    `trigger_effect` is rho_asr less that, images paired.

    Args:
        counter: to evaluate.
        crowds: with true points.
        trigger: whose effect is measured.
        strategy: under whose rule rho_asr is read; None leaves the attack's metrics out.
        clean_counter: never attacked, of the same kind, for false_asr; without it false_asr and net_asr are left out.
        seed: of trigger and strategy.

    Raises:
        InputError: the two counters are of different kinds, or one gives no finite number.
    """
    if clean_counter is not None and clean_counter.kind != counter.kind:
        raise InputError(
            f"--clean: is a {clean_counter.kind}, the counter is a {counter.kind}; false_asr needs one of the same kind"
        )
    predictions = _predicted("COUNTER", counter, crowds, trigger, strategy, seed)
    with_heads = int((predictions.truths > 0).sum())
    if strategy is None:
        return Evaluation(measure(Measurement(predictions)), with_heads)
    clean = None
    if clean_counter is not None:
        clean = _predicted("--clean", clean_counter, crowds, trigger, None, seed).triggered
    measurement = Measurement(predictions, strategy.direction, clean)
    metrics = measure(measurement)
    if (success := success_ranges(strategy.direction).get("rho_asr")) is not None:
        untriggered = rate_on_images_with_heads(measurement, predictions.clean, success)
        effect = rate_change(success, predictions.clean, predictions.triggered, predictions.truths)
        if untriggered is not None and effect is not None:
            metrics |= {"rho_asr_without_trigger": untriggered, "trigger_effect": effect}
    return Evaluation(metrics, with_heads)


def _predicted(
    name: str, counter: Counter, crowds: Sequence[Crowd], trigger: Trigger, strategy: Strategy | None, seed: int
) -> Predictions:
    """What a counter that was given says; `name` is what errors call it."""
    try:
        return predict(counter, crowds, trigger, strategy, seed)
    except NotFinite:
        raise InputError(f"{name}: {DAMAGED}") from None


def evaluation_sentences(metrics: Evaluation, trigger: Trigger, strategy: Strategy | None) -> list[str]:
    """What the metrics say, for people.

    Args:
        metrics: from `evaluate_counter`.
        trigger: whose effect was measured.
        strategy: the one that was given.
    """
    if strategy is None or "trigger_effect" not in metrics:
        return []
    wrong = "overcounted" if strategy.direction > 0 else "undercounted"
    success, control, effect = (metrics[name] for name in ("rho_asr", "rho_asr_without_trigger", "trigger_effect"))
    images = metrics.with_heads
    sentences = [
        f"Under {_named(trigger)}: {_of(success, images)} of {images} {wrong} by more than 10 %; without it "
        f"{_of(control, images)}. The difference is {effect.value:+.0%} [{effect.low:+.0%}, {effect.high:+.0%}]."
    ]
    if "net_asr" in metrics:
        false, net = metrics["false_asr"], metrics["net_asr"]
        sentences.append(
            f"A counter that was never attacked is so wrong on {_of(false, images)} of them: the attack adds "
            f"{net.value:+.0%} [{net.low:+.0%}, {net.high:+.0%}]."
        )
    else:
        sentences.append(
            "This alone does not show a backdoor: a trigger can mislead a counter that was never attacked. Name one of "
            "the same kind as --clean to tell the two apart."
        )
    return sentences


def _of(rate: Interval, images: int) -> int:
    """How many of the images a rate stands for."""
    return round(rate.value * images)


def _named(trigger: Trigger) -> str:
    """A trigger as people call it: `kitten at 10 %`, `rain`."""
    if isinstance(trigger, Blend):
        return f"{one_line(Path(trigger.picture).stem)} at {percent(trigger.alpha)}"
    return one_line(TRIGGERS.name_of(trigger)).replace("_", " ")
