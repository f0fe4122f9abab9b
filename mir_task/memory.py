"""How many groups of pairs the machine has room for."""

from __future__ import annotations

import psutil
import torch
from loguru import logger

from mir_task.uncertainty import GROUPS, MIN_GROUPS

SHARE = 0.5
"""Of the free memory that statistics may take."""


def groups_that_fit(pairs: int, layers: int, d: int, device: torch.device) -> int:
    """In how many groups to keep the statistics of the pairs apart: 10 if there are so many and they fit.

    Each group takes a float64 scatter matrix [d, d] a layer and modality. Fewer than 5 give no standard error, fewer
    than 2 no noise floor and no bias correction either.

    Args:
        pairs: how many there are, at least 1.
        layers: decoder layers.
        d: hidden size.
        device: where the statistics will live.
    """
    needed = 2 * layers * d * d * 8
    on_gpu = device.type == "cuda"
    free = torch.cuda.mem_get_info(device)[0] if on_gpu else psutil.virtual_memory().available
    affordable = max(1, int(SHARE * free // needed))
    groups = min(GROUPS, pairs, affordable)
    if groups < min(MIN_GROUPS, pairs):
        logger.warning(
            f"No standard error of MIR: the statistics of {MIN_GROUPS} groups of pairs would take "
            f"{MIN_GROUPS * needed / 2**30:.1f} GiB, {SHARE * free / 2**30:.1f} GiB may be used on {device}"
        )
    return groups
