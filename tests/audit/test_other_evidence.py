"""Copies, marks in one place, and labels that give themselves away."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from countguard.attacks.patch import Patch
from countguard.attacks.strategies import Add, Minus, Multiply
from countguard.audit import copies
from countguard.audit import local_marks as module_of_marks
from countguard.audit.copies import find_copies
from countguard.audit.features import Canvas
from countguard.audit.label_estimates import LabelErrors, standard_errors
from countguard.audit.local_marks import LocalMark, local_marks
from countguard.audit.point_patterns import point_patterns
from countguard.audit.recovery import Recovered
from countguard.audit.shared_picture import Kind, SharedPicture
from countguard.audit.survey import SMALL, Survey
from countguard.audit.verdict import Case, _apart
from countguard.data.crowd import Crowd
from countguard.seeds import generator_for

MakeCrowds = Callable[..., list[Crowd]]
Surveyed = Callable[[Sequence[Crowd]], Survey]


def test_a_faintly_blended_copy_is_found(make_crowds: MakeCrowds, surveyed: Surveyed) -> None:
    crowds = make_crowds(20)
    crowds.append(replace(make_crowds(20, [6])[6], id="copy"))
    assert find_copies(surveyed(crowds).small, SMALL, 0) == [(6, 20)]


def test_copies_are_found_among_very_many_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pairs are screened by projections there; with the same pictures, the same pairs are found."""
    generator = np.random.default_rng(0)
    small = generator.normal(scale=20, size=(300, 48 * 64)).astype(np.float32)
    for copy, original in ((280, 3), (281, 117), (299, 280)):
        small[copy] = small[original] + generator.normal(scale=2, size=48 * 64)
    exact = find_copies(small, SMALL, 0)
    monkeypatch.setattr(copies, "_MANY", 100)
    assert find_copies(small, SMALL, 0) == exact == [(3, 280), (3, 299), (117, 281), (280, 299)]


def test_a_mark_is_found_among_very_many_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures are held against some that are drawn there, among which three have the mark."""
    generator = np.random.default_rng(0)
    windows = generator.integers(-120, 120, (200, 8, 256)).astype(np.int8)
    members = np.arange(5, 200, 9)
    windows[members, 2] = windows[0, 2]
    expected = np.concatenate([[0], members]).tolist()
    canvas = Canvas(2, 2, 16)
    monkeypatch.setattr(module_of_marks, "COMPARED", 60)
    (mark,) = (mark for mark in local_marks(windows, canvas, 0) if len(mark.members) > 3)
    assert mark.members.tolist() == expected


def test_a_mark_is_found_beside_empty_windows() -> None:
    """Where nothing is, a window is not even like itself: here as many are so as pairs are alike."""
    windows = np.random.default_rng(0).integers(-120, 120, (40, 8, 256)).astype(np.int8)
    windows[[3, 11, 29], 2] = windows[3, 2]
    windows[[0, 5, 17, 20, 31, 38], 2] = 0
    marks = local_marks(windows, Canvas(2, 2, 16), 0)
    assert [mark.members.tolist() for mark in marks] == [[3, 11, 29]]


@given(st.lists(st.lists(st.integers(0, 9), min_size=1, unique=True), max_size=6))
def test_marks_that_share_no_half_of_their_images_are_apart(groups: list[list[int]]) -> None:
    found = _apart([np.array(group) for group in groups])
    expected = [[len({*one} & {*other}) < len(other) / 2 for other in groups] for one in groups]
    assert found.tolist() == expected


def test_a_scene_seen_often_is_no_copy(make_crowds: MakeCrowds, surveyed: Surveyed) -> None:
    crowds = make_crowds(20)
    crowds += [replace(crowds[0], id=f"again-{number}") for number in range(5)]
    assert not find_copies(surveyed(crowds).small, SMALL, 0)


def test_a_patch_is_found_where_it_is(make_crowds: MakeCrowds, surveyed: Surveyed) -> None:
    crowds = make_crowds(40)
    patch = Patch(corner="top_left", side=0.3)
    for place in (2, 9, 17, 33):
        image, points = patch(crowds[place].image, crowds[place].points, generator_for(0))
        crowds[place] = replace(crowds[place], image=image, points=points)
    seen = surveyed(crowds)
    marks = local_marks(seen.windows, seen.store.canvas, 0)
    assert marks[0].members.tolist() == [2, 9, 17, 33]
    assert marks[0].place == "top left"
    assert not local_marks(surveyed(make_crowds(40)).windows, seen.store.canvas, 0)


@given(st.lists(st.integers(0, 60), min_size=8, max_size=20), st.integers(0, 2**32))
def test_random_labels_show_no_pattern(counts: list[int], seed: int) -> None:
    generator = np.random.default_rng(seed)
    points = [generator.uniform(0, (640, 480), (count, 2)).astype(np.float32) for count in counts]
    single = [pattern for pattern in point_patterns(points, np.array(counts, float)) if len(pattern.images) == 1]
    assert all(pattern.p > 1e-4 for pattern in single)


def test_strategies_leave_their_patterns_in_labels() -> None:
    generator = torch.Generator().manual_seed(0)
    labels = [torch.rand(30 + 3 * place, 2, generator=generator) * torch.tensor([1024, 768]) for place in range(40)]
    labels[7] = Multiply()(labels[7], 768, 1024, generator)
    labels[8] = Add(variant="reference-code")(labels[8], 768, 1024, generator)
    for place in range(20, 26):
        labels[place] = Minus(heads=1000)(labels[place], 768, 1024, generator)
    patterns = point_patterns([label.numpy() for label in labels], np.array([len(label) for label in labels], float))
    assert {pattern.images for pattern in patterns if pattern.p < 1e-3} == {(7,), (8,), tuple(range(20, 26))}
    assert any("(1, 1) pixels" in pattern.says for pattern in patterns)


def test_labels_of_a_group_that_err_to_one_side_are_no_chance() -> None:
    draws = np.random.default_rng(0)
    errors, looks = draws.normal(size=300), draws.normal(size=(300, 3))
    of_all = LabelErrors(np.zeros(300), None, errors, looks, "nobody")
    assert of_all.of_group(range(20), seed=0)[1] > 1e-3
    errors[:20] -= 2
    shift, p = of_all.of_group(range(20), seed=0)
    assert shift < -1
    assert p < 1e-6


def test_pictures_that_look_alike_may_be_estimated_wrongly_alike() -> None:
    draws = np.random.default_rng(0)
    scenes = np.arange(300) // 10
    looks = draws.normal(size=(30, 3))[scenes] + 0.01 * draws.normal(size=(300, 3))
    errors = draws.normal(size=30)[scenes] + 0.3 * draws.normal(size=300)
    worst = int(errors.reshape(30, 10).mean(axis=1).argmax())
    members = range(10 * worst, 10 * worst + 10)
    shift, p = LabelErrors(np.zeros(300), None, errors, looks, "nobody").of_group(members, seed=0)
    assert shift > 1.5
    assert p > 1e-3
    errors[members] -= 7
    assert LabelErrors(np.zeros(300), None, errors, looks, "nobody").of_group(members, seed=0)[1] < 1e-6


def test_a_mark_is_accused_where_it_errs_by_more_than_the_other_marks_do(
    make_crowds: MakeCrowds, surveyed: Surveyed
) -> None:
    seen = surveyed(make_crowds(20))
    seen = replace(seen, ids=[f"{place}" for place in range(300)], points=[np.zeros((0, 2), np.float32)] * 300)
    draws = np.random.default_rng(0)
    looks, still = draws.normal(size=(300, 3)), 0.5 * draws.normal(size=300)
    marks = [LocalMark(np.arange(start, start + 30), 0.01, "top") for start in range(0, 180, 30)]

    def accused(errors: list[float]) -> list[bool]:
        erring = still.copy()
        erring[:180] += np.repeat(errors, 30)
        case = Case(seen, LabelErrors(np.zeros(300), None, erring, looks, "nobody"), 0)
        case.add_marks(marks)
        return [group.verdict == "suspicious" for group in case.report().groups]

    assert accused([-2, 0, 0, 0, 0, 0]) == [True, *[False] * 5]
    assert accused([-2, -1.7, -1.5, -1.8, -1.6, -1.9]) == [False] * 6


def test_a_picture_without_edges_is_accused_by_labels_alone(make_crowds: MakeCrowds, surveyed: Surveyed) -> None:
    """It may be the shading of a lens."""
    seen = surveyed(make_crowds(20))
    seen = replace(seen, ids=[f"{place}" for place in range(300)], points=[np.zeros((0, 2), np.float32)] * 300)
    draws = np.random.default_rng(0)
    looks, errors = draws.normal(size=(300, 3)), 0.5 * draws.normal(size=300)
    nothing = Recovered(torch.zeros(3, 8, 8, dtype=torch.uint8), 0.02, np.zeros(48, bool))

    def verdict_of(kind: Kind, errs: float) -> str:
        erring = errors.copy()
        erring[:30] += errs
        case = Case(seen, LabelErrors(np.zeros(300), None, erring, looks, "nobody"), 0)
        case.add_shared([SharedPicture(kind, np.arange(30), nothing, 1e-9)], np.ones(300))
        return case.report().groups[0].verdict

    assert verdict_of("smooth picture", 0) == "nothing found"
    assert verdict_of("smooth picture", -2) == "poisoned"
    assert verdict_of("faint picture", 0) == "suspicious"


def test_errors_are_told_beside_images_that_are_estimated_alike() -> None:
    draws = np.random.default_rng(0)
    estimates = draws.permutation(np.linspace(5, 200, 400))
    spread = 0.1 + 2 / estimates
    ratios = -3 / estimates + spread * draws.normal(size=400)
    errors = standard_errors(ratios, estimates)
    emptiest = np.argsort(estimates)[:100]
    assert abs(errors[emptiest].mean()) < 0.3
    assert 0.8 < errors[emptiest].std() < 1.4
    poisoned = draws.permutation(400)[:40]
    ratios[poisoned] -= 1
    assert standard_errors(ratios, estimates)[poisoned].mean() < -2
