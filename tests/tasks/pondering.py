"""What the tests of the tasks of adaptive computation time share."""

import json

import numpy as np

from tasks.__main__ import load, main
from tasks.runner import streams
from tinyaug import Tensor


def small(name, *changes, model=None):
    """(model, config) of a task at a small size."""
    task = load(name)
    model = model or next(iter(task.models))
    config = {"task": name, "model": model, "seed": 1, "data": None, **task.settings(model, list(changes))}
    return task.build(config, streams(1)["build"]), config


def run(name, folder, *arguments, weights=None):
    """A command line in this process. returns: result.json and the trace"""
    extra, trace = {} if weights is None else {"weights": weights}, folder.parent / "trace.npz"
    assert main([name, "--out", str(folder), "--trace", str(trace), "--quiet", *arguments], **extra) == 0
    with np.load(trace, allow_pickle=False) as file:
        return json.loads((folder / "result.json").read_text()), dict(file)


def refused(name, change, says, capsys, folder):
    """A setting that cannot be is one line and exit code 2."""
    assert main([name, "--out", str(folder), "--set", change]) == 2
    error = capsys.readouterr().err
    assert says in error and error.count("\n") == 1 and not folder.exists()


class Oracle:
    """Stands for a network: its answers are given, wrong where asked, after as many steps as it is told."""

    def __init__(self, targets, classes, wrong=(), steps=1.0):
        self.guess = np.where(targets < 0, 0, targets)
        for place in wrong:
            self.guess[place] = (self.guess[place] + 1) % classes
        self.eye, self.steps = np.eye(classes), np.broadcast_to(steps, targets.shape[:2])

    def parameters(self):
        return [Tensor(0.0)]

    def __call__(self, inputs):
        return [type("Thought", (), {"steps": Tensor(self.steps[t]), "t": t}) for t in range(len(inputs.numpy()))], None

    def probabilities(self, thought):
        return Tensor(self.eye[self.guess[thought.t]])


def figures_are_there(folder, names):
    from matplotlib.image import imread
    found = sorted(path.stem for path in (folder / "figures").glob("*.png"))
    assert found == sorted(names)
    for name in names:
        grey = imread(folder / "figures" / f"{name}.png")[..., :3].mean(axis=2)
        assert min(grey.shape) > 150 and 0.005 < (grey < 0.9).mean() < 0.95


