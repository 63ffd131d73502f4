"""A metric: one entry with its name, headings, rounding, and the function that measures it."""

from collections.abc import Callable
from dataclasses import dataclass

from countguard.metrics.intervals import Interval
from countguard.metrics.predictions import Predictions
from countguard.metrics.ratios import Direction, Floats
from countguard.registry import Registry


@dataclass(frozen=True, slots=True, eq=False)
class Measurement:
    """Everything that a metric may look at.

    Attributes:
        predictions: of the counter that is measured.
        direction: whether the attack inflates (1) or deflates (-1) the count; 0 for no attack, or one that moves heads.
        clean_counter: estimates of the unrepaired counter that was never attacked, on the same triggered images.
        repaired_clean_counter: the same for that counter after the same repair or filter, or tuned on the same poisoned
            images; only for counters to which this was done.
    """

    predictions: Predictions
    direction: Direction = 0
    clean_counter: Floats | None = None
    repaired_clean_counter: Floats | None = None


@dataclass(frozen=True, slots=True)
class Metric:
    """A number about a counter, and how tables show it.

    Attributes:
        name: in cards, results.csv and on the command line.
        heading: of its column; `subscript` and `note` follow in small print.
        function: gives the value with its interval, or None if it is undefined.
        digits: after the decimal point.
        signed: a plus sign before positive numbers.
        tex: the heading in LaTeX; `heading` by default.
        in_results: whether results.csv has a column for it.
    """

    name: str
    heading: str
    function: Callable[[Measurement], Interval | None]
    digits: int = 3
    signed: bool = False
    subscript: str = ""
    note: str = ""
    tex: str = ""
    in_results: bool = True


METRICS: Registry[Metric] = Registry("metric", lambda entry: isinstance(entry, Metric))
"""Every metric by its name, in the order of results.csv; `metric` registers one."""

Function = Callable[[Measurement], Interval | None]


def metric(
    name: str,
    heading: str,
    *,
    digits: int = 3,
    signed: bool = False,
    subscript: str = "",
    note: str = "",
    tex: str = "",
    in_results: bool = True,
) -> Callable[[Function], Function]:
    """A decorator that registers a function as a metric; see `Metric` for the arguments.

    For example:

        @metric("bias", "Bias", digits=1)
        def bias(measurement: Measurement) -> Interval | None:
            errors = measurement.predictions.clean - measurement.predictions.truths
            return bootstrap_interval(np.mean, [errors])
    """

    def enter(function: Function) -> Function:
        METRICS.register(name)(Metric(name, heading, function, digits, signed, subscript, note, tex, in_results))
        return function

    return enter


def measure(measurement: Measurement) -> dict[str, Interval]:
    """Every metric that is defined, by name, in the order of `METRICS`."""
    values = {name: entry.function(measurement) for name, entry in METRICS.items()}
    return {name: value for name, value in values.items() if value is not None}
