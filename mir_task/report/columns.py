"""What the name of a column says: a setting of the run, the standard error of another column, or neither."""

from __future__ import annotations

import re


def names(text: str) -> frozenset[str]:
    """The words of a text, as a set."""
    return frozenset(text.split())


IGNORED = "--ignore"
"""Reason why a column is left out that the user wants left out."""
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
    "dropout temperature optimizer scheduler schedule lora checkpoint ckpt limit"
)
"""Words that make a name a setting wherever in it they stand: ``peak_lr``, ``params_b``."""
SETTING_PHRASES = ("learning rate", "hidden size", "image size", "weight decay", "grad norm", "gradient norm")
MEASUREMENTS = names(
    "fid mean_term covariance_term log_norm_ratio vision_spread unnormalised norm_matched mir_builtin mir_local "
    "mir_coco mir_sharegpt4v"
)
"""Other numbers that this package measures, and MIR under the names of its tasks."""
_ERROR = re.compile(
    r"^(?P<of>.+?)[\s_\-.]*(?:std_?err(?:or)?|standard_error|_se|_std|_sd|_ci|_spread)(?:_\w+)?$",
    re.IGNORECASE,
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


def error_of(name: str) -> str | None:
    """The column whose standard error this column holds; None if it holds another number."""
    found = _ERROR.match(name.strip())
    return found["of"] if found else None
