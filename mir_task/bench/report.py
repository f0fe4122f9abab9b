"""Times the report on many result files: reading, relating, and writing the page."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from mir_task.report.analysis import analyse
from mir_task.report.load import LoadSettings, load
from mir_task.report.write import write
from mir_task.result import LayerResult, MIRResult, ModelInfo, Protocol

FILES, LAYERS, PAIRS, BENCHMARKS = 1000, 32, 100, 8


def run(files: int = FILES) -> Iterator[dict[str, Any]]:
    """Yield one record a step, for ``files`` per-layer files of models of 32 layers and a table of scores."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        made = save_results(root / "results", files)
        settings = LoadSettings(scores=(save_scores(root / "scores.json", made),))
        started = time.perf_counter()
        evidence = load([root / "results"], settings)
        loaded = time.perf_counter()
        findings = analyse(evidence)
        related = time.perf_counter()
        page = write(findings, root / "report")
        written = time.perf_counter()
        sizes = {"files": files, "layers": LAYERS, "pairs": PAIRS, "benchmarks": BENCHMARKS}
        yield {**sizes, "step": "load", "seconds": loaded - started, "mib": _mib(root / "results")}
        yield {**sizes, "step": "compare and relate", "seconds": related - loaded, "mib": None}
        yield {**sizes, "step": "draw and write", "seconds": written - related, "mib": _mib(page.parent)}


def save_results(folder: Path, files: int) -> dict[str, float]:
    """Write per-layer files of random numbers, one a model, as ``measure`` does; return MIR by model."""
    random = np.random.default_rng(0)
    made = {}
    for index in range(files):
        fids = random.uniform(0.5, 2.0, LAYERS) * (1 + index / files)
        name = f"models/model-{index:04d}"
        result = MIRResult(
            mir=float(np.log10(fids.sum())),
            mir_reference=None,
            standard_error=0.01,
            pairs=PAIRS,
            layers=[_layer(number, float(fid)) for number, fid in enumerate(fids, start=1)],
            protocol=Protocol(task="mir_builtin", seed=0, pair_ids=[f"pair_{n:03d}" for n in range(PAIRS)]),
            model=ModelInfo(
                name=name,
                model_type="llava",
                adapter="LLaVA",
                layers=LAYERS,
                hidden_size=4096,
                dtype="float16",
                parameters=7,
            ),
        )
        result.save(folder / f"model-{index:04d}" / "20260101_000000_mir_mir_builtin.json")
        made[name] = result.mir
    return made


def save_scores(path: Path, models: dict[str, float]) -> Path:
    """Write a table of noisy scores that fall with MIR; return its path."""
    random = np.random.default_rng(1)
    rows = [
        {"model": name} | {f"benchmark {n}": 60 - 10 * mir + random.normal() for n in range(BENCHMARKS)}
        for name, mir in models.items()
    ]
    path.write_text(json.dumps(rows))
    return path


def _layer(number: int, fid: float) -> LayerResult:
    return LayerResult(
        layer=number,
        fid=fid,
        mean_term=0.4 * fid,
        covariance_term=0.6 * fid,
        standard_error=0.01,
        noise_floor_vision=0.1,
        noise_floor_text=0.1,
        fid_reference=fid,
        alpha=1.0,
        alpha_inliers=1.0,
        vision_norm=1.2,
        text_norm=1.0,
        vision_tokens=PAIRS * 576,
        text_tokens=PAIRS * 800,
        vision_outliers=10,
        text_outliers=10,
    )


def _mib(folder: Path) -> float:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) / 2**20
