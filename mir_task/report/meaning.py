"""What each column of one table is: by its name, and as text or seed by what it holds."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from mir_task.report.benchmarks import is_benchmark
from mir_task.report.cells import is_missing, is_text, number, text
from mir_task.report.columns import (
    AVERAGE,
    BASELINES,
    EMPTY,
    IGNORED,
    MIR_COLUMNS,
    MIR_ERRORS,
    PROGRESS,
    TEXT_COLUMNS,
    error_of,
    is_loss,
    is_measurement,
    is_replicate,
    is_setting,
    spread_of,
    words,
)
from mir_task.report.delimited import Record
from mir_task.report.files import UnreadableError
from mir_task.report.records import listing

SPECIAL = {*MIR_COLUMNS, *TEXT_COLUMNS, *PROGRESS, *BASELINES, AVERAGE}
"""Names that mean something here in any case of letters; "MME" and "mme" stay different names."""


class NoModelsError(UnreadableError):
    """A table of something else."""


class Columns:
    """What each column of a table is.

    Args:
        records: the table's lines.
        no_benchmarks: names of columns that are no benchmarks.
        ignored: names of columns that are not read at all, in any case of letters.

    Raises:
        UnreadableError: two columns mean the same, or a column is missing.
    """

    def __init__(
        self, records: Sequence[Record], no_benchmarks: Collection[str], ignored: Collection[str]
    ) -> None:
        names = list(dict.fromkeys(name for record in records for name in record.fields))
        self.meaning = _meanings(names)
        """The name that each column of the file has here."""
        self._written = _written(self.meaning)
        if records and "model" not in self.meaning.values():
            raise NoModelsError(
                f"no column 'model', which a table of models has; the columns are {listing(map(repr, names))}",
                remedy="call the column of models 'model'",
            )
        self.left_out: dict[str, str] = {}
        """Columns that are not taken for scores, and why."""
        self.errors: dict[str, str] = {}
        """The column with the standard error of each score that has one."""
        self.scores: set[str] = set()
        self.extras: set[str] = set()
        self._replicates: list[str] = []
        unread = {name.strip().lower() for name in ignored}
        values = {
            name: [record.fields.get(written) for record in records]
            for name, written in self._written.items()
        }
        for name in self.meaning.values():
            if name not in TEXT_COLUMNS:
                self._place(name, values[name], no_benchmarks, unread)
        self._pair_errors()
        self._numeric = {
            *(name for name in (*MIR_COLUMNS, AVERAGE) if name.lower() not in unread),
            *self.extras,
            *self.scores,
            *self.errors.values(),
        }

    def numbers(self, fields: Mapping[str, Any], place: str) -> dict[str, float]:
        """The numbers of a line, by what their columns mean.

        Raises:
            UnreadableError: a cell is no number, a standard error is negative, or that of MIR is 0.
        """
        found = {}
        for name in fields:
            if name in self._numeric:
                where = f"{place}, column {self._written[name]!r}"
                value = number(fields[name], where)
                if value is not None:
                    if name == "mir_se" or name in self.errors.values():
                        _check_error(value, name, where)
                    found[name] = value
        return found

    def replicate(self, fields: Mapping[str, Any]) -> str | None:
        """Seed or run of a line, in words; None where no column tells it."""
        told = {name: text(fields.get(name)) for name in self._replicates}
        return ", ".join(f"{name} {value}" for name, value in told.items() if value) or None

    def _place(
        self, name: str, values: Sequence[Any], no_benchmarks: Collection[str], unread: Collection[str]
    ) -> None:
        """Decide what one column is."""
        tells_runs = _tells_runs(name, values)
        if tells_runs:
            self._replicates.append(name)
        is_error = error_of(name) is not None
        if name.lower() in unread:
            self.left_out[name] = IGNORED
        elif name in (*MIR_COLUMNS, AVERAGE):
            if all(map(is_missing, values)):
                self.left_out[name] = EMPTY
        elif name.lower() in MIR_ERRORS:
            self.left_out[name] = "standard error of mir"
        elif name in no_benchmarks or (is_loss(name) and not is_error and spread_of(name) is None):
            self.extras.add(name)
        elif is_measurement(name):
            self.left_out[name] = "measured before SFT"
        elif is_error:
            self.left_out[name] = f"standard error of {error_of(name)}"
        elif (spread := spread_of(name)) is not None:
            self.left_out[name] = spread
        elif tells_runs or (is_setting(name) and not is_benchmark(name)):
            self.left_out[name] = "setting"
        elif not name or name.startswith("Unnamed: "):
            self.left_out[name or "(no name)"] = "column without a name"
        elif all(map(is_missing, values)):
            self.left_out[name] = EMPTY
        elif is_text(values):
            self.left_out[name] = "text"
        else:
            self.scores.add(name)

    def _pair_errors(self) -> None:
        """Find the score of each column of standard errors.

        Raises:
            UnreadableError: a score has two.
        """
        columns = set(self.meaning.values())
        by_lower = {name.lower(): name for name in columns}
        for name in self.left_out:
            of = error_of(name)
            if of is None or self.left_out[name] == IGNORED:
                continue
            score = of if of in columns else by_lower.get(of.lower())
            if score is None:
                self.left_out[name] = f"standard error of {of}, which is no column"
            elif score in self.errors:
                raise UnreadableError(
                    f"two columns hold the standard error of {score}: {self.errors[score]!r} and {name!r}",
                    remedy=f"remove one, or leave it out: --ignore {name}",
                )
            elif score in self.scores or score == AVERAGE:
                self.errors[score] = name


def _check_error(value: float, name: str, where: str) -> None:
    """Refuse a standard error that none can be."""
    if value < 0:
        raise UnreadableError(f"the standard error is negative: {value:g}", where, "correct it")
    # Scores may have one of 0: nothing was answered, or everything.
    if value == 0 and name == "mir_se":
        raise UnreadableError(
            "the standard error of MIR is 0, as if MIR were exact",
            where,
            "give more digits, or leave it empty if it is not known",
        )


def _meanings(names: Sequence[str]) -> dict[str, str]:
    meaning = {
        name: name.strip().lower() if name.strip().lower() in SPECIAL else name.strip() for name in names
    }
    # The first of the names of MIR's standard error that is there.
    error = next((name for name in MIR_ERRORS for n in names if n.strip().lower() == name), None)
    return meaning | {name: "mir_se" for name in names if error and name.strip().lower() == error}


def _written(meaning: Mapping[str, str]) -> dict[str, str]:
    """The name in the file of each column.

    Raises:
        UnreadableError: two columns mean the same.
    """
    written: dict[str, str] = {}
    for name, meant in meaning.items():
        if meant in written:
            raise UnreadableError(
                f"the columns {written[meant]!r} and {name!r} mean the same", remedy="remove or rename one"
            )
        written[meant] = name
    return written


def _tells_runs(name: str, values: Iterable[Any]) -> bool:
    """Whether a column holds seeds or numbers of runs; SEED with other than whole numbers is SEED-Bench."""
    if not is_replicate(name) or (is_benchmark(name) and words(name) != ["seed"]):
        return False
    return all(_is_whole(value) for value in values if not is_missing(value))


def _is_whole(value: Any) -> bool:
    try:
        return float(value).is_integer()
    except (TypeError, ValueError):
        return isinstance(value, str)
