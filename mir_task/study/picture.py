"""Draws a scene, with the tools of the built-in images where they serve."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

from mir_task.builtin.drawing.chance import Random
from mir_task.builtin.drawing.colours import INK, WHITE, Colour, scale_colour
from mir_task.builtin.drawing.geometry import Box
from mir_task.builtin.drawing.lettering import write
from mir_task.builtin.drawing.shapes import paint_box
from mir_task.study.scene import COLUMNS, ROWS, Scene, Thing

IMAGE_SIZE = 64
DETAIL = 3
"""Pictures are drawn this many times larger and then reduced, which smooths the edges."""
SIGN_HEIGHT = 0.26
"""Share of the height, kept free for the sign."""
RGB: dict[str, Colour] = {
    "red": (205, 45, 40),
    "green": (50, 150, 65),
    "blue": (50, 90, 205),
    "yellow": (235, 205, 50),
    "purple": (130, 55, 160),
    "white": (245, 245, 245),
}


def render(scene: Scene, random: Random) -> Image.Image:
    """The scene as an RGB image of ``IMAGE_SIZE`` pixels a side.

    Args:
        scene: what to draw.
        random: draws what no caption mentions: tint of the ground, jitter, noise.
    """
    side = IMAGE_SIZE * DETAIL
    tint = random.integers(130, 195, 3)
    image = Image.new("RGB", (side, side), (int(tint[0]), int(tint[1]), int(tint[2])))
    sign_first = scene.word is not None and scene.sign_at == "top"
    top = SIGN_HEIGHT if sign_first else 0.0
    bottom = 1 - SIGN_HEIGHT if scene.word is not None and not sign_first else 1.0
    whole = Box.of(image.size)
    if scene.word is not None:
        start = 0.0 if sign_first else 1 - SIGN_HEIGHT
        _sign(image, whole.part(0.06, start + 0.02, 0.94, start + SIGN_HEIGHT - 0.02), scene.word)
    field = whole.part(0, top, 1, bottom)
    for thing in scene.things:
        row, column = divmod(thing.cell, len(COLUMNS))
        cell = field.part(
            column / len(COLUMNS), row / len(ROWS), (column + 1) / len(COLUMNS), (row + 1) / len(ROWS)
        )
        _thing(image, cell, thing, random)
    pixels = np.asarray(image.resize((IMAGE_SIZE, IMAGE_SIZE), Image.Resampling.BOX), dtype=np.float32)
    noisy = pixels + random.normal(0, 3, pixels.shape)
    return Image.fromarray(np.clip(noisy, 0, 255).astype(np.uint8))


def _sign(image: Image.Image, box: Box, word: str) -> None:
    paint_box(image, box, WHITE, scale_colour(WHITE, 0.9), radius=0.1 * box.size[1])
    write(image, box.part(0.06, 0.12, 0.94, 0.88), word, INK, bold=0.02)


def _thing(image: Image.Image, cell: Box, thing: Thing, random: Random) -> None:
    room = min(cell.size)
    radius = room * (0.48 if thing.size == "large" else 0.3)
    jitter = 0.04 * room * random.uniform(-1, 1, 2)
    middle = cell.point(0.5, 0.5)
    corner = round(middle[0] + jitter[0] - radius), round(middle[1] + jitter[1] - radius)
    mask = _outline(thing.shape, round(2 * radius))
    image.paste(_surface(thing, mask.size[0]), corner, mask)


def _outline(shape: str, side: int) -> Image.Image:
    """The shape as a mask."""
    mask = Image.new("L", (side, side))
    draw, box = ImageDraw.Draw(mask), Box.of((side - 1, side - 1))
    if shape in ("circle", "ring"):
        draw.ellipse(tuple(box), fill=255)
        if shape == "ring":
            draw.ellipse(tuple(box.part(0.28, 0.28, 0.72, 0.72)), fill=0)
    elif shape == "cross":
        draw.rectangle(tuple(box.part(0.33, 0, 0.67, 1)), fill=255)
        draw.rectangle(tuple(box.part(0, 0.33, 1, 0.67)), fill=255)
    else:
        draw.polygon([box.point(*point) for point in _POLYGONS[shape]], fill=255)
    return mask


def _surface(thing: Thing, side: int) -> Image.Image:
    """A square of the thing's material."""
    colour = RGB[thing.colour]
    contrast = scale_colour(colour, 0.55)
    surface = Image.new("RGB", (side, side), colour)
    draw, pitch = ImageDraw.Draw(surface), 4 * DETAIL
    if thing.material == "striped":
        for offset in range(0, side, pitch):
            draw.rectangle((0, offset, side, offset + pitch // 2 - 1), fill=contrast)
    return surface


_POLYGONS = {
    "square": ((0.06, 0.06), (0.94, 0.06), (0.94, 0.94), (0.06, 0.94)),
    "triangle": ((0.5, 0.02), (1, 0.95), (0, 0.95)),
    "star": tuple(
        (
            0.5 + (0.5 if point % 2 == 0 else 0.21) * float(np.sin(point * np.pi / 5)),
            0.52 - (0.52 if point % 2 == 0 else 0.21) * float(np.cos(point * np.pi / 5)),
        )
        for point in range(10)
    ),
}
