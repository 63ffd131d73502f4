"""The tab that audits a data set: a zip file that a visitor drops, or a folder below `--data-root`."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import gradio as gr

from countguard.audit.audit import audit
from countguard.data.sources import open_source
from countguard.errors import InputError
from countguard.operate.audit_page import ShownGroup, audit_page, shown_groups
from countguard.reading import require_inside
from countguard.web.archives import unpack
from countguard.web.jobs import Say, Step
from countguard.web.long_work import Answer, LongWork
from countguard.web.page import card_html, figures_html, note_html
from countguard.web.uploads import upload, work_folder

LISTED = 6
"""Groups that are shown; the whole report has them all."""


class AuditTab:
    """Audits what a visitor names.

    Args:
        data_root: the folder below which folders may be named; None for none.
    """

    def __init__(self, data_root: Path | None) -> None:
        self._root = data_root
        self._work = LongWork(outputs=1)

    def build(self) -> None:
        """Adds the controls to the page that is being built."""
        with gr.Row(elem_classes="cg-row"):
            with gr.Column(scale=1, min_width=300):
                archive = upload("A data set as a zip file", [".zip"])
                folder = gr.Textbox(label="Or a folder of this server", placeholder="part_B", visible=bool(self._root))
                start = gr.Button("Audit", variant="primary")
                cancel = gr.Button("Cancel")
            with gr.Column(scale=3, min_width=320):
                first = note_html(
                    "Drop a training set as a zip file, in any format that countguard reads. The audit needs no "
                    "trigger and no counter: it compares the pictures with each other and the labels with the pictures."
                )
                result = gr.HTML(first, label="What was found", padding=False)
                report = gr.DownloadButton("The whole report", visible=False)
        self._work.connect(start, cancel, self.answer, [archive, folder], [result, report])

    def answer(self, archive: str | None, folder: str | None, request: gr.Request) -> Iterator[Answer]:
        """Progress, then what was found, or one sentence about an error.

        Args:
            archive: path of an upload.
            folder: name of a folder below the root; an upload goes first.
            request: tells whose work this is.
        """
        place = (folder or "").strip()  # a box that is not shown gives None
        if not archive and not place:
            yield self._work.refusal("Drop a zip file first" + (", or name a folder." if self._root else "."))
            return
        yield from self._work.answers(request, lambda say: self._audit(archive, place, say))

    def _audit(self, archive: str | None, folder: str, say: Say) -> Answer:
        name = Path(archive).name if archive else folder
        with work_folder("audit") as work:
            place = work / "set"
            try:
                if archive:
                    unpack(Path(archive), place, lambda done, of: say(Step("Unpacking", done / of)))
                else:
                    place = self._below_root(folder)
                return _audited(name, place, work, say)
            except InputError as error:
                raise InputError(str(error).replace(f"{place}/", "").replace(str(place), name)) from None
            finally:
                shutil.rmtree(work / "set", ignore_errors=True)

    def _below_root(self, folder: str) -> Path:
        if self._root is None:
            raise InputError("this server was started without --data-root; drop a zip file")
        path = self._root / folder
        if Path(folder).is_absolute() or ".." in Path(folder).parts or not path.is_dir():
            raise InputError(f"{folder}: there is no such folder here")
        require_inside(path, self._root)
        return path


def _audited(name: str, folder: Path, work: Path, say: Say) -> Answer:
    source = open_source(folder)
    crowds = source.crowds("train")
    number = len(crowds)

    def read(done: int) -> None:
        words = f"Reading pictures: {done} of {number}" if done < number else f"Comparing {number} pictures"
        say(Step(words, 0.7 * done / number if done < number else None))

    report = audit(crowds, progress=read)
    say(Step("Writing the report"))
    page = work / "audit.html"
    shown = shown_groups(report, crowds)
    page.write_bytes(audit_page(report, name, shown))
    groups = [group for group in shown if group.accused]
    accused = [image for image in report.images if image.verdict != "nothing found"]
    numbers = [("images", f"{number}"), ("not to be trained on", f"{len(accused)}")]
    cards = [card_html(f"{name}: {report.verdict}", numbers, note_html(report.says))]
    cards += [_group_card(group) for group in groups[:LISTED]]
    more = f"{len(groups) - LISTED} more groups are in the whole report." if len(groups) > LISTED else ""
    html = f'<div class="cg-result" aria-live="polite">{"".join(cards)}{note_html(more) if more else ""}</div>'
    return html, gr.update(value=str(page), visible=True)


def _group_card(group: ShownGroup) -> str:
    pictures = [(source, f"Image {name} of this group", name) for name, source in group.examples]
    if group.recovered:
        shared = (group.recovered, "What the images of this group share, drawn from them alone", "what they share")
        pictures.insert(0, shared)
    numbers = [("images", f"{group.number}")] + ([("strength", group.strength)] if group.strength else [])
    return card_html(group.title.capitalize(), numbers, note_html(f"{group.says}.") + figures_html(pictures, wide=True))
