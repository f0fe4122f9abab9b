"""LLaVA with projectors or gates that transformers' own class does not have (``mir_task.checkpoints``)."""

from mir_task.adapters.llava import LlavaAdapter
from mir_task.adapters.systems import BY_ID, OWN, Systems


class LlavaPretrainAdapter(LlavaAdapter):
    """Reads these as LLaVA; AlignGPT's align vector stands before the image, so it is of neither modality."""

    systems = (
        Systems(
            "pre-training checkpoints with connectors of their own, AlignGPT",
            ("llava_pretrain",),
            "scatter",
            BY_ID,
            OWN,
        ),
    )
