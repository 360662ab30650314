"""Sentences that are true or false of some things: drawn ones, and those of NLVR (Suhr et al. 2017).

NLVR shows three boxes with up to eight things each; a line of its file is one example, with the things as a list. Drawn are
sentences "there is a black circle": of the false ones half have a black thing and a circle, but no black circle.
"""

import json
import tarfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tinyaug.data.files import lines
from tinyaug.data.parallel import tokens

__all__ = ["COLOURS", "FEATURES", "MOST", "TYPES", "Statement", "drawn", "features", "named", "read"]

COLOURS = {"black": "Black", "blue": "#0099ff", "yellow": "Yellow"}
TYPES = ("circle", "square", "triangle")
MOST = 24                       # things of an example: three boxes of eight
FEATURES = 3 + len(COLOURS) + len(TYPES) + 3
SIDE = 100                      # of a box


class Statement(NamedTuple):
    """A sentence about things."""

    words: Any                      # list of words
    things: Any                     # [(box, colour, type, x, y, size)]
    true: bool
    group: str                      # examples of one group are for training, or for testing, together


def features(things):
    """(MOST, FEATURES) and a mask (MOST,): box, colour and type as ones, place and size in 0 .. 1."""
    table, mask = np.zeros((MOST, FEATURES), np.float32), np.zeros(MOST, bool)
    for row, (box, colour, kind, x, y, size) in zip(table, things):
        row[[box, 3 + list(COLOURS).index(colour), 6 + TYPES.index(kind)]] = 1
        row[9:] = x / SIDE, y / SIDE, size / 30
    mask[:len(things)] = True
    return table, mask


def named(words, things):
    """Places of the things with a colour that the sentence names; None where it names none, or all or none have it."""
    said = {word for word in words if word in COLOURS}
    found = {i for i, thing in enumerate(things) if thing[1] in said}
    return found if found and len(found) < len(things) else None


def drawn(rng, n):
    """n Statements, half of them true."""
    found = []
    for _ in range(n):
        colour, kind = (list(names)[rng.integers(3)] for names in (COLOURS, TYPES))
        true, apart = rng.random(2) < 0.5
        things = [(int(rng.integers(3)), list(COLOURS)[rng.integers(3)], TYPES[rng.integers(3)],
                   *rng.integers(0, 90, 2).tolist(), int(rng.choice([10, 20, 30]))) for _ in range(rng.integers(2, 7))]
        things = [thing for thing in things if thing[1:3] != (colour, kind)]
        colours, kinds = ([name for name in names if name != own] for names, own in ((COLOURS, colour), (TYPES, kind)))
        some = [(colour, kind)] if true else [(colour, kinds[rng.integers(2)]), (colours[rng.integers(2)], kind)]
        for c, k in some if true or apart else []:
            things.insert(int(rng.integers(len(things) + 1)), (int(rng.integers(3)), c, k, 40, 40, 20))
        found.append(Statement(["there", "is", "a", colour, kind], things, bool(true), "drawn"))
    return found


def read(path):
    """[Statement] of NLVR: a .json file of lines, or a folder or tar archive that has one.

    raises: ValueError `file:line: expected ..., got ...`
    """
    path = Path(path)
    if path.is_dir():
        files = sorted(path.rglob("*.json"))
        if not files:
            raise ValueError(f"{path}: expected a file .json of NLVR, got none")
        return [statement for file in files for statement in read(file)]
    if tarfile.is_tarfile(path):
        try:
            with tarfile.open(path) as archive:
                texts = [archive.extractfile(member).read().decode() for member in archive if member.name.endswith(".json")]
        except (tarfile.TarError, EOFError, OSError, UnicodeDecodeError) as error:
            raise ValueError(f"{path}: expected a whole tar archive, got {error}") from None
        numbered = [row for text in texts for row in enumerate(text.splitlines(), 1)]
    else:
        numbered = list(lines(path))
    found = [_statement(path, number, line) for number, line in numbered if line.strip()]
    if not found:
        raise ValueError(f"{path}: expected examples of NLVR, a line each, got none")
    return found


def _statement(path, number, line):
    colours = {code.lower(): name for name, code in COLOURS.items()}
    try:
        row = json.loads(line)
        things = [(box, colours[thing["color"].lower()], thing["type"], thing["x_loc"], thing["y_loc"], thing["size"])
                  for box, several in enumerate(row["structured_rep"]) for thing in several]
        words = tokens(row["sentence"])
        good = words and len(things) <= MOST and row["label"] in ("true", "false") and all(t[2] in TYPES for t in things)
        group, true = str(row["directory"]), row["label"] == "true"
    except (ValueError, KeyError, TypeError, AttributeError):
        good = False
    if not good:
        raise ValueError(f"{path}:{number}: expected an example of NLVR with its things, got {line.strip()[:40]!r}")
    return Statement(words, things, true, group)
