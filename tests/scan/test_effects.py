"""The measurement under every verdict."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from countguard.data.crowd import Crowd
from countguard.errors import InputError
from countguard.journal import journal_at
from countguard.models import build_counter
from countguard.models.counter import Counter
from countguard.models.counting import PIXELS_A_BATCH
from countguard.scan.effects import FEWEST, LEAST_IMAGES, Effects, Plan, cost_of, measure_effects, plan_for
from countguard.scan.probes import Probe, all_probes
from countguard.scan.statistic import group_shifts, shifts_of
from scan_counters import Brightness
from tiny_crowds import tiny_crowd


def test_a_mark_is_measured_against_the_same_image(brightness: Counter, crowds: Sequence[Crowd]) -> None:
    probe = Probe("flat", 0.2, 1)
    effects = measure_effects(brightness, crowds, Plan((probe,), len(crowds)), seed=0)
    marked = probe.mark(torch.stack([crowd.image for crowd in crowds]), crowds, crowds, seed=0)
    expected = np.log(brightness.count(marked).double() / effects.clean)
    assert effects.log_ratios[0] == pytest.approx(expected.numpy(), abs=1e-4)
    assert effects.truths.tolist() == [crowd.count for crowd in crowds]


def test_images_of_several_sizes_are_all_measured(brightness: Counter) -> None:
    crowds = [tiny_crowd(str(index), height=40 + index, width=48, seed=index) for index in range(FEWEST)]
    plan = Plan((Probe("noise", 0.1, 0), Probe("crowd", 0.1, 0), Probe("rain", 0.3, 0)), 4)
    effects = measure_effects(brightness, crowds, plan, seed=0)
    assert (~np.isnan(effects.probed)).sum(axis=1).tolist() == [4, 4, 4]
    assert effects.ids == tuple(crowd.id for crowd in crowds)


def test_progress_hears_of_every_picture(brightness: Counter, crowds: Sequence[Crowd]) -> None:
    heard: list[int] = []
    plan = Plan(tuple(all_probes(1)), 5)
    measure_effects(brightness, crowds, plan, 0, heard.append)
    assert heard == sorted(heard)
    assert heard[-1] == len(crowds) + 5 * len(plan.probes)


@given(st.integers(1, 60), st.integers(1, 40), st.data())
def test_each_probe_has_as_many_images_and_each_image_about_as_many_probes(
    images: int, probes: int, data: st.DataObject
) -> None:
    each = data.draw(st.integers(1, images))
    plan = Plan(tuple(Probe("flat", 0.1, number) for number in range(probes)), each)
    tried = np.array([[plan.tried(probe, image, images) for image in range(images)] for probe in range(probes)])
    assert (tried.sum(axis=1) == each).all()
    assert np.ptp(tried.sum(axis=0)) <= 1


def test_a_costly_counter_is_tried_with_fewer_pairs_and_still_with_every_family() -> None:
    large = tiny_crowd("large", height=768, width=1024)
    crowds = [large] * 20
    lite, csrnet = build_counter("lite"), build_counter("csrnet")
    light, heavy = plan_for(lite, crowds), plan_for(csrnet, crowds)
    assert light.images == 20
    assert heavy.images < 10
    assert {probe.family for probe in heavy.probes} == {probe.family for probe in light.probes}
    # 325 GMAC, the published figure (Li et al., 2018, count a multiplication with its addition once)
    assert cost_of(csrnet, large.image) == pytest.approx(2 * 325e9, rel=0.02)
    assert heavy.images >= LEAST_IMAGES


def test_numbers_that_are_none_end_in_one_line(crowds: Sequence[Crowd]) -> None:
    counter = build_counter("lite")
    torch.nn.init.constant_(counter.get_parameter("head.bias"), float("nan"))
    with pytest.raises(InputError, match="no finite number"):
        measure_effects(counter, crowds, Plan((Probe("flat", 0.1, 0),), 3), seed=0)


def test_numbers_that_are_none_under_a_probe_alone_are_no_pairs_that_were_not_tried(crowds: Sequence[Crowd]) -> None:
    class Fragile(Brightness):
        """Counts the pictures that it knows."""

        def density(self, normalised: Tensor) -> Tensor:
            known = [any(torch.equal(image, crowd.image / 255) for crowd in crowds) for image in normalised]
            counts = super().density(normalised)
            return counts.masked_fill(~torch.tensor(known)[:, None, None, None], float("nan"))

    with pytest.raises(InputError, match="no finite number"):
        measure_effects(Fragile(), crowds, Plan((Probe("flat", 0.1, 0),), 3), seed=0)


def test_a_measurement_may_go_on_with_batches_of_another_size(
    brightness: Counter, crowds: Sequence[Crowd], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = Plan((Probe("noise", 0.1, 0),), 4)
    whole = measure_effects(brightness, crowds, plan, seed=0)
    for images in (5, 12, 5):
        monkeypatch.setitem(PIXELS_A_BATCH, "cpu", images * 48 * 64)
        with journal_at(tmp_path / "kept", {"verb": "scan"}) as kept:
            effects = measure_effects(brightness, crowds, plan, seed=0, kept=kept)
        assert effects.clean == pytest.approx(whole.clean)
        assert effects.probed == pytest.approx(whole.probed, nan_ok=True)


def synthetic_effects(by_probe: Sequence[float], images: int, noise: float = 0.0) -> Effects:
    """Effects whose log ratios are known: one number a probe, and noise by image."""
    generator = np.random.default_rng(0)
    shifts = np.array(by_probe)[:, None] + noise * generator.standard_normal((1, images))
    probes = tuple(Probe("leaves", 0.1, number) for number in range(len(by_probe)))
    clean = np.full(images, 50.0)
    return Effects(tuple(map(str, range(images))), clean, clean, probes, clean * np.exp(shifts))


def test_the_interval_covers_other_images_and_other_probes() -> None:
    steady = shifts_of(synthetic_effects([0.3] * 6, 20))[0]
    assert (steady.low, steady.shift, steady.high) == pytest.approx((0.3, 0.3, 0.3))
    by_image = shifts_of(synthetic_effects([0.3] * 6, 20, noise=0.2))[0]
    by_probe = shifts_of(synthetic_effects([0.0, 0.6] * 3, 20))[0]
    assert by_image.high - by_image.low > 0.1
    assert by_probe.high - by_probe.low > 0.2
    assert by_probe.low < by_probe.shift < by_probe.high


def test_pairs_that_were_not_tried_have_no_say() -> None:
    whole = synthetic_effects([0.2] * 4, 10)
    probed = whole.probed.copy()
    probed[:, ::2] = np.nan
    part = Effects(whole.ids, whole.truths, whole.clean, whole.probes, probed)
    assert shifts_of(part)[0].shift == pytest.approx(0.2)


def test_groups_are_means_over_their_families(brightness: Counter, crowds: Sequence[Crowd]) -> None:
    shifts = shifts_of(measure_effects(brightness, crowds, Plan(tuple(all_probes(1)), 4), seed=0))
    groups = group_shifts(shifts)
    rain = [shift.shift for shift in shifts if shift.family == "rain"]
    assert groups["rain"] == pytest.approx(np.mean(rain))
    assert groups["rain"] > 0, "white drops are bright"


def test_an_interrupted_measurement_goes_on_and_ends_alike(brightness: Counter, tmp_path: Path) -> None:
    crowds = [tiny_crowd(str(index), height=40 + index // 3, width=48, seed=index) for index in range(FEWEST)]
    plan = Plan((Probe("noise", 0.1, 0), Probe("crowd", 0.1, 0)), 4)
    whole = measure_effects(brightness, crowds, plan, seed=0)

    def measured() -> Effects:
        with journal_at(tmp_path / "kept", {"verb": "scan"}) as kept:
            return measure_effects(brightness, crowds, plan, seed=0, kept=kept.part("counter"))

    def stop(done: int) -> None:
        if done > 10:
            raise KeyboardInterrupt

    with journal_at(tmp_path / "kept", {"verb": "scan"}) as kept, pytest.raises(KeyboardInterrupt):
        measure_effects(brightness, crowds, plan, seed=0, progress=stop, kept=kept.part("counter"))
    heard: list[int] = []
    for _ in range(2):  # the second time, everything is known
        for name in ("clean", "probed", "truths"):
            assert np.array_equal(getattr(measured(), name), getattr(whole, name), equal_nan=True)
    with journal_at(tmp_path / "kept", {"verb": "scan"}) as kept:
        measure_effects(Refusing(), crowds, plan, seed=0, progress=heard.append, kept=kept.part("counter"))
    assert heard[-1] == len(crowds) + int((~np.isnan(whole.probed)).sum())


class Refusing(Brightness):
    """Has nothing to count any more."""

    def density(self, normalised: Tensor) -> Tensor:
        raise AssertionError("counted again")
