"""What a user installs: a wheel, away from this repository."""

import re
import subprocess
import sys
import zipfile

import pytest
import yaml
from packaging.requirements import Requirement

from tests.conftest import REPOSITORY

FOLDER_OF_PACKAGE = "import mir_task, mir_task.tasks; print(mir_task.__file__, mir_task.tasks.__file__)"

PYPROJECT = (REPOSITORY / "pyproject.toml").read_text()


def test_version_and_date_are_the_same_everywhere():
    (version,) = re.findall(r'^version = "(.*)"', PYPROJECT, re.M)
    citation = yaml.safe_load((REPOSITORY / "CITATION.cff").read_text())
    released = re.findall(r"^## (\d\S*) - (\S+)$", (REPOSITORY / "CHANGELOG.md").read_text(), re.M)
    assert released[0] == (version, str(citation["date-released"]))
    assert citation["version"] == version


def test_workflow_runs_ci_on_the_oldest_and_newest_python():
    (oldest, beyond) = re.findall(r'^requires-python = ">=3\.(\d+),<3\.(\d+)"', PYPROJECT, re.M)[0]
    job = yaml.safe_load((REPOSITORY / ".github/workflows/ci.yml").read_text())["jobs"]["test"]
    assert job["strategy"]["matrix"]["python"] == [f"3.{oldest}", f"3.{int(beyond) - 1}"]
    assert {"run": ".ci/run"} in job["steps"]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    # A copy, since setuptools leaves a build folder in the source tree.
    source = folder / "source"
    copy = ["git", "-C", str(REPOSITORY), "ls-files", "--cached", "--others", "--exclude-standard"]
    for name in subprocess.run(copy, capture_output=True, text=True, check=True).stdout.splitlines():
        if (REPOSITORY / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_bytes((REPOSITORY / name).read_bytes())
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(source)]
    subprocess.run(build, check=True, capture_output=True)
    (file,) = folder.glob("*.whl")
    return file


LINUX_X86 = {"sys_platform": "linux", "platform_machine": "x86_64"}
LINUX_ARM = {"sys_platform": "linux", "platform_machine": "aarch64"}
MACOS = {"sys_platform": "darwin", "platform_machine": "arm64"}


@pytest.mark.parametrize(
    ("machine", "reader"), [(LINUX_X86, "decord"), (LINUX_ARM, "decord2"), (MACOS, "decord2")]
)
def test_video_reader_is_optional_and_the_one_that_the_machine_can_have(wheel, machine, reader):
    with zipfile.ZipFile(wheel) as file:
        (metadata,) = (name for name in file.namelist() if name.endswith(".dist-info/METADATA"))
        lines = re.findall(r"^Requires-Dist: (.*)$", file.read(metadata).decode(), re.M)
    requirements = [Requirement(line) for line in lines]

    def readers(extra):
        wanted = (r for r in requirements if not r.marker or r.marker.evaluate({**machine, "extra": extra}))
        return [r.name for r in wanted if "decord" in r.name]

    assert readers(extra="") == []
    assert readers(extra="video") == [reader]


def test_wheel_carries_tasks_data_and_types(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    for name in ("mir", "mir_builtin", "mir_by_alignment", "mir_local", "mir_caption_ppl"):
        assert f"mir_task/tasks/mir/{name}.yaml" in names
    assert "mir_task/tasks/mir/_mir_template_yaml" in names
    assert "mir_task/py.typed" in names
    assert "mir_task/builtin/captions.jsonl" in names
    assert "mir_task/report/templates/report.html.jinja" in names
    modules = {file.relative_to(REPOSITORY).as_posix() for file in (REPOSITORY / "mir_task").rglob("*.py")}
    assert modules <= set(names)
    assert sum(name.startswith("mir_task/builtin/images/") and name.endswith(".jpg") for name in names) == 100
    assert sum(name.startswith("mir_task/builtin/texts/") and name.endswith(".txt") for name in names) == 100
    assert not any(name.startswith(("tests/", "results/")) for name in names)


@pytest.mark.cli
def test_installed_wheel_runs_from_an_empty_folder(wheel, lmms_eval_cli, tmp_path):
    # Beside the dependencies of this environment, but instead of its editable install.
    # (`make test-wheel` does the same in an environment of its own.)
    site = tmp_path / "site"
    install = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", str(site), str(wheel)]
    subprocess.run(install, check=True)
    found = subprocess.run(
        [sys.executable, "-c", FOLDER_OF_PACKAGE],
        env={"PYTHONPATH": str(site)},
        cwd=lmms_eval_cli.folder,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    assert all(name.startswith(str(site)) for name in found)
    lmms_eval_cli(
        *("--model", "mir_demo", "--tasks", "mir_builtin", "--limit", 3, "--output_path", tmp_path / "out"),
        path=[site],
    )
    assert lmms_eval_cli.results(tmp_path / "out")["mir_builtin"]["mir_pairs,none"] == 3
