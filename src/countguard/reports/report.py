"""Writes everything that a run's folder has to say: tables, figures and one page."""

from pathlib import Path

from countguard.errors import RunError
from countguard.reports.audits import shown_audits
from countguard.reports.figures.all_figures import all_figures
from countguard.reports.figures.style import style
from countguard.reports.findings import answers
from countguard.reports.html import Page, Picture, picture, render, thumbnail
from countguard.reports.paper.protocol import comparison, published_results
from countguard.reports.record import (
    last_finished,
    settings_text,
    table_cam_on_trigger,
    table_counters,
    versions,
    what_was_done,
)
from countguard.reports.tables.all_tables import all_tables
from countguard.reports.tables.formats import to_csv, to_tex
from countguard.reports.tables.hardest import hardest_tables, pictures_of
from countguard.reports.tables.table import Table
from countguard.runs.plan import variant_text
from countguard.runs.run import Run
from countguard.writing import make_folder, write_atomically


def write_report(folder: Path) -> Path:
    """Writes tables/*.csv, tables/*.tex, figures/*.png, figures/*.svg and report.html; returns the page.

    Reads nothing but the folder, and trains nothing. An unfinished run gets what its finished counters give, and is
    told what is missing. The same folder gives the same bytes each time; each file is whole or not there.

    Args:
        folder: of a run, as `countguard run` writes it (docs/reference/run-folder.md).

    Raises:
        InputError: the folder is no run, a file in it is unusable, or what is to be written is a link there.
        RunError: the folder cannot be written to.
    """
    run = Run.read(folder)
    paper = published_results(run)
    hardest = hardest_tables(run)
    tables = [*all_tables(run, paper), table_cam_on_trigger(run), *hardest, table_counters(run)]
    tables = [table for table in tables if table.rows]
    try:
        _write_tables(folder, tables)
        pictures, not_drawn = _write_figures(folder, run)
        page = Page(
            name=run.name,
            answers=answers(run),
            shown=variant_text(run.reference),
            finished=last_finished(run),
            done=what_was_done(run),
            audits=shown_audits(run),
            missing=run.missing,
            not_drawn=not_drawn,
            tables={table.name: table for table in tables},
            figures={drawn.name: drawn for drawn in pictures},
            paper=comparison(run, paper),
            claims=paper.claims if paper else (),
            hardest=[thumbnail(example) for example in pictures_of(run, hardest)],
            versions=versions(run),
            settings=settings_text(run),
        )
        report = folder / "report.html"
        write_atomically(report, render(page))
    except OSError as error:
        raise RunError(
            f"{error.filename or folder}: the report cannot be written ({error.strerror}); what was there stays, and "
            f"`countguard report {folder}` writes it again"
        ) from error
    return report


def _write_tables(folder: Path, tables: list[Table]) -> None:
    place = make_folder(folder / "tables", folder)
    for table in tables:
        write_atomically(place / f"{table.name}.csv", to_csv(table), root=folder)
        write_atomically(place / f"{table.name}.tex", to_tex(table), root=folder)


def _write_figures(folder: Path, run: Run) -> tuple[list[Picture], list[str]]:
    place = make_folder(folder / "figures", folder)
    pictures = []
    with style():
        figures, not_drawn = all_figures(run)
        for drawn in figures:
            png, svg = drawn.png(), drawn.svg()
            write_atomically(place / f"{drawn.name}.png", png, root=folder)
            write_atomically(place / f"{drawn.name}.svg", svg, root=folder)
            pictures.append(picture(drawn, png, svg))
    return pictures, not_drawn
