"""The images that are counted worst."""

from collections.abc import Sequence

import numpy as np

from countguard.metrics.ratios import Floats
from countguard.reports.tables.table import Column, Row, Table, Value
from countguard.runs.examples import Example
from countguard.runs.run import FinishedCell, Run

SHOWN = 8
IMAGE = Column("image", "Image", "Image")
HEADS = Column("heads", "True heads", "True heads", digits=0)
ERROR = Column("mean_error", "Mean absolute error", "Mean absolute error", digits=1)
WORST = Column("worst", "Worst counter", "Worst counter")
ESTIMATE = Column("worst_estimate", "Its estimate", "Its estimate", digits=1)


def hardest_tables(run: Run) -> list[Table]:
    """The worst clean images over all counters, and the worst triggered ones after a filter or a repair.

    Counters that relearned are left out: they fail under the trigger as attacked ones do.
    """
    cells = [cell for cell in run.cells if cell.card.varied == dict(run.reference) and not cell.card.key.relearned]
    defended = [cell for cell in cells if cell.card.defense]
    stages = " and ".join(dict.fromkeys(cell.card.stage for cell in defended))
    tables = [
        _table("hardest_clean", "Hardest images, clean", f"Over {len(cells)} counters.", cells, triggered=False),
        _table(
            "hardest_triggered",
            "Hardest images, triggered",
            f"Over {len(defended)} {stages} counters.",
            defended,
            triggered=True,
        ),
    ]
    return [table for table in tables if table.rows]


def pictures_of(run: Run, tables: Sequence[Table]) -> list[Example]:
    """Those of the listed images that the cells keep as examples, each once."""
    wanted = {str(row.entries[IMAGE.name]) for table in tables for row in table.rows}
    kept = next((cell.examples for cell in run.cells if cell.examples), ())
    return [example for example in kept if example.id in wanted]


def _table(name: str, title: str, caption: str, cells: Sequence[FinishedCell], *, triggered: bool) -> Table:
    return Table(name, title, caption, [IMAGE, HEADS, ERROR, WORST, ESTIMATE], _rows(cells, triggered=triggered))


def _rows(cells: Sequence[FinishedCell], *, triggered: bool) -> list[Row]:
    """One row an image, the largest mean error first; images that all counters saw."""
    if not cells:
        return []
    shared = set(cells[0].predictions.ids).intersection(*(cell.predictions.ids for cell in cells))
    ids = [image_id for image_id in cells[0].predictions.ids if image_id in shared]
    if not ids:
        return []
    truths = _ordered(cells[0], cells[0].predictions.truths, ids)
    estimates = np.stack(
        [_ordered(c, c.predictions.triggered if triggered else c.predictions.clean, ids) for c in cells]
    )
    errors = np.abs(estimates - truths)
    means = errors.mean(axis=0)
    rows = []
    for place in np.argsort(-means, kind="stable")[:SHOWN]:
        worst = int(errors[:, place].argmax())
        card = cells[worst].card
        rows.append(
            Row(
                {
                    IMAGE.name: ids[place],
                    HEADS.name: Value(float(truths[place])),
                    ERROR.name: Value(float(means[place])),
                    WORST.name: f"{card.strategy}, {card.defense or 'as trained'}, seed {card.seed}",
                    ESTIMATE.name: Value(float(estimates[worst, place])),
                }
            )
        )
    return rows


def _ordered(cell: FinishedCell, values: Floats, ids: Sequence[str]) -> Floats:
    places = {image_id: place for place, image_id in enumerate(cell.predictions.ids)}
    return values[[places[image_id] for image_id in ids]]
