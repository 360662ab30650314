"""Point: sort numbers, find a convex hull, find a short tour, where the answer is an order of what was given.

`--model sort`, `hull` and `tour` are one kind of network with one problem each. `--score location` is the baseline without
attention: it chooses a place by its number, whatever lies there.

The functions below are those that tasks/task.py describes; TASK, at the end, names them.
"""

from functools import lru_cache

import numpy as np

from tasks import writing
from tasks.task import OptionError, Task
from tinyaug import Tensor, no_grad, ops
from tinyaug.attention import Pointer
from tinyaug.data.points import convex_hull, hull_area, read_hulls, shortest_tour, tour_length
from tinyaug.nn import LSTM

STOP = 0                        # the first place of a hull's input is no point: pointing at it ends the answer
RECIPE = {"steps": 10000, "batch": 64, "validate_every": 250, "rate": 3e-3, "half_rate": 3000, "clip_norm": 1.0,
          "hidden": 128, "embedding": 64, "score": "additive", "glimpse": True, "points": 10}
MODELS = {"sort": RECIPE | {"hidden": 64, "embedding": 32}, "hull": RECIPE | {"points": 5}, "tour": RECIPE | {"points": 5}}
BEYOND = {"sort": (5, 10, 12, 15), "hull": (5, 6, 8, 10), "tour": (5, 6, 7, 8)}


def check(config):
    """Settings that cannot be."""
    writing.check(config)
    least, most = {"sort": (2, 30), "hull": (3, 50), "tour": (3, 12)}[config["model"]]
    if not least <= config["points"] <= most:
        raise ValueError(f"points: got {config['points']}, expected {least} to {most}")


def build(config, rng):
    hidden, embedding = config["hidden"], config["embedding"]
    inputs = {"sort": 1, "hull": 3, "tour": 2}[config["model"]]
    glimpse = writing.score_of("additive", hidden, hidden, rng=rng) if config["glimpse"] else None
    return Pointer(inputs, embedding, writing.bidirectional(embedding, hidden, rng=rng),
                   LSTM(embedding + hidden, hidden, rng=rng), writing.score_of(config["score"], hidden, hidden, rng=rng),
                   glimpse=glimpse, once=True, rng=rng)


def problems(kind, rng, batch, n):
    """inputs (batch, n, D) and targets (batch, T), -1 behind the end. Sorted are different numbers of 0.00, 0.01 .. 0.99."""
    if kind == "sort":
        numbers = rng.random((batch, 100)).argsort(axis=1)[:, :n, None] / 100
        return numbers, numbers[..., 0].argsort(axis=1)
    points = rng.random((batch, n, 2))
    if kind == "tour":
        return points, shortest_tour(points)
    return with_stop(points, [convex_hull(p) for p in points])


def with_stop(points, hulls):
    """A hull's inputs (x, y, 0) after the marker (0, 0, 1), and its targets, which end at the marker."""
    batch, n, _ = points.shape
    inputs = np.zeros((batch, n + 1, 3))
    inputs[:, 0, 2], inputs[:, 1:, :2] = 1, points
    targets = np.full((batch, n + 1), -1)
    for row, hull in zip(targets, hulls):
        row[:len(hull) + 1] = [*(corner + 1 for corner in hull), STOP]
    return inputs, targets


def batch(config, rng, i):
    """Of the hull file its first nine tenths are for training."""
    if config["data"]:
        points, hulls = hull_file(config["data"])
        chosen = rng.integers(len(points) * 9 // 10, size=config["batch"])
        inputs, targets = with_stop(points[chosen], [hulls[j] for j in chosen])
    else:
        fewest = {"sort": 2, "hull": config["points"], "tour": config["points"]}[config["model"]]
        n = int(rng.integers(fewest, config["points"] + 1))
        inputs, targets = problems(config["model"], rng, config["batch"], n)
    return inputs.astype(np.float32), targets


@lru_cache(maxsize=1)
def hull_file(path):
    """points (M, N, 2) and corners of a file. raises: OptionError where it is none, or its problems differ in size"""
    try:
        found = read_hulls(path)
        sizes = {len(points) for points, _ in found}
        if len(sizes) > 1:
            raise ValueError(f"{path}: got problems of {min(sizes)} to {max(sizes)} points, expected one number of points")
    except (ValueError, OSError) as error:
        raise OptionError(f"--data: {error}") from None
    return np.stack([points for points, _ in found]), [corners for _, corners in found]


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
        ratio = tour_length(inputs, places) / tour_length(inputs, targets)
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


def _turned(corners):
    """The same polygon from its smallest index."""
    first = corners.index(min(corners)) if corners else 0
    return corners[first:] + corners[:first]


def validate(model, config, rng):
    kind, n = config["model"], config["points"]
    found = measure(kind, model, *problems(kind, rng, 500, n))
    found["exact"] = found.get("exact", found.get("optimal"))
    if kind == "sort" and found["exact"] == 1.0:
        found["exact"] = measure(kind, model, *problems(kind, rng, 1000, n))["exact"]
        found["done"] = found["exact"] >= 0.997
    return found


def evaluate(model, config, rng):
    kind = config["model"]
    if config["data"]:
        points, hulls = hull_file(config["data"])
        some = slice(len(points) * 9 // 10, None)
        return {"metrics": measure("hull", model, *with_stop(points[some], hulls[some]))}
    rows = [{"length": n, **measure(kind, model, *problems(kind, rng, 1000, n))} for n in BEYOND[kind]]
    return {"metrics": measure(kind, model, *problems(kind, rng, 2000, config["points"])), "by_length": rows}


def targets(config, result):
    metrics, time = result["metrics"], writing.at_most(seconds=(result["seconds"], 900.0))
    if config["model"] == "tour":
        return writing.at_most(over_optimum=(metrics["over_optimum"], 1.02)) | time
    if config["model"] == "sort":
        return writing.at_least(exact=(metrics["exact"], 0.98)) | time
    return writing.at_least(exact=(metrics["exact"], 0.85), area=(metrics["area"], 0.99)) | time


def trace(model, config, rng):
    inputs, right = problems(config["model"], rng, 2, config["points"])
    places, weights = point(model, inputs, right.shape[1])
    return {"inputs": inputs, "targets": right, "places": places, "weights": weights, "problem": np.array(config["model"])}


def figures(folder, trace, metrics):
    from viz import pointer as draw
    return draw.all_figures(folder / "figures", trace, metrics)


def settle(options, weights):
    """The file of `--data` holds hulls: it goes with no other model."""
    if options.data and options.model != "hull":
        raise OptionError(f"--data: got model {options.model or 'sort'}, expected --model hull: the file holds hulls")


TASK = Task(
    name="pointer", title="sort, convex hulls and short tours by pointing at the input",
    paper="Vinyals, Fortunato, Jaitly 2015, Pointer Networks",
    measures="share of answers right as a whole; area of the hull, length of the tour over the shortest, by size",
    minutes=1, models=MODELS, build=build, batch=batch, loss=loss, optimiser=writing.optimiser, rate=writing.rate,
    validate=validate, evaluate=evaluate, targets=targets, trace=trace, figures=figures, check=check,
    data="convex hulls, a line each: x1 y1 ... output i1 ... i1 (plain, .gz or .xz)",
    choices={"score": writing.SCORES}, command=settle,
)
