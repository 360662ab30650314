"""Point: sort numbers, find a convex hull, find a short tour, where the answer is an order of what was given.

`--model sort`, `hull` and `tour` are one kind of network with one problem each. The baseline without attention is
`--score location --set glimpse=false`: it chooses a place by its number, whatever lies there. Hulls and tours begin at the
leftmost point and run counter-clockwise, so that each has one right answer, whatever the order of the points.

The functions below are those that tasks/task.py describes; TASK, at the end, names them.
"""

import numpy as np

from tasks import writing
from tasks.task import OptionError, Task
from tinyaug import Tensor, no_grad, ops
from tinyaug.attention import Pointer, SetEncoder
from tinyaug.data import tsplib
from tinyaug.data.points import (
    convex_hull,
    distances,
    from_left,
    hull_area,
    nearest_tour,
    read_hulls,
    shortest_tour,
    tour_length,
)
from tinyaug.nn import LSTM

STOP = 0                        # the first place of a hull's input is no point: pointing at it ends the answer
SORT = {"steps": 10000, "batch": 64, "validate_every": 250, "rate": 3e-3, "half_rate": 3000, "clip_norm": 1.0,
        "hidden": 64, "embedding": 32, "encoder": "lstm", "score": "additive", "glimpse": True, "points": 10}
PLANE = SORT | {"validate_every": 500, "rate": 1e-3, "half_rate": 4000, "embedding": 64, "encoder": "attention", "heads": 4,
                "layers": 3}
MODELS = {"sort": SORT, "hull": PLANE, "tour": PLANE}
ENCODERS = ("lstm", "attention")
FEWEST = {"sort": 2, "hull": 5, "tour": 5}
BEYOND = {"sort": (5, 10, 12, 15), "hull": (5, 6, 8, 10, 12, 15, 20), "tour": (5, 6, 8, 10, 12)}


def check(config):
    """Settings that cannot be."""
    writing.check(config)
    least, most = {"sort": (2, 30), "hull": (3, 50), "tour": (3, 12)}[config["model"]]
    if not least <= config["points"] <= most:
        raise ValueError(f"points: got {config['points']}, expected {least} to {most}")
    if config["encoder"] not in ENCODERS:
        raise ValueError(f"encoder: got {config['encoder']!r}, expected one of {', '.join(ENCODERS)}")
    if config["encoder"] == "attention" and config["embedding"] != config["hidden"]:
        raise ValueError(f"embedding: got {config['embedding']}, expected hidden={config['hidden']} with encoder=attention")


def build(config, rng):
    hidden, embedding = config["hidden"], config["embedding"]
    inputs = {"sort": 1, "hull": 3, "tour": 2}[config["model"]]
    if config["encoder"] == "lstm":
        encoder = writing.bidirectional(embedding, hidden, rng=rng)
    else:
        encoder = SetEncoder(hidden, config.get("heads", 4), config.get("layers", 3), rng=rng)
    glimpse = writing.score_of("additive", hidden, hidden, rng=rng) if config["glimpse"] else None
    return Pointer(inputs, embedding, encoder, LSTM(embedding + hidden, hidden, rng=rng),
                   writing.score_of(config["score"], hidden, hidden, rng=rng), glimpse=glimpse, once=True, rng=rng)


def problems(kind, rng, batch, n):
    """inputs (batch, n, D) and targets (batch, T), -1 behind the end. Sorted are different numbers of 0.00, 0.01 .. 0.99."""
    if kind == "sort":
        numbers = rng.random((batch, 100)).argsort(axis=1)[:, :n, None] / 100
        return numbers, numbers[..., 0].argsort(axis=1)
    points = rng.random((batch, n, 2))
    if kind == "tour":
        return points, np.array([from_left(p, tour) for p, tour in zip(points, shortest_tour(distances(points)))])
    return with_stop(points, [convex_hull(p) for p in points])


def with_stop(points, hulls):
    """A hull's inputs (x, y, 0) after the marker (0, 0, 1), and its targets, which end at the marker."""
    batch, n, _ = points.shape
    inputs = np.zeros((batch, n + 1, 3))
    inputs[:, 0, 2], inputs[:, 1:, :2] = 1, points
    targets = np.full((batch, n + 1), -1)
    for row, p, hull in zip(targets, points, hulls):
        row[:len(hull) + 1] = [*(corner + 1 for corner in from_left(p, hull)), STOP]
    return inputs, targets


def sizes(config):
    """Numbers or points of a problem in training."""
    return range(min(FEWEST[config["model"]], config["points"]), config["points"] + 1)


def batch(config, rng, i):
    """All problems of a batch have one size, each size as often."""
    inputs, targets = problems(config["model"], rng, config["batch"], int(rng.choice(sizes(config))))
    return inputs.astype(np.float32), targets


def loss(model, inputs, targets):
    """Cross-entropy of the right place at each step, given the right ones before it."""
    real = targets >= 0
    places = ops.where(real, targets, 0)
    each = ops.cross_entropy(model(inputs, places), places, reduction="none")
    return ops.sum(ops.where(real, each, 0.0)) / ops.sum(ops.astype(real, each.dtype)), {}


def point(model, inputs, steps):
    """(B, steps) places and (B, steps, N) weights."""
    device = model.parameters()[0].device
    with no_grad():
        places, weights = model.point(Tensor(inputs.astype(np.float32)).to(device), steps)
    return places.numpy(), weights.numpy()


def cut(row):
    """A hull's places as corners: what is before the marker."""
    row = row.tolist()
    return [place - 1 for place in row[:row.index(STOP) if STOP in row else len(row)]]


def measure(kind, model, inputs, targets):
    """Share of answers that are right as a whole; of hulls also the area that is covered, of tours the length."""
    places = np.concatenate([point(model, inputs[i:i + 250], targets.shape[1])[0] for i in range(0, len(inputs), 250)])
    if kind == "sort":
        return {"exact": float((places == targets).all(axis=1).mean())}
    if kind == "tour":
        lengths = distances(inputs)
        ratio = tour_length(lengths, places) / tour_length(lengths, targets)
        return {"over_optimum": float(ratio.mean()), "optimal": float((ratio < 1 + 1e-6).mean())}
    exact, covered = [], []
    for row, target, points in zip(places, targets, inputs[:, 1:, :2]):
        corners, right = cut(row), cut(target)
        exact.append(_turned(corners) == _turned(right))
        area = hull_area(points, corners)
        covered.append(None if area is None else area / hull_area(points, right))
    valid = [share for share in covered if share is not None]
    return {"exact": float(np.mean(exact)), "area": float(np.mean(valid)) if valid else 0.0,
            "no_polygon": 1 - len(valid) / len(covered)}


def over_sizes(config, model, rng, n):
    """The mean of what is measured at each size of training, n problems each."""
    found = [measure(config["model"], model, *problems(config["model"], rng, n, size)) for size in sizes(config)]
    return {key: float(np.mean([row[key] for row in found])) for key in found[0]}


def shortest_of_views(model, points, distance):
    """Of the tours over the eight turned and mirrored views of the points (N, 2) the one that is shortest by `distance`."""
    views = np.stack([np.stack([x if right else 1 - x, y if up else 1 - y], axis=-1)
                      for x, y in (points.T, points.T[::-1]) for right in (True, False) for up in (True, False)])
    tours, _ = point(model, views, len(points))
    return tours[tour_length(np.tile(distance, (8, 1, 1)), tours).argmin()]


def _turned(corners):
    """The same polygon from its smallest index."""
    first = corners.index(min(corners)) if corners else 0
    return corners[first:] + corners[:first]


def validate(model, config, rng):
    kind = config["model"]
    found = over_sizes(config, model, rng, 100)
    found["exact"] = found.get("exact", found.get("optimal"))
    if kind == "sort" and found["exact"] == 1.0:
        found["exact"] = measure(kind, model, *problems(kind, rng, 1000, config["points"]))["exact"]
        found["done"] = found["exact"] >= 0.997
    return found


def evaluate(model, config, rng):
    kind, most = config["model"], config["points"]
    if config["data"]:
        return on_hulls(model, config["data"]) if kind == "hull" else on_instances(model, config["data"])
    rows = [{"length": n, **measure(kind, model, *problems(kind, rng, 1000, n))} for n in BEYOND[kind]]
    if kind == "sort":
        return {"metrics": measure(kind, model, *problems(kind, rng, 2000, most)), "by_length": rows}
    key = "exact" if kind == "hull" else "over_optimum"
    metrics = {**over_sizes(config, model, rng, 500), f"{key}_5": rows[0][key]}
    if kind == "tour":
        metrics[f"{key}_{most}"] = measure(kind, model, *problems(kind, rng, 2000, most))[key]
    return {"metrics": metrics, "by_length": rows}


def on_hulls(model, path):
    """The problems of a hull file, by their number of points."""
    by_size = {}
    for points, corners in writing.read(read_hulls, path):
        by_size.setdefault(len(points), []).append((points, corners))
    rows = []
    for n, some in sorted(by_size.items()):
        inputs, targets = with_stop(np.stack([points for points, _ in some]), [corners for _, corners in some])
        rows.append({"length": n, "problems": len(some), **measure("hull", model, inputs, targets)})
    share = np.array([row["problems"] for row in rows]) / sum(row["problems"] for row in rows)
    return {"metrics": {key: float(share @ [row[key] for row in rows]) for key in ("exact", "area", "no_polygon")},
            "by_length": rows}


def on_instances(model, path):
    """The instances of TSPLIB, beside the tour that always goes on to the nearest city."""
    rows = []
    for name, points, distance, shortest in writing.read(tsplib.read, path):
        tours = [point(model, points[None], len(points))[0][0], shortest_of_views(model, points, distance),
                 nearest_tour(distance)]
        lengths = tour_length(np.stack([distance] * 3), np.array(tours)) / (shortest or np.nan)
        rows.append({"length": len(points), "instance": name, "optimum": shortest,
                     **dict(zip(("over_optimum", "of_eight_views", "nearest_city"), lengths.tolist()))})
    rows = sorted((row for row in rows if row["optimum"]), key=lambda row: row["length"])
    if not rows:
        raise OptionError(f"--data {path}: got no instance whose shortest tour is known, expected a file `solutions`")
    return {"metrics": {key: float(np.mean([row[key] for row in rows]))
                        for key in ("over_optimum", "of_eight_views", "nearest_city")}, "by_length": rows}


def targets(config, result):
    """Of the TSPLIB instances, which are larger than any that was trained, no bar is known."""
    metrics, time = result["metrics"], writing.at_most(seconds=(result["seconds"], 900.0))
    if config["model"] == "sort":
        return writing.at_least(exact=(metrics["exact"], 0.98)) | time
    if config["model"] == "tour":
        bars = {"over_optimum_5": 1.02, "over_optimum_10": 1.06} if not config["data"] else {}
        return writing.at_most(**{key: (metrics[key], bar) for key, bar in bars.items() if key in metrics}) | time
    bars = {"exact": 0.85} if config["data"] else {"exact_5": 0.85, "exact": 0.75}
    return writing.at_least(**{key: (metrics[key], bar) for key, bar in bars.items()}, area=(metrics["area"], 0.99)) | time


def shown(config, rng):
    """Two problems for the figure: drawn, or the first of a hull file; or an instance, of which no shortest tour is told."""
    if not config["data"]:
        return problems(config["model"], rng, 2, config["points"])
    if config["model"] == "tour":
        _, points, _, _ = next(iter(writing.read(tsplib.read, config["data"])))
        return points[None], np.full((1, len(points)), -1)
    found = writing.read(read_hulls, config["data"])
    points, corners = zip(*[problem for problem in found if len(problem[0]) == len(found[0][0])][:2])
    return with_stop(np.stack(points), corners)


def trace(model, config, rng):
    inputs, right = shown(config, rng)
    places, weights = point(model, inputs, right.shape[1])
    return {"inputs": inputs, "targets": right, "places": places, "weights": weights, "problem": np.array(config["model"])}


figures = writing.drawn_by("pointer")


def settle(options, weights):
    """The file of `--data` holds hulls or cities: it goes with no other model."""
    if options.data and options.model not in ("hull", "tour"):
        raise OptionError(f"--data: got model {options.model or 'sort'}, expected --model hull for a file of hulls, or "
                          f"--model tour for instances of TSPLIB")


TASK = Task(
    name="pointer", title="sort, convex hulls and short tours by pointing at the input",
    paper="Vinyals, Fortunato, Jaitly 2015, Pointer Networks",
    measures="share of answers right as a whole; area of the hull, length of the tour over the shortest, by size",
    found=("sorted 100 % right, hulls 92.3 % right, tours 1.006 of the shortest at 10 points (3 of 3 seeds each)",
           "without attention 8.9 %, 26.7 %, 1.256; public hulls 96.5 % right; TSPLIB tours 1.031"),
    minutes=1, **writing.parts(globals()),
    data="measured, not trained on: hulls, a line each, x1 y1 ... output i1 ... i1 (plain, .gz or .xz); or instances of "
         "TSPLIB, a folder, tar archive or .tsp file",
    transfers=("hull", "tour"), choices={"score": writing.SCORES, "encoder": ENCODERS}, command=settle,
)
