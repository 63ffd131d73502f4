"""A compiled blend gives the bits that the plain one gives."""

import os
import shutil
from collections.abc import Iterator

import pytest
import torch

from countguard.attacks.blend import Blend
from countguard.attacks.compiled import CompiledBlend
from countguard.errors import RunError


@pytest.fixture
def kernels_elsewhere(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Compiled kernels of a test are its own, and forgotten after it."""
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    torch._dynamo.reset()
    yield
    torch._dynamo.reset()


@pytest.mark.skipif(shutil.which(os.environ.get("CXX", "g++")) is None, reason="needs a C++ compiler")
@pytest.mark.usefixtures("kernels_elsewhere")
def test_the_compiled_kernel_gives_the_same_bits() -> None:
    values = torch.arange(256, dtype=torch.uint8)
    image = values[:, None].expand(3, 256, 256)
    every_pair = torch.stack([image, image.flip(1), 255 - image])
    for alpha in (0.1, 0.5, 1 / 3):  # at a half, every second sum lies between two values
        trigger = Blend(alpha=alpha)
        trigger._pictures[256, 256] = values.expand(3, 256, 256).contiguous()
        compiled = CompiledBlend(trigger)
        expected = trigger.blend(every_pair)
        assert torch.equal(compiled(every_pair), expected)
        assert torch.equal(compiled(every_pair[0]), expected[0])
        odd = torch.randint(256, (2, 3, 17, 23), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
        marked = torch.empty_like(odd)
        assert compiled(odd, out=marked) is marked
        assert torch.equal(marked, trigger.blend(odd))
    with pytest.raises(ValueError, match="other memory"):
        compiled(odd, out=odd)


@pytest.mark.usefixtures("kernels_elsewhere")
def test_a_machine_without_a_compiler_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch._inductor.config.cpp.cxx", ("no-such-compiler",))
    with pytest.raises(RunError, match="is there a C\\+\\+ compiler"):
        CompiledBlend(Blend())
