"""Every verb on every layout, by the command line; the table in the docs is what this test found.

COUNTGUARD_WRITE_DOCS=1 pytest tests/data/formats/test_matrix.py    # writes the table anew
"""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from countguard.cli import app
from countguard.models import build_counter, save_counter
from published_layouts import LAYOUTS, Layout

DOCS = Path(__file__).parents[3] / "docs/data-formats.md"
BEGIN, END = "<!-- written by tests/data/formats/test_matrix.py -->", "<!-- end -->"
VERBS = ("check", "train", "evaluate", "poison", "count")


@pytest.fixture(scope="module")
def counter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("counter") / "lite.safetensors"
    save_counter(build_counter("lite"), path)
    return path


@pytest.fixture(scope="module")
def found() -> Iterator[dict[str, str]]:
    """The rows of the table; compared with the docs, or written there, once all of them are there."""
    rows: dict[str, str] = {}
    yield rows
    if set(rows) != {layout.title for layout in LAYOUTS}:
        return
    head = ["data set or tool", "`--format`", "layout", "parts", *VERBS]
    lines = [_line(head), _line(["---"] * len(head)), *(rows[layout.title] for layout in LAYOUTS)]
    before, _, rest = DOCS.read_text(encoding="utf-8").partition(BEGIN)
    after = rest.partition(END)[2]
    text = f"{before}{BEGIN}\n{chr(10).join(lines)}\n{END}{after}"
    if os.environ.get("COUNTGUARD_WRITE_DOCS"):
        DOCS.write_text(text, encoding="utf-8")
    assert DOCS.read_text(encoding="utf-8") == text, "COUNTGUARD_WRITE_DOCS=1 writes the table anew"


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.title)
def test_every_verb_takes_the_layout(layout: Layout, tmp_path: Path, counter: Path, found: dict[str, str]) -> None:
    data = tmp_path / "set"
    data.mkdir()
    expected = layout.make(data)
    chosen = [word for setting in layout.settings for word in ("--set", setting)]
    small = ["--model", "lite", "--set", "training.epochs=1", "--set", "training.batch_size=4"]
    measured = expected.get("test") or expected.get("val") or expected["train"]
    images = sum(map(len, expected.values()))
    calls: dict[str, tuple[list[str], Callable[[str], bool]]] = {
        "check": (["check", str(data), *chosen], lambda said: f"format: {layout.kind} (" in said),
        "train": (
            ["train", str(data), "--out", str(tmp_path / "trained.safetensors"), *small, *chosen],
            lambda said: f"trained on: {len(expected['train'])} images" in said,
        ),
        "evaluate": (
            ["evaluate", str(counter), str(data), "--json", *chosen],
            lambda said: f'"images": {len(measured)},' in said,
        ),
        "poison": (
            ["poison", str(data), "--out", str(tmp_path / "poisoned"), "--rate", "0.5", *chosen],
            lambda said: f"taken: {len(expected['train'])} images" in said,
        ),
        "count": (
            ["count", str(counter), str(data), "--recursive", "--format", "csv"],
            lambda said: (
                sum(line.split(",")[1] not in ("", "count") for line in said.splitlines()[:-1] if "," in line) >= images
            ),
        ),
    }
    cells = [layout.title, f"`{layout.kind}`", layout.layout, ", ".join(expected)]
    for verb in VERBS:
        arguments, said = calls[verb]
        result = CliRunner().invoke(app, arguments, catch_exceptions=False)
        assert (verb, result.exit_code, said(result.output)) == (verb, 0, True), result.output
        cells.append("yes")
    found[layout.title] = _line(cells)


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"
