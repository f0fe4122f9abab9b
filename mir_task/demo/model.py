"""The lmms-eval model ``mir_demo``: llava_hf on the small checkpoint that comes with the package."""

from __future__ import annotations

from typing import Any

from mir_task.demo.checkpoint import TRAINED
from mir_task.lmms.llava_hf import LlavaHf


class MirDemo(LlavaHf):  # type: ignore[misc]
    """A LLaVA of one and a half million weights, after stage 1 on drawn scenes (``trained/SOURCE``).

    Args:
        device: the device that it runs on.
        **kwargs: further arguments of lmms-eval's llava_hf.
    """

    def __init__(self, device: str = "cpu", **kwargs: Any) -> None:
        super().__init__(pretrained=str(TRAINED), device=device, device_map=device, **kwargs)
        self._model.config._name_or_path = self.pretrained = "mir_demo"
