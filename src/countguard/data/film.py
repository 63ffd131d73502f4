"""Frames of a film at a stated pace, upright, through PyAV (extra `video`).

A film comes from strangers: only containers that hold their own pictures are opened, from a file that is open already,
so that no playlist leads to another file or to the network.
"""

import math
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from countguard.data.images import MAX_PIXELS, MIN_SIDE
from countguard.errors import InputError, RunError
from countguard.reading import open_file

_CONTAINERS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,asf,flv,ogg"
_MAX_BYTES = 1 << 42
_PACE = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|sec|seconds?|m|min|minutes?|h|hours?|f|frames?)?")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


@dataclass(frozen=True, slots=True)
class Pace:
    """How far counted frames are apart: in seconds, or in frames.

    Attributes:
        seconds: None where frames are counted.
        frames: None where seconds are.
    """

    seconds: float | None = None
    frames: int | None = None


@dataclass(frozen=True, slots=True)
class FilmFrame:
    """One frame.

    Attributes:
        number: of the frame in the film, from 0.
        seconds: since the film's beginning.
        image: uint8 [3, H, W], RGB, upright.
    """

    number: int
    seconds: float
    image: Tensor


def pace_from(text: str) -> Pace:
    """A pace as the command line writes it: `1s`, `0.5s`, `500ms`, `2m`, `1h`, `25f`; a bare number is seconds.

    Raises:
        InputError: it is none of these, or nothing at all.
    """
    match = _PACE.fullmatch(text.strip().lower())
    value = float(match[1]) if match else 0.0
    unit = (match[2] or "s") if match else ""
    if unit.startswith("f") and value >= 1 and value.is_integer():
        return Pace(frames=int(value))
    scale = _SECONDS.get(unit, _SECONDS.get(unit[:1], 0.0))
    if not match or unit.startswith("f") or not 0 < value * scale <= 1e6:
        raise InputError(f"--every {text}: should be a time or a number of frames, as 1s, 500ms, 2m or 25f")
    return Pace(seconds=value * scale)


def film_frames(path: Path, pace: Pace) -> Iterator[FilmFrame]:
    """The first frame of a film, and then each that comes a pace or more after the one before.

    Raises:
        InputError: no film, damaged, without a picture stream, or with pictures that are too large or too small. A film
            that is damaged somewhere gives the frames before.
        RunError: PyAV is missing.
    """
    with _opened(path) as (container, stream):
        _require_size(path, stream.codec_context.width, stream.codec_context.height)
        due, number = 0, -1
        first: float | None = None
        for frame in _decoded(path, container, stream):
            number += 1
            time = float(frame.time) if frame.time is not None else number / float(stream.average_rate or 25)
            first = time if first is None else first
            seconds = max(0.0, time - first)
            if pace.frames is not None:
                if number % pace.frames:
                    continue
            elif pace.seconds is not None:
                step = math.floor(seconds / pace.seconds + 1e-6)  # 1.2 / 0.4 is less than 3
                if step < due:
                    continue
                due = step + 1
            _require_size(path, frame.width, frame.height)
            yield FilmFrame(number, seconds, _upright(frame))


@contextmanager
def _opened(path: Path) -> Iterator[tuple[Any, Any]]:
    av = _library()
    with open_file(path, _MAX_BYTES) as file:
        try:
            container = av.open(file, options={"format_whitelist": _CONTAINERS, "protocol_whitelist": ""})
        except (av.FFmpegError, ValueError) as error:
            raise InputError(f"{path}: is no film that is read ({_reason(error)})") from None
        with container:
            if not container.streams.video:
                raise InputError(f"{path}: holds no pictures")
            stream = container.streams.video[0]
            stream.thread_type = "AUTO"
            yield container, stream


def _library() -> Any:
    try:
        import av
    except ImportError:
        raise RunError("films are read by PyAV, which is not installed; pip install 'countguard[video]'") from None
    return av


def _decoded(path: Path, container: Any, stream: Any) -> Iterator[Any]:
    av = _library()
    seen = 0
    frames = container.decode(stream)
    while True:
        try:
            frame = next(frames)
        except StopIteration:
            break
        except (av.FFmpegError, ValueError) as error:
            raise InputError(f"{path}: is damaged after {seen} frames ({_reason(error)})") from None
        seen += 1
        yield frame
    if not seen:
        raise InputError(f"{path}: holds no frame that can be read")


def _require_size(path: Path, width: int, height: int) -> None:
    if width * height > MAX_PIXELS:
        raise InputError(f"{path}: {width} x {height} pixels; at most {MAX_PIXELS:,} are read")
    if 0 < min(width, height) < MIN_SIDE:
        raise InputError(f"{path}: {width} x {height} pixels; both sides need at least {MIN_SIDE}")


def _upright(frame: Any) -> Tensor:
    """RGB as a player shows it: phones write how the film is to be turned."""
    pixels = frame.to_ndarray(format="rgb24")
    turns = round(int(getattr(frame, "rotation", 0)) / 90) % 4
    return torch.from_numpy(np.ascontiguousarray(np.rot90(pixels, turns).transpose(2, 0, 1)))


def _reason(error: Exception) -> str:
    return (getattr(error, "strerror", None) or str(error) or type(error).__name__)[:100]
