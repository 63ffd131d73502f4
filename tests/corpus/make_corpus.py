"""Writes every bad input into a folder of its own: `cd tests && python -m corpus.make_corpus DIR`.

With `--open` those written before are opened, and a line of JSON a case says what came of it, in how much processor
time, and how much memory this process or one that it started has held at most so far.
Further lists of cases are added to `CASES`.
"""

import json
import resource
import sys
from pathlib import Path

from corpus.case import Case
from corpus.format_cases import FORMAT_CASES
from corpus.image_cases import IMAGE_CASES
from corpus.layout_cases import LAYOUT_CASES
from corpus.mat_cases import MAT_CASES
from corpus.recipe_cases import RECIPE_CASES
from corpus.table_cases import TABLE_CASES
from corpus.weight_cases import WEIGHT_CASES
from countguard.errors import InputError
from peak_memory import peak

_BOTH = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)

CASES: list[Case] = [*IMAGE_CASES, *MAT_CASES, *TABLE_CASES, *LAYOUT_CASES, *FORMAT_CASES, *WEIGHT_CASES, *RECIPE_CASES]


def make(case: Case, folder: Path) -> Path:
    """Writes one case and returns the path that a user would give."""
    (folder / case.name).mkdir()
    return case.make(folder / case.name)


def outcome(case: Case, path: Path) -> dict[str, object]:
    """What opening a case came to."""
    started = _seconds()
    kind, message = "none", ""
    try:
        case.open(path)
    except Exception as error:
        kind, message = "InputError" if isinstance(error, InputError) else type(error).__name__, str(error)
    return {
        "case": case.name,
        "error": kind,
        "message": message,
        "seconds": _seconds() - started,
        "peak_bytes": max(peak(), 1024 * resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss),
    }


def _seconds() -> float:
    return sum(usage.ru_utime + usage.ru_stime for usage in map(resource.getrusage, _BOTH))


def main(folder: Path, *, open_them: bool) -> None:
    """Writes all cases, or opens those that were written."""
    index = folder / "paths.json"
    if not open_them:
        index.write_text(json.dumps({case.name: str(make(case, folder)) for case in CASES}))
        return
    paths = json.loads(index.read_text())
    for case in CASES:
        print(json.dumps(outcome(case, Path(paths[case.name]))), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), open_them="--open" in sys.argv[2:])
