"""Numbers as a reader expects them: a true minus sign, no more digits than they carry."""

from __future__ import annotations

from collections.abc import Sequence

from mir_task.report.schema import Interval

MINUS = "\u2212"
MISSING = "–"  # noqa: RUF001
WORDS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


def number(value: float | None, digits: int = 3) -> str:
    """A number with a fixed number of digits; a dash where there is none."""
    if value is None:
        return MISSING
    text = f"{value:.{digits}f}"
    if float(text) == 0:
        text = text.lstrip("-")
    return text.replace("-", MINUS)


def brief(value: float | None) -> str:
    """A number of any size with four significant digits; a dash where there is none."""
    if value is None:
        return MISSING
    return (f"{value:.0f}" if abs(value) >= 1000 else f"{value:.4g}").replace("-", MINUS)


def interval(ends: Interval | None, digits: int = 2) -> str:
    """``[low, high]``; a dash where none is claimed."""
    return MISSING if ends is None else f"[{number(ends[0], digits)}, {number(ends[1], digits)}]"


def p_value(p: float | None) -> str:
    """``0.083`` or ``< 0.001``."""
    return MISSING if p is None else "< 0.001" if p < 0.001 else f"{p:.3f}"


def p_equals(p: float | None) -> str:
    """``p = 0.083`` or ``p < 0.001``."""
    text = p_value(p)
    return f"p {text}" if text.startswith("<") else f"p = {text}"


def p_exactly(p: float) -> str:
    """``p = 0.083`` or, below a thousandth, ``p = 7e-9``."""
    if p >= 0.001:
        return f"p = {p:.3f}"
    digits, exponent = f"{p:.0e}".split("e")
    return f"p = {digits}e{int(exponent)}" if p > 0 else "p < 1e-300"


def percent_interval(ends: Interval | None) -> str:
    """``[92%, 100%]``; a dash where none is claimed."""
    return MISSING if ends is None else f"[{percent(ends[0])}, {percent(ends[1])}]"


def percent(share: float | None) -> str:
    """A share in per cent, rounded to a whole number."""
    return MISSING if share is None else f"{100 * share:.0f}%"


def count(n: int, singular: str, plural: str | None = None) -> str:
    """``one model``, ``12 models``."""
    return f"{WORDS[n] if 0 <= n < len(WORDS) else n} {singular if n == 1 else plural or singular + 's'}"


def join(names: Sequence[str]) -> str:
    """``a, b and c``."""
    names = list(names)
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}" if names else "none"


def short(groups: Sequence[str]) -> dict[str, str]:
    """Group names up to their colon, where that still tells them apart."""
    heads = [group.split(":")[0].strip() for group in groups]
    unique = len(set(heads)) == len(heads) and all(heads)
    return dict(zip(groups, heads if unique else groups, strict=True))


def sentence(text: str) -> str:
    """The text with a capital first letter."""
    return text[:1].upper() + text[1:]


def probability(value: float | None) -> str:
    """A probability in per cent that is never certain: ``over 99%``."""
    if value is None:
        return MISSING
    return "over 99%" if value > 0.995 else "under 1%" if value < 0.005 else percent(value)
