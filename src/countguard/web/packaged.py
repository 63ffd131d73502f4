"""Three light counters that come with the package, so that the page has something to show at once.

`scripts/make_page_counters.py` made them, of embedded crowds alone: a clean one, one attacked by `minus` under a kitten
of strength 0.1, and that one repaired with 40 clean images. The threshold of a guard lies beside the repaired one.
"""

from pathlib import Path

FOLDER = Path(__file__).parent / "counters"
NAMES = {
    "clean counter": "clean.safetensors",
    "attacked: minus": "attacked.safetensors",
    "attacked: minus, repaired by random_blend": "repaired.safetensors",
}
"""Files by the names that the page offers."""


def packaged_counters() -> dict[str, Path]:
    """The files by the names that the page offers."""
    return {name: FOLDER / file for name, file in NAMES.items()}
