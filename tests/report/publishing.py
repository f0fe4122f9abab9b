"""Reading what ``--publish`` wrote."""

import json
import re
from pathlib import Path
from typing import NamedTuple

import yaml


class Published(NamedTuple):
    """A published folder, and what the command said."""

    folder: Path
    ran: tuple

    def text(self, path):
        return (self.folder / path).read_text(encoding="utf-8")

    def yaml(self, path):
        return yaml.safe_load(self.text(path))

    @property
    def data(self):
        """leaderboard.json, read as strictly as browsers do."""

        def refuse(name):
            raise ValueError(f"{name} is no JSON")

        return json.loads(self.text("space/leaderboard.json"), parse_constant=refuse)

    @property
    def models(self):
        """Names of the models' folders."""
        folder = self.folder / "models"
        return sorted(path.name for path in folder.iterdir()) if folder.exists() else []

    @property
    def everything(self):
        """All text that was written, pages of the report left out."""
        files = [path for path in sorted(self.folder.rglob("*")) if path.is_file()]
        return "\n".join(path.read_text() for path in files if path.suffix != ".html")


def publish(workshop, *arguments, folder="published"):
    """Run ``mir-report … --publish``."""
    folder = workshop.folder / folder
    return Published(folder, workshop.run(*arguments, "--publish", folder))


def tabulars(latex):
    """A small parser of LaTeX tables: layout and rows of cells of every tabular and longtable."""
    found = []
    pattern = r"\\begin\{(tabular|longtable)\}\{([lr]+)\}(.*?)\\end\{\1\}"
    for _, layout, body in re.findall(pattern, latex, re.DOTALL):
        lines = [line for line in body.splitlines() if re.search(r"(?<!\\)&", line)]
        assert all(line.endswith(r"\\") for line in lines)
        found.append((layout, [re.split(r"(?<!\\)&", line.removesuffix(r"\\")) for line in lines]))
    return found


def is_balanced(latex):
    """Whether every brace that is not escaped has its partner."""
    depth = 0
    without_comments = re.sub(r"(?m)^%.*$", "", latex)
    for mark in re.findall(r"\\.|[{}]", without_comments, re.DOTALL):
        depth += {"{": 1, "}": -1}.get(mark, 0)
        if depth < 0:
            return False
    return depth == 0
