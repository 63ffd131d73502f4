"""Every bad input is met by one clear line, in little time and memory.

The whole corpus is opened in one process of its own, so that a crash is seen and the peak of memory is its own.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from corpus.case import Case
from corpus.make_corpus import CASES, main

TESTS = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def outcomes() -> dict[str, dict[str, object]]:
    with tempfile.TemporaryDirectory() as folder:  # pytest's own is deep, and every line names a path in it
        main(Path(folder), open_them=False)
        command = [sys.executable, "-m", "corpus.make_corpus", folder, "--open"]
        opened = subprocess.run(command, cwd=TESTS, check=True, timeout=600, capture_output=True, text=True)
    assert opened.stderr == ""
    return {line["case"]: line for line in map(json.loads, opened.stdout.splitlines())}


def test_the_corpus_is_large_and_its_names_are_unique() -> None:
    assert len({case.name for case in CASES}) == len(CASES) >= 60


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_bad_input_is_met_by_one_clear_line(case: Case, outcomes: dict[str, dict[str, object]]) -> None:
    outcome = outcomes[case.name]
    message = str(outcome["message"])
    assert outcome["error"] == "InputError", message
    assert case.says in message
    assert message.isprintable()
    assert len(message) < 400
    assert float(str(outcome["seconds"])) < 10
    assert int(str(outcome["peak_bytes"])) < 2 << 30
