"""The page: a picture, a trigger and counters, side by side."""

import os
import tempfile
import weakref
from contextlib import suppress
from pathlib import Path
from threading import Event

import gradio as gr

from countguard.attacks.pictures import PICTURES
from countguard.data.images import IMAGE_SUFFIXES
from countguard.errors import RunError
from countguard.runs.run import Run
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
MAX_SHARE = 0.5
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


def build_app(folder: Path | None = None) -> gr.Blocks:
    """The page for a run, ready to be launched.

    Args:
        folder: of a run; the newest one under ./runs when none is given, and embedded crowds when there is none.

    Raises:
        InputError: the folder is no run, or damaged.
    """
    folder = folder or newest_run(RUNS)
    run = Run.read(folder) if folder else None
    counters = counters_of(run) if run else {}
    scenes = scenes_of(run)
    trigger = trigger_of(run)
    tab = TryAttack(scenes, counters)
    app: gr.Blocks
    with gr.Blocks(title="countguard", analytics_enabled=False, delete_cache=(_HOUR, _HOUR)) as app:
        gr.Markdown(
            "# countguard\nHow many people does a counter see, where does it look, and what does a trigger do to it?"
        )
        gr.HTML(note_html(_first_line(run, counters)), padding=False)
        with gr.Row():
            with gr.Column(scale=1, min_width=300):
                scene = gr.Dropdown(list(scenes), value=next(iter(scenes)), label="Picture")
                own_image = _upload("Your own picture instead", sorted(IMAGE_SUFFIXES))
                picture = gr.Dropdown(sorted(PICTURES), value=trigger.picture, label="Trigger")
                share = gr.Slider(0, MAX_SHARE, value=min(trigger.alpha, MAX_SHARE), step=0.01, label="Trigger's share")
                chosen = gr.CheckboxGroup(
                    list(counters), value=shown_first(run) if run else [], label="Counters", visible=bool(counters)
                )
                with gr.Accordion("Your own trigger and counter", open=not counters):
                    own_picture = _upload("Your own trigger instead", sorted(IMAGE_SUFFIXES))
                    own_counter = _upload("Your own counter (.safetensors)", [".safetensors"])
            with gr.Column(scale=3, min_width=320):
                result = gr.HTML(label="Counts and maps", padding=False)
        gr.on(
            [
                app.load,
                scene.change,
                own_image.change,
                picture.change,
                own_picture.change,
                share.change,
                chosen.change,
                own_counter.change,
            ],
            tab.answer,
            [scene, own_image, picture, own_picture, share, chosen, own_counter],
            result,
            show_progress="minimal",
            trigger_mode="always_last",
            concurrency_limit=1,
            api_visibility="private",
        )
    return app


def serve(folder: Path | None = None, host: str = LOOPBACK, port: int = 7860) -> None:
    """Opens the page, prints its address, and runs until it is interrupted.

    Args:
        folder: see `build_app`.
        host: where to listen; this machine alone by default.
        port: where to listen.

    Raises:
        InputError: the folder is no run, or damaged.
        RunError: the port is taken.
    """
    app = build_app(folder)
    with suppress(KeyboardInterrupt):
        print(f"countguard is at {launch(app, host, port)} until you press Ctrl+C", flush=True)
        Event().wait()
    app.close(verbose=False)


def launch(app: gr.Blocks, host: str = LOOPBACK, port: int | None = None) -> str:
    """Starts the server, which contacts no other machine, and gives the page's address.

    Args:
        app: from `build_app`.
        host: where to listen.
        port: where to listen; any free port when None.

    Raises:
        RunError: the port is taken.
    """
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    uploads = Uploads(Path(tempfile.mkdtemp(prefix="countguard-web-")))
    weakref.finalize(app, uploads.close)
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
            app_kwargs={"middleware": protections(host, uploads.folder, MAX_UPLOADS)},
        )
    except OSError as error:
        uploads.close()
        raise RunError(f"the page cannot be opened on {host}:{port} ({error}); --port takes another one") from error
    return str(address)


def _upload(label: str, suffixes: list[str]) -> gr.File:
    return gr.File(label=label, file_types=suffixes, type="filepath", height=110, elem_classes="cg-upload")


def _first_line(run: Run | None, counters: dict[str, Path]) -> str:
    if run is None:
        return (
            "There is no run yet; make one with: countguard demo. Until then, look at triggers, or open a counter's "
            "file of your own."
        )
    if not counters:
        return f"The run {run.name} in {run.folder} has no finished counter yet; countguard run goes on with it."
    return f"The run {run.name} in {run.folder}: {len(counters)} counters."


def _theme() -> gr.themes.Base:
    """Fonts of the visitor's machine; gradio's own would be downloaded."""
    fonts = [gr.themes.Font(name) for name in ("Segoe UI", "Roboto", "Helvetica Neue", "Arial", "sans-serif")]
    mono = [gr.themes.Font(name) for name in ("Menlo", "Consolas", "monospace")]
    return gr.themes.Base(primary_hue="blue", neutral_hue="slate", font=fonts, font_mono=mono)
