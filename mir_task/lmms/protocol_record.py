"""The protocol as it stands in lmms-eval's own results file, under ``configs``, beside the task's YAML."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from mir_task.result import Protocol


def before_measuring(known: Mapping[str, Any]) -> dict[str, Any]:
    """The protocol as far as it is known when the pairs are chosen.

    Args:
        known: fields of :class:`mir_task.Protocol`.

    Returns:
        JSON values. What is None is left out, and so is what has an entry a pair or is of one level of similarity: it
        stands in the per-layer file alone.
    """
    return _recorded(Protocol.model_validate(known))


def after_measuring(protocol: Protocol, pairs: int | None) -> dict[str, Any]:
    """The protocol of a measurement.

    Args:
        protocol: of all pairs.
        pairs: how many were measured.

    Returns:
        Values as above; ``pairs``; and instead of the pairs' ids ``pair_ids_sha256``, of the sorted list of ids as
        JSON without spaces, by which two files tell whether their pairs are the same.
    """
    ids = json.dumps(sorted(protocol.pair_ids), separators=(",", ":"))
    return {
        **_recorded(protocol),
        "pairs": pairs,
        "pair_ids_sha256": hashlib.sha256(ids.encode()).hexdigest(),
    }


def _recorded(protocol: Protocol) -> dict[str, Any]:
    left_out: dict[str, Any] = {"pair_ids": True, "alignment": {"similarity", "level"}}
    return protocol.model_dump(mode="json", exclude=left_out, exclude_none=True)
