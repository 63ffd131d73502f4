"""The picture that `countguard explain` draws: input, density map and Grad-CAM of one or more counters."""

import io
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from torch import Tensor

from countguard.attacks.triggers import Trigger
from countguard.drawings import SOFTWARE
from countguard.errors import one_line
from countguard.explain.cam_on_trigger import cam_on_trigger
from countguard.explain.view import View, look_at
from countguard.glyphs import spell_out
from countguard.models.counter import Counter

DENSITY_COLOURS = "inferno"
CAM_COLOURS = "viridis"
"""Two different colour maps, so that they are not confused. Both rise evenly in lightness, so they work in grey too."""
_STRONGEST = 0.1
_COLUMN_INCHES = 3.1
_BAR_INCHES = 0.55


@dataclass(frozen=True, slots=True, eq=False)
class Panel:
    """One row of the drawing: a picture as one counter sees it.

    Attributes:
        label: which counter, and whether the picture contains the trigger.
        image: uint8 [3, H, W].
        view: count, density map and Grad-CAM of the counter.
        cam_on_trigger: part of Grad-CAM on the strongest tenth of the trigger's pixels; None without a trigger.
    """

    label: str
    image: Tensor
    view: View
    cam_on_trigger: float | None = None


def make_panels(
    counters: Mapping[str, Counter], image: Tensor, *, trigger: Trigger | None = None, seed: int = 0
) -> list[Panel]:
    """One panel for each counter, or with a trigger two: without and with the trigger.

    Args:
        counters: by the names to show.
        image: uint8 [3, H, W], at most `view.MAX_PIXELS`.
        trigger: put on the image; None for none.
        seed: of the trigger's random parts.

    Raises:
        InputError: the trigger's picture cannot be read.
    """
    if trigger is None:
        return [Panel(name, image, look_at(counter, image)) for name, counter in counters.items()]
    marked, _ = trigger(image, torch.zeros(0, 2), torch.Generator().manual_seed(seed))
    picture = trigger.picture_for(int(image.shape[-2]), int(image.shape[-1]))
    panels = []
    for name, counter in counters.items():
        view = look_at(counter, marked)
        share = None if picture is None else cam_on_trigger(view.cam, picture, _STRONGEST)
        panels.append(Panel(f"{name}, clean image", image, look_at(counter, image)))
        panels.append(Panel(f"{name}, with the trigger", marked, view, share))
    return panels


def draw_panels(panels: list[Panel], *, truth: int | None = None) -> bytes:
    """The panels as PNG, one row for each: picture, density map with the count, Grad-CAM. All maps share one scale.

    Args:
        panels: from `make_panels`, at least one.
        truth: number of people, if it is known.
    """
    height, width = panels[0].image.shape[-2:]
    row_inches = min(2 * _COLUMN_INCHES, max(1.2, _COLUMN_INCHES * height / width)) + 0.3
    figure = Figure(figsize=(3 * _COLUMN_INCHES + 0.4, row_inches * len(panels) + _BAR_INCHES))
    figure.set_layout_engine("constrained", h_pad=0.07)
    rows = [row_inches] * len(panels) + [_BAR_INCHES / 4]
    grid = figure.subplots(len(rows), 3, squeeze=False, gridspec_kw={"height_ratios": rows})
    top = max(max(float(panel.view.density.max()) for panel in panels), 1e-6)
    for (shown, density, attention), panel in zip(grid[:-1], panels, strict=True):
        _draw(shown, panel.image.permute(1, 2, 0), panel.label)
        counted = f"counts {panel.view.count:.1f}" + ("" if truth is None else f", true {truth}")
        people = _draw(density, panel.view.density, counted, cell=panel.view.stride, colours=DENSITY_COLOURS, top=top)
        density.set(xlim=(0, width), ylim=(height, 0))
        _draw(attention, panel.image.float().mean(dim=0), "", colours="gray", top=255)
        share = _share_text(panel.cam_on_trigger)
        cam = _draw(attention, panel.view.cam, f"Grad-CAM{share}", colours=CAM_COLOURS, top=1, alpha=0.75)
    grid[-1, 0].set_axis_off()
    for place, mappable, words in ((1, people, "people per map cell"), (2, cam, "Grad-CAM, fraction of its peak")):
        bar = figure.colorbar(mappable, cax=grid[-1, place], orientation="horizontal")
        bar.set_label(words, fontsize=8)
        bar.ax.tick_params(labelsize=8)
    spell_out(figure)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=150, metadata=SOFTWARE)
    return buffer.getvalue()


def _draw(
    axes: Axes,
    values: Tensor,
    title: str,
    *,
    cell: int = 1,
    colours: str | None = None,
    top: float | None = None,
    alpha: float = 1.0,
) -> AxesImage:
    """Shows a picture or a map of 0..top, in pixels of the image; each value covers `cell` x `cell` pixels."""
    height, width = values.shape[:2]
    extent = (0.0, float(width * cell), float(height * cell), 0.0)
    axes.set_title(one_line(title)[:60], fontsize=9, loc="left", parse_math=False)
    axes.set_axis_off()
    low = None if top is None else 0.0
    return axes.imshow(
        values.numpy(), extent=extent, interpolation="nearest", cmap=colours, vmin=low, vmax=top, alpha=alpha
    )


def _share_text(share: float | None) -> str:
    return "" if share is None else f": {share:.0%} on the trigger's strongest {_STRONGEST:.0%}"
