"""Numbers beside a layer's distance that follow from the same statistics, at no further pass over the rows."""

from __future__ import annotations

from mir_task.accumulate.modalities import Modalities
from mir_task.accumulate.summary import ModalitySummary
from mir_task.metric.frechet import FrechetTerms


def companions(
    modalities: Modalities[ModalitySummary], terms: FrechetTerms, scale: float
) -> dict[str, float | None]:
    """What helps to read a layer's distance, as fields of :class:`mir_task.result.LayerResult`.

    Args:
        modalities: both summaries.
        terms: of the distance between vision and text, not scaled.
        scale: square of alpha (eq. 2).
    """
    vision, text = modalities
    matched = norm_matched(modalities, terms)
    return {
        "fid_norm_matched": None if matched is None else scale * matched,
        "vision_variance": scale * float(vision.moments.covariance.trace()),
        "text_variance": scale * float(text.moments.covariance.trace()),
        "vision_norm_median": vision.median_norm,
        "text_norm_median": text.median_norm,
        "image_share": vision.share_between_pairs,
    }


def norm_matched(modalities: Modalities[ModalitySummary], terms: FrechetTerms) -> float | None:
    """The distance if vision rows were scaled so that their mean norm were the text's.

    The outlier rule flags the same rows at any scale, so with ``r = mean text norm / mean vision norm`` (outlier rows
    included, as in eq. 2) it is ``||r mu_v - mu_t||^2 + r^2 tr(S_v) + tr(S_t) - 2 r tr((S_v S_t)^(1/2))``.

    Args:
        modalities: both summaries.
        terms: of the distance between vision and text, which hold the trace of the root.

    Returns:
        The distance, not scaled by alpha; None where every vision row is zero.
    """
    vision, text = modalities
    if vision.mean_norm == 0:
        return None
    r = text.mean_norm / vision.mean_norm
    mean_term = float((r * vision.moments.mean - text.moments.mean).square().sum())
    traces = vision.moments.covariance.trace(), text.moments.covariance.trace()
    of_vision, of_text = map(float, traces)
    twice_root = of_vision + of_text - terms.covariance_term
    return mean_term + max(r**2 * of_vision + of_text - r * twice_root, 0.0)
