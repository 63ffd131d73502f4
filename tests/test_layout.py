"""The floors of the house: each imports only those before it, and no file is part of a circle."""

import ast
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import countguard as cg

SOURCE = Path(__file__).parents[1] / "src" / "countguard"
FLOORS = (
    "data", "models", "attacks", "metrics", "training", "defenses", "audit", "scan", "explain", "runs", "studies",
    "reports", "operate", "web", "cli",
)  # fmt: skip
"""In the order of CONTRIBUTING.md; the modules beside them are below all."""
FILES = sorted(SOURCE.rglob("*.py"))


def module_of(file: Path) -> str:
    parts = file.relative_to(SOURCE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_of(file) for file in FILES}


def imported(file: Path, *, at_import: bool) -> Iterator[str]:
    """Modules of the package that a file imports: all of them, or those that it needs to be imported itself."""
    tree = ast.parse(file.read_text())
    nodes = tree.body if at_import else list(ast.walk(tree))
    for node in nodes:
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("countguard"):
            for name in node.names:
                whole = f"{node.module}.{name.name}"
                yield whole if whole in MODULES else str(node.module)
        elif isinstance(node, ast.Import):
            yield from (name.name for name in node.names if name.name in MODULES)


def floor_of(module: str) -> int:
    parts = module.split(".")
    return FLOORS.index(parts[1]) if len(parts) > 1 and parts[1] in FLOORS else -1


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(SOURCE)))
def test_a_file_imports_only_floors_before_its_own(file: Path) -> None:
    if file.name == "__main__.py":
        return
    own = floor_of(module_of(file))
    for module in imported(file, at_import=False):
        assert floor_of(module) <= own, f"{module_of(file)} imports {module}"


def test_every_folder_is_a_floor() -> None:
    folders = {folder.name for folder in SOURCE.iterdir() if folder.is_dir() and any(folder.glob("*.py"))}
    assert folders <= set(FLOORS) | {"recipes"}


def test_no_file_is_part_of_a_circle_of_imports() -> None:
    graph = {module_of(file): set(imported(file, at_import=True)) - {"countguard"} for file in FILES}
    packages = {module for module in MODULES if any(other.startswith(f"{module}.") for other in MODULES)}
    # a package that re-exports its modules is imported before them, and is no circle
    edges = {
        module: {m for m in needs if m not in packages} for module, needs in graph.items() if module not in packages
    }
    try:
        TopologicalSorter(edges).prepare()
    except CycleError as error:
        pytest.fail(f"a circle: {' -> '.join(error.args[1])}")


def test_every_public_name_is_there_and_says_what_it_is() -> None:
    for name in cg.__all__:
        value = getattr(cg, name)
        if not isinstance(value, str) and callable(value):
            assert (value.__doc__ or "").strip(), name


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError):
        cg.nothing  # noqa: B018
