"""Why the MIR of a result should not be believed or compared, in words."""

from __future__ import annotations

from mir_task.result import MIRResult


def reasons(result: MIRResult) -> list[str]:
    """The sentences of the reasons that the measurement found; none of files that it did not look at."""
    return [reason.sentence for reason in result.trust]
