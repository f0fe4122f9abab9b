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


@pytest.fixture(
    scope="module", params=[(390, "light"), (390, "dark"), (1280, "light"), (1280, "dark")], ids=str
)
def opened(request, browser, paper):
    """The worked example with all its details open, on a phone or a desk, in light or dark."""
    width, scheme = request.param
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page.complaints, page.requests = [], []
    page.on("console", lambda message: page.complaints.append(message.text))
    page.on("pageerror", lambda error: page.complaints.append(str(error)))
    page.on("request", lambda request: page.requests.append(request.url))
    page.goto((paper / "report.html").as_uri())
    page.evaluate("document.querySelectorAll('details').forEach((part) => { part.open = true; })")
    yield page
    page.close()


def test_the_page_opens_without_errors(opened):
    assert opened.complaints == []


def test_the_page_needs_no_network(opened):
    assert [url for url in opened.requests if not url.startswith(("file:", "data:"))] == []


def test_the_page_is_no_wider_than_the_window(opened):
    assert opened.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_nothing_sticks_out_of_the_page_except_inside_boxes_that_scroll(opened):
    wide = opened.evaluate(
        """[...document.querySelectorAll('main *')].filter((e) => !e.closest('.scroll, svg')
           && e.getBoundingClientRect().right > innerWidth + 1).map((e) => e.outerHTML.slice(0, 80))"""
    )
    assert wide == []


def test_every_figure_is_drawn_and_large_enough_to_read(opened):
    sizes = opened.evaluate(
        """[...document.querySelectorAll('figure svg')].map(
           (e) => [e.getBoundingClientRect().width, e.querySelectorAll('path').length])"""
    )
    assert len(sizes) > 50 and all(width > 200 and paths > 5 for width, paths in sizes)


def test_no_id_is_there_twice(opened):
    ids = opened.evaluate("[...document.querySelectorAll('[id]')].map((e) => e.id)")
    assert len(ids) == len(set(ids))


@pytest.fixture
def leaderboard(browser, paper):
    """The worked example's first table: click on a heading, read a column."""
    page = browser.new_page()
    page.goto((paper / "report.html").as_uri())
    yield Leaderboard(page)
    page.close()


class Leaderboard:
    def __init__(self, page):
        self._page = page

    def click(self, heading):
        self._page.locator("table.sortable thead button", has_text=heading).click()

    def column(self, number):
        return self._page.evaluate(
            f"[...document.querySelectorAll('table.sortable tbody tr')].map((r) => r.cells[{number}].dataset.value)"
        )


def test_a_click_on_a_heading_sorts_and_another_sorts_the_other_way(leaderboard):
    leaderboard.click("MIR")
    mir = [float(value) for value in leaderboard.column(2)]
    assert mir == sorted(mir)
    leaderboard.click("MIR")
    assert [float(value) for value in leaderboard.column(2)] == mir[::-1]


def test_a_model_without_a_score_comes_last_either_way(leaderboard):
    for _ in range(2):
        leaderboard.click("Average")
        assert leaderboard.column(3)[-1] == ""
