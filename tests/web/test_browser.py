"""The page in a real Chromium, as a visitor meets it."""

import base64
import io
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from PIL import Image

pytest.importorskip("gradio", reason="the page needs the extra `web`")
sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

from countguard.data.writing import write_folder  # noqa: E402
from countguard.errors import RunError  # noqa: E402
from countguard.web import app as web  # noqa: E402
from countguard.web.packaged import packaged_counters  # noqa: E402
from planted_crowds import planted_crowds  # noqa: E402

CHROMIUM = Path("/usr/bin/chromium")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not CHROMIUM.exists(), reason=f"{CHROMIUM} is not installed"),
]
PATIENCE = 60_000
"""Milliseconds; a slow machine is no failure."""
DESKTOP, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
DROP = """(bytes) => {
  const transfer = new DataTransfer();
  const content = Uint8Array.from(atob(bytes.content), (sign) => sign.charCodeAt(0));
  transfer.items.add(new File([content], bytes.name, { type: bytes.type }));
  return transfer;
}"""


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=str(CHROMIUM), args=["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
        )
        yield browser
        browser.close()


@pytest.fixture
def server_calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every address outside this machine that the server's process tries to reach."""
    reached: list[str] = []
    connect = socket.socket.connect

    def record(self: socket.socket, address: Any) -> None:
        if self.family in (socket.AF_INET, socket.AF_INET6) and not ip_address(address[0]).is_loopback:
            reached.append(str(address))
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", record)
    return reached


class Visit:
    """A page open in the browser, and all that it complained of or asked of other machines."""

    def __init__(self, page: Any, address: str) -> None:
        self.page = page
        self.complaints: list[str] = []
        self.requests: list[str] = []
        page.on("console", lambda message: self.complaints.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", lambda request: self.requests.append(request.url))
        page.goto(address)
        page.wait_for_selector(".cg-card", timeout=PATIENCE)

    @property
    def strangers(self) -> set[str]:
        hosts = {urlsplit(url).hostname for url in self.requests if not url.startswith(("data:", "blob:"))}
        return {str(host) for host in hosts} - {"127.0.0.1"}

    def counts(self, counter: str) -> list[str]:
        card = self.page.locator(".cg-card", has=self.page.get_by_role("heading", name=counter, exact=True))
        return list(card.locator("dd").all_inner_texts())

    def drop(self, label: str, name: str, content: bytes, kind: str) -> None:
        file = {"name": name, "content": base64.b64encode(content).decode(), "type": kind}
        place = self.page.get_by_role("button", name=f"{label}: Click to upload or drop files")
        place.dispatch_event("drop", {"dataTransfer": self.page.evaluate_handle(DROP, file)})

    def wait_until(self, script: str, argument: object = None) -> None:
        self.page.wait_for_function(script, arg=argument, timeout=PATIENCE)


@pytest.fixture
def visit(chromium: Any, make_run: Any, server_calls: list[str]) -> Iterator[Visit]:
    app = web.build_app(make_run())
    address = web.launch(app)
    context = chromium.new_context(viewport=DESKTOP)
    yield Visit(context.new_page(), address)
    context.close()
    app.close()


def picture(seed: int = 0) -> bytes:
    buffer = io.BytesIO()
    Image.effect_noise((96, 64), 40 + seed).save(buffer, format="PNG")
    return buffer.getvalue()


def test_a_visitor_drops_an_image_moves_the_strength_and_sees_the_count_change(
    visit: Visit, server_calls: list[str]
) -> None:
    assert visit.counts("The picture")[0] != "unknown"
    visit.drop("Your own picture instead", "street.png", picture(), "image/png")
    visit.wait_until("() => document.querySelector('.cg-card dd')?.innerText === 'unknown'")
    _, before, _ = visit.counts("attacked: minus")
    slider = visit.page.get_by_role("slider", name="range slider for Trigger's strength")
    slider.focus()
    slider.press("End")
    visit.wait_until(
        "(before) => { const card = [...document.querySelectorAll('.cg-card')].find((one) => "
        "one.querySelector('h3').innerText === 'attacked: minus'); "
        "return card && card.querySelectorAll('dd')[1].innerText !== before; }",
        before,
    )
    assert slider.input_value() == "0.5"
    assert visit.complaints == []
    assert visit.strangers == set()
    assert server_calls == []


def test_a_bad_picture_gets_a_sentence_and_the_page_goes_on(visit: Visit) -> None:
    visit.drop("Your own picture instead", "notes.png", b"only text", "image/png")
    alert = visit.page.get_by_role("alert").filter(has_text="notes.png")
    alert.wait_for(timeout=PATIENCE)
    assert "is not a JPEG, PNG, WebP, TIFF, BMP, HEIC or AVIF picture" in alert.inner_text()
    assert "Traceback" not in visit.page.content()
    visit.page.get_by_role("button", name="Clear").or_(visit.page.get_by_label("Remove this file")).first.click()
    visit.page.wait_for_selector(".cg-card", timeout=PATIENCE)
    assert visit.complaints == []


def test_counters_can_be_chosen(visit: Visit) -> None:
    visit.page.get_by_label("clean counter, repaired by fine_tune").check()
    heading = visit.page.get_by_role("heading", name="clean counter, repaired by fine_tune")
    heading.wait_for(timeout=PATIENCE)
    assert visit.complaints == []


def test_the_page_fits_a_phone(visit: Visit) -> None:
    visit.page.set_viewport_size(PHONE)
    assert visit.page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]


def test_every_control_has_a_name_of_its_own(visit: Visit) -> None:
    names = [
        box.get_attribute("aria-label")
        for box in visit.page.get_by_role("button", name="Click to upload or drop files").all()
    ]
    assert len(names) == len(set(names)) >= 1
    for role, name in (("combobox", "Picture"), ("combobox", "Trigger"), ("slider", "Trigger's strength")):
        assert visit.page.get_by_role(role, name=name, exact=role == "combobox").count() == 1


def test_without_a_run_the_page_says_so_and_takes_a_counter(
    chromium: Any, make_run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server_calls: list[str]
) -> None:
    counter = (make_run() / "cells" / "clean-attacked-s0" / "counter.safetensors").read_bytes()
    empty = tmp_path / "empty"
    empty.mkdir()
    monkeypatch.chdir(empty)
    app = web.build_app()
    page = chromium.new_page(viewport=DESKTOP)
    visit = Visit(page, web.launch(app))
    assert "three counters of embedded crowds that come with the package" in page.locator(".cg-note").first.inner_text()
    assert page.get_by_role("heading", name="attacked: minus", exact=True).count() == 1
    page.get_by_text("Your own trigger and counter").click()
    visit.drop("Your own counter (.safetensors)", "mine.safetensors", counter, "application/octet-stream")
    page.get_by_role("heading", name="your counter: mine.safetensors").wait_for(timeout=PATIENCE)
    assert (visit.complaints, visit.strangers, server_calls) == ([], set(), [])
    page.close()
    app.close()


def test_a_port_that_is_taken_is_one_line(make_run: Any) -> None:
    app = web.build_app(make_run())
    with socket.create_server((web.LOOPBACK, 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(RunError, match=f"cannot be opened on 127.0.0.1:{port}"):
            web.launch(app, port=port)


def test_the_server_listens_on_this_machine_alone_and_limits_uploads(visit: Visit, make_run: Any) -> None:
    assert urlsplit(visit.page.url).hostname == "127.0.0.1"
    app = web.build_app(make_run("limits"))
    web.launch(app)
    assert app.max_file_size == 512 * 1024 * 1024
    app.close()


def test_the_server_itself_refuses_uploads_above_the_limit(make_run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The page says so before it sends anything; somebody else's client may not ask the page."""
    httpx = pytest.importorskip("httpx")
    monkeypatch.setattr(web, "MAX_UPLOAD", "10kb")
    app = web.build_app(make_run())
    address = web.launch(app)
    small, large = (
        httpx.post(f"{address}gradio_api/upload", files={"files": ("a.png", bytes(size))}) for size in (100, 50_000)
    )
    assert (small.status_code, large.status_code) == (200, 413)
    app.close()


def test_serve_says_where_it_is_and_ends_when_interrupted(make_run: Any) -> None:
    with socket.create_server((web.LOOPBACK, 0)) as free:
        port = free.getsockname()[1]
    script = f"from countguard.web.app import Path, serve; serve(Path({str(make_run())!r}), port={port})"
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        said = process.stdout.readline()
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=60) == 0
    assert said == f"countguard is at http://127.0.0.1:{port}/ until you press Ctrl+C\n"


@pytest.fixture
def suspect(tmp_path: Path) -> bytes:
    """A poisoned data set as a zip file."""
    write_folder(planted_crowds(poisoned=range(8)), tmp_path / "suspect")
    return Path(shutil.make_archive(str(tmp_path / "suspect"), "zip", tmp_path, "suspect")).read_bytes()


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_a_dropped_data_set_shows_its_hidden_picture(visit: Visit, suspect: bytes, size: Any, tmp_path: Path) -> None:
    visit.page.set_viewport_size(size)
    visit.page.get_by_role("tab", name="Audit").click()
    visit.drop("A data set as a zip file", "suspect.zip", suspect, "application/zip")
    visit.page.get_by_text("suspect.zip").first.wait_for(timeout=PATIENCE)
    visit.page.get_by_role("button", name="Audit", exact=True).click()
    visit.page.get_by_role("heading", name="suspect.zip: poisoned").wait_for(timeout=5 * PATIENCE)
    hidden = visit.page.get_by_alt_text("What the images of this group share, drawn from them alone").first
    assert hidden.evaluate("image => image.naturalWidth") > 0
    with visit.page.expect_download() as download:
        visit.page.get_by_role("button", name="The whole report").click()
    assert "countguard audit" in Path(download.value.path()).read_text()
    assert visit.page.evaluate("document.documentElement.scrollWidth") <= size["width"]
    visit.page.screenshot(path=tmp_path / "audit.png", full_page=True)
    assert (visit.complaints, visit.strangers) == ([], set())


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_a_dropped_film_is_counted_over_time(visit: Visit, size: Any, tmp_path: Path) -> None:
    av = pytest.importorskip("av", reason="films need the extra video")
    path = tmp_path / "street.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        for number in range(50):
            frame = Image.effect_noise((96, 64), 30 + number).convert("RGB")
            container.mux(stream.encode(av.VideoFrame.from_image(frame)))
        container.mux(stream.encode())
    visit.page.set_viewport_size(size)
    visit.page.get_by_role("tab", name="Count").click()
    visit.drop("Pictures, or a film", "street.mp4", path.read_bytes(), "video/mp4")
    visit.page.get_by_text("street.mp4").first.wait_for(timeout=PATIENCE)
    visit.page.get_by_role("button", name="Count", exact=True).click()
    visit.page.locator(".cg-table", has_text="street.mp4").wait_for(timeout=PATIENCE)
    for name in ("counts", "street-density"):  # the page parts a name from its ending
        visit.page.get_by_text(name, exact=True).first.wait_for(timeout=PATIENCE)
    assert visit.page.evaluate("document.documentElement.scrollWidth") <= size["width"]
    visit.page.screenshot(path=tmp_path / "count.png", full_page=True)
    assert (visit.complaints, visit.strangers) == ([], set())


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_a_dropped_counter_is_inspected(visit: Visit, size: Any, tmp_path: Path) -> None:
    counter = packaged_counters()["attacked: minus"].read_bytes()
    visit.page.set_viewport_size(size)
    visit.page.get_by_role("tab", name="Inspect").click()
    visit.drop("The counter's file", "stranger.safetensors", counter, "application/octet-stream")
    visit.drop("Pictures of the kind that it is for", "street.png", picture(), "image/png")
    for name in ("stranger", "street"):
        visit.page.get_by_text(name, exact=True).first.wait_for(timeout=PATIENCE)
    visit.page.get_by_role("button", name="Inspect", exact=True).click()
    heading = visit.page.get_by_role("heading", name="stranger.safetensors: cannot tell")
    heading.wait_for(timeout=5 * PATIENCE)
    assert visit.page.locator(".cg-table", has_text="low frequency").count() == 1
    assert visit.page.evaluate("document.documentElement.scrollWidth") <= size["width"]
    visit.page.screenshot(path=tmp_path / "inspect.png", full_page=True)
    assert (visit.complaints, visit.strangers) == ([], set())
