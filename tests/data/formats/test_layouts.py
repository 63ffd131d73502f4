"""Every published layout is told by what is in the folder, and gives the heads that were written into it."""

from pathlib import Path

import pytest

from countguard.cli.data_option import data_settings
from countguard.data.check import check_data
from countguard.data.sources import find_source, open_source
from published_layouts import LAYOUTS, Heads, Layout


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.title)
def test_a_layout_is_told_and_read(layout: Layout, tmp_path: Path) -> None:
    expected = layout.make(tmp_path)
    found = find_source(tmp_path, settings=data_settings(layout.settings))
    assert found.source.model_dump()["kind"] == layout.kind
    assert set(found.source.parts()) == set(expected)
    read: dict[str, Heads] = {
        part: {crowd.id: sorted(crowd.points.tolist()) for crowd in found.source.crowds(part)}
        for part in found.source.parts()
    }
    assert {part: list(crowds) for part, crowds in read.items()} == {part: list(own) for part, own in expected.items()}
    for part, crowds in expected.items():
        for name, points in crowds.items():
            assert read[part][name] == pytest.approx([pytest.approx(point) for point in sorted(points)]), (part, name)


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.title)
def test_check_passes_a_good_set_and_counts_it(layout: Layout, tmp_path: Path) -> None:
    expected = layout.make(tmp_path)
    report = check_data(tmp_path, settings=data_settings(layout.settings))
    assert report.problems == ()
    assert report.format == layout.kind
    assert {part.part: (part.images, part.heads) for part in report.parts} == {
        part: (len(crowds), sum(map(len, crowds.values()))) for part, crowds in expected.items()
    }


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.title)
def test_a_format_that_is_named_is_taken(layout: Layout, tmp_path: Path) -> None:
    layout.make(tmp_path)
    settings = data_settings(layout.settings)
    assert open_source(tmp_path, kind=layout.kind, settings=settings) == open_source(tmp_path, settings=settings)
