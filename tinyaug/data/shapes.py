"""Pictures of coloured shapes on a grid, and sentences about them: "red square left of blue disc"."""

import numpy as np

from tinyaug.data.symbols import Alphabet, Pair

__all__ = ["COLOURS", "SHAPES", "WORDS", "CELL", "GRID", "scenes"]

CELL, GRID = 4, 6               # pixels of a cell's side, cells of a picture's side
COLOURS = {"red": (1, 0, 0), "green": (0, 0.8, 0), "blue": (0.1, 0.2, 1), "yellow": (1, 0.9, 0)}
SHAPES = {
    "square": ["####", "####", "####", "####"],
    "disc": [".##.", "####", "####", ".##."],
    "cross": [".##.", "####", ".##.", ".##."],
    "frame": ["####", "#..#", "#..#", "####"],
}
WORDS = Alphabet([*COLOURS, *SHAPES, "left", "of", "above"])


def scenes(rng, n):
    """pictures (n, 24, 24, 3) in 0 .. 1 with some noise, and n Pairs: the cells of the objects, and the words.

    One object is named by colour and shape; of two the first is the one that stands higher, or, in one row, further left:
    "above", or "left of". The places of a Pair are the cells that a word is about.
    """
    pictures = rng.normal(0.0, 0.05, (n, GRID * CELL, GRID * CELL, 3))
    pairs = []
    for picture in pictures:
        count = int(rng.integers(1, 3))
        cells = sorted(rng.choice(GRID * GRID, count, replace=False).tolist())
        if count == 2 and rng.random() < 0.5:               # half of the pairs stand in one row
            row = cells[0] // GRID
            cells = sorted((row * GRID + rng.choice(GRID, 2, replace=False)).tolist())
        words, places = [], []
        for i, cell in enumerate(cells):
            colour, shape = (list(names)[rng.integers(len(names))] for names in (COLOURS, SHAPES))
            _draw(picture, cell, SHAPES[shape], COLOURS[colour])
            if i:
                link = ["left", "of"] if cells[0] // GRID == cell // GRID else ["above"]
                words, places = words + link, places + [None] * len(link)
            words, places = [*words, colour, shape], [*places, {cell}, {cell}]
        pairs.append(Pair(cells, words, places))
    return np.clip(pictures, 0, 1), pairs


def _draw(picture, cell, rows, colour):
    top, left = (CELL * part for part in divmod(cell, GRID))
    for y, row in enumerate(rows):
        for x, mark in enumerate(row):
            if mark == "#":
                picture[top + y, left + x] += colour
