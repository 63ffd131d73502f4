"""A network as steps one after another, so that a part of it can run alone."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torch import Tensor, nn

State = tuple[Tensor, ...]
"""What one step hands to the next: maps [B, C, h, w], often one."""


@dataclass(frozen=True, slots=True)
class Step:
    """One module of a counter, and what it does.

    Attributes:
        name: of the module, dotted, as `Module.get_submodule` takes it.
        run: from the state before the module to the state behind it.
    """

    name: str
    run: Callable[[State], State]


def layers_of(root: nn.Module, *names: str) -> list[Step]:
    """A step for each named module; for a Sequential, one for each of its layers. Each takes one map and gives one."""
    steps = []
    for name in names:
        module = root.get_submodule(name)
        inner = [f"{name}.{child}" for child, _ in module.named_children()] if isinstance(module, nn.Sequential) else []
        steps += [_one_map(path, root.get_submodule(path)) for path in inner or [name]]
    return steps


def run_steps(steps: Sequence[Step], state: State) -> State:
    """The state behind the last step."""
    for step in steps:
        state = step.run(state)
    return state


def _one_map(name: str, module: nn.Module) -> Step:
    return Step(name, lambda state: (module(state[0]),))
