"""Colours, their tones, and palettes."""

from __future__ import annotations

import colorsys
from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image

from mir_task.builtin.drawing.chance import Random
from mir_task.builtin.drawing.geometry import Point

Colour: TypeAlias = tuple[int, int, int]
WHITE: Colour = (246, 244, 238)
INK: Colour = (28, 27, 32)


def pick_colour(
    random: Random,
    saturation: Point = (0.3, 0.7),
    value: Point = (0.35, 0.8),
    hue: Point | None = None,
) -> Colour:
    """Pick a colour uniformly from ranges of saturation, value and hue.

    Without a range of hues, warm and blue ones are likelier than green and purple ones, as in photographs.
    """
    if hue is None:
        angle = float(np.interp(random.uniform(), [0, 0.5, 0.62, 0.95, 1], [-0.03, 0.15, 0.48, 0.66, 0.95]))
    else:
        angle = random.uniform(*hue)
    fractions = colorsys.hsv_to_rgb(angle % 1, random.uniform(*saturation), random.uniform(*value))
    red, green, blue = (round(255 * fraction) for fraction in fractions)
    return red, green, blue


def scale_colour(colour: Colour, factor: float) -> Colour:
    """Brighten (factor above 1) or darken a colour."""
    red, green, blue = (min(255, round(channel * factor)) for channel in colour)
    return red, green, blue


def tones(colour: Colour, dark: float, light: float) -> list[Colour]:
    """Return a palette that runs from a darker through the plain to a lighter tone of a colour."""
    return [scale_colour(colour, dark), colour, scale_colour(colour, light)]


def ink_for(colour: Colour) -> Colour:
    """Return the lettering colour, near white or near black, that reads well on `colour`."""
    return INK if 0.3 * colour[0] + 0.6 * colour[1] + 0.1 * colour[2] > 135 else WHITE


def colourise(field: npt.NDArray[np.floating], palette: Sequence[Colour]) -> Image.Image:
    """Map a field of 0..1 onto evenly spaced palette colours."""
    stops = np.linspace(0, 1, len(palette))
    channels = [np.interp(field, stops, channel) for channel in zip(*palette, strict=True)]
    return Image.fromarray(np.stack(channels, axis=-1).astype(np.uint8))
