"""Two numbers beside the MIR of a checkpoint: MIR with matched norms, and the variance of vision rows."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import NamedTuple

from mir_task.errors import MIRDataError
from mir_task.result import MIRResult

FILE = "norm_matched.json"
KEY, SPREAD = "norm_matched", "vision_spread"
"""Keys of the file. The result lies below one, so that no report takes the file for a result of MIR."""


class Matched(NamedTuple):
    """Numbers of a checkpoint's hidden rows."""

    mir: float
    """MIR with vision rows scaled to the text's mean norm, layer by layer."""
    vision_spread: float
    """Mean over layers of log10(tr Sigma_vision / tr Sigma_text)."""


def matched_of(result: MIRResult) -> Matched | None:
    """The numbers as a result has them, its outlier rows left out of the variances; None of files of 0.3 and before."""
    ratios = [layer.variance_ratio for layer in result.layers]
    known = [math.log10(ratio) for ratio in ratios if ratio]
    if result.mir_norm_matched is None or len(known) < len(ratios):
        return None
    return Matched(result.mir_norm_matched, math.fsum(known) / len(known))


def read_norm_matched(folder: Path) -> Matched:
    """Read the file of a study made with 0.3 or before, which took a pass of its own and variances of all rows.

    Raises:
        MIRDataError: there is none.
    """
    if not (folder / FILE).exists():
        raise MIRDataError(
            f"neither {folder / FILE} nor the per-layer file has MIR with matched norms; delete results/mir/"
            f"{folder.name}, so that MIR is measured again"
        )
    stored = json.loads((folder / FILE).read_text())
    return Matched(MIRResult.model_validate(stored[KEY]).mir, stored[SPREAD])
