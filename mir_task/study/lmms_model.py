"""The lmms-eval model ``mir_study``: llava_hf for checkpoints of the study, whatever their connector."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lmms_eval.models.simple import llava_hf

from mir_task.study.connectors import ConnectorLlava
from mir_task.study.model import restore_moca


class MirStudy(llava_hf.LlavaHf):  # type: ignore[misc]
    """A checkpoint of the study.

    Args:
        pretrained: its name, by which results name the model.
        folder: the folder that it lies in.
        device: where it runs.
        **kwargs: further arguments of lmms-eval's llava_hf.
    """

    def __init__(self, pretrained: str, folder: str = ".", device: str = "cpu", **kwargs: Any) -> None:
        path = Path(folder, pretrained)
        native = llava_hf.model_map["llava"]
        llava_hf.model_map["llava"] = ConnectorLlava
        try:
            super().__init__(pretrained=str(path), device=device, device_map=device, **kwargs)
        finally:
            llava_hf.model_map["llava"] = native
        restore_moca(self._model, path)
        self._model.config._name_or_path = self.pretrained = pretrained
