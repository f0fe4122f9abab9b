"""The lmms-eval model ``mir_demo``: llava_hf on the tiny checkpoint."""

from __future__ import annotations

import tempfile
from typing import Any

from lmms_eval.models.simple.llava_hf import LlavaHf

from mir_task.demo.checkpoint import save_checkpoint


class MirDemo(LlavaHf):  # type: ignore[misc]
    """A LLaVA of about two million random weights, for trying the tasks out; its answers mean nothing.

    Args:
        device: where it runs.
        seed: of its weights.
        **kwargs: further arguments of lmms-eval's llava_hf.
    """

    def __init__(self, device: str = "cpu", seed: int = 0, **kwargs: Any) -> None:
        with tempfile.TemporaryDirectory() as folder:
            save_checkpoint(folder, seed=seed)
            super().__init__(pretrained=folder, device=device, device_map=device, **kwargs)
        self._model.config._name_or_path = self.pretrained = "mir_demo"
