"""What the name of a column says: a setting of the run, the standard error of another column, or neither."""

from __future__ import annotations

import re

from mir_task.metrics import CAPTION_METRICS, MIR_METRICS, Better


def names(text: str) -> frozenset[str]:
    """The words of a text, as a set."""
    return frozenset(text.split())


AVERAGE = "average"
"""Column with the average as the source states it."""
MIR_COLUMNS = {metric.name: metric.name for metric in MIR_METRICS} | {"pairs": "mir_pairs"}
"""Columns that hold MIR and the numbers beside it, with the metric that each is."""
TEXT_COLUMNS = ("model", "group", "recipe", "average_over", "source", "note", "task")
PROGRESS = {
    "step": "training step",
    "samples": "training samples",
    "tokens": "training tokens",
    "epoch": "epoch",
}
"""Columns that say how far a checkpoint was trained, in words for an axis."""
MEASURED_BASELINES: dict[str, Better] = {
    metric.name: metric.better for metric in CAPTION_METRICS if metric.better is not None
}
"""Baselines that tasks of this package measure."""
BASELINES: dict[str, Better] = {
    "loss": "lower",
    "final_loss": "lower",
    "train_loss": "lower",
    "training_loss": "lower",
    "perplexity": "lower",
    "ppl": "lower",
    "in_context": "higher",
    "in_context_score": "higher",
    "icl_score": "higher",
    **MEASURED_BASELINES,
}
"""Columns known to be measures that one could use in the place of MIR, and which end of each is better."""
IGNORED = "--ignore"
"""Reason why a column is left out that the user wants left out."""
EMPTY = "no value in any line"
"""Reason why a column is left out that holds nothing."""
MIR_ERRORS = ("mir_se", "mir_stderr", "mir_standard_error", "standard_error")
"""Columns that hold the standard error of MIR; the first that is there is taken."""
SETTING_NAMES = names(
    "id index idx run runs replicate version date time rank rank_at_worst spread_over_runs place size width depth "
    "stage samples tokens sft_runs n count stderr std se sd"
)
"""Names that are settings or book-keeping where they are the whole name."""
SETTING_WORDS = names(
    "seed seeds lr batch batches batchsize bs params parameters param nparams warmup wd decay epoch epochs step steps "
    "iter iters iteration iterations flops gpu gpus hours minutes seconds layers layer heads dim resolution momentum "
    "dropout temperature optimizer scheduler schedule lora checkpoint ckpt limit hidden size width depth year month "
    "cost price latency throughput vram tflops mfu gradient clip clipping patch patches"
)
"""Words that make a name a setting wherever in it they stand: ``peak_lr``, ``params_b``."""
SETTING_PHRASES = ("learning rate", "hidden size", "image size", "weight decay", "grad norm", "gradient norm")
MEASUREMENTS = names(
    "fid mean_term covariance_term log_norm_ratio vision_spread unnormalised norm_matched mir_builtin mir_local "
    "mir_coco mir_sharegpt4v"
)
"""Other numbers that this package measures, and MIR under the names of its tasks."""
REPLICATE_NAMES = names("run run_id replicate replica repetition")
"""Columns that tell several runs of one model apart, besides those with the word seed."""
_ERROR = re.compile(r"^(?P<of>.+?)[\s_\-.]*(?:std_?err(?:or)?|standard_error|_se)(?:_\w+)?$", re.IGNORECASE)
_SPREADS = (
    (re.compile(r"^(?P<of>.+?)_(?:std|sd|stdev|spread)$", re.IGNORECASE), "standard deviation"),
    (re.compile(r"^(?P<of>.+?)_(?:ci|ci95|interval)$", re.IGNORECASE), "interval"),
)


def words(name: str) -> list[str]:
    """The words of a name, in lower case: ``peakLR (B)`` -> peak, lr, b."""
    apart = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)
    return re.findall(r"[^\W_]+", apart.lower())


def is_setting(name: str) -> bool:
    """Whether a column is known to hold a setting, or book-keeping, and no score."""
    found = words(name)
    phrase = " ".join(found)
    return (
        "_".join(found) in SETTING_NAMES
        or not SETTING_WORDS.isdisjoint(found)
        or any(known in phrase for known in SETTING_PHRASES)
    )


def is_measurement(name: str) -> bool:
    """Whether a column is known to hold another number of this package, measured before SFT."""
    return "_".join(words(name)) in MEASUREMENTS


def is_replicate(name: str) -> bool:
    """Whether a column tells several runs of one model apart: ``seed``, ``SFT seed``, ``run``."""
    found = words(name)
    return "_".join(found) in REPLICATE_NAMES or not {"seed", "seeds"}.isdisjoint(found)


def is_loss(name: str) -> bool:
    """Whether a column holds a loss before SFT, which one could use in the place of MIR."""
    found = words(name)
    return "loss" in found and "sft" not in found


def error_of(name: str) -> str | None:
    """The column whose standard error this column holds; None if it holds another number."""
    found = _ERROR.match(name.strip())
    return found["of"] if found else None


def spread_of(name: str) -> str | None:
    """What a column holds that says how another column's number varies, and is no standard error; None otherwise."""
    for form, what in _SPREADS:
        if found := form.match(name.strip()):
            return f"{what} of {found['of']}"
    return None
