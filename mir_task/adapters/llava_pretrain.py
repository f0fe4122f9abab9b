"""LLaVA with projectors or gates that transformers' own class has not (``mir_task.checkpoints``)."""

from mir_task.adapters.llava import LlavaAdapter


class LlavaPretrainAdapter(LlavaAdapter):
    """Read as LLaVA is; AlignGPT's align vector stands before the image, so it is of neither modality."""

    family = "LLaVA pre-training checkpoint"
    model_types = ("llava_pretrain",)
