"""The sentences that stand for the numbers."""

import itertools

import pytest
from scipy import stats

from mir_task.report.checkpoint import Comparison
from mir_task.report.schema import (
    Combined,
    Decision,
    Fit,
    LeaveOneOut,
    Pearson,
    RankingAccuracy,
    Regret,
    Slope,
    Spearman,
)
from mir_task.report.text import MINUS
from mir_task.report.verdict import verdict


def related(group, n=6, rho=-0.9, p=0.003, slope=-5.0, interval=(-0.99, -0.4), predicts=True):
    """A group's MIR against its average; ``predicts``: a left-out score, better than the mean of the others."""
    return Fit(
        group=group,
        predictor="mir",
        better="lower",
        score="average",
        n=n,
        pearson=Pearson(r=rho, interval=interval, p=p, p_method="t distribution"),
        spearman=Spearman(rho=rho, p=p, p_method="t distribution"),
        slope=Slope(
            estimate=slope,
            interval=(slope - 1, slope + 1),
            intercept=60,
            r_squared=0.8,
            theil_sen=slope,
        ),
        loo=LeaveOneOut(rmse=0.5, rmse_of_mean=1.5, better_than_mean=predicts),
        ranking_accuracy=RankingAccuracy(value=0.8, correct=12, pairs=15, tied=0),
        regret=Regret(lost=0, chosen=["m0"], best=["m0"], by_chance=2.0),
    )


DECISION = Decision(sentence="Choose m0.", kind="one", rests_on=["It rests on this."])


def told_of(fits, **other):
    return verdict(DECISION, Comparison([], []), fits, **other)


def sentences(*fits):
    return told_of(fits).all


# How sure the order is


@pytest.mark.parametrize(
    ("rho", "p", "sentence"),
    [
        (-0.9, 0.003, "The order of the models is more than chance here (p = 0.003)."),
        (0.9, 0.003, "The order is reversed, more than chance allows, here (p = 0.003)."),
        (-0.9, 0.0001, "The order of the models is more than chance here (p < 0.001)."),
        (-0.3, 0.4, "It cannot be told from chance here (p = 0.400)."),
    ],
)
def test_one_group_is_told_of_as_here(rho, p, sentence):
    assert sentence in sentences(related("Table 1", rho=rho, p=p))


def test_several_groups_are_named_each_where_it_belongs():
    assert (
        "The order of the models is more than chance in a (p = 0.003) and b (p = 0.004); the order is reversed, more "
        "than chance allows, in c (p = 0.005); it cannot be told from chance in d (p = 0.400); with 4 models in e even "
        "a perfect order could be chance (p is at least 0.083)."
    ) in sentences(
        related("a"),
        related("b", p=0.004),
        related("c", rho=0.9, p=0.005),
        related("d", rho=-0.3, p=0.4),
        related("e", n=4, rho=-1, p=1 / 12),
    )


def test_a_group_named_in_here_keeps_its_name():
    # Names are put into sentences and not looked for in them.
    told = sentences(related("made in here"), related("b"))
    assert (
        "The order of the models is more than chance in made in here (p = 0.003) and b (p = 0.003)." in told
    )


def test_the_least_p_is_that_of_a_perfect_order_among_all():
    orders = [stats.spearmanr(range(4), order).statistic for order in itertools.permutations(range(4))]
    least = sum(abs(rho) > 1 - 1e-12 for rho in orders) / len(orders)
    (told,) = [text for text in sentences(related("a", n=4, rho=-1, p=1 / 12)) if "perfect order" in text]
    assert f"(p is at least {least:.3f})" in told


def together(p, p_reversed=0.9, concordance=0.8, groups=5):
    return Combined(
        p=p,
        p_reversed=p_reversed,
        p_method="exact permutation",
        concordance=concordance,
        interval=(0.6, 0.92) if groups > 3 else None,
        correct=32,
        pairs=40,
        groups=groups,
        recipes=23,
    )


@pytest.mark.parametrize(
    ("found", "claim"),
    [
        (together(7e-9), "lower MIR goes with higher scores, more surely than chance allows (p = 7e-9, "),
        (together(0.2), "the order of the models cannot be told from chance (p = 0.200, "),
        (
            together(0.99, 0.01),
            "higher MIR goes with higher scores, more surely than chance allows (p = 0.010, ",
        ),
    ],
)
def test_groups_are_told_of_together_before_each_alone(found, claim):
    (told,) = [
        text
        for text in told_of([related("a"), related("b")], combined=found).all
        if text.startswith("Together, within five groups of 23 models, ")
    ]
    assert claim in told
    assert "80% of pairs are in order, 95% interval [60%, 92%]; a coin would get 50%." in told
    assert "Of the groups alone: the order of the models is more than chance in a (p = 0.003)" in told


def test_one_group_says_nothing_of_groups_together():
    told = told_of([related("a")], combined=together(0.003, groups=1)).all
    assert "The order of the models is more than chance here (p = 0.003)." in told


# What comes first


def test_the_decision_is_the_headline_and_warnings_come_before_its_grounds():
    found = told_of([related("a")], warnings=["Half of the models have no MIR."])
    assert found.headline == "Choose m0."
    assert found.reasons[:2] == ["Half of the models have no MIR.", "It rests on this."]
    assert found.all == [found.headline, *found.reasons, *found.details]


def test_there_are_at_most_six_reasons_and_no_sentence_is_lost():
    warnings = [f"Warning {number}." for number in range(7)]
    found = told_of([related("a")], warnings=warnings)
    assert len(found.reasons) == 6 and "It rests on this." in found.reasons
    assert set(warnings) <= set(found.all) and len(found.all) == len(set(found.all))


def test_what_choosing_the_lowest_mir_costs_is_a_reason():
    (told,) = [text for text in told_of([related("a")]).reasons if text.startswith("Choosing the lowest MIR")]
    assert told == (
        "Choosing the lowest MIR lost 0.00 points against the best model with a score; a random choice would have lost "
        "2.00."
    )


# How much a lower MIR is worth


def worth(*fits):
    (told,) = [text for text in sentences(*fits) if "points per unit" in text or "unit of MIR" in text]
    return told


def test_an_interval_around_zero_makes_the_worth_less_certain():
    told = worth(related("a"), related("b", interval=(-0.9, 0.3), slope=-2.0))
    assert told.startswith(
        f"How much a lower MIR is worth is less certain: slopes run from {MINUS}5.0 to {MINUS}2.0 points"
    )
    assert "includes zero in 1 of 2 groups" in told


def test_where_models_are_too_few_for_an_interval_the_worth_says_so():
    slope = related("a").slope
    told = worth(related("a", n=3).model_copy(update={"slope": slope.model_copy(update={"interval": None})}))
    assert f"went with {MINUS}5.00 points, too few models for an interval; a line" in told


def test_an_interval_above_zero_does_not_include_it():
    told = worth(related("a"), related("b", rho=0.9, interval=(0.2, 0.99), slope=3.0))
    assert told.startswith(f"Slopes run from {MINUS}5.0 to 3.0 points per unit of MIR.")
    assert "includes zero" not in told


def test_the_worth_in_one_of_several_groups_names_the_group():
    too_few = related("b", n=3).model_copy(update={"loo": None})
    assert worth(related("a"), too_few).startswith(f"In a one unit of MIR went with {MINUS}5.00 points")
    assert worth(related("a")).startswith(f"One unit of MIR went with {MINUS}5.00 points")
