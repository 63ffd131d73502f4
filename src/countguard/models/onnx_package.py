"""The packages that ONNX needs, with a clear word where they are missing."""

from typing import Any

from countguard.errors import InputError


def onnx_package() -> Any:
    """The package onnx.

    Raises:
        InputError: it is not installed.
    """
    try:
        import onnx
    except ImportError:
        raise InputError(_missing("onnx")) from None
    return onnx


def onnx_runtime() -> Any:
    """The package onnxruntime.

    Raises:
        InputError: it is not installed.
    """
    try:
        import onnxruntime
    except ImportError:
        raise InputError(_missing("onnxruntime")) from None
    return onnxruntime


def _missing(package: str) -> str:
    return f"ONNX needs {package}; install it with: pip install 'countguard[onnx]'"
