"""The tab that inspects a stranger's counter: `countguard inspect` in a process of its own, so that it can be ended."""

import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from countguard.data.images import IMAGE_SUFFIXES
from countguard.errors import InputError, RunError
from countguard.operate.inspection import Inspection
from countguard.reading import read_file
from countguard.web.archives import unpack
from countguard.web.jobs import CancelledJob, Jobs, Say, Step
from countguard.web.page import card_html, note_html, problem_html, progress_html, table_html
from countguard.web.uploads import upload, work_folder

Answer = tuple[str, dict[str, object]]
"""HTML, and what the button for the whole report becomes."""
_NO_FILE: dict[str, object] = gr.update(visible=False)
SUFFIXES = (".safetensors", ".pth", ".pt", ".h5", ".onnx")
_LARGEST = 64 << 20
"""Bytes of a report."""
_LOOK_EVERY = 0.2
"""Seconds between two looks at the process."""
_FOUND = (0, 1, 3)
"""Exit codes with a report: nothing found, a picture that could not be read, a backdoor that is likely."""


@dataclass(frozen=True, slots=True)
class _Found:
    html: str
    report: Path


class InspectTab:
    """Inspects a counter that a visitor drops."""

    def __init__(self) -> None:
        self._jobs = Jobs()

    def build(self) -> None:
        """Adds the controls to the page that is being built."""
        with gr.Row(elem_classes="cg-row"):
            with gr.Column(scale=1, min_width=300):
                counter = upload("The counter's file", SUFFIXES)
                pictures = upload("Pictures of the kind that it is for", list(IMAGE_SUFFIXES), several=True)
                clean = upload("If you have them: clean crowds as a zip file", [".zip"])
                start = gr.Button("Inspect", variant="primary")
                cancel = gr.Button("Cancel")
            with gr.Column(scale=3, min_width=320):
                first = note_html(
                    "Drop a stranger's counter and some pictures: it is opened without running its code, counts them, "
                    "and meets every trigger of the catalogue. With ten or more clean crowds it is also scanned for a "
                    "backdoor; without them nobody can tell."
                )
                result = gr.HTML(first, label="What was found out", padding=False)
                report = gr.DownloadButton("The whole report", visible=False)
        start.click(
            self.answer, [counter, pictures, clean], [result, report], show_progress="hidden", concurrency_limit=1,
            api_visibility="private",
        )  # fmt: skip
        cancel.click(self.cancel, api_visibility="private", show_progress="hidden")

    def answer(
        self, counter: str | None, pictures: list[str] | None, clean: str | None, request: gr.Request
    ) -> Iterator[Answer]:
        """Progress, then what was found out, or one sentence about an error.

        Args:
            counter: path of an upload.
            pictures: paths of uploads.
            clean: path of an uploaded zip file; None for no scan.
            request: tells whose work this is.
        """
        if not counter or not pictures:
            yield problem_html("Drop a counter's file and some pictures first."), _NO_FILE
            return
        paths = [Path(one) for one in pictures]
        work = self._jobs.start(
            str(request.session_hash), lambda say: _inspected(Path(counter), paths, Path(clean) if clean else None, say)
        )
        for step in work.steps():
            yield progress_html(step.words, step.done), _NO_FILE
        try:
            found = work.result()
            yield found.html, gr.update(value=str(found.report), visible=True)
        except CancelledJob:
            yield note_html("Cancelled; nothing is kept."), _NO_FILE
        except (InputError, RunError) as error:
            yield problem_html(str(error)), _NO_FILE

    def cancel(self, request: gr.Request) -> None:
        """Ends the visitor's inspection."""
        self._jobs.cancel(str(request.session_hash))


def _inspected(counter: Path, pictures: Sequence[Path], clean: Path | None, say: Say) -> _Found:
    work = work_folder("inspect")
    given = [counter, *pictures, work / "clean"]
    options = ["--out", str(work / "out")]
    if clean is not None:
        unpack(clean, work / "clean", lambda done, of: say(Step("Unpacking", done / of)))
        options += ["--clean", str(work / "clean")]
    command = [sys.executable, "-m", "countguard", "inspect", *options, "--", str(counter), *map(str, pictures)]
    try:
        code, last = _run(command, say)
    finally:
        shutil.rmtree(work / "clean", ignore_errors=True)
    if code not in _FOUND:
        raise InputError(_without_folders(last.removeprefix("countguard: "), given) or "it could not be inspected")
    found = Inspection.model_validate_json(read_file(work / "out" / "inspect.json", _LARGEST))
    return _Found(_shown(found), work / "out" / "inspect.html")


def _run(command: Sequence[str], say: Say) -> tuple[int, str]:
    """Runs a command, and gives its exit code and the last line that it said; it ends when the work is cancelled."""
    lines: list[str] = ["Opening the counter"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:

        def listen(stream: Any) -> None:
            lines.extend(line.strip() for line in stream if line.strip())

        listener = threading.Thread(target=listen, args=(process.stderr,), daemon=True)
        listener.start()
        try:
            while process.poll() is None:
                say(Step(lines[-1]))
                time.sleep(_LOOK_EVERY)
        finally:
            process.kill()
        listener.join()
    return process.returncode, lines[-1]


def _shown(found: Inspection) -> str:
    numbers = [("kind", found.file.kind), ("pictures", f"{len(found.pictures)}")]
    sentences = "".join(note_html(sentence) for sentence in found.sentences)
    cards = [card_html(f"{found.file.file}: {found.verdict}", numbers, sentences)]
    triggers = sorted(found.triggers, key=lambda one: -abs(one.change))
    rows = [
        [one.trigger.replace("_", " "), f"{one.change:+.0%}", f"{one.low:+.0%} to {one.high:+.0%}", f"{one.moved:.0%}"]
        for one in triggers
    ]
    headings = ["trigger", "change of the count", "95 % interval", "pictures moved"]
    cards.append(card_html("What triggers do to it", [], table_html(headings, rows)))
    counts = [
        [Path(one.file).name, f"{one.count:.1f}" if one.count is not None else f"not counted: {_short(one.problem)}"]
        for one in found.pictures
    ]
    cards.append(card_html("What it counts", [], table_html(["picture", "people"], counts)))
    return f'<div class="cg-result" aria-live="polite">{"".join(cards)}</div>'


def _short(problem: str) -> str:
    """A problem without the folder of the picture, which is the server's affair."""
    path, _, rest = problem.partition(": ")
    return f"{Path(path).name}: {rest}" if rest else problem


def _without_folders(text: str, files: Sequence[Path]) -> str:
    for file in files:
        text = text.replace(str(file), file.name)
    return text
