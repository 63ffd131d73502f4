"""What `countguard check` says of a data set."""

from rich.console import Console
from rich.table import Table

from countguard.data.check import DataReport
from countguard.escaping import rich_text


def show_data_report(report: DataReport) -> None:
    """Prints what is there and how the format is known, then notes, doubts, and a line for each problem."""
    console = Console()
    table = Table(title=rich_text(report.name))
    table.add_column("")
    for part in report.parts:
        table.add_column(part.part, justify="right")
    for heading, values in {
        "images": [f"{part.images}" for part in report.parts],
        "heads": [f"{part.heads}" for part in report.parts],
        "heads an image: fewest, median, most": [f"{p.fewest}, {p.median:g}, {p.most}" for p in report.parts],
        "images without a head": [f"{part.without_heads}" for part in report.parts],
        "smallest picture (height x width)": ["{} x {}".format(*part.smallest) for part in report.parts],
        "largest picture": ["{} x {}".format(*part.largest) for part in report.parts],
        "heads moved in from outside": [f"{part.moved}" for part in report.parts],
        "heads on another one's pixel": [f"{part.coinciding}" for part in report.parts],
    }.items():
        table.add_row(heading, *values)
    console.print("format:", rich_text(f"{report.format} ({report.because})"), soft_wrap=True)
    if report.parts:
        console.print(table)
    for heading, lines in (("", report.notes), ("doubt: ", report.doubts), ("problem: ", report.problems)):
        for line in lines:
            console.print(rich_text(heading + line), soft_wrap=True)
    if report.problems:
        console.print("1 problem" if len(report.problems) == 1 else f"{len(report.problems)} problems", highlight=False)
