"""A training ends as it would have ended uninterrupted, and leaves the process as it found it."""

import csv
import logging
import signal
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor

from countguard.data.crowd import Crowd
from countguard.errors import InputError, RunError
from countguard.models import build_counter
from countguard.models.counter import Counter
from countguard.models.counting import count_crowds
from countguard.training.callbacks import History
from countguard.training.fit import Machine, _callbacks, fit
from countguard.training.isolation import Isolation
from countguard.training.schedules import Cosine
from countguard.training.settings import Training
from tiny_crowds import tiny_crowd

CROWDS = [tiny_crowd(f"crowd-{index}", heads=index + 2, seed=index) for index in range(6)]
VALIDATION = [tiny_crowd(f"held-back-{index}", heads=9, seed=100 + index) for index in range(2)]
MACHINE = Machine(accelerator="cpu", resume_seconds=0)
TRAINING = Training(lr=1e-2, epochs=4, batch_size=4, schedule=Cosine())

VARIANTS: dict[str, dict[str, object]] = {
    "plain": {},
    "averaged": {"average": 0.5},
    "selected": {"select": "best_validation", "select_every": 1},
    "averaged and selected": {"average": 0.5, "select": "best_validation", "select_every": 1},
    "by steps, into the last epoch": {"steps": 7},
    "isolated": {"isolate": Isolation(after=2, fraction=0.3)},
    "clipped AdamW": {"optimizer": "adamw", "weight_decay": 0.1, "clip_gradient": 0.5},
    "clipped in mixed precision": {"precision": "bf16-mixed", "clip_gradient": 0.5},
}


class Interrupted(Exception):
    pass


def new_counter() -> Counter:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return build_counter("lite")


def weights_of(training: Training, folder: Path | None = None) -> dict[str, Tensor]:
    counter = new_counter()
    fit(counter, CROWDS, training, seed=0, folder=folder, validation=VALIDATION, machine=MACHINE)
    return counter.state_dict()


def mae(weights: dict[str, Tensor]) -> float:
    counter = new_counter()
    counter.load_state_dict(weights)
    truths = torch.tensor([float(crowd.count) for crowd in VALIDATION])
    return float((count_crowds(counter, VALIDATION) - truths).abs().mean())


def stop_after(epoch: int, how: Callable[[], None]) -> Callable[[int, float], None]:
    def report(now: int, loss: float) -> None:
        if now == epoch:
            how()

    return report


def interrupt() -> None:
    raise Interrupted


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def test_a_counter_in_evaluation_mode_learns_as_one_in_training_mode() -> None:
    """As after a first training, or in a copy of an attacked counter that is to be repaired: batch norm learns too."""
    fresh, used = new_counter(), new_counter().eval()
    for counter in (fresh, used):
        fit(counter, CROWDS, TRAINING, seed=0, machine=MACHINE)
    assert same(fresh.state_dict(), used.state_dict())


@pytest.mark.parametrize("stopped_after", [1, 2, 3])
@pytest.mark.parametrize("variant", VARIANTS)
def test_an_interrupted_training_ends_as_an_uninterrupted_one(variant: str, stopped_after: int, tmp_path: Path) -> None:
    training = TRAINING.model_copy(update=VARIANTS[variant])
    uninterrupted, resumed = new_counter(), new_counter()
    whole = fit(uninterrupted, CROWDS, training, seed=0, validation=VALIDATION, machine=MACHINE)
    with pytest.raises(Interrupted):
        fit(
            new_counter(),
            CROWDS,
            training,
            seed=0,
            folder=tmp_path,
            validation=VALIDATION,
            machine=MACHINE,
            report=stop_after(stopped_after, interrupt),
        )
    heard: list[int] = []
    rest = fit(
        resumed,
        CROWDS,
        training,
        seed=0,
        folder=tmp_path,
        validation=VALIDATION,
        machine=MACHINE,
        report=lambda epoch, loss: heard.append(epoch),
    )
    assert same(uninterrupted.state_dict(), resumed.state_dict())
    assert heard == [epoch for epoch in (1, 2, 3, 4) if epoch >= stopped_after]
    for name in ("epoch", "loss", "learning_rate"):
        assert [row[name] for row in rest.rows] == [row[name] for row in whole.rows]


def test_ctrl_c_is_a_keyboard_interrupt_and_the_training_goes_on_afterwards(tmp_path: Path) -> None:
    handler = signal.getsignal(signal.SIGINT)
    press = stop_after(3, lambda: signal.raise_signal(signal.SIGINT))
    with pytest.raises(KeyboardInterrupt):
        fit(new_counter(), CROWDS, TRAINING, seed=0, folder=tmp_path, machine=MACHINE, report=press)
    assert signal.getsignal(signal.SIGINT) is handler
    assert same(weights_of(TRAINING, tmp_path), weights_of(TRAINING))


@pytest.mark.parametrize(("name", "devices"), [*((name, 1) for name in VARIANTS), ("averaged", 2)])
def test_a_training_whose_last_epoch_is_over_is_taken_up_with_the_same_weights(
    name: str, devices: int, tmp_path: Path
) -> None:
    """As when what comes after it is interrupted."""
    training = TRAINING.model_copy(update=VARIANTS[name])
    machine = Machine(accelerator="cpu", devices=devices, resume_seconds=0)
    ended, taken_up = new_counter(), new_counter()
    whole, rest = (
        fit(counter, CROWDS, training, seed=0, folder=tmp_path, validation=VALIDATION, machine=machine)
        for counter in (ended, taken_up)
    )
    assert same(ended.state_dict(), taken_up.state_dict())
    assert [row["loss"] for row in rest.rows] == [row["loss"] for row in whole.rows]


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut off", b"not a zip file"])
def test_a_resume_point_that_is_not_whole_is_not_taken_up(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "resume.ckpt").write_bytes(content)
    assert same(weights_of(TRAINING, tmp_path), weights_of(TRAINING))


class RunsCode:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return print, ("code of the pickle's choosing",)


def test_a_resume_point_with_code_in_it_is_refused_and_not_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    torch.save({"state_dict": RunsCode()}, tmp_path / "resume.ckpt")
    capsys.readouterr()
    with pytest.raises(InputError, match=r"resume\.ckpt: .*delete it"):
        weights_of(TRAINING, tmp_path)
    assert capsys.readouterr().out == ""


def test_divergence_is_told_and_never_saved(tmp_path: Path) -> None:
    counter = new_counter()
    with torch.no_grad():
        counter.get_parameter("head.bias").fill_(torch.nan)
    for _ in range(2):  # the second time, nothing is there to go on from
        with pytest.raises(RunError, match=r"diverged in epoch 1.*training\.lr"):
            fit(counter, CROWDS, TRAINING, seed=0, folder=tmp_path, machine=MACHINE)
    assert list(tmp_path.iterdir()) == []


def test_a_counter_that_can_learn_nothing_more_is_told_and_never_saved(tmp_path: Path) -> None:
    counter = build_counter("mcnn")
    with torch.no_grad():
        counter.get_parameter("fuse.weight").fill_(-1.0)  # what it merges is never negative, so its ReLU is shut
    with pytest.raises(RunError, match=r"died in epoch 1.*training\.lr"):
        fit(counter, CROWDS, TRAINING, seed=0, folder=tmp_path, machine=MACHINE)
    assert list(tmp_path.iterdir()) == []


def test_steps_end_a_training_wherever_they_fall() -> None:
    one_epoch = weights_of(TRAINING.model_copy(update={"epochs": 1, "schedule": Training().schedule}))
    as_steps = weights_of(TRAINING.model_copy(update={"steps": 2, "schedule": Training().schedule}))
    one_more = weights_of(TRAINING.model_copy(update={"steps": 3, "schedule": Training().schedule}))
    assert same(one_epoch, as_steps)
    assert not same(one_epoch, one_more)


@pytest.mark.parametrize("average", [None, 0.5])
def test_selection_keeps_the_best_epoch_even_where_steps_end_the_training(average: float | None) -> None:
    constant = TRAINING.model_copy(update={"schedule": Training().schedule, "average": average, "lr": 3e-2})
    after_each = [mae(weights_of(constant.model_copy(update={"epochs": epochs}))) for epochs in (1, 2, 3, 4)]
    selected = {"select": "best_validation", "select_every": 1}
    assert mae(weights_of(constant.model_copy(update=selected))) == min(after_each)
    in_seven_steps = constant.model_copy(update={"steps": 7})
    only_the_last = {"select": "best_validation", "select_every": 99}
    assert same(weights_of(in_seven_steps.model_copy(update=only_the_last)), weights_of(in_seven_steps))


@pytest.mark.parametrize(
    ("selection", "epochs", "looked_at"),
    [
        ({}, 100, [20, 40, 60, 80, 100]),
        ({"select_every": 30}, 100, [30, 60, 90, 100]),
        ({"select_from": 1}, 100, [1, 21, 41, 61, 81]),  # the paper's code for CSRNet
        ({"select_from": 50, "select_every": 1}, 150, [*range(50, 151)]),  # CLIP-EBC's
        ({"select_from": 50, "select_every": 1}, 4, [4]),  # some weights must be kept
        ({"select_every": 7}, 3, [3]),
    ],
)
def test_weights_are_looked_at_in_these_epochs(
    selection: dict[str, int], epochs: int, looked_at: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    training = Training.model_validate({"select": "best_validation", **selection})
    (_, _, best) = _callbacks(History(), training, CROWDS, VALIDATION, None, MACHINE)
    looks: list[int] = []
    trainer = SimpleNamespace(max_epochs=epochs)
    monkeypatch.setattr(type(best), "_look", lambda self, counter: looks.append(trainer.current_epoch + 1))
    for trainer.current_epoch in range(epochs):
        best.on_train_epoch_end(trainer, SimpleNamespace(counter=new_counter()))  # type: ignore[arg-type]
    assert looks == looked_at


def test_a_first_look_is_in_the_record_only_where_there_is_one() -> None:
    """Keys of trainings from before there was this setting would change, and finished counters be trained again."""
    assert "select_from" not in TRAINING.model_dump()
    assert Training(select_from=3).model_dump()["select_from"] == 3
    assert Training.model_validate(TRAINING.model_dump()) == TRAINING


def test_averaged_weights_are_the_moving_average_over_the_steps() -> None:
    constant = TRAINING.model_copy(update={"schedule": Training().schedule})
    steps = [weights_of(constant.model_copy(update={"steps": steps})) for steps in (1, 2, 3)]
    averaged = weights_of(constant.model_copy(update={"steps": 3, "average": 0.75}))
    for name in (name for name, value in averaged.items() if value.is_floating_point()):
        expected = 0.75 * (0.75 * steps[0][name] + 0.25 * steps[1][name]) + 0.25 * steps[2][name]
        torch.testing.assert_close(averaged[name], expected)


def test_training_lowers_the_loss_and_writes_it_down(tmp_path: Path) -> None:
    training = Training(lr=3e-3, epochs=20, batch_size=3, schedule=Cosine(floor=1e-5))
    history = fit(new_counter(), CROWDS, training, seed=0, machine=MACHINE)
    history.write(tmp_path / "training.csv")
    with (tmp_path / "training.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["epoch", "loss", "learning_rate", "seconds"]
    assert [int(row["epoch"]) for row in rows] == list(range(1, 21))
    assert float(rows[-1]["loss"]) < 0.5 * float(rows[0]["loss"])
    rates = [float(row["learning_rate"]) for row in rows]
    assert rates[0] == 3e-3
    assert rates == pytest.approx([training.schedule.at(epoch, 20, 3e-3) for epoch in range(20)], rel=1e-4)


def test_a_training_leaves_the_process_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    counter = new_counter()
    level = logging.getLogger("lightning.pytorch").level
    state, deterministic = torch.get_rng_state(), torch.are_deterministic_algorithms_enabled()
    fit(counter, CROWDS, TRAINING, seed=0, machine=MACHINE)
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.are_deterministic_algorithms_enabled() == deterministic
    assert logging.getLogger("lightning.pytorch").level == level
    assert not any(module.training for module in counter.modules())
    assert list(tmp_path.iterdir()) == []


def test_what_came_before_does_not_change_a_training() -> None:
    first = weights_of(TRAINING)
    torch.manual_seed(123)
    assert same(weights_of(TRAINING), first)


@pytest.mark.parametrize("select", ["best_validation", "best_test_as_published"])
def test_a_training_without_crowds_says_which_are_missing(select: str) -> None:
    with pytest.raises(InputError, match="no crowd to train on"):
        fit(new_counter(), [], TRAINING, seed=0, machine=MACHINE)
    training = TRAINING.model_copy(update={"select": select})
    with pytest.raises(InputError, match=rf"training\.select: {select} needs crowds"):
        fit(new_counter(), CROWDS, training, seed=0, validation=[], machine=MACHINE)


def test_running_out_of_memory_says_what_would_help(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_memory(*args: object, **kwargs: object) -> Tensor:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(Counter, "loss", no_memory)
    with pytest.raises(RunError, match=r"out of memory.*training\.batch_size"):
        fit(new_counter(), CROWDS, TRAINING, seed=0, machine=MACHINE)


@pytest.mark.parametrize("batch_size", [1, 2])
def test_a_small_picture_alone_in_its_batch_is_met_by_a_line(batch_size: int) -> None:
    smallest = [Crowd(torch.zeros(3, 8, 8, dtype=torch.uint8), torch.tensor([[2.0, 3.0]]), str(i)) for i in range(3)]
    with pytest.raises(InputError, match=r"training\.batch_size: .* a single value; larger batches or pictures"):
        fit(new_counter(), smallest, Training(epochs=1, batch_size=batch_size), seed=0, machine=MACHINE)
    fit(new_counter(), smallest, Training(epochs=1, batch_size=3), seed=0, machine=MACHINE)


@pytest.mark.parametrize(
    ("precision", "capability", "warned"),
    [("bf16-mixed", "AVX2", True), ("bf16-mixed", "AVX512", False), ("32-true", "AVX2", False)],
)
def test_a_precision_that_the_processor_emulates_is_told(
    precision: str, capability: str, warned: bool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: capability)
    training = Training.model_validate({"precision": precision, "steps": 1, "batch_size": 2})
    fit(new_counter(), CROWDS[:2], training, seed=0, machine=MACHINE)
    assert ("emulates bf16-mixed" in caplog.text) == warned
