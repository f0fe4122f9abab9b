"""The rooms of the package: which may import which, and that nothing stands loose between them."""

import ast
import re

import pytest

from tests.conftest import REPOSITORY

PACKAGE = REPOSITORY / "mir_task"
LOOSE = {"__init__", "errors", "limits", "metrics", "pair"}
"""Modules that belong to no room. Errors may be raised, and the public face imported, everywhere above."""

EVERYTHING = {
    *("accumulate", "adapters", "builtin", "checkpoints", "data", "demo", "families", "lmms", "measurement"),
    *("metric", "report", "study", "training"),
}
MAY_IMPORT = {
    "accumulate": set(),
    "metric": {"accumulate", "result"},
    "adapters": set(),
    "builtin": set(),
    "data": {"builtin", "limits", "pair", "result"},
    "checkpoints": set(),
    "report": {"metrics", "result"},
    "measurement": {"accumulate", "adapters", "metric", "pair", "result"},
    "training": {"adapters", "data", "measurement", "metrics", "pair", "result"},
    "lmms": {"adapters", "checkpoints", "data", "measurement", "metrics", "pair", "result"},
    "families": {"adapters"},
    "demo": EVERYTHING - {"study"},
    "study": EVERYTHING | {"metrics", "pair", "result"},
    "bench": EVERYTHING | {"metrics", "pair", "result"},
    "result": set(),
    # Loose modules, from the bottom up.
    "errors": set(),
    "limits": set(),
    "metrics": {"result"},
    "pair": {"limits"},
    "__init__": {"measurement", "metric", "pair", "result", "training"},
}
"""Beside itself and ``errors``. Nothing imports bench, and only lmms-eval's plugin names demo and study, as strings."""

MAY_NOT_IMPORT = {
    "accumulate": {"transformers", "lmms_eval"},
    "metric": {"transformers", "lmms_eval"},
    "adapters": {"lmms_eval"},
    "data": {"lmms_eval"},
    "checkpoints": {"lmms_eval"},
    "report": {"torch", "transformers", "lmms_eval"},
    "measurement": {"transformers", "lmms_eval"},
    "training": {"lmms_eval"},
    "result": {"torch", "transformers", "lmms_eval"},
    "metrics": {"torch", "transformers", "lmms_eval"},
}
"""Packages that must not be needed for a room."""


def room_of(module):
    """First name below the package: a room, or a loose module."""
    return module.split(".")[0]


def imported(path):
    """What a file imports: of this package the rooms and loose modules, of others the names of packages."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names = [node.module]
            if node.module == "mir_task":
                names = [f"mir_task.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            package, _, rest = name.partition(".")
            if package != "mir_task":
                yield package
            elif (PACKAGE / room_of(rest)).is_dir() or room_of(rest) in LOOSE:
                yield f"mir_task.{room_of(rest)}"
            else:
                yield "mir_task.__init__"  # something of the public face


def forbidden(package):
    """Every arrow between rooms, and every package, that the tables above do not allow."""
    for path in sorted(package.rglob("*.py")):
        relative = path.relative_to(package)
        room = room_of(".".join(relative.with_suffix("").parts))
        allowed = {room, "errors", *MAY_IMPORT.get(room, set())}
        if room in ("bench", "demo", "study"):
            allowed.add("__init__")
        for name in imported(path):
            own, _, target = name.partition(".")
            if own == "mir_task" and target not in allowed:
                yield f"{relative} imports {target}"
            if name in MAY_NOT_IMPORT.get(room, set()):
                yield f"{relative} imports {name}"


def test_imports_go_down_only():
    assert not list(forbidden(PACKAGE))


@pytest.mark.parametrize(
    ("room", "line", "arrow"),
    [
        ("accumulate", "from mir_task.metric.frechet import frechet_distance", "metric"),
        ("measurement", "from mir_task.lmms import REQUEST_TYPE", "lmms"),
        ("metric", "def late():\n    import transformers", "transformers"),
        ("report", "from mir_task.measurement.plan import Plan", "measurement"),
        ("adapters", "from mir_task import measure", "__init__"),
        ("lmms", "from mir_task.bench import machine", "bench"),
    ],
)
def test_an_arrow_against_the_table_is_found(tmp_path, room, line, arrow):
    file = tmp_path / room / "against.py"
    file.parent.mkdir()
    file.write_text(line + "\n")
    assert list(forbidden(tmp_path)) == [f"{room}/against.py imports {arrow}"]


def test_no_module_stands_loose():
    assert {path.stem for path in PACKAGE.glob("*.py")} <= LOOSE


def test_every_room_is_in_the_table_and_says_what_belongs_in_it():
    rooms = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert rooms == set(MAY_IMPORT) - LOOSE
    for room in rooms:
        assert ast.get_docstring(ast.parse((PACKAGE / room / "__init__.py").read_text())), room


def test_every_package_is_among_those_that_are_installed():
    listed = re.findall(r'^  "(mir_task[\w.]*)",$', (REPOSITORY / "pyproject.toml").read_text(), re.MULTILINE)
    packages = {".".join(path.parent.relative_to(REPOSITORY).parts) for path in PACKAGE.rglob("__init__.py")}
    assert packages <= set(listed)


def test_settings_from_the_environment_are_read_in_the_lmms_room_alone():
    """MIR_… as a name that code looks up; messages may say it."""
    for path in PACKAGE.rglob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        strings = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)]
        reads = any(isinstance(value, str) and re.fullmatch(r"MIR_[A-Z_]+", value) for value in strings)
        if reads and path.relative_to(PACKAGE).parts[0] not in ("lmms", "study"):
            pytest.fail(f"{path.relative_to(PACKAGE)} reads the environment")
