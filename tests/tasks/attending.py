"""What the tests of the attention tasks share."""

import struct
from pathlib import Path

import numpy as np
import pytest

import tasks
from tasks.__main__ import load
from tasks.runner import shipped, streams
from tinyaug import Tensor

WEIGHTS = Path(tasks.__file__).parent / "weights"
DATA = Path(__file__).resolve().parents[3] / "shared" / "data"


def small(name, model, *changes, data=None):
    """(task, config, model): a model of a task with its recipe and these changes, untrained."""
    task = load(name)
    config = {"task": name, "model": model, "seed": 1, "data": data and str(data), **task.settings(model, list(changes))}
    config |= task.keeps(config)
    return task, config, task.build(config, streams(1)["build"])


def losses(task, config, net, steps, batch=8, rate=1e-2):
    """The losses of so many steps on one batch; the cross-entropy where more is in the loss."""
    optimiser = task.optimiser(config | {"rate": rate}, net)
    arrays = [Tensor(array) for array in task.batch(config | {"batch": batch}, np.random.default_rng(0), 1)]
    found = []
    for _ in range(steps):
        optimiser.zero_grad()
        loss, logged = task.loss(net, *arrays)
        loss.backward()
        optimiser.step()
        found.append(logged.get("nats", loss).item())
    return found


def weights_of(name, model, data=None):
    """The model of the shipped weights and its config. They are there, and under two megabytes."""
    path = WEIGHTS / f"{name}-{model}{'-data' if data else ''}.npz"
    assert path.stat().st_size < 2e6
    net, config, _ = shipped(load(name), model, WEIGHTS, data=data)
    return net, config


def holds_something(path):
    """A figure that is neither blank nor black."""
    from matplotlib.image import imread
    grey = imread(path)[..., :3].mean(axis=2)
    return min(grey.shape) > 150 and 0.005 < (grey < 0.9).mean() < 0.95 and len(np.unique(grey.round(2))) > 20


def data(name):
    """A file of the public data sets, which are kept beside the checkout. The test is skipped where it is not."""
    if not (DATA / name).exists():
        pytest.skip(f"the public data set {name} is not on this machine")
    return DATA / name


def write_idx(path, array):
    """An array of bytes in the format of MNIST."""
    path.write_bytes(struct.pack(f">{1 + array.ndim}I", 2048 + array.ndim, *array.shape) + array.tobytes())
