"""Render the images of the built-in data: 100 invented scenes with readable text in them.

They stand in for the photographs of TextVQA, so that the metric runs without a download: shop fronts, road
signs, labels, screens and the like, on varied backgrounds and under varied light, 224 to 640 pixels a side.
Only Pillow's embedded font and invented words are used, so the images depend on nobody else's pictures.

    python -m mir_task.builtin.generate --output DIR [--seed 0] [--count 100]

Every random choice for an image comes from one generator seeded with (seed, index), so its pixels are the
same on every run.  The bytes of a JPEG file may still differ between versions of Pillow, libjpeg and
FreeType; hence the shipped files are fixed by a checksum test and are not generated again at installation.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

from mir_task.builtin.drawing.chance import Random
from mir_task.builtin.drawing.geometry import Size
from mir_task.builtin.drawing.noise import Field, fractal_noise
from mir_task.builtin.drawing.panels import warp
from mir_task.builtin.drawing.scenes import SCENES

DETAIL = 2  # scenes are drawn this many times larger and then reduced, which smooths their edges
MARGIN = 0.03  # share of a drawn scene at each edge that the camera cuts off on average
JPEG_QUALITY = 68


def pick_size(random: Random) -> Size:
    """Draw a width and height of 224 to 640 pixels: landscape, portrait or square."""
    longer = int(random.integers(352, 641))
    shorter = max(224, round(longer * random.uniform(0.6, 0.85)))
    return [(longer, shorter), (shorter, longer), (longer, longer)][random.choice(3, p=[0.5, 0.32, 0.18])]


def photograph(random: Random, scene: Image.Image, size: Size) -> Image.Image:
    """View a drawn scene through a slightly turned camera and reduce it to `size`."""
    corners = np.array([(0, 0), (1, 0), (1, 1), (0, 1)], dtype=float)
    view = MARGIN + (1 - 2 * MARGIN) * corners + random.uniform(-0.8 * MARGIN, 0.8 * MARGIN, (4, 2))
    large = np.array(size) * DETAIL
    # The scene's corners land outside the frame, as far as the view's corners lie inside the scene.
    outside = corners - (view - corners)
    image = warp(scene, outside * large, (int(large[0]), int(large[1])))
    return image.resize(size, Image.Resampling.LANCZOS)


def light(random: Random, size: Size) -> Field:
    """Draw the light that falls on a scene: a slope, patches of shade, a vignette and a colour cast."""
    down, across = np.mgrid[-1 : 1 : size[1] * 1j, -1 : 1 : size[0] * 1j]
    turn = random.uniform(0, 2 * np.pi)
    slope = 1 + random.uniform(0.05, 0.25) * (np.cos(turn) * across + np.sin(turn) * down)
    vignette = 1 - random.uniform(0.03, 0.14) * (across**2 + down**2)
    shade = 1 - random.uniform(0, 0.35) * np.clip(6 * fractal_noise(random, size, (2, 2), 4) - 3, 0, 1)
    cast = 1 + random.uniform(-0.06, 0.06, 3)
    return np.asarray((slope * vignette * shade)[..., None] * cast, dtype=np.float32)


def expose(random: Random, image: Image.Image) -> Image.Image:
    """Add light, lens blur and sensor noise."""
    image = image.filter(ImageFilter.GaussianBlur(random.uniform(0.2, 0.7)))
    pixels = np.asarray(image, dtype=np.float32) * light(random, image.size) * random.uniform(0.95, 1.2)
    noise = random.normal(0, random.uniform(1.0, 3.5), (image.height, image.width, 1))
    return Image.fromarray(np.clip(pixels + noise, 0, 255).astype(np.uint8))


def render(seed: int, index: int) -> Image.Image:
    """Render image number `index`; the kinds of scene take turns."""
    random = np.random.default_rng((seed, index))
    size = pick_size(random)
    scene = SCENES[index % len(SCENES)](random, (size[0] * DETAIL, size[1] * DETAIL))
    return expose(random, photograph(random, scene, size))


def main(argv: Sequence[str] | None = None) -> int:
    """Write the images to a directory."""
    parser = argparse.ArgumentParser(description="Render the images of the built-in data.")
    parser.add_argument("--output", type=Path, required=True, help="directory for image_000.jpg, ...")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--count", type=int, default=100)
    arguments = parser.parse_args(argv)
    arguments.output.mkdir(parents=True, exist_ok=True)
    for index in range(arguments.count):
        image = render(arguments.seed, index)
        image.save(arguments.output / f"image_{index:03d}.jpg", quality=JPEG_QUALITY, optimize=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
