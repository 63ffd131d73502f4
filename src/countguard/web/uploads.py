"""The boxes for uploads, which all look alike, and folders for what is made of them."""

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

import gradio as gr


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


def work_folder(purpose: str) -> Path:
    """A new folder among the uploads of the page that is open, and so removed with them.

    Args:
        purpose: the beginning of its name.
    """
    return Path(tempfile.mkdtemp(prefix=f"{purpose}-", dir=os.environ.get("GRADIO_TEMP_DIR")))
