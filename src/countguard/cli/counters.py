"""Verbs of one counter: train, measure, look into, repair and use it."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from countguard.cli.options import (
    BLEND,
    CounterFile,
    CounterOut,
    Data,
    DataFormat,
    DataSettings,
    Devices,
    Images,
    Overrides,
    Scale,
    Seed,
    SkipBad,
    TriggerText,
    on_devices,
    say,
    tell,
)
from countguard.errors import InputError, RunError

app = typer.Typer()
PANEL = "Counters"


class CountFormat(StrEnum):
    """How `count` prints."""

    table = "table"
    csv = "csv"
    jsonl = "jsonl"
    json = "json"


@app.command(
    rich_help_panel=PANEL,
    epilog="Example: countguard train synthetic --model lite --out clean.safetensors --set training.epochs=5",
)
def train(
    data: Data,
    out: CounterOut,
    model: Annotated[str, typer.Option(help="Kind of counter.")] = "csrnet",
    weights: Annotated[str | None, typer.Option(help="imagenet, openai or a file; random if left out.")] = None,
    overrides: Overrides = None,
    devices: Devices = None,
    format: DataFormat = None,
    skip_bad: SkipBad = False,
) -> None:
    """Train one counter on a data set as it is. Interrupted, the same command goes on."""
    from countguard.cli.data_option import chosen_source, say_chosen
    from countguard.operate.recipe import operator_recipe
    from countguard.operate.train import train_counter
    from countguard.studies.progress import epochs_shown

    source = chosen_source(data, format, None, skip_bad=skip_bad)
    recipe = operator_recipe(source, model, [*(overrides or []), *on_devices(devices)], weights=weights)
    with epochs_shown(recipe.training) as report:
        train_counter(recipe, out, report, lambda chosen: say_chosen(chosen, "trained on"), tell)
    say(f"counter: {out}")


@app.command(
    rich_help_panel=PANEL,
    epilog="Example: countguard evaluate suspect.safetensors synthetic --strategy minus --clean clean.safetensors",
)
def evaluate(
    counter: CounterFile,
    data: Data,
    strategy: Annotated[str | None, typer.Option(help="Read the attack's success by this rule.")] = None,
    clean: Annotated[
        Path | None, typer.Option(help="A counter of the same kind that was never attacked, for false_asr.")
    ] = None,
    trigger: TriggerText = BLEND,
    scale: Scale = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    format: DataFormat = None,
    settings: DataSettings = None,
    skip_bad: SkipBad = False,
) -> None:
    """Measure a counter on a data set's test images, or on all of a set that has one part, with 95 % intervals."""
    from countguard.attacks.from_text import named_strategy, named_trigger
    from countguard.cli.data_option import chosen_source, say_chosen
    from countguard.cli.metrics import show_metrics
    from countguard.models import load_counter
    from countguard.models.counting import keep_large_blocks
    from countguard.models.inference import for_inference
    from countguard.operate.evaluate import evaluate_counter, evaluation_sentences

    if clean is not None and strategy is None:
        raise InputError("--clean: has an effect with --strategy alone, whose success it is held against")
    keep_large_blocks()
    mark, rule = named_trigger(trigger), named_strategy(strategy) if strategy else None
    suspect = for_inference(load_counter(counter))
    reference = for_inference(load_counter(clean)) if clean else None
    given = [*(settings or []), *([] if scale is None else [f"data.scale={scale}"])]
    chosen = chosen_source(data, format, given, skip_bad=skip_bad, use="test").chosen_test()
    metrics = evaluate_counter(suspect, chosen.crowds, mark, rule, reference)
    say_chosen(chosen, "measured")
    show_metrics(metrics, chosen, sentences=evaluation_sentences(metrics, mark, rule), as_json=as_json)


@app.command(rich_help_panel=PANEL, epilog="Example: countguard scan suspect.safetensors --clean synthetic --out scan/")
def scan(
    counter: CounterFile,
    clean: Annotated[str, typer.Option("--clean", help="Clean crowds: a data set's folder, or `synthetic`.")],
    reference: Annotated[Path | None, typer.Option(help="A counter that is known to be clean.")] = None,
    out: Annotated[Path, typer.Option("--out", help="Folder for scan.json and scan.html.")] = Path("scan"),
    images: Annotated[int, typer.Option(help="Clean images to use at most.", min=10, max=100)] = 40,
    seed: Seed = 0,
) -> None:
    """Look for a backdoor in a trained counter. Exit code 3: one is likely; 0: nothing was found, or cannot tell."""
    from rich.console import Console

    from countguard.data.sources import named_source
    from countguard.operate.scan import scan_counter, scan_table

    report = scan_counter(counter, named_source(clean), out, reference=reference, images=images, seed=seed)
    Console().print(scan_table(report))
    for line in (f"verdict: {report.verdict}", *report.because, f"report: {out / 'scan.html'}"):
        typer.echo(line)
    if report.verdict == "backdoor likely":
        raise typer.Exit(3)


@app.command(rich_help_panel=PANEL, epilog="Example: countguard inspect weights.pth pictures/ --from leeyeehoo")
def inspect(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="A stranger's counter: .safetensors, .pth, .h5, .onnx or hf://...")
    ],
    pictures: Annotated[
        list[Path], typer.Argument(metavar="PICTURES...", help="Pictures of the kind that it is for, or folders.")
    ],
    points: Annotated[
        str | None, typer.Option("--points", metavar="DATA", help="Pictures with known heads, to compare counts with.")
    ] = None,
    clean: Annotated[
        str | None, typer.Option("--clean", metavar="DATA", help="Ten or more clean crowds, for a scan.")
    ] = None,
    reference: Annotated[Path | None, typer.Option(help="A counter that is known to be clean, for the scan.")] = None,
    model: Annotated[str | None, typer.Option(help="Kind of counter, where the file does not tell.")] = None,
    source: Annotated[
        str | None, typer.Option("--from", metavar="CODE", help="Whose code trained it, where the file does not tell.")
    ] = None,
    out: Annotated[Path, typer.Option("--out", help="Folder for inspect.html and inspect.json.")] = Path("inspect"),
    seed: Seed = 0,
) -> None:
    """Find out whether a file can be trusted: what it is, how it counts, what triggers do to it.

    Exit code 3: a backdoor is likely; 1: a picture could not be read; 0: nothing was found, or it cannot tell.
    """
    from countguard.data.picture_folders import find_pictures
    from countguard.data.sources import named_source
    from countguard.models.counting import keep_large_blocks
    from countguard.operate.inspect import inspect_counter

    keep_large_blocks()
    found = inspect_counter(
        file,
        find_pictures(pictures).pictures,
        out,
        kind=model,
        convention=source,
        points=None if points is None else named_source(points),
        clean=None if clean is None else named_source(clean),
        reference=reference,
        seed=seed,
    )
    say(f"verdict: {found.verdict}")
    for number, sentence in enumerate(found.sentences, start=1):
        say(f"{number}. {sentence}")
    bad = [picture for picture in found.pictures if picture.count is None]
    for picture in bad:
        tell(f"skipped: {picture.problem}")
    say(f"report: {out / 'inspect.html'}")
    if found.verdict == "backdoor likely":
        raise typer.Exit(3)
    if bad:
        raise typer.Exit(1)


@app.command(
    rich_help_panel=PANEL,
    epilog="Example: countguard explain counter.safetensors crowd.jpg --trigger rain:strength=0.5 --out panels/",
)
def explain(
    counter: CounterFile,
    images: Images,
    out: Annotated[Path, typer.Option("--out", help="Folder for the drawn panels.")] = Path("panels"),
    trigger: Annotated[
        str | None, typer.Option(metavar="KIND[:key=value,...]", help="Put this trigger on the picture, too.")
    ] = None,
) -> None:
    """Draw what a counter sees in pictures: density map and Grad-CAM, with and without a trigger."""
    from countguard.attacks.from_text import named_trigger
    from countguard.data.images import read_image
    from countguard.data.picture_folders import find_pictures
    from countguard.drawings import drawn_files
    from countguard.explain.panels import draw_panels, make_panels
    from countguard.explain.view import MAX_PIXELS
    from countguard.models import load_counter
    from countguard.writing import require_results, write_atomically

    require_results(out, {}, "--out")
    explained = {counter.stem: load_counter(counter)}
    mark = named_trigger(trigger) if trigger else None
    files = drawn_files(find_pictures(images).pictures, out, "panel")
    out.mkdir(parents=True, exist_ok=True)
    for path, file in files.items():
        panels = make_panels(explained, read_image(path, max_pixels=MAX_PIXELS), trigger=mark)
        write_atomically(file, draw_panels(panels))
        say(f"panel: {file}")


@app.command(
    rich_help_panel=PANEL,
    epilog="Example: countguard defend suspect.safetensors --clean synthetic --out repaired.safetensors",
)
def defend(
    counter: CounterFile,
    clean: Annotated[str, typer.Option("--clean", help="Clean crowds: a data set's folder, or `synthetic`.")],
    out: CounterOut,
    overrides: Overrides = None,
    seed: Seed = 0,
    scale: Annotated[
        float | None,
        typer.Option(
            help="Repair on pictures whose sides are multiplied by this; they are measured at their own size."
        ),
    ] = None,
    budget: Annotated[
        str | None, typer.Option(metavar="TIME", help="How long all of it may take, as 30min: picks scale and steps.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Write the repaired counter even if it counts worse.")] = False,
    format: DataFormat = None,
    skip_bad: SkipBad = False,
) -> None:
    """Repair a counter with a few clean images, and write a page that says what it did for it.

    It says first how long that takes here. Interrupted, the same command goes on.
    """
    from countguard.cli.data_option import chosen_source
    from countguard.operate.defend import defend_counter
    from countguard.operate.pace import time_from
    from countguard.operate.repair_page import write_repair_page

    if scale is not None and not 0 < scale <= 1:
        raise InputError(f"--scale {scale:g}: should be above 0, and 1 at most")
    seconds = None if budget is None else time_from(budget, "--budget")
    source = chosen_source(clean, format, None, skip_bad=skip_bad)
    repair = defend_counter(
        counter, source, out, overrides or [], seed, force=force, scale=scale, budget=seconds, say=tell
    )
    page = write_repair_page(repair)
    typer.echo(f"{repair.trained_on} clean images for the repair, {repair.measured_on} others to measure it.")
    typer.echo(repair.verdict)
    say(f"report: {page}")
    if not repair.written:
        raise RunError(
            f"{out}: was not written, since the repair makes clean counts worse; --force writes it all the same"
        )
    say(f"counter: {out}")


@app.command(
    rich_help_panel=PANEL,
    epilog="Example: countguard count counter.safetensors pictures/ --format csv --overlays overlays/",
)
def count(
    counter: CounterFile,
    images: Annotated[list[Path], typer.Argument(metavar="IMAGES...", help="Pictures, folders of them, or films.")],
    format: Annotated[
        CountFormat, typer.Option(help="How the counts are printed; csv and jsonl row by row.")
    ] = CountFormat.table,
    overlays: Annotated[
        Path | None, typer.Option(help="Folder for pictures or films with their density maps over them.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            help="A .csv, .jsonl or .json file for the counts of pictures, which an interrupted command goes on with; "
            "of films, a folder for counts over time, as CSV and as a curve.",
        ),
    ] = None,
    strict: Annotated[
        bool,
        typer.Option("--strict", help="End at the first bad picture; otherwise it is named, and counting goes on."),
    ] = False,
    skip_bad: Annotated[bool, typer.Option("--skip-bad", help="Bad pictures do not make the exit code 1.")] = False,
    recursive: Annotated[bool, typer.Option("--recursive", help="Go through folders in folders, too.")] = False,
    scale: Scale = None,
    max_side: Annotated[
        int | None, typer.Option(help="Pictures with a longer side, in pixels, are shrunk to it.", min=32)
    ] = None,
    every: Annotated[
        str | None,
        typer.Option(help="Of films: time between counted frames, 1s (if left out), 500ms, or frames, 25f."),
    ] = None,
    guard: Annotated[
        Path | None, typer.Option(help="The counter after `defend`: an alarm where the two disagree.")
    ] = None,
    clean: Annotated[
        list[Path] | None, typer.Option(help="Clean pictures to find the guard's threshold on; they need no labels.")
    ] = None,
) -> None:
    """Count the people in pictures, folders of pictures, and films. Exit code 1: some could not be counted."""
    from countguard.cli.starting import importing

    with importing():
        from countguard.cli.counting import count_films, count_pictures
        from countguard.data.picture_folders import is_film
        from countguard.operate.count import Size

    if strict and skip_bad:
        raise InputError("--strict and --skip-bad: ask for one of the two")
    films = [path for path in images if is_film(path) and not path.is_dir()]
    if films and len(films) < len(images):
        raise InputError("IMAGES: name pictures or films, not both at once")
    if films and recursive:
        raise InputError("--recursive: belongs to folders of pictures; name each film")
    if films:
        if scale is not None or max_side is not None:
            raise InputError("--scale and --max-side: are for pictures; films are counted at their own size")
        bad = count_films(
            counter,
            films,
            format.value,
            every or "1s",
            out=out,
            overlays=overlays,
            strict=strict,
            guard=guard,
            clean=clean or [],
        )
    else:
        if every is not None:
            raise InputError("--every: belongs to films; each picture is counted")
        if scale is not None and not 0 < scale <= 4:
            raise InputError(f"--scale {scale:g}: should be above 0, and 4 at most")
        bad = count_pictures(
            counter,
            images,
            format.value,
            size=Size(1.0 if scale is None else scale, max_side),
            overlays=overlays,
            out=out,
            strict=strict,
            recursive=recursive,
            guard=guard,
            clean=clean or [],
        )
    if bad and not skip_bad:
        raise typer.Exit(1)
