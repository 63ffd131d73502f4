"""The two ways in which countguard gives up on purpose; every other exception is a bug."""


class InputError(ValueError):
    """Something that was given is wrong.

    The message is one line: it names the file and the field, and says what would be right. The command
    line prints it without a traceback and exits with code 2.
    """


class RunError(RuntimeError):
    """A run cannot go on though its input is right: no disk, no memory, a lost device, a held folder, a loss of NaN.

    The message is one line that says what was lost (nothing that was finished) and what would help. The command
    line prints it without a traceback and exits with code 1.
    """
