"""lmms-eval's class ``vila`` as it is in 0.7.3, around a tiny LLaVA instead of VILA's own code.

It takes videos only. On a picture its reader fails, which it catches and logs, and it goes on with black frames, as
many as the model wants of a video. Its prompt has a placeholder a frame; nothing it has takes both image and text.
"""

import logging

import torch
from lmms_eval.api.model import lmms
from PIL import Image

eval_logger = logging.getLogger("lmms-eval")


class VideoReader:
    """decord's, as far as a picture gets."""

    def __init__(self, uri, ctx=None):
        raise TypeError(f"Don't know how to handle type {type(uri)}")


class VILA(lmms):
    def __init__(self, model, processor, max_frames_num=100, batch_size=1):
        super().__init__()
        self._model, self._tokenizer = model, processor.tokenizer
        self._image_processor = processor.image_processor
        self._expand = processor  # VILA's own code puts the rows of an image in its placeholder's place
        self._config = self._model.config
        self.model.eval()
        self.max_frames_num = max_frames_num
        self.batch_size_per_gpu = int(batch_size)
        self.use_cache = True
        self._device = torch.device("cpu")

    @property
    def config(self):
        return self._config

    @property
    def tokenizer(self):
        return self._tokenizer

    @property
    def model(self):
        if hasattr(self, "accelerator"):
            return self.accelerator.unwrap_model(self._model)
        return self._model

    @property
    def batch_size(self):
        return self.batch_size_per_gpu

    @property
    def device(self):
        return self._device

    def load_video(self, video_path, max_frames_num):
        try:
            vr = VideoReader(video_path, ctx="cpu")
            return [Image.fromarray(frame) for frame in vr.get_batch(range(max_frames_num))]
        except Exception as e:
            eval_logger.error(f"Failed to load video {video_path} with error: {e}")
            return [Image.new("RGB", (448, 448), (0, 0, 0))] * max_frames_num

    def flatten(self, input):
        return [j for i in input for j in i]

    def loglikelihood(self, requests):
        raise NotImplementedError

    def generate_until_multi_round(self, requests):
        raise NotImplementedError("TODO: Implement multi-round generation")

    def generate_until(self, requests):
        res = []
        for contexts, gen_kwargs, doc_to_visual, doc_id, task, split in [reg.args for reg in requests]:
            visuals = self.flatten([doc_to_visual(self.task_dict[task][split][doc_id])])
            images = []
            for visual in visuals:
                images += self.load_video(visual, self.model.config.num_video_frames)
            qs = ("<image>\n") * len(images) + f"<video>\n {contexts}"
            inputs = self._expand(images=images, text=f"USER: {qs} ASSISTANT:", return_tensors="pt")
            inputs.pop("token_type_ids", None)  # of transformers 4.57's tokenizers; VILA's own code has none
            with torch.inference_mode():
                output_ids = self.model.generate(
                    **inputs.to(self._device),
                    use_cache=self.use_cache,
                    do_sample=gen_kwargs["temperature"] > 0,
                    max_new_tokens=gen_kwargs["max_new_tokens"],
                )
            res.append(self.tokenizer.batch_decode(output_ids, skip_special_tokens=True)[0].strip())
        return res
