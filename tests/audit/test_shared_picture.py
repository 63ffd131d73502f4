"""A picture in few images is found, shown, and found again where it is moved; a clean set has none."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from countguard.attacks.blend import mixed
from countguard.attacks.pictures import load_picture
from countguard.audit.likeness import Likeness
from countguard.audit.shared_picture import evenness, shared_pictures
from countguard.audit.survey import Survey
from countguard.data.crowd import Crowd

POISONED = [3, 11, 12, 30]
MakeCrowds = Callable[..., list[Crowd]]
Surveyed = Callable[[Sequence[Crowd]], Survey]


def _correlation(one: Tensor, other: Tensor) -> float:
    first, second = (picture.float().mean(dim=0).flatten() for picture in (one, other))
    return float(torch.corrcoef(torch.stack([first, second]))[0, 1])


def test_the_planted_picture_is_found_and_shown(make_crowds: MakeCrowds, surveyed: Surveyed) -> None:
    crowds = make_crowds(40, POISONED)
    seen = surveyed(crowds)
    found, p = shared_pictures(seen.store, [], lambda place: crowds[place].image, seed=0)
    assert [one.kind for one in found] == ["faint picture"]
    assert found[0].members.tolist() == POISONED
    assert found[0].p < 1e-6
    assert p[POISONED].max() < np.delete(p, POISONED).min()
    assert 0.03 < found[0].recovered.strength < 0.3
    picture = found[0].recovered.picture
    assert _correlation(picture, load_picture("kitten", *picture.shape[1:])) > 0.2


def test_a_clean_set_shares_nothing(make_crowds: MakeCrowds, surveyed: Surveyed) -> None:
    crowds = make_crowds(40)
    found, p = shared_pictures(surveyed(crowds).store, [], lambda place: crowds[place].image, seed=0)
    assert not found
    assert p.min() > 1e-4


def test_what_covers_everything_is_a_scene_and_not_a_faint_picture(make_crowds: MakeCrowds, surveyed: Surveyed) -> None:
    crowds = make_crowds(40, POISONED, alpha=0.9)
    found, _ = shared_pictures(surveyed(crowds).store, [], lambda place: crowds[place].image, seed=0)
    assert found
    assert all(one.kind != "faint picture" for one in found)


def test_a_shifted_and_mirrored_picture_is_found(make_crowds: MakeCrowds, surveyed: Surveyed) -> None:
    crowds = make_crowds(40)
    height, width = crowds[0].height, crowds[0].width
    picture = load_picture("kitten", height + 32, width + 32)
    for step, place in enumerate(range(0, 40, 4)):
        down, across = (7 * step) % 32, (11 * step) % 32
        seen = picture[:, down : down + height, across : across + width]
        seen = (seen.flip(-1) if step % 2 else seen).contiguous()
        crowds[place] = replace(crowds[place], image=mixed(crowds[place].image, seen, 0.15))
    found, _ = shared_pictures(surveyed(crowds).store, [], lambda place: crowds[place].image, seed=0)
    members = {int(place) for one in found if one.kind == "faint picture" for place in one.members}
    assert len(members & set(range(0, 40, 4))) >= 8
    assert not members - set(range(0, 40, 4))


def test_two_views_of_one_scene_are_no_group(make_crowds: MakeCrowds, surveyed: Surveyed) -> None:
    crowds = make_crowds(40)
    moved = crowds[5].image.roll((6, -9), dims=(-2, -1))
    crowds[9] = replace(crowds[9], image=moved)
    found, _ = shared_pictures(surveyed(crowds).store, [], lambda place: crowds[place].image, seed=0)
    assert not [one for one in found if one.aligned]


def test_copies_are_no_evidence_against_each_other(make_crowds: MakeCrowds, surveyed: Surveyed) -> None:
    crowds = make_crowds(30)
    crowds.append(replace(crowds[4], id="again"))
    store = surveyed(crowds).store
    likeness = Likeness(store, range(len(crowds)))
    assert likeness.between(("fine light",))[4, 30] > 5
    likeness.forget([(4, 30)])
    assert abs(likeness.between(("fine light",))[4, 30]) < 5


def test_evenness_tells_a_frame_from_a_picture() -> None:
    everywhere, border = np.full(48, 3.0), np.zeros(48)
    border[:12] = 12
    assert evenness(everywhere) == 1
    assert evenness(border) == 0
    assert evenness(-everywhere) == 0
    assert evenness(np.append(everywhere, np.nan)) == 1


def test_a_tile_counts_by_what_it_tells() -> None:
    """A picture without edges shows on a flat road alone, where all of it shows: that is even."""
    weights = np.full(48, 0.1)
    weights[:12] = 2
    assert evenness(3 * weights, weights) == pytest.approx(1)
    assert evenness(3 * weights) < 0.2
    in_one_tile = np.zeros(48)
    in_one_tile[0] = 12
    assert evenness(in_one_tile, weights) == 0
