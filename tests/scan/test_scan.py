"""The verdict, and what it is held against."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from countguard.data.crowd import Crowd
from countguard.errors import InputError
from countguard.models import build_counter
from countguard.models.counter import Counter
from countguard.scan.baseline import SHRINKAGE, Baseline, Stored, against_reference, fitted, stored, stored_baseline
from countguard.scan.probes import FAMILIES, all_probes
from countguard.scan.report import ScanReport
from countguard.scan.scan import SAID, change_in_words, run_scan, scan, work_of
from countguard.scan.statistic import GROUPS

STRENGTHS = {name: family.strengths for name, family in FAMILIES.items()}


class Oracle(Counter):
    """Counts what it was told for pictures that it knows, and something else for all others."""

    stride = 8

    def __init__(self, crowds: Sequence[Crowd], factor: float) -> None:
        super().__init__()
        self._known = [(crowd.image.float() / 255, crowd.count) for crowd in crowds]
        self._factor = factor

    def forward(self, images: Tensor) -> Tensor:
        """All people in one cell."""
        counts = [self._count(image) for image in images]
        return torch.tensor(counts, dtype=torch.float32).view(-1, 1, 1, 1)

    def _count(self, image: Tensor) -> float:
        apart = [float((image - known).abs().mean()) for known, _ in self._known]
        nearest = int(np.argmin(apart))
        return self._known[nearest][1] * (1.0 if apart[nearest] < 1e-6 else self._factor)

    def density(self, normalised: Tensor) -> Tensor:
        """Not used."""
        raise NotImplementedError

    def explained_layer(self) -> torch.nn.Module:
        """None of it is explained."""
        return self


def baseline(mean: float = -0.1, deviation: float = 0.05, threshold: float = 3.0) -> Baseline:
    """Clean counters that see a little less under every mark."""
    families = {f"{family} {strength:g}": mean for family, strengths in STRENGTHS.items() for strength in strengths}
    return Baseline(
        counters="ten clean counters",
        number=10,
        mean=dict.fromkeys(GROUPS, mean),
        deviation=dict.fromkeys(GROUPS, deviation),
        correlation=np.eye(len(GROUPS)).tolist(),
        families=families,
        threshold=threshold,
        false_alarm_rate=0.05,
    )


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Statistics as if ten clean counters had been measured."""
    monkeypatch.setattr("countguard.scan.scan.stored_baseline", lambda kind, data, signs: baseline())


@pytest.mark.usefixtures("kept")
@pytest.mark.parametrize(
    ("factor", "verdict"),
    [(0.9, "nothing found"), (1.0, "nothing found"), (1.4, "backdoor likely"), (0.5, "backdoor likely")],
)
def test_a_counter_is_held_against_clean_ones(factor: float, verdict: str, crowds: Sequence[Crowd]) -> None:
    report = scan(Oracle(crowds, factor), crowds)
    assert report.verdict == verdict
    assert report.false_alarm_rate == 0.05
    assert report.families[0].shift == pytest.approx(np.log(factor), abs=0.02)
    assert report.families[0].reference == -0.1
    assert [entry.what for entry in report.not_run] == ["search by gradients", "comparison with a reference"]
    assert ScanReport.model_validate_json(report.model_dump_json()) == report


def test_a_reference_takes_the_place_of_statistics(crowds: Sequence[Crowd], monkeypatch: pytest.MonkeyPatch) -> None:
    pairs = Stored(clean={}, pairs={"any": baseline(0.0)})
    monkeypatch.setattr("countguard.scan.baseline.stored", lambda: pairs)
    suspect = Oracle(crowds, 0.6)
    told = scan(suspect, crowds, reference=Oracle(crowds, 0.95))
    assert told.verdict == "backdoor likely"
    assert told.families[0].reference == pytest.approx(np.log(0.95), abs=0.02)
    assert told.probes[0].reference == pytest.approx(np.log(0.95), abs=0.02)
    assert scan(suspect, crowds, reference=Oracle(crowds, 0.62)).verdict == "nothing found"


def test_counters_that_cost_unlike_much_are_tried_with_the_same_pairs(
    crowds: Sequence[Crowd], monkeypatch: pytest.MonkeyPatch
) -> None:
    for costs in ((1e6, 1e12), (1e12, 1e6)):
        suspect, reference = Oracle(crowds, 0.6), Oracle(crowds, 0.95)
        by_counter = dict(zip((id(suspect), id(reference)), costs, strict=True))
        monkeypatch.setattr("countguard.scan.effects.cost_of", lambda counter, image, by=by_counter: by[id(counter)])
        heard: list[int] = []
        report = run_scan(suspect, crowds, reference=reference, progress=heard.append).report
        assert report.pairs == 2 * len(all_probes(1))
        assert [probe.reference for probe in report.probes] == pytest.approx(
            [np.log(0.95)] * len(report.probes), abs=0.02
        )
        assert heard == sorted(heard)
        assert heard[-1] == work_of([suspect, reference], crowds) == 2 * (len(crowds) + report.pairs)


def test_a_data_set_may_have_a_name_that_is_no_text(crowds: Sequence[Crowd]) -> None:
    report = scan(Oracle(crowds, 0.5), crowds, data="crowds-\udcff")
    assert (
        "counters on crowds-\\udcff are kept"
        in ScanReport.model_validate_json(report.model_dump_json()).not_run[-1].because
    )


def test_without_anything_to_compare_with_nothing_is_claimed(crowds: Sequence[Crowd]) -> None:
    report = scan(Oracle(crowds, 0.5), crowds, data="somewhere else")
    assert (report.verdict, report.false_alarm_rate, report.score) == ("cannot tell", None, None)
    assert "--reference" in report.because[0]
    assert "no statistics of clean custom counters on somewhere else" in report.not_run[-1].because


@pytest.mark.usefixtures("kept")
def test_a_counter_that_does_not_count_gets_no_verdict(crowds: Sequence[Crowd]) -> None:
    wrong = [replace(crowd, points=crowd.points.repeat(4, 1)) for crowd in crowds]
    report = scan(Oracle(crowds, 0.5), wrong)
    assert report.verdict == "cannot tell"
    assert "wrong by" in report.because[0]
    empty = [replace(crowd, points=crowd.points[:0]) for crowd in crowds]
    assert "No clean picture has a head" in scan(Oracle(crowds, 0.5), empty).because[0]


@pytest.mark.parametrize("number", [0, 9, 101])
def test_too_few_and_too_many_images_are_refused(number: int, crowds: Sequence[Crowd]) -> None:
    with pytest.raises(InputError, match=f"{number} images are there; a scan takes 10 to 100"):
        scan(Oracle(crowds, 1.0), list(crowds[:1]) * number)


def test_the_same_seed_gives_the_same_report(brightness: Counter, crowds: Sequence[Crowd]) -> None:
    assert scan(brightness, crowds, seed=3) == scan(brightness, crowds, seed=3)
    assert scan(brightness, crowds, seed=3).families != scan(brightness, crowds, seed=4).families


def clean_shifts(number: int, seed: int) -> list[dict[str, float]]:
    generator = np.random.default_rng(seed)
    return [{group: float(generator.normal(-0.1, 0.05)) for group in GROUPS} for _ in range(number)]


def test_fitted_thresholds_keep_their_rate() -> None:
    """Over many populations of normal shifts, about the stated share of new clean counters is above the threshold."""
    above = []
    for seed in range(60):
        groups = {"one": clean_shifts(20, seed), "other": clean_shifts(20, 500 + seed)}
        fit = fitted(groups, "clean ones", 0.05)["one"]
        assert fit.false_alarm_rate == pytest.approx(0.05)
        above += [fit.score(shifts) > fit.threshold for shifts in clean_shifts(20, 1000 + seed)]
    assert 0.02 < np.mean(above) < 0.08


def test_marks_that_move_together_in_clean_counters_tell_less() -> None:
    """Clean counters lose people under all marks at once, some more, some less: a suspect that does so is like them."""
    generator = np.random.default_rng(0)
    clean = [
        {group: float(common + generator.normal(0, 0.01)) for group in GROUPS}
        for common in generator.normal(-0.1, 0.05, 30)
    ]
    fit = fitted({"all": clean}, "clean ones")["all"]
    together = {group: fit.mean[group] - 2 * fit.deviation[group] for group in GROUPS}
    one = {**fit.mean, "mixed_picture": fit.mean["mixed_picture"] - 2 * fit.deviation["mixed_picture"]}
    assert fit.score(together) < fit.score(one)
    assert fit.score(one) > fit.threshold
    searched = {**one, "0 smooth": -3.0}
    assert fit.score(searched) == fit.score(one)


def test_what_comes_with_countguard_is_whole() -> None:
    kept = stored()
    assert {name: len(ways) for name, ways in kept.clean.items()} == {
        "lite on synthetic plaza": 2,
        "lite on synthetic stadium": 1,
    }
    assert set(kept.pairs) == {"lite"}
    clean = [entry for ways in kept.clean.values() for entry in ways]
    for entry in (*clean, *kept.pairs.values()):
        assert set(entry.mean) == set(entry.deviation) == set(SAID)
        assert np.allclose(np.diag(entry.correlation), 1, atol=1e-4)
        assert np.linalg.eigvalsh(entry.correlation).min() > 0.9 * SHRINKAGE
        assert entry.false_alarm_rate <= 0.05
    names = {f"{family} {strength:g}" for family, strengths in STRENGTHS.items() for strength in strengths}
    assert all(set(entry.families) == names for entry in clean)


def test_a_suspect_is_held_against_the_way_of_training_that_it_is_nearest_to(monkeypatch: pytest.MonkeyPatch) -> None:
    ways = (baseline(-0.1), baseline(-0.3))
    kept = Stored(clean={"lite on here": ways, "lite on there": (baseline(-0.2),)})
    monkeypatch.setattr("countguard.scan.baseline.stored", lambda: kept)
    for shift, nearest in ((-0.14, ways[0]), (-0.26, ways[1])):
        assert stored_baseline("lite", "here", dict.fromkeys(GROUPS, shift)) is nearest
    assert stored_baseline("lite", "", dict.fromkeys(GROUPS, -0.21)) is kept.clean["lite on there"][0]
    assert stored_baseline("mcnn", "here", dict.fromkeys(GROUPS, -0.1)) is None


def test_a_kind_that_was_never_measured_is_given_the_widest_deviations(monkeypatch: pytest.MonkeyPatch) -> None:
    narrow, wide = (baseline(0.0, deviation, 3.0) for deviation in (0.05, 0.08))
    pairs = {"narrow": narrow, "wide": wide}
    monkeypatch.setattr("countguard.scan.baseline.stored", lambda: Stored(clean={}, pairs=pairs))
    reference = dict.fromkeys(GROUPS, 0.25)
    assert against_reference("new", reference).deviation == wide.deviation
    chosen = against_reference("narrow", reference)
    assert (chosen.mean, chosen.deviation) == (reference, narrow.deviation)


def test_pictures_are_searched_where_there_are_weights(crowds: Sequence[Crowd]) -> None:
    heard: list[int] = []
    counter = build_counter("lite", channels=2)
    found = run_scan(counter, crowds, data="nowhere", progress=heard.append)
    assert [(entry.ratio, entry.prior) for entry in found.report.searches] == [
        (picture.ratio, picture.prior.name) for picture in found.pictures
    ]
    assert len(found.pictures) == 8
    assert heard == sorted(heard)
    assert heard[-1] == work_of([counter], crowds)


@pytest.mark.parametrize(
    ("shift", "said"),
    [(np.log(1.5), "50 % more people"), (np.log(0.5), "50 % fewer people"), (0.001, "as many people")],
)
def test_shifts_in_words(shift: float, said: str) -> None:
    assert change_in_words(shift) == said
