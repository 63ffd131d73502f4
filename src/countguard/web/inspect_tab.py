"""The tab that inspects a stranger's counter: `countguard inspect` in a process of its own, so that it can be ended."""

import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import gradio as gr

from countguard.data.images import IMAGE_SUFFIXES
from countguard.errors import InputError
from countguard.operate.inspection import Inspection, PictureFacts
from countguard.reading import read_file
from countguard.web.archives import unpack
from countguard.web.jobs import Say, Step
from countguard.web.long_work import Answer, LongWork
from countguard.web.page import card_html, note_html, table_html
from countguard.web.uploads import upload, without_folders, work_folder

SUFFIXES = (".safetensors", ".pth", ".pt", ".h5", ".onnx")
_LARGEST = 64 << 20
"""Bytes of a report."""
_LOOK_EVERY = 0.2
"""Seconds between two looks at the process."""
_FOUND = (0, 1, 3)
"""Exit codes of a report: nothing found, a picture that could not be read, a backdoor that is likely."""


class InspectTab:
    """Inspects a counter that a visitor drops."""

    def __init__(self) -> None:
        self._work = LongWork(outputs=1)

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
        self._work.connect(start, cancel, self.answer, [counter, pictures, clean], [result, report])

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
            yield self._work.refusal("Drop a counter's file and some pictures first.")
            return
        file, paths, crowds = Path(counter), [Path(one) for one in pictures], Path(clean) if clean else None

        def work(say: Say) -> Answer:
            with work_folder("inspect") as folder:
                return _inspected(file, paths, crowds, folder, say)

        yield from self._work.answers(request, work)


def _inspected(counter: Path, pictures: Sequence[Path], clean: Path | None, work: Path, say: Say) -> Answer:
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
    report = work / "out" / "inspect.json"
    if code not in _FOUND or not report.is_file():  # what the machine cannot do has an exit code of _FOUND, too
        raise InputError(without_folders(last.removeprefix("countguard: "), given) or "it could not be inspected")
    found = Inspection.model_validate_json(read_file(report, _LARGEST))
    return _shown(found), gr.update(value=str(work / "out" / "inspect.html"), visible=True)


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
    counts = [[Path(one.file).name, _count_of(one)] for one in found.pictures]
    cards.append(card_html("What it counts", [], table_html(["picture", "people"], counts)))
    return f'<div class="cg-result" aria-live="polite">{"".join(cards)}</div>'


def _count_of(picture: PictureFacts) -> str:
    if picture.count is None:
        return f"not counted: {without_folders(picture.problem, [Path(picture.file)])}"
    return f"{picture.count:.1f}"
