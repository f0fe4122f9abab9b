"""Errors that say there is no memory left."""

from __future__ import annotations

import torch


def out_of_memory(error: BaseException) -> bool:
    """Whether an error says that a device, or the host, has no memory left."""
    # torch has no class of its own for the host's allocator.
    return isinstance(error, torch.cuda.OutOfMemoryError | MemoryError) or (
        isinstance(error, RuntimeError) and "DefaultCPUAllocator" in str(error)
    )


def reason(error: BaseException) -> str:
    """First line of an error's message."""
    return (str(error) or repr(error)).partition("\n")[0]
