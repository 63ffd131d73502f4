"""What an operator gets: a repaired counter and a page about it."""

import html
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from countguard import __version__
from countguard.data.crowd import Crowd
from countguard.data.scaling import rescale
from countguard.data.synthetic import Synthetic
from countguard.defenses.random_blend import RandomBlend
from countguard.errors import InputError, Interrupted
from countguard.models import build_counter, load_counter, save_counter
from countguard.models.counter import Counter
from countguard.operate.defend import defend_counter
from countguard.operate.pace import time_from
from countguard.operate.recipe import operator_recipe
from countguard.operate.repair import PROBES, Choice, Measures, Repair, split_for_repair
from countguard.operate.repair_page import repair_page, write_repair_page
from countguard.operate.repair_plan import Pace, Planner
from countguard.scan.guard import read_calibration
from countguard.training.callbacks import History
from countguard.training.fit import Machine
from interrupting import interrupted_until_done
from models.hub_server import serving
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
    assert page == tmp_path / "repaired-repair.html"
    text = page.read_text()
    assert "cannot promise" in text
    assert all(name in text for name in PROBES)
    assert text.count("<img src=") == 1 + len(PROBES)  # a held-back picture, as it is and under each
    assert all(said in text for said in (date.today().isoformat(), __version__, torch.__version__, "seed 0"))
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "repaired-repair.html",
        "repaired.guard.json",
        "repaired.safetensors",
        "suspect.safetensors",
    ]


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


COUNTS = np.array([20.0, 40.0, 60.0, 80.0, 100.0, 120.0, 140.0, 160.0])


def measures(factor: float, under: float) -> Measures:
    """A counter that is off by one factor on clean images, and by another one under every probe."""
    return Measures(COUNTS, factor * COUNTS, dict.fromkeys(PROBES, under * COUNTS))


def made(before: Measures, after: Measures) -> Repair:
    return Repair(
        Path("a.safetensors"), Path("b.safetensors"), "lite", "crowds", {"kind": "random_blend"}, 30, 8, before, after
    )


@pytest.mark.parametrize(
    ("before", "after", "worse", "said"),
    [
        (measures(1.0, 0.5), measures(0.5, 0.5), True, "counts clean images worse: 0.0 before, 45.0 after"),
        (
            measures(1.02, 0.5),
            measures(1.04, 0.5),
            True,
            "counts clean images worse",
        ),  # in heads, though as often right
        (measures(0.8, 0.5), measures(1.0, 1.0), False, "It counts clean images better"),
        (
            measures(1.0, 0.5),
            measures(1.0, 1.0),
            False,
            "counts more images right than before under a picture mixed in",
        ),
        (measures(1.0, 0.5), measures(1.0, 0.5), False, "still counts fewer images right under a picture mixed in"),
        (measures(1.0, 1.0), measures(1.0, 1.0), False, "These 8 images show no difference"),
    ],
)
def test_the_verdict_reads_paired_differences_the_error_among_them(
    before: Measures, after: Measures, worse: bool, said: str
) -> None:
    repair = made(before, after)
    assert repair.worse == worse
    assert said in repair.verdict
    if worse:
        assert repair.verdict.startswith("The repaired counter counts clean images worse")
    assert repair.verdict in html.unescape(repair_page(repair).decode())


def test_a_repair_that_makes_clean_counts_worse_is_not_written_unless_forced(suspect: Path, tmp_path: Path) -> None:
    ruin = [*SHORT, "defenses.0.lr=1", "defenses.0.schedule={kind: constant}", "defenses.0.average=null"]
    out = tmp_path / "ruined.safetensors"
    repair = defend_counter(suspect, DATA, out, ruin, seed=0)
    assert repair.worse
    assert not repair.written
    assert not out.exists()
    assert "was not written" in write_repair_page(repair).read_text()
    assert defend_counter(suspect, DATA, out, ruin, seed=0, force=True).written
    assert out.exists()


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ("seeds=[3]", "has no effect on defend"),
        ("training.epochs=7", "has no effect on defend"),
        ("attack.rate=0.3", "has no effect on defend"),
        ("model.width=3", "has no effect on defend"),
        ("data.test=3", "data.test=3: has no effect on defend$"),
        ("data.test_images=1", "has no effect on defend$"),
    ],
)
def test_a_setting_without_effect_is_refused(override: str, says: str, suspect: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=says):
        defend_counter(suspect, DATA, tmp_path / "out.safetensors", [*SHORT, override], seed=0)


def test_one_override_may_make_another_one_possible() -> None:
    small = ["data.height=48", "data.width=64", "data.heads=[2,9]"]
    assert operator_recipe(Synthetic(train=4, test=1), "lite", small).dump()["data"]["height"] == 48
    with pytest.raises(InputError, match="at most 128 fit"):
        operator_recipe(Synthetic(train=4, test=1), "lite", small[:2])


def test_settings_of_the_data_are_used(suspect: Path, tmp_path: Path) -> None:
    repair = defend_counter(suspect, DATA, tmp_path / "out.safetensors", [*SHORT, "data.train=12"], seed=0)
    assert repair.trained_on + repair.measured_on == 12


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("rep.md", "should end in .safetensors"),
        ("suspect.safetensors", "is what is read; --out should name another file"),
    ],
)
def test_the_output_is_no_input_and_has_its_ending(name: str, says: str, suspect: Path, tmp_path: Path) -> None:
    given = suspect.read_bytes()
    with pytest.raises(InputError, match=says):
        defend_counter(suspect, DATA, tmp_path / name, SHORT, seed=0)
    assert suspect.read_bytes() == given


def test_a_file_that_is_no_page_about_a_repair_is_left_alone(suspect: Path, tmp_path: Path) -> None:
    (tmp_path / "repaired-repair.html").write_text("<h1>My notes</h1>")
    with pytest.raises(InputError, match=r"repaired-repair\.html: is there, is no earlier result"):
        defend_counter(suspect, DATA, tmp_path / "repaired.safetensors", SHORT, seed=0)
    assert not (tmp_path / "repaired.safetensors").exists()
    assert (tmp_path / "repaired-repair.html").read_text() == "<h1>My notes</h1>"


def test_a_hostile_file_name_stays_one_line(suspect: Path, tmp_path: Path) -> None:
    named = suspect.rename(tmp_path / "a\n# b.safetensors")
    repair = defend_counter(named, DATA, tmp_path / "repaired.safetensors", SHORT, seed=0)
    assert "\n# b" not in write_repair_page(repair).read_text()


def test_what_it_will_do_is_told_before_it_is_done(suspect: Path, tmp_path: Path) -> None:
    said: list[str] = []
    defend_counter(suspect, DATA, tmp_path / "out.safetensors", SHORT, seed=0, say=said.append)
    assert said[0] == "repair: random_blend with 6 clean images; 2 others show before and after"
    assert said[1].startswith("time: about ")
    assert "steps at scale 1" in said[1]


@pytest.fixture
def planner() -> Planner:
    crowds = [tiny_crowd(str(index)) for index in range(10)]
    defense = RandomBlend(epochs=100)
    return Planner(build_counter("lite"), crowds[:8], crowds[8:], defense, 0, Machine("cpu"))


def test_a_budget_takes_large_pictures_first_and_then_many_steps(planner: Planner) -> None:
    assert planner.steps == 800
    pace = Pace({1.0: 1.0, 0.5: 0.25, 0.25: 0.1}, looks=40.0)
    scales = tuple(pace.step)
    assert planner.within(2000, scales, pace) == Choice(1.0, 800, 840.0, 40.0)
    assert planner.within(500, scales, pace) == Choice(1.0, 360, 400.0, 40.0)
    assert planner.within(200, scales, pace) == Choice(0.5, 480, 160.0, 40.0)
    assert planner.within(60, scales, pace) == Choice(0.25, 80, 48.0, 40.0)
    with pytest.raises(InputError, match="--budget: the shortest repair takes about 52 s here"):
        planner.within(50, scales, pace)


def test_a_budget_ends_a_repair_that_was_slower_than_it_looked(
    suspect: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Planner, "pace", lambda self, scales: Pace(dict.fromkeys(scales, 1e-9), 0.0))
    long = ["defenses.0.epochs=1000000", "machine.accelerator=cpu"]
    repair = defend_counter(suspect, DATA, tmp_path / "out.safetensors", long, seed=0, budget=2.0, force=True)
    assert repair.choice.steps == 1_000_000
    assert repair.stopped
    assert "The budget ended the training before its last step." in repair.verdict
    assert repair.written


def test_at_a_smaller_scale_it_is_measured_at_full_size(suspect: Path, tmp_path: Path) -> None:
    whole = defend_counter(suspect, DATA, tmp_path / "a.safetensors", SHORT, seed=0, force=True)
    small = defend_counter(suspect, DATA, tmp_path / "b.safetensors", SHORT, seed=0, scale=0.5, force=True)
    assert np.array_equal(whole.before.clean, small.before.clean)
    assert not np.array_equal(whole.after.clean, small.after.clean)
    assert b"at 50 % of their sides" in repair_page(small)


def test_interrupted_at_any_instant_it_ends_as_if_it_had_not_been(suspect: Path, tmp_path: Path) -> None:
    settings = ["defenses.0.epochs=30", "machine.accelerator=cpu", "machine.threads=1", "machine.resume_seconds=0"]

    def defend(name: str) -> Repair:
        return defend_counter(suspect, DATA, tmp_path / f"{name}.safetensors", settings, seed=0, force=True)

    whole = defend("whole")
    interrupted_until_done(lambda: defend("torn"), whole.seconds, times=6)
    one, other = (load_counter(tmp_path / f"{name}.safetensors").state_dict() for name in ("whole", "torn"))
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert not (tmp_path / "torn.safetensors.part").exists()


def test_another_repair_does_not_go_on_with_it(suspect: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def press(*arguments: object) -> None:
        raise KeyboardInterrupt

    out = tmp_path / "out.safetensors"
    with monkeypatch.context() as patched:
        patched.setattr("countguard.operate.defend.look_at_clean", press)
        with pytest.raises(Interrupted, match="the same command goes on from there"):
            defend_counter(suspect, DATA, out, SHORT, seed=0)
    with pytest.raises(InputError, match=r"journal: holds the beginning of another command \(--seed differs\)"):
        defend_counter(suspect, DATA, out, SHORT, seed=1)
    assert defend_counter(suspect, DATA, out, SHORT, seed=0, force=True).written
    assert not (tmp_path / "out.safetensors.part").exists()


@pytest.mark.parametrize(
    ("rows", "now", "stopped"),
    [
        ([1.0, 1.0, 1.0], 3, False),
        ([1.0, 1.0], 2, True),
        ([1.0, 1.0, 1.0], 1, False),
        ([1e3, 1.0, 1.0], 2, True),  # the first epoch before an interruption
        ([1.0, 1.0, 1e3], 2, False),  # told by this command's own clock
    ],
)
def test_a_repair_that_went_on_still_says_that_the_budget_ended_it(
    rows: list[float], now: int, stopped: bool, suspect: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def repaired(self: RandomBlend, counter: Counter, clean: Sequence[Crowd], **conditions: Any) -> History:
        history = History()
        history.rows = [{"epoch": epoch, "seconds": seconds} for epoch, seconds in enumerate(rows, start=1)]
        for row in history.rows[len(rows) - now :]:
            conditions["report"](int(row["epoch"]), 0.5)
        return history

    monkeypatch.setattr(Planner, "pace", lambda self, scales: Pace(dict.fromkeys(scales, 1e-9), 0.0))
    monkeypatch.setattr(RandomBlend, "repair", repaired)
    settings = ["defenses.0.epochs=3", "machine.accelerator=cpu"]
    repair = defend_counter(suspect, DATA, tmp_path / "out.safetensors", settings, seed=0, budget=900.0, force=True)
    assert repair.stopped == stopped


def test_at_another_scale_only_what_is_trained_on_is_read(
    suspect: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: set[str] = set()

    def rescaled(crowd: Crowd, scale: float) -> Crowd:
        read.add(crowd.id)
        return rescale(crowd, scale)

    monkeypatch.setattr("countguard.data.rescaled.rescale", rescaled)
    few = [*SHORT, "defenses.0.clean_images=2"]
    defend_counter(suspect, DATA, tmp_path / "out.safetensors", few, seed=0, scale=0.5, force=True)
    assert len(read) == 2


def test_images_of_a_second_set_are_counted_and_told(suspect: Path, tmp_path: Path) -> None:
    extra = "{kind: synthetic, train: 5, test: 1, height: 48, width: 64, heads: [4, 9]}"
    both = [f"defenses=[{{kind: fine_tune, epochs: 1, batch_size: 4, extra: {extra}}}]", "machine.accelerator=cpu"]
    said: list[str] = []
    repair = defend_counter(suspect, DATA, tmp_path / "out.safetensors", both, seed=0, force=True, say=said.append)
    assert (repair.trained_on, repair.choice.steps) == (11, 3)
    assert said[0].startswith("repair: fine_tune with 11 clean images")
    assert b"and of a second set" in repair_page(repair)


def test_a_counter_on_a_hub_is_repaired(suspect: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True, raising=False)
    address, out = Path("hf://me/lite/suspect.safetensors"), tmp_path / "out.safetensors"
    with serving() as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        hub.commit("me/lite", {"suspect.safetensors": suspect.read_bytes()})
        repair = defend_counter(address, DATA, out, SHORT, seed=0, force=True)
    assert repair.written
    assert read_calibration(suspect, out).images == 2


@pytest.mark.parametrize(("text", "seconds"), [("30min", 1800), ("2h", 7200), ("90s", 90), ("1.5 h", 5400), ("5", 300)])
def test_times(text: str, seconds: float) -> None:
    assert time_from(text, "--budget") == seconds


@pytest.mark.parametrize("text", ["", "soon", "-3min", "0", "1e9h", "3 fortnights"])
def test_no_times(text: str) -> None:
    with pytest.raises(InputError, match=r"--budget .*: should be a time, as 30min"):
        time_from(text, "--budget")
