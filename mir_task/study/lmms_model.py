"""The lmms-eval model ``mir_study``: llava_hf for checkpoints of the study, whatever their connector."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

from tqdm import trange
from transformers import AutoConfig

from mir_task.lmms.batch_size import pairs_at_a_time
from mir_task.lmms.llava_hf import llava_hf
from mir_task.study.connectors import llava_class
from mir_task.study.model import restore_moca

BATCH = 50


class MirStudy(llava_hf.LlavaHf):  # type: ignore[misc]
    """A checkpoint of the study.

    Args:
        pretrained: name of the checkpoint, and of the model in results.
        folder: folder that holds the checkpoint.
        device: where it runs.
        batch_size: pairs of MIR in a forward pass; ``auto`` is 1.
        **kwargs: further arguments of lmms-eval's llava_hf.
    """

    def __init__(
        self,
        pretrained: str,
        folder: str = ".",
        device: str = "cpu",
        batch_size: int | str = 1,
        **kwargs: Any,
    ) -> None:
        path = Path(folder, pretrained)
        native = llava_hf.model_map["llava"]
        # The class that saved it: transformers renames weights by class.
        llava_hf.model_map["llava"] = llava_class(AutoConfig.from_pretrained(path))
        try:
            super().__init__(
                pretrained=str(path),
                device=device,
                device_map=device,
                batch_size=pairs_at_a_time(batch_size),
                **kwargs,
            )
        finally:
            llava_hf.model_map["llava"] = native
        restore_moca(self._model, path)
        self._model.config._name_or_path = self.pretrained = pretrained

    def generate_until(self, requests: list[Any]) -> list[str]:
        """Greedy answers to questions about one image each, many at once.

        llava_hf takes one question at a time, which costs models this small nearly all of their time. Prompts are
        the same, and so are answers but for rounding.
        """
        answers: list[str] = []
        for first in trange(0, len(requests), BATCH, desc="answers", unit="batch"):
            answers += self._answers([request.args for request in requests[first : first + BATCH]])
        return answers

    def _answers(self, arguments: list[tuple[Any, ...]]) -> list[str]:
        texts, images = [], []
        for context, _, doc_to_visual, doc_id, task, split in arguments:
            (image,) = doc_to_visual(self.task_dict[task][split][doc_id])
            messages = [{"role": "user", "content": f"{llava_hf.DEFAULT_IMAGE_TOKEN}\n{context}"}]
            texts.append(
                self.tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
            )
            images.append(image)
        inputs = self._image_processor(images=images, text=texts, return_tensors="pt", padding=True)
        tokens = self.model.generate(
            **inputs.to(self._device),
            do_sample=False,
            max_new_tokens=max(settings["max_new_tokens"] for _, settings, *_ in arguments),
            pad_token_id=self.eot_token_id,
            eos_token_id=self.eot_token_id,
        )
        answers = self.tokenizer.batch_decode(
            tokens[:, inputs["input_ids"].shape[-1] :], skip_special_tokens=True
        )
        return cast(list[str], answers)
