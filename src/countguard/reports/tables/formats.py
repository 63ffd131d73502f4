"""A table as CSV for programs and as LaTeX for papers."""

from countguard.csv_text import Field, csv_lines
from countguard.errors import one_line
from countguard.reports.tables.table import MINUS, NONE, Column, Entry, Row, Table, Value

_OTHERWISE = "published_otherwise"
"""CSV's column of what a row with published values did otherwise than the paper."""
_TEX = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "†": r"\dag{}",
    "ρ": r"$\rho$",
    "–": "--",
    "±": r"$\pm$",
}


def to_csv(table: Table) -> bytes:
    """CSV, UTF-8, a header line; numbers to 12 digits, empty where undefined.

    Beside a column of numbers stand `_low` and `_high` (95 % interval), or `_min`, `_max` and `_seeds` where rows are
    means over seeds, and `_published` and `_published_elsewhere` where the paper gives values. The last column says
    what such a row did otherwise than the paper, where any did.
    """
    names = [name for column in table.columns for name in _csv_names(table, column)]
    if any(row.deviations for row in table.rows):
        names.append(_OTHERWISE)
    rows: list[list[Field]] = [[one_line(name) for name in names]]
    for row in table.rows:
        fields = {name: field for column in table.columns for name, field in _csv_fields(column, row).items()}
        fields[_OTHERWISE] = one_line("; ".join(row.deviations))
        rows.append([fields.get(name) for name in names])
    return csv_lines(rows).encode()


def _csv_names(table: Table, column: Column) -> list[str]:
    names = [column.name]
    if table.has_range(column):
        ends = ("min", "max", "seeds") if table.seeds(column) > 1 else ("low", "high")
        names += [f"{column.name}_{end}" for end in ends]
    if table.has_published(column):
        names += [f"{column.name}_published", f"{column.name}_published_elsewhere"]
    return names


def _csv_fields(column: Column, row: Row) -> dict[str, Field]:
    entry, name = row.entries.get(column.name), column.name
    fields: dict[str, Field] = {name: _exact(entry.value) if isinstance(entry, Value) else one_line(entry or "")}
    if isinstance(entry, Value) and entry.low is not None:
        low, high = ("min", "max") if entry.seeds > 1 else ("low", "high")
        fields |= {
            f"{name}_{low}": _exact(entry.low),
            f"{name}_{high}": None if entry.high is None else _exact(entry.high),
            f"{name}_seeds": entry.seeds,
        }
    published = row.published.get(name)
    if published:
        fields[f"{name}_published"] = published.value
        fields[f"{name}_published_elsewhere"] = " ".join(map(repr, published.others))
    return fields


def _exact(value: float) -> float:
    """The number without what binary fractions add to it: 0.42, not 0.41999999999999993."""
    return float(f"{value:.12g}")


def to_tex(table: Table) -> bytes:
    r"""A LaTeX `table` no wider than the text: \input it where \usepackage{booktabs,graphicx} is loaded."""
    spec = "".join(
        "r" if table.seeds(column) else "l" for column in table.columns for _ in _tex_headings(table, column)
    )
    headings = [heading for column in table.columns for heading in _tex_headings(table, column)]
    lines = [
        "% needs \\usepackage{booktabs,graphicx}",
        r"\begin{table}",
        r"\centering",
        rf"\caption{{{tex_text(table.caption)}}}",
        rf"\label{{tab:{table.name.replace('_', '-')}}}",
        r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%",
        rf"\begin{{tabular}}{{{spec}}}",
        r"\toprule",
        " & ".join(headings) + r" \\",
        r"\midrule",
        *(
            " & ".join(field for column in table.columns for field in _tex_fields(table, column, row)) + r" \\"
            for row in table.rows
        ),
        r"\bottomrule",
        r"\end{tabular}}",
        *(rf"\par\smallskip{{\footnotesize {tex_text(note)}\par}}" for note in table.notes),
        r"\end{table}",
    ]
    return ("\n".join(lines) + "\n").encode()


def tex_text(text: str) -> str:
    """A text as LaTeX prints it."""
    return "".join(_TEX.get(character, character) for character in one_line(text))


def _tex_headings(table: Table, column: Column) -> list[str]:
    heading = column.tex or tex_text(column.heading)
    return [heading, "paper"] if table.has_published(column) else [heading]


def _tex_fields(table: Table, column: Column, row: Row) -> list[str]:
    fields = [_tex_entry(column, row.entries.get(column.name))]
    if table.has_published(column):
        published = row.published.get(column.name)
        mark = r"$^{\dag}$" if published and published.others else ""
        fields.append(f"{published.value:.{column.digits}f}{mark}" if published else "--")
    return fields


def _tex_entry(column: Column, entry: Entry) -> str:
    if not isinstance(entry, Value):
        return tex_text(entry or NONE)
    ends = entry.range_text(column.digits, signed=column.signed)
    small = rf" {{\scriptsize {ends}}}" if ends else ""
    return (entry.text(column.digits, signed=column.signed) + small).replace(MINUS, "$-$")
