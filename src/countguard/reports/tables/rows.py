"""How the rows of tables are filled from the cells of a run."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from countguard.reports.paper.deviations import deviation_note, deviations_of, of_all_or_some
from countguard.reports.paper.protocol import is_papers
from countguard.reports.paper.published import PublishedResults
from countguard.reports.tables import columns as c
from countguard.reports.tables.table import Column, Published, Row, measured
from countguard.runs.plan import CLEAN, Variant, setting_text
from countguard.runs.run import FinishedCell, Run

AS_TRAINED = "as trained"
NEVER_ATTACKED = "never attacked"


@dataclass(frozen=True, slots=True)
class Counters:
    """The finished counters behind one row, a seed each.

    Attributes:
        variant: values of the varied settings.
        strategy: of the attack; `clean` for none.
        defense: empty for the counter as trained, and for a relearned one that was never attacked.
        cells: by seed, at least one.
    """

    variant: Variant
    strategy: str
    defense: str
    cells: Sequence[FinishedCell]

    @property
    def label(self) -> str:
        """Which counter it is, in words."""
        stage = self.cells[0].card.stage
        if stage == "attacked":
            return AS_TRAINED
        return f"{stage}: {self.defense or NEVER_ATTACKED}"

    @property
    def entries(self) -> dict[str, str]:
        """The first columns of its row."""
        varied = {name: setting_text(value) for name, value in self.variant}
        return varied | {"strategy": self.strategy, "counter": self.label}


def counters(
    run: Run,
    *,
    attacked: bool = True,
    filtered: bool = True,
    repaired: bool = True,
    relearned: bool = False,
    clean: bool = True,
) -> Iterator[Counters]:
    """Rows of a run, in the recipe's order: those with a finished counter."""
    wanted = {"attacked": attacked, "filtered": filtered, "repaired": repaired, "relearned": relearned}
    for variant in run.variants:
        for strategy in [CLEAN] * clean + list(run.strategies):
            for defense, again in run.plan.done_to(strategy):
                cells = run.select(variant, strategy, defense, relearned=again)
                if cells and wanted[cells[0].card.stage]:
                    yield Counters(variant, strategy, defense, cells)


@dataclass(frozen=True, slots=True)
class Measure:
    """One number of a row: its column, and the metric of which counters stands there."""

    column: Column
    cells: Sequence[FinishedCell]
    metric: str


def measures(cells: Sequence[FinishedCell], columns: Sequence[Column]) -> list[Measure]:
    """Columns that are named as the metrics they hold."""
    return [Measure(column, cells, column.name) for column in columns]


def row(counters: Counters, numbers: Sequence[Measure], paper: PublishedResults | None = None, source: str = "") -> Row:
    """A row of measured numbers, with those of one of the paper's tables where the attack is the paper's."""
    entries = {number.column.name: measured(number.cells, number.metric) for number in numbers}
    published: dict[str, Published] = {}
    compared: list[FinishedCell] = []
    for number in numbers:
        if paper and number.cells and is_papers(number.cells[0].card):
            card = number.cells[0].card
            value = paper.value(source, card.strategy, card.stage, number.metric)
            if value:
                published[number.column.name] = value
                compared += number.cells
    deviations = deviations_of([cell.card for cell in compared], paper.model) if paper else ()
    return Row({**counters.entries, **entries}, published, deviations)


def with_published(rows: Sequence[Row]) -> list[Row]:
    """The rows beside which the paper's values stand."""
    return [row for row in rows if row.published]


def deviation_notes(rows: Sequence[Row]) -> list[str]:
    """A sentence for below a table on what these rows do otherwise than the paper; none where they do not."""
    found = of_all_or_some([row.deviations for row in rows])
    return [deviation_note(found)] if found else []


def leading_columns(run: Run, *, counter: bool = True) -> list[Column]:
    """What a row is about: varied settings, strategy, and which counter."""
    return [*(c.varied_column(name) for name in run.varied), c.STRATEGY, *([c.COUNTER] if counter else [])]


def subject(run: Run) -> str:
    """Which counter on which images, for captions."""
    cards = [cell.card for cell in run.cells]
    models = ", ".join(dict.fromkeys(card.model for card in cards))
    datasets = ", ".join(dict.fromkeys(card.dataset for card in cards))
    images = " or ".join(str(number) for number in dict.fromkeys(card.images for card in cards))
    return f"{models} on {datasets}, {images} test images"
