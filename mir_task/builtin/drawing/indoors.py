"""Scenes in rooms and halls."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

from mir_task.builtin.drawing.chance import Random, pick, pick_many
from mir_task.builtin.drawing.colours import INK, WHITE, pick_colour, scale_colour
from mir_task.builtin.drawing.geometry import Box, Size
from mir_task.builtin.drawing.lettering import write, write_rows
from mir_task.builtin.drawing.panels import place
from mir_task.builtin.drawing.props import board, event_poster, far, lay_floor, sign, texture
from mir_task.builtin.drawing.shapes import ground_shadow, paint_box, paint_disc, paint_pole, paint_polygon
from mir_task.builtin.drawing.textures import asphalt, brick, fabric, lights, plaster, tiles, wood
from mir_task.builtin.drawing.words import LOG_LINES, NAMES, ROMAN, ROOMS, STREETS


def clock(random: Random, size: Size) -> Image.Image:
    """Draw a wall clock with its maker's name, and a plate below."""
    scene = texture(random, size, plaster, tiles, brick, wood, fabric)
    radius = 0.34 * min(size)
    centre = random.uniform(0.45, 0.55) * size[0], 0.43 * size[1]
    disc = dial(random, radius)
    place(scene, disc, centre, random.uniform(-4, 4), (random.uniform(-0.1, 0.1), 0), 0.025)
    plate = sign(random, (round(1.5 * radius), round(0.3 * radius)), pick(random, ROOMS), pick_colour(random))
    place(scene, plate, (centre[0], centre[1] + 1.25 * radius), random.uniform(-1, 1))
    return scene


def dial(random: Random, radius: float) -> Image.Image:
    """Draw a clock face with hours, a maker's name and hands."""
    disc, middle = Image.new("RGBA", (round(2 * radius), round(2 * radius))), (radius, radius)
    whole, rim = Box.of(disc.size), pick_colour(random, (0.1, 0.6), (0.15, 0.6))
    face = pick_colour(random, (0, 0.15), (0.85, 0.97))
    for share, colour in ((1.0, scale_colour(rim, 1.5)), (0.95, rim), (0.87, face)):
        paint_disc(disc, middle, share * radius, colour, scale_colour(colour, 0.85))
    hours = ROMAN if random.random() < 0.4 else [str(hour) for hour in range(1, 13)]
    for hour, text in enumerate(hours, start=1):
        x, y = 0.5 + 0.35 * np.sin(hour * np.pi / 6), 0.5 - 0.35 * np.cos(hour * np.pi / 6)
        write(disc, whole.part(x - 0.055, y - 0.04, x + 0.055, y + 0.04), text, INK, 0.02)
    write(disc, whole.part(0.33, 0.3, 0.67, 0.36), pick(random, NAMES), INK)
    write(disc, whole.part(0.38, 0.66, 0.62, 0.695), "QUARTZ", INK)
    time = random.integers(720) / 60
    for turn, length, thick in ((time / 12, 0.21, 0.05), (time % 1, 0.32, 0.03)):
        tip = whole.point(0.5 + length * np.sin(2 * np.pi * turn), 0.5 - length * np.cos(2 * np.pi * turn))
        ImageDraw.Draw(disc).line((*middle, *tip), fill=INK, width=round(thick * radius))
    paint_disc(disc, middle, 0.05 * radius, (170, 40, 40))
    return disc


def terminal(random: Random, size: Size) -> Image.Image:
    """Draw a computer screen with lines of text on a desk."""
    scene = lay_floor(random, far(texture(random, size, plaster, brick, lights, tiles)), 0.74, wood)
    if size[1] > size[0]:
        poster = event_poster(random, Box.of(size).part(0, 0, 0.3, 0.26).size)
        place(scene, poster, Box.of(size).point(random.uniform(0.25, 0.75), 0.19), random.uniform(-5, 5))
    wide, x, foot = min(0.88 * size[0], 1.05 * size[1]), 0.5 * size[0], 0.81 * size[1]
    desk = Box(x - 0.5 * wide, foot - 0.72 * wide, x + 0.5 * wide, foot)
    ground_shadow(scene, *desk.part(0.3, 0, 0.7, 0)[::2], foot)
    paint_pole(scene, desk.part(0.45, 0.8, 0.55, 0.99), (70, 72, 76))
    paint_box(scene, desk.part(0.32, 0.965, 0.68, 1), (96, 98, 102), radius=12)
    monitor = board(random, desk.part(0, 0, 1, 0.88).size, (38, 38, 42), 0.05)
    dark, screen = random.random() < 0.7, Box.of(monitor.size)
    ground = pick_colour(random, (0.1, 0.6), (0.06, 0.2)) if dark else WHITE
    paint_box(monitor, screen.part(0.03, 0.05, 0.97, 0.95), scale_colour(ground, 1.1), ground)
    bright = (0.75, 0.95) if dark else (0.2, 0.45)
    colours = [pick_colour(random, (0.2, 0.7), bright) for _ in range(random.integers(1, 4))]
    lines = [(line, "") for line in pick_many(random, LOG_LINES, int(random.integers(7, 12)))]
    write_rows(monitor, screen.part(0.07, 0.1, 0.93, 0.9), lines, colours)
    place(scene, monitor, desk.point(0.5, 0.44), tilt=(random.uniform(-0.1, 0.1), 0), shadow=0.006)
    for row, column in np.ndindex(3, 14):
        y, spread = 0.86 + 0.025 * row, 0.044 + 0.002 * row
        left = x + (column - 7) * spread * wide
        key = Box(left, y * size[1], left + 0.036 * wide, (y + 0.018) * size[1])
        paint_box(scene, key, (226, 226, 222), radius=4)
    return scene


def parcels(random: Random, size: Size) -> Image.Image:
    """Draw a stack of cardboard boxes with prints and address labels."""
    wall = far(texture(random, size, brick, plaster, wood, tiles), 0.003)
    scene = lay_floor(random, wall, 0.78, wood, asphalt)
    room = sign(
        random, (round(0.42 * size[0]), round(0.12 * size[0])), pick(random, ROOMS), pick_colour(random)
    )
    place(scene, room, Box.of(size).point(random.uniform(0.3, 0.7), 0.14), random.uniform(-1, 1))
    unit, x, floor = min(0.95 * size[0], 0.92 * size[1]), 0.45 * size[0], 0.92 * size[1]
    ground_shadow(scene, x - 0.46 * unit, x + 0.52 * unit, floor)
    lower = floor - random.uniform(0.3, 0.38) * unit
    upper, left = lower - random.uniform(0.26, 0.32) * unit, x - random.uniform(0.2, 0.28) * unit
    parcel(random, scene, Box(x - 0.43 * unit, lower, x - 0.01 * unit, floor))
    parcel(random, scene, Box(x, lower + 0.02 * unit, x + 0.38 * unit, floor))
    parcel(random, scene, Box(left, upper, left + 0.44 * unit, lower))
    return scene


def parcel(random: Random, scene: Image.Image, box: Box) -> None:
    """Draw one cardboard box seen from the front and a little from the right and above."""
    colour = pick_colour(random, (0.35, 0.5), (0.6, 0.8), (0.07, 0.1))
    left, top, right, bottom = box
    deep, rise = 0.16 * (right - left), 0.12 * (right - left)
    lid = [(left, top), (left + deep, top - rise), (right + deep, top - rise), (right, top)]
    side = [(right, top), (right + deep, top - rise), (right + deep, bottom - rise), (right, bottom)]
    paint_polygon(scene, lid, scale_colour(colour, 1.2), scale_colour(colour, 1.1))
    paint_polygon(scene, side, scale_colour(colour, 0.6))
    front, whole = board(random, box.size, colour), Box.of(box.size)
    paint_box(front, whole.part(0.45, 0, 0.55, 0.2), (200, 176, 130))
    words = pick(random, ["FRAGILE", "THIS SIDE UP", "KEEP DRY", "HEAVY", pick(random, NAMES).upper()])
    write(front, whole.part(0.06, 0.24, 0.94, 0.48), words, scale_colour(colour, 0.3), 0.03)
    sticker = address_label(random, whole.part(0, 0, 0.6, 0.42).size)
    place(front, sticker, whole.point(random.uniform(0.36, 0.64), 0.74), random.uniform(-3, 3), shadow=0.004)
    scene.paste(front, box.corner)


def address_label(random: Random, size: Size) -> Image.Image:
    """Draw an address label with a bar code."""
    sticker, whole = board(random, size, WHITE), Box.of(size)
    street = f"{random.integers(1, 99)} {pick(random, NAMES)} {pick(random, STREETS)}"
    town = f"{random.integers(10000, 99999)} {pick(random, NAMES)}"
    rows = [(f"To {pick(random, NAMES)}", ""), (street, ""), (town, "")]
    write_rows(sticker, whole.part(0.06, 0.05, 0.94, 0.7), rows, [INK])
    for x in 0.1 + 0.8 * np.flatnonzero(random.random(60) < 0.5) / 60:
        paint_box(sticker, whole.part(x, 0.74, x + 0.01, 0.93), INK)
    return sticker


def station(random: Random, size: Size) -> Image.Image:
    """Draw a station name board above a bench and a platform edge."""
    scene = lay_floor(random, texture(random, size, tiles, tiles, brick, plaster), 0.76, asphalt)
    whole, bench = Box.of(size), pick_colour(random, value=(0.3, 0.6))
    paint_box(scene, whole.part(0, 0.9, 1, 0.925), (236, 200, 60))
    paint_box(scene, whole.part(0, 0.925, 1, 1), (34, 32, 32))
    text = f"{pick(random, NAMES)} {pick(random, ['Central', 'North', 'Road', 'Junction', 'Park'])}"
    panel_size = (round(0.8 * size[0]), round(min(0.24 * size[1], 0.3 * size[0])))
    panel = sign(random, panel_size, text, pick_colour(random, (0.4, 0.8), (0.25, 0.6)))
    place(scene, panel, whole.point(0.5, 0.3), 0, (random.uniform(-0.2, 0.2), 0), 0.012)
    way = f"{pick(random, ['Way out', 'To trains', 'Exit', 'Tickets'])} {pick(random, 'ABC')}"
    small = sign(random, whole.part(0, 0, 0.34, 0.09).size, way, (240, 206, 60))
    place(scene, small, whole.point(random.uniform(0.28, 0.72), 0.53))
    ground_shadow(scene, 0.2 * size[0], 0.8 * size[0], 0.83 * size[1])
    for x in (0.24, 0.74):
        paint_box(scene, whole.part(x, 0.62, x + 0.02, 0.83), (70, 70, 74))
    for y in (0.62, 0.66, 0.72):
        paint_box(scene, whole.part(0.2, y, 0.8, y + 0.03), bench, radius=5)
    return scene
