import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest

from countguard.cli.summary import summary_table
from countguard.errors import InputError
from countguard.reports.report import write_report

MakeRun = Callable[..., Path]
HOSTILE = ["<script>alert(1)</script>", "=HYPERLINK(1)", "$x_1$ \\input{/etc/passwd}", 'a" onload="alert(1)', "群衆\n2"]


class Elements(HTMLParser):
    """Every tag with its attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.found if name == tag]


def written(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and "cells" not in path.parts
    }


def test_everything_is_there(reported: Path) -> None:
    names = written(reported).keys()
    tables = {
        "table1",
        "table2",
        "table3",
        "table_full",
        "errors",
        "changes",
        "grad_cam_share",
        "hardest_clean",
        "counters",
    }
    assert {f"tables/{name}.{kind}" for name in tables for kind in ("csv", "tex")} <= names
    figures = {
        "framework",
        "poisoning",
        "ratio_density",
        "ratio_density_papers_bandwidth",
        "density_maps",
        "grad_cam",
        "estimate_and_truth",
        "error_and_density",
        "success_and_share",
        "net_success",
    }
    assert {f"figures/{name}.{kind}" for name in figures for kind in ("png", "svg")} <= names
    assert not [name for name in names if name.endswith(".part")]


def test_written_twice_every_file_is_identical(reported: Path) -> None:
    before = written(reported)
    write_report(reported)
    assert written(reported) == before


def test_page_needs_nothing_from_elsewhere(reported: Path) -> None:
    page = (reported / "report.html").read_text()
    elements = Elements(page)
    assert not elements.named("script")
    assert "default-src 'none'" in page
    for tag, attributes in elements.found:
        for name in ("src", "href"):
            link = attributes.get(name)
            assert link is None or link.startswith(("data:", "#")), (tag, link)
    assert not re.findall(r"(?i)https?://|url\(|@import", page)


def test_every_picture_has_words_and_every_link_a_target(reported: Path) -> None:
    elements = Elements((reported / "report.html").read_text())
    images = elements.named("img")
    assert len(images) >= 10
    assert all(len(image.get("alt") or "") > 10 for image in images)
    ids = {attributes.get("id") for _, attributes in elements.found}
    links = [link.get("href") or "" for link in elements.named("a")]
    assert {link[1:] for link in links if link.startswith("#")} <= ids


def test_hostile_names_stay_text(make_run: MakeRun) -> None:
    ids = [*HOSTILE, *(f"IMG_{number}" for number in range(8))]
    folder = make_run(ids=ids, strategies=("minus",), dataset="<b>set</b> $1$", model="=m_1")
    page = write_report(folder).read_text()
    elements = Elements(page)
    assert not elements.named("script")
    assert not elements.named("b")
    assert not any("onload" in attributes for _, attributes in elements.found)
    hardest = (folder / "tables" / "hardest_clean.csv").read_text()
    assert "'=HYPERLINK(1)" in hardest
    assert not re.search(r"(^|,)=", hardest, flags=re.MULTILINE)
    tex = (folder / "tables" / "hardest_clean.tex").read_text()
    assert r"\input" not in tex
    assert r"\$x\_1\$" in tex
    assert "&lt;b&gt;set&lt;/b&gt;" in page


def test_unfinished_run_gets_what_is_there_and_says_what_is_missing(make_run: MakeRun) -> None:
    folder = make_run(
        strategies=("minus",),
        examples=0,
        unfinished=[("clean", "attacked"), ("minus", "repaired"), ("clean", "repaired")],
    )
    page = write_report(folder).read_text()
    assert "3 counters are missing" in page
    assert "minus, repaired by fine_tune, seed 0" in page
    assert "Not drawn:" in page
    assert (folder / "tables" / "table1.csv").exists()
    assert not (folder / "tables" / "table3.csv").exists()


def test_run_before_its_first_counter_is_reported(make_run: MakeRun) -> None:
    folder = make_run(strategies=("minus",), defenses=(), unfinished=[("clean", "attacked"), ("minus", "attacked")])
    page = write_report(folder).read_text()
    assert "Not measured yet" in page
    assert summary_table(folder).row_count == 0


def test_folder_that_is_no_run_gets_nothing(tmp_path: Path) -> None:
    with pytest.raises(InputError):
        write_report(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_folder_that_cannot_be_written_to_ends_in_a_sentence(make_run: MakeRun) -> None:
    folder = make_run(strategies=(), defenses=(), examples=0)
    (folder / "tables").write_text("a file where a folder should be")
    with pytest.raises(InputError, match="tables: is not a folder"):
        write_report(folder)


def test_summary_has_a_row_for_each_counter(make_run: MakeRun) -> None:
    table = summary_table(make_run(examples=0, strategies=("minus",), unfinished=[("minus", "repaired")]))
    assert table.row_count == 3
    assert "1 counter not finished" in str(table.caption)


def test_a_run_that_relearns_says_so_and_is_reported_whole(make_run: MakeRun) -> None:
    folder = make_run(strategies=("minus",), relearns=True)
    write_report(folder)
    page = (folder / "report.html").read_text()
    assert "were then tuned on the clean images and 4 poisoned images of that attack." in page
    assert "Does the repair last?" in page
    assert "What repaired counters relearn" in page
    assert "Over 4 counters." in page  # the hardest images: relearned counters fail as attacked ones do
    assert (folder / "tables" / "relearned.csv").exists()
