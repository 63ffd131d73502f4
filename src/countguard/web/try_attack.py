"""From the values of the page's controls to the HTML of counts and maps."""

from collections.abc import Mapping
from pathlib import Path

from countguard.attacks.triggers import Blend
from countguard.errors import InputError, RunError
from countguard.web.comparison import compare, read_upload
from countguard.web.counter_cache import CounterCache
from countguard.web.page import comparison_html, problem_html
from countguard.web.runs import Scene


class TryAttack:
    """Computes the page's result; stores nothing about a visitor, because every request holds all values.

    Args:
        scenes: pictures by the names that the page offers.
        counters: files by the names that the page offers.
    """

    def __init__(self, scenes: Mapping[str, Scene], counters: Mapping[str, Path]) -> None:
        self._scenes = scenes
        self._counters = counters
        self._kept = CounterCache()

    def answer(
        self,
        scene: str,
        own_image: str | None,
        picture: str,
        own_picture: str | None,
        share: float,
        chosen: list[str],
        own_counter: str | None,
    ) -> str:
        """Counts and maps, or one sentence about an error, as HTML.

        Args:
            scene: name of an offered picture.
            own_image: path of a picture that takes its place.
            picture: name of a built-in trigger.
            own_picture: path of a picture that takes its place.
            share: the trigger's, 0 to 1.
            chosen: names of offered counters.
            own_counter: path of one more.
        """
        try:
            looked_at = Scene(read_upload(own_image), None) if own_image else self._scenes[scene]
            if own_picture:
                read_upload(own_picture)  # the trigger reads it again, without this page's limits
            counters = {name: self._counters[name] for name in chosen}
            if own_counter:
                counters[f"your counter: {Path(own_counter).name}"] = Path(own_counter)
            trigger = Blend(picture=own_picture or picture, alpha=share)
            return comparison_html(compare(looked_at, trigger, counters, self._kept))
        except (InputError, RunError) as error:
            return problem_html(str(error))
