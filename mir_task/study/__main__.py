"""``python -m mir_task.study``: run the study, or go on with it where it was left off."""

from __future__ import annotations

import argparse
from pathlib import Path

import pandas as pd
import torch

from mir_task.study.run import default_device, run_study
from mir_task.study.scales import SCALES


def main(argv: list[str] | None = None) -> int:
    """Run a study of a scale."""
    scales = "\n".join(f"  {name}: {scale.estimate}" for name, scale in SCALES.items())
    parser = argparse.ArgumentParser(
        prog="python -m mir_task.study",
        description=f"{__doc__}\n\nStart it several times with the same output to share the runs.\n\nscales:\n{scales}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--scale", choices=SCALES, default="smoke")
    parser.add_argument("--output", type=Path, required=True, help="folder of all stages and results")
    parser.add_argument("--device", default=default_device(), help="cpu, cuda, ...; default: %(default)s")
    parser.add_argument(
        "--threads", type=int, default=1, help="of torch; models this small gain more from a second process"
    )
    arguments = parser.parse_args(argv)
    torch.set_num_threads(arguments.threads)
    table = run_study(SCALES[arguments.scale], arguments.output, arguments.device)
    print(f"\n{pd.read_csv(table).drop(columns='average_over').round(3).to_string(index=False)}\n-> {table}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
