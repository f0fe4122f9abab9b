"""MIR of a checkpoint with its vision rows scaled to the text's mean norm: what is left of MIR without the norms."""

from __future__ import annotations

import json
from pathlib import Path

from mir_task.data import local_pairs, open_image
from mir_task.probe import Pair
from mir_task.result import MIRResult
from mir_task.study.model import load
from mir_task.study.rows import hidden_rows, mir_of

FILE = "norm_matched.json"
KEY = "norm_matched"
"""The result lies below it, lest a report take it for a result of MIR."""


def write_norm_matched(probe: Path, pretrained: Path, device: str, folder: Path) -> None:
    """Write MIR with matched norms of a stage-1 checkpoint, layer by layer, as JSON."""
    model, processor = load(pretrained)
    rows = hidden_rows(model.to(device), processor, probe_pairs(probe))
    result = mir_of(rows, match_norms=True).model_dump(mode="json")
    (folder / FILE).write_text(json.dumps({KEY: result}, indent=1) + "\n")


def read_norm_matched(folder: Path) -> MIRResult:
    """What :func:`write_norm_matched` wrote into a folder."""
    return MIRResult.model_validate(json.loads((folder / FILE).read_text())[KEY])


def probe_pairs(probe: Path) -> list[Pair]:
    """The study's pairs, joined as the task mir_local joins them."""
    environment = {"MIR_IMAGES": str(probe / "images"), "MIR_TEXTS": str(probe / "texts")}
    return [
        Pair(open_image(row["image"]), row["text"], row["pair_id"])
        for row in local_pairs(environment).dataset
    ]
