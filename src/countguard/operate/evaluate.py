"""Measures one counter on a data set."""

from collections.abc import Mapping, Sequence

from countguard.attacks.strategies import Strategy
from countguard.attacks.trigger import Trigger
from countguard.data.crowd import Crowd
from countguard.errors import InputError
from countguard.metrics import Measurement, measure
from countguard.metrics.counting import rate_on_images_with_heads
from countguard.metrics.intervals import Interval
from countguard.metrics.paired import rate_change
from countguard.metrics.predictions import Predictions
from countguard.metrics.ratios import success_ranges
from countguard.models.counter import Counter
from countguard.operate.repair import DAMAGED
from countguard.runs.predictions import NotFinite, predict


def evaluate_counter(
    counter: Counter,
    crowds: Sequence[Crowd],
    trigger: Trigger,
    strategy: Strategy | None = None,
    clean_counter: Counter | None = None,
    seed: int = 0,
) -> dict[str, Interval]:
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
    if strategy is None:
        return measure(Measurement(predictions))
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
    return metrics


def _predicted(
    name: str, counter: Counter, crowds: Sequence[Crowd], trigger: Trigger, strategy: Strategy | None, seed: int
) -> Predictions:
    """What a counter that was given says; `name` is what errors call it."""
    try:
        return predict(counter, crowds, trigger, strategy, seed)
    except NotFinite:
        raise InputError(f"{name}: {DAMAGED}") from None


def evaluation_sentences(metrics: Mapping[str, Interval], trigger: str, strategy: Strategy | None) -> list[str]:
    """What the metrics say, for people.

    Args:
        metrics: from `evaluate_counter`.
        trigger: what it is called.
        strategy: the one that was given.
    """
    if strategy is None or "trigger_effect" not in metrics:
        return []
    wrong = "more than 10 % too high" if strategy.direction > 0 else "more than 10 % too low"
    success, control, effect = (metrics[name] for name in ("rho_asr", "rho_asr_without_trigger", "trigger_effect"))
    sentences = [
        f"Under {trigger}, {success.value:.0%} of the images are counted {wrong}; without it, {control.value:.0%}: "
        f"{effect.value:+.0%} [{effect.low:+.0%}, {effect.high:+.0%}]."
    ]
    if "net_asr" in metrics:
        false, net = metrics["false_asr"], metrics["net_asr"]
        sentences.append(
            f"A counter that was never attacked is so wrong on {false.value:.0%} of them: the attack adds "
            f"{net.value:+.0%} [{net.low:+.0%}, {net.high:+.0%}]."
        )
    else:
        sentences.append(
            "This alone does not show a backdoor: a trigger can mislead a counter that was never attacked. Name one of "
            "the same kind as --clean to tell the two apart."
        )
    return sentences
