"""What is known of benchmarks by name: out of how much a score is, and which end of it is better.

Maxima and directions are those of lmms-eval's own tasks (0.7.3); names are also written as papers write them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from mir_task.metrics import Better
from mir_task.report.columns import names, words

PERCENT = 100.0


@dataclass(frozen=True)
class Known:
    """What a name tells of a score."""

    maximum: float | None
    """Best score possible, or the worst where lower is better; None: not known."""
    better: Better = "higher"


POINTS = {
    "mme": 2000.0,
    "mmep": 2000.0,
    "mmeperception": 2000.0,
    "mmeperceptionscore": 2000.0,
    "mmec": 800.0,
    "mmecognition": 800.0,
    "mmecognitionscore": 800.0,
    "mmesum": 2800.0,
    "mmetotal": 2800.0,
    "ocrbench": 1000.0,
}
"""Benchmarks that are summed up to more than a hundred points, by name without punctuation."""
PERCENT_NAMES = names(
    "ai2d aokvqa blink chartqa chartqapro charxiv cmmmu countbench countbenchqa cvbench docvqa dude egoschema "
    "embspatial gqa gqaru hallusion hallusionbench hallusionbenchimage hrbench iconqa iibench infographicvqa infovqa "
    "jmmmu lingoqa livebench llavabench llavainthewild llavaw llavawild longvideobench lvbench m3cot mathverse "
    "mathvision mathvista mirstudy mlvu mmb mmbcn mmben mmbench mmbenchcn mmbenchen mmecot "
    "mmerealworld mmescience mmesci mmlu "
    "mmlupro mmmu mmmupro mmstar mmt mmtbench mmvet mmvetv2 mmvp mtvqa muirbench mvbench naturalbench nextqa nlvr2 "
    "ocrbenchv2 ocrvqa okvqa olympiadbench perceptiontest pope qbench realworldqa refcoco refcocog scienceqa "
    "scienceqaimg screenspot seedbench seedbench2 seedbench2plus seedbenchimage seedbenchimg seedi seedimage "
    "seedimg seedall seedvideo sqa sqai sqaimage sqaimg stvqa tempcompass textvqa vizwiz vizwizvqa vmcbench vqa vqat "
    "vqatext vqav2 vqavtwo vsibench vsr vstar vstarbench videomme videommmu wemath worldqa zerobench"
)
"""Benchmarks whose score is a share of right answers, or is scaled to a hundred; by name without punctuation."""
BETTER_LOWER = names("cer chair chairi chairs mae mer perplexity ppl rmse ter wer")
"""Words of a name or metric that is better when lower."""
SHARES = names("acc accuracy anls cer chair chairi chairs f1 mer precision recall wer")
"""Words of a name or metric that is a share, of one or of a hundred."""
METRIC_SHARES = SHARES | names("average bleu em exact match meteor overall rouge")
"""The same of lmms-eval's metrics alone."""
UNBOUNDED = frozenset({"cider"})
"""Words of metrics that have no greatest value."""
METRICS = {"mme_perception_score": 2000.0, "mme_cognition_score": 800.0} | dict.fromkeys(
    (
        "ocrbench_accuracy",
        "seed_image",
        "seed_all",
        "seed_video",
        "gpt_eval_score",
        "relaxed_overall",
        "mmmu_acc",
    ),
    PERCENT,
)
"""Metrics of lmms-eval that its general words do not tell."""


def known(name: str, metric: str | None = None) -> Known | None:
    """What is known of a benchmark.

    Args:
        name: as a table or lmms-eval has it.
        metric: of lmms-eval's task, where the score is from one of its files.

    Returns:
        None if neither name nor metric is known.
    """
    if metric is not None and metric in METRICS:
        return Known(METRICS[metric])
    parts = words(name)
    plain = "".join(parts)
    if plain in POINTS and metric is None:
        return Known(POINTS[plain])
    of_metric = words(metric) if metric else []
    if not UNBOUNDED.isdisjoint(of_metric or parts):
        return Known(None)
    described = of_metric or [*parts, plain]
    lower = not BETTER_LOWER.isdisjoint(described)
    share = not (METRIC_SHARES if metric else SHARES).isdisjoint(described)
    if lower or share:
        return Known(PERCENT if share else None, "lower" if lower else "higher")
    # SEED is what papers call SEED-Bench; whether a column of that name holds seeds, its numbers tell.
    if plain == "seed" or _is_percent(parts):
        return Known(PERCENT)
    return None


def is_benchmark(name: str) -> bool:
    """Whether a column of a table has the name of a benchmark, whatever setting its words could also mean."""
    return known(name) is not None


def _is_percent(parts: list[str]) -> bool:
    """Whether the first words are a benchmark's name: ``mmbench_en_dev``, ``pope_adv``."""
    return any(plain in PERCENT_NAMES for plain in _beginnings(parts))


def _beginnings(parts: list[str]) -> Iterable[str]:
    return ("".join(parts[:end]) for end in range(len(parts), 0, -1))
