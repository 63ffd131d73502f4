"""Verbs of studies, whole."""

from pathlib import Path
from typing import Annotated

import typer

from countguard.cli.options import Devices, Out, Overrides, on_devices, say

app = typer.Typer()
PANEL = "Studies"


Executor = Annotated[
    str,
    typer.Option(
        help="local; processes:4 for four at once, processes for one on each core; ray, or a Ray cluster's address."
    ),
]


@app.command(rich_help_panel=PANEL, epilog="Example: countguard demo --out runs/demo")
def demo(
    out: Out = Path("runs/demo"),
    overrides: Overrides = None,
    executor: Annotated[
        str | None, typer.Option(help="As of `run`; by default two processes more than there are cores.")
    ] = None,
) -> None:
    """Run the whole study on embedded crowds: nothing to download, about three minutes on two cores."""
    from countguard.studies.executors.workers import cores

    # beside busy programs each process gets a share of a core, so that a few more go on faster; alone they cost little
    run("demo", out, overrides, executor or f"processes:{cores() + 2}")


@app.command(
    rich_help_panel=PANEL, epilog="Example: countguard run demo --set attack.trigger.alpha=0.2 --out runs/alpha-0.2"
)
def run(
    recipe: Annotated[str, typer.Argument(help="A YAML file, or the name of a recipe that comes with countguard.")],
    out: Annotated[Path | None, typer.Option("--out", help="Folder of the run; runs/NAME by default.")] = None,
    overrides: Overrides = None,
    executor: Executor = "local",
    devices: Devices = None,
) -> None:
    """Run a study: poison, train, measure, repair, measure, report. Only what is missing is done."""
    from rich.console import Console

    from countguard.cli.summary import audit_lines, summary_table
    from countguard.escaping import rich_text
    from countguard.reports.report import write_report
    from countguard.studies.executors.base import executor_for
    from countguard.studies.resolve import read_recipe, settings_of
    from countguard.studies.run import run_study

    resolved = read_recipe(recipe, [*(overrides or []), *on_devices(devices)])
    with settings_of(recipe):
        folder = run_study(resolved, out or Path("runs") / resolved.name, executor=executor_for(executor))
    page = write_report(folder)
    console = Console()
    console.print(summary_table(folder))
    for line in audit_lines(folder):
        console.print(rich_text(line), soft_wrap=True)
    console.print(rich_text(f"report: {page}"), soft_wrap=True)


@app.command(rich_help_panel=PANEL, epilog="Example: countguard report runs/demo")
def report(folder: Annotated[Path, typer.Argument(help="Folder of a run, finished or not.")]) -> None:
    """Draw tables, figures and report.html of a run again, from its folder alone."""
    from countguard.reports.report import write_report

    say(f"report: {write_report(folder)}")


@app.command(rich_help_panel=PANEL, epilog="Example: countguard web runs/demo --port 7860")
def web(
    folder: Annotated[Path | None, typer.Argument(help="Folder of a run; the newest under runs/ by default.")] = None,
    host: Annotated[
        str, typer.Option(help="Where to listen; other machines reach only another address.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Where to listen.", min=0, max=65535)] = 7860,
    data_root: Annotated[
        Path | None, typer.Option("--data-root", help="Folder whose data sets visitors may audit by name.")
    ] = None,
) -> None:
    """Open the page: audit a data set, inspect a counter, count pictures and films, try an attack."""
    from countguard.web.app import serve

    serve(folder, host=host, port=port, data_root=data_root)
