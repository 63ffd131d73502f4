"""What holds for every defense, and what makes each one it."""

from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import TypeAdapter
from torch import Tensor, nn

from countguard.data.blending import Blending
from countguard.data.crowd import Crowd
from countguard.data.cutmix import CutMix
from countguard.data.scale_jitter import ScaleJitter
from countguard.defenses.channels import Channels, hidden_channels, mean_activations
from countguard.defenses.defenses import DEFENSES, AnyDefense, trains
from countguard.defenses.fine_pruning import prune
from countguard.defenses.random_blend import RandomBlend
from countguard.models import build_counter
from countguard.models.counter import Counter
from countguard.training.fit import Machine
from tiny_crowds import tiny_crowd

KINDS = sorted(DEFENSES)
CPU = Machine(accelerator="cpu", resume_seconds=0)
TRAINING = {"epochs": 2, "batch_size": 2, "lr": 1e-3}


def defense(kind: str, **settings: Any) -> Any:
    raw = {"kind": kind, "teacher_epochs": 1} if kind == "attention_distillation" else {"kind": kind}
    if kind == "search":
        own = {name: settings.pop(name) for name in ("label", "clean_images") if name in settings}
        raw = {"kind": kind, "of": {"kind": "fine_tune", **TRAINING, **settings}, "values": {"lr": [1e-3, 1e-2]}, **own}
        return TypeAdapter(AnyDefense).validate_python(raw)
    return TypeAdapter(AnyDefense).validate_python({**raw, **TRAINING, **settings})


def crowds(number: int = 4) -> list[Crowd]:
    return [tiny_crowd(f"IMG_{index}", heads=4 + index, seed=index) for index in range(number)]


def attacked(kind: str = "lite") -> Counter:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return build_counter(kind)


def state(counter: Counter) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in counter.state_dict().items()}


def same_state(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    named = [name for name in one if not name.endswith("num_batches_tracked")]
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in named)


def is_off(channels: Channels) -> Tensor:
    weight, bias = channels.layer.weight, channels.layer.bias
    off = (weight == 0).flatten(1).all(dim=1) if weight.dim() > 1 else weight == 0
    return off if bias is None else off & (bias == 0)


@pytest.mark.parametrize("kind", KINDS)
def test_every_repair_gives_finite_weights_under_the_same_names_twice_alike(kind: str) -> None:
    results = []
    for _ in range(2):
        counter = attacked()
        keys, trainable = counter.state_dict().keys(), [p.requires_grad for p in counter.parameters()]
        history = defense(kind).repair(counter, crowds(), seed=1, machine=CPU)
        assert len(history.rows) == 2
        assert counter.state_dict().keys() == keys
        assert [p.requires_grad for p in counter.parameters()] == trainable
        assert all(value.isfinite().all() for value in counter.state_dict().values())
        assert not any(module._forward_hooks for module in counter.modules())
        results.append(state(counter))
    assert same_state(*results)


@pytest.mark.parametrize("kind", KINDS)
def test_every_repair_stays_within_its_budget(kind: str) -> None:
    class Watched(list[Crowd]):
        seen: set[int] = set()

        def __getitem__(self, index: Any) -> Any:
            self.seen.add(index)
            return super().__getitem__(index)

    watched = Watched(crowds(6))
    watched.seen = set()
    chosen = defense(kind, clean_images=2)
    drawn = {crowd.id for crowd in chosen.budget(crowds(6), 1)}
    chosen.repair(attacked(), watched, seed=1, machine=CPU)
    assert {f"IMG_{index}" for index in watched.seen} == drawn


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "fine_tune"])
def test_an_interrupted_repair_goes_on_as_if_nothing_had_happened(kind: str, tmp_path: Path) -> None:
    whole = attacked()
    defense(kind).repair(whole, crowds(), seed=1, machine=CPU)

    class Stopped(Exception):
        pass

    def stop_after_the_first(epoch: int, loss: float) -> None:
        if epoch == 2:
            raise Stopped

    with pytest.raises(Stopped):
        defense(kind).repair(attacked(), crowds(), seed=1, folder=tmp_path, machine=CPU, report=stop_after_the_first)
    assert (tmp_path / "resume.ckpt").exists()
    resumed = attacked()
    history = defense(kind).repair(resumed, crowds(), seed=1, folder=tmp_path, machine=CPU)
    assert [row["epoch"] for row in history.rows] == [1, 2]
    assert same_state(state(resumed), state(whole))


@pytest.mark.parametrize("kind", KINDS)
def test_every_repair_works_on_a_counter_without_batch_norm(kind: str) -> None:
    counter = attacked("mcnn")
    defense(kind, epochs=1).repair(counter, crowds(2), seed=1, machine=CPU)
    assert counter.count(torch.rand(1, 3, 24, 32)).isfinite().all()


def test_all_but_none_have_the_settings_of_a_training() -> None:
    assert all(trains(kind) for kind in KINDS if kind != "search")
    assert not trains("prayer")


def test_random_blends_take_the_place_of_what_the_augmentation_says() -> None:
    repair = defense("random_blend", augmentation={"flip": 0.25})
    assert isinstance(repair, RandomBlend)
    training = repair.as_training()
    assert training.augmentation.blend == Blending()
    assert training.augmentation.cutmix == CutMix()
    assert training.augmentation.scale == ScaleJitter()
    assert training.augmentation.flip == 0.25


def test_averaging_weights_by_nothing_leaves_the_attacked_counter() -> None:
    counter = attacked()
    before = state(counter)
    defense("weight_averaging", mixing=0.0).repair(counter, crowds(), seed=1, machine=CPU)
    assert same_state(state(counter), before)


def test_averaging_weights_wholly_is_fine_tuning() -> None:
    averaged, tuned = attacked(), attacked()
    defense("weight_averaging", mixing=1.0).repair(averaged, crowds(), seed=1, machine=CPU)
    defense("fine_tune").repair(tuned, crowds(), seed=1, machine=CPU)
    assert same_state(state(averaged), state(tuned))


def test_pruned_channels_are_off_after_fine_tuning() -> None:
    counter = attacked()
    defense("fine_pruning", tolerance=1e6, most=0.5).repair(counter, crowds(), seed=1, machine=CPU)
    off = torch.cat([is_off(channels) for channels in hidden_channels(counter)])
    assert off.float().mean() == pytest.approx(0.5, abs=0.03)


def test_without_tolerance_only_channels_that_do_not_matter_are_pruned() -> None:
    counter = attacked()
    channels = hidden_channels(counter)
    with torch.no_grad():
        for parameter, value in ((channels[2].layer.weight, 0.0), (channels[2].layer.bias, -1.0)):
            assert parameter is not None
            parameter[:12] = value
    before = mean_activations(counter, channels, crowds())
    pruned = prune(counter, crowds(), tolerance=0.0, most=0.02)
    assert sum(int(off.sum()) for _, off in pruned) > 0
    for (_, off), activations in zip(pruned, before, strict=True):
        assert (activations[off] == 0).all()


def test_adversarial_neuron_pruning_changes_nothing_but_whole_channels() -> None:
    counter = attacked()
    before = deepcopy(counter)
    defense("neuron_pruning", threshold=0.9, mask_lr=1.0).repair(counter, crowds(), seed=1, machine=CPU)
    for old, new in zip(hidden_channels(before), hidden_channels(counter), strict=True):
        changed = (old.layer.weight != new.layer.weight).reshape(new.number, -1).any(dim=1)
        assert is_off(new)[changed].all()
    assert torch.equal(before.state_dict()["head.weight"], counter.state_dict()["head.weight"])


def test_activations_are_those_a_relu_lets_through_even_in_place() -> None:
    class InPlace(Counter):
        def __init__(self) -> None:
            super().__init__(mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))
            self.stride = self.align = 1
            self.first, self.relu, self.last = nn.Conv2d(3, 2, 1), nn.ReLU(inplace=True), nn.Conv2d(2, 1, 1)
            with torch.no_grad():
                self.first.weight.zero_()
                self.first.bias.copy_(torch.tensor([2.0, -3.0]))  # type: ignore[union-attr]

        def density(self, normalised: Tensor) -> Tensor:
            return self.last(self.relu(self.first(normalised)))  # type: ignore[no-any-return]

        def explained_layer(self) -> nn.Module:
            return self.relu

    counter = InPlace()
    (channels,) = hidden_channels(counter)
    assert channels.layer is counter.first
    (activations,) = mean_activations(counter, [channels], crowds(3))
    assert activations.tolist() == pytest.approx([2.0, 0.0])
