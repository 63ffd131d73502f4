"""No cell begins like a formula, and every text comes back."""

import csv
import io

from hypothesis import given
from hypothesis import strategies as st

from countguard.csv_text import Number, armed, csv_lines, disarmed

TEXTS = st.text(st.sampled_from("=+-@'\"\t\r\n ,;a1＝＋－＠é") | st.characters(exclude_categories=["Cs"]), max_size=12)


@given(TEXTS)
def test_a_text_comes_back(text: str) -> None:
    (row,) = csv.reader(io.StringIO(csv_lines([[text, "end"]]), newline=""))
    assert (armed(row[0]), row[1]) == (text, "end")


@given(TEXTS)
def test_no_cell_begins_like_a_formula(text: str) -> None:
    assert disarmed(text).lstrip()[:1] not in set("=+-@＝＋－＠")
    assert disarmed(disarmed(text)).endswith(text)


@given(st.lists(TEXTS, min_size=1, max_size=3))
def test_nor_does_a_part_of_one_where_a_semicolon_parts_cells(texts: list[str]) -> None:
    for row in csv.reader(io.StringIO(csv_lines([["first", *texts]]), newline=""), delimiter=";"):
        assert not any(cell.startswith(("=", "+", "@")) for cell in row if not cell.startswith("first"))


def test_numbers_stay_numbers() -> None:
    rows = [[-1, -0.25, Number("-0.5000"), None, "-1", "--x"]]
    assert csv_lines(rows) == "-1,-0.25,-0.5000,,'-1,'--x\n"
