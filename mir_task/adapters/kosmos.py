"""Kosmos-2, whose processor gives a mask of the image's rows."""

from torch import Tensor

from mir_task.adapters.base import Adapter, Inputs
from mir_task.adapters.systems import NATIVE, Systems


class KosmosAdapter(Adapter):
    """Kosmos-2: resampled queries overwrite token rows inside the stack, where positions are added too."""

    family = "Kosmos"
    systems = (
        Systems(
            "Kosmos-2",
            ("kosmos-2",),
            "overwrite in the stack",
            "processor's mask and provenance",
            NATIVE,
        ),
    )
    image_prompt = ""  # the processor puts the image first by itself

    def vision_mask(self, inputs: Inputs) -> Tensor:
        """The processor's mask; the ids there are those of ordinary tokens."""
        mask: Tensor = inputs["image_embeds_position_mask"][0].bool()
        return mask
