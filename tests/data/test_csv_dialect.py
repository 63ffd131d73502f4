"""A table of points says the same in every way in which spreadsheets write it."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from countguard.data.point_tables import read_points_csv
from countguard.errors import InputError

coordinates = st.integers(0, 8000).map(lambda value: value / 4)
tables = st.dictionaries(
    st.from_regex(r"[a-z]{1,6}\.jpg", fullmatch=True),
    st.lists(st.tuples(coordinates, coordinates), max_size=4),
    min_size=1,
    max_size=4,
)


@given(
    table=tables,
    separator=st.sampled_from([",", ";", "\t", "|"]),
    named=st.booleans(),
    empty=st.integers(0, 2),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
    end=st.sampled_from(["\n", "\r\n"]),
    comma=st.booleans(),
)
@settings(max_examples=100)
def test_every_dialect_says_the_same(
    table: dict[str, list[tuple[float, float]]],
    separator: str,
    named: bool,
    empty: int,
    encoding: str,
    end: str,
    comma: bool,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    def number(value: float) -> str:
        return str(value).replace(".", ",") if comma and separator != "," else str(value)

    rows = [["Image", " x", "Y "]]
    for image, points in table.items():
        rows += [[image, number(x), number(y)] for x, y in points] or [[image, "", ""]]
        rows += [["", "", ""]] * empty
    lines = [f"sep={separator}"] if named else []
    lines += [separator * 2, ""][:empty]  # Excel keeps the empty rows above a table
    path = tmp_path_factory.mktemp("csv") / "points.csv"
    path.write_bytes((end.join([*lines, *(separator.join(row) for row in rows)]) + end).encode(encoding))
    read = read_points_csv(path)
    assert {image: [tuple(point) for point in points.tolist()] for image, points in read.items()} == table


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (
            "name;x;y\na.jpg;1;2\n",
            "the first row should name the columns image,x,y, parted by commas, semicolons or tabs",
        ),
        ("image;x;y\na.jpg;1\n", "row 2: has 2 cells"),
        ("sep=;\nimage;x;y\n\na.jpg;1;z\n", "row 4: x and y should be numbers"),
        ("image,x,y\na.jpg,1,2,5\n;;\n", "row 3: has 1 cells"),
    ],
)
def test_what_is_wrong_is_named_by_its_row(text: str, says: str, tmp_path: Path) -> None:
    (tmp_path / "points.csv").write_text(text)
    with pytest.raises(InputError, match=says):
        read_points_csv(tmp_path / "points.csv")
