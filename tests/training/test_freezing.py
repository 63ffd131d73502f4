"""A frozen part stays as it is, and trains the rest as if it had run in every step."""

import logging
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from torch import Tensor

from countguard.data.augment import Augmentation
from countguard.data.blending import Blending
from countguard.data.loading import Batch, EpochBatches
from countguard.defenses.attention_distillation import AttentionDistillation
from countguard.defenses.neuron_pruning import NeuronPruning
from countguard.defenses.sharpness_aware import SharpnessAware
from countguard.errors import InputError
from countguard.models import build_counter, wrap
from countguard.models.counter import Counter
from countguard.models.steps import run_steps
from countguard.training import freezing
from countguard.training.fit import Machine, fit
from countguard.training.freezing import Frozen, frozen
from countguard.training.module import CounterModule
from countguard.training.settings import Training
from tiny_crowds import tiny_crowd

CROWDS = [tiny_crowd(f"crowd-{index}", heads=index + 2, seed=index) for index in range(5)]
MACHINE = Machine(accelerator="cpu")
TRAINING = Training(lr=1e-2, epochs=3, batch_size=2, freeze="features.8")
LAYERS = [f"features.{place}" for place in range(2, 19)]


def lite() -> Counter:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return build_counter("lite")


def trained(training: Training, counter: Counter | None = None) -> dict[str, Tensor]:
    counter = counter or lite()
    fit(counter, CROWDS, training, seed=0, machine=MACHINE)
    return counter.state_dict()


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("kind", ["lite", "csrnet", "csrnet_ebc"])
def test_the_steps_are_the_network(kind: str) -> None:
    counter = build_counter(kind).eval()
    normalised = counter.normalise(torch.rand(2, 3, 24, 40))
    whole = getattr(counter, counter.network)(normalised)
    half_way = run_steps(counter.steps()[:5], (normalised,))
    torch.testing.assert_close(run_steps(counter.steps()[5:], half_way), (whole,))


@settings(max_examples=12, deadline=None)
@given(part=st.sampled_from(LAYERS), flip=st.sampled_from([0.0, 0.5, 1.0]), seed=st.integers(0, 99))
def test_kept_features_give_the_gradients_of_running_the_frozen_part(part: str, flip: float, seed: int) -> None:
    counter = lite()
    module = CounterModule(counter, Training(), 3, seed)
    module.frozen = Frozen(counter, part)
    with pytest.MonkeyPatch.context() as patch, frozen(module.frozen):
        patch.setattr(freezing, "_rounded", lambda features: features)  # batch norm of few cells enlarges rounding
        for index, batch in enumerate(EpochBatches(CROWDS, 2, Augmentation(flip=flip), seed=seed).epoch(0)):
            gradients = []
            for module.keeps_features in (False, True, True):  # the second time, they lie in memory
                module.frozen.hold()
                counter.zero_grad()
                torch.autograd.backward(module.training_step(batch, index))
                found = [weight.grad.flatten() for weight in counter.parameters() if weight.grad is not None]
                gradients.append(torch.cat(found))
            for kept in gradients[1:]:
                assert (kept - gradients[0]).norm() < 1e-3 * gradients[0].norm()


@pytest.mark.parametrize("part", ["features.2", "features.13"])
def test_half_precision_changes_a_feature_by_its_rounding(part: str) -> None:
    counter = lite().eval()
    (batch,) = EpochBatches(CROWDS, 5, seed=0).epoch(0)
    (features,) = Frozen(counter, part).features(batch)
    steps = counter.steps()[: [step.name for step in counter.steps()].index(part) + 1]
    (exact,) = run_steps(steps, (counter.normalise(batch.images),))
    torch.testing.assert_close(features, exact, rtol=1e-3, atol=1e-4)


def test_the_frozen_part_and_its_statistics_stay_and_the_rest_learns() -> None:
    before, after = lite().state_dict(), trained(TRAINING)
    for name in before:
        place = int(name.split(".")[1]) if name.startswith("features.") else 99
        assert torch.equal(before[name], after[name]) == (place <= 8), name


def test_afterwards_every_weight_may_be_trained_again() -> None:
    counter = lite()
    counter.get_parameter("features.0.weight").requires_grad_(False)
    trained(TRAINING, counter)
    assert [name for name, weight in counter.named_parameters() if not weight.requires_grad] == ["features.0.weight"]
    assert "density" not in vars(counter)
    assert "normalise" not in vars(counter)


def test_each_image_and_its_mirror_image_go_through_the_frozen_part_once(monkeypatch: pytest.MonkeyPatch) -> None:
    counter, seen = lite(), []
    counter.get_submodule("features.0").register_forward_hook(lambda layer, inputs, output: seen.append(len(inputs[0])))
    trained(TRAINING.model_copy(update={"epochs": 12}), counter)
    assert 5 < sum(seen) <= 10


def test_features_beyond_the_memory_are_computed_again_with_the_same_result(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    kept = trained(TRAINING)
    assert not caplog.records
    monkeypatch.setattr(freezing, "MEMORY", 2 * 32 * 6 * 8 * 2)
    with caplog.at_level(logging.WARNING):
        assert same(trained(TRAINING), kept)
    assert [record.message for record in caplog.records if "images fill" in record.message] != []


def test_images_that_a_step_has_changed_go_through_the_frozen_part() -> None:
    counter = lite().eval()
    module = CounterModule(counter, Training(), 1, seed=0)
    module.frozen, module.keeps_features = Frozen(counter, "features.8"), True
    (batch,) = EpochBatches(CROWDS, 5, seed=0).epoch(0)
    black = torch.zeros_like(batch.images)
    expected = counter.loss(black, batch.points)
    torch.testing.assert_close(module.loss(black, batch), expected)
    assert not torch.isclose(module.loss(batch.images, batch), expected)


def test_numbers_too_large_for_half_precision_are_kept_whole() -> None:
    counter = lite().eval()
    with torch.no_grad():
        counter.get_parameter("features.7.weight").mul_(1e7)
    part = Frozen(counter, "features.8")
    image = CROWDS[0].image.unsqueeze(0)
    (features,) = part.features(Batch(image, [CROWDS[0].points], [None], drawn=[(0, False)]))
    assert features.isfinite().all()
    assert features.max() > 65504


@pytest.mark.parametrize("augmentation", [Augmentation(blend=Blending()), Augmentation(jitter=0.5)])
def test_other_augmentation_runs_the_frozen_part_and_says_so(
    augmentation: Augmentation, caplog: pytest.LogCaptureFixture
) -> None:
    after = trained(TRAINING.model_copy(update={"augmentation": augmentation}))
    assert "training.augmentation does more than mirror" in caplog.text
    assert torch.equal(after["features.1.running_mean"], lite().state_dict()["features.1.running_mean"])


def test_a_counter_without_steps_freezes_a_module_and_says_so(caplog: pytest.LogCaptureFixture) -> None:
    counter = build_counter("mcnn", mean=(0.5,) * 3, std=(0.25,) * 3)
    before = {name: value.clone() for name, value in counter.state_dict().items()}
    after = trained(Training(lr=1e-4, epochs=1, batch_size=2, freeze="columns"), counter)
    assert "mcnn does not part into steps" in caplog.text
    assert [name for name in before if not torch.equal(before[name], after[name])] == ["fuse.weight", "fuse.bias"]


@pytest.mark.parametrize(
    ("part", "expected"),
    [("backbone", "lite has no part 'backbone'; there are features"), ("head", "nothing would be left to train")],
)
def test_what_cannot_be_frozen_is_said_in_a_line(part: str, expected: str) -> None:
    with pytest.raises(InputError, match=rf"training\.freeze: .*{expected}"):
        trained(TRAINING.model_copy(update={"freeze": part}))


def test_wrapped_networks_are_frozen_by_the_names_of_their_modules() -> None:
    network = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 8, stride=8), torch.nn.Conv2d(4, 1, 1))
    before = network[0].weight.detach().clone()
    fit(wrap(network, stride=8), CROWDS, Training(lr=1e-3, epochs=1, freeze="module.0"), seed=0, machine=MACHINE)
    assert torch.equal(network[0].weight, before)


@pytest.mark.parametrize("repair", [SharpnessAware, AttentionDistillation])
def test_repairs_leave_the_frozen_part_as_it_is(repair: Callable[..., SharpnessAware]) -> None:
    counter = lite()
    defense = repair(lr=1e-3, epochs=1, batch_size=2, freeze="features.8")
    defense.repair(counter, CROWDS, seed=0, machine=MACHINE)
    before, after = lite().state_dict(), counter.state_dict()
    assert torch.equal(before["features.7.weight"], after["features.7.weight"])
    assert torch.equal(before["features.4.running_var"], after["features.4.running_var"])
    assert not torch.equal(before["head.weight"], after["head.weight"])


def test_a_repair_that_trains_masks_of_all_channels_refuses_a_frozen_part() -> None:
    with pytest.raises(ValidationError, match="freeze"):
        NeuronPruning(freeze="features")  # type: ignore[arg-type]


def test_an_interrupted_training_ends_as_an_uninterrupted_one(tmp_path: Path) -> None:
    class Interrupted(Exception):
        pass

    def stop(epoch: int, loss: float) -> None:
        if epoch == 2:
            raise Interrupted

    always = Machine(accelerator="cpu", resume_seconds=0)
    training = TRAINING.model_copy(update={"average": 0.5, "epochs": 4})
    with pytest.raises(Interrupted):
        fit(lite(), CROWDS, training, seed=0, folder=tmp_path, machine=always, report=stop)
    resumed = lite()
    fit(resumed, CROWDS, training, seed=0, folder=tmp_path, machine=always)
    assert same(resumed.state_dict(), trained(training))
