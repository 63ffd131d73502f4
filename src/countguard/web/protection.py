"""What the page's server refuses: other host names, requests from other sites, and too many uploads."""

import os
import shutil
import socket
import threading
import time
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from countguard.web.uploads import folders_in_use

LOOPBACK_NAMES = ("127.0.0.1", "localhost", "[::1]")
MAX_UPLOADS = 2 << 30
"""Bytes that all visitors' uploads may take together."""
KEPT_SECONDS = 3600
"""How long an upload is kept."""
_SAFE_METHODS = {"GET", "HEAD", "OPTIONS"}


class SameOriginOnly:
    """Refuses requests that change something and come from another site's page (OWASP: verify the Origin header).

    A browser names the page that a request comes from; a program that is no browser names none, and is let through.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] in ("http", "websocket") and not _from_here(scope):
            if scope["type"] == "websocket":
                await send({"type": "websocket.close", "code": 1008})
                return
            await PlainTextResponse("This request comes from another site.", 403)(scope, receive, send)
            return
        await self._app(scope, receive, send)


class UploadQuota:
    """Refuses an upload for which the folder of uploads has no room, and counts it by its announced size.

    Args:
        app: what is protected.
        folder: of the uploads.
        limit: bytes of all of them.
    """

    def __init__(self, app: ASGIApp, folder: Path, limit: int) -> None:
        self._app, self._folder, self._limit = app, folder, limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] == "http" and scope["method"] == "POST" and scope["path"].endswith("/upload"):
            announced = _header(scope, b"content-length")
            if not announced.isdecimal():
                await PlainTextResponse("An upload needs a Content-Length.", 411)(scope, receive, send)
                return
            if bytes_in(self._folder) + int(announced) > self._limit:
                await PlainTextResponse("There is no room for more uploads now.", 413)(scope, receive, send)
                return
        await self._app(scope, receive, send)


class Uploads:
    """A folder of its own for uploads, from which old ones are removed, whatever state a visitor left them in.

    Gradio finds it by its environment variable. The folder goes when the page is closed.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._closed = threading.Event()
        os.environ["GRADIO_TEMP_DIR"] = str(folder)
        threading.Thread(target=self._clean, daemon=True).start()

    def close(self) -> None:
        """Removes the folder."""
        self._closed.set()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _clean(self) -> None:
        while not self._closed.wait(KEPT_SECONDS / 60):
            remove_older(self.folder, time.time() - KEPT_SECONDS, folders_in_use())


def protections(host: str, uploads: Path, limit: int = MAX_UPLOADS) -> list[Middleware]:
    """The middleware of the page's server, outermost first.

    Args:
        host: where it listens.
        uploads: the folder of uploads.
        limit: bytes of all uploads.
    """
    return [
        Middleware(TrustedHostMiddleware, allowed_hosts=list(allowed_hosts(host)), www_redirect=False),
        Middleware(SameOriginOnly),
        Middleware(UploadQuota, folder=uploads, limit=limit),
    ]


def allowed_hosts(host: str) -> Iterable[str]:
    """By which names the server may be asked for: this machine's own, so that no other site's name can stand for it."""
    names = dict.fromkeys((*LOOPBACK_NAMES, host))
    if host not in LOOPBACK_NAMES:
        name = socket.gethostname()
        names |= dict.fromkeys((name, socket.getfqdn(name)))
        for family in (socket.AF_INET, socket.AF_INET6):
            try:
                names |= dict.fromkeys(str(entry[4][0]) for entry in socket.getaddrinfo(name, None, family))
            except OSError:  # a machine without such an address
                continue
    return [name for name in names if name not in ("0.0.0.0", "::")]


def bytes_in(folder: Path) -> int:
    """Bytes of all files below a folder; those that vanish meanwhile count nothing."""
    total = 0
    for path in folder.rglob("*"):
        try:
            total += 0 if path.is_dir() else path.lstat().st_size
        except OSError:
            continue
    return total


def remove_older(folder: Path, moment: float, kept: Collection[Path] = ()) -> None:
    """Removes what was last changed before a moment below a folder; what cannot be removed stops nothing.

    Args:
        folder: stays itself.
        moment: seconds since the epoch.
        kept: folders that stay, with all that is in them.
    """
    for path in sorted(folder.rglob("*"), reverse=True):
        try:
            if path.lstat().st_mtime >= moment or any(path.is_relative_to(one) for one in kept):
                continue
            if path.is_dir() and not path.is_symlink():
                path.rmdir()  # refused where something is left in it
            else:
                path.unlink()
        except OSError:
            continue


def _from_here(scope: Scope) -> bool:
    """Whether a request names no page that it comes from, one of this server, or changes nothing."""
    origin = _header(scope, b"origin")
    if not origin or (scope["type"] == "http" and scope["method"] in _SAFE_METHODS):
        return True
    return urlsplit(origin).netloc == _header(scope, b"host")


def _header(scope: Scope, name: bytes) -> str:
    headers: Any = scope["headers"]
    return next((value.decode("latin-1") for key, value in headers if key == name), "")
