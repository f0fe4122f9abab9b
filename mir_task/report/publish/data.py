"""The leaderboard for programs: CSV and JSON with every digit."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from mir_task.report.analysis import Findings
from mir_task.report.publish.board import Board
from mir_task.report.publish.provenance import provenance
from mir_task.report.write import leaderboard, without_formulas


def as_csv(findings: Findings) -> str:
    """A row for each model in each group, as ``leaderboard.csv`` of the report has it."""
    return str(without_formulas(leaderboard(findings)).to_csv(index=False))


def as_json(findings: Findings, cautions: Sequence[str], boards: Sequence[Board]) -> str:
    """Decision, cautions and an object for each group: its notes, and its models with what was measured on."""
    frame = leaderboard(findings)
    # Through pandas, which writes null for what is missing.
    rows: list[dict[str, Any]] = json.loads(frame.to_json(orient="records", double_precision=15))
    for row, checkpoint in zip(rows, findings.comparison.checkpoints, strict=True):
        measured = provenance(checkpoint)
        row["measured_on"] = dict(measured.settings) if measured else None
    groups = [
        {
            "group": group,
            "notes": board.notes,
            "models": [row for row in rows if row["group"] == group],
        }
        for group, board in zip(findings.comparison.groups, boards, strict=True)
    ]
    value = {
        "decision": findings.decision.model_dump(mode="json"),
        "complete": not findings.problems,
        "cautions": list(cautions),
        "groups": groups,
    }
    return json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
