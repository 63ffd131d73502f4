"""Training steps on a GPU against the reference codes' way, and what the paper's matrix takes."""

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import pairwise

import torch
from torch import Tensor
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.ceilings import SIDE, product_rate
from benchmarks.harness import Row, at_least, at_most, compare, duration, limit, needs_gpu
from countguard.data.crowd import Crowd
from countguard.data.kernels import Adaptive, Kernel
from countguard.data.loading import Batch
from countguard.models import build_counter
from countguard.models.blockwise import BlockwiseCounter
from countguard.models.counter import Counter
from countguard.training.compiling import compiled
from countguard.training.fit import Machine, fit
from countguard.training.module import CounterModule
from countguard.training.settings import Training

HEIGHT, WIDTH = 768, 1024
CROP = 448
HEADS = 120
PART_A = {
    (768, 1024): 7, (683, 1024): 4, (645, 1024): 2, (713, 1024): 1, (664, 1000): 1, (746, 1024): 1, (590, 1024): 1,
    (465, 700): 1, (536, 800): 1, (686, 1024): 1, (680, 1024): 1, (747, 1024): 1, (1024, 1024): 1, (478, 600): 1,
    (793, 1024): 1, (600, 900): 1, (688, 1024): 1, (766, 1024): 1, (630, 961): 1, (800, 600): 1, (769, 1024): 1,
    (716, 1024): 1, (572, 945): 1, (375, 500): 1, (450, 770): 1, (1024, 768): 1, (653, 1024): 1, (388, 690): 1,
    (566, 1024): 1, (388, 576): 1,
}  # fmt: skip
"""Sizes of ShanghaiTech Part_A's first 40 training images, height and width, and how often each occurs."""
TRAININGS, EPOCHS, MEASURED = 5, 100, 3
"""The paper's matrix: so many attacks and as many repairs, of so many epochs, of which a few are measured."""
RATE = 1e-9
"""Of learning: next to none, so that both ways still have the same weights when their losses are compared."""
STEPS = 10
"""Steps one after another that are timed at once, as in a training, where Python runs ahead of the device."""

Step = Callable[[], Tensor]


def rows(device: str = "cuda") -> Iterator[Row]:
    """On another device only to try the code: the bounds are those of one H100."""
    if device == "cuda" and not torch.cuda.is_available():
        yield needs_gpu(f"CSRNet, {STEPS} training steps, {HEIGHT}x{WIDTH}, batch 1", at_least(2.8))
        yield needs_gpu(f"CSRNet, {STEPS} training steps, {HEIGHT}x{WIDTH}, batch 8", at_least(3.8))
        yield needs_gpu("the same, share of an 8192-cubed bf16 product's rate", at_least(0.55), "")
        yield needs_gpu(f"CLIP-EBC, {STEPS} training steps, {CROP} crops, batch 8", at_least(2.5))
        yield needs_gpu("CSRNet paper matrix, batch 1", at_most(50), " minutes")
        return
    for images, wanted in ((1, 2.8), (8, 3.8)):
        yield from csrnet_step(device, images, HEIGHT, WIDTH, wanted)
    yield from clip_ebc_step(device, 8, CROP)
    yield from matrix(device)


def csrnet_step(device: str, images: int, height: int, width: int, wanted: float) -> Iterator[Row]:
    """Ours makes its targets from points and its input from uint8; the reference finds its map ready."""
    counter, twin = twins("csrnet", device)
    batch = crowded_batch(images, height, width, device)
    with torch.no_grad():
        maps = twin.target(batch.images, batch.points) / 64
        full = functional.interpolate(maps, scale_factor=8.0)  # as a map of the full size: people per pixel
    name = f"CSRNet, {STEPS} training steps, {height}x{width}, batch {images}"
    with compiled(counter, {(images, height, width)}):
        ours = our_step(counter, batch)
        with tuned():
            yield first_step(name, ours)
        row = compare(
            name,
            ours,
            plain_step(twin, lambda: plain_csrnet_loss(twin, batch.images.float() / 255, full)),
            wanted=at_least(wanted),
            difference=lambda mine, theirs: ((mine - theirs).abs() / theirs.abs()).item(),
            tolerance=0.05,
            repeats=9,
        )
        yield row
    rate = STEPS * step_operations(images, height, width) / row.numbers["ours_seconds"]
    share = rate / product_rate(device, torch.bfloat16, SIDE if device == "cuda" else 512)
    if images == 8:
        yield limit(f"the same, share of an {SIDE}-cubed bf16 product's rate", share, "", wanted=at_least(0.55))
    else:
        yield Row("the same, share of the product's rate", "", f"{share:.2f}")


def clip_ebc_step(device: str, images: int, side: int) -> Iterator[Row]:
    """Both with DM-Count; the reference's transport in exponentials and an image at a time, as its authors have it."""
    counter, twin = twins("clip_ebc", device)
    assert isinstance(twin, BlockwiseCounter)
    batch = crowded_batch(images, side, side, device)
    apart = apart_in_logits(counter, twin, batch.images)
    name = f"CLIP-EBC, {STEPS} training steps, {side} crops, batch {images}"
    with compiled(counter, {(images, side, side)}):
        ours = our_step(counter, batch)
        with tuned():
            yield first_step(name, ours)
        yield compare(
            name,
            ours,
            plain_step(twin, lambda: plain_clip_ebc_loss(twin, batch.images.float() / 255, batch.points)),
            wanted=at_least(2.5),
            difference=lambda *_: apart,
            tolerance=0.05,
            repeats=9,
        )


def matrix(device: str, *, images: int = 440, part_a: Sequence[tuple[int, int]] | None = None) -> Iterator[Row]:
    """The paper's ten trainings of CSRNet, from the first epochs of one attack and of one repair through `fit`.

    Every attack counts as one on 440 images, though the clean counter has only 400.
    """
    sizes = [size for size, times in PART_A.items() for _ in range(times)] if part_a is None else part_a
    part_b = [random_crowd(number, HEIGHT, WIDTH, HEADS) for number in range(images)]
    other = [random_crowd(number, *size, 500, Adaptive()) for number, size in enumerate(sizes)]
    seconds = 0.0
    for name, crowds in (("attack", part_b), ("repair, Part_A's sizes included", [*part_b[: images - 40], *other])):
        epochs = first_epochs(crowds, device)
        usual = statistics.median(epochs[1:])
        yield Row(
            f"CSRNet {name}: an epoch of {len(crowds)} images, batch 1",
            "",
            f"{duration(usual)}, the first {duration(epochs[0])}",
        )
        seconds += TRAININGS * (epochs[0] + (EPOCHS - 1) * usual)
    yield limit("CSRNet paper matrix, batch 1", seconds / 60, "minutes", wanted=at_most(50))


class _Enough(Exception):
    pass


def first_epochs(crowds: list[Crowd], device: str) -> list[float]:
    """Seconds of the first epochs of a training of 100, from its very start, compilation included."""
    times = [time.perf_counter()]

    def report(epoch: int, loss: float) -> None:
        times.append(time.perf_counter())
        if epoch == MEASURED:
            raise _Enough

    training = Training(lr=1e-5, epochs=EPOCHS, batch_size=1, precision="bf16-mixed")
    with suppress(_Enough):
        fit(build_counter("csrnet"), crowds, training, seed=0, machine=Machine(device), report=report)
    return [later - earlier for earlier, later in pairwise(times)]


def twins(kind: str, device: str) -> tuple[Counter, Counter]:
    """Two counters of the same random weights: ours channels_last, the reference's as it comes."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        counter = build_counter(kind)
    twin = build_counter(kind)
    twin.load_state_dict(counter.state_dict())
    return counter.to(device).to(memory_format=torch.channels_last).train(), twin.to(device).train()


def our_step(counter: Counter, batch: Batch) -> Step:
    """A step as `fit` takes it in bf16, without Lightning around it."""
    module = CounterModule(counter, Training(lr=RATE, precision="bf16-mixed"), steps_per_epoch=1, seed=0)
    optimizer = module.configure_optimizers()["optimizer"]

    def loss_of() -> Tensor:
        with torch.autocast(batch.images.device.type, dtype=torch.bfloat16):
            return module.training_step(batch, 0)

    return steps(loss_of, optimizer)


def plain_step(counter: Counter, loss_of: Step) -> Step:
    return steps(loss_of, torch.optim.Adam(counter.parameters(), lr=RATE))


def steps(loss_of: Step, optimizer: torch.optim.Optimizer) -> Step:
    """Some steps; returns the loss of the first."""

    def some() -> Tensor:
        losses = []
        for _ in range(STEPS):
            loss = loss_of()
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            losses.append(loss.detach())
        return losses[0]

    return some


def plain_csrnet_loss(counter: Counter, images: Tensor, full: Tensor) -> Tensor:
    """The output enlarged to the full size, and the sum of squares there."""
    density = counter.density((images - counter.mean) / counter.std)
    return (functional.interpolate(density, scale_factor=8.0) - full).square().sum() / len(images)


def plain_clip_ebc_loss(counter: BlockwiseCounter, images: Tensor, points: Sequence[Tensor]) -> Tensor:
    """Cross-entropy, and DM-Count one image at a time."""
    logits = counter.logits((images - counter.mean) / counter.std)
    target = counter.target(images, points)
    entropy = functional.cross_entropy(logits, counter.bins.classes(target.squeeze(1)), reduction="none")
    density = counter.people_of(logits)
    loss = entropy.sum(dim=(1, 2)).mean()
    for estimate, true, heads in zip(density, target, points, strict=True):
        people, true_people = estimate.sum(), true.sum()
        normed, normed_true = estimate / people, true / true_people
        rows, columns = (8 * (torch.arange(side, device=images.device) + 0.5) for side in estimate.shape[-2:])
        across = (heads[:, :1] - columns).square().unsqueeze(1)
        down = (heads[:, 1:] - rows).square().unsqueeze(2)
        dual = plain_transport((down + across).flatten(1), normed.detach().flatten())
        transport = (normed.flatten() * dual).sum()
        variation = (normed - normed_true).abs().sum() * true_people
        loss = loss + ((people - true_people).abs() + 0.1 * transport + 0.01 * variation) / len(images)
    return loss


@torch.no_grad()
def plain_transport(cost: Tensor, shares: Tensor) -> Tensor:
    """The density's dual potential after 100 Sinkhorn iterations on exponentials, as DM-Count's authors have them."""
    kernel = torch.exp(cost / -10.0)
    weights = torch.full((len(cost),), 1 / len(cost), device=cost.device)
    scaling = torch.full_like(shares, 1 / len(shares))
    for _ in range(100):
        of_heads = weights / (kernel @ scaling + 1e-16)
        scaling = shares / (kernel.T @ of_heads + 1e-16)
    return 10.0 * torch.log(scaling + 1e-16)


def apart_in_logits(counter: Counter, twin: BlockwiseCounter, images: Tensor) -> float:
    """How far the logits of both ways lie apart, relative to their size."""
    assert isinstance(counter, BlockwiseCounter)
    with torch.no_grad():
        with torch.autocast(images.device.type, dtype=torch.bfloat16):
            ours = counter.logits(counter.normalise(images.float() / 255)).float()
        theirs = twin.logits((images.float() / 255 - twin.mean) / twin.std)
    return float((ours - theirs).norm() / theirs.norm())


@contextmanager
def tuned() -> Iterator[None]:
    """Convolutions are tried in all ways, as `machine.deterministic: false` has it; what is captured keeps the choice.

    The reference keeps PyTorch's default, and so do the epochs of the matrix, which are deterministic.
    """
    before = torch.backends.cudnn.benchmark
    torch.backends.cudnn.benchmark = True
    try:
        yield
    finally:
        torch.backends.cudnn.benchmark = before


def first_step(name: str, step: Step) -> Row:
    """The first steps, in which all is compiled and captured: once a training."""
    start = time.perf_counter()
    step().item()
    return Row(f"{name}: the first ones, compilation included", "", duration(time.perf_counter() - start))


def step_operations(images: int, height: int, width: int, side: int = 64) -> float:
    """Operations of CSRNet's forward and backward pass, counted at a small size, to which they are proportional."""
    counter = build_counter("csrnet")
    with FlopCounterMode(display=False) as operations:
        counter(torch.rand(1, 3, side, side)).sum().backward()
    return float(operations.get_total_flops() * images * height * width / side**2)


def crowded_batch(images: int, height: int, width: int, device: str) -> Batch:
    crowds = [random_crowd(number, height, width, HEADS) for number in range(images)]
    pictures = torch.stack([crowd.image for crowd in crowds]).to(device)
    return Batch(pictures, [crowd.points.to(device) for crowd in crowds], [None] * images)


def random_crowd(seed: int, height: int, width: int, heads: int, kernel: Kernel | None = None) -> Crowd:
    """Noise, and heads anywhere: a step takes as long on it as on a photograph."""
    generator = torch.Generator().manual_seed(seed)
    image = torch.randint(0, 256, (3, height, width), dtype=torch.uint8, generator=generator)
    points = torch.rand(heads, 2, generator=generator) * torch.tensor([width - 0.01, height - 0.01])
    return Crowd(image, points, f"crowd-{seed}", kernel)
