"""The command line: all verbs, and how they end. Heavy imports happen inside the verb that needs them."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer
from typer.main import get_group

from countguard import __version__
from countguard.cli import counter_files, counters, crowds, studies
from countguard.cli.telling import told
from countguard.errors import InputError, Interrupted, RunError, one_line
from countguard.signals import errors_by_ctrl_c_interrupt

app = typer.Typer(
    name="countguard",
    help="Attack, measure, repair and explain crowd counters under backdoor attacks.",
    no_args_is_help=True,
    add_completion=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for verbs in (studies, crowds, counters, counter_files):
    app.add_typer(verbs.app)

_FILE_BY_FILE = ("audit", "count", "defend", "explain", "report", "scan")
"""Verbs that write several files, each when it is there."""
INTERRUPTED = 130
"""What shells call the end by Ctrl-C."""


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"countguard {__version__}")
        raise typer.Exit


@app.callback()
def root(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and leave.")
    ] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Tell on stderr what is done.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress and no warnings.")] = False,
    log: Annotated[
        Path | None, typer.Option("--log", metavar="FILE", help="Append what is done, with times, to this file.")
    ] = None,
) -> None:
    """Attack, measure, repair and explain crowd counters under backdoor attacks."""
    context.with_resource(told(verbose=verbose, quiet=quiet, log=log))


def main() -> None:
    """Runs the command line: bad input is one line and exit code 2, a machine that gave out one line and 1."""
    # Threads that wait by spinning make a shared machine many times slower; torch's threads read this when they start.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        with errors_by_ctrl_c_interrupt():
            app()
    except InputError as error:
        _end(str(error), 2)
    except RunError as error:
        _end(str(error), 1)
    except Interrupted as error:
        _end(str(error), INTERRUPTED)
    except OSError as error:
        if error.filename is None:
            raise
        _end(f"{error.filename}: {error.strerror}", 1)
    except KeyboardInterrupt:
        _end(_interrupted(sys.argv[1:]), INTERRUPTED)
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
    """What an interrupted command has left: a study its finished cells, a verb of many files those it has written."""
    verbs = get_group(app).commands
    verb = next((word for word in arguments if word in verbs), "")  # an option's value may come before it
    if verb in ("run", "demo"):
        return "interrupted; what was finished is kept, and the same command goes on from there"
    if verb in _FILE_BY_FILE:
        return "interrupted; files that were finished are kept, and none is half-written"
    return "interrupted; nothing was written"


def _end(message: str, code: int) -> None:
    typer.echo(f"countguard: {one_line(message)}", err=True)
    sys.exit(code)
