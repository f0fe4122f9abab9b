"""Scenes of printed matter: books and posters."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageChops

from mir_task.builtin.drawing.chance import Random, pick
from mir_task.builtin.drawing.colours import colourise, ink_for, pick_colour, scale_colour
from mir_task.builtin.drawing.geometry import Box, Size
from mir_task.builtin.drawing.lettering import write
from mir_task.builtin.drawing.panels import place
from mir_task.builtin.drawing.props import artwork, board, event_poster, texture
from mir_task.builtin.drawing.shapes import paint_box
from mir_task.builtin.drawing.textures import brick, fabric, plaster, tiles, wood
from mir_task.builtin.drawing.words import ADJECTIVES, NAMES, NOUNS


def book_shelf(random: Random, size: Size) -> Image.Image:
    """Draw shelves of books with titles on their spines."""
    scene, shelves = wood(random, size), 2 if size[1] > 1.1 * size[0] else 1
    for shelf in range(shelves):
        inside = Box.of(size).part(0, (shelf + 0.06) / shelves, 1, (shelf + 0.9) / shelves)
        paint_box(scene, inside, (26, 20, 18), (52, 40, 32))
        x = 0.02
        while x < 0.97:
            right = x + random.uniform(0.075, 0.15)
            slot = inside.part(x, random.uniform(0.02, 0.22), right, 1)
            scene.paste(book_spine(random, slot.size[::-1]).rotate(-90, expand=True), slot.corner)
            x = right + random.uniform(0, 0.004)
    return scene


def book_spine(random: Random, size: Size) -> Image.Image:
    """Draw a book spine lying on its side, rounded, with bands, a title and an author."""
    colour, whole = pick_colour(random, (0.1, 0.7), (0.2, 0.85)), Box.of(size)
    spine, ink = board(random, size, colour).convert("RGB"), ink_for(colour)
    for x in (0.06, 0.92):
        paint_box(spine, whole.part(x, 0, x + 0.012, 1), ink)
    title = f"{pick(random, ['The', 'A', 'My', 'Her'])} {pick(random, ADJECTIVES)} {pick(random, NOUNS)}"
    write(spine, whole.part(0.1, 0.2, 0.66, 0.8), title, ink, random.uniform(0, 0.04))
    write(spine, whole.part(0.72, 0.3, 0.9, 0.7), pick(random, NAMES), ink)
    curve = 0.45 + 0.6 * np.sin(np.linspace(0.25, 2.9, size[1]))[:, None] + np.zeros(size[0])[None, :]
    return ImageChops.multiply(spine, colourise(np.clip(curve, 0, 1), [(0, 0, 0), (255, 255, 255)]))


def book_cover(random: Random, size: Size) -> Image.Image:
    """Draw a book lying on a table."""
    scene = texture(random, size, wood, fabric, plaster)
    height = min(0.84 * size[1], 1.1 * size[0])
    cover = artwork(random, (round(height * random.uniform(0.64, 0.76)), round(height)))
    whole, paper = Box.of(cover.size), pick_colour(random, (0.05, 0.7), (0.15, 0.95))
    top = pick(random, (0.08, 0.5))
    title = f"The {pick(random, ADJECTIVES)}\n{pick(random, NOUNS)}"
    author = f"{pick(random, 'ABCDEFGHJKLMNRST')}. {pick(random, NAMES)}"
    for band, text in (
        (whole.part(0.07, top, 0.93, top + 0.3), title),
        (whole.part(0.07, 0.86, 0.93, 0.95), author),
    ):
        paint_box(cover, band, paper, scale_colour(paper, 0.9))
        write(cover, band.part(0.07, 0.15, 0.93, 0.85), text, ink_for(paper), random.uniform(0, 0.04))
    angle, pages = random.uniform(-14, 14), Image.new("RGB", cover.size, (222, 214, 196))
    place(scene, pages, (0.5 * size[0] + 0.014 * height, 0.5 * size[1] + 0.014 * height), angle)
    place(scene, cover, (0.5 * size[0], 0.5 * size[1]), angle, shadow=0)
    return scene


def posters(random: Random, size: Size) -> Image.Image:
    """Draw posters and notices on a wall."""
    scene = texture(random, size, brick, brick, plaster, wood, tiles)
    columns, rows = max(1, round(size[0] / 430)), max(1, round(size[1] / 620))
    for column, row in np.ndindex(columns, rows):
        left, top = 0.07 + 0.86 * column / columns, 0.06 + 0.88 * row / rows
        cell = Box.of(size).part(left, top, left + 0.86 / columns, top + 0.88 / rows)
        width = min(0.86 * cell.size[0], 0.7 * cell.size[1])
        poster = event_poster(random, (round(width), round(width * random.uniform(1.15, 1.3))))
        place(scene, poster, cell.point(0.5, 0.5), random.uniform(-6, 6), shadow=0.006)
    return scene
