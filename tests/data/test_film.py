"""Films: frames at a pace, upright, from a file and from nothing else."""

from pathlib import Path

import numpy as np
import pytest

from countguard.data.film import Pace, film_frames, pace_from
from countguard.errors import InputError

av = pytest.importorskip("av", reason="films need the extra video")


def film(path: Path, frames: int = 50, rate: int = 25, size: tuple[int, int] = (64, 48), codec: str = "mpeg4") -> Path:
    """Frames that grow brighter, one gray level each."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate)
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        for index in range(frames):
            pixels = np.full((size[1], size[0], 3), 20 + 4 * index % 200, dtype=np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode())
    return path


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".avi", ".mov", ".ts"])
def test_frames_come_at_their_pace(suffix: str, tmp_path: Path) -> None:
    path = film(tmp_path / f"film{suffix}")
    by_time = list(film_frames(path, Pace(seconds=0.4)))
    assert [frame.number for frame in by_time] == [0, 10, 20, 30, 40]
    assert [frame.seconds for frame in by_time] == pytest.approx([0, 0.4, 0.8, 1.2, 1.6], abs=0.02)
    assert [float(frame.image.float().mean()) for frame in by_time] == pytest.approx([20, 60, 100, 140, 180], abs=4)
    assert by_time[0].image.shape == (3, 48, 64)
    assert [frame.number for frame in film_frames(path, Pace(frames=20))] == [0, 20, 40]
    assert [frame.number for frame in film_frames(path, Pace(seconds=100))] == [0]


@pytest.mark.parametrize(
    ("text", "pace"),
    [
        ("1s", Pace(seconds=1)),
        ("0.5", Pace(seconds=0.5)),
        ("250ms", Pace(seconds=0.25)),
        ("2 minutes", Pace(seconds=120)),
        ("1h", Pace(seconds=3600)),
        ("25f", Pace(frames=25)),
        ("1 frame", Pace(frames=1)),
    ],
)
def test_a_pace_is_a_time_or_a_number_of_frames(text: str, pace: Pace) -> None:
    assert pace_from(text) == pace


@pytest.mark.parametrize("text", ["", "0s", "-1s", "1.5f", "0f", "soon", "1e9h", "1s2", "nan"])
def test_what_is_no_pace_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="--every"):
        pace_from(text)


@pytest.mark.parametrize(
    "content",
    [
        b"text",
        b"#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n",
        b"ffconcat version 1.0\nfile '%s'\n",
    ],
)
def test_a_playlist_leads_nowhere(content: bytes, tmp_path: Path) -> None:
    other = film(tmp_path / "other.mp4", frames=2)
    path = tmp_path / "film.mp4"
    path.write_bytes(content % str(other).encode() if b"%s" in content else content)
    with pytest.raises(InputError, match=r"film\.mp4: is no film that is read"):
        list(film_frames(path, Pace(frames=1)))


def test_a_film_that_breaks_off_gives_what_came_before(tmp_path: Path) -> None:
    path = film(tmp_path / "film.ts", frames=100)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2] + bytes(2000))
    seen = [frame.number for frame in film_frames(path, Pace(frames=1))]
    assert 20 < len(seen) < 100
    with pytest.raises(InputError, match="is empty"):
        list(film_frames(_empty(tmp_path / "none.mp4"), Pace(frames=1)))


def _empty(path: Path) -> Path:
    path.touch()
    return path
