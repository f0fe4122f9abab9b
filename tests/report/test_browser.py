"""The page as a reader opens it."""

import shutil

import pytest

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_page_opens_without_errors_overflow_or_missing_figures(browser, paper, width, scheme):
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    complaints, requests = [], []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: requests.append(request.url))
    page.goto((paper / "report.html").as_uri())
    page.evaluate("document.querySelectorAll('details').forEach((part) => { part.open = true; })")
    assert complaints == []
    assert [url for url in requests if not url.startswith(("file:", "data:"))] == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    # Nothing sticks out of the page except inside boxes that scroll.
    wide = page.evaluate(
        """[...document.querySelectorAll('main *')].filter((e) => !e.closest('.scroll, svg')
           && e.getBoundingClientRect().right > innerWidth + 1).map((e) => e.outerHTML.slice(0, 80))"""
    )
    assert wide == []
    sizes = page.evaluate(
        """[...document.querySelectorAll('figure svg')].map(
           (e) => [e.getBoundingClientRect().width, e.querySelectorAll('path').length])"""
    )
    assert len(sizes) > 50 and all(drawn_width > 200 and paths > 5 for drawn_width, paths in sizes)
    ids = page.evaluate("[...document.querySelectorAll('[id]')].map((e) => e.id)")
    assert len(ids) == len(set(ids))
    page.close()


def test_leaderboard_sorts(browser, paper):
    page = browser.new_page()
    page.goto((paper / "report.html").as_uri())

    def column(number):
        return page.evaluate(
            f"[...document.querySelectorAll('table.sortable tbody tr')].map((r) => r.cells[{number}].dataset.value)"
        )

    head = page.locator("table.sortable thead button", has_text="MIR")
    head.click()
    assert [float(value) for value in column(2)] == sorted(map(float, column(2)))
    head.click()
    assert [float(value) for value in column(2)] == sorted(map(float, column(2)), reverse=True)
    page.locator("table.sortable thead button", has_text="Average").click()
    assert column(3)[-1] == ""  # the model without a score comes last
    page.close()
