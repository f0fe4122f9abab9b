"""Numbers in the cells of a table; what is wrong with a cell is told by what it looks like."""

from __future__ import annotations

import math
import re
import reprlib
from collections.abc import Iterable
from typing import Any

from mir_task.report.files import UnreadableError

LARGEST = 1e100
"""Numbers beyond are damage, and would overflow in sums of squares."""
MISSING = ("", "-", "\u2013", "\u2014", "na", "n/a", "nan", "null", "none")
REMEDIES = (
    (r"[-+]?\d{1,3}(,\d{3})+(\.\d+)?", "write the number without a comma"),
    (r"[-+]?\d+,\d+", "write decimals with a point"),
    (r"[-+]?[\d._]+", "write the number in digits and a point alone"),
    (r"[-+]?[\d.,]+\s*%", "write the number without the per cent sign"),
    (
        r".*\d\s*(±|\+/-|\+-|\().*",
        "write the number alone, and its standard error in a column of its own (…_stderr)",
    ),
)
"""What to do about cells of a form that is often met."""
LEAVE_EMPTY = "leave the cell empty where the number is missing"


def is_missing(value: Any) -> bool:
    """Whether a cell says that there is no value."""
    if isinstance(value, float):
        return math.isnan(value)  # as pandas writes a missing number to JSON
    return value is None or (isinstance(value, str) and value.strip().lower() in MISSING)


def text(value: Any) -> str:
    """The words of a cell without blanks around them; the number zero, which JSON may hold, is one."""
    return "" if value is None else str(value).strip()


def is_text(values: Iterable[Any]) -> bool:
    """Whether cells hold words alone: none of them looks like a number, well written or not."""
    filled = [text(value) for value in values if not is_missing(value)]
    return bool(filled) and not any(re.match(r"[-+.,\d½]|nan|inf", value, re.IGNORECASE) for value in filled)


def number(value: Any, place: str) -> float | None:
    """The number in a cell; None where it is missing.

    Args:
        value: as csv or JSON gives it.
        place: line and column, for the message.

    Raises:
        UnreadableError: it is no number, or none that can be.
    """
    if is_missing(value):
        return None
    # Python reads 1_0 as ten.
    readable = "_" not in value if isinstance(value, str) else type(value) in (int, float)
    try:
        found = float(value) if readable else None
    except (ValueError, OverflowError):
        found = None
    if found is None or not abs(found) < LARGEST:
        raise UnreadableError(f"{reprlib.repr(value)} is not a usable number", place, _remedy(value))
    return found


def _remedy(value: Any) -> str:
    written = value.strip() if isinstance(value, str) else ""
    return next((remedy for form, remedy in REMEDIES if re.fullmatch(form, written)), LEAVE_EMPTY)
