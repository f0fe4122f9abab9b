"""Predictors of the score after SFT: all numbers of one stage-1 checkpoint in one row."""

from __future__ import annotations

import math
from pathlib import Path

from mir_task.errors import MIRDataError
from mir_task.result import LayerResult, MIRResult
from mir_task.study.matched import matched_of, read_norm_matched

TASK, OTHER_TASK = "mir_local", "mir_builtin"
"""The study's own pairs, and the built-in ones: of other images, and texts of another kind."""


def predictors(mir_folder: Path, matched_folder: Path) -> dict[str, float]:
    """MIR and its components.

    All but ``log_norm_ratio`` and ``vision_spread`` are log10 of a sum over layers, as MIR is.

    Args:
        mir_folder: holds the per-layer files of one checkpoint, of both tasks.
        matched_folder: holds its MIR with matched norms, where the per-layer files are of 0.3 or before.

    Returns:
        ``mir``, ``mir_se``, ``mir_reference``, ``mir_builtin``; ``mean_term``, ``covariance_term``: a term of eq. 3;
        ``unnormalised``: without eq. 2; ``norm_matched``: vision rows scaled to the text's mean norm;
        ``vision_spread``: mean over layers of log10(tr Sigma_vision / tr Sigma_text);
        ``log_norm_ratio``: mean over layers of log10(mean vision norm / mean text norm).

    Raises:
        MIRDataError: a per-layer file is missing, or there are several.
    """
    own = per_layer_file(mir_folder, TASK)
    matched = matched_of(own) or read_norm_matched(matched_folder)
    return {
        "mir": own.mir,
        "mir_se": own.standard_error if own.standard_error is not None else math.nan,
        "mir_reference": own.mir_reference if own.mir_reference is not None else math.nan,
        "mir_builtin": per_layer_file(mir_folder, OTHER_TASK).mir,
        "mean_term": _log_sum([layer.mean_term for layer in own.layers]),
        "covariance_term": _log_sum([layer.covariance_term for layer in own.layers]),
        "unnormalised": _log_sum([layer.fid / layer.alpha**2 for layer in own.layers]),
        "norm_matched": matched.mir,
        "vision_spread": matched.vision_spread,
        "log_norm_ratio": sum(map(_norm_ratio, own.layers)) / len(own.layers),
    }


def per_layer_file(folder: Path, task: str) -> MIRResult:
    """Result in the only per-layer file of a task in a folder."""
    files = list(folder.glob(f"*_mir_{task}.json"))
    if len(files) != 1:
        raise MIRDataError(f"expected one per-layer file of {task} in {folder}, found {len(files)}")
    return MIRResult.load(files[0])


def _norm_ratio(layer: LayerResult) -> float:
    return math.log10(layer.vision_norm / layer.text_norm)


def _log_sum(values: list[float]) -> float:
    return math.log10(math.fsum(values))
