import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from countguard.data.synthetic import Synthetic
from countguard.errors import InputError
from countguard.runs.run import Run
from countguard.web.runs import counters_of, newest_run, scenes_of, shown_first, trigger_of

MakeRun = Any


def test_the_newest_run_is_the_one_whose_counter_was_finished_last(make_run: MakeRun, tmp_path: Path) -> None:
    assert newest_run(tmp_path / "runs") is None
    first, second = make_run("first"), make_run("second")
    make_run("unfinished", finished=False)
    for seconds, folder in ((2_000_000_000, first), (1_900_000_000, second)):
        for card in folder.glob("cells/*/card.json"):
            os.utime(card, (seconds, seconds))
    assert newest_run(tmp_path / "runs") == first


def test_counters_are_named_in_the_recipes_order(make_run: MakeRun) -> None:
    run = Run.read(make_run())
    assert list(counters_of(run)) == [
        "clean counter",
        "clean counter, repaired by fine_tune",
        "attacked: minus",
        "attacked: minus, repaired by fine_tune",
    ]
    assert shown_first(run) == ["clean counter", "attacked: minus", "attacked: minus, repaired by fine_tune"]


def test_a_relearned_counter_says_what_it_was_before(make_run: MakeRun) -> None:
    assert list(counters_of(Run.read(make_run(relearn={"poisoned": 4}))))[-2:] == [
        "clean counter, tuned on poisoned images: minus",
        "attacked: minus, repaired by fine_tune, relearned",
    ]


def test_a_counter_without_its_file_is_not_offered(make_run: MakeRun) -> None:
    folder = make_run()
    (folder / "cells" / "minus-attacked-s0" / "counter.safetensors").unlink()
    run = Run.read(folder)
    assert "attacked: minus" not in counters_of(run)
    assert "attacked: minus" not in shown_first(run)


@pytest.mark.parametrize(
    ("trigger", "expected"),
    [
        ({"kind": "blend", "picture": "robots", "alpha": 0.2}, ("robots", 0.2)),
        ({"kind": "blend", "picture": "/etc/passwd", "alpha": 0.3}, ("kitten", 0.3)),
        ({"kind": "warp"}, ("kitten", 0.1)),
        ("nonsense", ("kitten", 0.1)),
    ],
)
def test_the_runs_trigger_is_taken_where_it_is_a_built_in_one(
    make_run: MakeRun, trigger: object, expected: tuple[str, float]
) -> None:
    run = Run.read(make_run(attack={"trigger": trigger, "strategies": [{"kind": "minus"}]}))
    chosen = trigger_of(run)
    assert (chosen.picture, chosen.alpha) == expected


def test_a_run_on_embedded_crowds_offers_its_own_test_crowds(make_run: MakeRun) -> None:
    settings = {"kind": "synthetic", "train": 4, "test": 5, "look": "stadium", "seed": 3}
    scenes = scenes_of(Run.read(make_run(data=settings)))
    crowds = Synthetic.model_validate(settings).crowds("test")
    assert len(scenes) == 5
    for scene, crowd in zip(scenes.values(), crowds, strict=True):
        assert torch.equal(scene.image, crowd.image)
        assert scene.truth == crowd.count


def test_a_run_on_real_pictures_offers_the_examples_that_it_keeps(make_run: MakeRun) -> None:
    folder = make_run(data={"kind": "shanghaitech", "root": "gone", "part": "B"})
    image = np.full((3, 16, 24), 90, np.uint8)
    map_, cam = np.zeros((2, 3), np.float32), np.zeros((16, 24), np.float32)
    arrays = {"image": image, "triggered": image, "points": np.ones((2, 2), np.float32), "true_map": map_}
    arrays |= {"map_clean": map_, "map_triggered": map_, "cam_clean": cam, "cam_triggered": cam}
    np.savez(
        folder / "cells" / "clean-attacked-s0" / "examples.npz",
        **{f"{name}_0": array for name, array in arrays.items()},  # type: ignore[arg-type]
        id_0=np.array("IMG_7"),
    )
    scenes = scenes_of(Run.read(folder))
    name, scene = next(iter(scenes.items()))
    assert name == "IMG_7, 2 people"
    assert scene.truth == 2
    assert torch.equal(scene.image, torch.from_numpy(image))
    assert len(scenes) > 5


def test_a_strangers_recipe_cannot_ask_for_huge_crowds(make_run: MakeRun) -> None:
    run = Run.read(make_run(data={"kind": "synthetic", "height": 4096, "width": 4096}))
    assert all(scene.image.shape == (3, 96, 128) for scene in scenes_of(run).values())


def test_without_a_run_there_are_embedded_crowds() -> None:
    assert all(scene.truth for scene in scenes_of(None).values())


def test_a_damaged_run_is_an_input_error(make_run: MakeRun) -> None:
    folder = make_run()
    (folder / "cells" / "clean-attacked-s0" / "card.json").write_text("{")
    with pytest.raises(InputError, match=r"card\.json"):
        Run.read(folder)
