"""Where each layer's statistics live, and how much memory is free there."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import psutil
import torch
from torch import Tensor

from mir_task.adapters.decoder import Decoder
from mir_task.adapters.sharding import device_of

SHARE = 0.5
"""Share of the free memory that statistics may take where no ceiling was given."""
CGROUP = Path("/sys/fs/cgroup")


def budget(device: torch.device, ceiling: int | None, cgroup: Path = CGROUP) -> int:
    """Bytes that statistics may take on a device: the ceiling, or half of what is free."""
    if device.type == "cuda":
        cached = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        free = torch.cuda.mem_get_info(device)[0] + cached
    else:  # shared by the processes of this machine
        free = host_memory(cgroup) // int(os.environ.get("LOCAL_WORLD_SIZE", 1))
    return int(SHARE * free) if ceiling is None else min(ceiling, free)


def host_memory(cgroup: Path = CGROUP) -> int:
    """Free bytes of the machine, or of the container that this process runs in."""
    free = int(psutil.virtual_memory().available)
    try:
        limit, used = ((cgroup / name).read_text() for name in ("memory.max", "memory.current"))
        return min(free, int(limit) - int(used)) if limit.strip() != "max" else free
    except (OSError, ValueError):  # no such limit here
        return free


def layer_devices(decoder: Decoder) -> list[torch.device]:
    """The device of each decoder layer's output, and so of its statistics: the last one's behind the final norm."""
    return [_runs_on(module) for module in (*list(decoder.layers)[:-1], decoder.norm)]


def _runs_on(module: Any) -> torch.device:
    # Accelerate may keep weights elsewhere and move them where they are needed.
    hook = getattr(module, "_hf_hook", None)
    for each in getattr(hook, "hooks", [hook]):
        device = getattr(each, "execution_device", None)
        if device is not None:
            return torch.device("cuda", device) if isinstance(device, int) else torch.device(device)
    parameter: Tensor | None = next(module.parameters(), None)
    return torch.device("cpu") if parameter is None else device_of(parameter)
