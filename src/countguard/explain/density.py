"""The whole density map of one picture, however large."""

import torch
from torch import Tensor

from countguard.explain.undisturbed import undisturbed
from countguard.models.counter import Counter
from countguard.models.counting import as_input


def people_per_cell(counter: Counter, image: Tensor) -> Tensor:
    """The density map of an image uint8 [3, H, W]: float32 [ceil(H/stride), ceil(W/stride)] on the CPU.

    Its sum is what `Counter.count` says: images with a side above `counter.tile` are looked at in the same tiles, each
    of which gives the cells of its core. The counter's modes are left as they were.
    """
    batch = as_input(image.unsqueeze(0).to(counter.mean.device))
    height, width = image.shape[-2:]
    with undisturbed(counter), torch.inference_mode():
        if max(height, width) <= counter.tile:
            return _cells(counter, batch)
        density = torch.empty(-(-height // counter.stride), -(-width // counter.stride))
        margin = -(-counter.margin // counter.align) * counter.align
        core = max(counter.align, (counter.tile - 2 * margin) // counter.align * counter.align)
        cells = core // counter.stride
        for top in range(0, height, core):
            for left in range(0, width, core):
                first = max(0, top - margin), max(0, left - margin)
                tile = batch[..., first[0] : top + core + margin, first[1] : left + core + margin]
                row, column = (top - first[0]) // counter.stride, (left - first[1]) // counter.stride
                own = _cells(counter, tile)[row : row + cells, column : column + cells]
                to_row, to_column = top // counter.stride, left // counter.stride
                density[to_row : to_row + own.shape[0], to_column : to_column + own.shape[1]] = own
    return density


def _cells(counter: Counter, batch: Tensor) -> Tensor:
    density: Tensor = counter(batch)
    return density[0, 0].float().cpu()
