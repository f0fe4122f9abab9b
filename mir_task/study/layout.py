"""Folders and files of a study."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mir_task.study.world import Stream


@dataclass(frozen=True)
class Layout:
    """Folders and files of a study; a report reads those below ``results``, the rest are checkpoints."""

    root: Path

    @property
    def settings(self) -> Path:
        """The scale, as JSON."""
        return self.root / "scale.json"

    @property
    def processor(self) -> Path:
        """Tokenizer and image processor, which all models share."""
        return self.root / "stage0" / "processor"

    @property
    def language(self) -> Path:
        """Language model of stage 0, and the processor."""
        return self.root / "stage0" / "language"

    @property
    def vision(self) -> Path:
        """Vision tower of stage 0."""
        return self.root / "stage0" / "vision"

    def features(self, stream: Stream) -> Path:
        """Features of a stream's training pictures."""
        return self.root / "features" / stream.name.lower()

    @property
    def probe(self) -> Path:
        """Held-out images and unrelated texts that MIR is measured on."""
        return self.root / "probe"

    def trunk(self, name: str, step: int) -> Path:
        """State of a training that runs branch from, after so many steps."""
        return self.root / "trunks" / name / f"{step:05d}"

    @property
    def stage_one(self) -> Path:
        """Checkpoints after stage 1, by run."""
        return self.root / "stage1"

    @property
    def stage_two(self) -> Path:
        """Checkpoints after stage 2, by run."""
        return self.root / "stage2"

    @property
    def results(self) -> Path:
        """All results."""
        return self.root / "results"

    @property
    def mir(self) -> Path:
        """lmms-eval's and the per-layer files of the checkpoints after stage 1, by run."""
        return self.results / "mir"

    def along(self, name: str, step: int) -> Path:
        """MIR within a training that runs branch from, after so many steps."""
        return self.results / "along" / f"{name}_{step:05d}"

    @property
    def scores(self) -> Path:
        """lmms-eval's files of the checkpoints after stage 2, by run."""
        return self.results / "sft"

    @property
    def baselines(self) -> Path:
        """Caption perplexity and in-context score, by run."""
        return self.results / "baselines"

    @property
    def matched(self) -> Path:
        """MIR of the checkpoints after stage 1 with matched norms, by run, in studies made with 0.3 and before."""
        return self.results / "matched"

    @property
    def properties(self) -> Path:
        """Properties of MIR on one checkpoint."""
        return self.results / "properties"

    @property
    def curves(self) -> Path:
        """Training curves of all stages."""
        return self.results / "curves"

    @property
    def table(self) -> Path:
        """Scores and baselines of every model in every experiment."""
        return self.results / "scores.csv"

    @property
    def along_table(self) -> Path:
        """MIR and its companions along the trainings that runs branch from."""
        return self.results / "along.csv"

    @property
    def models(self) -> Path:
        """Scores, baselines and the components of MIR of every model in every experiment."""
        return self.results / "models.csv"
