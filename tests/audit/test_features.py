"""Features lie where the canvas says, and two pictures share no more than what was put into both."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from countguard.audit import store
from countguard.audit.features import (
    FAMILIES,
    SMOOTH,
    Canvas,
    canvas_for,
    features_of,
    octave_of,
    raw_bands,
    whitened,
)
from countguard.audit.store import FeatureStore, coded

CANVAS = Canvas(3, 4, 16)


@given(st.lists(st.tuples(st.integers(8, 3000), st.integers(8, 3000)), min_size=1, max_size=9))
def test_a_canvas_fits_any_set(sizes: list[tuple[int, int]]) -> None:
    canvas = canvas_for(sizes)
    assert canvas.rows >= 2
    assert canvas.columns >= 2
    assert canvas.side in (8, 16, 32, 64)
    assert canvas.size == sum(band.size for band in canvas.compared)
    assert all(any(band.family == family for band in canvas.compared) for family in SMOOTH)
    spans = [span for family in FAMILIES for span in canvas.spans[family]]
    assert [span.start for span in spans] == [0, *(span.stop for span in spans[:-1])]
    assert spans[-1].stop == canvas.size
    black, white = canvas.halves
    assert sorted([*black.tolist(), *white.tolist()]) == list(range(canvas.tiles))


@pytest.mark.parametrize("size", [(8, 8), (24, 40), (80, 96), (110, 110), (8, 900), (900, 8)])
def test_small_pictures_have_values_in_every_family(size: tuple[int, int]) -> None:
    canvas = canvas_for([size] * 3)
    image = torch.randint(0, 256, (3, *size), dtype=torch.uint8)
    features = features_of(raw_bands(image, canvas), canvas)
    assert features.shape == (canvas.size,)
    assert all(canvas.spans[family][0].stop > canvas.spans[family][0].start for family in FAMILIES)


def test_a_canvas_is_not_larger_than_the_pictures_by_much() -> None:
    assert (canvas_for([(768, 1024)]).height, canvas_for([(768, 1024)]).width) == (384, 512)
    assert (canvas_for([(96, 128)]).height, canvas_for([(96, 128)]).width) == (96, 128)


def test_a_band_is_found_again_in_a_row_of_features() -> None:
    image = torch.randint(0, 256, (3, 60, 70), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    octaves = raw_bands(image, CANVAS)
    row = features_of(octaves, CANVAS)
    of_band = {(band.channel, band.level): octave for octave, band in zip(octaves, CANVAS.bands, strict=True)}
    assert len({(band.channel, band.level, band.smooth) for band in CANVAS.compared}) == len(CANVAS.compared)
    for band in CANVAS.compared:
        found = octave_of(lambda _, span: row[None, span], CANVAS, band)[0]
        np.testing.assert_array_equal(found, whitened([of_band[band.channel, band.level]], [band])[0])


def test_octaves_of_a_flat_picture_are_empty() -> None:
    flat = torch.full((3, 48, 64), 77, dtype=torch.uint8)
    assert all(np.abs(octave).max() < 1e-3 for octave in raw_bands(flat, CANVAS))
    assert np.isfinite(features_of(raw_bands(flat, CANVAS), CANVAS)).all()


@pytest.mark.parametrize("in_memory", [0, 1 << 30])
def test_a_store_gives_what_was_put_less_the_mean(in_memory: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "IN_MEMORY", in_memory)
    rows = np.random.default_rng(0).normal(size=(5, CANVAS.size)).astype(np.float32)
    kept = FeatureStore(CANVAS, 5)
    for position in (3, 0, 4, 1, 2):
        kept.put(position, coded(rows[position], CANVAS))
    kept.finish()
    found = kept.rows([4, 1])
    np.testing.assert_allclose(found, (rows - rows.mean(axis=0))[[4, 1]], atol=0.05)
