"""Small sets, and what the audit takes from them."""

from collections.abc import Callable, Sequence

import pytest

from countguard.audit.features import canvas_for
from countguard.audit.survey import Survey, gathered, take
from countguard.data.crowd import Crowd
from planted_crowds import planted_crowds

MakeCrowds = Callable[..., list[Crowd]]


@pytest.fixture(scope="session")
def make_crowds() -> MakeCrowds:
    """See `planted_crowds`."""
    return planted_crowds


@pytest.fixture(scope="session")
def surveyed() -> Callable[[Sequence[Crowd]], Survey]:
    """What the audit takes from a set."""

    def of(crowds: Sequence[Crowd]) -> Survey:
        canvas = canvas_for([(crowd.height, crowd.width) for crowd in crowds])
        return gathered((take(crowd, canvas) for crowd in crowds), canvas, len(crowds))

    return of
