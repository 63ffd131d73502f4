"""Options and arguments that several verbs take, and what they share in printing."""

from pathlib import Path
from typing import Annotated

import typer

from countguard.errors import one_line

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
        help="blend, moving_blend, patch, sine, low_frequency, rain, snow, warp or a plug-in's.",
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


def on_devices(devices: int | None) -> list[str]:
    """The setting that `--devices` stands for."""
    return [] if devices is None else [f"machine.devices={devices}"]


def say(line: str) -> None:
    """Prints a line with a name from outside in it, which may hold what no terminal or encoding takes."""
    typer.echo(one_line(line))


def tell(line: str) -> None:
    """Says on stderr what is going to be done; the command's result goes to stdout."""
    typer.echo(one_line(line), err=True)
