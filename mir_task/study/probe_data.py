"""The pairs that the study measures MIR on: held-out pictures, and descriptions of other held-out scenes."""

from __future__ import annotations

from pathlib import Path

from mir_task.study.captions import caption
from mir_task.study.scales import Scale
from mir_task.study.world import Stream, example, text_example


def write_probe_data(scale: Scale, folder: Path) -> None:
    """Write ``images/*.png`` and ``texts/*.txt`` for the task mir_local, which pairs them at random."""
    images, texts = folder / "images", folder / "texts"
    images.mkdir()
    texts.mkdir()
    for index in range(scale.probe_pairs):
        example("heldout", Stream.PROBE_IMAGES, index).image.save(images / f"scene_{index:04d}.png")
        scene, random = text_example("heldout", Stream.PROBE_TEXTS, index)
        (texts / f"text_{index:04d}.txt").write_text(caption(scene, "detailed", random) + "\n")
