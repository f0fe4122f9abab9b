"""Perplexity of captions given their images: the baseline that the paper compares MIR with before SFT."""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from PIL import Image
from scipy import stats
from torch import Tensor
from torch.nn.functional import cross_entropy
from tqdm import tqdm

from mir_task.adapters import Adapter, adapter_for
from mir_task.adapters.sight import check_sight
from mir_task.errors import MIRDataError, MIRModelError, naming
from mir_task.measurement.caption_tokens import Frame, after_image, caption_tokens, template_frame
from mir_task.measurement.evaluation import evaluation_mode
from mir_task.measurement.ranks import Ranks
from mir_task.measurement.settings import DEFAULT_MAX_TEXT_TOKENS
from mir_task.pair import Pair, by_number, opened
from mir_task.result import MIN_PAIRS, CaptionPerplexity, Protocol

RESAMPLES = 1000


def caption_perplexity(
    model: Any,
    processor: Any,
    pairs: Iterable[tuple[Image.Image, str] | Pair],
    *,
    max_text_tokens: int = DEFAULT_MAX_TEXT_TOKENS,
    protocol: Protocol | None = None,
    progress: bool = True,
    ranks: Ranks | None = None,
) -> CaptionPerplexity:
    """Teacher-forced perplexity of captions, each shown as the assistant's turn as in :func:`mir_task.measure`.

    Only the caption's own tokens count; those of the template around it do not. A token that holds characters of both,
    as a full stop and the template's newline are one in Llama 3's and Qwen's tokenizers, is the caption's.

    Args:
        model: a transformers vision-language model with an LM head.
        processor: its processor.
        pairs: (PIL image, caption) tuples or :class:`mir_task.Pair`; at least two.
        max_text_tokens: captions are cut to this many tokens.
        protocol: where the pairs come from.
        progress: show a progress bar.
        ranks: the processes that share the pairs, as for :func:`mir_task.measure`.

    Raises:
        MIRModelError: no adapter for the model, weights that are sharded over processes, NaN in its logits, a picture
            that does not reach the model, or a template from which the caption's tokens cannot be told.
        MIRDataError: fewer than two pairs, or an empty caption.
    """
    adapter = adapter_for(model, processor)
    if adapter.sharding:
        raise MIRModelError(
            f"the weights are sharded over processes ({adapter.sharding}); measure perplexity on a saved checkpoint"
        )
    protocol = protocol or getattr(pairs, "protocol", None)
    pairs = by_number(pairs)
    ranks = ranks or Ranks()
    if len(pairs) < MIN_PAIRS:
        raise MIRDataError(f"perplexity needs at least {MIN_PAIRS} pairs, got {len(pairs)}")
    own: list[tuple[float, int, str]] = []
    frame: Frame | None = None
    bar = tqdm(
        ranks.share(len(pairs)),
        desc="Caption perplexity",
        unit="pair",
        disable=not progress or ranks.rank > 0,
    )
    with ranks.together(), evaluation_mode(model), torch.inference_mode():
        for number in bar:
            pair = opened(pairs, number)
            image = pair.rgb
            with naming(f"pair {pair.name}"):
                if not own:
                    check_sight(adapter, pair.rgb, pair.text, max_text_tokens)
                frame = frame or template_frame(adapter, image)
                losses = _losses(adapter, image, pair.text, max_text_tokens, frame)
            own.append((float(losses.double().sum()), len(losses), pair.name))
    nll, tokens, ids = map(list, zip(*(each for part in ranks.gather(own) for each in part), strict=True))
    return CaptionPerplexity(
        caption_ppl=_perplexity(np.array(nll), np.array(tokens)),
        standard_error=_standard_error(np.array(nll), np.array(tokens)),
        pairs=len(nll),
        tokens=sum(tokens),
        nll=nll,
        model=adapter.model.config._name_or_path or type(adapter.model).__name__,
        protocol=(protocol or Protocol()).model_copy(
            update={
                "pair_ids": ids,
                "max_text_tokens": max_text_tokens,
                "template": adapter.template,
                "template_sha256": adapter.template_sha256,
                "orientation": "exif",  # applied by NamedPair.rgb
            }
        ),
    )


def _losses(adapter: Adapter, image: Image.Image, text: str, max_text_tokens: int, frame: Frame) -> Tensor:
    """[tokens] negative log-likelihood of each caption token, float32."""
    inputs = adapter.prepare(image, text, max_text_tokens)
    after = after_image(adapter, inputs)
    own = caption_tokens(adapter, frame, after, text, max_text_tokens)
    keep = len(after) - own.start + 1  # a token is predicted by the position before it
    forward = inspect.signature(adapter.model.forward).parameters
    only = {"logits_to_keep": keep} if "logits_to_keep" in forward else {}
    logits = adapter.model(**inputs, **only, use_cache=False).logits[0, -keep:]
    losses = cross_entropy(logits[: own.stop - own.start].float(), after[own], reduction="none")
    if not torch.isfinite(losses).all():
        raise MIRModelError(
            f"NaN or Inf in the logits ({adapter.model.dtype}); load the model in bfloat16 or float32"
        )
    return losses


def _perplexity(nll: Any, tokens: Any, axis: int = -1) -> Any:
    return np.exp(nll.sum(axis=axis) / tokens.sum(axis=axis))


def _standard_error(nll: Any, tokens: Any) -> float | None:
    error = stats.bootstrap(
        (nll, tokens),
        _perplexity,
        paired=True,
        vectorized=True,
        n_resamples=RESAMPLES,
        method="basic",
        rng=np.random.default_rng(0),
    ).standard_error
    return float(error) if np.isfinite(error) else None
