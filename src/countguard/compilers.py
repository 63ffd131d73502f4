"""Whether code can be compiled on this machine."""

import shutil
from functools import cache

import torch


@cache
def can_compile_for_gpu() -> bool:
    """Whether there is a GPU and the C compiler that its compiled kernels need."""
    return torch.cuda.is_available() and any(map(shutil.which, ("cc", "gcc", "clang")))
