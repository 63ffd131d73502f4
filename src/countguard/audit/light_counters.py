"""Counters made of the set itself within seconds, each of which never saw the pictures that it counts."""

import numpy as np
import torch

from countguard.audit.features import Floats
from countguard.seeds import generator_for

FOLDS = 5
_WAVES = 600
"""Random cosines of a block's numbers (Rahimi and Recht, 2007)."""
_WIDTH = 0.08
"""Their frequency, for numbers of unit variance."""
_RIDGE = 1e-3
"""Penalty on weights, as a part of the mean of the squared inputs."""
_AT_ONCE = 64


def estimate(textures: Floats, heads: Floats, seed: int) -> Floats:
    """Heads in each block of each picture, by ridge regression on its texture: float32 [pictures, blocks].

    The pictures are drawn into folds; those of a fold are estimated by what the other folds say. Some of the labels
    that are learned from may be poisoned; that moves all estimates a little, and none towards its own label.

    Args:
        textures: [pictures, blocks, numbers].
        heads: labelled heads in each block [pictures, blocks].
        seed: draws folds and cosines.
    """
    pictures, blocks, numbers = textures.shape
    flat = textures.reshape(-1, numbers)
    mean, deviation = flat.mean(axis=0), flat.std(axis=0) + 1e-6
    generator = generator_for(seed, "audit", "light counters")
    waves = _WIDTH * torch.randn(numbers, _WAVES, generator=generator).numpy()
    phases = 2 * np.pi * torch.rand(_WAVES, generator=generator).numpy()
    folds = torch.randperm(pictures, generator=generator).numpy() % min(FOLDS, pictures)

    def lifted(chosen: slice) -> Floats:
        standard = (textures[chosen].reshape(-1, numbers) - mean) / deviation
        cosines = np.cos(standard @ waves + phases)
        return np.concatenate([cosines, standard, np.ones((len(standard), 1), np.float32)], axis=1, dtype=np.float32)

    size = _WAVES + numbers + 1
    squares = np.zeros((folds.max() + 1, size, size))
    products = np.zeros((folds.max() + 1, size))
    slices = [slice(start, start + _AT_ONCE) for start in range(0, pictures, _AT_ONCE)]
    for chosen in slices:
        inputs = lifted(chosen).reshape(-1, blocks, size)
        for fold in np.unique(folds[chosen]):
            of_fold = inputs[folds[chosen] == fold].reshape(-1, size)
            squares[fold] += of_fold.T @ of_fold
            products[fold] += of_fold.T @ heads[chosen][folds[chosen] == fold].ravel()
    weights = []
    for fold in range(len(squares)):
        left = squares.sum(axis=0) - squares[fold]
        left[np.diag_indices(size)] += _RIDGE * np.trace(left) / size
        weights.append(np.linalg.solve(left, products.sum(axis=0) - products[fold]))
    estimates = np.empty((pictures, blocks), np.float32)
    for chosen in slices:
        inputs = lifted(chosen).reshape(-1, blocks, size)
        of_each = np.stack([weights[fold] for fold in folds[chosen]]).astype(np.float32)
        estimates[chosen] = np.maximum(np.einsum("pbi,pi->pb", inputs, of_each), 0)
    return estimates
