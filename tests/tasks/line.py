"""A task that is learned in a moment, y = 2 x - 1, with the command line of the real ones."""

import sys
import time
from pathlib import Path

import numpy as np

from tasks.__main__ import main
from tasks.task import Task
from tinyaug import ops
from tinyaug.nn.module import Module, Parameter
from tinyaug.train.optimise import SGD


class Line(Module):
    """y = slope x + offset"""

    def __init__(self, rng):
        self.slope = Parameter(rng.normal(size=1))
        self.offset = Parameter(np.zeros(1))

    def __call__(self, x):
        return x * self.slope + self.offset


def batch(config, rng, i):
    time.sleep(config["pause"])
    x = rng.normal(size=(config["batch"], 1)).astype(np.float32)
    if i == config["break_at"]:
        x[0] = np.inf
    return x, 2 * x - 1


def loss(model, x, y):
    value = ops.mean(ops.square(model(x) - y))
    return value, {"offset": ops.sum(model.offset)}


def error(model, rng):
    x = rng.normal(size=(50, 1)).astype(np.float32)
    return float(np.abs(2 * x - 1 - x * model.slope.numpy() - model.offset.numpy()).mean())


def validate(model, config, rng):
    value = error(model, rng)
    return {"error": value, "done": value < config["enough"]}


def evaluate(model, config, rng):
    rows = [{"length": n, "error": error(model, rng)} for n in config["lengths"]]
    return {"metrics": {"error": rows[-1]["error"]}, "by_length": rows}


def targets(config, result):
    value = result["metrics"]["error"]
    return {"error": {"value": value, "bound": 0.5, "reached": value < 0.5}}


def figures(folder, trace, metrics):
    path = folder / "figures" / "line.txt"
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"{len(metrics)} records, {len(trace['x'])} points")
    return [path]


def check(config):
    if not 0 < config["rate"] <= 1:
        raise ValueError(f"rate: got {config['rate']}, expected more than 0 and at most 1")


RECIPE = {"steps": 60, "batch": 4, "validate_every": 20, "rate": 0.05, "enough": 0.0, "lengths": (1, 2),
          "pause": 0.0, "break_at": 0, "shout": False}

TASK = Task(
    name="line",
    title="fit a line",
    paper="Gauss 1809",
    measures="mean absolute error",
    minutes=0.01,
    models={"line": RECIPE, "slow": {**RECIPE, "rate": 0.001}},
    build=lambda config, rng: Line(rng),
    batch=batch,
    loss=loss,
    optimiser=lambda config, model: SGD(model, rate=config["rate"]),
    validate=validate,
    evaluate=evaluate,
    targets=targets,
    trace=lambda model, config, rng: {"x": np.arange(3.0), "slope": model.slope.numpy()},
    figures=figures,
    check=check,
)


def line(arguments, weights=Path("weights")):
    return main(arguments, lambda: ["line"], {"line": TASK}.__getitem__, weights)


if __name__ == "__main__":
    sys.exit(line(sys.argv[1:]))
