"""Reads the table of all models of a study, ``models.csv``."""

from __future__ import annotations

from pathlib import Path

import pandas as pd


def read_models(file: Path) -> pd.DataFrame:
    """A row for each complete run in each of its experiments; columns as :func:`mir_task.study.collect.collect` says.

    Variants (``note``) are names: of amounts of data alone, pandas would make ``1`` into ``1.0``.
    """
    return pd.read_csv(file, dtype={"note": str})
