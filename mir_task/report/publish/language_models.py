"""Whether the compared checkpoints have one language model, as far as result files tell."""

from __future__ import annotations

from collections.abc import Iterable

from mir_task.report.checkpoint import Checkpoint
from mir_task.report.records import listing


def different(checkpoints: Iterable[Checkpoint]) -> str | None:
    """A sentence where models differ in type, layers or hidden size; None where they do not, or no file tells."""
    infos = [c.result.model for c in checkpoints if c.result and c.result.model]
    kinds = sorted({(info.model_type, info.layers, info.hidden_size) for info in infos})
    if len(kinds) < 2:
        return None
    named = listing((f"{kind}: {layers} layers of {size}" for kind, layers, size in kinds), 6)
    return (
        f"Different language models are compared ({named}). MIR is a sum over layers and grows with their number: "
        "compare MIR per layer. Hidden size and training of the language models differ still, so that even that "
        "comparison says less than one among checkpoints of one language model."
    )
