"""The page that lies beside a repaired counter: before, after, and what it cannot promise."""

from pathlib import Path
from textwrap import indent

import yaml

from countguard.errors import InputError, one_line
from countguard.escaping import markdown_code, markdown_text
from countguard.metrics.intervals import Interval
from countguard.operate.repair import PROBES, Repair
from countguard.scan.guard import RATE, Calibration, guard_file
from countguard.writing import require_place, write_atomically

_TITLE = "# Repair of "
_NO_PROMISE = """\
## What this cannot promise

- It cannot tell whether the counter was attacked, nor prove that no trigger is left. A trigger that none of the rows
  above resembles (a patch in a corner, a warp, a rare object) may still work.
- It knows the clean images it was given. If those are poisoned, or unlike the pictures the counter meets, so is the
  repair.
- The intervals are for images like the held-back ones. With few of them they are wide; believe the interval.
- Where the source of a counter is in doubt, training one anew on data you trust is safer than any repair.
"""


def page_of(out: Path) -> Path:
    """The page that lies beside a repaired counter."""
    return out.with_name(f"{out.stem}-repair.md")


def require_page(out: Path) -> None:
    """Makes sure, before the repair, that its page replaces nothing but the page of an earlier one.

    Args:
        out: of the repaired counter.

    Raises:
        InputError: another file has the page's name, or the counter does not have its own ending.
    """
    if out.suffix != ".safetensors":
        raise InputError(f"{out}: --out should end in .safetensors")
    path = page_of(out)
    if not path.exists() and not path.is_symlink():
        return
    require_place(path, "--out")
    with path.open("rb") as page:
        ours = page.read(len(_TITLE)) == _TITLE.encode()
    if not ours:
        raise InputError(f"{path}: the page of the repair would overwrite it; give another --out")


def write_repair_page(repair: Repair) -> Path:
    """Writes the page in Markdown beside the repaired counter, as `NAME-repair.md`; returns its path."""
    path = page_of(repair.out)
    write_atomically(path, repair_page(repair))
    return path


def repair_page(repair: Repair) -> str:
    """The whole page."""
    settings = indent(yaml.safe_dump(repair.defense, sort_keys=False), "    ")
    rows = "\n".join(f"| {' | '.join(row)} |" for row in _rows(repair))
    unwritten = (
        "" if repair.written else "\n\n**The repaired counter was not written;** `--force` writes it all the same."
    )
    return f"""\
{_TITLE}{markdown_text(repair.counter.name)}

{repair.verdict}{unwritten}

A {markdown_code(repair.kind)} counter, repaired by `{repair.defense["kind"]}` with
{repair.trained_on} clean images of {markdown_text(repair.data)}. All numbers are on {repair.measured_on} other clean
images that the repair did not see, with 95 % bootstrap intervals.

| | before | after | change, images paired |
|---|---|---|---|
{rows}

"Counted right" is within 10 % of the true count. The repair trained on none of the triggers in the table. A
row that is much lower than "counted right" before, and not after, was a weakness that is gone; it need not have been an
attack.

{_guard(repair, repair.guard) if repair.guard else ""}
{_NO_PROMISE}
## Settings

Repaired counter: {markdown_code(repair.out.name)}

{settings}
"""


def _guard(repair: Repair, guard: Calibration) -> str:
    counter, repaired = one_line(repair.counter.name), one_line(repair.out.name)
    rate = 100 * guard.false_alarm_rate
    more = (
        "" if guard.false_alarm_rate <= RATE else f" With {round(1 / RATE) - 1} pictures it would be {100 * RATE:g} %."
    )
    return f"""\
## The two as a guard

A picture on which the two counters disagree may carry a trigger:

    countguard count {counter} PICTURES --guard {repaired}

The threshold lies in {markdown_code(guard_file(Path(repaired)).name)}.
It was found on the {guard.images} held-back pictures: at most {rate:.3g} % of clean pictures like them raise an alarm.
{more} `--clean FOLDER` finds it anew on pictures of your own, which need no labels.
"""


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
