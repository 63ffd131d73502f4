"""How far points are from heads: P2PNet's matching (Song et al., ICCV 2021) and APGCC's guidance (Chen et al., 2024).

Fields are [B, 4, h, w], one place an anchor of a regular grid: logits of background and head, and where the anchor's
point lies from it, x then y, pixels. `spacing` is the grid's, pixels.
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

NEAR, FAR = 2.0, 8.0
"""Pixels: APGCC's positive points lie within the first of a head, its negative ones between the two."""
EACH = 2
"""Positive and negative points for each head."""


def matching_loss(
    fields: Tensor,
    points: Sequence[Tensor],
    spacing: float,
    *,
    point_weight: float,
    background_weight: float,
    distance_cost: float,
) -> Tensor:
    """Each head is matched with one anchor; matched anchors learn to be its head and to lie on it, others to be none.

    The mean over the images, [B], is what P2PNet's paper minimises: cross-entropy averaged over all anchors of the
    batch by their weights, plus squared distances averaged over its heads. (Its public code weighs the distances under
    a name that its criterion does not give, and so leaves them out.)

    Args:
        fields: see the module.
        points: B tensors, float32 [heads, 2], pixels.
        spacing: see the module.
        point_weight: of the squared distances.
        background_weight: of anchors that are no head, where heads have 1.
        distance_cost: of a pixel, beside the score, in the matching.
    """
    logits, located = fields[:, :2].flatten(2), anchors(fields, spacing) + fields[:, 2:].flatten(2)
    classes = torch.zeros(logits.shape[0], logits.shape[2], dtype=torch.int64, device=fields.device)
    squared = logits.new_zeros(len(points))
    for image, heads in enumerate(points):
        if not len(heads):
            continue
        chosen, matched = match(logits[image], located[image], heads, distance_cost)
        classes[image, chosen] = 1
        squared[image] = (located[image][:, chosen].T - heads[matched]).square().sum()
    weights = torch.where(classes == 1, 1.0, background_weight)
    entropy = (functional.cross_entropy(logits, classes, reduction="none") * weights).sum(dim=1)
    heads_in_all = max(1, sum(map(len, points)))
    return len(points) * (entropy / weights.sum() + point_weight * squared / heads_in_all)


@torch.no_grad()
def match(logits: Tensor, located: Tensor, heads: Tensor, distance_cost: float) -> tuple[Tensor, Tensor]:
    """The cheapest matching of heads with anchors, one to one, by distance and score (Kuhn, 1955).

    Where there are more heads than anchors, some stay without one.

    Args:
        logits: [2, anchors].
        located: the anchors' points [2, anchors], pixels.
        heads: [heads, 2].
        distance_cost: of a pixel; a score of 1 is worth 1.

    Returns:
        Positions of the anchors and of the heads that are matched, in pairs.
    """
    cost = distance_cost * torch.cdist(located.T, heads) - logits.softmax(dim=0)[1].unsqueeze(1)
    from scipy.optimize import linear_sum_assignment

    anchors, matched = linear_sum_assignment(cost.cpu().numpy())
    return torch.from_numpy(anchors).to(heads.device), torch.from_numpy(matched).to(heads.device)


def guidance_loss(fields: Tensor, points: Sequence[Tensor], spacing: float, point_weight: float) -> Tensor:
    """What the fields should say at points drawn near each head, and at points drawn a little farther: [B].

    APGCC's auxiliary points. Near ones should be heads that lie on this one; farther ones, as far as no other head is
    near, should be none and stay where they are. APGCC reads its features at such points by an implicit function of
    its own; here the fields are interpolated linearly between the anchors.

    Args:
        fields, points, spacing: as `matching_loss`.
        point_weight: of the squared distances.
    """
    losses = []
    for field, heads in zip(fields, points, strict=True):
        if not len(heads):
            losses.append(field.sum() * 0.0)
            continue
        near, farther = _around(heads, 0.0, NEAR), _around(heads, NEAR, FAR)
        alone = torch.cdist(farther, heads).min(dim=1).values > NEAR
        owners = heads.repeat(EACH, 1)
        positive, negative = _between(field, near, spacing), _between(field, farther[alone], spacing)
        ones = torch.ones(len(near), dtype=torch.int64, device=field.device)
        loss = functional.cross_entropy(positive[:, :2], ones)
        loss = loss + point_weight * (near + positive[:, 2:] - owners).square().sum(dim=1).mean()
        if len(negative):
            loss = loss + functional.cross_entropy(negative[:, :2], torch.zeros_like(ones[: len(negative)]))
            loss = loss + point_weight * negative[:, 2:].square().sum(dim=1).mean()
        losses.append(loss)
    return torch.stack(losses)


def anchors(fields: Tensor, spacing: float) -> Tensor:
    """Where the anchors lie: [2, h * w], x then y, pixels."""
    rows, columns = ((torch.arange(side, device=fields.device) + 0.5) * spacing for side in fields.shape[-2:])
    y, x = torch.meshgrid(rows, columns, indexing="ij")
    return torch.stack([x, y]).flatten(1)


def _around(heads: Tensor, low: float, high: float) -> Tensor:
    """`EACH` points for each head, evenly over the ring between two distances: [EACH * heads, 2].

    By torch's generator, as dropout: a training seeds it in each epoch.
    """
    angle, share = torch.rand(2, EACH * len(heads), device=heads.device)
    distance = (low**2 + share * (high**2 - low**2)).sqrt()
    turn = 2 * torch.pi * angle
    return heads.repeat(EACH, 1) + torch.stack([distance * turn.cos(), distance * turn.sin()], dim=1)


def _between(field: Tensor, places: Tensor, spacing: float) -> Tensor:
    """A field [4, h, w] at places [n, 2] between its anchors, linearly; past the border, as at the border: [n, 4]."""
    size = spacing * torch.tensor([field.shape[2], field.shape[1]], device=field.device)
    grid = (2 * places / size - 1).view(1, 1, -1, 2)
    read = functional.grid_sample(field[None], grid, mode="bilinear", padding_mode="border", align_corners=False)
    return read[0, :, 0].T
