"""The page that lies beside a repaired counter: before, after, and what it cannot promise."""

from pathlib import Path
from textwrap import indent

import yaml

from countguard.errors import one_line
from countguard.metrics.intervals import Interval
from countguard.operate.repair import Measures, Repair
from countguard.reports.wording import join
from countguard.scan.guard import RATE, guard_file
from countguard.writing import write_atomically

_NO_PROMISE = """\
## What this cannot promise

- It cannot tell whether the counter was attacked, nor prove that no trigger is left. A trigger that none of the rows
  above resembles (a patch in a corner, a warp, a rare object) may still work.
- It knows the clean images it was given. If those are poisoned, or unlike the pictures the counter meets, so is the
  repair.
- The intervals are for images like the held-back ones. With few of them they are wide; believe the interval.
- Where the source of a counter is in doubt, training one anew on data you trust is safer than any repair.
"""


def write_repair_page(repair: Repair) -> Path:
    """Writes the page in Markdown under the repaired counter's name, with `.md`; returns that."""
    path = repair.out.with_suffix(".md")
    write_atomically(path, repair_page(repair))
    return path


def repair_page(repair: Repair) -> str:
    """The whole page."""
    settings = indent(yaml.safe_dump(repair.defense, sort_keys=False), "    ")
    rows = "\n".join(f"| {name} | {before} | {after} |" for name, before, after in _rows(repair.before, repair.after))
    return f"""\
# Repair of {one_line(repair.counter.name)}

{_verdict(repair.before, repair.after)}

A `{repair.kind}` counter, repaired by `{repair.defense["kind"]}` with {repair.trained_on} clean images of
{one_line(repair.data)}. All numbers are on {repair.measured_on} other clean images that the repair did not see, with
95 % bootstrap intervals.

| | before | after |
|---|---|---|
{rows}

"Counted right" is within 10 % of the true count. The repair trained on none of the triggers in the table. A
row that is much lower than "counted right" before, and not after, was a weakness that is gone; it need not have been an
attack.

{_guard(repair)}
{_NO_PROMISE}
## Settings

Repaired counter: `{one_line(repair.out.name)}`

{settings}
"""


def _guard(repair: Repair) -> str:
    counter, repaired = one_line(repair.counter.name), one_line(repair.out.name)
    rate = 100 * repair.guard.false_alarm_rate
    more = (
        ""
        if repair.guard.false_alarm_rate <= RATE
        else f" With {round(1 / RATE) - 1} pictures it would be {100 * RATE:g} %."
    )
    return f"""\
## The two as a guard

A picture on which the two counters disagree may carry a trigger:

    countguard count {counter} PICTURES --guard {repaired}

The threshold lies in `{guard_file(Path(repaired)).name}`. It was found on the {repair.guard.images} held-back pictures:
at most {rate:.3g} % of clean pictures like them raise an alarm.{more} `--clean FOLDER` finds it anew on pictures
of your own, which need no labels.
"""


def _verdict(before: Measures, after: Measures) -> str:
    """One or two sentences; a difference counts where the intervals do not meet."""
    if before.rho_acc is not None and after.rho_acc is not None and after.rho_acc.high < before.rho_acc.low:
        return (
            "**The repaired counter counts clean images worse than before.** Give it more clean images or train longer "
            "(`--set defenses.0.epochs=...`), before you use it."
        )
    gone = [name for name, rate in before.under.items() if after.under[name].low > rate.high]
    left = [name for name, rate in after.under.items() if rate.high < (after.rho_acc or rate).low]
    found = [f"It now sees through {join(gone)}, which misled it before."] if gone else []
    found += [f"**It is still misled by {join(left)}.**"] if left else []
    return " ".join(found) or "No difference between before and after that these images could show."


def _rows(before: Measures, after: Measures) -> list[tuple[str, str, str]]:
    rows = [("mean absolute error, heads", _text(before.mae, 1), _text(after.mae, 1))]
    if before.rho_acc is not None and after.rho_acc is not None:
        rows.append(("counted right", _text(before.rho_acc, 2), _text(after.rho_acc, 2)))
    rows += [
        (f"counted right under {name}", _text(rate, 2), _text(after.under[name], 2))
        for name, rate in before.under.items()
    ]
    return rows


def _text(interval: Interval, digits: int) -> str:
    return f"{interval.value:.{digits}f} [{interval.low:.{digits}f}, {interval.high:.{digits}f}]"
