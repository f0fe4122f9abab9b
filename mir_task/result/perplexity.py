"""The perplexity of captions."""

from __future__ import annotations

from pydantic import Field

from mir_task.result.file import ResultFile
from mir_task.result.protocol import Protocol


class CaptionPerplexity(ResultFile):
    """exp of the mean negative log-likelihood of a caption's tokens given image and the tokens before. Lower is better.

    Comparable only between models of one tokenizer: a token of another vocabulary is another amount of text.
    """

    schema_version: int = 1
    caption_ppl: float = Field(description="perplexity over all tokens of all captions together")
    standard_error: float | None = Field(
        description="standard error of caption_ppl, by bootstrap over pairs; null where not finite"
    )
    pairs: int
    tokens: int = Field(description="caption tokens, of which each is predicted once")
    nll: list[float] = Field(
        description="summed negative log-likelihood of each caption, in nats, in the pairs' order"
    )
    model: str
    protocol: Protocol | None = None
