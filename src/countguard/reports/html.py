"""report.html: one file with everything in it."""

import io
from collections.abc import Sequence
from dataclasses import dataclass

from jinja2 import Environment, PackageLoader, StrictUndefined
from PIL import Image

from countguard.reports.audits import ShownAudit
from countguard.reports.data_uri import data_uri
from countguard.reports.figures.drawn import Drawn
from countguard.reports.figures.pictures import as_picture
from countguard.reports.findings import Answer
from countguard.reports.tables.table import NONE, Table, Value
from countguard.runs.examples import Example


@dataclass(frozen=True, slots=True)
class Picture:
    """A figure on the page: its words, and its bytes as a data URI."""

    name: str
    title: str
    alt: str
    caption: str
    source: str


@dataclass(frozen=True, slots=True)
class Page:
    """Everything that the page says.

    Attributes:
        name: of the study.
        answers: the answer first.
        shown: at which of the varied settings; empty where nothing is varied.
        finished: when the last counter was, and by which version of countguard; empty where none is.
        done: what was done, sentences.
        audits: of training sets, one an attack; none where the recipe asks for none.
        missing: counters that are not finished.
        not_drawn: figures that are not there, and what they need.
        tables, figures: by name.
        paper: sentences about the published values: how this run differs from the paper's, or why they are left out.
        claims: sentences of the paper that its own tables do not bear out, and what those give.
        hardest: those of the hardest images of which there are pictures.
        versions: name and version.
        settings: the resolved recipe as YAML.
    """

    name: str
    answers: Sequence[Answer]
    shown: str
    finished: str
    done: Sequence[str]
    audits: Sequence[ShownAudit]
    missing: Sequence[str]
    not_drawn: Sequence[str]
    tables: dict[str, Table]
    figures: dict[str, Picture]
    paper: Sequence[str]
    claims: Sequence[tuple[str, str]]
    hardest: Sequence[Picture]
    versions: Sequence[tuple[str, str]]
    settings: str


def render(page: Page) -> bytes:
    """The page as HTML: no script, nothing from the network, every text escaped."""
    environment = Environment(
        loader=PackageLoader("countguard.reports", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.tests["measured"] = lambda entry: isinstance(entry, Value)
    template = environment.get_template("report.html.j2")
    return template.render(page=page, undefined_mark=NONE).encode("utf-8", errors="backslashreplace")


def picture(drawn: Drawn, png: bytes, svg: bytes) -> Picture:
    """A figure for the page: sharp at any size, unless it shows photographs."""
    source = data_uri(png, "image/png") if drawn.photographs else data_uri(svg, "image/svg+xml")
    return Picture(drawn.name, drawn.title, drawn.alt, drawn.caption, source)


def thumbnail(example: Example) -> Picture:
    """A test image as it is."""
    buffer = io.BytesIO()
    Image.fromarray(as_picture(example.image)).save(buffer, format="PNG")
    heads = len(example.points)
    return Picture(
        f"image {example.id}",
        example.id,
        f"Test image {example.id} with {heads} heads",
        f"{example.id}: {heads} heads",
        data_uri(buffer.getvalue(), "image/png"),
    )
