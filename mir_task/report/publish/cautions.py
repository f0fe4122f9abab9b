"""What numbers must not be published without: what is missing, what was left out, which part was scored."""

from __future__ import annotations

from mir_task.report.analysis import Findings
from mir_task.report.protocol import check_models, check_one_model
from mir_task.report.publish.language_models import different
from mir_task.report.records import MIRReportError
from mir_task.report.scored_alike import check_scores
from mir_task.report.text import count, join

STABLE = 20
"""Pairs from which on the paper finds MIR stable (its table 6)."""


def refuse_mixed(findings: Findings) -> None:
    """Refuse what may be looked at with ``--allow_mixed_protocols``, but is no leaderboard.

    Raises:
        MIRReportError: measurements or scores were made differently; naming two and what differs.
    """
    checkpoints = findings.comparison.checkpoints
    try:
        for checkpoint in checkpoints:
            check_one_model(checkpoint.runs)
        check_models(checkpoint.runs[0] for checkpoint in checkpoints)
        check_scores(findings.evidence.rows, allow_mixed=False)
    except MIRReportError as error:
        reason = str(error).partition(", or compare all the same")[0]
        raise MIRReportError(
            f"numbers of different protocols are not published together: {reason}"
        ) from error


def cautions(findings: Findings) -> list[str]:
    """Sentences that go with every table, the gravest first."""
    found = [f"This is not the whole answer: {problem}" for problem in findings.problems]
    found += [line for doubt in findings.doubts for line in doubt.lines or [doubt.sentence]]
    checkpoints = findings.comparison.checkpoints
    pairs = [c.pairs for c in checkpoints if c.pairs is not None]
    if pairs and min(pairs) < STABLE:
        found.append(
            f"MIR was measured on {min(pairs)} image-text pairs; the paper finds it stable from {STABLE} on."
        )
    skipped = {c.label: len(run.result.skipped) for c in checkpoints for run in c.runs if run.result}
    found += [
        f"{label}: {count(number, 'pair')} could not be measured and left out of MIR."
        for label, number in skipped.items()
        if number
    ]
    sentence = different(checkpoints)
    said = [*found, *([sentence] if sentence else []), *findings.averaged.warnings, *findings.notes]
    if findings.evidence.citations:
        said.append(f"Numbers of tables are from {join(findings.evidence.citations)}.")
    return list(dict.fromkeys(said))
