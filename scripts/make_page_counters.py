"""Trains the three light counters that the page shows before anything else, and puts them into the package.

    python scripts/make_page_counters.py runs/page-counters

They are those of `countguard run defenses`, seed 0: clean, attacked by `minus`, and that one repaired by random blends.
The guard's threshold is found on embedded crowds of another seed, which no counter was trained on. Resumable.
"""

import shutil
import sys
from pathlib import Path

from countguard.data.synthetic import Synthetic
from countguard.models import load_counter
from countguard.runs.folder import RunFolder
from countguard.runs.plan import CLEAN, CellKey
from countguard.scan.guard import Guard, write_calibration
from countguard.studies.resolve import read_recipe
from countguard.studies.run import run_study
from countguard.web.packaged import FOLDER

SETTINGS = [
    "name=page-counters",
    "seeds=[0]",
    "attack.strategies=[{kind: minus, heads: 100}]",
    "defenses=[{kind: random_blend, clean_images: 40, epochs: 500, steps: 1500, lr: 3.0e-3, average: 0.98}]",
    "evaluation.shares=[]",
]
REPAIR = "random_blend"
CALIBRATION = Synthetic(look="plaza", train=1, test=500, seed=7)
"""Crowds of the counters' own kind; at a false-alarm rate of 1 % at least 100 are needed."""


def main(work: Path) -> None:
    """Trains what is missing, and copies the counters."""
    run = RunFolder(run_study(read_recipe("defenses", SETTINGS), work))
    cells = {
        "clean": CellKey(CLEAN, "", 0),
        "attacked": CellKey("minus", "", 0),
        "repaired": CellKey("minus", REPAIR, 0),
    }
    FOLDER.mkdir(exist_ok=True)
    files = {name: FOLDER / f"{name}.safetensors" for name in cells}
    for name, cell in cells.items():
        shutil.copyfile(run.cell(cell.name).counter, files[name])
    guard = Guard(load_counter(files["attacked"]), load_counter(files["repaired"]))
    calibration = guard.calibrate(CALIBRATION.crowds("test"))
    write_calibration(calibration, files["attacked"], files["repaired"])
    print(f"threshold {calibration.threshold:.3f}, false alarms {calibration.false_alarm_rate:.3f}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
