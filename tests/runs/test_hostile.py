"""Run folders from strangers: whatever is wrong is one line that names the file, and nothing outside is touched."""

import io
import json
import shutil
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from countguard.errors import InputError, RunError
from countguard.reports.report import write_report
from countguard.runs.card import Card
from countguard.runs.plan import Plan
from countguard.runs.run import Run
from countguard.studies.resolve import recipe_from
from countguard.yaml_text import dump_yaml, read_yaml
from made_run import MadeRun, build_run
from raw_recipe import raw_recipe


def change_card(folder: Path, **changes: Any) -> None:
    for path in folder.glob("cells/minus-attacked-s0/card.json"):
        path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def change_study(folder: Path, **changes: Any) -> None:
    (folder / "study.yaml").write_text(dump_yaml(read_yaml(folder / "study.yaml") | changes))


def billions(folder: Path) -> str:
    change_study(folder, vary={f"training.{n}": list(range(12)) for n in range(8)})
    return r"study\.yaml: vary, seeds, strategies and defenses make [\d,]+ cells"


def aliases(folder: Path) -> str:
    levels = "\n".join(f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 9)}]" for n in range(1, 9))
    (folder / "study.yaml").write_text(f"l0: &l0 [x]\n{levels}\n")
    return r"study\.yaml: is no YAML"


def tag(folder: Path) -> str:
    (folder / "study.yaml").write_text("name: !!python/object/apply:os.system ['touch owned']\n")
    return r"study\.yaml: is no YAML"


def deep(folder: Path) -> str:
    (folder / "study.yaml").write_text("a: " + "[" * 100_000 + "]" * 100_000)
    return r"study\.yaml: is no YAML"


def huge_card(folder: Path) -> str:
    path = folder / "cells/minus-attacked-s0/card.json"
    path.write_text('{"cell": "' + "x" * (17 << 20) + '"}')
    return r"card\.json: holds .* bytes"


def nan_card(folder: Path) -> str:
    path = folder / "cells/minus-attacked-s0/card.json"
    path.write_text(path.read_text().replace('"value": ', '"value": NaN, "was": ', 1))
    return r"card\.json: metrics\.\w+"


def typed_card(folder: Path) -> str:
    change_card(folder, hashes={"counter": 7})
    return r"card\.json: hashes\.counter"


def many_rows(folder: Path) -> str:
    path = folder / "cells/minus-attacked-s0/predictions.csv"
    head = path.read_text().splitlines()[0]
    path.write_text(head + "\n" + "".join(f"{k},1,1,1,1\n" for k in range(300_000)))
    return r"predictions\.csv: .*more than 50,000 images"


def bomb(folder: Path) -> str:
    path = folder / "cells/minus-attacked-s0/examples.npz"
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("id_0.npy", "w", force_zip64=True) as file,
    ):
        for _ in range(1100):
            file.write(bytes(1 << 20))
    return r"examples\.npz: unpacks to 1100 MiB"


def huge_array(folder: Path) -> str:
    path = folder / "cells/minus-attacked-s0/examples.npz"
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {"descr": "|u1", "fortran_order": False, "shape": (3, 1_000_000, 1_000_000)}
    )
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("id_0.npy", header.getvalue())
        archive.writestr("image_0.npy", header.getvalue())
    return r"examples\.npz: image_0: has the shape"


def objects(folder: Path) -> str:
    path = folder / "cells/minus-attacked-s0/examples.npz"
    np.savez(path, id_0=np.array([{"a": 1}], dtype=object), image_0=np.array([{"a": 1}], dtype=object))
    return r"examples\.npz: image_0: is object"


def link_out(folder: Path) -> str:
    secret = folder.parent / "secret.csv"
    path = folder / "cells/minus-attacked-s0/predictions.csv"
    shutil.copy(path, secret)
    path.unlink()
    path.symlink_to(secret)
    return r"predictions\.csv: is a link out of"


def linked_cells(folder: Path) -> str:
    elsewhere = folder.parent / "elsewhere"
    (folder / "cells").rename(elsewhere)
    (folder / "cells").symlink_to(elsewhere)
    return "is a link out of"


HOSTILE: list[Callable[[Path], str]] = [
    billions, aliases, tag, deep, huge_card, nan_card, typed_card, many_rows, bomb, huge_array, objects, link_out,
    linked_cells,
]  # fmt: skip


@pytest.mark.parametrize("damage", HOSTILE, ids=lambda damage: damage.__name__)
def test_a_hostile_run_folder_is_one_line(damage: Callable[[Path], str], tmp_path: Path) -> None:
    folder = build_run(MadeRun(tmp_path / "run", strategies=("minus",), defenses=(), examples=1))
    line = damage(folder)
    outside = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file() and folder not in path.parents}
    with pytest.raises(InputError, match=line) as caught:
        write_report(folder)
    assert "\n" not in str(caught.value)
    assert outside == {path: path.read_bytes() for path in outside}
    assert not Path("owned").exists()


values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
RECIPE_KEYS = st.sampled_from(
    ["name", "preset", "seeds", "data", "model", "attack", "training", "defenses", "vary", "machine"]
)
CARD_KEYS = st.sampled_from(sorted(Card.model_fields))
FEW = hypothesis_settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])


@given(changes=st.dictionaries(RECIPE_KEYS, values, max_size=3))
@FEW
def test_a_recipe_of_anything_ends_in_a_line_or_a_recipe(changes: dict[str, Any]) -> None:
    with suppress(InputError, RunError):
        recipe = recipe_from(raw_recipe(**changes), "here")
        Plan.of(recipe.dump())


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_run(MadeRun(tmp_path_factory.mktemp("good") / "run", strategies=("minus",), defenses=(), examples=0))


@given(changes=st.dictionaries(CARD_KEYS, values, max_size=3), study=st.dictionaries(RECIPE_KEYS, values, max_size=2))
@FEW
def test_a_run_folder_of_anything_ends_in_a_line_or_a_run(
    good: Path, tmp_path: Path, changes: dict[str, Any], study: dict[str, Any]
) -> None:
    folder = tmp_path / "run"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(good, folder)
    change_card(folder, **changes)
    with suppress(InputError, RunError):
        change_study(folder, **study)
        run = Run.read(folder)
        assert len(run.cells) + len(run.missing) == len(run.plan)
