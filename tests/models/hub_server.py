"""A server on this machine that speaks as much of the Hugging Face hub's protocol as its client needs."""

import base64
import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import unquote, urlsplit

TOKEN = "hf_of_a_test"


class Hub:
    """Repositories by name: each a list of commits, a commit its files by name."""

    def __init__(self) -> None:
        self.commits: dict[str, list[tuple[str, dict[str, bytes]]]] = {}
        self.uploads: dict[str, bytes] = {}
        self.private: set[str] = set()
        self.says: dict[str, str] = {}
        self.url = ""

    def commit(self, repo: str, files: dict[str, bytes]) -> str:
        history = self.commits.setdefault(repo, [])
        held = {**(history[-1][1] if history else {}), **files}
        revision = hashlib.sha1(repr((repo, len(history), sorted(held))).encode()).hexdigest()
        history.append((revision, held))
        return revision

    def files(self, repo: str, revision: str) -> tuple[str, dict[str, bytes]] | None:
        history = self.commits.get(repo, [])
        if revision in ("main", "HEAD"):
            return history[-1] if history else ("0" * 40, {})
        return next((commit for commit in history if commit[0] == revision), None)


@contextmanager
def serving() -> Iterator[Hub]:
    """A hub at `Hub.url`, until the end of the block."""
    hub = Hub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"hub": hub}))
    hub.url = f"http://127.0.0.1:{server.server_port}"
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    hub: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""

    def do_HEAD(self) -> None:
        self._file(whole=False)

    def do_GET(self) -> None:
        self._file(whole=True)

    def do_PUT(self) -> None:
        self.hub.uploads[self.path.rpartition("/")[2]] = self._body()
        self._answer(200, {})

    def do_POST(self) -> None:
        path, body = urlsplit(self.path).path, self._body()
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            self._answer(401, {"error": "log in first"})
        elif path == "/api/validate-yaml":
            self._answer(200, {"warnings": [], "errors": []})
        elif path == "/api/repos/create":
            asked = json.loads(body)
            name = f"{asked['organization']}/{asked['name']}" if asked.get("organization") else f"me/{asked['name']}"
            if asked.get("private") or asked.get("visibility") == "private":
                self.hub.private.add(name)
            known = name in self.hub.commits
            self.hub.commits.setdefault(name, [])
            self._answer(409 if known else 200, {"url": f"{self.hub.url}/{name}"})
        elif path.endswith("/info/lfs/objects/batch"):
            objects = [
                {**one, "actions": {"upload": {"href": f"{self.hub.url}/upload/{one['oid']}", "header": {}}}}
                for one in json.loads(body)["objects"]
            ]
            self._answer(200, {"transfer": "basic", "objects": objects})
        elif "/preupload/" in path:
            files = [
                {"path": one["path"], "uploadMode": "lfs" if one["path"].endswith("safetensors") else "regular"}
                for one in json.loads(body)["files"]
            ]
            self._answer(200, {"files": [{**one, "shouldIgnore": False, "oid": None} for one in files]})
        elif "/commit/" in path:
            repo = path.removeprefix("/api/models/").partition("/commit/")[0]
            revision = self.hub.commit(repo, dict(self._committed(body)))
            self._answer(200, {"commitUrl": f"{self.hub.url}/{repo}/commit/{revision}", "commitOid": revision})
        else:
            self._answer(404, {"error": path})

    def _committed(self, body: bytes) -> Iterator[tuple[str, bytes]]:
        for line in body.splitlines():
            entry = json.loads(line)
            value = entry["value"]
            if entry["key"] == "file":
                yield value["path"], base64.b64decode(value["content"])
            elif entry["key"] == "lfsFile":
                yield value["path"], self.hub.uploads[value["oid"]]

    def _file(self, *, whole: bool) -> None:
        repo, _, rest = unquote(urlsplit(self.path).path).removeprefix("/").partition("/resolve/")
        revision, _, name = rest.partition("/")
        logged_in = self.headers.get("Authorization") == f"Bearer {TOKEN}"
        if repo not in self.hub.commits or (repo in self.hub.private and not logged_in):
            self._answer(401, {"error": "no"}, {"X-Error-Code": "RepoNotFound"})
            return
        commit = self.hub.files(repo, revision)
        if commit is None:
            self._answer(404, {"error": "no"}, {"X-Error-Code": "RevisionNotFound"})
            return
        if name not in commit[1]:
            self._answer(404, {"error": "no"}, {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": commit[0]})
            return
        content = commit[1][name]
        self.send_response(200)
        told = {"Content-Length": str(len(content)), "X-Linked-Size": str(len(content))}
        told |= {"ETag": f'"{hashlib.sha256(content).hexdigest()}"', "X-Repo-Commit": commit[0]} | self.hub.says
        for header, value in told.items():
            self.send_header(header, value)
        self.end_headers()
        if whole:
            self.wfile.write(content)

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") == "chunked":
            parts = []
            while size := int(self.rfile.readline(), 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(parts)
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def _answer(self, status: int, content: Any, headers: dict[str, str] | None = None) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        for header, value in {
            "Content-Length": str(len(body)),
            "Content-Type": "application/json",
            **(headers or {}),
        }.items():
            self.send_header(header, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
