"""Reasons why a MIR should not be believed, or not be compared with others, each with the figures that it rests on.

They are no score, and they do not add up: each is a plain statement about one thing. What was not measured (noise
without ``uncertainty``, pictures of bare features) gives no reason, so that none found is no promise.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from statistics import median

from mir_task.result import MIRResult, Reason
from mir_task.result.layer import known_of_all

SAME_PICTURES = 0.1
"""Image share, in units of that of rows drawn at random, below which vision tokens say the same whatever the picture.

Rows that know nothing of their picture but differ among themselves have ``(pairs - 1) / (rows - 1)`` between pictures,
by chance. Far less than by chance means that pictures have the same mean row though their rows differ, as where nearly
the same rows come for every picture."""
NOISE = 0.5
"""Part of the summed distance that may be finite-sample bias; beyond it, the number tells more of the sample's size."""
BY_NORMS = 0.5
"""Part of the summed distance that may go away when norms are matched; beyond it, MIR is mostly a ratio of norms."""
ALPHA_MOVED = 0.05
"""Relative change of alpha without text outliers. The distance goes with its square: 5% of alpha are 0.04 of MIR, some
ten times the standard error of the study's models at 100 pairs."""


def reasons(result: MIRResult) -> list[Reason]:
    """Look for each of the reasons in a result.

    Args:
        result: a measurement; its ``trust`` is not looked at.

    Returns:
        Those found, in a fixed order.
    """
    checks: tuple[Callable[[MIRResult], Reason | None], ...] = (
        same_pictures,
        noise,
        norms,
        text_outliers,
        no_template,
    )
    return [reason for check in checks if (reason := check(result)) is not None]


def same_pictures(result: MIRResult) -> Reason | None:
    """Vision tokens that say the same whatever the picture."""
    share, pairs = result.image_share, result.pairs
    if share is None or not pairs:
        return None
    at_random = median((pairs - 1) / (layer.vision_tokens - 1) for layer in result.layers)
    if share >= SAME_PICTURES * at_random:
        return None
    return Reason(
        code="image_share",
        sentence=f"Pictures hardly differ in their vision tokens: {share:.2g} of the tokens' variance lies between "
        f"pictures, where tokens drawn at random would have {at_random:.2g}. A model that sees nothing looks like "
        "this, and its MIR means nothing.",
        figures={"image_share": share, "image_share_at_random": at_random},
    )


def noise(result: MIRResult) -> Reason | None:
    """A sum that is mostly finite-sample bias, or no larger than the distance within a modality.

    The bias is extrapolated from half of the pairs, which shows too little of it where pairs are far too few for the
    width. There the halves of a modality are as far apart as the modalities. That is the cautious side: of a random
    model (d = 128) on 10 pairs it speaks, though nine tenths of the distance are left with 100.
    """
    total = _sum(layer.fid for layer in result.layers)
    corrected = _sum(layer.fid_bias_corrected for layer in result.layers)
    floors = [_sum(layer.noise_floor_vision for layer in result.layers)]
    floors += [_sum(layer.noise_floor_text for layer in result.layers)]
    floor = _sum(part and part / 2 for part in floors)
    if total is None or corrected is None or floor is None:
        return None
    if corrected >= (1 - NOISE) * total and floor < total:
        return None
    return Reason(
        code="noise_floor",
        sentence=f"The summed distance, {total:.3g}, is within reach of noise: two halves of one modality are "
        f"{floor:.3g} apart, and {corrected:.3g} is expected to be left with ever more pairs. Measure more pairs; "
        "where that changes nothing, the modalities are merged as far as pairs can tell.",
        figures={"sum": total, "sum_bias_corrected": corrected, "sum_noise_floor": floor},
    )


def norms(result: MIRResult) -> Reason | None:
    """A sum that is mostly a ratio of norms."""
    total = _sum(layer.fid for layer in result.layers)
    matched = _sum(layer.fid_norm_matched for layer in result.layers)
    if total is None or matched is None or matched >= (1 - BY_NORMS) * total:
        return None
    ratio = result.norm_ratio
    known = "" if ratio is None else f" (median norm ratio {ratio:.3g})"
    return Reason(
        code="norms",
        sentence=f"Mostly a ratio of norms: {1 - matched / total:.0%} of the summed distance goes away when vision "
        f"rows are scaled to the text's mean norm{known}.",
        figures={"sum": total, "sum_norm_matched": matched}
        | ({} if ratio is None else {"norm_ratio": ratio}),
    )


def text_outliers(result: MIRResult) -> Reason | None:
    """Layers whose scale a few text rows decide."""
    moved = {layer.layer: layer.alpha_inliers / layer.alpha - 1 for layer in result.layers}
    of = {number: change for number, change in moved.items() if abs(change) > ALPHA_MOVED}
    if not of:
        return None
    largest = max(of, key=lambda number: abs(of[number]))
    return Reason(
        code="outliers",
        sentence=f"A few text outliers set the scale of eq. 2 in {len(of)} of {len(moved)} layers: without them alpha "
        f"would be {of[largest]:+.0%} in layer {largest}.",
        figures={"layers": len(of), "largest_change": of[largest], "layer": largest},
    )


def no_template(result: MIRResult) -> Reason | None:
    """A model that was shown pairs in no template of its own."""
    if result.protocol is None or result.protocol.template != "plain":
        return None
    return Reason(
        code="template",
        sentence="No chat template was found: pairs were shown as image, newline, text, which may not be how "
        "this model was trained.",
    )


def _sum(numbers: Iterable[float | None]) -> float | None:
    """The sum over layers; None where a number is not known of one of them."""
    known = known_of_all(numbers)
    return None if known is None else math.fsum(known)
