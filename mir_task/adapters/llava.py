"""The generations of LLaVA in transformers' own classes."""

from typing import ClassVar

from mir_task.adapters.base import Adapter
from mir_task.adapters.systems import BY_ID, NATIVE, Systems


class LlavaAdapter(Adapter):
    """LLaVA: one placeholder a patch; in NeXT and OneVision one at each line's end too, for a learned row."""

    family = "LLaVA"
    batched = True
    systems: ClassVar[tuple[Systems, ...]] = (
        Systems("LLaVA, LLaVA-1.5, LLaVA-NeXT-Interleave", ("llava",), "scatter", BY_ID, NATIVE),
        Systems(
            "LLaVA-NeXT (1.6), LLaVA-NeXT-Video (images), LLaVA-OneVision",
            ("llava_next", "llava_next_video", "llava_onevision"),
            "scatter, tiles",
            BY_ID,
            NATIVE,
        ),
    )
