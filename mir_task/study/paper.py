"""The paper's numbers for the experiments that the study repeats (Huang et al., arXiv 2410.07167v2)."""

from __future__ import annotations

from typing import NamedTuple


class Reported(NamedTuple):
    """Numbers that the paper reports of a variant."""

    mir: float
    score: float
    """Average after SFT, in per cent."""


class Claim(NamedTuple):
    """The paper's claim about an experiment, and its numbers by this study's name of the variant."""

    source: str
    text: str
    numbers: dict[str, Reported]


CLAIMS = {
    "data scale": Claim(
        "figures 1 and 6",
        "MIR falls steadily with more data and tells the score after SFT; loss and perplexity do not, nor the "
        "in-context score",
        {},
    ),
    "caption length": Claim(
        "table 1",
        "longer captions, lower MIR, better score",
        {
            "short": Reported(3.588, 63.8),
            "medium": Reported(3.442, 64.0),
            "long": Reported(3.279, 64.2),
            "detailed": Reported(3.218, 64.4),
        },
    ),
    "learning rate": Claim(
        "table 2",
        "a lower rate, or a longer warm-up, gives lower MIR and a better score",
        {
            "3e-4 cosine": Reported(2.808, 60.0),
            "1e-3 cosine": Reported(3.182, 59.5),
            "1e-3 cosine, warm-up 0.05": Reported(3.043, 59.6),
            "1e-3 linear": Reported(3.171, 59.5),
            "3e-3 cosine": Reported(3.575, 58.7),
        },
    ),
    "unlocked part": Claim(
        "table 3",
        "the more of the language model is unlocked, the lower MIR and the better the score",
        {
            "none": Reported(3.001, 64.0),
            "lora": Reported(2.734, 64.5),
            "half": Reported(2.705, 65.9),
            "all": Reported(2.656, 65.9),
        },
    ),
    "connector": Claim(
        "table 4",
        "an MLP of two layers has the lowest MIR and the best score, a Q-Former the highest and the worst",
        {
            "mlp1": Reported(3.454, 63.6),
            "mlp2": Reported(3.182, 63.9),
            "mlp4": Reported(3.446, 63.7),
            "qformer": Reported(3.673, 53.7),
        },
    ),
    "MoCa": Claim(
        "table 5",
        "MoCa lowers MIR and betters the score",
        {"off": Reported(3.374, 59.1), "on": Reported(3.162, 60.6)},
    ),
    "training step": Claim("figure 4", "MIR falls while training goes on, and the score rises with it", {}),
    "second epoch": Claim("figure 5", "MIR stops falling, or rises, where the same data is seen again", {}),
    "data scale, LoRA": Claim(
        "figure 1, table 3", 'as "data scale", where LoRA trains the language model along', {}
    ),
    "starting norm": Claim(
        "this study's own",
        "a connector that begins with twelve times the output has the same MIR and score",
        {},
    ),
    "long start": Claim(
        "this study's own",
        'as "data scale", where the untrained connector gives vectors 8 times as long',
        {},
    ),
}
