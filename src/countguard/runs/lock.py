"""A lock that lets one run at a time work in a folder."""

import fcntl
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from countguard.errors import RunError
from countguard.writing import open_in_place


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Locks a run's folder. The system releases the lock when the process ends, however it ends.

    Raises:
        InputError: the lock is a link or not a plain file.
        RunError: another process holds it; says which.
    """
    with open_in_place(folder / ".lock", root=folder) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            holder = file.read(200).decode(errors="replace").strip() or "another process"
            raise RunError(f"{folder}: is held by {holder}; wait for it, or use another --out") from None
        file.truncate(0)
        file.write(f"process {os.getpid()} on {socket.gethostname()}\n".encode())
        file.flush()
        yield
        file.truncate(0)
