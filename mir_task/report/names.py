"""Which names mean one model, what is nearly it, and how a name is shown."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable

from mir_task.report.records import MIRReportError, listing


def resolve(name: str, known: Collection[str]) -> str | None:
    """The known name of the same model; None if there is none.

    It is the same name, or the only known path that ends in this one or that this one ends in.

    Raises:
        MIRReportError: several could be meant.
    """
    if name in known:
        return name
    alike = [other for other in known if _ends_alike(_components(name), _components(other))]
    if len(alike) > 1:
        raise MIRReportError(
            f"the model {name!r} could be any of {', '.join(sorted(alike))}; write more of its path"
        )
    return alike[0] if alike else None


def near(name: str, known: Iterable[str]) -> list[str]:
    """Known names that look like this one, the best first."""
    by_end = {other: other for other in known} | {
        _components(other)[-1]: other for other in known if _components(other)
    }
    ends = [name, *_components(name)[-1:]]
    found = [by_end[hit] for end in ends for hit in difflib.get_close_matches(end, by_end, n=3, cutoff=0.6)]
    return list(dict.fromkeys(found))


def not_found(option: str, name: str, known: Iterable[str], what: str) -> str:
    """Message that an option names nothing that there is, with what there is and what looks like it."""
    known = sorted(known)
    hits = [other for other in known if other.lower() == name.lower()] or near(name, known)
    meant = f"; near matches: {', '.join(hits)}" if hits else ""
    option = f"{option} {name}" if "=" not in option and " " not in option else f"{option}={name}"
    return f"{option}: there is no {what} of this name{meant}; there are {listing(known, 30) or 'none'}"


def labels(names: Iterable[str]) -> dict[str, str]:
    """Each name's shortest ending, in whole path components, that no other name shares."""
    names = list(dict.fromkeys(names))
    depth = dict.fromkeys(names, 1)
    while True:
        shown: dict[str, list[str]] = {}
        for name in names:
            shown.setdefault("/".join(_components(name)[-depth[name] :]) or name, []).append(name)
        longer = [
            name
            for same in shown.values()
            if len(same) > 1
            for name in same
            if depth[name] < len(_components(name))
        ]
        if not longer:
            return {name: label for label, same in shown.items() for name in same}
        for name in longer:
            depth[name] += 1


def _components(name: str) -> list[str]:
    return [part for part in name.replace("\\", "/").split("/") if part and part != "."]


def _ends_alike(a: list[str], b: list[str]) -> bool:
    shorter = min(len(a), len(b))
    return shorter > 0 and a[-shorter:] == b[-shorter:]
