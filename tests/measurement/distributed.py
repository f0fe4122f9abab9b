"""What every process of test_ranks.py runs: scenarios one after the other, each in one process and in all of them."""

import json
import os
import signal
from datetime import timedelta
from pathlib import Path
from unittest import mock

import torch
import torch.distributed as dist

from mir_task import MIRError, measure
from mir_task.accumulate.waiting import Sizes
from mir_task.data import builtin_pairs
from mir_task.measurement.perplexity import caption_perplexity
from mir_task.measurement.plan import Plan
from mir_task.measurement.ranks import Ranks

LITTLE_ROOM = {"mir_task.accumulate.waiting.Sizes.of": lambda _: Sizes(largest=4, smallest=1, waiting=8)}
NOT_APART = {
    "mir_task.metric.uncertainty.LINEARISE_ABOVE": 0,
    "mir_task.measurement.plan.plan": lambda *_: Plan(6, 2, 2, 0, 0),
}


def layers_at_a_time(layers, groups):
    return {"mir_task.measurement.plan.plan": lambda *_: Plan(layers, groups, 6 // layers, 0, 0)}


SCENARIOS = {
    # name: (pairs, damaged pair, patches, settings)
    "uneven": (7, None, {}, {}),
    "one process without pairs": (2, None, {}, {}),
    "second pass": (7, None, LITTLE_ROOM, {}),
    "groups not apart": (10, None, NOT_APART, {}),
    "layer groups": (7, None, layers_at_a_time(4, 7), {}),
    "batches": (8, None, {}, {"batch_size": 3}),
    "damaged pair": (7, 5, {}, {}),
    "damaged pair skipped": (11, 5, {}, {"on_error": "skip"}),
}


class Pairs:
    """Pairs of which one may be damaged; remembers which were opened."""

    def __init__(self, pairs, damaged=None):
        self.pairs, self.damaged, self.opened = pairs, damaged, []

    def __len__(self):
        return len(self.pairs)

    def __iter__(self):
        return (self[number] for number in range(len(self)))

    def __contains__(self, pair):
        return pair in self.pairs

    def __getitem__(self, number):
        self.opened.append(number)
        pair = self.pairs[number]
        return pair._replace(text=" ") if number == self.damaged else pair


def run(model, processor, pairs, patches, settings, ranks=None):
    patches = [mock.patch(name, value) for name, value in patches.items()]
    for patch in patches:
        patch.start()
    try:
        result = measure(model, processor, pairs, progress=False, ranks=ranks, **settings)
        return result.model_dump(mode="json", exclude={"timings"})
    except MIRError as error:
        return f"{type(error).__name__}: {error}"
    finally:
        for patch in patches:
            patch.stop()


def main(rank, size, model, processor, folder):
    torch.set_num_threads(1)
    # A long timeout: a machine with other work may let one of the processes wait.
    dist.init_process_group(
        "gloo", f"file://{folder}/rendezvous", rank=rank, world_size=size, timeout=timedelta(hours=1)
    )
    pairs = [pair._replace(text=pair.text[:200]) for pair in builtin_pairs(count=11)]
    ranks = Ranks.of_torch()
    seen = {}
    for name, (count, damaged, patches, settings) in SCENARIOS.items():
        shared = Pairs(pairs[:count], damaged)
        dealt = run(model, processor, shared, patches, settings, ranks)
        alone = None
        if rank == 0:
            alone = run(model, processor, Pairs(pairs[:count], damaged), patches, settings)
        seen[name] = {"dealt": dealt, "alone": alone, "opened": sorted(set(shared.opened))}
    captions = caption_perplexity(model, processor, pairs[:5], progress=False, ranks=ranks)
    seen["captions"] = {"dealt": captions.model_dump(mode="json")}
    if rank == 0:
        alone = caption_perplexity(model, processor, pairs[:5], progress=False)
        seen["captions"]["alone"] = alone.model_dump(mode="json")
    ranks.gather(None)
    if rank == size - 1:
        write(folder, rank, seen)
        os.kill(os.getpid(), signal.SIGKILL)
    seen["lost"] = run(model, processor, pairs, {}, {}, ranks)
    write(folder, rank, seen)
    os._exit(0)  # the group cannot be taken down in order any more


def write(folder, rank, seen):
    Path(folder, f"seen_{rank}.json").write_text(json.dumps(seen))
