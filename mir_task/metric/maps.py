"""The optimal maps between two Gaussians, which differentiate the trace of the root."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor


class Maps(NamedTuple):
    """The optimal maps between N(0, S_a) and N(0, S_b), [d, d] each, symmetric.

    With T S_a T = S_b the derivative of the root's trace by S_a is T / 2, and by S_b it is T^-1 / 2. Of singular
    covariances these are the derivatives for changes within the range of either.
    """

    forward: Tensor
    """T, from a to b."""
    backward: Tensor
    """T^-1."""
