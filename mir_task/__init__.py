"""MIR, the Modality Integration Rate, for lmms-eval, notebooks and training loops.

Torch and transformers load when one of the functions is first used, not on import.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mir_task.errors import MIRDataError, MIRError, MIRModelError
    from mir_task.measurement.run import measure
    from mir_task.metric.frechet import frechet_distance
    from mir_task.metric.layers import mir_from_features
    from mir_task.pair import Pair
    from mir_task.result import MIRResult, Protocol
    from mir_task.training.between_steps import measure_in_training
    from mir_task.training.callback import MIRCallback
    from mir_task.training.moca import MoCa

__all__ = [
    "MIRCallback",
    "MIRDataError",
    "MIRError",
    "MIRModelError",
    "MIRResult",
    "MoCa",
    "Pair",
    "Protocol",
    "frechet_distance",
    "measure",
    "measure_in_training",
    "mir_from_features",
]

_HOME = {
    "MIRCallback": "training.callback",
    "MIRDataError": "errors",
    "MIRError": "errors",
    "MIRModelError": "errors",
    "MIRResult": "result",
    "MoCa": "training.moca",
    "Pair": "pair",
    "Protocol": "result",
    "frechet_distance": "metric.frechet",
    "measure": "measurement.run",
    "measure_in_training": "training.between_steps",
    "mir_from_features": "metric.layers",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return __all__
