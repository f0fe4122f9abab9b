"""Scenes on the road: signs and vehicles."""

from __future__ import annotations

import numpy as np
from PIL import Image

from mir_task.builtin.drawing.chance import Random, pick, pick_many
from mir_task.builtin.drawing.colours import INK, WHITE, Colour, ink_for, pick_colour, scale_colour
from mir_task.builtin.drawing.geometry import Box, Size
from mir_task.builtin.drawing.lettering import write, write_dots, write_rows
from mir_task.builtin.drawing.panels import place
from mir_task.builtin.drawing.props import board, far, glass, lay_floor, sign, texture
from mir_task.builtin.drawing.shapes import ground_shadow, paint_box, paint_disc, paint_pole, paint_polygon
from mir_task.builtin.drawing.textures import asphalt, city, foliage, landscape, sky
from mir_task.builtin.drawing.words import NAMES, STREETS, plate_number


def street_sign(random: Random, size: Size) -> Image.Image:
    """Draw a pole with street name plates and a traffic sign."""
    scene = far(texture(random, size, city, city, foliage, landscape, sky))
    unit, x, height = min(size), random.uniform(0.42, 0.58) * size[0], size[1]
    paint_pole(scene, Box(x - 0.02 * unit, 0.07 * height, x + 0.02 * unit, height), (150, 152, 155))
    colour = pick_colour(random, (0.6, 0.8), (0.25, 0.5), (0.3, 0.7)) if random.random() < 0.7 else WHITE
    for row, side in enumerate(random.permutation([-1, 1])):
        plate = board(random, (round(0.72 * unit), round(0.15 * unit)), colour, 0.15, border=True)
        words = f"{pick(random, NAMES)} {pick(random, STREETS)}"
        write(plate, Box.of(plate.size).part(0.06, 0.22, 0.94, 0.78), words, ink_for(colour), 0.02)
        centre = (x + side * 0.06 * unit, (0.17 + 0.17 * row) * height)
        place(scene, plate, centre, random.uniform(-5, 5), (0.3 * side, 0), 0.008)
    kinds = [
        ("SLOW", (226, 186, 40), 4),
        ("STOP", (184, 36, 40), 8),
        ("ONE WAY", (30, 80, 160), 40),
        (f"{random.integers(2, 9)}0", (240, 236, 228), 40),
    ]
    text, colour, sides = pick(random, kinds)
    radius, y = 0.19 * unit, 0.68 * height
    turns = 2 * np.pi * (np.arange(sides) + (0.5 if sides == 8 else 0)) / sides
    for reach, tint in ((radius, ink_for(colour)), (0.92 * radius, colour)):
        rim = [(x + reach * np.cos(turn), y + reach * np.sin(turn)) for turn in turns]
        paint_polygon(scene, rim, tint, scale_colour(tint, 0.85))
    half = (0.55 if sides == 4 else 0.72) * radius
    write(scene, Box(x - half, y - 0.3 * radius, x + half, y + 0.3 * radius), text, ink_for(colour), 0.03)
    return scene


def road_sign(random: Random, size: Size) -> Image.Image:
    """Draw a direction board with places and distances beside a road."""
    scene, whole = landscape(random, size), Box.of(size)
    grey, vanish = pick_colour(random, (0, 0.08), (0.3, 0.45)), random.uniform(0.3, 0.7)
    road = [(vanish - 0.01, 0.6), (vanish + 0.01, 0.6), (1.1, 1), (-0.1, 1)]
    paint_polygon(scene, [whole.point(*corner) for corner in road], scale_colour(grey, 1.4), grey)
    for near, away in ((0.1, 0.2), (0.3, 0.45), (0.6, 0.95)):
        start, end = (
            whole.point(vanish + (0.5 - vanish) * share, 0.6 + 0.4 * share) for share in (near, away)
        )
        dash = [(start[0] - 8 * near, start[1]), (start[0] + 8 * near, start[1])]
        paint_polygon(scene, [*dash, (end[0] + 14 * away, end[1]), (end[0] - 14 * away, end[1])], WHITE)
    scene = far(scene, 0.003)
    colour = pick(random, [(20, 92, 62), (24, 66, 140), (240, 238, 230), (200, 150, 30)])
    count = int(random.integers(2, 5))
    panel = board(random, whole.part(0, 0, 0.72, min(0.14 * count, 0.46)).size, colour, 0.06, border=True)
    rows = [(town, f"{random.integers(2, 180)} km") for town in pick_many(random, NAMES, count)]
    write_rows(panel, Box.of(panel.size).part(0.09, 0.1, 0.91, 0.9), rows, [ink_for(colour)])
    for x in (0.26, 0.74):
        paint_pole(scene, whole.part(x - 0.012, 0.2, x + 0.012, 1), (130, 132, 134))
    tilt = (random.uniform(-0.25, 0.25), 0)
    place(scene, panel, whole.point(0.5, 0.36), random.uniform(-3, 3), tilt, 0.004)
    return scene


def bus(random: Random, size: Size) -> Image.Image:
    """Draw the front of a bus or tram with a lit destination board."""
    scene = lay_floor(random, far(city(random, size)), 0.8, asphalt)
    wide, floor = 0.72 * min(size), 0.88 * size[1]
    left, top = 0.5 * (size[0] - wide), max(0.1 * size[1], floor - 1.25 * wide)
    body, colour = Box(left, top, left + wide, floor), pick_colour(random, (0.4, 0.8), (0.4, 0.85))
    ground_shadow(scene, left - 0.04 * wide, left + 1.04 * wide, floor)
    for side in (0.06, 0.78):
        paint_box(scene, body.part(side, 0.85, side + 0.16, 1.01), (30, 30, 32), radius=6)
    for side in (-0.07, 1.01):
        paint_box(scene, body.part(side, 0.22, side + 0.06, 0.42), (50, 50, 54), radius=8)
    paint_box(
        scene, body.part(0, 0, 1, 0.95), scale_colour(colour, 1.25), scale_colour(colour, 0.7), 0.07 * wide
    )
    paint_box(scene, body.part(0.05, 0.05, 0.95, 0.6), (16, 17, 20), (24, 26, 30), 0.05 * wide)
    glass(random, scene, body.part(0.08, 0.24, 0.92, 0.57))
    paint_box(scene, body.part(0.495, 0.24, 0.505, 0.57), (24, 26, 30))
    route = (
        f"{random.integers(1, 99)} {pick(random, [*NAMES, 'Old Harbour', 'City Hall', 'Airport', 'Depot'])}"
    )
    glow: Colour = (255, 176, 40) if random.random() < 0.6 else (240, 240, 210)
    write_dots(scene, body.part(0.09, 0.07, 0.91, 0.21), route, glow)
    for side in (0.13, 0.87):
        paint_disc(scene, body.point(side, 0.745), 0.065 * wide, (252, 250, 232))
    paint_box(scene, body.part(0.02, 0.84, 0.98, 0.94), (70, 70, 74), (36, 36, 38), 8)
    write(scene, body.part(0.25, 0.65, 0.75, 0.72), f"{pick(random, NAMES)} Transit", ink_for(colour), 0.02)
    number = sign(random, body.part(0, 0, 0.32, 0.075).size, plate_number(random), WHITE)
    place(scene, number, body.point(0.5, 0.79), shadow=0)
    return scene


def car(random: Random, size: Size) -> Image.Image:
    """Draw the back of a car with a licence plate."""
    scene = lay_floor(random, far(texture(random, size, city, foliage, landscape)), 0.7, asphalt)
    wide, floor = min(0.8 * size[0], 1.1 * size[1]), 0.88 * size[1]
    left, colour = 0.5 * (size[0] - wide), pick_colour(random, (0.1, 0.8), (0.3, 0.85))
    body = Box(left, floor - 0.72 * wide, left + wide, floor)
    ground_shadow(scene, left - 0.02 * wide, left + 1.02 * wide, floor)
    for side in (0.06, 0.78):
        paint_box(scene, body.part(side, 0.75, side + 0.16, 1.01), (34, 34, 36), radius=12)
    cabin = [(0.2, 0.02), (0.8, 0.02), (0.93, 0.42), (0.07, 0.42)]
    window = [(0.24, 0.07), (0.76, 0.07), (0.85, 0.37), (0.15, 0.37)]
    paint_polygon(scene, [body.point(*corner) for corner in cabin], scale_colour(colour, 1.25), colour)
    paint_polygon(scene, [body.point(*corner) for corner in window], (150, 170, 182), (26, 30, 36))
    dark = scale_colour(colour, 0.45)
    paint_box(scene, body.part(0, 0.38, 1, 0.9), scale_colour(colour, 1.15), dark, 0.08 * wide)
    paint_box(scene, body.part(0.02, 0.74, 0.98, 0.9), scale_colour(colour, 0.75), (30, 30, 32), 0.04 * wide)
    for side in (0.03, 0.79):
        paint_box(scene, body.part(side, 0.46, side + 0.18, 0.6), (224, 40, 36), (120, 14, 16), 0.03 * wide)
        paint_box(scene, body.part(side + 0.05, 0.52, side + 0.13, 0.58), (252, 190, 140), radius=6)
    write(scene, body.part(0.36, 0.43, 0.64, 0.5), pick(random, NAMES), ink_for(colour), 0.01)
    tint: Colour = WHITE if random.random() < 0.6 else (238, 202, 60)
    plate = board(random, body.part(0, 0, 0.5, 0.15).size, tint, 0.15, border=True)
    write(plate, Box.of(plate.size).part(0.08, 0.2, 0.92, 0.8), plate_number(random), INK, 0.03)
    place(scene, plate, body.point(0.5, 0.63), random.uniform(-1, 1), shadow=0.006)
    return scene
