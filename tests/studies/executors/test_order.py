"""In which order cells run where several run at once."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from countguard.studies.cells import Cell, cells_of
from countguard.studies.executors.order import Order, Task
from countguard.studies.executors.places import Local, Processes, place_of
from countguard.studies.resolve import recipe_from
from raw_recipe import raw_recipe

STUDY = raw_recipe(
    seeds=[0, 1],
    filters=[{"kind": "shared_picture"}],
    defenses=[{"kind": "fine_tune"}, {"kind": "search", "of": {"kind": "fine_tune"}, "values": {"lr": [0.1, 0.2]}}],
    vary={"attack.rate": [0.1, 0.2]},
)
STUDY["data"]["train"] = 40
CELLS = list(cells_of(recipe_from(STUDY, "here")))
ONE = [cell for cell in CELLS if cell.seed == 0 and cell.recipe is CELLS[0].recipe]


@given(workers=st.integers(1, 40), finished=st.sets(st.sampled_from(range(len(CELLS)))), seed=st.integers(0, 1000))
def test_every_cell_runs_once_and_after_what_it_needs(workers: int, finished: set[int], seed: int) -> None:
    choose = random.Random(seed)
    trained = {CELLS[place].name for place in finished}
    done = set(trained)
    missing = [cell for cell in CELLS if cell.name not in done]
    order, running = Order(missing), list[Task]()
    while True:
        while len(running) < workers and (task := order.next()) is not None:
            assert task.cell.name not in done | {other.cell.name for other in running}
            if task.whole:
                assert done.issuperset(task.cell.needs)
            else:
                assert trained.issuperset(task.cell.needs_to_train)
                assert task.cell.name not in trained
            running.append(task)
        if not running:
            break
        ended = running.pop(choose.randrange(len(running)))
        order.ended(ended)
        trained.add(ended.cell.name)
        if ended.whole:
            done.add(ended.cell.name)
    assert done == {cell.name for cell in CELLS}


def test_attacked_counters_train_beside_the_clean_one() -> None:
    order = Order(ONE)
    tasks = [task for _ in range(5) if (task := order.next()) is not None]
    assert [(task.cell.name, task.whole) for task in tasks] == [
        ("clean-attacked-s0-rate=0.1", True),
        ("minus-attacked-s0-rate=0.1", False),
        ("multiply-attacked-s0-rate=0.1", False),
    ]
    order.ended(tasks[1])  # trained, and not measured: it can be repaired, and not yet measured
    assert order.next() == Task(named("minus-fine_tune-s0-rate=0.1"), whole=False)


def test_what_many_wait_for_comes_before_what_one_waits_for() -> None:
    order, names = Order(ONE), list[str]()
    while (task := order.next()) is not None:
        order.ended(task)
        names.append(task.cell.name.removesuffix("-s0-rate=0.1"))
    assert names[:6] == [
        "clean-attacked",
        "clean-shared_picture",
        "clean-fine_tune",
        "clean-search",
        "minus-attacked",
        "multiply-attacked",
    ]
    assert len(names) == len(ONE)


def test_a_filtered_counter_waits_for_those_whose_counter_it_may_take_over() -> None:
    cell = named("minus-shared_picture-s0-rate=0.1")
    assert cell.needs_to_train == cell.needs != []


@pytest.mark.parametrize(("cores", "place"), [(1, Local()), (6, Processes(6))])
def test_processes_alone_are_one_for_each_core(cores: int, place: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("countguard.studies.executors.places.cores", lambda: cores)
    assert place_of("processes") == place


def named(name: str) -> Cell:
    return next(cell for cell in CELLS if cell.name == name)
