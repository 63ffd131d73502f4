"""Random generators that depend on what they are for, and on nothing that happened before."""

import hashlib

import torch


def derived_seed(seed: int, *purpose: object) -> int:
    """A 63-bit seed out of a study's seed and what it is for, e.g. ("poison", "IMG_17").

    Generators made from it do not depend on the order of work, so that a resumed or distributed study draws what an
    uninterrupted one draws.
    """
    text = "/".join(map(str, (seed, *purpose)))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def generator_for(seed: int, *purpose: object) -> torch.Generator:
    """A CPU generator seeded by `derived_seed`."""
    return torch.Generator().manual_seed(derived_seed(seed, *purpose))


def uniform(generator: torch.Generator, low: float = 0.0, high: float = 1.0) -> float:
    """A number drawn evenly from low to high, by a CPU generator."""
    return low + (high - low) * float(torch.rand((), generator=generator))
