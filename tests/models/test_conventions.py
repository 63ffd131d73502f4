"""What a network's numbers mean: named, found out by counts, or asked for; never guessed in silence."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from countguard.data.crowd import Crowd
from countguard.errors import InputError
from countguard.models import build_counter, convert, trial
from countguard.models.conventions import CSRNET, Convention, fingerprint, known_file
from countguard.models.counter import IMAGENET_MEAN, Counter
from countguard.models.csrnet import CSRNet
from countguard.models.trial import decide_by_counts


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bare state dict of a CSRNet, in half precision."""
    path = tmp_path_factory.mktemp("bare") / "csrnet.safetensors"
    save_file({name: tensor.half() for name, tensor in CSRNet().state_dict().items()}, path)
    return path


def converted(path: Path, folder: Path, **given: object) -> tuple[Counter, list[str]]:
    said: list[str] = []
    return convert.convert(path, "csrnet", folder / "out.safetensors", say=said.append, **given), said  # type: ignore[arg-type]


def test_a_bare_csrnet_is_asked_about(bare: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        converted(bare, tmp_path)
    for words in (str(bare), "--from leeyeehoo|commissarma|c3f-shha", "--check DATA", "differ by up to 1000 times"):
        assert words in str(caught.value)
    with pytest.raises(InputError, match="--from leeyeehoo"):
        build_counter("csrnet", weights=bare)
    with pytest.raises(InputError, match="'somebody' is no code that trains it; there are leeyeehoo"):
        converted(bare, tmp_path, convention="somebody")
    assert not (tmp_path / "out.safetensors").exists()


@pytest.mark.parametrize(
    ("convention", "scale", "mean"),
    [("leeyeehoo", 1.0, IMAGENET_MEAN[0]), ("commissarma", 64.0, 0.5), ("c3f-shhb", 0.64, 0.452016860247)],
)
def test_a_named_code_sets_what_it_trains_with(
    convention: str, scale: float, mean: float, bare: Path, tmp_path: Path
) -> None:
    counter, said = converted(bare, tmp_path, convention=convention)
    assert said == []
    assert counter.output_scale == scale
    assert counter.settings()["mean"][0] == mean


def test_settings_that_were_given_win_and_may_answer_the_question(bare: Path, tmp_path: Path) -> None:
    whole, said = converted(bare, tmp_path, mean=(0.1,) * 3, std=(0.2,) * 3, output_scale=3.0)
    assert (whole.output_scale, whole.settings()["mean"], said) == (3.0, [0.1] * 3, [])
    told, _ = converted(bare, tmp_path, output_scale=64.0)
    assert told.settings()["std"] == [0.225] * 3
    with pytest.raises(InputError, match="--from"):
        converted(bare, tmp_path, output_scale=2.0)
    named, _ = converted(bare, tmp_path, convention="commissarma", output_scale=2.0)
    assert (named.output_scale, named.settings()["std"]) == (2.0, [0.225] * 3)


def test_the_prefix_of_c3f_tells_its_scale(bare: Path, tmp_path: Path) -> None:
    save_file({f"CCN.module.{name}": value for name, value in load_file(bare).items()}, tmp_path / "ccn.safetensors")
    counter, said = converted(tmp_path / "ccn.safetensors", tmp_path)
    assert counter.output_scale == 0.64
    assert "taken for C-3-Framework on shha" in said[0]
    assert "c3f-shhb" in said[0]
    with pytest.raises(InputError, match="'leeyeehoo' is no code that trains it"):
        converted(tmp_path / "ccn.safetensors", tmp_path, convention="leeyeehoo")


def test_a_published_file_is_known(shared_weights: Callable[[str], Path], tmp_path: Path) -> None:
    path = shared_weights("csrnet_part_a_fp16.safetensors")
    layer = load_file(path)["output_layer.weight"]
    assert known_file(layer) == known_file(layer.float()) == "leeyeehoo"
    assert fingerprint(layer + 1e-3) != fingerprint(layer)
    counter, said = converted(path, tmp_path)
    assert counter.output_scale == 1.0
    assert "a published file" in said[0]


class Scaled(Counter):
    """Counts people by the brightness of a picture, times a scale."""

    def __init__(self, scale: float) -> None:
        super().__init__(output_scale=scale)

    def density(self, normalised: Tensor) -> Tensor:
        brightness = normalised.mean(dim=1, keepdim=True) * self.std.mean() + self.mean.mean()
        return torch.nn.functional.avg_pool2d(brightness, 8)

    def explained_layer(self) -> torch.nn.Module:
        return self


def crowds(*counts: int) -> list[Crowd]:
    """White pictures of 64 cells, in which `Scaled(1)` counts 64."""
    image = torch.full((3, 64, 64), 255, dtype=torch.uint8)
    return [Crowd(image, torch.rand(heads, 2) * 64, f"{number}") for number, heads in enumerate(counts)]


def decided(scales: dict[str, float], *counts: int) -> tuple[str, list[str]]:
    said: list[str] = []
    codes = [Convention(name, {"output_scale": scale}, f"the code {name}") for name, scale in scales.items()]
    chosen = decide_by_counts(
        crowds(*counts), codes, lambda code: Scaled(code.settings["output_scale"]), where="w.pth", say=said.append
    )
    return chosen.name, said


def test_counts_tell_the_convention_and_the_errors_are_said() -> None:
    name, said = decided({"pixel": 64.0, "cell": 1.0, "tiny": 1 / 64}, 60, 70, 64)
    assert name == "cell"
    assert said[0].startswith("w.pth: mean error on 3 pictures with 64.7 heads each: cell 3.3, tiny 63.7, pixel 4032.4")
    assert said[0].endswith("taken for the code cell")


def test_conventions_that_count_alike_need_not_be_told_apart() -> None:
    assert decided({"one": 1.0, "nearly": 1.01, "pixel": 64.0}, 64, 65)[0] == "one"


@pytest.mark.parametrize(
    ("scales", "counts", "words"),
    [
        ({"less": 0.8, "more": 1.2, "pixel": 64.0}, (64, 64), "does not tell less or more"),
        ({"pixel": 64.0, "tiny": 1 / 64}, (64, 64), "none of them counts these pictures"),
        ({"pixel": 64.0, "cell": 1.0}, (0, 0), "there is not one head in the 2 pictures"),
    ],
)
def test_what_counts_do_not_tell_is_refused(scales: dict[str, float], counts: tuple[int, ...], words: str) -> None:
    with pytest.raises(InputError, match=words):
        decided(scales, *counts)


def test_a_large_crowd_is_looked_at_in_part() -> None:
    image = torch.full((3, 600, 1300), 255, dtype=torch.uint8)
    heads = torch.rand(64 * 64, 2) * 8 + torch.tensor([1290.0, 20.0])
    seen: list[torch.Size] = []

    class Watching(Scaled):
        def density(self, normalised: Tensor) -> Tensor:
            seen.append(normalised.shape)
            return super().density(normalised)

    codes = [Convention("cell", {"output_scale": 1.0}, "a"), Convention("pixel", {"output_scale": 64.0}, "b")]
    chosen = decide_by_counts(
        [Crowd(image, heads, "a")], codes, lambda code: Watching(code.settings["output_scale"]), where="w", say=print
    )
    assert chosen.name == "cell"
    assert set(seen) == {torch.Size((1, 3, 512, 512))}


def test_real_pictures_tell_csrnets_conventions(
    shared_weights: Callable[[str], Path],
    part_b: Callable[[int], tuple[Tensor, Tensor]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tensors = {
        name: value.float() for name, value in load_file(shared_weights("csrnet_part_a_fp16.safetensors")).items()
    }
    for name in ("output_layer.weight", "output_layer.bias"):
        tensors[name] /= 64  # now people per pixel, as commissarma trains it
    save_file(tensors, tmp_path / "pixel.safetensors")
    image, points = part_b(1)
    monkeypatch.setattr(trial, "SIDE", 192)
    crowd = Crowd((image[0] * 255).byte(), points, "IMG_1")
    counter, said = converted(tmp_path / "pixel.safetensors", tmp_path, check=[crowd])
    assert counter.output_scale == 64.0
    assert "taken for CommissarMa's" in said[0]
    assert [one.name for one in CSRNET][:2] == ["leeyeehoo", "commissarma"]
