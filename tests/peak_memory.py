"""How much memory a test's own process has held."""

from pathlib import Path


def peak() -> int:
    """Bytes; the kernel's `ru_maxrss` would be that of the process that started this one, where that is larger."""
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return 1024 * int(line.split()[1])
