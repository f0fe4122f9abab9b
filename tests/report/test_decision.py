"""Which checkpoint to choose, and how sure that is."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize, stats

from mir_task.report.checkpoint import Checkpoint
from mir_task.report.concordance import by_chance
from mir_task.report.decision.best import chances, smallest_set
from mir_task.report.decision.outlook import of_mir, of_predictions, of_scores
from mir_task.report.decision.power import least_recipes, power, recipes_needed
from mir_task.report.decision.rules import decide
from mir_task.report.decision.telling import Telling
from mir_task.report.predict import prediction_interval
from mir_task.report.records import Run
from mir_task.report.schema import Against

PERCENT = 0.01


def checkpoint(name, mir, score=None, se=None, error=None, group="g", **extras):
    return Checkpoint(
        name=f"org/{name}",
        label=name,
        group=group,
        mir=mir,
        standard_error=se,
        spread=None,
        pairs=100,
        runs=(),
        average=score,
        average_error=error,
        extras=extras,
    )


def group(mirs, scores=None, se=None, error=None, name="g", prefix="m", **extras):
    scores = [None] * len(mirs) if scores is None else scores
    return [
        checkpoint(
            f"{prefix}{i}", mir, score, se, error, name, **{key: values[i] for key, values in extras.items()}
        )
        for i, (mir, score) in enumerate(zip(mirs, scores, strict=True))
    ]


def labels(decision):
    return [name.removeprefix("org/") for name in decision.recommended]


# Probability of the best


@pytest.mark.parametrize("apart", [0.0, 0.5, 1.0, 3.0])
def test_of_two_the_probability_of_the_lowest_mir_is_students_law_of_their_difference(apart):
    members = [checkpoint("a", 2.0, se=0.3), checkpoint("b", 2.0 + apart * 0.5, se=0.4)]
    found = chances(of_mir(members)).p_best
    # Ten groups of pairs are behind a standard error where nothing else is said.
    assert found[0] == pytest.approx(stats.t.cdf(apart, 9), abs=PERCENT)


def test_of_few_training_seeds_the_lowest_mir_is_less_sure():
    seeds = tuple(Run("m", {"mir": 2.0}, "") for _ in range(2))
    members = [replace(c, standard_error=1e-6, spread=0.3, runs=seeds) for c in group([2.0, 2.6], se=0.1)]
    # Each mean has the variance 0.09 / 2, known with two degrees of freedom: one of each model's two seeds.
    assert chances(of_mir(members)).p_best[0] == pytest.approx(stats.t.cdf(0.6 / 0.3, 2), abs=PERCENT)


@pytest.mark.parametrize("apart", [0.0, 1.0, 2.5])
def test_of_two_the_expected_loss_is_that_of_two_normal_numbers(apart):
    # E max(0, D) of D ~ N(d, s): d Phi(d / s) + s phi(d / s); choosing the second loses that.
    members = [checkpoint("a", 1, 50.0 + apart, error=0.6), checkpoint("b", 2, 50.0, error=0.8)]
    found = chances(of_scores(members))
    gain = apart * stats.norm.cdf(apart) + stats.norm.pdf(apart)
    assert found.expected_loss == pytest.approx([gain - apart, gain], abs=0.015)


def test_of_three_alike_each_is_best_in_a_third():
    found = chances(of_mir(group([2.0, 2.0, 2.0], se=0.1)))
    assert found.p_best == pytest.approx([1 / 3] * 3, abs=PERCENT)


def test_few_runs_of_sft_make_the_best_score_less_sure():
    members = group([1, 2], [52.0, 50.0], error=0.5)
    few = [Checkpoint(**{**vars(c), "average_freedom": 1.0}) for c in members]
    assert chances(of_scores(few)).p_best[0] < chances(of_scores(members)).p_best[0] - 0.1


def test_a_shared_error_of_the_pairs_does_not_blur_a_difference(monkeypatch):
    shared = np.full((2, 2), 0.09) + np.diag([1e-6, 1e-6])
    monkeypatch.setattr("mir_task.report.decision.outlook.error_covariance", lambda _: shared)
    assert chances(of_mir(group([2.0, 2.1], se=0.3))).p_best[0] == 1


@settings(deadline=None, max_examples=30)
@given(
    mirs=st.lists(st.floats(1, 4), min_size=2, max_size=6),
    se=st.floats(0.01, 1),
    shift=st.floats(-3, 3),
    data=st.data(),
)
def test_probabilities_sum_to_one_and_neither_names_nor_a_constant_matter(mirs, se, shift, data):
    found = chances(of_mir(group(mirs, se=se)))
    assert found.p_best.sum() == pytest.approx(1) and (found.expected_loss >= 0).all()
    shifted = chances(of_mir(group([mir + shift for mir in mirs], se=se)))
    assert shifted.p_best == pytest.approx(found.p_best, abs=1e-3)
    order = data.draw(st.permutations(range(len(mirs))))
    permuted = chances(of_mir(group([mirs[i] for i in order], se=se)))
    assert permuted.p_best == pytest.approx(found.p_best[list(order)], abs=0.02)


@settings(deadline=None, max_examples=50)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=8).filter(sum))
def test_a_set_reaches_its_probability_with_the_fewest(weights):
    p = np.array(weights) / sum(weights)
    draws = np.repeat(np.eye(len(p)), np.round(1000 * p).astype(int) + 1, axis=0)
    found = chances(draws)
    chosen = smallest_set(found)
    assert found.p_best[chosen].sum() >= 0.95 - 1e-12
    fewest = next(n for n in range(1, len(p) + 1) if np.sort(found.p_best)[::-1][:n].sum() >= 0.95 - 1e-12)
    assert len(chosen) == fewest


# Predictions


def test_each_prediction_has_the_prediction_interval_of_least_squares():
    random = np.random.default_rng(3)
    x = random.normal(2, 0.3, 7)
    y = 60 - 4 * x + random.normal(0, 1, 7)
    members = [*group(list(x), list(y)), checkpoint("new", 1.2)]
    draws = of_predictions(members, Telling("mir", "lower", "tells"))[:, -1]
    predicted, ends = prediction_interval(x, y, 1.2)
    assert np.median(draws) == pytest.approx(predicted, abs=0.05)
    assert np.quantile(draws, [0.025, 0.975]) == pytest.approx(ends, abs=0.15)


def test_without_a_predictor_the_prediction_is_the_interval_around_the_mean():
    y = np.array([50.0, 51.0, 53.0, 54.5, 52.0, 49.0])
    members = [*group([2.0] * 6, list(y)), checkpoint("new", 9.0)]
    draws = of_predictions(members, None)[:, -1]
    ends = stats.t.interval(0.95, 5, y.mean(), y.std(ddof=1) * math.sqrt(7 / 6))
    assert np.quantile(draws, [0.025, 0.975]) == pytest.approx(ends, abs=0.15)


# Before any score


def test_before_any_score_the_lowest_mir_is_chosen_and_called_untested():
    found = decide({"g": group([2.0, 2.5, 3.0], se=0.05)})
    assert (labels(found), found.kind, found.by, found.mir) == (["m0"], "one", "mir", "not tested")
    assert found.p_lowest_mir > 0.99
    assert found.p_best is None and found.expected_loss is None
    assert found.sentence == (
        "Choose m0, which has the lowest MIR (P over 99% that it truly is); no score has tested here whether lower MIR "
        "is better after SFT."
    )
    assert "fine-tune and score at least 4 checkpoints" in found.rests_on[0]
    assert found.recipes_needed == 13


def test_models_that_cannot_be_told_apart_are_a_set():
    found = decide({"g": group([2.0, 2.01, 3.0], se=0.05)})
    assert (labels(found), found.kind) == (["m0", "m1"], "set")
    assert "m0 or m1, whose MIR cannot be told apart" in found.sentence


def test_without_standard_errors_no_probability_is_given():
    found = decide({"g": group([2.0, 2.5, 3.0])})
    assert (labels(found), found.p_lowest_mir) == (["m0"], None)
    assert "how sure is not known, since MIR has no standard errors" in found.sentence
    assert all(candidate.p_lowest_mir is None for candidate in found.candidates)


def test_one_missing_standard_error_is_enough_to_give_no_probability():
    members = [*group([2.0, 2.5], se=0.1), checkpoint("odd", 3.0)]
    assert decide({"g": members}).p_lowest_mir is None


def test_exact_ties_without_standard_errors_are_recommended_together():
    found = decide({"g": group([2.0, 2.0, 3.0])})
    assert (labels(found), found.kind) == (["m0", "m1"], "set")


def test_one_model_is_nothing_to_choose():
    found = decide({"g": group([2.0], se=0.1)})
    assert (found.kind, found.recommended) == ("not told", [])
    assert found.sentence == "One model, so there is nothing to choose: the MIR of m0 is 2.000 ± 0.100."


def test_a_few_groups_are_named_each():
    found = decide({name: group([2, 3], se=0.01, name=name, prefix=name) for name in ("a", "b")})
    assert found.sentence.startswith("Choose a0 in a, b0 in b (the lowest MIR);")
    assert labels(found) == ["a0", "b0"]


def test_sixty_groups_stay_one_readable_sentence():
    found = decide(
        {
            f"group {i}": group([2, 2 + i % 2, 4], se=0.01, name=f"group {i}", prefix=f"{i}/")
            for i in range(60)
        }
    )
    assert len(found.sentence) < 220
    assert "the lowest MIR in each of 60 groups, which is one checkpoint in 30" in found.sentence
    assert len(found.candidates) == 180


# All scored: MIR is judged

FALLING = [60.0, 59.0, 58.0, 57.0, 56.0, 55.0]
MIRS = [2.0, 2.1, 2.2, 2.3, 2.4, 2.5]
MIXED = [57.0, 60.0, 55.0, 59.0, 56.0, 58.0]
MANY_MIRS = [2 + n / 10 for n in range(14)]
MANY_MIXED = [57.0, 60.0, 55.0, 59.0, 56.0, 58.0, 57.5, 55.5, 59.5, 56.5, 58.5, 54.0, 57.2, 58.2]


def test_where_mir_tells_the_sentence_says_so_and_names_the_best():
    found = decide({"g": group(MIRS, FALLING, error=0.1)})
    assert (found.mir, found.by, labels(found), found.instead) == ("tells", "scores", ["m0"], None)
    assert found.sentence == (
        "MIR tells here (100% of 15 pairs in order, p = 0.001): m0, the lowest MIR, is best after SFT (P over 99%)."
    )
    assert found.p_best == pytest.approx(1) and found.expected_loss == pytest.approx(0, abs=0.01)


def test_where_mir_does_not_tell_the_cost_of_choosing_by_it_is_said():
    found = decide({"g": group(MANY_MIRS, MANY_MIXED)})
    assert (found.mir, labels(found)) == ("does not tell", ["m1"])
    assert found.sentence.startswith("MIR does not tell here (53% of 91 pairs in order, p = 0.")
    assert found.sentence.endswith("m1 is best after SFT, and m0, the lowest MIR, lost 3.00 points.")
    assert found.p_best is None  # the scores have no errors
    assert any("no standard errors" in ground for ground in found.rests_on)


def test_a_baseline_that_tells_is_named_where_mir_does_not():
    found = decide({"g": group(MANY_MIRS, MANY_MIXED, loss=[-score for score in MANY_MIXED])})
    assert found.instead == "loss"
    assert "; loss would (100%, p = 1e-11): " in found.sentence


def test_the_training_step_is_a_baseline_too():
    found = decide({"g": group(MIRS, MIXED, step=[100 * score for score in MIXED])})
    assert found.instead == "step"
    assert "training step would (100%" in found.sentence


def test_a_baseline_that_does_not_tell_either_is_said_to():
    found = decide({"g": group(MANY_MIRS, MANY_MIXED, loss=MANY_MIRS)})
    assert found.instead is None
    assert ", nor does loss: " in found.sentence


def test_many_baselines_are_held_to_a_stricter_level():
    # Each orders 13 of 15 pairs (p = 0.0083); of ten such, Holm's correction leaves none.
    lucky = [-60, -58, -59, -57, -55, -56]
    scores = FALLING
    alone = decide({"g": group(MIRS[::-1], scores, loss=lucky)})
    assert alone.instead == "loss"
    many = decide({"g": group(MIRS[::-1], scores, **{f"x{i}": lucky for i in range(10)})})
    assert many.instead is None


def test_mir_in_the_wrong_order_is_not_to_be_chosen_by():
    found = decide({"g": group(MIRS, FALLING[::-1])})
    assert found.mir == "reversed"
    assert found.sentence.startswith("Do not choose by MIR here: higher MIR goes with higher scores (0% of")


def test_three_models_are_too_few_to_tell_rather_than_tested():
    found = decide({"g": group([2, 3, 4], [60, 59, 58])})
    assert found.mir == "too few"
    assert found.sentence.startswith(
        "Too few models are scored to tell whether MIR does (100% of three pairs in order, and p is at least 0.17; "
        "four models of a group are the least)"
    )
    assert decide({"g": group([2, 3, 4, 5], [60, 59, 58, 57])}).mir == "tells"


def test_many_models_without_order_are_told_that_more_would_not_help():
    random = np.random.default_rng(0)
    found = decide({"g": group(list(random.normal(2, 1, 24)), list(random.normal(50, 1, 24)))})
    assert found.mir == "does not tell"
    assert found.rests_on[0].startswith("More recipes would hardly change that")


def test_few_models_without_order_are_told_how_many_would_do():
    found = decide({"g": group(MIRS, MIXED)})
    assert found.mir == "too few"
    assert found.sentence.startswith(
        "Too few models are scored to tell whether MIR does (53% of 15 pairs in order, p = 0.500; 13 of one "
        "group would do)"
    )
    assert "13 of one group would with 80%" in found.rests_on[0]


def test_the_lowest_mir_is_still_chosen_where_too_few_are_scored_unless_most_pairs_are_reversed():
    unscored = group([2, 3], se=0.01, name="b", prefix="b")
    mostly = decide({"a": group(MIRS, [58, 60, 55, 57, 56, 54], name="a"), "b": unscored})
    assert (mostly.mir, labels(mostly), mostly.by) == ("too few", ["b0"], "mir")
    hardly = decide({"a": group(MIRS, [56, 55, 58, 57, 60, 54], name="a"), "b": unscored})
    assert (hardly.mir, hardly.kind) == ("too few", "not told")


def test_low_mir_as_a_sign_of_little_training_is_said():
    found = decide({"g": group(MIRS, FALLING[::-1], step=[1, 2, 3, 4, 5, 6])})
    assert any(ground.startswith("Lower MIR is a sign of less training here") for ground in found.rests_on)


def test_a_baseline_ahead_of_mir_is_named_though_mir_tells():
    ahead = Against(
        predictor="loss",
        better="lower",
        groups=1,
        recipes=6,
        pairs=15,
        mir_share=0.87,
        baseline_share=1,
        difference=-0.13,
        interval=(-0.2, -0.05),
        p=0.99,
        p_baseline_better=0.01,
    )
    scores = [60, 58, 59, 57, 55, 56]
    members = {"g": group(MIRS, scores, loss=[-score for score in scores])}
    assert decide(members, {}, [ahead]).instead == "loss"
    assert "and loss tells more (100%)" in decide(members, {}, [ahead]).sentence
    assert decide(members, {}, [ahead.model_copy(update={"p_baseline_better": 0.2})]).instead is None


def test_scores_within_their_noise_leave_a_set():
    found = decide({"g": group(MIRS, [60.0, 59.8, *FALLING[2:]], error=0.5)})
    assert (labels(found), found.kind) == (["m0", "m1"], "set")
    assert "m0, the lowest MIR, scored best, and with P " in found.sentence
    assert found.sentence.endswith(" the best is m0 or m1.")


def test_scores_that_are_all_the_same_test_nothing():
    found = decide({"g": group(MIRS, [50.0] * 6)})
    assert (found.mir, len(found.recommended)) == ("not tested", 6)
    assert "m0, the lowest MIR, is one of 6 that are best after SFT" in found.sentence


# Some scored


def test_where_mir_tells_a_lower_mir_is_chosen_by_its_prediction():
    members = group([1.5, *MIRS], [None, *FALLING], se=0.001, error=0.1)
    found = decide({"g": members})
    assert (labels(found), found.by, found.kind) == (["m0"], "mir", "one")
    (first,) = [candidate for candidate in found.candidates if candidate.model == "org/m0"]
    assert first.predicted == pytest.approx(65, abs=0.01)
    assert found.sentence.startswith("MIR tells here")
    assert "choose m0, predicted by MIR (P(best) over 99%, expected loss 0.00 points)." in found.sentence


def test_where_mir_does_not_tell_the_choice_does_not_rest_on_it():
    found = decide({"g": group([1.5, *MANY_MIRS], [None, *MANY_MIXED], se=0.001)})
    assert (found.mir, found.by) == ("does not tell", "scores")
    assert labels(found)[0] == "m2"  # 60 points, the best of those scored
    assert "choose m2, scored already (P(best) " in found.sentence
    moved = decide({"g": group([4.5, *MANY_MIRS], [None, *MANY_MIXED], se=0.001)})
    assert moved.p_best == pytest.approx(found.p_best, abs=PERCENT)


def test_where_too_few_are_scored_to_tell_the_mean_predicts_and_not_mir():
    scored = group([2, 3, 4, 5, 6], [60.0, 61.0, 58.0, 57.0, 58.5])
    near, far = (decide({"g": [*scored, checkpoint("new", mir)]}) for mir in (1.9, -50.0))
    assert (near.mir, near.by) == ("too few", "scores")
    assert [c.predicted for c in far.candidates][-1] == pytest.approx(np.mean([c.average for c in scored]))
    assert near.p_best == pytest.approx(far.p_best, abs=PERCENT)


def test_where_only_a_baseline_tells_the_choice_is_by_it():
    members = group([1.5, *MIRS], [None, *MIXED], loss=[-70, *(-score for score in MIXED)])
    found = decide({"g": members})
    assert (found.by, found.instead, labels(found)[0]) == ("loss", "loss", "m0")


def test_few_scored_leave_the_lowest_mir_untested():
    found = decide({"g": group([1.5, 2, 3, 4], [None, None, 60, 59], se=0.01)})
    assert (found.mir, found.by, labels(found)) == ("too few", "mir", ["m0"])


def test_a_group_without_scores_is_chosen_by_what_tells_in_others():
    scored = group(MIRS, FALLING, name="a", prefix="a")
    found = decide({"a": scored, "b": group([2, 3], se=0.01, name="b", prefix="b")})
    assert (labels(found), found.mir) == (["b0"], "tells")
    assert found.p_lowest_mir > 0.99 and found.p_best is None


def test_a_group_without_scores_is_not_told_where_nothing_tells():
    scored = group(MANY_MIRS, MANY_MIXED, name="a", prefix="a")
    found = decide({"a": scored, "b": group([2, 3], se=0.01, name="b", prefix="b")})
    assert (found.kind, found.recommended, found.by) == ("not told", [], None)
    assert "which checkpoint to choose is not known" in found.sentence


@settings(deadline=None, max_examples=25)
@given(
    shift=st.floats(-5, 5),
    mirs=st.lists(st.integers(0, 400), min_size=8, max_size=8, unique=True),
    scores=st.lists(st.integers(400, 800), min_size=6, max_size=6, unique=True),
)
def test_a_constant_on_all_mir_changes_no_decision(shift, mirs, scores):
    values = [mir / 100 for mir in mirs]
    outcomes = [score / 10 for score in scores] + [None, None]
    first, second = (
        decide({"g": group([value + by for value in values], outcomes, se=0.01, error=0.2)})
        for by in (0.0, shift)
    )
    assert first.recommended == second.recommended
    for one, other in zip(first.candidates, second.candidates, strict=True):
        assert one.p_best == pytest.approx(other.p_best, abs=0.005)


# How many it takes


def test_power_is_that_of_simulated_orders():
    # Mallows' model by repeated insertion: each place of the next item is likelier by one factor for a pair in order.
    n, random = 9, np.random.default_rng(5)
    ranks = np.arange(n, dtype=float)
    chance = by_chance(ranks, ranks)

    def share(factor):
        pairs = [
            sum(k * factor**k for k in range(m)) / sum(factor**k for k in range(m)) for m in range(2, n + 1)
        ]
        return sum(pairs) / (n * (n - 1) / 2)

    factor = optimize.brentq(lambda value: share(value) - 0.75, 1.0, 50.0)
    rejected = 0
    for _ in range(4000):
        inorder = 0
        for m in range(2, n + 1):
            weights = factor ** np.arange(m)
            inorder += random.choice(m, p=weights / weights.sum())
        rejected += chance.at_least(int(2 * inorder - n * (n - 1) / 2)) < 0.05
    assert power(chance) == pytest.approx(rejected / 4000, abs=0.03)


def test_four_recipes_are_the_fewest_that_can_pass():
    assert least_recipes() == 4
    assert 1 / math.factorial(4) < 0.05 < 1 / math.factorial(3)


def test_the_number_needed_is_the_first_with_enough_power():
    needed = recipes_needed()
    powers = [power(by_chance(np.arange(float(n)), np.arange(float(n)))) for n in (needed - 1, needed)]
    assert powers[0] < 0.8 <= powers[1]
