"""A study killed at five random instants ends with the results of an uninterrupted one; the script does twenty."""

from pathlib import Path

from faults.kill_study import kill_and_compare


def test_a_killed_study_ends_as_an_uninterrupted_one(tmp_path: Path) -> None:
    kill_and_compare(tmp_path, kills=5, seed=1)
