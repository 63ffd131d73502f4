"""Counters on a hub that speaks Hugging Face's protocol: hf://owner/repo[@revision]/file, wherever a path is taken."""

import os
import re
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

from countguard.errors import InputError
from countguard.models.downloads import reason
from countguard.settings import Settings
from countguard.writing import sha256_of

SUFFIXES = (".safetensors", ".onnx")
"""Files that are fetched: neither of them can run code when it is opened."""
LARGEST = 4 << 30
"""Bytes of such a file."""
SECONDS = 10
"""How long the hub may take to answer."""
_ADDRESS = re.compile(r"hf:/{1,2}(?P<repo>[\w.-]+/[\w.-]+)(@(?P<revision>[\w.-]+))?/(?P<file>[\w. /-]+)")


class Origin(Settings):
    """Where a counter's weights came from.

    Attributes:
        source: the file, as hf://owner/repo/file.
        revision: the commit that it is of.
        sha256: of its bytes, as hex.
    """

    source: str
    revision: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Address:
    """A file on a hub.

    Attributes:
        repo: owner and name.
        revision: a branch, a tag or a commit; None for the main branch.
        file: its path in the repository.
    """

    repo: str
    revision: str | None
    file: str

    def __str__(self) -> str:
        return f"hf://{self.repo}/{self.file}"


def address_of(path: str | PathLike[str]) -> Address | None:
    """The address that a path is; None for a file of this machine.

    A slash may have got lost on the way through `Path`.

    Raises:
        InputError: it starts as an address does, and is none.
    """
    text = os.fspath(path)
    if not text.startswith("hf:/") or Path(text).exists():
        return None
    found = _ADDRESS.fullmatch(text)
    if found is None or ".." in Path(found["file"]).parts:
        raise InputError(f"{text}: should be hf://owner/repo/file, or hf://owner/repo@revision/file")
    if Path(found["file"]).suffix not in SUFFIXES:
        raise InputError(
            f"{text}: only {' and '.join(SUFFIXES)} files are fetched, for others can run code; "
            "download it by hand where you trust it, and convert it"
        )
    return Address(found["repo"], found["revision"], found["file"])


def fetched(path: str | PathLike[str]) -> tuple[Path, Origin | None]:
    """A path on this machine, downloaded where it names a file on the hub, and where that came from.

    Without a network, a file that was downloaded before is taken from the hub's cache.

    Raises:
        InputError: it is not there, is too large, or was damaged on the way.
    """
    address = address_of(path)
    if address is None:
        return Path(path), None
    file, revision = _cached(address) or _downloaded(address)
    if file.suffix == ".onnx":
        _fetch_beside(address, revision)
    return file, Origin(source=str(address), revision=revision, sha256=sha256_of(file))


def pinned(address: Address, revision: str) -> str:
    """The address of the same file in one commit."""
    return f"hf://{address.repo}@{revision}/{address.file}"


def endpoint() -> str | None:
    """The hub's address, where it is another than Hugging Face's: the environment variable HF_ENDPOINT."""
    return os.environ.get("HF_ENDPOINT") or None


def _cached(address: Address) -> tuple[Path, str] | None:
    """A file of a commit that is named in full, which cannot have changed."""
    if address.revision is None or not re.fullmatch("[0-9a-f]{40}", address.revision):
        return None
    return _in_cache(address)


def _in_cache(address: Address) -> tuple[Path, str] | None:
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(address.repo, address.file, revision=address.revision)
    if not isinstance(found, str):
        return None
    return Path(found), _revision_of(Path(found), address)


def _downloaded(address: Address) -> tuple[Path, str]:
    from huggingface_hub import get_hf_file_metadata, hf_hub_download, hf_hub_url

    name, revision, hub = address.file, address.revision, endpoint()
    try:
        told = get_hf_file_metadata(hf_hub_url(address.repo, name, revision=revision, endpoint=hub), timeout=SECONDS)
        if told.size is None or told.commit_hash is None:
            raise InputError(f"{address}: the hub does not say how large it is, or of which commit")
        if told.size > LARGEST:
            raise InputError(f"{address}: has {told.size:,} bytes; files up to {LARGEST:,} are fetched")
        file = Path(hf_hub_download(address.repo, name, revision=revision, endpoint=hub, etag_timeout=SECONDS))
    except InputError:
        raise
    except Exception as error:  # the client raises many kinds
        if (kept := _in_cache(address)) is not None and not _refused(error):
            return kept
        raise InputError(f"{address}: cannot be downloaded ({_why(error)})") from None
    commit = _revision_of(file, address)
    told_hash = told.etag if commit == told.commit_hash and re.fullmatch("[0-9a-f]{64}", told.etag or "") else None
    if told_hash is not None and sha256_of(file) != told_hash:
        raise InputError(f"{address}: {file} is not what the hub says it is; delete it and try again")
    return file, commit


def _revision_of(file: Path, address: Address) -> str:
    """The commit of a file in the cache, which lies in a folder of that name."""
    return file.parents[len(Path(address.file).parts) - 1].name


def _fetch_beside(address: Address, revision: str) -> None:
    """Puts what is kept beside an ONNX file beside it in the cache, where the repository has that."""
    from huggingface_hub import errors, hf_hub_download

    try:
        hf_hub_download(
            address.repo, f"{address.file}.json", revision=revision, endpoint=endpoint(), etag_timeout=SECONDS
        )
    except errors.EntryNotFoundError:
        return
    except Exception as error:  # the client raises many kinds
        raise InputError(f"{address}.json: cannot be downloaded ({_why(error)})") from None


def _refused(error: Exception) -> bool:
    """Whether the hub answered, and said no."""
    return getattr(error, "response", None) is not None


def _why(error: Exception) -> str:
    from huggingface_hub import errors

    if isinstance(error, errors.GatedRepoError):
        return "its owner has to let you in; log in with: hf auth login"
    if isinstance(error, errors.RepositoryNotFoundError):
        return "there is no such repository, or it is private; log in with: hf auth login"
    if isinstance(error, errors.RevisionNotFoundError):
        return "there is no such revision"
    if isinstance(error, errors.EntryNotFoundError):
        return "there is no such file in it"
    return reason(error)
