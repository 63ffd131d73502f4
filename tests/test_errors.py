"""A message is one line whatever a file is called."""

import pickle

import pytest

from countguard.errors import InputError, RunError


@pytest.mark.parametrize("kind", [InputError, RunError])
@pytest.mark.parametrize("name", ["a\nb.jpg", "\x1b[2J.jpg", "\udcff.jpg", "zwei\u2028zeilen.jpg"])
def test_a_hostile_file_name_stays_on_one_printable_line(kind: type[Exception], name: str) -> None:
    message = str(kind(f"{name}: not an image"))
    assert message.isprintable()
    assert message.encode("utf-8")
    assert message.endswith(".jpg: not an image")


def test_errors_cross_a_process_border() -> None:
    error = pickle.loads(pickle.dumps(InputError("über.jpg: empty")))
    assert str(error) == "über.jpg: empty"
