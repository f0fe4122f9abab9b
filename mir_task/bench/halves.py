"""Operations of products of which a half is known, or zero, and left out block by block."""

from __future__ import annotations

MAX_TRIANGLE_BLOCKS, MIN_TRIANGLE_BLOCK = 32, 128
MAX_BLOCKS, MIN_BLOCK = 8, 256


def triangle(d: int) -> int:
    """Numbers of a scatter matrix's triangle [d, d], whose blocks on the diagonal are whole."""
    size = max(d // MAX_TRIANGLE_BLOCKS, MIN_TRIANGLE_BLOCK)
    # A block of products holds several of the triangle's.
    parts = [
        (start + s, start + e) for start, stop in _wide_blocks(d) for s, e in _blocks(stop - start, size)
    ]
    return sum((stop - start) * stop for start, stop in parts)


def _blocks(d: int, size: int) -> list[tuple[int, int]]:
    return [(start, min(start + size, d)) for start in range(0, d, size)]


def _wide_blocks(d: int) -> list[tuple[int, int]]:
    return _blocks(d, max(d // MAX_BLOCKS, MIN_BLOCK))


def factors_product(d: int) -> int:
    """Operations of L_a^T L_b [d, d], without the blocks that are zero."""
    blocks = _wide_blocks(d)
    return sum(2 * (e - s) * (f - t) * (d - max(s, t)) for s, e in blocks for t, f in blocks)


def congruence(d: int) -> int:
    """Operations of the lower triangle of L^T S L [d, d]."""
    blocks = _wide_blocks(d)
    right = sum(2 * d * (d - s) * (e - s) for s, e in blocks)
    return right + sum(2 * (f - t) * (d - t) * (e - s) for s, e in blocks for t, f in blocks if t >= s)


def gram(d: int) -> int:
    """Operations of M M^T [d, d], its lower triangle."""
    return sum(2 * (e - s) * d * e for s, e in _wide_blocks(d))


def lower_product(d: int) -> int:
    """Operations of L M [d, d] for a triangle L."""
    return sum(2 * (e - s) * e * d for s, e in _wide_blocks(d))
