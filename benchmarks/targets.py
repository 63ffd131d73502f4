"""Density targets against the reference codes' way: full-size maps and `scipy.ndimage.gaussian_filter`."""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from benchmarks.harness import Row, at_least, at_most, compare, needs_gpu
from countguard.data.density import density_map, density_maps
from countguard.data.kernels import Adaptive, Fixed
from countguard.data.reference_targets import csrnet_adaptive_map, csrnet_map
from countguard.models import Counter, build_counter

HEIGHT, WIDTH = 768, 1024


def rows() -> Iterator[Row]:
    crowded, usual = heads(500), heads(120)
    yield compare(
        f"adaptive targets, 500 heads, {HEIGHT}x{WIDTH}",
        lambda: density_map(crowded, HEIGHT, WIDTH, kernel=Adaptive()),
        lambda: csrnet_adaptive_map(crowded, HEIGHT, WIDTH),
        wanted=at_least(1000),
        difference=people_moved,
        tolerance=0.01,
        repeats=3,
    )
    yield compare(
        f"fixed targets, 120 heads, {HEIGHT}x{WIDTH}",
        lambda: density_map(usual, HEIGHT, WIDTH, kernel=Fixed(15.0)),
        lambda: csrnet_map(usual, HEIGHT, WIDTH, sigma=15.0),
        wanted=at_least(50),
        difference=people_moved,
        tolerance=0.01,
    )
    name, wanted = "targets of 8 Part_B images, share of a CSRNet step", at_most(0.05)
    if torch.cuda.is_available():
        yield share_of_a_step(name, torch.device("cuda"), images=8, height=HEIGHT, width=WIDTH)
    else:
        yield needs_gpu(name, wanted)


def heads(count: int, seed: int = 0, margin: int = 64) -> Tensor:
    """Heads about the middle of distinct pixels, to which they are rounded, and away from the border.

    There the reference codes make no mistake.
    """
    across, down = WIDTH - 2 * margin, HEIGHT - 2 * margin
    pixels = torch.randperm(across * down, generator=torch.Generator().manual_seed(seed))[:count]
    return torch.stack([pixels % across, pixels // across], dim=1) + margin + 0.49


def people_moved(ours: Tensor, reference: Tensor) -> float:
    """Share of the people who stand in another cell."""
    return ((ours - reference).abs().sum() / 2 / ours.sum()).item()


def share_of_a_step(name: str, device: torch.device, *, images: int, height: int, width: int) -> Row:
    """Targets made on the device, beside a bf16 channels_last training step that has its targets already."""
    scale = torch.tensor([width / WIDTH, height / HEIGHT])
    points = [heads(120, seed=seed) * scale for seed in range(images)]
    on_device = [some.to(device) for some in points]
    counter = build_counter("csrnet").to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    expected = density_maps(points, height, width)
    batch = torch.rand(images, 3, height, width, device=device).contiguous(memory_format=torch.channels_last)
    return compare(
        name,
        lambda: density_maps(on_device, height, width),
        training_step(counter, batch, expected.to(device)),
        wanted=at_most(0.05),
        difference=lambda maps, _: (maps.cpu() - expected).abs().max().item(),
        tolerance=1e-5,
    )


def training_step(counter: Counter, images: Tensor, target: Tensor) -> Callable[[], None]:
    optimizer = torch.optim.Adam(counter.parameters(), lr=1e-5, fused=True)

    def step() -> None:
        with torch.autocast(images.device.type, dtype=torch.bfloat16):
            density = counter(images)
        loss = (density.float() - target).square().sum(dim=(1, 2, 3)).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return step
