"""One run at a time in a folder."""

import fcntl
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from countguard.errors import RunError


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Holds a run's folder. The system lets go when the process dies, however it dies, so that no lock outlives it.

    Raises:
        RunError: another process holds it; says which.
    """
    path = folder / ".lock"
    with path.open("a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            holder = file.read(200).strip() or "another process"
            raise RunError(f"{folder}: is held by {holder}; wait for it, or use another --out") from None
        file.truncate(0)
        file.write(f"process {os.getpid()} on {socket.gethostname()}\n")
        file.flush()
        yield
        file.truncate(0)
