"""What a measurement found: its schema, JSON on disk. Needs neither torch nor transformers.

How each number is called and shown is in :mod:`mir_task.metrics`.
"""

from mir_task.result.layer import LayerResult
from mir_task.result.mir import MIN_PAIRS, SCHEMA_VERSION, MIRResult, SkippedPair
from mir_task.result.perplexity import CaptionPerplexity
from mir_task.result.protocol import Grading, ModelInfo, Protocol
from mir_task.result.reason import Reason, ReasonCode

__all__ = [
    "MIN_PAIRS",
    "SCHEMA_VERSION",
    "CaptionPerplexity",
    "Grading",
    "LayerResult",
    "MIRResult",
    "ModelInfo",
    "Protocol",
    "Reason",
    "ReasonCode",
    "SkippedPair",
]
