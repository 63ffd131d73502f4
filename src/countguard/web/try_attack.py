"""The tab that tries a trigger on a picture: from the values of its controls to the HTML of counts and maps."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gradio as gr

from countguard.attacks.pictures import PICTURES
from countguard.attacks.triggers import Blend
from countguard.data.images import IMAGE_SUFFIXES
from countguard.errors import InputError, RunError
from countguard.web.comparison import compare, read_upload, uploaded_scene
from countguard.web.counter_cache import CounterCache
from countguard.web.page import comparison_html, problem_html
from countguard.web.runs import Scene
from countguard.web.uploads import upload

MAX_STRENGTH = 0.5


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

    def build(self, app: gr.Blocks, trigger: Blend, chosen: list[str]) -> None:
        """Adds the controls to the page that is being built.

        Args:
            app: the page; the first answer is given when it loads.
            trigger: that is set at first.
            chosen: names of the counters that are chosen at first.
        """
        names = list(self._counters)
        with gr.Row(elem_classes="cg-row"):
            with gr.Column(scale=1, min_width=300):
                scene = gr.Dropdown(list(self._scenes), value=next(iter(self._scenes)), label="Picture")
                own_image = upload("Your own picture instead", list(IMAGE_SUFFIXES))
                picture = gr.Dropdown(sorted(PICTURES), value=trigger.picture, label="Trigger")
                strength = min(trigger.alpha, MAX_STRENGTH)
                slider = gr.Slider(0, MAX_STRENGTH, value=strength, step=0.01, label="Trigger's strength")
                counters = gr.CheckboxGroup(names, value=chosen, label="Counters", visible=bool(names))
                with gr.Accordion("Your own trigger and counter", open=False):
                    own_picture = upload("Your own trigger instead", list(IMAGE_SUFFIXES))
                    own_counter = upload("Your own counter (.safetensors)", [".safetensors"])
            with gr.Column(scale=3, min_width=320):
                result = gr.HTML(label="Counts and maps", padding=False)
        controls: list[Any] = [scene, own_image, picture, own_picture, slider, counters, own_counter]
        gr.on(
            [app.load, *(control.change for control in controls)], self.answer, controls, result,
            show_progress="minimal", trigger_mode="always_last", concurrency_limit=1, api_visibility="private",
        )  # fmt: skip

    def answer(
        self,
        scene: str,
        own_image: str | None,
        picture: str,
        own_picture: str | None,
        strength: float,
        chosen: list[str],
        own_counter: str | None,
    ) -> str:
        """Counts and maps, or one sentence about an error, as HTML.

        Args:
            scene: name of an offered picture.
            own_image: path of a picture that takes its place.
            picture: name of a built-in trigger.
            own_picture: path of a picture that takes its place.
            strength: the trigger's, 0 to 1.
            chosen: names of offered counters.
            own_counter: path of one more.
        """
        try:
            looked_at = uploaded_scene(own_image) if own_image else self._scenes[scene]
            if own_picture:
                read_upload(own_picture)  # the trigger reads it again, without this page's limits
            counters = {name: self._counters[name] for name in chosen}
            if own_counter:
                counters[f"your counter: {Path(own_counter).name}"] = Path(own_counter)
            trigger = Blend(picture=own_picture or picture, alpha=strength)
            return comparison_html(compare(looked_at, trigger, counters, self._kept))
        except (InputError, RunError) as error:
            return problem_html(str(error))
