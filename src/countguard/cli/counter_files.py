"""Verbs of counters' files: from other code, for other machines, to the hub."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from countguard.cli.options import CounterFile, CounterOut, Overrides, say
from countguard.errors import InputError, one_line

app = typer.Typer()
PANEL = "Files of counters"


class ExportFormat(StrEnum):
    """What `export` writes."""

    onnx = "onnx"


@app.command(
    rich_help_panel=PANEL,
    epilog="Example: countguard convert weights.pth --from commissarma --out converted.safetensors",
)
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
    output_scale: Annotated[float | None, typer.Option(help="People per map cell for one unit of the output.")] = None,
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
    say(f"counter: {out} ({counter.kind})")


@app.command(
    rich_help_panel=PANEL, epilog="Example: countguard export counter.safetensors --format onnx --out counter.onnx"
)
def export(
    counter: CounterFile,
    out: Annotated[Path, typer.Option("--out", help="The .onnx file to write.")],
    format: Annotated[ExportFormat, typer.Option(help="What is written.")] = ExportFormat.onnx,
    uint8: Annotated[bool, typer.Option("--uint8", help="Its input holds bytes; floats in 0..1 otherwise.")] = False,
) -> None:
    """Write a counter for machines without PyTorch: any size and batch, normalisation inside, compared before kept."""
    from countguard.models import load_counter
    from countguard.models.onnx_export import export_onnx

    written = export_onnx(load_counter(counter), out, uint8=uint8, inputs=[counter])
    say(f"counter: {out} ({written.size:,} bytes; counts differ by {written.difference:.1e} at most)")


@app.command(
    rich_help_panel=PANEL, epilog="Example: countguard push repaired.safetensors me/repaired-counter --private"
)
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
