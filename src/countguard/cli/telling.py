"""What a command tells while it works: progress and warnings on stderr, and a log where one is asked for."""

import logging
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from countguard.errors import InputError, RunError
from countguard.progress import log, logged_to
from countguard.progress import told as progress


@contextmanager
def told(*, verbose: bool, quiet: bool, log: Path | None) -> Iterator[None]:
    """A block whose progress and warnings are shown on stderr.

    Args:
        verbose: everything that is logged is shown.
        quiet: nothing is.
        log: a file that gets all of it, with times.

    Raises:
        InputError: both are asked for, or the file is a link.
        RunError: the file cannot be written.
    """
    if verbose and quiet:
        raise InputError("-v and -q: ask for one of the two")
    shown = _Shown(verbose, quiet)
    with ExitStack() as stack:
        stack.callback(_as_before, shown)
        _listen(shown, verbose, quiet)
        if log is not None:
            try:
                stack.enter_context(logged_to(log))
            except OSError as error:
                raise RunError(f"{log}: cannot be written ({error.strerror}); name another --log") from error
        yield


class _Shown(logging.Handler):
    """Shows records on what is stderr at that time."""

    def __init__(self, verbose: bool, quiet: bool) -> None:
        super().__init__(logging.ERROR if quiet else logging.INFO)
        self.levels = log.level, progress.level
        self._all = verbose

    def filter(self, record: logging.LogRecord) -> bool:
        """Warnings and progress, and all else where it is asked for."""
        return self._all or record.levelno >= logging.WARNING or record.name == progress.name

    def emit(self, record: logging.LogRecord) -> None:
        """Writes a line."""
        print(record.getMessage(), file=sys.stderr)


def _listen(shown: _Shown, verbose: bool, quiet: bool) -> None:
    log.addHandler(shown)
    progress.setLevel(logging.ERROR if quiet else logging.INFO)
    if verbose:
        log.setLevel(logging.INFO)


def _as_before(shown: _Shown) -> None:
    log.removeHandler(shown)
    log.setLevel(shown.levels[0])
    progress.setLevel(shown.levels[1])
