"""Models that can be measured as they are given: whole, with weights, not inside a wrapper."""

from __future__ import annotations

from typing import Any

from torch import nn

from mir_task.errors import MIRModelError

WRAPPERS = (nn.DataParallel, nn.parallel.DistributedDataParallel)


def check_model(model: Any) -> None:
    """Refuse what no hidden states can be read from.

    Raises:
        MIRModelError: no torch module, a wrapper around a model, weights that are not there.
    """
    if not isinstance(model, nn.Module):
        raise MIRModelError(
            f"MIR needs a model whose hidden states can be read: expected a torch module with local weights, got "
            f"{type(model).__name__}"
        )
    if isinstance(model, WRAPPERS):
        raise MIRModelError(
            f"the model is inside a {type(model).__name__}; give the model itself: model.module"
        )
    missing = [name for name, module in model.named_modules() if _has_no_weights(module)]
    if missing:
        raise MIRModelError(
            f"the model has no weights: {len(missing)} of its modules are on the device 'meta' ({missing[0]} is the "
            "first); load it with from_pretrained, without torch.device('meta')"
        )


def _has_no_weights(module: nn.Module) -> bool:
    # What accelerate keeps elsewhere is on the device meta too, until its hook brings it in.
    return not hasattr(module, "_hf_hook") and any(part.is_meta for part in module.parameters(recurse=False))
