"""Prints the table of supported models from the registry: ``python -m mir_task.families``."""

from __future__ import annotations

import pandas as pd

from mir_task.adapters import CROSS_ATTENTION, FAMILIES
from mir_task.adapters.recipes import RECIPES


def table() -> pd.DataFrame:
    """Tabulate published models, one row for those that are read in the same way."""
    rows = [(adapter.family, systems) for adapter in FAMILIES for systems in adapter.systems]
    rows += [("recipe", recipe.systems) for recipe in RECIPES]
    return pd.DataFrame(
        {
            "family": family,
            "models": systems.names,
            "`model_type` or class": ", ".join(f"`{name}`" for name in systems.model_types) or "-",
            "given with": systems.given,
            "vision enters by": systems.vision,
            "vision positions by": systems.positions,
            "tested on": systems.tested,
        }
        for family, systems in rows
    )


def markdown() -> str:
    """Write the table in Markdown, for a README."""
    rows = table()
    lines = [list(rows.columns), ["---"] * len(rows.columns), *rows.itertuples(index=False)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def main() -> None:
    """Print the table."""
    print(markdown())
    print(f"\nRefused, since vision enters by cross-attention alone: {', '.join(CROSS_ATTENTION)}.")


if __name__ == "__main__":
    main()
