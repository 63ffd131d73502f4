"""What is drawn lies inside the axes, or the figure says that it does not."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from countguard.reports.figures import errors, ratio_density, success_and_strength
from countguard.runs.run import Run

MakeRun = Callable[..., Path]


def test_no_peak_of_a_ratio_is_cut(make_run: MakeRun) -> None:
    for drawn in ratio_density.draw(Run.read(make_run(examples=0))):
        for axes in drawn.figure.axes:
            _, top = axes.get_ylim()
            assert top >= max(float(np.max(line.get_ydata())) for line in axes.lines if len(line.get_ydata()) > 2)


def test_a_few_empty_images_do_not_flatten_the_errors_of_the_others(make_run: MakeRun) -> None:
    (drawn,) = errors.draw(Run.read(make_run(examples=0)))
    for axes in drawn.figure.axes:
        shades = np.concatenate([path.vertices[:, 1] for shade in axes.collections for path in shade.get_paths()])
        low, high = axes.get_ylim()
        inside = ((shades >= low) & (shades <= high)).mean()
        assert inside > 0.5
        assert high - low < 12 * max(float(np.quantile(shades, 0.75) - np.quantile(shades, 0.25)), 30)


def test_a_sweep_shows_the_clean_counter_and_the_strengths_that_were_measured(make_run: MakeRun) -> None:
    run = Run.read(make_run(examples=0))
    measured = {row.share for cell in run.cells for row in cell.card.by_share}
    (drawn,) = success_and_strength.draw(run)
    assert len(measured) > 1
    assert "clean counter" in {text.get_text() for text in drawn.figure.legends[0].get_texts()}
    for axes in drawn.figure.axes:
        assert {float(x) for line in axes.lines for x in line.get_xdata()} == measured
        assert {float(tick) for tick in axes.get_xticks()} <= measured
