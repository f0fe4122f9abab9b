"""What tells two prompts apart: a hash of the code and the settings that build them."""

from __future__ import annotations

import hashlib
import inspect
from typing import Any

__all__ = ["fingerprint"]


def fingerprint(*parts: Any) -> str:
    """SHA-256, as hexadecimal digits, of texts and of the source of functions and classes.

    Args:
        parts: strings are hashed as they are, anything else by its source.
    """
    texts = (part if isinstance(part, str) else inspect.getsource(part) for part in parts)
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()
