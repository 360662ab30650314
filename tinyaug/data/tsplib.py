"""TSPLIB95: cities and the lengths between them as the library defines them, and the shortest lengths that are known.

An instance is a file `name.tsp` (also gzip or xz). The shortest tours' lengths are in `solutions`, lines `name : length`, or
the comment of `name.opt.tour`. Instances with a table of lengths and no place on a plane get one: the points whose distances
come nearest to the table.
"""

import re
import tarfile
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tinyaug.data.files import lines
from tinyaug.data.points import distances

__all__ = ["Instance", "read", "read_instance", "geographic", "plane"]


class Instance(NamedTuple):
    """Cities to be visited."""

    name: str
    points: Any                     # (N, 2), for the network: within the unit square
    distance: Any                   # (N, N), by which tours are measured
    shortest: Any                   # the length of the shortest tour, or None where nobody told it


def read(path):
    """[Instance] of a folder, a tar archive or one .tsp file, by name.

    raises: ValueError `file:line: expected ..., got ...`
    """
    path = Path(path)
    if path.is_file() and tarfile.is_tarfile(path):
        with tempfile.TemporaryDirectory() as folder:
            try:
                with tarfile.open(path) as archive:
                    archive.extractall(folder, filter="data")
            except (tarfile.TarError, EOFError, OSError) as error:
                raise ValueError(f"{path}: expected a whole tar archive, got {error}") from None
            return read(folder)
    folder = path if path.is_dir() else path.parent
    files = sorted(folder.rglob("*.tsp*")) if path.is_dir() else [path]
    shortest = {}
    for file in folder.rglob("solutions") if path.is_dir() else [folder / "solutions"]:
        if file.exists():
            found = (re.match(r"\s*([\w.]+)\s*:\s*(\d+)", line) for _, line in lines(file))
            shortest |= {match[1]: int(match[2]) for match in found if match}
    instances = [read_instance(file, shortest) for file in files]
    if not instances:
        raise ValueError(f"{path}: expected files name.tsp of TSPLIB, got none")
    return instances


def read_instance(path, shortest=None):
    """The Instance of one file. shortest: {name: length}"""
    header, sections, current = {}, {}, None
    for number, line in lines(path):
        word = line.strip()
        if not word or word == "EOF":
            continue
        if word.endswith("_SECTION"):
            current = sections.setdefault(word, [])
        elif current is not None and re.match(r"[-+.\d]", word):
            try:
                current += map(float, word.split())
            except ValueError:
                raise ValueError(f"{path}:{number}: expected numbers, got {word[:40]!r}") from None
        elif ":" in word:
            key, _, value = word.partition(":")
            header[key.strip()], current = value.strip(), None
        else:
            raise ValueError(f"{path}:{number}: expected `KEY : value`, a section or numbers, got {word[:40]!r}")
    name = Path(path).name.partition(".tsp")[0]
    try:
        n, kind = int(header["DIMENSION"]), header["EDGE_WEIGHT_TYPE"]
        placed = sections.get("NODE_COORD_SECTION") or sections.get("DISPLAY_DATA_SECTION")
        points = None if placed is None else np.array(placed).reshape(n, 3)[:, 1:]
        distance = _lengths(kind, header.get("EDGE_WEIGHT_FORMAT"), n, points, sections.get("EDGE_WEIGHT_SECTION"))
    except KeyError as error:
        raise ValueError(f"{path}: expected {error.args[0]}, got an instance without") from None
    except (ValueError, TypeError) as error:
        raise ValueError(f"{path}: {error}") from None
    points = plane(distance) if points is None else points
    points = (points - points.min(0)) / (points.max(0) - points.min(0)).max()
    return Instance(name, points, distance, (shortest or {}).get(name, _told(path)))


def _told(path):
    """The length that `name.opt.tour` beside the instance tells, if it does."""
    tour = Path(path).with_name(Path(path).name.partition(".tsp")[0] + ".opt.tour")
    text = tour.read_text(errors="replace") if tour.exists() else ""
    match = re.search(r"(?i)(?:length|comment)[^\n]*?(\d+)\)?\s*$", text.partition("TOUR_SECTION")[0], re.MULTILINE)
    return int(match[1]) if match else None


def _lengths(kind, form, n, points, weights):
    """(N, N) as EDGE_WEIGHT_TYPE and EDGE_WEIGHT_FORMAT say. raises: ValueError for another one, or too few numbers"""
    if kind == "EXPLICIT":
        if form == "FULL_MATRIX":
            return np.array(weights).reshape(n, n)
        parts = {"UPPER_ROW": np.triu_indices(n, 1), "UPPER_DIAG_ROW": np.triu_indices(n),
                 "LOWER_ROW": np.tril_indices(n, -1), "LOWER_DIAG_ROW": np.tril_indices(n)}
        if form not in parts:
            raise ValueError(f"got EDGE_WEIGHT_FORMAT {form}, expected FULL_MATRIX or one of {', '.join(parts)}")
        table = np.zeros((n, n))
        table[parts[form]] = weights
        return np.maximum(table, table.T)
    flat = {"EUC_2D": lambda d: np.floor(d + 0.5), "CEIL_2D": np.ceil, "ATT": lambda d: np.ceil(d / np.sqrt(10))}
    if kind == "GEO":
        return geographic(points)
    if kind not in flat:
        raise ValueError(f"got EDGE_WEIGHT_TYPE {kind}, expected EXPLICIT, GEO or one of {', '.join(flat)}")
    return flat[kind](distances(points))


def geographic(points):
    """Kilometres over an idealised Earth, as TSPLIB95 computes them. points: (N, 2), degrees.minutes"""
    degrees = np.trunc(points)
    latitude, longitude = (3.141592 * (degrees + 5 * (points - degrees) / 3) / 180).T
    east = np.cos(longitude[:, None] - longitude)
    north, both = np.cos(latitude[:, None] - latitude), np.cos(latitude[:, None] + latitude)
    angle = np.arccos(np.clip(((1 + east) * north - (1 - east) * both) / 2, -1, 1))
    return np.where(np.eye(len(points)) > 0, 0, np.floor(6378.388 * angle + 1))


def plane(distance):
    """Points (N, 2) whose distances come near to a table of lengths: classical scaling (Torgerson 1952)."""
    n = len(distance)
    centre = np.eye(n) - 1 / n
    values, vectors = np.linalg.eigh(-centre @ distance ** 2 @ centre / 2)
    return vectors[:, -2:] * np.sqrt(np.maximum(values[-2:], 0))
