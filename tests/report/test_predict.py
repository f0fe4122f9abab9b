"""Predicted scores of checkpoints that were not fine-tuned yet."""

import math
from dataclasses import replace

import numpy as np
import pytest
import statsmodels.api as sm
from scipy import stats

from mir_task.bench.worlds import checkpoint
from mir_task.report.checkpoint import Comparison
from mir_task.report.predict import MIN_SCORED, excess, interval_around_mean, prediction_interval, predictions

X = np.array([3.1, 2.7, 3.4, 2.9, 3.0, 3.6])
Y = np.array([60.1, 63.0, 58.2, 61.5, 62.2, 58.2])


def group(n=6, new=2.8, **fields):
    """``n`` models with scores, and a new one without."""
    known = [checkpoint(f"m{i}", "g", X[i], Y[i]) for i in range(n)]
    return Comparison([*known, checkpoint("new", "g", new, **fields)], [])


def closed_form(at):
    """The textbook prediction interval."""
    line = stats.linregress(X, Y)
    residual = Y - line.intercept - line.slope * X
    variance = (residual**2).sum() / 4 * (1 + 1 / 6 + (at - X.mean()) ** 2 / ((X - X.mean()) ** 2).sum())
    value, width = line.intercept + line.slope * at, stats.t.ppf(0.975, 4) * variance**0.5
    return value, (value - width, value + width)


@pytest.mark.parametrize("at", [2.8, 5.0])
def test_prediction_is_that_of_the_textbook(at):
    value, interval = closed_form(at)
    (found,) = predictions(group(new=at))
    assert (found.predicted, found.n) == (pytest.approx(value), 6)
    assert found.interval == pytest.approx(interval)
    assert found.inside == (at < 3.6)


def test_a_model_with_a_score_is_not_predicted():
    assert [p.model for p in predictions(group())] == ["new"]


def test_too_few_scored_models_predict_nothing():
    assert len(predictions(group(MIN_SCORED))) == 1
    assert predictions(group(MIN_SCORED - 1)) == []


def test_models_of_one_mir_predict_nothing():
    comparison = group()
    alike = [replace(c, mir=2.0) for c in comparison.checkpoints[:-1]]
    assert predictions(Comparison([*alike, comparison.checkpoints[-1]], [])) == []


def test_noise_of_the_new_mir_beyond_that_of_the_others_widens_the_interval():
    known = [replace(c, standard_error=0.3) for c in group().checkpoints[:-1]]
    new = checkpoint("new", "g", 2.8, standard_error=math.hypot(0.3, 0.5))
    (plain,), (noisy,) = predictions(group()), predictions(Comparison([*known, new], []))
    slope = stats.linregress(X, Y).slope

    def variance(interval, freedom):
        return ((interval[1] - interval[0]) / 2 / stats.t.ppf(0.975, freedom)) ** 2

    before = variance(plain.interval, 4)
    freedom = 4 * ((before + slope**2 * 0.25) / before) ** 2
    assert variance(noisy.interval, freedom) == pytest.approx(before + slope**2 * 0.25)


def test_noise_that_all_models_share_is_in_the_line_already():
    alike = [replace(c, standard_error=0.5) for c in group().checkpoints]
    assert predictions(Comparison(alike, []))[0].interval == pytest.approx(predictions(group())[0].interval)


def test_a_perfect_line_predicts_without_error():
    value, interval = prediction_interval(np.arange(5.0), 3 * np.arange(5.0), 7.0)
    assert value == pytest.approx(21) and interval == pytest.approx((21, 21))


@pytest.mark.usefixtures("undrawn")
def test_a_checkpoint_without_a_score_is_predicted_in_the_report(workshop, falling):
    rows = [*falling(6), {"model": "new", "mir": 1.0, "gqa": ""}]
    workshop.report(workshop.table(rows))
    (found,) = workshop.regression.predictions
    assert (found.model, found.inside) == ("new", False)
    assert found.predicted == pytest.approx(70)
    assert any(
        "new lies outside the range of the models that have a score" in n for n in workshop.regression.notes
    )


def test_without_a_predictor_another_score_lies_around_the_mean():
    line = sm.OLS(Y, np.ones(6)).fit().get_prediction([1.0]).summary_frame()
    value, interval = interval_around_mean(Y)
    assert value == pytest.approx(line["mean"].item())
    assert interval == pytest.approx((line["obs_ci_lower"].item(), line["obs_ci_upper"].item()))


def test_the_noise_beyond_that_of_the_scored_ones_counts_only_where_both_are_known():
    scored = [checkpoint("a", "g", 2.0, 50.0, standard_error=0.3), checkpoint("b", "g", 2.1, 51.0)]
    noisy, unknown = checkpoint("new", "g", 2.2, standard_error=0.5), checkpoint("new", "g", 2.2)
    assert excess(noisy, scored) == pytest.approx(0.25 - 0.09)
    assert excess(noisy, scored[1:]) == excess(unknown, scored) == 0
    assert excess(scored[0], [noisy]) == 0
