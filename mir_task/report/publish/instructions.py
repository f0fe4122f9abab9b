"""What to do with what was written: the folder's ``README.md``, and the lines that the command prints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from mir_task.report.publish.cards import Card
from mir_task.report.publish.eval_results import BENCHMARK
from mir_task.report.publish.filled import filled
from mir_task.report.text import count


def printed(folder: Path, models: int, notes: Sequence[str]) -> list[str]:
    """What was written and how it gets to the Hub, for the terminal."""
    space = folder / "space"
    lines = [
        f"-> {space}: a static Space, opens from disk: hf upload YOUR-NAME/YOUR-SPACE {space} . --repo-type space",
        f"-> {folder / 'tables'}: leaderboard.md, and leaderboard.tex for \\input",
    ]
    if models:
        lines.append(
            f"-> {folder / 'models'}: {count(models, 'model')}, each with model-index.yaml for the front matter of its "
            "card"
        )
    return [*lines, *notes, f"Nothing was sent; {folder / 'README.md'} says how to publish each part."]


def readme(first_line: str, said: Sequence[str], models: Mapping[str, Card]) -> str:
    """How to publish each part.

    Args:
        first_line: the decision.
        said: what the numbers must not go without, and what was not written and why.
        models: what is published of single models, by folder.
    """
    measured = [folder for folder, card in models.items() if card.is_measured]
    return filled(
        "publish.md.jinja",
        first_line=first_line,
        said=said,
        models=models,
        measured=measured,
        one=next(iter(measured or models), ""),
        benchmark=BENCHMARK,
    )
