"""Which pretrained model every fine-tuned one came from, as the user's table says."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

from mir_task.report.files import UnreadableError
from mir_task.report.names import near, resolve
from mir_task.report.records import MIRReportError, Row, listing
from mir_task.report.tables import read_columns


@dataclass(frozen=True)
class Mapping:
    """Lines of a mapping: ``pretrained``, ``finetuned`` and perhaps ``group``."""

    entries: list[dict[str, str]] = field(default_factory=list)
    unused: list[str] = field(default_factory=list)
    """What the reader should know of lines that name no model with scores, in sentences."""

    def owners(self, finetuned: str) -> list[tuple[str, str | None]]:
        """Pretrained models of a fine-tuned one, each with its group."""
        return [
            (entry["pretrained"], entry.get("group") or None)
            for entry in self.entries
            if entry["finetuned"] == finetuned
        ]

    def rows_of(self, row: Row) -> list[Row]:
        """A table's row as rows of the pretrained models, where it names a fine-tuned one; else as it is."""
        owners = [
            (owner, group) for owner, group in self.owners(self._finetuned(row.model)) if owner != row.model
        ]
        return [
            replace(row, model=owner, group=group or row.group, scored=self._finetuned(row.model))
            for owner, group in owners
        ] or [row]

    def _finetuned(self, name: str) -> str:
        """The fine-tuned model of a name; the name itself where there is none, or several."""
        try:
            return resolve(name, {entry["finetuned"] for entry in self.entries}) or name
        except MIRReportError:
            return name


def read_mapping(path: Path | None, scored: Collection[str]) -> Mapping:
    """Read a mapping; without a path an empty one.

    Args:
        path: table with the columns ``pretrained,finetuned[,group]``.
        scored: models with scores, by the names that their files give them.

    Raises:
        MIRReportError: it cannot be read, none of its fine-tuned models has scores, or one comes from two
            pretrained ones.
    """
    if path is None:
        return Mapping()
    try:
        lines = read_columns(path, ("pretrained", "finetuned"))
    except UnreadableError as error:
        raise MIRReportError(str(error.of(f"--mapping {path}"))) from error
    names = set(scored)
    entries = [
        {**line, "finetuned": resolve(line["finetuned"], names) or line["finetuned"]} for line in lines
    ]
    _refuse_two_owners(entries, path)
    absent = list(dict.fromkeys(e["finetuned"] for e in entries if e["finetuned"] not in names))
    if not absent:
        return Mapping(entries)
    hits = [f"{name} ~ {', '.join(found)}" for name in absent[:5] if (found := near(name, names))]
    said = f"{listing(absent)}" + (f"; near matches: {'; '.join(hits)}" if hits else "")
    if all(entry["finetuned"] in absent for entry in entries):
        raise MIRReportError(
            f"no fine-tuned model of the mapping has scores (--mapping {path}): {said}; name the models as their "
            "scores do"
        )
    return Mapping(entries, [f"Of the mapping's fine-tuned models {len(absent)} have no scores: {said}."])


def _refuse_two_owners(entries: Iterable[dict[str, str]], path: Path) -> None:
    """Refuse a fine-tuned model of two pretrained ones: its scores would count for both.

    Raises:
        MIRReportError: naming the three.
    """
    owners: dict[str, str] = {}
    for entry in entries:
        owner = owners.setdefault(entry["finetuned"], entry["pretrained"])
        if resolve(owner, {entry["pretrained"]}) is None:
            raise MIRReportError(
                f"the fine-tuned model {entry['finetuned']!r} comes from two pretrained ones: {owner!r} and "
                f"{entry['pretrained']!r} (--mapping {path}); correct one of the lines"
            )
