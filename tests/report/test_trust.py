"""Reasons why a MIR should not be believed, from a measurement's file to the page, the terminal and the tables."""

import re
from html import unescape
from typing import get_args

import pytest

from mir_task.report import trust
from mir_task.report.gallery import charts
from mir_task.result import ModelInfo, Protocol, Reason, ReasonCode
from tests.metric.test_trust import BLIND, HEALTHY, TEXT, result
from tests.report.publishing import publish

NORMS = {"code": "norms", "sentence": "Mostly a ratio of norms: 74% of it goes away.", "figures": {}}
TEMPLATE = {
    "code": "template",
    "sentence": "No chat template was found: image, newline, text.",
    "figures": {},
}
HOSTILE = "<img src=x onerror=alert(1)>|{0}"


@pytest.fixture(autouse=True)
def charted(monkeypatch):
    """Charts for the script, and no static pictures, which take most of the time."""
    monkeypatch.setattr("mir_task.report.write.gallery", charts)


def measured(workshop, name, vision):
    """Save what is measured of a model with these vision tokens."""
    info = ModelInfo(
        name=name, model_type="t", adapter="t", layers=2, hidden_size=8, dtype="float32", parameters=1
    )
    protocol = Protocol(task="mir_builtin", seed=0, template="chat_template")
    found = result(vision, TEXT, model=info, protocol=protocol)
    found.save(workshop.results / name / "a_mir_mir_builtin.json")
    return found


def doubted(workshop):
    """What the page says before MIR is compared, line by line."""
    section = re.search(r"<h3>Before MIR is compared</h3>(.*?)</div>", workshop.page, re.S)
    return (
        [unescape(line) for line in re.findall(r'<p class="note">(.*?)</p>', section[1])] if section else []
    )


def tags(workshop):
    """Tags of the leaderboard by the name that they stand beside."""
    heads = re.findall(r'<th scope="row"[^>]*data-order="([^"]*)">(.*?)</th>', workshop.page)
    found = {
        unescape(name): re.findall(r'<span class="tag doubt"[^>]*>(.*?)</span>', cell) for name, cell in heads
    }
    return {name: said for name, said in found.items() if said}


# A model that sees nothing beside a healthy one


@pytest.fixture
def blind(workshop):
    """A report of both, and what the measurement of the blind one says."""
    (reason,) = measured(workshop, "blind", BLIND).trust
    assert reason.code == "image_share"
    assert measured(workshop, "healthy", HEALTHY).trust == []
    return workshop, f"blind: {reason.sentence}"


def test_a_model_whose_pictures_are_alike_is_named_with_its_figures_on_page_terminal_and_report_md(blind):
    workshop, line = blind
    terminal = workshop.report(workshop.results)
    assert doubted(workshop) == [line]
    assert line in terminal.splitlines()
    assert f"- **Before MIR is compared:** {line}" in workshop.markdown.splitlines()


def test_its_row_has_a_tag_and_the_healthy_models_row_has_none(blind):
    workshop, _ = blind
    workshop.report(workshop.results)
    assert tags(workshop) == {"blind": ["pictures alike"]}
    rows = [line for line in workshop.markdown.splitlines() if line.startswith("| all models")]
    names = sorted(row.split(" | ")[2].replace(" (recommended)", "") for row in rows)
    assert names == ["blind (pictures alike)", "healthy"]


def test_it_is_not_published_without_the_reason(blind):
    workshop, line = blind
    published = publish(workshop, workshop.results)
    assert line in published.data["cautions"]
    (index,) = published.yaml("models/blind/model-index.yaml")["model-index"]
    assert index["results"][0]["metrics"][0]["args"]["reasons_for_doubt"] == ["image_share"]
    assert "pictures alike" in published.yaml("models/blind/.eval_results/mir.yaml")[0]["notes"]
    assert "reasons_for_doubt" not in published.text("models/healthy/model-index.yaml")


def test_of_healthy_models_nothing_is_said(workshop):
    for name in ("one", "another"):
        measured(workshop, name, HEALTHY)
    terminal = workshop.report(workshop.results)
    assert doubted(workshop) == [] and tags(workshop) == {}
    assert "Before MIR is compared" not in workshop.page + workshop.markdown + terminal
    assert "A tag beside a name" not in workshop.page


# Several models and runs


def test_what_many_models_share_word_for_word_is_said_once(workshop):
    for number in range(12):
        workshop.result(f"m{number:02d}", 3 - number / 10, trust=[TEMPLATE])
    terminal = workshop.report(workshop.results)
    (line,) = doubted(workshop)
    assert line.startswith("No chat template was found for m11, m10") and "and 4 more" in line
    assert terminal.count("No chat template") == 1
    assert len(tags(workshop)) == 12


def test_a_shared_reason_with_figures_of_its_own_is_said_once_and_model_by_model(workshop):
    sentences = {name: f"Mostly a ratio of norms: {share}." for name, share in (("a", "61%"), ("b", "74%"))}
    for number, (name, said) in enumerate(sentences.items()):
        workshop.result(name, 2.5 + number / 10, trust=[{**NORMS, "sentence": said}])
    terminal = workshop.report(workshop.results)
    each = [f"{name}: {said}" for name, said in sentences.items()]
    shared, *own = doubted(workshop)
    assert shared.startswith("MIR is mostly a ratio of norms in a and b:") and own == each
    assert shared in terminal.splitlines() and not set(each) & set(terminal.splitlines())
    lines = workshop.markdown.splitlines()
    at = lines.index(f"- **Before MIR is compared:** {shared}")
    folded = ["  <details><summary>Model by model</summary>", "", *(f"  - {line}" for line in each), ""]
    assert lines[at + 1 : at + 7] == [*folded, "  </details>"]


def test_a_model_of_two_groups_is_named_once(workshop):
    workshop.result("a", 2.5, trust=[NORMS])
    workshop.result("b", 2.6)
    scores = [{"model": m, "group": g, "gqa": v} for g in "xy" for m, v in (("a", 50), ("b", 51))]
    workshop.run(workshop.results, workshop.table(scores))
    assert doubted(workshop) == [f"a: {NORMS['sentence']}"]


def test_of_several_runs_it_is_told_how_many_have_the_reason(workshop):
    for seed, found in enumerate(([], [NORMS], [NORMS])):
        workshop.result("a", 2.5 + seed / 1000, name=f"s{seed}", protocol={"seed": seed}, trust=found)
    workshop.report(workshop.results)
    assert doubted(workshop) == [f"a: {NORMS['sentence']} (So in 2 of 3 runs.)"]


def test_the_gravest_reason_comes_first(workshop):
    workshop.result("a", 2.5, trust=[TEMPLATE, NORMS])
    workshop.report(workshop.results)
    assert doubted(workshop) == [f"a: {NORMS['sentence']}", f"a: {TEMPLATE['sentence']}"]
    assert tags(workshop) == {"a": ["mostly norms", "no template"]}


def test_names_and_sentences_of_files_are_text_on_the_page(workshop):
    for number, name in enumerate((HOSTILE, f"{HOSTILE}2")):
        workshop.result(name, 2.5 + number / 10, trust=[{**NORMS, "sentence": f"<b>{number}</b> </script>"}])
    workshop.report(workshop.results)
    assert not re.search(r"<img|<b>", workshop.page)
    shared, first, _ = doubted(workshop)
    assert HOSTILE in shared and first == f"{HOSTILE}: <b>0</b> </script>"
    assert "<img" not in workshop.markdown


@pytest.mark.parametrize("code", get_args(ReasonCode))
def test_every_reason_has_a_tag_and_a_sentence_that_names_several_models(code):
    each = [trust.Concerned(name, name, f"Reason of {name}.") for name in ("m1", "m2")]
    doubt = trust.Doubt(code, each)
    assert Reason(code=code, sentence="").code == code
    assert doubt.tag and "m1 and m2" in doubt.sentence
