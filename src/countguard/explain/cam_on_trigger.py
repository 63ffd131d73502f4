"""Does the counter look at the trigger itself? The paper's claim about Figure 5, as a number."""

from math import ceil

import torch
from torch import Tensor

LUMINANCE = (0.299, 0.587, 0.114)
"""ITU-R BT.601."""


def cam_on_trigger(cam: Tensor, picture: Tensor, share: float = 0.1) -> float:
    """The part of Grad-CAM that lies on the trigger's strongest pixels: its lines and edges.

    The strongest pixels are those with the largest gradient magnitude of the luminance of the trigger's picture, by
    central differences. They cover `share` of the area, so a counter that ignores the trigger gives about `share`.
    Pixels that tie for the last places count in equal parts, so a picture of one colour gives exactly `share` for any
    map.

    Args:
        cam: [H, W], not negative, as `grad_cam` gives it.
        picture: the trigger's picture alone, uint8 or float [3, H, W].
        share: of the area that counts as strongest, above 0 and up to 1.

    Returns:
        0..1; NaN if Grad-CAM is zero everywhere.

    Raises:
        ValueError: the two differ in size, or `share` is out of range.
    """
    if cam.shape != picture.shape[-2:]:
        raise ValueError(f"cam has size {list(cam.shape)}, picture {list(picture.shape[-2:])}")
    if not 0 < share <= 1:
        raise ValueError(f"share: above 0 and up to 1; got {share}")
    weights = cam.double().cpu()
    strongest = _strongest(_edges(picture.double().cpu()), share)
    return float((weights * strongest).sum() / weights.sum())


def _edges(picture: Tensor) -> Tensor:
    """Gradient magnitude of the luminance, [H, W]."""
    luminance = torch.einsum("c,chw->hw", picture.new_tensor(LUMINANCE), picture)
    slopes = [
        torch.gradient(luminance, dim=axis)[0] if size > 1 else torch.zeros_like(luminance)
        for axis, size in enumerate(luminance.shape)
    ]
    return torch.hypot(*slopes).round(decimals=9)  # so that equal edges tie in spite of the sums' last bits


def _strongest(strength: Tensor, share: float) -> Tensor:
    """Weights in 0..1, [H, W], that sum to `share` of the pixels: 1 on the strongest, equal parts for the last ties."""
    places = share * strength.numel()
    last = strength.flatten().sort(descending=True).values[min(ceil(places), strength.numel()) - 1]
    above, level = strength > last, strength == last
    return above.double() + level.double() * (places - above.sum()) / level.sum()
