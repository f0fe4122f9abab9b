"""What files say, in two kinds of record: MIR that was measured, and other numbers of a model."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from mir_task.errors import MIRError
from mir_task.metrics import Better
from mir_task.result import MIRResult


class MIRReportError(MIRError):
    """Files that no report can be made from; the message says which, why, and what to do."""


@dataclass(frozen=True)
class Run:
    """One measurement of MIR."""

    model: str
    numbers: Mapping[str, float]
    """Known numbers by their names in :data:`mir_task.metrics.MIR_METRICS`; ``mir`` is always one of them."""
    source: str
    """The file, as the reader should see it."""
    group: str | None = None
    task: str | None = None
    settings: Mapping[str, str] = field(default_factory=dict)
    """What lmms-eval's file says of the protocol, by names of :class:`mir_task.result.Protocol`."""
    result: MIRResult | None = None
    """Everything per layer and the protocol; None where only the number is known."""
    extras: dict[str, float] = field(default_factory=dict)
    """Other numbers of the same checkpoint before SFT: loss, perplexity, training step."""
    place: str = ""
    """Line of the table, for messages; empty of other files."""
    trained: str | None = None
    """The model that was measured, where ``model`` is the recipe that it was trained by."""
    training: str | None = None
    """The training that it was measured in, where it was: its output folder. ``extras`` has the step then."""

    @property
    def mir(self) -> float:
        """The MIR that was measured."""
        return self.numbers["mir"]

    @property
    def standard_error(self) -> float | None:
        """Standard error of MIR, where the file tells it."""
        return self.numbers.get("mir_se")

    @property
    def pairs(self) -> int | None:
        """Number of image-text pairs, where the file tells it."""
        pairs = self.numbers.get("mir_pairs")
        return None if pairs is None else int(pairs)

    @property
    def where(self) -> str:
        """File and line, for messages."""
        return _where(self.source, self.place)


@dataclass(frozen=True)
class Row:
    """Scores of one model after SFT, by benchmark."""

    model: str
    source: str
    group: str | None = None
    scores: dict[str, float] = field(default_factory=dict)
    average: float | None = None
    """As the source states it."""
    average_over: tuple[str, ...] = ()
    """The benchmarks that the stated average covers; empty if the source does not say."""
    extras: dict[str, float] = field(default_factory=dict)
    errors: dict[str, float] = field(default_factory=dict)
    """Standard errors of the scores that have one, by benchmark."""
    better: dict[str, Better] = field(default_factory=dict)
    """Which end of a score is better, where its file says so, by benchmark."""
    metrics: dict[str, str] = field(default_factory=dict)
    """lmms-eval's metric of a score, by benchmark."""
    place: str = ""
    """Line of the table, for messages; empty of lmms-eval's files."""
    replicate: str | None = None
    """Seed or number of the run, where a column tells it: rows of one model that differ in it are averaged."""
    scored: str | None = None
    """The fine-tuned model, where lmms-eval's file names it."""
    date: str = ""
    """When lmms-eval wrote the file, in digits that sort; empty of tables."""
    samples: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Samples that were scored, and those that there are, where the file tells them, by benchmark."""
    versions: dict[str, str] = field(default_factory=dict)
    """Version of lmms-eval's task, by benchmark."""
    limits: dict[str, float | None] = field(default_factory=dict)
    """``--limit`` of a file that does not tell the number of samples, None where it had none; by benchmark."""
    spread: dict[str, float] = field(default_factory=dict)
    """Standard deviation over replicates, by benchmark."""
    replicates: int = 1
    """Runs of SFT that the scores are the mean of."""
    replicates_of: dict[str, int] = field(default_factory=dict)
    """The same of benchmarks that only some of these runs have a score in."""

    def is_whole(self, name: str) -> bool:
        """Whether all samples of a benchmark were scored, as far as is known."""
        scored, total = self.samples.get(name, (0, 0))
        return scored >= total and self.limits.get(name) is None

    @property
    def where(self) -> str:
        """File and line, for messages."""
        return _where(self.source, self.place)


@dataclass(frozen=True)
class Skipped:
    """A file that could not be used."""

    source: str
    reason: str
    place: str = ""
    """Line and column, where they are known."""
    remedy: str = ""
    """What to do."""

    def __str__(self) -> str:
        return f"{self.reason} ({_where(self.source, self.place)})" + (
            f"; {self.remedy}" if self.remedy else ""
        )


@dataclass
class Evidence:
    """All that was found under the paths that the user gave."""

    runs: list[Run] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    before_sft: dict[str, dict[str, float]] = field(default_factory=dict)
    """Other tasks' scores of models whose MIR was measured, by model: candidates for baselines."""
    recipes: dict[str, str] = field(default_factory=dict)
    """The recipe that each model was trained by, where a table says so."""
    citations: list[str] = field(default_factory=list)
    score_metrics: dict[str, str] = field(default_factory=dict)
    """Which metric of an lmms-eval task was taken for its score."""
    left_out: dict[str, str] = field(default_factory=dict)
    """Columns and tasks that are not taken for scores, and why."""
    no_scores: list[str] = field(default_factory=list)
    """Why there are no scores although some were expected."""
    understood: list[str] = field(default_factory=list)
    """What else the reader should know of how the files were read, in sentences."""
    files: int = 0


def listing(names: Iterable[object], limit: int = 8) -> str:
    """Names for a message: the first few, and how many more."""
    shown = [str(name) for name in names]
    more = f" and {len(shown) - limit} more" if len(shown) > limit else ""
    return ", ".join(shown[:limit]) + more


def _where(source: str, place: str) -> str:
    return f"{source}, {place}" if place else source
