"""Tables that cannot be read: the reason first, then file, line and column, then what to do."""

import html
import json

import pytest

pytestmark = pytest.mark.usefixtures("undrawn")

MODELS = "model,mir,gqa\n" + "".join(f"m{i},{3 - i / 10},{50 + i}\n" for i in range(4))


@pytest.fixture
def refusal(workshop):
    """Why a table of this text is refused, with its path as FILE."""

    def run(content, name="scores.csv"):
        table = workshop.folder / name
        table.write_bytes(content if isinstance(content, bytes) else content.encode())
        return workshop.refusal(table).replace(str(table), "FILE").removeprefix("mir-report: ")

    return run


# The file as a whole


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "the file is empty (FILE)"),
        ("\n \n", "the file is empty (FILE)"),
        ("model,mir\n", "there is a header and no line of a model (FILE)"),
        (
            MODELS.replace(",", ";"),
            "the columns are separated by semicolons, and those of a .csv file by commas (FILE, line 1); save it with "
            "commas, and decimals with a point",
        ),
        (MODELS.replace(",", "\t"), "the columns are separated by tabs, and those of a .csv file by commas"),
        (MODELS.encode("utf-16"), "the file is UTF-16 text (FILE); save it in UTF-8"),
        ("model,mir\nm\xe9,2\n".encode("latin-1"), "the file is not UTF-8 text (FILE, line 2, byte 11)"),
        (b"PK\x03\x04rest", "the file is a spreadsheet or another archive (FILE); export it as .csv"),
        (
            "model,mir\nm,1\nn\0,2\n",
            "the file is damaged or no text: it holds a zero byte (FILE, line 3)",
        ),
        ("name,mir\nm,2\n", "no column 'model', which a table of models has; the columns are 'name', 'mir'"),
        (
            'model,mir\nm,1\n"n,2\n',
            "the line cannot be read: unexpected end of data (FILE, line 3); close every",
        ),
    ],
    ids=[
        "empty",
        "blank lines",
        "header alone",
        "semicolons",
        "tabs",
        "UTF-16",
        "Latin-1",
        "spreadsheet",
        "zero byte",
        "no model",
        "open quotation",
    ],
)
def test_a_table_that_cannot_be_read_says_why_first(refusal, content, message):
    assert refusal(content).startswith(message)


def test_commas_in_a_tsv_file_are_told(refusal):
    message = refusal(MODELS, "scores.tsv")
    assert message.startswith("the columns are separated by commas, and those of a .tsv file by tabs")
    assert "or call it .csv" in message


def test_a_byte_order_mark_does_no_harm(workshop):
    table = workshop.folder / "scores.csv"
    table.write_text("\ufeff" + MODELS)
    workshop.report(table)
    assert workshop.column("model") == ["m3", "m2", "m1", "m0"]


@pytest.mark.parametrize("value", [[1, 2], {}, [{"model": "m", "mir": 2}, {"mir": 1}]])
def test_json_that_is_no_table_is_told_where_it_was_named(refusal, value):
    message = refusal(json.dumps(value), "scores.json")
    assert message.startswith("the file holds neither MIR, nor results of lmms-eval, nor a table of models")
    assert "a list of objects, each with a model" in message


def test_a_cell_of_a_table_in_json_is_named_by_its_entry(refusal):
    message = refusal(json.dumps([{"model": "m", "mir": 2}, {"model": "n", "mir": True}]), "scores.json")
    assert message.startswith("True is not a usable number (FILE, entry 2, column 'mir')")


# One line or one cell


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "model,mir\nm,abc\n",
            "'abc' is not a usable number (FILE, line 2, column 'mir'); leave the cell empty",
        ),
        ("model,mir\nm,nan\nn,inf\n", "'inf' is not a usable number (FILE, line 3, column 'mir')"),
        (
            'model,mir\nm,"3,1"\n',
            "'3,1' is not a usable number (FILE, line 2, column 'mir'); write decimals with",
        ),
        (
            'model,MME\nm,"1,300"\n',
            "'1,300' is not a usable number (FILE, line 2, column 'MME'); write the number",
        ),
        (
            "model,gqa\nm,50%\n",
            "'50%' is not a usable number (FILE, line 2, column 'gqa'); write the number without",
        ),
        (
            "model,gqa\nm,50 ± 1\n",
            "'50 ± 1' is not a usable number (FILE, line 2, column 'gqa'); write the number",
        ),
        ("model,mir,mir\nm,1,2\n", "the column 'mir' is there twice (FILE, line 1); remove or rename one"),
        ("model,MIR,mir\na,3,4\n", "the columns 'MIR' and 'mir' mean the same (FILE); remove or rename one"),
        ("model,mir\nm,1,2\n", "3 cells, where the header has 2 (FILE, line 2); put a cell with a comma"),
        ("model,mir\n,1\n", "the line names no model (FILE, line 2, column 'model')"),
        (
            "model,mir,mir_stderr\nm,1,-2\n",
            "the standard error is negative: -2 (FILE, line 2, column 'mir_stderr')",
        ),
        (
            "model,mir,mir_se\nm,1,0.00\n",
            "the standard error of MIR is 0, as if MIR were exact (FILE, line 2, column 'mir_se'); give more digits",
        ),
        (
            "model,mir,gqa,gqa_se\nm,1,5,-2\n",
            "the standard error is negative: -2 (FILE, line 2, column 'gqa_se')",
        ),
        (
            "model,mir,gqa,gqa_se,gqa_stderr\nm,1,5,1,2\n",
            "two columns hold the standard error of gqa: 'gqa_se' and",
        ),
        ("model,mir\nm,\nn,-\n", "the column 'mir' holds no value in any line (FILE)"),
        ("model,mir\nm,1e200\n", "'1e200' is not a usable number"),
    ],
)
def test_a_bad_line_is_named_with_what_is_wrong_and_what_to_do(refusal, text, message):
    assert refusal(text).startswith(message)


def test_zero_is_a_name_and_a_seed_in_json_too(workshop):
    rows = [
        {"model": model, "seed": seed, "mir": 3 - model / 10, "gqa": 50 + model + seed}
        for model in range(4)
        for seed in range(2)
    ]
    table = workshop.folder / "table.json"
    table.write_text(json.dumps(rows))
    workshop.report(table)
    assert workshop.column("model") == ["3", "2", "1", "0"]
    assert workshop.column("gqa") == ["53.5", "52.5", "51.5", "50.5"]


def test_half_a_pair_is_damage(workshop, falling):
    problems = workshop.incomplete(workshop.table(falling(4, pairs=[100, 100, 99.5, 100])))
    assert "MIR of 99.5 pairs (" in problems and "line 4)" in problems
    assert workshop.regression.groups[0].n == 3


def test_two_tables_that_differ_in_a_step_are_refused(workshop, falling):
    second = workshop.table(
        [{"model": f"m{i}", "step": i + 2, "pope": 80 + i} for i in range(4)], "second.csv"
    )
    message = workshop.refusal(workshop.table(falling(4, step=[1, 2, 3, 4])), second)
    assert "two numbers of 'm0' in step: 1 (" in message and "second.csv, line 2)" in message


def test_one_bad_table_does_not_stop_the_others(workshop, falling):
    good = workshop.table(falling(4))
    bad = workshop.folder / "bad.csv"
    bad.write_text("model,pope\nm0,high,\n")
    message = workshop.incomplete(good, bad)
    assert message.startswith("mir-report: 3 cells, where the header has 2") and "it is left out" in message
    assert "3 cells, where the header has 2" in workshop.page


def test_lines_of_one_name_at_several_steps_are_several_checkpoints(workshop):
    table = workshop.table([{"model": "m", "step": step, "mir": 3 - step / 1000} for step in (100, 200)])
    message = workshop.refusal(table)
    assert message.startswith("mir-report: the model 'm' stands at two values of training step: 100 (")
    assert "line 3); give every checkpoint a name of its own" in message


# The mapping


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "a,b\n1,2\n",
            "no column 'pretrained' and no column 'finetuned'; the columns are 'a', 'b' (--mapping FILE",
        ),
        ("pretrained,finetuned\nm0,\n", "a cell is empty (--mapping FILE, line 2, column 'finetuned')"),
        ("", "the file is empty (--mapping FILE)"),
        (
            "pretrained,finetuned\nm0,m0-sftt\n",
            "no fine-tuned model of the mapping has scores (--mapping FILE)",
        ),
    ],
)
def test_a_bad_mapping_is_refused(workshop, falling, text, message):
    workshop.five_results()
    mapping = workshop.folder / "mapping.csv"
    mapping.write_text(text)
    scores = workshop.table([{"model": f"m{i}-sft", "gqa": 50 + i} for i in range(4)])
    said = workshop.refusal(workshop.results, "--scores", scores, "--mapping", mapping)
    assert said.replace(str(mapping), "FILE").startswith(f"mir-report: {message}")


def test_lines_of_a_mapping_that_name_no_scores_are_told(workshop, models):
    workshop.five_results()
    mapping = workshop.table(
        [{"pretrained": f"ckpt/{model}", "finetuned": f"{model}-sft"} for model in models], "mapping.csv"
    )
    names = [f"{model}-sft" for model in models[:-1]] + ["run-e-stf"]
    scores = workshop.table([{"model": name, "gqa": 50 + i} for i, name in enumerate(names)])
    said = workshop.report(workshop.results, "--scores", scores, "--mapping", mapping)
    told = "fine-tuned models 1 have no scores: run-e-sft; near matches: run-e-sft ~ run-e-stf"
    assert told in said and told in workshop.page


# Names


@pytest.mark.parametrize("name", ["<b onclick=alert(1)>", "模型-é", "a|b`c`", "=1+1", "x & y"])
def test_any_name_stands_on_the_page_as_text(workshop, name):
    rows = [{"model": f"{name}{i}", "group": name, "mir": 3 - i / 10, "gqa": 50 + i} for i in range(4)]
    workshop.report(workshop.table(rows))
    assert "<b onclick" not in workshop.page and f"{name}3" in html.unescape(workshop.page)
    assert workshop.regression.groups[0].regret.best == [f"{name}3"]
