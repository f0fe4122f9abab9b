"""The lmms-eval model ``mir_demo``: llava_hf on the small checkpoint that comes with the package."""

from __future__ import annotations

from typing import Any

from mir_task.demo.checkpoint import TRAINED
from mir_task.lmms.batch_size import pairs_at_a_time
from mir_task.lmms.llava_hf import LlavaHf


class MirDemo(LlavaHf):  # type: ignore[misc]
    """A LLaVA of one and a half million weights, after stage 1 on drawn scenes (``trained/SOURCE``).

    Args:
        device: the device that it runs on.
        batch_size: pairs in a forward pass; ``auto`` is 1.
        **kwargs: further arguments of lmms-eval's llava_hf.
    """

    def __init__(self, device: str = "cpu", batch_size: int | str = 1, **kwargs: Any) -> None:
        super().__init__(
            pretrained=str(TRAINED),
            device=device,
            device_map=device,
            batch_size=pairs_at_a_time(batch_size),
            **kwargs,
        )
        self._model.config._name_or_path = self.pretrained = "mir_demo"
