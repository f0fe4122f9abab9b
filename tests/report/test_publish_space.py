"""The folder that is a static Space as it stands."""

import re
import shutil
from html.parser import HTMLParser

import pandas as pd
import pytest
from huggingface_hub import SpaceCard

from tests.report.publishing import publish

COLOURS = {"red", "yellow", "green", "blue", "indigo", "purple", "pink", "gray"}
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


class Addresses(HTMLParser):
    """Everything that a page points to."""

    def __init__(self):
        super().__init__()
        self.found = []

    def handle_starttag(self, tag, attributes):
        self.found += [value for name, value in attributes if name in ("src", "href", "xlink:href") and value]


@pytest.fixture
def published(workshop, falling, undrawn):
    workshop.five_results()
    rows = [{"model": f"ckpt/run-{m}", "gqa": 50 + i, "seed-bench": 60 + i} for i, m in enumerate("abcde")]
    return publish(workshop, workshop.results, workshop.table(rows), "--title", "Our: board #1 <b>")


def test_the_front_matter_is_a_static_space_of_the_hub(published):
    card = SpaceCard(published.text("space/README.md"), ignore_metadata_errors=False)
    data = card.data
    assert (data.sdk, data.app_file, data.title, data.pinned) == (
        "static",
        "index.html",
        "Our: board #1 <b>",
        False,
    )
    assert {data["colorFrom"], data["colorTo"]} <= COLOURS
    assert data.license == "mit" and "leaderboard" in data.tags
    assert len(data["short_description"]) <= 60 and len(data["emoji"]) == 1 and not data["emoji"].isascii()
    assert (published.folder / "space" / data.app_file).is_file()


def test_the_first_line_is_the_decision(published):
    (sentence,) = {published.data["decision"]["sentence"]}
    assert published.text("README.md").startswith(f"**{sentence}")
    assert published.text("tables/leaderboard.tex").startswith(f"% {sentence}")
    assert f"**{sentence}" in published.text("space/README.md")


def test_the_page_is_the_reports_and_points_to_nothing_that_is_not_there(published, workshop):
    assert published.text("space/index.html") == workshop.page
    page = Addresses()
    page.feed(published.text("space/index.html"))
    for address in page.found:
        if not re.match(r"(https?:|data:|#|mailto:)", address):
            assert (published.folder / "space" / address.partition("#")[0]).exists(), address


def test_csv_and_json_have_the_numbers_of_the_report(published, workshop):
    csv = pd.read_csv(published.folder / "space" / "leaderboard.csv")
    assert csv["mir"].tolist() == pytest.approx([2.2, 2.4, 2.6, 2.8, 3.0])
    (group,) = published.data["groups"]
    for row, expected in zip(group["models"], csv.to_dict("records"), strict=True):
        assert (row["model"], row["mir"], row["gqa"]) == (expected["model"], expected["mir"], expected["gqa"])
        assert row["measured_on"]["task"] == "mir_builtin" and row["spread_over_runs"] is None
    assert published.data["complete"] is True


def test_commands_say_how_to_push_each_part(published):
    assert (
        f"hf upload YOUR-NAME/YOUR-SPACE {published.folder / 'space'} . --repo-type space"
        in published.ran.output
    )
    text = published.text("README.md")
    assert "hf upload YOUR-NAME/YOUR-SPACE space . --repo-type space" in text
    for folder in published.models:
        assert f"](models/{folder})" in text


def test_without_the_option_nothing_is_published(workshop, undrawn):
    workshop.five_results()
    workshop.report(workshop.results)
    assert not list(workshop.folder.rglob("published.json"))


@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")
def test_the_page_opens_from_disk_without_errors(published):
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page()
        complaints = []
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto((published.folder / "space" / "index.html").as_uri())
        assert "run-a" in page.inner_text("body")
        browser.close()
    assert complaints == []
