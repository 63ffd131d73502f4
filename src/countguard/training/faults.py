"""One line for what stops a training from outside: no memory, a lost device, a full disk."""

from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.plugins import TorchCheckpointIO

from countguard.errors import RunError
from countguard.writing import whole_file


@contextmanager
def faults_explained(work: str, help: str) -> Iterator[None]:
    """Turns torch's exceptions about memory and devices into one line.

    Args:
        work: what was being done.
        help: which settings need less of the device's memory.

    Raises:
        RunError: memory ran out, or the device was lost.
    """
    try:
        yield
    except Exception as error:
        if (line := explained(error, work, help)) is not None:
            raise RunError(line) from error
        raise


def explained(error: Exception, work: str, help: str) -> str | None:
    """What happened, if an exception means that memory ran out or that a device was lost; None for all others."""
    if isinstance(error, torch.OutOfMemoryError):
        return f"the device ran out of memory while {work}; {help}"
    if isinstance(error, torch.AcceleratorError):
        said = str(error).splitlines()[0]
        return f"the device was lost while {work} ({said}); what was finished is kept, and the same command goes on"
    if isinstance(error, MemoryError) or "can't allocate memory" in str(error):  # torch's own allocator
        return f"memory ran out while {work}; fewer data.images or a smaller data.scale would help"
    return None


class IntoItsFolder(TorchCheckpointIO):
    """Writes a checkpoint directly to its path.

    Lightning copies it twice in memory and writes it to the system's temporary folder first, where a killed process
    would leave it.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None) -> None:
        """Writes it completely or not at all; raises OSError with the file's name if the disk fails."""
        # torch writes from C++. A signal that is answered there, while a file is written, leaves the end of the archive
        # wrong, and torch ends the process for that; no signal is answered within a BytesIO.
        whole = BytesIO()
        torch.save(checkpoint, whole)
        with whole_file(Path(path)) as file:
            file.write(whole.getbuffer())
