"""Where MIR of a training goes: the turn is claimed only where noise does not make it."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mir_task.report.trainings import Training
from mir_task.report.trajectory import Point, Trajectory
from mir_task.report.turn import direction, error_of_difference, jitter, turn

DRAWS = 300


def trajectory(mir, error=0.01, left_out=None):
    points = [
        Point(
            100.0 * (i + 1),
            float(value),
            error,
            checkpoint=f"run/checkpoint-{100 * (i + 1)}",
            left_out=None if left_out is None else tuple(left_out[i]),
            choice=None if left_out is None else "pairs",
        )
        for i, value in enumerate(mir)
    ]
    return Trajectory("run", "run", tuple(points))


def share_of_turns(mean, error, scatter, seed=0):
    draws = np.random.default_rng(seed).normal(mean, scatter, (DRAWS, len(mean)))
    return np.mean([turn(trajectory(mir, error)) is not None for mir in draws])


numbers = st.floats(-2, 4).filter(lambda value: value == 0 or abs(value) > 1e-6)


@settings(max_examples=60, deadline=None)
@given(mir=st.lists(numbers, min_size=2, max_size=12), error=st.floats(0, 1), falls=st.booleans())
def test_a_monotone_trajectory_has_no_turn(mir, error, falls):
    assert turn(trajectory(sorted(mir, reverse=falls), error)) is None


@settings(max_examples=60, deadline=None)
@given(mir=st.lists(numbers, min_size=3, max_size=12), error=st.floats(1e-3, 1))
def test_a_turn_is_the_highest_point_and_lies_between_lower_ends(mir, error):
    found = turn(trajectory(mir, error))
    if found:
        highest = max(mir)
        assert mir[int(found.step / 100) - 1] == highest > max(mir[0], mir[-1])
        assert found.earliest <= found.step <= found.latest


@settings(max_examples=60, deadline=None)
@given(
    # Whole numbers and powers of two, with which arithmetic is exact.
    mir=st.lists(st.integers(-20, 20), min_size=3, max_size=12),
    error=st.floats(0.1, 10),
    up=st.integers(-50, 50),
    scale=st.sampled_from([0.25, 0.5, 2.0, 8.0]),
)
def test_neither_level_nor_unit_of_mir_changes_where_it_goes(mir, error, up, scale):
    plain = direction(trajectory(mir, error))
    assert direction(trajectory([scale * (value + up) for value in mir], scale * error)) == plain


@pytest.mark.parametrize("steps", [3, 4, 8, 30])
def test_noise_of_pairs_alone_makes_a_turn_in_at_most_one_of_twenty_trainings(steps):
    assert share_of_turns(np.full(steps, 2.0), 0.05, 0.05) <= 0.05


@pytest.mark.parametrize("steps", [5, 8, 30])
@pytest.mark.parametrize("rise", [0.0, 0.5, 3.0])
def test_nor_does_noise_of_training_three_times_that_of_pairs(steps, rise):
    assert share_of_turns(np.linspace(2, 2 + rise, steps), 0.05, 0.15) <= 0.05


@pytest.mark.parametrize("steps", [3, 5, 8, 30])
def test_a_plain_rise_and_fall_is_found(steps):
    there = 2 + 1.5 * (1 - np.abs(np.linspace(-1, 1, steps)))
    assert share_of_turns(there, 0.05, 0.05) >= 0.95


def test_the_turn_is_the_step_of_the_peak_with_the_steps_it_cannot_be_told_from():
    found = turn(trajectory([1.0, 1.3, 1.5, 1.499, 1.25, 1.0, 0.75], error=0.02))
    assert (found.step, found.earliest, found.latest) == (300, 300, 400)


@pytest.mark.parametrize(
    ("mir", "kind"),
    [
        ([1.0, 1.2, 1.4, 1.6], "rising"),
        ([1.6, 1.4, 1.2, 1.0], "falling"),
        ([1.0, 1.3, 1.6, 1.3, 1.0], "turned"),
        ([1.0, 1.005, 0.998, 1.001], "cannot tell"),
        ([1.0, 1.3, 1.29], "rising"),  # a fall within noise
        ([1.6, 1.61, 1.0], "falling"),  # a rise within noise
        ([1.6, 1.0, 1.6], "cannot tell"),
        ([1.0, 1.01], "cannot tell"),
    ],
)
def test_direction(mir, kind):
    assert direction(trajectory(mir)).kind == kind


def test_without_standard_errors_nothing_is_claimed_but_the_danger_is_named():
    unknown = trajectory([1.0, 1.4, 1.0], error=None)
    found = Training(unknown, direction(unknown))
    assert found.direction.kind == "cannot tell" and found.warns
    assert "it has no standard error" in found.sentence


# Errors of differences


def test_errors_of_other_pairs_add_as_independent_ones():
    a, b = trajectory([1.0, 1.2], error=0.03).points
    assert error_of_difference(a, b) == (pytest.approx(0.03 * math.sqrt(2)), math.inf)


def test_noise_that_two_steps_share_is_no_noise_of_their_difference():
    """Against the jackknife by definition: the estimate is the mean of ten groups' values, recomputed without each."""
    rng = np.random.default_rng(1)
    shared = rng.normal(0, 1, 10)
    own = rng.normal(0, 0.01, (2, 10))
    groups = shared + own
    left_out = [[np.delete(values, g).mean() for g in range(10)] for values in groups]
    a, b = trajectory([1.0, 1.05], error=0.3, left_out=left_out).points
    error, freedom = error_of_difference(a, b)
    difference = groups[0] - groups[1]
    assert error == pytest.approx(difference.std(ddof=1) / math.sqrt(10))  # standard error of a mean
    assert freedom == 9
    assert direction(trajectory([1.0, 1.05], 0.3, left_out)).kind == "rising"
    assert direction(trajectory([1.0, 1.05], 0.3)).kind == "cannot tell"


def test_jitter_is_the_scatter_about_a_line_whatever_the_spacing_of_steps():
    rng = np.random.default_rng(2)
    at = np.cumsum(rng.uniform(1, 50, 4000))
    mir = 3 + 0.001 * at + rng.normal(0, 0.2, len(at))
    points = tuple(Point(float(x), float(y), 0.1) for x, y in zip(at, mir, strict=True))
    assert jitter(Trajectory("run", "run", points)) == pytest.approx(0.2, rel=0.05)


def test_jitter_of_a_line_is_nothing():
    assert jitter(trajectory([1.0, 1.1, 1.2, 1.3, 1.4])) == pytest.approx(0, abs=1e-12)
    assert jitter(trajectory([1.0, 1.1, 1.2, 1.3])) is None
