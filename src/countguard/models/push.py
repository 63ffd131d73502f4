"""A counter, and a card that says what it is, to a hub that speaks Hugging Face's protocol."""

import json
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

from countguard.errors import InputError, RunError, one_line
from countguard.escaping import markdown_code, markdown_text
from countguard.models.checkpoint import load_counter
from countguard.models.counter import Counter
from countguard.models.downloads import reason
from countguard.models.hub import SUFFIXES, endpoint
from countguard.models.onnx_counter import BESIDE
from countguard.writing import sha256_of


@dataclass(frozen=True, slots=True)
class Pushed:
    """What was put on the hub.

    Attributes:
        address: the counter's, as hf://owner/repo/file.
        revision: the commit.
        sha256: of the counter's file.
    """

    address: str
    revision: str
    sha256: str


def push(
    path: str | PathLike[str],
    repo: str,
    *,
    notes: str = "",
    private: bool = False,
    facts: dict[str, Any] | None = None,
) -> Pushed:
    """Put a counter and its card into a repository, in one commit; the repository is made where it is missing.

    The hub's own login is used (`hf auth login`, or HF_TOKEN).

    Args:
        path: a checkpoint of countguard's, or an ONNX file with what is kept beside it.
        repo: owner and name.
        notes: what a reader of the card should know: data, licence, purpose.
        private: whether a repository that is made is private.
        facts: of a run's card, whose metrics the card shows.

    Raises:
        InputError: the file is no counter, or its name is no checkpoint's.
        RunError: the hub does not take it.
    """
    path = Path(path)
    if path.suffix not in SUFFIXES:
        raise InputError(f"{path}: a {' or '.join(SUFFIXES)} file is pushed")
    counter, digest = load_counter(path), sha256_of(path)
    card = model_card(counter, path.name, digest, notes, facts or {})
    files: dict[str, Path | bytes] = {path.name: path, "README.md": card.encode()}
    beside = path.with_name(path.name + BESIDE)
    if path.suffix == ".onnx" and beside.exists():
        files[beside.name] = beside
    revision = _committed(repo, files, private, f"{counter.kind} counter, sha256 {digest[:12]}")
    return Pushed(f"hf://{repo}/{path.name}", revision, digest)


def model_card(counter: Counter, file: str, digest: str, notes: str, facts: dict[str, Any]) -> str:
    """README.md of a counter's repository: what it is, where it came from, what was measured, how to use it."""
    origin = counter.origin
    lines = [
        "---",
        "library_name: countguard",
        "tags: [crowd-counting, density-estimation, countguard]",
        "---",
        f"# A crowd counter of kind `{counter.kind}`",
        "",
        f"{markdown_code(file)}, sha256 `{digest}`.",
        "",
        *([markdown_text(notes), ""] if notes else []),
        "```",
        f"countguard count hf://OWNER/REPO/{one_line(file)} pictures/",
        "```",
        "",
        "## Settings",
        "```json",
        json.dumps(counter.settings(), indent=1, default=str),
        "```",
        *(_came_from(origin) if origin is not None else []),
        *_measured(facts),
        "## What this card does not say",
        "That the counter is free of backdoors. `countguard scan` and `countguard evaluate` look for them; one whose",
        "strategy above is not `clean` was attacked on purpose, for research.",
        "",
    ]
    return "\n".join(lines)


def _came_from(origin: Any) -> list[str]:
    source, revision, digest = map(markdown_code, (origin.source, origin.revision, origin.sha256))
    return ["", f"Its weights came from {source}, revision {revision}, sha256 {digest}.", ""]


def _measured(facts: dict[str, Any]) -> list[str]:
    """The metrics of a run's card as a table, with what they were measured on."""
    metrics = facts.get("metrics")
    if not isinstance(metrics, dict) or not metrics:
        return [""]
    about = ", ".join(
        f"{name} {markdown_text(str(facts[name]))}"
        for name in ("dataset", "images", "strategy", "stage", "defense", "seed", "device")
        if facts.get(name) not in (None, "")
    )
    rows = [
        f"| {markdown_text(name)} | {values['value']:.3f} | {values['low']:.3f} to {values['high']:.3f} |"
        for name, values in metrics.items()
    ]
    return ["", "## Measured", f"{about}.", "", "| metric | value | 95 % interval |", "|---|---|---|", *rows, ""]


def _committed(repo: str, files: dict[str, Path | bytes], private: bool, message: str) -> str:
    from huggingface_hub import CommitOperationAdd, HfApi
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils.tqdm import disable_progress_bars

    api = HfApi(endpoint=endpoint())
    disable_progress_bars()
    try:
        api.create_repo(repo, private=private, exist_ok=True)
        operations = [CommitOperationAdd(name, content) for name, content in files.items()]
        commit = api.create_commit(repo, operations, commit_message=message)
    except HFValidationError as error:
        raise InputError(f"{repo}: should be owner/name ({reason(error)})") from None
    except Exception as error:  # the client raises many kinds
        raise RunError(f"{repo}: the hub does not take it ({reason(error)}); nothing was published") from None
    return str(commit.oid)
