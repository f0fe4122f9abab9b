"""Shaded shapes, painted on an image in place or returned on a transparent ground."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from mir_task.builtin.drawing.colours import WHITE, Colour, colourise, scale_colour, tones
from mir_task.builtin.drawing.geometry import Box, Point, Size


def _pour(scene: Image.Image, mask: Image.Image, corner: Point, top: Colour, bottom: Colour | None) -> None:
    """Fill `mask`, whose upper left is at `corner`, with a vertical gradient."""
    ramp = np.linspace(0, 1, mask.height)[:, None] + np.zeros(mask.width)[None, :]
    gradient = colourise(ramp, [top, bottom or scale_colour(top, 0.75)])
    scene.paste(gradient, (round(corner[0]), round(corner[1])), mask)


def paint_polygon(
    scene: Image.Image, outline: Sequence[Point], top: Colour, bottom: Colour | None = None
) -> None:
    """Fill a polygon with a vertical gradient, by default to a darker tone of `top`."""
    across, down = zip(*outline, strict=True)
    box = Box(min(across), min(down), max(across), max(down))
    mask = Image.new("L", box.size)
    ImageDraw.Draw(mask).polygon([(x - box.left, y - box.top) for x, y in outline], fill=255)
    _pour(scene, mask, box.corner, top, bottom)


def rounded_mask(size: Size, radius: float) -> Image.Image:
    """Return a mask of a whole image whose corners are rounded by `radius` pixels."""
    mask = Image.new("L", size)
    ImageDraw.Draw(mask).rounded_rectangle((0, 0, size[0] - 1, size[1] - 1), radius, fill=255)
    return mask


def paint_box(
    scene: Image.Image, box: Box, top: Colour, bottom: Colour | None = None, radius: float = 0
) -> None:
    """Fill a box, its corners rounded by `radius` pixels, with a vertical gradient."""
    _pour(scene, rounded_mask(box.size, radius), box.corner, top, bottom)


def paint_disc(
    scene: Image.Image, centre: Point, radius: float, top: Colour, bottom: Colour | None = None
) -> None:
    """Fill a disc with a vertical gradient."""
    x, y = centre
    paint_box(scene, Box(x - radius, y - radius, x + radius, y + radius), top, bottom, radius)


def paint_pole(scene: Image.Image, box: Box, colour: Colour) -> None:
    """Draw an upright pole with the light of a cylinder."""
    width, height = box.size
    across = np.sin(np.linspace(0.15, 2.6, width))[None, :] + np.zeros(height)[:, None]
    scene.paste(colourise(across, [scale_colour(colour, 0.4), scale_colour(colour, 1.2)]), box.corner)


def shade(scene: Image.Image, mask: Image.Image, corner: Point, blur: float, strength: float = 0.55) -> None:
    """Darken `scene` by a blurred copy of `mask` whose upper left is at `corner`."""
    margin = round(3 * blur)
    soft = Image.new("L", (mask.width + 2 * margin, mask.height + 2 * margin))
    soft.paste(mask.point(lambda level: level * strength), (margin, margin))
    soft = soft.filter(ImageFilter.GaussianBlur(blur))
    scene.paste((10, 10, 16), (round(corner[0]) - margin, round(corner[1]) - margin), soft)


def ground_shadow(scene: Image.Image, left: float, right: float, floor: float) -> None:
    """Draw the soft shadow under a thing that stands on the line `floor`."""
    mask = Image.new("L", (max(2, round(right - left)), max(2, round(0.12 * (right - left)))))
    ImageDraw.Draw(mask).ellipse((0, 0, mask.width - 1, mask.height - 1), fill=255)
    shade(scene, mask, (left, floor - 0.6 * mask.height), 0.3 * mask.height + 2, 0.8)


def ball(diameter: int, colour: Colour) -> Image.Image:
    """Return a lit sphere on a transparent ground."""
    across = np.linspace(-1, 1, diameter)
    x, y = np.meshgrid(across, across)
    height = np.sqrt(np.clip(1 - x**2 - y**2, 0, 1))
    light = np.clip(0.62 * height - 0.28 * x - 0.38 * y + 0.08, 0, 1)
    image = colourise(light, tones(colour, 0.25, 1.6))
    image.putalpha(Image.fromarray((255 * (height > 0)).astype(np.uint8)))
    return image


def vessel(
    size: Size, profile: Sequence[Point], colour: Colour, cap: Colour, label: Image.Image, span: Point
) -> Image.Image:
    """Return a round vessel on a transparent ground.

    `profile` lists (height, radius) from the top (0) to the bottom (1), the first two being the cap; `label`
    is wrapped around the front between the two heights of `span`, its sides foreshortened.
    """
    width, height = size
    heights, radii = zip(*profile, strict=True)
    radius = np.interp(np.linspace(0, 1, height), heights, radii)[:, None]
    offset = np.linspace(-1, 1, width)[None, :] / radius
    inside = np.abs(offset) <= 1
    turn = np.arcsin(np.clip(offset, -1, 1))
    light = np.clip(0.05 + 0.6 * np.cos(turn - 0.35) + 0.3 * np.exp(-(((turn + 0.55) / 0.13) ** 2)), 0, 1)
    body = colourise(light, [scale_colour(colour, 0.15), colour, WHITE])
    lid = round(heights[1] * height)
    body.paste(colourise(light[:lid], [scale_colour(cap, 0.2), cap, WHITE]))
    wrap = np.clip((turn / np.pi + 0.5) * label.width, 0, label.width - 1).astype(int)
    first, last = round(span[0] * height), round(span[1] * height)
    rows = np.linspace(0, label.height - 1, last - first).astype(int)[:, None]
    paper = np.asarray(label.convert("RGB"))[rows, wrap[first:last]]
    dim = np.clip(0.4 + 0.65 * np.cos(turn[first:last] + 0.3), 0, 1)[..., None]
    body.paste(Image.fromarray((paper * dim).astype(np.uint8)), (0, first))
    body.putalpha(Image.fromarray((255 * inside).astype(np.uint8)))
    return body
