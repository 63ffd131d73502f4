"""What `countguard check` says of a data set."""

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from countguard.data.check import DataReport
from countguard.errors import one_line


def show_data_report(report: DataReport) -> None:
    """Prints what is there and how the format is known, then notes, doubts, and a line for each problem."""
    console = Console()
    table = Table(title=escape(one_line(report.name)))
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
    console.print(f"format: {one_line(report.format)} ({one_line(report.because)})", markup=False, soft_wrap=True)
    if report.parts:
        console.print(table)
    for heading, lines in (("", report.notes), ("doubt: ", report.doubts), ("problem: ", report.problems)):
        for line in lines:
            console.print(heading + one_line(line), markup=False, highlight=False, soft_wrap=True)
    if report.problems:
        console.print("1 problem" if len(report.problems) == 1 else f"{len(report.problems)} problems", highlight=False)
