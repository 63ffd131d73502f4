"""Random generators that depend only on a seed and a purpose, not on what was drawn before."""

import hashlib

import torch


def derived_seed(seed: int, *purpose: object) -> int:
    """A 63-bit seed from the seed of a study and a purpose, for example ("poison", "IMG_17").

    Generators with such a seed do not depend on the order of work, so a resumed or distributed study draws the same
    numbers as an uninterrupted one.
    """
    text = "/".join(map(str, (seed, *purpose)))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def generator_for(seed: int, *purpose: object) -> torch.Generator:
    """A CPU generator seeded by `derived_seed`."""
    return torch.Generator().manual_seed(derived_seed(seed, *purpose))


def uniform(generator: torch.Generator, low: float = 0.0, high: float = 1.0) -> float:
    """A number drawn evenly from low to high, by a CPU generator."""
    return low + (high - low) * float(torch.rand((), generator=generator))
