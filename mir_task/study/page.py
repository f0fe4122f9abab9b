"""The README of a study's results: tables beside the paper's, verdicts by fixed rules."""

from __future__ import annotations

import math
from typing import Any

import jinja2
import pandas as pd
from scipy import stats

from mir_task.study.judge import (
    LOWER_IS_BETTER,
    Prediction,
    Spread,
    partial_rank,
    predict,
    rank_correlation,
    spread,
    variant_means,
    within_experiments,
)
from mir_task.study.paper import CLAIMS

SCORE = "average"
SHOWN = {
    "mir": "MIR",
    "mir_reference": "`mir_reference`",
    "mir_builtin": "MIR on the built-in pairs",
    "norm_matched": "MIR, norms matched",
    "norm_ratio": "log norm ratio alone",
    "mean_term": "mean term alone",
    "covariance_term": "covariance term alone",
    "unnormalised": "MIR without eq. 2",
    "vision_spread": "variance of vision rows, log ratio to text's",
    "loss": "stage-1 loss",
    "caption_ppl": "caption perplexity",
    "in_context": "2-shot in-context score",
}


def page(models: pd.DataFrame, properties: pd.DataFrame | None, facts: dict[str, Any]) -> str:
    """README.md as text.

    Args:
        models: ``models.csv`` of a study.
        properties: ``properties.csv``; None where there is none.
        facts: what was run, for the template: ``settings`` (the scale), ``hours`` (of training), ``machine``,
            ``findings`` (Markdown, or None).
    """
    noise = pooled_noise(models)
    experiments = [_experiment(str(name), runs, noise) for name, runs in models.groupby("group", sort=False)]
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("mir_task.study"),
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
        autoescape=False,  # Markdown
    )
    environment.filters.update(num=number, pm=plus_minus)
    return environment.get_template("README.md.jinja").render(
        experiments=experiments,
        predictors=[_everywhere(name, models, experiments) for name in SHOWN],
        distinct=models["model"].nunique(),
        noise=noise,
        reference=_reference(models),
        partials=_partials(models),
        properties=_properties(properties),
        skills=_skills(models),
        **facts,
    )


def pooled_noise(models: pd.DataFrame) -> float:
    """Standard deviation of the average between seeds of one model, over all models that have several."""
    return spread(
        models.drop_duplicates("model").assign(note=lambda m: m["model"].map(_variant)), SCORE
    ).noise


def number(value: float | None, digits: int = 2) -> str:
    """A number; a dash for none."""
    if value is None or not math.isfinite(value):
        return "-"
    return f"{value:.{digits}f}"


def plus_minus(values: tuple[float, float], digits: int = 2) -> str:
    """Mean and standard deviation over seeds."""
    mean, deviation = values
    return number(mean, digits) + (f" ± {number(deviation, digits)}" if math.isfinite(deviation) else "")


def _variant(model: str) -> str:
    """A model's name without its seed."""
    return model.rpartition("_s")[0]


def _experiment(name: str, runs: pd.DataFrame, noise: float) -> dict[str, Any]:
    scores = spread(runs, SCORE)
    if not scores.noise > 0 or scores.seeds < 2:
        scores = Spread(scores.between, noise, scores.seeds)
    groups = runs.groupby("note", sort=False)
    deviations, means = groups.std(ddof=1, numeric_only=True), variant_means(runs)
    claim = CLAIMS[name]
    return {
        "name": name,
        "claim": claim,
        "seeds": runs["seed"].nunique(),
        "spread": scores,
        "predictions": {predictor: predict(runs, predictor, scores) for predictor in SHOWN},
        "variants": [
            {
                "name": variant,
                "paper": claim.numbers.get(str(variant), (math.nan, math.nan)),
                **{
                    column: (means.loc[variant, column], deviations.loc[variant, column])
                    for column in (*SHOWN, SCORE)
                },
            }
            for variant in means.index
        ],
    }


def _everywhere(predictor: str, models: pd.DataFrame, experiments: list[dict[str, Any]]) -> dict[str, Any]:
    """A predictor's correlations in every experiment, and over all runs with each experiment's mean taken off."""
    sign = -1 if LOWER_IS_BETTER[predictor] else 1
    rho, p = rank_correlation(
        sign * within_experiments(models, predictor).to_numpy(float),
        within_experiments(models, SCORE).to_numpy(float),
    )
    distinct = models.drop_duplicates("model")
    overall, overall_p = rank_correlation(
        sign * distinct[predictor].to_numpy(float), distinct[SCORE].to_numpy(float)
    )
    predictions: list[Prediction] = [experiment["predictions"][predictor] for experiment in experiments]
    return {
        "name": SHOWN[predictor],
        "predictions": predictions,
        "within": (rho, p),
        "overall": (overall, overall_p),
    }


def _reference(models: pd.DataFrame) -> dict[str, float]:
    """How alike ``mir`` and ``mir_reference`` order variants: Kendall's tau by experiment."""
    found = {}
    for name, runs in models.groupby("group", sort=False):
        means = variant_means(runs)
        if len(means) > 1:
            found[str(name)] = float(stats.kendalltau(means["mir"], means["mir_reference"]).statistic)
    return found


def _partials(models: pd.DataFrame) -> dict[str, float]:
    """Partial rank correlations of MIR and of its parts with the score, each with the other known."""
    distinct = models.drop_duplicates("model")
    if len(distinct) < 5:
        return {}
    return {
        "mir given norms": -partial_rank(distinct, "mir", "norm_ratio"),
        "norms given mir": -partial_rank(distinct, "norm_ratio", "mir"),
        "mir given perplexity": -partial_rank(distinct, "mir", "caption_ppl"),
        "perplexity given mir": -partial_rank(distinct, "caption_ppl", "mir"),
    }


def _skills(models: pd.DataFrame) -> dict[str, tuple[float, float]]:
    """Lowest and highest score of each skill over all models."""
    columns = [column for column in models if str(column).startswith("mir_study_")]
    return {
        str(column).removeprefix("mir_study_"): (models[column].min(), models[column].max())
        for column in columns
    }


def _properties(properties: pd.DataFrame | None) -> dict[str, Any] | None:
    if properties is None:
        return None
    sizes = properties[properties["property"] == "number of pairs"]
    by_size = sizes.groupby("pairs")["mir"].agg(["mean", "std", "count"]).reset_index()
    data = properties[properties["property"] != "number of pairs"]
    return {"sizes": by_size.to_dict("records"), "data": data.to_dict("records")}
