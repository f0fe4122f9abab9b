"""``python -m mir_task.bench``: run benchmarks, print tables, write JSON."""

from __future__ import annotations

import argparse
import dataclasses
import itertools
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from mir_task.bench import (
    accelerator,
    card,
    ceiling,
    companions,
    coverage,
    decision,
    distance,
    inference,
    iteration,
    layer,
    profile,
    report,
    whole,
)
from mir_task.bench.llava import Shape
from mir_task.bench.machine import describe

BENCHMARKS: dict[str, Callable[[argparse.Namespace], Iterator[dict[str, Any]]]] = {
    "distance": lambda arguments: distance.run(arguments.sizes),
    "layer": lambda arguments: layer.run(d=max(arguments.sizes)),
    "step": lambda arguments: layer.step(d=max(arguments.sizes)),
    "overhead": lambda _: whole.overhead(),
    "deep": lambda _: whole.deep(),
    "companions": lambda _: companions.run(),
    "profile": lambda _: profile.run(),
    "accelerator": lambda arguments: accelerator.run(_shape(arguments), arguments.device, arguments.dtype),
    "iteration": lambda _: iteration.run(),
    "memory": lambda _: whole.memory(),
    "card": lambda _: card.run(),
    "ceiling": lambda _: ceiling.run(),
    "scaling": lambda _: whole.scaling(),
    "coverage": lambda _: coverage.run(),
    "floors": lambda _: coverage.floors(),
    "inference": lambda _: inference.run(),
    "decision": lambda _: decision.run(),
    "report": lambda _: report.run(),
}


def main(argv: list[str] | None = None) -> int:
    """Run the benchmarks named (default: all) and write ``{output}/{name}.json``."""
    parser = argparse.ArgumentParser(prog="python -m mir_task.bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(BENCHMARKS)}; default all")
    parser.add_argument("--output", type=Path, default=Path("results/benchmarks"))
    parser.add_argument("--sizes", type=int, nargs="+", default=list(distance.SIZES), help="hidden sizes d")
    _add_accelerator(parser)
    arguments = parser.parse_args(argv)
    unknown = set(arguments.names) - set(BENCHMARKS)
    if unknown:
        parser.error(f"unknown benchmark {', '.join(sorted(unknown))}; there are {', '.join(BENCHMARKS)}")
    try:
        _shape(arguments)
    except ValueError as error:
        parser.error(str(error))
    for name in arguments.names or BENCHMARKS:
        arguments.output.mkdir(parents=True, exist_ok=True)
        path = arguments.output / f"{name}.json"
        records: list[dict[str, Any]] = []
        for record in BENCHMARKS[name](arguments):
            records.append(record)
            # After each, so that an interruption does not cost the hour before it.
            path.write_text(json.dumps({"machine": describe(), "records": records}, indent=1) + "\n")
        print(f"\n{name}")
        for _, alike in itertools.groupby(records, key=lambda record: record.get("what")):
            print(pd.DataFrame(alike).to_string(index=False))
        print(f"-> {path}")
    return 0


def _add_accelerator(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group(
        "accelerator", "shape of its model and pairs; by default LLaVA-1.5-7B's"
    )
    for name, default in dataclasses.asdict(Shape()).items():
        if name != "prompt_tokens":
            group.add_argument("--hidden" if name == "d" else f"--{name}", type=int, default=default)
    device = "cuda" if torch.cuda.is_available() else None
    group.add_argument(
        "--device", default=device, help="where the model runs; without one nothing is measured"
    )
    group.add_argument("--dtype", default="bfloat16", help="of the model")


def _shape(arguments: argparse.Namespace) -> Shape:
    return Shape(
        layers=arguments.layers,
        d=arguments.hidden,
        pairs=arguments.pairs,
        vision_tokens=arguments.vision_tokens,
        text_tokens=arguments.text_tokens,
    )


if __name__ == "__main__":
    raise SystemExit(main())
