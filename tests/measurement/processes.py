"""What every process of test_ranks.py runs: scenarios one after the other, each in one process and in all of them."""

import json
import os
import signal
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import torch
import torch.distributed as dist

from mir_task import MIRError
from mir_task.data import builtin_pairs
from mir_task.measurement.perplexity import caption_perplexity
from mir_task.measurement.plan import Plan
from mir_task.measurement.ranks import Ranks
from mir_task.measurement.run import measure_with
from mir_task.measurement.settings import MeasurementSettings
from tests.measurement.watched import LITTLE_ROOM, WatchedPairs, not_apart


@dataclass(frozen=True)
class Scenario:
    """A measurement that several processes share."""

    pairs: int
    damaged: int | None = None
    settings: dict = field(default_factory=dict)

    def run(self, model, processor, pairs, ranks=None):
        """Everything of the result but its timings, or the error; and which pairs were opened."""
        watched = WatchedPairs(pairs[: self.pairs], self.damaged)
        try:
            settings = MeasurementSettings(progress=False, **self.settings)
            result = measure_with(settings, model, processor, watched, ranks=ranks)
            said = result.model_dump(mode="json", exclude={"timings"})
        except MIRError as error:
            said = f"{type(error).__name__}: {error}"
        return said, sorted(set(watched.opened))


SCENARIOS = {
    "uneven": Scenario(pairs=7),
    "one process without pairs": Scenario(pairs=2),
    "second pass": Scenario(pairs=7, settings={"buffers": LITTLE_ROOM}),
    "groups not apart": Scenario(pairs=10, settings=not_apart(layers=6)),
    "layer groups": Scenario(pairs=7, settings={"plan": Plan(layers=4, scatters=7)}),
    "batches": Scenario(pairs=8, settings={"batch_size": 3}),
    "damaged pair": Scenario(pairs=7, damaged=5),
    "damaged pair skipped": Scenario(pairs=11, damaged=5, settings={"on_error": "skip"}),
}


def main(rank, size, model, processor, folder):
    torch.set_num_threads(1)
    # A long timeout: a machine with other work may let one of the processes wait.
    dist.init_process_group(
        "gloo", f"file://{folder}/rendezvous", rank=rank, world_size=size, timeout=timedelta(hours=1)
    )
    pairs = [pair._replace(text=pair.text[:200]) for pair in builtin_pairs(count=11)]
    ranks = Ranks.of_torch()
    seen = {}
    for name, scenario in SCENARIOS.items():
        dealt, opened = scenario.run(model, processor, pairs, ranks)
        alone, _ = scenario.run(model, processor, pairs) if rank == 0 else (None, None)
        seen[name] = {"dealt": dealt, "alone": alone, "opened": opened}
    captions = caption_perplexity(model, processor, pairs[:5], progress=False, ranks=ranks)
    seen["captions"] = {"dealt": captions.model_dump(mode="json")}
    if rank == 0:
        alone = caption_perplexity(model, processor, pairs[:5], progress=False)
        seen["captions"]["alone"] = alone.model_dump(mode="json")
    ranks.gather(None)
    if rank == size - 1:
        write(folder, rank, seen)
        os.kill(os.getpid(), signal.SIGKILL)
    seen["lost"], _ = Scenario(pairs=11).run(model, processor, pairs, ranks)
    write(folder, rank, seen)
    os._exit(0)  # the group cannot be taken down in order any more


def write(folder, rank, seen):
    Path(folder, f"seen_{rank}.json").write_text(json.dumps(seen))
