"""The rule that says where MIR's order is read, on planted checkpoints and on the published study."""

import math

import numpy as np
import pandas as pd
import pytest

from mir_task.study.readable import choices, confusion, pairs
from tests.conftest import REPOSITORY


def planted(mir, spread, score, matched=None, group="g"):
    count = len(mir)
    return pd.DataFrame(
        {
            "group": group,
            "note": [f"v{number}" for number in range(count)],
            "seed": 0,
            "mir": mir,
            "norm_matched": mir if matched is None else matched,
            "vision_spread": spread,
            "loss": np.arange(count)[::-1],
            "samples": np.arange(count),
            "average": score,
        }
    )


def test_checkpoints_that_see_ever_more_are_read_and_those_that_see_nothing_are_not():
    # The first has the lowest MIR because all its pictures look alike; from then on MIR falls as they differ more.
    models = planted([0.4, 0.7, 0.6, 0.5], [-0.5, -0.4, -0.3, -0.2], [0.4, 0.5, 0.6, 0.7])
    found = pairs(models)
    assert confusion(found) == (3, 0, 0, 3)
    assert set(found.loc[~found["readable"], "lower"]) == {"v0"}
    row = choices(models).iloc[0]
    assert not row["trusted"] and row["mir"] == pytest.approx(0.3)
    assert row["loss"] == row["samples"] == row["spread"] == 0


def test_a_fall_of_mir_by_norms_alone_is_not_read():
    shorter = planted([0.5, 1.5], [-0.1, -0.2], [0.6, 0.6], matched=[0.5, 0.4])
    assert not pairs(shorter)["readable"].any()


def test_where_the_lowest_is_read_against_all_it_is_trusted():
    models = planted([0.7, 0.6, 0.5], [-0.4, -0.3, -0.2], [0.5, 0.6, 0.7])
    assert choices(models).iloc[0]["trusted"] and confusion(pairs(models)) == (3, 0, 0, 0)


def test_seeds_are_averaged_and_experiments_kept_apart():
    models = planted([0.7, 0.5], [-0.4, -0.2], [0.5, 0.7])
    other = planted([0.6, 0.4], [-0.2, -0.4], [0.7, 0.5], group="h")
    twice = pd.concat([models, models.assign(seed=1), other])
    assert pairs(twice)["experiment"].tolist() == ["g", "h"]
    assert confusion(pairs(twice)) == (1, 0, 0, 1)


def test_the_published_study_is_what_the_rule_was_derived_on():
    counts = confusion(pairs(pd.read_csv(REPOSITORY / "results" / "study" / "models.csv")))
    # Counted by hand from the table of variants in results/study/tables.md: data scale has 28 pairs.
    assert sum(counts) == sum(math.comb(n, 2) for n in (8, 4, 7, 4, 4, 2, 5, 4, 6))
    assert counts.share_readable > 0.6 and counts.share_unreadable < 0.1
