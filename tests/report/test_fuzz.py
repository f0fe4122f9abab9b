"""Whatever the files hold: never a traceback, never a success that looks right and is not."""

import csv
import json
import math
import tempfile
from pathlib import Path

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings

from mir_task.bench.report import save_results
from mir_task.report.analysis import analyse
from mir_task.report.cli import INCOMPLETE, NO_REPORT, WRITTEN, main
from mir_task.report.load import load
from mir_task.report.schema import Regression

HEALTH = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
SOME = settings(max_examples=100, suppress_health_check=HEALTH)
HALF = settings(max_examples=50, suppress_health_check=HEALTH)
FEW = settings(max_examples=20, suppress_health_check=HEALTH)
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=8),
    st.just(10**400),
    st.just("NaN"),
)
JSON = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["mir", "layers", "results", "configs", "model", "config", "x"]), inner
        )
    ),
    max_leaves=8,
)
CELLS = st.one_of(
    st.floats(-1e6, 1e6).map(str),
    st.sampled_from(
        ["", "nan", "1e400", "-", "3", "3.0", '"', "x,y", "\x00", "½", "0.5", "50", "50%", "True"]
    ),
)
PLAIN_CELLS = st.one_of(st.integers(0, 3).map(str), st.floats(0, 100).map(str), st.just(""))
"""Cells that are mostly let through, with ties and gaps."""
COLUMNS = [
    "model",
    "group",
    "mir",
    "mir_se",
    "mir_per_layer",
    "pairs",
    "average",
    "average_over",
    "loss",
    "MME",
    "gqa",
    "step",
    "",
    "seed",
    "SEED",
    "gqa_stderr",
    "average_se",
    "mir_stderr",
    "val_loss",
    "WER",
    "lr",
    "task",
    "Unnamed: 0",
    "judge",
    "MMB",
]


def check(files):
    """Run the report on files, contents by name; what it claims must be possible."""
    with tempfile.TemporaryDirectory() as folder:
        for name, content in files.items():
            Path(folder, name).write_bytes(content)
        output = Path(folder, "out")
        status = main([folder, "--output", str(output)])
        assert status in (WRITTEN, NO_REPORT, INCOMPLETE)
        assert (output / "report.html").exists() == (status != NO_REPORT)
        if status == NO_REPORT:
            return
        text = (output / "regression.json").read_text()
        json.loads(text, parse_constant=pytest.fail)
        regression = Regression.model_validate_json(text)
        rows = list(csv.DictReader((output / "leaderboard.csv").open()))
        assert rows and all(math.isfinite(float(row["mir"])) for row in rows)
        if regression.skipped:
            assert status == INCOMPLETE
        for fit in [*regression.groups, *regression.benchmarks, *regression.baselines]:
            assert fit.n + len(fit.excluded) <= len(rows)
            if fit.pearson:
                assert fit.n >= 3 and -1 <= fit.pearson.r <= 1
                assert fit.pearson.interval is None or fit.n >= 4
                assert fit.pearson.p is None or 0 < fit.pearson.p <= 1
            if fit.ranking_accuracy and fit.ranking_accuracy.pairs:
                assert 0 <= fit.ranking_accuracy.value <= 1
            if fit.regret:
                assert fit.regret.lost >= 0


@SOME
@given(st.dictionaries(st.sampled_from(["a.json", "b.json", "c.csv", "d.tsv"]), st.binary(max_size=80)))
def test_any_bytes_as_files(undrawn, files):
    check(files)


@SOME
@given(st.lists(JSON, min_size=1, max_size=3))
def test_any_json_values(undrawn, values):
    check({f"{i}.json": json.dumps(value).encode() for i, value in enumerate(values)})


@SOME
@given(
    st.lists(st.sampled_from(COLUMNS), min_size=2, max_size=7, unique=True).flatmap(
        lambda columns: st.tuples(
            st.just(columns),
            st.lists(st.lists(CELLS, min_size=len(columns), max_size=len(columns)), max_size=6),
        )
    )
)
def test_any_table_of_models(undrawn, table):
    columns, rows = table
    # Mostly with models, so that what follows is reached too.
    lines = [["model", *columns]] if "model" not in columns else [columns]
    lines += [[f"m{i}", *row] if "model" not in columns else row for i, row in enumerate(rows)]
    check({"t.csv": "\n".join(",".join(line) for line in lines).encode()})


@HALF
@given(
    st.lists(st.sampled_from(COLUMNS), min_size=2, max_size=7, unique=True).flatmap(
        lambda columns: st.tuples(
            st.just(columns),
            st.lists(st.lists(PLAIN_CELLS, min_size=len(columns), max_size=len(columns)), max_size=8),
        )
    )
)
def test_any_table_of_well_formed_numbers(undrawn, table):
    columns, rows = table
    names = [name for name in columns if name not in ("model", "average_over", "task")]
    lines = [["model", *names]] + [[f"m{i}", *row[: len(names)]] for i, row in enumerate(rows)]
    check({"t.csv": "\n".join(",".join(line) for line in lines).encode()})


# What the numbers must not depend on


def numbers(records):
    """Every number of the fits of a table, by group and score, without the names of models."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "t.json")
        file.write_text(json.dumps(records))
        findings = analyse(load([file]))
    found = {}
    for fit in (*findings.fits, *findings.benchmarks, *findings.baselines):
        value = fit.model_dump(exclude={"excluded", "notes", "over"})
        for part, names in (("influence", ("model", "slope_without")), ("regret", ("chosen", "best"))):
            for name in names if value[part] else ():
                del value[part][name]
        found[fit.group, fit.predictor, fit.score, fit.n] = flat(value)
    return found


def flat(value):
    """The leaves of nested dicts and tuples, by path."""
    if isinstance(value, (dict, list, tuple)):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        return {(key, *path): leaf for key, each in items for path, leaf in flat(each).items()}
    return {(): value}


@FEW
@given(st.integers(0, 10**6), st.integers(4, 9), st.integers(1, 2), st.booleans(), st.randoms())
def test_numbers_depend_neither_on_names_nor_on_the_order_of_rows_and_columns(
    seed, count, groups, with_ties, random
):
    generator = np.random.default_rng(seed)
    values = generator.normal([2.5, 50, 60, 1.5], [0.3, 5, 5, 0.2], (count * groups, 4))
    values = values.round(1) if with_ties else values
    records = [
        {
            "model": f"m{i}",
            "group": f"g{i % groups}",
            **dict(zip(("mir", "gqa", "pope", "loss"), row, strict=True)),
        }
        for i, row in enumerate(values.tolist())
    ]
    assume(all(len({r["mir"] for r in records if r["group"] == f"g{g}"}) > 1 for g in range(groups)))
    names = [f"recipe/{place}" for place in range(len(records))]
    random.shuffle(names)
    others = [{**record, "model": name} for record, name in zip(records, names, strict=True)]
    columns = list(others[0])
    random.shuffle(columns)
    random.shuffle(others)
    expected, found = numbers(records), numbers([{c: record[c] for c in columns} for record in others])
    assert found.keys() == expected.keys()
    for key in expected:
        assert found[key] == pytest.approx(expected[key], abs=1e-9), key


@pytest.fixture(scope="module")
def valid(tmp_path_factory):
    folder = tmp_path_factory.mktemp("valid")
    save_results(folder, 4)
    return [json.loads(file.read_text()) for file in sorted(folder.rglob("*.json"))]


def damage(value, data):
    """Put a drawn scalar somewhere into a nested JSON value."""
    while True:
        keys = sorted(value) if isinstance(value, dict) else range(len(value))
        key = data.draw(st.sampled_from(keys))
        if not isinstance(value[key], (dict, list)) or not value[key] or data.draw(st.booleans()):
            value[key] = data.draw(SCALARS)
            return
        value = value[key]


@FEW
@given(st.data())
def test_results_with_damaged_fields(undrawn, valid, data):
    values = json.loads(json.dumps(valid))
    for _ in range(data.draw(st.integers(1, 3))):
        damage(data.draw(st.sampled_from(values)), data)
    files = {f"{i}.json": json.dumps(value).encode() for i, value in enumerate(values)}
    table = "model,gqa,mme\n" + "".join(f"model-{i:04d},{i},{i * 7 % 5}\n" for i in range(4))
    check({**files, "scores.csv": table.encode()})
