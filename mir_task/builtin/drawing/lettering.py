"""Lettering: words fitted into boxes, in rows, and as a matrix of dots."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from mir_task.builtin.drawing.colours import Colour, scale_colour
from mir_task.builtin.drawing.geometry import Box


@lru_cache(maxsize=64)
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size=size)


def lettering(text: str, bold: float = 0.0, slant: float = 0.0) -> Image.Image:
    """Return the ink of `text` (lines split at newlines) as a mask cut to its edges."""
    size = 120
    stroke = round(bold * size)
    draw = ImageDraw.Draw(Image.new("L", (1, 1)))
    box = draw.multiline_textbbox((0, 0), text, font=_font(size), stroke_width=stroke, align="center")
    mask = Image.new("L", (int(box[2] - box[0]) + 4, int(box[3] - box[1]) + 4))
    start = (2 - box[0], 2 - box[1])
    ImageDraw.Draw(mask).multiline_text(
        start, text, fill=255, font=_font(size), stroke_width=stroke, align="center"
    )
    if slant:
        grown = (mask.width + round(slant * mask.height), mask.height)
        mask = mask.transform(
            grown,
            Image.Transform.AFFINE,
            (1, slant, -slant * mask.height, 0, 1, 0),
            resample=Image.Resampling.BICUBIC,
        )
    return mask.crop(mask.getbbox())


def write(
    scene: Image.Image, box: Box, text: str, colour: Colour, bold: float = 0.0, slant: float = 0.0
) -> None:
    """Write `text` as large as fits in the middle of `box`, widened or narrowed by up to a quarter."""
    mask = lettering(text, bold, slant)
    across, down = box.size[0] / mask.width, box.size[1] / mask.height
    across, down = min(across, 1.25 * down), min(down, 1.25 * across)
    size = max(1, round(across * mask.width)), max(1, round(down * mask.height))
    left, top = round((box.left + box.right - size[0]) / 2), round((box.top + box.bottom - size[1]) / 2)
    scene.paste(colour, (left, top), mask.resize(size, Image.Resampling.LANCZOS))


def write_rows(
    scene: Image.Image, box: Box, rows: Sequence[tuple[str, str]], colours: Sequence[Colour]
) -> None:
    """Write rows of (left, right) text in one size that fits `box`, going through `colours` in turn."""
    pitch = (box.bottom - box.top) / len(rows)
    widest = max(_font(100).getlength("  ".join(row)) for row in rows)
    font = _font(max(8, int(min(0.72 * pitch, 100 * box.size[0] / widest))))
    draw = ImageDraw.Draw(scene)
    for index, (left, right) in enumerate(rows):
        middle = box.top + (index + 0.5) * pitch
        colour = colours[index % len(colours)]
        draw.text((box.left, middle), left, fill=colour, font=font, anchor="lm")
        draw.text((box.right, middle), right, fill=colour, font=font, anchor="rm")


def write_dots(scene: Image.Image, box: Box, text: str, colour: Colour) -> None:
    """Write `text` as a matrix of glowing dots."""
    mask, rows = lettering(text, 0.01), 15
    dot = box.size[1] / rows
    columns = min(round(mask.width * rows / mask.height), int(box.size[0] / dot))
    lit = np.asarray(mask.resize((columns, rows), Image.Resampling.BOX)) > 95
    left = (box.left + box.right - columns * dot) / 2
    glow = Image.new("L", scene.size)
    for row, column in np.argwhere(lit):
        x, y = left + column * dot, box.top + row * dot
        ImageDraw.Draw(glow).ellipse((x, y, x + 0.95 * dot, y + 0.95 * dot), fill=255)
    scene.paste(scale_colour(colour, 0.6), mask=glow.filter(ImageFilter.GaussianBlur(dot)))
    scene.paste(colour, mask=glow)
