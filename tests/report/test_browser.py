"""The page as a reader opens it."""

import shutil
from urllib.parse import urlparse

import pytest

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")
HOSTILE, HOSTILE_GROUP = "<img src=x onerror=alert(1)>&amp;", "</script><script>alert(2)</script>"


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


def listening(page):
    """Keep what the page complains of and asks for."""
    page.complaints, page.requests = [], []
    page.on("console", lambda message: page.complaints.append(message.text))
    page.on("pageerror", lambda error: page.complaints.append(str(error)))
    page.on("request", lambda request: page.requests.append(request.url))
    page.on("dialog", lambda dialog: (page.complaints.append(dialog.message), dialog.dismiss()))
    return page


def wait_until(page, expression):
    """Wait for JavaScript to be true; playwright's own way needs eval, which the page's policy forbids."""
    for _ in range(100):
        if page.evaluate(expression):
            return
        page.wait_for_timeout(50)
    raise AssertionError(f"never: {expression}")


def see_everything(page):
    """Open all that is folded, and scroll through, since charts are drawn as they come into view."""
    page.evaluate("document.querySelectorAll('details').forEach((part) => { part.open = true; })")
    for place in range(0, page.evaluate("document.documentElement.scrollHeight"), 500):
        page.evaluate(f"scrollTo(0, {place})")
        page.wait_for_timeout(30)
    wait_until(
        page,
        "[...document.querySelectorAll('figure[data-chart]:not(.without)')].every((e) => e.matches('.drawn'))",
    )


@pytest.fixture(
    scope="module", params=[(390, "light"), (390, "dark"), (1280, "light"), (1280, "dark")], ids=str
)
def opened(request, browser, paper):
    """The worked example with all its details open, on a phone or a desk, in light or dark."""
    width, scheme = request.param
    page = listening(browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme))
    page.goto((paper / "report.html").as_uri())
    see_everything(page)
    yield page
    page.close()


def test_the_page_opens_without_errors(opened):
    assert opened.complaints == []


def test_the_page_needs_no_network(opened):
    assert [url for url in opened.requests if urlparse(url).scheme not in ("file", "data")] == []


def test_the_page_is_no_wider_than_the_window(opened):
    assert opened.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_nothing_sticks_out_of_the_page_except_inside_boxes_that_scroll(opened):
    wide = opened.evaluate(
        """[...document.querySelectorAll('main *')].filter((e) => !e.closest('.scroll, svg')
           && e.getBoundingClientRect().right > innerWidth + 1).map((e) => e.outerHTML.slice(0, 80))"""
    )
    assert wide == []


def test_every_chart_is_drawn_and_large_enough_to_read(opened):
    sizes = opened.evaluate(
        "[...document.querySelectorAll('figure.drawn canvas')].map((e) => [e.clientWidth, e.clientHeight])"
    )
    assert len(sizes) >= 8 and all(width > 250 and height > 180 for width, height in sizes)


def test_charts_take_the_place_of_the_static_pictures(opened):
    assert opened.evaluate(
        "[...document.querySelectorAll('figure.drawn .still')].every((e) => e.clientHeight === 0)"
    )


def test_no_id_is_there_twice(opened):
    ids = opened.evaluate("[...document.querySelectorAll('[id]')].map((e) => e.id)")
    assert len(ids) == len(set(ids))


def test_charts_have_the_colours_of_light_and_dark(browser, paper):
    page = browser.new_page(color_scheme="light")
    page.goto((paper / "report.html").as_uri())
    see_everything(page)

    ink = "Chart.getChart(document.querySelector('canvas')).options.scales.x.title.color"
    light = page.evaluate(ink)
    page.emulate_media(color_scheme="dark")
    wait_until(page, f"{ink} === css('--ink') && {ink} !== '{light}'")
    page.close()


def test_no_name_in_a_chart_lies_over_a_point_or_a_bar(opened):
    written, over = opened.evaluate(
        """() => {
             const written = [], over = [];
             const own = CanvasRenderingContext2D.prototype.fillText;
             for (const [name, chart] of drawn) {
               const names = new Set(Object.values(chart.source.names ?? {}));
               const texts = [];
               CanvasRenderingContext2D.prototype.fillText = function (text, x, y) {
                 if (names.has(text)) texts.push([text, x, y, this.measureText(text).width]);
                 return own.apply(this, arguments);
               };
               chart.draw();
               CanvasRenderingContext2D.prototype.fillText = own;
               const bars = chart.data.datasets.flatMap((set, at) =>
                 chart.getDatasetMeta(at).data.filter((e) => e.options.radius > 0).map((e, place) => {
                   const ends = set.data[place].across?.map((end) => chart.scales.x.getPixelForValue(end));
                   return [...(ends ?? [e.x - 3, e.x + 3]), e.y, 6];
                 }));
               for (const [text, x, y, wide] of texts) {
                 written.push(text);
                 const others = texts.filter((other) => other[0] !== text)
                   .map(([, at, high, far]) => [at, at + far, high, 11]);
                 const meets = ([left, right, at, near]) => x < right && left < x + wide && Math.abs(at - y) < near;
                 if ([...bars, ...others].some(meets)) over.push([name, text]);
               }
             }
             return [written, over];
           }"""
    )
    assert len(written) >= 12 and over == []


# Without the script, and on paper


def test_without_javascript_every_figure_is_a_picture_and_every_model_a_row(browser, paper):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto((paper / "report.html").as_uri())
    figures = page.locator("section > .panels figure, .answer figure")
    assert figures.count() >= 8
    for figure in figures.all():
        assert figure.locator("svg").first.is_visible() and not figure.locator("canvas").is_visible()
    assert page.locator("#leaderboard tbody tr").count() == 24
    assert not page.locator("#tools").is_visible() and not page.locator("#score").is_visible()
    context.close()


def test_paper_shows_the_static_pictures_and_no_tools(browser, paper):
    page = browser.new_page()
    page.goto((paper / "report.html").as_uri())
    see_everything(page)
    page.emulate_media(media="print")
    assert page.locator(".answer figure .still").is_visible()
    assert not page.locator(".answer figure canvas").is_visible()
    assert not page.locator("#tools").is_visible()
    page.close()


# The leaderboard


class Leaderboard:
    """Click on a heading, search, choose a group, read a column."""

    def __init__(self, page):
        self.page = page

    def click(self, heading):
        sorted_by = "[...document.querySelectorAll('#leaderboard th')].map((head) => head.ariaSort).join()"
        before = self.page.evaluate(sorted_by)
        self.page.locator("#leaderboard thead th").filter(has_text=heading).first.click()
        wait_until(self.page, f"{sorted_by} !== '{before}'")

    def search(self, text):
        self.page.locator("#search").fill(text)

    def choose(self, group):
        self.page.locator("#group").select_option(label=group)

    def column(self, heading):
        return self.page.evaluate(
            """(heading) => {
                 const table = document.getElementById("leaderboard");
                 const at = [...table.tHead.rows[0].cells].findIndex((e) => e.textContent.trim() === heading);
                 const cells = [...table.tBodies[0].rows].map((row) => row.cells[at]);
                 return cells.map((cell) => cell.dataset.order ?? cell.textContent);
               }""",
            heading,
        )


@pytest.fixture
def leaderboard(browser, paper):
    """The worked example's first table."""
    page = listening(browser.new_page(viewport={"width": 1280, "height": 900}))
    page.goto((paper / "report.html").as_uri())
    yield Leaderboard(page)
    assert page.complaints == []
    page.close()


@pytest.fixture(scope="module")
def many(new_workshop):
    """A report of 60 models in 15 groups, without its static pictures; one and its group have names full of markup."""
    from mir_task.report.gallery import charts

    rows = [
        {
            "model": f"model{i:02d}" if i else HOSTILE,
            "group": f"family {i // 4:02d}" if i > 3 else HOSTILE_GROUP,
            "mir": 3 - i % 4 / 10 + i / 997,
            "gqa": 50 + i % 4 + i / 89,
            "pope": 80 + i % 3,
            "loss": 2 + i % 5 / 10,
            "step": 100 * (i % 4 + 1),
        }
        for i in range(60)
    ]
    workshop = new_workshop()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("mir_task.report.write.gallery", charts)
        workshop.report(workshop.table(rows))
    return workshop.output


@pytest.fixture
def long_board(browser, many):
    page = listening(browser.new_page(viewport={"width": 1280, "height": 900}))
    page.goto((many / "report.html").as_uri())
    yield Leaderboard(page)
    assert page.complaints == []
    page.close()


def test_a_click_on_a_heading_sorts_and_another_sorts_the_other_way(leaderboard):
    leaderboard.click("MIR")
    mir = [float(value) for value in leaderboard.column("MIR")]
    assert len(mir) == 24 and mir == sorted(mir)
    leaderboard.click("MIR")
    assert [float(value) for value in leaderboard.column("MIR")] == mir[::-1]


def test_a_model_without_a_score_comes_last_either_way(leaderboard):
    for _ in range(2):
        leaderboard.click("Average")
        assert leaderboard.column("Average")[-1] == ""


def test_search_leaves_the_models_that_it_names(leaderboard):
    leaderboard.search("q-former")
    assert leaderboard.column("Model") == ["Q-Former"]
    assert leaderboard.page.locator("#count").text_content() == "1 of 1 models found"
    leaderboard.search("nothing like it")
    assert leaderboard.page.locator("#leaderboard tbody").text_content() == "No model has such a name"


def test_a_group_leaves_its_models_and_search_looks_among_them(leaderboard):
    leaderboard.choose("Table 5: MoCa")
    assert len(leaderboard.column("Model")) == 4
    leaderboard.search("gemini")
    assert leaderboard.column("Model") == ["Mini-Gemini + MoCa", "Mini-Gemini"]
    leaderboard.choose("all groups")
    leaderboard.search("")
    assert len(leaderboard.column("Model")) == 24


def test_rows_beyond_fifty_are_folded_until_asked_for(long_board):
    assert len(long_board.column("Model")) == 50
    long_board.page.locator("#fold").click()
    assert len(long_board.column("Model")) == 60
    long_board.page.locator("#fold").click()
    assert len(long_board.column("Model")) == 50


def test_paper_has_the_folded_rows_too(long_board):
    long_board.page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert len(long_board.column("Model")) == 60


def test_search_finds_a_folded_model(long_board):
    long_board.search("model59")
    assert long_board.column("Model") == ["model59"]


def test_a_name_full_of_markup_is_text_in_table_and_charts(long_board):
    see_everything(long_board.page)
    long_board.search("alert(1)")
    assert long_board.page.locator("#leaderboard tbody th").text_content().strip() == HOSTILE
    assert HOSTILE in long_board.page.evaluate("report.models")
    assert (
        long_board.page.evaluate(
            "drawn.get(Object.keys(report.charts).find((n) => n.startsWith('average-0'))).source.title"
        )
        == HOSTILE_GROUP
    )
    assert long_board.page.locator("img, main script").count() == 0


def test_the_heading_stays_in_sight_while_rows_scroll(long_board):
    place = """document.querySelector('.board').scrollTop = {}, document.querySelector('#leaderboard thead th')
               .getBoundingClientRect().top - document.querySelector('.board').getBoundingClientRect().top"""
    assert long_board.page.evaluate(place.format(600)) == pytest.approx(0, abs=1)


# Hover


def point_of(page, chart, index):
    """The canvas of a chart, the place of a point on it, and the point's model."""
    return page.evaluate(
        """([name, index]) => {
             const chart = drawn.get(name);
             const at = chart.data.datasets.findIndex((set) => set.data[0]?.model !== null);
             const element = chart.getDatasetMeta(at).data[index];
             return [element.x, element.y, chart.data.datasets[at].data[index].model];
           }""",
        [chart, index],
    )


def lit_radii(page, chart):
    """The radius of every point of a chart, by model."""
    return page.evaluate(
        """(name) => Object.fromEntries(drawn.get(name).data.datasets.flatMap((set, at) =>
             drawn.get(name).getDatasetMeta(at).data.map((element, i) => [set.data[i].model, element.options.radius])
           ).filter(([model, radius]) => model !== null && radius))""",
        chart,
    )


def test_pointing_at_a_model_in_a_chart_lights_it_in_the_table_and_in_the_other_charts(leaderboard):
    page = leaderboard.page
    see_everything(page)
    page.locator("#fig-answer").scroll_into_view_if_needed()
    x, y, model = point_of(page, "answer", 1)
    page.locator("#fig-answer canvas").hover(position={"x": x, "y": y})
    assert page.evaluate("document.documentElement.dataset.lit") == str(model)
    lit = page.evaluate(
        "[...document.querySelectorAll('#leaderboard tr.lit')].map((row) => row.dataset.model)"
    )
    assert set(lit) == {str(model)}
    page.locator("#fig-pooled").scroll_into_view_if_needed()
    page.wait_for_timeout(100)
    radii = lit_radii(page, "pooled")
    assert max(radii, key=radii.get) == str(model) and len(set(radii.values())) > 1


def test_pointing_at_a_row_lights_the_model_in_the_charts_and_leaving_puts_it_out(leaderboard):
    page = leaderboard.page
    see_everything(page)
    page.locator("#leaderboard tbody tr").first.hover()
    model = page.locator("#leaderboard tbody tr").first.get_attribute("data-model")
    page.wait_for_timeout(100)
    radii = lit_radii(page, "answer")
    assert max(radii, key=radii.get) == model
    page.locator("h1").hover()
    assert page.evaluate("document.documentElement.dataset.lit") == ""
    assert len(page.locator("tr.lit").all()) == 0


def test_the_tooltip_names_the_model_and_its_numbers(leaderboard):
    page = leaderboard.page
    page.locator("#fig-answer").scroll_into_view_if_needed()
    wait_until(page, "drawn.has('answer')")
    x, y, model = point_of(page, "answer", 0)
    page.locator("#fig-answer canvas").hover(position={"x": x, "y": y})
    tooltip = page.evaluate(
        "(({ title, body }) => [title, body.flatMap((part) => part.lines)])(drawn.get('answer').tooltip)"
    )
    assert tooltip[0] == [page.evaluate(f"report.models[{model}]")]
    assert "Table 1" in tooltip[1] and any(line.startswith("MIR less") for line in tooltip[1])


def test_the_score_of_the_charts_can_be_changed(leaderboard):
    page = leaderboard.page
    see_everything(page)
    first = page.evaluate("Object.keys(report.charts).find((name) => name.startsWith('average-0'))")
    page.locator("#score").select_option(label="POPE")
    shown = page.evaluate(
        "(name) => drawn.get(name).data.datasets.at(-1).data.map((point) => point.y)", first
    )
    assert shown == [86.0, 85.8, 86.0, 86.0]  # table 1 of the paper, lowest MIR first
    hidden = page.evaluate("[...document.querySelectorAll('figure.without')].length")
    assert hidden == 1  # table 2 has no POPE
