"""Two numbers beside the MIR of a checkpoint: MIR with matched norms, and the variance of vision rows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

from mir_task.data import local_pairs
from mir_task.pair import Pair
from mir_task.result import MIRResult
from mir_task.study.model import load
from mir_task.study.rows import hidden_rows, log_variance_ratio, mir_of

FILE = "norm_matched.json"
KEY, SPREAD = "norm_matched", "vision_spread"
"""Keys of the file. The result lies below one, so that no report takes the file for a result of MIR."""


class Matched(NamedTuple):
    """Numbers of a checkpoint's hidden rows."""

    result: MIRResult
    """MIR with vision rows scaled to the text's mean norm, layer by layer."""
    vision_spread: float
    """Log ratio of variances: see :func:`mir_task.study.rows.log_variance_ratio`."""


def write_norm_matched(probe: Path, pretrained: Path, device: str, folder: Path) -> None:
    """Write MIR with matched norms and the variance of vision rows of a stage-1 checkpoint as JSON."""
    model, processor = load(pretrained)
    rows = hidden_rows(model.to(device), processor, probe_pairs(probe))
    result = mir_of(rows, match_norms=True).model_dump(mode="json")
    (folder / FILE).write_text(json.dumps({KEY: result, SPREAD: log_variance_ratio(rows)}, indent=1) + "\n")


def read_norm_matched(folder: Path) -> Matched:
    """Read the file that :func:`write_norm_matched` wrote into a folder."""
    stored = json.loads((folder / FILE).read_text())
    return Matched(MIRResult.model_validate(stored[KEY]), stored[SPREAD])


def probe_pairs(probe: Path) -> list[Pair]:
    """The study's pairs, joined as the task mir_local joins them."""
    return list(local_pairs(probe / "images", probe / "texts"))
