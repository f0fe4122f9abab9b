"""Props that several scenes share."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from mir_task.builtin.drawing.chance import Random, pick
from mir_task.builtin.drawing.colours import Colour, colourise, ink_for, pick_colour, scale_colour, tones
from mir_task.builtin.drawing.geometry import Box, Size
from mir_task.builtin.drawing.lettering import write
from mir_task.builtin.drawing.noise import fractal_noise
from mir_task.builtin.drawing.shapes import paint_box, paint_disc, paint_polygon, rounded_mask
from mir_task.builtin.drawing.textures import Painter, city, fabric, foliage, landscape, lights, sky
from mir_task.builtin.drawing.words import EVENTS, MONTHS, NAMES


def texture(random: Random, size: Size, *options: Painter) -> Image.Image:
    """Draw one of the textures."""
    return pick(random, options)(random, size)


def far(image: Image.Image, share: float = 0.005) -> Image.Image:
    """Put an image out of focus."""
    return image.filter(ImageFilter.GaussianBlur(share * max(image.size)))


def lay_floor(random: Random, wall: Image.Image, share: float, *options: Painter) -> Image.Image:
    """Cover `wall` below a share of its height with one of the textures and return it."""
    floor = Box.of(wall.size).part(0, share, 1, 1.01)
    wall.paste(texture(random, floor.size, *options), floor.corner)
    paint_box(wall, Box.of(wall.size).part(0, share - 0.012, 1, share), (90, 86, 82), (40, 38, 38))
    return wall


def board(random: Random, size: Size, colour: Colour, radius: float = 0, border: bool = False) -> Image.Image:
    """Return a slightly weathered board; `radius` rounds its corners, as a share of the shorter side."""
    wear = fractal_noise(random, size, (3, 2), octaves=7, falloff=0.75)
    panel = colourise(wear, tones(colour, 0.82, 1.1))
    corner, line = radius * min(size), max(2, round(0.025 * min(size)))
    if border:
        frame = (2 * line, 2 * line, size[0] - 2 * line, size[1] - 2 * line)
        ImageDraw.Draw(panel).rounded_rectangle(frame, corner, outline=ink_for(colour), width=line)
    panel.putalpha(rounded_mask(size, corner))
    return panel


def sign(random: Random, size: Size, text: str, colour: Colour) -> Image.Image:
    """Return a board with `text` in a random style."""
    panel = board(random, size, colour, 0.06, border=bool(random.integers(2)))
    bold, slant = random.uniform(0, 0.04), pick(random, (0, 0, 0.2))
    write(panel, Box.of(size).part(0.08, 0.2, 0.92, 0.8), text, ink_for(colour), bold, slant)
    return panel


def glass(random: Random, scene: Image.Image, box: Box) -> None:
    """Draw a window pane: a dim interior or a reflected sky, with slanting reflections."""
    pane, whole = texture(random, box.size, lights, lights, sky), Box.of(box.size)
    gleam = Image.new("L", box.size)
    for left in random.uniform(0, 1, 2):
        right = left + random.uniform(0.05, 0.2)
        slant = [whole.point(x, y) for x, y in ((left, 0), (right, 0), (right - 0.2, 1), (left - 0.2, 1))]
        ImageDraw.Draw(gleam).polygon(slant, fill=60)
    pane.paste((225, 235, 240), mask=gleam.filter(ImageFilter.GaussianBlur(3)))
    scene.paste(pane, box.corner)


def artwork(random: Random, size: Size) -> Image.Image:
    """Draw a printed picture: rings, waves, peaks or a view."""
    image = Image.new("RGB", size, pick_colour(random, (0.2, 0.7), (0.5, 0.95)))
    shape = pick_colour(random, (0.3, 0.8), (0.2, 0.9))
    kind, (width, height) = int(random.integers(4)), size
    if kind == 0:
        return texture(random, size, landscape, city, foliage, lights, fabric)
    if kind == 1:
        centre = random.uniform(0.3, 0.7) * width, random.uniform(0.3, 0.7) * height
        for ring, radius in enumerate(np.linspace(0.5, 0.08, 6) * max(size)):
            paint_disc(image, centre, radius, scale_colour(shape, 1.4 if ring % 2 else 1))
        return image
    for level in np.linspace(0.3, 0.9, 5):
        line = fractal_noise(random, (width, 1), (4, 1), octaves=3 * kind - 4)[0]
        crest = [(float(x), float(height * (level - 0.25 * line[x]))) for x in range(0, width, 4)]
        paint_polygon(image, [*crest, (width, height), (0, height)], scale_colour(shape, 1.5 - level))
    return image


def event_poster(random: Random, size: Size) -> Image.Image:
    """Draw one poster: a picture, what, when and where."""
    colour, whole = pick_colour(random, (0.05, 0.6), (0.5, 0.97)), Box.of(size)
    poster = board(random, size, colour).convert("RGB")
    picture_top, title_top = pick(random, ((0.06, 0.53), (0.4, 0.06)))
    picture = whole.part(0.06, picture_top, 0.94, picture_top + 0.44)
    poster.paste(artwork(random, picture.size), picture.corner)
    title = pick(random, EVENTS).upper().replace(" ", "\n")
    title_box = whole.part(0.08, title_top, 0.92, title_top + 0.3)
    write(poster, title_box, title, ink_for(colour), random.uniform(0, 0.05))
    venue = f"{pick(random, NAMES)} {pick(random, ['Hall', 'Park', 'Pier', 'Green'])}"
    date = f"{random.integers(1, 29)} {pick(random, MONTHS)}"
    write(poster, whole.part(0.08, 0.87, 0.92, 0.95), f"{date}  {venue}", ink_for(colour), 0.01)
    return poster
