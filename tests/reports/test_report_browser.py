from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
CHROMIUM = Path("/usr/bin/chromium")

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not CHROMIUM.exists(), reason="the system's Chromium is not installed"),
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        yield started
        started.close()


def open_report(browser: Any, folder: Path, width: int) -> tuple[Any, list[str], list[str]]:
    page = browser.new_page(viewport={"width": width, "height": 900})
    errors: list[str] = []
    requests: list[str] = []
    page.on("console", lambda message: errors.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("request", lambda request: requests.append(request.url))
    page.goto((folder / "report.html").as_uri(), wait_until="load")
    return page, errors, requests


@pytest.mark.parametrize("width", [1200, 390])
def test_page_shows_tables_and_figures_and_asks_nobody(browser: Any, reported: Path, width: int) -> None:
    page, errors, requests = open_report(browser, reported, width)
    assert page.locator("table").count() >= 8
    images = page.locator("img")
    assert images.count() >= 10
    assert page.evaluate("[...document.images].every(image => image.complete && image.naturalWidth > 0)")
    assert errors == []
    assert [url for url in requests if not url.startswith(("file:", "data:"))] == []
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    page.close()


def test_wide_tables_scroll_in_their_own_box_on_a_phone(browser: Any, reported: Path) -> None:
    page, _, _ = open_report(browser, reported, 390)
    box = page.locator("#table-table_full .scroll")
    assert box.evaluate("element => element.scrollWidth > element.clientWidth")
    page.close()


def test_print_shows_whole_tables_and_no_navigation(browser: Any, reported: Path) -> None:
    page, _, _ = open_report(browser, reported, 690)
    page.emulate_media(media="print")
    assert not page.locator("nav").is_visible()
    assert page.evaluate(
        "[...document.querySelectorAll('table')].every(table => table.getBoundingClientRect().right <= 700)"
    )
    assert len(page.pdf()) > 10_000
    page.close()
