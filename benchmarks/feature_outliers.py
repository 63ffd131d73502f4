"""Plain peers of the audit: outliers among a counter's own features, as is done for classifiers."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.cluster.vq import kmeans2
from torch import Tensor

from countguard.data.crowd import Crowd
from countguard.models.counter import Counter
from countguard.models.counting import as_input

COMPONENTS = 10
"""Components that activations are clustered in, as Chen et al. do."""
REMOVED = 1.5
"""Times the expected number of poisoned images that spectral signatures remove, as Tran et al. do."""
SMALL = 0.35
"""Share of the images below which the smaller cluster is called poisoned, as Chen et al. do."""

Floats = NDArray[np.float64]


def activations(counter: Counter, crowds: Sequence[Crowd]) -> Floats:
    """What a counter's last feature maps hold, as means over the frame: [images, channels]."""
    seen: list[Tensor] = []
    handle = counter.explained_layer().register_forward_hook(lambda *call: seen.append(call[2].mean(dim=(2, 3))))
    try:
        with torch.inference_mode():
            for crowd in crowds:
                counter(as_input(crowd.image[None]))
    finally:
        handle.remove()
    return torch.cat(seen).double().numpy()


def spectral_signatures(features: Floats, poisoned: int) -> tuple[Floats, NDArray[np.bool_]]:
    """Score of each image, and which are removed (Tran, Li and Madry, 2018), the whole set being one class.

    A counter has no classes. The defender is told how many images are poisoned, as there.

    Args:
        features: [images, channels].
        poisoned: how many images are.
    """
    centred = features - features.mean(axis=0)
    _, _, directions = np.linalg.svd(centred, full_matrices=False)
    scores = (centred @ directions[0]) ** 2
    removed = np.zeros(len(scores), bool)
    removed[np.argsort(-scores)[: round(REMOVED * poisoned)]] = True
    return scores, removed


def activation_clusters(features: Floats) -> tuple[Floats, NDArray[np.bool_]]:
    """Score of each image, and which are called poisoned (Chen et al., 2019), the whole set being one class.

    The activations are whitened in ten components and parted by 2-means. Independent components are a rotation of the
    whitened ones, which 2-means does not see. The smaller cluster is called poisoned if it is small enough; the score
    is how much nearer an image is to its centre than to the other's.
    """
    centred = features - features.mean(axis=0)
    left, values, _ = np.linalg.svd(centred, full_matrices=False)
    rank = min(COMPONENTS, int((values > 1e-9 * values[0]).sum()))
    whitened = left[:, :rank] * np.sqrt(len(features))
    centres, labels = kmeans2(whitened, 2, iter=100, minit="++", rng=np.random.default_rng(0))
    small = int(np.bincount(labels, minlength=2).argmin())
    distances = np.linalg.norm(whitened[:, None] - centres[None], axis=2)
    scores = distances[:, 1 - small] - distances[:, small]
    called = (labels == small) & bool((labels == small).mean() < SMALL)
    return scores, called
