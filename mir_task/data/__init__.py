"""Image-text pairs: from the user's files, from the package, from the hub; the same for the same seed."""

from mir_task.data.builtin import builtin_pairs, builtin_texts
from mir_task.data.captions import builtin_captions, hub_captions, local_captions
from mir_task.data.graded import graded_pairs
from mir_task.data.hub import hub_pairs
from mir_task.data.images import open_image
from mir_task.data.local import local_pairs
from mir_task.data.pair_set import LEVEL_COLUMN, PairSet

__all__ = [
    "LEVEL_COLUMN",
    "PairSet",
    "builtin_captions",
    "builtin_pairs",
    "builtin_texts",
    "graded_pairs",
    "hub_captions",
    "hub_pairs",
    "local_captions",
    "local_pairs",
    "open_image",
]
