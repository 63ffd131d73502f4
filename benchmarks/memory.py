"""Resident memory over 50 epochs and over 10,000 counted pictures: `python -m benchmarks.memory`."""

import gc
from collections.abc import Iterator
from pathlib import Path

import torch

from benchmarks.harness import machine_facts
from countguard.data.crowd import Crowd
from countguard.data.loading import Resident
from countguard.data.synthetic import Synthetic
from countguard.models import build_counter
from countguard.models.counting import count_crowds
from countguard.training.fit import Machine, fit
from countguard.training.settings import Training

EPOCHS, PICTURES = 50, 10_000
AT_ONCE = 500
"""Pictures handed to one call; a folder's count is many of these."""


def main() -> None:
    """Prints two tables: resident memory after some epochs, and after some pictures."""
    torch.set_num_threads(1)
    print(", ".join(f"{key} {value}" for key, value in machine_facts().items()))
    crowds = Resident(Synthetic(train=100, test=1).crowds("train"))
    print("| epochs | resident, MiB |\n|---|---|")
    for epoch, resident in training(crowds):
        print(f"| {epoch} | {resident:.1f} |", flush=True)
    print("\n| pictures counted | resident, MiB |\n|---|---|")
    for pictures, resident in counting(crowds):
        print(f"| {pictures:,} | {resident:.1f} |", flush=True)


def training(crowds: Resident) -> Iterator[tuple[int, float]]:
    """Trains a light counter for 50 epochs; resident memory after the first and every tenth."""
    seen: list[tuple[int, float]] = []
    settings = Training(lr=1e-3, epochs=EPOCHS, batch_size=16)
    machine = Machine(accelerator="cpu")
    fit(
        build_counter("lite"),
        crowds,
        settings,
        seed=0,
        machine=machine,
        report=lambda epoch, loss: seen.append((epoch, resident_memory())),
    )
    yield from (row for row in seen if row[0] in (1, 2, 5) or row[0] % 10 == 0)


def counting(crowds: Resident) -> Iterator[tuple[int, float]]:
    """Counts 10,000 pictures in calls of 500; resident memory after some of them."""
    counter = build_counter("lite")
    for done in range(AT_ONCE, PICTURES + 1, AT_ONCE):
        some: list[Crowd] = [crowds[index % len(crowds)] for index in range(AT_ONCE)]
        count_crowds(counter, some)
        if done in (AT_ONCE, 2 * AT_ONCE) or done % 2000 == 0:
            yield done, resident_memory()


def resident_memory() -> float:
    """What this process holds of the memory now, MiB."""
    gc.collect()
    kibibytes = next(
        line.split()[1] for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmRSS")
    )
    return int(kibibytes) / 1024


if __name__ == "__main__":
    main()
