"""The metrics of one counter on the terminal, or as JSON for another program."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict

from rich.console import Console
from rich.table import Table

from countguard.data.source import Chosen
from countguard.metrics.intervals import Interval


def show_metrics(
    metrics: Mapping[str, Interval], measured: Chosen, *, sentences: Sequence[str] = (), as_json: bool
) -> None:
    """Prints each metric with its 95 % interval over images, after what they say in sentences."""
    images = len(measured.crowds)
    if as_json:
        values = {name: asdict(interval) for name, interval in metrics.items()}
        print(json.dumps({"images": images, "which": measured.which, **values}, indent=1))
        return
    console = Console()
    for sentence in sentences:
        console.print(sentence, markup=False, highlight=False)
    table = Table(caption=f"95 % bootstrap over {images} images")
    table.add_column("metric")
    for heading in ("value", "low", "high"):
        table.add_column(heading, justify="right")
    for name, interval in metrics.items():
        table.add_row(name, *(f"{number:.3f}" for number in (interval.value, interval.low, interval.high)))
    console.print(table)
