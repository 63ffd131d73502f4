"""The page that lies beside a repaired counter: before, after, and what it cannot promise."""

from dataclasses import dataclass
from datetime import date
from pathlib import Path

import torch

from countguard.errors import InputError, one_line
from countguard.metrics.intervals import Interval
from countguard.operate.pages import page_from, source_of
from countguard.operate.repair import PROBES, Repair
from countguard.progress import duration
from countguard.scan.guard import RATE, guard_file
from countguard.wording import percent
from countguard.writing import require_place, write_atomically
from countguard.yaml_text import dump_yaml

MARK = b"<!doctype html>\n<!-- countguard defend -->"
"""How the page begins, by which an earlier one is known."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A held-back picture, as it is or under a probe: what is on it, and what was counted before and after."""

    name: str
    source: str
    before: str
    after: str


def page_of(out: Path) -> Path:
    """The page that lies beside a repaired counter."""
    return out.with_name(f"{out.stem}-repair.html")


def require_page(out: Path) -> None:
    """Makes sure, before the repair, that its page replaces nothing but the page of an earlier one.

    Args:
        out: of the repaired counter.

    Raises:
        InputError: another file has the page's name, or the counter does not have its own ending.
    """
    if out.suffix != ".safetensors":
        raise InputError(f"{out}: --out should end in .safetensors")
    require_place(page_of(out), "--out", mark=MARK)


def write_repair_page(repair: Repair) -> Path:
    """Writes the page beside the repaired counter, as `NAME-repair.html`; returns its path."""
    path = page_of(repair.out)
    write_atomically(path, repair_page(repair))
    return path


def repair_page(repair: Repair) -> bytes:
    """The page as HTML: no script, nothing from the network, every text escaped."""
    guard = repair.guard
    return page_from(
        "repair.html.j2",
        repair=repair,
        counter=one_line(repair.counter.name),
        out=one_line(repair.out.name),
        data=one_line(repair.data),
        rows=_rows(repair),
        shown=_shown(repair),
        guard=None if guard is None else one_line(guard_file(repair.out).name),
        alarms=None if guard is None else f"{100 * guard.false_alarm_rate:.3g} %",
        more=f"{100 * RATE:g} %" if guard is not None and guard.false_alarm_rate > RATE else None,
        wanted=round(1 / RATE) - 1,
        date=date.today().isoformat(),
        took=duration(repair.seconds),
        scale=percent(repair.choice.scale),
        torch=torch.__version__,
        settings=dump_yaml(repair.defense),
    )


def _shown(repair: Repair) -> list[Shown]:
    before, after = repair.before, repair.after
    counts = {"as it is": (before.clean, after.clean)} | {
        name: (before.under[name], after.under[name]) for name in PROBES
    }
    return [
        Shown(name, source_of(picture), *(f"{estimates[0]:.1f}" for estimates in counts[name]))
        for name, picture in repair.shown.items()
    ]


def _rows(repair: Repair) -> list[tuple[str, str, str, str]]:
    before, after = repair.before, repair.after
    rows = [
        ("mean absolute error, heads", _text(before.mae, 1), _text(after.mae, 1), _text(repair.error, 1, signed=True))
    ]
    kinds = {"counted right": (before.clean, after.clean, repair.accuracy)}
    kinds |= {
        f"counted right under {name}": (before.under[name], after.under[name], repair.under[name]) for name in PROBES
    }
    for name, (old, new, change) in kinds.items():
        rates = before.right(old), after.right(new)
        if rates[0] and rates[1] and change:
            rows.append((name, _text(rates[0], 2), _text(rates[1], 2), _text(change, 2, signed=True)))
    return rows


def _text(interval: Interval, digits: int, *, signed: bool = False) -> str:
    plus = "+" if signed else ""
    return f"{interval.value:{plus}.{digits}f} [{interval.low:{plus}.{digits}f}, {interval.high:{plus}.{digits}f}]"
