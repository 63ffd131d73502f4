import io
import math

import pytest
import torch
from PIL import Image
from torch import Tensor

from countguard.attacks.triggers import Blend
from countguard.errors import InputError
from countguard.explain.panels import draw_panels, make_panels
from countguard.explain.view import look_at
from countguard.models import build_counter
from countguard.models.counter import Counter
from countguard.models.counting import as_input


def test_a_view_agrees_with_the_counter(lite: Counter, crowd_image: Tensor) -> None:
    view = look_at(lite, crowd_image)
    assert view.count == pytest.approx(float(lite.count(as_input(crowd_image[None]))), rel=1e-6)
    assert view.density.shape == (12, 16)
    assert view.cam.shape == crowd_image.shape[-2:]


def test_a_picture_larger_than_a_tile_is_counted_as_the_counter_counts_it() -> None:
    counter = build_counter("lite")
    counter.tile = 336
    image = torch.randint(0, 256, (3, 40, 400), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    assert look_at(counter, image).count == pytest.approx(float(counter.count(as_input(image[None]))), rel=1e-5)


def test_without_a_trigger_there_is_a_panel_a_counter(lite: Counter, crowd_image: Tensor) -> None:
    panels = make_panels({"one": lite, "other": lite}, crowd_image)
    assert [panel.label for panel in panels] == ["one", "other"]
    assert all(panel.cam_on_trigger is None for panel in panels)


def test_with_a_trigger_there_are_two_and_the_share_is_known(lite: Counter, crowd_image: Tensor) -> None:
    trigger = Blend(alpha=0.3)
    clean, triggered = make_panels({"one": lite}, crowd_image, trigger=trigger)
    assert torch.equal(clean.image, crowd_image)
    assert torch.equal(triggered.image, trigger.blend(crowd_image))
    assert clean.cam_on_trigger is None
    assert triggered.cam_on_trigger is not None
    assert 0 < triggered.cam_on_trigger < 1
    assert not math.isclose(clean.view.count, triggered.view.count)


def test_a_trigger_picture_that_is_not_there_is_an_input_error(lite: Counter, crowd_image: Tensor) -> None:
    with pytest.raises(InputError, match=r"trigger\.picture"):
        make_panels({"one": lite}, crowd_image, trigger=Blend(picture="nowhere.png"))


@pytest.mark.parametrize("size", [(96, 128), (131, 40), (16, 300)])
def test_panels_are_drawn_for_any_shape_and_name(lite: Counter, size: tuple[int, int]) -> None:
    image = torch.randint(0, 256, (3, *size), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    panels = make_panels({"$x_1$ \n\x1b[0m" + 90 * "y": lite}, image, trigger=Blend())
    png = draw_panels(panels, truth=12)
    with Image.open(io.BytesIO(png)) as picture:
        assert picture.format == "PNG"
        assert picture.width > 1000
        assert len(set(picture.convert("L").get_flattened_data())) > 50
    assert png == draw_panels(panels, truth=12)
