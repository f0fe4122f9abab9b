"""MIR of a tiny random model of a family's own code, beside an independent float64 number.

python -m tests.adapters.real FAMILY PATH_OF_CLONE
"""

import argparse
import importlib
import math
import os
import sys
import warnings
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"
warnings.filterwarnings("ignore")

import transformers  # noqa: E402

from mir_task import measure  # noqa: E402
from tests.adapters.real.common import independent_mir, pairs  # noqa: E402

FAMILIES = [
    "llava",
    "minicpm_2_0",
    "minicpm",
    "qwen_vl",
    "cogvlm2",
    "glm4v",
    "cambrian",
    "vila",
    "mini_gemini",
    "internvl1",
    "aligngpt",
    "xcomposer2_5",
]
TOLERANCE = 1e-5


def main():
    parser = argparse.ArgumentParser(prog="python -m tests.adapters.real", description=__doc__)
    parser.add_argument("family", choices=FAMILIES)
    parser.add_argument("clone", type=Path, help="folder of the family's code")
    args = parser.parse_args()
    load = importlib.import_module(f"tests.adapters.real.{args.family}").load
    shown = load(args.clone.resolve())
    expected = float(independent_mir(shown))
    mir = measure(shown.model, shown.tokenizer, pairs(shown.number), progress=False).mir
    difference = abs(mir - expected)
    print(
        f"{args.family}: transformers {transformers.__version__}, MIR {mir:.9f}, "
        f"independent {expected:.9f}, difference {difference:.1e}"
    )
    return int(not (math.isfinite(mir) and difference <= TOLERANCE))


if __name__ == "__main__":
    sys.exit(main())
