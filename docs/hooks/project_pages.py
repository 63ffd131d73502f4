"""Puts CONTRIBUTING, SECURITY and CHANGELOG, which lie in the repository's root, on the site."""

from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

PAGES = {"contributing": "CONTRIBUTING.md", "security": "SECURITY.md", "changes": "CHANGELOG.md"}


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the pages, with their links written as seen from the site."""
    root = Path(config.config_file_path).parent
    for name, source in PAGES.items():
        text = (root / source).read_text(encoding="utf-8").replace("](docs/", "](../")
        for other, file in PAGES.items():
            text = text.replace(f"]({file})", f"]({other}.md)")
        files.append(File.generated(config, f"project/{name}.md", content=text))
    return files
