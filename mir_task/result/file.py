"""A result as a JSON file that is checked when it is read."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from mir_task.errors import MIRDataError


class Frozen(BaseModel):
    """What does not change once it is made, and has no fields but its own."""

    # Identical modalities give log10(0) = -inf, which plain JSON has no number for: written as a string.
    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="strings")


Result = TypeVar("Result", bound="ResultFile")


class ResultFile(Frozen):
    """A result that is a file of its own."""

    def save(self, path: str | Path) -> Path:
        """Write the result as JSON, making the folder if needed, and return the path."""
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self.model_dump_json(indent=2) + "\n", encoding="utf-8")
        return path

    @classmethod
    def load(cls: type[Result], path: str | Path) -> Result:
        """Read a result that :meth:`save` wrote.

        Raises:
            MIRDataError: the file cannot be read or holds no such result; the message names the file and the field.
        """
        try:
            return cls.model_validate_json(Path(path).read_text(encoding="utf-8"))
        except ValidationError as error:
            first = error.errors()[0]
            field = ".".join(map(str, first["loc"])) or "the whole of it"
            raise MIRDataError(f"{path} is no result of {cls.__name__}: {field}: {first['msg']}") from error
        except (OSError, UnicodeDecodeError) as error:
            raise MIRDataError(f"cannot read {path}: {error}") from error
