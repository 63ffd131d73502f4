"""Overfit 16 embedded crowds with CLIP-EBC from random weights: its loss, targets and gradients fit together.

    python scripts/overfit_clip_ebc.py | tee docs/logs/overfit_clip_ebc.txt

Prints a line every ten epochs and ends once the mean absolute error is below 5 % of the mean count, or with exit code 1
after `--epochs`. No image is held back: this is a test of the machinery, not a result.
"""

import argparse
import sys
import time

import torch
from torch import Tensor

from countguard.data.synthetic import Synthetic
from countguard.models import Counter, build_counter
from countguard.models.counting import as_input, count_crowds

WANTED = 0.05
"""Mean absolute error over the mean count."""


def main() -> int:
    """Train, print, and say by the exit code whether it went well."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=200)
    parser.add_argument("--images", type=int, default=16)
    parser.add_argument("--height", type=int, default=48)
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--lr", type=float, default=1e-4)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)

    source = Synthetic(
        train=arguments.images, height=arguments.height, width=arguments.width, heads=(5, 60), seed=arguments.seed
    )
    crowds = list(source.crowds("train"))
    images = as_input(torch.stack([crowd.image for crowd in crowds]))
    points = [crowd.points for crowd in crowds]
    counts = torch.tensor([float(crowd.count) for crowd in crowds])
    torch.manual_seed(arguments.seed)
    counter = build_counter("clip_ebc")
    counter.prepare(crowds)
    parameters = [parameter for parameter in counter.parameters() if parameter.requires_grad]
    optimizer = torch.optim.Adam(parameters, lr=arguments.lr, fused=True)
    trained = sum(parameter.numel() for parameter in parameters)
    print(f"# torch {torch.__version__}, {arguments.threads} thread, {vars(arguments)}")
    print(
        f"# {trained} trained parameters, bins {counter.settings()['bins']['values']}, mean count {counts.mean():.1f}"
    )
    print("epoch  loss       MAE    share  seconds", flush=True)
    started = time.monotonic()
    for epoch in range(1, arguments.epochs + 1):
        loss = epoch_of(counter, optimizer, images, points)
        if epoch % 10 and epoch > 1:
            continue
        error = (count_crowds(counter, crowds) - counts).abs().mean().item()
        share = error / counts.mean().item()
        print(f"{epoch:5d}  {loss:9.3f}  {error:6.2f}  {share:5.3f}  {time.monotonic() - started:7.0f}", flush=True)
        if share < WANTED:
            return 0
    return 1


def epoch_of(
    counter: Counter, optimizer: torch.optim.Optimizer, images: Tensor, points: list[Tensor], size: int = 8
) -> float:
    """One pass in batches of `size`; the mean loss."""
    counter.train()
    losses = []
    for batch in torch.split(torch.randperm(len(images)), size):
        optimizer.zero_grad()
        loss = counter.loss(images[batch], [points[index] for index in batch.tolist()])
        torch.autograd.backward(loss)
        optimizer.step()
        losses.append(loss.item())
    return sum(losses) / len(losses)


if __name__ == "__main__":
    sys.exit(main())
