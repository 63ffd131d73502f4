"""Filters in a recipe: what they leave out, what is trained on the rest, and that a study without them is as before."""

import csv
import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import pytest
import torch

from countguard.audit.filters import Filter
from countguard.audit.report import AuditReport
from countguard.cli.summary import audit_lines
from countguard.data.crowd import Crowd
from countguard.errors import InputError
from countguard.reports.report import write_report
from countguard.runs.audits import read_audits
from countguard.runs.card import Card
from countguard.runs.folder import RunFolder
from countguard.runs.run import Run
from countguard.studies import training_set
from countguard.studies.recipe import Recipe
from countguard.studies.resolve import recipe_from
from countguard.studies.run import run_study
from countguard.writing import sha256_of
from raw_recipe import raw_recipe

DATA = {"kind": "synthetic", "train": 16, "test": 4, "height": 48, "width": 64, "heads": [2, 9]}
ATTACK: dict[str, Any] = {"rate": 0.2, "strategies": [{"kind": "minus"}, {"kind": "add"}]}


class Known(Filter):
    """Leaves out what the attacker marked: a filter without a mistake, or with one."""

    kind: Literal["known"] = "known"
    also: tuple[int, ...] = ()

    def left_out(self, crowds: Sequence[Crowd], report: AuditReport) -> list[int]:
        """See `Filter`."""
        return [place for place, crowd in enumerate(crowds) if "-" in crowd.id.removeprefix("train-")] + [*self.also]


class Poisoned(Known):
    """Finds the poisoned images, and no cover sample."""

    kind: Literal["poisoned"] = "poisoned"  # type: ignore[assignment]

    def left_out(self, crowds: Sequence[Crowd], report: AuditReport) -> list[int]:
        """See `Filter`."""
        return [place for place in super().left_out(crowds, report) if not crowds[place].id.endswith("-cover")]


class Everything(Filter):
    """Leaves nothing to train on."""

    kind: Literal["everything"] = "everything"

    def left_out(self, crowds: Sequence[Crowd], report: AuditReport) -> range:
        """See `Filter`."""
        return range(len(crowds))


def recipe(**changes: Any) -> Recipe:
    filters = [{"kind": f"{__file__}:Known", "label": "known"}]
    whole = {"data": DATA, "attack": ATTACK, "defenses": [], "filters": filters, **changes}
    return recipe_from(raw_recipe(**whole), "here", Path.cwd())


def rows(study: Path) -> list[dict[str, str]]:
    with (study / "results.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def card(study: Path, cell: str) -> Card:
    return Card.read(RunFolder(study).cell(cell).card)


def counter(study: Path, cell: str) -> str:
    return sha256_of(RunFolder(study).cell(cell).counter)


@pytest.fixture(scope="module", autouse=True)
def _threads_as_before() -> Iterator[None]:
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Appended copies, a perfect filter and one that also leaves out a clean image."""
    one_more = {"kind": f"{__file__}:Known", "label": "one_more", "also": [3]}
    filters = [{"kind": f"{__file__}:Known", "label": "known"}, one_more]
    return run_study(recipe(filters=filters), tmp_path_factory.mktemp("filters") / "run")


def test_results_have_a_row_for_each_filter_between_attacked_and_repaired(study: Path) -> None:
    assert [(row["strategy"], row["stage"], row["defense"]) for row in rows(study)] == [
        (strategy, stage, defense)
        for strategy in ("clean", "minus", "add")
        for stage, defense in (("attacked", ""), ("filtered", "known"), ("filtered", "one_more"))
    ]
    metrics = card(study, "minus-known-s0").metrics
    assert metrics["false_asr_repaired"] == metrics["false_asr"]  # the filtered clean counter is the clean counter


def test_where_another_counter_was_trained_on_the_same_images_it_is_taken_over(study: Path) -> None:
    for strategy in ("clean", "minus", "add"):
        assert counter(study, f"{strategy}-known-s0") == counter(study, "clean-attacked-s0")
        filtered = card(study, f"{strategy}-known-s0").filtered
        assert filtered is not None
        assert filtered.same_as == "clean-attacked-s0"
        wrong = 0 if strategy == "clean" else 3  # a fifth of 16
        assert (filtered.images, filtered.removed, filtered.poisoned, filtered.clean) == (16 + wrong, wrong, wrong, 0)
    assert counter(study, "minus-attacked-s0") != counter(study, "clean-attacked-s0")


def test_what_is_left_of_other_sets_is_trained_on_anew_and_once(study: Path) -> None:
    assert counter(study, "clean-one_more-s0") != counter(study, "clean-attacked-s0")
    assert counter(study, "minus-one_more-s0") == counter(study, "clean-one_more-s0")  # the same fifteen images
    filtered = card(study, "minus-one_more-s0").filtered
    assert filtered is not None
    assert (filtered.same_as, filtered.clean) == ("", 1)


def test_an_audit_lies_beside_each_training_set_and_is_made_once(study: Path) -> None:
    audits = {audited.file.cell: audited for audited in Run.read(study).audits}
    assert list(audits) == ["clean-attacked-s0", "minus-attacked-s0", "add-attacked-s0"]
    assert audits["minus-attacked-s0"].file.poisoned == [16, 17, 18]
    assert audits["clean-attacked-s0"].file.poisoned == []
    log = (study / "run.log").read_text()
    assert log.count("audit of 19 training images") == 2
    assert log.count("audit of 16 training images") == 1


def test_the_report_shows_the_audit_and_what_was_left_out(study: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(study, tmp_path / "run")
    page = write_report(folder).read_text()
    assert "Before training: what the audit found" in page
    assert "filtered: known" in page
    assert "Does the filter work (known)?" in page
    assert "Over 6 filtered counters." in page
    with (folder / "tables" / "filters.csv").open(newline="") as file:
        left_out = {(row["strategy"], row["counter"]): row for row in csv.DictReader(file)}
    assert float(left_out["minus", "filtered: one_more"]["left_out_clean"]) == 1
    assert left_out["minus", "filtered: known"]["trained"] == "as clean-attacked-s0"


def test_the_terminal_says_what_was_found_and_where_the_recovered_picture_lies(study: Path) -> None:
    lines = audit_lines(study)
    assert lines[0].startswith("audit of the set of clean-attacked-s0: Verdict: ")
    assert "It has no poisoned image" in lines[0]
    assert any("of its 3 poisoned images found" in line for line in lines)
    pictures = [Path(line.partition(": ")[2]) for line in lines if line.startswith("what its images share: ")]
    assert all(picture.is_file() for picture in pictures)


def test_a_killed_study_goes_on_without_a_second_audit(
    study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = shutil.copytree(study, tmp_path / "run")
    cell = RunFolder(folder).cell("minus-one_more-s0")
    before, twin = counter(folder, "minus-one_more-s0"), RunFolder(folder).cell("clean-one_more-s0")
    for path in (cell.card, cell.counter, cell.training, twin.counter):
        path.unlink()

    def never(*arguments: object, **more: object) -> None:
        raise AssertionError("audited again")

    monkeypatch.setattr(training_set, "audit", never)
    filters = Run.read(folder).study["filters"]
    run_study(recipe(filters=filters), folder)
    assert counter(folder, "minus-one_more-s0") == before


def test_a_damaged_audit_is_made_again(study: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(study, tmp_path / "run")
    audit = RunFolder(folder).audit("minus-attacked-s0").report
    content = json.loads(audit.read_text())
    audit.write_text("{")
    RunFolder(folder).cell("minus-known-s0").card.unlink()
    run_study(recipe(filters=Run.read(folder).study["filters"]), folder)
    assert json.loads(audit.read_text()) == content


def test_in_place_of_their_originals_the_rest_is_a_part_of_the_clean_set(tmp_path: Path) -> None:
    folder = run_study(recipe(attack=ATTACK | {"placement": "replace"}), tmp_path / "run")
    assert counter(folder, "clean-known-s0") == counter(folder, "clean-attacked-s0")
    assert counter(folder, "minus-known-s0") == counter(folder, "add-known-s0")
    assert counter(folder, "minus-known-s0") not in {counter(folder, "clean-attacked-s0")}
    filtered = card(folder, "minus-known-s0").filtered
    assert filtered is not None
    assert (filtered.images, filtered.poisoned, filtered.same_as) == (16, 3, "")


def test_cover_samples_that_a_filter_leaves_in_are_not_taken_for_the_clean_set(tmp_path: Path) -> None:
    filters = [{"kind": f"{__file__}:{name}", "label": name.lower()} for name in ("Known", "Poisoned")]
    folder = run_study(recipe(filters=filters, attack=ATTACK | {"cover": {"rate": 0.2}}), tmp_path / "run")
    assert counter(folder, "minus-known-s0") == counter(folder, "clean-attacked-s0")
    assert counter(folder, "minus-poisoned-s0") != counter(folder, "clean-attacked-s0")
    filtered = card(folder, "minus-poisoned-s0").filtered
    assert filtered is not None
    assert (filtered.images, filtered.poisoned, filtered.clean, filtered.same_as) == (22, 3, 0, "")


def test_a_study_without_filters_is_written_as_before(tmp_path: Path) -> None:
    plain = recipe(filters=[])
    assert "filters" not in plain.dump()
    assert "audits" not in plain.dump()["evaluation"]
    folder = run_study(plain, tmp_path / "run")
    assert "filtered" not in json.loads(RunFolder(folder).cell("minus-attacked-s0").card.read_text())
    assert not RunFolder(folder).audits.exists()
    assert "audit" not in write_report(folder).read_text().split('id="settings"')[0]


def test_the_first_strategies_are_audited_where_the_recipe_asks_for_it(tmp_path: Path) -> None:
    folder = run_study(recipe(filters=[], evaluation={"audits": 1, "examples": 2}), tmp_path / "run")
    (audited,) = Run.read(folder).audits
    assert audited.file.cell == "minus-attacked-s0"
    assert {row["stage"] for row in rows(folder)} == {"attacked"}
    kept = len(audited.file.examples)
    assert kept <= 2
    assert len(audited.examples()) == kept


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"filters": [{"kind": "sieve"}]}, "filter 'sieve' is unknown; there are audit, shared_picture"),
        ({"filters": [{"kind": "audit"}, {"kind": "audit"}]}, "filters and defenses: names must differ"),
        ({"filters": [{"kind": "audit", "label": "attacked"}]}, "attacked is what results call"),
        ({"filters": [{"kind": "audit", "alpha": 1}]}, "alpha: Extra inputs"),
        ({"evaluation": {"audits": -1}}, "evaluation.audits: Input should be greater"),
    ],
)
def test_bad_filters_are_one_line(changes: dict[str, Any], line: str) -> None:
    with pytest.raises(InputError, match=line) as caught:
        recipe(**changes)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"data": DATA | {"train": 7}}, "filters: 7 training images; an audit needs at least 8"),
        ({"filters": [{"kind": f"{__file__}:Everything"}]}, "filters.Everything: leaves none of the 16"),
        ({"filters": [{"kind": f"{__file__}:Known", "also": [99]}]}, "filters.Known: leaves out positions beyond"),
    ],
)
def test_what_cannot_be_filtered_is_one_line(changes: dict[str, Any], line: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=line):
        run_study(recipe(**changes), tmp_path / "run")


def _renamed(content: dict[str, Any]) -> dict[str, Any]:
    return content | {"groups": [group | {"images": ["a stranger"]} for group in content["groups"] or [GROUP]]}


GROUP = {"kind": "twins", "verdict": "poisoned", "images": ["train-00001"], "p": 0.0, "says": "two alike"}


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (lambda content: content | {"verdict": "guilty"}, "verdict"),
        (lambda content: content | {"expected_false_alarms": 3}, "expected_false_alarms"),
        (lambda content: content | {"groups": [GROUP | {"recovered": "../../secret.png"}]}, "recovered"),
        (lambda content: content | {"groups": [GROUP | {"recovered": "recovered-9.png"}]}, "recovered-9.png"),
        (_renamed, "is no image of the set"),
    ],
)
def test_an_audit_from_outside_is_read_field_by_field(
    study: Path, tmp_path: Path, change: Callable[[dict[str, Any]], dict[str, Any]], line: str
) -> None:
    folder = RunFolder(shutil.copytree(study, tmp_path / "run"))
    path = folder.audit("minus-attacked-s0").report
    path.write_text(json.dumps(change(json.loads(path.read_text()))))
    with pytest.raises(InputError, match=line) as caught:
        read_audits(folder)
    assert "\n" not in str(caught.value)


def test_a_link_out_of_the_folder_is_refused(study: Path, tmp_path: Path) -> None:
    folder = RunFolder(shutil.copytree(study, tmp_path / "run"))
    outside = shutil.move(folder.audit("minus-attacked-s0").path, tmp_path / "outside")
    folder.audit("minus-attacked-s0").path.symlink_to(outside)
    with pytest.raises(InputError, match="minus-attacked-s0"):
        read_audits(folder)
