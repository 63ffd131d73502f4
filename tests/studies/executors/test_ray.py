"""Cells over a Ray cluster of two nodes, one of whose workers is killed while it works."""

import os
import signal
import threading
import time
from pathlib import Path

import pytest
from rich.console import Console

from countguard.studies.resolve import read_recipe
from countguard.studies.run import run_study
from study_results import results

ray = pytest.importorskip("ray", reason="the extra `ray` is not installed")
pytestmark = pytest.mark.cluster

SMALL = [
    "attack.strategies=[{kind: minus, heads: 10}]",
    "training.epochs=3",
    "machine.resume_seconds=0",
    "machine.threads=1",
    "evaluation.shares=[]",
]


def test_a_killed_worker_loses_nothing(tmp_path: Path) -> None:
    from ray.cluster_utils import Cluster

    from countguard.studies.executors.ray import run_on_ray

    recipe = read_recipe("tiny", SMALL)
    run_study(recipe, tmp_path / "local")
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    try:
        cluster.add_node(num_cpus=1)
        killed: list[int] = []
        killer = threading.Thread(target=kill_a_worker, args=(tmp_path / "ray", killed), daemon=True)
        killer.start()
        run_study(recipe, tmp_path / "ray", executor=run_on_ray(cluster.address), console=Console(quiet=True))
        killer.join(timeout=60)
    finally:
        ray.shutdown()
        cluster.shutdown()
    assert killed, "no worker was found to kill"
    assert results(tmp_path / "ray") == results(tmp_path / "local")


def test_ray_started_on_this_machine_joins_no_cluster_of_somebody_else() -> None:
    from ray.cluster_utils import Cluster

    from countguard.studies.executors.ray import connected

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    try:
        with connected(ray, None):
            own = ray.get_runtime_context().gcs_address
        with connected(ray, cluster.address):
            assert ray.get_runtime_context().gcs_address == cluster.address
    finally:
        ray.shutdown()
        cluster.shutdown()
    assert own != cluster.address


def kill_a_worker(study: Path, killed: list[int]) -> None:
    """Kills the process that trains the first cell, once it has left a point to resume from."""
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline:
        if list(study.glob("cells/*/resume.ckpt")):
            for process in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    working = process.read_bytes().startswith(b"ray::_run_one")
                except OSError:
                    continue
                if working:
                    os.kill(int(process.parent.name), signal.SIGKILL)
                    killed.append(int(process.parent.name))
                    return
        time.sleep(0.01)
