"""Writes the reference of the public names: every one that `countguard/__init__.pyi` lists, from its docstring."""

import ast
from collections import defaultdict
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

HEADINGS = {
    "data": "Crowds and density maps",
    "models": "Counters",
    "attacks": "Attacks",
    "metrics": "Metrics",
    "training": "Training",
    "defenses": "Repairs",
    "audit": "Auditing a data set",
    "scan": "Scanning a counter",
    "explain": "Explanations",
    "runs": "Runs",
    "studies": "Studies",
    "operate": "What an operator does",
    "reports": "Reports",
    "errors": "Errors",
}
"""What a package holds, in the order of CONTRIBUTING.md."""

_OPENING = """# Python

    import countguard as cg

These are all public names. Each is loaded when it is first used, so that `import countguard` takes no time.
"""


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds reference/python.md."""
    stub = Path(config.config_file_path).parent / "src" / "countguard" / "__init__.pyi"
    files.append(File.generated(config, "reference/python.md", content=_page(stub.read_text(encoding="utf-8"))))
    return files


def _page(stub: str) -> str:
    names: dict[str, list[str]] = defaultdict(list)
    for node in ast.parse(stub).body:
        if isinstance(node, ast.ImportFrom) and node.module:
            places = names[node.module.split(".")[0]]
            places += [f"countguard.{node.module}.{name.name}" for name in node.names]
    unknown = names.keys() - HEADINGS.keys()
    if unknown:
        raise ValueError(f"docs/hooks/python_reference.py has no heading for {', '.join(sorted(unknown))}")
    lines = [_OPENING]
    for package, heading in HEADINGS.items():
        if package in names:
            lines.append(f"\n## {heading}\n")
            lines += [f"::: {place}\n" for place in names[package]]
    return "\n".join(lines)
