"""MIR, the Modality Integration Rate, for lmms-eval, notebooks and training loops.

Torch and transformers load when one of the functions is first used, not on import.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mir_task.callback import MIRCallback
    from mir_task.errors import MIRDataError, MIRError, MIRModelError
    from mir_task.frechet import frechet_distance
    from mir_task.metric import mir_from_features
    from mir_task.moca import MoCa
    from mir_task.probe import Pair, measure
    from mir_task.result import MIRResult, Protocol
    from mir_task.training import measure_in_training

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
    "MIRCallback": "callback",
    "MIRDataError": "errors",
    "MIRError": "errors",
    "MIRModelError": "errors",
    "MIRResult": "result",
    "MoCa": "moca",
    "Pair": "probe",
    "Protocol": "result",
    "frechet_distance": "frechet",
    "measure": "probe",
    "measure_in_training": "training",
    "mir_from_features": "metric",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return __all__
