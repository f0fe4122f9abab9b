import csv
import json

import pytest

from mir_task.bench.report import save_results
from mir_task.report.cli import main
from mir_task.report.schema import Regression
from mir_task.result import MIRResult
from tests.conftest import REPOSITORY


class Workshop:
    """Makes result files in a folder and runs ``mir-report`` on them."""

    def __init__(self, folder, capsys):
        self.folder = folder
        self.output = folder / "report"
        self._capsys = capsys
        self._template = None

    def result(self, model, mir, name="a", **changes):
        """A per-layer file of one model."""
        if self._template is None:
            save_results(self.folder / "template", 1)
            (file,) = (self.folder / "template").rglob("*.json")
            self._template = json.loads(file.read_text())
            file.unlink()
        value = json.loads(json.dumps(self._template))
        protocol = {"seed": 0, **changes.pop("protocol", {})}
        value["protocol"].update(protocol)
        value["model"]["name"] = model
        value.update({"mir": mir, **changes})
        path = self.folder / "results" / model.replace("/", "__") / f"{name}_mir_mir_builtin.json"
        return MIRResult.model_validate(value).save(path)

    def harness(self, model, results, folder="results"):
        """An lmms-eval result file."""
        path = self.folder / folder / model.replace("/", "__") / "20260101_000000_results.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        results = {task: {f"{k},none": v for k, v in values.items()} for task, values in results.items()}
        path.write_text(json.dumps({"results": results, "configs": {}, "model_name": model}))
        return path

    def table(self, rows, name="scores.csv"):
        """A table of dicts."""
        path = self.folder / name
        columns = list(dict.fromkeys(key for row in rows for key in row))
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, columns)
            writer.writeheader()
            writer.writerows(rows)
        return path

    def run(self, *arguments):
        """Exit status, output and errors of the command line."""
        self._capsys.readouterr()
        status = main([*map(str, arguments), "--output", str(self.output)])
        captured = self._capsys.readouterr()
        return status, captured.out, captured.err

    @property
    def regression(self):
        return Regression.model_validate_json((self.output / "regression.json").read_text())

    @property
    def page(self):
        return (self.output / "report.html").read_text()


@pytest.fixture
def workshop(tmp_path, capsys):
    return Workshop(tmp_path, capsys)


@pytest.fixture(scope="session")
def paper(tmp_path_factory):
    """The worked example, made anew; drawing its figures takes some seconds."""
    folder = tmp_path_factory.mktemp("paper")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(REPOSITORY)
        assert main(["results/paper", "--output", str(folder)]) == 0
    return folder


@pytest.fixture
def undrawn(monkeypatch):
    """Without figures, which take most of the time."""
    from mir_task.report.gallery import Gallery

    monkeypatch.setattr("mir_task.report.write.gallery", lambda _: Gallery())
