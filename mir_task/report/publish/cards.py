"""What is published of single models, and of which models nothing can be."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from mir_task.report.checkpoint import Checkpoint
from mir_task.report.publish import eval_results, model_index
from mir_task.report.publish.provenance import provenance
from mir_task.report.publish.slugs import slugs
from mir_task.report.records import Row, listing

MODEL_INDEX, EVAL_RESULTS = "model-index.yaml", ".eval_results/mir.yaml"


@dataclass(frozen=True)
class Card:
    """Files of one model, by name."""

    name: str
    files: dict[str, str]
    is_measured: bool
    """MIR before SFT; otherwise scores after it."""

    @property
    def numbers(self) -> str:
        """What the files hold, in words."""
        return "MIR before SFT" if self.is_measured else "scores after SFT"


@dataclass
class Cards:
    """Files of all models."""

    by_folder: dict[str, Card] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    """Models of which nothing is published, and why."""


def cards(checkpoints: Iterable[Checkpoint], rows: Iterable[Row]) -> Cards:
    """MIR of every checkpoint whose files say what it was measured on, and scores of named fine-tuned models."""
    found = Cards()
    made = [*_measured(checkpoints, found.notes), *_scored(rows, found.notes)]
    folders = slugs(card.name for card in made)
    # A model that is both, since it was measured before and after, has one folder: what was measured comes first.
    for card in made:
        found.by_folder.setdefault(folders[card.name], card)
    return found


def _measured(checkpoints: Iterable[Checkpoint], notes: list[str]) -> Iterable[Card]:
    """A card for each measured model: one where it is in several groups, since its MIR is the same."""
    by_name: dict[str, list[Checkpoint]] = {}
    unknown: dict[str, None] = {}
    for checkpoint in checkpoints:
        name = model_index.public_name(checkpoint)
        if provenance(checkpoint) is None:
            unknown[name] = None
        else:
            by_name.setdefault(name, []).append(checkpoint)
    if unknown:
        notes.append(
            f"No model-index for {listing(unknown, 4)}: a table tells MIR, but not what it was measured on; give the "
            "result files."
        )
    differing = [name for name, same in by_name.items() if len({c.mir for c in same}) > 1]
    if differing:
        notes.append(f"No model-index for {listing(differing, 4)}: MIR differs between groups.")
    for name, same in by_name.items():
        measured = provenance(same[0])
        if measured and name not in differing:
            files = {
                MODEL_INDEX: model_index.of_checkpoint(same[0], measured),
                EVAL_RESULTS: eval_results.of_checkpoint(same[0], measured),
            }
            yield Card(name, files, is_measured=True)


def _scored(rows: Iterable[Row], notes: list[str]) -> Iterable[Card]:
    """Scores belong to the fine-tuned model: published where lmms-eval's file names it apart from the checkpoint."""
    named = [row for row in rows if row.scored and row.scored != row.model and row.scores]
    averaged = {row.model: None for row in named if row.replicates > 1}
    if averaged:
        notes.append(
            f"No model-index for the fine-tuned models of {listing(averaged, 4)}: scores are means over several."
        )
    by_name = {row.scored: row for row in named if row.replicates == 1}
    for row in by_name.values():
        yield Card(model_index.scored_name(row), {MODEL_INDEX: model_index.of_scores(row)}, is_measured=False)
