"""P2PNet beside the light counter on the same embedded crowds: counts, and where heads are.

    python scripts/points_beside_density.py runs/p2pnet-lite --out results/p2pnet-lite-paper/beside/f1.json

Each folder is a run's; its clean counter is measured on the run's test crowds. A density says in which cell people are:
its whole people are put in the middles of the cells that hold most, as many as it counts.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from countguard.data.crowd import Crowd
from countguard.metrics.intervals import bootstrap_interval
from countguard.metrics.localisation import Located, f1_score
from countguard.models import Counter, load_counter
from countguard.models.counting import as_input
from countguard.runs.card import Card
from countguard.studies.resolve import read_recipe


def heads_of(counter: Counter, crowd: Crowd) -> Tensor:
    """Where a counter has heads: its points, or the middles of its fullest cells."""
    images = as_input(crowd.image.unsqueeze(0))
    points = counter.heads(images)
    return points[0] if points is not None else in_cells(counter.people_per_cell(images)[0, 0], counter.stride)


def in_cells(density: Tensor, stride: int) -> Tensor:
    """Whole people in the middles of cells: one after the other where most is left of the density."""
    left, places = density.clone(), []
    for _ in range(max(0, round(float(density.sum())))):
        row, column = divmod(int(left.argmax()), density.shape[1])
        left[row, column] -= 1.0
        places.append(((column + 0.5) * stride, (row + 0.5) * stride))
    return torch.tensor(places, dtype=torch.float32).view(-1, 2)


def measured(folder: Path) -> dict[str, Any]:
    """The clean counter of a run: its card's metrics, and F1."""
    recipe = read_recipe(str(folder / "study.yaml"), [])
    (cell,) = sorted(folder.glob("cells/clean-attacked-*"))[:1]
    counter, card = load_counter(cell / "counter.safetensors"), Card.read(cell / "card.json")
    crowds = recipe.data.load().test
    located = Located.of(
        [heads_of(counter, crowd).double().numpy() for crowd in crowds],
        [crowd.points.double().numpy() for crowd in crowds],
    )
    truths = torch.tensor([float(crowd.count) for crowd in crowds]).double().numpy()
    f1 = bootstrap_interval(f1_score, [located.matched, located.found, truths])
    values = {name: card.metrics[name] for name in ("mae", "rho_acc", "rho_acc_triggered")} | {"f1": f1}
    return {
        "model": card.model,
        "images": len(crowds),
        "seconds": card.seconds,
        "device": card.device,
        "metrics": {name: [round(x, 4) for x in (v.value, v.low, v.high)] for name, v in values.items()},
    }


def main() -> None:
    """Measures the runs that are named, and writes what was found."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("runs", type=Path, nargs="+")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    rows = [measured(folder) for folder in options.runs]
    options.out.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
