"""The page: audit a data set, inspect a counter, count pictures and films, try an attack."""

import os
import tempfile
import weakref
from contextlib import suppress
from pathlib import Path
from threading import Event

import gradio as gr

from countguard.errors import RunError
from countguard.reading import require_folder
from countguard.runs.run import Run
from countguard.web.audit_tab import AuditTab
from countguard.web.count_tab import CountTab
from countguard.web.inspect_tab import InspectTab
from countguard.web.packaged import packaged_counters
from countguard.web.page import CSS, note_html
from countguard.web.protection import MAX_UPLOADS, Uploads, protections
from countguard.web.runs import counters_of, newest_run, scenes_of, shown_first, trigger_of
from countguard.web.try_attack import TryAttack

LOOPBACK = "127.0.0.1"
RUNS = Path("runs")
MAX_UPLOAD = "512mb"
"""A CLIP counter takes 300 MB."""
SESSIONS = 64
"""Visitors whose session the server keeps; the page itself stores nothing about them."""
_HOUR = 3600
_NAME_UPLOADS = """
() => {
  const name = () => document.querySelectorAll(".cg-upload").forEach((box) => {
    const label = box.querySelector("label")?.textContent.trim() ?? "";
    box.querySelectorAll("button[aria-label]").forEach((button) => {
      const said = button.getAttribute("aria-label");
      if (!said.startsWith(label)) button.setAttribute("aria-label", `${label}: ${said}`);
    });
  });
  new MutationObserver(name).observe(document.body, { childList: true, subtree: true });
  name();
}
"""
"""Gradio gives all upload buttons the same name; a reader who cannot see the label needs it in the name."""


class Page(gr.Blocks):
    """The page, with the folder of its uploads, which gradio's components take for theirs when they are made."""

    def __init__(self) -> None:
        self.uploads = Uploads(Path(tempfile.mkdtemp(prefix="countguard-web-")))
        weakref.finalize(self, self.uploads.close)
        super().__init__(title="countguard", analytics_enabled=False, delete_cache=(_HOUR, _HOUR))


def build_app(folder: Path | None = None, data_root: Path | None = None) -> Page:
    """The page for a run, ready to be launched.

    Args:
        folder: of a run; the newest one under ./runs when none is given. Without a run the page offers the counters
            that come with the package.
        data_root: folders below it may be audited by their names; None for none.

    Raises:
        InputError: the folder is no run, or damaged, or the data root is no folder.
    """
    if data_root is not None:
        data_root = require_folder(data_root, "--data-root")
    folder = folder or newest_run(RUNS)
    run = Run.read(folder) if folder else None
    counters = (counters_of(run) if run else {}) or packaged_counters()
    tab = TryAttack(scenes_of(run), counters)
    app: Page
    with Page() as app:
        gr.Markdown("# countguard\nCan you trust these pictures, this counter, this count?")
        gr.HTML(note_html(_first_line(run)), padding=False)
        with gr.Tabs(selected="try"):
            with gr.Tab("Audit", id="audit"):
                AuditTab(data_root).build()
            with gr.Tab("Inspect", id="inspect"):
                InspectTab().build()
            with gr.Tab("Count", id="count"):
                CountTab(counters).build()
            with gr.Tab("Try an attack", id="try"):
                tab.build(app, trigger_of(run), shown_first(run) if run and counters_of(run) else list(counters))
    return app


def serve(folder: Path | None = None, host: str = LOOPBACK, port: int = 7860, data_root: Path | None = None) -> None:
    """Opens the page, prints its address, and runs until it is interrupted.

    Args:
        folder: see `build_app`.
        host: where to listen; this machine alone by default.
        port: where to listen.
        data_root: see `build_app`.

    Raises:
        InputError: see `build_app`.
        RunError: the port is taken.
    """
    app = build_app(folder, data_root)
    with suppress(KeyboardInterrupt):
        print(f"countguard is at {launch(app, host, port)} until you press Ctrl+C", flush=True)
        Event().wait()
    app.close(verbose=False)


def launch(app: Page, host: str = LOOPBACK, port: int | None = None) -> str:
    """Starts the server, which contacts no other machine, and gives the page's address.

    Args:
        app: from `build_app`.
        host: where to listen.
        port: where to listen; any free port when None.

    Raises:
        RunError: the port is taken.
    """
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    app.queue(max_size=32, api_open=False)
    try:
        _, address, _ = app.launch(
            server_name=host,
            server_port=port,
            share=False,
            quiet=True,
            prevent_thread_lock=True,
            max_file_size=MAX_UPLOAD,
            theme=_theme(),
            css=CSS,
            js=_NAME_UPLOADS,
            footer_links=[],
            run_history=False,
            ssr_mode=False,
            enable_monitoring=False,
            mcp_server=False,
            pwa=False,
            state_session_capacity=SESSIONS,
            app_kwargs={"middleware": protections(host, app.uploads.folder, MAX_UPLOADS)},
        )
    except OSError as error:
        app.uploads.close()
        raise RunError(f"the page cannot be opened on {host}:{port} ({error}); --port takes another one") from error
    return str(address)


def _first_line(run: Run | None) -> str:
    if run is None:
        return (
            "These are three counters of embedded crowds that come with the package. A run of your own: countguard demo"
        )
    if not counters_of(run):
        return (
            f"The run {run.name} in {run.folder} has no finished counter yet; countguard run goes on with it. "
            "These are the counters that come with countguard."
        )
    return f"The run {run.name} in {run.folder}: {len(counters_of(run))} counters."


def _theme() -> gr.themes.Base:
    """Fonts of the visitor's machine; gradio's own would be downloaded."""
    fonts = [gr.themes.Font(name) for name in ("Segoe UI", "Roboto", "Helvetica Neue", "Arial", "sans-serif")]
    mono = [gr.themes.Font(name) for name in ("Menlo", "Consolas", "monospace")]
    return gr.themes.Base(primary_hue="blue", neutral_hue="slate", font=fonts, font_mono=mono)
