"""The worked example: the paper's own tables."""

import re

import pytest

from mir_task.report.schema import Regression
from tests.conftest import REPOSITORY

PAPER = REPOSITORY / "results" / "paper"


@pytest.fixture(scope="module")
def regression(paper):
    return Regression.model_validate_json((paper / "regression.json").read_text())


def test_correlations_are_those_of_the_published_tables(regression):
    # Computed independently of this code, from the same published numbers.
    found = {fit.group.split(":")[0]: fit for fit in regression.groups}
    r = {"Table 1": -0.985, "Table 2": -0.968, "Table 3": -0.712, "Table 4": -0.792, "Table 5": -0.986}
    rho = {"Table 1": -1.0, "Table 2": -0.971, "Table 3": -0.975, "Table 4": -1.0, "Table 5": -1.0}
    assert {name: round(fit.pearson.r, 3) for name, fit in found.items()} == r
    assert {name: round(fit.spearman.rho, 3) for name, fit in found.items()} == rho


def test_the_decision_is_that_mir_tells(regression):
    found = regression.decision
    assert found.sentence == (
        "MIR tells here (100% of 40 pairs in order, p = 7e-9): the lowest MIR was best after SFT in all 5 groups."
    )
    assert (found.mir, found.by, found.p_best) == (
        "tells",
        "scores",
        None,
    )  # the tables have no standard errors
    assert "mean 181.2 tokens" in found.recommended and "one model" not in found.recommended


def test_only_tables_of_the_same_benchmarks_are_pooled(regression):
    pool = regression.pooled
    assert [group.split(":")[0] for group in pool.groups] == ["Table 1", "Table 3", "Table 4"]
    assert (round(pool.pearson.r, 2), round(pool.spearman.rho, 3)) == (-0.58, -0.895)
    reasons = {group.split(":")[0]: reason for group, reason in pool.left_out.items()}
    assert reasons == {
        "Table 2": "its average lacks MME, POPE",
        "Table 5": "its average also covers MM-Vet and lacks SQA-Img",
    }


def test_the_tables_together_are_as_good_as_certain(regression):
    # By the number of orders: 4!, 6! with two ties of two, 5! with one tie, 4! and 4!, each table in the best of them.
    together = regression.combined
    assert together.p == pytest.approx(1 / (24**3 * (720 / 4) * (120 / 2)))
    assert (together.concordance, together.pairs, together.groups, together.recipes) == (1.0, 40, 5, 23)
    assert together.interval[0] > 0.9 and together.interval[1] == 1
    text = " ".join(regression.verdict)
    assert "Together, within five groups of 23 models, lower MIR goes with higher scores" in text
    assert "(p = 7e-9, one-sided, by permutation within groups)" in text


def test_verdict_says_no_more_than_four_models_allow(regression):
    text = " ".join(regression.verdict)
    assert "with 4 models in Table 1, Table 4 and Table 5 even a perfect order could be chance" in text


def test_the_pooled_slope_rests_on_the_q_former(regression):
    pool = regression.pooled
    assert (pool.influence.model, round(pool.slope.estimate, 1)) == ("Q-Former", -4.9)
    assert round(pool.influence.slope_without, 1) == -1.8
    assert round(pool.interaction.p, 3) == 0.248 and pool.disagreement is None
    text = " ".join(regression.verdict)
    assert "The pooled slope is −4.9 points per unit of MIR, and −1.8 without Q-Former" in text  # noqa: RUF001
    assert "F(2, 7) = 2.3, p = 0.248" in text


def test_committed_report_is_what_the_command_makes(paper):
    def without_versions(text):
        text = re.sub(r"(?m)^- Report by .*$|<dt>report by</dt><dd>.*?</dd>", "", text)
        return re.sub(r"<svg.*?</svg>", "", text, flags=re.S)

    for name in ("report.md", "report.html"):
        assert without_versions((PAPER / name).read_text()) == without_versions((paper / name).read_text()), (
            f"run: mir-report results/paper --output results/paper, and commit {name}"
        )


def test_page_is_one_file_without_network(paper):
    page = (paper / "report.html").read_text()
    assert page.count('class="still"><svg') == len(list((paper / "figures").glob("*.svg"))) > 50
    outside = re.findall(r"""(?:src|href)=["']?([^"'#> ]+)|url\(["']?([^)#"']+)""", page)
    assert {a or b for a, b in outside} <= {"data:,"}
    assert "@import" not in page


def test_figures_of_the_markdown_exist(paper):
    for figure in re.findall(r"\]\((figures/[^)]+)\)", (paper / "report.md").read_text()):
        assert (paper / figure).stat().st_size > 1000
