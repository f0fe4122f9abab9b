"""What the pages say was run on families' own code is what there are scripts for."""

import re
from pathlib import Path

import pytest

from mir_task.adapters import families

FOLDER = Path(__file__).parent / "real"
SCRIPTS = sorted(path.stem for path in FOLDER.glob("*.py") if "\ndef load(clone)" in path.read_text())
PAGE = (FOLDER / "README.md").read_text()
SOURCE = re.compile(r"[\w-]+/[\w-]+@[0-9a-f]{7}")


def rows_of(script):
    return [line for line in PAGE.splitlines() if line.startswith(f"| `{script} ")]


@pytest.mark.parametrize("script", SCRIPTS)
def test_every_script_has_its_rows_and_names_its_repositories(script):
    run = {source for line in rows_of(script) for source in SOURCE.findall(line)}
    assert run == set(SOURCE.findall((FOLDER / f"{script}.py").read_text()))
    assert run and run <= set(SOURCE.findall(families.markdown()))


@pytest.mark.parametrize("script", SCRIPTS)
def test_every_script_is_a_family_of_the_command(script):
    assert f'    "{script}",' in (FOLDER / "__main__.py").read_text()
