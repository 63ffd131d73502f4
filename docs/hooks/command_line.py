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
    text = written.replace("# `countguard`", "# Command line", 1)
    text = re.sub(r"(?m)^Example: (.+)$", r"Example:\n\n    \1", text)
    summaries = dict(re.findall(r"(?m)^## `countguard ([\w-]+)`\n\n(.+)$", text))

    def entry(found: re.Match[str]) -> str:
        """A line of the list of commands, whose summary typer cuts short."""
        summary = summaries.get(found[1])
        return f"* [`{found[1]}`](#countguard-{found[1]}): {summary}" if summary else found[0]

    text = re.sub(r"(?m)^\* `([\w-]+)`: .*$", entry, text)
    files.append(File.generated(config, "reference/command-line.md", content=text))
    return files
