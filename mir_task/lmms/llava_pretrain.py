"""The lmms-eval model ``llava_pretrain``: llava_hf on checkpoints that it cannot load."""

from __future__ import annotations

from typing import Any

import torch
from accelerate import Accelerator, dispatch_model, infer_auto_device_map
from accelerate.utils import get_balanced_memory
from lmms_eval.api.model import lmms
from loguru import logger

from mir_task.checkpoints.load import load
from mir_task.lmms.batch_size import pairs_at_a_time
from mir_task.lmms.llava_hf import LlavaHf


class LlavaPretrain(LlavaHf):  # type: ignore[misc]
    """A pre-training checkpoint in the original layout of LLaVA or AlignGPT, for ``mir`` and any benchmark.

    Args:
        pretrained: as for :func:`mir_task.checkpoints.load`, like all arguments that are not named here.
        device: where it runs; with several processes each takes the GPU of its own.
        device_map: ``auto`` spreads the model over several devices; anything else is where it runs.
        batch_size: pairs in a forward pass, of benchmarks only 1 as in llava_hf; ``auto`` is 1.
        chat_template: for benchmarks, instead of the checkpoint's own; MIR never looks at it.
        use_cache: when generating.
        max_frames_num: of a video.
        **arguments: base_llm, vision_tower, align_level, stage, conversation, merge_lora, dtype, tokenizer, or
            entries of the checkpoint's config.json, which they override.
    """

    def __init__(
        self,
        pretrained: str,
        device: str = "cuda" if torch.cuda.is_available() else "cpu",
        device_map: str = "",
        batch_size: int | str = 1,
        chat_template: str | None = None,
        use_cache: bool = True,
        max_frames_num: int = 32,
        **arguments: Any,
    ) -> None:
        lmms.__init__(self)  # llava_hf's own would load the checkpoint in its way
        loaded = load(pretrained, **arguments)
        self.accelerator = Accelerator()
        self._rank, self._world_size = self.accelerator.process_index, self.accelerator.num_processes
        if device_map == "auto":
            self._model = _spread(loaded.model)
            self._device = self._model.get_input_embeddings().weight.device
        else:
            several = self._world_size > 1 and device.startswith("cuda")
            self._device = self.accelerator.device if several else torch.device(device_map or device)
            self._model = loaded.model.to(self._device)
        self._config = self._model.config
        self._image_processor = loaded.processor
        # Padded on the left for generating, as llava_hf does it.
        self._image_processor.tokenizer.padding_side = "left"
        self._tokenizer = self._image_processor.tokenizer
        self.mir_variants = loaded.variants
        if len(loaded.variants) > 1:
            logger.info(
                f"{pretrained} is a family of {len(loaded.variants)} models; MIR is measured on each of them"
            )
        self.pretrained, self.device_map = pretrained, device_map
        self.batch_size_per_gpu = pairs_at_a_time(batch_size)
        self.chat_template = chat_template
        self.use_cache, self.max_frames_num = use_cache, max_frames_num


def _spread(model: Any) -> Any:
    """Over all devices, in whole blocks, as from_pretrained does it for ``device_map=auto``."""
    whole = list(getattr(model, "_no_split_modules", None) or [])
    whole += [name for part in model.modules() for name in getattr(part, "_no_split_modules", None) or []]
    settings = {"no_split_module_classes": sorted(set(whole)), "dtype": model.dtype}
    model.tie_weights()
    memory = get_balanced_memory(model, **settings)
    return dispatch_model(model, infer_auto_device_map(model, max_memory=memory, **settings))
