"""Crowd counters, and how they are built, saved and loaded."""

from countguard.models import (  # noqa: F401  each enters itself into COUNTERS
    can,
    clip_ebc,
    clip_ebc_vit,
    csrnet,
    csrnet_ebc,
    dm_count,
    lite,
    mcnn,
    p2pnet,
    sfanet,
    timm_backbone,
)
from countguard.models.building import build_counter
from countguard.models.checkpoint import load_counter, save_counter
from countguard.models.counter import Counter
from countguard.models.registry import COUNTERS
from countguard.models.wrap import wrap

__all__ = ["COUNTERS", "Counter", "build_counter", "load_counter", "save_counter", "wrap"]
