"""Scenes on a table."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image

from mir_task.builtin.drawing.chance import Random, pick, pick_many
from mir_task.builtin.drawing.colours import INK, pick_colour, scale_colour
from mir_task.builtin.drawing.geometry import Box, Point, Size
from mir_task.builtin.drawing.lettering import write, write_rows
from mir_task.builtin.drawing.panels import place
from mir_task.builtin.drawing.props import board, far, lay_floor, texture
from mir_task.builtin.drawing.shapes import ground_shadow, paint_box, paint_disc, vessel
from mir_task.builtin.drawing.textures import fabric, foliage, lights, plaster, tiles, wood
from mir_task.builtin.drawing.words import DISHES, GOODS, NAMES, TRADES, price


def bottles(random: Random, size: Size) -> Image.Image:
    """Draw bottles with labels on a table."""
    profile = [
        (0, 0.3),
        (0.06, 0.3),
        (0.07, 0.26),
        (0.24, 0.27),
        (0.4, 0.9),
        (0.45, 0.98),
        (0.97, 0.98),
        (1, 0.92),
    ]
    return vessels(random, size, profile, (0.5, 0.86), 0.3)


def jars(random: Random, size: Size) -> Image.Image:
    """Draw jars with labels on a table."""
    profile = [(0, 0.8), (0.13, 0.8), (0.14, 0.72), (0.18, 0.74), (0.26, 0.98), (0.95, 0.98), (1, 0.88)]
    return vessels(random, size, profile, (0.34, 0.86), 0.72)


def vessels(random: Random, size: Size, profile: Sequence[Point], span: Point, slender: float) -> Image.Image:
    """Draw a row of vessels of one profile, their width `slender` times their height."""
    backdrop = far(texture(random, size, tiles, plaster, lights, wood, foliage))
    scene, (width, height) = lay_floor(random, backdrop, 0.76, wood, fabric), size
    count = int(np.clip(0.84 * width / (slender * 0.74 * height), 1, 4))
    tallest = min(0.76 * height, 0.8 * width / (count * slender))
    for index, text in enumerate(pick_many(random, GOODS, count)):
        tall = tallest * random.uniform(0.86, 1)
        body_size = (round(slender * tall), round(tall))
        colour = pick_colour(random, (0.4, 0.8), (0.3, 0.75), (-0.05, 0.4))
        paper = label(random, (round(1.57 * body_size[0]), round((span[1] - span[0]) * tall)), text)
        body = vessel(body_size, profile, colour, pick_colour(random, (0.1, 0.6)), paper, span)
        left = (0.5 + 0.84 * (index - (count - 1) / 2) / count) * width - body_size[0] / 2
        floor = random.uniform(0.84, 0.9) * height
        ground_shadow(scene, left, left + 1.1 * body_size[0], floor)
        scene.paste(body, (round(left), round(floor - tall)), body)
    return scene


def label(random: Random, size: Size, text: str) -> Image.Image:
    """Draw the flattened label of a vessel; only its middle faces the viewer."""
    paper, whole = Image.new("RGB", size, pick_colour(random, (0.05, 0.4), (0.7, 0.97))), Box.of(size)
    accent = pick_colour(random, (0.5, 0.8), (0.25, 0.5))
    for band in ((0.05, 0.22), (0.84, 0.95)):
        paint_box(paper, whole.part(0, band[0], 1, band[1]), accent)
    write(paper, whole.part(0.24, 0.28, 0.76, 0.62), text.replace(" ", "\n"), INK, 0.03)
    maker = f"{pick(random, NAMES)} {random.integers(2, 10)}50 ml"
    write(paper, whole.part(0.24, 0.67, 0.76, 0.8), maker, accent)
    return paper


def receipt(random: Random, size: Size) -> Image.Image:
    """Draw a till receipt and a cup on a table, seen from above."""
    scene = texture(random, size, wood, fabric, plaster)
    height = 0.84 * size[1]
    paper = board(random, (round(min(0.62 * height, 0.54 * size[0])), round(height)), (240, 238, 230))
    whole, shop = Box.of(paper.size), f"{pick(random, NAMES)} {pick(random, TRADES)}"
    rows = [(item, price(random)) for item in pick_many(random, GOODS + DISHES, int(random.integers(5, 9)))]
    total = sum(float(amount) for _, amount in rows)
    write(paper, whole.part(0.1, 0.05, 0.9, 0.14), shop, INK, 0.02)
    write_rows(paper, whole.part(0.08, 0.18, 0.92, 0.78), [*rows, ("TOTAL", f"{total:.2f}")], [INK])
    write(paper, whole.part(0.1, 0.84, 0.9, 0.92), "THANK YOU", INK)
    side = pick(random, (-1, 1))
    centre = Box.of(size).point(0.5 - 0.16 * side, 0.5)
    place(scene, paper, centre, random.uniform(-5, 5), (0, 0.08), 0.008)
    x, y = Box.of(size).point(0.5 + 0.38 * side, random.uniform(0.25, 0.6))
    radius, china = 0.12 * min(size), pick_colour(random, (0.02, 0.5), (0.75, 0.95))
    ground_shadow(scene, x - 1.3 * radius, x + 1.5 * radius, y + 1.1 * radius)
    for share, tint in ((1.4, china), (1.3, scale_colour(china, 0.85)), (1.0, china), (0.88, (62, 36, 20))):
        paint_disc(scene, (x, y), share * radius, tint)
    return scene
