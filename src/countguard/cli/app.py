"""The command line: one short function a verb. Heavy imports happen inside the verb that needs them."""

import os
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from countguard import __version__
from countguard.errors import InputError, RunError, one_line

app = typer.Typer(
    name="countguard",
    help="Attack, measure, repair and explain crowd counters under backdoor attacks.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


class CountFormat(StrEnum):
    """How `count` prints."""

    table = "table"
    csv = "csv"
    json = "json"


class ExportFormat(StrEnum):
    """What `export` writes."""

    onnx = "onnx"


INTERRUPTED = 130
"""What shells call the end by Ctrl-C."""

Out = Annotated[Path, typer.Option("--out", help="Folder of the run; what is finished there is kept.")]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="Changes a setting by its dotted name; `*` is all of a list."),
]
Data = Annotated[str, typer.Argument(metavar="DATA", help="A data set's folder, or `synthetic` for embedded crowds.")]
DataFormat = Annotated[
    str | None,
    typer.Option("--format", help="The data set's format, such as qnrf or coco; told by its files otherwise."),
]
DataSettings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="data.NAME=VALUE", help="Changes a setting of the data set, such as data.scale=0.5."),
]
Scale = Annotated[float | None, typer.Option(help="Both sides of each picture are multiplied by this.")]
Strategy = Annotated[
    str, typer.Option(help="add, minus, divide, multiply or another kind; a number may follow: minus:50.")
]
TriggerText = Annotated[
    str,
    typer.Option(
        "--trigger",
        metavar="KIND[:key=value,...]",
        help="blend, patch, sine, low_frequency, rain, snow, warp or a plug-in's.",
    ),
]
BLEND = "blend:picture=kitten,alpha=0.1"
Images = Annotated[list[Path], typer.Argument(metavar="IMAGES...", help="Pictures, or folders of them.")]
SkipBad = Annotated[bool, typer.Option("--skip-bad", help="Name and count bad pictures, and go on.")]
Seed = Annotated[int, typer.Option(help="Of every random choice.")]
Devices = Annotated[int | None, typer.Option(help="How many devices train one counter together (DDP).", min=1)]
CounterFile = Annotated[
    Path,
    typer.Argument(metavar="COUNTER", help="A counter's .safetensors or .onnx file, also as hf://owner/repo/file."),
]
CounterOut = Annotated[Path, typer.Option("--out", help="The .safetensors file to write.")]


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"countguard {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and leave.")
    ] = False,
) -> None:
    """Attack, measure, repair and explain crowd counters under backdoor attacks."""


@app.command(epilog="Example: countguard demo --out runs/demo")
def demo(out: Out = Path("runs/demo"), overrides: Overrides = None) -> None:
    """Run the whole study on embedded crowds: nothing to download, about five minutes on two cores."""
    run("demo", out, overrides)


@app.command(epilog="Example: countguard run demo --set attack.trigger.alpha=0.2 --out runs/alpha-0.2")
def run(
    recipe: Annotated[str, typer.Argument(help="A YAML file, or the name of a recipe that comes with countguard.")],
    out: Annotated[Path | None, typer.Option("--out", help="Folder of the run; runs/NAME by default.")] = None,
    overrides: Overrides = None,
    executor: Annotated[
        str, typer.Option(help="local, processes:4 for four at once, ray, or the address of a Ray cluster.")
    ] = "local",
    devices: Devices = None,
) -> None:
    """Run a study: poison, train, measure, repair, measure, report. Only what is missing is done."""
    from rich.console import Console

    from countguard.cli.summary import summary_table
    from countguard.escaping import rich_text
    from countguard.reports.report import write_report
    from countguard.studies.executors.base import executor_for
    from countguard.studies.resolve import read_recipe, settings_of
    from countguard.studies.run import run_study

    resolved = read_recipe(recipe, [*(overrides or []), *_on(devices)])
    with settings_of(recipe):
        folder = run_study(resolved, out or Path("runs") / resolved.name, executor=executor_for(executor))
    page = write_report(folder)
    console = Console()
    console.print(summary_table(folder))
    console.print(rich_text(f"report: {page}"), soft_wrap=True)


@app.command(epilog="Example: countguard report runs/demo")
def report(folder: Annotated[Path, typer.Argument(help="Folder of a run, finished or not.")]) -> None:
    """Draw tables, figures and report.html of a run again, from its folder alone."""
    from countguard.reports.report import write_report

    _say(f"report: {write_report(folder)}")


@app.command(epilog="Example: countguard poison synthetic --strategy minus --out poisoned")
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
    from countguard.studies.progress import counted

    attack = named_attack(strategy, trigger, rate)
    chosen = chosen_source(data, format, settings, skip_bad=skip_bad).chosen_training()
    crowds = PoisonedCrowds(chosen.crowds, attack, seed)
    with counted("pictures", len(crowds)) as progress:
        manifest = export_poisoned(crowds, out, progress=progress)
    say_chosen(chosen, "taken")
    typer.echo(f"written: {len(crowds)} images, {len(crowds.indices)} of them poisoned")
    _say(f"manifest: {manifest}")


@app.command(epilog="Example: countguard train synthetic --model lite --out clean.safetensors --set training.epochs=5")
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
    """Train one counter on a data set as it is."""
    from countguard.cli.data_option import chosen_source, say_chosen
    from countguard.operate.recipe import operator_recipe
    from countguard.operate.train import train_counter
    from countguard.studies.progress import epochs_shown

    source = chosen_source(data, format, None, skip_bad=skip_bad)
    recipe = operator_recipe(source, model, [*(overrides or []), *_on(devices)], weights=weights)
    with epochs_shown(recipe.training) as report:
        train_counter(recipe, out, report, lambda chosen: say_chosen(chosen, "trained on"))
    _say(f"counter: {out}")


@app.command(
    epilog="Example: countguard evaluate suspect.safetensors synthetic --strategy minus --clean clean.safetensors"
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
    from countguard.operate.evaluate import evaluate_counter, evaluation_sentences

    mark, rule = named_trigger(trigger), named_strategy(strategy) if strategy else None
    suspect, reference = load_counter(counter), load_counter(clean) if clean else None
    given = [*(settings or []), *([] if scale is None else [f"data.scale={scale}"])]
    chosen = chosen_source(data, format, given, skip_bad=skip_bad).chosen_test()
    metrics = evaluate_counter(suspect, chosen.crowds, mark, rule, reference)
    say_chosen(chosen, "measured")
    show_metrics(metrics, chosen, sentences=evaluation_sentences(metrics, trigger, rule), as_json=as_json)


@app.command(epilog="Example: countguard defend suspect.safetensors --clean synthetic --out repaired.safetensors")
def defend(
    counter: CounterFile,
    clean: Annotated[str, typer.Option("--clean", help="Clean crowds: a data set's folder, or `synthetic`.")],
    out: CounterOut,
    overrides: Overrides = None,
    seed: Seed = 0,
    force: Annotated[bool, typer.Option("--force", help="Write the repaired counter even if it counts worse.")] = False,
    format: DataFormat = None,
    skip_bad: SkipBad = False,
) -> None:
    """Repair a counter with a few clean images, and write a page that says what it did for it."""
    from countguard.cli.data_option import chosen_source
    from countguard.operate.defend import defend_counter
    from countguard.operate.repair_page import write_repair_page

    source = chosen_source(clean, format, None, skip_bad=skip_bad)
    repair = defend_counter(counter, source, out, overrides or [], seed, force=force)
    page = write_repair_page(repair)
    typer.echo(f"{repair.trained_on} clean images for the repair, {repair.measured_on} others to measure it.")
    typer.echo(repair.verdict)
    _say(f"report: {page}")
    if not repair.written:
        raise RunError(
            f"{out}: was not written, since the repair makes clean counts worse; --force writes it all the same"
        )
    _say(f"counter: {out}")


@app.command(epilog="Example: countguard count counter.safetensors pictures/ --format csv --overlays overlays/")
def count(
    counter: CounterFile,
    images: Annotated[list[Path], typer.Argument(metavar="IMAGES...", help="Pictures, folders of them, or films.")],
    format: Annotated[CountFormat, typer.Option(help="How the counts are printed.")] = CountFormat.table,
    overlays: Annotated[
        Path | None, typer.Option(help="Folder for pictures or films with their density maps over them.")
    ] = None,
    skip_bad: SkipBad = False,
    recursive: Annotated[bool, typer.Option("--recursive", help="Go through folders in folders, too.")] = False,
    every: Annotated[
        str, typer.Option(help="Of films: time between counted frames, 1s or 500ms, or frames, 25f.")
    ] = "1s",
    out: Annotated[
        Path | None, typer.Option("--out", help="Of films: folder for counts over time, as CSV and as a curve.")
    ] = None,
    guard: Annotated[
        Path | None, typer.Option(help="The counter after `defend`: an alarm where the two disagree.")
    ] = None,
    clean: Annotated[
        list[Path] | None, typer.Option(help="Clean pictures to find the guard's threshold on; they need no labels.")
    ] = None,
) -> None:
    """Count the people in pictures, folders of pictures, and films."""
    from countguard.cli.counting import count_films, count_pictures
    from countguard.data.picture_folders import is_film

    films = [path for path in images if is_film(path) and not path.is_dir()]
    if films and len(films) < len(images):
        raise InputError("IMAGES: name pictures or films, not both at once")
    if films:
        count_films(
            counter,
            films,
            format.value,
            every,
            out=out,
            overlays=overlays,
            skip_bad=skip_bad,
            guard=guard,
            clean=clean or [],
        )
    elif out is not None:
        raise InputError("--out: belongs to films; --format csv or json prints the counts of pictures")
    else:
        count_pictures(
            counter,
            images,
            format.value,
            overlays=overlays,
            skip_bad=skip_bad,
            recursive=recursive,
            guard=guard,
            clean=clean or [],
        )


@app.command(epilog="Example: countguard audit data/part_B --out audit/ --quarantine kept/")
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
    seed: Seed = 0,
) -> None:
    """Look for poison in a data set before training. Exit code 3: something was found; 0: nothing was."""
    from rich.console import Console

    from countguard.data.sources import named_source
    from countguard.operate.audit import audit_data, audit_table

    report = audit_data(
        named_source(data), out, counter=counter, quarantine=quarantine, with_sarif=with_sarif, seed=seed
    )
    if report.groups:
        Console().print(audit_table(report))
    for line in (f"verdict: {report.verdict}", report.says, f"report: {out / 'audit.html'}"):
        typer.echo(line)
    if report.verdict != "nothing found":
        raise typer.Exit(3)


@app.command(epilog="Example: countguard scan suspect.safetensors --clean synthetic --out scan/")
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


@app.command(
    epilog="Example: countguard explain counter.safetensors crowd.jpg --trigger rain:strength=0.5 --out panels/"
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
    from countguard.writing import write_atomically

    explained = {counter.stem: load_counter(counter)}
    mark = named_trigger(trigger) if trigger else None
    files = drawn_files(find_pictures(images).pictures, out, "panel")
    out.mkdir(parents=True, exist_ok=True)
    for path, file in files.items():
        panels = make_panels(explained, read_image(path, max_pixels=MAX_PIXELS), trigger=mark)
        write_atomically(file, draw_panels(panels))
        _say(f"panel: {file}")


@app.command(epilog="Example: countguard web runs/demo --port 7860")
def web(
    folder: Annotated[Path | None, typer.Argument(help="Folder of a run; the newest under runs/ by default.")] = None,
    host: Annotated[
        str, typer.Option(help="Where to listen; other machines reach only another address.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Where to listen.", min=0, max=65535)] = 7860,
) -> None:
    """Open the page: try triggers and counters on pictures of your own."""
    from countguard.web.app import serve

    serve(folder, host=host, port=port)


@app.command(epilog="Example: countguard check data/shanghaitech/part_B")
def check(
    data: Annotated[Path, typer.Argument(metavar="DATA", help="A data set's folder.")],
    format: DataFormat = None,
    settings: DataSettings = None,
) -> None:
    """Look at every file of a data set: its format, what is there, and all that is wrong or doubtful."""
    from countguard.cli.data_check import show_data_report
    from countguard.cli.data_option import data_settings
    from countguard.data.check import check_data

    data_report = check_data(data, kind=format, settings=data_settings(settings or []))
    show_data_report(data_report)
    if data_report.problems:
        raise typer.Exit(2)


@app.command("convert-data", epilog="Example: countguard convert-data UCF-QNRF_ECCV18 --to coco --out qnrf-coco")
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

    for part in convert(chosen_source(data, format, settings, skip_bad=skip_bad), to, out):
        typer.echo(f"{part.part}: {part.images} images, {part.heads} heads; {len(part.skipped)} bad ones left out")
        for line in part.skipped:
            typer.echo(f"skipped: {one_line(line)}", err=True)
    _say(f"written: {out}")


@app.command(epilog="Example: countguard convert csrnet.pth --from commissarma --out csrnet.safetensors")
def convert(
    weights: Annotated[
        Path, typer.Argument(metavar="WEIGHTS", help="A .safetensors, .pth or .h5 file of a known layout.")
    ],
    out: CounterOut,
    model: Annotated[
        str | None, typer.Option(help="Kind of counter, where the names of the tensors do not tell.")
    ] = None,
    source: Annotated[
        str | None,
        typer.Option(
            "--from", metavar="CODE", help="Whose code trained it, where its names fit several: leeyeehoo, ..."
        ),
    ] = None,
    check: Annotated[
        str | None,
        typer.Option("--check", metavar="DATA", help="A few pictures with points, by whose counts it is told."),
    ] = None,
    mean: Annotated[str | None, typer.Option(help="Three numbers for inputs in 0..1, with commas between.")] = None,
    std: Annotated[str | None, typer.Option(help="Three numbers, with commas between.")] = None,
    output_scale: Annotated[float | None, typer.Option(help="People per cell for one unit of the output.")] = None,
    overrides: Overrides = None,
) -> None:
    """Make a counter of somebody's weights. A pickle is read in a process of its own and never executed."""
    from countguard.cli.data_option import chosen_source
    from countguard.models.convert import convert as convert_weights
    from countguard.models.given import settings_given

    counter = convert_weights(
        weights,
        model,
        out,
        mean=_three(mean, "--mean"),
        std=_three(std, "--std"),
        output_scale=output_scale,
        convention=source,
        check=None if check is None else chosen_source(check, None, None).chosen_test().crowds,
        say=lambda line: typer.echo(f"countguard: {one_line(line)}", err=True),
        **settings_given(overrides or []),
    )
    _say(f"counter: {out} ({counter.kind})")


def _say(line: str) -> None:
    """Prints a line with a name from outside in it, which may hold what no terminal or encoding takes."""
    typer.echo(one_line(line))


@app.command(epilog="Example: countguard export counter.safetensors --format onnx --out counter.onnx")
def export(
    counter: CounterFile,
    out: Annotated[Path, typer.Option("--out", help="The .onnx file to write.")],
    format: Annotated[ExportFormat, typer.Option(help="What is written.")] = ExportFormat.onnx,
    uint8: Annotated[bool, typer.Option("--uint8", help="Its input holds bytes; floats in 0..1 otherwise.")] = False,
) -> None:
    """Write a counter for machines without PyTorch: any size and batch, normalisation inside, compared before kept."""
    from countguard.models import load_counter
    from countguard.models.onnx_export import export_onnx

    written = export_onnx(load_counter(counter), out, uint8=uint8)
    _say(f"counter: {out} ({written.size:,} bytes; counts differ by {written.difference:.1e} at most)")


@app.command(epilog="Example: countguard push repaired.safetensors me/repaired-counter --private")
def push(
    counter: CounterFile,
    repo: Annotated[str, typer.Argument(metavar="OWNER/NAME", help="A repository; made where it is missing.")],
    notes: Annotated[str, typer.Option(help="What readers should know: data, licence, purpose.")] = "",
    run_card: Annotated[
        Path | None, typer.Option("--card", metavar="CARD", help="A run's card.json, whose metrics are shown.")
    ] = None,
    private: Annotated[bool, typer.Option("--private", help="Make the repository a private one.")] = False,
) -> None:
    """Put a counter with a card that says what it is on the Hugging Face hub, with the login that the hub keeps."""
    from countguard.models.push import push as push_counter
    from countguard.runs.card import Card

    facts = {} if run_card is None else Card.read(run_card).model_dump(mode="json")
    pushed = push_counter(counter, repo, notes=notes, private=private, facts=facts)
    typer.echo(f"counter: {pushed.address}\nrevision: {pushed.revision}\nsha256: {pushed.sha256}")


def _on(devices: int | None) -> list[str]:
    return [] if devices is None else [f"machine.devices={devices}"]


def _three(text: str | None, option: str) -> tuple[float, float, float] | None:
    if text is None:
        return None
    try:
        first, second, third = (float(part) for part in text.split(","))
    except ValueError:
        raise InputError(
            f"{option} {text}: should be three numbers with commas between, as 0.485,0.456,0.406"
        ) from None
    return first, second, third


def main() -> None:
    """Runs the command line: bad input is one line and exit code 2, a machine that gave out one line and 1."""
    # Threads that wait by spinning make a shared machine many times slower; torch's threads read this when they start.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        app()
    except InputError as error:
        _end(str(error), 2)
    except RunError as error:
        _end(str(error), 1)
    except OSError as error:
        if error.filename is None:
            raise
        _end(f"{error.filename}: {error.strerror}", 1)
    except SystemExit as ended:  # typer's answer to Ctrl-C
        if ended.code != INTERRUPTED:
            raise
        _end(_interrupted(sys.argv[1:]), INTERRUPTED)
    except Exception as error:
        from countguard.training.faults import explained

        line = explained(error, "working", "CUDA_VISIBLE_DEVICES= keeps the work on the CPU")
        if line is None:
            raise
        _end(line, 1)


def _interrupted(arguments: list[str]) -> str:
    """What an interrupted command has left: a study keeps its finished cells, every other verb nothing."""
    if next((word for word in arguments if not word.startswith("-")), "") in ("run", "demo"):
        return "interrupted; what was finished is kept, and the same command goes on from there"
    return "interrupted; nothing was written"


def _end(message: str, code: int) -> None:
    typer.echo(f"countguard: {one_line(message)}", err=True)
    sys.exit(code)
