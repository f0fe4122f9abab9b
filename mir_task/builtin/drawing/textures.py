"""Backgrounds.

Each is a painter: a function of a random generator and a (width, height) in pixels that returns an RGB image
of that size.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from mir_task.builtin.drawing.chance import Random, pick
from mir_task.builtin.drawing.colours import WHITE, Colour, colourise, pick_colour, scale_colour, tones
from mir_task.builtin.drawing.geometry import Box, Point, Size
from mir_task.builtin.drawing.noise import fractal_noise
from mir_task.builtin.drawing.shapes import paint_box

Painter: TypeAlias = Callable[[Random, Size], Image.Image]


def sky(random: Random, size: Size) -> Image.Image:
    """Draw a sky, clear or at dusk, with clouds."""
    clear, dusk, grey = (
        ((206, 222, 232), (70, 122, 190)),
        ((244, 200, 160), (84, 96, 150)),
        (WHITE, (140, 152, 166)),
    )
    low, high = pick(random, (clear, dusk, grey))
    down = np.linspace(1, 0, size[1])[:, None] + np.zeros(size[0])[None, :]
    clouds = np.clip(2.4 * fractal_noise(random, size, (2, 4)) - random.uniform(1.0, 1.5), 0, 0.9)
    mask = Image.fromarray((255 * clouds).astype(np.uint8))
    return Image.composite(Image.new("RGB", size, (240, 238, 236)), colourise(down, [low, high]), mask)


def landscape(random: Random, size: Size) -> Image.Image:
    """Draw hills and a field under a sky."""
    scene = sky(random, size)
    width, height = size
    for layer in range(4):
        ridge = fractal_noise(random, (width, 1), (3, 1), octaves=7, falloff=0.5)[0]
        level = height * (0.42 + 0.13 * layer) - 0.16 * height * ridge
        below = np.arange(height)[:, None] > level[None, :]
        haze = layer / 3
        base = pick_colour(random, (0.2 + 0.3 * haze, 0.3 + 0.3 * haze), (0.6 - 0.2 * haze,) * 2, (0.2, 0.4))
        ground = fractal_noise(random, size, (6, 14), octaves=6, falloff=0.8)
        texture = colourise(ground, [scale_colour(base, 0.65), scale_colour(base, 1.3)])
        scene.paste(texture, mask=Image.fromarray((255 * below).astype(np.uint8)))
    return scene


def masonry(
    random: Random, size: Size, cell: Point, stagger: float, palette: Sequence[Colour], joint: Colour
) -> Image.Image:
    """Draw courses of cells (width, height in pixels), each with its own tone, between joints."""
    down, across = np.mgrid[0 : size[1], 0 : size[0]].astype(np.float32)
    row = (down // cell[1]).astype(int)
    shifted = across + (row % 2) * stagger * cell[0]
    column = (shifted // cell[0]).astype(int)
    tone = random.random((row.max() + 1, column.max() + 1))[row, column]
    left, top = shifted % cell[0], down % cell[1]
    gap = max(2.0, 0.06 * cell[1])
    edge = 0.14 * (top < 2 * gap) - 0.14 * (top > cell[1] - gap)
    grain = fractal_noise(random, size, (5, 5), octaves=8, falloff=0.75)
    image = colourise(np.clip(0.45 * tone + 0.7 * grain - 0.1 + edge, 0, 1), palette)
    joints = Image.fromarray((255 * ((left < gap) | (top < gap))).astype(np.uint8))
    mortar = colourise(grain, [scale_colour(joint, 0.7), joint])
    return Image.composite(mortar, image, joints.filter(ImageFilter.GaussianBlur(1)))


def brick(random: Random, size: Size) -> Image.Image:
    """Draw a brick wall."""
    course = max(size) / random.uniform(13, 24)
    base = pick_colour(random, (0.3, 0.6), (0.5, 0.7), (0.0, 0.09))
    palette = tones(base, 0.55, 1.3)
    return masonry(random, size, (course * random.uniform(2.2, 3), course), 0.5, palette, (196, 188, 176))


def tiles(random: Random, size: Size) -> Image.Image:
    """Draw a wall of glazed tiles."""
    side = max(size) / random.uniform(7, 13)
    base = pick_colour(random, (0.05, 0.4), (0.6, 0.85))
    palette = tones(base, 0.8, 1.15)
    shape = (side * random.choice([1.0, 2.0]), side)
    return masonry(random, size, shape, float(random.choice([0.0, 0.5])), palette, (214, 212, 206))


def wood(random: Random, size: Size) -> Image.Image:
    """Draw wooden boards with grain."""
    base = pick_colour(random, (0.3, 0.6), (0.4, 0.75), (0.05, 0.1))
    grain = fractal_noise(random, size, (2, 40), octaves=5, falloff=0.7)
    board = size[1] / random.integers(4, 9)
    row = (np.arange(size[1]) // board).astype(int)
    tone = 0.3 * random.random(row.max() + 1)[row] - 0.5 * (np.arange(size[1]) % board < 3)
    palette = tones(base, 0.45, 1.25)
    return colourise(np.clip(0.85 * grain + tone[:, None], 0, 1), palette)


def plaster(random: Random, size: Size) -> Image.Image:
    """Draw a painted, slightly stained wall."""
    base = pick_colour(random, (0.08, 0.45), (0.6, 0.9))
    stain = fractal_noise(random, size, (3, 2), octaves=8, falloff=0.7)
    return colourise(stain, tones(base, 0.72, 1.1))


def asphalt(random: Random, size: Size) -> Image.Image:
    """Draw the surface of a road or pavement."""
    grey = pick_colour(random, (0.0, 0.1), (0.35, 0.55))
    return colourise(
        fractal_noise(random, size, (4, 8), octaves=9, falloff=0.85),
        [scale_colour(grey, 0.6), scale_colour(grey, 1.35)],
    )


def fabric(random: Random, size: Size) -> Image.Image:
    """Draw a checked or striped cloth."""
    base = pick_colour(random, (0.25, 0.7), (0.45, 0.85))
    period = max(size) / random.uniform(7, 16)
    across = (np.arange(size[0]) % period < period / 2).astype(np.float32)[None, :]
    down = (np.arange(size[1]) % period < period / 2).astype(np.float32)[:, None] * random.integers(2)
    folds = fractal_noise(random, size, (3, 2), octaves=8, falloff=0.6)
    return colourise(0.3 * across + 0.3 * down + 0.4 * folds, [scale_colour(base, 0.5), base, WHITE])


def foliage(random: Random, size: Size) -> Image.Image:
    """Draw a hedge of overlapping leaves, dark ones behind light ones."""
    hue = random.uniform(0.2, 0.36)
    scene = Image.new("RGB", size, pick_colour(random, (0.5, 0.7), (0.08, 0.15), (hue, hue)))
    draw = ImageDraw.Draw(scene)
    for depth in np.linspace(0.15, 0.8, 1400):
        x, y = random.uniform(0, size[0]), random.uniform(0, size[1])
        length, turn = max(size) * random.uniform(0.015, 0.04), random.uniform(0, 2 * np.pi)
        along = np.array([np.cos(turn), np.sin(turn)]) * length
        side = np.array([-along[1], along[0]]) * 0.4
        leaf = np.array([x, y]) + np.array([along, side, -along, -side])
        fill = pick_colour(random, (0.45, 0.75), (0.7 * depth, depth), (hue - 0.05, hue + 0.05))
        draw.polygon([(float(a), float(b)) for a, b in leaf], fill=fill)
    return scene


def lights(random: Random, size: Size) -> Image.Image:
    """Draw an interior or a night street far out of focus."""
    dark = pick_colour(random, (0.2, 0.6), (0.15, 0.35))
    warm = pick_colour(random, (0.3, 0.6), (0.5, 0.8), (0.03, 0.14))
    scene = colourise(fractal_noise(random, size, (3, 3), octaves=4), [scale_colour(dark, 0.6), dark, warm])
    glow = Image.new("L", size)
    radius = max(size) / random.uniform(25, 50)
    for _ in range(random.integers(12, 40)):
        x, y = random.uniform(0, size[0]), random.uniform(0, size[1])
        strength = int(random.integers(50, 190))
        ImageDraw.Draw(glow).ellipse((x - radius, y - radius, x + radius, y + radius), fill=strength)
    scene.paste(scale_colour(warm, 1.5), mask=glow.filter(ImageFilter.GaussianBlur(radius / 6)))
    return scene


def city(random: Random, size: Size) -> Image.Image:
    """Draw a row of buildings with windows under a sky."""
    scene = sky(random, size)
    left = -0.05
    while left < 1:
        right = left + random.uniform(0.15, 0.35)
        house = Box.of(size).part(left, random.uniform(0.02, 0.4), right, 1)
        paint_box(scene, house, pick_colour(random, (0.08, 0.4), (0.4, 0.75), (0.0, 0.15)))
        columns, rows = random.integers(3, 6), random.integers(6, 12)
        for column, row in np.ndindex(columns, rows):
            x, y = column / columns, row / rows
            window = house.part(x + 0.22 / columns, y + 0.3 / rows, x + 0.78 / columns, y + 0.85 / rows)
            paint_box(scene, window, pick_colour(random, (0.1, 0.4), (0.15, 0.6), (0.5, 0.7)))
        left = right
    return scene
