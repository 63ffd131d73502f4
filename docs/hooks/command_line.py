"""Writes the reference of the command line, by typer's own generator."""

import re
import subprocess
import sys

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

_TYPER = [sys.executable, "-m", "typer", "countguard.cli.app", "utils", "docs", "--name", "countguard"]


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds reference/command-line.md."""
    written = subprocess.run(_TYPER, check=True, capture_output=True, text=True).stdout
    text = re.sub(r"(?m)^Example: (.+)$", r"Example:\n\n    \1", written)
    text = text.replace("# `countguard`", "# Command line", 1)
    files.append(File.generated(config, "reference/command-line.md", content=text))
    return files
