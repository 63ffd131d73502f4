import csv
import io
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from countguard.csv_text import csv_text
from countguard.errors import one_line
from countguard.reports.tables.all_tables import all_tables
from countguard.reports.tables.formats import tex_text, to_csv, to_tex
from countguard.reports.tables.table import Column, Published, Row, Table, Value
from countguard.runs.run import Run

NAME = Column("strategy", "Strategy", "Strategy")
RATE = Column("rho_asr", "ρ", r"$\rho$", signed=True)


def table(name: str, entry: Value | None, published: Published | None = None) -> Table:
    row = Row({"strategy": name, "rho_asr": entry}, {"rho_asr": published} if published else {})
    return Table("t", "T", "About 50 % & more.", [NAME, RATE], [row])


def test_csv_gives_numbers_back_to_twelve_digits(make_run: Callable[..., Path]) -> None:
    run = Run.read(make_run(examples=0))
    for written in all_tables(run):
        rows = list(csv.DictReader(io.StringIO(to_csv(written).decode())))
        assert len(rows) == len(written.rows)
        for row, expected in zip(rows, written.rows, strict=True):
            for column in written.columns:
                entry = expected.entries.get(column.name)
                if isinstance(entry, Value):
                    assert float(row[column.name]) == pytest.approx(entry.value, rel=1e-11)
                    low = entry.low
                    assert low is None or float(row[f"{column.name}_low"]) == pytest.approx(low, rel=1e-11)
                else:
                    assert row[column.name] == (entry or "")


def test_csv_has_no_digits_that_binary_fractions_add() -> None:
    text = to_csv(table("minus", Value(0.7 - 0.28, 0.1 + 0.2, 1.1 * 3))).decode()
    assert text.splitlines()[1] == "minus,0.42,0.3,3.3"


def test_csv_keeps_negative_numbers_and_published_values() -> None:
    text = to_csv(table("minus", Value(-0.25, -0.5, 0.0), Published(0.867, (0.886, 0.544)))).decode()
    header, line = text.splitlines()
    assert header == "strategy,rho_asr,rho_asr_low,rho_asr_high,rho_asr_published,rho_asr_published_elsewhere"
    assert line == "minus,-0.25,-0.5,0.0,0.867,0.886 0.544"


@given(st.text(max_size=20))
def test_no_text_begins_as_a_formula_does(text: str) -> None:
    safe = csv_text(text)
    assert not safe or safe[0] not in "=+-@"
    assert safe.isprintable()
    assert safe.endswith(one_line(text))


@pytest.mark.parametrize("text", ["=1+1", "+cmd|' /C calc'!A0", "-2", "@SUM(A1)"])
def test_formulas_get_an_apostrophe_in_the_file(text: str) -> None:
    rows = list(csv.reader(io.StringIO(to_csv(table(text, None)).decode(), newline="")))
    assert rows[1][0] == f"'{text}"


@given(st.text(alphabet=st.sampled_from("\\{}$&%#_~^<>| ab="), max_size=30))
def test_tex_leaves_no_special_character_bare(text: str) -> None:
    escaped = tex_text(text)
    for known in (r"\textbackslash{}", r"\textasciitilde{}", r"\textasciicircum{}", r"\textless{}", r"\textgreater{}"):
        escaped = escaped.replace(known, "")
    escaped = re.sub(r"\\textbar\{\}|\\[&%$#_{}]", "", escaped)
    assert not set(escaped) & set("\\{}$&%#_~^<>|")


def test_tex_rows_have_as_many_fields_as_the_head_and_true_minus_signs() -> None:
    text = to_tex(table("a_b", Value(-0.25, -0.5, 0.0), Published(0.867, (0.886,)))).decode()
    lines = [line for line in text.splitlines() if line.endswith(r"\\")]
    assert {len(re.split(r"(?<!\\)&", line)) for line in lines} == {3}
    assert r"$-$0.250 {\scriptsize [$-$0.500, 0.000]}" in text
    assert r"0.867$^{\dag}$" in text
    assert r"a\_b" in text
    assert r"About 50 \% \& more." in text
    assert text.count("{") == text.count("}")


def test_undefined_entries_are_empty_in_csv_and_a_dash_in_tex() -> None:
    assert to_csv(table("clean", None)).decode().splitlines()[1] == "clean,"
    assert r"clean & -- \\" in to_tex(table("clean", None)).decode()
