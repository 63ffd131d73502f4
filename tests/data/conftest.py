"""Tiny crowds, and the real ones where they are."""

import os
from pathlib import Path

import pytest


@pytest.fixture
def real() -> Path:
    """ShanghaiTech beside the repository, or wherever COUNTGUARD_SHARED says."""
    root = Path(os.environ.get("COUNTGUARD_SHARED", "../shared")) / "data/shanghaitech"
    if not root.is_dir():
        pytest.skip("the shared ShanghaiTech images are not here")
    return root
