"""Run folders as a stranger may make them; a process of its own opens them, whose memory and time are its own.

`cd tests && python -m runs.hostile_folders FOLDER...` opens each by what `countguard report` and `countguard web` do,
and prints a line of JSON for each. Memory is the peak above that of the program with its libraries, which maps
between .8 and 1.2 GB, depending on the machine, before it opens anything.
"""

import io
import json
import resource
import shutil
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from countguard.errors import InputError
from countguard.reports.report import write_report
from countguard.web.app import build_app
from countguard.yaml_text import dump_yaml, read_yaml
from peak_memory import peak


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


def huge_counts(folder: Path) -> str:
    path = folder / "cells/minus-attacked-s0/predictions.csv"
    path.write_text(path.read_text().splitlines()[0] + "\na,1,1,1,1\nb,1,1,1e308,1e308\n")
    return r"predictions\.csv: .*larger than a counter can give"


def negative_truth(folder: Path) -> str:
    path = folder / "cells/minus-attacked-s0/predictions.csv"
    path.write_text(path.read_text().splitlines()[0] + "\na,-5,1,1,1\n")
    return r"predictions\.csv: .*a true count is below 0"


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
    billions, aliases, tag, deep, huge_card, nan_card, typed_card, many_rows, huge_counts, negative_truth, bomb,
    huge_array, objects, link_out, linked_cells,
]  # fmt: skip


def main(folders: list[str]) -> None:
    """Opens each folder in both ways."""
    program = peak()
    for folder in folders:
        for verb, opened in (("report", write_report), ("web", build_app)):
            started, message = _seconds(), ""
            try:
                opened(Path(folder))
            except InputError as error:
                message = str(error)
            cost = {"seconds": _seconds() - started, "memory": peak() - program}
            print(json.dumps({"verb": verb, "message": message} | cost))


def _seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    main(sys.argv[1:])
