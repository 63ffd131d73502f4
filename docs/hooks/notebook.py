"""Shows docs/tutorial.ipynb as a page: its text, its code, and the outputs that it was saved with."""

import base64
import json
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

NOTEBOOK, PAGE = "tutorial.ipynb", "tutorial.md"


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds tutorial.md and its pictures."""
    notebook = json.loads((Path(config.docs_dir) / NOTEBOOK).read_text(encoding="utf-8"))
    parts: list[str] = []
    for cell in notebook["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            parts.append(source)
            continue
        parts.append(f"```python\n{source}\n```")
        for output in cell["outputs"]:
            parts.append(_shown(output, files, config))
    parts.append(f"[Download this page as a notebook]({NOTEBOOK}).")
    files.append(File.generated(config, PAGE, content="\n\n".join(parts)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Links to the notebook's file, as pages in the repository have them, lead to its page on the site."""
    return markdown if page.file.src_uri == PAGE else markdown.replace(f"{NOTEBOOK})", f"{PAGE})")


def _shown(output: dict[str, Any], files: Files, config: MkDocsConfig) -> str:
    """One output in Markdown: a picture, a table, or text."""
    data = output.get("data", {})
    if "image/png" in data:
        name = f"tutorial-{sum(file.src_uri.startswith('images/tutorial-') for file in files) + 1}.png"
        files.append(File.generated(config, f"images/{name}", content=base64.b64decode(data["image/png"])))
        return f"![{''.join(data['text/plain'])}](images/{name})"
    if "text/html" in data:
        return f'<div class="output">{"".join(data["text/html"])}</div>'
    return "```text\n" + "".join(output.get("text") or data["text/plain"]).rstrip() + "\n```"
