"""The words on the scenes, all names invented."""

from __future__ import annotations

from mir_task.builtin.drawing.chance import Random, pick_many
from mir_task.builtin.drawing.colours import Colour


def _split(words: str) -> list[str]:
    return words.split("|")


NAMES = _split(
    "Tolvane|Brindleby|Quillmoor|Osterwick|Fennaby|Harrowel|Pellingdon|Varnholt|Mirrabel|Cobblewyn|Sundrake|"
    "Thistlemar|Ambercombe|Wexlow|Norvane|Larkenby|Dunmarrow|Kestrelby|Ivorna|Plumstow|Zephrin|Grelby|"
    "Oakenvale|Bristowen|Jorvanne|Umberley|Hexwold|Ravelmere|Dovemarsh|Calloroe"
)
TRADES = _split(
    "Bakery|Hardware|Books|Flowers|Cafe|Tailors|Chemist|Records|Toys|Fish Bar|Barber|Tea Room|Optician|"
    "Cycles|Shoes|Cheese|Grocer|Bistro|Laundry|Camera Shop"
)
STREETS = _split("Lane|Street|Row|Hill|Square|Quay|Avenue|Bridge|Gardens|Terrace")
ADJECTIVES = _split("Patient|Copper|Drifting|Salted|Ninth|Paper|Winter|Crooked|Velvet|Borrowed|Distant")
NOUNS = _split("Lighthouse|Orchard|Compass|Ferry|Almanac|Lantern|Meadow|Mapmaker|Sparrow|Kettle|Comet")
GOODS = _split(
    "Plum Jam|Pear Cider|Rose Water|Dill Pickles|Olive Oil|Ginger Ale|Oat Milk|Chili Relish|Fig Syrup|"
    "Malt Vinegar|Quince Jelly|Honey|Lemonade|Mustard|Cold Brew|Sea Salt"
)
PRODUCE: dict[str, Colour] = {
    "Apples": (158, 44, 40),
    "Plums": (74, 38, 82),
    "Oranges": (204, 112, 30),
    "Limes": (96, 136, 44),
    "Peaches": (206, 128, 84),
    "Lemons": (212, 184, 60),
    "Tomatoes": (186, 50, 30),
    "Figs": (78, 46, 64),
    "Pears": (158, 164, 70),
    "Potatoes": (150, 116, 76),
    "Onions": (164, 106, 56),
}
EVENTS = _split(
    "Jazz Evening|Autumn Fair|Boat Race|Puppet Show|Chess Open|Street Choir|Night Market|Kite Festival|"
    "Poetry Slam|Flower Show|Film Club|Barn Dance"
)
MONTHS = _split("January|February|March|April|May|June|July|August|September|October|November|December")
DISHES = _split(
    "Onion Soup|Lentil Stew|Grilled Trout|Mushroom Pie|Beet Salad|Goat Cheese|Lamb Curry|Rice Bowl|"
    "Apple Tart|Plum Cake|Mint Tea|Flat White|Fresh Juice|Egg Roll|Garlic Bread|Pumpkin Pasta"
)
ROMAN = _split("I|II|III|IV|V|VI|VII|VIII|IX|X|XI|XII")
ROOMS = _split("Platform 3|Waiting Room|Ticket Office|Reading Room|Goods In|Store 12|Workshop|Canteen")
LOG_LINES = _split(
    "$ make all|$ git status|loading 42 modules|step 300  loss 1.82|step 400  loss 1.47|build finished|"
    "error: file not found|warning: low disk|test passed  18/18|$ ls -l data|total 96 files|queue empty|"
    "for x in range(10):|    print(x * x)|def area(r):|    return 3.14 * r * r|connected to node 7|"
    "$ ping gateway|time 12 ms|saving checkpoint 5"
)


def price(random: Random) -> str:
    """Make up a price."""
    return f"{random.integers(1, 15)}.{random.integers(0, 20) * 5:02d}"


def plate_number(random: Random) -> str:
    """Make up a number plate: letters, digits, letters."""
    letters = "".join(pick_many(random, "ABCDEFGHJKLMNPRSTUVWXYZ", 5))
    return f"{letters[:2]} {random.integers(10, 999)} {letters[2:]}"
