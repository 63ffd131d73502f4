"""Runs the benchmarks that are named, or all: `python -m benchmarks [NAME...] [--threads N] [--out FILE]`."""

import argparse
import importlib
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from benchmarks.harness import Row, machine_facts

BENCHMARKS = {
    "ceilings": "benchmarks.ceilings",
    "startup": "benchmarks.startup",
    "targets": "benchmarks.targets",
    "poisoning": "benchmarks.poisoning",
    "exporting": "benchmarks.exporting",
    "evaluation": "benchmarks.evaluation",
    "counting": "benchmarks.counting",
    "onnx": "benchmarks.onnx_runtime",
    "training": "benchmarks.training",
    "freezing": "benchmarks.freezing",
    "growth": "benchmarks.growth",
    "audit": "benchmarks.audit",
    "precision": "benchmarks.precision",
    "demo": "benchmarks.demo",
}
"""Name to module; a module is imported only when it is run."""

_COLUMNS = "{:<54} {:>11} {:>11}  {:<28} {:<16} {:<8} {}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints a line a row; returns 1 where ours and the reference disagree."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Ours beside a plain reference.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(BENCHMARKS)}; all by default")
    parser.add_argument("--threads", type=int, default=2, help="CPU threads of both sides (default 2)")
    parser.add_argument("--out", type=Path, help="also write the rows here, as JSON, with what the machine is")
    options = parser.parse_args(arguments)
    unknown = [name for name in options.names if name not in BENCHMARKS]
    if unknown:
        parser.error(f"no benchmark is called {unknown[0]}; there are {', '.join(BENCHMARKS)}")
    torch.set_num_threads(options.threads)
    facts = machine_facts()
    print(", ".join(f"{key} {value}" for key, value in facts.items()))
    print(_COLUMNS.format("work", "ours", "reference", "ratio (lowest to highest)", "wanted", "reached", "agreement"))
    measured: dict[str, list[Row]] = {}
    for name in options.names or BENCHMARKS:
        measured[name] = []
        for row in importlib.import_module(BENCHMARKS[name]).rows():
            measured[name].append(row)
            print(_line(row), flush=True)
    if options.out is not None:
        _write(options.out, facts, measured)
    return int(any(row.agrees is False for rows in measured.values() for row in rows))


def _line(row: Row) -> str:
    reached = {True: "yes", False: "NO", None: ""}[row.reached]
    agreement = f"{'agree' if row.agrees else 'DISAGREE'}: {row.agreement}" if row.agrees is not None else ""
    return _COLUMNS.format(row.name, row.ours, row.reference, row.ratio, row.wanted, reached, agreement).rstrip()


def _write(path: Path, facts: dict[str, Any], measured: dict[str, list[Row]]) -> None:
    rows = {name: [asdict(row) for row in some] for name, some in measured.items()}
    unfinished = path.with_name(path.name + ".part")
    unfinished.write_text(json.dumps({"machine": facts, "rows": rows}, indent=2) + "\n", encoding="utf-8")
    unfinished.replace(path)


if __name__ == "__main__":
    sys.exit(main())
