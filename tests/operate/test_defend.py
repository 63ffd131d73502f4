"""What an operator gets: a repaired counter and a page about it."""

from pathlib import Path

import pytest
import torch

from countguard.data.synthetic import Synthetic
from countguard.defenses.random_blend import RandomBlend
from countguard.errors import InputError
from countguard.metrics.intervals import Interval
from countguard.models import build_counter, load_counter, save_counter
from countguard.operate.defend import defend_counter
from countguard.operate.recipe import operator_recipe
from countguard.operate.repair import PROBES, Measures, Repair, split_for_repair
from countguard.operate.repair_page import repair_page, write_repair_page
from tiny_crowds import tiny_crowd

DATA = Synthetic(train=8, test=1, height=48, width=64, heads=(4, 40))
SHORT = ["defenses.0.epochs=1", "machine.accelerator=cpu"]


@pytest.fixture
def suspect(tmp_path: Path) -> Path:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        path = tmp_path / "suspect.safetensors"
        save_counter(build_counter("lite"), path)
    return path


def test_a_repair_leaves_a_counter_and_a_page(suspect: Path, tmp_path: Path) -> None:
    given = suspect.read_bytes()
    out = tmp_path / "repaired.safetensors"
    repair = defend_counter(suspect, DATA, out, SHORT, seed=0)
    assert suspect.read_bytes() == given
    before, after = load_counter(suspect).state_dict(), load_counter(out).state_dict()
    assert any(not torch.equal(before[name], after[name]) for name in before)
    assert (repair.trained_on, repair.measured_on) == (6, 2)
    assert repair.defense["kind"] == "random_blend"
    page = write_repair_page(repair)
    assert page == tmp_path / "repaired.md"
    text = page.read_text()
    assert "cannot promise" in text
    assert all(name in text for name in PROBES)


def test_the_same_seed_repairs_alike(suspect: Path, tmp_path: Path) -> None:
    outs = [tmp_path / f"{name}.safetensors" for name in "ab"]
    for out in outs:
        defend_counter(suspect, DATA, out, SHORT, seed=3)
    one, other = (load_counter(out).state_dict() for out in outs)
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_what_is_held_back_is_not_repaired_with() -> None:
    crowds = [tiny_crowd(str(index)) for index in range(40)]
    kept, held_back = split_for_repair(crowds, 0)
    ids = [crowd.id for crowd in kept], [crowd.id for crowd in held_back]
    assert (len(ids[0]), len(ids[1])) == (30, 10)
    assert not set(ids[0]) & set(ids[1])


def test_three_images_are_too_few() -> None:
    with pytest.raises(InputError, match="--clean: 3 images"):
        split_for_repair([tiny_crowd(str(index)) for index in range(3)], 0)


def test_the_recommended_repair_looks_at_as_many_pictures_for_any_budget() -> None:
    few, many = (RandomBlend.recommended("lite", images)["epochs"] for images in (40, 400))
    assert few == 10 * many  # type: ignore[operator]
    assert RandomBlend.recommended("csrnet", 10**6)["epochs"] == 1


def test_the_defaults_are_the_recommended_repair() -> None:
    assert RandomBlend() == RandomBlend.model_validate(RandomBlend.recommended("csrnet", 40))
    recipe = operator_recipe(DATA, "csrnet", images=40)
    assert recipe.defenses == (RandomBlend(augmentation=recipe.training.augmentation),)


def measures(rho_acc: float, under: float) -> Measures:
    def rate(value: float) -> Interval:
        return Interval(value, value - 0.05, value + 0.05)

    return Measures(rate(5.0), rate(rho_acc), {name: rate(under) for name in PROBES})


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        (measures(0.8, 0.1), measures(0.5, 0.5), "worse than before"),
        (measures(0.8, 0.1), measures(0.8, 0.8), "now sees through"),
        (measures(0.8, 0.1), measures(0.8, 0.4), "still misled"),
        (measures(0.8, 0.8), measures(0.79, 0.8), "No difference"),
    ],
)
def test_the_page_opens_with_what_changed(before: Measures, after: Measures, said: str) -> None:
    files = Path("a.safetensors"), Path("b.safetensors")
    page = repair_page(Repair(*files, "lite", "crowds", {"kind": "random_blend"}, 30, 10, before, after))
    assert said in page.split("A `lite` counter")[0]


def test_a_hostile_file_name_stays_one_line(suspect: Path, tmp_path: Path) -> None:
    named = suspect.rename(tmp_path / "a\n# b.safetensors")
    repair = defend_counter(named, DATA, tmp_path / "repaired.safetensors", SHORT, seed=0)
    assert "\n# b" not in write_repair_page(repair).read_text()
