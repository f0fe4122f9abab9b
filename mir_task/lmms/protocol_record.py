"""The protocol as it stands in lmms-eval's own results file, under ``configs``, beside the task's YAML."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from mir_task.result import Protocol


def before_measuring(protocol: Protocol) -> dict[str, Any]:
    """The protocol as far as it is known when the pairs are chosen: JSON values, None left out.

    What has an entry a pair, or is of one level of similarity, stands in the per-layer file alone.
    """
    alone: dict[str, Any] = {"pair_ids": True, "alignment": {"similarity", "level"}}
    return protocol.model_dump(mode="json", exclude=alone, exclude_none=True)


def after_measuring(protocol: Protocol, pairs: int | None) -> dict[str, Any]:
    """The protocol of a measurement: JSON values, None left out.

    Args:
        protocol: of the measurement of all pairs.
        pairs: how many were measured.

    Returns:
        The protocol's fields; ``pairs``; and instead of the ids of the pairs their ``pair_ids_sha256``, of the sorted
        list as JSON without spaces, by which two files tell whether their pairs are the same.
    """
    ids = json.dumps(sorted(protocol.pair_ids), separators=(",", ":"))
    return {
        **before_measuring(protocol),
        "pairs": pairs,
        "pair_ids_sha256": hashlib.sha256(ids.encode()).hexdigest(),
    }
