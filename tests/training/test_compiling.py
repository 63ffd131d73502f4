"""A compiled network runs for the sizes that are met often, and for those alone."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from countguard.errors import RunError
from countguard.models import build_counter
from countguard.models.counting import count_crowds
from countguard.training import fit as fit_module
from countguard.training.compiling import compiled
from countguard.training.fit import Machine, fit
from countguard.training.settings import Training
from tiny_crowds import tiny_crowd


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[torch.Size]:
    """Shapes that a compiled network was called with; compiling itself takes half a minute and changes nothing else."""
    shapes: list[torch.Size] = []

    def compile(network: Callable[[Tensor], Tensor], **options: Any) -> Callable[[Tensor], Tensor]:
        def noted(normalised: Tensor) -> Tensor:
            shapes.append(normalised.shape)
            return network(normalised)

        return noted

    monkeypatch.setattr(torch, "compile", compile)
    return shapes


def test_only_these_sizes_run_compiled_and_only_for_gradients(seen: list[torch.Size]) -> None:
    counter = build_counter("csrnet_ebc")
    plain = counter(torch.ones(2, 3, 20, 32))
    with compiled(counter, {(2, 20, 32)}):
        assert torch.equal(counter(torch.ones(2, 3, 20, 32)), plain)
        counter(torch.ones(1, 3, 20, 32))
        counter(torch.ones(2, 3, 24, 40))
        with torch.no_grad():
            counter(torch.ones(2, 3, 20, 32))
        assert seen == [(2, 3, 24, 32)]  # padded to whole cells
    counter(torch.ones(2, 3, 20, 32))
    assert len(seen) == 1
    assert "logits" not in vars(counter)


def test_what_cannot_be_compiled_says_what_does_without(monkeypatch: pytest.MonkeyPatch) -> None:
    def without_compiler() -> None:
        raise RuntimeError("no C compiler")

    monkeypatch.setattr(torch.cuda, "CUDAGraph", without_compiler)
    counter = build_counter("lite")
    with compiled(counter, {(1, 16, 16)}), pytest.raises(RunError, match=r"no C compiler.*machine\.compile: false"):
        counter.loss(torch.ones(1, 3, 16, 16), [torch.ones(1, 2)])


def test_a_training_compiles_what_it_meets_often(seen: list[torch.Size], monkeypatch: pytest.MonkeyPatch) -> None:
    """Three epochs of two batches of four and one of one: six steps of the first size, three of the second."""
    monkeypatch.setattr(fit_module, "can_compile_for_gpu", lambda: True)
    monkeypatch.setattr(fit_module, "PAYS", 4)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    crowds = [tiny_crowd(f"crowd-{index}", seed=index) for index in range(9)]
    training, machine = Training(lr=1e-3, epochs=3, batch_size=4), Machine("auto")
    counter, other = build_counter("csrnet_ebc"), build_counter("csrnet_ebc")
    other.load_state_dict(counter.state_dict())
    fit(counter, crowds, training, seed=0, machine=machine)
    assert seen == [(4, 3, 24, 32)] * 6
    fit(other, crowds, training, seed=0, machine=Machine("auto", compile=False))
    assert len(seen) == 6
    torch.testing.assert_close(count_crowds(counter, crowds), count_crowds(other, crowds))
