"""What all tests share: few threads, tiny crowds, the real files where they are, and one tiny study a session."""

import os
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, settings
from hypothesis.configuration import set_hypothesis_home_dir

from countguard.studies.recipe import Recipe
from countguard.studies.resolve import read_recipe
from countguard.studies.run import run_study

# What hypothesis keeps for itself goes with the process.
HYPOTHESIS_HOME = tempfile.TemporaryDirectory(prefix="countguard-tests-")
set_hypothesis_home_dir(HYPOTHESIS_HOME.name)
# No deadline and no complaint about slow draws: the machine may be shared. No database: tests leave no files.
settings.register_profile("countguard", deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("countguard")


@pytest.fixture(scope="session", autouse=True)
def _interrupts() -> Iterator[None]:
    """A shell starts its background jobs with Ctrl-C ignored, and their children inherit that; tests press it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="session", autouse=True)
def _few_threads() -> Iterator[None]:
    """Tests run beside others: two threads at most."""
    before = torch.get_num_threads()
    torch.set_num_threads(min(2, before))
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real crowds and weights, from COUNTGUARD_SHARED or beside the checkout."""
    folder = Path(os.environ.get("COUNTGUARD_SHARED", Path(__file__).parents[2] / "shared"))
    if not folder.is_dir():
        pytest.skip("the shared folder is not here; COUNTGUARD_SHARED names it")
    return folder


@pytest.fixture(scope="session")
def tiny_recipe() -> Recipe:
    """recipes/tiny.yaml, smaller still, on one thread, so that sums come out in one order."""
    smaller = ["data.train=12", "data.test=8", "training.batch_size=4", "machine.threads=1"]
    return read_recipe("tiny", smaller)


@pytest.fixture(scope="session")
def tiny_study(tiny_recipe: Recipe, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of that study, run once a session; to be read only."""
    threads = torch.get_num_threads()
    folder = run_study(tiny_recipe, tmp_path_factory.mktemp("study") / "run")
    torch.set_num_threads(threads)
    return folder
