"""Verbs of data sets: look at one, write it in another way, poison it, audit it."""

from pathlib import Path
from typing import Annotated

import typer

from countguard.cli.options import BLEND, Data, DataFormat, DataSettings, Seed, SkipBad, Strategy, TriggerText, say
from countguard.errors import one_line

app = typer.Typer()
PANEL = "Data sets"


@app.command(rich_help_panel=PANEL, epilog="Example: countguard check data/shanghaitech/part_B")
def check(
    data: Annotated[Path, typer.Argument(metavar="DATA", help="A data set's folder.")],
    format: DataFormat = None,
    settings: DataSettings = None,
) -> None:
    """Look at every file of a data set: its format, what is there, and all that is wrong or doubtful."""
    from countguard.cli.data_check import show_data_report
    from countguard.cli.data_option import data_settings, require_effect
    from countguard.data.check import check_data

    require_effect(settings or [], {"split", "images", "test_images", "kernel", "scale", "skip_bad"})
    data_report = check_data(data, kind=format, settings=data_settings(settings or []))
    show_data_report(data_report)
    if data_report.problems:
        raise typer.Exit(2)


@app.command(
    "convert-data",
    rich_help_panel=PANEL,
    epilog="Example: countguard convert-data UCF-QNRF_ECCV18 --to coco --out qnrf-coco",
)
def convert_data(
    data: Data,
    to: Annotated[str, typer.Option("--to", help="folder (points.csv), shanghaitech or coco.")],
    out: Annotated[Path, typer.Option("--out", help="A new folder for the set.")],
    format: DataFormat = None,
    settings: DataSettings = None,
    skip_bad: SkipBad = False,
) -> None:
    """Write a data set in another format, every part of it, losslessly."""
    from countguard.cli.data_option import chosen_source
    from countguard.data.converting import convert_data as convert

    for part in convert(chosen_source(data, format, settings, skip_bad=skip_bad, use="parts"), to, out):
        typer.echo(f"{part.part}: {part.images} images, {part.heads} heads; {len(part.skipped)} bad ones left out")
        for line in part.skipped:
            typer.echo(f"skipped: {one_line(line)}", err=True)
    say(f"written: {out}")


@app.command(rich_help_panel=PANEL, epilog="Example: countguard poison synthetic --strategy minus --out poisoned")
def poison(
    data: Data,
    out: Annotated[Path, typer.Option("--out", help="A new folder for the poisoned set.")],
    strategy: Strategy = "minus",
    trigger: TriggerText = BLEND,
    rate: Annotated[float, typer.Option(help="Share of the images that are poisoned.")] = 0.1,
    seed: Seed = 0,
    format: DataFormat = None,
    settings: DataSettings = None,
    skip_bad: SkipBad = False,
) -> None:
    """Write a poisoned training set in ShanghaiTech's layout, losslessly, with a manifest."""
    from countguard.attacks.export import export_poisoned
    from countguard.attacks.from_text import named_attack
    from countguard.attacks.poisoning import PoisonedCrowds
    from countguard.cli.data_option import chosen_source, say_chosen
    from countguard.progress import counted

    attack = named_attack(strategy, trigger, rate)
    chosen = chosen_source(data, format, settings, skip_bad=skip_bad).chosen_training()
    crowds = PoisonedCrowds(chosen.crowds, attack, seed)
    with counted("pictures", len(crowds)) as progress:
        manifest = export_poisoned(crowds, out, progress=progress)
    say_chosen(chosen, "taken")
    typer.echo(f"written: {len(crowds)} images, {len(crowds.indices)} of them poisoned")
    say(f"manifest: {manifest}")


@app.command(rich_help_panel=PANEL, epilog="Example: countguard audit PATH/TO/crowds --out audit/ --quarantine kept/")
def audit(
    data: Data,
    counter: Annotated[Path | None, typer.Option("--counter", help="A counter to trust, held against labels.")] = None,
    out: Annotated[
        Path, typer.Option("--out", help="Folder for audit.json, audit.csv, audit.html and recovered pictures.")
    ] = Path("audit"),
    quarantine: Annotated[
        Path | None, typer.Option(help="A new folder for the images of which nothing was found.")
    ] = None,
    with_sarif: Annotated[bool, typer.Option("--sarif", help="Also write audit.sarif, for pipelines.")] = False,
    executor: Annotated[
        str, typer.Option(help="Where pictures are read: local, processes:4, ray, or the address of a Ray cluster.")
    ] = "local",
    seed: Seed = 0,
) -> None:
    """Look for poison in a data set before training. Exit code 3: something was found; 0: nothing was."""
    from rich.console import Console

    from countguard.data.sources import named_source
    from countguard.models.counting import keep_large_blocks
    from countguard.operate.audit import audit_data, audit_table
    from countguard.studies.executors.blocks import blocks_for
    from countguard.wording import plural

    keep_large_blocks()
    report = audit_data(
        named_source(data),
        out,
        counter=counter,
        quarantine=quarantine,
        with_sarif=with_sarif,
        take_blocks=blocks_for(executor),
        seed=seed,
    )
    if report.groups:
        Console().print(audit_table(report))
    if (unseen := len(report.groups) - len(report.foremost)) > 0:
        typer.echo(f"{plural(unseen, 'more group')} of images can be found in {out / 'audit.json'}")
    for line in (f"verdict: {report.verdict}", report.says, f"report: {out / 'audit.html'}"):
        typer.echo(line)
    if report.verdict != "nothing found":
        raise typer.Exit(3)
