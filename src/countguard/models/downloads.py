"""Checks whether public weights can be downloaded, before a client tries for a long time."""

from urllib.request import Request, urlopen

SECONDS = 10
"""How long a server may take to answer before the weights count as unavailable."""


def check_reachable(url: str) -> None:
    """Asks a server for the header of a file.

    Raises:
        OSError: it does not answer, or has no such file.
    """
    urlopen(Request(url, method="HEAD"), timeout=SECONDS).close()


def reason(error: Exception) -> str:
    """Why a download failed, in a few words."""
    said = str(getattr(error, "reason", error)).splitlines()
    return said[0] if said else type(error).__name__
