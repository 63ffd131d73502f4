"""Names in any script stay readable on figures, and no warning is printed of them."""

import io
import warnings

import pytest
import torch
from matplotlib.figure import Figure
from matplotlib.text import Text

from countguard import glyphs
from countguard.explain.panels import draw_panels, make_panels
from countguard.glyphs import drawable, spell_out
from countguard.models import build_counter
from countguard.reports.figures.drawn import Drawn


@pytest.fixture(params=[True, False], ids=["fonts", "no_fonts"])
def _fonts(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the fonts of this machine, and with none but the one that comes with matplotlib."""
    if not request.param:
        monkeypatch.setattr(glyphs, "_installed", lambda: ())


@pytest.mark.usefixtures("_fonts")
@pytest.mark.parametrize("name", ["人群", "群衆カウンター", "군중", "حشد", "जन", "👥", "plain", "two\nlines \\ $x$"])
def test_a_name_is_drawn_without_boxes_and_without_a_warning(name: str) -> None:
    figure = Figure()
    figure.suptitle(name, parse_math=False)
    axes = figure.subplots()
    axes.plot([1, 2], label=name)
    axes.legend()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Drawn("name", "title", figure, "", "").png()
    texts = [text.get_text() for text in figure.findobj(Text)]  # type: ignore[attr-defined]
    assert texts.count(drawable(name)) == 2


def test_what_no_font_has_is_spelt_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(glyphs, "_installed", lambda: ())
    assert drawable("人群 a") == r"\u4eba\u7fa4 a"
    assert drawable("Größe ρ ≤ 1\n") == "Größe ρ ≤ 1\n"


def test_a_figure_of_plain_texts_is_left_as_it_is() -> None:
    figure = Figure()
    title = figure.suptitle("plain: ρ = 0.5")
    before = title.get_fontfamily()
    spell_out(figure)
    assert title.get_fontfamily() == before


def test_a_panel_names_its_counter_in_any_script() -> None:
    panels = make_panels({"人群": build_counter("lite")}, torch.zeros(3, 48, 64, dtype=torch.uint8))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert io.BytesIO(draw_panels(panels)).read(4) == b"\x89PNG"
