import matplotlib as mpl

from countguard.reports.figures.style import (
    ATTACKED,
    CLEAN_COUNTER,
    new_figure,
    repaired_look,
    strategy_look,
    style,
)


def test_style_is_put_back_as_it_was() -> None:
    before = dict(mpl.rcParams)
    with style():
        assert mpl.rcParams["svg.hashsalt"] == "countguard"
    assert dict(mpl.rcParams) == before


def test_style_of_the_user_does_not_reach_the_figures() -> None:
    with mpl.rc_context({"axes.facecolor": "red"}), style():
        assert mpl.rcParams["axes.facecolor"] == "white"


def test_no_figure_joins_pyplots_list() -> None:
    import matplotlib.pyplot as plt

    with style():
        new_figure(2, 2)
    assert plt.get_fignums() == []


def test_series_differ_in_more_than_colour() -> None:
    strategies = [strategy_look(name) for name in ("clean", "add", "minus", "multiply", "divide")]
    assert len({look.colour for look in strategies}) == 5
    assert len({look.marker for look in strategies}) == 5
    counters = [ATTACKED, CLEAN_COUNTER, *(repaired_look(name, ("a", "b", "c")) for name in ("a", "b", "c"))]
    assert len({(look.line, look.marker) for look in counters}) == 5
    assert not {ATTACKED.colour, repaired_look("a", ("a",)).colour} & {look.colour for look in strategies}
