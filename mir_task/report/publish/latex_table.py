"""Leaderboards in LaTeX with booktabs' rules, by pandas' Styler."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

import pandas as pd

from mir_task.report.publish.board import Board, Column
from mir_task.report.publish.slugs import slugs

LONG, WIDE = 40, 9
"""More rows than fit a page, more columns than fit its width."""
UPRIGHT = 6
"""A longer heading is set upright where there are many columns."""
LIGATURES = re.compile(r"(?<=([-',]))(?=\1)")
"""Between two marks that TeX would join."""
PACKAGES = r"\usepackage[T1]{fontenc} \usepackage{booktabs,graphicx,longtable}"
MEANING = {
    "\\": r"\textbackslash{}",
    **{mark: f"\\{mark}" for mark in "&%$#_{}"},
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    "`": r"\textasciigrave{}",
    "[": "{[}",  # after the end of a row it would begin an option
    "]": "{]}",
    "*": "{*}",  # likewise
    "±": r"$\pm$",
    "\u2212": "$-$",
    "–": "--",  # noqa: RUF001
    "↓": r"$\downarrow$",
    "↑": r"$\uparrow$",
    "×": r"$\times$",  # noqa: RUF001
    "ρ": r"$\rho$",  # noqa: RUF001
    "τ": r"$\tau$",
}


def latex(first_line: str, boards: Sequence[Board]) -> str:
    """A table a group, to be read into a paper; the first line as a comment."""
    names = slugs(board.title for board in boards)
    body = "\n\n".join(_table(board, f"tab:mir-{names[board.title].lower()}") for board in boards)
    lines = [f"% {_one_line(first_line)}", f"% Needs {PACKAGES}"]
    if beyond := "".join(sorted({mark for mark in body if _is_beyond_pdflatex(mark)})):
        lines.append(f"% Compile by lualatex or xelatex, with a font that has: {beyond[:40]}")
    return "\n".join([*lines, "", body, ""])


def escape(text: str) -> str:
    """Text that LaTeX shows as it is, on one line."""
    apart = LIGATURES.split(_one_line(text))[::2]
    return "{}".join("".join(MEANING.get(mark, mark) for mark in part) for part in apart)


def tabular(board: Board, environment: str | None = None) -> str:
    """The rows with their rules, as pandas' Styler sets them."""
    frame = pd.DataFrame(
        {place: [escape(cell) for cell in column.cells] for place, column in enumerate(board.columns)}
    )
    bold = pd.DataFrame(
        {
            place: ["textbf:--rwrap;" if best else "" for best in column.best]
            for place, column in enumerate(board.columns)
        }
    )
    styler = frame.style.apply(lambda _: bold, axis=None).hide(axis="index")
    headings = [_heading(column, is_narrow=len(board.columns) > WIDE) for column in board.columns]
    styler = styler.format_index(lambda place: headings[int(str(place))], axis="columns")
    layout = "".join("l" if column.is_text else "r" for column in board.columns)
    return str(styler.to_latex(hrules=True, column_format=layout, environment=environment)).strip()


def _heading(column: Column, is_narrow: bool) -> str:
    """The heading; upright where there are many columns and it would be wider than its numbers."""
    heading = escape(column.heading)
    return rf"\rotatebox{{90}}{{{heading}}}" if is_narrow and len(column.heading) > UPRIGHT else heading


def _table(board: Board, label: str) -> str:
    caption = rf"\caption{{{escape(board.title)}}}"
    notes = (
        [rf"\par\smallskip\raggedright\footnotesize {escape(' '.join(board.notes))}"] if board.notes else []
    )
    if board.rows > LONG:
        lines = tabular(board, "longtable").splitlines()
        lines.insert(1, rf"{caption} \label{{{label}}} \\")
        return "\n".join(
            ["{" + (r"\small" if len(board.columns) <= WIDE else r"\tiny"), *lines, *notes, r"\par}"]
        )
    rows = tabular(board)
    if len(board.columns) > WIDE:
        rows = rf"\resizebox{{\textwidth}}{{!}}{{%{chr(10)}{rows}%{chr(10)}}}"
    return "\n".join(
        [r"\begin{table}[htbp]", r"\centering", caption, rf"\label{{{label}}}", rows, *notes, r"\end{table}"]
    )


def _one_line(text: str) -> str:
    """The text without line breaks and marks that cannot be seen; a break would end a comment."""
    line = re.sub(r"\s+", " ", text)
    return "".join(mark for mark in line if unicodedata.category(mark) not in ("Cc", "Cf", "Cs")).strip()


def _is_beyond_pdflatex(mark: str) -> bool:
    """Whether pdflatex with T1 may have no glyph: it has those of European languages in Latin letters."""
    return ord(mark) > 0x17F and mark not in "‘’“”…–—†‡•€™"  # noqa: RUF001
