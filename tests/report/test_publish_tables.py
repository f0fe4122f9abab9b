"""Markdown and LaTeX tables, read back by a parser and by LaTeX itself."""

import re
import shutil
import subprocess

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mir_task.report.cli import INCOMPLETE
from mir_task.report.publish.latex_table import escape as latex_escape
from mir_task.report.publish.markdown_table import escape as markdown_escape
from mir_task.result import MIRResult
from tests.report.publishing import is_balanced, publish, tabulars

markdown_it = pytest.importorskip("markdown_it", reason="markdown-it-py is not installed")
pytestmark = pytest.mark.usefixtures("undrawn")
AWKWARD = [
    "50%_of & all #1 $x$ {y} ~ ^ }",
    "a|b <script>alert(1)</script> `code` **bold** [l](u)",
    "[1] \"quoted\" 'single' -- dash --- über",
    "~~struck~~ 2*3*4 snake_case_name &amp; é",
]
PREAMBLE = r"""\documentclass{article}
\usepackage[T1]{fontenc}
\usepackage{booktabs,graphicx,longtable}
\begin{document}
"""


def cells_of(markdown):
    """Rows of every table of the text, as plain text and as HTML."""
    tokens = markdown_it.MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(markdown)
    tables, inline = [], None
    for token in tokens:
        if token.type == "table_open":
            tables.append([])
        elif token.type == "tr_open":
            tables[-1].append([])
        elif token.type in ("th_open", "td_open"):
            inline = []
        elif token.type == "inline" and inline is not None:
            text = "".join(child.content for child in token.children)
            kinds = {child.type for child in token.children} - {"text", "text_special"}
            tables[-1][-1].append((text, kinds))
            inline = None
    return tables


def shown(markdown):
    """The text that a reader of one paragraph sees, and what else is in it."""
    tokens = markdown_it.MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(markdown)
    assert [token.type for token in tokens] == ["paragraph_open", "inline", "paragraph_close"]
    children = tokens[1].children
    return "".join(child.content for child in children), {child.type for child in children} - {
        "text",
        "text_special",
    }


@pytest.fixture
def awkward(workshop):
    """Four models whose names have a meaning in every format; two tie in MIR, one benchmark is better when lower."""
    for index, name in enumerate(AWKWARD):
        workshop.result(name.replace("/", "-"), 2 + (0, 0.03, 0.3, 0.33)[index], standard_error=0.025)
    rows = [
        {"model": name.replace("/", "-"), "gqa": 60 - i, "my\\wer%": 0.1 + i / 10, "step": 100 * i}
        for i, name in enumerate(AWKWARD)
    ]
    table = workshop.table(rows)
    return publish(workshop, workshop.results, table, "--lower-is-better", "my\\wer%")


def column(table, heading):
    head, *rows = table
    (place,) = [number for number, (text, _) in enumerate(head) if text == heading]
    return [row[place] for row in rows]


def test_names_come_through_markdown_as_they_are(awkward):
    (table,) = cells_of(awkward.text("tables/leaderboard.md"))
    names = column(table, "model")
    assert [text for text, _ in names] == [name.replace("/", "-") for name in AWKWARD]
    assert all(not kinds for _, kinds in names)
    assert len({len(row) for row in table}) == 1


def test_bold_is_best_and_all_that_mir_cannot_tell_from_it(awkward):
    (table,) = cells_of(awkward.text("tables/leaderboard.md"))

    def bold(heading):
        return ["strong_open" in kinds for _, kinds in column(table, heading)]

    # 0.03 apart at standard errors of 0.025: the difference has one of 0.035.
    assert bold("MIR ↓") == [True, True, False, False]
    assert bold("gqa ↑") == [True, False, False, False]
    assert bold("my\\wer% ↓") == [True, False, False, False]
    assert bold("step") == [False] * 4


def test_a_table_has_mir_with_its_error_the_number_a_layer_pairs_step_benchmarks_and_average(awkward):
    (table,) = cells_of(awkward.text("tables/leaderboard.md"))
    head = [text for text, _ in table[0]]
    assert head[:5] == ["rank", "model", "MIR ↓", "MIR per layer ↓", "pairs"]
    assert head[5:] == ["step", "gqa ↑", "my\\wer% ↓", "average ↑"]
    assert column(table, "MIR ↓")[0][0] == "2.000 ± 0.025"


def test_every_row_of_the_latex_table_has_the_columns_of_its_layout(awkward):
    latex = awkward.text("tables/leaderboard.tex")
    ((layout, rows),) = tabulars(latex)
    assert {len(row) for row in rows} == {len(layout)} and len(rows) == 1 + len(AWKWARD)
    assert is_balanced(latex)
    for rule in ("toprule", "midrule", "bottomrule"):
        assert latex.count(f"\\{rule}") == 1


def compiled(folder, latex):
    """Let pdflatex set the table; its log. It stops at the first error."""
    (folder / "table.tex").write_text(latex)
    (folder / "paper.tex").write_text(PREAMBLE + "\\input{table}\n\\end{document}\n")
    done = subprocess.run(
        ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape", "paper.tex"],
        cwd=folder,
        capture_output=True,
        text=True,
        errors="replace",
    )
    assert done.returncode == 0 and (folder / "paper.pdf").exists(), done.stdout[-2000:]
    return done.stdout


needs_latex = pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed")


@needs_latex
def test_the_latex_table_compiles(awkward, tmp_path):
    assert "Missing character" not in compiled(tmp_path, awkward.text("tables/leaderboard.tex"))


@pytest.fixture
def long(workshop, falling):
    """More rows than fit a page, and more columns than fit its width."""
    rows = [{**row, **{f"bench_{b}": 10 + b for b in range(10)}} for row in falling(45)]
    return publish(workshop, workshop.table(rows)).text("tables/leaderboard.tex")


def test_a_table_of_many_rows_may_break_over_pages(long):
    ((layout, rows),) = tabulars(long)
    # A longtable says its head twice: on the first page and on the others.
    assert "\\begin{longtable}" in long and {len(row) for row in rows} == {len(layout)}
    assert sum("m" in row[1] and row[1].strip() != "model" for row in rows) == 45


@needs_latex
def test_a_table_of_many_rows_compiles(long, tmp_path):
    compiled(tmp_path, long)


def test_letters_that_pdflatex_lacks_are_named_at_the_top(workshop):
    for index, name in enumerate(("模型", "модель", "plain")):
        workshop.result(name, 2 + index)
    latex = publish(workshop, workshop.results).text("tables/leaderboard.tex")
    (line,) = [line for line in latex.splitlines() if "lualatex" in line]
    assert line.startswith("%") and all(mark in line for mark in "模型модель")


@given(st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=40))
def test_escaping_for_latex_is_that_of_pandas_beside_marks_that_pandas_leaves(text):
    """pandas leaves < > | quotes and brackets as they are, and marks that TeX joins."""
    plain = re.sub(r"[<>|\"'`\[\]*,-]", "x", text)
    frame = pd.DataFrame([plain]).style.format(escape="latex").hide(axis="columns").hide(axis="index")
    (theirs,) = [line for line in frame.to_latex().splitlines() if line.endswith("\\\\")]
    same = {
        r"\textbackslash{}": r"\textbackslash ",
        r"\textasciitilde{}": r"\textasciitilde ",
        r"\textasciicircum{}": r"\textasciicircum ",
    }
    ours = latex_escape(plain)
    for mine, pandas in same.items():
        ours, theirs = ours.replace(mine, pandas), theirs.replace(mine, pandas)
    assert re.sub(r"\s+", " ", ours).strip() == re.sub(r"\s+", " ", theirs.removesuffix("\\\\")).strip()


@given(st.text(max_size=40))
def test_escaped_for_latex_nothing_begins_a_command_a_comment_or_a_cell(text):
    escaped = latex_escape(text)
    assert is_balanced(escaped) and "\n" not in escaped
    rest = re.sub(r"\\[a-z]+\{\}|\\[&%$#_{}]|\$(?:\\[a-z]+|-)\$", "", escaped)
    assert not re.search(r"[\\&%$#_~^]", rest)


@given(st.text(max_size=40))
def test_escaped_for_markdown_a_text_is_shown_as_it_is(text):
    line = " ".join(text.split()).replace("\0", "\ufffd")
    if line:
        assert shown(markdown_escape(text)) == (line, set())


def test_a_report_with_problems_says_so_with_every_table(workshop):
    workshop.five_results()
    (workshop.results / "broken.json").write_text("{")
    rows = [{"model": f"ckpt/run-{m}", "group": m < "c", "gqa": 50 + i} for i, m in enumerate("abcde")]
    published = publish(workshop, workshop.results, workshop.table(rows))
    assert published.ran.status == INCOMPLETE
    assert "not the whole answer" in published.text("README.md")
    assert "not the whole answer" in published.text("space/README.md")
    assert "not the whole answer" in published.text("tables/leaderboard.md")
    assert published.text("tables/leaderboard.tex").count("not the whole answer") == 2  # one a table
    assert published.data["complete"] is False
    assert any("broken.json" in caution for caution in published.data["cautions"])


def test_numbers_of_different_protocols_are_never_published_together(workshop):
    workshop.result("a", 2.0)
    workshop.result("b", 2.1, protocol={"max_text_tokens": 7})
    published = publish(workshop, workshop.results, "--allow_mixed_protocols")
    assert published.ran.status == INCOMPLETE and not published.folder.exists()
    assert "not published: numbers of different protocols" in published.ran.errors
    assert "max_text_tokens" in published.ran.errors and "--allow_mixed" not in published.ran.errors


def test_scores_of_a_part_and_of_the_whole_are_never_published_together(workshop, models):
    workshop.five_results()
    for model in models:
        workshop.lmms_results(
            f"ckpt/{model}",
            {"gqa": {"exact_match": 0.5 + models.index(model) / 10}},
            folder="sft",
            **{"n-samples": {"gqa": {"original": 100, "effective": 10 if model == models[0] else 100}}},
        )
    published = publish(
        workshop, workshop.results, "--scores", workshop.folder / "sft", "--allow_mixed_protocols"
    )
    assert published.ran.status == INCOMPLETE and not published.folder.exists()
    assert "on 10 of 100 samples" in published.ran.errors


def test_different_language_models_are_named(workshop):
    for name, layers in (("small", 24), ("large", 32)):
        path = workshop.result(name, 2.5 + layers / 100)
        result = MIRResult.load(path)
        info = result.model.model_copy(update={"layers": layers, "hidden_size": 1024})
        result.model_copy(update={"model": info}).save(path)
    published = publish(workshop, workshop.results)
    for path in ("README.md", "space/README.md", "tables/leaderboard.md", "tables/leaderboard.tex"):
        assert "24 layers of 1024" in published.text(path) and "compare MIR per layer" in published.text(path)


def test_of_one_language_model_nothing_is_said(workshop):
    workshop.five_results()
    assert "Different language models" not in publish(workshop, workshop.results).everything


def test_few_pairs_are_a_caution(workshop):
    for name in "ab":
        workshop.result(name, 2.5, pairs=3)
    assert "3 image-text pairs" in publish(workshop, workshop.results).text("tables/leaderboard.md")


def test_pairs_that_could_not_be_measured_are_a_caution(workshop):
    workshop.result("a", 2.5, skipped=[{"number": 4, "reason": "too long"}])
    workshop.result("b", 2.6)
    said = publish(workshop, workshop.results).text("tables/leaderboard.md")
    assert "a: one pair could not be measured" in said
