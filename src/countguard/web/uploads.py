"""The boxes for uploads, folders for what is made of them, and how errors name them."""

import os
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import gradio as gr

from countguard.errors import InputError, RunError

_in_use: set[Path] = set()


def upload(label: str, suffixes: Sequence[str], *, several: bool = False) -> gr.File:
    """A box for one file, or for several.

    Args:
        label: of the box.
        suffixes: of the files that are taken, each with its dot.
        several: whether more than one file may be dropped.
    """
    return gr.File(
        label=label, file_types=sorted(suffixes), file_count="multiple" if several else "single", type="filepath",
        height=110, elem_classes="cg-upload",
    )  # fmt: skip


@contextmanager
def work_folder(purpose: str) -> Iterator[Path]:
    """A new folder among the uploads of the page that is open: removed with them, but not inside the block.

    Args:
        purpose: the beginning of its name.
    """
    folder = Path(tempfile.mkdtemp(prefix=f"{purpose}-", dir=os.environ.get("GRADIO_TEMP_DIR")))
    _in_use.add(folder)
    try:
        yield folder
    finally:
        _in_use.discard(folder)


def folders_in_use() -> frozenset[Path]:
    """The work folders of all work that goes on."""
    return frozenset(_in_use)


@contextmanager
def named_alone(*files: Path) -> Iterator[None]:
    """Errors inside the block name these files without their folders, which are the server's affair."""
    try:
        yield
    except (InputError, RunError) as error:
        raise type(error)(without_folders(str(error), files)) from None


def without_folders(text: str, files: Iterable[Path]) -> str:
    """A text in which these files are named without their folders."""
    for file in files:
        text = text.replace(str(file), file.name)
    return text
