"""Scenes where things are sold."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageChops, ImageDraw

from mir_task.builtin.drawing.chance import Random, pick, pick_many
from mir_task.builtin.drawing.colours import WHITE, colourise, ink_for, pick_colour, scale_colour
from mir_task.builtin.drawing.geometry import Box, Size
from mir_task.builtin.drawing.lettering import write, write_rows
from mir_task.builtin.drawing.noise import fractal_noise
from mir_task.builtin.drawing.panels import place
from mir_task.builtin.drawing.props import board, far, glass, lay_floor, sign, texture
from mir_task.builtin.drawing.shapes import ball, paint_box, paint_disc, paint_polygon
from mir_task.builtin.drawing.textures import asphalt, brick, city, lights, plaster, tiles, wood
from mir_task.builtin.drawing.words import DISHES, NAMES, PRODUCE, TRADES, price


def shop_front(random: Random, size: Size) -> Image.Image:
    """Draw a shop with a sign board, an awning, a window and a door."""
    scene = lay_floor(random, texture(random, size, brick, plaster, tiles), 0.87, asphalt)
    whole, trim = Box.of(size), pick_colour(random, value=(0.2, 0.6))
    for x in (0.12, 0.4, 0.68):
        paint_box(scene, whole.part(x - 0.015, 0, x + 0.215, 0.145), WHITE)
        glass(random, scene, whole.part(x, 0, x + 0.2, 0.13))
    paint_box(scene, whole.part(0.06, 0.36, 0.94, 0.87), trim)
    door_left, window_left = pick(random, ((0.09, 0.37), (0.66, 0.1)))
    glass(random, scene, whole.part(window_left, 0.4, window_left + 0.53, 0.78))
    for x in np.linspace(window_left + 0.03, window_left + 0.45, random.integers(4, 8)):
        ware = whole.part(x, random.uniform(0.68, 0.74), x + 0.05, 0.78)
        paint_box(scene, ware, pick_colour(random, value=(0.4, 0.9)), radius=6)
    door = whole.part(door_left, 0.42, door_left + 0.24, 0.87)
    paint_box(scene, door, scale_colour(trim, 0.75))
    glass(random, scene, door.part(0.13, 0.08, 0.87, 0.6))
    card = sign(random, whole.part(0, 0, 0.14, 0.06).size, pick(random, ["OPEN", "CLOSED"]), WHITE)
    place(scene, card, door.point(0.5, 0.45), random.uniform(-4, 4))
    if random.random() < 0.6:
        awning(random, scene, whole.part(0.08, 0.36, 0.92, 0.46))
    shop, trade = pick(random, NAMES), pick(random, TRADES)
    titles = [f"{shop} {trade}", f"{shop}\n{trade}", f"{shop} & {pick(random, NAMES)}", trade.upper()]
    front = sign(random, whole.part(0, 0, 0.86, 0.2).size, pick(random, titles), pick_colour(random))
    place(scene, front, whole.point(0.5, 0.26))
    return scene


def awning(random: Random, scene: Image.Image, box: Box) -> None:
    """Draw a striped awning with a scalloped edge and the shade under it."""
    colours = (pick_colour(random, (0.5, 0.8), (0.4, 0.8)), WHITE)
    count = int(random.integers(7, 15))
    paint_box(scene, box.part(0, 1, 1, 1.4), (30, 28, 32), (54, 52, 54))
    lower = box.part(-0.04, 0, 1.04, 1)
    radius = 0.5 * lower.size[0] / count
    for stripe in range(count):
        start, end, tint = stripe / count, (stripe + 1) / count, colours[stripe % 2]
        paint_disc(scene, lower.point((start + end) / 2, 1), radius, tint, scale_colour(tint, 0.6))
        outline = [box.point(start, 0), box.point(end, 0), lower.point(end, 1), lower.point(start, 1)]
        paint_polygon(scene, outline, scale_colour(tint, 0.85), tint)


def market_stall(random: Random, size: Size) -> Image.Image:
    """Draw crates of fruit with price cards under an awning."""
    scene, whole = far(texture(random, size, lights, city, brick)), Box.of(size)
    awning(random, scene, whole.part(0.03, 0.02, 0.97, 0.16))
    banner_size = whole.part(0, 0, 0.8, 0.11).size
    banner = sign(random, banner_size, f"{pick(random, NAMES)} Fruit", pick_colour(random))
    place(scene, banner, whole.point(0.5, 0.25), random.uniform(-2, 2))
    columns = 3 if size[0] > 1.15 * size[1] else 2
    for index, produce in enumerate(pick_many(random, list(PRODUCE), 2 * columns)):
        left, top = 0.05 + 0.91 * (index % columns) / columns, 0.36 + 0.3 * (index // columns)
        crate(random, scene, whole.part(left, top, left + 0.88 / columns, top + 0.29), produce)
    return scene


def crate(random: Random, scene: Image.Image, box: Box, produce: str) -> None:
    """Draw a crate heaped with one kind of fruit and its price card."""
    paint_box(scene, box.part(0, 0.2, 1, 1), (40, 30, 22))
    diameter = int(0.27 * box.size[1] * random.uniform(0.8, 1.1))
    for y in np.arange(box.top, box.point(0, 0.65)[1], 0.4 * diameter):
        for x in np.linspace(box.left, box.right - diameter, round(1.25 * box.size[0] / diameter)):
            fruit = ball(diameter, scale_colour(PRODUCE[produce], random.uniform(0.8, 1.2)))
            spot = round(x + random.uniform(-3, 3)), round(y + random.uniform(-0.15, 0.15) * diameter)
            scene.paste(fruit, spot, fruit)
    front = box.part(0, 0.7, 1, 1)
    scene.paste(wood(random, front.size), front.corner)
    paint = pick(random, [WHITE, (40, 46, 44), (244, 214, 90)])
    card = board(random, box.part(0, 0, 0.62, 0.44).size, paint, 0.06)
    text = f"{produce}\n{price(random)} / kg"
    write(card, Box.of(card.size).part(0.1, 0.14, 0.9, 0.86), text, ink_for(paint), 0.015)
    place(scene, card, box.point(0.5, 0.55), random.uniform(-7, 7))


def menu_board(random: Random, size: Size) -> Image.Image:
    """Draw a blackboard menu on a wall."""
    scene = texture(random, size, brick, wood, plaster, tiles)
    width, height = min(0.82 * size[0], 1.1 * size[1]), min(0.84 * size[1], 1.4 * size[0])
    frame, margin = wood(random, (round(width), round(height))), 0.045 * min(width, height)
    inside = Box(margin, margin, width - margin, height - margin)
    base = pick(random, [(44, 48, 48), (36, 60, 50), (52, 44, 42)])
    smudge = fractal_noise(random, inside.size, (2, 3))
    frame.paste(colourise(smudge, [scale_colour(base, 0.8), scale_colour(base, 1.6)]), inside.corner)
    title = pick(random, ["Menu", "Today", f"Cafe {pick(random, NAMES)}", "Specials", "Lunch 12-3"])
    chalk = pick_colour(random, (0.1, 0.5), (0.85, 0.95))
    write(frame, inside.part(0.12, 0.05, 0.88, 0.19), title, chalk, 0.02, 0.15)
    paint_box(frame, inside.part(0.1, 0.235, 0.9, 0.242), chalk)
    count = int(np.clip(8 * height / width, 4, 9))
    rows = [(dish, price(random)) for dish in pick_many(random, DISHES, count)]
    write_rows(frame, inside.part(0.08, 0.27, 0.92, 0.95), rows, [WHITE, WHITE, chalk])
    tilt = (random.uniform(-0.12, 0.12), 0)
    place(scene, frame, (0.5 * size[0], 0.5 * size[1]), random.uniform(-3, 3), tilt)
    return scene


def neon(random: Random, size: Size) -> Image.Image:
    """Draw a neon sign on a dark wall above a wet street."""
    whole, dusk = Box.of(size), pick_colour(random, (0.2, 0.5), (0.35, 0.5))
    wall = texture(random, size, brick, brick, tiles, wood)
    scene = ImageChops.multiply(wall, Image.new("RGB", size, dusk))
    name, tube = pick(random, NAMES), Image.new("RGB", size)
    words = [f"{name}\nBar", f"Hotel\n{name}", f"{name} Cinema", "OPEN\nALL NIGHT", "PIZZA", "Dance Hall"]
    colour, slant = pick_colour(random, (0.5, 0.9), (0.95, 1.0)), pick(random, (0, 0.2))
    write(tube, whole.part(0.16, 0.2, 0.84, 0.6), pick(random, words), colour, 0.01, slant)
    outline = pick_colour(random, (0.5, 0.9), (0.9, 1.0))
    ImageDraw.Draw(tube).rounded_rectangle(whole.part(0.09, 0.1, 0.91, 0.7), 40, outline=outline, width=9)
    for reach in (0, 0.008, 0.03, 0.08):
        scene = ImageChops.screen(scene, far(tube, reach))
    street = whole.part(0, 0.8, 1, 1)
    mirrored = scene.crop((0, round(0.1 * size[1]), size[0], round(0.8 * size[1])))
    mirrored = far(mirrored.transpose(Image.Transpose.FLIP_TOP_BOTTOM).resize(street.size), 0.006)
    wet = asphalt(random, street.size)
    scene.paste(
        ImageChops.add(wet.point(lambda level: level * 0.25), ImageChops.multiply(wet, mirrored)),
        street.corner,
    )
    return scene
