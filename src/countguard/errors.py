"""The two ways in which countguard gives up on purpose; every other exception is a bug."""


class InputError(ValueError):
    """Something that was given is wrong.

    The message is one line: it names the file and the field, and says what would be right. The command
    line prints it without a traceback and exits with code 2.
    """


class ResourceError(RuntimeError):
    """The machine ran out of something (disk, memory, a device) or a folder is held by another run.

    The message is one line that says what was lost (nothing that was finished) and what would help. The command
    line prints it without a traceback and exits with code 1.
    """
