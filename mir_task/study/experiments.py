"""The experiments as data: the variants of each, and the runs that follow."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

from mir_task.errors import MIRError
from mir_task.study.captions import Length
from mir_task.study.connectors import Connector
from mir_task.study.scales import Scale
from mir_task.study.training import WSD, Schedule
from mir_task.study.unlocked import Unlocked


@dataclass(frozen=True)
class Pretraining:
    """Stage 1 of one run; the defaults are the base run's."""

    data: float = 1.0
    """Multiple of the scale's image-caption pairs."""
    epochs: int = 1
    stop: float = 1.0
    """Share of the steps after which training stops, in the middle of the schedule."""
    caption: Length = "long"
    rate: float = 1e-3
    warmup: float = 0.03
    schedule: Schedule = "cosine"
    clip: float = 1.0
    unlocked: Unlocked = "none"
    """Part of the language model that is trained."""
    connector: Connector = "mlp2"
    moca: bool = False
    start: float = 1.0
    """Factor on the output of the untrained connector."""

    def __post_init__(self) -> None:
        if self.schedule == WSD and (self.epochs, self.stop) != (1, 1.0):
            raise MIRError("with warm-up, stable rate and decay a training has one epoch and goes to its end")

    def pairs(self, scale: Scale) -> int:
        """Number of image-caption pairs in an epoch."""
        return max(scale.batch_size, round(self.data * scale.pairs))

    def steps(self, scale: Scale) -> int:
        """Length of the schedule, in steps of the optimizer."""
        return self.pairs(scale) // scale.batch_size * self.epochs


@dataclass(frozen=True)
class Run:
    """One model: settings and seed of its stage 1. SFT is the same for all."""

    pretraining: Pretraining
    seed: int

    @property
    def recipe(self) -> str:
        """Name made of the settings, so that experiments share runs; fit for a file's name."""
        default = asdict(Pretraining())
        changed = [
            f"{key}-{value}" for key, value in asdict(self.pretraining).items() if value != default[key]
        ]
        return "_".join(changed) or "base"

    @property
    def name(self) -> str:
        """The recipe's name and the seed."""
        return f"{self.recipe}_s{self.seed}"


@dataclass(frozen=True)
class Experiment:
    """Variants to compare, and the paper's table or figure of them."""

    source: str
    variants: dict[str, dict[str, Any]]
    main: bool = False
    """Run with the main experiment's number of seeds."""


PAPER: dict[str, Experiment] = {
    "data scale": Experiment(
        "figures 1 and 6",
        {f"{share:g}": {"data": share} for share in (1 / 32, 1 / 16, 1 / 8, 1 / 4, 1 / 2, 1, 2, 4)},
        main=True,
    ),
    "caption length": Experiment(
        "table 1", {name: {"caption": name} for name in ("short", "medium", "long", "detailed")}
    ),
    "learning rate": Experiment(
        "table 2",
        {
            "1e-3 cosine": {},
            "1e-3 cosine, warm-up 0.05": {"warmup": 0.05},
            "1e-3 linear": {"schedule": "linear"},
            "3e-4 cosine": {"rate": 3e-4},
            "3e-3 cosine": {"rate": 3e-3},
            "1e-2 cosine": {"rate": 1e-2},
            "1e-2 constant, no clipping": {"rate": 1e-2, "schedule": "constant_with_warmup", "clip": 1e9},
        },
    ),
    "unlocked part": Experiment(
        "table 3", {name: {"unlocked": name} for name in ("none", "lora", "half", "all")}
    ),
    "connector": Experiment(
        "table 4", {name: {"connector": name} for name in ("mlp1", "mlp2", "mlp4", "qformer")}
    ),
    "MoCa": Experiment("table 5", {"off": {}, "on": {"moca": True}}),
    "training step": Experiment(
        "figure 4", {f"{stop:g}": {"stop": stop} for stop in (0.05, 0.1, 0.25, 0.5, 1.0)}
    ),
    "second epoch": Experiment(
        "figure 5",
        {
            f"{2 * stop:g} epochs": {"data": 0.125, "epochs": 2, "stop": stop}
            for stop in (0.25, 0.5, 0.75, 1.0)
        },
    ),
    "long start": Experiment(
        "this study's own",
        {f"{share:g}": {"data": share, "start": 8.0} for share in (1 / 32, 1 / 16, 1 / 8, 1 / 4, 1 / 2, 1)},
    ),
}


REAL: dict[str, Experiment] = {
    "data scale": Experiment(
        "figures 1 and 6",
        {f"{share:g}": {"schedule": WSD, "data": share} for share in (1 / 8, 1 / 2, 1, 2, 4, 8)},
        main=True,
    ),
    "data scale, LoRA": Experiment(
        "figure 1, table 3",
        {f"{share:g}": {"schedule": WSD, "data": share, "unlocked": "lora"} for share in (1 / 8, 1 / 2, 2)},
    ),
    "learning rate": Experiment(
        "table 2", {f"{rate:g}": {"schedule": WSD, "rate": rate} for rate in (3e-4, 1e-3, 3e-3)}
    ),
    "starting norm": Experiment(
        "this study's own", {f"{start:g}": {"schedule": WSD, "start": start} for start in (1.0, 12.0)}
    ),
}
PLANS = {"paper": PAPER, "real": REAL}


def most_pairs(scale: Scale) -> int:
    """Image-caption pairs of the largest training of a scale's plan, whichever of its experiments are run."""
    variants = (changes for each in PLANS[scale.plan].values() for changes in each.variants.values())
    return max(Pretraining(**changes).pairs(scale) for changes in variants)


class Member(NamedTuple):
    """A run as one variant of an experiment."""

    experiment: str
    variant: str
    run: Run


def members(scale: Scale) -> Iterator[Member]:
    """Members of a scale's experiments; a run may be in several."""
    for name, experiment in PLANS[scale.plan].items():
        if scale.experiments is not None and name not in scale.experiments:
            continue
        for seed in range(scale.main_seeds if experiment.main else scale.side_seeds):
            for variant, changes in experiment.variants.items():
                yield Member(name, variant, Run(Pretraining(**changes), seed))


def runs(scale: Scale) -> list[Run]:
    """Every run of a scale once, in an order that makes an unfinished study useful.

    The main experiment comes first, smallest data first; then the others seed by seed.
    """

    def turn(member: Member) -> tuple[int, float]:
        main = PLANS[scale.plan][member.experiment].main
        return (-1, member.run.pretraining.data) if main else (member.run.seed, 0.0)

    return list(dict.fromkeys(member.run for member in sorted(members(scale), key=turn)))
