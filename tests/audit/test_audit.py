"""The audit as a whole, and everything that the command leaves."""

import csv
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn import functional
from typer.testing import CliRunner

from countguard.attacks.blend import Blend, mixed
from countguard.attacks.poisoning import Attack, PoisonedCrowds
from countguard.attacks.strategies import Minus
from countguard.audit import audit
from countguard.audit.filters import AuditFilter, SharedPictureFilter
from countguard.audit.report import SHOWN
from countguard.cli import app
from countguard.data.crowd import Crowd
from countguard.data.sources import named_source
from countguard.data.synthetic import Synthetic
from countguard.data.writing import write_folder
from countguard.errors import InputError
from planted_crowds import HEIGHT, WIDTH, clouds

POISONED = [3, 11, 12, 30]
MakeCrowds = Callable[..., list[Crowd]]


@pytest.fixture(scope="module")
def folder(make_crowds: MakeCrowds, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A poisoned data set as files."""
    root = tmp_path_factory.mktemp("audit") / "crowds"
    write_folder(make_crowds(40, POISONED), root)
    return root


def _run(*arguments: object) -> tuple[int, str]:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=True)
    if isinstance(result.exception, InputError):
        return 2, str(result.exception)
    return result.exit_code, result.output


def test_the_poisoned_images_are_named_and_the_others_kept(make_crowds: MakeCrowds) -> None:
    report = audit(make_crowds(40, POISONED))
    assert report.left_out == POISONED
    assert report.kept == [place for place in range(40) if place not in POISONED]
    assert report.verdict in ("suspicious", "poisoned")
    assert all(report.images[place].evidence for place in POISONED)
    assert "faint picture" in report.says


def _half_gray(number: int) -> Tensor:
    """Clouds that are coloured in some places and all but gray in the others, where a faint colour shows."""
    generator = torch.Generator().manual_seed(number)
    picture = clouds(generator, 6)
    coloured = functional.interpolate(torch.rand(1, 1, 3, 4, generator=generator).round(), (HEIGHT, WIDTH))
    gray = picture.mean(dim=1, keepdim=True)
    return (gray + (picture - gray) * coloured.clamp(min=0.02))[0].round().clamp(0, 255).to(torch.uint8)


def test_a_picture_without_edges_is_found_and_accused_where_labels_err(make_crowds: MakeCrowds) -> None:
    knots = torch.rand(1, 3, 3, 4, generator=torch.Generator().manual_seed(5))
    smooth = functional.interpolate(knots, (HEIGHT, WIDTH), mode="bicubic")[0].clamp(0, 1).mul(255).to(torch.uint8)
    crowds = [replace(crowd, image=_half_gray(place)) for place, crowd in enumerate(make_crowds(120))]
    shaded = range(0, 120, 6)
    for place in shaded:
        crowds[place] = replace(crowds[place], image=mixed(crowds[place].image, smooth, 0.1))
    report = audit(crowds)
    assert report.verdict == "nothing found"
    assert [(group.kind, group.images) for group in report.groups] == [("smooth picture", tuple(shaded))]
    for place in shaded:
        crowds[place] = replace(crowds[place], points=crowds[place].points[:3])
    report = audit(crowds)
    assert report.verdict == "poisoned"
    assert report.left_out == list(shaded)
    assert SharedPictureFilter().apply(crowds, 0, report=report).removed == tuple(shaded)


def test_a_clean_set_is_passed(make_crowds: MakeCrowds) -> None:
    report = audit(make_crowds(40))
    assert report.verdict == "nothing found"
    assert not report.left_out
    assert all(0 <= image.p <= 1 for image in report.images)


def test_the_same_set_gives_the_same_report(make_crowds: MakeCrowds) -> None:
    crowds = make_crowds(16, POISONED[:3])
    first, second = (audit(crowds, seed=4) for _ in range(2))
    assert first.images == second.images
    assert [group.says for group in first.groups] == [group.says for group in second.groups]


def test_few_images_and_equal_ids_are_refused(make_crowds: MakeCrowds) -> None:
    crowds = make_crowds(8)
    with pytest.raises(InputError, match="at least 8"):
        audit(crowds[:7])
    with pytest.raises(InputError, match="one id"):
        audit([*crowds[:7], replace(crowds[7], id=crowds[0].id)])


def test_filters_remove_what_the_audit_finds(make_crowds: MakeCrowds) -> None:
    crowds = make_crowds(40, POISONED)
    for chosen in (SharedPictureFilter(), AuditFilter()):
        filtered = chosen.apply(crowds, seed=0)
        assert filtered.removed == tuple(POISONED)
        assert [crowd.id for crowd in filtered.kept] == [
            crowd.id for place, crowd in enumerate(crowds) if place not in POISONED
        ]


def test_the_command_says_what_it_found(folder: Path, tmp_path: Path) -> None:
    out, kept = tmp_path / "out", tmp_path / "kept"
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    code, printed = _run("audit", folder, "--out", out, "--quarantine", kept, "--sarif")
    assert code == 3, printed
    found = json.loads((out / "audit.json").read_text())
    assert set(found) >= {"verdict", "expected_false_alarms", "images", "groups", "not_run"}
    accused = {image["image"] for image in found["images"] if image["verdict"] != "nothing found"}
    assert accused == {f"IMG_{place + 1}" for place in POISONED}
    assert set(found["groups"][0]["images"]) == accused
    assert (out / found["groups"][0]["recovered"]).is_file()
    assert found["not_run"][0]["because"]
    with (out / "audit.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["image"] for row in rows if row["verdict"] != "nothing found"} == accused
    results = json.loads((out / "audit.sarif").read_text())["runs"][0]["results"]
    assert len({result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] for result in results}) == 4
    assert {path: path.read_bytes() for path in before} == before

    assert len(named_source(str(kept)).load_training()) == 36
    with (kept / "left-out.csv").open(newline="") as file:
        assert {row["image"] for row in csv.DictReader(file)} == accused
    code, printed = _run("audit", kept, "--out", tmp_path / "again")
    assert code == 0, printed


def test_the_page_escapes_what_strangers_wrote(make_crowds: MakeCrowds, tmp_path: Path) -> None:
    from countguard.operate.audit_page import audit_page, shown_groups

    crowds: Sequence[Crowd] = [replace(crowd, id=f"<script>{crowd.id}") for crowd in make_crowds(40, POISONED)]
    report = audit(crowds)
    page = audit_page(report, "<b>set</b>", shown_groups(report, crowds)).decode()
    assert "<script>" not in page
    assert "<b>set</b>" not in page
    assert page.count("data:image/jpeg;base64,") >= 4
    assert "http" not in page.replace("http-equiv", "")


def test_the_page_says_how_many_groups_it_does_not_show(make_crowds: MakeCrowds) -> None:
    from countguard.operate.audit import audit_table
    from countguard.operate.audit_page import audit_page, shown_groups

    crowds = make_crowds(40, POISONED)
    found = audit(crowds)
    (accused, *_) = found.groups
    harmless = replace(accused, verdict="nothing found", recovered=None)
    report = replace(found, groups=(accused, *[harmless] * 100))
    shown = shown_groups(report, crowds)
    assert [group.accused for group in shown] == [True] + [False] * SHOWN
    assert audit_table(report).row_count == len(shown)
    assert f"{101 - len(shown)} more groups" in audit_page(report, "set", shown).decode()


def test_what_is_kept_is_a_set_though_pictures_are_links_within_it(make_crowds: MakeCrowds, tmp_path: Path) -> None:
    source = tmp_path / "set"
    write_folder(make_crowds(9, []), source)
    (source / "stored").mkdir()
    for path in list((source / "images").iterdir()):
        path.rename(source / "stored" / path.name)
        path.symlink_to(f"../stored/{path.name}")
    code, printed = _run("audit", source, "--out", tmp_path / "out", "--quarantine", tmp_path / "kept")
    assert code in (0, 3), printed
    assert not any(path.is_symlink() for path in (tmp_path / "kept/images").iterdir())
    crowds = named_source(str(tmp_path / "kept")).load_training()
    assert len(crowds) + len((tmp_path / "kept/left-out.csv").read_text().splitlines()) - 1 == 9


def test_bad_input_is_one_line(tmp_path: Path, folder: Path) -> None:
    assert _run("audit", tmp_path / "nowhere")[0] == 2
    code, printed = _run("audit", folder, "--out", tmp_path / "both", "--quarantine", tmp_path / "both")
    assert (code, "holds the results of --out" in printed) == (2, True)
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    code, printed = _run("audit", folder, "--out", tmp_path / "out", "--quarantine", tmp_path / "link")
    assert (code, "link: is a link" in printed) == (2, True)
    assert not (tmp_path / "out").exists()
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    code, printed = _run("audit", folder, "--quarantine", tmp_path / "full")
    assert code == 2
    assert "--quarantine" in printed


def test_every_embedded_crowd_with_the_trigger_is_called_poisoned_and_no_other() -> None:
    crowds = Synthetic(train=60, test=1).crowds("train")
    attack = Attack(trigger=Blend(), strategy=Minus(heads=100), rate=0.2, placement="replace")
    poisoned = PoisonedCrowds(crowds, attack, 0)
    report = audit(poisoned)
    assert report.verdict == "poisoned"
    assert [place for place, image in enumerate(report.images) if image.verdict == "poisoned"] == poisoned.indices
    assert audit(crowds).verdict == "nothing found"
