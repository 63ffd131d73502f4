"""A command's start: what it imports stays, so that looking for garbage among it is lost time."""

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def importing() -> Iterator[None]:
    """A block of imports without garbage collection, neither in it nor of their objects later.

    Torch makes about 180,000 objects; a tenth of its import, and some time at the end, goes into collecting among them.
    Does nothing where torch is there already.
    """
    if "torch" in sys.modules or not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
