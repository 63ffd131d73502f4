"""The errors that countguard raises on purpose; every other exception is a bug."""


class InputError(ValueError):
    """The input is wrong.

    The message is one line: it names the file and the field, and says what would be right. The command
    line prints it without a traceback and exits with code 2.
    """

    def __init__(self, message: str) -> None:
        super().__init__(one_line(message))


class RunError(RuntimeError):
    """A run cannot continue although its input is right: no disk, no memory, a lost device, a held folder, a NaN loss.

    The message is one line that says what is lost (never finished work) and what would help. The command
    line prints it without a traceback and exits with code 1.
    """

    def __init__(self, message: str) -> None:
        super().__init__(one_line(message))


class Interrupted(Exception):
    """Ctrl-C ended work of which something is kept.

    The message says what is kept, and that the same command goes on from there. The command line prints it and exits
    with code 130, as it does for every Ctrl-C.
    """

    def __init__(self, message: str) -> None:
        super().__init__(f"interrupted; {one_line(message)}")


def one_line(text: str) -> str:
    """The text with line breaks, terminal codes and undecodable bytes escaped, since file names come from strangers."""
    return "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in text)
