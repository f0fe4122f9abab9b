"""``python -m mir_task.bench``: run benchmarks, print tables, write JSON."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from mir_task.bench import (
    card,
    ceiling,
    companions,
    coverage,
    decision,
    distance,
    inference,
    layer,
    profile,
    report,
    whole,
)
from mir_task.bench.machine import describe

BENCHMARKS: dict[str, Callable[[argparse.Namespace], Iterator[dict[str, Any]]]] = {
    "distance": lambda arguments: distance.run(arguments.sizes),
    "layer": lambda arguments: layer.run(d=max(arguments.sizes)),
    "step": lambda arguments: layer.step(d=max(arguments.sizes)),
    "overhead": lambda _: whole.overhead(),
    "deep": lambda _: whole.deep(),
    "companions": lambda _: companions.run(),
    "profile": lambda _: profile.run(),
    "accelerator": lambda _: whole.accelerator(),
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
    arguments = parser.parse_args(argv)
    unknown = set(arguments.names) - set(BENCHMARKS)
    if unknown:
        parser.error(f"unknown benchmark {', '.join(sorted(unknown))}; there are {', '.join(BENCHMARKS)}")
    for name in arguments.names or BENCHMARKS:
        arguments.output.mkdir(parents=True, exist_ok=True)
        path = arguments.output / f"{name}.json"
        records: list[dict[str, Any]] = []
        for record in BENCHMARKS[name](arguments):
            records.append(record)
            # After each, so that an interruption does not cost the hour before it.
            path.write_text(json.dumps({"machine": describe(), "records": records}, indent=1) + "\n")
        if not records:
            print(f"\n{name}: needs a GPU, left out")
            continue
        print(f"\n{name}\n{pd.DataFrame(records).to_string(index=False)}\n-> {path}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
