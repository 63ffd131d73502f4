"""Keeps what figures need of a few test images, so that a report needs no counter and no retraining."""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from countguard.attacks.triggers import Trigger
from countguard.data.crowd import Crowd
from countguard.explain.grad_cam import density_with_grad_cam
from countguard.writing import write_atomically
from countguard.models.counter import Counter
from countguard.models.counting import as_input


def example_indices(crowds: Sequence[Crowd], wanted: int) -> list[int]:
    """Test images spread over the counts, from the median to the top, the same for every cell of a study."""
    by_count = sorted(range(len(crowds)), key=lambda index: (crowds[index].count, crowds[index].id))
    if wanted >= len(by_count):
        return by_count
    quantiles = np.linspace(0.5, 0.95, wanted)
    return list(dict.fromkeys(by_count[round(quantile * (len(by_count) - 1))] for quantile in quantiles))


def write_examples(
    counter: Counter, crowds: Sequence[Crowd], indices: Sequence[int], trigger: Trigger, seed: int, path: Path
) -> None:
    """Writes examples.npz (see docs/reference/run-folder.md), whole or not at all."""
    arrays: dict[str, Any] = {}
    for place, index in enumerate(indices):
        crowd = crowds[index]
        images = crowd.image.unsqueeze(0).to(counter.mean.device)
        triggered = trigger.mark(images, [crowd], seed)
        (map_clean, cam_clean), (map_triggered, cam_triggered) = (
            density_with_grad_cam(counter, image) for image in (images[0], triggered[0])
        )
        picture = trigger.picture_for(crowd.height, crowd.width)
        kept = {
            "id": np.array(crowd.id),
            "image": crowd.image,
            "triggered": triggered[0],
            "points": crowd.points,
            "true_map": counter.target(as_input(images), [crowd.points], [crowd.kernel])[0, 0],
            "map_clean": map_clean,
            "map_triggered": map_triggered,
            "cam_clean": cam_clean,
            "cam_triggered": cam_triggered,
            **({} if picture is None else {"trigger": picture}),
        }
        arrays |= {f"{name}_{place}": _as_array(value) for name, value in kept.items()}
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)
    write_atomically(path, file.getvalue())


def _as_array(value: Any) -> Any:
    if not torch.is_tensor(value):
        return value
    return (value.float() if value.is_floating_point() else value).cpu().numpy()
