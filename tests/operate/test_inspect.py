"""One command for a stranger's file: what it is, how it counts, what moves it, and what that cannot show."""

import json
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from corpus.case import picture
from countguard.data.folder import Folder
from countguard.data.source import Source
from countguard.data.synthetic import Synthetic
from countguard.data.writing import write_folder
from countguard.errors import InputError, Interrupted
from countguard.models import build_counter, load_counter, save_counter
from countguard.operate.count import Size
from countguard.operate.inspect import catalogue, inspect_counter
from countguard.operate.inspection import FileFacts, Inspection, PictureFacts, PointFacts, TriggerFacts, five_sentences
from countguard.scan.report import ScanReport
from interrupting import interrupted_until_done
from tiny_crowds import tiny_crowd


@pytest.fixture(scope="module")
def counter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("counters") / "suspect.safetensors"
    with torch.random.fork_rng():
        torch.manual_seed(0)
        save_counter(build_counter("lite"), path)
    return path


@pytest.fixture
def pictures(tmp_path: Path) -> list[Path]:
    return [picture(tmp_path / f"pictures/{name}.png", 64 + 8 * index) for index, name in enumerate("abc")]


def test_a_counter_is_counted_with_and_probed_by_every_trigger(
    counter: Path, pictures: list[Path], tmp_path: Path
) -> None:
    bad = tmp_path / "pictures/bad.jpg"
    bad.write_bytes(b"\xff\xd8\xff no picture")
    found = inspect_counter(counter, [*pictures, bad], tmp_path / "out")
    loaded = load_counter(counter)
    counts = [float(loaded.count(Size().read(path)[None])) for path in pictures]
    assert [row.count for row in found.pictures[:3]] == pytest.approx(counts, rel=1e-4)
    assert found.pictures[3].count is None
    assert "bad.jpg" in found.pictures[3].problem
    assert [one.trigger for one in found.triggers] == list(catalogue())
    assert {"blend", "patch", "rain", "sine", "snow", "warp", "low_frequency"} <= set(catalogue())
    assert found.verdict == "cannot tell"
    assert len(found.sentences) == 5
    assert (found.file.format, found.file.kind) == ("a checkpoint of countguard's", "lite")
    kept = json.loads((tmp_path / "out/inspect.json").read_text())
    assert kept["file"]["sha256"] == found.file.sha256
    page = (tmp_path / "out/inspect.html").read_text()
    assert all(sentence.split(";")[0][:60] in page.replace("&#39;", "'") for sentence in found.sentences)
    assert "<script" not in page
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["inspect.html", "inspect.json"]


def test_another_codes_file_is_converted_and_left_as_it_is(pictures: list[Path], tmp_path: Path) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        save_file(build_counter("csrnet").state_dict(), tmp_path / "weights.safetensors")
    before = sorted(path.name for path in tmp_path.iterdir())
    with pytest.raises(InputError, match=r"weights\.safetensors: .*say whose it is, --from"):
        inspect_counter(tmp_path / "weights.safetensors", pictures[:1], tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == before
    found = inspect_counter(tmp_path / "weights.safetensors", pictures[:1], tmp_path / "out", convention="leeyeehoo")
    assert (found.file.format, found.file.kind) == ("a safetensors file of another code", "csrnet")
    assert found.file.converted
    assert "converted without running any code" in found.sentences[0]


def test_counts_are_compared_with_known_heads(counter: Path, pictures: list[Path], tmp_path: Path) -> None:
    crowds = [tiny_crowd(f"IMG_{number}", heads=number + 1, seed=number) for number in range(6)]
    write_folder(crowds, tmp_path / "crowds")
    found = inspect_counter(counter, pictures, tmp_path / "out", points=Folder(root=tmp_path / "crowds"))
    assert found.points is not None
    assert (found.points.images, found.points.people) == (6, 3.5)
    counts = [float(load_counter(counter).count(crowd.image[None])) for crowd in crowds]
    errors = [abs(count - crowd.count) for count, crowd in zip(counts, crowds, strict=True)]
    assert found.points.error[0] == pytest.approx(sum(errors) / 6, rel=1e-3)
    assert "6 pictures of" in found.sentences[1]


def test_a_scan_is_run_where_clean_crowds_are_given(
    counter: Path, pictures: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clean, given = Synthetic(train=10, test=1), []

    def scan_counter(*arguments: object, **options: object) -> ScanReport:
        given.append((*arguments, options))
        return ScanReport.model_construct(verdict="backdoor likely", because=("Under rain it counts fewer people.",))

    monkeypatch.setattr("countguard.operate.inspect.scan_counter", scan_counter)
    found = inspect_counter(counter, pictures[:1], tmp_path / "out", clean=clean, reference=counter, seed=3)
    assert given == [(counter, clean, tmp_path / "out", {"reference": counter, "seed": 3})]
    assert found.verdict == "backdoor likely"
    assert found.sentences[3] == (
        "The scan on clean pictures says that a backdoor is likely: Under rain it counts fewer people."
    )
    assert "proves nothing" in found.sentences[4]
    assert "The scan" in (tmp_path / "out/inspect.html").read_text()


def test_what_is_no_counter_is_one_line_and_leaves_nothing(pictures: list[Path], tmp_path: Path) -> None:
    (tmp_path / "notes.pth").write_text("hello")
    with pytest.raises(InputError, match=r"notes\.pth"):
        inspect_counter(tmp_path / "notes.pth", pictures, tmp_path / "out")
    with pytest.raises(InputError, match=r"gone\.pth: there is no such file"):
        inspect_counter(tmp_path / "gone.pth", pictures, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_interrupted_at_any_instant_it_ends_as_if_it_had_not_been(
    counter: Path, pictures: list[Path], tmp_path: Path
) -> None:
    began = time.monotonic()
    whole = inspect_counter(counter, pictures, tmp_path / "whole")
    longest = time.monotonic() - began
    interrupted_until_done(lambda: inspect_counter(counter, pictures, tmp_path / "torn"), longest, times=6)
    one, other = (json.loads((tmp_path / name / "inspect.json").read_text()) for name in ("whole", "torn"))
    assert one == other
    assert whole.sentences == tuple(other["sentences"])


def press(*arguments: object) -> None:
    raise KeyboardInterrupt


def test_it_goes_on_with_the_same_conversion_alone(
    pictures: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, out = tmp_path / "weights.safetensors", tmp_path / "out"
    with torch.random.fork_rng():
        torch.manual_seed(0)
        save_file(build_counter("csrnet").state_dict(), file)
    with monkeypatch.context() as patched:
        patched.setattr("countguard.operate.inspect._probed", press)
        with pytest.raises(Interrupted, match="the same command goes on"):
            inspect_counter(file, pictures[:1], out, convention="leeyeehoo")
    with pytest.raises(InputError, match=r"another command \(--from differs\)"):
        inspect_counter(file, pictures[:1], out, convention="commissarma")
    with pytest.raises(InputError, match=r"another command \(--model differs\)"):
        inspect_counter(file, pictures[:1], out, kind="csrnet", convention="leeyeehoo")


def test_what_has_changed_since_an_interruption_is_counted_again(
    counter: Path, pictures: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    crowds = [tiny_crowd(f"IMG_{number}", heads=number + 1, seed=number) for number in range(3)]
    write_folder(crowds, tmp_path / "crowds")

    def inspected(out: str) -> Inspection:
        return inspect_counter(counter, pictures, tmp_path / out, points=Folder(root=tmp_path / "crowds"))

    with monkeypatch.context() as patched:
        patched.setattr("countguard.operate.inspect._examples", press)
        with pytest.raises(Interrupted):
            inspected("torn")
    picture(pictures[1], 160)
    table = (tmp_path / "crowds/points.csv").read_text()
    (tmp_path / "crowds/points.csv").write_text(table + table.splitlines()[-1] + "\n")
    torn, whole = inspected("torn"), inspected("whole")
    assert torn.pictures == whole.pictures
    assert torn.triggers == whole.triggers
    assert torn.points == whole.points


def test_an_earlier_inspections_scan_goes_and_a_scan_of_its_own_stays(
    counter: Path, pictures: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    report = ScanReport(
        verdict="nothing found", false_alarm_rate=0.05, because=("Nothing moves it.",), score=0.1 + 0.2, threshold=3.0,
        against="clean counters", signs=(), families=(), probes=(), searches=(), not_run=(), kind="lite", images=10,
        people=20.0, error=1.0, pairs=280, seed=0,
    )  # fmt: skip

    def scan_counter(counter: Path, clean: Source, out: Path, **options: object) -> ScanReport:
        (out / "scan.json").write_text(report.model_dump_json(indent=2))
        (out / "scan.html").write_text("<title>a.safetensors: countguard scan</title>")
        return report

    monkeypatch.setattr("countguard.operate.inspect.scan_counter", scan_counter)
    both, alone = ["inspect.html", "inspect.json"], ["scan.html", "scan.json"]
    for clean, there in ((Synthetic(train=10, test=1), [*both, *alone]), (None, both)):
        inspect_counter(counter, pictures[:1], out, clean=clean)
        assert sorted(path.name for path in out.iterdir()) == there
    scan_counter(counter, Synthetic(train=10, test=1), out)
    inspect_counter(counter, pictures[:1], out)
    assert sorted(path.name for path in out.iterdir()) == [*both, *alone]


FILE = FileFacts(
    file="a.pth", sha256="0", bytes=1, format="a pickle of PyTorch's", kind="csrnet", converted=True, said=(),
    parameters=10, stride=8,
)  # fmt: skip
PICTURES = (PictureFacts(file="a.jpg", count=12.2), PictureFacts(file="b.jpg", count=80.0))


def moved(trigger: str, change: float, low: float, high: float) -> TriggerFacts:
    return TriggerFacts(trigger=trigger, settings={}, images=8, change=change, low=low, high=high, moved=0.5)


def test_the_sentences_say_what_is_shown_and_what_is_not() -> None:
    triggers = (moved("rain", -0.05, -0.1, 0.0), moved("blend", -0.4, -0.5, -0.3), moved("warp", 0.3, -0.2, 0.9))
    said = five_sentences(FILE, PICTURES, None, triggers, None)
    assert said[1].startswith(
        "It counts 12 to 80 people in 2 pictures; whether that is right can be told with --points"
    )
    assert said[2].endswith("these change its count: blend (-40%).")
    assert "a backdoor cannot be told from a weakness" in said[3]
    assert said[4].startswith("No test shows that a counter has no backdoor")
    points = PointFacts(data="part_B", images=40, people=123.5, error=(9.0, 8.0, 10.0), right=0.55, bias=0.1)
    assert (
        "wrong by 9.0 [8.0, 10.0], and counts 55% of them within 10 %"
        in (five_sentences(FILE, PICTURES, points, triggers, None)[1])
    )
    assert five_sentences(FILE, PICTURES, None, triggers[:1], None)[2].startswith("None of 1 triggers")
