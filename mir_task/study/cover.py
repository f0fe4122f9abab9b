"""``python -m mir_task.study.cover``: the picture of the README, in light and in dark.

Left, the distance of every layer of a well and of a badly integrated model of the study, above their noise
floors. Right, MIR against the score after SFT in the paper's tables 1 to 5.
"""

from __future__ import annotations

import argparse
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import pandas as pd

from mir_task.report.figures.style import HAIRLINE, INK, MUTED, PAPER, panel
from mir_task.result import LayerResult, MIRResult

WELL, BADLY = "unlocked-all_s0", "start-8.0_s0"
"""Models of the study: the one that ``mir_demo`` is, and one whose connector starts with vectors 8 times as long."""
TASK = "mir_builtin"
SIZE = (8.4, 3.5)
"""Inches; about as wide as a README is shown."""
BLUE, ORANGE = "#1f5fa8", "#b4541a"
INDIGO, BROWN, GREEN, PURPLE, TEAL = "#5560b0", "#80681c", "#2f7d4f", "#8a3f8f", "#2b7f8a"
DARK = {
    INK: "#e6e9ec",
    MUTED: "#9aa2aa",
    HAIRLINE: "#3a4148",
    PAPER: "#0d1117",
    BLUE: "#7fb2ee",
    ORANGE: "#f0a06c",
    INDIGO: "#a6b2f5",
    BROWN: "#d9bd68",
    GREEN: "#7ccf9b",
    PURPLE: "#d69ad9",
    TEAL: "#7fd0d9",
}
"""What each colour of the light picture becomes on a dark page."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Draw the picture from published results."""
    parser = argparse.ArgumentParser(prog="python -m mir_task.study.cover", description=__doc__)
    parser.add_argument("--results", type=Path, default=Path("results"), help="holds study/ and paper/")
    parser.add_argument(
        "--output", type=Path, help="folder for the SVG files; default: figures/ in the results"
    )
    given = parser.parse_args(arguments)
    output = given.output or given.results / "figures"
    output.mkdir(parents=True, exist_ok=True)
    light = draw(
        result(given.results / "study", WELL),
        result(given.results / "study", BADLY),
        pd.read_csv(given.results / "paper" / "tables_1_to_5.csv"),
    )
    for name, svg in (("mir-light", light), ("mir-dark", darkened(light))):
        (output / f"{name}.svg").write_text(svg, encoding="utf-8")
        print(f"-> {output / name}.svg")
    return 0


def result(study: Path, name: str) -> MIRResult:
    """The published result of a model on the built-in pairs.

    Raises:
        ValueError: the folder has not exactly one.
    """
    (file,) = (study / "mir" / name).glob(f"*_mir_{TASK}.json")
    return MIRResult.load(file)


def draw(well: MIRResult, badly: MIRResult, tables: pd.DataFrame) -> str:
    """The picture for a light page, as SVG with text as paths: no font of the reader's can move it.

    Args:
        well: the lower curve.
        badly: the upper curve.
        tables: columns ``group``, ``mir`` and ``average``.
    """
    with panel(SIZE) as (figure, left), mpl.rc_context({"svg.fonttype": "path"}):
        figure.set_facecolor("none")
        grid = figure.add_gridspec(1, 2, wspace=0.06)
        left.set_subplotspec(grid[0])
        _layers(left, well, badly)
        _scores(figure.add_subplot(grid[1]), tables)
        svg = io.StringIO()
        figure.savefig(svg, format="svg", metadata={"Date": None, "Creator": None})
    return "\n".join(line.rstrip() for line in svg.getvalue().splitlines()) + "\n"


def darkened(svg: str) -> str:
    """The same picture for a dark page."""
    for light, dark in DARK.items():
        svg = svg.replace(light, dark)
    return svg


def noise_floor(layer: LayerResult) -> float:
    """The higher one of both modalities' noise floors: a distance near it says no more than noise."""
    return max(layer.noise_floor_vision or 0.0, layer.noise_floor_text or 0.0)


def _layers(axes: Any, well: MIRResult, badly: MIRResult) -> None:
    for found, paint, marker, name in ((badly, ORANGE, "s", "badly"), (well, BLUE, "o", "well")):
        at = [layer.layer for layer in found.layers]
        distance = [layer.fid for layer in found.layers]
        floor = [noise_floor(layer) for layer in found.layers]
        axes.plot(at, distance, color=paint, lw=1.8, marker=marker, ms=5)
        axes.plot(at, floor, color=paint, lw=1.1, ls=(0, (3, 2)))
        told = f"{name} integrated: MIR {found.mir:.2f}"
        axes.annotate(told, (at[1], distance[1]), (-8, 8), textcoords="offset points", color=paint)
        axes.annotate("noise floor", (at[1], floor[1]), (-8, 5), textcoords="offset points", color=paint)
    axes.set_yscale("log")
    axes.set_ylim(top=80)
    axes.set_xticks(at)
    axes.set_yticks([0.1, 1, 10], ["0.1", "1", "10"])
    axes.minorticks_off()
    axes.set_xlabel("decoder layer")
    axes.set_ylabel("distance of vision from text tokens")
    axes.set_title("What MIR sums: a distance for each layer")
    axes.grid(axis="y", color=HAIRLINE, lw=0.5)


_PLACES: dict[str, tuple[str, str, str, int, tuple[int, int], str]] = {
    "Table 1": ("caption length", INDIGO, "o", 0, (-2, 7), "left"),
    "Table 2": ("training recipe", BROWN, "s", 0, (-2, -20), "left"),
    "Table 3": ("unlocked layers", GREEN, "^", 0, (-2, 7), "left"),
    "Table 4": ("connector", PURPLE, "D", -1, (-8, -3), "right"),
    "Table 5": ("MoCa", TEAL, "v", 0, (-2, 7), "left"),
}
"""For each table: name, colour, marker, and where its name stands: at which point, how far off, on which side."""


def _scores(axes: Any, tables: pd.DataFrame) -> None:
    for group, rows in tables.groupby("group"):
        name, paint, marker, point, offset, side = _PLACES[str(group).partition(":")[0]]
        rows = rows.sort_values("mir")
        axes.plot(rows["mir"], rows["average"], color=paint, lw=1.2, marker=marker, ms=5)
        place = (rows["mir"].iloc[point], rows["average"].iloc[point])
        axes.annotate(name, place, offset, textcoords="offset points", color=paint, ha=side)
    axes.margins(x=0.12, y=0.1)
    axes.set_xlabel("MIR before SFT (lower: better integrated)")
    axes.set_ylabel("average score after SFT")
    axes.set_title("The paper: lower MIR, better score after SFT")
    axes.grid(color=HAIRLINE, lw=0.5)


if __name__ == "__main__":
    raise SystemExit(main())
