"""Reads per-layer files: whole results of one measurement."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError

from mir_task.report.cells import LARGEST
from mir_task.report.files import ANEW, UnreadableError
from mir_task.result import MIRResult


def is_result(value: Any) -> bool:
    """Whether a JSON value is the result of a measurement."""
    return isinstance(value, dict) and "mir" in value and "layers" in value


def read_result(value: Any) -> MIRResult:
    """The result that a JSON value holds.

    Raises:
        UnreadableError: naming the field or the layer that is damaged.
    """
    try:
        result = MIRResult.model_validate(value)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise UnreadableError(f"the file is no MIR result: {where}: {first['msg']}", remedy=ANEW) from error
    for name, number in result:
        # Integers of JSON have no end; floats that are not finite are told of where they count.
        if isinstance(number, int) and not abs(number) < LARGEST:
            raise UnreadableError(f"{name} is no possible number", remedy=ANEW)
    for layer in result.layers:
        for name, number in layer:
            if number is not None and not abs(number) < LARGEST:
                raise UnreadableError(f"{name} is {number}", f"layer {layer.layer}", ANEW)
    return result
