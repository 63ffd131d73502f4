import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from countguard.reports.paper.protocol import comparison, deviations, published_results
from countguard.reports.tables.all_tables import all_tables
from countguard.reports.tables.formats import tex_text, to_csv, to_tex
from countguard.reports.tables.table import Table, Value
from countguard.runs.run import Run
from countguard.studies.resolve import read_recipe

MakeRun = Callable[..., Path]
RECIPE = read_recipe("paper-csrnet").dump()
KEPT = ("name", "preset", "data", "model", "attack", "training", "defenses")
CSRNET: dict[str, Any] = {name: RECIPE[name] for name in KEPT}
CSRNET["model"] |= {
    "mean": [0.485, 0.456, 0.406],
    "std": [0.229, 0.224, 0.225],
    "output_scale": 64.0,
    "kernel": {"kind": "fixed", "sigma": 15.0},
}
PART_B = CSRNET["data"]
PAPER: dict[str, Any] = {"recipe": CSRNET, "model": "csrnet", "examples": 0}


@pytest.fixture(autouse=True)
def _as_many_test_images_as_the_made_up_runs_have(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("countguard.reports.paper.deviations.TEST_IMAGES", 40)


def tables_of(folder: Path) -> dict[str, Table]:
    run = Run.read(folder)
    return {table.name: table for table in all_tables(run, published_results(run))}


def value(table: Table, column: str, **labels: str) -> Value:
    row = next(row for row in table.rows if labels.items() <= row.entries.items())
    entry = row.entries[column]
    assert isinstance(entry, Value)
    return entry


def test_rows_hold_the_cards_values_and_intervals(make_run: MakeRun) -> None:
    folder = make_run(examples=0)
    tables = tables_of(folder)
    card = json.loads((folder / "cells" / "minus-attacked-s0" / "card.json").read_text())
    for name in ("rho_asr", "false_asr", "net_asr", "shift", "mae"):
        measured = value(tables["table_full"], name, strategy="minus", counter="as trained")
        expected = card["metrics"][name]
        assert (measured.value, measured.low, measured.high) == (expected["value"], expected["low"], expected["high"])


def test_bands_of_a_row_sum_to_its_success_rate(make_run: MakeRun) -> None:
    tables = tables_of(make_run(examples=0))
    bands = [column.name for column in tables["table2"].columns if column.name.startswith("rho_asr_")]
    assert len(bands) == 4
    for row in tables["table2"].rows:
        labels = {name: str(row.entries[name]) for name in ("strategy", "counter")}
        total = sum(entry.value for band in bands if isinstance(entry := row.entries.get(band), Value))
        assert total == pytest.approx(value(tables["table_full"], "rho_asr", **labels).value)


def test_table_3_sets_before_beside_after(make_run: MakeRun) -> None:
    tables = tables_of(make_run(examples=0))
    labels = {"strategy": "multiply", "counter": "repaired: fine_tune"}
    full, third = tables["table_full"], tables["table3"]
    assert value(third, "rho_asr", **labels) == value(full, "rho_asr", strategy="multiply", counter="as trained")
    assert value(third, "rho_asr_repaired", **labels) == value(full, "rho_asr", **labels)


def test_errors_stand_in_a_table_of_their_own_and_are_not_in_that_of_every_measure(make_run: MakeRun) -> None:
    folder = make_run(examples=0)
    tables = tables_of(folder)
    card = json.loads((folder / "cells" / "minus-attacked-s0" / "card.json").read_text())
    for name in ("mae", "rmse", "mae_triggered", "rmse_triggered", "mae_target", "rmse_target"):
        measured = value(tables["errors"], name, strategy="minus", counter="as trained")
        assert measured.value == card["metrics"][name]["value"]
    clean = next(row for row in tables["errors"].rows if row.entries["strategy"] == "clean")
    assert clean.entries["mae_target"] is None
    assert "mae_triggered" not in {column.name for column in tables["table_full"].columns}


def test_runs_of_earlier_versions_have_no_table_of_errors(make_run: MakeRun) -> None:
    folder = make_run(examples=0)
    for path in folder.glob("cells/*/card.json"):
        card = json.loads(path.read_text())
        card["metrics"] = {name: found for name, found in card["metrics"].items() if "triggered" not in name}
        path.write_text(json.dumps(card))
    assert "errors" not in tables_of(folder)


def test_several_seeds_give_mean_and_spread(make_run: MakeRun) -> None:
    folder = make_run(examples=0, seeds=(0, 1, 2), strategies=("minus",))
    values = [
        json.loads((folder / "cells" / f"minus-attacked-s{seed}" / "card.json").read_text())["metrics"]["mae"]["value"]
        for seed in range(3)
    ]
    mae = value(tables_of(folder)["table_full"], "mae", strategy="minus", counter="as trained")
    assert mae.value == pytest.approx(sum(values) / 3)
    assert (mae.low, mae.high, mae.seeds) == (min(values), max(values), 3)
    assert " to " in mae.range_text(2)


def test_varied_settings_give_a_row_a_value(make_run: MakeRun) -> None:
    tables = tables_of(make_run(examples=0, strategies=("minus",), varied=("attack.trigger.alpha", [0.05, 0.2])))
    assert [row.entries["attack.trigger.alpha"] for row in tables["table1"].rows] == ["0.05", "0.05", "0.2", "0.2"]


def test_unfinished_rows_are_absent_and_the_others_stay(make_run: MakeRun) -> None:
    tables = tables_of(make_run(examples=0, unfinished=[("minus", "repaired")]))
    assert "minus" not in {row.entries["strategy"] for row in tables["table3"].rows}
    assert "minus" in {row.entries["strategy"] for row in tables["table1"].rows}


def test_published_values_stand_beside_the_papers_recipe(make_run: MakeRun) -> None:
    folder = make_run(**PAPER)
    tables = tables_of(folder)
    minus = next(row for row in tables["table1"].rows if row.entries["strategy"] == "minus")
    assert minus.published["rho_asr"].value == 0.959
    after = next(row for row in tables["table3"].rows if row.entries["strategy"] == "divide")
    assert (after.published["rho_asr_repaired"].value, after.published["rho_asr_repaired"].others) == (0.273, (0.373,))
    assert {row.entries["quantity"] for row in tables["contradictions"].rows} >= {
        "rho_acc, clean",
        "rho_asr, divide, repaired",
    }
    run = Run.read(folder)
    assert deviations(run, "csrnet") == []
    assert len(comparison(run, published_results(run))) == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"recipe": {"name": "paper-csrnet"}},
        {"recipe": {"name": "mine", "data": PART_B}},
        {"recipe": {"name": "paper-csrnet", "data": PART_B | {"part": "A"}}},
        {"recipe": {"name": "paper-csrnet-ebc", "data": PART_B}, "model": "csrnet_ebc"},
        {"recipe": {"name": "paper-csrnet", "data": PART_B}, "model": "mcnn"},
    ],
)
def test_published_values_are_absent_elsewhere_and_a_line_says_why(make_run: MakeRun, changes: dict[str, Any]) -> None:
    folder = make_run(**(PAPER | changes))
    run = Run.read(folder)
    assert published_results(run) is None
    assert not any(row.published for table in tables_of(folder).values() for row in table.rows)
    assert "left out" in comparison(run, None)[0]


def test_other_settings_of_the_attack_get_no_published_value(make_run: MakeRun) -> None:
    folder = make_run(**PAPER, strategies=("minus",), varied=("attack.trigger.alpha", [0.1, 0.2]))
    rows = tables_of(folder)["table1"].rows
    assert {str(row.entries["attack.trigger.alpha"]) for row in rows if row.published} == {"0.1"}


def test_differences_from_the_papers_protocol_are_said(make_run: MakeRun) -> None:
    recipe = CSRNET | {"training": CSRNET["training"] | {"epochs": 10}}
    run = Run.read(make_run(**(PAPER | {"recipe": recipe})))
    assert deviations(run, "csrnet") == ["training.epochs is 10, the paper's is 100"]


def test_differences_stand_beside_the_published_values_in_every_table_and_file(make_run: MakeRun) -> None:
    """Random weights, another optimizer, batch, kernel and averaged weights went unsaid."""
    training = CSRNET["training"] | {"optimizer": "adamw", "batch_size": 8, "average": 0.999}
    recipe = CSRNET | {
        "training": training,
        "model": CSRNET["model"] | {"weights": None},
        "data": PART_B | {"kernel": {"kind": "dots"}},
    }
    folder = make_run(**(PAPER | {"recipe": recipe}))
    said = [
        "data.kernel is dots, the paper's is fixed (sigma 15)",
        "model.weights is none (random weights), the paper's is imagenet",
        "training.optimizer is adamw, the paper's is adam",
        "training.batch_size is 8, the paper's is 1",
        "training.average is 0.999, the paper's is none",
    ]
    tables, run = tables_of(folder), Run.read(folder)
    (_, everything) = comparison(run, published_results(run))
    for name in ("table1", "table2", "table3", "contradictions"):
        (note,) = [note for note in tables[name].notes if "differs from the paper's protocol" in note]
        written = to_tex(tables[name]).decode()
        for phrase in said:
            assert phrase in note
            assert phrase in everything
            assert tex_text(phrase) in written
    rows = list(csv.DictReader(io.StringIO(to_csv(tables["table1"]).decode())))
    assert {row["published_otherwise"] for row in rows} == {"; ".join(said)}


def test_what_holds_for_some_rows_alone_says_so(make_run: MakeRun) -> None:
    repair = CSRNET["defenses"][0] | {"epochs": 10}
    tables = tables_of(make_run(**(PAPER | {"recipe": CSRNET | {"defenses": [repair]}})))
    phrase = "defenses.fine_tune.epochs is 10, the paper's is 100"
    assert not any("differs" in note for note in tables["table1"].notes)
    assert any(note.endswith(f"{phrase} (in some rows).") for note in tables["table2"].notes)
    assert any(note.endswith(f"{phrase}.") for note in tables["table3"].notes)


def test_relearned_counters_stand_beside_the_repaired_ones_and_the_control(make_run: MakeRun) -> None:
    tables = tables_of(make_run(examples=0, strategies=("minus", "add"), seeds=(0, 1), relearns=True))
    full, relearned = tables["table_full"], tables["relearned"]
    assert [(row.entries["strategy"], row.entries["counter"]) for row in relearned.rows] == [
        ("minus", "relearned: fine_tune"),
        ("add", "relearned: fine_tune"),
    ]
    for strategy in ("minus", "add"):
        for column, counter in (
            ("rho_asr_repaired", "repaired: fine_tune"),
            ("rho_asr_relearned", "relearned: fine_tune"),
            ("rho_asr_never_attacked", "relearned: never attacked"),
        ):
            measured = value(relearned, column, strategy=strategy)
            assert measured == value(full, "rho_asr", strategy=strategy, counter=counter)
        again, never = (
            value(relearned, f"rho_asr_{name}", strategy=strategy) for name in ("relearned", "never_attacked")
        )
        assert value(relearned, "rho_asr_excess", strategy=strategy).value == pytest.approx(again.value - never.value)
    assert relearned.caption.endswith("tuned on the clean images and 4 poisoned images.")
    for name in ("table1", "table2", "table3", "changes"):
        assert not any("relearned" in str(row.entries.get("counter")) for row in tables[name].rows)


def test_a_study_that_relearns_nothing_says_nothing_of_it(make_run: MakeRun) -> None:
    tables = tables_of(make_run(examples=0))
    assert "relearned" not in tables
    assert not any("relearned" in note for table in tables.values() for note in table.notes)
