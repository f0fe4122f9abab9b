"""Texts as text: what a tokenizer would read as a control token or a processor as a picture's place is spelled out."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from loguru import logger

MEDIA_TOKENS = ("image_token", "video_token", "audio_token", "boi_token", "eoi_token", "fake_image_token")
"""Attributes by which processors name the places of media."""
SHORTEST = 3
"""Characters of the shortest control token; some tokenizers pad with a plain exclamation mark."""


def control_tokens(processor: Any, tokenizer: Any, placeholder: str | None) -> list[str]:
    """Strings that must not be read as tokens when they stand in a text, the longest first.

    Args:
        processor: the model's processor, or its tokenizer.
        tokenizer: the model's tokenizer.
        placeholder: what stands for an image in the family's prompts; None: nothing does.
    """
    found = {placeholder, *getattr(tokenizer, "all_special_tokens", [])}
    # Added tokens that are not special (HTML tags and runs of newlines in Gemma's) are ordinary text.
    decoder = getattr(tokenizer, "added_tokens_decoder", None) or {}
    found |= {str(token) for token in decoder.values() if getattr(token, "special", False)}
    found |= {getattr(processor, name, None) for name in MEDIA_TOKENS}
    strings = {str(token) for token in found if token is not None}
    return sorted((token for token in strings if _is_control(token)), key=lambda token: (-len(token), token))


def spelled_out(text: str, tokens: Iterable[str]) -> str:
    """The text with a space behind the first character of every control token in it, so that it is read as text.

    Args:
        text: what is shown to the model.
        tokens: from :func:`control_tokens`.
    """
    found = [token for token in tokens if token in text]
    for token in found:
        text = text.replace(token, f"{token[0]} {token[1:]}")
    if found:
        logger.warning(
            f"A text contains {', '.join(map(repr, found))}, read as control tokens by this model; it is shown with "
            f"a space, as {f'{found[0][0]} {found[0][1:]}'!r}, and so as text"
        )
    return text


def _is_control(token: str) -> bool:
    return len(token) >= SHORTEST and not token[0].isalnum() and not token.isspace()
