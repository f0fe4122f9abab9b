"""Every kind of scene, in the order in which the images take turns.

Each is a painter like the textures. A camera crops a few hundredths at the edges later, so lettering keeps
clear of them.
"""

from __future__ import annotations

from mir_task.builtin.drawing.indoors import clock, parcels, station, terminal
from mir_task.builtin.drawing.printed import book_cover, book_shelf, posters
from mir_task.builtin.drawing.shops import market_stall, menu_board, neon, shop_front
from mir_task.builtin.drawing.street import bus, car, road_sign, street_sign
from mir_task.builtin.drawing.table import bottles, jars, receipt
from mir_task.builtin.drawing.textures import Painter

SCENES: tuple[Painter, ...] = (
    shop_front,
    street_sign,
    book_shelf,
    bottles,
    bus,
    posters,
    market_stall,
    parcels,
    clock,
    car,
    terminal,
    menu_board,
    neon,
    receipt,
    station,
    road_sign,
    book_cover,
    jars,
)
