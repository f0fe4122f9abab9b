"""What every score is out of, and which end of it is better, so that scores of several benchmarks can be averaged."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from mir_task.metrics import Better
from mir_task.report.benchmarks import PERCENT, known
from mir_task.report.names import not_found
from mir_task.report.records import MIRReportError, Row, listing

GAP = 10.0
"""Per cents and fractions of one benchmark lie a hundredfold apart; scores of another scale do not leave this gap."""


@dataclass(frozen=True)
class ScoreSettings:
    """What the user said about scores."""

    lower_is_better: tuple[str, ...] = ()
    maxima: Mapping[str, float] = field(default_factory=dict)
    """The greatest score possible, by benchmark."""
    scales: Mapping[str, float] = field(default_factory=dict)
    """Factors of benchmarks within averages."""
    benchmarks: tuple[str, ...] = ()
    """Benchmarks that are named to average over: no other name is one where ``strict``."""
    strict: bool = False
    """Refuse columns and tasks that are known neither as benchmarks nor as settings."""


@dataclass(frozen=True)
class Benchmark:
    """One benchmark as it was understood."""

    name: str
    better: Better
    factor: float | None
    """From a score to points of a hundred; None: what the score is out of is not known."""
    scale: str
    """What the scores are, in words: ``per cent``, ``of 2000``."""
    by_user: bool = False
    """The user said what the score is out of."""

    def points(self, score: float) -> float:
        """The score in points of a hundred, more is better; as it is, turned round, where the scale is unknown."""
        if self.factor is None:
            return -score if self.better == "lower" else score
        return PERCENT - self.factor * score if self.better == "lower" else self.factor * score

    def __str__(self) -> str:
        return f"{self.name} ({'lower is better, ' if self.better == 'lower' else ''}{self.scale})"


def understood(rows: Sequence[Row], settings: ScoreSettings) -> dict[str, Benchmark]:
    """Decide scale and direction of every benchmark, by name, in the order of the files.

    Raises:
        MIRReportError: an option names no benchmark; per cents and fractions are mixed; a score lies outside its
            scale; or ``strict`` and a name is not known.
    """
    by_name: dict[str, list[Row]] = {}
    for row in rows:
        for name in row.scores:
            by_name.setdefault(name, []).append(row)
    for option, named in (
        ("--lower-is-better", settings.lower_is_better),
        ("--max", settings.maxima),
        ("--scale", settings.scales),
        ("--benchmarks", settings.benchmarks),
    ):
        _check_names(option, named, by_name)
    found = {name: _benchmark(name, having, settings) for name, having in by_name.items()}
    if settings.strict:
        _refuse_unknown(by_name, settings)
    return found


def _check_names(option: str, named: Iterable[str], names: Collection[str]) -> None:
    for name in named:
        if name not in names:
            raise MIRReportError(not_found(option, name, names, "benchmark"))


def _benchmark(name: str, rows: Sequence[Row], settings: ScoreSettings) -> Benchmark:
    told = known(name, next((row.metrics[name] for row in rows if name in row.metrics), None))
    directions = [row.better[name] for row in rows if name in row.better]
    better: Better = directions[0] if directions else told.better if told else "higher"
    if name in settings.lower_is_better:
        better = "lower"
    if name in settings.maxima and name in settings.scales:
        raise MIRReportError(f"{name}: --max and --scale both say what its points are; give one of them")
    if name in settings.maxima:
        given = settings.maxima[name]
        _check_within(name, rows, given, "--max")
        return Benchmark(name, better, PERCENT / given, f"of {given:g}", by_user=True)
    maximum = told.maximum if told else None
    _refuse_mixed(name, rows, maximum is not None)
    if name in settings.scales:
        return Benchmark(
            name, better, settings.scales[name], f"times {settings.scales[name]:g}", by_user=True
        )
    if maximum is None:
        return Benchmark(name, better, None, "scale not known")
    _check_within(name, rows, maximum, "known by its name")
    scores = [abs(row.scores[name]) for row in rows]
    greatest = max(scores)
    if told and told.better == "lower" and greatest <= GAP and min(scores) <= 1 < greatest:
        # Rates of errors may exceed one: every word wrong, and others besides.
        return Benchmark(
            name,
            better,
            None,
            f"scale not known: per cent (--scale {name}=1), or fraction (--scale {name}=100)",
        )
    if greatest <= 1:
        return Benchmark(name, better, PERCENT, "fraction")
    if maximum == PERCENT:
        return Benchmark(name, better, 1.0, "per cent")
    if greatest <= PERCENT:
        return Benchmark(name, better, None, f"scale not known: per cent, or of {maximum:g}")
    return Benchmark(name, better, PERCENT / maximum, f"of {maximum:g}")


def _check_within(name: str, rows: Sequence[Row], maximum: float, source: str) -> None:
    for row in rows:
        if not 0 <= row.scores[name] <= maximum:
            raise MIRReportError(
                f"{name}: the score {row.scores[name]:g} of {row.model!r} ({row.where}) is not within 0 and "
                f"{maximum:g}, the scale of {name} ({source}); correct it, or say what it is out of: "
                f"--max {name}=VALUE"
            )


def _refuse_mixed(name: str, rows: Sequence[Row], is_known: bool) -> None:
    low = [row for row in rows if 0 < row.scores[name] <= 1]
    high = [row for row in rows if row.scores[name] > 1]
    if not low or not high:
        return
    fraction = max(low, key=lambda row: row.scores[name])
    percent = min(high, key=lambda row: row.scores[name])
    apart = percent.scores[name] > GAP * fraction.scores[name]
    within = all(row.scores[name] <= PERCENT for row in high)
    if apart and (is_known or within):
        raise MIRReportError(
            f"{name}: fractions and per cents are mixed: {fraction.scores[name]:g} of {fraction.model!r} "
            f"({fraction.where}) and {percent.scores[name]:g} of {percent.model!r} ({percent.where}); write all in "
            f"per cent, or if they are of one scale say so: --max {name}=100"
        )


def _refuse_unknown(by_name: Mapping[str, Sequence[Row]], settings: ScoreSettings) -> None:
    named = {*settings.maxima, *settings.scales, *settings.lower_is_better, *settings.benchmarks}
    strange = [
        name
        for name, rows in by_name.items()
        if name not in named
        and known(name, next((r.metrics[name] for r in rows if name in r.metrics), None)) is None
    ]
    if strange:
        where = by_name[strange[0]][0].source
        raise MIRReportError(
            f"--strict: {listing(strange)} ({where}) {'is' if len(strange) == 1 else 'are'} known neither as "
            f"benchmark nor as setting; leave out what is no score with --ignore NAME, and say what a score is out of "
            f"with --max NAME=VALUE"
        )
