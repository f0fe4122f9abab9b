"""Flat panels seen in perspective."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image

from mir_task.builtin.drawing.geometry import Point, Size
from mir_task.builtin.drawing.shapes import shade


def warp(image: Image.Image, quad: npt.NDArray[np.floating], size: Size) -> Image.Image:
    """Return `image` in perspective, its corners (clockwise from the upper left) at the points of `quad`."""
    width, height = image.size
    rows, values = [], []
    for (x, y), (u, v) in zip(quad, [(0, 0), (width, 0), (width, height), (0, height)], strict=True):
        rows += [[x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]]
        values += [u, v]
    coefficients = np.linalg.solve(np.array(rows, dtype=float), np.array(values, dtype=float))
    return image.transform(
        size, Image.Transform.PERSPECTIVE, coefficients.tolist(), resample=Image.Resampling.BICUBIC
    )


def place(
    scene: Image.Image,
    panel: Image.Image,
    centre: Point,
    angle: float = 0,
    tilt: Point = (0, 0),
    shadow: float = 0.02,
) -> None:
    """Put `panel` on `scene` over its soft shadow.

    `angle` turns it (degrees), `tilt` makes its right and lower edges recede, and `shadow` is how far it
    stands off the wall as a share of its longer side.
    """
    margin = 2  # a transparent rim smooths the edges
    width, height = panel.width + 2 * margin, panel.height + 2 * margin
    rimmed = Image.new("RGBA", (width, height))
    rimmed.paste(panel, (margin, margin))
    turn = np.deg2rad(angle)
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    corners = np.array([(-width, -height), (width, -height), (width, height), (-width, height)]) / 2
    depth = 1 + corners @ (np.array(tilt) / rimmed.size)
    quad = (corners / depth[:, None]) @ rotation.T
    origin = np.floor(quad.min(axis=0))
    extent = np.ceil(quad.max(axis=0) - origin).astype(int)
    layer = warp(rimmed, quad - origin, (int(extent[0]), int(extent[1])))
    corner = (round(centre[0] + origin[0]), round(centre[1] + origin[1]))
    distance = shadow * max(panel.size)
    alpha = layer.getchannel("A")
    if distance:
        shade(scene, alpha, (corner[0] + distance, corner[1] + 1.5 * distance), distance + 1)
    scene.paste(layer, corner, alpha)
