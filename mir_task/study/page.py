"""The tables of a study: beside the paper's, with verdicts by fixed rules."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import jinja2
import pandas as pd
from scipy import stats

from mir_task.report.text import percent, percent_interval
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
from mir_task.study.paper import CLAIMS, Reported

SCORE = "average"
SHOWN = {
    "mir": "MIR",
    "mir_reference": "`mir_reference`",
    "mir_builtin": "MIR on the built-in pairs",
    "norm_matched": "MIR, norms matched",
    "log_norm_ratio": "log norm ratio alone",
    "mean_term": "mean term alone",
    "covariance_term": "covariance term alone",
    "unnormalised": "MIR without eq. 2",
    "vision_spread": "variance of vision rows, log ratio to text's",
    "loss": "stage-1 loss",
    "caption_ppl": "caption perplexity",
    "in_context": "2-shot in-context score",
}


def page(
    models: pd.DataFrame, properties: pd.DataFrame | None, along: pd.DataFrame | None, facts: dict[str, Any]
) -> str:
    """Text of a study's tables.md.

    Args:
        models: ``models.csv`` of a study.
        properties: ``properties.csv`` of the study; None where there is none.
        along: ``along.csv`` of the study; None where MIR was not measured within trainings.
        facts: further values of the template: ``settings`` (the scale), ``title``, ``hours`` (of training),
            ``machine``, ``findings`` (Markdown, or None).
    """
    noise = pooled_noise(models)
    experiments = [_experiment(str(name), runs, noise) for name, runs in models.groupby("group", sort=False)]
    return template("tables.md.jinja").render(
        experiments=experiments,
        predictors=[_correlations(name, models, experiments) for name in SHOWN],
        distinct=models["model"].nunique(),
        noise=noise,
        reference=_agreement_with_reference(models),
        partials=_partials(models),
        properties=_properties(properties),
        trunks=_trunks(along),
        skills=_skills(models),
        **facts,
    )


def template(name: str) -> jinja2.Template:
    """A Markdown template of the study, with filters for numbers."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("mir_task.study"),
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
        autoescape=False,  # Markdown
    )
    environment.filters.update(num=number, pm=plus_minus, percent=percent, interval=percent_interval)
    return environment.get_template(name)


def pooled_noise(models: pd.DataFrame) -> float:
    """Standard deviation of the average between seeds of one model, over all models that have several."""
    distinct = models.drop_duplicates("model")
    return spread(distinct.assign(note=distinct["model"].map(_without_seed)), SCORE).noise


def number(value: float | None, digits: int = 2) -> str:
    """Number with fixed digits; a dash where there is none."""
    if value is None or not math.isfinite(value):
        return "-"
    return f"{value:.{digits}f}"


class OverSeeds(NamedTuple):
    """Mean and standard deviation of a quantity over the seeds of a variant."""

    mean: float
    deviation: float


def plus_minus(value: OverSeeds, digits: int = 2) -> str:
    """Mean ± standard deviation; the mean alone where there is one seed."""
    mean = number(value.mean, digits)
    return f"{mean} ± {number(value.deviation, digits)}" if math.isfinite(value.deviation) else mean


def _without_seed(model: str) -> str:
    """A model's name without its seed."""
    return model.rpartition("_s")[0]


def _experiment(name: str, runs: pd.DataFrame, noise: float) -> dict[str, Any]:
    scores = spread(runs, SCORE)
    if not scores.noise > 0 or scores.seeds < 2:
        scores = Spread(scores.between, noise, scores.seeds)
    means = variant_means(runs)
    deviations = runs.groupby("note", sort=False).std(ddof=1, numeric_only=True)
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
                "paper": claim.numbers.get(str(variant), Reported(math.nan, math.nan)),
                **{
                    column: OverSeeds(means.loc[variant, column], deviations.loc[variant, column])
                    for column in (*SHOWN, SCORE)
                },
            }
            for variant in means.index
        ],
    }


def _correlations(predictor: str, models: pd.DataFrame, experiments: list[dict[str, Any]]) -> dict[str, Any]:
    """Correlations of a predictor with the score: in each experiment, within experiments, and over all models."""
    sign = -1 if LOWER_IS_BETTER[predictor] else 1
    within = rank_correlation(
        sign * within_experiments(models, predictor).to_numpy(float),
        within_experiments(models, SCORE).to_numpy(float),
    )
    distinct = models.drop_duplicates("model")
    overall = rank_correlation(sign * distinct[predictor].to_numpy(float), distinct[SCORE].to_numpy(float))
    predictions: list[Prediction] = [experiment["predictions"][predictor] for experiment in experiments]
    return {
        "name": SHOWN[predictor],
        "predictions": predictions,
        "within": within,
        "overall": overall,
    }


def _agreement_with_reference(models: pd.DataFrame) -> dict[str, float]:
    """Kendall's tau of ``mir`` and ``mir_reference`` over the variants, by experiment."""
    found = {}
    for name, runs in models.groupby("group", sort=False):
        means = variant_means(runs)
        if len(means) > 1:
            found[str(name)] = float(stats.kendalltau(means["mir"], means["mir_reference"]).statistic)
    return found


def _partials(models: pd.DataFrame) -> dict[str, float]:
    """Partial rank correlations with the score: MIR beside the norm ratio and beside perplexity."""
    distinct = models.drop_duplicates("model")
    if len(distinct) < 5:
        return {}
    return {
        "mir given norms": -partial_rank(distinct, "mir", "log_norm_ratio"),
        "norms given mir": -partial_rank(distinct, "log_norm_ratio", "mir"),
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


def _trunks(along: pd.DataFrame | None) -> dict[str, list[dict[str, Any]]]:
    """Rows of each training that MIR was measured along, by its recipe; seeds side by side."""
    if along is None:
        return {}
    found: dict[str, list[dict[str, Any]]] = {}
    for (recipe, samples), rows in along.groupby(["trunk", "samples"], sort=True):
        numbers = rows.drop(columns=["trunk", "seed", "samples"])
        over = {
            str(name): OverSeeds(float(column.mean()), float(column.std(ddof=1)))
            for name, column in numbers.items()
        }
        found.setdefault(str(recipe), []).append({"samples": samples, "seeds": len(rows), **over})
    return found


def _properties(properties: pd.DataFrame | None) -> dict[str, Any] | None:
    if properties is None:
        return None
    sizes = properties[properties["property"] == "number of pairs"]
    by_size = sizes.groupby("pairs")["mir"].agg(["mean", "std", "count"]).reset_index()
    data = properties[properties["property"] != "number of pairs"]
    return {"sizes": by_size.to_dict("records"), "data": data.to_dict("records")}
