"""What was measured and how: the pairs, the way the model was shown them, and the model."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from mir_task.result.file import Frozen


class Grading(Frozen):
    """How pairs were graded by the similarity of image and text."""

    clip: str = Field(description="CLIP model whose cosine the similarity is")
    edges: list[float] = Field(
        description="edges of the levels: quantiles of the similarity, one more than levels"
    )
    similarity: dict[str, float] = Field(description="similarity of every graded pair, by pair id")
    level: int | None = Field(
        default=None, description="level that was measured, 1 the least similar; null: all levels"
    )


class Protocol(Frozen):
    """What makes two MIR numbers comparable: the data, how it was shown to the model, the settings."""

    task: str = Field(default="custom", description="lmms-eval task, or 'custom' for pairs given directly")
    task_version: str | None = None
    images: str | None = Field(default=None, description="where the images come from, with revision")
    texts: str | None = Field(default=None, description="where the texts come from, with revision")
    paired: bool = Field(default=False, description="texts belong to their images")
    seed: int | None = Field(default=None, description="seed by which the pairs were chosen")
    pair_ids: list[str] = Field(default_factory=list, description="the measured pairs, in order")
    max_text_tokens: int | None = Field(default=None, description="texts are cut here, images never")
    template: Literal["chat_template", "plain", "user_turn"] | None = Field(
        default=None,
        description="the text as the assistant's turn of the model's own chat template; image, newline, text; or "
        "the text behind the image in the user's turn, as the model's own input pipeline builds it",
    )
    template_sha256: str | None = None
    alignment: Grading | None = Field(
        default=None, description="how pairs were graded; null where they were not"
    )
    orientation: Literal["exif"] | None = Field(
        default=None,
        description="images were turned as their EXIF says; null in files of 0.2 and before, which took them as stored",
    )


class ModelInfo(Frozen):
    """The model that was measured."""

    name: str
    model_type: str
    adapter: str
    layers: int
    hidden_size: int
    dtype: str
    parameters: int
    cross_attention: bool = Field(
        default=False,
        description="decoder layers also attend to something outside their sequence, which MIR does not see",
    )
    variant: str | None = Field(
        default=None,
        description="member of the family, where one checkpoint is several models: AlignGPT's align level",
    )
