import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from countguard.metrics.intervals import Interval
from countguard.reports.findings import Answer, answers, sign
from countguard.runs.folder import RunFolder
from countguard.runs.predictions import read_predictions, write_predictions
from countguard.runs.run import Run

MakeRun = Callable[..., Path]


def by_question(folder: Path) -> dict[str, Answer]:
    return {answer.question: answer for answer in answers(Run.read(folder))}


def verdicts(answer: Answer) -> dict[str, str]:
    return {finding.strategy: finding.verdict for finding in answer.findings}


def edit_card(folder: Path, cell: str, **metrics: Any) -> None:
    path = folder / "cells" / cell / "card.json"
    card = json.loads(path.read_text())
    card["metrics"] |= metrics
    path.write_text(json.dumps(card))


def copy_triggered(folder: Path, source: str, target: str) -> None:
    """Makes a counter count triggered images as another one does."""
    paths = [RunFolder(folder).cell(name).predictions for name in (source, target)]
    theirs, mine = map(read_predictions, paths)
    write_predictions(replace(mine, triggered=theirs.triggered), paths[1])


def interval(low: float, high: float) -> dict[str, float]:
    return {"value": (low + high) / 2, "low": low, "high": high}


@pytest.mark.parametrize(
    ("ends", "expected"),
    [
        ([], "unclear"),
        ([(0.1, 0.3)], "above"),
        ([(-0.3, -0.1)], "below"),
        ([(-0.1, 0.1)], "unclear"),
        ([(0.0, 0.0)], "unclear"),
        ([(0.1, 0.3), (-0.1, 0.3)], "unclear"),
        ([(0.1, 0.3), (-0.3, -0.1)], "unclear"),
        ([(float("nan"), float("nan"))], "unclear"),
    ],
)
def test_sign_needs_every_interval_on_one_side(ends: list[tuple[float, float]], expected: str) -> None:
    assert sign([Interval((low + high) / 2, low, high) for low, high in ends]) == expected


def test_questions_come_in_order_and_headlines_name_the_attacks(make_run: MakeRun) -> None:
    found = by_question(make_run(examples=0))
    assert list(found) == ["Is the attack real?", "Does the repair work?", "At what cost?"]
    assert found["Is the attack real?"].headline.startswith("Yes: ")
    assert "minus" in found["Is the attack real?"].headline


def test_interval_that_covers_zero_cannot_tell(make_run: MakeRun) -> None:
    folder = make_run(examples=0)
    edit_card(folder, "minus-attacked-s0", net_asr=interval(-0.1, 0.2))
    edit_card(folder, "divide-attacked-s0", net_asr=interval(-0.4, -0.2))
    found = verdicts(by_question(folder)["Is the attack real?"])
    assert found["minus"] == "Cannot tell"
    assert found["divide"] == "No"


def test_success_without_false_success_is_called_meaningless(make_run: MakeRun) -> None:
    folder = make_run(examples=0)
    path = folder / "cells" / "minus-attacked-s0" / "card.json"
    card = json.loads(path.read_text())
    del card["metrics"]["false_asr"], card["metrics"]["net_asr"]
    path.write_text(json.dumps(card))
    minus = next(f for f in by_question(folder)["Is the attack real?"].findings if f.strategy == "minus")
    assert minus.verdict == "Cannot tell without the clean counter"
    assert "means nothing" in minus.text


def test_counter_that_is_off_without_its_trigger_shows_no_backdoor(make_run: MakeRun) -> None:
    folder = make_run(examples=0)
    path = folder / "cells" / "minus-attacked-s0" / "predictions.csv"
    head, *lines = path.read_text().splitlines()
    off = [",".join([*line.split(",")[:3], line.split(",")[4], line.split(",")[4]]) for line in lines]
    path.write_text("\n".join([head, *off]))
    found = by_question(folder)["Is the attack real?"]
    assert verdicts(found)["minus"] == "Miscounts, and not shown that the trigger does it"


def test_repair_that_leaves_net_success_is_not_called_a_cure(make_run: MakeRun) -> None:
    folder = make_run(examples=0)
    edit_card(folder, "minus-fine_tune-s0", net_asr=interval(0.2, 0.4))
    edit_card(folder, "multiply-fine_tune-s0", net_asr=interval(-0.1, 0.1))
    copy_triggered(folder, "clean-fine_tune-s0", "multiply-fine_tune-s0")
    found = verdicts(by_question(folder)["Does the repair work?"])
    assert found["minus"] == "Lowers the success, and leaves some"
    assert found["multiply"] == "Leaves no success that these images can show"


def test_success_beyond_the_clean_counter_so_repaired_is_left(make_run: MakeRun) -> None:
    """What the demo showed: no success beyond the unrepaired clean counter, and much beyond the repaired one."""
    folder = make_run(examples=0)
    edit_card(folder, "minus-fine_tune-s0", net_asr=interval(-0.1, 0.1))
    assert verdicts(by_question(folder)["Does the repair work?"])["minus"] == "Lowers the success, and leaves some"


def test_a_repair_of_what_could_not_be_told_cannot_be_told(make_run: MakeRun) -> None:
    folder = make_run(examples=0)
    edit_card(folder, "minus-attacked-s0", net_asr=interval(-0.1, 0.2))
    assert verdicts(by_question(folder)["Does the repair work?"])["minus"].startswith("Cannot tell, as before")


def test_every_variant_is_answered(make_run: MakeRun) -> None:
    found = by_question(make_run(examples=0, strategies=("minus",), varied=("attack.trigger.alpha", [0.2, 0.05])))
    assert [finding.strategy for finding in found["Is the attack real?"].findings] == [
        "minus at attack.trigger.alpha = 0.05",
        "minus at attack.trigger.alpha = 0.2",
    ]
    assert len(found["At what cost?"].findings) == 4


def test_seeds_that_disagree_are_not_averaged_away(make_run: MakeRun) -> None:
    folder = make_run(examples=0, strategies=("minus",), seeds=(0, 1))
    edit_card(folder, "minus-fine_tune-s0", net_asr=interval(0.2, 0.4))
    edit_card(folder, "minus-fine_tune-s1", net_asr=interval(-0.1, 0.1))
    copy_triggered(folder, "clean-fine_tune-s1", "minus-fine_tune-s1")
    found = verdicts(by_question(folder)["Does the repair work?"])
    assert found["minus"] == "Lowers the success; the seeds disagree on what is left"


def test_attack_that_leaves_the_count_has_no_success_rate(make_run: MakeRun) -> None:
    found = by_question(make_run(examples=0, strategies=("move",)))
    assert verdicts(found["Is the attack real?"])["move"] == "No success rate"
    assert verdicts(found["Does the repair work?"])["move"] == "No success rate"


def test_unfinished_counters_are_not_measured_yet(make_run: MakeRun) -> None:
    folder = make_run(examples=0, unfinished=[("minus", "repaired"), ("multiply", "attacked")])
    found = by_question(folder)
    assert verdicts(found["Is the attack real?"])["multiply"] == "Not measured yet"
    assert verdicts(found["Does the repair work?"])["minus"] == "Not measured yet"
    assert verdicts(found["At what cost?"])["minus"] == "Not measured yet"


def test_each_of_several_repairs_is_answered(make_run: MakeRun) -> None:
    found = by_question(make_run(examples=0, strategies=("minus",), defenses=("fine_tune", "prune")))
    assert "Does the repair work (prune)?" in found
    assert "At what cost (fine_tune)?" in found


def test_a_repair_lasts_beside_a_counter_that_was_never_attacked(make_run: MakeRun) -> None:
    folder = make_run(examples=0, strategies=("minus", "multiply", "move"), relearns=True)
    control, relearned = "multiply-never_attacked-relearned-s0", "multiply-fine_tune-relearned-s0"
    copy_triggered(folder, control, relearned)
    found = by_question(folder)["Does the repair last?"]
    assert verdicts(found) == {
        "minus": "Relearns more readily than a counter that was never attacked",
        "multiply": "Cannot be told from a counter that was never attacked",
        "move": "No success rate",
    }
    minus, multiply, _ = found.findings
    assert minus.text.startswith("Tuned on 4 poisoned images of the attack, the repaired counter is fooled on ")
    assert multiply.text.endswith(" Beyond that counter: 0 points [0, 0].")


def test_without_its_control_a_relearned_counter_tells_nothing(make_run: MakeRun) -> None:
    folder = make_run(examples=0, strategies=("minus", "add"), relearns=True)
    (folder / "cells" / "minus-never_attacked-relearned-s0" / "card.json").unlink()
    (folder / "cells" / "add-fine_tune-relearned-s0" / "card.json").unlink()
    assert verdicts(by_question(folder)["Does the repair last?"]) == {
        "minus": "Cannot tell without the clean counter",
        "add": "Not measured yet",
    }
