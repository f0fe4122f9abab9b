import csv
import json
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from typing import NamedTuple

import pytest

from mir_task.bench.report import save_results
from mir_task.report.cli import INCOMPLETE, NO_REPORT, WRITTEN, main
from mir_task.report.schema import Regression
from mir_task.result import MIRResult
from tests.conftest import REPOSITORY

MODELS = ("run-a", "run-b", "run-c", "run-d", "run-e")


class Ran(NamedTuple):
    """What ``mir-report`` ended with."""

    status: int
    output: str
    errors: str


class Workshop:
    """A folder of result files, and ``mir-report`` to run on them."""

    def __init__(self, folder):
        self.folder = folder
        self.results = folder / "results"
        self.output = folder / "report"
        save_results(folder / "template", 1)
        (file,) = (folder / "template").rglob("*.json")
        self._template = file.read_text()
        file.unlink()

    # Making files

    def result(self, model, mir, name="a", protocol=None, **fields):
        """Save a per-layer file of one model."""
        value = json.loads(self._template)
        value["protocol"].update({"seed": 0, **(protocol or {})})
        value["model"]["name"] = model
        value.update({"mir": mir, **fields})
        path = self.results / model.replace("/", "__") / f"{name}_mir_mir_builtin.json"
        return MIRResult.model_validate(value).save(path)

    def five_results(self, step=0.2):
        """Save per-layer files of five checkpoints, each of a MIR lower by ``step`` than the one before."""
        for index, model in enumerate(MODELS):
            self.result(f"ckpt/{model}", 3 - step * index, standard_error=0.05)

    def lmms_results(self, model, results, folder="results", date="20260101_000000", **fields):
        """Save a result file as lmms-eval writes it; ``results``: numbers by task and metric; ``fields``: beside."""
        path = self.folder / folder / model.replace("/", "__") / f"{date}_results.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        results = {
            task: {f"{metric},none": number for metric, number in numbers.items()}
            for task, numbers in results.items()
        }
        value = {"results": results, "configs": {}, "model_name": model, "date": date, **fields}
        path.write_text(json.dumps(value))
        return path

    def table(self, rows, name="scores.csv"):
        """Save a table of dicts; columns that a dict lacks stay empty."""
        path = self.folder / name
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, list(dict.fromkeys(column for row in rows for column in row)))
            writer.writeheader()
            writer.writerows(rows)
        return path

    # Running the command

    def run(self, *arguments):
        """Run the command line."""
        with redirect_stdout(StringIO()) as output, redirect_stderr(StringIO()) as errors:
            status = main([*map(str, arguments), "--output", str(self.output)])
        return Ran(status, output.getvalue(), errors.getvalue())

    def report(self, *arguments):
        """Run it where there is a whole answer; what it prints."""
        ran = self.run(*arguments)
        assert ran.status == WRITTEN, ran.errors
        return ran.output

    def incomplete(self, *arguments):
        """Run it where there is a report that is not the whole answer; why it is not."""
        ran = self.run(*arguments)
        assert ran.status == INCOMPLETE, ran.errors
        return ran.errors

    def refusal(self, *arguments):
        """Run it where there is no report; the reason."""
        ran = self.run(*arguments)
        assert ran.status == NO_REPORT
        return ran.errors

    # Reading the report

    @property
    def regression(self):
        return Regression.model_validate_json((self.output / "regression.json").read_text())

    @property
    def page(self):
        return (self.output / "report.html").read_text()

    @property
    def markdown(self):
        return (self.output / "report.md").read_text()

    @property
    def leaderboard(self):
        """The rows of leaderboard.csv, as text."""
        with (self.output / "leaderboard.csv").open(newline="") as file:
            return list(csv.DictReader(file))

    def column(self, name):
        """A column of leaderboard.csv, as text."""
        return [row[name] for row in self.leaderboard]


@pytest.fixture(scope="session")
def new_workshop(tmp_path_factory):
    """Opens a workshop; for fixtures that several tests share."""
    return lambda: Workshop(tmp_path_factory.mktemp("workshop"))


@pytest.fixture
def workshop(new_workshop):
    return new_workshop()


@pytest.fixture(scope="session")
def paper(tmp_path_factory):
    """The worked example, made anew; drawing its figures takes some seconds."""
    folder = tmp_path_factory.mktemp("paper")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(REPOSITORY)
        assert main(["results/paper", "--output", str(folder)]) == WRITTEN
    return folder


@pytest.fixture
def undrawn(monkeypatch):
    """Without figures, which take most of the time."""
    from mir_task.report.gallery import Gallery

    monkeypatch.setattr("mir_task.report.write.gallery", lambda _: Gallery())


@pytest.fixture
def models():
    """The names of the five checkpoints, highest MIR first."""
    return MODELS


@pytest.fixture
def falling():
    """Makes a table's rows of models whose scores rise as their MIR falls."""

    def rows(count, **columns):
        return [
            {"model": f"m{i}", "mir": 3 - i / 10, "gqa": 50 + i}
            | {name: values[i] for name, values in columns.items()}
            for i in range(count)
        ]

    return rows
