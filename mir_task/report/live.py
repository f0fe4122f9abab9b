"""What the page's script draws: charts as JSON, and the script itself with its hash."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from importlib import resources
from typing import Any

from mir_task.report.checkpoint import Checkpoint
from mir_task.report.figures.chart import Axis, Chart, Point, Series

DIGITS = 6
"""Significant digits of a number in the page."""
VENDORED = ("chart.umd.min.js", "dataTables.min.js")
OWN = ("highlight.js", "options.js", "charts.js", "leaderboard.js", "print.js")
"""In the order in which they need each other."""


def data(charts: Sequence[Chart], checkpoints: Sequence[Checkpoint]) -> dict[str, Any]:
    """The charts and the names of the models in them, which points refer to by number."""
    keys = model_keys(checkpoints)
    labels = {c.name: c.label for c in checkpoints}
    return {
        "models": [labels[name] for name in keys],
        "charts": {chart.name: _chart(chart, keys) for chart in charts},
    }


def model_keys(checkpoints: Iterable[Checkpoint]) -> dict[str, int]:
    """A number for each model; one that is in several groups has one."""
    return {name: number for number, name in enumerate(dict.fromkeys(c.name for c in checkpoints))}


def scripts() -> list[str]:
    """The texts of the page's script elements.

    Raises:
        FileNotFoundError: the package was installed without its data.
    """
    package = resources.files("mir_task.report")
    # The comment asks the developer tools for a file that the page does not have.
    vendored = [
        text.rpartition("//# sourceMappingURL=")[0] or text
        for text in ((package / "vendor" / name).read_text(encoding="utf-8") for name in VENDORED)
    ]
    own = "\n".join((package / "templates" / name).read_text(encoding="utf-8") for name in OWN)
    return [*vendored, own]


def policy(texts: Sequence[str]) -> str:
    """Content security policy: these scripts alone run, and nothing is fetched."""
    hashes = " ".join(f"'sha256-{_digest(text)}'" for text in texts)
    return f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; img-src data:"


def _digest(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _chart(chart: Chart, keys: Mapping[str, int]) -> dict[str, Any]:
    return _without_defaults(
        {
            "title": chart.title,
            "x": _axis(chart.x),
            "y": _axis(chart.y),
            "series": [_series(series, keys) for series in chart.series],
            "bands": [
                _without_defaults(
                    {
                        "points": [
                            [_short(n) for n in place] for place in zip(b.x, b.low, b.high, strict=True)
                        ],
                        "paint": b.paint,
                        "opacity": b.opacity,
                        "label": b.label,
                    }
                )
                for b in chart.bands
            ],
            "guides": [list(guide) for guide in chart.guides],
            "legend": chart.legend,
            "caption": chart.caption,
            "names": {} if chart.key else {keys[name]: label for name, label in chart.names.items()},
            "variants": {name: _chart(variant, keys) for name, variant in chart.variants.items()},
        }
    )


def _series(series: Series, keys: Mapping[str, int]) -> dict[str, Any]:
    return _without_defaults(
        {
            "label": series.label,
            "points": [_point(point, keys) for point in series.points],
            "paint": series.paint,
            "marker": series.marker,
            "line": series.line,
            "model": keys[series.model] if series.model else None,
            "hollow": series.hollow,
            "quiet": series.quiet,
        }
    )


def _axis(axis: Axis) -> dict[str, Any]:
    return _without_defaults(
        {
            "label": axis.label,
            "log": axis.log,
            "whole": axis.whole,
            "rows": list(axis.rows),
            "row": None if axis.row == 1 else axis.row,
            "low": axis.limits[0],
            "high": axis.limits[1],
            "shares": axis.shares,
        }
    )


def _point(point: Point, keys: Mapping[str, int]) -> list[Any]:
    """``[x, y, model, across, up, ringed]``, without what is missing at the end."""
    model = keys[point.model] if point.model else None
    bars = [[_short(end) for end in bar] if bar else None for bar in (point.across, point.up)]
    row = [_short(point.x), _short(point.y), model, *bars, point.ringed or None]
    while row[-1] is None:
        row.pop()
    return row


def _without_defaults(fields: dict[str, Any]) -> dict[str, Any]:
    """Without what is empty, false or unknown: most of the fields of most charts."""
    return {
        name: value
        for name, value in fields.items()
        if value is not None and value is not False and value != "" and value != [] and value != {}
    }


def _short(number: float) -> float:
    return float(f"{number:.{DIGITS}g}")
