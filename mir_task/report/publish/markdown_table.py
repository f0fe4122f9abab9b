"""Leaderboards in GitHub's Markdown. pandas would need tabulate for it, which escapes nothing."""

from __future__ import annotations

import re
from collections.abc import Sequence

from mir_task.report.publish.board import Board

MARKS = re.compile(r"([\\`*_{}\[\]|~$])")
"""Characters that mean something wherever they stand."""
OPENING = re.compile(r"(#+|[-+=]+|\d+(?=[.)](?:\s|$)))")
"""Characters that make a heading, a list or a rule of what they begin."""


def markdown(first_line: str, cautions: Sequence[str], boards: Sequence[Board]) -> str:
    """The first line, what the numbers must not go without, and a table a group."""
    lines = [f"**{escape(first_line)}**", ""]
    if cautions:
        lines += [*(f"- {escape(caution)}" for caution in cautions), ""]
    for board in boards:
        notes = [note for note in board.notes if note not in cautions]
        lines += [f"## {escape(board.title)}", "", *table(board), "", *(f"- {escape(n)}" for n in notes), ""]
    return "\n".join(lines)


def table(board: Board) -> list[str]:
    """The board's lines."""
    head = [escape(column.heading) for column in board.columns]
    rule = ["---" if column.is_text else "---:" for column in board.columns]
    rows = [
        [
            f"**{escape(column.cells[row])}**" if column.best[row] else escape(column.cells[row])
            for column in board.columns
        ]
        for row in range(board.rows)
    ]
    return [f"| {' | '.join(cells)} |" for cells in (head, rule, *rows)]


def escape(text: str) -> str:
    """Text that Markdown shows as it is, on one line."""
    line = MARKS.sub(r"\\\1", " ".join(text.split()))
    line = line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    opening = OPENING.match(line)
    if opening is None:
        return line
    # No digit can be escaped, but the point after it can.
    at = opening.end() if opening[0].isdigit() else 0
    return f"{line[:at]}\\{line[at:]}"
