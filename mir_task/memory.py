"""How many scatter matrices the machine has room for."""

from __future__ import annotations

import psutil
import torch
from loguru import logger

SHARE = 0.5
"""Of the free memory that statistics may take."""


def parts_that_fit(groups: int, layers: int, d: int, device: torch.device) -> int:
    """How many parts of the rows to keep apart, a float64 scatter matrix [d, d] a layer, modality and part.

    Where there is no room for a part for each group, two still give noise floors and bias correction, and the
    standard error takes one more pass over the pairs.

    Args:
        groups: of pairs.
        layers: decoder layers.
        d: hidden size.
        device: where the statistics will live.

    Returns:
        ``groups``, 2 or 1.
    """
    needed = 2 * layers * d * d * 8
    on_gpu = device.type == "cuda"
    free = torch.cuda.mem_get_info(device)[0] if on_gpu else psutil.virtual_memory().available
    affordable = int(SHARE * free // needed)
    if affordable >= groups:
        return groups
    if affordable < 2:
        logger.warning(
            f"No noise floors and no bias-corrected MIR: the statistics of two halves of the pairs would take "
            f"{2 * needed / 2**30:.1f} GiB, {SHARE * free / 2**30:.1f} GiB may be used on {device}"
        )
    return min(groups, 2) if affordable >= 2 else 1
