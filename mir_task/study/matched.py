"""What a measurement of MIR does not tell of a checkpoint: MIR without the norms, and how varied vision rows are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

from mir_task.data import local_pairs
from mir_task.measurement.run import Pair
from mir_task.result import MIRResult
from mir_task.study.model import load
from mir_task.study.rows import hidden_rows, mir_of, spread_of

FILE = "norm_matched.json"
KEY, SPREAD = "norm_matched", "vision_spread"
"""The result lies below it, lest a report take it for a result of MIR."""


class Matched(NamedTuple):
    """What is known of a checkpoint's rows."""

    result: MIRResult
    """Of vision rows scaled to the text's mean norm, layer by layer."""
    vision_spread: float
    """See :func:`mir_task.study.rows.spread_of`."""


def write_norm_matched(probe: Path, pretrained: Path, device: str, folder: Path) -> None:
    """Write MIR with matched norms and the spread of vision rows of a stage-1 checkpoint as JSON."""
    model, processor = load(pretrained)
    rows = hidden_rows(model.to(device), processor, probe_pairs(probe))
    result = mir_of(rows, match_norms=True).model_dump(mode="json")
    (folder / FILE).write_text(json.dumps({KEY: result, SPREAD: spread_of(rows)}, indent=1) + "\n")


def read_norm_matched(folder: Path) -> Matched:
    """What :func:`write_norm_matched` wrote into a folder."""
    told = json.loads((folder / FILE).read_text())
    return Matched(MIRResult.model_validate(told[KEY]), told[SPREAD])


def probe_pairs(probe: Path) -> list[Pair]:
    """The study's pairs, joined as the task mir_local joins them."""
    return list(local_pairs(probe / "images", probe / "texts"))
