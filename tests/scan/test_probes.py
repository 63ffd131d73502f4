"""Probes are harmless marks that depend on nothing but their seed."""

from collections.abc import Sequence

import pytest
import torch

from countguard.data.crowd import Crowd
from countguard.scan.probes import FAMILIES, Probe, all_probes
from countguard.scan.statistic import GROUPS


@pytest.mark.parametrize("probe", all_probes(1), ids=lambda probe: f"{probe.family}-{probe.strength}")
def test_a_probe_marks_each_image_a_little_and_always_alike(probe: Probe, crowds: Sequence[Crowd]) -> None:
    images = torch.stack([crowd.image for crowd in crowds[:3]])
    before = images.clone()
    marked = probe.mark(images, crowds[:3], crowds, seed=5)
    assert torch.equal(images, before)
    assert marked.dtype == torch.uint8
    assert marked.shape == images.shape
    assert all((one != other).any() for one, other in zip(marked, images, strict=True))
    assert (marked.float() - images.float()).abs().mean() < 40, "it would hide the people"
    assert torch.equal(marked, probe.mark(images, crowds[:3], crowds, seed=5))
    assert not torch.equal(marked, probe.mark(images, crowds[:3], crowds, seed=6))


@pytest.mark.parametrize("family", FAMILIES)
def test_an_image_is_marked_alike_in_any_batch(family: str, crowds: Sequence[Crowd]) -> None:
    probe = Probe(family, FAMILIES[family].strengths[0], 0)
    together = probe.mark(torch.stack([crowd.image for crowd in crowds[:3]]), crowds[:3], crowds, seed=0)
    alone = probe.mark(crowds[2].image[None], crowds[2:3], crowds, seed=0)
    assert torch.equal(together[2:3], alone)


def test_strengths_of_a_family_share_their_picture(crowds: Sequence[Crowd]) -> None:
    image = torch.zeros(1, 3, 48, 64, dtype=torch.uint8)
    faint, strong = (Probe("leaves", strength, 0).mark(image, crowds[:1], crowds, seed=0) for strength in (0.1, 0.2))
    assert (strong.float() - 2 * faint.float()).abs().max() <= 2


def test_every_probe_has_one_group() -> None:
    for probe in all_probes(1):
        assert sum(group.holds(probe.family, probe.strength) for group in GROUPS.values()) == 1
    assert {family for group in GROUPS.values() for family in group.families} == set(FAMILIES)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_probe_can_be_looked_at(family: str, crowds: Sequence[Crowd]) -> None:
    picture = Probe(family, FAMILIES[family].strengths[0], 0).picture(60, 80, crowds, seed=0)
    assert picture.shape == (3, 60, 80)
    assert picture.float().std() > 0 or family in ("flat", "contrast")
