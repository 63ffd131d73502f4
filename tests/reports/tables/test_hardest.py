from collections.abc import Callable
from pathlib import Path

from countguard.reports.tables.hardest import hardest_tables, pictures_of
from countguard.reports.tables.table import Value
from countguard.runs.run import Run

MakeRun = Callable[..., Path]


def test_images_with_the_largest_mean_error_come_first(make_run: MakeRun) -> None:
    folder = make_run(strategies=("minus",), examples=2)
    for path in folder.glob("cells/*/predictions.csv"):
        lines = path.read_text().splitlines()
        parts = lines[1].split(",")
        path.write_text("\n".join([lines[0], ",".join([*parts[:3], "9999", "5555"]), *lines[2:]]))
    run = Run.read(folder)
    clean, triggered = hardest_tables(run)
    assert clean.rows[0].entries["image"] == "IMG_1"
    assert triggered.rows[0].entries["image"] == "IMG_1"
    errors = [entry.value for row in clean.rows if isinstance(entry := row.entries["mean_error"], Value)]
    assert errors == sorted(errors, reverse=True)
    assert "IMG_1" in [example.id for example in pictures_of(run, [clean])]


def test_run_without_finished_counters_has_no_hardest_image(make_run: MakeRun) -> None:
    folder = make_run(strategies=(), defenses=(), unfinished=[("clean", "attacked")])
    assert hardest_tables(Run.read(folder)) == []
