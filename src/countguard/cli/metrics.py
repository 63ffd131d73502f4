"""The metrics of one counter on the terminal, or as JSON for another program."""

import json
from collections.abc import Mapping
from dataclasses import asdict

from rich.console import Console
from rich.table import Table

from countguard.data.source import Chosen
from countguard.metrics.intervals import Interval


def show_metrics(metrics: Mapping[str, Interval], measured: Chosen, *, as_json: bool) -> None:
    """Prints how many images were measured, and each metric with its 95 % interval over them."""
    if as_json:
        values = {name: asdict(interval) for name, interval in metrics.items()}
        print(json.dumps({"images": len(measured.crowds), "which": measured.which, **values}, indent=1))
        return
    table = Table(title=f"{len(measured.crowds)} images", caption="95 % bootstrap over images")
    table.add_column("metric")
    for heading in ("value", "low", "high"):
        table.add_column(heading, justify="right")
    for name, interval in metrics.items():
        table.add_row(name, *(f"{number:.3f}" for number in (interval.value, interval.low, interval.high)))
    Console().print(table)
