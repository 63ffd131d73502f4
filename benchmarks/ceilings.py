"""What the machine does at most: arithmetic, and moving bytes. Other rows are read beside these."""

from collections.abc import Iterator

import torch

from benchmarks.harness import Row, median_seconds

SIDE = 8192
"""Of the product on a GPU."""
BYTES = 1 << 29
"""Copied: far more than any cache holds."""


def rows() -> Iterator[Row]:
    yield from of_device("cpu", torch.float32, 2048)
    if torch.cuda.is_available():
        yield from of_device("cuda", torch.bfloat16, SIDE)


def of_device(device: str, dtype: torch.dtype, side: int) -> Iterator[Row]:
    rate = product_rate(device, dtype, side)
    yield Row(
        f"ceiling, {device}: {str(dtype).removeprefix('torch.')} product, {side:,} cubed",
        "",
        f"{rate / 1e12:,.3g} TFLOP/s",
        numbers={"operations_per_second": rate},
    )
    some = torch.zeros(BYTES, dtype=torch.uint8, device=device)
    other = torch.zeros_like(some)
    moved = 2 * BYTES / median_seconds(lambda: other.copy_(some))
    yield Row(
        f"ceiling, {device}: copy, bytes read and written",
        "",
        f"{moved / 1e9:,.3g} GB/s",
        numbers={"bytes_per_second": moved},
    )


def product_rate(device: str, dtype: torch.dtype, side: int) -> float:
    """Operations a second of a large product."""
    a, b = (torch.randn(side, side, device=device, dtype=dtype) for _ in range(2))
    return float(2 * side**3 / median_seconds(lambda: a @ b))
