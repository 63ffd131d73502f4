"""Names in any script on figures: drawn where a font of this machine has their signs, spelt out where none has."""

from functools import cache

from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, fontManager, get_font
from matplotlib.text import Text

FIRST = "DejaVu Sans"
"""Comes with matplotlib, so that figures look alike everywhere."""
FALLBACKS = (
    *("Noto Sans", "Noto Sans CJK SC", "Noto Sans CJK JP", "Noto Sans CJK KR", "Source Han Sans SC"),
    *("WenQuanYi Zen Hei", "WenQuanYi Micro Hei", "Droid Sans Fallback", "Noto Sans Arabic", "Noto Sans Hebrew"),
    "Noto Sans Devanagari",
    *("Noto Sans Thai", "Noto Emoji", "Symbola", "Microsoft YaHei", "SimHei", "PingFang SC", "Hiragino Sans"),
    *("Yu Gothic", "Malgun Gothic", "Apple SD Gothic Neo", "Arial Unicode MS"),
)  # fmt: skip
"""Asked in this order for what the first one lacks."""


def spell_out(figure: Figure) -> None:
    """Draws a figure's texts with fallback fonts where they need them, and spells out the signs that no font has."""
    for text in figure.findobj(Text):
        assert isinstance(text, Text)
        said = text.get_text()
        if any(ord(sign) not in _signs(FIRST) for sign in said if sign != "\n"):
            text.set_fontfamily([FIRST, *_installed()])
            text.set_text(drawable(said))


def drawable(text: str) -> str:
    """The text with each sign that no font here has written as \\u4eba, instead of as an empty box."""
    fonts = [_signs(name) for name in (FIRST, *_installed())]
    return "".join(
        sign if sign == "\n" or any(ord(sign) in font for font in fonts) else sign.encode("unicode_escape").decode()
        for sign in text
    )


@cache
def _installed() -> tuple[str, ...]:
    there = {font.name for font in fontManager.ttflist}
    return tuple(name for name in FALLBACKS if name in there)


@cache
def _signs(name: str) -> frozenset[int]:
    return frozenset(get_font(findfont(FontProperties(family=name))).get_charmap())
