"""Tails of the laws by which chance is told: those of `scipy.stats`, whose import alone takes a second."""

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from countguard.audit.features import Floats


def normal_density(values: Floats, mean: float = 0.0, deviation: float = 1.0) -> Floats:
    """Of a normal law."""
    standard = (values - mean) / deviation
    density: Floats = np.exp(-0.5 * standard * standard) / (deviation * np.sqrt(2 * np.pi))
    return density


def normal_tail(values: ArrayLike) -> np.ndarray:
    """The chance that a standard normal number is larger."""
    tail: np.ndarray = special.ndtr(-np.asarray(values))
    return tail


def normal_cut(chances: ArrayLike) -> np.ndarray:
    """The number that a standard normal one exceeds with such a chance."""
    cut: np.ndarray = -special.ndtri(np.asarray(chances))
    return cut


def student_tail(values: ArrayLike, freedom: float) -> np.ndarray:
    """The chance that a number of Student's law with such degrees of freedom is larger."""
    tail: np.ndarray = special.stdtr(freedom, -np.asarray(values))
    return tail


def poisson_tail(number: int, mean: float) -> float:
    """The chance of so many or more where `mean` are expected."""
    return float(special.pdtrc(number - 1, mean)) if number > 0 else 1.0
