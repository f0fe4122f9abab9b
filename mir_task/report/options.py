"""The options of ``mir-report``, and the form that each must have."""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import Any

EPILOG = """\
exit status: 0 report written; 1 no report, the message says why; 2 wrong usage; 3 report written, but not the whole
answer: a file was unreadable, or MIR or scores of a group do not vary (the message and the page say which).
That MIR does not tell here is an answer too: status 0. Scripts that want names or numbers find them under "decision" in
regression.json: kind, recommended, p_best.
"""


def parser() -> argparse.ArgumentParser:
    """The parser of the command line; an option of a wrong form ends the program with status 2."""
    found = argparse.ArgumentParser(
        prog="mir-report",
        description="How far can MIR be trusted to predict SFT scores? Reads result files, writes a report.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _add_files(found)
    _add_comparison(found)
    _add_scores(found)
    _add_watch(found)
    return found


def _add_files(parser: argparse.ArgumentParser) -> None:
    """Add what is read and written."""
    add = parser.add_argument
    add(
        "paths",
        nargs="+",
        type=Path,
        metavar="PATH",
        help="files or folders: per-layer files, lmms-eval results, tables, trainer_state.json with eval_mir",
    )
    add("--output", type=Path, default=Path("mir-report"), metavar="DIR", help="default: mir-report")
    add(
        "--publish",
        type=Path,
        metavar="DIR",
        help="also write a static Space, Markdown and LaTeX tables and model-index blocks there; nothing is sent",
    )
    add(
        "--scores",
        nargs="+",
        type=Path,
        default=[],
        metavar="PATH",
        help="scores after SFT: tables with a model column, or lmms-eval results of the fine-tuned models",
    )
    add("--mapping", type=Path, metavar="FILE", help="table with the columns pretrained,finetuned[,group]")
    add("--task", help="the mir task to compare, where there are results of several")


def _add_comparison(parser: argparse.ArgumentParser) -> None:
    """Add what is related to what."""
    add = parser.add_argument
    add(
        "--benchmarks",
        type=_names,
        default=(),
        metavar="A,B",
        help="average over these, or 'common': over those that all models have",
    )
    add(
        "--pool", nargs="+", default=[], metavar="GROUP", help="pool these groups; default: those that can be"
    )
    add(
        "--baseline",
        action=_ByName,
        type=_baseline,
        default={},
        metavar="NAME[:higher]",
        help="column, or task measured before SFT, to compare with MIR; ':higher' if higher is better",
    )
    add(
        "--allow_mixed_protocols",
        action="store_true",
        help="compare MIR of different data or numbers of pairs",
    )
    add("--title", help="title of the page")
    add(
        "--choose",
        action="store_true",
        help="print the decision alone, in one line; the rest goes to standard error",
    )


def _add_scores(parser: argparse.ArgumentParser) -> None:
    """Add what scores mean."""
    add = parser.add_argument
    add(
        "--metric",
        action=_ByName,
        type=_assignment,
        default={},
        metavar="TASK=METRIC",
        help="which metric of an lmms-eval task is its score",
    )
    add(
        "--scale",
        action=_ByName,
        type=_factor,
        default={},
        metavar="BENCHMARK=FACTOR",
        help="within averages; default: from a score to points of a hundred, where it is known what it is out of",
    )
    add(
        "--max",
        action=_ByName,
        type=_factor,
        default={},
        metavar="BENCHMARK=VALUE",
        help="what the score of a benchmark is out of, where its name does not tell",
    )
    add(
        "--lower-is-better",
        "--lower_is_better",
        nargs="+",
        default=[],
        metavar="BENCHMARK",
        help="benchmarks whose score is better when lower, where name or file do not tell",
    )
    add("--ignore", nargs="+", default=[], metavar="NAME", help="columns or tasks that are no benchmarks")
    add(
        "--strict",
        action="store_true",
        help="refuse names that are known neither as benchmarks nor as settings",
    )


def _add_watch(parser: argparse.ArgumentParser) -> None:
    """Add reporting again and again."""
    parser.add_argument(
        "--watch",
        nargs="?",
        type=_seconds,
        const=5.0,
        metavar="SECONDS",
        help="report again whenever files change, looking every so many seconds (default 5), until Ctrl-C",
    )


class _ByName(argparse.Action):
    """Collects what is said of each name in a dict; two things said of one name are refused."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        name, value = values
        said = getattr(namespace, self.dest)
        if said.get(name, value) != value:
            parser.error(f"{option_string} {name} is given twice: {said[name]} and {value}")
        setattr(namespace, self.dest, {**said, name: value})


def _names(value: str) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(name.strip() for name in value.split(",") if name.strip()))
    if not names:
        raise argparse.ArgumentTypeError(f"expected A,B or common, got {value!r}")
    return names


def _baseline(value: str) -> tuple[str, str]:
    name, _, better = value.partition(":")
    if not name or better not in ("", "lower", "higher"):
        raise argparse.ArgumentTypeError(f"expected NAME, NAME:lower or NAME:higher, got {value!r}")
    return name, better or "lower"


def _assignment(value: str) -> tuple[str, str]:
    name, _, rest = value.partition("=")
    if not name or not rest:
        raise argparse.ArgumentTypeError(f"expected NAME=VALUE, got {value!r}")
    return name, rest


def _factor(value: str) -> tuple[str, float]:
    name, rest = _assignment(value)
    try:
        factor = float(rest)
    except ValueError:
        factor = math.nan
    if not math.isfinite(factor) or factor <= 0:
        raise argparse.ArgumentTypeError(f"expected a number above 0, got {rest!r}")
    return name, factor


def _seconds(value: str) -> float:
    try:
        seconds = float(value)
    except ValueError:
        seconds = math.nan
    if not math.isfinite(seconds) or seconds <= 0:
        raise argparse.ArgumentTypeError(
            f"expected seconds above 0, got {value!r}; write --watch after the paths"
        )
    return seconds
