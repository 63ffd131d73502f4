"""Counts over time: CSV, curve and overlay; what was counted is kept."""

import csv
import io
import json
import os
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from typer.testing import CliRunner

from countguard.cli import app
from countguard.cli.counting import count_films as count_films_of_files
from countguard.data.film import Pace, film_frames
from countguard.errors import InputError, Interrupted
from countguard.journal import journal_beside
from countguard.models import build_counter, save_counter
from countguard.models.counter import Counter
from countguard.models.counting import as_input
from countguard.operate import count_film as count_film_module
from countguard.operate.count_film import FrameCount, alarms_of, count_films, films_csv, films_json
from countguard.scan.guard import Calibration, Guard
from interrupting import interrupted_until_done

av = pytest.importorskip("av", reason="films need the extra video")


@pytest.fixture(scope="module")
def lite() -> Counter:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return build_counter("lite")


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seconds of noise."""
    path = tmp_path_factory.mktemp("film") / "walk.mp4"
    generator = torch.Generator().manual_seed(0)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for _ in range(20):
            noise = torch.randint(0, 256, (48, 64, 3), dtype=torch.uint8, generator=generator).numpy()
            container.mux(stream.encode(av.VideoFrame.from_ndarray(noise, format="rgb24")))
        container.mux(stream.encode())
    return path


def test_each_frame_is_counted_as_the_counter_counts_it(lite: Counter, film: Path, tmp_path: Path) -> None:
    (counted,) = count_films(lite, [film], Pace(seconds=0.5), out=tmp_path / "out", overlays=tmp_path / "over")
    frames = list(film_frames(film, Pace(seconds=0.5)))
    assert [row.frame for row in counted.counts] == [0, 5, 10, 15]
    expected = lite.count(as_input(torch.stack([frame.image for frame in frames]))).tolist()
    assert [row.count for row in counted.counts] == pytest.approx(expected, rel=1e-4)
    assert sorted(path.name for path in counted.files) == [
        "walk-counts.csv",
        "walk-counts.png",
        "walk-counts.svg",
        "walk-density.mp4",
    ]
    with (tmp_path / "out/walk-counts.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(float(row["seconds"]), int(row["frame"])) for row in rows] == [(0.0, 0), (0.5, 5), (1.0, 10), (1.5, 15)]
    overlay = list(film_frames(tmp_path / "over/walk-density.mp4", Pace(frames=1)))
    assert len(overlay) == 4
    assert [path.name for path in (tmp_path / "over").iterdir()] == ["walk-density.mp4"]


def test_the_guard_raises_its_alarms_on_the_time_line(lite: Counter, film: Path, tmp_path: Path) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        other = build_counter("lite")
    for twin, alarms in ((lite, 0), (other, 4)):
        guard = Guard(lite, twin, Calibration(threshold=1e-4, false_alarm_rate=0.01, images=100))
        (counted,) = count_films(lite, [film], Pace(seconds=0.5), out=tmp_path / str(alarms), guard=guard)
        assert len(alarms_of(counted.counts)) == alarms
        with (tmp_path / str(alarms) / "walk-counts.csv").open() as file:
            rows = list(csv.DictReader(file))
        assert [row["alarm"] for row in rows] == ["yes" if alarms else "no"] * 4
        assert [frame["alarm"] for frame in json.loads(films_json([counted]))["films"][0]["frames"]] == [
            bool(alarms)
        ] * 4
        frames = torch.stack([frame.image for frame in film_frames(film, Pace(seconds=0.5))])
        expected = twin.count(as_input(frames)).tolist()
        assert [float(row["repaired"]) for row in rows] == pytest.approx(expected, rel=1e-3, abs=1e-3)


def test_what_was_counted_before_an_interruption_is_kept(lite: Counter, film: Path, tmp_path: Path) -> None:
    class Tired(Counter):
        stride = 8
        seen = 0

        def explained_layer(self) -> torch.nn.Module:
            return self

        def density(self, normalised: torch.Tensor) -> torch.Tensor:
            Tired.seen += 1
            if Tired.seen > 3:
                raise KeyboardInterrupt
            return torch.ones(1, 1, normalised.shape[-2] // 8, normalised.shape[-1] // 8)

    with pytest.raises(KeyboardInterrupt):
        list(count_films(Tired(), [film], Pace(frames=1), out=tmp_path / "out", overlays=tmp_path / "over"))
    assert len((tmp_path / "out/walk-counts.csv").read_text().splitlines()) == 4
    assert list((tmp_path / "over").iterdir()) == []


def test_interrupted_at_any_instant_it_ends_as_if_it_had_not_been(lite: Counter, film: Path, tmp_path: Path) -> None:
    save_counter(lite, tmp_path / "lite.safetensors")
    whole, torn = tmp_path / "whole", tmp_path / "torn"

    def count(out: Path) -> None:
        count_films_of_files(
            tmp_path / "lite.safetensors",
            [film],
            "csv",
            "1f",
            out=out,
            overlays=None,
            strict=False,
            guard=None,
            clean=[],
        )

    began = time.monotonic()
    count(whole)
    interrupted_until_done(lambda: count(torn), time.monotonic() - began, times=6)
    files = sorted(path.name for path in whole.iterdir())
    assert sorted(path.name for path in torn.iterdir()) == files
    for name in files:
        assert (torn / name).read_bytes() == (whole / name).read_bytes()


def test_frames_that_are_kept_are_not_counted_again(lite: Counter, film: Path, tmp_path: Path) -> None:
    with journal_beside(tmp_path / "counts", {"verb": "count"}) as kept:
        (first,) = count_films(lite, [film], Pace(seconds=0.5), kept=kept)
    refusing = Refusing()
    with journal_beside(tmp_path / "counts", {"verb": "count"}) as kept:
        (again,) = count_films(refusing, [film], Pace(seconds=0.5), kept=kept)
        assert again.counts == first.counts
        os.utime(film, ns=(0, 0))  # another film now
        with pytest.raises(AssertionError, match="counted"):
            list(count_films(refusing, [film], Pace(seconds=0.5), kept=kept))


def test_frames_that_are_counted_again_for_an_overlay_are_not_kept_again(
    lite: Counter, film: Path, tmp_path: Path
) -> None:
    sizes = []
    for _ in range(2):
        with journal_beside(tmp_path / "counts", {"verb": "count"}) as kept:
            list(count_films(lite, [film], Pace(frames=5), overlays=tmp_path / "over", kept=kept))
        sizes.append((tmp_path / "counts.part").stat().st_size)
    assert sizes[0] == sizes[1]


def test_a_film_without_a_frame_leaves_an_earlier_overlay_as_it_is(lite: Counter, film: Path, tmp_path: Path) -> None:
    copied = tmp_path / "walk.mp4"
    copied.write_bytes(film.read_bytes())
    (good,) = count_films(lite, [copied], Pace(frames=5), overlays=tmp_path / "over")
    overlay = (tmp_path / "over/walk-density.mp4").read_bytes()
    copied.write_bytes(b"no film any more")
    (bad,) = count_films(lite, [copied], Pace(frames=5), overlays=tmp_path / "over")
    assert (good.files, bad.files) == ([tmp_path / "over/walk-density.mp4"], [])
    assert "is no film" in bad.problem
    assert [path.name for path in (tmp_path / "over").iterdir()] == ["walk-density.mp4"]
    assert (tmp_path / "over/walk-density.mp4").read_bytes() == overlay


@pytest.mark.parametrize("format", ["json", "table"])
def test_what_was_counted_of_films_is_shown_when_the_command_breaks_off(
    format: str, lite: Counter, film: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save_counter(lite, tmp_path / "lite.safetensors")
    (tmp_path / "bad.mp4").write_bytes(b"no film")

    def count(*films: Path) -> None:
        count_films_of_files(
            tmp_path / "lite.safetensors", films, format, "5f", out=None, overlays=None, strict=True, guard=None,
            clean=[],
        )  # fmt: skip

    def shown() -> list[tuple[int, str]]:
        out = capsys.readouterr().out
        if format == "table":
            columns = [line.split("│")[2].strip() for line in out.splitlines() if line.startswith("│")]
            return [(int(frames), "") for frames in columns if frames]  # a long name has several lines
        return [(len(entry["frames"]), entry["problem"]) for entry in json.loads(out)["films"]]

    with pytest.raises(InputError, match="is no film"):
        count(film, tmp_path / "bad.mp4")
    assert shown() == [(4, "")]
    looked = count_film_module._look
    frames: list[int] = []

    def press(*arguments: Any) -> FrameCount:
        frames.append(arguments[2].number)
        if len(frames) == 7:
            raise KeyboardInterrupt
        return looked(*arguments)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(count_film_module, "_look", press)
        with pytest.raises(Interrupted, match="6 frames were counted"):
            count(film, film)
    assert shown() == [(4, ""), (2, "interrupted" if format == "json" else "")]


class Refusing(Counter):
    """Counts nothing."""

    stride = 8

    def explained_layer(self) -> torch.nn.Module:
        return self

    def density(self, normalised: torch.Tensor) -> torch.Tensor:
        raise AssertionError("counted")


def test_films_of_one_name_and_bad_ones_are_named(lite: Counter, film: Path, tmp_path: Path) -> None:
    (tmp_path / "walk.mp4").write_bytes(b"no film")
    with pytest.raises(InputError, match="one name"):
        list(count_films(lite, [film, tmp_path / "walk.mp4"], Pace(seconds=1), out=tmp_path / "out"))
    rows = list(count_films(lite, [tmp_path / "walk.mp4", film], Pace(seconds=1)))
    assert [len(row.counts) for row in rows] == [0, 2]
    assert "is no film that is read" in rows[0].problem
    assert [row["frame"] for row in csv.DictReader(io.StringIO(films_csv(rows)))] == ["0", "10"]
    assert [len(entry["frames"]) for entry in json.loads(films_json(rows))["films"]] == [0, 2]


def test_the_command_line_counts_films(lite: Counter, film: Path, tmp_path: Path) -> None:
    save_counter(lite, tmp_path / "lite.safetensors")
    arguments = ["count", str(tmp_path / "lite.safetensors"), str(film), "--every", "1s", "--format", "csv"]
    result = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert result.exit_code == 0
    assert [line.split(",")[1:3] for line in result.stdout.splitlines()] == [
        ["seconds", "frame"],
        ["0.000", "0"],
        ["1.000", "10"],
    ]
    with pytest.raises(InputError, match="pictures or films"):
        CliRunner().invoke(app, [*arguments, str(tmp_path)], catch_exceptions=False)


@pytest.mark.parametrize("name", ["walk-counts.csv", "walk-counts.png", "walk-counts.svg", "walk-density.mp4"])
def test_a_result_replaces_results_alone(name: str, lite: Counter, film: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    for _ in range(2):
        list(count_films(lite, [film], Pace(frames=10), out=out, overlays=out))
    content = b"somebody else's" if name.endswith(".csv") else film.read_bytes()
    (out / name).write_bytes(content)
    before = {path: path.read_bytes() for path in out.iterdir()}
    with pytest.raises(InputError, match=f"{name}: is there, is no earlier result"):
        list(count_films(lite, [film], Pace(frames=10), out=out, overlays=out))
    assert {path: path.read_bytes() for path in out.iterdir()} == before


def test_no_result_overwrites_a_film(lite: Counter, film: Path, tmp_path: Path) -> None:
    for name in ("a.mp4", "a-density.mp4"):
        (tmp_path / name).write_bytes(film.read_bytes())
    before = (tmp_path / "a-density.mp4").read_bytes()
    with pytest.raises(InputError, match=r"a-density\.mp4: is one of the films"):
        list(count_films(lite, [tmp_path / "a.mp4", tmp_path / "a-density.mp4"], Pace(frames=5), overlays=tmp_path))
    assert (tmp_path / "a-density.mp4").read_bytes() == before
    (tmp_path / "over").mkdir()
    (tmp_path / "over/a-density.mp4").symlink_to(tmp_path / "a-density.mp4")
    with pytest.raises(InputError, match="is a link"):
        list(count_films(lite, [tmp_path / "a.mp4"], Pace(frames=5), overlays=tmp_path / "over"))
    assert (tmp_path / "a-density.mp4").read_bytes() == before
