"""Attack, measure, repair and explain crowd counters under backdoor attacks."""

__version__ = "0.1.0"
