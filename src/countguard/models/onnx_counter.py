"""A counter that is somebody's ONNX file: it counts, and that is all it does."""

import threading
from collections.abc import Sequence
from math import lcm
from os import PathLike
from pathlib import Path
from typing import Annotated, Any, Literal, NoReturn

import numpy as np
import torch
from pydantic import ConfigDict, Field, ValidationError, model_validator
from torch import Tensor, nn
from torch.nn import functional

from countguard.data.kernels import Kernel
from countguard.errors import InputError, RunError
from countguard.models.counter import Counter, Mean, OutputScale, Std
from countguard.models.mcnn import LUMINANCE
from countguard.models.onnx_export import POINTS
from countguard.models.onnx_file import OnnxFile, open_onnx
from countguard.models.onnx_package import onnx_runtime
from countguard.models.tiles import heads_in_tiles, tiles_of
from countguard.reading import read_file
from countguard.settings import Settings, first_error
from countguard.writing import require_place, write_atomically

BESIDE = ".json"
"""Behind an ONNX file's name: where `OnnxSettings` are kept."""
CELL = 8
"""Side of the map cells into which points are counted, pixels."""
PROBE = 256
"""Side of the picture on which a graph of any size is tried."""
ALIGN, MARGIN = 32, 160
"""What is taken for a graph that does not say it: what most networks need, and see."""
SECONDS = 600
"""How long one picture may take."""
DTYPES = ("uint8", "float16", "float32", "float64")
LAYERS = (1, 3)
"""Channels of a picture: gray, or red, green and blue."""


class OnnxSettings(Settings):
    """What a graph does not say of itself; kept in a file beside it, as JSON.

    Attributes:
        mean, std: of an input of floats: subtracted from and dividing each channel in 0..1. Bytes go in as they are.
        channels: the order that the graph was trained with; OpenCV reads "bgr".
        output_scale: people per unit of the density's sum.
        density: the output that is a density map; None where there is one that can be.
        points: the outputs that are points and their scores; None where there are some that can be.
        threshold: score from which on a point is a head.
        align: sides are padded to multiples of it; None for 32 or a multiple of the map's stride.
    """

    version: Literal[1] = 1
    mean: Mean | None = None
    std: Std | None = None
    channels: Literal["rgb", "bgr"] = "rgb"
    output_scale: OutputScale = 1.0
    density: Annotated[str, Field(max_length=200)] | None = None
    points: tuple[Annotated[str, Field(max_length=200)], ...] | None = None
    threshold: Annotated[float, Field(ge=0, le=1)] = 0.5
    align: Annotated[int, Field(ge=1, le=4096)] | None = None


class Limits(Settings):
    """What an exported file says of the pieces in which large pictures are counted, see `Counter`, and of its points.

    Attributes:
        threshold: score from which on one of the points is a head; None for a file that gives none.
    """

    model_config = ConfigDict(extra="ignore")

    align: Annotated[int, Field(ge=1, le=1024)]
    margin: Annotated[int, Field(ge=0, le=4096)]
    tile: Annotated[int, Field(ge=64, le=1 << 16)]
    threshold: Annotated[float, Field(gt=0, lt=1)] | None = None

    @model_validator(mode="after")
    def _leave_a_core(self) -> "Limits":
        if self.tile < 2 * self.margin + 64:
            raise ValueError("tile: less than 64 pixels are left between its margins")
        return self

    @classmethod
    def of(cls, file: OnnxFile) -> "Limits | None":
        """Those in a file; None where it says nothing, or nothing that can be."""
        try:
            return cls.model_validate(file.facts)
        except ValidationError:
            return None


class OnnxCounter(Counter):
    """See `load_onnx`.

    A graph of one fixed size is given every picture at that size, as the machine that it comes from does.
    """

    kind = "onnx"

    def __init__(self, file: OnnxFile, settings: OnnxSettings) -> None:
        mean, std = settings.mean, settings.std
        if not needs_scaling(file):
            unit = 1 / 255 if file.input.dtype == "uint8" else 1.0
            mean, std = (0.0,) * 3, (unit,) * 3
        if mean is None or std is None:
            raise InputError(unsaid(file))
        super().__init__(mean=mean, std=std, output_scale=settings.output_scale)
        self.file, self.onnx_settings = file, settings
        self.channels_last, self.layers, self.size, self.batch = _input(file)
        self._session = _session(file)
        limits = Limits.of(file)
        whole = self.size is not None or file.exported  # such graphs take a picture as it is
        self._padded = 1 if whole else settings.align or ALIGN
        self._reads = _Reader.told(self)
        self.stride = self._reads.stride
        self._padded = 1 if whole else lcm(self._padded, self.stride)
        self.align = lcm(limits.align if limits else self._padded, self.stride)
        self.margin, self.tile = (limits.margin, limits.tile) if limits else (MARGIN, self.tile)
        if self.size:
            self.tile = max(self.size)

    def normalise(self, images: Tensor) -> Tensor:
        """See `Counter.normalise`; a graph that takes any picture gets it without padding."""
        height, width = images.shape[-2:]
        normalised = (_as_floats(images) - self.mean) / self.std
        return functional.pad(normalised, (0, -width % self._padded, 0, -height % self._padded))

    def density(self, normalised: Tensor) -> Tensor:
        """See `Counter.density`; from the graph, without gradients."""
        height, width = normalised.shape[-2:]
        maps = [self._reads.density(self.run(image), height, width) for image in self._batches(normalised)]
        return torch.cat(maps).to(normalised.device)

    def people_per_cell(self, images: Tensor) -> Tensor:
        """See `Counter.people_per_cell`; a graph of fixed size sees the whole picture at that size."""
        if self.size is None:
            return super().people_per_cell(images)
        rows, columns = (-(-side // self.stride) for side in images.shape[-2:])
        with torch.inference_mode():
            density: Tensor = self(_resized(_as_floats(images), self.size)).float()
            return _spread(density, rows, columns)

    def heads(self, images: Tensor) -> list[Tensor] | None:
        """See `Counter.heads`."""
        if self._reads.points is None:
            return None
        height, width = images.shape[-2:]
        seen = images if self.size is None else _resized(_as_floats(images), self.size)
        scale = torch.tensor([width / seen.shape[-1], height / seen.shape[-2]])
        with torch.inference_mode():
            tiles = tiles_of(*seen.shape[-2:], side=self.tile, margin=self.margin, align=self.align)
            return [points * scale for points in heads_in_tiles(seen, tiles, self._located)]

    def _located(self, images: Tensor) -> list[Tensor]:
        outputs = [self.run(batch) for batch in self._batches(self.normalise(images))]
        return [points for output in outputs for points in self._reads.located(output)]

    def run(self, normalised: Tensor) -> list[Tensor]:
        """What the graph gives for normalised images [B, 3, H, W]: its outputs, on the CPU.

        Raises:
            RunError: it fails, or takes too long.
        """
        images = normalised.cpu()
        if self.onnx_settings.channels == "bgr":
            images = images.flip(1)
        if self.layers == 1:
            images = (images * torch.tensor(LUMINANCE).view(3, 1, 1)).sum(dim=1, keepdim=True)
        dtype = self.file.input.dtype
        images = images.round().clamp(0, 255).byte() if dtype == "uint8" else images.to(getattr(torch, dtype))
        array = np.ascontiguousarray((images.movedim(1, -1) if self.channels_last else images).numpy())
        options = onnx_runtime().RunOptions()
        late = threading.Timer(SECONDS, lambda: setattr(options, "terminate", True))
        late.daemon = True
        late.start()
        try:
            outputs = self._session.run(None, {self.file.input.name: array}, options)
        except Exception as error:  # the runtime raises many kinds
            said = (str(error).splitlines() or [""])[0][:200]
            slow = f"took more than {SECONDS} seconds" if late.finished.is_set() else f"cannot be run: {said}"
            raise RunError(f"{self.file.path}: {slow} (a picture of {images.shape[-1]} x {images.shape[-2]})") from None
        finally:
            late.cancel()
        return [torch.from_numpy(np.asarray(output)) for output in outputs]

    def loss(
        self,
        images: Tensor,
        points: Sequence[Tensor],
        *,
        kernels: Sequence[Kernel | None] | None = None,
        weights: Tensor | None = None,
    ) -> NoReturn:
        """Refuses: a graph is not trained.

        Raises:
            InputError: always.
        """
        raise InputError(
            f"{self.file.path}: an ONNX file counts, but it cannot be trained or repaired; convert the weights that it "
            "was made of, with: countguard convert"
        )

    def explained_layer(self) -> nn.Module:
        """Refuses: a graph has no layers that could be looked into.

        Raises:
            InputError: always.
        """
        raise InputError(f"{self.file.path}: an ONNX file has no layers for Grad-CAM; its density map is all there is")

    def settings(self) -> dict[str, Any]:
        """See `Counter.settings`; the graph is not among them, so that no file can build this counter again."""
        return super().settings() | self.onnx_settings.model_dump(mode="json", exclude_none=True)

    def _batches(self, normalised: Tensor) -> Sequence[Tensor]:
        """The images as the graph takes them: all at once, or so many as it was made for."""
        return [normalised] if self.batch is None else torch.split(normalised, 1)


class _Reader:
    """Which of a graph's outputs are read, and how; told by a trial on a gray picture.

    Attributes:
        stride: side of a map cell of the density, pixels.
        points: positions of the points' output and of their scores' (None where the points hold them); None where
            there are none. They are counted where there is no map.
    """

    def __init__(self, counter: OnnxCounter, shapes: Sequence[tuple[int, ...]], side: tuple[int, int]) -> None:
        file, settings, limits = counter.file, counter.onnx_settings, Limits.of(counter.file)
        self.path, self.threshold = file.path, settings.threshold
        self.points: tuple[int, int | None] | None = None
        self.map: int | None = None
        self.stride = CELL
        names = [output.name for output in file.outputs]
        shown = ", ".join(f"{name} {list(shape)}" for name, shape in zip(names, shapes, strict=True))[:300]
        self.shown = f"{file.path}: gives {shown}"
        if settings.points is not None:
            self.points = self._scored([self._position(names, name) for name in settings.points], shapes)
            return
        maps = [index for index, shape in enumerate(shapes) if _is_map(shape)]
        if settings.density is not None:
            maps = [self._position(names, settings.density)]
        if len(maps) > 1:
            maps = [index for index in maps if _called(names[index], ("density", "dmap", "den", "mu"))][:2]
            if len(maps) != 1:
                raise InputError(f"{self.shown}: several can be density maps; name one, with --set density=NAME")
        if maps:
            self.map = maps[0]
            self.stride = self._stride(shapes[self.map], side)
            if limits is not None and limits.threshold is not None and POINTS in names:
                self.points, self.threshold = self._scored([names.index(POINTS)], shapes), limits.threshold
            return
        pairs = [index for index, shape in enumerate(shapes) if len(shape) in (2, 3) and shape[-1] in (2, 3)]
        if len(pairs) > 1:
            pairs = [index for index in pairs if _called(names[index], ("point", "coord", "loc", "xy"))]
        scores = [index for index, name in enumerate(names) if _called(name, ("score", "prob", "conf", "logit", "cls"))]
        if len(pairs) != 1 or len(scores) > 1:
            raise InputError(
                f"{self.shown}: neither a density map [batch, 1, rows, columns] nor points [batch, points, 2] can be "
                "told; name the outputs, with --set density=NAME or --set points=[NAME,SCORES]"
            )
        self.points = self._scored([*pairs, *(index for index in scores if index not in pairs)], shapes)

    @classmethod
    def told(cls, counter: OnnxCounter) -> "_Reader":
        """By what the graph gives for a gray picture."""
        height, width = counter.size or (PROBE, PROBE)
        outputs = counter.run(counter.normalise(torch.full((1, 3, height, width), 0.5)))
        return cls(counter, [tuple(output.shape) for output in outputs], (height, width))

    def density(self, outputs: Sequence[Tensor], height: int, width: int) -> Tensor:
        """People per map cell [B, 1, rows, columns], float32."""
        if self.map is None:
            return torch.stack([self._counted(points, height, width) for points in self.located(outputs)])
        density = outputs[self.map].float()
        if density.ndim == 3:
            density = density.unsqueeze(1)
        elif density.shape[1] != 1:
            density = density.movedim(-1, 1)
        rows, columns = -(-height // self.stride), -(-width // self.stride)
        if density.shape[1:] != (1, rows, columns):
            raise InputError(
                f"{self.path}: gave {list(density.shape)} for a picture of {width} x {height}; at stride {self.stride} "
                f"that is [batch, 1, {rows}, {columns}]"
            )
        return density

    def located(self, outputs: Sequence[Tensor]) -> list[Tensor]:
        """Heads in each image: float32 [heads, 2], x then y, pixels of what the graph saw."""
        assert self.points is not None
        where, scored = self.points
        points = outputs[where].float()
        points = points.unsqueeze(0) if points.ndim == 2 else points
        if scored is None:
            score = points[..., 2] if points.shape[-1] == 3 else torch.ones(points.shape[:-1])
        else:
            score = outputs[scored].float().reshape(*points.shape[:-1], -1)
            score = score.softmax(dim=-1)[..., -1] if score.shape[-1] > 1 else score[..., 0]
        return [some[kept][:, :2] for some, kept in zip(points, score > self.threshold, strict=True)]

    def _counted(self, points: Tensor, height: int, width: int) -> Tensor:
        """Points as people per map cell; those past an edge in the map cell next to it."""
        rows, columns = -(-height // CELL), -(-width // CELL)
        cells = (points / CELL).long().minimum(torch.tensor([columns, rows]) - 1).clamp_min(0)
        density = torch.zeros(rows * columns)
        density.index_add_(0, cells[:, 1] * columns + cells[:, 0], torch.ones(len(cells)))
        return density.view(1, rows, columns)

    def _stride(self, shape: tuple[int, ...], side: tuple[int, int]) -> int:
        rows, columns = shape[1:3] if len(shape) == 3 or shape[1] != 1 else shape[2:4]
        if rows < 1 or columns < 1 or side[0] % rows or side[1] % columns or side[0] // rows != side[1] // columns:
            raise InputError(
                f"{self.shown} for a picture of {side[1]} x {side[0]}: its cells are no squares of whole pixels"
            )
        return side[0] // rows

    def _scored(self, chosen: Sequence[int], shapes: Sequence[tuple[int, ...]]) -> tuple[int, int | None]:
        if not 1 <= len(chosen) <= 2 or len(shapes[chosen[0]]) not in (2, 3) or shapes[chosen[0]][-1] not in (2, 3):
            raise InputError(f"{self.shown}: points are [batch, points, 2], or 3 with their score, and may have scores")
        return chosen[0], chosen[1] if len(chosen) == 2 else None

    def _position(self, names: Sequence[str], name: str) -> int:
        if name not in names:
            raise InputError(f"{self.shown}: none is called {name[:80]!r}")
        return names.index(name)


def load_onnx(path: str | PathLike[str]) -> OnnxCounter:
    """A counter from an ONNX file: one that countguard exported, or anybody's with settings beside it.

    Raises:
        InputError: the file is damaged, asks for more than a counter needs, or does not say how its input is scaled.
        RunError: the graph fails.
    """
    path = Path(path)
    file = open_onnx(path)
    settings = read_settings(path)
    return OnnxCounter(file, OnnxSettings() if settings is None else settings)


def read_settings(path: Path) -> OnnxSettings | None:
    """The settings kept beside an ONNX file, or None.

    Raises:
        InputError: they are damaged.
    """
    beside = path.with_name(path.name + BESIDE)
    if not beside.exists():
        return None
    try:
        return OnnxSettings.model_validate_json(read_file(beside, 1 << 16))
    except ValidationError as error:
        raise InputError(f"{beside}: {first_error(error)}") from None


def require_settings_place(path: Path, option: str) -> None:
    """Makes sure that what is kept beside an ONNX file replaces nothing but earlier settings of one.

    Raises:
        InputError: see `require_place`; or what is there are no settings.
    """
    beside = path.with_name(path.name + BESIDE)
    require_place(beside, option)
    try:
        read_settings(path)
    except InputError:
        raise InputError(f"{beside}: is there, and what is kept of {path.name} would overwrite it") from None


def write_settings(path: Path, settings: OnnxSettings) -> Path:
    """Keep settings beside an ONNX file.

    Raises:
        RunError: they cannot be written.
    """
    beside = path.with_name(path.name + BESIDE)
    try:
        write_atomically(beside, settings.model_dump_json(indent=2, exclude_none=True) + "\n")
    except OSError as error:
        raise RunError(f"{beside}: cannot be written ({error.strerror})") from None
    return beside


def _input(file: OnnxFile) -> tuple[bool, int, tuple[int, int] | None, int | None]:
    """Whether the channels come last, how many there are, the fixed size and batch of a graph (None: any)."""
    port = file.input
    if len(port.shape) != 4 or port.dtype not in DTYPES:
        raise InputError(
            f"{file.path}: its input is {port.dtype} {list(port.shape)}; a picture is uint8 or float, "
            "[batch, 3, height, width] or [batch, height, width, 3]"
        )
    batch, *sides = port.shape
    channels_last = sides[0] not in LAYERS and sides[2] in LAYERS
    layers, height, width = (sides[2], *sides[:2]) if channels_last else sides
    if layers is not None and layers not in LAYERS:
        raise InputError(f"{file.path}: its input has {layers} channels; a picture has 1 or 3")
    if batch not in (None, 1):
        raise InputError(f"{file.path}: its input is {list(port.shape)}; a batch of any size, or of 1, is given")
    if (height is None) != (width is None):
        raise InputError(f"{file.path}: its input is {list(port.shape)}; both sides of a picture are fixed, or none")
    size = None if height is None or width is None else (height, width)
    return channels_last, layers or 3, size, batch


def _session(file: OnnxFile) -> Any:
    runtime = onnx_runtime()
    options = runtime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 4
    try:
        return runtime.InferenceSession(file.content, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # the runtime raises many kinds
        said = (str(error).splitlines() or [""])[0][:200]
        raise InputError(f"{file.path}: no graph that onnxruntime can run ({said})") from None


def needs_scaling(file: OnnxFile) -> bool:
    """Whether a graph takes floats, and does not say how they are scaled."""
    return file.input.dtype != "uint8" and not file.exported


def unsaid(file: OnnxFile) -> str:
    """The line on a graph that does not say how its input is scaled."""
    return (
        f"{file.path}: does not say how its input, {file.input.dtype}, is scaled; say it once, and it is kept beside "
        f"the file: countguard convert {file.path} --from imagenet|unit|pixels|half --out {file.path}, or --mean and "
        "--std, or --check DATA with pictures whose heads are known"
    )


def _is_map(shape: tuple[int, ...]) -> bool:
    """Whether an output of this shape can be a density map: one channel, first or last, or none."""
    if len(shape) == 4:
        return 1 in (shape[1], shape[3]) and min(shape) >= 1
    return len(shape) == 3 and shape[-1] > 3 and shape[-2] > 3


def _called(name: str, words: Sequence[str]) -> bool:
    return any(word in name.lower() for word in words)


def _as_floats(images: Tensor) -> Tensor:
    return images.float() / 255 if images.dtype == torch.uint8 else images


def _resized(images: Tensor, size: tuple[int, int]) -> Tensor:
    if images.shape[-2:] == size:
        return images
    return functional.interpolate(images, size, mode="bilinear", align_corners=False, antialias=True).clamp(0, 1)


def _spread(density: Tensor, rows: int, columns: int) -> Tensor:
    """A map [B, 1, h, w] at another size, with the people that it had."""
    if density.shape[-2:] == (rows, columns):
        return density
    finer = functional.interpolate(density, (rows, columns), mode="area")
    before, after = (some.sum(dim=(1, 2, 3), keepdim=True) for some in (density, finer))
    even = before / (rows * columns)
    return torch.where(after.abs() > 1e-9, finer * (before / after), even.expand_as(finer))
