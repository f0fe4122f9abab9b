"""``mir-report``: from result files to a report."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from mir_task.errors import MIRError
from mir_task.report.options import parser

if TYPE_CHECKING:
    from mir_task.report.analysis import Findings

WRITTEN, NO_REPORT, INCOMPLETE = 0, 1, 3


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; never ends with a traceback over bad input."""
    arguments = parser().parse_args(argv)
    try:
        return _report(arguments)
    except (MIRError, OSError) as error:
        print(f"mir-report: {error}", file=sys.stderr)
        return NO_REPORT


def _report(arguments: argparse.Namespace) -> int:
    try:
        from mir_task.report.write import write
    except ModuleNotFoundError as error:
        print(
            f"mir-report: {error}; install the report's libraries: pip install 'mir-task[report]'",
            file=sys.stderr,
        )
        return NO_REPORT
    if arguments.watch is not None:
        return _watch(arguments)
    findings = _findings(arguments)
    page = write(findings, arguments.output, arguments.title)
    said = [*findings.verdict.all, *(doubt.sentence for doubt in findings.doubts)]
    said += [*findings.understood, f"-> {page}"]
    if arguments.choose:
        print(findings.decision.sentence)
        said = said[1:]
    others = sys.stderr if arguments.choose else sys.stdout
    print("\n".join(said), file=others)
    problems = [*findings.problems, *_published(arguments, findings, page, others)]
    for problem in problems:
        print(f"mir-report: {problem}", file=sys.stderr)
    return INCOMPLETE if problems else WRITTEN


def _published(
    arguments: argparse.Namespace, findings: Findings, page: Path, said: TextIO | None = None
) -> list[str]:
    """Write what ``--publish`` asks for and say so, where that is wanted; the reason where it could not be."""
    if arguments.publish is None:
        return []
    from mir_task.report.publish.everything import publish

    try:
        written = publish(findings, page, arguments.publish, arguments.title)
    except (MIRError, OSError) as error:
        return [f"not published: {error}"]
    if said is not None:
        print("\n".join(written), file=said)
    return []


def _watch(arguments: argparse.Namespace) -> int:
    """Report again whenever files change, until an interrupt from the keyboard."""
    from mir_task.report.watch import RELOAD_SECONDS, end_reloads, watch
    from mir_task.report.write import write

    known: list[str] = []
    doubted: list[str] = []
    pages: list[Path] = []

    def render() -> str:
        findings = _findings(arguments)
        pages[:] = [write(findings, arguments.output, arguments.title, RELOAD_SECONDS)]
        problems = [*findings.problems, *_published(arguments, findings, pages[0])]
        for problem in problems:
            if problem not in known:
                print(f"mir-report: {problem}", file=sys.stderr, flush=True)
        known[:] = problems
        said = [findings.decision.sentence, *(training.short for training in findings.trainings)]
        doubts = [doubt.sentence for doubt in findings.doubts]
        said += [doubt for doubt in doubts if doubt not in doubted]
        doubted[:] = doubts
        return f"{' '.join(said)} -> {pages[0]}"

    written = [arguments.output, *([arguments.publish] if arguments.publish else [])]
    read = [*arguments.paths, *arguments.scores, *([arguments.mapping] if arguments.mapping else [])]
    watch(read, render, seconds=arguments.watch, without=written)
    for page in pages:
        end_reloads(page)
    return WRITTEN


def _findings(arguments: argparse.Namespace) -> Findings:
    """What the files say, by the options."""
    from mir_task.report.analysis import Settings, analyse
    from mir_task.report.load import LoadSettings, load
    from mir_task.report.scales import ScoreSettings

    evidence = load(
        arguments.paths,
        LoadSettings(
            scores=tuple(arguments.scores),
            mapping=arguments.mapping,
            baselines=arguments.baseline,
            score_metrics=arguments.metric,
            ignored=tuple(arguments.ignore),
        ),
    )
    settings = Settings(
        task=arguments.task,
        benchmarks=arguments.benchmarks,
        scores=ScoreSettings(
            lower_is_better=tuple(arguments.lower_is_better),
            maxima=arguments.max,
            scales=arguments.scale,
            strict=arguments.strict,
        ),
        pool=tuple(arguments.pool),
        baselines=arguments.baseline,
        allow_mixed_protocols=arguments.allow_mixed_protocols,
    )
    return analyse(evidence, settings)


if __name__ == "__main__":
    raise SystemExit(main())
