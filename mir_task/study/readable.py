"""``python -m mir_task.study.readable``: where "lower is better" can be read off MIR, by its companions alone.

The rule was derived on the study with a language model of one million weights and fixed before any score of the study
around SmolLM2 was known. There, early in training, MIR is low because the connector gives every picture nearly the same
vectors; whatever lowers MIR in that way also makes the variance of vision rows small. So the order of two checkpoints
is read only where the one of lower MIR has vision rows of *larger* variance, and lower MIR with matched norms too.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from mir_task.study.judge import variant_means
from mir_task.study.table import read_models

SCORE = "average"


class Confusion(NamedTuple):
    """Numbers of pairs of variants by what the rule says and whether lower MIR has the better score after SFT."""

    readable_right: int
    readable_wrong: int
    unreadable_right: int
    unreadable_wrong: int

    @property
    def share_readable(self) -> float:
        """Share in order among the pairs that are read; NaN without any."""
        return _share(self.readable_right, self.readable_wrong)

    @property
    def share_unreadable(self) -> float:
        """Share in order among the others."""
        return _share(self.unreadable_right, self.unreadable_wrong)


def readable(lower: pd.Series, higher: pd.Series) -> bool:
    """Whether the rule lets the order of two checkpoints be read off their MIR.

    Args:
        lower: numbers of the one of lower MIR, by the names of ``models.csv``: ``vision_spread`` (log10 of the variance
            of vision rows to that of text rows, mean over layers) and ``norm_matched``.
        higher: the same of the other.
    """
    return bool(
        lower["vision_spread"] > higher["vision_spread"] and lower["norm_matched"] < higher["norm_matched"]
    )


def pairs(models: pd.DataFrame) -> pd.DataFrame:
    """Every two variants of an experiment, seeds averaged.

    Columns: ``experiment``; ``lower``, ``higher``: the variants by their MIR; ``readable``; ``right``: the one of lower
    MIR has the better score.
    """
    rows = []
    for experiment, runs in models.groupby("group", sort=False):
        means = variant_means(runs)
        for two in combinations(means.index, 2):
            lower, higher = sorted(two, key=lambda variant: means.loc[variant, "mir"])
            first, second = means.loc[lower], means.loc[higher]
            right = bool(first[SCORE] > second[SCORE])
            rows.append((experiment, lower, higher, readable(first, second), right))
    return pd.DataFrame(rows, columns=["experiment", "lower", "higher", "readable", "right"])


def confusion(found: pd.DataFrame) -> Confusion:
    """Count what :func:`pairs` found."""
    read, right = found["readable"], found["right"]
    return Confusion(
        int((read & right).sum()),
        int((read & ~right).sum()),
        int((~read & right).sum()),
        int((~read & ~right).sum()),
    )


def choices(models: pd.DataFrame) -> pd.DataFrame:
    """What each way of choosing a variant loses against the best one, by experiment, in units of the score.

    Columns: ``experiment``; ``trusted``: the lowest MIR is readable against every other variant; ``mir``, ``loss`` (of
    stage 1), ``samples`` (the longest training): points lost by choosing so; ``spread``: by the largest variance.
    """
    rows = []
    for experiment, runs in models.groupby("group", sort=False):
        means = variant_means(runs)
        first = int(means["mir"].argmin())
        lowest = means.iloc[first]
        others = [means.iloc[place] for place in range(len(means)) if place != first]
        chosen = {
            "mir": means.index[first],
            "loss": means["loss"].idxmin(),
            "samples": means["samples"].idxmax(),
            "spread": means["vision_spread"].idxmax(),
        }
        rows.append(
            {
                "experiment": experiment,
                "trusted": all(readable(lowest, other) for other in others),
                **{way: means[SCORE].max() - means[SCORE][variant] for way, variant in chosen.items()},
            }
        )
    return pd.DataFrame(rows)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the rule's confusion table on a study, and what choices lose."""
    parser = argparse.ArgumentParser(prog="python -m mir_task.study.readable", description=__doc__)
    parser.add_argument("models", type=Path, nargs="?", default=Path("results/study/models.csv"))
    models = read_models(parser.parse_args(arguments).models)
    found = pairs(models)
    for name, some in [*found.groupby("experiment", sort=False), ("all", found)]:
        counts = confusion(some)
        print(
            f"{name}: read {counts[0]} of {counts[0] + counts[1]} right ({counts.share_readable:.0%}), "
            f"not read {counts[2]} of {counts[2] + counts[3]} ({counts.share_unreadable:.0%})"
        )
    print(choices(models).round(3).to_string(index=False))
    return 0


def _share(right: int, wrong: int) -> float:
    return right / (right + wrong) if right + wrong else float("nan")


if __name__ == "__main__":
    raise SystemExit(main())
