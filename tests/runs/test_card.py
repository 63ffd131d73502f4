import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from countguard.errors import InputError
from countguard.runs.card import Card, read_finished
from countguard.runs.examples import read_examples
from countguard.runs.run import Run, read_cells

MakeRun = Callable[..., Path]


def small(make_run: MakeRun) -> Path:
    return make_run(strategies=("minus",), defenses=(), examples=1)


def first(folder: Path, name: str) -> Path:
    return next(iter(sorted(folder.glob(f"cells/*/{name}"))))


def test_folder_that_is_no_run_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"study\.yaml"):
        Run.read(tmp_path)
    with pytest.raises(InputError, match="not the folder of a run"):
        Run.read(tmp_path / "missing")


@pytest.mark.parametrize(
    ("text", "line"),
    [("- a\n- b", "mapping"), ("a: [", "YAML"), ("a: !!python/object:os.x {}", "YAML"), ("vary: {a: 3}", "vary")],
)
def test_broken_study_is_one_line_that_names_the_file(tmp_path: Path, text: str, line: str) -> None:
    (tmp_path / "study.yaml").write_text(text)
    with pytest.raises(InputError, match=line) as caught:
        Run.read(tmp_path)
    assert "study.yaml" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_card_with_a_wrong_field_names_it(make_run: MakeRun) -> None:
    folder = small(make_run)
    path = first(folder, "card.json")
    path.write_text(json.dumps(json.loads(path.read_text()) | {"metrics": {"mae": 3}}))
    with pytest.raises(InputError, match=r"card\.json: metrics\.mae"):
        read_cells(folder)


def test_cell_without_card_is_unfinished(make_run: MakeRun) -> None:
    folder = make_run(strategies=("minus",), defenses=(), unfinished=[("minus", "attacked")])
    assert [cell.card.strategy for cell in read_cells(folder)] == ["clean"]


@pytest.mark.parametrize(
    "text", ["image_id,count\na,1\n", "", "image_id,count,target_count,predicted_clean\na,b,c,d\n"]
)
def test_broken_predictions_name_the_file(make_run: MakeRun, text: str) -> None:
    folder = small(make_run)
    path = first(folder, "predictions.csv")
    path.write_text(text)
    with pytest.raises(InputError, match=r"predictions\.csv"):
        read_cells(folder)


def test_examples_come_in_order_and_may_be_absent(make_run: MakeRun, tmp_path: Path) -> None:
    folder = make_run(strategies=("minus",), defenses=(), examples=3)
    examples = read_examples(first(folder, "examples.npz"))
    assert [example.id for example in examples] == ["IMG_1", "IMG_2", "IMG_3"]
    assert read_examples(tmp_path / "nothing.npz") == ()


def test_examples_that_hold_objects_or_are_no_archive_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "examples.npz"
    np.savez(path, id_0=np.array([{"a": 1}], dtype=object))
    with pytest.raises(InputError, match=r"examples\.npz"):
        read_examples(path)
    path.write_bytes(b"PK no archive")
    with pytest.raises(InputError, match=r"examples\.npz"):
        read_examples(path)


def test_a_card_is_written_and_read_by_one_class(make_run: MakeRun, tmp_path: Path) -> None:
    path = first(small(make_run), "card.json")
    card = Card.read(path)
    card.write(tmp_path / "card.json")
    assert (tmp_path / "card.json").read_bytes() == path.read_bytes()
    assert Card.read(tmp_path / "card.json") == card


@pytest.mark.parametrize("content", [None, "", '{"cell": ', "[]", "nonsense", b"\xff"])
def test_a_cell_without_a_whole_card_is_not_finished(content: str | bytes | None, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "card.json").write_bytes(content if isinstance(content, bytes) else content.encode())
    assert read_finished(tmp_path / "card.json") is None


RESULTS = Path(__file__).parents[2] / "results"
KEPT = sorted(path for path in RESULTS.glob("*/*.json") if path.parent.name not in ("audit", "early-losses", "scan"))


@pytest.mark.parametrize("path", KEPT[::29], ids=lambda path: path.stem)
def test_kept_cards_are_still_read_and_written_as_they_were(path: Path, tmp_path: Path) -> None:
    Card.read(path).write(tmp_path / "card.json")
    kept = {"by_share": [], "poisoned": None} | json.loads(path.read_text())  # left out of what is kept
    assert json.loads((tmp_path / "card.json").read_text()) == kept
