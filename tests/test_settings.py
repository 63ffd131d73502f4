"""Settings are frozen values that refuse what they do not know, and say so in one line."""

from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field, TypeAdapter, ValidationError, model_validator

from countguard.settings import Settings, first_error


class Square(Settings):
    kind: Literal["square"] = "square"
    side: Annotated[float, Field(gt=0)] = 1.0

    @model_validator(mode="after")
    def _small(self) -> "Square":
        if self.side > 100:
            raise ValueError("side: at most 100\nand not more")
        return self


class Circle(Settings):
    kind: Literal["circle"] = "circle"
    radius: float = 1.0


class Drawing(Settings):
    shapes: tuple[Annotated[Square | Circle, Field(discriminator="kind")], ...] = ()


def error_of(raw: Any) -> str:
    with pytest.raises(ValidationError) as caught:
        Drawing.model_validate(raw)
    return first_error(caught.value)


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        ({"colour": 1}, "colour: Extra inputs are not permitted; got 1"),
        ({"shapes": [{"kind": "square", "side": 0}]}, "shapes.0.square.side: Input should be greater than 0; got 0"),
        ({"shapes": [{"kind": "circle", "radius": float("inf")}]}, "shapes.0.circle.radius: Input should be a finite"),
        ({"shapes": [{"kind": "circle", "radius": float("nan")}]}, "shapes.0.circle.radius: Input should be a finite"),
        ({"shapes": [{"side": 3}]}, "shapes.0: its kind is missing; got {'side': 3}"),
        ({"shapes": [{"kind": "star"}]}, "'square', 'circle'"),
        ({"shapes": [{"kind": "square", "side": 101}]}, "shapes.0.square: side: at most 100; got"),
        (3, "the whole: "),
    ],
)
def test_what_is_wrong_is_named_with_what_was_given(raw: Any, says: str) -> None:
    assert says in error_of(raw)


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        ({"shape": []}, "shape: Extra inputs are not permitted; got []; did you mean shapes?"),
        ({"shapes": [{"kind": "circle", "raduis": 2}]}, "raduis: Extra inputs are not permitted; got 2; did you mean"),
        ({"shapes": [{"kind": "circle", "raduis": 2}]}, "shapes.0.circle.radius?"),
        ({"shapes": [{"kind": "circle", 7: 2}]}, "shapes.0.circle.7: Extra inputs are not permitted; got 2"),
    ],
)
def test_a_misspelt_setting_is_told_which_may_be_meant(raw: Any, says: str) -> None:
    assert says in error_of(raw)


@given(given=st.text(min_size=1, max_size=2000) | st.lists(st.text(), min_size=50, max_size=100))
def test_the_line_stays_short_whatever_was_given(given: Any) -> None:
    line = error_of({"shapes": given})
    assert len(line) < 350
    assert "\n" not in line


def test_settings_are_values() -> None:
    assert Square(side=2) == Square(side=2) != Square()
    assert hash(Square(side=2)) == hash(Square(side=2))
    with pytest.raises(ValidationError, match="frozen"):
        Square().side = 3  # type: ignore[misc]


@given(sides=st.lists(st.floats(0.01, 100), max_size=4))
def test_a_dump_makes_the_same_settings_again(sides: list[float]) -> None:
    drawing = Drawing(shapes=tuple(Square(side=side) for side in sides))
    assert TypeAdapter(Drawing).validate_json(drawing.model_dump_json()) == drawing
    assert Drawing.model_validate(drawing.model_dump(mode="json")) == drawing
