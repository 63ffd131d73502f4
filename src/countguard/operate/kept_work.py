"""Long work for one file, kept beside it while it runs, so that the same command goes on with it."""

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from pydantic import JsonValue

from countguard.errors import InputError, RunError
from countguard.journal import Journal, journal_at
from countguard.signals import kept_when_interrupted
from countguard.writing import PARTIAL, make_folder

JOURNAL = "journal"


@dataclass(slots=True)
class Kept:
    """What is kept of a training or an audit.

    Attributes:
        folder: of a training's resume point, or of what pictures gave.
        journal: of what else is known already.
        done: its result is in its own file, and nothing needs to be kept any more.
    """

    folder: Path
    journal: Journal
    done: bool = False

    @property
    def anything(self) -> bool:
        """Whether there is anything to go on from."""
        return len(self.journal) > 0 or (self.folder / "resume.ckpt").exists()


@contextmanager
def kept_work(out: Path, command: Mapping[str, JsonValue]) -> Iterator[Kept]:
    """The folder `OUT.part` of long work, which goes when that is done, or when nothing is in it.

    Args:
        out: the file that the work ends in.
        command: all that it depends on.

    Raises:
        InputError: the folder holds the beginning of another command's.
        RunError: another process is using it, or it cannot be written.
        Interrupted: by Ctrl-C.
    """
    folder = out.with_name(out.name + PARTIAL)
    try:
        make_folder(folder, out.parent)
    except OSError as error:
        raise RunError(f"{folder}: cannot be made ({error.strerror}); name another --out") from error
    kept: Kept | None = None

    def said() -> str:
        if kept is None or not kept.anything:
            return "nothing was written"
        return f"what was done is kept in {folder}, and the same command goes on from there"

    with kept_when_interrupted(said):
        try:
            with journal_at(folder / JOURNAL, command) as journal:
                kept = Kept(folder, journal)
                new = not kept.anything
                try:
                    yield kept
                except InputError:
                    kept.done |= new  # with another input, what was kept is another command's
                    raise
                finally:
                    if kept.done or not kept.anything:
                        _remove(kept)
        finally:
            with suppress(OSError):  # something is in it
                folder.rmdir()


def _remove(kept: Kept) -> None:
    """Removes what was kept, the journal last: its lock keeps other processes out."""
    for path in kept.folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        elif path.name != JOURNAL:
            path.unlink(missing_ok=True)
    kept.journal.finish()
