"""Prints the table of supported models from the registry: ``python -m mir_task.families``."""

from __future__ import annotations

import pandas as pd

from mir_task.adapters import CROSS_ATTENTION, FAMILIES

HOW_TESTED = {
    "native class": "transformers' class",
    "own class": "this package's class",
    "stand-in": "stand-in for the remote code",
    "not tested": "not tested",
}


def table() -> pd.DataFrame:
    """Tabulate published models, one row for those that are read in the same way."""
    return pd.DataFrame(
        {
            "family": adapter.family,
            "models": systems.names,
            "`model_type`": ", ".join(f"`{name}`" for name in systems.model_types) or "-",
            "vision enters by": systems.vision,
            "vision positions by": systems.positions,
            "tested on": HOW_TESTED[systems.tested],
        }
        for adapter in FAMILIES
        for systems in adapter.systems
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
